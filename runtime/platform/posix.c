/* The OS contract on Linux: mmap and its relatives, POSIX threads, getrandom.
 *
 * Reserved space is mapped PROT_NONE with MAP_NORESERVE, which costs page-table entries only where
 * it is touched later. Alignment beyond a page is had by reserving `alignment` more and giving the
 * ends back. Committing is mprotect; decommitting maps fresh PROT_NONE pages over the range, which
 * drops contents and the commit charge in one call.
 *
 * Threads: any, as platform.h says. The only state is the thread-exit key, an OS handle.
 * Left out on purpose: macOS and the BSDs, whose stack bounds and advice calls differ; they are
 * files of their own beside this one.
 */
#define _GNU_SOURCE

#include "runtime/platform/platform.h"

#include "runtime/bits.h"
#include "runtime/check.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <time.h>
#include <unwind.h>
#if defined(__has_include)
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h> /* glibc 2.32 */
#define POSIX_TELLS_SINGLE_THREADED 1
#endif
#endif
#include <unistd.h>

/* Linux 5.14; older headers lack the name and older kernels answer EINVAL. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

size_t gooi_platform_page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void *posix_map_inaccessible(void *where, size_t size, int extra_flags) {
    void *p = mmap(where, size, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | extra_flags, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void *gooi_platform_reserve(size_t size, size_t alignment) {
    size_t page_size = gooi_platform_page_size();
    if (alignment <= page_size) {
        return posix_map_inaccessible(NULL, size, 0);
    }
    size_t padded_size;
    if (gooi_add_overflows(size, alignment, &padded_size)) {
        return NULL;
    }
    uint8_t *padded = posix_map_inaccessible(NULL, padded_size, 0);
    if (padded == NULL) {
        return NULL;
    }
    size_t before = (size_t)(-(uintptr_t)padded & (alignment - 1));
    size_t after = padded_size - before - size;
    if (before != 0) {
        munmap(padded, before);
    }
    if (after != 0) {
        munmap(padded + before + size, after);
    }
    GOO_ASSERT(((uintptr_t)(padded + before) & (alignment - 1)) == 0,
               "platform_reserve: %p is not aligned to %zu", (void *)(padded + before), alignment);
    return padded + before;
}

void gooi_platform_release(void *base, size_t size) {
    int failed = munmap(base, size);
    GOO_ASSERT(failed == 0, "platform_release: munmap(%p, %zu) refused", base, size);
    (void)failed;
}

bool gooi_platform_commit(void *base, size_t size) {
    return mprotect(base, size, PROT_READ | PROT_WRITE) == 0;
}

bool gooi_platform_decommit(void *base, size_t size) {
    return posix_map_inaccessible(base, size, MAP_FIXED) != NULL;
}

bool gooi_platform_discard(void *base, size_t size) {
    return madvise(base, size, MADV_DONTNEED) == 0;
}

void gooi_platform_advise_huge(void *base, size_t size) {
    int saved_errno = errno;
    madvise(base, size, MADV_HUGEPAGE);
    errno = saved_errno;
}

/* One write per page; the value that is there stays there. */
static void posix_touch_pages(uint8_t *base, size_t size) {
    size_t page_size = gooi_platform_page_size();
    for (size_t offset = 0; offset < size; offset += page_size) {
        volatile uint8_t *byte = base + offset;
        *byte = *byte;
    }
}

void gooi_platform_populate(void *base, size_t size) {
    int saved_errno = errno;
    if (madvise(base, size, MADV_POPULATE_WRITE) != 0 && errno == EINVAL) {
        posix_touch_pages(base, size);
    }
    errno = saved_errno;
}

bool gooi_platform_protect(void *base, size_t size, bool accessible) {
    return mprotect(base, size, accessible ? PROT_READ | PROT_WRITE : PROT_NONE) == 0;
}

size_t gooi_platform_heap_usable_size(void *ptr) {
    return malloc_usable_size(ptr);
}

uint64_t gooi_platform_physical_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES);
    return pages < 0 ? 0 : (uint64_t)pages * gooi_platform_page_size();
}

uint64_t gooi_platform_time_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

unsigned gooi_platform_core_count(void) {
    int saved_errno = errno;
    cpu_set_t allowed;
    long count = sched_getaffinity(0, sizeof allowed, &allowed) == 0
                     ? CPU_COUNT(&allowed)
                     : sysconf(_SC_NPROCESSORS_ONLN); /* more cores than a cpu_set_t holds */
    errno = saved_errno;
    return count < 1 ? 1 : (unsigned)count;
}

/* A thread's own storage has an address that no other live thread's storage has. */
uintptr_t gooi_platform_thread_id(void) {
    static GOOI_THREAD_LOCAL char posix_thread_marker;
    return (uintptr_t)&posix_thread_marker;
}

bool gooi_platform_single_threaded(void) {
#if defined(POSIX_TELLS_SINGLE_THREADED)
    return __libc_single_threaded != 0;
#else
    return false;
#endif
}

