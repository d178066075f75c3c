/* What the debug allocator says: lines, files, leaks in every mode, stacks. */
#include "goo/allocators/debug.h"
#include "goo/runtime/memory.h"
#include "tests/harness.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

GOO_TEST(debug_report, a_fault_line_names_call_pointer_sizes_and_site) {
    GooDebugOptions options = {.name = "parser"};
    GooAllocator *a = goo_debug_allocator_create(NULL, &options);
    char *p = GOO_ALLOC(a, 48);
    int allocated = __LINE__ - 1;
    CHECK_PANICS(GOO_FREE(a, p, 40), "wrong size");
    int freed = __LINE__ - 1;
    char call[32], name[32], site[256], origin[256];
    void *pointer;
    size_t size, given;
    int site_line, origin_line;
    int fields =
        sscanf(goo_test_panic_message(),
               "%31[^:]: %p has %zu bytes, not %zu (wrong size), debug allocator "
               "'%31[^']', at %255[^:]:%d; allocated at %255[^:]:%d",
               call, &pointer, &size, &given, name, site, &site_line, origin, &origin_line);
    CHECK_MSG(fields == 9, "%s", goo_test_panic_message());
    CHECK_STR_EQ(call, "goo_memory_free");
    CHECK_PTR_EQ(pointer, p);
    CHECK_EQ(size, 48);
    CHECK_EQ(given, 40);
    CHECK_STR_EQ(name, "parser");
    CHECK_STR_EQ(site, __FILE__);
    CHECK_EQ(site_line, freed);
    CHECK_STR_EQ(origin, __FILE__);
    CHECK_EQ(origin_line, allocated);
    CHECK(strchr(goo_test_panic_message(), '\n') == NULL);
    GOO_FREE(a, p, 48);
    goo_allocator_destroy(a);
}

GOO_TEST(debug_report, a_site_is_not_left_behind_by_a_panic) {
    GooAllocator *a = goo_debug_allocator_create(NULL, NULL);
    char *p = GOO_ALLOC(a, 48);
    CHECK_PANICS(GOO_FREE(a, p, 40), "wrong size");
    char *q = goo_memory_alloc_with(a, 10);
    CHECK_PANICS(goo_memory_free_with(a, q, 11), "wrong size");
    CHECK_MSG(strstr(goo_test_panic_message(), __FILE__) == NULL, "%s", goo_test_panic_message());
    goo_allocator_destroy(a);
}

/* All that was written to a file since it was opened. */
static char *contents(FILE *file) {
    static char text[20000];
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    return text;
}

GOO_TEST(debug_report, leaks_are_written_any_number_of_times_and_nothing_changes) {
    FILE *file = tmpfile();
    GooDebugOptions options = {.name = "leaky", .report = file};
    GooAllocator *a = goo_debug_allocator_create(NULL, &options);
    void *p = GOO_ALLOC(a, 123);
    int line = __LINE__ - 1;
    void *q = goo_memory_alloc_with(a, 45);
    CHECK_EQ(goo_debug_report(a, NULL), 2);
    char first[20000];
    strcpy(first, contents(file));
    char expected[100];
    snprintf(expected, sizeof expected, "%p: 123 bytes; allocated at %s:%d", p, __FILE__, line);
    CHECK_MSG(strstr(first, expected) != NULL, "%s", first);
    CHECK(strstr(first, "'leaky': 2 blocks of 168 bytes live") != NULL);
    CHECK(strstr(first, "45 bytes") != NULL);
    FILE *again = tmpfile();
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(goo_debug_report(a, again), 2);
        rewind(again);
    }
    CHECK_STR_EQ(contents(again), first);
    CHECK_EQ(goo_debug_live_count(a), 2);
    GOO_FREE(a, p, 123);
    goo_memory_free_with(a, q, 45);
    CHECK_EQ(goo_debug_report(a, again), 0);
    goo_allocator_destroy(a);
    fclose(again);
    fclose(file);
}

GOO_TEST(debug_report, destroy_reports_to_the_file_of_the_options) {
    FILE *file = tmpfile();
    GooDebugOptions options = {.report = file};
    GooAllocator *a = goo_debug_allocator_create(NULL, &options);
    CHECK(goo_memory_alloc_with(a, 77) != NULL);
    goo_allocator_destroy(a);
    CHECK(strstr(contents(file), "77 bytes") != NULL);
    fclose(file);
}

