/* memory.h: the VM's explicit memory: bytecode, tables, lists, the stack, source text.
 *
 * All of it comes from one GooAllocator that is attached to the heap, so that its bytes bring
 * collections forward and count against the heap limit. Its strategy is GC: a request that the
 * limit refuses collects and tries once more.
 *
 * LOX-4  Any call here may collect: whatever the caller still needs must be reachable from a root.
 *        A call that fails returns NULL (or false) and leaves the old block as it was.
 */
#ifndef LOX_MEMORY_H
#define LOX_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Vm Vm;

/* `size` bytes, not zeroed. */
void *memory_alloc(Vm *vm, size_t size);
void memory_free(Vm *vm, void *block, size_t size);

/* Changes an array of `*capacity` elements so that it holds at least `needed`, by doubling, and
 * never beyond `limit` elements. */
bool memory_reserve(Vm *vm, void **array, uint32_t *capacity, size_t needed, size_t element_size,
                    size_t limit);
/* Gives back what lies behind `count` elements; keeps the old block where that fails. */
void memory_trim(Vm *vm, void **array, uint32_t *capacity, uint32_t count, size_t element_size);

/* Text that grows at its end. All zero is an empty one. */
typedef struct TextBuffer {
    char *bytes;
    uint32_t length, capacity;
} TextBuffer;

bool text_append(Vm *vm, TextBuffer *text, const void *bytes, size_t size);
void text_free(Vm *vm, TextBuffer *text);

#endif
