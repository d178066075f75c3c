/* The types that every part of Goo shares: status codes, allocation options, and the allocator.
 *
 * Choose GooAllocator as the type of a parameter wherever a library should not decide where memory
 * comes from. It is a plain struct of function pointers: the ready-made ones come from
 * goo/allocators.h, and a program's own is this struct filled in by hand.
 *
 *     static void *my_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options);
 *     static void *my_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
 *                             size_t alignment, GooAllocOptions options);
 *     static void my_free(void *ctx, void *ptr, size_t size, size_t alignment);
 *     GooAllocator mine = { .alloc = my_alloc, .realloc = my_realloc, .free = my_free };
 *     void *p = goo_memory_alloc_with(&mine, 100);
 *
 * The functions in the struct are the raw mechanism. Programs call the front door in
 * goo/runtime/memory.h, which adds strategies, counting and argument checks once for all of them.
 */
#ifndef GOO_CORE_TYPES_H
#define GOO_CORE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* GOO_API marks what the library exports. On Windows a program that links the static library
 * defines GOO_STATIC. Zig's C translator wants plain declarations. */
#if defined(__ARO_EMULATE__)
#define GOO_API
#elif defined(_WIN32)
#if defined(GOO_STATIC)
#define GOO_API
#elif defined(GOO_BUILDING)
#define GOO_API __declspec(dllexport)
#else
#define GOO_API __declspec(dllimport)
#endif
#elif defined(__GNUC__) || defined(__clang__)
#define GOO_API __attribute__((visibility("default")))
#else
#define GOO_API
#endif

/* Around the declarations of a header, so that C++ programs link. */
#if defined(__cplusplus)
#define GOO_BEGIN_DECLS extern "C" {
#define GOO_END_DECLS }
#else
#define GOO_BEGIN_DECLS
#define GOO_END_DECLS
#endif

GOO_BEGIN_DECLS

#define GOO_DEFAULT_ALIGNMENT 16
#define GOO_RETRY_LIMIT 8

typedef enum GooStatus {
    GOO_OK = 0,
    GOO_ERR_NO_MEMORY = -1,
    GOO_ERR_INVALID_ARGUMENT = -2,
    GOO_ERR_LIMIT = -3,
    GOO_ERR_UNSUPPORTED = -4,
    GOO_ERR_BUSY = -5,
    GOO_ERR_IO = -6,
    GOO_ERR_CORRUPT = -7
} GooStatus;

/* Names a status in a few English words, without a final stop.
 * Returns: a constant string, also for a number that is no status. Threads: any. Cost: constant. */
GOO_API const char *goo_status_message(GooStatus status);

/* How a block is to be allocated: bits, or'ed. */
typedef uint32_t GooAllocOptions;
enum {
    GOO_ALLOC_DEFAULT = 0,
    GOO_ALLOC_ZERO = 1,     /* the block reads zero; also the grown tail of a realloc */
    GOO_ALLOC_NOFAIL = 2,   /* panic instead of returning NULL */
    GOO_ALLOC_GROWABLE = 4, /* leave room to grow where that is cheap */
    GOO_ALLOC_PERSIST = 8,  /* survives an arena's or a region's reset */
    GOO_ALLOC_TEMP = 16,    /* short-lived; may come from scratch memory */
    GOO_ALLOC_EXACT = 32,   /* no rounding up */
    GOO_ALLOC_PAGE = 64     /* aligned to a page, whole pages */
};

/* What the front door does when an allocator has no memory.
 *   NULL   returns NULL with errno ENOMEM
 *   PANIC  calls the panic handler
 *   RETRY  calls the out-of-memory handler (the allocator's, else the global one) and tries again,
 *          at most GOO_RETRY_LIMIT times
 *   GC     collects every heap that the allocator is attached to and that this thread may collect,
 *          and tries once more; inside a trace, a finalizer or a sweep, or without a mutator on
 *          this thread, it is NULL */
typedef enum GooAllocStrategy {
    GOO_ALLOC_STRATEGY_NULL,
    GOO_ALLOC_STRATEGY_PANIC,
    GOO_ALLOC_STRATEGY_RETRY,
    GOO_ALLOC_STRATEGY_GC
} GooAllocStrategy;

/* What the front door counts while `track_stats` is on. Read it with goo_get_alloc_stats: in the
 * struct of a thread-safe allocator it is a note where the counters of all threads are. */
typedef struct GooAllocStats {
    size_t bytes_allocated;     /* live now, as the callers asked for them */
    size_t bytes_reserved;      /* behind them, hidden headers included */
    size_t max_bytes_allocated; /* the most that bytes_allocated ever was */
    size_t allocation_count;    /* live blocks */
    size_t total_allocations;   /* blocks ever handed out; a realloc is not a new one */
    size_t total_frees;
    size_t failed_allocations; /* requests that gave NULL, retries counted as one */
} GooAllocStats;

typedef struct GooAllocator GooAllocator;

/* The mechanism behind an allocator; `ctx` is the allocator's `context`. The front door hands in a
 * size above 0 and an alignment that is a power of two, and only `size` that leaves room for a
 * header. A function that fails returns NULL, sets errno, and changes nothing. */
typedef void *(*GooAllocFn)(void *ctx, size_t size, size_t alignment, GooAllocOptions options);
typedef void *(*GooReallocFn)(void *ctx, void *ptr, size_t old_size, size_t new_size,
                              size_t alignment, GooAllocOptions options);
typedef void (*GooFreeFn)(void *ctx, void *ptr, size_t size, size_t alignment);
/* In place, or false. */
typedef bool (*GooResizeFn)(void *ctx, void *ptr, size_t old_size, size_t new_size,
                            size_t alignment);
/* `self` is the GooAllocator *. */
typedef void (*GooDestroyFn)(void *self);
typedef void (*GooOutOfMemFn)(void);

/* An allocator. `alloc`, `realloc` and `free` are never NULL; every other pointer may be. */
struct GooAllocator {
    GooAllocFn alloc;
    GooReallocFn realloc;
    GooFreeFn free;
    GooDestroyFn destroy; /* NULL: it owns nothing that must be given back */
    GooAllocStrategy strategy;
    GooOutOfMemFn out_of_mem_fn; /* for RETRY; NULL: the global handler */
    void *context;
    bool track_stats;
    GooAllocStats stats;
    GooResizeFn resize;    /* NULL: never in place */
    const char *name;      /* for reports; may be NULL */
    uint32_t capabilities; /* GOO_ALLOCATOR_*; the library keeps the upper 16 bits for itself */
};

/* What an allocator can do: bits of `capabilities`. */
enum {
    GOO_ALLOCATOR_FREES = 1,       /* a free gives memory back */
    GOO_ALLOCATOR_RESIZES = 2,     /* resize may succeed */
    GOO_ALLOCATOR_RESETS = 4,      /* goo_allocator_reset works */
    GOO_ALLOCATOR_THREAD_SAFE = 8, /* any thread at any time */
    GOO_ALLOCATOR_OWNS = 16        /* goo_allocator_owns answers */
};

GOO_END_DECLS

#endif
