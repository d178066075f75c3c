/* scatter and large: memory is filled with blocks, nine in ten are freed at random, then the rest;
 * how long that takes, and how much memory the process still holds after each step.
 *
 * scatter   blocks of 16 bytes to 4 KiB, small ones more often: after the second step nearly every
 *           page still has a block on it
 * large     blocks of 16 KiB to 1 MiB, which an allocator can give back one by one
 *
 * Each sample is a process of its own, since what was held before is not held again. Resident
 * memory is Rss of /proc/self/smaps_rollup, less the benchmark's own table of blocks. Where an
 * allocator has a call by which a program gives memory back, a second row makes it after both
 * frees, and its time counts as freeing. Rows of an arena and of a region free nothing singly, as
 * programs that use them don't: their memory goes at the end, by the reset or the region's end.
 *
 * Before the first step as much memory is taken from the system and given back, since on a virtual
 * machine the first use of a page may cost ten times as much as the next.
 */
#define _GNU_SOURCE
#include "tests/bench/alloc/way.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { SCATTER_KEPT = 10 /* one in so many stays in the second step */ };

enum { SCATTER_ALLOCATE, SCATTER_FREE, SCATTER_FULL, SCATTER_KEPT_ONLY, SCATTER_EMPTY };

typedef struct ScatterBlock {
    void *ptr;
    size_t size;
} ScatterBlock;

typedef struct Scatter {
    ScatterBlock *blocks; /* in the order in which they are freed */
    size_t *order;        /* blocks by the order in which they are allocated */
    size_t count, table_bytes;
} Scatter;

/* --- the table --- */

/* Sizes are spread evenly over powers of two. */
static size_t scatter_size(uint64_t bits, size_t least, size_t most) {
    unsigned powers = 0;
    while (least << powers < most) {
        powers++;
    }
    size_t base = least << random_index(bits, powers);
    return base + random_index(bits << 32, base);
}

static void *scatter_map(size_t bytes) {
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return map == MAP_FAILED ? NULL : map;
}

/* As much memory as will be needed, used once and given back. */
static bool scatter_warm(size_t bytes) {
    char *map = scatter_map(bytes);
    for (size_t i = 0; map != NULL && i < bytes; i += 4096) {
        map[i] = 1;
    }
    return map != NULL && munmap(map, bytes) == 0;
}

/* Sizes until they make up `bytes`; an order that is shuffled. Tables are written, so resident. */
static bool scatter_plan(Scatter *s, size_t bytes, size_t least, size_t most) {
    uint64_t seed = RANDOM_SEED;
    size_t room = bytes / least + 1;
    s->blocks = scatter_map(room * sizeof *s->blocks);
    s->order = scatter_map(room * sizeof *s->order);
    if (s->blocks == NULL || s->order == NULL) {
        return false;
    }
    s->count = 0;
    for (size_t sum = 0; sum < bytes; s->count++) {
        s->blocks[s->count].size = scatter_size(next_random(&seed), least, most);
        s->order[s->count] = s->count;
        sum += s->blocks[s->count].size;
    }
    for (size_t i = s->count - 1; i > 0; i--) {
        size_t k = random_index(next_random(&seed), i + 1), swapped = s->order[i];
        s->order[i] = s->order[k];
        s->order[k] = swapped;
    }
    s->table_bytes = s->count * (sizeof *s->blocks + sizeof *s->order);
    return true;
}

/* Without the C library's streams: a buffer of theirs between the blocks would hold on to what lies
 * below it. */
static double scatter_resident_mib(const Scatter *s) {
    char text[1024];
    int file = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) {
        close(file);
    }
    text[length < 0 ? 0 : length] = '\0';
    const char *line = strstr(text, "Rss:");
    double kib = line == NULL ? 0 : strtod(line + sizeof "Rss:" - 1, NULL);
    return kib / 1024 - (double)s->table_bytes / (1 << 20);
}

/* --- the steps --- */

