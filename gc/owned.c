/* Owned blocks: explicit memory that lives as long as a collected object, and outside bytes that
 * are attributed to it.
 *
 * A collection frees the blocks of dead owners after plain finalizers have run, which therefore
 * still find them, and before it returns. The walk goes over the records, backwards: where most
 * owners died, records leave at the end of the array and nothing has to move.
 *
 *   alloc ─▶ room in the table ─▶ bytes pending ─▶ block from the allocator ─▶ record
 *                └───────┬────────────┴──── refused: collect, try again ┘
 *                        └── refused again: NULL, ENOMEM, nothing changed
 *
 * Mostly nothing is refused, so alloc first tries bytes, block, and table with record, which takes
 * one turn of the lock instead of two; what that could not have goes the way above.
 *
 * Whatever comes back from an allocator comes at the end: nothing after it can fail. A block of an
 * allocator that is attached to the heap is counted by the attachment, any other one here, under
 * the same limit. A block is freed after its record is gone, so that whatever its allocator calls
 * finds the table in order.
 *
 * A realloc takes its block's record out of the table before it calls the allocator, and adds it
 * again when that is done or has failed; meanwhile the bytes are pending. Else another thread could
 * be given the address that the block moves away from, for the same owner, and the table would have
 * two records that only their sizes tell apart. So a call that meets a realloc of the same block
 * finds no such block, whatever the timing, and panics before anything has changed.
 *
 *   realloc ─▶ record out, its bytes pending ─▶ allocator ─▶ record of what came of it
 *                                                └ left by a panic: the old record (pending.h)
 *
 * Threads: any mutator's. The table is under the heap's lock, which is not held while an allocator
 * is called, except for blocks of the dead: they are freed on the thread that collects, while the
 * world stands still.
 */
#include "gc/owned.h"
#include "gc/lock.h"

#include <errno.h>

#include "goo/runtime/memory.h"
#include "runtime/bits.h"
#include "runtime/globals.h"
#include "runtime/pending.h"

#define GOOI_OWNED_SIZE_MAX (((uint64_t)1 << GOOI_OWNED_SIZE_BITS) - 1)

/* --- who may own --- */

static bool owned_is_owner(const GooGcHeap *heap, const void *owner) {
    return owner != NULL && gooi_object_base_of(heap, (uintptr_t)owner) == (uintptr_t)owner &&
           ((uintptr_t)owner - heap->base) >> GOOI_GRANULE_LOG2 <= UINT32_MAX;
}

static GooGcHeap *owned_heap(GooGcMutator *m, const char *call) {
    GOO_REQUIRE(m != NULL && m->heap->magic == GOOI_HEAP_MAGIC, "%s: mutator %p of no living heap",
                call, (void *)m);
    GOO_REQUIRE(!m->heap->owned.settling, "%s: called while owned blocks are being freed", call);
    return m->heap;
}

/* A call that may collect. */
static GooGcHeap *owned_heap_to_grow(GooGcMutator *m, const char *call) {
    GooGcHeap *heap = owned_heap(m, call);
    GOO_REQUIRE(!gooi_heap_is_mine(heap),
                "%s: called inside a collection (a trace, a finalize)", call);
    GOO_REQUIRE(m->blocking_depth == 0, "%s: called inside a blocking region", call);
    return heap;
}

/* --- a request in its steps --- */

typedef struct OwnedRequest {
    GooiPending pending;     /* first: recovered from its address */
    GooGcMutator *m;
    void *owner;
    bool refused;            /* no owner: nothing can help */
    GooAllocator *allocator; /* NULL: an adjustment */
    uint32_t index;          /* of the allocator */
    bool attached;           /* its attachment counts */
    bool tried;              /* and was asked, or would have refused */
    void *block;             /* NULL before an alloc; its outcome */
    size_t old_size, size;
    bool grown;              /* its growth is counted */
    bool failed;             /* the step that is to be tried has failed once */
} OwnedRequest;

/* What counts here, and not with an attachment, of what the request grows by. */
static size_t owned_growth(const OwnedRequest *r) {
    return !r->attached && r->size > r->old_size ? r->size - r->old_size : 0;
}

static void owned_add_pending(GooGcHeap *heap, size_t bytes) {
    atomic_fetch_add_explicit(&heap->owned.pending_bytes, bytes, memory_order_relaxed);
}

