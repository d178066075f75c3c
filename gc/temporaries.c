/* Temporaries: the stack of objects that a program under construction keeps alive by push and pop.
 *
 * A push can't fail, and must not collect, as its caller may hold objects that are not pushed yet;
 * nor may it pass the hard limit. So the stack grows ahead of need, at points that can fail:
 *
 *   0 ─────────── half ─────────── capacity
 *     pushes        │ the first push here doubles the stack, if the limit allows that
 *                   └ refused: the next allocation has to find room for that, collecting if need
 *                     be, or fails; until then pushes go on in the upper half
 *
 * TEMP-1  after an allocation that did not fail at least half of the stack is empty, and as many
 *         pushes can't fail as there are temporaries, 64 at least. Whoever pushes more than that at
 *         the hard limit without allocating gets what the spare and empty blocks still have; then
 *         nothing can be kept safely, which is a panic.
 *
 * The first 128 places lie in the mutator, which was counted when it was made. Nothing shrinks: a
 * stack is small beside the heap that it keeps alive.
 *
 * Threads: the mutator's.
 */
#include <string.h>

#include "gc/heap.h"
#include "gc/lock.h"

void gooi_temporaries_init(GooGcMutator *m) {
    m->temporaries.items = m->temporaries.first;
    m->temporaries.capacity = GOOI_TEMPORARIES_FIRST;
    m->temporaries.ask_at = GOOI_TEMPORARIES_FIRST / 2;
}

/* The bytes of the stack outside the mutator. */
static size_t temporaries_size(const GooiTemporaries *t) {
    return t->items == t->first ? 0 : t->capacity * sizeof(void *);
}

static void temporaries_free(GooGcHeap *heap, const GooiTemporaries *t) {
    if (t->items != t->first) {
        heap->side->free(heap->side->context, t->items, temporaries_size(t),
                         GOO_DEFAULT_ALIGNMENT);
    }
}

void gooi_temporaries_deinit(GooGcMutator *m) {
    temporaries_free(m->heap, &m->temporaries);
    gooi_space_unaccount(m->heap, 0, temporaries_size(&m->temporaries));
}

/* Doubles the stack. False: no memory, or none under the limit. Under the lock. */
static bool temporaries_double(GooGcHeap *heap, GooiTemporaries *t) {
    size_t old_size = temporaries_size(t), size = t->capacity * 2 * sizeof(void *);
    if (t->capacity > SIZE_MAX / (4 * sizeof(void *)) ||
        !gooi_space_account(heap, 0, size - old_size)) {
        return false;
    }
    void **items = heap->side->alloc(heap->side->context, size, GOO_DEFAULT_ALIGNMENT, 0);
    if (items == NULL) {
        gooi_space_unaccount(heap, 0, size - old_size);
        return false;
    }
    memcpy(items, t->items, t->count * sizeof(void *));
    temporaries_free(heap, t);
    t->items = items;
    t->capacity *= 2;
    t->ask_at = t->capacity / 2;
    gooi_account_settle(heap);
    return true;
}

static bool temporaries_try_double(GooGcMutator *m) {
    gooi_heap_lock(m->heap);
    bool done = temporaries_double(m->heap, &m->temporaries);
    gooi_heap_unlock(m->heap);
    return done;
}

bool gooi_temporaries_make_room(GooGcMutator *m) {
    size_t more = m->temporaries.capacity * sizeof(void *);
    m->heap->refused = false;
    return temporaries_try_double(m) ||
           (gooi_collect_emergency(m->heap, more) && temporaries_try_double(m));
}

/* What is left under the limit, without a collection. */
static bool temporaries_double_at_last(GooGcMutator *m) {
    GooGcHeap *heap = m->heap;
    GooiTemporaries *t = &m->temporaries;
    gooi_heap_lock(heap);
    heap->refused = false;
    bool done = temporaries_double(heap, t);
    if (!done && heap->refused) {
        gooi_limit_hit(heap);
        done = temporaries_double(heap, t) ||
               (goo_gc_release(heap) != 0 && temporaries_double(heap, t));
    }
    gooi_heap_unlock(heap);
    return done;
}

static GOOI_COLD void temporaries_grow(GooGcMutator *m) {
    GooiTemporaries *t = &m->temporaries;
    if (t->count < t->capacity) {
        if (!temporaries_try_double(m)) {
            t->ask_at = t->capacity;
            gooi_alloc_hide_span(m);
        }
    } else if (!temporaries_double_at_last(m)) {
        gooi_panic("goo_gc_push: out of memory for temporary number %zu", t->count);
    }
}

void goo_gc_push(GooGcMutator *m, void *object) {
    GooiTemporaries *t = &m->temporaries;
    GOO_ASSERT(gooi_mutator_is_mine(m), "goo_gc_push: mutator %p is another thread's", (void *)m);
    if (GOOI_UNLIKELY(t->count >= t->ask_at)) {
        temporaries_grow(m);
    }
    t->items[t->count++] = object;
}

void goo_gc_pop(GooGcMutator *m, size_t count) {
    GOO_REQUIRE(count <= m->temporaries.count, "goo_gc_pop: %zu of %zu temporaries", count,
                m->temporaries.count);
    m->temporaries.count -= count;
}
