/* Observers and interceptors: a table of slots that threads walk without a lock.
 *
 *     slot: id 0 ──add──▶ id n ──remove──▶ id 0, perhaps still somebody inside ──▶ free
 *
 * An id is the slot's number plus a multiple of the table's size that grows with each use, so that
 * the id of a removed callback is never that of its successor until 2^25 others had the slot.
 *
 *   invariants CALLBACK-1 to CALLBACK-3: runtime/callbacks.h
 *
 * Threads: any. gooi_callbacks_lock is held for adding and removing only, never while a callback
 * runs or is waited for.
 */
#include "runtime/callbacks.h"

#include "runtime/fork.h"
#include "runtime/platform/platform.h"

#include <errno.h>

static void callbacks_lock(void) {
    gooi_lock_take(&gooi_callbacks_lock);
}

static void callbacks_unlock(void) {
    gooi_lock_give(&gooi_callbacks_lock);
}

/* --- delivering --- */

/* Enters the callback if it is there (CALLBACK-2); the id to leave with, or 0. */
static int callbacks_enter(GooiCallback *c) {
    if (atomic_load_explicit(&c->id, memory_order_relaxed) == 0) {
        return 0;
    }
    atomic_fetch_add(&c->inside, 1);
    int id = atomic_load(&c->id);
    if (id == 0) {
        atomic_fetch_sub(&c->inside, 1);
        return 0;
    }
    gooi_callback_running = id;
    return id;
}

static void callbacks_leave(GooiCallback *c) {
    gooi_callback_running = 0;
    atomic_fetch_sub(&c->inside, 1);
}

void gooi_callbacks_deliver(const GooMemoryEvent *event) {
    int saved_errno = errno;
    for (size_t i = 0; i < GOOI_CALLBACK_COUNT; i++) {
        GooiCallback *c = &gooi_callbacks[i];
        if (callbacks_enter(c) != 0) {
            if ((c->kinds >> event->kind & 1) != 0) {
                c->observe(event, c->user);
            }
            callbacks_leave(c);
        }
    }
    errno = saved_errno;
}

bool gooi_callbacks_permit(const GooMemoryEvent *event) {
    int saved_errno = errno;
    bool permitted = true;
    for (size_t i = 0; i < GOOI_CALLBACK_COUNT && permitted; i++) {
        GooiCallback *c = &gooi_callbacks[i];
        if (callbacks_enter(c) != 0) {
            permitted = c->kinds != 0 || c->intercept(event, c->user);
            callbacks_leave(c);
        }
    }
    errno = saved_errno;
    return permitted;
}

/* --- adding and removing --- */

/* The flag that the front door tests. Under the lock. */
static void callbacks_update_watch(void) {
    bool any = false;
    for (size_t i = 0; i < GOOI_CALLBACK_COUNT; i++) {
        any |= atomic_load_explicit(&gooi_callbacks[i].id, memory_order_relaxed) != 0;
    }
    if (any) {
        atomic_fetch_or(&gooi_watch, GOOI_WATCH_CALLBACKS);
    } else {
        atomic_fetch_and(&gooi_watch, ~(uint32_t)GOOI_WATCH_CALLBACKS);
    }
}

static int callbacks_next_id(GooiCallback *c) {
    int slot = (int)(c - gooi_callbacks) + 1;
    bool last = c->last_id > INT32_MAX - GOOI_CALLBACK_COUNT;
    c->last_id = c->last_id == 0 || last ? slot : c->last_id + GOOI_CALLBACK_COUNT;
    return c->last_id;
}

static int callbacks_add(GooObserverFn observe, GooInterceptFn intercept, void *user,
                         uint32_t kinds) {
    int id = GOO_ERR_LIMIT;
    callbacks_lock();
    for (size_t i = 0; i < GOOI_CALLBACK_COUNT && id < 0; i++) {
        GooiCallback *c = &gooi_callbacks[i];
        if (atomic_load(&c->id) == 0 && atomic_load(&c->inside) == 0) { /* CALLBACK-1 */
            c->kinds = kinds;
            c->observe = observe;
            c->intercept = intercept;
            c->user = user;
            id = callbacks_next_id(c);
            atomic_store(&c->id, id);
        }
    }
    callbacks_update_watch();
    callbacks_unlock();
    return id;
}

int goo_callback_add_observer(GooObserverFn fn, void *user, uint32_t kinds) {
    uint32_t known = (2u << GOO_EVENT_PRESSURE) - 1;
    if (fn == NULL || kinds == 0 || (kinds != GOO_EVENT_ALL && (kinds & ~known) != 0)) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    return callbacks_add(fn, NULL, user, kinds);
}

int goo_callback_add_interceptor(GooInterceptFn fn, void *user) {
    return fn == NULL ? GOO_ERR_INVALID_ARGUMENT : callbacks_add(NULL, fn, user, 0);
}

GooStatus goo_callback_remove(int id) {
    if (id <= 0) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    GooiCallback *c = &gooi_callbacks[(id - 1) % GOOI_CALLBACK_COUNT];
    callbacks_lock();
    int expected = id;
    bool removed = atomic_compare_exchange_strong(&c->id, &expected, 0);
    callbacks_update_watch();
    callbacks_unlock();
    if (!removed) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    while (gooi_callback_running == 0 && atomic_load(&c->inside) != 0) {
        gooi_platform_yield();
    }
    return GOO_OK;
}
