/* upvalue.c: variables that outlive their frame.
 *
 * While a captured variable is in the stack, its upvalue is open and points there; the VM lists the
 * open ones, highest slot first, and so keeps them alive. A closed upvalue holds the value itself
 * and lives as long as a closure has it.
 */
#include "upvalue.h"

#include "goo/gc/inline.h"

static const uint64_t upvalue_slots[] = {UINT64_C(1) << 2};

const GooGcType lox_upvalue_type = {.name = "upvalue",
                                    .size = sizeof(LoxUpvalue),
                                    .layout = GOO_GC_LAYOUT_BITMAP,
                                    .bitmap = upvalue_slots,
                                    .bitmap_words = 1};

LoxUpvalue *upvalue_capture(Vm *vm, Value *local) {
    LoxUpvalue *before = NULL, *open = vm->open_upvalues;
    while (open != NULL && open->location > local) {
        before = open;
        open = open->next;
    }
    if (open != NULL && open->location == local) {
        return open;
    }
    /* Both stay good: a collection moves nothing, and open upvalues are roots. */
    LoxUpvalue *upvalue = goo_gc_alloc(vm->mutator, &lox_upvalue_type, sizeof *upvalue);
    if (upvalue == NULL) {
        return NULL;
    }
    upvalue->location = local;
    upvalue->closed = VALUE_NIL;
    upvalue->next = open;
    if (before == NULL) {
        vm->open_upvalues = upvalue;
    } else {
        goo_gc_write_pointer(vm->mutator, before, &before->next, upvalue);
    }
    return upvalue;
}

void upvalue_close(Vm *vm, const Value *last) {
    while (vm->open_upvalues != NULL && vm->open_upvalues->location >= last) {
        LoxUpvalue *upvalue = vm->open_upvalues;
        goo_gc_write(vm->mutator, upvalue, &upvalue->closed, *upvalue->location);
        upvalue->location = &upvalue->closed;
        vm->open_upvalues = upvalue->next;
    }
}
