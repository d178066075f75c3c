/* One heap per thread: isolates that share nothing, and whose collections disturb nobody else.
 *
 *     heap_per_thread [--threads N] [--numbers N]
 *
 * Which number below N reaches 1 after the most Collatz steps (n/2 of the even, 3n + 1 of the odd)?
 * Each thread takes every n-th number in a heap of its own: sequences are lists of collected cells,
 * and the lengths that it knows already hang in a collected search tree. Nothing is locked: no
 * object refers to another heap's, and only plain numbers leave a thread. A heap that ends with its
 * thread is given back as a whole, and none of its objects is visited for that.
 */
#include <goo/goo.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 64, EXIT_MISUSE = 64, EXIT_MEMORY = 70 };

/* A sequence on its way down, its last number first. */
typedef struct Cell {
    const GooGcType *type;
    struct Cell *before;
    uint64_t number;
} Cell;

/* A search tree by the bits of the number, the lowest first. */
typedef struct Known {
    const GooGcType *type;
    struct Known *child[2];
    uint64_t number;
    uint32_t steps;
} Known;

static const uint64_t cell_pointers[] = {1u << 1};
static const GooGcType cell_type = {.name = "cell",
                                    .size = sizeof(Cell),
                                    .layout = GOO_GC_LAYOUT_BITMAP,
                                    .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                    .bitmap = cell_pointers,
                                    .bitmap_words = 1};
static const uint64_t known_pointers[] = {1u << 1 | 1u << 2};
static const GooGcType known_type = {.name = "known",
                                     .size = sizeof(Known),
                                     .layout = GOO_GC_LAYOUT_BITMAP,
                                     .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                     .bitmap = known_pointers,
                                     .bitmap_words = 1};

typedef struct Worker {
    pthread_t thread;
    uint64_t first, stride, end; /* its numbers */
    uint64_t best, best_steps, sequences;
    uint64_t collections, cells; /* what its heap did */
    bool out_of_memory;
} Worker;

/* --- what is known --- */

/* Where the number hangs in the tree, or would; *out_parent is whom it would hang on. */
static Known **known_place(Known **root, uint64_t number, Known **out_parent) {
    Known **place = root;
    *out_parent = NULL;
    for (uint64_t bits = number; *place != NULL && (*place)->number != number; bits /= 2) {
        *out_parent = *place;
        place = &(*place)->child[bits % 2];
    }
    return place;
}

/* False: no memory. The root is a frame's variable, which needs no barrier. */
static bool known_add(GooGcMutator *m, Known **root, uint64_t number, uint32_t steps) {
    Known *parent, **place, *known = goo_gc_alloc(m, &known_type, 0);
    if (known == NULL) {
        return false;
    }
    known->number = number;
    known->steps = steps;
    place = known_place(root, number, &parent);
    if (parent == NULL) {
        *place = known;
    } else {
        goo_gc_write_pointer(m, parent, place, known);
    }
    return true;
}

/* --- one sequence --- */

/* The steps from `number` to 1, or UINT32_MAX when memory is short. The sequence down to the first
 * number that is known is kept, then gone through backwards; only small numbers become known. */
static uint32_t collatz_steps(GooGcMutator *m, Known **root, uint64_t number, uint64_t end) {
    Cell *sequence = NULL;
    Known *parent, *known;
    GooGcFrame frame;
    uint32_t steps = UINT32_MAX;
    goo_gc_frame_begin(m, &frame, (void *[]){&sequence}, 1);
    while ((known = *known_place(root, number, &parent)) == NULL && number != 1) {
        Cell *cell = goo_gc_alloc(m, &cell_type, 0);
        if (cell == NULL) {
            goto done;
        }
        cell->number = number;
        cell->before = sequence; /* a new object's fields need no barrier */
        sequence = cell;
        number = number % 2 == 0 ? number / 2 : 3 * number + 1;
    }
    steps = known != NULL ? known->steps : 0;
    for (; sequence != NULL; sequence = sequence->before) {
        steps++;
        if (sequence->number < end && !known_add(m, root, sequence->number, steps)) {
            steps = UINT32_MAX;
            break;
        }
    }
done:
    goo_gc_frame_end(m, &frame);
    return steps;
}

