/* Intern tables: one object for equal bytes, entries that go with their objects, collisions.
 *
 * Uses private headers: gc/heap.h, for the hash seed, so that keys that collide can be searched
 * for, and gc/intern_table.h, to break a table by hand. Invariants: INTERN-1, INTERN-2.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <errno.h>
#include <stdlib.h>

#include "gc/heap.h"
#include "gc/intern_table.h"
#include "tests/gc/support.h"

typedef struct Text {
    const GooGcType *type;
    size_t length;
    uint64_t hash;
    char bytes[];
} Text;

static const GooGcType text_type = {.name = "text", .size = 24, .layout = GOO_GC_LAYOUT_LEAF};

typedef struct InternUser {
    size_t created;
    bool collects, fails; /* what create does besides */
} InternUser;

static void *intern_make(GooGcMutator *m, const void *bytes, size_t length, uint64_t hash,
                         void *user) {
    InternUser *u = user;
    u->created++;
    if (u->collects) {
        collect(m);
    }
    Text *text = u->fails ? NULL : goo_gc_alloc(m, &text_type, sizeof *text + length);
    if (text == NULL) {
        errno = u->fails ? EIO : errno;
        return NULL;
    }
    text->length = length;
    text->hash = hash;
    memcpy(text->bytes, bytes, length);
    return text;
}

static const void *intern_read(const void *object, size_t *out_length, void *user) {
    const Text *text = object;
    (void)user;
    *out_length = text->length;
    return text->bytes;
}

typedef struct InternFixture {
    GooGcHeap *heap;
    GooGcMutator *m;
    GooGcInternTable *table;
    InternUser user;
} InternFixture;

static void intern_begin(InternFixture *f, const char *text) {
    f->heap = heap_of(text);
    f->m = goo_gc_attach(f->heap);
    f->user = (InternUser){0};
    GooGcInternOps ops = {intern_make, intern_read, &f->user};
    f->table = goo_gc_intern_table_create(f->heap, &ops);
    CHECK(f->table != NULL);
}

static Text *intern_text(InternFixture *f, const char *bytes) {
    return goo_gc_intern(f->m, f->table, bytes, strlen(bytes));
}

GOO_TEST(gc_intern, equal_bytes_are_one_object) {
    InternFixture f;
    intern_begin(&f, "");
    CHECK_PTR_EQ(goo_gc_intern_find(f.m, f.table, "while", 5), NULL);
    Text *one = intern_text(&f, "while");
    char copy[] = "awhile";
    CHECK_PTR_EQ(goo_gc_intern(f.m, f.table, copy + 1, 5), one);
    CHECK_PTR_EQ(goo_gc_intern_find(f.m, f.table, "while", 5), one);
    CHECK(goo_gc_intern(f.m, f.table, copy, 6) != (void *)one);
    CHECK(goo_gc_intern(f.m, f.table, "whil", 4) != (void *)one);
    Text *empty = goo_gc_intern(f.m, f.table, "", 0), *zero = goo_gc_intern(f.m, f.table, "\0", 1);
    CHECK(empty != NULL && zero != empty);
    CHECK_PTR_EQ(goo_gc_intern(f.m, f.table, copy, 0), empty);
    CHECK_EQ(goo_gc_intern_count(f.table), 5);
    CHECK_EQ(f.user.created, 5);
    CHECK_EQ(one->hash, XXH3_64bits_withSeed("while", 5, f.heap->hash_seed));
    goo_gc_heap_destroy(f.heap);
}

