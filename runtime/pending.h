/* What a request holds while somebody else's code runs, and a panic must let go of. Private.
 *
 * A panic handler may leave by longjmp, past a request that has taken bytes from a budget and would
 * have given them back. Such a request stands in a list of its thread meanwhile; the list's items
 * lie in the stack frames that wait.
 *
 *     gooi_pending ──▶ innermost request's ──outer──▶ … ──▶ NULL
 *
 *   PENDING-1  before the panic handler is called, everything in the thread's list was given back
 *              and the list is empty: nobody who waits is sure to come back
 *   PENDING-2  who does come back (the program recovered within a handler or a finalizer that the
 *              request was waiting for) learns at the end that it holds nothing any more
 *
 * Threads: each has its own list.
 */
#ifndef GOO_RUNTIME_PENDING_H
#define GOO_RUNTIME_PENDING_H

#include "runtime/base.h"
#include "runtime/globals.h"

struct GooiPending {
    GooiPending *outer;
    void (*give_back)(GooiPending *pending);
    bool gone; /* given back by a panic */
};

/* What the caller took is in the list until gooi_pending_end. */
void gooi_pending_begin(GooiPending *pending, void (*give_back)(GooiPending *pending));

/* Returns whether it is still held (PENDING-2). */
static inline bool gooi_pending_end(const GooiPending *pending) {
    gooi_pending = pending->outer;
    return !pending->gone;
}

/* This thread panics: PENDING-1, and what it was about is forgotten (gooi_site, gooi_hidden). */
void gooi_pending_abandon(void);

#endif