/* They are in the table now, or nowhere. */
static void owned_end_pending(GooGcHeap *heap, size_t bytes) {
    atomic_fetch_sub_explicit(&heap->owned.pending_bytes, bytes, memory_order_relaxed);
}

/* Runs a step, unless it has failed already, and once more after a collection that it is worth. */
static bool owned_try(bool (*step)(GooGcHeap *heap, OwnedRequest *r), OwnedRequest *r,
                      size_t bytes) {
    GooGcHeap *heap = r->m->heap;
    heap->refused = false;
    bool done = !r->failed && step(heap, r);
    r->failed = false;
    for (unsigned n = 0; !done && !r->refused && gooi_limit_try_again(heap, n) &&
                         gooi_collect_emergency(heap, bytes);
         n++) {
        done = step(heap, r);
    }
    return done;
}

/* Room in the table for one more record, and a place for its allocator; if the owner is one. */
static bool owned_prepare(GooGcHeap *heap, OwnedRequest *r) {
    gooi_heap_lock(heap);
    r->refused = !owned_is_owner(heap, r->owner);
    bool done = !r->refused && gooi_owned_reserve(heap);
    if (done && r->allocator != NULL) {
        r->index = gooi_owned_hold_allocator(heap, r->allocator);
        done = r->index != 0;
        r->attached = done && gooi_owned_allocator(heap, r->index)->attached;
        heap->owned.promised -= !done;
    }
    gooi_heap_unlock(heap);
    return done;
}

static void owned_unprepare(GooGcHeap *heap, const OwnedRequest *r) {
    gooi_heap_lock(heap);
    heap->owned.promised--;
    if (r->index != 0) {
        gooi_owned_release_allocator(heap, r->index);
    }
    gooi_heap_unlock(heap);
}

static bool owned_count_growth(GooGcHeap *heap, OwnedRequest *r) {
    size_t growth = owned_growth(r);
    if (growth != 0 && !gooi_pressure_count(heap, growth)) {
        heap->refused = true;
        return false;
    }
    owned_add_pending(heap, growth);
    r->grown = true;
    return true;
}

static void owned_discount_growth(GooGcHeap *heap, OwnedRequest *r) {
    size_t growth = r->grown ? owned_growth(r) : 0;
    r->grown = false;
    owned_end_pending(heap, growth);
    gooi_pressure_discount(heap, growth);
}

/* Where the attachment would refuse it is not asked before a collection has helped: a refusal
 * counts as one of the limit's hits. */
static bool owned_get_block(GooGcHeap *heap, OwnedRequest *r) {
    size_t more = r->size > r->old_size ? r->size - r->old_size : 0;
    bool would_refuse = !r->tried && r->attached && !gooi_account_has_room(heap, more);
    r->tried = true;
    heap->refused = would_refuse;
    if (would_refuse || !owned_count_growth(heap, r)) {
        return false;
    }
    void *block = r->block == NULL
                      ? goo_memory_alloc_with(r->allocator, r->size)
                      : goo_memory_realloc_with(r->allocator, r->block, r->old_size, r->size);
    if (block == NULL) {
        owned_discount_growth(heap, r);
        return false;
    }
    r->block = block;
    return true;
}

/* --- alloc --- */

/* A record for a block that is there, if the table has room for one. */
static bool owned_record_block(GooGcHeap *heap, const void *owner, GooAllocator *a, void *block,
                               size_t size) {
    gooi_heap_lock(heap);
    bool done = owned_is_owner(heap, owner) && gooi_owned_reserve(heap);
    uint32_t index = done ? gooi_owned_hold_allocator(heap, a) : 0;
    if (index != 0) {
        gooi_owned_add(heap, owner, block, size, index);
    } else {
        heap->owned.promised -= done;
    }
    gooi_heap_unlock(heap);
    return index != 0;
}

/* What a first attempt counts while its allocator is asked. */
typedef struct OwnedCount {
    GooiPending pending; /* first: recovered from its address */
    GooGcHeap *heap;
    size_t bytes;
} OwnedCount;

