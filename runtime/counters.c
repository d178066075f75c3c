/* Counters by thread: joining, leaving, settling the peak, slots, and adding up.
 *
 * How a peak comes about: the totals hold the settled bytes of all shards and the highest sum that
 * was ever reached there. A shard that rises by a batch settles at once, so the sum is seen; one
 * that falls by a batch first reports how high it had been, then settles.
 *
 *   invariants COUNTERS-1 to COUNTERS-3: runtime/counters.h
 *
 * Threads: any. gooi_stats_lock guards the list's growth, slots and resets, and the common shard,
 * which counts for threads that no shard could be made for.
 */
#include "runtime/counters.h"

#include "runtime/fork.h"
#include "runtime/system.h"
#include "runtime/thread.h"

#include <errno.h>
#include <string.h>

static void counters_lock(void) {
    gooi_lock_take(&gooi_stats_lock);
}

static void counters_unlock(void) {
    gooi_lock_give(&gooi_stats_lock);
}

/* --- joining and leaving --- */

/* A shard that an ended thread left, or NULL. */
static GooiShard *counters_adopt(void) {
    GooiShard *shard = atomic_load_explicit(&gooi_shards, memory_order_acquire);
    for (; shard != NULL; shard = shard->next) {
        bool expected = false; /* acquire pairs with the release in gooi_counters_leave */
        if (atomic_compare_exchange_strong_explicit(&shard->used, &expected, true,
                                                    memory_order_acquire, memory_order_relaxed)) {
            return shard;
        }
    }
    return NULL;
}

