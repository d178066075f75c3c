/* Owned blocks of one owner, used by several threads at once.
 *
 * The allocator here has a few places of its own and hands out the lowest that is free, so that a
 * block which moves away leaves an address that the next request gets. Its realloc lets another
 * thread run to its end between the two: what happens by chance once in a million is forced. Every
 * free and realloc must name a living block with its size.
 *
 * Private headers: the sums. Invariants: OWN-2, OWN-3, PRESS-1.
 */
#include <pthread.h>
#include <stdlib.h>

#include "gc/owned.h"
#include "tests/gc/owned_fixture.h"

enum { PLACES = 8, PLACE_SIZE = 1024 };

typedef struct Race {
    GooAllocator allocator;
    _Alignas(16) unsigned char places[PLACES][PLACE_SIZE];
    size_t sizes[PLACES]; /* 0: free */
    size_t wrong;         /* calls that named no living block, or another size */
    bool refuse;          /* reallocs, after the meanwhile */
    void (*meanwhile)(struct Race *race); /* called once, by the next realloc */
    GooGcHeap *heap;
    GooGcMutator *m;      /* of the thread that runs the case */
    void *owner;
    void *block, *other;  /* the one being reallocated; what the other thread made */
    size_t place;         /* of the first */
    size_t panics;
} Race;

/* --- the allocator --- */

static void *race_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    Race *race = ctx;
    (void)alignment;
    (void)options;
    for (size_t i = 0; size <= PLACE_SIZE && i < PLACES; i++) {
        if (race->sizes[i] == 0) {
            race->sizes[i] = size;
            return race->places[i];
        }
    }
    return NULL;
}

static void race_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    Race *race = ctx;
    (void)alignment;
    for (size_t i = 0; i < PLACES; i++) {
        if (race->places[i] == (unsigned char *)ptr && race->sizes[i] == size) {
            race->sizes[i] = 0;
            return;
        }
    }
    race->wrong++;
}

static void *race_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                          GooAllocOptions options) {
    Race *race = ctx;
    void (*meanwhile)(Race *) = race->meanwhile;
    race->meanwhile = NULL;
    void *fresh = race->refuse ? NULL : race_alloc(ctx, new_size, alignment, options);
    if (fresh != NULL) {
        memcpy(fresh, ptr, old_size < new_size ? old_size : new_size);
        race_free(ctx, ptr, old_size, alignment);
    }
    if (meanwhile != NULL) {
        meanwhile(race);
    }
    return fresh;
}

static size_t race_living(const Race *race) {
    size_t bytes = 0;
    for (size_t i = 0; i < PLACES; i++) {
        bytes += race->sizes[i];
    }
    return bytes;
}

/* With `older` the owner has a block before, so that the newest is not the last one looked at. */
static void race_begin(Race *race, bool attached, bool older) {
    *race = (Race){.heap = heap_of("initial=64M")};
    race->allocator = (GooAllocator){.alloc = race_alloc,
                                     .realloc = race_realloc,
                                     .free = race_free,
                                     .context = race,
                                     .capabilities = GOO_ALLOCATOR_FREES};
    if (attached) {
        CHECK_EQ(goo_gc_attach_allocator(race->heap, &race->allocator), GOO_OK);
    }
    race->m = goo_gc_attach(race->heap);
    race->owner = goo_gc_alloc_leaf(race->m, 16);
    goo_gc_push(race->m, race->owner);
    if (older) {
        CHECK(goo_gc_owned_alloc(race->m, race->owner, &race->allocator, 7) != NULL);
    }
    race->place = older ? 1 : 0;
    race->block = goo_gc_owned_alloc(race->m, race->owner, &race->allocator, 100);
    CHECK_PTR_EQ(race->block, race->places[race->place]);
}

/* What the heap counts is what the allocator holds. */
static void race_check(Race *race) {
    CHECK_EQ(race->wrong, 0);
    CHECK_EQ(goo_gc_owner_bytes(race->heap, race->owner), race_living(race));
    CHECK_EQ(external(race->heap), race_living(race));
    CHECK_EQ(race->heap->owned.promised, 0);
    CHECK_EQ(race->heap->owned.pending_bytes, 0);
    CHECK_EQ(goo_gc_verify(race->heap, stderr), GOO_OK);
}

