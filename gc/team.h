/* Marking by several threads: who shares what with whom. Private to gc/.
 *
 * The collecting thread marks with its own visitor; threads of one pool for the process, made when
 * the first heap is large enough to want them, help with a visitor each. Work stays on a marker's
 * own stack. One that runs dry says so by a counter; a marker that still has work sees that at one
 * of its looks (mark_mode.c) and deals out its stack: every other run of its older entries, and
 * half of each long range, become a chunk. Entries of the same age lead to parts of about the same
 * size, so both go on with about half of what was left, and seldom meet again.
 *
 *   marker: stack ──half of each level──▶ chunk ──▶ shared chunks ──▶ an idle marker's stack
 *
 *   helper: asleep ──roused (a collection begins)──▶ spins ──phase begins──▶ marks ──▶ asleep
 *
 * Marks are plain byte stores of the same value, so that two markers which meet at one object both
 * trace it, which is harmless; only the number of objects is counted anew afterwards.
 *
 * A chunk costs both sides a microsecond or two. Where chunks lead to little, as in a heap of
 * chains with twigs, markers learn to wait before they give the next one; where they lead to much
 * they give at the first look. Waking a thread takes 10 to 100 µs, ten of them of the waker's time:
 * helpers are woken while the collection prepares, and who waits spins for about as long first,
 * where there is a core for each marker.
 *
 * A phase begins with a marking that is expected to be long, or in the middle of one that shows to
 * be (mark.c: gooi_mark_drain).
 *
 * TEAM-1  a phase ends when all its members are idle and no chunk is left: no work exists then, and
 *         nobody touches the heap any more, whether or not the others have noticed yet.
 * TEAM-2  what was on the giver's stack is afterwards on its stack or in the chunk, once: an entry
 *         in one of them, a range in one of them or half in each, and no range's two entries apart.
 * TEAM-3  one heap at a time has helpers; another that collects meanwhile marks alone.
 *         A heap has no more markers than the collecting thread may use cores.
 * TEAM-4  a helper touches a heap only as a member of its phase; one that was roused and finds no
 *         phase sleeps again after GOOI_ROUSED_NS. So a collection may rouse and not mark.
 */
#ifndef GOO_GC_TEAM_H
#define GOO_GC_TEAM_H

#include "gc/heap.h"

#define GOOI_TEAM_MAX 8 /* markers, the collecting thread included */
#define GOOI_CHUNK_ENTRIES 512
#define GOOI_CHUNKS 16

typedef struct GooiChunk {
    size_t count;
    bool backwards;                            /* how the giver went about it */
    uintptr_t entries[GOOI_CHUNK_ENTRIES + 1]; /* one more where the last is a range */
} GooiChunk;

typedef struct GooiHelper {
    GooiPlatformThread thread;
    GooiMarkStack stack;
} GooiHelper;

struct GooiMarkTeam {
    GooiPlatformMutex use; /* for the length of a phase, or of a change of the pool (TEAM-3) */
    GooiPlatformMutex lock; /* of everything below */
    GooiPlatformCondition changed;
    GooiHelper helpers[GOOI_TEAM_MAX - 1];
    uint32_t helper_count;
    bool stop;
    /* the phase */
    _Atomic uint64_t phase; /* even between phases */
    GooGcHeap *heap;
    uint32_t wanted;        /* helpers that may still join */
    uint32_t members;       /* markers at work, or waiting for some */
    _Atomic uint32_t idle;
    _Atomic uint32_t chunk_count;
    _Atomic uint32_t patience; /* looks between two chunks of one giver */
    uint32_t sleepers;
    uint64_t roused, roused_phase; /* collections that began; between which phases the last did */
    bool spins;             /* there is a core for every marker: waiting may burn some of it */
    size_t objects;         /* marked by helpers */
    GooiChunk chunks[GOOI_CHUNKS];
};

void gooi_team_give(GooGcVisitor *v);
bool gooi_team_take(GooGcVisitor *v);

/* Whether an idle marker could use what this one has. */
static inline bool gooi_team_is_hungry(const GooiMarkTeam *team) {
    return atomic_load_explicit(&team->idle, memory_order_relaxed) >
           atomic_load_explicit(&team->chunk_count, memory_order_relaxed);
}

#endif