/* This thread panics, and may never come back to the attempt. */
static void owned_abandon_count(GooiPending *pending) {
    const OwnedCount *c = (const OwnedCount *)(const void *)pending;
    owned_end_pending(c->heap, c->bytes);
    gooi_pressure_discount(c->heap, c->bytes);
}

static void *owned_get_counted(GooGcHeap *heap, GooAllocator *a, size_t size) {
    OwnedCount c = {.heap = heap, .bytes = size};
    owned_add_pending(heap, size);
    gooi_pending_begin(&c.pending, owned_abandon_count);
    void *block = goo_memory_alloc_with(a, size);
    if (GOOI_UNLIKELY(!gooi_pending_end(&c.pending))) { /* it came back after all (PENDING-2) */
        owned_add_pending(heap, size);
        gooi_pressure_restore(heap, size);
    }
    return block;
}

/* The usual case, with one turn of the lock: an allocator that nothing can be attached below, a
 * block within the limit, and room for its record. NULL, and nothing has changed: the whole way,
 * and *out_failed says whether the allocator was asked. */
static void *owned_alloc_at_once(GooGcHeap *heap, const void *owner, GooAllocator *a, size_t size,
                                 bool *out_failed) {
    uint32_t others = GOOI_ALLOCATOR_ATTACHED | GOOI_ALLOCATOR_EXTENDED | GOOI_ALLOCATOR_FIXED;
    if ((a->capabilities & others) != 0 || size > GOOI_OWNED_SIZE_MAX ||
        !gooi_in_heap(heap, (uintptr_t)owner) || !gooi_pressure_count(heap, size)) {
        return NULL;
    }
    void *block = owned_get_counted(heap, a, size);
    bool done = block != NULL && owned_record_block(heap, owner, a, block, size);
    owned_end_pending(heap, size);
    if (GOOI_LIKELY(done)) {
        return block;
    }
    gooi_pressure_discount(heap, size);
    *out_failed = block == NULL;
    goo_memory_free_with(a, block, size);
    return NULL;
}

/* This thread panics, and may never come back to the request: nothing is held for it. */
static void owned_abandon_alloc(GooiPending *pending) {
    OwnedRequest *r = (OwnedRequest *)(void *)pending;
    owned_discount_growth(r->m->heap, r);
    owned_unprepare(r->m->heap, r);
}

/* It came back after all (PENDING-2), with a block: prepares anew, or gives the block up. */
static bool owned_prepare_again(GooGcHeap *heap, OwnedRequest *r) {
    size_t growth = r->grown ? 0 : owned_growth(r);
    owned_add_pending(heap, growth);
    gooi_pressure_restore(heap, growth);
    r->grown = true;
    if (owned_prepare(heap, r)) {
        return true;
    }
    owned_discount_growth(heap, r);
    goo_memory_free_with(r->allocator, r->block, r->size);
    return false;
}

static bool owned_get_prepared(GooGcHeap *heap, OwnedRequest *r) {
    gooi_pending_begin(&r->pending, owned_abandon_alloc);
    bool done = r->size <= GOOI_OWNED_SIZE_MAX && owned_try(owned_get_block, r, r->size);
    if (GOOI_UNLIKELY(!gooi_pending_end(&r->pending))) {
        return done && owned_prepare_again(heap, r);
    }
    if (!done) {
        owned_unprepare(heap, r);
    }
    return done;
}

static void *owned_alloc(OwnedRequest *r) {
    GooGcHeap *heap = r->m->heap;
    bool failed = r->failed; /* the allocator, not the table */
    r->failed = false;
    if (!owned_try(owned_prepare, r, 0)) {
        return r->refused ? NULL : gooi_alloc_fail(r->m, r->size);
    }
    r->failed = failed;
    if (!owned_get_prepared(heap, r)) {
        return gooi_alloc_fail(r->m, r->size);
    }
    gooi_heap_lock(heap);
    gooi_owned_add(heap, r->owner, r->block, r->size, r->index);
    owned_end_pending(heap, owned_growth(r));
    gooi_heap_unlock(heap);
    gooi_pressure_settle_heap(heap);
    return r->block;
}

static GOOI_NEVER_INLINE void *owned_alloc_in_full(GooGcMutator *m, void *owner, GooAllocator *a,
                                                   size_t size, bool failed) {
    OwnedRequest r = {.m = m, .owner = owner, .size = size, .allocator = a, .failed = failed};
    void *block = gooi_temporaries_have_room(m) ? owned_alloc(&r) : gooi_alloc_fail(m, size);
    if (r.refused) {
        errno = EINVAL;
    }
    return block;
}