/* The owner dies, and all blocks with it. */
static void race_end(Race *race) {
    race_check(race);
    goo_gc_pop(race->m, 1);
    collect(race->m);
    CHECK_EQ(race->wrong, 0);
    CHECK_EQ(race_living(race), 0);
    CHECK_EQ(external(race->heap), 0);
    goo_gc_heap_destroy(race->heap);
}

/* --- another thread, from its beginning to its end --- */

static void race_run_thread(Race *race, void *(*fn)(void *race)) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, fn, race) != 0) {
        abort();
    }
    pthread_join(thread, NULL);
}

static void *race_make_there(void *arg) {
    Race *race = arg;
    GooGcMutator *m = goo_gc_attach(race->heap);
    race->other = goo_gc_owned_alloc(m, race->owner, &race->allocator, 200);
    race->wrong += race->other != race->block; /* else nothing is tested */
    goo_gc_detach(m);
    return NULL;
}

static void race_make(Race *race) {
    race_run_thread(race, race_make_there);
}

static void *race_make_and_free_there(void *arg) {
    Race *race = arg;
    race_make_there(arg);
    GooGcMutator *m = goo_gc_attach(race->heap);
    goo_gc_owned_free(m, race->owner, race->other);
    goo_gc_detach(m);
    return NULL;
}

static void race_make_and_free(Race *race) {
    race_run_thread(race, race_make_and_free_there);
}

static void *race_make_and_move_there(void *arg) {
    Race *race = arg;
    race_make_there(arg);
    GooGcMutator *m = goo_gc_attach(race->heap);
    race->other = goo_gc_owned_realloc(m, race->owner, race->other, 50);
    goo_gc_detach(m);
    return NULL;
}

static void race_make_and_move(Race *race) {
    race_run_thread(race, race_make_and_move_there);
}

/* --- an address that changes hands while its old block moves --- */

static void race_move(void (*meanwhile)(Race *race), unsigned way) {
    static Race race;
    race_begin(&race, (way & 1) != 0, (way & 2) != 0);
    size_t new_size = (way & 4) != 0 ? 300 : 30;
    race.meanwhile = meanwhile;
    memset(race.block, 0x5a, 100);
    unsigned char *moved = goo_gc_owned_realloc(race.m, race.owner, race.block, new_size);
    CHECK_PTR_EQ(moved, race.places[race.place + 1]);
    CHECK(moved[0] == 0x5a && moved[new_size < 100 ? new_size - 1 : 99] == 0x5a);
    race_check(&race);
    goo_gc_owned_free(race.m, race.owner, moved);
    race_check(&race);
    race_end(&race);
}

static void race_move_all_ways(void (*meanwhile)(Race *race)) {
    for (unsigned way = 0; way < 8; way++) {
        race_move(meanwhile, way);
    }
}

GOO_TEST(gc_owned_race, address_taken_while_its_block_moves) {
    race_move_all_ways(race_make);
}

GOO_TEST(gc_owned_race, address_taken_and_freed_while_its_block_moves) {
    race_move_all_ways(race_make_and_free);
}

GOO_TEST(gc_owned_race, address_taken_and_moved_on_while_its_block_moves) {
    race_move_all_ways(race_make_and_move);
}

/* The same where blocks are found by their own chain. */
GOO_TEST(gc_owned_race, address_taken_among_many_blocks) {
    static Race race;
    race_begin(&race, false, true);
    void *many[100];
    for (size_t i = 0; i < 100; i++) {
        many[i] = goo_gc_owned_alloc(race.m, race.owner, NULL, 10);
    }
    goo_gc_owned_free(race.m, race.owner, many[0]); /* a long search makes the chain */
    CHECK(race.heap->owned.by_block != NULL);
    race.meanwhile = race_make;
    void *moved = goo_gc_owned_realloc(race.m, race.owner, race.block, 300);
    CHECK_PTR_EQ(moved, race.places[race.place + 1]);
    CHECK_EQ(goo_gc_verify(race.heap, stderr), GOO_OK);
    for (size_t i = 1; i < 100; i++) {
        goo_gc_owned_free(race.m, race.owner, many[i]);
    }
    race_end(&race);
}

