/* Stores into objects. No mode of this version needs a barrier: the store is all there is. Every
 * store still goes through here, so that generations and concurrent marking find them.
 */
#include <string.h>

#include "gc/heap.h"

void goo_gc_write(GooGcMutator *m, void *object, void *slot, uint64_t value) {
    (void)m;
    (void)object;
    memcpy(slot, &value, sizeof value);
}

void goo_gc_write_pointer(GooGcMutator *m, void *object, void *pointer, void *value) {
    (void)m;
    (void)object;
    memcpy(pointer, &value, sizeof value);
}

void goo_gc_barrier(GooGcMutator *m, void *object) {
    (void)m;
    (void)object;
}
