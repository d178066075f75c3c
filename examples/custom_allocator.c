/* An allocator by hand: a struct filled in, and everything of Goo works with it.
 *
 *     custom_allocator
 *
 * The allocator is a first-fit list of the free pieces of one block of memory, by address:
 *
 *     memory | used | free: size, next ─┐ | used | free: size, NULL |
 *                                       └────────▶
 *
 * Since sizes come back at free, a used piece has no head. Pieces are multiples of 16 bytes, which
 * is what the note in a free piece takes; a free joins it with free neighbours.
 *
 * An allocator is only the mechanism: it honours size, alignment and zeroing. Argument checks,
 * strategies, statistics, callbacks and limits are the front door's, so this file has none of them,
 * and main() shows them working. `capabilities` is 0: it promises nothing but to allocate and free.
 */
#include <goo/goo.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the mechanism --- */

enum { GRAIN = 16 };

typedef struct Piece {
    size_t size;
    struct Piece *next; /* at a higher address; pieces never touch */
} Piece;

_Static_assert(sizeof(Piece) <= GRAIN, "a free piece holds its note");

typedef struct FirstFit {
    GooAllocator allocator;
    GooAllocator *parent;
    Piece *free;
    size_t size; /* of the memory */
    _Alignas(GRAIN) char memory[];
} FirstFit;

/* Up to a multiple of a power of two. The front door has checked that this can't overflow. */
static size_t round_up(size_t size, size_t to) {
    return (size + (to - 1)) & ~(to - 1);
}

/* Puts a piece into the list and joins it with what it touches. */
static void fit_give(FirstFit *fit, void *at, size_t size) {
    Piece **link = &fit->free, *before = NULL, *piece = at;
    while (*link != NULL && *link < piece) {
        before = *link;
        link = &before->next;
    }
    *piece = (Piece){size, *link};
    *link = piece;
    if (piece->next != NULL && (char *)piece + piece->size == (char *)piece->next) {
        piece->size += piece->next->size;
        piece->next = piece->next->next;
    }
    if (before != NULL && (char *)before + before->size == (char *)piece) {
        before->size += piece->size;
        before->next = piece->next;
    }
}

static void *fit_alloc(void *context, size_t size, size_t alignment, GooAllocOptions options) {
    FirstFit *fit = context;
    size = round_up(size, GRAIN);
    for (Piece **link = &fit->free; *link != NULL; link = &(*link)->next) {
        Piece *piece = *link;
        uintptr_t start = (uintptr_t)piece, end = start + piece->size;
        uintptr_t at = round_up(start, alignment);
        if (at >= start && at <= end && size <= end - at) {
            *link = piece->next;
            if (at + size < end) {
                fit_give(fit, (void *)(at + size), end - at - size);
            }
            if (start < at) {
                fit_give(fit, (void *)start, at - start);
            }
            return (options & GOO_ALLOC_ZERO) != 0 ? memset((void *)at, 0, size) : (void *)at;
        }
    }
    errno = ENOMEM;
    return NULL;
}

static void fit_free(void *context, void *ptr, size_t size, size_t alignment) {
    (void)alignment;
    fit_give(context, ptr, round_up(size, GRAIN));
}

/* Keeps the bytes that old and new block have in common. */
static void *fit_realloc(void *context, void *ptr, size_t old_size, size_t new_size,
                         size_t alignment, GooAllocOptions options) {
    void *moved = fit_alloc(context, new_size, alignment, options);
    if (moved != NULL) {
        memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
        fit_free(context, ptr, old_size, alignment);
    }
    return moved;
}

static void fit_destroy(void *self) {
    FirstFit *fit = ((GooAllocator *)self)->context;
    goo_memory_free_with(fit->parent, fit, sizeof *fit + fit->size);
}

