/* Taking from budgets, and giving back.
 *
 * The process's limit is about what enters the process: root allocators (gooi_allocator_is_root)
 * and collected heaps. Bytes from before a limit was set are in no budget, and freeing them makes
 * room: what is used may fall below 0 and is compared with its sign.
 *
 *   invariants BUDGET-1, BUDGET-2: runtime/budget.h
 *
 * Threads: any; the limit is one atomic sum, which never exceeds the limit because of a call here.
 */
#include "runtime/budget.h"

#include <errno.h>
#include <stdatomic.h>

/* --- the limit --- */

static bool budget_limits(void) {
    return (atomic_load_explicit(&gooi_watch, memory_order_relaxed) & GOOI_WATCH_LIMIT) != 0;
}

static bool budget_limited(const GooAllocator *a) {
    return budget_limits() && gooi_allocator_is_root(a);
}

static void budget_add(size_t bytes) {
    atomic_fetch_add_explicit(&gooi_limit_used, bytes, memory_order_relaxed);
}

static void budget_subtract(size_t bytes) {
    atomic_fetch_sub_explicit(&gooi_limit_used, bytes, memory_order_relaxed);
}

/* How much may still be given. */
static size_t budget_room(size_t used) {
    size_t max = atomic_load_explicit(&gooi_limit_max, memory_order_relaxed);
    if ((ptrdiff_t)used > 0) {
        return used < max ? max - used : 0;
    }
    size_t room = max - used;
    return room >= max ? room : SIZE_MAX;
}

static bool budget_add_within(size_t bytes) {
    size_t used = atomic_fetch_add_explicit(&gooi_limit_used, bytes, memory_order_relaxed);
    if (bytes > budget_room(used)) {
        budget_subtract(bytes);
        return false;
    }
    return true;
}

bool gooi_limit_take(size_t bytes) {
    return !budget_limits() || budget_add_within(bytes);
}

void gooi_limit_give_back(size_t bytes) {
    if (budget_limits()) {
        budget_subtract(bytes);
    }
}

/* --- limit and heaps --- */

static bool budget_attached(const GooAllocator *a) {
    return (a->capabilities & GOOI_ALLOCATOR_ATTACHED) != 0;
}

void gooi_budget_release(GooAllocator *a, size_t bytes) {
    if (bytes == 0) {
        return;
    }
    int saved_errno = errno;
    if (budget_attached(a)) {
        GOOI_HOOK(pressure_release)(a, bytes);
    }
    if (budget_limited(a)) {
        budget_subtract(bytes);
    }
    errno = saved_errno;
}

static void budget_give_back(GooiPending *pending) {
    const GooiBudget *budget = (const GooiBudget *)(void *)pending;
    gooi_budget_release(budget->allocator, budget->bytes);
}

/* Takes again what a panic gave back, since the block is there after all. */
static void budget_restore(const GooiBudget *budget) {
    if (budget_limited(budget->allocator)) {
        budget_add(budget->bytes);
    }
    if (budget_attached(budget->allocator) && budget->bytes != 0) {
        GOOI_HOOK(pressure_restore)(budget->allocator, budget->bytes);
    }
}

static bool budget_reserve(GooAllocator *a, size_t bytes) {
    if (bytes == 0) {
        return true;
    }
    bool limited = budget_limited(a);
    if (limited && !budget_add_within(bytes)) {
        return false;
    }
    if (budget_attached(a) && !GOOI_HOOK(pressure_reserve)(a, bytes)) {
        if (limited) {
            budget_subtract(bytes);
        }
        return false;
    }
    return true;
}

bool gooi_budget_take(GooiBudget *budget, GooAllocator *a, size_t bytes) {
    if (!budget_reserve(a, bytes)) {
        return false;
    }
    budget->allocator = a;
    budget->bytes = bytes;
    gooi_pending_begin(&budget->pending, budget_give_back);
    return true;
}

void gooi_budget_settle(GooiBudget *budget, bool done, size_t shrink) {
    bool held = gooi_pending_end(&budget->pending);
    GooAllocator *a = budget->allocator;
    if (!done) {
        gooi_budget_release(a, held ? budget->bytes : 0);
        return;
    }
    if (!held) {
        budget_restore(budget);
    }
    gooi_budget_release(a, shrink);
    if (budget->bytes != 0 && budget_attached(a)) {
        GOOI_HOOK(pressure_settle)(a);
    }
}
