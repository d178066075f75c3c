/* What both runners share: catching panics and the comparisons.
 *
 * The panic handler is set while a CHECK_PANICS waits for one and restored afterwards, so that an
 * unexpected panic prints its message and crashes the case like any other.
 */
#include "tests/harness.h"

#include "goo/runtime/memory.h"

#include <stdio.h>
#include <stdlib.h>

static jmp_buf panic_target;
static char panic_message[512];

static void panic_caught(const char *message) {
    snprintf(panic_message, sizeof panic_message, "%s", message);
    longjmp(panic_target, 1);
}

jmp_buf *goo_test_panic_begin(void) {
    panic_message[0] = '\0';
    goo_set_panic_handler(panic_caught);
    return &panic_target;
}

void goo_test_panic_end(void) {
    goo_set_panic_handler(NULL);
}

const char *goo_test_panic_message(void) {
    return panic_message;
}

bool goo_test_under_valgrind(void) {
    return getenv("GOO_TEST_VALGRIND") != NULL; /* set by run.py */
}

void goo_test_check_eq(const char *file, int line, const char *what, uintmax_t actual,
                       uintmax_t expected) {
    if (actual != expected) {
        goo_test_fail(file, line, "%s is %ju (0x%jx), not %ju (0x%jx)", what, actual, actual,
                      expected, expected);
    }
}

void goo_test_check_str(const char *file, int line, const char *what, const char *actual,
                        const char *expected) {
    if (actual == NULL || expected == NULL ? actual != expected : strcmp(actual, expected) != 0) {
        goo_test_fail(file, line, "%s is \"%s\", not \"%s\"", what, actual ? actual : "(null)",
                      expected ? expected : "(null)");
    }
}

void goo_test_check_ptr(const char *file, int line, const char *what, const void *actual,
                        const void *expected) {
    if (actual != expected) {
        goo_test_fail(file, line, "%s is %p, not %p", what, actual, expected);
    }
}
