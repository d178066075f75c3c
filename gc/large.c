/* Large objects: above GOOI_SMALL_MAX, in runs of 4 KiB pages of slabs of their own.
 *
 * A slab of large objects holds many runs; their sizes and the way from any page to its run's first
 * page stand in the slab's header. An object that does not fit one slab takes several neighbouring
 * ones (HUGE): it starts behind the first one's table and runs on through slabs that have none,
 * whose entries in the directory lead back to the first. The object's metadata byte is where every
 * object's is, so that marking need not ask what it has before it.
 *
 * LARGE-1  run_size is non-zero for a run's first page only; run_first leads every used page there.
 * LARGE-2  free pages that touched_map lacks read zero; the others may hold anything.
 * LARGE-3  used_bytes counts the pages of touched_map.
 * LARGE-4  the directory's `head` of such a slab is at least the length of its longest free run, so
 *          that slabs which can't help are passed over without a look at them.
 *
 * Dead ones are found right after marking, by asking each: there is one for every 8 KiB at most.
 */
#include <string.h>

#include "gc/heap.h"
#include "runtime/bits.h"
#include "runtime/platform/platform.h"

#define GOOI_LARGE_PAGES (GOOI_SLAB_PAGES - GOOI_FIRST_PAGE) /* that a slab can give */

static size_t large_pages_of(size_t size) {
    return (size + GOOI_PAGE_SIZE - 1) >> GOOI_PAGE_LOG2;
}

static bool large_bit(const uint64_t *map, size_t page) {
    return (map[page / 64] >> (page % 64) & 1) != 0;
}

static void large_set_bits(uint64_t *map, size_t first, size_t pages, bool set) {
    for (size_t p = first; p < first + pages; p++) {
        uint64_t bit = (uint64_t)1 << (p % 64);
        map[p / 64] = set ? map[p / 64] | bit : map[p / 64] & ~bit;
    }
}

static void large_set_used(GooiSlab *slab, size_t first, size_t pages, bool used) {
    large_set_bits(slab->page_map, first, pages, used);
    for (size_t p = first; p < first + pages; p++) {
        slab->run_first[p] = used ? (uint16_t)first : 0;
    }
    slab->idle_ticks = 0;
    slab->pages_used = (uint32_t)(used ? slab->pages_used + pages : slab->pages_used - pages);
}

/* The first run of `pages` free pages, or 0. */
static size_t large_find_run(const GooiSlab *slab, size_t pages) {
    size_t run = 0;
    for (size_t p = GOOI_FIRST_PAGE; p < GOOI_SLAB_PAGES; p++) {
        if (p % 64 == 0 && slab->page_map[p / 64] == UINT64_MAX) {
            run = 0;
            p += 63;
            continue;
        }
        run = large_bit(slab->page_map, p) ? 0 : run + 1;
        if (run == pages) {
            return p + 1 - pages;
        }
    }
    return 0;
}

/* Pages that were touched before are zeroed; the others are counted. False: the hard limit. */
static bool large_ready_pages(GooGcHeap *heap, GooiSlab *slab, size_t first, size_t pages) {
    size_t fresh = 0;
    for (size_t p = first; p < first + pages; p++) {
        fresh += !large_bit(slab->touched_map, p);
    }
    if (!gooi_space_account(heap, fresh << GOOI_PAGE_LOG2, 0)) {
        return false;
    }
    for (size_t p = first; fresh != pages && p < first + pages; p++) {
        if (large_bit(slab->touched_map, p)) {
            memset((char *)slab + (p << GOOI_PAGE_LOG2), 0, GOOI_PAGE_SIZE);
        }
    }
    large_set_bits(slab->touched_map, first, pages, true);
    return true;
}

static void *large_place(GooiSlab *slab, size_t page, size_t size, unsigned metadata) {
    uintptr_t object = (uintptr_t)slab + (page << GOOI_PAGE_LOG2);
    slab->run_size[page] = gooi_align_up(size, GOOI_GRANULE_SIZE);
    *gooi_metadata_of(object) = (uint8_t)(metadata | GOO_GC_COLOUR_YOUNG | GOO_GC_END);
    return (void *)object;
}

