/* table.h: a map from interned strings to eight bytes, for methods, globals and field indexes.
 *
 * Open addressing with linear probing and a power of two of entries; nothing is ever removed, so
 * there are no tombstones. Keys are compared by identity, their hash is in the string. All zero is
 * an empty table that owns nothing.
 *
 * Who owns a table traces it: table_trace visits the keys, and the values where those are Lox ones.
 */
#ifndef LOX_TABLE_H
#define LOX_TABLE_H

#include "goo/gc.h"
#include "lox_string.h"
#include "value.h"

typedef struct TableEntry {
    LoxString *key; /* NULL: empty */
    Value value;
} TableEntry;

typedef struct Table {
    TableEntry *entries;
    uint32_t count, capacity;
} Table;

/* The value's address until the next insertion, or NULL. */
static inline Value *table_find(const Table *table, const LoxString *key) {
    if (table->count == 0) {
        return NULL;
    }
    uint32_t mask = table->capacity - 1;
    for (uint32_t i = key->hash & mask;; i = (i + 1) & mask) {
        TableEntry *entry = &table->entries[i];
        if (entry->key == key) {
            return &entry->value;
        }
        if (entry->key == NULL) {
            return NULL;
        }
    }
}

/* Makes room for `more` further entries. May collect. */
bool table_reserve(Vm *vm, Table *table, uint32_t more);
/* Sets what `key` maps to. With room reserved it neither fails nor collects. */
bool table_set(Vm *vm, Table *table, LoxString *key, Value value);
void table_free(Vm *vm, Table *table);
void table_trace(Table *table, GooGcVisitor *visitor, bool values);

#endif
