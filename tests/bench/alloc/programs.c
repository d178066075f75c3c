/* churn and trees: small whole programs that do little but allocate, for the debug allocator.
 *
 * churn   a dictionary of texts in chains, 1,000, 8,000 or 64,000 of them: a random key is
 *         inserted, or removed if it is there. Two blocks to each entry, one of them of 8 to 71
 *         bytes for the text
 * trees   binary trees of depth 10 are built, counted and freed; one in 16 lives through the next
 *         15. Nodes of 32 bytes
 *
 * The debug allocator runs with its defaults (stacks of up to 16 addresses of every allocation and
 * free, canaries, quarantine), and with one of a hundred allocations watched.
 */
#include "tests/bench/alloc/way.h"

/* --- churn --- */

/* Of twice as many keys as texts about half are there, in half as many buckets as texts. */
enum { CHURN_TEXTS_MAX = 64000, CHURN_BUCKETS_MAX = CHURN_TEXTS_MAX / 2 };

typedef struct Entry {
    struct Entry *next;
    uint64_t hash;
    char *text;
    size_t text_size;
    uint64_t value;
} Entry;

static Entry *churn_buckets[CHURN_BUCKETS_MAX];

static uint64_t churn_hash(uint64_t key) {
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return key ^ key >> 29;
}

ALWAYS_INLINE void churn_insert(GooAllocator *a, Entry **bucket, uint64_t hash, TakeFn *take) {
    Entry *entry = take(a, sizeof *entry);
    size_t size = 8 + (hash >> 20) % 64;
    *entry = (Entry){*bucket, hash, take(a, size), size, hash};
    memset(entry->text, (int)(hash & 0x7f), size);
    *bucket = entry;
}

ALWAYS_INLINE void churn_remove(GooAllocator *a, Entry **at, GiveFn *give) {
    Entry *entry = *at;
    *at = entry->next;
    way_found += entry->value + (unsigned char)entry->text[0];
    give(a, entry->text, entry->text_size);
    give(a, entry, sizeof *entry);
}

ALWAYS_INLINE void churn_empty(GooAllocator *a, GiveFn *give) {
    for (size_t i = 0; i < CHURN_BUCKETS_MAX; i++) {
        while (churn_buckets[i] != NULL) {
            churn_remove(a, &churn_buckets[i], give);
        }
    }
}

ALWAYS_INLINE size_t churn_loop(GooAllocator *a, size_t count, TakeFn *take, GiveFn *give) {
    size_t keys = 2 * way_size, buckets = way_size / 2;
    uint64_t seed = RANDOM_SEED;
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = churn_hash(random_index(next_random(&seed), keys));
        Entry **bucket = &churn_buckets[random_index(hash, buckets)], **at = bucket;
        while (*at != NULL && (*at)->hash != hash) {
            at = &(*at)->next;
        }
        if (*at == NULL) {
            churn_insert(a, bucket, hash, take);
        } else {
            churn_remove(a, at, give);
        }
    }
    churn_empty(a, give);
    return count;
}

static size_t churn_malloc(GooAllocator *a, size_t count) {
    return churn_loop(a, count, take_malloc, give_malloc);
}

static size_t churn_front_door(GooAllocator *a, size_t count) {
    return churn_loop(a, count, take_front_door, give_front_door);
}

/* --- trees --- */

enum { TREES_DEPTH = 10, TREES_LIVE = 16 };

typedef struct Node {
    struct Node *left, *right;
    uint64_t value, depth;
} Node;

/* A program's own recursion; a function of its own for each way, with its depth of stack. */
#define TREES_WAY(name, take, give)                                                                \
    static Node *trees_build_##name(GooAllocator *a, size_t depth) {                               \
        Node *node = take(a, sizeof *node);                                                        \
        *node = (Node){NULL, NULL, depth, depth};                                                  \
        if (depth > 1) {                                                                           \
            node->left = trees_build_##name(a, depth - 1);                                         \
            node->right = trees_build_##name(a, depth - 1);                                        \
        }                                                                                          \
        return node;                                                                               \
    }                                                                                              \
    static void trees_free_##name(GooAllocator *a, Node *node) {                                   \
        if (node != NULL) {                                                                        \
            trees_free_##name(a, node->left);                                                      \
            trees_free_##name(a, node->right);                                                     \
            give(a, node, sizeof *node);                                                           \
        }                                                                                          \
    }                                                                                              \
    static size_t trees_##name(GooAllocator *a, size_t count) {                                    \
        Node *live[TREES_LIVE] = {NULL};                                                           \
        size_t done = 0;                                                                           \
        for (size_t i = 0; done < count; i++) {                                                    \
            trees_free_##name(a, live[i % TREES_LIVE]);                                            \
            live[i % TREES_LIVE] = trees_build_##name(a, TREES_DEPTH);                             \
            done += trees_count(live[i % TREES_LIVE]);                                             \
            way_found = done;                                                                      \
        }                                                                                          \
        for (size_t i = 0; i < TREES_LIVE; i++) {                                                  \
            trees_free_##name(a, live[i]);                                                         \
        }                                                                                          \
        return done;                                                                               \
    }

static size_t trees_count(const Node *node) {
    return node == NULL ? 0 : 1 + trees_count(node->left) + trees_count(node->right);
}

TREES_WAY(malloc, take_malloc, give_malloc)
TREES_WAY(front_door, take_front_door, give_front_door)

/* --- rows --- */

/* The debug allocator's rows, behind a workload's own of malloc and the front door. */
#define PROGRAM_ROWS(malloc_run, front_door_run)                                                   \
    WAY_OF_MALLOC(malloc_run), WAY_OF_GOO(WAY_SYSTEM, front_door_run, open_system, NO_TARGET),     \
        WAY_OF_GOO("goo debug, full stacks", front_door_run, open_debug, TARGET_RATIO, 3.0,        \
                   WAY_SYSTEM, 0),                                                                 \
        WAY_OF_GOO("goo debug, sampled 1 in 100", front_door_run, open_debug_sampled,              \
                   TARGET_RATIO, 1.2, WAY_SYSTEM, 0),

static const Way churn_ways[] = {PROGRAM_ROWS(churn_malloc, churn_front_door)};
static const Way trees_ways[] = {PROGRAM_ROWS(trees_malloc, trees_front_door)};

const Workload workload_churn = {
    .name = "churn",
    .what = "a dictionary of texts, inserted and removed (ns per step of two calls)",
    .ways = churn_ways,
    .way_count = COUNT_OF(churn_ways),
    .size_unit = "texts",
    .sizes = {1000, 8000, CHURN_TEXTS_MAX},
    .quick_sizes = 3,
    .target_size = 8000,
    .least_count = 100000,
};

const Workload workload_trees = {
    .name = "trees",
    .what = "binary trees built, counted and freed (ns per node)",
    .ways = trees_ways,
    .way_count = COUNT_OF(trees_ways),
    .least_count = 50000,
};