static void *large_alloc_in(GooGcHeap *heap, GooiSlab *slab, size_t size, unsigned metadata) {
    size_t pages = large_pages_of(size);
    size_t first = large_find_run(slab, pages);
    if (first == 0) {
        heap->slabs[slab->index].head = (uint32_t)(pages - 1);
        return NULL;
    }
    if (!large_ready_pages(heap, slab, first, pages)) {
        return NULL;
    }
    large_set_used(slab, first, pages, true);
    return large_place(slab, first, size, metadata);
}

static void *large_alloc_run(GooGcHeap *heap, size_t size, unsigned metadata) {
    size_t pages = large_pages_of(size);
    for (uint32_t i = 0; i < heap->slab_count; i++) {
        if (heap->slabs[i].kind == GOOI_SLAB_LARGE && heap->slabs[i].head >= pages) {
            GooiSlab *slab = (GooiSlab *)gooi_slab_address(heap, i);
            void *object = large_alloc_in(heap, slab, size, metadata);
            if (object != NULL) {
                return object;
            }
        }
    }
    GooiSlab *slab = gooi_slab_acquire(heap, 1, GOOI_SLAB_LARGE);
    if (slab == NULL) {
        return NULL;
    }
    heap->slabs[slab->index].head = GOOI_LARGE_PAGES;
    void *object = large_alloc_in(heap, slab, size, metadata);
    if (object == NULL) {
        gooi_slab_release(heap, slab->index, 1);
    }
    return object;
}

static void *large_alloc_huge(GooGcHeap *heap, size_t size, unsigned metadata) {
    size_t bytes;
    if (gooi_add_overflows(size, GOOI_TABLE_SIZE + GOOI_SLAB_SIZE - 1, &bytes) ||
        bytes > heap->size) {
        return NULL;
    }
    uint32_t count = (uint32_t)(bytes >> GOOI_SLAB_LOG2);
    GooiSlab *slab = gooi_slab_acquire(heap, count, GOOI_SLAB_HUGE);
    if (slab == NULL) {
        return NULL;
    }
    if (!gooi_space_account(heap, large_pages_of(size) << GOOI_PAGE_LOG2, 0)) {
        gooi_slab_release(heap, slab->index, count);
        return NULL;
    }
    return large_place(slab, GOOI_FIRST_PAGE, size, metadata);
}

/* A zeroed object of more than GOOI_SMALL_MAX bytes, or NULL. */
void *gooi_large_alloc(GooGcHeap *heap, size_t size, unsigned metadata) {
    if (size > heap->size) {
        return NULL;
    }
    void *object = large_pages_of(size) <= GOOI_LARGE_PAGES
                       ? large_alloc_run(heap, size, metadata)
                       : large_alloc_huge(heap, size, metadata);
    if (object != NULL) {
        gooi_account_settle(heap);
        heap->since_bytes += gooi_align_up(size, GOOI_GRANULE_SIZE);
        heap->stats.allocated_objects++;
    }
    return object;
}

static size_t large_touched_bytes(const GooiSlab *slab) {
    size_t pages = 0;
    for (size_t i = 0; i < GOOI_COUNT(slab->touched_map); i++) {
        pages += gooi_count_ones(slab->touched_map[i]);
    }
    return pages << GOOI_PAGE_LOG2;
}

static void large_free_slab(GooGcHeap *heap, GooiSlab *slab) {
    gooi_space_unaccount(heap, large_touched_bytes(slab), 0);
    gooi_slab_release(heap, slab->index, 1);
}

static bool large_is_dead(const GooGcHeap *heap, uintptr_t object) {
    return (*gooi_metadata_of(object) & GOO_GC_COLOUR_MASK) != heap->colour;
}