GOO_TEST(gc_intern, tables_and_seeds_are_independent) {
    InternFixture f, g;
    intern_begin(&f, "");
    intern_begin(&g, "");
    CHECK(f.heap->hash_seed != g.heap->hash_seed);
    GooGcInternOps ops = {intern_make, intern_read, &f.user};
    GooGcInternTable *second = goo_gc_intern_table_create(f.heap, &ops);
    Text *one = intern_text(&f, "x");
    CHECK_PTR_EQ(goo_gc_intern_find(f.m, second, "x", 1), NULL);
    Text *other = goo_gc_intern(f.m, second, "x", 1);
    CHECK(other != one);
    goo_gc_intern_table_destroy(f.table); /* in the middle of the heap's list */
    goo_gc_intern_table_destroy(NULL);
    collect(f.m);
    CHECK_EQ(goo_gc_intern_count(second), 0);
    goo_gc_heap_destroy(f.heap);
    goo_gc_heap_destroy(g.heap);
}

GOO_TEST(gc_intern, bad_arguments) {
    InternFixture f;
    intern_begin(&f, "");
    GooGcInternOps ops = {intern_make, intern_read, NULL};
    GooGcInternOps none = {NULL, intern_read, NULL}, blind = {intern_make, NULL, NULL};
    const struct {
        GooGcHeap *heap;
        const GooGcInternOps *ops;
    } bad[] = {{NULL, &ops}, {f.heap, NULL}, {f.heap, &none}, {f.heap, &blind}};
    for (size_t i = 0; i < GOOI_COUNT(bad); i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_gc_intern_table_create(bad[i].heap, bad[i].ops), NULL);
        CHECK_EQ(errno, EINVAL);
    }
    goo_gc_heap_destroy(f.heap);
}

/* --- weakness --- */

GOO_TEST(gc_intern, entries_go_with_their_objects) {
    InternFixture f;
    intern_begin(&f, "verify,poison");
    Text *kept = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(f.heap, &kept), GOO_OK);
    kept = intern_text(&f, "kept");
    intern_text(&f, "dropped");
    collect(f.m);
    CHECK_EQ(goo_gc_intern_count(f.table), 1);
    CHECK_PTR_EQ(intern_text(&f, "kept"), kept);
    CHECK_PTR_EQ(goo_gc_intern_find(f.m, f.table, "dropped", 7), NULL);
    CHECK_EQ(f.user.created, 2);
    CHECK(intern_text(&f, "dropped") != NULL);
    CHECK_EQ(f.user.created, 3);
    kept = NULL;
    collect(f.m);
    CHECK_EQ(goo_gc_intern_count(f.table), 0);
    goo_gc_heap_destroy(f.heap);
}

/* Against a shadow of which key has which object, for many collections. `key_of` makes the i-th
 * key of 8 bytes. */
static void intern_check_shadow(InternFixture *f, const uint64_t *keys, size_t count,
                                size_t rounds) {
    Text **kept = calloc(count, sizeof *kept);
    CHECK(kept != NULL);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(goo_gc_root_add_pointer(f->heap, &kept[i]), GOO_OK);
    }
    uint64_t random = count;
    for (size_t round = 0; round < rounds; round++) {
        uint64_t keep_of_16 = random_next(&random) % 17;
        for (size_t i = 0; i < count; i++) {
            Text *text = goo_gc_intern(f->m, f->table, &keys[i], 8);
            CHECK(text != NULL);
            CHECK(kept[i] == NULL || kept[i] == text);
            kept[i] = text;
        }
        CHECK_EQ(goo_gc_intern_count(f->table), count);
        size_t left = 0;
        for (size_t i = 0; i < count; i++) {
            bool keep = random_next(&random) % 16 < keep_of_16;
            kept[i] = keep ? kept[i] : NULL;
            left += keep;
        }
        collect(f->m);
        CHECK_EQ(goo_gc_intern_count(f->table), left);
        for (size_t i = 0; i < count; i++) {
            Text *found = goo_gc_intern_find(f->m, f->table, &keys[i], 8);
            CHECK_MSG(found == kept[i], "round %zu, key %zu of %zu", round, i, count);
        }
    }
    for (size_t i = count; i-- > 0;) {
        CHECK_EQ(goo_gc_root_remove(f->heap, &kept[i]), GOO_OK);
    }
    free(kept);
}

