/* Random graphs against a shadow model (graph_model.h): in every encoding, on every instruction
 * set, under stress, with a mark stack that is too small, and with large and huge objects.
 *
 * Uses private headers: gc/heap.h, to keep the mark stack small. Invariants: GC-1, GC-3, GC-4,
 * GC-5, GC-6, MARK-1, LARGE-1.
 */
#include <stdio.h>
#include <time.h>

#include "gc/heap.h"
#include "goo/runtime/features.h"
#include "tests/gc/graph_model.h"
#include "tests/harness.h"

static const GooGcValueEncoding graph_plain = GOO_GC_ENCODING_POINTER;
static const GooGcValueEncoding graph_nan = GOO_GC_ENCODING_NAN_BOX(UINT64_C(0xfffc) << 48);
static const GooGcValueEncoding graph_low_tag = GOO_GC_ENCODING_LOW_TAG(1, 1);
static const GooGcValueEncoding graph_low_zero = GOO_GC_ENCODING_LOW_TAG(3, 0);

static ModelOptions graph_options(uint64_t seed, const GooGcValueEncoding *encoding,
                                  const char *text) {
    ModelOptions o = {.seed = seed, .heap = goo_gc_default_options(), .size_max = 600000,
                      .live_max = 3000};
    CHECK_EQ(goo_gc_options_parse(&o.heap, text), GOO_OK);
    o.heap.encoding = *encoding;
    return o;
}

static void graph_run_model(Model *model, size_t rounds, size_t steps) {
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < steps; i++) {
            model_step(model);
        }
        model_check(model);
    }
}

static void graph_run(const ModelOptions *options, size_t rounds, size_t steps) {
    Model *model = model_create(options);
    graph_run_model(model, rounds, steps);
    model_destroy(model);
}

GOO_TEST(gc_graph, plain_pointers) {
    for (uint64_t seed = 1; seed <= 4; seed++) {
        ModelOptions o = graph_options(seed, &graph_plain, "");
        graph_run(&o, 12, 1500);
    }
}

GOO_TEST(gc_graph, nan_boxes) {
    static const GooGcValueEncoding plain_box = GOO_GC_ENCODING_NAN_BOX(0);
    for (uint64_t seed = 10; seed < 14; seed++) {
        ModelOptions o = graph_options(seed, seed == 13 ? &plain_box : &graph_nan, "");
        graph_run(&o, 12, 1500);
    }
}

GOO_TEST(gc_graph, low_tags) {
    for (uint64_t seed = 20; seed < 24; seed++) {
        ModelOptions o = graph_options(seed, seed % 2 == 0 ? &graph_low_tag : &graph_low_zero, "");
        graph_run(&o, 12, 1500);
    }
}

/* Small heaps: the regions go through the same few blocks over and over, at all occupancies. */
GOO_TEST(gc_graph, small_objects_often_collected) {
    for (uint64_t seed = 30; seed < 34; seed++) {
        ModelOptions o = graph_options(seed, &graph_plain, "initial=128K,poison");
        o.size_max = seed % 2 == 0 ? 512 : 8192;
        o.live_max = 600;
        graph_run(&o, 20, 3000);
    }
}

/* The seed changes from run to run; a failure names it. */
GOO_TEST(gc_graph, seed_from_the_clock) {
    uint64_t seed = (uint64_t)time(NULL);
    ModelOptions o = graph_options(seed, &graph_nan, "initial=1M,poison");
    graph_run(&o, 20, 2000);
}

GOO_TEST(gc_graph, collect_at_every_allocation) {
    for (uint64_t seed = 40; seed < 42; seed++) {
        ModelOptions o = graph_options(seed, &graph_nan, "stress=1,verify,poison");
        o.size_max = 20000;
        o.live_max = 150;
        graph_run(&o, 4, 400);
    }
}

GOO_TEST(gc_graph, collect_at_every_nth_allocation) {
    static const char *const texts[] = {"stress=2,verify,poison", "stress=7,poison", "stress=33",
                                        "stress=100,verify", "stress=5,initial=64M,sizing=fixed"};
    for (uint64_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ModelOptions o = graph_options(50 + i, &graph_plain, texts[i]);
        o.size_max = 70000;
        o.live_max = 250;
        graph_run(&o, 4, 800);
    }
}

