/* Statistics: what an allocator has given out, and what the process holds.
 *
 * Choose `track_stats` for figures about one allocator, goo_memory_set_tracking for those of the
 * whole process, and GooMemoryConfig.enable_leak_detection to know every block by name. Both kinds
 * of counting are off at first. Switch them on, or off, while no blocks are held, because a block
 * that was not counted when it was allocated is counted when it is freed.
 *
 *     GooAllocator *a = goo_system_allocator_create();
 *     a->track_stats = true;
 *     void *p = goo_memory_alloc_with(a, 100);
 *     printf("%zu bytes live\n", goo_get_alloc_stats(a).bytes_allocated);
 */
#ifndef GOO_STATS_H
#define GOO_STATS_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* Reads an allocator's counters; `a` NULL means this thread's allocator.
 * A realloc is no new allocation, whether it moved or not. A request of size 0 counts as nothing. A
 * request refused for its size or its arguments counts as failed and as nothing else.
 * Returns: a snapshot, exact whenever no other thread is inside a call on this allocator; all zero
 * if it never tracked. Threads: any for a thread-safe allocator, else the owner. Cost: constant. */
GOO_API GooAllocStats goo_get_alloc_stats(GooAllocator *a);

/* What the process holds. Counted are requests to allocators that get their memory from no other
 * allocator of Goo's: the system and the page allocator and a program's own. What an arena or pool
 * hands out of its blocks was counted when it got them. */
typedef struct GooMemoryStats {
    size_t current_bytes;       /* live now, as the callers asked for them */
    size_t peak_bytes;          /* the most that was live since the last reset */
    size_t current_allocations; /* live blocks */
    size_t total_allocations;   /* since the last reset; a realloc is not a new one */
    size_t total_frees, failed_allocations;
    size_t reserved_bytes; /* current_bytes with the hidden headers of the legacy API */
    size_t gc_bytes;       /* of collected heaps, their side tables included */
    size_t external_bytes; /* what hangs on them; blocks of attached allocators are in both */
} GooMemoryStats;

/* Reads the figures of the process. Those of heaps are always there; the others count while
 * tracking is on.
 * Returns: a snapshot, exact whenever other threads are quiet. The peak is exact when one thread
 * allocates; for each other thread that does it may be too low by a batch: 256 KiB divided by the
 * number of threads, at least 4 KiB. Threads: any. Cost: linear in the number of threads. */
GOO_API GooMemoryStats goo_memory_get_stats(void);

/* Begins totals at 0, and the peak at what is live. Threads: any. */
GOO_API void goo_memory_reset_stats(void);

/* Counts for the whole process from now on, or no more. Counters stay as they are.
 * Returns: whether it was on. Threads: any; others see it soon. Cost: constant; while it is on a
 * call costs a few nanoseconds more and no thread waits for another. */
GOO_API bool goo_memory_set_tracking(bool on);

/* Writes the figures as a table of words and numbers; NULL does nothing. Threads: any. */
GOO_API void goo_memory_print_stats(FILE *out);

/* Writes the figures as one JSON object, named as the members above, and flushes.
 * Fails: GOO_ERR_IO; GOO_ERR_INVALID_ARGUMENT for NULL. Threads: any. */
GOO_API GooStatus goo_memory_write_stats_json(FILE *out);

/* Counts the live blocks of the allocators that current_bytes is about. With enable_leak_detection,
 * or another member of GooMemoryConfig that keeps a table, each is a line in `report` (may be NULL)
 * with its address, size and allocator, and file and line if GOO_ALLOC asked for it. With tracking
 * alone it says how many there are. Without either it is 0. Changes nothing.
 * Panics if never_unmap is on and a freed block was written. `report`'s stream must not allocate
 * through Goo. Threads: any. Cost: linear in the number of blocks. */
GOO_API size_t goo_memory_check_leaks(FILE *report);

GOO_END_DECLS

#endif