static double scatter_processor_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Writes the first word, and a byte on each page. */
ALWAYS_INLINE bool scatter_fill(Scatter *s, GooAllocator *a, TakeFn *take) {
    for (size_t i = 0; i < s->count; i++) {
        ScatterBlock *block = &s->blocks[s->order[i]];
        char *bytes = block->ptr = take(a, block->size);
        if (bytes == NULL) {
            return false;
        }
        touch(bytes, s->order[i]);
        for (size_t at = 4096; at < block->size; at += 4096) {
            bytes[at] = 1;
        }
        bytes[block->size - 1] = 1;
    }
    return true;
}

ALWAYS_INLINE void scatter_look(const ScatterBlock *block) {
    uintptr_t word;
    memcpy(&word, block->ptr, sizeof word);
    way_found += word ^ block->size;
}

ALWAYS_INLINE void scatter_free(Scatter *s, GooAllocator *a, size_t from, size_t to, GiveFn *give) {
    for (size_t i = from; i < to; i++) {
        scatter_look(&s->blocks[i]);
        give(a, s->blocks[i].ptr, s->blocks[i].size);
    }
}

/* What follows a step of frees; NULL: nothing. */
typedef void ScatterAfter(GooAllocator *a);

ALWAYS_INLINE bool scatter_measure(GooAllocator *a, size_t least, size_t most, double *out,
                                   TakeFn *take, GiveFn *give, ScatterAfter *after_kept,
                                   ScatterAfter *after_all) {
    Scatter s;
    if (!scatter_warm(way_size + way_size / 2) || !scatter_plan(&s, way_size, least, most)) {
        return false;
    }
    double start = scatter_processor_ms();
    if (!scatter_fill(&s, a, take)) {
        return false;
    }
    out[SCATTER_ALLOCATE] = scatter_processor_ms() - start;
    out[SCATTER_FULL] = scatter_resident_mib(&s);
    size_t kept_from = s.count - s.count / SCATTER_KEPT;
    start = scatter_processor_ms();
    scatter_free(&s, a, 0, kept_from, give);
    if (after_kept != NULL) {
        after_kept(a);
    }
    out[SCATTER_FREE] = scatter_processor_ms() - start;
    out[SCATTER_KEPT_ONLY] = scatter_resident_mib(&s);
    start = scatter_processor_ms();
    scatter_free(&s, a, kept_from, s.count, give);
    if (after_all != NULL) {
        after_all(a);
    }
    out[SCATTER_FREE] += scatter_processor_ms() - start;
    out[SCATTER_EMPTY] = scatter_resident_mib(&s);
    return true;
}

/* --- giving back --- */

/* A peer's function; NULL: it has none of that name. Copied, since C has no cast between the two
 * kinds of pointer. */
#define SCATTER_FIND(function, name)                                                               \
    do {                                                                                           \
        void *symbol = dlsym(RTLD_DEFAULT, name);                                                  \
        memcpy(&(function), &symbol, sizeof symbol);                                               \
    } while (0)

/* The call by which a program gives memory back, of whichever malloc this process has. */
static void scatter_give_back(GooAllocator *a) {
    void (*collect)(bool force);
    int (*control)(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
    void (*release)(void);
    int (*trim)(size_t pad);
    (void)a;
    SCATTER_FIND(collect, "mi_collect");
    SCATTER_FIND(control, "mallctl");
    SCATTER_FIND(release, "MallocExtension_ReleaseFreeMemory");
    SCATTER_FIND(trim, "malloc_trim");
    if (collect != NULL) {
        collect(true);
    } else if (control != NULL) {
        control("thread.tcache.flush", NULL, NULL, NULL, 0);
        control("arena.4096.purge", NULL, NULL, NULL, 0); /* 4096: all */
    } else if (release != NULL) {
        release();
    } else if (trim != NULL) {
        trim(0);
    }
}

static void scatter_end_region(GooAllocator *a) {
    goo_region_end(a);
}

static void scatter_reset_arena(GooAllocator *a) {
    goo_arena_reset(a, GOO_ARENA_FREE_ALL);
}

ALWAYS_INLINE void scatter_give_nothing(GooAllocator *a, void *ptr, size_t size) {
    (void)a;
    (void)ptr;
    (void)size;
}

/* --- ways --- */

static GooAllocator *scatter_open_arena(void) {
    return goo_arena_allocator_create_with(NULL, &(GooArenaOptions){.block_size = 1 << 20});
}

static GooAllocator *scatter_open_region(void) {
    GooAllocator *a = goo_region_allocator_create((size_t)1 << 20, false);
    return a != NULL && goo_region_begin(a) == GOO_OK ? a : NULL;
}

/* A row of each workload over a pair of functions and what follows the frees. */
#define SCATTER_WAY(name, take, give, after_kept, after_all)                                       \
    static bool scatter_##name(GooAllocator *a, double *out) {                                     \
        return scatter_measure(a, 16, 4096, out, take, give, after_kept, after_all);               \
    }                                                                                              \
    static bool large_##name(GooAllocator *a, double *out) {                                       \
        return scatter_measure(a, 16384, 1 << 20, out, take, give, after_kept, after_all);         \
    }

