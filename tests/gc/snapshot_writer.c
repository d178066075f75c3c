/* A program that builds a heap, writes its snapshot, and prints what must be in it, for
 * snapshot_check.py.
 *
 *     test_snapshot_writer CASE FILE
 *
 *     object ID SIZE NAME       each object that a collection right after the snapshot leaves
 *     edge ID ID                a reference between pairs
 *     count NAME EDGES          edges of the node of that name
 *     weak N · values N         edges of weak kind; edges called "value"
 *     native BYTES              the sizes of all nodes of external memory
 *     memory KIB                what writing took, at most
 *     (nothing of a kind)       not to be checked
 *
 * The objects come from goo_gc_walk after a collection: from marking, not from what made the
 * snapshot.
 *
 * Uses private headers: gc/heap.h, for the heap's base.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gc/heap.h"
#include "goo/allocators.h"
#include "goo/gc/weak.h"
#include "goo/runtime/memory.h"
#include "tests/gc/support.h"

/* What the harness's checks need of a runner. */
void goo_test_fail(const char *file, int line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

void goo_test_skip(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

typedef struct Writer {
    GooGcHeap *heap;
    GooGcMutator *m;
    const char *path;
    bool named;
} Writer;

static unsigned long long writer_id(const Writer *w, const void *object) {
    return 2 * (((uintptr_t)object - w->heap->base) >> GOOI_GRANULE_LOG2) + 1;
}

static const char *writer_name(const void *object, const GooGcType *type, void *user) {
    (void)user;
    return type == &pair_type && ((const Pair *)object)->value == 42 ? "the answer" : NULL;
}

static const char *writer_expected_name(const Writer *w, void *object, const GooGcType *type) {
    if (w->named && writer_name(object, type, NULL) != NULL) {
        return "the answer";
    }
    if (type != NULL) {
        return type->name != NULL ? type->name : "(typed)";
    }
    unsigned kind = *gooi_metadata_of((uintptr_t)object) & GOO_GC_KIND_MASK;
    return kind == GOO_GC_KIND_LEAF           ? "(leaf)"
           : kind == GOO_GC_KIND_CONSERVATIVE ? "(conservative)"
                                              : "(embedder)";
}

static void writer_print_object(void *object, size_t size, const GooGcType *type, void *user) {
    const Writer *w = user;
    printf("object %llu %zu %s\n", writer_id(w, object), size,
           writer_expected_name(w, object, type));
    if (type == &pair_type) {
        const Pair *pair = object;
        if (pair->first != NULL) {
            printf("edge %llu %llu\n", writer_id(w, object), writer_id(w, pair->first));
        }
        if (pair->second != NULL) {
            printf("edge %llu %llu\n", writer_id(w, object), writer_id(w, pair->second));
        }
    }
}

static void writer_write(Writer *w) {
    FILE *out = fopen(w->path, "w");
    CHECK(out != NULL);
    CHECK_EQ(goo_gc_write_snapshot(w->heap, out), GOO_OK);
    CHECK_EQ(fclose(out), 0);
}

static void writer_print_live(Writer *w) {
    collect(w->m);
    goo_gc_walk(w->heap, writer_print_object, w);
}

static void writer_begin(Writer *w, const char *options) {
    w->heap = heap_of(options);
    w->m = goo_gc_attach(w->heap);
}

/* --- cases --- */

static void writer_empty(Writer *w) {
    writer_begin(w, "");
    writer_write(w);
    writer_print_live(w);
    printf("native 0\nweak 0\nvalues 0\ncount (slots) 0\ncount (external memory) 1\n");
}

enum { GRAPH = 6000 };

typedef struct WriterGraph {
    void *slot, *pointer, *traced[3], *local;
    uint64_t random;
    void *all[GRAPH];
} WriterGraph;

static const GooGcType odd_type = {
    .name = "odd \"name\" \\ \t\x01 \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xff\xc0\x80.",
    .size = 32,
    .layout = GOO_GC_LAYOUT_LEAF};
static const GooGcType nameless_type = {.size = 16, .layout = GOO_GC_LAYOUT_LEAF};
static const GooGcType cautious_type = {
    .name = "cautious", .size = 64, .layout = GOO_GC_LAYOUT_CONSERVATIVE};

static void writer_trace_roots(GooGcVisitor *v, void *user) {
    goo_gc_visit_pointers(v, ((WriterGraph *)user)->traced, 3);
}

static void writer_trace_embedder(void *object, GooGcVisitor *v, void *user) {
    (void)user;
    goo_gc_visit_pointer(v, object);
}

static void *writer_some_object(GooGcMutator *m, uint64_t *random) {
    switch (random_next(random) % 10) {
    case 0:
        return goo_gc_alloc_leaf(m, 1 + random_next(random) % 5000);
    case 1:
        return goo_gc_alloc_conservative(m, 48);
    case 2:
        return goo_gc_alloc_embedder(m, 16);
    case 3:
        return goo_gc_alloc(m, &pointers_type, 8 + 8 * (random_next(random) % 40));
    case 4:
        return goo_gc_alloc(m, &odd_type, 0);
    case 5:
        return goo_gc_alloc(m, &cautious_type, 0);
    case 6:
        return goo_gc_alloc(m, &nameless_type, 0);
    default:
        return pair_new(m, NULL, NULL, random_next(random) % 64);
    }
}

/* Lets an object refer to some of the others. */
static void writer_connect(Writer *w, WriterGraph *g, void *object) {
    const GooGcType *type = NULL;
    unsigned kind = *gooi_metadata_of((uintptr_t)object) & GOO_GC_KIND_MASK;
    void **words = object;
    size_t first = 0, end = goo_gc_size_of(w->heap, object) / sizeof(void *);
    if (kind == GOO_GC_KIND_TYPED) {
        type = goo_gc_type_of(object);
        first = 1;
        end = type == &pair_type ? 3 : end;
    }
    if (kind == GOO_GC_KIND_LEAF || (type != NULL && type->layout == GOO_GC_LAYOUT_LEAF)) {
        return;
    }
    end = kind == GOO_GC_KIND_EMBEDDER ? 1 : end;
    for (size_t i = first; i < end; i++) {
        if (random_next(&g->random) % 3 == 0) {
            size_t at = random_next(&g->random) % GRAPH;
            size_t inside = kind == GOO_GC_KIND_CONSERVATIVE ? 8 : 0;
            goo_gc_write_pointer(w->m, object, &words[i], (char *)g->all[at] + inside);
        }
    }
}

/* All kinds of objects and of precise roots; most objects are garbage, of old and new. */
static void writer_graph(Writer *w) {
    static WriterGraph g = {.random = 7};
    GooGcOptions options = options_of("initial=64M");
    options.trace_embedder = writer_trace_embedder;
    w->heap = goo_gc_heap_create(&options);
    w->m = goo_gc_attach(w->heap);
    for (int round = 0; round < 2; round++) { /* the second time into holes */
        for (size_t i = 0; i < GRAPH; i++) {
            g.all[i] = writer_some_object(w->m, &g.random);
        }
        for (size_t i = 0; i < GRAPH; i += 2) {
            writer_connect(w, &g, g.all[i]);
        }
        if (round == 0) {
            goo_gc_push(w->m, g.all[11]);
            goo_gc_push(w->m, g.all[12]);
            goo_gc_push(w->m, goo_gc_alloc_leaf(w->m, 3 << 20)); /* a large one */
            goo_gc_push(w->m, goo_gc_alloc_leaf(w->m, 9 << 20)); /* a huge one */
            collect(w->m);
        }
    }
    goo_gc_root_add(w->heap, &g.slot);
    goo_gc_root_add_pointer(w->heap, &g.pointer);
    goo_gc_roots_add(w->heap, writer_trace_roots, &g);
    GooGcFrame frame;
    void *const locals[] = {&g.local};
    goo_gc_frame_begin(w->m, &frame, locals, 1);
    g.slot = g.all[100];
    g.pointer = g.all[200];
    g.traced[0] = g.traced[2] = g.all[300];
    g.local = pair_new(w->m, NULL, NULL, 42);
    goo_gc_handle_new(w->heap, g.all[400]);
    goo_gc_handle_new(w->heap, g.all[401]);
    w->named = true;
    CHECK_EQ(goo_gc_set_namer(w->heap, &(GooGcNamer){writer_name, NULL}), GOO_OK);
    writer_write(w);
    writer_print_live(w);
    printf("count (slots) 1\ncount (pointers) 1\ncount (root callbacks) 2\ncount (handles) 2\n"
           "count (frames) 1\ncount (temporaries) 4\ncount (stack words) 0\ncount (registers) 0\n"
           "weak 0\nvalues 0\n");
    goo_gc_frame_end(w->m, &frame);
}

static void writer_finalize(void *object, void *user) {
    (void)object;
    (void)user;
}

/* Chains of ephemerons in an order that helps nobody; a map; weak references to what lives, and to
 * garbage; queued finalizers. */
static void writer_weak(Writer *w) {
    enum { CHAIN = 3000 };
    writer_begin(w, "initial=64M");
    void **keep = goo_gc_alloc(w->m, &pointers_type, 8 + 8 * 3 * CHAIN);
    goo_gc_push(w->m, keep);
    Pair *keys[CHAIN + 1];
    for (size_t i = 0; i <= CHAIN; i++) {
        keys[i] = pair_new(w->m, NULL, NULL, i);
    }
    for (size_t i = 0; i < CHAIN; i++) { /* key i lives, and so does key i + 1: in odd order */
        size_t at = i * 1999 % CHAIN;
        void *e = goo_gc_ephemeron_new(w->m, keys[at], keys[at + 1]);
        goo_gc_write_pointer(w->m, keep, &keep[1 + i], e);
    }
    goo_gc_write_pointer(w->m, keep, &keep[1 + CHAIN], keys[0]);
    GooGcWeakMap *map = goo_gc_weak_map_new(w->m);
    goo_gc_push(w->m, map);
    for (size_t i = 0; i < 100; i++) { /* half of the keys live */
        Pair *key = i % 2 == 0 ? keys[i] : pair_new(w->m, NULL, NULL, 1);
        CHECK_EQ(goo_gc_weak_map_set(w->m, map, key, pair_new(w->m, key, NULL, 2)), GOO_OK);
    }
    for (size_t i = 0; i < 50; i++) {
        Pair *target = i % 2 == 0 ? keys[i] : pair_new(w->m, NULL, NULL, 3);
        void *weak = goo_gc_weak_new(w->m, target);
        goo_gc_write_pointer(w->m, keep, &keep[1 + CHAIN + 1 + i], weak);
    }
    writer_write(w);
    writer_print_live(w);
    printf("weak %d\nvalues %d\ncount (temporaries) 2\n", CHAIN + 50 + 25, CHAIN + 50);
}

static void writer_queue(Writer *w) {
    writer_begin(w, "");
    for (uint64_t i = 0; i < 5; i++) {
        goo_gc_set_finalizer(w->m, pair_new(w->m, pair_new(w->m, NULL, NULL, 9), NULL, i),
                             writer_finalize, NULL);
    }
    collect(w->m);
    writer_write(w);
    writer_print_live(w);
    printf("count (queued finalizers) 5\n");
}

static void writer_owned(Writer *w) {
    writer_begin(w, "");
    GooAllocator *named = goo_system_allocator_create(), *attached = goo_system_allocator_create();
    named->name = "textures";
    CHECK_EQ(goo_gc_attach_allocator(w->heap, attached), GOO_OK);
    void *block = goo_memory_alloc_with(attached, 5000);
    Pair *owner = pair_new(w->m, NULL, NULL, 0);
    goo_gc_push(w->m, owner);
    for (int i = 0; i < 10; i++) {
        goo_gc_owned_alloc(w->m, owner, i % 2 == 0 ? named : attached, 1000);
    }
    CHECK_EQ(goo_gc_owner_adjust(w->m, owner, 777), GOO_OK);
    goo_gc_owned_alloc(w->m, pair_new(w->m, NULL, NULL, 0), named, 333); /* garbage */
    CHECK_EQ(goo_gc_adjust_external(w->heap, 60), GOO_OK);
    size_t external = goo_gc_get_stats(w->heap).external_bytes;
    CHECK(external >= 10 * 1000 + 777 + 333 + 60 + 5000);
    writer_write(w);
    printf("native %zu\ncount (external memory) 2\n", external);
    writer_print_live(w);
    goo_memory_free_with(attached, block, 5000);
    goo_gc_heap_destroy(w->heap);
    goo_allocator_destroy(named);
    goo_allocator_destroy(attached);
    w->heap = NULL;
}

/* More than the stack of those who look has room for. */
static void writer_wide(Writer *w) {
    enum { WIDTH = 90000 };
    writer_begin(w, "initial=256M");
    void **wide = goo_gc_alloc(w->m, &pointers_type, 8 + 8 * WIDTH);
    goo_gc_push(w->m, wide);
    for (size_t i = 0; i < WIDTH; i++) {
        Pair *tail = pair_new(w->m, pair_new(w->m, NULL, NULL, 1), NULL, 2);
        Pair *head = pair_new(w->m, tail, tail, 3);
        goo_gc_write_pointer(w->m, wide, &wide[1 + (i * 7919) % WIDTH], head);
    }
    writer_write(w);
    writer_print_live(w);
}

static void writer_deep(Writer *w) {
    writer_begin(w, "");
    Pair *list = NULL;
    goo_gc_root_add_pointer(w->heap, &list);
    for (uint64_t i = 0; i < 200000; i++) {
        list = pair_new(w->m, list, NULL, i);
    }
    writer_write(w);
    writer_print_live(w);
    goo_gc_root_remove(w->heap, &list);
}

/* --- conservative roots --- */

typedef struct WriterThread {
    GooGcHeap *heap;
    _Atomic int step;
    _Atomic unsigned long long id;
    const Writer *w;
} WriterThread;

static void *writer_block(void *arg) {
    WriterThread *t = arg;
    GooGcMutator *m = goo_gc_attach(t->heap);
    Pair *volatile pair = pair_new(m, NULL, NULL, 17);
    atomic_store(&t->id, writer_id(t->w, pair));
    goo_gc_blocking_begin(m);
    atomic_store(&t->step, 1);
    while (atomic_load(&t->step) < 2) {
        gooi_platform_yield();
    }
    goo_gc_blocking_end(m);
    CHECK_EQ(pair->value, 17);
    goo_gc_detach(m);
    return NULL;
}

/* Objects that only words on stacks hold, this thread's and another's, which blocks. */
static void writer_stacks(Writer *w) {
    writer_begin(w, "scan_stacks");
    WriterThread other = {.heap = w->heap, .w = w};
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, writer_block, &other), 0);
    while (atomic_load(&other.step) < 1) {
        gooi_platform_yield();
    }
    Pair *volatile here = pair_new(w->m, pair_new(w->m, NULL, NULL, 1), NULL, 2);
    writer_write(w);
    printf("present %llu\npresent %llu\npresent %llu\n", writer_id(w, here),
           writer_id(w, here->first), atomic_load(&other.id));
    atomic_store(&other.step, 2);
    goo_gc_blocking_begin(w->m);
    pthread_join(thread, NULL);
    goo_gc_blocking_end(w->m);
}

