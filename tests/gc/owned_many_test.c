/* Owned blocks by the thousand, on one thread and on several: what they cost in metadata, that the
 * table keeps up, and that nothing is lost or freed twice. Invariants: OWN-1 … OWN-3, PRESS-1, by
 * the verifier after every collection.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "goo/gc/weak.h"
#include "tests/gc/owned_fixture.h"

/* --- many --- */

/* One owner of very many, freed from the oldest on: no search over all of them each time. */
GOO_TEST(gc_owned, an_owner_of_many_blocks) {
    enum { MANY = 200000 };
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    void **blocks = malloc(MANY * sizeof *blocks), *owner = goo_gc_alloc_leaf(m, 16);
    goo_gc_push(m, owner);
    for (size_t i = 0; i < MANY; i++) {
        blocks[i] = goo_gc_owned_alloc(m, owner, NULL, 1 + i % 16);
    }
    for (size_t i = 0; i < MANY / 2; i++) {
        goo_gc_owned_free(m, owner, blocks[i]);
    }
    for (size_t i = MANY / 2; i < MANY; i++) {
        blocks[i] = goo_gc_owned_realloc(m, owner, blocks[i], 30);
    }
    CHECK_EQ(goo_gc_owner_bytes(heap, owner), MANY / 2 * 30);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
    free(blocks);
}

/* A bomb of wrappers, small: `count` objects of 16 bytes come and go over 16 MiB of live ones, each
 * with a block. What hangs outside brings collections, and not many more than the headroom makes
 * necessary; the heap's whole account stays near what it is sized for. */
static void owned_bomb(const char *options, double growth, size_t size, size_t count) {
    GooGcHeap *heap = heap_of(options);
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    size_t live = (size_t)16 << 20;
    for (size_t i = 0; i < live; i += 64) {
        Pair *pair = goo_gc_alloc(m, &pair_type, 64);
        pair->first = list;
        list = pair;
    }
    collect(m);
    GooGcStats base = goo_gc_get_stats(heap);
    for (size_t i = 0; i < count; i++) {
        void *owner = goo_gc_alloc_leaf(m, 16);
        CHECK(goo_gc_owned_alloc(m, owner, NULL, size) != NULL);
    }
    GooGcStats s = goo_gc_get_stats(heap);
    double least = (double)count * (double)(size + 16) / ((double)live * (growth - 1));
    double collections = (double)(s.collections_full - base.collections_full);
    CHECK_MSG(collections <= 1.1 * least + 1 && collections >= least - 2,
              "%.0f collections, %.1f necessary", collections, least);
    double most = (growth + 0.1) * (double)(base.heap_bytes + base.metadata_bytes);
    CHECK_MSG((double)s.peak_bytes <= most, "%zu bytes, %.0f expected", s.peak_bytes, most);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_owned, bomb) {
    owned_bomb("growth=2", 2, 880, 200000);
    owned_bomb("growth=1.25", 1.25, 880, 100000);
    owned_bomb("growth=2", 2, 8800, 20000);
    owned_bomb("growth=1.25", 1.25, 8800, 10000);
}

/* Random owners, blocks and adjustments against a shadow of what each owner has. */
enum { OWNERS = 300, BLOCKS = 12, ALLOCATORS = 4 };

typedef struct Shadow {
    void *owner;
    unsigned char *blocks[BLOCKS];
    size_t sizes[BLOCKS], adjusted;
} Shadow;

static size_t shadow_bytes(const Shadow *s) {
    size_t bytes = s->adjusted;
    for (size_t b = 0; b < BLOCKS; b++) {
        bytes += s->sizes[b];
    }
    return bytes;
}