/* Everything depends on kernels: each instruction set must give the same heap. */
GOO_TEST(gc_graph, every_instruction_set) {
    GooSimdLevel best = goo_simd_level();
    for (GooSimdLevel level = GOO_SIMD_SCALAR; level <= GOO_SIMD_WASM128; level++) {
        if (goo_simd_available(level)) {
            CHECK_EQ(goo_simd_set_level(level), GOO_OK);
            ModelOptions o = graph_options(60 + level, &graph_nan, "initial=512K");
            graph_run(&o, 8, 2000);
        }
    }
    CHECK_EQ(goo_simd_set_level(best), GOO_OK);
}

/* MARK-1: what the stack has no room for is traced all the same. A reserved size of 0 is a stack
 * of which nothing can be committed. */
GOO_TEST(gc_graph, mark_stack_overflows) {
    static const size_t reserved[] = {0, 4096, 8192};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        ModelOptions o = graph_options(70 + i, i == 1 ? &graph_plain : &graph_nan, "verify");
        o.live_max = reserved[i] == 0 ? 800 : 6000;
        Model *model = model_create(&o);
        size_t whole = model->heap->mark_stack.reserved;
        model->heap->mark_stack.reserved = reserved[i];
        graph_run_model(model, 8, 1500);
        CHECK(model->heap->mark_stack.committed <= reserved[i]);
        model->heap->mark_stack.reserved = whole;
        model_destroy(model);
    }
}

/* Several slabs for one object; their neighbours come and go. */
GOO_TEST(gc_graph, huge_objects) {
    ModelOptions o = graph_options(80, &graph_plain, "");
    Model *model = model_create(&o);
    static const size_t sizes[] = {(4 << 20) - (256 << 10),
                                   (4 << 20) - (256 << 10) + 1,
                                   (4 << 20) + 16,
                                   (8 << 20) - (256 << 10),
                                   (8 << 20) - (256 << 10) + 16,
                                   11 << 20,
                                   3000000};
    for (size_t i = 0; i < 28; i++) {
        size_t size = sizes[(i * 5 + i / 7) % (sizeof sizes / sizeof *sizes)];
        model_alloc(model, model_shape_of_size(model, size), size);
        for (size_t step = 0; step < 200; step++) {
            model_step(model);
        }
        if (i % 4 == 3) {
            model_check(model);
        }
    }
    model_check(model);
    model_destroy(model);
}

/* Objects above 8 KiB only: runs of pages of every length, freed and taken again. */
GOO_TEST(gc_graph, large_objects) {
    for (uint64_t seed = 90; seed < 93; seed++) {
        ModelOptions o = graph_options(seed, &graph_plain, seed == 92 ? "initial=8M,poison" : "");
        Model *model = model_create(&o);
        for (size_t round = 0; round < 10; round++) {
            for (size_t i = 0; i < 60; i++) {
                size_t size = 8193 + model_random(model) % (i % 8 == 0 ? 700000 : 60000);
                model_alloc(model, model_shape_of_size(model, size), size);
                model_step(model);
            }
            model_check(model);
        }
        model_destroy(model);
    }
}

/* Releasing memory in between must change nothing. */
GOO_TEST(gc_graph, release_in_between) {
    ModelOptions o = graph_options(100, &graph_nan, "initial=1M");
    o.live_max = 500;
    Model *model = model_create(&o);
    for (size_t round = 0; round < 30; round++) {
        for (size_t i = 0; i < 700; i++) {
            model_step(model);
            if (i % 300 == 299) {
                goo_gc_release(model->heap);
            }
        }
        model_check(model);
        goo_gc_release(model->heap);
        CHECK_EQ(goo_gc_verify(model->heap, stderr), GOO_OK);
    }
    model_destroy(model);
}

/* Walks and verification between collections finish the sweep: allocation goes on behind it. */
GOO_TEST(gc_graph, verified_between_collections) {
    ModelOptions o = graph_options(110, &graph_plain, "initial=256K");
    o.size_max = 3000;
    o.live_max = 800;
    Model *model = model_create(&o);
    for (size_t round = 0; round < 40; round++) {
        for (size_t i = 0; i < 500; i++) {
            model_step(model);
        }
        CHECK_EQ(goo_gc_verify(model->heap, stderr), GOO_OK);
        if (round % 4 == 3) {
            model_check(model);
        }
    }
    model_destroy(model);
}