/* The growth shows in the peak at once; whether it is due to bring a collection is asked as often
 * as for the heap's own bytes. */
static void owned_settle_growth(GooGcMutator *m, size_t size) {
    m->external_unchecked += size < GOOI_SPAN_MAX ? size : GOOI_SPAN_MAX;
    if (m->external_unchecked < GOOI_SPAN_MAX) {
        gooi_account_settle(m->heap);
    } else {
        m->external_unchecked = 0;
        gooi_pressure_settle_heap(m->heap);
    }
}

void *goo_gc_owned_alloc(GooGcMutator *m, void *owner, GooAllocator *a, size_t size) {
    owned_heap_to_grow(m, "goo_gc_owned_alloc");
    if (size == 0) {
        return NULL;
    }
    if (!gooi_mutator_is_mine(m)) {
        errno = EINVAL;
        return NULL;
    }
    a = a != NULL ? a : gooi_current_allocator();
    bool failed = false;
    goo_gc_push(m, owner);
    void *block = owned_alloc_at_once(m->heap, owner, a, size, &failed);
    if (GOOI_LIKELY(block != NULL)) {
        owned_settle_growth(m, size);
    } else {
        block = owned_alloc_in_full(m, owner, a, size, failed);
    }
    goo_gc_pop(m, 1);
    return block;
}

/* The record of a block of the owner; anything else is a panic. Under the lock. */
static uint32_t owned_require(GooGcHeap *heap, const void *owner, const void *ptr,
                              const char *call) {
    bool known = gooi_in_heap(heap, (uintptr_t)owner);
    uint32_t n = known && ptr != NULL ? gooi_owned_find(heap, owner, ptr) : 0;
    if (n == 0) {
        gooi_heap_unlock(heap);
    }
    GOO_REQUIRE(n != 0, "%s: %p is no block that %p owns", call, ptr, owner);
    return n;
}

/* --- realloc --- */

/* Takes the block's record out of the table; its place there, and its allocator's, are kept. */
static void owned_lift(GooGcHeap *heap, OwnedRequest *r) {
    gooi_heap_lock(heap);
    uint32_t n = owned_require(heap, r->owner, r->block, "goo_gc_owned_realloc");
    const GooiOwnedRecord *record = gooi_owned_record(heap, n);
    r->index = record->allocator;
    r->old_size = record->size;
    GooiOwnedAllocator *entry = gooi_owned_allocator(heap, r->index);
    r->allocator = entry->allocator;
    r->attached = entry->attached;
    entry->held++;
    heap->owned.promised++;
    owned_add_pending(heap, r->attached ? 0 : r->old_size);
    gooi_owned_remove(heap, n);
    gooi_heap_unlock(heap);
}

/* Adds the record again: of the same block, or of what has become of it. */
static void owned_put_down(GooGcHeap *heap, const OwnedRequest *r, size_t size) {
    gooi_heap_lock(heap);
    gooi_owned_add(heap, r->owner, r->block, size, r->index);
    owned_end_pending(heap, r->attached ? 0 : r->old_size);
    gooi_heap_unlock(heap);
}

/* This thread panics, and may never come back to the request: the block is what it was. */
static void owned_abandon(GooiPending *pending) {
    OwnedRequest *r = (OwnedRequest *)(void *)pending;
    owned_discount_growth(r->m->heap, r);
    owned_put_down(r->m->heap, r, r->old_size);
}

/* It came back after all (PENDING-2), with a block in another place or of another size. */
static void owned_lift_again(GooGcHeap *heap, OwnedRequest *r, void *old_block) {
    void *block = r->block;
    r->block = old_block;
    owned_lift(heap, r);
    r->block = block;
    owned_add_pending(heap, owned_growth(r));
    gooi_pressure_restore(heap, owned_growth(r));
}