static void shadow_step(GooGcMutator *m, GooAllocator **allocators, Shadow *s, uint64_t *seed) {
    size_t b = random_next(seed) % BLOCKS, size = 1 + random_next(seed) % 200;
    unsigned char **block = &s->blocks[b];
    switch (random_next(seed) % 8) {
    case 0: /* dies with all it has */
        memset(s, 0, sizeof *s);
        s->owner = goo_gc_alloc_leaf(m, random_next(seed) % 50 == 0 ? 9000 : size);
        break;
    case 1:
        goo_gc_owned_free(m, s->owner, *block);
        *block = NULL;
        s->sizes[b] = 0;
        break;
    case 2:
        CHECK_EQ(goo_gc_owner_adjust(m, s->owner, (ptrdiff_t)size), GOO_OK);
        s->adjusted += size;
        break;
    case 3:
        size = s->adjusted == 0 ? 0 : 1 + random_next(seed) % s->adjusted;
        CHECK_EQ(goo_gc_owner_adjust(m, s->owner, -(ptrdiff_t)size), GOO_OK);
        s->adjusted -= size;
        break;
    default:
        if (*block == NULL) {
            GooAllocator *a = allocators[random_next(seed) % ALLOCATORS];
            *block = goo_gc_owned_alloc(m, s->owner, a, size);
        } else {
            size_t same = size < s->sizes[b] ? size : s->sizes[b];
            *block = goo_gc_owned_realloc(m, s->owner, *block, size);
            for (size_t i = 0; i < same; i++) {
                CHECK_EQ((*block)[i], b);
            }
        }
        CHECK(*block != NULL);
        memset(*block, (int)b, size);
        s->sizes[b] = size;
    }
}

static void owned_random(const char *options, uint64_t seed, size_t steps) {
    GooGcHeap *heap = heap_of(options);
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *allocators[ALLOCATORS];
    static Shadow shadows[OWNERS];
    memset(shadows, 0, sizeof shadows);
    for (size_t i = 0; i < ALLOCATORS; i++) {
        allocators[i] = counting_allocator();
    }
    for (size_t i = 0; i < OWNERS; i++) {
        shadows[i].owner = goo_gc_alloc_leaf(m, 16);
        CHECK_EQ(goo_gc_root_add_pointer(heap, &shadows[i].owner), GOO_OK);
    }
    for (size_t step = 0; step < steps; step++) {
        shadow_step(m, allocators, &shadows[random_next(&seed) % OWNERS], &seed);
        GooAllocator *a = allocators[step / 1000 % ALLOCATORS];
        if (step % 2000 == 999) {
            CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
        } else if (step % 2000 == 1999) {
            CHECK_EQ(goo_gc_detach_allocator(heap, allocators[(step - 1000) / 1000 % ALLOCATORS]),
                     GOO_OK);
        }
        if (step % 1500 == 0) {
            size_t sum = 0;
            collect(m);
            for (size_t i = 0; i < OWNERS; i++) {
                CHECK_EQ(goo_gc_owner_bytes(heap, shadows[i].owner), shadow_bytes(&shadows[i]));
                sum += shadow_bytes(&shadows[i]);
            }
            CHECK_EQ(external(heap), sum);
        }
    }
    goo_gc_heap_destroy(heap);
    for (size_t i = 0; i < ALLOCATORS; i++) {
        CHECK_EQ(held_by(allocators[i]), 0);
        goo_allocator_destroy(allocators[i]);
    }
}

GOO_TEST(gc_owned, random_against_a_shadow) {
    owned_random("verify,poison", 1, 40000);
    owned_random("stress=7,poison", 2, 20000);
    owned_random("verify,initial=256K", 3, 20000);
}

/* --- threads --- */

typedef struct Worker {
    GooGcHeap *heap;
    GooAllocator *allocators[3];
    uint64_t seed;
    size_t wrong;
} Worker;

