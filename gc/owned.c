/* Owned blocks: explicit memory that lives as long as a collected object, and outside bytes that
 * are attributed to it.
 *
 * A collection frees the blocks of dead owners after plain finalizers have run, which therefore
 * still find them, and before it returns. The walk goes over the records, backwards: where most
 * owners died, records leave at the end of the array and nothing has to move.
 *
 *   alloc ─▶ room in the table ─▶ bytes counted ─▶ block from the allocator ─▶ record
 *                └───────┬────────────┴──── refused: collect, try again ┘
 *                        └── refused again: NULL, ENOMEM, nothing changed
 *
 * Whatever comes back from an allocator comes at the end: nothing after it can fail. A block of an
 * allocator that is attached to the heap is counted by the attachment, any other one here, under
 * the same limit. A block is freed after its record is gone, so that whatever its allocator calls
 * finds the table in order.
 *
 * Threads: the mutator's; blocks of the dead are freed on the thread that collects.
 */
#include "gc/owned.h"

#include <errno.h>

#include "goo/runtime/memory.h"
#include "runtime/bits.h"
#include "runtime/globals.h"

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
    GOO_REQUIRE(!gooi_heap_is_busy_here(heap),
                "%s: called inside a collection (a trace, a finalize)", call);
    GOO_REQUIRE(m->blocking_depth == 0, "%s: called inside a blocking region", call);
    return heap;
}

/* --- counting --- */

/* Counts growth of a block of the allocator at `index`, unless its attachment does. */
static bool owned_reserve_bytes(GooGcHeap *heap, uint32_t index, size_t bytes) {
    return bytes == 0 || (index != 0 && gooi_owned_allocator(heap, index)->attached) ||
           gooi_pressure_count(heap, bytes);
}

static void owned_release_bytes(GooGcHeap *heap, uint32_t index, size_t bytes) {
    if (bytes != 0 && (index == 0 || !gooi_owned_allocator(heap, index)->attached)) {
        gooi_pressure_discount(heap, bytes);
    }
}

/* Runs an attempt, and once more after a collection. */
static bool owned_try(GooGcHeap *heap, bool (*attempt)(GooGcHeap *heap, void *ctx), void *ctx,
                      size_t bytes) {
    return attempt(heap, ctx) || (gooi_collect_emergency(heap, bytes) && attempt(heap, ctx));
}

/* --- blocks --- */

typedef struct OwnedRequest {
    GooAllocator *allocator;
    uint32_t index; /* of the allocator */
    void *block;    /* NULL before an alloc; its outcome */
    size_t old_size, size;
} OwnedRequest;

static bool owned_attempt(GooGcHeap *heap, void *ctx) {
    OwnedRequest *r = ctx;
    size_t growth = r->size > r->old_size ? r->size - r->old_size : 0;
    heap->refused = false;
    if (!owned_reserve_bytes(heap, r->index, growth)) {
        heap->refused = true;
        return false;
    }
    void *block = r->block == NULL
                      ? goo_memory_alloc_with(r->allocator, r->size)
                      : goo_memory_realloc_with(r->allocator, r->block, r->old_size, r->size);
    if (block == NULL) {
        owned_release_bytes(heap, r->index, growth);
        return false;
    }
    r->block = block;
    return true;
}

static bool owned_prepare(GooGcHeap *heap, void *ctx) {
    OwnedRequest *r = ctx;
    heap->refused = false;
    if (!gooi_owned_reserve(heap)) {
        return false;
    }
    r->index = gooi_owned_hold_allocator(heap, r->allocator);
    return r->index != 0;
}

static void *owned_alloc(GooGcMutator *m, void *owner, GooAllocator *a, size_t size) {
    GooGcHeap *heap = m->heap;
    OwnedRequest r = {.allocator = a, .size = size};
    if (size > GOOI_OWNED_SIZE_MAX || !owned_try(heap, owned_prepare, &r, 0)) {
        return gooi_alloc_fail(m, size);
    }
    if (!owned_try(heap, owned_attempt, &r, size)) {
        gooi_owned_release_allocator(heap, r.index);
        return gooi_alloc_fail(m, size);
    }
    gooi_owned_add(heap, owner, r.block, size, r.index);
    gooi_pressure_settle_heap(heap);
    return r.block;
}