/* Returns the bytes of the slab's living objects. */
static size_t large_sweep_slab(GooGcHeap *heap, GooiSlab *slab) {
    size_t live = 0;
    for (size_t p = GOOI_FIRST_PAGE; p < GOOI_SLAB_PAGES;) {
        size_t size = (size_t)slab->run_size[p];
        size_t pages = size == 0 ? 1 : large_pages_of(size);
        uintptr_t object = (uintptr_t)slab + (p << GOOI_PAGE_LOG2);
        if (size != 0 && large_is_dead(heap, object)) {
            *gooi_metadata_of(object) = 0;
            slab->run_size[p] = 0;
            large_set_used(slab, p, pages, false);
            heap->slabs[slab->index].head = GOOI_LARGE_PAGES;
            if (heap->options.poison) {
                memset((void *)object, 0xDB, size);
            }
        } else {
            live += size;
        }
        p += pages;
    }
    return live;
}

static size_t large_sweep_huge(GooGcHeap *heap, GooiSlab *slab) {
    uintptr_t object = (uintptr_t)slab + GOOI_TABLE_SIZE;
    size_t size = (size_t)slab->run_size[GOOI_FIRST_PAGE];
    if (large_is_dead(heap, object)) {
        gooi_space_unaccount(heap, large_pages_of(size) << GOOI_PAGE_LOG2, 0);
        uint32_t count =
            (uint32_t)((size + GOOI_TABLE_SIZE + GOOI_SLAB_SIZE - 1) >> GOOI_SLAB_LOG2);
        gooi_slab_release(heap, slab->index, count);
        return 0;
    }
    return size;
}

/* Frees the large objects that marking did not reach, and returns the bytes of the others. One
 * empty slab is kept, so that a program whose only large object comes and goes does not fault its
 * pages in again each time. */
size_t gooi_large_sweep(GooGcHeap *heap) {
    bool one_kept = false;
    size_t live = 0;
    for (uint32_t i = 0; i < heap->slab_count; i++) {
        GooiSlab *slab = (GooiSlab *)gooi_slab_address(heap, i);
        if (heap->slabs[i].kind == GOOI_SLAB_LARGE) {
            live += large_sweep_slab(heap, slab);
            if (slab->pages_used == 0 && one_kept) {
                large_free_slab(heap, slab);
            }
            one_kept |= heap->slabs[i].kind == GOOI_SLAB_LARGE && slab->pages_used == 0;
        } else if (heap->slabs[i].kind == GOOI_SLAB_HUGE) {
            live += large_sweep_huge(heap, slab);
        }
    }
    return live;
}

size_t gooi_large_count_marked(const GooGcHeap *heap) {
    size_t count = 0;
    for (uint32_t i = 0; i < heap->slab_count; i++) {
        uint32_t kind = heap->slabs[i].kind;
        const GooiSlab *slab = (const GooiSlab *)gooi_slab_address(heap, i);
        size_t end = kind == GOOI_SLAB_LARGE  ? GOOI_SLAB_PAGES
                     : kind == GOOI_SLAB_HUGE ? GOOI_FIRST_PAGE + 1
                                              : GOOI_FIRST_PAGE;
        for (size_t p = GOOI_FIRST_PAGE; p < end; p++) {
            uintptr_t object = (uintptr_t)slab + (p << GOOI_PAGE_LOG2);
            count += slab->run_size[p] != 0 && !large_is_dead(heap, object);
        }
    }
    return count;
}

/* Gives pages [first, end) back, as far as they make up whole pages of the OS; the bytes. */
static size_t large_discard(GooGcHeap *heap, GooiSlab *slab, size_t first, size_t end) {
    size_t unit = gooi_platform_page_size() >> GOOI_PAGE_LOG2;
    if (unit > 1) {
        first = gooi_align_up(first, unit);
        end = gooi_align_down(end, unit);
    }
    size_t bytes = first < end ? (end - first) << GOOI_PAGE_LOG2 : 0;
    if (bytes == 0 ||
        !gooi_platform_discard((char *)slab + (first << GOOI_PAGE_LOG2), bytes)) {
        return 0;
    }
    large_set_bits(slab->touched_map, first, end - first, false);
    gooi_space_unaccount(heap, bytes, 0);
    return bytes;
}