GOO_TEST(debug_report, faults_come_with_all_stacks_in_the_file) {
    FILE *file = tmpfile();
    GooDebugOptions options = {.report = file};
    GooAllocator *a = goo_debug_allocator_create(NULL, &options);
    void *p = GOO_ALLOC(a, 10);
    GOO_FREE(a, p, 10);
    CHECK_PANICS(GOO_FREE(a, p, 10), "double free");
    const char *text = contents(file);
    CHECK_MSG(strstr(text, goo_test_panic_message()) == text, "%s", text);
    CHECK_MSG(strstr(text, "    now:\n        0x") != NULL, "%s", text);
    CHECK_MSG(strstr(text, "    allocated:\n        0x") != NULL, "%s", text);
    CHECK_MSG(strstr(text, "    freed:\n        0x") != NULL, "%s", text);
    goo_allocator_destroy(a);
    fclose(file);
}

/* --- modes --- */

GOO_TEST(debug_report, mode_panic_panics_once_with_a_summary) {
    GooDebugOptions options = {.name = "x", .leak_mode = GOO_LEAK_PANIC};
    GooAllocator *a = goo_debug_allocator_create(NULL, &options);
    CHECK_EQ(goo_debug_report(a, NULL), 0);
    CHECK(GOO_ALLOC(a, 10) != NULL);
    CHECK(GOO_ALLOC(a, 20) != NULL);
    CHECK_PANICS(goo_debug_report(a, NULL), "'x': 2 blocks of 30 bytes leaked");
    CHECK_PANICS(goo_allocator_destroy(a), "2 blocks of 30 bytes leaked");
}

GOO_TEST(debug_report, mode_break_enters_the_debugger) {
    GooDebugOptions options = {.leak_mode = GOO_LEAK_BREAK};
    GooAllocator *a = goo_debug_allocator_create(NULL, &options);
    CHECK_EQ(goo_debug_report(a, NULL), 0); /* nothing to stop for */
    void *p = goo_memory_alloc_with(a, 10);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGTRAP, SIG_DFL);
        goo_debug_report(a, NULL);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTRAP);
    goo_memory_free_with(a, p, 10);
    goo_allocator_destroy(a);
}

typedef struct Seen {
    GooAllocator *allocator;
    size_t count, bytes, depth;
    bool stack_has_caller;
    uintptr_t caller;
} Seen;

static void on_leak(const GooLeak *leak, void *user) {
    Seen *seen = user;
    seen->count++;
    seen->bytes += leak->size;
    seen->depth = leak->stack_depth;
    for (size_t i = 0; i < leak->stack_depth; i++) {
        seen->stack_has_caller |= (uintptr_t)leak->stack[i] - seen->caller < 100;
    }
    void *p = goo_memory_alloc_with(seen->allocator, 5); /* a callback may allocate */
    goo_memory_free_with(seen->allocator, p, 5);
}

__attribute__((noinline)) static void *allocate_here(GooAllocator *a, size_t size) {
    void *p = goo_memory_alloc_with(a, size);
    __asm__ volatile("" ::: "memory"); /* no tail call */
    return p;
}

__attribute__((noinline)) static void *recurse(GooAllocator *a, int depth) {
    void *p = depth == 0 ? allocate_here(a, 10) : recurse(a, depth - 1);
    __asm__ volatile("" ::: "memory");
    return p;
}

GOO_TEST(debug_report, mode_callback_sees_each_leak_with_its_stack) {
    Seen seen = {.caller = (uintptr_t)allocate_here};
    GooDebugOptions options = {
        .leak_mode = GOO_LEAK_CALLBACK, .on_leak = on_leak, .user = &seen, .stack_depth = 40};
    seen.allocator = goo_debug_allocator_create(NULL, &options);
    void *p = allocate_here(seen.allocator, 10);
    void *q = allocate_here(seen.allocator, 20);
    CHECK_EQ(goo_debug_report(seen.allocator, NULL), 2);
    CHECK_EQ(seen.count, 2);
    CHECK_EQ(seen.bytes, 30);
    CHECK(seen.stack_has_caller);
    goo_memory_free_with(seen.allocator, p, 10);
    goo_memory_free_with(seen.allocator, q, 20);
    goo_allocator_destroy(seen.allocator);
    CHECK_EQ(seen.count, 2);
}

