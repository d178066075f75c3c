/* The table of claimants, and telling them. What it is about is in claims.h.
 *
 *     gooi_claims.by_id    ──▶ claimant ──▶ claimant        (number modulo buckets)
 *     gooi_claims.by_base  ──▶ share ──▶ share              (address of the base, hashed)
 *
 * Bases know nothing of who lies over them and claimants never touch a base on their own, so it
 * does not matter which of the two is destroyed first.
 *
 *   invariants CLAIM-1 to CLAIM-3: allocators/claims.h
 *
 * Threads: any. The lock is held for looking up and linking, and never while a figure changes.
 */
#include "allocators/claims.h"

#include "goo/runtime/memory.h"
#include "runtime/bits.h"
#include "runtime/check.h"
#include "runtime/fork.h"
#include "runtime/memory.h"
#include "runtime/stats.h"
#include "runtime/system.h"

#include <errno.h>

static void claims_lock(void) {
    gooi_lock_take(&gooi_claims.lock);
}

static void claims_unlock(void) {
    gooi_lock_give(&gooi_claims.lock);
}

static GooiClaimant **claims_bucket(uint32_t id) {
    return &gooi_claims.by_id[id % GOOI_CLAIM_BUCKETS];
}

static GooiShare **claims_base_bucket(const GooAllocator *base) {
    uint64_t mixed = (uint64_t)(uintptr_t)base * UINT64_C(0x9e3779b97f4a7c15);
    return &gooi_claims.by_base[mixed >> 58];
}
_Static_assert(GOOI_CLAIM_BUCKETS == 1 << (64 - 58), "the hash gives a bucket");

/* Under the lock. */
static GooiClaimant *claims_find_id(uint32_t id) {
    GooiClaimant *c = *claims_bucket(id);
    while (c != NULL && c->id != id) {
        c = c->next;
    }
    return c;
}

/* Under the lock. The claimant that an allocator is for those above it, or NULL. */
static GooiClaimant *claims_find_self(const GooAllocator *a) {
    for (size_t i = 0; i < GOOI_CLAIM_BUCKETS; i++) {
        for (GooiClaimant *c = gooi_claims.by_id[i]; c != NULL; c = c->next) {
            if (c->self == a && !c->translates) {
                return c;
            }
        }
    }
    return NULL;
}

/* --- coming and going --- */

static size_t claimant_count_bases(const GooAllocator *parent, const GooiClaimant *below) {
    if (below != NULL) {
        return below->share_count;
    }
    uint32_t bulk = GOO_ALLOCATOR_RESETS | GOOI_ALLOCATOR_CLAIMS;
    return parent != NULL && (parent->capabilities & bulk) != 0 ? 1 : 0;
}

/* Appends the bases that lie under a parent. */
static void claimant_add_bases(GooiClaimant *c, GooAllocator *parent, const GooiClaimant *below) {
    size_t count = claimant_count_bases(parent, below);
    for (size_t i = 0; i < count; i++) {
        GooAllocator *base = below != NULL ? below->shares[i].base : parent;
        c->shares[c->share_count++] = (GooiShare){.owner = c, .base = base};
        c->keeps_shares |= (base->capabilities & GOOI_ALLOCATOR_CLAIMS) == 0;
    }
}

/* Under the lock (CLAIM-2). 0: all are taken. */
static uint32_t claims_next_id(void) {
    for (uint32_t i = 0; i < GOOI_ALLOC_CLAIM_ID_MAX; i++) {
        uint32_t id = gooi_claims.last_id % GOOI_ALLOC_CLAIM_ID_MAX + 1;
        gooi_claims.last_id = id;
        if (claims_find_id(id) == NULL) {
            return id;
        }
    }
    return 0;
}

static bool claimant_link(GooiClaimant *c) {
    claims_lock();
    c->id = claims_next_id();
    if (c->id != 0) {
        c->next = *claims_bucket(c->id);
        *claims_bucket(c->id) = c;
        for (size_t i = 0; i < c->share_count; i++) {
            GooiShare **bucket = claims_base_bucket(c->shares[i].base);
            c->shares[i].next = *bucket;
            *bucket = &c->shares[i];
        }
    }
    claims_unlock();
    return c->id != 0;
}

bool gooi_claimant_init(GooiClaimant *c, GooAllocator *self, GooAllocator *first,
                        GooAllocator *second, void (*lost)(GooiClaimant *, const GooiLoss *)) {
    *c = (GooiClaimant){.self = self, .parents = {first, second}, .lost = lost};
    c->shared = (self->capabilities & GOO_ALLOCATOR_THREAD_SAFE) != 0;
    claims_lock();
    c->below[0] = claims_find_self(first);
    c->below[1] = second != NULL ? claims_find_self(second) : NULL;
    claims_unlock();
    size_t count =
        claimant_count_bases(first, c->below[0]) + claimant_count_bases(second, c->below[1]);
    if (count == 0) {
        return true;
    }
    c->divided = second != NULL || (c->below[0] != NULL && c->below[0]->divided);
    c->shares = gooi_system_alloc(NULL, count * sizeof *c->shares, GOO_DEFAULT_ALIGNMENT,
                                  GOO_ALLOC_DEFAULT);
    if (c->shares != NULL) {
        claimant_add_bases(c, first, c->below[0]);
        claimant_add_bases(c, second, c->below[1]);
        if (claimant_link(c)) {
            return true;
        }
    }
    gooi_system_free(NULL, c->shares, count * sizeof *c->shares, GOO_DEFAULT_ALIGNMENT);
    errno = ENOMEM;
    return false;
}