void *goo_gc_owned_alloc(GooGcMutator *m, void *owner, GooAllocator *a, size_t size) {
    GooGcHeap *heap = owned_heap_to_grow(m, "goo_gc_owned_alloc");
    if (!owned_is_owner(heap, owner)) {
        errno = EINVAL;
        return NULL;
    }
    if (size == 0) {
        return NULL;
    }
    goo_gc_push(m, owner);
    void *block = owned_alloc(m, owner, a != NULL ? a : gooi_current_allocator(), size);
    goo_gc_pop(m, 1);
    return block;
}

/* The record of a block of the owner; anything else is a panic. */
static uint32_t owned_require(GooGcHeap *heap, const void *owner, const void *ptr,
                              const char *call) {
    bool known = gooi_in_heap(heap, (uintptr_t)owner);
    uint32_t n = known && ptr != NULL ? gooi_owned_find(heap, owner, ptr) : 0;
    GOO_REQUIRE(n != 0, "%s: %p is no block that %p owns", call, ptr, owner);
    return n;
}

void *goo_gc_owned_realloc(GooGcMutator *m, void *owner, void *ptr, size_t new_size) {
    GooGcHeap *heap = owned_heap_to_grow(m, "goo_gc_owned_realloc");
    if (ptr == NULL) {
        return goo_gc_owned_alloc(m, owner, NULL, new_size);
    }
    uint32_t n = owned_require(heap, owner, ptr, "goo_gc_owned_realloc");
    if (new_size == 0) {
        goo_gc_owned_free(m, owner, ptr);
        return NULL;
    }
    OwnedRequest r = {.index = gooi_owned_record(heap, n)->allocator, .block = ptr,
                      .old_size = gooi_owned_record(heap, n)->size, .size = new_size};
    r.allocator = gooi_owned_allocator(heap, r.index)->allocator;
    goo_gc_push(m, owner);
    bool done = new_size <= GOOI_OWNED_SIZE_MAX && owned_try(heap, owned_attempt, &r, new_size);
    goo_gc_pop(m, 1);
    if (!done) {
        return gooi_alloc_fail(m, new_size);
    }
    n = gooi_owned_find(heap, owner, ptr); /* a collection may have moved the record */
    gooi_owned_change(heap, n, r.block, new_size);
    owned_release_bytes(heap, r.index, r.old_size > new_size ? r.old_size - new_size : 0);
    gooi_pressure_settle_heap(heap);
    return r.block;
}

/* Takes the record out and gives what it counted back; then the block goes to its allocator. */
static void owned_drop(GooGcHeap *heap, uint32_t n) {
    const GooiOwnedRecord *record = gooi_owned_record(heap, n);
    void *block = record->block;
    size_t size = record->size;
    GooAllocator *a =
        block != NULL ? gooi_owned_allocator(heap, record->allocator)->allocator : NULL;
    bool counts = gooi_owned_counts(heap, record);
    gooi_owned_remove(heap, n);
    if (counts) {
        gooi_pressure_discount(heap, size);
    }
    if (block != NULL) {
        goo_memory_free_with(a, block, size);
    }
}

void goo_gc_owned_free(GooGcMutator *m, void *owner, void *ptr) {
    if (ptr != NULL) {
        GooGcHeap *heap = owned_heap(m, "goo_gc_owned_free");
        owned_drop(heap, owned_require(heap, owner, ptr, "goo_gc_owned_free"));
    }
}

/* --- bytes that the library did not allocate --- */

static bool owned_prepare_adjustment(GooGcHeap *heap, void *ctx) {
    (void)ctx;
    heap->refused = false;
    return gooi_owned_reserve(heap);
}

static bool owned_attempt_adjustment(GooGcHeap *heap, void *bytes) {
    heap->refused = false;
    if (!gooi_pressure_count(heap, *(size_t *)bytes)) {
        heap->refused = true;
        return false;
    }
    return true;
}

