/* The insides of the debug allocator, shared by its files. Private to allocators/debug*.c.
 *
 *     debug.c         the mechanism: alloc, realloc, free, reset, destroy; canaries, quarantine
 *     debug_table.c   which addresses have a record; the filter in front of it
 *     debug_stack.c   where a program is: return addresses, found fast, each stack kept once
 *     debug_report.c  words about faults and leaks
 *     debug_claims.c  what passes without a record, and what the parent takes back unasked
 *
 *     parent's block:  | front canary | the caller's bytes | back canary |
 *     record:          address, size, alignment, site and stack of allocation and free
 *
 *     alloc ──▶ LIVE ──free──▶ QUARANTINED (poisoned or inaccessible) ──leaves──▶ GONE or no record
 *
 *   DEBUG-1  an address has at most one record; a record in the table is LIVE, QUARANTINED or GONE,
 *            and GONE only with retain_metadata
 *   DEBUG-2  records lie apart from the blocks, in system memory, so that no overrun reaches them
 *   DEBUG-3  no lock is held while the panic handler or a callback runs, or the parent allocates
 *   DEBUG-4  a fault that was found leaves everything as it was, but that its block is not reported
 *            again when it is freed
 */
#ifndef GOOI_ALLOCATORS_DEBUG_H
#define GOOI_ALLOCATORS_DEBUG_H

#include "allocators/claims.h"
#include "goo/allocators/debug.h"
#include "runtime/base.h"
#include "runtime/globals.h"

#include <stdatomic.h>

enum { DEBUG_STACK_MAX = 64, DEBUG_NAME_SIZE = 32, DEBUG_LINE_SIZE = 400 };

/* A stack, kept once however many blocks were allocated there. */
typedef struct DebugStack {
    uint64_t hash;
    size_t depth;
    void *frames[]; /* return addresses, innermost first */
} DebugStack;

typedef enum DebugState { DEBUG_LIVE, DEBUG_QUARANTINED, DEBUG_GONE } DebugState;
enum {
    DEBUG_PAGED = 1,     /* has whole pages to itself */
    DEBUG_PROTECTED = 2, /* and they are inaccessible */
    DEBUG_REPORTED = 4,  /* its damage was reported (DEBUG-4) */
    DEBUG_PERSISTS = 8,
    DEBUG_WHOLE_PAGES = 16 /* GOO_ALLOC_PAGE */
};

typedef struct DebugRecord {
    uint8_t *ptr;
    size_t size;
    struct DebugRecord *next; /* in the quarantine, or of the unused ones */
    const DebugStack *stack, *free_stack;
    GooiSite site, free_site;
    GooAllocOptions note; /* who counts it above (GOOI_ALLOC_NOTED) */
    uint8_t state, flags, alignment_log2;
} DebugRecord;

/* One byte for some addresses: how many records they have. 0: none. Grows by being replaced; old
 * ones stay for threads that still look at them. */
typedef struct DebugFilter {
    struct DebugFilter *older;
    unsigned shift;
    size_t size;
    _Atomic uint8_t counts[];
} DebugFilter;

/* The address again, so that a lookup touches one record at most. */
typedef struct DebugSlot {
    void *ptr;
    DebugRecord *record; /* NULL: empty */
} DebugSlot;

typedef struct DebugTable {
    DebugSlot *slots; /* open addressing */
    unsigned shift;   /* of the hash, to an index */
    size_t capacity, count;
    DebugRecord *unused;
    void *chunks; /* of records, linked by their first word */
    _Atomic(DebugFilter *) filter;
} DebugTable;

typedef struct DebugStacks {
    DebugStack **slots;
    size_t capacity, count;
    uint8_t *cursor, *limit; /* of the newest chunk of stacks */
    void *chunks;
    _Atomic uint64_t *strides; /* debug_stack.c */
} DebugStacks;

typedef struct DebugAllocator {
    GooiExtendedAllocator head;
    GooAllocator *parent;
    GooiClaimant claimant;
    GooDebugOptions options; /* with the defaults filled in */
    char name[DEBUG_NAME_SIZE];
    uint64_t secret; /* of canaries */
    size_t page_size;
    _Atomic uint32_t sample_count;
    atomic_flag lock; /* guards what follows */
    size_t live_count;
    DebugTable table;
    DebugStacks stacks;
    DebugRecord *oldest, *newest; /* the quarantine, first in first out */
    size_t quarantined_bytes;
    bool resetting; /* what the parent takes back is known */
} DebugAllocator;

void gooi_debug_lock(DebugAllocator *d);
void gooi_debug_unlock(DebugAllocator *d);

