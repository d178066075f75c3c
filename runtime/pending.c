/* A panic lets go of what the thread's requests hold; see pending.h for why.
 *
 *   invariants PENDING-1, PENDING-2: runtime/pending.h
 *
 * Threads: any; each for itself.
 */
#include "runtime/pending.h"

void gooi_pending_begin(GooiPending *pending, void (*give_back)(GooiPending *pending)) {
    *pending = (GooiPending){.outer = gooi_pending, .give_back = give_back};
    gooi_pending = pending;
}

void gooi_pending_abandon(void) {
    GooiPending *pending = gooi_pending;
    gooi_pending = NULL; /* first: giving back must not panic into the same items */
    gooi_site = (GooiSite){NULL, 0};
    gooi_hidden = 0;
    while (pending != NULL) {
        GooiPending *outer = pending->outer;
        pending->gone = true;
        pending->give_back(pending);
        pending = outer;
    }
    void (*tell)(void) = gooi_hooks.thread_panics;
    if (tell != NULL) {
        tell();
    }
}
