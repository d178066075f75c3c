/* Fork: the child finds every lock of the explicit half free, and what it guards whole.
 *
 * Locks are only tried: if one is taken all are given back, and the thread that forks waits a
 * moment. So the order in which others nest them does not matter.
 *
 * What other threads had begun outside of the locks is not undone in the child: a block that was
 * on its way stays allocated, a request's share of a budget stays taken, a count may lack a block.
 *
 *   invariants FORK-1, FORK-2: runtime/fork.h
 *
 * Threads: any. Left out on purpose: allocators that belong to one thread, which are whole unless
 * that thread itself forks inside of a callback.
 */
#include "runtime/fork.h"

#include "runtime/blocks.h"
#include "runtime/callbacks.h"
#include "runtime/config.h"
#include "runtime/counters.h"
#include "runtime/pages.h"
#include "runtime/platform/platform.h"
#include "runtime/registry.h"

enum { FORK_SPIN_LIMIT = 64 };

void gooi_lock_take(atomic_flag *lock) {
    gooi_fork_prepare();
    for (unsigned tries = 0; atomic_flag_test_and_set_explicit(lock, memory_order_acquire);
         tries++) {
        if (tries >= FORK_SPIN_LIMIT) {
            gooi_platform_yield();
        }
    }
}

/* --- all of them --- */

/* The i-th lock of the process; NULL: there are no more. */
static atomic_flag *fork_process_lock(size_t i) {
    atomic_flag *const locks[] = {
        &gooi_init.lock,     &gooi_callbacks_lock, &gooi_registry.lock,
        &gooi_claims.lock,   &gooi_pages.lock,     &gooi_stats_lock,
        &gooi_fork_list_lock,
    };
    if (i < GOOI_COUNT(locks)) {
        return locks[i];
    }
    i -= GOOI_COUNT(locks);
    return i < GOOI_BLOCKS_STRIPES ? &gooi_blocks.stripes[i].lock : NULL;
}

static bool fork_try(atomic_flag *lock) {
    return !atomic_flag_test_and_set_explicit(lock, memory_order_acquire);
}

/* Gives the first `count` locks of the process back. */
static void fork_give_process(size_t count) {
    while (count-- != 0) {
        gooi_lock_give(fork_process_lock(count));
    }
}

/* Gives those of objects back that are newer than `end`. */
static void fork_give_objects(const GooiForkLock *end) {
    for (GooiForkLock *member = gooi_fork_list; member != end; member = member->older) {
        gooi_lock_give(member->lock);
    }
}

static bool fork_try_all(void) {
    size_t count = 0;
    for (atomic_flag *lock; (lock = fork_process_lock(count)) != NULL; count++) {
        if (!fork_try(lock)) {
            fork_give_process(count);
            return false;
        }
    }
    for (GooiForkLock *member = gooi_fork_list; member != NULL; member = member->older) {
        if (!fork_try(member->lock)) {
            fork_give_objects(member);
            fork_give_process(count);
            return false;
        }
    }
    return true;
}

static void fork_give_all(void) {
    fork_give_objects(NULL);
    size_t count = 0;
    while (fork_process_lock(count) != NULL) {
        count++;
    }
    fork_give_process(count);
}

/* --- before and after --- */

static void fork_before(void) {
    while (!fork_try_all()) {
        gooi_platform_yield();
    }
}

/* Other threads are in no callback any more, so that removing one does not wait for them. */
static void fork_leave_callbacks(void) {
    for (size_t i = 0; i < GOOI_CALLBACK_COUNT; i++) {
        GooiCallback *c = &gooi_callbacks[i];
        bool here = gooi_callback_running != 0 &&
                    (size_t)(gooi_callback_running - 1) % GOOI_CALLBACK_COUNT == i;
        atomic_store_explicit(&c->inside, here ? 1 : 0, memory_order_relaxed);
    }
}

/* The counters of other threads are there for new ones (COUNTERS-3). */
static void fork_leave_shards(void) {
    GooiShard *shard = atomic_load_explicit(&gooi_shards, memory_order_acquire);
    for (; shard != NULL; shard = shard->next) {
        if (shard != gooi_shard) {
            atomic_store_explicit(&shard->used, false, memory_order_release);
        }
    }
}

static void fork_in_child(void) {
    fork_leave_callbacks();
    fork_leave_shards();
    fork_give_all();
}

void gooi_fork_prepare(void) {
    if (GOOI_LIKELY(atomic_load_explicit(&gooi_fork_prepared, memory_order_relaxed)) ||
        atomic_exchange(&gooi_fork_prepared, true)) {
        return;
    }
    if (!gooi_platform_at_fork(fork_before, fork_give_all, fork_in_child)) {
        atomic_store(&gooi_fork_prepared, false); /* no memory: the next one tries again */
    }
}

/* --- objects --- */

void gooi_fork_enlist(GooiForkLock *member, atomic_flag *lock) {
    gooi_lock_take(&gooi_fork_list_lock);
    *member = (GooiForkLock){.lock = lock, .older = gooi_fork_list};
    if (gooi_fork_list != NULL) {
        gooi_fork_list->newer = member;
    }
    gooi_fork_list = member;
    gooi_lock_give(&gooi_fork_list_lock);
}

void gooi_fork_delist(GooiForkLock *member) {
    if (member->lock == NULL) {
        return;
    }
    gooi_lock_take(&gooi_fork_list_lock);
    if (member->newer != NULL) {
        member->newer->older = member->older;
    } else {
        gooi_fork_list = member->older;
    }
    if (member->older != NULL) {
        member->older->newer = member->newer;
    }
    gooi_lock_give(&gooi_fork_list_lock);
}