/* A first-fit allocator over `size` bytes of this thread's allocator; NULL with errno ENOMEM. */
static GooAllocator *fit_create(size_t size) {
    GooAllocator *parent = goo_get_thread_allocator();
    size = size > SIZE_MAX / 2 ? SIZE_MAX / 2 : round_up(size, GRAIN);
    FirstFit *fit = goo_memory_alloc_with(parent, sizeof *fit + size);
    if (fit == NULL) {
        return NULL;
    }
    *fit = (FirstFit){
        .allocator =
            {
                .alloc = fit_alloc,
                .realloc = fit_realloc,
                .free = fit_free,
                .destroy = fit_destroy,
                .context = fit,
                .name = "first fit",
            },
        .parent = parent,
        .size = size,
    };
    fit_give(fit, fit->memory, size);
    return &fit->allocator;
}

/* How many pieces are free: 1 when nothing is out, however it was freed. */
static size_t fit_pieces(GooAllocator *allocator) {
    const FirstFit *fit = allocator->context;
    size_t count = 0;
    for (const Piece *piece = fit->free; piece != NULL; piece = piece->next) {
        count++;
    }
    return count;
}

/* --- what it gets for free --- */

static void check(bool good, const char *what) {
    if (!good) {
        fprintf(stderr, "custom_allocator: this should not happen: %s\n", what);
        exit(1);
    }
}

/* Every call of the front door, with statistics. */
static void show_front_door(GooAllocator *a) {
    a->track_stats = true;
    char *text = goo_memory_strdup_with(a, "front door");
    int *numbers = goo_memory_alloc_array(a, 100, sizeof(int), GOO_ALLOC_ZERO);
    void *aligned = goo_memory_alloc_options(a, 100, 256, GOO_ALLOC_DEFAULT);
    check(text != NULL && numbers != NULL && (uintptr_t)aligned % 256 == 0, "a refusal");
    check(goo_memory_is_zero(numbers, 100 * sizeof(int)), "what should be zero is not");
    text = goo_memory_realloc_with(a, text, 11, 500);
    check(text != NULL && strcmp(text, "front door") == 0, "a realloc that forgets");
    check(goo_memory_alloc_with(a, SIZE_MAX - 5) == NULL && errno == ENOMEM, "a size beyond all");
    check(goo_memory_alloc_options(a, 10, 3, 0) == NULL && errno == EINVAL, "an odd alignment");

    GooAllocStats stats = goo_get_alloc_stats(a);
    printf("front door: %zu blocks of %zu bytes, %zu requests refused, %zu free pieces\n",
           stats.allocation_count, stats.bytes_allocated, stats.failed_allocations, fit_pieces(a));
    goo_memory_free_with(a, text, 500);
    goo_memory_free_with(a, numbers, 100 * sizeof(int));
    goo_memory_free_options(a, aligned, 100, 256);
    printf("all freed: %zu bytes, %zu free piece\n", goo_get_alloc_stats(a).bytes_allocated,
           fit_pieces(a));
}

/* A budget around it and exact counts around that. */
static void show_decorators(GooAllocator *a) {
    GooAllocator *limited = goo_limit_allocator_create(a, 1000);
    GooAllocator *counted = goo_tracking_allocator_create(limited);
    check(limited != NULL && counted != NULL, "a refusal");
    void *blocks[20];
    size_t given = 0;
    while (given < 20 && (blocks[given] = goo_memory_alloc_with(counted, 300)) != NULL) {
        given++;
    }
    printf("a limit of 1000 bytes: %zu blocks of 300 fit, %zu bytes in use\n", given,
           goo_limit_used(limited));
    while (given > 0) {
        goo_memory_free_with(counted, blocks[--given], 300);
    }
    GooAllocStats stats = goo_get_alloc_stats(counted);
    printf("counted: %zu allocations, %zu frees, %zu refused, at most %zu bytes at once\n",
           stats.total_allocations, stats.total_frees, stats.failed_allocations,
           stats.max_bytes_allocated);
    goo_allocator_destroy(counted);
    goo_allocator_destroy(limited);
}

typedef struct Watch {
    GooAllocator *watched;
    size_t events[GOO_EVENT_PRESSURE + 1];
} Watch;

