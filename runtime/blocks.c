/* The table of blocks: a hash table in stripes, each with a lock of its own.
 *
 *     address ──hash──▶ stripe ──▶ bucket ──▶ record ──▶ record ──▶ NULL
 *
 * A bucket array doubles when it holds two records for each bucket; if it can't, chains get longer
 * and nothing else changes. Records and arrays come straight from malloc: the table must not watch
 * itself.
 *
 *   invariants BLOCKS-1 to BLOCKS-3: runtime/blocks.h
 *
 * Threads: any. No stripe's lock is held while an allocator or the panic handler is called.
 */
#include "runtime/blocks.h"

#include "runtime/check.h"
#include "runtime/fork.h"
#include "runtime/platform/platform.h"
#include "runtime/poison.h"
#include "runtime/system.h"

#include <errno.h>
#include <string.h>

enum { BLOCKS_POISON = 0xdf, BLOCKS_BUCKETS_FIRST = 64, BLOCKS_PATROL = 8 };

static void blocks_lock(GooiBlockStripe *stripe) {
    gooi_lock_take(&stripe->lock);
}

static void blocks_unlock(GooiBlockStripe *stripe) {
    gooi_lock_give(&stripe->lock);
}

/* --- the hash table --- */

static uint64_t blocks_hash(const void *ptr) {
    uint64_t x = (uint64_t)(uintptr_t)ptr >> 3;
    x *= UINT64_C(0x9e3779b97f4a7c15);
    return x ^ (x >> 29);
}

static GooiBlockStripe *blocks_stripe(const void *ptr) {
    return &gooi_blocks.stripes[blocks_hash(ptr) >> 58];
}

/* The link that leads to the address's record, or to the NULL at the chain's end. */
static GooiBlock **blocks_find(GooiBlockStripe *stripe, const void *ptr) {
    GooiBlock **link = &stripe->only;
    if (stripe->buckets != NULL) {
        link = &stripe->buckets[blocks_hash(ptr) & (stripe->bucket_count - 1)];
    }
    while (*link != NULL && (*link)->ptr != ptr) {
        link = &(*link)->next;
    }
    return link;
}

