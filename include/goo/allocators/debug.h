/* The debug allocator: finds misuse of memory and says where it came from.
 *
 * Choose it to look for leaks, double frees, overruns, uses after free and frees with a wrong size,
 * in tests or, sampled, in production. It wraps any allocator. Blocks that are allocated and freed
 * by GOO_ALLOC and GOO_FREE are reported with file and line; all have their stacks.
 *
 *     GooDebugOptions options = {.name = "parser", .report = stderr};
 *     GooAllocator *a = goo_debug_allocator_create(NULL, &options);
 *     char *text = GOO_ALLOC(a, 10);
 *     goo_debug_report(a, stderr);            // one block live, allocated here
 *     GOO_FREE(a, text, 10);
 *     goo_allocator_destroy(a);
 */
#ifndef GOO_ALLOCATORS_DEBUG_H
#define GOO_ALLOCATORS_DEBUG_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* What happens to leaks when they are reported, and at destroy, beside being written to a file. */
typedef enum GooLeakMode {
    GOO_LEAK_LOG,     /* nothing more */
    GOO_LEAK_PANIC,   /* the panic handler is called once */
    GOO_LEAK_BREAK,   /* the debugger is entered (SIGTRAP) */
    GOO_LEAK_CALLBACK /* on_leak is called for each */
} GooLeakMode;

/* A live block. What it points to is valid during the callback; `stack` holds return addresses,
 * innermost first. */
typedef struct GooLeak {
    void *ptr;
    size_t size;
    const char *file; /* NULL: not known */
    int line;
    void *const *stack;
    size_t stack_depth;
} GooLeak;

/* In place of a 0 that means the default: none of it. */
#define GOO_DEBUG_NONE SIZE_MAX

typedef struct GooDebugOptions {
    const char *name; /* for reports, at most 31 characters are kept; NULL: "debug" */
    GooLeakMode leak_mode;
    void (*on_leak)(const GooLeak *leak, void *user); /* for GOO_LEAK_CALLBACK; may allocate */
    void *user;
    FILE *report;            /* where details of faults, and leaks at destroy, are written;
                                NULL: the panic handler only */
    size_t stack_depth;      /* return addresses kept of a stack, at most 64; 0: 16 */
    size_t quarantine_bytes; /* freed bytes held back, poisoned; 0: 64 KiB, sampled 16 KiB */
    size_t canary_bytes;     /* guarded on each side of a block; 0: 16; at most 4,096 */
    uint32_t sample_every;   /* every n-th allocation is watched, the others pass; 0, 1: each */
    bool never_unmap;     /* each block has its own pages, inaccessible once freed, never reused */
    bool retain_metadata; /* who freed a block stays known after its memory was given back */
} GooDebugOptions;

/* Makes a debug allocator over `parent` (NULL: this thread's allocator), with strategy NULL and
 * statistics off; `options` NULL: all zero.
 *
 * Misuse calls the panic handler with one line that names the call, the pointer, the sizes and the
 * site of the allocation: a free or realloc of a block that was freed, that is not its own, with a
 * wrong size or alignment, that was written before its begin or behind its end; and a block that
 * was written after it was freed, noticed when it leaves the quarantine. Then nothing has changed,
 * except that damage to a block is told once. Large freed blocks (from 64 KiB), and all with
 * never_unmap, are inaccessible while held back, so that a use after free stops the program.
 * With sample_every above 1 misuse of unwatched blocks is not noticed.
 *
 * Returns: the allocator. goo_allocator_reset resets the parent, where it can.
 * Fails: NULL with EINVAL for a leak mode or sizes that are none, ENOMEM.
 * Owner: the caller, until goo_allocator_destroy, which reports leaks as leak_mode says and frees
 * all that is live; a panic that is due then comes when everything is freed.
 * Threads: any over a thread-safe parent, else one at a time.
 * goo_memory_resize works in place where the parent can; realloc always moves, so that a stale
 * pointer is found.
 * Under AddressSanitizer and valgrind what is held back is hidden from the program.
 *
 * Cost: where little is done but allocate, a block that is allocated and freed costs some 65 ns
 * more than malloc's with its stacks, 6 ns when it is not sampled; a lock once other threads
 * exist. Records lie in system memory: 36 to 50 bytes for a block, 16 for each frame that tells
 * different stacks apart. */
GOO_API GooAllocator *goo_debug_allocator_create(GooAllocator *parent,
                                                 const GooDebugOptions *options);

/* Returns how many watched blocks are live. Threads: any. Cost: constant. */
GOO_API size_t goo_debug_live_count(GooAllocator *debug);

/* Reports every live block: to `report` (NULL: the file of the options, if any), and as leak_mode
 * says. Changes nothing, so it can run at any time and any number of times. Damage that it finds
 * calls the panic handler at the end, as at a free.
 * Returns: how many blocks are live. Threads: any. Cost: linear in blocks; looks up names. */
GOO_API size_t goo_debug_report(GooAllocator *debug, FILE *report);

/* Looks at the canaries of all live blocks and the poison of all that are held back, and writes a
 * line for each that is damaged to `report` (NULL: the file of the options, if any). Changes
 * nothing. Returns: how many are damaged. Threads: any. Cost: linear in blocks. */
GOO_API size_t goo_debug_check(GooAllocator *debug, FILE *report);

GOO_END_DECLS

#endif
