/* How many bytes there are, and what follows: the account that the limits are held against, bytes
 * outside the heap, blocks that objects own, and when the next collection is due.
 *
 *   heap bytes + metadata ─┐
 *   external bytes ────────┴─▶ account.c ──▶ limit.c: collect, fail     pace.c: collect
 *
 * Threads: the account is atomic; the rest under the heap's lock.
 */
#ifndef GOO_GC_PRESSURE_H
#define GOO_GC_PRESSURE_H

#include <stdatomic.h>

#include "gc/vector.h"

/* --- owned blocks (gc/owned.h) --- */

typedef struct GooiOwnedTable {
    GooiVector records;    /* of GooiOwnedRecord */
    GooiVector allocators; /* of GooiOwnedAllocator; the first one is never used */
    uint32_t *by_owner;    /* `buckets` chains, by number of the record; a power of two or 0 */
    uint32_t *by_block;    /* the same, or NULL */
    size_t buckets;
    size_t counted_bytes;  /* what no attachment counts */
    size_t promised;       /* records that are about to be added */
    _Atomic size_t pending_bytes; /* external already, but not yet in the table */
    uint32_t last_allocator;
    bool settling;         /* blocks of dead owners are being freed */
} GooiOwnedTable;

/* --- what adaptive sizing measures (pace_adaptive.c) --- */

typedef struct GooiAdaptive {
    uint64_t begin_ns, end_ns; /* of the last collection */
    size_t growth;             /* in bytes, when it began */
    size_t base;               /* live and external bytes, when it ended */
    bool growing;              /* far more than after the one before */
    double allocation_rate, marking_rate; /* bytes a second; 0: not known yet */
} GooiAdaptive;

#define GOOI_GROWTH_MAX 1000.0 /* no growth_factor is greater */

/* --- prototypes, by the file that defines them --- */

/* account.c; false: hard limit */
bool gooi_account(GooGcHeap *heap, size_t bytes);
bool gooi_account_has_room(const GooGcHeap *heap, size_t bytes);
void gooi_account_over_limit(GooGcHeap *heap, size_t bytes);
void gooi_unaccount(GooGcHeap *heap, size_t bytes);
void gooi_account_settle(GooGcHeap *heap);
bool gooi_space_account(GooGcHeap *heap, size_t used, size_t metadata);
void gooi_space_unaccount(GooGcHeap *heap, size_t used, size_t metadata);

/* pressure.c */
void gooi_pressure_init(void);
void gooi_pressure_deinit(GooGcHeap *heap);
bool gooi_pressure_count(GooGcHeap *heap, size_t bytes); /* false: hard limit */
void gooi_pressure_discount(GooGcHeap *heap, size_t bytes);
void gooi_pressure_restore(GooGcHeap *heap, size_t bytes); /* of what is there: never refused */
bool gooi_pressure_settle_heap(GooGcHeap *heap);
bool gooi_pressure_is_attached(const GooGcHeap *heap, const GooAllocator *a);
bool gooi_pressure_is_sound(const GooGcHeap *heap); /* PRESS-1 */
void gooi_pressure_fork_begins(void);
void gooi_pressure_fork_ends(void);

/* owned.c, owned_table.c */
void gooi_owned_settle(GooGcHeap *heap);
void gooi_owned_deinit(GooGcHeap *heap);
/* OWN-1 … OWN-3: what is wrong, or NULL. */
const char *gooi_owned_fault(GooGcHeap *heap);

/* pace.c */
void gooi_pace_init(GooGcHeap *heap);
void gooi_pace_begin(GooGcHeap *heap);
void gooi_pace_update(GooGcHeap *heap);
void gooi_pace_set_target(GooGcHeap *heap);
bool gooi_pace_is_due(const GooGcHeap *heap);

/* pace_adaptive.c */
void gooi_adaptive_measure(GooGcHeap *heap);
double gooi_adaptive_headroom(const GooGcHeap *heap);

/* limit.c */
void gooi_limit_apply(GooGcHeap *heap);
void gooi_limit_read_container(GooGcHeap *heap, const char *root);
void gooi_limit_hit(GooGcHeap *heap);
size_t gooi_limit_use(const GooGcHeap *heap);
void gooi_limit_collected(GooGcHeap *heap, size_t before);
/* Whether a request that failed, after so many collections for it, is worth another one. */
bool gooi_limit_try_again(GooGcHeap *heap, unsigned collections);
/* Collects and gives back what is empty, so that a request of `bytes` that failed can be tried
 * again. False: no collection may run here, or it would be futile. */
bool gooi_collect_emergency(GooGcHeap *heap, size_t bytes);
/* The same for an object that a block will hold: empty blocks stay, as far as the limit allows. */
bool gooi_collect_for_block(GooGcHeap *heap, size_t bytes);

#endif
