/* Records of blocks whose pages the front door made up: a hash table under one lock.
 *
 *     address ──hash──▶ bucket ──▶ newest record ──▶ older ──▶ NULL
 *
 * A block whose allocator was reset by other means than goo_allocator_reset leaves its record. That
 * is found again only if a block of the same allocator at the same address is freed with the same
 * size, and the newest record comes first, so a page block that lives is never mistaken.
 *
 *   invariants PAGES-1, PAGES-2: runtime/pages.h
 *
 * Threads: any. The lock is not held while an allocator is called.
 * Left out on purpose: growth. Page blocks are few, and the system and the page allocator, which
 * give most of them, know pages and are not in here.
 */
#include "runtime/pages.h"

#include "runtime/bits.h"
#include "runtime/fork.h"
#include "runtime/memory.h"
#include "runtime/pending.h"
#include "runtime/platform/platform.h"
#include "runtime/system.h"

#include <errno.h>

static void pages_lock(void) {
    gooi_lock_take(&gooi_pages.lock);
}

static void pages_unlock(void) {
    gooi_lock_give(&gooi_pages.lock);
}

/* --- the table; all under the lock --- */

static GooiPageBlock **pages_bucket(const void *ptr) {
    uint64_t x = (uint64_t)(uintptr_t)ptr * UINT64_C(0x9e3779b97f4a7c15);
    return &gooi_pages.buckets[x >> 56];
}
_Static_assert(GOOI_PAGES_BUCKETS == 256, "eight bits of the hash");

/* The link that leads to the block's record, or to the NULL at the chain's end. */
static GooiPageBlock **pages_find(const GooAllocator *a, const void *ptr, size_t asked) {
    GooiPageBlock **link = pages_bucket(ptr);
    while (*link != NULL &&
           ((*link)->ptr != ptr || (*link)->allocator != a || (*link)->asked != asked)) {
        link = &(*link)->next;
    }
    return link;
}

static void pages_insert(GooiPageBlock *block) {
    GooiPageBlock **link = pages_bucket(block->ptr);
    block->next = *link;
    *link = block;
    if (gooi_pages.count++ == 0) {
        atomic_fetch_or(&gooi_watch, GOOI_WATCH_PAGES);
    }
}

static GooiPageBlock *pages_remove(GooiPageBlock **link) {
    GooiPageBlock *block = *link;
    if (block != NULL) {
        *link = block->next;
        if (--gooi_pages.count == 0) {
            atomic_fetch_and(&gooi_watch, ~(uint32_t)GOOI_WATCH_PAGES);
        }
    }
    return block;
}

/* --- records --- */

static void pages_put(GooiPageBlock *block) {
    pages_lock();
    pages_insert(block);
    pages_unlock();
}

