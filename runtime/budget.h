/* Who must be asked before memory is given: the process's limit, and the heaps that an allocator is
 * attached to. Private.
 *
 *     take ──▶ the mechanism ──▶ settle (keep what was taken, give back what shrank)
 *                 └ failed ────▶ settle (give back)
 *
 *   BUDGET-1  (FRONT-3) bytes that were taken for a block are the bytes given back for it
 *   BUDGET-2  a request that a panic ended holds nothing (runtime/pending.h)
 *
 * Threads: any.
 */
#ifndef GOO_RUNTIME_BUDGET_H
#define GOO_RUNTIME_BUDGET_H

#include "goo/core/types.h"
#include "runtime/base.h"
#include "runtime/pending.h"

/* One request's claim; lies in the frame of who makes it. */
typedef struct GooiBudget {
    GooiPending pending; /* first: recovered from its address */
    GooAllocator *allocator;
    size_t bytes;
} GooiBudget;

/* Takes `bytes` for growth. False: somebody refused, and nothing was taken. True: settle follows,
 * whatever comes. */
bool gooi_budget_take(GooiBudget *budget, GooAllocator *a, size_t bytes);

/* The mechanism is done, or failed. `shrink`: what a block that is now smaller gives back. */
void gooi_budget_settle(GooiBudget *budget, bool done, size_t shrink);

/* A block of `bytes` is gone. errno stays. */
void gooi_budget_release(GooAllocator *a, size_t bytes);

/* The process's limit (GooMemoryConfig.limit_bytes), for memory that no root allocator gives:
 * collected heaps. Without a limit they cost a test and say yes. */
bool gooi_limit_take(size_t bytes);
void gooi_limit_give_back(size_t bytes);

#endif
