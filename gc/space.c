/* The heap's address space: one reservation, cut into 4 MiB slabs that are committed in order.
 *
 *   | directory | regions | mark stack |      | slab 0 | slab 1 | … | slab slab_limit - 1 |
 *    side part of the reservation              heap->base, aligned to a slab
 *
 * The directory says of each slab what it is, so that an address is looked up without touching a
 * slab. Small heaps live in 4 KiB pages; once a heap uses GOOI_HUGE_PAGES_FROM bytes, new slabs are
 * advised for huge pages: fresh memory is then several times cheaper (gc/README.md has figures).
 *
 * SPACE-1  slabs [0, slab_count) are committed; a free slab among them reads zero.
 * SPACE-2  used_bytes counts blocks and pages that were written since they were last clean, and
 *          metadata_bytes the tables that go with them; their sum with external_bytes never exceeds
 *          the hard limit because of a call of this file.
 *
 * Where the wanted address space can't be had (a limit on it, a small machine) half is tried, and
 * so on down to 64 MiB. Left out: growing into a second reservation.
 */
#include <string.h>

#include "gc/heap.h"
#include "runtime/bits.h"
#include "runtime/budget.h"
#include "runtime/globals.h"
#include "runtime/platform/platform.h"

#define GOOI_RESERVE_MIN ((size_t)64 << 20)
#define GOOI_RESERVE_MANY ((size_t)8 << 30)  /* when a process has many heaps */
#define GOOI_RESERVE_MAX ((size_t)48 << 30) /* 32 bits number a heap's granules (intern.c) */
#define GOOI_HEAPS_MANY 256
#define GOOI_HUGE_PAGES_FROM ((size_t)3 << 20)

/* Twice the memory there is, so that fragmentation never runs out of addresses first; less when
 * there are so many heaps that address space itself could run out (47 bits hold 128 TiB). */
static size_t space_choose_reserve(const GooGcHeap *heap) {
    const GooGcOptions *o = &heap->options;
    if (o->reserve_bytes != 0) {
        return o->reserve_bytes < GOOI_SLAB_SIZE ? GOOI_SLAB_SIZE : o->reserve_bytes;
    }
    if (sizeof(void *) < 8) {
        return GOOI_RESERVE_MIN;
    }
    uint64_t memory = gooi_platform_physical_memory();
    size_t wanted = memory == 0 || memory > GOOI_RESERVE_MAX / 2 ? GOOI_RESERVE_MAX
                                                                 : (size_t)memory * 2;
    if (wanted < GOOI_RESERVE_MIN) {
        wanted = GOOI_RESERVE_MIN;
    }
    if (gooi_heap_count >= GOOI_HEAPS_MANY && wanted > GOOI_RESERVE_MANY) {
        wanted = GOOI_RESERVE_MANY;
    }
    return wanted;
}

typedef struct SpaceSides {
    size_t directory, regions, stack, total;
} SpaceSides;

/* The mark stack may grow to 1/64 of the reservation; what it can't hold is traced again. */
static SpaceSides space_side_sizes(size_t reserve) {
    size_t page = gooi_platform_page_size();
    SpaceSides s;
    s.directory = gooi_align_up((reserve >> GOOI_SLAB_LOG2) * sizeof(GooiSlabEntry), page);
    s.regions = gooi_align_up(2 * sizeof(GooiRegion), page);
    s.stack = gooi_align_up(reserve / 64, page);
    s.total = gooi_align_up(s.directory + s.regions + s.stack, GOOI_SLAB_SIZE);
    return s;
}

static bool space_reserve(GooGcHeap *heap, size_t reserve) {
    SpaceSides sides = space_side_sizes(reserve);
    size_t total;
    if (gooi_add_overflows(reserve, sides.total, &total)) {
        return false;
    }
    char *start = gooi_platform_reserve(total, GOOI_SLAB_SIZE);
    if (start == NULL) {
        return false;
    }
    if (!gooi_platform_commit(start, sides.directory + sides.regions)) {
        gooi_platform_release(start, total);
        return false;
    }
    heap->reservation = start;
    heap->reservation_size = total;
    heap->slabs = (GooiSlabEntry *)(void *)start;
    heap->first_regions = (GooiRegion *)(void *)(start + sides.directory);
    heap->mark_stack.entries = (uintptr_t *)(void *)(start + sides.directory + sides.regions);
    heap->mark_stack.reserved = sides.stack;
    heap->base = (uintptr_t)start + sides.total;
    heap->size = reserve;
    heap->slab_limit = (uint32_t)(reserve >> GOOI_SLAB_LOG2);
    return true;
}