static GooiShard *counters_new_shard(void) {
    int saved_errno = errno;
    GooiShard *shard =
        gooi_system_alloc(NULL, sizeof *shard, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
    errno = saved_errno;
    if (shard == NULL) {
        return NULL;
    }
    atomic_store_explicit(&shard->used, true, memory_order_relaxed);
    counters_lock();
    shard->next = atomic_load_explicit(&gooi_shards, memory_order_relaxed);
    atomic_store_explicit(&gooi_shards, shard, memory_order_release);
    size_t batch = GOOI_BATCH_ALL / ++gooi_shard_count;
    atomic_store_explicit(&gooi_counters_batch, batch < GOOI_BATCH_MIN ? GOOI_BATCH_MIN : batch,
                          memory_order_relaxed);
    counters_unlock();
    return shard;
}

/* This thread's shard, made if need be; without memory the common one, which is then locked. */
static GooiShard *counters_join(void) {
    GooiShard *shard = counters_adopt();
    if (shard == NULL) {
        shard = counters_new_shard();
    }
    if (shard == NULL) {
        counters_lock();
        return &gooi_common_shard;
    }
    gooi_shard = shard;
    gooi_thread_will_end(); /* if that fails the shard stays with a thread that is gone */
    return shard;
}

void gooi_counters_leave(void) {
    GooiShard *shard = gooi_shard;
    if (shard != NULL) {
        gooi_shard = NULL;
        atomic_store_explicit(&shard->used, false, memory_order_release);
    }
}

/* --- counting where there may be no shard --- */

static GooiShard *counters_begin(void) {
    GooiShard *shard = gooi_shard;
    return shard != NULL ? shard : counters_join();
}

static void counters_end(const GooiShard *shard) {
    if (shard == &gooi_common_shard) {
        counters_unlock();
    }
}

void gooi_counters_allocated_slow(unsigned slot, size_t size, size_t header) {
    GooiShard *shard = counters_begin();
    if (gooi_counters_allocated_in(shard, slot, size, header)) {
        gooi_counters_rose(&shard->counters[slot], slot);
    }
    counters_end(shard);
}

void gooi_counters_freed_slow(unsigned slot, size_t size, size_t header, size_t count) {
    GooiShard *shard = counters_begin();
    if (gooi_counters_freed_in(shard, slot, size, header, count)) {
        gooi_counters_fell(&shard->counters[slot], slot);
    }
    counters_end(shard);
}

void gooi_counters_resized(unsigned slot, size_t old_size, size_t new_size) {
    GooiShard *shard = counters_begin();
    GooiCounters *c = &shard->counters[slot];
    if (new_size >= old_size && gooi_counters_grow(c, new_size - old_size)) {
        gooi_counters_rose(c, slot);
    } else if (new_size < old_size && gooi_counters_shrink(c, old_size - new_size)) {
        gooi_counters_fell(c, slot);
    }
    counters_end(shard);
}

void gooi_counters_failed(unsigned slot) {
    GooiShard *shard = counters_begin();
    gooi_counter_add(&shard->counters[slot].failures, 1);
    counters_end(shard);
}

/* --- the peak --- */

static void counters_raise(GooiCounter *peak, size_t value) {
    size_t seen = gooi_counter_get(peak);
    while (gooi_counters_above(value, seen) &&
           !atomic_compare_exchange_weak_explicit(peak, &seen, value, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

/* The totals learn how high this shard was and where it is. */
static void counters_settle(GooiCounters *c, unsigned slot, size_t net) {
    GooiTotals *totals = &gooi_totals[slot];
    size_t settled = gooi_counter_get(&c->settled);
    size_t high = gooi_counter_get(&c->peak) - settled;
    size_t before = atomic_fetch_add_explicit(&totals->bytes, net - settled, memory_order_relaxed);
    counters_raise(&totals->peak, before + high);
    atomic_store_explicit(&c->settled, net, memory_order_relaxed);
    atomic_store_explicit(&c->peak, net, memory_order_relaxed);
}

static size_t counters_net(const GooiCounters *c) {
    return gooi_counter_get(&c->bytes_in) - gooi_counter_get(&c->bytes_out);
}

void gooi_counters_rose(GooiCounters *c, unsigned slot) {
    size_t net = counters_net(c);
    atomic_store_explicit(&c->peak, net, memory_order_relaxed);
    if (net - gooi_counter_get(&c->settled) >= gooi_counter_get(&gooi_counters_batch)) {
        counters_settle(c, slot, net);
    }
}

void gooi_counters_fell(GooiCounters *c, unsigned slot) {
    size_t net = counters_net(c);
    if (gooi_counter_get(&c->settled) - net >= gooi_counter_get(&gooi_counters_batch)) {
        counters_settle(c, slot, net);
    }
}

/* --- adding up --- */

/* The shards in the list, then the common one; NULL at the end. */
static GooiShard *counters_next(GooiShard *shard) {
    if (shard == &gooi_common_shard) {
        return NULL;
    }
    return shard->next != NULL ? shard->next : &gooi_common_shard;
}

static GooiShard *counters_first(void) {
    GooiShard *shard = atomic_load_explicit(&gooi_shards, memory_order_acquire);
    return shard != NULL ? shard : &gooi_common_shard;
}

static size_t counters_acquire(const GooiCounter *c) {
    return atomic_load_explicit(c, memory_order_acquire);
}

/* How far shards are below the highest they were since they settled: the most of any. */
static size_t counters_fall(unsigned slot) {
    size_t fall = 0;
    for (GooiShard *shard = counters_first(); shard != NULL; shard = counters_next(shard)) {
        const GooiCounters *c = &shard->counters[slot];
        size_t net = gooi_counter_get(&c->bytes_in) - gooi_counter_get(&c->bytes_out);
        size_t below = gooi_counter_get(&c->peak) - net;
        if (gooi_counters_above(below, fall)) {
            fall = below;
        }
    }
    return fall;
}

GooAllocStats gooi_counters_read(unsigned slot) {
    const GooiTotals *totals = &gooi_totals[slot];
    size_t bytes_in = 0, bytes_out = 0, headers_in = 0, headers_out = 0;
    GooAllocStats s = {0};
    for (GooiShard *shard = counters_first(); shard != NULL; shard = counters_next(shard)) {
        const GooiCounters *c = &shard->counters[slot]; /* COUNTERS-2: the outs first */
        bytes_out += counters_acquire(&c->bytes_out);
        headers_out += counters_acquire(&c->headers_out);
        s.total_frees += counters_acquire(&c->frees);
        s.failed_allocations += counters_acquire(&c->failures);
    }
    for (GooiShard *shard = counters_first(); shard != NULL; shard = counters_next(shard)) {
        const GooiCounters *c = &shard->counters[slot];
        bytes_in += counters_acquire(&c->bytes_in);
        headers_in += counters_acquire(&c->headers_in);
        s.total_allocations += counters_acquire(&c->allocations);
    }
    s.bytes_allocated = bytes_in - bytes_out;
    s.bytes_reserved = s.bytes_allocated + (headers_in - headers_out);
    s.allocation_count = s.total_allocations - s.total_frees;
    size_t peak = gooi_counter_get(&totals->peak);
    size_t recent = s.bytes_allocated + counters_fall(slot);
    s.max_bytes_allocated = gooi_counters_above(recent, peak) ? recent : peak;
    s.total_allocations -= gooi_counter_get(&totals->base_allocations);
    s.total_frees -= gooi_counter_get(&totals->base_frees);
    s.failed_allocations -= gooi_counter_get(&totals->base_failures);
    return s;
}

void gooi_counters_reset(unsigned slot) {
    GooiTotals *totals = &gooi_totals[slot];
    counters_lock();
    for (GooiShard *shard = counters_first(); shard != NULL; shard = counters_next(shard)) {
        GooiCounters *c = &shard->counters[slot]; /* a thread at work may win: it is its peak */
        size_t net = gooi_counter_get(&c->bytes_in) - gooi_counter_get(&c->bytes_out);
        atomic_store_explicit(&c->peak, net, memory_order_relaxed);
    }
    GooAllocStats now = gooi_counters_read(slot);
    atomic_fetch_add(&totals->base_allocations, now.total_allocations);
    atomic_fetch_add(&totals->base_frees, now.total_frees);
    atomic_fetch_add(&totals->base_failures, now.failed_allocations);
    atomic_store(&totals->peak, now.bytes_allocated);
    counters_unlock();
}

/* --- slots --- */

/* Under the lock. */
static void counters_clear(unsigned slot) {
    for (GooiShard *shard = counters_first(); shard != NULL; shard = counters_next(shard)) {
        GooiCounter *counters[] = {
            &shard->counters[slot].bytes_in,   &shard->counters[slot].bytes_out,
            &shard->counters[slot].allocations, &shard->counters[slot].frees,
            &shard->counters[slot].failures,   &shard->counters[slot].headers_in,
            &shard->counters[slot].headers_out, &shard->counters[slot].peak,
            &shard->counters[slot].settled,
        };
        for (size_t i = 0; i < GOOI_COUNT(counters); i++) {
            atomic_store_explicit(counters[i], 0, memory_order_relaxed);
        }
    }
    atomic_store_explicit(&gooi_totals[slot].bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&gooi_totals[slot].peak, 0, memory_order_relaxed);
}

/* The slot that an allocator at this address left when it went unannounced, else a free one. */
static unsigned counters_find_slot(const GooAllocator *a) {
    unsigned found = 0;
    for (unsigned slot = GOOI_SLOT_COUNT - 1; slot > GOOI_SLOT_PROCESS; slot--) {
        const GooAllocator *owner = atomic_load_explicit(&gooi_totals[slot].owner,
                                                         memory_order_relaxed);
        if (owner == a) {
            return slot;
        }
        if (owner == NULL) {
            found = slot;
        }
    }
    return found;
}

unsigned gooi_counters_claim(GooAllocator *a, _Atomic size_t *token) {
    counters_lock();
    unsigned slot = (unsigned)atomic_load_explicit(token, memory_order_relaxed);
    if (slot == 0) { /* else another thread was faster */
        slot = counters_find_slot(a);
        if (slot != 0) {
            counters_clear(slot);
            atomic_store_explicit(&gooi_totals[slot].owner, a, memory_order_relaxed);
        }
        atomic_store_explicit(token, slot != 0 ? slot : SIZE_MAX, memory_order_release);
    }
    counters_unlock();
    return slot < GOOI_SLOT_COUNT ? slot : 0;
}

void gooi_counters_release(const GooAllocator *a, unsigned slot) {
    counters_lock();
    if (atomic_load_explicit(&gooi_totals[slot].owner, memory_order_relaxed) == a) {
        atomic_store_explicit(&gooi_totals[slot].owner, NULL, memory_order_relaxed);
    }
    counters_unlock();
}