static void on_event(const GooMemoryEvent *event, void *user) {
    Watch *watch = user;
    watch->events[event->kind] += event->allocator == watch->watched;
}

static bool refuse_large(const GooMemoryEvent *event, void *user) {
    const Watch *watch = user;
    return event->allocator != watch->watched || event->size <= 1000;
}

/* Callbacks see what happens, and may refuse it. */
static void show_callbacks(GooAllocator *a) {
    Watch watch = {.watched = a};
    uint32_t kinds = 1u << GOO_EVENT_ALLOC | 1u << GOO_EVENT_FREE;
    int observer = goo_callback_add_observer(on_event, &watch, kinds);
    int interceptor = goo_callback_add_interceptor(refuse_large, &watch);
    check(observer > 0 && interceptor > 0, "a refusal");
    void *small = goo_memory_alloc_with(a, 1000);
    void *large = goo_memory_alloc_with(a, 1001);
    goo_memory_free_with(a, small, 1000);
    goo_callback_remove(interceptor);
    goo_callback_remove(observer);
    printf("observed: %zu allocation, %zu free; 1001 bytes were %s\n",
           watch.events[GOO_EVENT_ALLOC], watch.events[GOO_EVENT_FREE],
           large == NULL ? "vetoed" : "given");
    goo_memory_free_with(a, large, 1001);
}

/* Its strategy: what can be done without is given up, and the request tried again. */
static GooAllocator *cache_owner;
static void *cache;

static void drop_cache(void) {
    goo_memory_free_with(cache_owner, cache, 40000);
    cache = NULL;
}

static void show_strategy(GooAllocator *a) {
    cache_owner = a;
    cache = goo_memory_alloc_with(a, 40000);
    a->strategy = GOO_ALLOC_STRATEGY_RETRY;
    a->out_of_mem_fn = drop_cache;
    void *wanted = goo_memory_alloc_with(a, 50000);
    printf("strategy RETRY: the cache was %s and the request %s\n",
           cache == NULL ? "dropped" : "kept", wanted != NULL ? "succeeded" : "failed");
    a->strategy = GOO_ALLOC_STRATEGY_NULL;
    goo_memory_free_with(a, wanted, 50000);
    drop_cache(); /* freeing NULL does nothing */
}

/* Makes one from the options behind its name: "" or "size=BYTES". */
static GooAllocator *fit_factory(const char *options, void *user) {
    const size_t *usual_size = user;
    if (options[0] == '\0') {
        return fit_create(*usual_size);
    }
    char *end = NULL;
    size_t size = strncmp(options, "size=", 5) == 0 ? strtoull(options + 5, &end, 10) : 0;
    if (size == 0 || *end != '\0') {
        errno = EINVAL;
        return NULL;
    }
    return fit_create(size);
}

/* A name for it, by which a configuration can choose it, alone or beneath others. */
static void show_names(void) {
    static size_t usual_size = 16 * 1024;
    check(goo_allocator_register("firstfit", fit_factory, &usual_size) == GOO_OK, "no name");
    static const char *const texts[] = {"firstfit", "firstfit:size=100",
                                        "arena:block=1k,parent=(firstfit:size=4000)",
                                        "firstfit:colour=red"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        GooAllocator *a = goo_allocator_open(texts[i]);
        size_t given = 0;
        while (a != NULL && goo_memory_alloc_with(a, 80) != NULL) {
            given++;
        }
        printf("%-44s %s%zu blocks of 80 bytes\n", texts[i],
               a != NULL ? "" : "is refused: ", given);
        goo_allocator_destroy(a); /* and what its text named; blocks go with the memory */
    }
}

int main(void) {
    GooAllocator *a = fit_create(64 * 1024);
    check(a != NULL, "out of memory");
    show_front_door(a);
    show_decorators(a);
    show_callbacks(a);
    show_strategy(a);
    printf("at the end: %zu free piece\n", fit_pieces(a));
    goo_allocator_destroy(a);
    show_names();
    return 0;
}
