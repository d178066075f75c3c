/* Options: their text form, the defaults, and what this version answers to modes that it lacks.
 *
 * Public headers only.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "tests/gc/support.h"

GOO_TEST(gc_options, defaults) {
    GooGcOptions o = goo_gc_default_options();
    CHECK_EQ(o.initial_bytes, 4 << 20);
    CHECK_EQ(o.soft_limit_bytes, 0);
    CHECK_EQ(o.hard_limit_bytes, 0);
    CHECK_EQ(o.reserve_bytes, 0);
    CHECK_EQ(o.spare_bytes, 256 << 10);
    CHECK_EQ(o.decay_ms, 10000);
    CHECK(!o.container);
    CHECK_EQ(o.sizing, GOO_GC_SIZING_PROPORTIONAL);
    CHECK(o.growth_factor == 2.0);
    CHECK(!o.scan_stacks && !o.generational && !o.concurrent && !o.verify && !o.poison);
    CHECK_EQ(o.marker_threads, 0);
    CHECK_EQ(o.stress_interval, 0);
    CHECK_EQ(o.encoding.tag_mask | o.encoding.tag_value | o.encoding.address_mask, 0);
    CHECK(o.trace_embedder == NULL && o.user == NULL);
}

GOO_TEST(gc_options, every_word) {
    GooGcOptions o = goo_gc_default_options();
    CHECK_EQ(goo_gc_options_parse(&o, "stress=3,verify,poison,initial=5M,soft=100K,hard=2G,"
                                      "reserve=4096,growth=1.5,sizing=fixed,scan_stacks,"
                                      "generational,concurrent,markers=8,spare=64K,"
                                      "container,decay=250"),
             GOO_OK);
    CHECK_EQ(o.spare_bytes, 64 << 10);
    CHECK_EQ(o.decay_ms, 250);
    CHECK(o.container);
    CHECK_EQ(o.stress_interval, 3);
    CHECK(o.verify && o.poison && o.scan_stacks && o.generational && o.concurrent);
    CHECK_EQ(o.initial_bytes, 5 << 20);
    CHECK_EQ(o.soft_limit_bytes, 100 << 10);
    CHECK_EQ(o.hard_limit_bytes, (size_t)2 << 30);
    CHECK_EQ(o.reserve_bytes, 4096);
    CHECK(o.growth_factor == 1.5);
    CHECK_EQ(o.sizing, GOO_GC_SIZING_FIXED);
    CHECK_EQ(o.marker_threads, 8);
}

GOO_TEST(gc_options, later_words_and_texts_add_up) {
    GooGcOptions o = goo_gc_default_options();
    CHECK_EQ(goo_gc_options_parse(&o, "verify,stress=1,stress=2"), GOO_OK);
    CHECK_EQ(goo_gc_options_parse(&o, "verify=0,poison=1,sizing=adaptive"), GOO_OK);
    CHECK(!o.verify && o.poison);
    CHECK_EQ(o.stress_interval, 2);
    CHECK_EQ(o.sizing, GOO_GC_SIZING_ADAPTIVE);
    CHECK_EQ(goo_gc_options_parse(&o, "sizing=proportional,hard=7k,soft=3g,initial=2m"), GOO_OK);
    CHECK_EQ(o.hard_limit_bytes, 7 << 10);
    CHECK_EQ(o.soft_limit_bytes, (size_t)3 << 30);
    CHECK_EQ(o.initial_bytes, 2 << 20);
    CHECK_EQ(o.sizing, GOO_GC_SIZING_PROPORTIONAL);
}

GOO_TEST(gc_options, nothing_is_fine) {
    GooGcOptions o = goo_gc_default_options(), before = o;
    CHECK_EQ(goo_gc_options_parse(&o, NULL), GOO_OK);
    CHECK_EQ(goo_gc_options_parse(&o, ""), GOO_OK);
    CHECK(memcmp(&o, &before, sizeof o) == 0);
    CHECK_EQ(goo_gc_options_parse(NULL, ""), GOO_ERR_INVALID_ARGUMENT);
}

GOO_TEST(gc_options, bad_texts_change_nothing) {
    static const char *const bad[] = {
        "x", "stress", "stress=", "stress=-1", "stress=1x", "stress=4294967296", "verify=2",
        "verify=", "verify=yes", "initial", "initial=", "initial=M", "initial=1T", "initial=1MB",
        "initial=-1", "hard=18446744073709551616", "hard=17179869184G", "growth=1", "growth=0.5",
        "growth=-2", "growth=nan", "growth=inf", "growth=1e9", "growth=2x", "growth", "growth=",
        "growth= 1.5", "growth=0x1p1", "growth=1,5", "growth=.5",
        "sizing", "sizing=", "sizing=big", "markers=x", "decay=-1", "decay=1K", "spare",
        "container=2", "poison,,verify", ",poison",
        "poison verify", " poison", "Poison", "poison=1=1", "poison,x", "trace_embedder=1",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        GooGcOptions o = goo_gc_default_options(), before = o;
        char text[256] = "hard=1M,stress=9,";
        CHECK_MSG(goo_gc_options_parse(&o, bad[i]) == GOO_ERR_INVALID_ARGUMENT, "\"%s\"", bad[i]);
        CHECK_MSG(memcmp(&o, &before, sizeof o) == 0, "\"%s\"", bad[i]);
        strcat(text, bad[i]); /* nor do good words before a bad one */
        CHECK_MSG(goo_gc_options_parse(&o, text) == GOO_ERR_INVALID_ARGUMENT, "\"%s\"", text);
        CHECK_MSG(memcmp(&o, &before, sizeof o) == 0, "\"%s\"", text);
    }
}