/* --- two calls that meet on one block --- */

/* What has come second finds no such block, and nothing has changed. */
static void *race_meet_there(void *arg) {
    Race *race = arg;
    GooGcMutator *m = goo_gc_attach(race->heap);
    if (setjmp(*goo_test_panic_begin()) == 0) {
        goo_gc_owned_free(m, race->owner, race->block);
    } else {
        race->panics++;
    }
    if (setjmp(*goo_test_panic_begin()) == 0) {
        goo_gc_owned_realloc(m, race->owner, race->block, 10);
    } else {
        race->panics++;
    }
    goo_test_panic_end();
    goo_gc_detach(m);
    return NULL;
}

static void race_meet(Race *race) {
    race_run_thread(race, race_meet_there);
}

/* The same out of the allocator itself: that panic has taken from this thread what it held. */
static void race_meet_here(Race *race) {
    if (setjmp(*goo_test_panic_begin()) == 0) {
        goo_gc_owned_free(race->m, race->owner, race->block);
    } else {
        race->panics++;
    }
    goo_test_panic_end();
}

static void race_meet_in(void (*meanwhile)(Race *race), size_t panics, unsigned way) {
    static Race race;
    bool refuse = (way & 4) != 0;
    race_begin(&race, (way & 1) != 0, (way & 2) != 0);
    race.meanwhile = meanwhile;
    race.refuse = refuse;
    void *moved =
        goo_gc_owned_realloc(race.m, race.owner, race.block, (way & 8) != 0 ? 300 : 30);
    CHECK_PTR_EQ(moved, refuse ? NULL : race.places[race.place + 1]);
    CHECK_EQ(race.panics, panics);
    race_check(&race);
    race.refuse = false;
    moved = goo_gc_owned_realloc(race.m, race.owner, refuse ? race.block : moved, 400);
    CHECK(moved != NULL); /* it is its owner's as before */
    race_end(&race);
}

GOO_TEST(gc_owned_race, calls_that_meet_on_one_block) {
    for (unsigned way = 0; way < 16; way++) {
        race_meet_in(race_meet, 2, way);
    }
}

GOO_TEST(gc_owned_race, calls_that_meet_in_the_allocator) {
    for (unsigned way = 0; way < 16; way++) {
        race_meet_in(race_meet_here, 1, way);
    }
}

/* A panic inside the allocator leaves the block its owner's. */
static void race_leave(Race *race) {
    (void)race;
    goo_gc_pop(race->m, 1000);
}

GOO_TEST(gc_owned_race, realloc_left_by_a_panic) {
    for (int attached = 0; attached < 2; attached++) {
        static Race race;
        race_begin(&race, attached, true);
        race.refuse = true;
        race.meanwhile = race_leave;
        CHECK_PANICS(goo_gc_owned_realloc(race.m, race.owner, race.block, 300), "temporaries");
        goo_gc_pop(race.m, 1); /* the owner, as the call kept it */
        race_check(&race);
        race.refuse = false;
        void *moved = goo_gc_owned_realloc(race.m, race.owner, race.block, 300);
        CHECK_PTR_EQ(moved, race.places[race.place + 1]);
        race_end(&race);
    }
}

static void *refuse_alloc(void *context, size_t size, size_t alignment, GooAllocOptions options) {
    (void)context;
    (void)size;
    (void)alignment;
    (void)options;
    return NULL;
}

/* A panic inside the allocator leaves nothing counted and nothing held. One that can't be attached
 * below others is asked at once, a decorator after the table has made room. */