/* --- memory --- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__linux__)
#define WRITER_MEASURES false
#else
#define WRITER_MEASURES true
#endif

/* A line of /proc/self/status, in KiB. */
static long writer_status(const char *name) {
    char line[256];
    long value = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            value = strtol(line + strlen(name), NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return value;
}

/* What a million objects of three shuffled references take beside themselves. */
static void writer_million(Writer *w) {
    enum { MILLION = 1000000 };
    static const uint64_t bitmap[] = {14};
    static const GooGcType type = {.name = "three",
                                   .size = 64,
                                   .layout = GOO_GC_LAYOUT_BITMAP,
                                   .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                   .bitmap = bitmap,
                                   .bitmap_words = 1};
    writer_begin(w, "initial=1G,markers=1");
    void ***all = goo_gc_alloc(w->m, &pointers_type, 8 + 8 * MILLION);
    goo_gc_push(w->m, all);
    uint64_t random = 3;
    for (size_t i = 1; i <= MILLION; i++) {
        all[i] = goo_gc_alloc(w->m, &type, 0);
    }
    for (size_t i = 1; i <= MILLION; i++) {
        for (size_t k = 1; k <= 3; k++) {
            all[i][k] = all[1 + random_next(&random) % MILLION];
        }
    }
    FILE *reset = WRITER_MEASURES ? fopen("/proc/self/clear_refs", "w") : NULL;
    bool measures = reset != NULL && fputs("5", reset) >= 0 && fclose(reset) == 0;
    long before = writer_status("VmRSS:");
    writer_write(w);
    if (measures) {
        printf("memory %ld\n", writer_status("VmHWM:") - before);
    }
}

static const struct {
    const char *name;
    void (*run)(Writer *w);
} writer_cases[] = {
    {"empty", writer_empty}, {"graph", writer_graph},   {"weak", writer_weak},
    {"queue", writer_queue}, {"owned", writer_owned},   {"wide", writer_wide},
    {"deep", writer_deep},   {"stacks", writer_stacks}, {"million", writer_million},
};

int main(int count, char **arguments) {
    for (size_t i = 0; count == 3 && i < GOOI_COUNT(writer_cases); i++) {
        if (strcmp(writer_cases[i].name, arguments[1]) == 0) {
            Writer w = {.path = arguments[2]};
            writer_cases[i].run(&w);
            goo_gc_heap_destroy(w.heap);
            return 0;
        }
    }
    fprintf(stderr, "usage: %s CASE FILE\n", arguments[0]);
    return 64;
}
