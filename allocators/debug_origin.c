/* The tree of stacks and sites; debug_origin.h has the picture, ORIGIN-1 and ORIGIN-2.
 *
 * Keys are looked up by their XXH3 hash in an open-addressing table of node numbers. Readers take
 * no lock: a number is stored into the table after its node is complete, and a table that became
 * too full is replaced by a larger one and kept. Who misses takes the lock, looks again and adds.
 *
 * A program with very many different deep stacks fills the tree: a frame that there is no room for
 * is then left out with all that is outside of it. The last sixteenth is set aside for frames that
 * have nothing outside of them, so that what is inside of those goes on being told.
 *
 * Threads: any. Left out on purpose: forgetting nodes; records anywhere may name them.
 */
#include "allocators/debug_origin.h"

#include "runtime/bits.h"
#include "runtime/platform/platform.h"
#include "runtime/system.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    ORIGIN_NODE_BITS = 22,
    ORIGIN_NODES_MAX = 1 << ORIGIN_NODE_BITS, /* 64 MiB of address space */
    ORIGIN_NODES_MIN = 1 << 13,
    ORIGIN_NODES_STEP = 1 << 13, /* committed at once: 128 KiB */
    ORIGIN_SLOTS_FIRST = 1 << 10,
    ORIGIN_SITES = 8192, /* slots; a power of two, below DEBUG_ADDRESS_UNKNOWN */
    ORIGIN_PROBES = 64
};

void gooi_debug_origins_lock(DebugOrigins *o) {
    while (atomic_flag_test_and_set_explicit(&o->lock, memory_order_acquire)) {
        gooi_platform_yield();
    }
}

void gooi_debug_origins_unlock(DebugOrigins *o) {
    atomic_flag_clear_explicit(&o->lock, memory_order_release);
}

/* --- the table of nodes --- */

static inline uint64_t origin_hash(DebugOrigin key) {
    return XXH3_64bits(&key, sizeof key);
}

static inline uint32_t origin_slot(uint64_t hash, uint32_t node) {
    return ((uint32_t)(hash >> 32) & ~(uint32_t)(ORIGIN_NODES_MAX - 1)) | node;
}

/* Acquire: pairs with the release in origin_publish, so the node is complete. 0: there is none. */
static inline uint32_t origin_look_up(const DebugOrigins *o, DebugOrigin key) {
    const DebugNodeSlots *table = atomic_load_explicit(&o->slots, memory_order_acquire);
    uint64_t hash = origin_hash(key);
    uint32_t tag = origin_slot(hash, 0);
    for (size_t i = (size_t)hash & table->mask;; i = (i + 1) & table->mask) {
        uint32_t slot = atomic_load_explicit(&table->slots[i], memory_order_acquire);
        uint32_t node = slot ^ tag;
        if (node < ORIGIN_NODES_MAX && slot != 0 && o->nodes[node].key == key) {
            return node;
        }
        if (slot == 0) {
            return 0;
        }
    }
}

static void origin_publish(DebugNodeSlots *table, DebugOrigin key, uint32_t node) {
    uint64_t hash = origin_hash(key);
    size_t i = (size_t)hash & table->mask;
    while (atomic_load_explicit(&table->slots[i], memory_order_relaxed) != 0) {
        i = (i + 1) & table->mask;
    }
    atomic_store_explicit(&table->slots[i], origin_slot(hash, node), memory_order_release);
}

