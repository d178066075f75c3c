/* list.c: lists, and the natives that work on them.
 *
 *     List()              a new, empty list
 *     append(list, v)     nil; amortized O(1)
 *     get(list, i)        item i, from 0
 *     set(list, i, v)     v
 *     pop(list)           the last item, removed
 *     insert(list, i, v)  nil; before item i, at the end for i = length; O(n)
 *     remove(list, i)     item i, removed; O(n)
 *
 * Arguments are on the VM stack while a native runs, so a collection finds them there.
 */
#include "list.h"

#include <string.h>

#include "error.h"
#include "natives.h"

enum { LIST_COUNT_MAX = 0x7fffffff, LIST_SHRINK_CAPACITY = 64 };

LoxList *list_new(Vm *vm) {
    LoxList *list = goo_gc_alloc(vm->mutator, &lox_list_type, sizeof *list);
    if (list != NULL) {
        list->vm = vm;
    }
    return list;
}

void list_free(LoxList *list) {
    memory_free(list->vm, list->items, list->capacity * sizeof(Value));
}

static LoxList *list_argument(Vm *vm, Value value) {
    if (!value_is_a(value, &lox_list_type)) {
        error_raise(vm, "Expected a list.");
        return NULL;
    }
    return value_as_object(value);
}

/* An index below `limit`; `limit` may not be one itself. */
static bool list_index(Vm *vm, Value value, uint32_t limit, uint32_t *index) {
    uint32_t at = 0;
    if (!natives_index(value, &at)) {
        return error_raise(vm, "List index must be a whole number.");
    }
    if (at >= limit) {
        return error_raise(vm, "List index out of range.");
    }
    *index = at;
    return true;
}

static bool list_reserve(LoxList *list) {
    void *items = list->items;
    bool ok = memory_reserve(list->vm, &items, &list->capacity, (size_t)list->count + 1,
                             sizeof(Value), LIST_COUNT_MAX);
    list->items = items;
    return ok;
}

/* Gives memory back once three quarters of a large list are unused. */
static void list_shrink(LoxList *list) {
    if (list->capacity > LIST_SHRINK_CAPACITY && list->count < list->capacity / 4) {
        void *items = list->items;
        memory_trim(list->vm, &items, &list->capacity, list->capacity / 2, sizeof(Value));
        list->items = items;
    }
}

static bool list_native_new(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    (void)args;
    LoxList *list = list_new(vm);
    if (list == NULL) {
        return error_out_of_memory(vm);
    }
    *result = value_from_object(list);
    return true;
}

static bool list_native_append(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    (void)result;
    LoxList *list = list_argument(vm, args[0]);
    if (list == NULL) {
        return false;
    }
    if (list->count == list->capacity && !list_reserve(list)) {
        return error_out_of_memory(vm);
    }
    list->items[list->count++] = args[1];
    goo_gc_barrier(vm->mutator, list);
    return true;
}

static bool list_native_get(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    LoxList *list = list_argument(vm, args[0]);
    uint32_t index = 0;
    if (list == NULL || !list_index(vm, args[1], list->count, &index)) {
        return false;
    }
    *result = list->items[index];
    return true;
}

static bool list_native_set(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    LoxList *list = list_argument(vm, args[0]);
    uint32_t index = 0;
    if (list == NULL || !list_index(vm, args[1], list->count, &index)) {
        return false;
    }
    goo_gc_write(vm->mutator, list, &list->items[index], args[2]);
    *result = args[2];
    return true;
}

/* Shrinks the list while `item`, which was just taken out of it, is kept alive: giving memory back
 * may collect when the system has no smaller block (LOX-4). */
static void list_shrink_keeping(LoxList *list, Value item) {
    Vm *vm = list->vm;
    goo_gc_push(vm->mutator, value_is_object(item) ? value_as_object(item) : NULL);
    list_shrink(list);
    goo_gc_pop(vm->mutator, 1);
}

static bool list_native_pop(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    LoxList *list = list_argument(vm, args[0]);
    if (list == NULL) {
        return false;
    }
    if (list->count == 0) {
        return error_raise(vm, "Can't pop from an empty list.");
    }
    *result = list->items[--list->count];
    list_shrink_keeping(list, *result);
    return true;
}

static bool list_native_insert(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    (void)result;
    LoxList *list = list_argument(vm, args[0]);
    uint32_t index = 0;
    if (list == NULL || !list_index(vm, args[1], list->count + 1, &index)) {
        return false;
    }
    if (list->count == list->capacity && !list_reserve(list)) {
        return error_out_of_memory(vm);
    }
    memmove(&list->items[index + 1], &list->items[index], (list->count - index) * sizeof(Value));
    list->items[index] = args[2];
    list->count++;
    goo_gc_barrier(vm->mutator, list);
    return true;
}

static bool list_native_remove(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    LoxList *list = list_argument(vm, args[0]);
    uint32_t index = 0;
    if (list == NULL || !list_index(vm, args[1], list->count, &index)) {
        return false;
    }
    *result = list->items[index];
    list->count--;
    memmove(&list->items[index], &list->items[index + 1], (list->count - index) * sizeof(Value));
    goo_gc_barrier(vm->mutator, list);
    list_shrink_keeping(list, *result);
    return true;
}

bool list_define_natives(Vm *vm) {
    return natives_add(vm, "List", list_native_new, 0) &&
           natives_add(vm, "append", list_native_append, 2) &&
           natives_add(vm, "get", list_native_get, 2) &&
           natives_add(vm, "set", list_native_set, 3) &&
           natives_add(vm, "pop", list_native_pop, 1) &&
           natives_add(vm, "insert", list_native_insert, 3) &&
           natives_add(vm, "remove", list_native_remove, 2);
}
