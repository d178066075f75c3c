/* Large objects: above GOOI_SMALL_MAX, in runs of 4 KiB pages of slabs of their own.
 *
 * A slab of large objects holds many runs; their sizes and the way from any page to its run's first
 * page stand in the slab's header. An object that does not fit one slab takes several neighbouring
 * ones (HUGE): it starts behind the first one's table and runs on through slabs that have none,
 * whose entries in the directory lead back to the first. The object's metadata byte is where every
 * object's is, so that marking need not ask what it has before it.
 *
 * LARGE-1  run_size is non-zero for a run's first page only; run_first leads every used page there.
 * LARGE-2  pages from pages_touched on read zero; pages before it may hold anything when free.
 * LARGE-3  used_bytes counts the pages up to pages_touched.
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

static bool large_page_is_used(const GooiSlab *slab, size_t page) {
    return (slab->page_map[page / 64] >> (page % 64) & 1) != 0;
}

static void large_set_used(GooiSlab *slab, size_t first, size_t pages, bool used) {
    for (size_t p = first; p < first + pages; p++) {
        uint64_t bit = (uint64_t)1 << (p % 64);
        slab->page_map[p / 64] =
            used ? slab->page_map[p / 64] | bit : slab->page_map[p / 64] & ~bit;
        slab->run_first[p] = used ? (uint16_t)first : 0;
    }
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
        run = large_page_is_used(slab, p) ? 0 : run + 1;
        if (run == pages) {
            return p + 1 - pages;
        }
    }
    return 0;
}

/* Pages that were touched before are zeroed; further ones are counted. False: the hard limit. */
static bool large_ready_pages(GooGcHeap *heap, GooiSlab *slab, size_t first, size_t pages) {
    size_t end = first + pages;
    char *base = (char *)slab;
    if (end > slab->pages_touched) {
        size_t fresh = end - slab->pages_touched;
        if (!gooi_space_account(heap, fresh << GOOI_PAGE_LOG2, 0)) {
            return false;
        }
    }
    size_t dirty_end = end < slab->pages_touched ? end : slab->pages_touched;
    if (first < dirty_end) {
        memset(base + (first << GOOI_PAGE_LOG2), 0, (dirty_end - first) << GOOI_PAGE_LOG2);
    }
    if (end > slab->pages_touched) {
        slab->pages_touched = (uint32_t)end;
    }
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
    if (first == 0 || !large_ready_pages(heap, slab, first, pages)) {
        return NULL;
    }
    large_set_used(slab, first, pages, true);
    return large_place(slab, first, size, metadata);
}

static void *large_alloc_run(GooGcHeap *heap, size_t size, unsigned metadata) {
    size_t pages = large_pages_of(size);
    for (uint32_t i = heap->large_hint; i < heap->slab_count; i++) {
        if (heap->slabs[i].kind != GOOI_SLAB_LARGE) {
            continue;
        }
        GooiSlab *slab = (GooiSlab *)gooi_slab_address(heap, i);
        if (slab->pages_used == GOOI_LARGE_PAGES) {
            heap->large_hint = i == heap->large_hint ? i + 1 : heap->large_hint;
        } else if (GOOI_LARGE_PAGES - slab->pages_used >= pages) {
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
    if (slab->index < heap->large_hint) {
        heap->large_hint = slab->index;
    }
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
        size_t bytes = gooi_align_up(size, GOOI_GRANULE_SIZE);
        heap->since_bytes += bytes;
        heap->stats.allocated_bytes += bytes;
        heap->stats.allocated_objects++;
    }
    return object;
}

static void large_free_slab(GooGcHeap *heap, GooiSlab *slab) {
    size_t touched = slab->pages_touched - GOOI_FIRST_PAGE;
    gooi_space_unaccount(heap, touched << GOOI_PAGE_LOG2, 0);
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
    heap->large_hint = 0;
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

/* Gives slabs without objects back to the OS; the bytes. */
size_t gooi_large_release_empty(GooGcHeap *heap) {
    size_t released = 0;
    for (uint32_t i = 0; i < heap->slab_count; i++) {
        GooiSlab *slab = (GooiSlab *)gooi_slab_address(heap, i);
        if (heap->slabs[i].kind == GOOI_SLAB_LARGE && slab->pages_used == 0) {
            released += (size_t)(slab->pages_touched - GOOI_FIRST_PAGE) << GOOI_PAGE_LOG2;
            large_free_slab(heap, slab);
        }
    }
    return released;
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
