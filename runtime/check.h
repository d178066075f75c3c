/* Checks in three tiers, chosen by the build option `checks` and independent of NDEBUG.
 *
 *   GOO_REQUIRE  the caller broke the contract of a public call   level api (1) and above
 *   GOO_ASSERT   we broke one of our own invariants               level internal (2) and above
 *   GOO_DEEP     walks a structure; may cost more than the call   level deep (3)
 *
 * A check that fails calls the panic handler with one line of text and does not return: if the
 * handler itself returns, the process is aborted. Disabled checks still compile, so that they
 * cannot rot; their conditions have no side effects. Messages are printf formats and should name
 * the call, the pointer and the sizes.
 *
 * Threads: any.
 */
#ifndef GOO_RUNTIME_CHECK_H
#define GOO_RUNTIME_CHECK_H

#include "runtime/base.h"

#include <stdatomic.h>

#ifndef GOO_CHECK_LEVEL
#define GOO_CHECK_LEVEL 1
#endif

/* The panic handler; never NULL. In globals.c, where it starts as one that logs and aborts. */
typedef void (*GooiPanicFn)(const char *message);
extern _Atomic(GooiPanicFn) gooi_panic_handler;

/* What ends with a panic on this thread, before the handler is called; in pending.c. */
void gooi_pending_abandon(void);

/* Formats the message, calls the panic handler (goo_set_panic_handler), then aborts. */
GOOI_NORETURN GOOI_COLD void gooi_panic(const char *format, ...) GOOI_PRINTF(1, 2);

#define GOOI_CHECK_AT(level, condition, ...)                                                       \
    do {                                                                                           \
        if (GOO_CHECK_LEVEL >= (level) && GOOI_UNLIKELY(!(condition))) {                           \
            gooi_panic(__VA_ARGS__);                                                               \
        }                                                                                          \
    } while (0)

#define GOO_REQUIRE(condition, ...) GOOI_CHECK_AT(1, condition, __VA_ARGS__)
#define GOO_ASSERT(condition, ...) GOOI_CHECK_AT(2, condition, __VA_ARGS__)
#define GOO_DEEP(condition, ...) GOOI_CHECK_AT(3, condition, __VA_ARGS__)

#endif
