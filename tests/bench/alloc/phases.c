/* phases and bundle: what regions and scopes are for, beside the same work done by hand.
 *
 * phases   a request of four steps: 20 blocks live for the request, 25 in each step for the step,
 *          and a result grows by one piece at the end of each step. By hand each level keeps a list
 *          of its blocks and walks it; a region begins and ends.
 * bundle   an object that owns 16 blocks and 4 things to be closed by a call; half of it is made
 *          after a point to which it is undone, then it ends. By hand: a record of each, undone in
 *          reverse order; a scope defers and unwinds.
 *
 * Sizes are 16 to 400 bytes, small ones more often. The operation is a block.
 */
#include "tests/bench/alloc/way.h"

enum { SIZES = 64, STEPS = 4, REQUEST_BLOCKS = 20, STEP_BLOCKS = 25, RESULT_PIECE = 100 };
enum { REQUEST_ALL = REQUEST_BLOCKS + STEPS * STEP_BLOCKS + STEPS };

static const uint16_t sizes[SIZES] = {
    16, 24,  32, 48, 16, 64,  24, 80, 32, 40, 120, 16, 56, 24, 200, 32, 16, 48, 72, 24, 96, 32,
    16, 400, 40, 24, 64, 16,  32, 56, 24, 88, 16,  48, 32, 24, 144, 16, 64, 40, 32, 24, 16, 256,
    48, 32,  24, 16, 80, 104, 32, 16, 24, 64, 48,  16, 32, 40, 24,  16, 72, 32, 24, 16};

/* --- phases --- */

/* By hand: a list through the blocks of one level. */
ALWAYS_INLINE void phases_take(GooAllocator *a, void ***list, size_t i, TakeFn *take) {
    void **block = take(a, sizes[i % SIZES]);
    *block = *list;
    *list = block;
}

static void phases_free(void **list) {
    while (list != NULL) {
        void **next = *list;
        free(list);
        list = next;
    }
}

static void phases_malloc_once(void) {
    void **request = NULL;
    for (size_t i = 0; i < REQUEST_BLOCKS; i++) {
        phases_take(NULL, &request, i, take_malloc);
    }
    char *result = NULL;
    for (size_t step = 0; step < STEPS; step++) {
        void **scratch = NULL;
        for (size_t i = 0; i < STEP_BLOCKS; i++) {
            phases_take(NULL, &scratch, step * STEP_BLOCKS + i, take_malloc);
        }
        result = realloc(result, (step + 1) * RESULT_PIECE);
        memset(result + step * RESULT_PIECE, 1, RESULT_PIECE);
        phases_free(scratch);
    }
    free(result);
    phases_free(request);
}

/* The region's blocks are linked as well: a program has them for something. */
static void phases_region_once(GooAllocator *a) {
    void **request = NULL;
    (void)goo_region_begin(a);
    for (size_t i = 0; i < REQUEST_BLOCKS; i++) {
        phases_take(a, &request, i, take_front_door);
    }
    char *result = NULL;
    for (size_t step = 0; step < STEPS; step++) {
        void **scratch = NULL;
        (void)goo_region_begin(a);
        for (size_t i = 0; i < STEP_BLOCKS; i++) {
            phases_take(a, &scratch, step * STEP_BLOCKS + i, take_front_door);
        }
        goo_region_end(a);
        result = goo_memory_realloc_with(a, result, step * RESULT_PIECE, (step + 1) * RESULT_PIECE);
        memset(result + step * RESULT_PIECE, 1, RESULT_PIECE);
    }
    goo_region_end(a);
}

static size_t phases_malloc(GooAllocator *a, size_t count) {
    (void)a;
    size_t done = 0;
    for (; done < count; done += REQUEST_ALL) {
        phases_malloc_once();
    }
    return done;
}

static size_t phases_region(GooAllocator *a, size_t count) {
    size_t done = 0;
    for (; done < count; done += REQUEST_ALL) {
        phases_region_once(a);
    }
    return done;
}

