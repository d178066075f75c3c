/* Marking by several threads: the pool of helpers, and handing work on (gc/team.h has the picture).
 *
 * The pool belongs to the process: heaps come and go by the thousand, threads should not. It ends
 * with the last heap. A helper's stack is its own; what it grows by counts for the heap that is
 * being marked, and goes back when the phase ends.
 *
 * Threads: any may begin a phase, for a heap whose world it has stopped.
 *
 * Source: work is shared by chunks on demand, after the observation of Endo, Taura and Yonezawa,
 * "A scalable mark-sweep garbage collector on large-scale shared-memory machines" (1997), that idle
 * markers, not full stacks, should cause it.
 */
#include "gc/team.h"

#include <string.h>

#include "gc/lock.h"
#include "gc/mark.h"
#include "runtime/globals.h"

#define GOOI_HELPER_STACK ((size_t)256 << 20) /* address space */
#define GOOI_GIVE_MIN 4       /* entries that are worth a chunk */
#define GOOI_GIVE_RANGE 512   /* words of a range from which it is worth two halves */
#define GOOI_GIVE_RUNS 64     /* a stack is dealt out in so many runs, or by single entries */
#define GOOI_CHUNK_WORTH 1024 /* objects that are */
#define GOOI_PATIENCE_MAX 4096
#define GOOI_SPINS 16         /* between two looks at the clock */
#define GOOI_SPIN_NS 50000    /* about what sleeping and being woken cost */
#define GOOI_ROUSED_NS 100000 /* a collection that has begun marks by then, or is a long one */

/* --- chunks --- */

/* How many entries `entry` and those above it make that belong together. */
static size_t team_unit(const uintptr_t *entry, const uintptr_t *top) {
    return top - entry > 1 && gooi_entry_is_range(entry[1]) ? 2 : 1;
}

static bool team_is_long_range(const uintptr_t *entry, const uintptr_t *top) {
    return team_unit(entry, top) == 2 &&
           entry[0] - entry[1] > GOOI_GIVE_RANGE * sizeof(GooiWord);
}

/* Leaves the lower half of a range, and writes the upper one to `upper`. */
static void team_halve_range(uintptr_t *range, uintptr_t *upper) {
    uintptr_t flags = range[1] & GOOI_ENTRY_RANGE_MASK;
    uintptr_t low = range[1] - flags, end = range[0];
    uintptr_t middle = low + (end - low) / 2 / sizeof(GooiWord) * sizeof(GooiWord);
    upper[0] = end;
    upper[1] = middle | flags;
    range[0] = middle;
}

/* Deals out the older part of the stack: a run of entries to the chunk, a run is kept, and so on,
 * and half of each long range. What is kept moves up to the rest. */
static void team_deal(GooGcVisitor *v, GooiChunk *chunk) {
    size_t run = 1 + (size_t)(v->top - v->stack) / GOOI_GIVE_RUNS;
    uintptr_t *from = v->stack, *kept = from, *given = chunk->entries;
    for (size_t turn = 0; from != v->top && given < chunk->entries + GOOI_CHUNK_ENTRIES; turn++) {
        size_t unit = team_unit(from, v->top);
        uintptr_t **to = turn / run % 2 == 0 ? &given : &kept;
        if (team_is_long_range(from, v->top)) {
            team_halve_range(from, given);
            given += 2;
            to = &kept;
        }
        memmove(*to, from, unit * sizeof *from);
        *to += unit;
        from += unit;
    }
    size_t kept_count = (size_t)(kept - v->stack);
    memmove(from - kept_count, v->stack, kept_count * sizeof *kept);
    v->stack = from - kept_count;
    chunk->count = (size_t)(given - chunk->entries);
    chunk->backwards = v->backwards;
}

static void team_wake(GooiMarkTeam *team) {
    if (team->sleepers != 0) {
        gooi_platform_condition_broadcast(&team->changed);
    }
}