GOO_TEST(gc_owned_race, alloc_left_by_a_panic) {
    for (int decorated = 0; decorated < 2; decorated++) {
        GooGcHeap *heap = heap_of("hard=64M,initial=1G");
        GooGcMutator *m = goo_gc_attach(heap);
        void *owner = pair_new(m, NULL, NULL, 1);
        CHECK_EQ(goo_gc_root_add_pointer(heap, &owner), GOO_OK);
        GooAllocator *parent = goo_system_allocator_create();
        GooAllocator *a = decorated ? goo_failing_allocator_create(parent, 1000) : parent;
        CHECK(a != NULL);
        a->strategy = GOO_ALLOC_STRATEGY_PANIC;
        void *(*usual)(void *, size_t, size_t, GooAllocOptions) = a->alloc;
        a->alloc = refuse_alloc;
        CHECK_PANICS(goo_gc_owned_alloc(m, owner, a, 40 << 20), "out of memory");
        a->alloc = usual;
        goo_gc_pop(m, 1); /* the owner, as the call kept it */
        CHECK_EQ(goo_gc_get_stats(heap).external_bytes, 0);
        CHECK_EQ(heap->owned.promised, 0);
        CHECK_EQ(heap->owned.pending_bytes, 0);
        CHECK(goo_gc_owned_alloc(m, owner, a, 40 << 20) != NULL);
        CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
        goo_gc_heap_destroy(heap);
        if (decorated) {
            goo_allocator_destroy(a);
        }
        goo_allocator_destroy(parent);
    }
}

/* --- by chance --- */

enum { CROWD = 4, CROWD_BLOCKS = 16, CROWD_STEPS = 4000 };

typedef struct Crowd {
    GooGcHeap *heap;
    GooAllocator *allocator;
    void *owner;
    uint64_t random;
    size_t wrong;
    pthread_t thread;
} Crowd;

/* Blocks of its own, of the owner of all, of few sizes: addresses change hands all the time. */
static void *crowd_run(void *arg) {
    Crowd *crowd = arg;
    GooGcMutator *m = goo_gc_attach(crowd->heap);
    unsigned char *blocks[CROWD_BLOCKS] = {0};
    size_t sizes[CROWD_BLOCKS] = {0};
    for (size_t step = 0; step < CROWD_STEPS; step++) {
        size_t i = random_next(&crowd->random) % CROWD_BLOCKS;
        size_t size = 16 + random_next(&crowd->random) % 4 * 16;
        if (blocks[i] != NULL) {
            crowd->wrong += blocks[i][sizes[i] - 1] != (unsigned char)i;
        }
        if (step % 3 == 0) {
            goo_gc_owned_free(m, crowd->owner, blocks[i]);
            blocks[i] = goo_gc_owned_alloc(m, crowd->owner, crowd->allocator, size);
        } else if (blocks[i] != NULL) {
            blocks[i] = goo_gc_owned_realloc(m, crowd->owner, blocks[i], size);
        }
        if (blocks[i] != NULL) {
            memset(blocks[i], (int)i, size);
            sizes[i] = size;
        }
        goo_gc_safepoint(m);
    }
    for (size_t i = 0; i < CROWD_BLOCKS; i += 2) {
        goo_gc_owned_free(m, crowd->owner, blocks[i]);
    }
    goo_gc_detach(m);
    return NULL;
}

GOO_TEST(gc_owned_race, a_crowd_at_one_owner) {
    GooGcHeap *heap = heap_of("initial=64K,verify");
    GooAllocator *a = counting_allocator();
    GooGcMutator *m = goo_gc_attach(heap);
    void *owner = goo_gc_alloc_leaf(m, 16);
    CHECK_EQ(goo_gc_root_add_pointer(heap, &owner), GOO_OK);
    goo_gc_detach(m);
    Crowd crowd[CROWD];
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = (Crowd){.heap = heap, .allocator = a, .owner = owner, .random = i};
        CHECK_EQ(pthread_create(&crowd[i].thread, NULL, crowd_run, &crowd[i]), 0);
    }
    for (size_t i = 0; i < CROWD; i++) {
        CHECK_EQ(pthread_join(crowd[i].thread, NULL), 0);
        CHECK_EQ(crowd[i].wrong, 0);
    }
    CHECK_EQ(goo_gc_owner_bytes(heap, owner), held_by(a));
    CHECK_EQ(external(heap), held_by(a));
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
    CHECK_EQ(held_by(a), 0);
    goo_allocator_destroy(a);
}
