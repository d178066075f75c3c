/* A test runner for places where Criterion does not work: all cases in one process, one after the
 * other, results as TAP on standard output.
 *
 *     program [TEXT]      only cases whose "suite::name" contains TEXT
 *
 * A case that crashes takes the program with it; whoever reads the output sees that results are
 * missing from the plan. Exit status: 0 if at least one case ran and none failed.
 */
#include "tests/harness.h"

#include <stdarg.h>
#include <stdio.h>

static GooTestCase *first_case;
static GooTestCase **last_link = &first_case;

static jmp_buf case_exit;
static char case_message[1024];

enum { CASE_FAILED = 1, CASE_SKIPPED = 2 };

void goo_test_register(GooTestCase *test) {
    *last_link = test;
    last_link = &test->next;
}

void goo_test_fail(const char *file, int line, const char *format, ...) {
    int length = snprintf(case_message, sizeof case_message, "%s:%d: ", file, line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(case_message + length, sizeof case_message - (size_t)length, format, arguments);
    va_end(arguments);
    longjmp(case_exit, CASE_FAILED);
}

void goo_test_skip(const char *why) {
    snprintf(case_message, sizeof case_message, "%s", why);
    longjmp(case_exit, CASE_SKIPPED);
}

static bool case_matches(const GooTestCase *test, const char *text) {
    char full_name[256];
    snprintf(full_name, sizeof full_name, "%s::%s", test->suite, test->name);
    return text == NULL || strstr(full_name, text) != NULL;
}

/* Runs one case and prints its line. Returns whether it failed. */
static bool case_run(const GooTestCase *test, int number) {
    int outcome = setjmp(case_exit);
    if (outcome == 0) {
        test->run();
    }
    goo_test_panic_end();
    const char *verdict = outcome == CASE_FAILED ? "not ok" : "ok";
    const char *directive = outcome == CASE_SKIPPED ? " # SKIP " : "";
    printf("%s %d - %s::%s%s%s\n", verdict, number, test->suite, test->name, directive,
           outcome == CASE_SKIPPED ? case_message : "");
    if (outcome == CASE_FAILED) {
        printf("# %s\n", case_message);
    }
    fflush(stdout);
    return outcome == CASE_FAILED;
}

int main(int argc, char **argv) {
    const char *text = argc > 1 ? argv[1] : NULL;
    int total = 0;
    for (const GooTestCase *test = first_case; test != NULL; test = test->next) {
        total += case_matches(test, text);
    }
    printf("1..%d\n", total);
    fflush(stdout);
    int number = 0;
    int failed = 0;
    for (const GooTestCase *test = first_case; test != NULL; test = test->next) {
        if (case_matches(test, text)) {
            number++;
            failed += case_run(test, number);
        }
    }
    if (total == 0) {
        printf("# no case matches\n");
    }
    return total == 0 || failed != 0;
}