static GooiPageBlock *pages_new(void) {
    return gooi_system_alloc(NULL, sizeof(GooiPageBlock), GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
}

static void pages_drop(GooiPageBlock *block) {
    int saved_errno = errno;
    gooi_system_free(NULL, block, sizeof *block, GOO_DEFAULT_ALIGNMENT);
    errno = saved_errno;
}

void gooi_pages_forget(const GooAllocator *a, const void *ptr, size_t *size, size_t *alignment) {
    pages_lock();
    GooiPageBlock *block = pages_remove(pages_find(a, ptr, *size));
    pages_unlock();
    if (block != NULL) {
        *size = block->known;
        *alignment = block->alignment;
        pages_drop(block);
    }
}

/* Takes all records of an allocator out, as a chain. */
static GooiPageBlock *pages_take_all(const GooAllocator *a) {
    GooiPageBlock *chain = NULL;
    pages_lock();
    for (size_t i = 0; i < GOOI_PAGES_BUCKETS; i++) {
        GooiPageBlock **link = &gooi_pages.buckets[i];
        while (*link != NULL) {
            if ((*link)->allocator == a) {
                GooiPageBlock *block = pages_remove(link);
                block->next = chain;
                chain = block;
            } else {
                link = &(*link)->next;
            }
        }
    }
    pages_unlock();
    return chain;
}

void gooi_pages_forget_all(GooAllocator *a, bool ended) {
    const GooiAllocatorOps *ops = gooi_allocator_ops(a);
    GooiPageBlock *chain = pages_take_all(a);
    while (chain != NULL) {
        GooiPageBlock *block = chain;
        chain = block->next;
        if (!ended && ops->owns != NULL && ops->owns(a, block->ptr)) {
            pages_put(block);
        } else {
            pages_drop(block);
        }
    }
}

/* --- requests --- */

bool gooi_pages_round(GooiRequest *request) {
    size_t page_size = gooi_platform_page_size();
    request->alignment = request->alignment < page_size ? page_size : request->alignment;
    size_t known;
    if (gooi_align_up_overflows(request->size, page_size, &known) ||
        gooi_memory_too_large(known, request->alignment)) {
        return false;
    }
    request->padding = known - request->size;
    return true;
}

/* The record of the block that a request is about, which stays in the table; NULL: it is none of
 * pages. The request learns what the mechanism knows of it. */
static GooiPageBlock *pages_look_up(GooiRequest *request) {
    if (request->ptr == NULL) {
        return NULL;
    }
    pages_lock();
    GooiPageBlock *block = *pages_find(request->allocator, request->ptr, request->old_size);
    pages_unlock();
    request->old_padding = block != NULL ? block->known - block->asked : 0;
    return block;
}

/* The request is met: the record leaves the table, by its identity, since another block may be at
 * its address by now. */
static void pages_end(GooiPageBlock *block) {
    pages_lock();
    GooiPageBlock **link = pages_bucket(block->ptr);
    while (*link != NULL && *link != block) {
        link = &(*link)->next;
    }
    pages_remove(link);
    pages_unlock();
    pages_drop(block);
}

static void pages_record(GooiPageBlock *block, const GooiRequest *request, void *p) {
    *block = (GooiPageBlock){.allocator = request->allocator,
                             .ptr = p,
                             .asked = request->size,
                             .known = request->size + request->padding,
                             .alignment = request->alignment};
    pages_put(block);
}

/* A record for a block to come, which a panic drops. */
typedef struct PagesClaim {
    GooiPending pending;
    GooiPageBlock *block;
} PagesClaim;

static void pages_give_back(GooiPending *pending) {
    pages_drop(((PagesClaim *)(void *)pending)->block);
}

/* The record of a request that came back, whether or not a panic took it away meanwhile. */
static GooiPageBlock *pages_claimed(const PagesClaim *claim) {
    return gooi_pending_end(&claim->pending) ? claim->block : pages_new();
}

/* A block of pages, new or in the place of another block. */
static void *pages_serve_paged(const GooiRequest *request) {
    PagesClaim claim = {.block = pages_new()};
    if (claim.block == NULL) {
        return gooi_policy_refuse(request, ENOMEM);
    }
    gooi_pending_begin(&claim.pending, pages_give_back);
    void *p = gooi_memory_serve(request);
    GooiPageBlock *block = pages_claimed(&claim);
    if (p != NULL && block != NULL) {
        pages_record(block, request, p);
    } else {
        pages_drop(block);
    }
    return p;
}

void *gooi_pages_serve(GooiRequest *request) {
    GooiPageBlock *former = pages_look_up(request);
    void *p =
        gooi_pages_emulated(request) ? pages_serve_paged(request) : gooi_memory_serve(request);
    if (p != NULL && former != NULL) {
        pages_end(former);
    }
    return p;
}

bool gooi_pages_resize(GooiRequest *request) {
    GooiPageBlock *block = pages_look_up(request);
    if (block == NULL) {
        return gooi_memory_resize(request);
    }
    request->alignment = block->alignment;
    bool resized = gooi_pages_round(request) && gooi_memory_resize(request);
    if (resized) { /* the caller's block: nobody else looks at its record */
        pages_lock();
        block->asked = request->size;
        block->known = request->size + request->padding;
        pages_unlock();
    }
    return resized;
}