bool gooi_space_init(GooGcHeap *heap) {
    size_t reserve = space_choose_reserve(heap);
    if (gooi_align_up_overflows(reserve, GOOI_SLAB_SIZE, &reserve)) {
        reserve = SIZE_MAX - GOOI_SLAB_MASK; /* nobody has that much: half is tried, and so on */
    }
    while (!space_reserve(heap, reserve)) {
        if (reserve <= GOOI_RESERVE_MIN) {
            return false;
        }
        reserve = gooi_align_up(reserve / 2, GOOI_SLAB_SIZE);
    }
    gooi_heap_count++;
    return true;
}

void gooi_space_deinit(GooGcHeap *heap) {
    gooi_platform_release(heap->reservation, heap->reservation_size);
    gooi_limit_give_back(heap->used_bytes + heap->metadata_bytes);
    atomic_fetch_sub(&gooi_heaps_accounted, gooi_accounted(heap));
    atomic_fetch_sub(&gooi_heaps_external, heap->external_bytes);
    gooi_heap_count--;
}

/* Zeroes what is about to be handed out. Apart from its callers, because a compiler that knows the
 * size to be small puts a string instruction in the place of the call, which takes longer to start
 * than the library's loop takes in all. */
void gooi_space_zero(uintptr_t start, size_t size) {
    memset((void *)start, 0, size);
}

/* The first of `count` neighbouring free slabs, committed ones first; slab_limit if none are. */
static uint32_t space_find_free(const GooGcHeap *heap, uint32_t count) {
    uint32_t run = 0;
    for (uint32_t i = 0; i < heap->slab_limit; i++) {
        run = i >= heap->slab_count || heap->slabs[i].kind == GOOI_SLAB_FREE ? run + 1 : 0;
        if (run == count) {
            return i + 1 - count;
        }
    }
    return heap->slab_limit;
}

static bool space_commit_to(GooGcHeap *heap, uint32_t end) {
    if (end <= heap->slab_count) {
        return true;
    }
    char *start = (char *)gooi_slab_address(heap, heap->slab_count);
    size_t size = (size_t)(end - heap->slab_count) << GOOI_SLAB_LOG2;
    if (!gooi_platform_commit(start, size)) {
        return false;
    }
    heap->slab_count = end;
    return true;
}

/* Makes `count` neighbouring slabs of one kind; more than one only for a huge object. NULL when
 * address space, memory or the hard limit is exhausted. */
GooiSlab *gooi_slab_acquire(GooGcHeap *heap, uint32_t count, uint32_t kind) {
    uint32_t first = space_find_free(heap, count);
    if (first == heap->slab_limit || !gooi_space_account(heap, 0, sizeof(GooiSlab))) {
        return NULL;
    }
    if (!space_commit_to(heap, first + count)) {
        gooi_space_unaccount(heap, 0, sizeof(GooiSlab));
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        heap->slabs[first + i].kind = i == 0 ? kind : GOOI_SLAB_HUGE_TAIL;
        heap->slabs[first + i].head = first;
    }
    GooiSlab *slab = (GooiSlab *)gooi_slab_address(heap, first);
    bool huge_pages = count > 1 || heap->used_bytes >= GOOI_HUGE_PAGES_FROM;
    if (huge_pages) {
        gooi_platform_advise_huge(slab, (size_t)count << GOOI_SLAB_LOG2);
    }
    slab->index = first;
    slab->kind = kind;
    slab->huge_pages = huge_pages;
    for (size_t b = 0; b < GOOI_SLAB_BLOCKS; b++) {
        slab->blocks[b].clean = true; /* and FREE, which is 0 */
    }
    return slab;
}

/* Gives slabs back; whoever held them has taken their blocks and pages off the account. They read
 * zero again, so that they can serve as any kind (SPACE-1). */
void gooi_slab_release(GooGcHeap *heap, uint32_t first, uint32_t count) {
    char *start = (char *)gooi_slab_address(heap, first);
    size_t size = (size_t)count << GOOI_SLAB_LOG2;
    if (!gooi_platform_discard(start, size)) {
        memset(start, 0, size);
    }
    for (uint32_t i = first; i < first + count; i++) {
        heap->slabs[i] = (GooiSlabEntry){0};
    }
    gooi_space_unaccount(heap, 0, sizeof(GooiSlab));
}
