/* The part of tracking, limit and failing that is the same: passing on, and knowing what a reset
 * leaves. Picture and invariants DECORATE-1 and DECORATE-2 are in decorate.h.
 *
 * Whoever counts bytes over an arena must know what is left when it is reset: the blocks that asked
 * to persist. They are few, so they stand in an unordered array, and a free looks only while there
 * are any. Which of them the parent really kept, it is asked where it can tell.
 *
 * Threads: as the parent; the array has a lock of its own.
 */
#include "allocators/decorate.h"

#include "goo/runtime/memory.h"
#include "runtime/system.h"

#include <errno.h>
#include <string.h>

/* What a parent does not get to see: see decorate.h. Bits for counters of the allocator that was
 * called, the front door removes. */
#define DECORATE_OWN_OPTIONS GOO_ALLOC_NOFAIL

static void decorate_lock(GooiDecorator *d) {
    while (atomic_flag_test_and_set_explicit(&d->kept_lock, memory_order_acquire)) {
    }
}

static void decorate_unlock(GooiDecorator *d) {
    atomic_flag_clear_explicit(&d->kept_lock, memory_order_release);
}

static size_t decorate_kept_count(const GooiDecorator *d) {
    return atomic_load_explicit(&d->kept_count, memory_order_relaxed);
}

static void decorate_set_kept_count(GooiDecorator *d, size_t count) {
    atomic_store_explicit(&d->kept_count, count, memory_order_relaxed);
}

/* Under the lock. */
static bool decorate_grow(GooiDecorator *d) {
    enum { CAPACITY_FIRST = 16 };
    size_t capacity = d->kept_capacity == 0 ? CAPACITY_FIRST : 2 * d->kept_capacity;
    size_t size = capacity * sizeof *d->kept;
    GooiKeptBlock *grown =
        d->kept == NULL ? gooi_system_alloc(NULL, size, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_DEFAULT)
                        : gooi_system_realloc(NULL, d->kept, d->kept_capacity * sizeof *d->kept,
                                              size, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_DEFAULT);
    if (grown == NULL) {
        return false;
    }
    d->kept = grown;
    d->kept_capacity = capacity;
    return true;
}

bool gooi_decorator_keep(GooiDecorator *d, void *ptr, size_t size) {
    decorate_lock(d);
    size_t count = decorate_kept_count(d);
    bool room = count < d->kept_capacity || decorate_grow(d);
    if (room) {
        d->kept[count] = (GooiKeptBlock){ptr, size};
        decorate_set_kept_count(d, count + 1);
    }
    decorate_unlock(d);
    return room;
}

/* The place behind the block's in the array, or 0: most blocks are not in it. Under the lock. */
static size_t decorate_find(const GooiDecorator *d, const void *ptr) {
    size_t i = decorate_kept_count(d);
    while (i != 0 && d->kept[i - 1].ptr != ptr) {
        i--;
    }
    return i;
}

bool gooi_decorator_keeps(GooiDecorator *d, const void *ptr) {
    if (decorate_kept_count(d) == 0) {
        return false;
    }
    decorate_lock(d);
    bool kept = decorate_find(d, ptr) != 0;
    decorate_unlock(d);
    return kept;
}

void gooi_decorator_changed(GooiDecorator *d, const void *old_ptr, void *ptr, size_t size) {
    if (decorate_kept_count(d) == 0) {
        return;
    }
    decorate_lock(d);
    size_t count = decorate_kept_count(d);
    size_t i = decorate_find(d, old_ptr);
    if (i != 0 && size != 0) {
        d->kept[i - 1] = (GooiKeptBlock){ptr, size};
    } else if (i != 0) {
        d->kept[i - 1] = d->kept[count - 1];
        decorate_set_kept_count(d, count - 1);
    }
    decorate_unlock(d);
}