static bool origin_replace_slots(DebugOrigins *o, size_t capacity) {
    DebugNodeSlots *table = gooi_system_alloc(NULL, sizeof *table + capacity * sizeof(uint32_t),
                                              GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
    if (table == NULL) {
        return false;
    }
    table->older = atomic_load_explicit(&o->slots, memory_order_relaxed);
    table->mask = capacity - 1;
    for (size_t node = 1; node < o->count; node++) {
        origin_publish(table, o->nodes[node].key, (uint32_t)node);
    }
    atomic_store_explicit(&o->slots, table, memory_order_release);
    return true;
}

/* --- nodes --- */

/* Whether there is memory for one more. Under the lock. */
static bool origin_has_room(DebugOrigins *o, bool is_outermost) {
    if (o->count >= (is_outermost ? o->capacity : o->capacity - o->capacity / 16)) {
        return false;
    }
    if (o->count == o->committed) {
        if (!gooi_platform_commit(o->nodes + o->committed, ORIGIN_NODES_STEP * sizeof *o->nodes)) {
            return false;
        }
        o->committed += ORIGIN_NODES_STEP;
    }
    size_t slots = atomic_load_explicit(&o->slots, memory_order_relaxed)->mask + 1;
    return 3 * o->count < 2 * slots || origin_replace_slots(o, 2 * slots);
}

static GOOI_NEVER_INLINE uint32_t origin_add(DebugOrigins *o, DebugOrigin key) {
    gooi_debug_origins_lock(o);
    uint32_t node = origin_look_up(o, key);
    if (node == 0 && origin_has_room(o, key >> 32 == 0)) {
        node = (uint32_t)o->count++;
        o->nodes[node].key = key;
        origin_publish(atomic_load_explicit(&o->slots, memory_order_relaxed), key, node);
    }
    gooi_debug_origins_unlock(o);
    return node;
}

uint32_t gooi_debug_origin_search(DebugOrigins *o, DebugOrigin key) {
    uint32_t node = origin_look_up(o, key);
    if (GOOI_UNLIKELY(node == 0)) {
        node = origin_add(o, key);
    }
    _Atomic uint32_t *recent = o->nodes[key >> 32].recent;
    atomic_store_explicit(&recent[1], atomic_load_explicit(&recent[0], memory_order_acquire),
                          memory_order_release);
    atomic_store_explicit(&recent[0], node, memory_order_release);
    return node;
}

/* --- sites --- */

/* The site's slot, or the empty one where it would be; ORIGIN_SITES: neither. */
static size_t origin_site_slot(const DebugOrigins *o, GooiSite site) {
    uint64_t words[2] = {(uintptr_t)site.file, (uint64_t)site.line};
    size_t i = (size_t)XXH3_64bits(words, sizeof words);
    for (int probe = 0; probe < ORIGIN_PROBES; probe++, i++) {
        const DebugSite *slot = &o->sites[i & (ORIGIN_SITES - 1)];
        const char *file = atomic_load_explicit(&slot->file, memory_order_acquire);
        if (file == NULL || (file == site.file && slot->line == site.line)) {
            return i & (ORIGIN_SITES - 1);
        }
    }
    return ORIGIN_SITES;
}

static size_t origin_add_site(DebugOrigins *o, GooiSite site) {
    gooi_debug_origins_lock(o);
    size_t i = origin_site_slot(o, site);
    if (i != ORIGIN_SITES &&
        atomic_load_explicit(&o->sites[i].file, memory_order_relaxed) == NULL) {
        o->sites[i].line = site.line;
        atomic_store_explicit(&o->sites[i].file, site.file, memory_order_release);
    }
    gooi_debug_origins_unlock(o);
    return i;
}

DebugOrigin gooi_debug_origin_at(DebugOrigins *o, DebugOrigin origin, GooiSite site) {
    size_t i = origin_site_slot(o, site);
    if (i != ORIGIN_SITES &&
        atomic_load_explicit(&o->sites[i].file, memory_order_relaxed) == NULL) {
        i = origin_add_site(o, site);
    }
    uint32_t node = origin != 0 ? gooi_debug_origin_node(o, origin) : 0;
    if (i == ORIGIN_SITES || (node == 0 && origin != 0)) {
        return origin;
    }
    return gooi_debug_origin(node, DEBUG_IS_SITE, (uint32_t)i + 1);
}

/* --- what an origin says --- */

static void origin_tell_frame(const DebugOrigins *o, uint64_t number, DebugPlace *out) {
    if (number != 0) {
        out->frames[out->depth++] = gooi_debug_stack_address(o, (uint32_t)number);
    }
}

void gooi_debug_origin_tell(const DebugOrigins *o, DebugOrigin origin, size_t depth,
                            DebugPlace *out) {
    out->site = (GooiSite){NULL, 0};
    out->depth = 0;
    if ((origin >> 16 & 0xffff) == DEBUG_IS_SITE) {
        const DebugSite *site = &o->sites[(origin & 0xffff) - 1];
        out->site.file = atomic_load_explicit(&site->file, memory_order_acquire);
        out->site.line = site->line;
        origin = o->nodes[origin >> 32].key;
    }
    while (origin != 0 && out->depth < depth) {
        origin_tell_frame(o, origin & 0xffff, out);
        if (out->depth < depth) {
            origin_tell_frame(o, origin >> 16 & 0xffff, out);
        }
        origin = o->nodes[origin >> 32].key;
    }
}

/* --- begin and end --- */

static void *origin_reserve(size_t size, bool commit) {
    size = gooi_align_up(size, gooi_platform_page_size());
    void *base = gooi_platform_reserve(size, gooi_platform_page_size());
    if (base != NULL && commit && !gooi_platform_commit(base, size)) {
        gooi_platform_release(base, size);
        return NULL;
    }
    return base;
}

static void origin_release(void *base, size_t size) {
    if (base != NULL) {
        gooi_platform_release(base, gooi_align_up(size, gooi_platform_page_size()));
    }
}

/* As many nodes as there is address space for. */
static bool origin_reserve_nodes(DebugOrigins *o) {
    for (size_t count = ORIGIN_NODES_MAX; count >= ORIGIN_NODES_MIN; count /= 2) {
        o->nodes = origin_reserve(count * sizeof *o->nodes, false);
        if (o->nodes != NULL) {
            o->capacity = count;
            break;
        }
    }
    if (o->nodes == NULL || !gooi_platform_commit(o->nodes, ORIGIN_NODES_STEP * sizeof *o->nodes)) {
        return false;
    }
    o->committed = ORIGIN_NODES_STEP;
    o->count = 1; /* 0 is what is outside of all */
    return true;
}

bool gooi_debug_origins_init(DebugOrigins *o) {
    atomic_flag_clear(&o->lock);
    o->addresses = origin_reserve(DEBUG_ADDRESSES * sizeof *o->addresses, true);
    o->sites = origin_reserve(ORIGIN_SITES * sizeof *o->sites, true);
    return o->addresses != NULL && o->sites != NULL && origin_reserve_nodes(o) &&
           origin_replace_slots(o, ORIGIN_SLOTS_FIRST);
}

void gooi_debug_origins_deinit(DebugOrigins *o) {
    origin_release((void *)o->addresses, DEBUG_ADDRESSES * sizeof *o->addresses);
    origin_release(o->sites, ORIGIN_SITES * sizeof *o->sites);
    origin_release(o->nodes, o->capacity * sizeof *o->nodes);
    DebugNodeSlots *table = atomic_load_explicit(&o->slots, memory_order_relaxed);
    while (table != NULL) {
        DebugNodeSlots *older = table->older;
        gooi_system_free(NULL, table, 0, GOO_DEFAULT_ALIGNMENT);
        table = older;
    }
}