/* Owners that die at once, and some that stay for a while, with blocks of three allocators. */
static void *owned_work(void *arg) {
    enum { KEPT = 64 };
    Worker *w = arg;
    GooGcMutator *m = goo_gc_attach(w->heap);
    void *owners[KEPT] = {0};
    unsigned char *blocks[KEPT] = {0};
    for (size_t i = 0; i < KEPT; i++) {
        goo_gc_root_add_pointer(w->heap, &owners[i]);
    }
    for (size_t i = 0; i < 8000; i++) {
        size_t k = random_next(&w->seed) % KEPT, size = 1 + random_next(&w->seed) % 900;
        if (i % 3 == 0 && owners[k] != NULL) {
            blocks[k] = goo_gc_owned_realloc(m, owners[k], blocks[k], size);
            w->wrong += blocks[k] == NULL || blocks[k][0] != (unsigned char)k ||
                        goo_gc_owner_bytes(w->heap, owners[k]) != size + 3;
            continue;
        }
        owners[k] = goo_gc_alloc_leaf(m, 16 + size);
        blocks[k] = goo_gc_owned_alloc(m, owners[k], w->allocators[i % 3], size);
        w->wrong += blocks[k] == NULL || goo_gc_owner_adjust(m, owners[k], 3) != GOO_OK;
        blocks[k][0] = (unsigned char)k;
        if (i % 11 == 0) {
            goo_gc_owned_free(m, owners[k], blocks[k]);
            w->wrong += goo_gc_owner_bytes(w->heap, owners[k]) != 3;
            owners[k] = NULL;
        }
    }
    for (size_t i = 0; i < KEPT; i++) {
        goo_gc_root_remove(w->heap, &owners[i]);
    }
    goo_gc_detach(m);
    return NULL;
}

GOO_TEST(gc_owned, threads) {
    enum { THREADS = 4 };
    GooGcHeap *heap = heap_of("verify,initial=512K");
    GooAllocator *a[3] = {counting_allocator(), counting_allocator(), counting_allocator()};
    CHECK_EQ(goo_gc_attach_allocator(heap, a[1]), GOO_OK);
    a[1]->strategy = GOO_ALLOC_STRATEGY_GC;
    pthread_t threads[THREADS];
    Worker work[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        work[i] = (Worker){.heap = heap, .allocators = {a[0], a[1], a[2]}, .seed = i};
        CHECK_EQ(pthread_create(&threads[i], NULL, owned_work, &work[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(work[i].wrong, 0);
    }
    GooGcMutator *m = goo_gc_attach(heap);
    collect(m);
    CHECK(goo_gc_get_stats(heap).collections_full > 10);
    CHECK_EQ(external(heap), 0);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(held_by(a[i]), 0);
    }
    goo_gc_heap_destroy(heap);
    for (size_t i = 0; i < 3; i++) {
        goo_allocator_destroy(a[i]);
    }
}

static void *owned_misuse(void *arg) {
    void **given = arg, *owner = given[1];
    GooGcMutator *m = given[0];
    size_t *refused = calloc(1, sizeof *refused);
    *refused += goo_gc_owned_alloc(m, owner, NULL, 10) == NULL;
    *refused += goo_gc_owner_adjust(m, owner, 1) == GOO_ERR_INVALID_ARGUMENT;
    *refused += goo_gc_owner_adjust(m, owner, -1) == GOO_ERR_INVALID_ARGUMENT;
    return refused;
}

/* Another thread's mutator is refused. */
GOO_TEST(gc_owned, foreign_mutators) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    pthread_t thread;
    size_t *refused;
    void *given[] = {m, goo_gc_alloc_leaf(m, 16)};
    CHECK_EQ(goo_gc_owner_adjust(m, given[1], 1), GOO_OK);
    CHECK_EQ(pthread_create(&thread, NULL, owned_misuse, given), 0);
    CHECK_EQ(pthread_join(thread, (void **)&refused), 0);
    CHECK_EQ(*refused, 3);
    CHECK_EQ(goo_gc_owner_bytes(heap, given[1]), 1);
    free(refused);
    goo_gc_heap_destroy(heap);
}
