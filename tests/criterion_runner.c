/* The native runner: Criterion, with one guard of ours.
 *
 * A filter that matches nothing would be a success to Criterion; here a run in which no case was
 * tested fails. Arguments are Criterion's (--help lists them; --filter=suite/name, --tap=-).
 */
#include "tests/harness.h"

#include <criterion/hooks.h>
#include <criterion/internal/assert.h>
#include <criterion/options.h>
#include <stdarg.h>
#include <stdio.h>

static size_t tested_count;

/* Once for each case that is started: not for those that a filter leaves out. */
ReportHook(PRE_TEST)(struct criterion_test *test) {
    (void)test;
    tested_count++;
}

void goo_test_fail(const char *file, int line, const char *format, ...) {
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    cr_assert_fail("%s:%d: %s", file, line, message);
    __builtin_unreachable();
}

void goo_test_skip(const char *why) {
    cr_skip_test("%s", why);
    __builtin_unreachable();
}

int main(int argc, char **argv) {
    struct criterion_test_set *tests = criterion_initialize();
    int status = 0;
    if (criterion_handle_args(argc, argv, true)) {
        status = !criterion_run_all_tests(tests);
        if (tested_count == 0) {
            fprintf(stderr, "no case was tested\n");
            status = 1;
        }
    }
    criterion_finalize(tests);
    return status;
}
