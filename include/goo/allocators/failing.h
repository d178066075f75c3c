/* The failing allocator: runs out of memory where a test wants it to.
 *
 * Choose it to prove that a piece of code survives every failure: run it with the first request
 * failing, then the second, and so on until it no longer meets a failure.
 *
 *     for (size_t n = 1;; n++) {
 *         GooAllocator *a = goo_failing_allocator_create(NULL, n);
 *         bool worked = code_under_test(a);               // must not crash, must not leak
 *         bool failed = goo_failing_requests(a) >= n;
 *         goo_allocator_destroy(a);
 *         if (!failed) { assert(worked); break; }
 *     }
 */
#ifndef GOO_ALLOCATORS_FAILING_H
#define GOO_ALLOCATORS_FAILING_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* Makes an allocator that passes requests to `parent` (NULL: this thread's allocator) until the
 * `fail_at`-th (1 is the first), which fails as all after it do; 0: none fails. A request is an
 * allocation, or a realloc or a resize that grows. Frees, and what shrinks, always pass and are not
 * counted. Each try of strategy RETRY counts. Strategy NULL, statistics off.
 * Returns: the allocator. It can do what the parent can. Its failures are NULL with ENOMEM, or
 * false for a resize, and change nothing. Fails: NULL, ENOMEM.
 * Owner: the caller, until goo_allocator_destroy, which frees the allocator only. The parent must
 * outlive it; blocks are the parent's.
 * Threads: any over a thread-safe parent, else one at a time. Cost: one atomic addition. */
GOO_API GooAllocator *goo_failing_allocator_create(GooAllocator *parent, size_t fail_at);

/* Returns how many requests were made, failed ones included. `failing` is a failing allocator;
 * another panics. Threads: any. Cost: constant. */
GOO_API size_t goo_failing_requests(const GooAllocator *failing);

GOO_END_DECLS

#endif