GOO_TEST(debug_report, stacks_are_as_deep_as_asked_and_the_same_by_either_way) {
    Seen seen = {.caller = (uintptr_t)allocate_here};
    GooDebugOptions options = {.leak_mode = GOO_LEAK_CALLBACK, .on_leak = on_leak, .user = &seen};
    static const size_t depths[] = {1, 5, 12};
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        options.stack_depth = depths[i];
        seen.allocator = goo_debug_allocator_create(NULL, &options);
        for (int round = 0; round < 3; round++) { /* the unwinder first, strides then */
            void *p = recurse(seen.allocator, 20);
            goo_debug_report(seen.allocator, NULL);
            CHECK_EQ(seen.depth, depths[i]);
            goo_memory_free_with(seen.allocator, p, 10);
        }
        goo_allocator_destroy(seen.allocator);
    }
    options.stack_depth = GOO_DEBUG_NONE;
    seen.allocator = goo_debug_allocator_create(NULL, &options);
    void *p = recurse(seen.allocator, 3);
    goo_debug_report(seen.allocator, NULL);
    CHECK_EQ(seen.depth, 0);
    goo_memory_free_with(seen.allocator, p, 10);
    goo_allocator_destroy(seen.allocator);
}

/* Same depth, different paths: each must be told apart. */
static size_t depths_seen[2];
static void *stacks_seen[2][64];
static size_t leaks_seen;

static void note(const GooLeak *leak, void *user) {
    (void)user;
    if (leaks_seen < 2) {
        depths_seen[leaks_seen] = leak->stack_depth;
        memcpy(stacks_seen[leaks_seen], leak->stack, leak->stack_depth * sizeof(void *));
    }
    leaks_seen++;
}

__attribute__((noinline)) static void *uneven(GooAllocator *a, size_t room) {
    volatile char frame[room]; /* a frame without a fixed size */
    frame[room - 1] = 1;
    void *p = allocate_here(a, 10);
    return frame[room - 1] == 1 ? p : NULL;
}

GOO_TEST(debug_report, frames_without_a_fixed_size_are_walked_right) {
    GooDebugOptions options = {.leak_mode = GOO_LEAK_CALLBACK, .on_leak = note};
    GooAllocator *a = goo_debug_allocator_create(NULL, &options);
    for (size_t room = 16; room < 2000; room += 160) {
        void *p = uneven(a, room);
        void *q = uneven(a, room + 64);
        leaks_seen = 0;
        CHECK_EQ(goo_debug_report(a, NULL), 2);
        CHECK_EQ(depths_seen[0], depths_seen[1]);
        size_t differing = 0; /* the one call site in this function */
        for (size_t i = 0; i < depths_seen[0]; i++) {
            differing += stacks_seen[0][i] != stacks_seen[1][i];
        }
        CHECK(differing <= 1);
        goo_memory_free_with(a, p, 10);
        goo_memory_free_with(a, q, 10);
    }
    goo_allocator_destroy(a);
}

GOO_TEST(debug_report, damage_is_reported_and_panics) {
    FILE *file = tmpfile();
    GooAllocator *a = goo_debug_allocator_create(NULL, NULL);
    uint8_t *p = goo_memory_alloc_with(a, 10);
    uint8_t byte = p[10];
    p[10] = (uint8_t)~byte;
    CHECK_PANICS(goo_debug_report(a, file), "goo_debug_report: ");
    CHECK_PANICS(goo_debug_report(a, file), "overrun"); /* it changes nothing */
    CHECK_EQ(goo_debug_check(a, file), 1);
    CHECK(strstr(contents(file), "goo_debug_check: ") != NULL);
    p[10] = byte;
    CHECK_EQ(goo_debug_check(a, NULL), 0);
    CHECK_EQ(goo_debug_report(a, NULL), 1);
    goo_memory_free_with(a, p, 10);
    goo_allocator_destroy(a);
    fclose(file);
}