/* Gives the free pages of a slab back that were touched; the bytes. */
static size_t large_release_pages(GooGcHeap *heap, GooiSlab *slab) {
    size_t released = 0;
    for (size_t p = GOOI_FIRST_PAGE; p < GOOI_SLAB_PAGES; p++) {
        size_t end = p;
        while (end < GOOI_SLAB_PAGES && large_bit(slab->touched_map, end) &&
               !large_bit(slab->page_map, end)) {
            end++;
        }
        released += large_discard(heap, slab, p, end);
        p = end; /* which is no such page */
    }
    return released;
}

static size_t large_release_slab(GooGcHeap *heap, GooiSlab *slab) {
    if (slab->pages_used != 0) {
        return large_release_pages(heap, slab);
    }
    size_t released = large_touched_bytes(slab);
    large_free_slab(heap, slab);
    return released;
}

/* Slabs have aged by `ticks`: of those in which nothing happened for long enough, gives free pages,
 * or all if there are no objects, back to the OS, until `most` bytes are; the bytes. */
size_t gooi_large_release_idle(GooGcHeap *heap, uint8_t ticks, size_t most) {
    size_t released = 0;
    for (uint32_t i = 0; i < heap->slab_count; i++) {
        GooiSlab *slab = (GooiSlab *)gooi_slab_address(heap, i);
        if (heap->slabs[i].kind != GOOI_SLAB_LARGE) {
            continue;
        }
        if (slab->idle_ticks < GOOI_DECAY_TICKS) {
            slab->idle_ticks = (uint8_t)(slab->idle_ticks + ticks);
        }
        if (slab->idle_ticks >= GOOI_DECAY_TICKS && released < most) {
            released += large_release_slab(heap, slab);
        }
    }
    return released;
}

/* Gives all slabs without objects, and free pages of the others, back to the OS; the bytes. */
size_t gooi_large_release_empty(GooGcHeap *heap) {
    return gooi_large_release_idle(heap, GOOI_DECAY_TICKS, SIZE_MAX);
}

/* The size of the large object that starts at `object`, or 0 if none does. */
size_t gooi_large_size(const GooGcHeap *heap, uintptr_t object) {
    uint32_t kind = heap->slabs[gooi_slab_index(heap, object)].kind;
    if (kind != GOOI_SLAB_LARGE && kind != GOOI_SLAB_HUGE) {
        return 0;
    }
    size_t offset = object & GOOI_SLAB_MASK;
    return (offset & (GOOI_PAGE_SIZE - 1)) != 0
               ? 0
               : (size_t)gooi_slab_of(object)->run_size[offset >> GOOI_PAGE_LOG2];
}

/* The large object that `address`, in a slab of large objects, points to or into, or 0. */
uintptr_t gooi_large_base_of(const GooGcHeap *heap, uintptr_t address) {
    GooiSlabEntry entry = heap->slabs[gooi_slab_index(heap, address)];
    uintptr_t slab_base = entry.kind == GOOI_SLAB_HUGE_TAIL ? gooi_slab_address(heap, entry.head)
                                                            : gooi_slab_base(address);
    const GooiSlab *slab = (const GooiSlab *)slab_base;
    size_t page = GOOI_FIRST_PAGE;
    if (entry.kind == GOOI_SLAB_LARGE) {
        page = slab->run_first[(address & GOOI_SLAB_MASK) >> GOOI_PAGE_LOG2];
    }
    uintptr_t object = slab_base + (page << GOOI_PAGE_LOG2);
    size_t size = page == 0 ? 0 : (size_t)slab->run_size[page];
    return address >= object && address - object < size ? object : 0;
}