/* INTERN-1 where it is hard: keys whose homes are the last places of the table and the first, so
 * that runs of entries go around its end; and all keys with one home. */
GOO_TEST(gc_intern, colliding_keys) {
    static const struct {
        uint64_t mask, low, high; /* (hash & mask) between them, around the end if low > high */
        size_t count;
    } homes[] = {{63, 60, 63, 47}, {63, 63, 63, 48}, {63, 62, 1, 48}, {63, 0, 0, 48},
                 {255, 250, 3, 190}, {1023, 1015, 1022, 700}};
    for (size_t k = 0; k < GOOI_COUNT(homes); k++) {
        InternFixture f;
        intern_begin(&f, "");
        uint64_t keys[1024];
        uint64_t key = 0;
        for (size_t i = 0; i < homes[k].count; key++) {
            uint64_t home = XXH3_64bits_withSeed(&key, 8, f.heap->hash_seed) & homes[k].mask;
            bool inside = homes[k].low <= homes[k].high
                              ? home >= homes[k].low && home <= homes[k].high
                              : home >= homes[k].low || home <= homes[k].high;
            keys[i] = key;
            i += inside;
        }
        intern_check_shadow(&f, keys, homes[k].count, 60);
        goo_gc_heap_destroy(f.heap);
    }
}

GOO_TEST(gc_intern, random_keys) {
    static const size_t counts[] = {1, 40, 48, 49, 100, 383, 385, 5000};
    uint64_t *keys = malloc(5000 * sizeof *keys);
    for (size_t k = 0; k < GOOI_COUNT(counts); k++) {
        InternFixture f;
        intern_begin(&f, k % 2 == 0 ? "" : "poison,initial=256K");
        for (size_t i = 0; i < counts[k]; i++) {
            keys[i] = i * 3 + k;
        }
        intern_check_shadow(&f, keys, counts[k], 20);
        goo_gc_heap_destroy(f.heap);
    }
    free(keys);
}

/* --- size --- */

GOO_TEST(gc_intern, grows_and_shrinks) {
    enum { COUNT = 2000000 };
    InternFixture f;
    intern_begin(&f, "initial=512M");
    size_t empty = goo_gc_get_stats(f.heap).metadata_bytes;
    void **array = goo_gc_alloc(f.m, &pointers_type, (COUNT + 1) * sizeof(void *));
    goo_gc_push(f.m, array);
    for (uint64_t i = 0; i < COUNT; i++) {
        array[i + 1] = goo_gc_intern(f.m, f.table, &i, sizeof i);
    }
    CHECK_EQ(goo_gc_intern_count(f.table), COUNT);
    for (uint64_t i = 0; i < COUNT; i += 3) {
        CHECK_PTR_EQ(goo_gc_intern(f.m, f.table, &i, sizeof i), array[i + 1]);
    }
    CHECK_EQ(f.user.created, COUNT);
    size_t full = goo_gc_get_stats(f.heap).metadata_bytes;
    CHECK(full - empty >= COUNT * 8);
    for (size_t i = 1001; i <= COUNT; i++) {
        goo_gc_write_pointer(f.m, array, &array[i], NULL);
    }
    collect(f.m);
    CHECK_EQ(goo_gc_intern_count(f.table), 1000);
    CHECK(full - goo_gc_get_stats(f.heap).metadata_bytes >= COUNT * 8);
    for (uint64_t i = 0; i < 2000; i++) {
        CHECK_PTR_EQ(goo_gc_intern_find(f.m, f.table, &i, sizeof i),
                     i < 1000 ? array[i + 1] : NULL);
    }
    goo_gc_heap_destroy(f.heap);
}

/* --- create --- */

