/* What every file of the library may assume: compiler hints and the visibility of shared private
 * names. Layer 0: needs the C standard library only.
 *
 * Private functions that more than one file uses are named gooi_*; the build hides everything that
 * is not marked GOO_API (include/goo/core/types.h).
 */
#ifndef GOO_RUNTIME_BASE_H
#define GOO_RUNTIME_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define GOOI_LIKELY(x) __builtin_expect(!!(x), 1)
#define GOOI_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define GOOI_ALWAYS_INLINE inline __attribute__((always_inline))
#define GOOI_NEVER_INLINE __attribute__((noinline))
#define GOOI_COLD __attribute__((cold, noinline))
#define GOOI_NORETURN __attribute__((noreturn))
#define GOOI_PRINTF(index, first) __attribute__((__format__(__printf__, index, first)))
#define GOOI_PREFETCH(address) __builtin_prefetch(address)
#define GOOI_LOAD_RELAXED(address) __atomic_load_n((address), __ATOMIC_RELAXED)
#define GOOI_STORE_RELAXED(address, value) __atomic_store_n((address), (value), __ATOMIC_RELAXED)
#else
#define GOOI_LIKELY(x) (x)
#define GOOI_UNLIKELY(x) (x)
#define GOOI_ALWAYS_INLINE inline
#define GOOI_NEVER_INLINE
#define GOOI_COLD
#define GOOI_NORETURN
#define GOOI_PRINTF(index, first)
#define GOOI_PREFETCH(address) ((void)(address))
#define GOOI_LOAD_RELAXED(address) (*(address))
#define GOOI_STORE_RELAXED(address, value) ((void)(*(address) = (value)))
#endif

/* Prefetches what will be written, so that it need not be asked of another core again. Compilers
 * make a read of __builtin_prefetch(address, 1) unless told of the processor; those of x86-64 that
 * don't know the instruction skip it. */
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define GOOI_PREFETCH_WRITE(address) \
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)(address)))
#elif defined(__GNUC__) || defined(__clang__)
#define GOOI_PREFETCH_WRITE(address) __builtin_prefetch(address, 1)
#else
#define GOOI_PREFETCH_WRITE(address) ((void)(address))
#endif

/* Tells the processor that this is a loop which waits. */
#if defined(__x86_64__) || defined(__i386__)
#define GOOI_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define GOOI_PAUSE() __asm__ volatile("yield")
#else
#define GOOI_PAUSE() ((void)0)
#endif

/* For declarations of variables that other files define: hidden like their definitions, so that
 * code for a shared library reaches them without a look-up. */
#if defined(__ELF__) && (defined(__GNUC__) || defined(__clang__))
#define GOOI_HIDDEN __attribute__((visibility("hidden")))
#else
#define GOOI_HIDDEN
#endif

/* Thread-local storage. In an ELF shared library the initial-exec model saves a call per access;
 * the few words that this library keeps fit the room that loaders leave for late libraries. */
#if defined(__ELF__) && (defined(__GNUC__) || defined(__clang__))
#define GOOI_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define GOOI_THREAD_LOCAL _Thread_local
#endif

/* For functions that must look at memory which may have been freed, to say so in words. */
#if defined(__GNUC__) || defined(__clang__)
#if defined(__SANITIZE_ADDRESS__) || defined(__clang__)
#define GOOI_NO_SANITIZE_ADDRESS __attribute__((no_sanitize_address, noinline))
#else
#define GOOI_NO_SANITIZE_ADDRESS __attribute__((no_sanitize_address)) inline
#endif
#else
#define GOOI_NO_SANITIZE_ADDRESS
#endif

/* Whether a sanitizer watches each access to memory: then stacks are read word by word, by
 * functions that it lets alone. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GOOI_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define GOOI_SANITIZED 1
#endif
#endif

/* The number of elements of an array whose size is known here. */
#define GOOI_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
