/* Test cases, written once and built twice.
 *
 *     GOO_TEST(memory, zero_size_is_no_failure) {
 *         errno = 0;
 *         CHECK_PTR_EQ(goo_memory_alloc(0), NULL);
 *         CHECK_EQ(errno, 0);
 *     }
 *
 * Natively the cases are Criterion's: each runs in a process of its own, and a crash is a failure
 * of that case only. With GOO_TEST_TAP they run one after the other in one process on the runner in
 * tap_runner.c, which works where Criterion does not: under sanitizers, valgrind, emulators.
 *
 * A check that fails ends its case. Checks belong on the thread that runs the case; other threads
 * record what they saw, and the case checks it after joining them. A program in which no case ran
 * has failed, on both runners.
 *
 * CHECK_EQ compares integers of any type by value as uintmax_t: a negative one equals only itself.
 */
#ifndef GOO_TESTS_HARNESS_H
#define GOO_TESTS_HARNESS_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
/* CHECK_PANICS leaves a statement by longjmp; what the statement changed is not read afterwards. */
#pragma GCC diagnostic ignored "-Wclobbered"
#endif

#if defined(GOO_TEST_TAP)

typedef struct GooTestCase {
    const char *suite, *name;
    void (*run)(void);
    struct GooTestCase *next;
} GooTestCase;
void goo_test_register(GooTestCase *test);

#define GOO_TEST(suite_, name_)                                                                    \
    static void suite_##_##name_##_case(void);                                                     \
    __attribute__((constructor)) static void suite_##_##name_##_register(void) {                   \
        static GooTestCase test = {#suite_, #name_, suite_##_##name_##_case, NULL};                \
        goo_test_register(&test);                                                                  \
    }                                                                                              \
    static void suite_##_##name_##_case(void)

#else

#include <criterion/criterion.h>

#define GOO_TEST(suite_, name_) Test(suite_, name_)

#endif

/* End the case. The runner defines them. */
__attribute__((noreturn, format(printf, 3, 4))) void goo_test_fail(const char *file, int line,
                                                                   const char *format, ...);
__attribute__((noreturn)) void goo_test_skip(const char *why);

/* Catching a panic: harness.c. */
jmp_buf *goo_test_panic_begin(void);
void goo_test_panic_end(void);
const char *goo_test_panic_message(void); /* of the last panic caught; "" if none was */

/* Comparisons, as functions so that arguments are evaluated once. */
void goo_test_check_eq(const char *file, int line, const char *what, uintmax_t actual,
                       uintmax_t expected);
void goo_test_check_str(const char *file, int line, const char *what, const char *actual,
                        const char *expected);
void goo_test_check_ptr(const char *file, int line, const char *what, const void *actual,
                        const void *expected);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            goo_test_fail(__FILE__, __LINE__, "%s", #condition);                                   \
        }                                                                                          \
    } while (0)

#define CHECK_MSG(condition, ...)                                                                  \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            goo_test_fail(__FILE__, __LINE__, __VA_ARGS__);                                        \
        }                                                                                          \
    } while (0)

#define CHECK_EQ(actual, expected)                                                                 \
    goo_test_check_eq(__FILE__, __LINE__, #actual, (uintmax_t)(actual), (uintmax_t)(expected))

#define CHECK_STR_EQ(actual, expected)                                                             \
    goo_test_check_str(__FILE__, __LINE__, #actual, (actual), (expected))

#define CHECK_PTR_EQ(actual, expected)                                                             \
    goo_test_check_ptr(__FILE__, __LINE__, #actual, (actual), (expected))

/* The statement must call the panic handler with a message that contains `text`. It is left by
 * longjmp, so it must hold no lock and own no memory that matters. */
#define CHECK_PANICS(statement, text)                                                              \
    do {                                                                                           \
        if (setjmp(*goo_test_panic_begin()) == 0) {                                                \
            statement;                                                                             \
            goo_test_panic_end();                                                                  \
            goo_test_fail(__FILE__, __LINE__, "did not panic: %s", #statement);                    \
        }                                                                                          \
        goo_test_panic_end();                                                                      \
        CHECK_MSG(strstr(goo_test_panic_message(), (text)) != NULL,                                \
                  "panicked with \"%s\", not \"%s\"", goo_test_panic_message(), (text));           \
    } while (0)

/* This case can't run here; `why` is a plain sentence. Counted as skipped, never as passed. */
#define SKIP(why) goo_test_skip(why)

/* Whether the program runs under a sanitizer that watches addresses: misuse on purpose is then for
 * the sanitizer to find. */
#if defined(__SANITIZE_ADDRESS__)
#define GOO_TEST_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GOO_TEST_ADDRESS_SANITIZER 1
#endif
#endif
#if !defined(GOO_TEST_ADDRESS_SANITIZER)
#define GOO_TEST_ADDRESS_SANITIZER 0
#endif

/* Freed memory is the tool's: it reports a look at it. */
#if defined(__SANITIZE_THREAD__)
#define GOO_TEST_FREED_IS_WATCHED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GOO_TEST_FREED_IS_WATCHED 1
#endif
#endif
#if !defined(GOO_TEST_FREED_IS_WATCHED)
#define GOO_TEST_FREED_IS_WATCHED GOO_TEST_ADDRESS_SANITIZER
#endif

/* Whether the program runs under valgrind, which dies of arguments that malloc just refuses. */
bool goo_test_under_valgrind(void);

#endif