GOO_TEST(gc_intern, create_fails) {
    InternFixture f;
    intern_begin(&f, "");
    f.user.fails = true;
    errno = 0;
    CHECK_PTR_EQ(intern_text(&f, "no"), NULL);
    CHECK_EQ(errno, EIO); /* create's own reason */
    CHECK_EQ(goo_gc_intern_count(f.table), 0);
    f.user.fails = false;
    CHECK(intern_text(&f, "no") != NULL);
    CHECK_EQ(goo_gc_intern_count(f.table), 1);
    goo_gc_heap_destroy(f.heap);
}

/* A collection inside create empties and shrinks the table under the caller. */
GOO_TEST(gc_intern, create_collects) {
    InternFixture f;
    intern_begin(&f, "");
    for (uint64_t i = 0; i < 10000; i++) {
        CHECK(goo_gc_intern(f.m, f.table, &i, sizeof i) != NULL);
    }
    f.user.collects = true;
    Text *text = intern_text(&f, "survivor");
    CHECK_EQ(goo_gc_intern_count(f.table), 1);
    CHECK_PTR_EQ(intern_text(&f, "survivor"), text);
    goo_gc_heap_destroy(f.heap);
}

/* Every allocation collects: the object just made must outlive the growth of the table. */
GOO_TEST(gc_intern, under_stress) {
    InternFixture f;
    intern_begin(&f, "stress=1,verify,poison");
    uint64_t keys[150];
    for (size_t i = 0; i < GOOI_COUNT(keys); i++) {
        keys[i] = i;
    }
    intern_check_shadow(&f, keys, GOOI_COUNT(keys), 3);
    goo_gc_heap_destroy(f.heap);
}

/* At a hard limit the table can't grow: NULL, and nothing is lost. */
GOO_TEST(gc_intern, no_memory_to_grow) {
    InternFixture f;
    intern_begin(&f, "");
    for (uint64_t i = 0; i < 6144; i++) { /* 3/4 of 8192: full */
        goo_gc_push(f.m, goo_gc_intern(f.m, f.table, &i, sizeof i));
    }
    GooGcStats s = goo_gc_get_stats(f.heap);
    CHECK_EQ(goo_gc_set_limits(f.heap, 0, s.heap_bytes + s.metadata_bytes + 100000), GOO_OK);
    uint64_t key = 6144;
    errno = 0;
    CHECK_PTR_EQ(goo_gc_intern(f.m, f.table, &key, sizeof key), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(goo_gc_intern_count(f.table), 6144);
    CHECK_PTR_EQ(goo_gc_intern_find(f.m, f.table, &key, sizeof key), NULL);
    goo_gc_pop(f.m, 1);
    CHECK(goo_gc_intern(f.m, f.table, &key, sizeof key) != NULL); /* the collection made room */
    goo_gc_heap_destroy(f.heap);
}

/* The verifier finds an entry that lookups can't reach, and one that is not counted. */
GOO_TEST(gc_intern, verify_finds_broken_tables) {
    InternFixture f;
    intern_begin(&f, "initial=1G");
    goo_gc_push(f.m, intern_text(&f, "kept"));
    CHECK_EQ(goo_gc_verify(f.heap, stderr), GOO_OK);
    GooGcInternTable *t = f.table;
    size_t at = 0, mask = t->capacity - 1;
    while (t->entries[at].granule == 0) {
        at++;
    }
    GooiInternEntry entry = t->entries[at];
    t->entries[at] = (GooiInternEntry){0};
    t->entries[(at + 5) & mask] = entry; /* behind an empty place */
    CHECK_EQ(goo_gc_verify(f.heap, NULL), GOO_ERR_CORRUPT);
    t->entries[(at + 5) & mask] = (GooiInternEntry){0};
    t->entries[at] = entry;
    t->count++;
    CHECK_EQ(goo_gc_verify(f.heap, NULL), GOO_ERR_CORRUPT);
    t->count--;
    CHECK_EQ(goo_gc_verify(f.heap, stderr), GOO_OK);
    goo_gc_heap_destroy(f.heap);
}