void *gooi_decorator_alloc(GooiDecorator *d, size_t size, size_t alignment,
                           GooAllocOptions options) {
    void *p = goo_memory_alloc_options(d->parent, size, alignment, options & ~DECORATE_OWN_OPTIONS);
    bool persists =
        (options & GOO_ALLOC_PERSIST) != 0 && (d->parent->capabilities & GOO_ALLOCATOR_RESETS) != 0;
    if (p != NULL && persists && !gooi_decorator_keep(d, p, size)) {
        goo_memory_free_options(d->parent, p, size, alignment);
        errno = ENOMEM;
        return NULL;
    }
    return p;
}

void *gooi_decorator_realloc(GooiDecorator *d, void *ptr, size_t old_size, size_t new_size,
                             size_t alignment, GooAllocOptions options) {
    void *p = goo_memory_realloc_options(d->parent, ptr, old_size, new_size, alignment,
                                         options & ~DECORATE_OWN_OPTIONS);
    if (p != NULL) {
        gooi_decorator_changed(d, ptr, p, new_size);
    }
    return p;
}

void gooi_decorator_free(GooiDecorator *d, void *ptr, size_t size, size_t alignment) {
    gooi_decorator_changed(d, ptr, NULL, 0);
    goo_memory_free_options(d->parent, ptr, size, alignment);
}

bool gooi_decorator_resize(GooiDecorator *d, void *ptr, size_t old_size, size_t new_size,
                           size_t alignment) {
    bool resized = goo_memory_resize_options(d->parent, ptr, old_size, new_size, alignment);
    if (resized) {
        gooi_decorator_changed(d, ptr, ptr, new_size);
    }
    return resized;
}

GooiKeptTotal gooi_decorator_count_kept(GooiDecorator *d, GooAllocator *holder) {
    bool knows = (holder->capabilities & GOO_ALLOCATOR_OWNS) != 0;
    decorate_lock(d);
    GooiKeptTotal total = {0, 0};
    size_t count = decorate_kept_count(d);
    for (size_t i = 0; i < count; i++) {
        if (!knows || goo_allocator_owns(holder, d->kept[i].ptr)) {
            total.bytes += d->kept[i].size;
            d->kept[total.count++] = d->kept[i];
        }
    }
    decorate_set_kept_count(d, total.count);
    decorate_unlock(d);
    return total;
}

GooiKeptTotal gooi_decorator_reset(GooiDecorator *d) {
    goo_allocator_reset(d->parent);
    return gooi_decorator_count_kept(d, d->parent);
}

bool gooi_decorator_owns(GooAllocator *a, const void *ptr) {
    return goo_allocator_owns(((GooiDecorator *)(void *)a)->parent, ptr);
}

/* --- create and destroy --- */

void gooi_decorator_destroy(void *self) {
    GooiDecorator *d = self;
    gooi_system_free(NULL, d->kept, d->kept_capacity * sizeof *d->kept, GOO_DEFAULT_ALIGNMENT);
    gooi_system_free(NULL, d, sizeof *d, GOO_DEFAULT_ALIGNMENT);
}

void *gooi_decorator_create(size_t struct_size, GooAllocator *parent, const GooAllocator *functions,
                            const GooiAllocatorOps *ops) {
    GooiDecorator *d = gooi_system_alloc(NULL, struct_size, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
    if (d == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    parent = parent != NULL ? parent : gooi_current_allocator();
    d->parent = parent;
    atomic_flag_clear(&d->kept_lock);
    d->head = (GooiExtendedAllocator){*functions, ops};
    GooAllocator *a = &d->head.allocator;
    a->context = d;
    a->resize = parent->resize != NULL ? a->resize : NULL;
    a->destroy = a->destroy != NULL ? a->destroy : gooi_decorator_destroy;
    a->capabilities = (parent->capabilities &
                       (GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS |
                        GOO_ALLOCATOR_THREAD_SAFE | GOO_ALLOCATOR_OWNS)) |
                      GOOI_ALLOCATOR_EXTENDED | GOOI_ALLOCATOR_PAGES;
    return d;
}
