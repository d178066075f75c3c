/* Which allocator stands for NULL, and the nesting of init and cleanup.
 *
 * The outermost goo_memory_init_with may replace the default allocator; the matching cleanup puts
 * back what was there. Allocators that do more than the public struct says (reset, owns) are
 * GooiExtendedAllocator, recognised by a private capability bit.
 *
 *   invariants GLOBALS-1 and GLOBALS-2: runtime/globals.h
 *
 * Threads: any.
 */
#include "goo/runtime/memory.h"
#include "runtime/check.h"
#include "runtime/globals.h"
#include "runtime/scratch.h"

static void config_lock(void) {
    while (atomic_flag_test_and_set_explicit(&gooi_init.lock, memory_order_acquire)) {
    }
}

static void config_unlock(void) {
    atomic_flag_clear_explicit(&gooi_init.lock, memory_order_release);
}

static bool config_is_complete(const GooAllocator *a) {
    return a->alloc != NULL && a->realloc != NULL && a->free != NULL;
}

static bool config_is_supported(const GooMemoryConfig *config) {
    return !config->enable_leak_detection && !config->enable_tracking && !config->enable_safety &&
           !config->never_unmap && !config->retain_metadata && config->limit_bytes == 0;
}

/* Under the lock. */
static GooStatus config_begin(GooAllocator *wanted) {
    GooAllocator *current = goo_get_default_allocator();
    if (gooi_init.depth == 0) {
        gooi_init.previous_default = current;
        if (wanted != NULL) {
            goo_set_default_allocator(wanted);
        }
    } else if (wanted != NULL && wanted != current) {
        return GOO_ERR_BUSY;
    }
    gooi_init.depth++;
    return GOO_OK;
}

GooStatus goo_memory_init_with(const GooMemoryConfig *config) {
    GooAllocator *wanted = NULL;
    if (config != NULL) {
        if (!config_is_supported(config)) {
            return GOO_ERR_UNSUPPORTED;
        }
        wanted = config->default_allocator;
        if (wanted != NULL && !config_is_complete(wanted)) {
            return GOO_ERR_INVALID_ARGUMENT;
        }
    }
    config_lock();
    GooStatus status = config_begin(wanted);
    config_unlock();
    return status;
}

bool goo_memory_init(void) {
    return goo_memory_init_with(NULL) == GOO_OK;
}

void goo_memory_cleanup(void) {
    bool outermost = false;
    config_lock();
    if (gooi_init.depth != 0) {
        gooi_init.depth--;
        outermost = gooi_init.depth == 0;
        if (outermost) {
            goo_set_default_allocator(gooi_init.previous_default);
        }
    }
    config_unlock();
    if (outermost) {
        gooi_scratch_free_all();
    }
}

GooAllocator *goo_get_default_allocator(void) {
    return atomic_load_explicit(&gooi_default_allocator, memory_order_acquire);
}

void goo_set_default_allocator(GooAllocator *a) {
    GOO_REQUIRE(a == NULL || config_is_complete(a),
                "goo_set_default_allocator: allocator %p lacks alloc, realloc or free", (void *)a);
    atomic_store_explicit(&gooi_default_allocator, a != NULL ? a : &gooi_system_allocator,
                          memory_order_release);
}

GooAllocator *goo_get_thread_allocator(void) {
    return gooi_current_allocator();
}

void goo_set_thread_allocator(GooAllocator *a) {
    GOO_REQUIRE(a == NULL || config_is_complete(a),
                "goo_set_thread_allocator: allocator %p lacks alloc, realloc or free", (void *)a);
    gooi_thread_allocator = a;
}

void goo_allocator_destroy(GooAllocator *a) {
    if (a == NULL || a->destroy == NULL) {
        return;
    }
    GOO_REQUIRE((a->capabilities & GOOI_ALLOCATOR_ATTACHED) == 0,
                "goo_allocator_destroy: allocator '%s' is still attached to a collected heap",
                a->name != NULL ? a->name : "?");
    GooAllocator *expected = a;
    atomic_compare_exchange_strong(&gooi_default_allocator, &expected, &gooi_system_allocator);
    if (gooi_thread_allocator == a) {
        gooi_thread_allocator = NULL;
    }
    a->destroy(a);
}

static const GooiAllocatorOps *config_ops(const GooAllocator *a) {
    static const GooiAllocatorOps none = {0};
    if ((a->capabilities & GOOI_ALLOCATOR_FIXED) != 0) {
        return gooi_hooks.fixed_ops;
    }
    return (a->capabilities & GOOI_ALLOCATOR_EXTENDED) != 0
               ? ((const GooiExtendedAllocator *)(const void *)a)->ops
               : &none;
}

bool goo_allocator_reset(GooAllocator *a) {
    a = a != NULL ? a : gooi_current_allocator();
    const GooiAllocatorOps *ops = config_ops(a);
    if (ops->reset == NULL || (a->capabilities & GOO_ALLOCATOR_RESETS) == 0) {
        return false;
    }
    ops->reset(a);
    return true;
}

bool goo_allocator_owns(GooAllocator *a, const void *ptr) {
    a = a != NULL ? a : gooi_current_allocator();
    const GooiAllocatorOps *ops = config_ops(a);
    return ptr != NULL && ops->owns != NULL && ops->owns(a, ptr);
}