/* The owner's adjustment, or 0. */
static uint32_t owned_find_adjustment(const GooGcHeap *heap, const void *owner) {
    uint32_t n = gooi_owned_first(heap, owner);
    return n != 0 && gooi_owned_record(heap, n)->allocator == 0 ? n : 0;
}

static GooStatus owned_adjust_up(GooGcMutator *m, void *owner, size_t bytes) {
    GooGcHeap *heap = m->heap;
    if (!owned_try(heap, owned_prepare_adjustment, NULL, 0)) {
        gooi_alloc_fail(m, sizeof(GooiOwnedRecord));
        return GOO_ERR_NO_MEMORY;
    }
    uint32_t n = owned_find_adjustment(heap, owner);
    size_t before = n != 0 ? gooi_owned_record(heap, n)->size : 0, after;
    if (gooi_add_overflows(before, bytes, &after) || after > GOOI_OWNED_SIZE_MAX ||
        !owned_try(heap, owned_attempt_adjustment, &bytes, bytes)) {
        gooi_alloc_fail(m, bytes);
        return GOO_ERR_LIMIT;
    }
    n = owned_find_adjustment(heap, owner);
    if (n != 0) {
        gooi_owned_change(heap, n, NULL, after);
    } else {
        gooi_owned_add(heap, owner, NULL, bytes, 0);
    }
    gooi_pressure_settle_heap(heap);
    return GOO_OK;
}

static void owned_adjust_down(GooGcHeap *heap, void *owner, size_t bytes) {
    uint32_t n = owned_find_adjustment(heap, owner);
    size_t before = n != 0 ? gooi_owned_record(heap, n)->size : 0;
    GOO_REQUIRE(bytes <= before, "goo_gc_owner_adjust: %zu bytes taken away, %zu counted", bytes,
                before);
    if (bytes == before) {
        owned_drop(heap, n);
    } else {
        gooi_owned_change(heap, n, NULL, before - bytes);
        gooi_pressure_discount(heap, bytes);
    }
}

GooStatus goo_gc_owner_adjust(GooGcMutator *m, void *owner, ptrdiff_t bytes) {
    if (bytes > 0) {
        GooGcHeap *heap = owned_heap_to_grow(m, "goo_gc_owner_adjust");
        if (!owned_is_owner(heap, owner)) {
            return GOO_ERR_INVALID_ARGUMENT;
        }
        goo_gc_push(m, owner);
        GooStatus status = owned_adjust_up(m, owner, (size_t)bytes);
        goo_gc_pop(m, 1);
        return status;
    }
    GooGcHeap *heap = owned_heap(m, "goo_gc_owner_adjust");
    if (!owned_is_owner(heap, owner)) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (bytes < 0) {
        owned_adjust_down(heap, owner, (size_t) - (bytes + 1) + 1);
    }
    return GOO_OK;
}

size_t goo_gc_owner_bytes(GooGcHeap *heap, const void *owner) {
    size_t bytes = 0;
    if (!owned_is_owner(heap, owner) ||
        (*gooi_metadata_of((uintptr_t)owner) & GOO_GC_ATTENTION) == 0) {
        return 0;
    }
    for (uint32_t n = gooi_owned_first(heap, owner); n != 0;
         n = gooi_owned_record(heap, n)->next_sibling) {
        bytes += gooi_owned_record(heap, n)->size;
    }
    return bytes;
}

/* --- settling --- */

/* Frees what dead owners own: after marking, before the sweep. */
void gooi_owned_settle(GooGcHeap *heap) {
    heap->owned.settling = true;
    for (uint32_t n = (uint32_t)heap->owned.records.count; n != 0; n--) {
        if (!gooi_object_is_marked(heap, gooi_owned_owner(heap, gooi_owned_record(heap, n)))) {
            owned_drop(heap, n);
        }
    }
    heap->owned.settling = false;
}

/* At the heap's end all owners are dead. */
void gooi_owned_deinit(GooGcHeap *heap) {
    heap->owned.settling = true;
    for (uint32_t n = (uint32_t)heap->owned.records.count; n != 0; n--) {
        owned_drop(heap, n);
    }
    gooi_owned_table_deinit(heap);
}