/* All records move into twice as many buckets, if there is memory for them. */
static void blocks_grow(GooiBlockStripe *stripe) {
    size_t old_count = stripe->bucket_count;
    size_t count = old_count != 0 ? old_count * 2 : BLOCKS_BUCKETS_FIRST;
    GooiBlock **old_buckets = stripe->buckets;
    GooiBlock **buckets =
        gooi_system_alloc(NULL, count * sizeof(GooiBlock *), GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
    if (buckets == NULL) {
        return;
    }
    GooiBlock *only = stripe->only;
    stripe->buckets = buckets;
    stripe->bucket_count = count;
    stripe->only = NULL;
    for (size_t i = 0; i < (old_count != 0 ? old_count : 1); i++) {
        GooiBlock *block = old_count != 0 ? old_buckets[i] : only;
        while (block != NULL) {
            GooiBlock *next = block->next;
            GooiBlock **link = &buckets[blocks_hash(block->ptr) & (count - 1)];
            block->next = *link;
            *link = block;
            block = next;
        }
    }
    gooi_system_free(NULL, old_buckets, old_count * sizeof(GooiBlock *), GOO_DEFAULT_ALIGNMENT);
}

/* Puts a record in; returns the freed one that had the address, or NULL (BLOCKS-1). */
static GooiBlock *blocks_put(GooiBlock *block) {
    GooiBlockStripe *stripe = blocks_stripe(block->ptr);
    int saved_errno = errno;
    blocks_lock(stripe);
    if (stripe->count >= stripe->bucket_count * 2) {
        blocks_grow(stripe);
    }
    GooiBlock **link = blocks_find(stripe, block->ptr);
    GooiBlock *former = *link;
    block->next = former != NULL ? former->next : NULL;
    *link = block;
    stripe->count += former == NULL;
    blocks_unlock(stripe);
    errno = saved_errno;
    return former;
}

/* --- records --- */

GooiBlock *gooi_blocks_new(void) {
    return gooi_system_alloc(NULL, sizeof(GooiBlock), GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
}

void gooi_blocks_drop(GooiBlock *block) {
    gooi_system_free(NULL, block, sizeof *block, GOO_DEFAULT_ALIGNMENT);
}

void gooi_blocks_restore(GooiBlock *block) {
    gooi_blocks_drop(blocks_put(block));
}

void gooi_blocks_add(GooiBlock *block, const GooiRequest *request, void *ptr) {
    *block = (GooiBlock){
        .ptr = ptr,
        .size = request->size,
        .padding = request->padding,
        .header = request->header,
        .alignment = request->alignment,
        .allocator = request->allocator,
        .allocated = gooi_site,
    };
    gooi_blocks_restore(block);
}

static const char *blocks_file(GooiSite site) {
    return site.file != NULL ? site.file : "?";
}

static const char *blocks_owner(const GooAllocator *a) {
    return a == NULL ? "(destroyed)" : a->name != NULL ? a->name : "?";
}

/* What the program sees of a block. */
static void *blocks_user_ptr(const GooiBlock *block) {
    return (uint8_t *)block->ptr + block->header;
}

static size_t blocks_user_size(const GooiBlock *block) {
    return block->size - block->header;
}

GOOI_COLD static void blocks_reject_freed(const char *call, const GooiBlock *block) {
    gooi_panic("%s: %p was freed before (double free): %zu bytes, allocated at %s:%d, freed at "
               "%s:%d by thread %#zx",
               call, blocks_user_ptr(block), blocks_user_size(block), blocks_file(block->allocated),
               block->allocated.line, blocks_file(block->freed), block->freed.line,
               (size_t)block->freeing_thread);
}

/* Panics unless the block is the one that the caller describes. */
static void blocks_check(const char *call, const GooiBlock *block, const GooAllocator *a,
                         size_t size, size_t alignment) {
    if (block->allocator != a) {
        gooi_panic("%s: %p of %zu bytes comes from allocator '%s', not '%s' (foreign pointer), "
                   "allocated at %s:%d",
                   call, blocks_user_ptr(block), blocks_user_size(block),
                   blocks_owner(block->allocator), blocks_owner(a), blocks_file(block->allocated),
                   block->allocated.line);
    }
    if (block->size != size || block->alignment != alignment) {
        gooi_panic("%s: %p given back with %zu bytes aligned to %zu (wrong size or alignment): it "
                   "has %zu aligned to %zu, allocated at %s:%d",
                   call, blocks_user_ptr(block), size - block->header, alignment,
                   blocks_user_size(block), block->alignment, blocks_file(block->allocated),
                   block->allocated.line);
    }
}

GooiBlock *gooi_blocks_take(const char *call, const GooAllocator *a, void *ptr, size_t size,
                            size_t alignment) {
    GooiBlockStripe *stripe = blocks_stripe(ptr);
    bool safe = (gooi_blocks_modes() & GOOI_BLOCKS_SAFETY) != 0;
    GooiBlock seen = {0}; /* what a message is about, since another thread may drop the record */
    blocks_lock(stripe);
    GooiBlock **link = blocks_find(stripe, ptr);
    GooiBlock *block = *link;
    bool wrong =
        block != NULL &&
        (block->freeing_thread != 0 ||
         (safe && (block->allocator != a || block->size != size || block->alignment != alignment)));
    if (wrong) {
        seen = *block;
    } else if (block != NULL) {
        *link = block->next;
        stripe->count--;
    }
    blocks_unlock(stripe);
    if (wrong && seen.freeing_thread != 0) {
        blocks_reject_freed(call, &seen);
    } else if (wrong) {
        blocks_check(call, &seen, a, size, alignment);
    } else if (block == NULL && safe) {
        gooi_panic("%s: %p with %zu bytes is no live block of allocator '%s' (foreign pointer, or "
                   "freed before)",
                   call, ptr, size, blocks_owner(a));
    }
    return block;
}

/* --- blocks that are kept --- */

/* The whole pages inside a block; false if there is none. */
static bool blocks_pages(const GooiBlock *block, uint8_t **out_start, size_t *out_size) {
    uintptr_t page_size = gooi_platform_page_size();
    uintptr_t first = ((uintptr_t)block->ptr + page_size - 1) & ~(page_size - 1);
    uintptr_t end = ((uintptr_t)block->ptr + block->size) & ~(page_size - 1);
    *out_start = (uint8_t *)first;
    *out_size = end > first ? end - first : 0;
    return end > first;
}

/* BLOCKS-3 */
static void blocks_seal(GooiBlock *block) {
    memset(block->ptr, BLOCKS_POISON, block->size);
    uint8_t *pages;
    size_t size;
    if (blocks_pages(block, &pages, &size)) {
        gooi_platform_protect(pages, size, false); /* a refusal leaves it poisoned */
    }
    gooi_poison(block->ptr, block->size);
}

static void blocks_unseal(GooiBlock *block) {
    uint8_t *pages;
    size_t size;
    gooi_unpoison(block->ptr, block->size, true);
    if (blocks_pages(block, &pages, &size)) {
        gooi_platform_protect(pages, size, true);
    }
}

/* The first byte that lost its poison, or the block's size. Its pages are as they are. */
static size_t blocks_first_damage(const GooiBlock *block) {
    const uint8_t *bytes = block->ptr;
    for (size_t i = 0; i < block->size; i++) {
        if (bytes[i] != BLOCKS_POISON) {
            return i;
        }
    }
    return block->size;
}

GOOI_COLD static void blocks_reject_written(const GooiBlock *block, size_t damage) {
    gooi_panic("use after free: %p of %zu bytes was written at offset %zu, allocated at %s:%d, "
               "freed at %s:%d by thread %#zx",
               blocks_user_ptr(block), blocks_user_size(block), damage - block->header,
               blocks_file(block->allocated), block->allocated.line, blocks_file(block->freed),
               block->freed.line, (size_t)block->freeing_thread);
}

/* Panics if somebody wrote to a freed block. Leaves it accessible. */
static void blocks_check_kept(GooiBlock *block) {
    blocks_unseal(block);
    size_t damage = blocks_first_damage(block);
    if (damage != block->size) {
        blocks_reject_written(block, damage);
    }
}

/* As blocks_first_damage, of a block that stays sealed: its whole pages can't have been written. */
static size_t blocks_first_damage_outside(const GooiBlock *block) {
    uint8_t *pages;
    size_t size;
    const uint8_t *bytes = block->ptr;
    bool has_pages = blocks_pages(block, &pages, &size);
    size_t first = has_pages ? (size_t)(pages - bytes) : block->size;
    size_t i = 0;
    while (i < block->size && (i == first || bytes[i] == BLOCKS_POISON)) {
        i += i == first ? size : 1;
    }
    return i;
}

/* The first kept block of a bucket that was written, taken out; NULL: none. Under the lock. */
static GooiBlock *blocks_take_written(GooiBlockStripe *stripe, GooiBlock **link) {
    while (*link != NULL &&
           ((*link)->freeing_thread == 0 || blocks_first_damage_outside(*link) == (*link)->size)) {
        link = &(*link)->next;
    }
    GooiBlock *block = *link;
    if (block != NULL) {
        *link = block->next;
        stripe->count--;
    }
    return block;
}

/* Looks at some of the blocks that are kept, at others each time: a write to one is found after
 * about as many frees as an eighth of the blocks there are. Tools that watch memory find it at
 * once, and must not see us look. */
static void blocks_patrol(void) {
    if (gooi_poison_active()) {
        return;
    }
    size_t round = atomic_fetch_add_explicit(&gooi_blocks.patrol, 1, memory_order_relaxed);
    GooiBlockStripe *stripe = &gooi_blocks.stripes[round % GOOI_BLOCKS_STRIPES];
    size_t first = round / GOOI_BLOCKS_STRIPES * BLOCKS_PATROL;
    GooiBlock *written = NULL;
    blocks_lock(stripe);
    for (size_t i = first; i < first + BLOCKS_PATROL && written == NULL; i++) {
        written = blocks_take_written(stripe, stripe->buckets != NULL
                                                  ? &stripe->buckets[i & (stripe->bucket_count - 1)]
                                                  : &stripe->only);
    }
    blocks_unlock(stripe);
    if (written != NULL) {
        blocks_reject_written(written, blocks_first_damage_outside(written));
    }
}

bool gooi_blocks_retire(GooiBlock *block) {
    uint32_t modes = gooi_blocks_modes();
    bool keep = (modes & GOOI_BLOCKS_KEEP) != 0;
    if (!keep && (modes & (GOOI_BLOCKS_HISTORY | GOOI_BLOCKS_SAFETY)) == 0) {
        gooi_blocks_drop(block);
        return false;
    }
    if ((modes & GOOI_BLOCKS_HISTORY) != 0) {
        block->freed = gooi_site;
    }
    block->freeing_thread = gooi_platform_thread_id();
    if (keep) {
        blocks_seal(block);
    }
    gooi_blocks_restore(block);
    if (keep) {
        blocks_patrol();
    }
    return keep;
}

/* --- all of them --- */

/* Moves the records of a stripe that `wants` says to a chain. */
static void blocks_extract(GooiBlockStripe *stripe,
                           bool (*wants)(GooiBlock *block, const GooAllocator *a),
                           const GooAllocator *a, GooiBlock **chain) {
    blocks_lock(stripe);
    size_t count = stripe->buckets != NULL ? stripe->bucket_count : 1;
    for (size_t i = 0; i < count; i++) {
        GooiBlock **link = stripe->buckets != NULL ? &stripe->buckets[i] : &stripe->only;
        while (*link != NULL) {
            GooiBlock *block = *link;
            if (wants(block, a)) {
                *link = block->next;
                stripe->count--;
                block->next = *chain;
                *chain = block;
            } else {
                link = &block->next;
            }
        }
    }
    blocks_unlock(stripe);
}

void gooi_blocks_give_back(GooiBlock *chain, bool kept) {
    while (chain != NULL) {
        GooiBlock *block = chain;
        chain = block->next;
        if (kept && block->freeing_thread != 0 && block->allocator != NULL) {
            blocks_check_kept(block);
            GooAllocator *a = block->allocator;
            a->free(a->context, block->ptr, block->size + block->padding, block->alignment);
        }
        gooi_blocks_drop(block);
    }
}

static bool blocks_is_freed(GooiBlock *block, const GooAllocator *a) {
    (void)a;
    return block->freeing_thread != 0;
}

static bool blocks_is_any(GooiBlock *block, const GooAllocator *a) {
    (void)block;
    (void)a;
    return true;
}

/* Freed ones of the allocator; its live ones become nobody's in passing. */
static bool blocks_is_freed_of(GooiBlock *block, const GooAllocator *a) {
    if (block->allocator == a && block->freeing_thread == 0) {
        block->allocator = NULL;
    }
    return block->allocator == a;
}

void gooi_blocks_start(uint32_t modes) {
    atomic_store_explicit(&gooi_blocks.modes, modes, memory_order_relaxed);
    atomic_fetch_or(&gooi_watch, GOOI_WATCH_BLOCKS);
}

GooiBlock *gooi_blocks_stop(void) {
    atomic_fetch_and(&gooi_watch, ~(uint32_t)GOOI_WATCH_BLOCKS);
    atomic_store_explicit(&gooi_blocks.modes, 0, memory_order_relaxed);
    GooiBlock *chain = NULL;
    for (size_t i = 0; i < GOOI_BLOCKS_STRIPES; i++) {
        GooiBlockStripe *stripe = &gooi_blocks.stripes[i];
        blocks_extract(stripe, blocks_is_any, NULL, &chain);
        blocks_lock(stripe);
        gooi_system_free(NULL, stripe->buckets, stripe->bucket_count * sizeof(GooiBlock *),
                         GOO_DEFAULT_ALIGNMENT);
        stripe->buckets = NULL;
        stripe->bucket_count = 0;
        blocks_unlock(stripe);
    }
    return chain;
}

void gooi_blocks_forget(GooAllocator *a) {
    GooiBlock *chain = NULL;
    for (size_t i = 0; i < GOOI_BLOCKS_STRIPES; i++) {
        blocks_extract(&gooi_blocks.stripes[i], blocks_is_freed_of, a, &chain);
    }
    gooi_blocks_give_back(chain, (gooi_blocks_modes() & GOOI_BLOCKS_KEEP) != 0);
}

/* One line for each live block. `report` is written under the stripe's lock: a stream whose
 * functions allocate through Goo would wait for itself. */
static size_t blocks_report_stripe(GooiBlockStripe *stripe, FILE *report) {
    size_t live = 0;
    blocks_lock(stripe);
    size_t count = stripe->buckets != NULL ? stripe->bucket_count : 1;
    for (size_t i = 0; i < count; i++) {
        const GooiBlock *block = stripe->buckets != NULL ? stripe->buckets[i] : stripe->only;
        for (; block != NULL; block = block->next) {
            if (block->freeing_thread != 0) {
                continue;
            }
            live++;
            if (report != NULL) {
                fprintf(report, "live: %p, %zu bytes from allocator '%s', allocated at %s:%d\n",
                        blocks_user_ptr(block), blocks_user_size(block),
                        blocks_owner(block->allocator), blocks_file(block->allocated),
                        block->allocated.line);
            }
        }
    }
    blocks_unlock(stripe);
    return live;
}

/* Freed blocks that were kept are looked at, and sealed again. */
static void blocks_check_all_kept(void) {
    for (size_t i = 0; i < GOOI_BLOCKS_STRIPES; i++) {
        GooiBlock *chain = NULL;
        blocks_extract(&gooi_blocks.stripes[i], blocks_is_freed, NULL, &chain);
        while (chain != NULL) {
            GooiBlock *block = chain;
            chain = block->next;
            blocks_check_kept(block);
            blocks_seal(block);
            gooi_blocks_restore(block);
        }
    }
}

size_t gooi_blocks_report(FILE *report) {
    size_t live = 0;
    for (size_t i = 0; i < GOOI_BLOCKS_STRIPES; i++) {
        live += blocks_report_stripe(&gooi_blocks.stripes[i], report);
    }
    if ((gooi_blocks_modes() & GOOI_BLOCKS_KEEP) != 0) {
        blocks_check_all_kept();
    }
    return live;
}