static GooAllocator *phases_open(void) {
    return goo_region_allocator_create(0, true);
}

static const Way phases_ways[] = {
    WAY_OF_MALLOC(phases_malloc),
    WAY_OF_GOO("goo region", phases_region, phases_open, TARGET_RATIO, 1.0, WAY_LIBC, 0),
};

const Workload workload_phases = {
    .name = "phases",
    .what = "a request of four steps, by hand and as regions (ns per block)",
    .ways = phases_ways,
    .way_count = COUNT_OF(phases_ways),
};

/* --- bundle --- */

enum { BUNDLE_BLOCKS = 16, BUNDLE_CALLS = 4, BUNDLE_ALL = BUNDLE_BLOCKS + BUNDLE_CALLS };

static size_t bundle_closed;

static void bundle_close(void *arg) {
    bundle_closed += *(size_t *)arg;
}

/* What a program by hand notes of each thing it made, so as to undo them the latest first. */
typedef struct BundleRecord {
    void (*close)(void *arg); /* NULL: a block */
    void *ptr;
} BundleRecord;

static void bundle_undo(BundleRecord *records, size_t *count, size_t mark) {
    while (*count > mark) {
        BundleRecord *record = &records[--*count];
        if (record->close != NULL) {
            record->close(record->ptr);
        } else {
            free(record->ptr);
        }
    }
}

static void bundle_malloc_once(size_t *weight) {
    BundleRecord records[BUNDLE_ALL];
    size_t count = 0, mark = 0;
    for (size_t i = 0; i < BUNDLE_BLOCKS; i++) {
        if (i == BUNDLE_BLOCKS / 2) {
            mark = count;
        }
        void *block = malloc(sizes[i]);
        touch(block, i);
        records[count++] = (BundleRecord){NULL, block};
        if (i % (BUNDLE_BLOCKS / BUNDLE_CALLS) == 0) {
            records[count++] = (BundleRecord){bundle_close, weight};
        }
    }
    bundle_undo(records, &count, mark);
    bundle_undo(records, &count, 0);
}

static void bundle_scoped_once(GooAllocator *a, size_t *weight) {
    size_t mark = 0;
    for (size_t i = 0; i < BUNDLE_BLOCKS; i++) {
        if (i == BUNDLE_BLOCKS / 2) {
            mark = goo_scope_mark(a);
        }
        touch(goo_memory_alloc_with(a, sizes[i]), i);
        if (i % (BUNDLE_BLOCKS / BUNDLE_CALLS) == 0) {
            (void)goo_scope_defer(a, bundle_close, weight);
        }
    }
    goo_scope_unwind(a, mark);
    goo_scope_unwind(a, 0);
}

static size_t bundle_malloc(GooAllocator *a, size_t count) {
    (void)a;
    size_t done = 0, weight = 1;
    for (; done < count; done += BUNDLE_BLOCKS) {
        bundle_malloc_once(&weight);
    }
    return done;
}

static size_t bundle_scoped(GooAllocator *a, size_t count) {
    size_t done = 0, weight = 1;
    for (; done < count; done += BUNDLE_BLOCKS) {
        bundle_scoped_once(a, &weight);
    }
    return done;
}

static GooAllocator *bundle_open(void) {
    return goo_scoped_allocator_create(NULL);
}

static const Way bundle_ways[] = {
    WAY_OF_MALLOC(bundle_malloc),
    WAY_OF_GOO("goo scoped", bundle_scoped, bundle_open, TARGET_RATIO, 1.0, WAY_LIBC, 0),
};

const Workload workload_bundle = {
    .name = "bundle",
    .what = "16 blocks and 4 calls undone in two parts, by hand and as a scope (ns per block)",
    .ways = bundle_ways,
    .way_count = COUNT_OF(bundle_ways),
};
