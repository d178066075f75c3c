/* The locks that a fork must find free. Private.
 *
 * A child of fork has one thread: a lock that another one held would be held for ever. So the
 * thread that forks takes all of them before, and lets them go after, in the parent and in the
 * child: those of the process (a constant list in fork.c), and those of objects, which stand in a
 * list from their creation to their end.
 *
 *   FORK-1  a lock of the list is held for moments only, and never while anything is called that
 *           may wait for another thread or take a lock of a collected heap
 *   FORK-2  who takes a lock of the process has called gooi_fork_prepare before
 *
 * Threads: any.
 */
#ifndef GOO_RUNTIME_FORK_H
#define GOO_RUNTIME_FORK_H

#include "runtime/base.h"
#include "runtime/globals.h"

/* An object's place in the list; lies in the object. */
struct GooiForkLock {
    atomic_flag *lock;
    struct GooiForkLock *newer, *older;
};

/* Sees to it that forks are heard of. Before the collector says the same of itself: what is asked
 * for first is called last before a fork, and heaps come before what their holders may want. */
void gooi_fork_prepare(void);

/* The object's lock is one that a fork waits for, until it is delisted. */
void gooi_fork_enlist(GooiForkLock *member, atomic_flag *lock);
void gooi_fork_delist(GooiForkLock *member);

/* Takes and gives back a lock of the process. */
void gooi_lock_take(atomic_flag *lock);
static inline void gooi_lock_give(atomic_flag *lock) {
    atomic_flag_clear_explicit(lock, memory_order_release);
}

#endif
