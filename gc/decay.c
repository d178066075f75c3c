/* Decay: memory that has been empty for a while goes back to the OS.
 *
 * Time is cut into ticks, an eighth of decay_ms each. When some have passed, every block and every
 * slab of large objects is looked at: what is empty has aged by as many, and what has been empty
 * and unused for eight is given back. Memory that is used again in time, as in every busy heap,
 * stays.
 *
 *   empty ─ 8 ticks ─▶ given back, 64 MiB at a time at most, so that no pause is long
 *      └── taken for objects, or a page of the slab is: young again
 *
 * A look costs what finishing the sweep costs, and a byte read for each block. It comes when
 * somebody asks: an allocation that takes a new block, a collection's end, goo_gc_step.
 *
 * Without decay_ms no clock is read, and which memory the heap holds depends on the program alone.
 *
 * Threads: any; under the heap's lock.
 */
#include "gc/heap.h"
#include "gc/lock.h"
#include "runtime/bits.h"

#define GOOI_DECAY_AT_ONCE ((size_t)64 << 20)

static uint64_t decay_tick_ns(const GooGcHeap *heap) {
    return (uint64_t)heap->options.decay_ms * 1000000 / GOOI_DECAY_TICKS;
}

static void decay_ticks(GooGcHeap *heap, uint8_t ticks) {
    size_t released = gooi_sweep_release_idle(heap, ticks, GOOI_DECAY_AT_ONCE);
    size_t rest = released < GOOI_DECAY_AT_ONCE ? GOOI_DECAY_AT_ONCE - released : 0;
    gooi_large_release_idle(heap, ticks, rest);
}

/* The part of the poll that is under the lock. */
static void decay_catch_up(GooGcHeap *heap, uint64_t now, uint64_t tick) {
    if (heap->decay_ns == 0) {
        heap->decay_ns = now;
    }
    uint64_t passed = now > heap->decay_ns ? (now - heap->decay_ns) / tick : 0;
    if (passed != 0) {
        heap->decay_ns += passed * tick;
        decay_ticks(heap, passed < GOOI_DECAY_TICKS ? (uint8_t)passed : GOOI_DECAY_TICKS);
    }
}

/* The heap is at a place where empty memory may go: does so, if a tick or more have passed. */
void gooi_decay_poll(GooGcHeap *heap) {
    uint64_t tick = decay_tick_ns(heap);
    if (tick != 0 && !gooi_heap_is_busy_here(heap)) {
        gooi_heap_lock(heap);
        decay_catch_up(heap, heap->clock(heap), tick);
        gooi_heap_unlock(heap);
    }
}
