/* memory.c: growing, trimming and freeing explicit blocks through the VM's allocator.
 *
 * Sizes are checked here once: a capacity is a uint32_t and never passes the caller's limit, so
 * that capacity * element_size can't overflow a size_t. Growth doubles from eight elements.
 */
#include "memory.h"

#include "goo/runtime/memory.h"
#include "vm.h"

enum { MEMORY_FIRST_CAPACITY = 8 };

void *memory_alloc(Vm *vm, size_t size) {
    return goo_memory_alloc_with(vm->allocator, size);
}

void memory_free(Vm *vm, void *block, size_t size) {
    goo_memory_free_with(vm->allocator, block, size);
}

static bool memory_set_capacity(Vm *vm, void **array, uint32_t *capacity, size_t count,
                                size_t element_size) {
    void *block = goo_memory_realloc_with(vm->allocator, *array, *capacity * element_size,
                                          count * element_size);
    if (block == NULL) {
        return false;
    }
    *array = block;
    *capacity = (uint32_t)count;
    return true;
}

bool memory_reserve(Vm *vm, void **array, uint32_t *capacity, size_t needed, size_t element_size,
                    size_t limit) {
    if (needed <= *capacity) {
        return true;
    }
    if (needed > limit || needed > UINT32_MAX || needed > SIZE_MAX / element_size) {
        return false;
    }
    size_t count = *capacity < MEMORY_FIRST_CAPACITY ? MEMORY_FIRST_CAPACITY : *capacity;
    while (count < needed) {
        count = count > limit / 2 ? limit : count * 2;
    }
    if (count > UINT32_MAX || count > SIZE_MAX / element_size) {
        count = needed;
    }
    return memory_set_capacity(vm, array, capacity, count, element_size);
}

void memory_trim(Vm *vm, void **array, uint32_t *capacity, uint32_t count, size_t element_size) {
    if (count == *capacity) {
        return;
    }
    if (count == 0) {
        memory_free(vm, *array, *capacity * element_size);
        *array = NULL;
        *capacity = 0;
        return;
    }
    (void)memory_set_capacity(vm, array, capacity, count, element_size);
}

bool text_append(Vm *vm, TextBuffer *text, const void *bytes, size_t size) {
    if (size == 0) {
        return true;
    }
    void *block = text->bytes;
    bool fits = size <= UINT32_MAX - text->length &&
                memory_reserve(vm, &block, &text->capacity, text->length + size, 1, UINT32_MAX);
    if (!fits) {
        return false;
    }
    text->bytes = block;
    memcpy(text->bytes + text->length, bytes, size);
    text->length += (uint32_t)size;
    return true;
}

void text_free(Vm *vm, TextBuffer *text) {
    memory_free(vm, text->bytes, text->capacity);
    *text = (TextBuffer){0};
}
