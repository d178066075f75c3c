/* What this library keeps for a thread goes when the thread ends. Private. */
#ifndef GOO_RUNTIME_THREAD_H
#define GOO_RUNTIME_THREAD_H

#include <stdbool.h>

/* The calling thread now has something to give back: its scratch memory or its counters.
 * Idempotent. False: no memory; it will then not be given back. */
bool gooi_thread_will_end(void);

#endif