static void claims_unlink_share(GooiShare *share) {
    GooiShare **link = claims_base_bucket(share->base);
    while (*link != share) {
        link = &(*link)->next;
    }
    *link = share->next;
}

void gooi_claimant_deinit(GooiClaimant *c) {
    if (c->id == 0) {
        return;
    }
    claims_lock();
    GooiClaimant **link = claims_bucket(c->id);
    while (*link != c) {
        link = &(*link)->next;
    }
    *link = c->next;
    for (size_t i = 0; i < c->share_count; i++) {
        claims_unlink_share(&c->shares[i]);
    }
    claims_unlock();
    gooi_system_free(NULL, c->shares, c->share_count * sizeof *c->shares, GOO_DEFAULT_ALIGNMENT);
}

/* --- shares --- */

GooiShare *gooi_claimant_share(const GooiClaimant *c, const void *ptr) {
    for (size_t i = 0; i < c->share_count; i++) {
        GooAllocator *base = c->shares[i].base;
        if (!c->divided || goo_allocator_owns(base, ptr)) {
            return (base->capabilities & GOOI_ALLOCATOR_CLAIMS) == 0 ? &c->shares[i] : NULL;
        }
    }
    return NULL;
}

void gooi_share_add(GooiShare *share, size_t bytes, size_t count) {
    if (share == NULL) {
        return;
    }
    if (share->owner->shared) {
        atomic_fetch_add_explicit(&share->bytes, bytes, memory_order_relaxed);
        atomic_fetch_add_explicit(&share->count, count, memory_order_relaxed);
        return;
    }
    size_t old_bytes = atomic_load_explicit(&share->bytes, memory_order_relaxed);
    size_t old_count = atomic_load_explicit(&share->count, memory_order_relaxed);
    atomic_store_explicit(&share->bytes, old_bytes + bytes, memory_order_relaxed);
    atomic_store_explicit(&share->count, old_count + count, memory_order_relaxed);
}

/* --- telling --- */

static bool claimant_covers(const GooiClaimant *c, const GooAllocator *base) {
    for (size_t i = 0; i < c->share_count; i++) {
        if (c->shares[i].base == base) {
            return true;
        }
    }
    return false;
}

/* The next claimant on the way down to a base; NULL: the base is next, or lies under one that
 * translates. */
static GooiClaimant *claimant_towards(const GooiClaimant *c, const GooAllocator *base) {
    for (size_t i = 0; i < 2; i++) {
        if (c->parents[i] != base && c->below[i] != NULL && claimant_covers(c->below[i], base)) {
            return c->below[i];
        }
    }
    return NULL;
}

static void claimant_lose(GooiClaimant *c, const GooiLoss *loss) {
    if (gooi_memory_watched(c->self) && !c->translates) {
        gooi_memory_settle(c->self, loss->bytes, loss->header, loss->count);
    }
    if (c->lost != NULL) {
        c->lost(c, loss);
    }
}

void gooi_claims_lost(GooAllocator *base, GooAllocOptions claim, void *ptr, size_t size) {
    claims_lock();
    GooiClaimant *c = claims_find_id((claim & GOOI_ALLOC_CLAIM_ID) >> GOOI_ALLOC_CLAIM_SHIFT);
    claims_unlock();
    if (c == NULL || !claimant_covers(c, base)) {
        return; /* CLAIM-2: it was destroyed before its blocks */
    }
    GooiLoss loss = {.base = base, .ptr = ptr, .bytes = size, .count = 1};
    loss.header = (claim & GOOI_ALLOC_CLAIM_HEADER) != 0 ? GOO_DEFAULT_ALIGNMENT : 0;
    for (; c != NULL; c = claimant_towards(c, base)) {
        claimant_lose(c, &loss);
        loss.header = 0;
    }
}

/* Empties a share. Which of its blocks begin with a hidden header nobody noted: as many as can. */
static GooiLoss share_take(GooiShare *share) {
    GooiLoss loss = {
        .base = share->base,
        .bytes = atomic_exchange_explicit(&share->bytes, 0, memory_order_relaxed),
        .count = atomic_exchange_explicit(&share->count, 0, memory_order_relaxed),
    };
    if (share->owner->self->track_stats) {
        GooAllocStats stats = gooi_stats_counted(share->owner->self);
        size_t header = stats.bytes_reserved - stats.bytes_allocated;
        size_t most = loss.count * GOO_DEFAULT_ALIGNMENT;
        loss.header = header < most ? header : most;
    }
    return loss;
}

/* A share of a base with something in it, or NULL. */
static GooiShare *claims_find_share(const GooAllocator *base) {
    claims_lock();
    GooiShare *share = *claims_base_bucket(base);
    while (share != NULL && (share->base != base ||
                             atomic_load_explicit(&share->count, memory_order_relaxed) == 0)) {
        share = share->next;
    }
    claims_unlock();
    return share;
}

void gooi_claims_lost_all(GooAllocator *base) {
    GooiShare *share;
    while ((share = claims_find_share(base)) != NULL) { /* each is empty after its turn */
        GooiLoss loss = share_take(share);
        claimant_lose(share->owner, &loss);
    }
}
