/* The end of a thread: one callback from the platform for every room that keeps something for it.
 *
 * The platform promises one pair of function and argument per thread; this file holds it. What a
 * later destructor of the program allocates registers again, and is given back again.
 *
 * Threads: each for itself.
 */
#include "runtime/thread.h"

#include "runtime/counters.h"
#include "runtime/globals.h"
#include "runtime/platform/platform.h"
#include "runtime/scratch.h"

static void thread_ends(void *arg) {
    (void)arg;
    if (GOOI_HOOK(thread_ends) != NULL) {
        GOOI_HOOK(thread_ends)();
    }
    gooi_scratch_free_all();
    gooi_counters_leave();
}

bool gooi_thread_will_end(void) {
    return gooi_platform_on_thread_exit(thread_ends, NULL);
}
