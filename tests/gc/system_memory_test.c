/* When the operating system has no more: address space, memory, or both. Heaps take less, then
 * answer NULL; nothing crashes, and what is there stays usable.
 *
 * Each case runs in a child process under setrlimit. Uses private headers: gc/heap.h, for the size
 * of the reservation.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gc/heap.h"
#include "tests/gc/support.h"

/* In the child, whose failure is its exit status. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: in the child: %s\n", __FILE__, __LINE__, #condition);          \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void system_run_in_child(void (*body)(void)) {
    if (GOO_TEST_ADDRESS_SANITIZER) {
        SKIP("the sanitizer needs the address space that the case takes away");
    }
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with status %x",
              (unsigned)status);
}

/* The n-th number of /proc/self/statm, in bytes: 0 is the address space, 5 is data. */
static size_t system_statm(int n) {
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    EXPECT(file != NULL);
    for (int i = 0; i <= n; i++) {
        EXPECT(fscanf(file, "%lu", &pages) == 1);
    }
    fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void system_limit(int resource, size_t bytes) {
    struct rlimit limit = {bytes, bytes};
    EXPECT(setrlimit(resource, &limit) == 0);
}

/* Fills the heap with a list until nothing more is to be had; the number of pairs. */
static size_t system_fill(GooGcMutator *m, Pair **list) {
    size_t count = 0;
    for (Pair *pair; (pair = goo_gc_alloc(m, &pair_type, 0)) != NULL; count++) {
        pair->first = *list;
        *list = pair;
    }
    EXPECT(errno == ENOMEM);
    return count;
}

static void system_check_usable(GooGcHeap *heap, size_t at_least) {
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *list = NULL;
    EXPECT(goo_gc_root_add_pointer(heap, &list) == GOO_OK);
    size_t first = system_fill(m, &list);
    EXPECT(first >= at_least);
    for (int round = 0; round < 2; round++) {
        size_t length = 0;
        for (Pair *pair = list; pair != NULL; pair = pair->first) {
            length++;
        }
        EXPECT(length >= at_least);
        GooStatus verified = goo_gc_verify(heap, stderr);
        EXPECT(verified == GOO_OK || verified == GOO_ERR_NO_MEMORY);
        list = NULL;
        EXPECT(goo_gc_alloc_leaf(m, 5000) != NULL);
        EXPECT(system_fill(m, &list) >= first - first / 10);
    }
    EXPECT(goo_gc_alloc_leaf(m, (size_t)8 << 20) == NULL);
    EXPECT(goo_gc_get_stats(heap).limit_hits == 0); /* no limit of ours was in the way */
}

/* A quarter of a GiB: the heap takes what it can get. */
static void system_little_address_space(void) {
    system_limit(RLIMIT_AS, system_statm(0) + ((size_t)256 << 20));
    GooGcHeap *heap = goo_gc_heap_create(NULL);
    EXPECT(heap != NULL);
    EXPECT(heap->size >= (size_t)64 << 20 && heap->size < (size_t)256 << 20);
    system_check_usable(heap, 1000000);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_system_memory, little_address_space) {
    system_run_in_child(system_little_address_space);
}

static void system_no_address_space(void) {
    system_limit(RLIMIT_AS, system_statm(0) + ((size_t)32 << 20));
    errno = 0;
    EXPECT(goo_gc_heap_create(NULL) == NULL);
    EXPECT(errno == ENOMEM);
    GooGcOptions options = goo_gc_default_options();
    options.reserve_bytes = (size_t)8 << 20; /* asked for by name, so little is enough */
    GooGcHeap *heap = goo_gc_heap_create(&options);
    EXPECT(heap != NULL);
    system_check_usable(heap, 200000);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_system_memory, no_address_space) {
    system_run_in_child(system_no_address_space);
}

/* The address space is there, the memory is not: slabs can't be committed. */
static void system_no_memory_for_slabs(void) {
    GooGcHeap *heap = goo_gc_heap_create(NULL);
    EXPECT(heap != NULL);
    system_limit(RLIMIT_DATA, system_statm(5) + ((size_t)24 << 20));
    system_check_usable(heap, 400000);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_system_memory, no_memory_for_slabs) {
    system_run_in_child(system_no_memory_for_slabs);
}

static void system_no_memory_at_all(void) {
    system_limit(RLIMIT_DATA, 0);
    for (int i = 0; i < 100; i++) { /* a failure leaves nothing behind, so it can be had often */
        errno = 0;
        EXPECT(goo_gc_heap_create(NULL) == NULL);
        EXPECT(errno == ENOMEM);
    }
}

GOO_TEST(gc_system_memory, no_memory_at_all) {
    system_run_in_child(system_no_memory_at_all);
}

/* MARK-1: nothing of the mark stack can be committed when it is needed, and all is found alive. */
static void system_no_memory_for_the_mark_stack(void) {
    GooGcHeap *heap = heap_of("initial=256M");
    GooGcMutator *m = goo_gc_attach(heap);
    uint64_t *array = goo_gc_alloc(m, &pointers_type, 3001 * sizeof(void *));
    goo_gc_push(m, array);
    for (size_t i = 1; i <= 3000; i++) {
        Pair *pair = pair_new(m, NULL, NULL, i);
        goo_gc_write(m, array, &array[i], (uint64_t)(uintptr_t)pair);
        goo_gc_write_pointer(m, pair, &pair->first, pair_new(m, NULL, NULL, i));
    }
    system_limit(RLIMIT_DATA, 0);
    EXPECT(goo_gc_collect(m, GOO_GC_FULL) == GOO_OK);
    EXPECT(heap->mark_stack.committed == 0);
    EXPECT(goo_gc_get_stats(heap).objects_live == 6001);
    for (size_t i = 1; i <= 3000; i++) {
        Pair *pair = (Pair *)(uintptr_t)array[i];
        EXPECT(pair->value == i && pair->first->value == i);
    }
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_system_memory, no_memory_for_the_mark_stack) {
    system_run_in_child(system_no_memory_for_the_mark_stack);
}

/* Side tables: calls that need them say so, and leave everything as it was. */
static void system_no_memory_for_side_tables(void) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    static void *roots[1 << 20];
    EXPECT(goo_gc_alloc_leaf(m, 16) != NULL);
    system_limit(RLIMIT_DATA, 0);
    size_t added = 0;
    while (added < sizeof roots / sizeof *roots &&
           goo_gc_root_add_pointer(heap, &roots[added]) == GOO_OK) {
        added++;
    }
    EXPECT(added < sizeof roots / sizeof *roots);
    EXPECT(goo_gc_root_remove(heap, &roots[added]) == GOO_ERR_INVALID_ARGUMENT);
    void *leaf = goo_gc_alloc_leaf(m, 16);
    EXPECT(leaf != NULL);
    goo_gc_push(m, leaf);
    size_t handles = 0;
    errno = 0;
    while (goo_gc_handle_new(heap, leaf).bits != 0) {
        handles++;
    }
    EXPECT(errno == ENOMEM);
    EXPECT(goo_gc_collect(m, GOO_GC_FULL) == GOO_OK);
    EXPECT(goo_gc_base_of(heap, leaf) == leaf);
    while (added > 0) {
        EXPECT(goo_gc_root_remove(heap, &roots[--added]) == GOO_OK);
    }
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_system_memory, no_memory_for_side_tables) {
    system_run_in_child(system_no_memory_for_side_tables);
}
