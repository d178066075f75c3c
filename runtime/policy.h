/* What to do when a request can't be met, decided once for every allocator. Private.
 *
 * Mechanism below, policy above: the front door (memory.c, legacy.c) describes the request, tries
 * it, and hands it here when it failed.
 */
#ifndef GOO_RUNTIME_POLICY_H
#define GOO_RUNTIME_POLICY_H

#include "goo/core/types.h"
#include "runtime/base.h"

/* One request to an allocator, with arguments that were checked. */
typedef struct GooiRequest {
    const char *call; /* the public function, for messages */
    GooAllocator *allocator;
    void *ptr;                   /* NULL: a new block; else the block to reallocate */
    size_t old_size, size;       /* a hidden header included */
    size_t header;               /* bytes of `size` that the caller did not ask for */
    size_t old_padding, padding; /* what the mechanism knows beyond them, uncounted (pages.c) */
    size_t alignment;
    GooAllocOptions options; /* where the program asked: gooi_site */
} GooiRequest;

/* Tries a request once. NULL: it failed, errno says why, and nothing has changed. */
typedef void *(*GooiAttemptFn)(const GooiRequest *request);

/* The first attempt failed: does what the allocator's strategy says. Returns a block that a later
 * attempt gave, or NULL with errno set; a failure is counted. Panics where strategy or options say
 * so. */
GOOI_COLD void *gooi_policy_failed(const GooiRequest *request, GooiAttemptFn attempt);

/* The request can't be met by anything: `reason` is its errno. Counts, panics or returns NULL as
 * above, but tries nothing. */
GOOI_COLD void *gooi_policy_refuse(const GooiRequest *request, int reason);

/* An interceptor refused it: as above, with ENOMEM, and without an event. */
GOOI_COLD void *gooi_policy_veto(const GooiRequest *request);

/* The panic handler of a program that set none: writes the message to standard error and aborts. */
void gooi_policy_default_panic(const char *message);

#endif
