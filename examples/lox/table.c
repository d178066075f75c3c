/* table.c: insertion, growth and tracing of tables.
 *
 * TABLE-1  At most three quarters of the entries are in use, so every probe ends.
 */
#include "table.h"

#include "memory.h"
#include "vm.h"

enum { TABLE_FIRST_CAPACITY = 8 };

static TableEntry *table_slot(TableEntry *entries, uint32_t capacity, const LoxString *key) {
    uint32_t i = key->hash & (capacity - 1);
    while (entries[i].key != NULL && entries[i].key != key) {
        i = (i + 1) & (capacity - 1);
    }
    return &entries[i];
}

static bool table_grow(Vm *vm, Table *table, uint32_t capacity) {
    TableEntry *entries = memory_alloc(vm, capacity * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    memset(entries, 0, capacity * sizeof *entries);
    for (uint32_t i = 0; i < table->capacity; i++) {
        if (table->entries[i].key != NULL) {
            *table_slot(entries, capacity, table->entries[i].key) = table->entries[i];
        }
    }
    memory_free(vm, table->entries, table->capacity * sizeof *entries);
    table->entries = entries;
    table->capacity = capacity;
    return true;
}

bool table_reserve(Vm *vm, Table *table, uint32_t more) {
    uint64_t needed = (uint64_t)table->count + more;
    if (needed * 4 <= (uint64_t)table->capacity * 3) {
        return true;
    }
    uint64_t capacity = table->capacity == 0 ? TABLE_FIRST_CAPACITY : table->capacity;
    while (needed * 4 > capacity * 3) {
        capacity *= 2;
    }
    return capacity <= UINT32_MAX / sizeof(TableEntry) && table_grow(vm, table, (uint32_t)capacity);
}

bool table_set(Vm *vm, Table *table, LoxString *key, Value value) {
    if (!table_reserve(vm, table, 1)) {
        return false;
    }
    TableEntry *entry = table_slot(table->entries, table->capacity, key);
    table->count += entry->key == NULL;
    entry->key = key;
    entry->value = value;
    return true;
}

void table_free(Vm *vm, Table *table) {
    memory_free(vm, table->entries, table->capacity * sizeof *table->entries);
    *table = (Table){0};
}

void table_trace(Table *table, GooGcVisitor *visitor, bool values) {
    for (uint32_t i = 0; i < table->capacity; i++) {
        if (table->entries[i].key != NULL) {
            goo_gc_visit_pointer(visitor, &table->entries[i].key);
            if (values) {
                goo_gc_visit(visitor, &table->entries[i].value);
            }
        }
    }
}