static void *owned_realloc(OwnedRequest *r) {
    GooGcHeap *heap = r->m->heap;
    void *old_block = r->block;
    owned_lift(heap, r);
    gooi_pending_begin(&r->pending, owned_abandon);
    bool done = r->size <= GOOI_OWNED_SIZE_MAX && owned_try(owned_get_block, r, r->size);
    bool held = gooi_pending_end(&r->pending);
    if (!held && done) {
        owned_lift_again(heap, r, old_block);
    }
    if (!done) {
        if (held) {
            owned_put_down(heap, r, r->old_size);
        }
        return gooi_alloc_fail(r->m, r->size);
    }
    owned_end_pending(heap, owned_growth(r));
    owned_put_down(heap, r, r->size);
    if (!r->attached && r->old_size > r->size) {
        gooi_pressure_discount(heap, r->old_size - r->size);
    }
    gooi_pressure_settle_heap(heap);
    return r->block;
}

void *goo_gc_owned_realloc(GooGcMutator *m, void *owner, void *ptr, size_t new_size) {
    owned_heap_to_grow(m, "goo_gc_owned_realloc");
    if (ptr == NULL) {
        return goo_gc_owned_alloc(m, owner, NULL, new_size);
    }
    if (new_size == 0) {
        goo_gc_owned_free(m, owner, ptr);
        return NULL;
    }
    if (!gooi_mutator_is_mine(m)) {
        errno = EINVAL;
        return NULL;
    }
    OwnedRequest r = {.m = m, .owner = owner, .block = ptr, .size = new_size};
    goo_gc_push(m, owner);
    void *block = gooi_temporaries_have_room(m) ? owned_realloc(&r) : gooi_alloc_fail(m, new_size);
    goo_gc_pop(m, 1);
    return block;
}

/* --- free --- */

/* What a record held, to be given back when it is gone. */
typedef struct OwnedBlock {
    GooAllocator *allocator;
    void *block; /* NULL: an adjustment */
    size_t size;
} OwnedBlock;

/* Takes the record out, and what it counted off the account. Under the lock. */
static OwnedBlock owned_take(GooGcHeap *heap, uint32_t n) {
    const GooiOwnedRecord *record = gooi_owned_record(heap, n);
    OwnedBlock taken = {.block = record->block, .size = record->size};
    if (record->allocator != 0) {
        taken.allocator = gooi_owned_allocator(heap, record->allocator)->allocator;
    }
    size_t counted = gooi_owned_counts(heap, record) ? taken.size : 0;
    gooi_owned_remove(heap, n);
    gooi_pressure_discount(heap, counted);
    return taken;
}

static void owned_give_back(OwnedBlock taken) {
    if (taken.block != NULL) {
        goo_memory_free_with(taken.allocator, taken.block, taken.size);
    }
}

void goo_gc_owned_free(GooGcMutator *m, void *owner, void *ptr) {
    if (ptr != NULL) {
        GooGcHeap *heap = owned_heap(m, "goo_gc_owned_free");
        GOO_REQUIRE(gooi_mutator_is_mine(m) || gooi_heap_is_busy_here(heap),
                    "goo_gc_owned_free: mutator %p is not this thread's", (void *)m);
        gooi_heap_lock(heap);
        OwnedBlock taken =
            owned_take(heap, owned_require(heap, owner, ptr, "goo_gc_owned_free"));
        gooi_heap_unlock(heap);
        owned_give_back(taken);
    }
}

/* --- bytes that the library did not allocate --- */

/* The owner's adjustment, or 0. */
static uint32_t owned_find_adjustment(const GooGcHeap *heap, const void *owner) {
    uint32_t n = gooi_owned_first(heap, owner);
    return n != 0 && gooi_owned_record(heap, n)->allocator == 0 ? n : 0;
}

/* Adds what was counted to the owner's adjustment. False: it would be too much. */
static bool owned_apply_adjustment(GooGcHeap *heap, const OwnedRequest *r) {
    uint32_t n = owned_find_adjustment(heap, r->owner);
    size_t before = n != 0 ? gooi_owned_record(heap, n)->size : 0;
    if (r->size > GOOI_OWNED_SIZE_MAX - before) {
        return false;
    }
    if (n != 0) {
        gooi_owned_change(heap, n, NULL, before + r->size);
        heap->owned.promised--;
    } else {
        gooi_owned_add(heap, r->owner, NULL, r->size, 0);
    }
    return true;
}