/* Gives work to whoever waits for some, if there is enough and nobody else was faster. */
void gooi_team_give(GooGcVisitor *v) {
    GooiMarkTeam *team = v->team;
    if ((v->top - v->stack < GOOI_GIVE_MIN && !team_is_long_range(v->stack, v->top)) ||
        v->looks++ < team->patience) {
        return;
    }
    gooi_platform_mutex_lock(&team->lock);
    if (gooi_team_is_hungry(team) && team->chunk_count < GOOI_CHUNKS) {
        team_deal(v, &team->chunks[team->chunk_count]);
        v->looks = 0;
        team->chunk_count++;
        team_wake(team);
    }
    gooi_platform_mutex_unlock(&team->lock);
}

/* An empty stack begins at its bottom again; the heap goes on as the giver saw it. */
static void team_take_chunk(GooGcVisitor *v) {
    GooiMarkTeam *team = v->team;
    const GooiChunk *chunk = &team->chunks[--team->chunk_count];
    v->stack = v->memory->entries;
    memcpy(v->stack, chunk->entries, chunk->count * sizeof *v->stack);
    v->top = v->stack + chunk->count;
    v->backwards = chunk->backwards;
    v->objects_before = v->objects;
}

/* What the last chunk led to says how soon the next one is worth it. */
static void team_learn(GooGcVisitor *v) {
    GooiMarkTeam *team = v->team;
    uint32_t patience = team->patience;
    if (v->objects - v->objects_before >= GOOI_CHUNK_WORTH) {
        team->patience = patience / 2;
    } else if (patience < GOOI_PATIENCE_MAX) {
        team->patience = patience * 2 + 1;
    }
}

/* Waits without the lock until a chunk or the phase's end is there, or the time is over. */
static void team_spin(const GooiMarkTeam *team, uint64_t phase, uint64_t ns) {
    uint64_t end = gooi_platform_time_ns() + ns;
    do {
        for (int i = 0; i < GOOI_SPINS; i++) {
            if (atomic_load_explicit(&team->chunk_count, memory_order_relaxed) != 0 ||
                atomic_load_explicit(&team->phase, memory_order_relaxed) != phase) {
                return;
            }
            GOOI_PAUSE();
        }
    } while (gooi_platform_time_ns() < end);
}

static void team_sleep(GooiMarkTeam *team) {
    team->sleepers++;
    gooi_platform_condition_wait(&team->changed, &team->lock);
    team->sleepers--;
}

/* Work for a marker that has none. False: the phase is over. */
bool gooi_team_take(GooGcVisitor *v) {
    GooiMarkTeam *team = v->team;
    bool spun = false;
    gooi_platform_mutex_lock(&team->lock);
    if (v->chunks != 0) {
        team_learn(v);
    }
    team->objects += v->objects; /* of a marker that is not idle it has its own */
    v->objects = 0;
    team->idle++;
    while (team->phase == v->phase && team->chunk_count == 0) {
        if (team->idle == team->members) {
            team->phase++; /* TEAM-1 */
            team_wake(team);
        } else if (team->spins && !spun) {
            spun = true;
            gooi_platform_mutex_unlock(&team->lock);
            team_spin(team, v->phase, GOOI_SPIN_NS);
            gooi_platform_mutex_lock(&team->lock);
        } else {
            team_sleep(team);
        }
    }
    bool taken = team->phase == v->phase;
    if (taken) {
        team->idle--;
        v->chunks++;
        team_take_chunk(v);
    }
    gooi_platform_mutex_unlock(&team->lock);
    return taken;
}

/* --- helpers --- */

/* Under the lock, which is given up meanwhile. */
static void team_help(GooiMarkTeam *team, GooiHelper *helper) {
    GooGcVisitor visitor;
    gooi_visitor_init(&visitor, team->heap, &helper->stack); /* the heap's own may be growing */
    visitor.team = team;
    visitor.phase = team->phase;
    team->wanted--;
    team->members++;
    gooi_helped_heap = team->heap;
    gooi_platform_mutex_unlock(&team->lock);
    gooi_mark_drain_shared(&visitor);
    gooi_helped_heap = NULL;
    gooi_platform_mutex_lock(&team->lock);
}

/* Under the lock, which is given up meanwhile: a collection has begun and will mark soon, unless it
 * has by now. */
