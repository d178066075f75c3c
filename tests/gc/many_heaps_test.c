/* Many heaps in one process: independent of each other, cheap to make, and gone when destroyed. And
 * what a second thread and a forked child may do.
 *
 * Public headers only.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "goo/gc/intern.h"
#include "tests/gc/support.h"

/* Under the thread sanitizer a program has as little as 1.5 TiB of addresses (clang 14): hundreds
 * of heaps reserve less. */
#if GOO_TEST_FREED_IS_WATCHED && !GOO_TEST_ADDRESS_SANITIZER
#define MANY_RESERVE "reserve=64M"
#else
#define MANY_RESERVE ""
#endif

/* A list of `count` pairs whose values begin at `seed`. */
static Pair *many_list(GooGcMutator *m, uint64_t seed, size_t count) {
    Pair *list = NULL;
    for (size_t i = 0; i < count; i++) {
        list = pair_new(m, list, NULL, seed + i);
        CHECK(list != NULL);
    }
    return list;
}

static bool many_list_is_intact(const Pair *list, uint64_t seed, size_t count) {
    while (list != NULL && count-- > 0) {
        if (list->value != seed + count) {
            return false;
        }
        list = list->first;
    }
    return list == NULL && count == 0;
}

/* Hundreds at once: what one does no other sees. Pointers between heaps are no references. */
GOO_TEST(gc_many_heaps, hundreds_at_once) {
    enum { HEAPS = 400, LENGTH = 500 };
    static GooGcHeap *heaps[HEAPS];
    static GooGcMutator *mutators[HEAPS];
    static Pair *lists[HEAPS];
    for (size_t i = 0; i < HEAPS; i++) {
        heaps[i] = heap_of(i % 3 == 0 ? "initial=64K," MANY_RESERVE : MANY_RESERVE);
        mutators[i] = goo_gc_attach(heaps[i]);
        lists[i] = NULL;
        CHECK_EQ(goo_gc_root_add_pointer(heaps[i], &lists[i]), GOO_OK);
    }
    for (size_t i = 0; i < HEAPS; i++) {
        lists[i] = many_list(mutators[i], i * 1000, LENGTH);
        if (i > 0) {
            lists[i]->second = lists[i - 1]; /* foreign: nobody there is to be kept by it */
        }
    }
    for (int round = 0; round < 3; round++) {
        for (size_t i = round; i < HEAPS; i += 3) {
            collect(mutators[i]);
            CHECK_EQ(goo_gc_get_stats(heaps[i]).objects_live, LENGTH);
            many_list(mutators[i], 0, 100);
        }
        for (size_t i = 0; i < HEAPS; i++) {
            CHECK(many_list_is_intact(lists[i], i * 1000, LENGTH));
            CHECK_PTR_EQ(goo_gc_base_of(heaps[i], lists[(i + 1) % HEAPS]), NULL);
        }
    }
    for (size_t i = 0; i < HEAPS; i += 2) {
        goo_gc_heap_destroy(heaps[i]);
    }
    for (size_t i = 1; i < HEAPS; i += 2) {
        CHECK(many_list_is_intact(lists[i], i * 1000, LENGTH));
        lists[i]->second = NULL;
        CHECK_EQ(goo_gc_verify(heaps[i], stderr), GOO_OK);
        goo_gc_heap_destroy(heaps[i]);
    }
}

static size_t many_mapped_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Thousands one after the other: nothing is left of them. */
GOO_TEST(gc_many_heaps, thousands_in_a_row) {
    enum { HEAPS = 3000 };
    size_t before = 0;
    int deaths = 0;
    for (size_t i = 0; i < HEAPS; i++) {
        GooGcHeap *heap = heap_of("");
        GooGcMutator *m = goo_gc_attach(heap);
        goo_gc_push(m, mortal_new(m, &deaths));
        goo_gc_handle_new(heap, goo_gc_alloc_leaf(m, 20000));
        static Pair *root;
        CHECK_EQ(goo_gc_root_add_pointer(heap, &root), GOO_OK);
        root = many_list(m, i, 50);
        if (i % 10 == 0) {
            collect(m);
        }
        goo_gc_heap_destroy(heap);
        CHECK_EQ(deaths, i + 1);
        before = i == 10 ? many_mapped_bytes() : before;
    }
    if (!GOO_TEST_ADDRESS_SANITIZER) {
        size_t now = many_mapped_bytes();
        CHECK_MSG(now < before + (8 << 20), "%zu bytes mapped before, %zu now", before, now);
    }
}

