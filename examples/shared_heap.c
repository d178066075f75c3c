/* One heap for several threads: they build an index together.
 *
 *     shared_heap [--threads N] [--words N]
 *
 * Each thread reads a text of its own (made up, from a seed) and puts every word, with the places
 * where it stands, into one index that all share: a collected table of collected lists. What the
 * example shows are the rules for threads on one heap:
 *
 *   - every thread attaches, and has a mutator, frames and temporaries of its own;
 *   - what an object holds is ordered by the program: here by one lock around the index;
 *   - whoever waits for a lock, or for a thread to end, does so in a blocking region: the thread it
 *     waits for may be collecting, and a collection waits for all that run;
 *   - a loop that allocates nothing comes to a safepoint now and then.
 */
#include <goo/goo.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 64, BUCKETS = 256, SHOWN = 5, WORD_MAX = 8 };
enum { EXIT_MISUSE = 64, EXIT_MEMORY = 70 };

typedef struct Place {
    const GooGcType *type;
    struct Place *next;
    uint32_t text, position;
} Place;

typedef struct Entry {
    const GooGcType *type;
    struct Entry *next; /* of the bucket */
    Place *places;
    uint64_t count;
    char word[WORD_MAX];
} Entry;

typedef struct Index {
    const GooGcType *type;
    Entry *buckets[BUCKETS];
} Index;

static const uint64_t place_pointers[] = {1u << 1};
static const GooGcType place_type = {.name = "place",
                                     .size = sizeof(Place),
                                     .layout = GOO_GC_LAYOUT_BITMAP,
                                     .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                     .bitmap = place_pointers,
                                     .bitmap_words = 1};
static const uint64_t entry_pointers[] = {1u << 1 | 1u << 2};
static const GooGcType entry_type = {.name = "entry",
                                     .size = sizeof(Entry),
                                     .layout = GOO_GC_LAYOUT_BITMAP,
                                     .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                     .bitmap = entry_pointers,
                                     .bitmap_words = 1};
static const GooGcType index_type = {.name = "index",
                                     .size = sizeof(Index),
                                     .layout = GOO_GC_LAYOUT_ARRAY,
                                     .flags = GOO_GC_TYPE_ARRAY_POINTERS,
                                     .array_offset = offsetof(Index, buckets)};

typedef struct Shared {
    GooGcHeap *heap;
    pthread_mutex_t lock; /* of everything that hangs on the index */
    Index *index;         /* a root */
    unsigned long words;  /* in each text */
} Shared;

typedef struct Reader {
    pthread_t thread;
    Shared *shared;
    uint32_t text;
    bool out_of_memory;
} Reader;

/* --- texts --- */

/* The next word: short ones are frequent. xorshift64*, from Vigna's "An experimental exploration of
 * Marsaglia's xorshift generators, scrambled" (2016). */
static void text_next_word(uint64_t *state, char *word) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    uint64_t bits = (*state * 0x2545f4914f6cdd1du) >> 16;
    size_t length = 1 + bits % 3;
    memset(word, 0, WORD_MAX);
    for (size_t i = 0; i < length; i++) {
        bits /= 16;
        word[i] = "etaoinshrdlucmfw"[bits % 16];
    }
}

static unsigned word_bucket(const char *word) {
    unsigned hash = 0;
    for (; *word != '\0'; word++) {
        hash = hash * 31 + (unsigned char)*word;
    }
    return hash % BUCKETS;
}

/* --- the index, under the lock --- */

static Entry *index_find(const Index *index, const char *word) {
    Entry *entry = index->buckets[word_bucket(word)];
    while (entry != NULL && strcmp(entry->word, word) != 0) {
        entry = entry->next;
    }
    return entry;
}

/* Allocating under the lock is fine: who waits for the lock is in a blocking region. */
static Entry *index_add(GooGcMutator *m, Index *index, const char *word) {
    Entry *entry = goo_gc_alloc(m, &entry_type, 0);
    if (entry != NULL) {
        Entry **bucket = &index->buckets[word_bucket(word)];
        memcpy(entry->word, word, WORD_MAX);
        entry->next = *bucket; /* a new object's fields need no barrier */
        goo_gc_write_pointer(m, index, bucket, entry);
    }
    return entry;
}

static bool index_put(GooGcMutator *m, Index *index, const char *word, Place *place) {
    Entry *entry = index_find(index, word);
    if (entry == NULL) {
        entry = index_add(m, index, word);
    }
    if (entry == NULL) {
        return false;
    }
    GOO_GC_SET(m, place, next, entry->places);
    GOO_GC_SET(m, entry, places, place);
    entry->count++;
    return true;
}

/* --- a thread --- */

static void shared_lock(Shared *shared, GooGcMutator *m) {
    goo_gc_blocking_begin(m);
    pthread_mutex_lock(&shared->lock);
    goo_gc_blocking_end(m);
}

/* The place is made without the lock, and kept by a frame while the thread waits for it. */
static bool reader_put(const Reader *r, GooGcMutator *m, const char *word, uint32_t position) {
    Shared *shared = r->shared;
    Place *place = goo_gc_alloc(m, &place_type, 0);
    if (place == NULL) {
        return false;
    }
    place->text = r->text;
    place->position = position;
    GooGcFrame frame;
    goo_gc_frame_begin(m, &frame, (void *[]){&place}, 1);
    shared_lock(shared, m);
    bool put = index_put(m, shared->index, word, place);
    pthread_mutex_unlock(&shared->lock);
    goo_gc_frame_end(m, &frame);
    return put;
}