static void team_await(GooiMarkTeam *team) {
    uint64_t phase = team->phase;
    if (phase == team->roused_phase) {
        gooi_platform_mutex_unlock(&team->lock);
        team_spin(team, phase, GOOI_ROUSED_NS);
        gooi_platform_mutex_lock(&team->lock);
    }
}

static void team_helper_main(void *arg) {
    GooiHelper *helper = arg;
    GooiMarkTeam *team = gooi_mark_team;
    uint64_t seen = 0, roused = 0;
    gooi_platform_mutex_lock(&team->lock);
    while (!team->stop) {
        if (team->phase % 2 == 1 && team->phase != seen && team->wanted != 0) {
            seen = team->phase;
            team_help(team, helper);
        } else if (roused != team->roused) {
            roused = team->roused;
            team_await(team);
        } else {
            team_sleep(team);
        }
    }
    gooi_platform_mutex_unlock(&team->lock);
}

static bool team_add_helper(GooiMarkTeam *team) {
    GooiHelper *helper = &team->helpers[team->helper_count];
    uintptr_t *entries = gooi_platform_reserve(GOOI_HELPER_STACK, gooi_platform_page_size());
    if (entries == NULL) {
        return false;
    }
    helper->stack = (GooiMarkStack){.entries = entries,
                                    .committed = GOOI_MARK_STACK_MIN,
                                    .reserved = GOOI_HELPER_STACK};
    if (!gooi_platform_commit(entries, GOOI_MARK_STACK_MIN) ||
        !gooi_platform_thread_start(&helper->thread, team_helper_main, helper)) {
        gooi_platform_release(entries, GOOI_HELPER_STACK);
        return false;
    }
    team->helper_count++;
    return true;
}

/* --- phases --- */

/* What marking may have to go through: a large heap with little in it is marked before help comes.
 * Live bytes seldom grow to more than twice as much from one collection to the next. */
static size_t team_expected_bytes(const GooGcHeap *heap) {
    bool known = heap->stats.collections_full != 0 && heap->live_bytes < heap->used_bytes / 2;
    return known ? 2 * heap->live_bytes : heap->used_bytes;
}

/* How many helpers so many bytes of the heap are worth: none that would have no core to run on. */
static uint32_t team_wanted(const GooGcHeap *heap, size_t bytes) {
    uint32_t cores = gooi_platform_core_count(), markers = heap->options.marker_threads;
    if (bytes < heap->team_heap_min) {
        return 0;
    }
    if (markers == 0 || (markers > cores && heap->team_heap_min != 0)) {
        markers = cores;
    }
    return (markers < GOOI_TEAM_MAX ? markers : GOOI_TEAM_MAX) - 1;
}

/* A collection begins: helpers wake up while it prepares. Not worth it where that would take the
 * core on which it does. */
void gooi_team_rouse(const GooGcHeap *heap) {
    GooiMarkTeam *team = gooi_mark_team;
    uint32_t wanted = team_wanted(heap, team_expected_bytes(heap));
    if (wanted != 0 && wanted < gooi_platform_core_count()) {
        gooi_platform_mutex_lock(&team->lock);
        if (team->phase % 2 == 0) {
            team->roused++;
            team->roused_phase = team->phase;
            team_wake(team);
        }
        gooi_platform_mutex_unlock(&team->lock);
    }
}

static void team_begin(GooiMarkTeam *team, GooGcVisitor *v, uint32_t helpers) {
    gooi_platform_mutex_lock(&team->lock);
    team->heap = v->heap;
    team->wanted = helpers;
    team->members = 1;
    team->idle = 0;
    team->chunk_count = 0;
    team->patience = 0;
    team->objects = 0;
    team->spins = helpers < gooi_platform_core_count();
    team->phase++;
    v->team = team;
    v->phase = team->phase;
    team_wake(team);
    gooi_platform_mutex_unlock(&team->lock);
}

/* Helpers may still be asleep in the phase that is over, but have nothing of the heap in hand; what
 * their stacks grew by goes back here. */
