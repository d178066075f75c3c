/* Embedding Goo: a heap, a list that only a frame keeps alive, a collection, and what it left. */
#include <goo/goo.h>

typedef struct Cell {
    const GooGcType *type; /* word 0 of every typed object */
    struct Cell *next;
} Cell;

int main(void) {
    uint64_t pointers = 1 << 1; /* word 1, `next`, refers to an object */
    GooGcType type = {"Cell", sizeof(Cell), GOO_GC_LAYOUT_BITMAP, 0, &pointers, 1, 0, 0, 0, 0};
    GooGcHeap *heap = goo_gc_heap_create(NULL);
    GooGcMutator *m = goo_gc_attach(heap); /* this thread may use the heap now */
    Cell *list = NULL;
    GooGcFrame frame; /* keeps alive what `list` refers to */
    goo_gc_frame_begin(m, &frame, (void *[]){&list}, 1);
    for (int i = 0; i < 100000; i++) {
        Cell *cell = goo_gc_alloc(m, &type, 0);
        GOO_GC_SET(m, cell, next, i % 100 == 0 ? NULL : list); /* lets go of the list so far */
        list = cell;
    }
    goo_gc_collect(m, GOO_GC_FULL);
    printf("%zu cells are live\n", goo_gc_get_stats(heap).objects_live);
    goo_gc_frame_end(m, &frame);
    goo_gc_detach(m);
    goo_gc_heap_destroy(heap);
}
