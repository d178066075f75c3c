/* Where a program was: stacks and sites, each kept once and named by a number. Private to
 * allocators/debug*.c.
 *
 *     debug_thread.c   a thread's seat, and its shadow
 *     debug_stack.c    return addresses on a thread's stack, found fast
 *     debug_origin.c   the tree of what was found
 *
 *     origin {node, outer, inner} ─▶ node: {node, address} ─▶ {node, address} ─▶ … ─▶ 0
 *     origin {node, site}         ─▶ node: an origin without a site
 *
 * An origin is the two innermost return addresses of a stack and the node of all outside of them. A
 * node has a key: the node outside of it, and one more address. So stacks that have their outer
 * frames in common share the nodes of these, and the frames that change from one allocation to the
 * next take no node at all. Nodes are found by the XXH3 hash of their keys, and mostly without it:
 * a node remembers two of the nodes inside of it.
 *
 *   ORIGIN-1  a node, an address and a site never change or move once their number is known, and
 *             are published by release stores: readers need no lock
 *   ORIGIN-2  there is one node for a key. A stack may have two origins, when it is deeper than
 *             what is kept of it; who prints them sees no difference
 */
#ifndef GOOI_ALLOCATORS_DEBUG_ORIGIN_H
#define GOOI_ALLOCATORS_DEBUG_ORIGIN_H

#include "goo/allocators/debug.h"
#include "runtime/base.h"
#include "runtime/globals.h"

#include <stdatomic.h>

enum { DEBUG_STACK_MAX = 64 };

/* node << 32 | number of the outer address << 16 | number of the inner one, each 0 where there is
 * none. 0: nothing is known. With DEBUG_IS_SITE in place of the outer one, `inner` is a site. */
typedef uint64_t DebugOrigin;
enum { DEBUG_ADDRESS_UNKNOWN = 0xfffe, DEBUG_IS_SITE = 0xffff };

static inline DebugOrigin gooi_debug_origin(uint32_t node, uint32_t outer, uint32_t inner) {
    return (DebugOrigin)node << 32 | (DebugOrigin)outer << 16 | inner;
}

typedef struct DebugNode {
    DebugOrigin key;
    _Atomic uint32_t recent[2]; /* nodes inside, the one that was looked for last first; 0: none */
} DebugNode;

/* A GooiSite for any thread; the line is there before the file is. */
typedef struct DebugSite {
    _Atomic(const char *) file; /* NULL: an empty slot */
    int line;
} DebugSite;

/* Open addressing; replaced to grow, and old ones stay for threads that still look at them. A slot
 * is the node's number below some bits of its hash; 0: empty. */
typedef struct DebugNodeSlots {
    struct DebugNodeSlots *older;
    size_t mask;
    _Atomic uint32_t slots[];
} DebugNodeSlots;

typedef struct DebugOrigins {
    DebugNode *nodes;            /* reserved for all, committed as they come */
    _Atomic uint64_t *addresses; /* debug_stack.c; the number of one is its index + 1 */
    DebugSite *sites;            /* the number of one is its index + 1 */
    _Atomic(DebugNodeSlots *) slots;
    size_t capacity, committed, count; /* of nodes; under the lock */
    _Atomic uint32_t generation;       /* how often an address was found to have no one stride */
    atomic_flag lock;                  /* for who adds */
} DebugOrigins;

/* --- debug_origin.c; any thread, without any lock --- */
bool gooi_debug_origins_init(DebugOrigins *o);
void gooi_debug_origins_deinit(DebugOrigins *o);

/* The node of a key, by its hash; 0: no memory. */
uint32_t gooi_debug_origin_search(DebugOrigins *o, DebugOrigin key);

/* The node of a key; 0: no memory. Acquire: pairs with the release of a node that is complete. */
static inline uint32_t gooi_debug_origin_node(DebugOrigins *o, DebugOrigin key) {
    _Atomic uint32_t *recent = o->nodes[key >> 32].recent;
    for (int i = 0; i < 2; i++) {
        uint32_t node = atomic_load_explicit(&recent[i], memory_order_acquire);
        if (o->nodes[node].key == key && node != 0) {
            return node;
        }
    }
    return gooi_debug_origin_search(o, key);
}

/* An origin with a site; as it was if there is no memory. */
DebugOrigin gooi_debug_origin_at(DebugOrigins *o, DebugOrigin origin, GooiSite site);

/* An origin in full. */
typedef struct DebugPlace {
    GooiSite site;
    size_t depth;
    void *frames[DEBUG_STACK_MAX]; /* return addresses, innermost first; NULL: not known */
} DebugPlace;
void gooi_debug_origin_tell(const DebugOrigins *o, DebugOrigin origin, size_t depth,
                            DebugPlace *out);

void gooi_debug_origins_lock(DebugOrigins *o);
void gooi_debug_origins_unlock(DebugOrigins *o);

/* --- debug_stack.c --- */

enum { DEBUG_ADDRESSES = 32768 }; /* slots; a power of two */

/* A frame of a thread's stack as it was when last looked at. */
typedef struct DebugShadowFrame {
    uintptr_t slot, address; /* where the return address lies, and what it was */
    uint32_t node;           /* of this frame and all outside of it */
    uint32_t number;         /* of the address */
} DebugShadowFrame;

enum { DEBUG_SHADOW_MAX = 256 };

/* What an allocator knows of a thread, or of a dead one with the same id. */
typedef struct DebugThread {
    struct DebugThread *next;
    uintptr_t id, low, size; /* its stack; size 0: not known */
    uint32_t generation;     /* of the addresses when the shadow was taken */
    uint32_t passed;         /* allocations since the last one that was watched */
    bool whole;              /* the shadow's first frame is the outermost of all */
    size_t count;            /* of the shadow's frames */
    /* The first is at the highest address there is, so that a search stops there; then the shadow,
     * outermost first. */
    DebugShadowFrame frames[1 + DEBUG_SHADOW_MAX];
} DebugThread;

/* Where the calling thread is: `depth` frames at least, from the return address one word below
 * `stack_pointer` outwards. */
DebugOrigin gooi_debug_stack_find(DebugOrigins *o, DebugThread *thread, size_t depth,
                                  uintptr_t return_address, uintptr_t stack_pointer);

/* The return address with a number, or NULL. */
void *gooi_debug_stack_address(const DebugOrigins *o, uint32_t number);

#endif