SCATTER_WAY(malloc, take_malloc, give_malloc, NULL, NULL)
SCATTER_WAY(returned, take_malloc, give_malloc, scatter_give_back, scatter_give_back)
SCATTER_WAY(front_door, take_front_door, give_front_door, NULL, NULL)
SCATTER_WAY(legacy, take_legacy, give_legacy, NULL, NULL)
SCATTER_WAY(arena, take_front_door, scatter_give_nothing, NULL, scatter_reset_arena)
SCATTER_WAY(region, take_front_door, scatter_give_nothing, NULL, scatter_end_region)

#define SCATTER_ROWS(prefix)                                                                       \
    {.side = WAY_MALLOC, .measure = prefix##malloc},                                               \
        {.name = ", told to give back", .side = WAY_MALLOC, .measure = prefix##returned},          \
        {.name = WAY_SYSTEM, .side = WAY_GOO, .measure = prefix##front_door, .open = open_system}, \
        {.name = "goo legacy", .side = WAY_GOO, .measure = prefix##legacy},                        \
        {.name = "goo tracking allocator",                                                         \
         .side = WAY_GOO,                                                                          \
         .measure = prefix##front_door,                                                            \
         .open = open_tracking_allocator},                                                         \
        {.name = "goo arena, reset",                                                               \
         .side = WAY_GOO,                                                                          \
         .measure = prefix##arena,                                                                 \
         .open = scatter_open_arena},                                                              \
        {.name = "goo region, ended",                                                              \
         .side = WAY_GOO,                                                                          \
         .measure = prefix##region,                                                                \
         .open = scatter_open_region},

static const Way scatter_ways[] = {SCATTER_ROWS(scatter_)};

static const Way large_ways[] = {
    SCATTER_ROWS(large_){.name = "goo pages",
                         .side = WAY_GOO,
                         .measure = large_front_door,
                         .open = goo_page_allocator_create},
};

static const Figure scatter_figures[] = {
    [SCATTER_ALLOCATE] = {"allocating", "ms"},
    [SCATTER_FREE] = {"freeing", "ms"},
    [SCATTER_FULL] = {"resident when full", "MiB"},
    [SCATTER_KEPT_ONLY] = {"resident with a tenth left", "MiB"},
    [SCATTER_EMPTY] = {"resident when empty", "MiB"},
};

#define SCATTER_WORKLOAD(name_, what_, ...)                                                        \
    {                                                                                              \
        .name = #name_, .what = what_, .ways = name_##_ways, .way_count = COUNT_OF(name_##_ways),  \
        .figures = scatter_figures, .figure_count = COUNT_OF(scatter_figures),                     \
        .size_unit = "bytes", .rounds_most = 5, .is_fresh = true, .check_size = 4 << 20,           \
        __VA_ARGS__                                                                                \
    }

const Workload workload_scatter =
    SCATTER_WORKLOAD(scatter, "blocks of 16 bytes to 4 KiB, nine in ten freed at random, then all",
                     .sizes = {4 << 20, 16 << 20, 64 << 20, 256 << 20}, .quick_sizes = 3);
const Workload workload_large =
    SCATTER_WORKLOAD(large, "blocks of 16 KiB to 1 MiB, nine in ten freed at random, then all",
                     .sizes = {16 << 20, 64 << 20, 256 << 20}, .quick_sizes = 2);
