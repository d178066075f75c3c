/* Which allocator stands for NULL, and the nesting of init and cleanup.
 *
 * The outermost goo_memory_init_with sets up what its configuration says: the default allocator,
 * tracking, the limit, the table of blocks. The matching cleanup puts back what was there. Nothing
 * of it can fail halfway: whatever may fail is asked before the first change.
 *
 *   invariants GLOBALS-1: runtime/globals.h; CONFIG-1: runtime/config.h
 *
 * Threads: any.
 */
#include "runtime/config.h"

#include "runtime/blocks.h"
#include "runtime/callbacks.h"
#include "runtime/check.h"
#include "runtime/fork.h"
#include "runtime/globals.h"
#include "runtime/pages.h"
#include "runtime/scratch.h"
#include "runtime/stats.h"

static void config_lock(void) {
    gooi_lock_take(&gooi_init.lock);
}

static void config_unlock(void) {
    gooi_lock_give(&gooi_init.lock);
}

static bool config_is_complete(const GooAllocator *a) {
    return a->alloc != NULL && a->realloc != NULL && a->free != NULL;
}

/* The modes of the table of blocks that a configuration asks for. */
static uint32_t config_block_modes(const GooMemoryConfig *config) {
    return (config->enable_leak_detection ? GOOI_BLOCKS_LEAKS : 0u) |
           (config->enable_safety ? GOOI_BLOCKS_SAFETY : 0u) |
           (config->never_unmap ? GOOI_BLOCKS_KEEP : 0u) |
           (config->retain_metadata ? GOOI_BLOCKS_HISTORY : 0u);
}

/* Whether a nested init asks for nothing that the outermost did not set up. */
static bool config_is_within(const GooMemoryConfig *inner, const GooMemoryConfig *outer) {
    return (config_block_modes(inner) & ~config_block_modes(outer)) == 0 &&
           (!inner->enable_tracking || outer->enable_tracking) &&
           (inner->limit_bytes == 0 || inner->limit_bytes == outer->limit_bytes) &&
           (inner->default_allocator == NULL ||
            inner->default_allocator == goo_get_default_allocator());
}

/* The outermost init: nothing here can fail. Under the lock. */
static void config_set_up(const GooMemoryConfig *config) {
    gooi_init.config = *config;
    gooi_init.previous_default = goo_get_default_allocator();
    gooi_init.previous_tracking =
        (atomic_load(&gooi_watch) & (uint32_t)GOOI_WATCH_TRACKING) != 0;
    if (config->default_allocator != NULL) {
        goo_set_default_allocator(config->default_allocator);
    }
    if (config->enable_tracking) {
        atomic_fetch_or(&gooi_watch, GOOI_WATCH_TRACKING);
    }
    if (config->limit_bytes != 0) {
        atomic_store(&gooi_limit_max, config->limit_bytes);
        atomic_store(&gooi_limit_used, 0);
        atomic_fetch_or(&gooi_watch, GOOI_WATCH_LIMIT);
    }
    if (config_block_modes(config) != 0) {
        gooi_blocks_start(config_block_modes(config));
    }
}

/* Its end. Under the lock. Returns the records of blocks that are left. */
static GooiBlock *config_take_down(void) {
    const GooMemoryConfig *config = &gooi_init.config;
    GooiBlock *blocks = config_block_modes(config) != 0 ? gooi_blocks_stop() : NULL;
    if (config->limit_bytes != 0) {
        atomic_fetch_and(&gooi_watch, ~(uint32_t)GOOI_WATCH_LIMIT);
    }
    if (config->enable_tracking && !gooi_init.previous_tracking) {
        atomic_fetch_and(&gooi_watch, ~(uint32_t)GOOI_WATCH_TRACKING);
    }
    goo_set_default_allocator(gooi_init.previous_default);
    return blocks;
}

GooStatus goo_memory_init_with(const GooMemoryConfig *config) {
    static const GooMemoryConfig none = {0};
    config = config != NULL ? config : &none;
    if (config->default_allocator != NULL && !config_is_complete(config->default_allocator)) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    GooStatus status = GOO_OK;
    config_lock();
    if (gooi_init.depth == 0) {
        config_set_up(config);
    } else if (!config_is_within(config, &gooi_init.config)) {
        status = GOO_ERR_BUSY;
    }
    gooi_init.depth += status == GOO_OK;
    config_unlock();
    return status;
}

bool goo_memory_init(void) {
    return goo_memory_init_with(NULL) == GOO_OK;
}

void goo_memory_cleanup(void) {
    bool outermost = false;
    bool kept = false;
    GooiBlock *blocks = NULL;
    config_lock();
    if (gooi_init.depth != 0) {
        outermost = --gooi_init.depth == 0;
        kept = gooi_init.config.never_unmap;
        blocks = outermost ? config_take_down() : NULL;
    }
    config_unlock();
    if (outermost) {
        gooi_scratch_free_all();
        gooi_blocks_give_back(blocks, kept); /* may panic, so without the lock */
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
    gooi_stats_forget(a);
    gooi_pages_end(a, true);
    if (gooi_allocator_is_root(a)) {
        gooi_blocks_forget(a);
    }
    a->destroy(a);
}

bool goo_allocator_reset(GooAllocator *a) {
    a = a != NULL ? a : gooi_current_allocator();
    const GooiAllocatorOps *ops = gooi_allocator_ops(a);
    if (ops->reset == NULL || (a->capabilities & GOO_ALLOCATOR_RESETS) == 0) {
        return false;
    }
    ops->reset(a);
    gooi_pages_end(a, false);
    gooi_callbacks_notify(GOO_EVENT_RESET, a, 0, 0);
    return true;
}

bool goo_allocator_owns(GooAllocator *a, const void *ptr) {
    a = a != NULL ? a : gooi_current_allocator();
    const GooiAllocatorOps *ops = gooi_allocator_ops(a);
    return ptr != NULL && ops->owns != NULL && ops->owns(a, ptr);
}
