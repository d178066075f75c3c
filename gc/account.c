/* The account: how many bytes of heap, metadata and external memory there are together, held
 * against the hard limit.
 *
 * One atomic sum, so that the mutator and threads that use attached allocators can ask at the same
 * time and never pass the limit between them. What the parts are is kept beside it: used_bytes and
 * metadata_bytes by the mutator, external_bytes by whoever changes them.
 *
 *   ask ─▶ gooi_account (refused, or counted) ─▶ get the memory ─▶ gooi_account_settle
 *                                                  └ failed ─▶ gooi_unaccount
 *
 * What the heap itself holds also counts against the process's limit (runtime/budget.h). External
 * bytes do not: those of attached allocators were counted where they entered the process.
 *
 * ACC-1  accounted == used_bytes + metadata_bytes + external_bytes while nobody is changing them.
 * ACC-2  accounted never exceeds the hard limit because of a call here, but for a block that is
 *        there already when a panic has let go of its bytes; which part of it is held back says
 *        LIMIT-1 (limit.c). Who lowers the limit stores it first and
 *        looks at the sum then; who adds to the sum does so first and looks at the limit then; all
 *        four are sequentially consistent, so that one of the two sees the other, and gives way.
 * ACC-3  peak_bytes counts only what was settled: a request that failed leaves no trace.
 *
 * Threads: any.
 */
#include "gc/heap.h"
#include "runtime/bits.h"
#include "runtime/budget.h"
#include "runtime/globals.h"

/* Counts `bytes`, if the limit allows. */
bool gooi_account(GooGcHeap *heap, size_t bytes) {
    size_t held = gooi_limit_now(heap);
    size_t before = atomic_load_explicit(&heap->accounted, memory_order_relaxed);
    size_t after;
    do {
        if (gooi_add_overflows(before, bytes, &after) || (held != 0 && after > held)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&heap->accounted, &before, after));
    size_t hard = atomic_load(&heap->full_limit);
    if (GOOI_UNLIKELY(hard != 0 && after > hard)) { /* it was lowered meanwhile (ACC-2) */
        atomic_fetch_sub(&heap->accounted, bytes);
        return false;
    }
    atomic_fetch_add_explicit(&gooi_heaps_accounted, bytes, memory_order_relaxed);
    return true;
}

/* Whether `bytes` more would be counted now. */
bool gooi_account_has_room(const GooGcHeap *heap, size_t bytes) {
    size_t held = gooi_limit_now(heap);
    size_t after;
    return !gooi_add_overflows(gooi_accounted(heap), bytes, &after) &&
           (held == 0 || after <= held);
}

/* Counts them whatever the limit says. */
void gooi_account_over_limit(GooGcHeap *heap, size_t bytes) {
    atomic_fetch_add_explicit(&heap->accounted, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&gooi_heaps_accounted, bytes, memory_order_relaxed);
}

void gooi_unaccount(GooGcHeap *heap, size_t bytes) {
    size_t before = atomic_fetch_sub_explicit(&heap->accounted, bytes, memory_order_relaxed);
    GOO_ASSERT(before >= bytes, "gc: %zu bytes taken off the account of %zu", bytes, before);
    (void)before;
    atomic_fetch_sub_explicit(&gooi_heaps_accounted, bytes, memory_order_relaxed);
}

/* What was counted is there: it may show in the peak. */
void gooi_account_settle(GooGcHeap *heap) {
    size_t now = atomic_load_explicit(&heap->accounted, memory_order_relaxed);
    size_t peak = atomic_load_explicit(&heap->peak_bytes, memory_order_relaxed);
    while (now > peak && !atomic_compare_exchange_weak_explicit(&heap->peak_bytes, &peak, now,
                                                                memory_order_relaxed,
                                                                memory_order_relaxed)) {
    }
}

/* --- the mutator's parts --- */

bool gooi_space_account(GooGcHeap *heap, size_t used, size_t metadata) {
    bool granted = gooi_limit_take(used + metadata);
    if (granted && !gooi_account(heap, used + metadata)) {
        gooi_limit_give_back(used + metadata);
        granted = false;
    }
    if (!granted) {
        heap->refused = true;
        return false;
    }
    heap->used_bytes += used;
    heap->metadata_bytes += metadata;
    return true;
}

void gooi_space_unaccount(GooGcHeap *heap, size_t used, size_t metadata) {
    GOO_ASSERT(heap->used_bytes >= used && heap->metadata_bytes >= metadata,
               "gc: more memory given back (%zu + %zu) than was counted", used, metadata);
    heap->used_bytes -= used;
    heap->metadata_bytes -= metadata;
    gooi_unaccount(heap, used + metadata);
    gooi_limit_give_back(used + metadata);
}