static void team_end(GooiMarkTeam *team, GooGcVisitor *v) {
    gooi_platform_mutex_lock(&team->lock);
    v->objects = team->objects;
    v->helped |= team->members > 1;
    for (uint32_t i = 0; i < team->helper_count; i++) {
        gooi_mark_stack_shrink(v->heap, &team->helpers[i].stack);
    }
    gooi_platform_mutex_unlock(&team->lock);
    v->team = NULL;
}

/* From here on others help to drain the visitor's stack, which may be in the middle of that, until
 * gooi_team_leave: then it has shown to be long. False: there is no help to be had. */
bool gooi_team_join(GooGcVisitor *v) {
    GooiMarkTeam *team = gooi_mark_team;
    size_t bytes = v->alone != 0 ? v->heap->used_bytes : team_expected_bytes(v->heap);
    uint32_t wanted = team_wanted(v->heap, bytes);
    bool has_room = v->memory->committed >= sizeof(GooiChunk); /* for what others give */
    if (wanted == 0 || !has_room || !gooi_platform_mutex_try_lock(&team->use)) {
        return false;
    }
    while (team->helper_count < wanted && team_add_helper(team)) {
    }
    if (team->helper_count == 0) {
        gooi_platform_mutex_unlock(&team->use);
        return false;
    }
    team_begin(team, v, wanted);
    return true;
}

/* The phase is over. */
void gooi_team_leave(GooGcVisitor *v) {
    GooiMarkTeam *team = v->team;
    team_end(team, v);
    gooi_platform_mutex_unlock(&team->use);
}

/* --- beginning and end --- */

/* The first heap is being made; under the lock of the list of heaps. False: no memory. */
bool gooi_team_init(void) {
    if (gooi_mark_team != NULL) {
        return true;
    }
    GooAllocator *side = &gooi_system_allocator;
    GooiMarkTeam *team = side->alloc(side->context, sizeof *team, _Alignof(GooiMarkTeam), 0);
    if (team == NULL) {
        return false;
    }
    memset(team, 0, offsetof(GooiMarkTeam, chunks)); /* whose memory is used when helpers are */
    gooi_platform_mutex_init(&team->use);
    gooi_platform_mutex_init(&team->lock);
    gooi_platform_condition_init(&team->changed);
    gooi_mark_team = team;
    return true;
}

/* The last heap is gone; under the same lock. */
void gooi_team_disband(void) {
    GooiMarkTeam *team = gooi_mark_team;
    gooi_platform_mutex_lock(&team->lock);
    team->stop = true;
    gooi_platform_condition_broadcast(&team->changed);
    gooi_platform_mutex_unlock(&team->lock);
    for (uint32_t i = 0; i < team->helper_count; i++) {
        gooi_platform_thread_join(&team->helpers[i].thread);
        gooi_platform_release(team->helpers[i].stack.entries, team->helpers[i].stack.reserved);
    }
    gooi_platform_condition_deinit(&team->changed);
    gooi_platform_mutex_deinit(&team->lock);
    gooi_platform_mutex_deinit(&team->use);
    gooi_system_allocator.free(gooi_system_allocator.context, team, sizeof *team,
                               _Alignof(GooiMarkTeam));
    gooi_mark_team = NULL;
}

/* A fork waits for a phase to end; the child has no helpers, and their stacks are given back. */
void gooi_team_fork_begins(void) {
    if (gooi_mark_team != NULL) {
        gooi_platform_mutex_lock(&gooi_mark_team->use);
        gooi_platform_mutex_lock(&gooi_mark_team->lock);
    }
}

void gooi_team_fork_ends(bool in_child) {
    GooiMarkTeam *team = gooi_mark_team;
    if (team == NULL) {
        return;
    }
    for (; in_child && team->helper_count != 0; team->helper_count--) {
        const GooiMarkStack *stack = &team->helpers[team->helper_count - 1].stack;
        gooi_platform_release(stack->entries, stack->reserved);
    }
    if (in_child) {
        team->sleepers = 0;
        gooi_platform_condition_init(&team->changed);
    }
    gooi_platform_mutex_unlock(&team->lock);
    gooi_platform_mutex_unlock(&team->use);
}