static GooStatus owned_adjust_up(OwnedRequest *r) {
    GooGcHeap *heap = r->m->heap;
    if (!gooi_temporaries_have_room(r->m) || !owned_try(owned_prepare, r, 0)) {
        if (r->refused) {
            return GOO_ERR_INVALID_ARGUMENT;
        }
        gooi_alloc_fail(r->m, sizeof(GooiOwnedRecord));
        return GOO_ERR_NO_MEMORY;
    }
    bool counted = r->size <= GOOI_OWNED_SIZE_MAX && owned_try(owned_count_growth, r, r->size);
    if (!counted) {
        owned_unprepare(heap, r);
        gooi_alloc_fail(r->m, r->size);
        return GOO_ERR_LIMIT;
    }
    gooi_heap_lock(heap);
    bool fits = owned_apply_adjustment(heap, r);
    owned_end_pending(heap, owned_growth(r));
    if (!fits) {
        heap->owned.promised--;
        gooi_pressure_discount(heap, r->size);
    }
    gooi_heap_unlock(heap);
    gooi_pressure_settle_heap(heap);
    return fits ? GOO_OK : GOO_ERR_LIMIT;
}

static GooStatus owned_adjust_down(GooGcHeap *heap, void *owner, size_t bytes) {
    gooi_heap_lock(heap);
    bool known = owned_is_owner(heap, owner);
    uint32_t n = known ? owned_find_adjustment(heap, owner) : 0;
    size_t before = n != 0 ? gooi_owned_record(heap, n)->size : 0;
    if (known && bytes < before) {
        gooi_owned_change(heap, n, NULL, before - bytes);
        gooi_pressure_discount(heap, bytes);
    } else if (known && bytes == before && n != 0) {
        owned_take(heap, n);
    }
    gooi_heap_unlock(heap);
    GOO_REQUIRE(!known || bytes <= before, "goo_gc_owner_adjust: %zu bytes taken away, %zu counted",
                bytes, before);
    return known ? GOO_OK : GOO_ERR_INVALID_ARGUMENT;
}

GooStatus goo_gc_owner_adjust(GooGcMutator *m, void *owner, ptrdiff_t bytes) {
    if (bytes <= 0) {
        GooGcHeap *heap = owned_heap(m, "goo_gc_owner_adjust");
        if (!gooi_mutator_is_mine(m)) {
            return GOO_ERR_INVALID_ARGUMENT;
        }
        return owned_adjust_down(heap, owner, bytes == 0 ? 0 : (size_t) - (bytes + 1) + 1);
    }
    owned_heap_to_grow(m, "goo_gc_owner_adjust");
    if (!gooi_mutator_is_mine(m)) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    OwnedRequest r = {.m = m, .owner = owner, .size = (size_t)bytes};
    goo_gc_push(m, owner);
    GooStatus status = owned_adjust_up(&r);
    goo_gc_pop(m, 1);
    return status;
}

size_t goo_gc_owner_bytes(GooGcHeap *heap, const void *owner) {
    size_t bytes = 0;
    gooi_heap_lock(heap);
    bool owns = owned_is_owner(heap, owner) &&
                (*gooi_metadata_of((uintptr_t)owner) & GOO_GC_ATTENTION) != 0;
    for (uint32_t n = owns ? gooi_owned_first(heap, owner) : 0; n != 0;
         n = gooi_owned_record(heap, n)->next_sibling) {
        bytes += gooi_owned_record(heap, n)->size;
    }
    gooi_heap_unlock(heap);
    return bytes;
}

/* --- settling --- */

/* Frees what dead owners own: after marking, before the sweep. */
void gooi_owned_settle(GooGcHeap *heap) {
    heap->owned.settling = true;
    for (uint32_t n = (uint32_t)heap->owned.records.count; n != 0; n--) {
        if (!gooi_object_is_marked(heap, gooi_owned_owner(heap, gooi_owned_record(heap, n)))) {
            owned_give_back(owned_take(heap, n));
        }
    }
    heap->owned.settling = false;
}

/* At the heap's end all owners are dead. */
void gooi_owned_deinit(GooGcHeap *heap) {
    heap->owned.settling = true;
    for (uint32_t n = (uint32_t)heap->owned.records.count; n != 0; n--) {
        owned_give_back(owned_take(heap, n));
    }
    gooi_owned_table_deinit(heap);
}
