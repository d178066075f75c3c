/* Objects that others hold on to only loosely, and what happens when they die:
 *
 *   a weak map         facts about nodes, kept beside them: each lives as long as its node
 *   a weak reference   a cache that never keeps the last user of anything
 *   a finalizer        a connection that nobody closed is closed when nobody can reach it, later
 *                      and by the program's own thread, where any code may run
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <goo/goo.h>

typedef struct Node {
    const GooGcType *type;
    struct Node *next;
    int number;
} Node;

static const uint64_t node_pointers[] = {1 << 1};
static const GooGcType node_type = {.name = "node",
                                    .size = sizeof(Node),
                                    .layout = GOO_GC_LAYOUT_BITMAP,
                                    .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                    .bitmap = node_pointers,
                                    .bitmap_words = 1};

static void check(bool good, const char *what) {
    if (!good) {
        fprintf(stderr, "weak: no memory for %s\n", what);
        exit(1);
    }
}

static Node *node_new(GooGcMutator *m, Node *next, int number) {
    goo_gc_push(m, next);
    Node *node = goo_gc_alloc(m, &node_type, 0);
    goo_gc_pop(m, 1);
    check(node != NULL, "a node");
    node->next = next; /* nothing was allocated since: no barrier is needed */
    node->number = number;
    return node;
}

/* The label is a leaf of the heap; nobody but the map refers to it. */
static void label_set(GooGcMutator *m, GooGcWeakMap *labels, Node *node) {
    char *label = goo_gc_alloc_leaf(m, 32);
    check(label != NULL, "a label");
    snprintf(label, 32, "node number %d", node->number);
    check(goo_gc_weak_map_set(m, labels, node, label) == GOO_OK, "the map");
}

static void connection_close(void *object, void *user) {
    printf("closing what nobody closed: connection %d\n", ((Node *)object)->number);
    ++*(int *)user;
}

int main(void) {
    GooGcHeap *heap = goo_gc_heap_create(NULL);
    check(heap != NULL, "a heap");
    GooGcMutator *m = goo_gc_attach(heap);
    check(m != NULL, "a mutator");
    Node *list = NULL;
    GooGcWeakMap *labels = NULL;
    GooGcWeak *cached = NULL;
    GooGcFrame frame;
    void *const locals[] = {&list, &labels, &cached};
    goo_gc_frame_begin(m, &frame, locals, 3);

    labels = goo_gc_weak_map_new(m);
    check(labels != NULL, "a map");
    for (int i = 0; i < 1000; i++) {
        list = node_new(m, list, i);
        label_set(m, labels, list);
    }
    cached = goo_gc_weak_new(m, list);
    check(cached != NULL, "a weak reference");
    printf("%zu labels; the first says %s\n", goo_gc_weak_map_count(m, labels),
           (char *)goo_gc_weak_map_get(m, labels, list));

    Node *tenth = list;
    for (int i = 0; i < 10; i++) {
        tenth = tenth->next;
    }
    GOO_GC_SET(m, tenth, next, NULL); /* all after the tenth die, and their labels with them */
    goo_gc_collect(m, GOO_GC_FULL);
    printf("%zu labels after a collection\n", goo_gc_weak_map_count(m, labels));
    printf("cached: %s\n", goo_gc_weak_get(m, cached) != NULL ? "yes" : "no");
    list = NULL;
    goo_gc_collect(m, GOO_GC_FULL);
    printf("%zu labels, cached: %s\n", goo_gc_weak_map_count(m, labels),
           goo_gc_weak_get(m, cached) != NULL ? "yes" : "no");

    int closed = 0;
    Node *connection = node_new(m, NULL, 7);
    check(goo_gc_set_finalizer(m, connection, connection_close, &closed) == GOO_OK, "a finalizer");
    goo_gc_collect(m, GOO_GC_FULL); /* nobody refers to it: the finalizer is queued */
    printf("%d closed by the collection\n", closed);
    goo_gc_run_finalizers(m, SIZE_MAX);
    printf("%d closed in all\n", closed);

    goo_gc_frame_end(m, &frame);
    goo_gc_detach(m);
    goo_gc_heap_destroy(heap);
    return 0;
}
