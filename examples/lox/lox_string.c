/* lox_string.c: making strings.
 *
 * A concatenation is built where it costs nothing to throw away, on the C stack or in the VM's
 * scratch buffer, and only a text that is new becomes an object. So each byte is copied once to be
 * hashed and once more if the string did not exist. The scratch buffer is reused and given back
 * once it has grown large.
 */
#include "lox_string.h"

#include "goo/gc/inline.h"
#include "vm.h"

enum { STRING_STACK_SCRATCH = 512, STRING_SCRATCH_KEPT = 64 * 1024 };

const GooGcType lox_string_type = {
    .name = "string", .size = sizeof(LoxString), .layout = GOO_GC_LAYOUT_LEAF};

static void *string_create(GooGcMutator *m, const void *bytes, size_t length, uint64_t hash,
                           void *user) {
    (void)user;
    LoxString *string = goo_gc_alloc(m, &lox_string_type, sizeof *string + length + 1);
    if (string != NULL) {
        string->length = (uint32_t)length;
        string->hash = (uint32_t)hash | UINT32_C(0x80000000);
        memcpy(string->bytes, bytes, length);
    }
    return string;
}

static const void *string_bytes(const void *object, size_t *out_length, void *user) {
    (void)user;
    const LoxString *string = object;
    *out_length = string->length;
    return string->bytes;
}

GooGcInternTable *string_table_create(GooGcHeap *heap) {
    GooGcInternOps ops = {.create = string_create, .bytes = string_bytes, .user = NULL};
    return goo_gc_intern_table_create(heap, &ops);
}

LoxString *string_intern(Vm *vm, const void *bytes, size_t length) {
    if (length > STRING_LENGTH_MAX) {
        return NULL;
    }
    return goo_gc_intern(vm->mutator, vm->strings, bytes, length);
}

static char *string_scratch(Vm *vm, size_t size) {
    void *block = vm->scratch.bytes;
    if (!memory_reserve(vm, &block, &vm->scratch.capacity, size, 1, STRING_LENGTH_MAX)) {
        return NULL;
    }
    return vm->scratch.bytes = block;
}

LoxString *string_concatenate(Vm *vm, LoxString *a, LoxString *b) {
    size_t length = (size_t)a->length + b->length;
    char small[STRING_STACK_SCRATCH];
    char *bytes = length <= sizeof small ? small : string_scratch(vm, length);
    if (bytes == NULL) {
        return NULL;
    }
    memcpy(bytes, a->bytes, a->length);
    memcpy(bytes + a->length, b->bytes, b->length);
    LoxString *string = string_intern(vm, bytes, length);
    if (vm->scratch.capacity > STRING_SCRATCH_KEPT) {
        text_free(vm, &vm->scratch);
    }
    return string;
}

LoxString *string_of_character(Vm *vm, uint8_t character) {
    if (vm->characters[character] == NULL) {
        vm->characters[character] = string_intern(vm, &character, 1);
    }
    return vm->characters[character];
}