/* The reservation of each is modest enough for ten thousand. */
GOO_TEST(gc_many_heaps, ten_thousand_at_once) {
    enum { HEAPS = 10000 };
    if (GOO_TEST_FREED_IS_WATCHED) {
        SKIP("the sanitizer's shadow leaves too little address space");
    }
    static GooGcHeap *heaps[HEAPS];
    size_t made = 0;
    for (; made < HEAPS; made++) {
        heaps[made] = goo_gc_heap_create(NULL);
        if (heaps[made] == NULL) {
            break;
        }
        Pair *pair = pair_new(goo_gc_attach(heaps[made]), NULL, NULL, made);
        CHECK(pair != NULL && pair->value == made);
    }
    int reason = errno;
    for (size_t i = 0; i < made; i++) {
        goo_gc_heap_destroy(heaps[i]);
    }
    CHECK_MSG(made == HEAPS, "%zu heaps, then errno %d", made, reason);
}

/* --- threads --- */

typedef struct ManyThread {
    GooGcHeap *heap;
    GooGcMutator *m;
    int error;
} ManyThread;

static void *many_try_attach(void *arg) {
    ManyThread *t = arg;
    errno = 0;
    t->m = goo_gc_attach(t->heap);
    t->error = errno;
    if (t->m != NULL) {
        goo_gc_detach(t->m);
    }
    return NULL;
}

/* What one thread leaves the next one goes on with. */
GOO_TEST(gc_many_heaps, one_mutator_after_another) {
    ManyThread t = {.heap = heap_of("")};
    GooGcMutator *m = goo_gc_attach(t.heap);
    pthread_t thread;
    Pair *pair = pair_new(m, NULL, NULL, 7);
    GooGcHandle handle = goo_gc_handle_new(t.heap, pair);
    goo_gc_detach(m);
    CHECK_EQ(pthread_create(&thread, NULL, many_try_attach, &t), 0);
    pthread_join(thread, NULL);
    CHECK_PTR_EQ(t.m, m); /* handed over */
    m = goo_gc_attach(t.heap);
    collect(m);
    CHECK_EQ(((Pair *)goo_gc_handle_get(t.heap, handle))->value, 7);
    goo_gc_heap_destroy(t.heap);
}

/* A heap for each thread, all at work at once. */
static void *many_work(void *arg) {
    ManyThread *t = arg;
    t->error = 1;
    GooGcOptions options = goo_gc_default_options();
    options.initial_bytes = 256 << 10;
    for (int round = 0; round < 20; round++) {
        GooGcHeap *heap = goo_gc_heap_create(&options);
        if (heap == NULL) {
            return NULL;
        }
        GooGcMutator *m = goo_gc_attach(heap);
        Pair *list = NULL;
        goo_gc_root_add_pointer(heap, &list);
        for (uint64_t i = 0; i < 20000; i++) {
            Pair *pair = goo_gc_alloc(m, &pair_type, 0);
            if (pair == NULL) {
                return NULL;
            }
            pair->value = i % 1000;
            pair->first = i % 1000 == 0 ? NULL : list;
            list = pair;
        }
        bool intact = many_list_is_intact(list, 0, 1000);
        intact &= goo_gc_verify(heap, stderr) == GOO_OK;
        goo_gc_heap_destroy(heap);
        if (!intact) {
            return NULL;
        }
    }
    t->error = 0;
    return NULL;
}

GOO_TEST(gc_many_heaps, a_heap_for_each_thread) {
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    ManyThread work[THREADS] = {{0}};
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, many_work, &work[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(work[i].error, 0);
    }
}

/* --- fork --- */

/* In the child: goes on with its copy, which is whole. */
static bool many_use_copy(GooGcHeap *heap, GooGcMutator *m, Pair **list) {
    if (!many_list_is_intact(*list, 5, 1000) || goo_gc_verify(heap, stderr) != GOO_OK) {
        return false;
    }
    for (uint64_t i = 0; i < 100000; i++) {
        Pair *pair = goo_gc_alloc(m, &pair_type, 0);
        if (pair == NULL) {
            return false;
        }
        pair->value = 1005 + i;
        pair->first = *list;
        *list = pair;
    }
    bool collected = goo_gc_collect(m, GOO_GC_FULL) == GOO_OK;
    bool intact = many_list_is_intact(*list, 5, 101000);
    goo_gc_heap_destroy(heap);
    return collected && intact;
}

GOO_TEST(gc_many_heaps, forked_children_own_their_copy) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    list = many_list(m, 5, 1000);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        _exit(many_use_copy(heap, m, &list) ? 0 : 1);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(many_list_is_intact(list, 5, 1000)); /* the child's doings are its own */
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}