/* --- debug_table.c; under the lock --- */
bool gooi_debug_table_init(DebugTable *t, bool filtered);
void gooi_debug_table_deinit(DebugTable *t);
DebugRecord *gooi_debug_table_find(const DebugTable *t, const void *ptr);
/* A record for an address that has none, or NULL: no memory. */
DebugRecord *gooi_debug_table_add(DebugTable *t, void *ptr);
void gooi_debug_table_remove(DebugTable *t, DebugRecord *record);
/* Without the lock. False: the address has no record for sure. */
bool gooi_debug_table_may_have(const DebugTable *t, const void *ptr);

/* --- debug_stack.c --- */

/* Where a mechanism was called from: the frame of the function that says DEBUG_HERE(). */
typedef struct DebugHere {
    void *frames[DEBUG_STACK_MAX];
    size_t depth;
} DebugHere;
#define DEBUG_HERE(d, here)                                                                        \
    gooi_debug_stack_capture((d), (here), __builtin_return_address(0),                             \
                             (uintptr_t)__builtin_frame_address(0) + 2 * sizeof(void *))

bool gooi_debug_stacks_init(DebugStacks *s, bool wanted);
void gooi_debug_stacks_deinit(DebugStacks *s);
void gooi_debug_stack_capture(DebugAllocator *d, DebugHere *here, void *return_address,
                              uintptr_t stack_pointer);
/* Under the lock. NULL: there is none, or no memory for it. */
const DebugStack *gooi_debug_stack_intern(DebugStacks *s, const DebugHere *here);

/* --- debug_report.c --- */
typedef enum DebugFaultKind {
    DEBUG_FAULT_NONE,
    DEBUG_DOUBLE_FREE,
    DEBUG_FOREIGN,
    DEBUG_WRONG_SIZE,
    DEBUG_WRONG_ALIGNMENT,
    DEBUG_OVERRUN,
    DEBUG_UNDERRUN,
    DEBUG_USE_AFTER_FREE
} DebugFaultKind;

typedef struct DebugFault {
    DebugFaultKind kind;
    const char *call;
    void *ptr;
    size_t size, alignment; /* as the call had them */
    ptrdiff_t offset;       /* of the first byte that was changed */
    GooiSite site;          /* of the call */
    DebugRecord record;     /* a copy; of the block, if it has one */
} DebugFault;

/* One line of text about a fault. */
void gooi_debug_describe(const DebugAllocator *d, const DebugFault *fault, char *line);
/* Writes all about it to the report, and calls the panic handler with the line. */
GOOI_NORETURN GOOI_COLD void gooi_debug_raise(DebugAllocator *d, const DebugFault *fault,
                                              const DebugHere *here);
/* Leaks as the leak mode says, but for the panic: its line is in `line`, "" if none is due. */
size_t gooi_debug_leaks(DebugAllocator *d, FILE *report, char *line);

/* What is said at destroy: leaks and damage; `line`: of a panic that is due, or "". */
void gooi_debug_final_report(DebugAllocator *d, char *line);

/* --- debug_claims.c --- */

/* A block of the parent's, as it is. */
void *gooi_debug_alloc_unwatched(DebugAllocator *d, size_t size, size_t alignment,
                                 GooAllocOptions options);
void gooi_debug_free_unwatched(DebugAllocator *d, void *ptr, size_t size, size_t alignment);
void *gooi_debug_realloc_unwatched(DebugAllocator *d, void *ptr, size_t old_size, size_t new_size,
                                   size_t alignment, GooAllocOptions options);
/* A block goes with its parent's. Who counts it is told, and its record goes. Under the lock. */
void gooi_debug_lose(DebugAllocator *d, DebugRecord *r);
/* The parent takes blocks back without a free each. */
void gooi_debug_lost(GooiClaimant *c, const GooiLoss *loss);

/* --- debug.c --- */
bool gooi_debug_is(const GooAllocator *a);

/* Where a block lies in its parent's. */
typedef struct DebugLayout {
    size_t front, total, alignment; /* of the parent's block */
} DebugLayout;
DebugLayout gooi_debug_layout(const DebugAllocator *d, const DebugRecord *r);
void gooi_debug_unprotect(const DebugAllocator *d, DebugRecord *r);

/* What is wrong with a block's canaries or poison; under the lock. The record's copy, ptr and
 * offset are filled in. */
DebugFault gooi_debug_damage(const DebugAllocator *d, const DebugRecord *record);
/* Whether the parent still has this block, as far as it can say. */
bool gooi_debug_is_held(const DebugAllocator *d, const DebugRecord *record);

#endif