/* Asking takes a pass through /proc/self/maps on the main thread, so the answer is kept. */
bool gooi_platform_stack_bounds(const void **out_low, const void **out_high) {
    static GOOI_THREAD_LOCAL uintptr_t posix_stack_low, posix_stack_high;
    if (posix_stack_high == 0) {
        pthread_attr_t attributes;
        if (pthread_getattr_np(pthread_self(), &attributes) != 0) {
            return false;
        }
        void *low;
        size_t size;
        int failed = pthread_attr_getstack(&attributes, &low, &size);
        pthread_attr_destroy(&attributes);
        if (failed != 0) {
            return false;
        }
        posix_stack_low = (uintptr_t)low;
        posix_stack_high = (uintptr_t)low + size;
    }
    *out_low = (const void *)posix_stack_low;
    *out_high = (const void *)posix_stack_high;
    return true;
}

/* Its frame lies below the caller's, and with it everything that the caller spilled. */
static GOOI_NEVER_INLINE void posix_call_below(void (*fn)(const void *stack_pointer, void *arg),
                                               void *arg) {
    fn(__builtin_frame_address(0), arg);
    __asm__ volatile("" ::: "memory"); /* no tail call: the frame must stay */
}

/* __builtin_unwind_init makes the compiler save every callee-saved register in this frame. setjmp
 * would not do: C libraries scramble the frame pointer that it stores. */
GOOI_NEVER_INLINE void
gooi_platform_with_spilled_registers(void (*fn)(const void *stack_pointer, void *arg), void *arg) {
    __builtin_unwind_init();
    posix_call_below(fn, arg);
    __asm__ volatile("" ::: "memory");
}

/* What a thread wants called at its end. The key's destructor finds it by the key's value. */
typedef struct PosixThreadExit {
    void (*fn)(void *arg);
    void *arg;
} PosixThreadExit;

static pthread_once_t posix_exit_once = PTHREAD_ONCE_INIT;
static pthread_key_t posix_exit_key;
static bool posix_exit_key_valid;

static void posix_run_thread_exit(void *value) {
    PosixThreadExit *request = value;
    request->fn(request->arg);
}

static void posix_create_exit_key(void) {
    posix_exit_key_valid = pthread_key_create(&posix_exit_key, posix_run_thread_exit) == 0;
}

/* --- stacks in words --- */

typedef struct PosixBacktrace {
    GooiPlatformFrame *frames;
    size_t count, capacity;
} PosixBacktrace;

static _Unwind_Reason_Code posix_backtrace_step(struct _Unwind_Context *context, void *arg) {
    PosixBacktrace *b = arg;
    uintptr_t address = _Unwind_GetIP(context);
    if (b->count == b->capacity || address == 0) {
        return _URC_END_OF_STACK;
    }
    b->frames[b->count++] = (GooiPlatformFrame){address, _Unwind_GetCFA(context)};
    return _URC_NO_REASON;
}

size_t gooi_platform_backtrace(GooiPlatformFrame *frames, size_t capacity) {
    PosixBacktrace b = {frames, 0, capacity};
    _Unwind_Backtrace(posix_backtrace_step, &b);
    return b.count;
}

bool gooi_platform_symbol(const void *return_address, char *out, size_t size) {
    Dl_info info;
    uintptr_t address = (uintptr_t)return_address;
    if (dladdr((const void *)(address - 1), &info) == 0 || info.dli_fname == NULL) {
        return false;
    }
    const char *slash = strrchr(info.dli_fname, '/');
    const char *module = slash != NULL ? slash + 1 : info.dli_fname;
    size_t in_module = address - (uintptr_t)info.dli_fbase;
    if (info.dli_sname != NULL) {
        snprintf(out, size, "%s+0x%zx (%s+0x%zx)", info.dli_sname,
                 address - (uintptr_t)info.dli_saddr, module, in_module);
    } else {
        snprintf(out, size, "(%s+0x%zx)", module, in_module);
    }
    return true;
}

void gooi_platform_break(void) {
    raise(SIGTRAP);
}

void gooi_platform_yield(void) {
    sched_yield();
}

bool gooi_platform_on_thread_exit(void (*fn)(void *arg), void *arg) {
    static GOOI_THREAD_LOCAL PosixThreadExit posix_exit_request;
    pthread_once(&posix_exit_once, posix_create_exit_key);
    if (!posix_exit_key_valid || pthread_setspecific(posix_exit_key, &posix_exit_request) != 0) {
        return false;
    }
    posix_exit_request = (PosixThreadExit){fn, arg};
    return true;
}

/* Where the kernel's generator is not ready yet: time and address-space layout, well mixed. */
static uint64_t posix_weak_random(void) {
    uint64_t x = gooi_platform_time_ns() ^ (uint64_t)gooi_platform_thread_id();
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t gooi_platform_random(void) {
    int saved_errno = errno;
    uint64_t value;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != (ssize_t)sizeof value) {
        value = posix_weak_random();
    }
    errno = saved_errno;
    return value;
}

void gooi_platform_abort(void) {
    abort();
}

void gooi_platform_log(const char *message) {
    int saved_errno = errno;
    char newline = '\n';
    struct iovec parts[2] = {{(void *)(uintptr_t)message, strlen(message)}, {&newline, 1}};
    ssize_t written = writev(STDERR_FILENO, parts, 2);
    (void)written; /* nobody is left to tell */
    errno = saved_errno;
}