/* --- what creation refuses --- */

static void options_check_refused(GooGcOptions o, int reason) {
    errno = 0;
    CHECK_PTR_EQ(goo_gc_heap_create(&o), NULL);
    CHECK_EQ(errno, reason);
}

GOO_TEST(gc_options, modes_that_are_not_there) {
    static const char *const texts[] = {"generational", "concurrent",
                                        "generational,concurrent"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        options_check_refused(options_of(texts[i]), ENOTSUP);
    }
    goo_gc_heap_destroy(heap_of("markers=1"));
    goo_gc_heap_destroy(heap_of("markers=8"));
    goo_gc_heap_destroy(heap_of("generational=0,concurrent=0,markers=0"));
}

GOO_TEST(gc_options, out_of_range) {
    static const double factors[] = {1.0, 0.0, -3.0, NAN, -INFINITY};
    GooGcOptions o = goo_gc_default_options();
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        o.growth_factor = factors[i];
        options_check_refused(o, EINVAL);
    }
    o = goo_gc_default_options();
    o.sizing = (GooGcSizing)77;
    options_check_refused(o, EINVAL);
    static const GooGcValueEncoding encodings[] = {
        {1, 2, ~UINT64_C(3)}, /* a tag outside its mask: nothing would ever match */
        {1, 1, ~UINT64_C(0)}, /* a tag within the address: no object would ever start there */
        {3, 1, 0},            /* no address */
        {0, 1, 0},
        {0, 1, ~UINT64_C(0)}};
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        o = goo_gc_default_options();
        o.encoding = encodings[i];
        options_check_refused(o, EINVAL);
    }
}

GOO_TEST(gc_options, extremes_that_are_fine) {
    static const char *const texts[] = {
        "growth=1.001", "growth=1000", "initial=0", "initial=1000G", "soft=1", "hard=1000G",
        "reserve=1", "reserve=4M", "reserve=5M", "stress=4294967295"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        GooGcHeap *heap = heap_of(texts[i]);
        GooGcMutator *m = goo_gc_attach(heap);
        for (int n = 0; n < 40000; n++) {
            CHECK_MSG(goo_gc_alloc_leaf(m, 64) != NULL, "\"%s\"", texts[i]);
        }
        CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
        goo_gc_heap_destroy(heap);
    }
    /* More address space than any machine has: as much as can be had is taken. */
    GooGcOptions o = goo_gc_default_options();
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX / 2, (size_t)1 << 50};
    for (size_t i = 0; i < 3; i++) {
        o.reserve_bytes = sizes[i];
        GooGcHeap *heap = goo_gc_heap_create(&o);
        CHECK_MSG(heap != NULL, "reserve of %zx bytes", sizes[i]);
        CHECK(goo_gc_alloc_leaf(goo_gc_attach(heap), 64) != NULL);
        goo_gc_heap_destroy(heap);
    }
}

/* --- calls that only later versions can serve --- */

/* A minor collection without generations is a full one. */
GOO_TEST(gc_options, minor_collections_are_full) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    int deaths = 0;
    mortal_new(m, &deaths);
    CHECK_EQ(goo_gc_collect(m, GOO_GC_MINOR), GOO_OK);
    CHECK_EQ(deaths, 1);
    GooGcStats s = goo_gc_get_stats(heap);
    CHECK_EQ(s.collections_full, 1);
    CHECK_EQ(s.collections_minor, 0);
    CHECK_EQ(s.concurrent_ns, 0);
    CHECK_EQ(goo_gc_collect(NULL, GOO_GC_FULL), GOO_ERR_INVALID_ARGUMENT);
    goo_gc_heap_destroy(heap);
}