/* --- a thread and its heap --- */

static void worker_count(Worker *w, GooGcMutator *m) {
    Known *root = NULL;
    GooGcFrame frame;
    goo_gc_frame_begin(m, &frame, (void *[]){&root}, 1);
    for (uint64_t number = w->first; number < w->end && !w->out_of_memory; number += w->stride) {
        uint32_t steps = collatz_steps(m, &root, number, w->end);
        w->out_of_memory = steps == UINT32_MAX;
        w->sequences++;
        if (!w->out_of_memory && steps > w->best_steps) {
            w->best = number;
            w->best_steps = steps;
        }
    }
    goo_gc_frame_end(m, &frame);
}

static void *worker_run(void *arg) {
    Worker *w = arg;
    GooGcOptions options = goo_gc_default_options();
    options.initial_bytes = (size_t)1 << 20;
    options.marker_threads = 1; /* the cores have their own work */
    GooGcHeap *heap = goo_gc_heap_create(&options);
    GooGcMutator *m = heap != NULL ? goo_gc_attach(heap) : NULL;
    w->out_of_memory = m == NULL;
    if (m != NULL) {
        worker_count(w, m);
        GooGcStats stats = goo_gc_get_stats(heap);
        w->collections = stats.collections_full;
        w->cells = stats.allocated_objects;
        goo_gc_detach(m);
    }
    goo_gc_heap_destroy(heap);
    return NULL;
}

/* --- the program --- */

static bool number_of(const char *text, unsigned long most, unsigned long *number) {
    char *end = NULL;
    errno = 0;
    if (text == NULL || *text < '0' || *text > '9') {
        return false;
    }
    unsigned long value = strtoul(text, &end, 10);
    if (value == 0 || errno != 0 || *end != '\0' || value > most) {
        return false;
    }
    *number = value;
    return true;
}

static int run(unsigned long threads, unsigned long numbers) {
    Worker workers[THREADS_MAX] = {{0}};
    Worker all = {.best = 1};
    unsigned long started = 0;
    while (started < threads) {
        Worker *w = &workers[started];
        uint64_t first = 1 + started;
        *w = (Worker){.first = first, .stride = threads, .end = numbers, .best = first};
        if (pthread_create(&w->thread, NULL, worker_run, w) != 0) {
            all.out_of_memory = true;
            break;
        }
        started++;
    }
    for (unsigned long i = 0; i < started; i++) {
        const Worker *w = &workers[i];
        pthread_join(w->thread, NULL);
        all.out_of_memory |= w->out_of_memory;
        all.sequences += w->sequences;
        all.collections += w->collections;
        all.cells += w->cells;
        bool same = w->best_steps == all.best_steps;
        if (w->best_steps > all.best_steps || (same && w->best < all.best)) {
            all.best = w->best;
            all.best_steps = w->best_steps;
        }
    }
    if (all.out_of_memory) {
        fprintf(stderr, "heap_per_thread: no memory\n");
        return EXIT_MEMORY;
    }
    printf("%llu sequences by %lu threads\n", (unsigned long long)all.sequences, threads);
    printf("%llu has the longest: %llu steps\n", (unsigned long long)all.best,
           (unsigned long long)all.best_steps);
    printf("%llu objects in %lu heaps, %llu collections\n", (unsigned long long)all.cells, threads,
           (unsigned long long)all.collections);
    return 0;
}

int main(int count, char **arguments) {
    unsigned long threads = 4, numbers = 60000;
    for (int i = 1; i < count; i += 2) {
        const char *value = i + 1 < count ? arguments[i + 1] : NULL;
        bool good;
        if (strcmp(arguments[i], "--threads") == 0) {
            good = number_of(value, THREADS_MAX, &threads);
        } else if (strcmp(arguments[i], "--numbers") == 0) {
            good = number_of(value, 10000000, &numbers);
        } else {
            fputs("usage: heap_per_thread [--threads N] [--numbers N]\n", stderr);
            return EXIT_MISUSE;
        }
        if (!good) {
            fprintf(stderr, "heap_per_thread: %s needs a number\n", arguments[i]);
            return EXIT_MISUSE;
        }
    }
    return run(threads, numbers);
}