static void *reader_run(void *arg) {
    Reader *r = arg;
    GooGcMutator *m = goo_gc_attach(r->shared->heap);
    uint64_t state = 0x9e3779b97f4a7c15u * (r->text + 1);
    char word[WORD_MAX];
    r->out_of_memory = m == NULL;
    for (uint32_t i = 0; i < r->shared->words && !r->out_of_memory; i++) {
        text_next_word(&state, word);
        r->out_of_memory = !reader_put(r, m, word, i);
    }
    if (m != NULL) {
        goo_gc_detach(m);
    }
    return NULL;
}

/* --- what the index says --- */

static bool entry_is_before(const Entry *a, const Entry *b) {
    return b == NULL || a->count > b->count ||
           (a->count == b->count && strcmp(a->word, b->word) < 0);
}

/* Checks each entry's list, and collects the most frequent. Nothing is allocated here, so it comes
 * to safepoints by itself. */
static size_t index_survey(GooGcMutator *m, const Index *index, const Entry **most, size_t *wrong) {
    size_t entries = 0;
    for (size_t b = 0; b < BUCKETS; b++) {
        for (const Entry *entry = index->buckets[b]; entry != NULL; entry = entry->next) {
            uint64_t places = 0;
            for (const Place *place = entry->places; place != NULL; place = place->next) {
                places++;
            }
            *wrong += places != entry->count;
            entries++;
            const Entry *falling = entry;
            for (size_t i = 0; i < SHOWN; i++) {
                if (entry_is_before(falling, most[i])) {
                    const Entry *next = most[i];
                    most[i] = falling;
                    falling = next;
                }
                if (falling == NULL) {
                    break;
                }
            }
        }
        goo_gc_safepoint(m);
    }
    return entries;
}

static int print_index(Shared *shared, GooGcMutator *m) {
    const Entry *most[SHOWN] = {NULL}; /* alive because the index is */
    size_t wrong = 0;
    size_t entries = index_survey(m, shared->index, most, &wrong);
    goo_gc_collect(m, GOO_GC_FULL);
    printf("%zu words, %zu wrong\n", entries, wrong);
    for (size_t i = 0; i < SHOWN && most[i] != NULL; i++) {
        printf("%6llu  %s\n", (unsigned long long)most[i]->count, most[i]->word);
    }
    GooGcStats stats = goo_gc_get_stats(shared->heap);
    printf("%zu objects are live after %llu collections\n", stats.objects_live,
           (unsigned long long)stats.collections_full);
    return wrong == 0 ? 0 : 1;
}

/* --- the program --- */

static bool read_together(Shared *shared, GooGcMutator *m, unsigned long threads) {
    Reader readers[THREADS_MAX];
    bool good = true;
    unsigned long started = 0;
    for (; started < threads && good; started++) {
        readers[started] = (Reader){.shared = shared, .text = (uint32_t)started};
        good = pthread_create(&readers[started].thread, NULL, reader_run, &readers[started]) == 0;
    }
    started -= !good;
    goo_gc_blocking_begin(m); /* this thread is attached too */
    for (unsigned long i = 0; i < started; i++) {
        pthread_join(readers[i].thread, NULL);
        good &= !readers[i].out_of_memory;
    }
    goo_gc_blocking_end(m);
    return good;
}

static int run(Shared *shared, unsigned long threads) {
    GooGcOptions options = goo_gc_default_options();
    options.initial_bytes = (size_t)1 << 20;
    int status = EXIT_MEMORY;
    if (goo_gc_options_parse(&options, getenv("GOO_GC")) != GOO_OK) {
        fputs("shared_heap: not heap settings in GOO_GC\n", stderr);
        return EXIT_MISUSE;
    }
    shared->heap = goo_gc_heap_create(&options);
    GooGcMutator *m = shared->heap != NULL ? goo_gc_attach(shared->heap) : NULL;
    if (m != NULL && goo_gc_root_add_pointer(shared->heap, &shared->index) == GOO_OK) {
        shared->index = goo_gc_alloc(m, &index_type, 0);
        if (shared->index != NULL && read_together(shared, m, threads)) {
            status = print_index(shared, m);
        }
    }
    if (status == EXIT_MEMORY) {
        fputs("shared_heap: no memory\n", stderr);
    }
    if (m != NULL) {
        goo_gc_detach(m);
    }
    goo_gc_heap_destroy(shared->heap);
    return status;
}

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

int main(int count, char **arguments) {
    Shared shared = {.lock = PTHREAD_MUTEX_INITIALIZER, .words = 20000};
    unsigned long threads = 4;
    for (int i = 1; i < count; i += 2) {
        const char *value = i + 1 < count ? arguments[i + 1] : NULL;
        bool good;
        if (strcmp(arguments[i], "--threads") == 0) {
            good = number_of(value, THREADS_MAX, &threads);
        } else if (strcmp(arguments[i], "--words") == 0) {
            good = number_of(value, 10000000, &shared.words);
        } else {
            fputs("usage: shared_heap [--threads N] [--words N]\n", stderr);
            return EXIT_MISUSE;
        }
        if (!good) {
            fprintf(stderr, "shared_heap: %s needs a number\n", arguments[i]);
            return EXIT_MISUSE;
        }
    }
    return run(&shared, threads);
}
