/* messages: one thread allocates and fills messages, another reads and frees them.
 *
 * Each block is freed by a thread that never allocates, so what a thread keeps to itself is never
 * used again where it was freed: the pattern that per-thread caches are worst at. Messages of 32 to
 * 256 bytes go through a bounded queue in batches of 1,024, of which four may wait, so that the
 * queue's lock and wake-ups, a few microseconds each, stay below 10 ns a message.
 *
 *     producer   take, fill x 1,024 -> [batch][batch][batch][batch] -> read, give   consumer
 *
 * The threads are bound to processors, both to one or each to its own, since a system that may
 * choose takes sometimes this and sometimes that, and the latter costs several times as much: lines
 * of memory go from cache to cache, and locks are waited for. With one processor both are the
 * former.
 *
 * The row "bare queue" is the same with messages that lie ready in an array: what is left of a
 * figure above it is allocation. An operation is a message, by processor time of both threads, and
 * beside it by the clock.
 */
#define _GNU_SOURCE
#include "tests/bench/alloc/way.h"

#include <pthread.h>
#include <sched.h>

#include "goo/runtime/stats.h"

enum { MESSAGES_BATCH = 1024, MESSAGES_WAITING = 4, MESSAGES_LARGEST = 256 };

typedef struct Message {
    uint32_t size, kind;
    uint64_t words[]; /* up to `size` */
} Message;

typedef struct Batch {
    Message *messages[MESSAGES_BATCH];
} Batch;

/* Batches first in first out. `sent - received` of them are in the ring. */
typedef struct Queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    Batch ring[MESSAGES_WAITING];
    size_t sent, received, all; /* of the batches of this pass */
    GooAllocator *a;
    uint64_t found;
} Queue;

static Queue messages_queue = {.lock = PTHREAD_MUTEX_INITIALIZER,
                               .changed = PTHREAD_COND_INITIALIZER};

/* Waits until a batch can be written, or read; it is the caller's until it says that it is done. */
static Batch *messages_place(Queue *q) {
    pthread_mutex_lock(&q->lock);
    while (q->sent - q->received == MESSAGES_WAITING) {
        pthread_cond_wait(&q->changed, &q->lock);
    }
    pthread_mutex_unlock(&q->lock);
    return &q->ring[q->sent % MESSAGES_WAITING];
}

static Batch *messages_next(Queue *q) {
    pthread_mutex_lock(&q->lock);
    while (q->sent == q->received) {
        pthread_cond_wait(&q->changed, &q->lock);
    }
    pthread_mutex_unlock(&q->lock);
    return &q->ring[q->received % MESSAGES_WAITING];
}

static void messages_done(Queue *q, size_t *counter) {
    pthread_mutex_lock(&q->lock);
    (*counter)++;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

/* --- the two threads --- */

ALWAYS_INLINE Message *messages_make(Queue *q, uint64_t bits, TakeFn *take) {
    uint32_t size = 32 + 8 * (uint32_t)random_index(bits, (MESSAGES_LARGEST - 32) / 8 + 1);
    Message *message = take(q->a, size);
    size_t words = (size - sizeof *message) / sizeof(uint64_t);
    message->size = size;
    message->kind = (uint32_t)bits;
    for (size_t i = 0; i < words; i++) {
        message->words[i] = bits + i;
    }
    return message;
}

static uint64_t messages_read(const Message *message) {
    size_t words = (message->size - sizeof *message) / sizeof(uint64_t);
    uint64_t sum = message->kind;
    for (size_t i = 0; i < words; i++) {
        sum += message->words[i];
    }
    return sum;
}

ALWAYS_INLINE void messages_produce(Queue *q, TakeFn *take) {
    uint64_t seed = RANDOM_SEED;
    for (size_t i = 0; i < q->all; i++) {
        Batch *batch = messages_place(q);
        for (size_t k = 0; k < MESSAGES_BATCH; k++) {
            batch->messages[k] = messages_make(q, next_random(&seed), take);
        }
        messages_done(q, &q->sent);
    }
}

ALWAYS_INLINE void *messages_consume(Queue *q, GiveFn *give) {
    uint64_t found = 0;
    for (size_t i = 0; i < q->all; i++) {
        Batch *batch = messages_next(q);
        for (size_t k = 0; k < MESSAGES_BATCH; k++) {
            Message *message = batch->messages[k];
            found += messages_read(message);
            give(q->a, message, message->size);
        }
        messages_done(q, &q->received);
    }
    q->found = found;
    return NULL;
}

/* --- where they run --- */

/* This thread, and those that it makes, on the processor that is number `index` of `allowed`. */
static void messages_bind(const cpu_set_t *allowed, size_t index) {
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, allowed) && index-- == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(i, &one);
            sched_setaffinity(0, sizeof one, &one);
            return;
        }
    }
}

/* A consumer on the first processor, and this thread on the last of as many as the workload's
 * size says. False: no thread. */
static bool messages_begin(GooAllocator *a, size_t count, void *(*consumer)(void *queue),
                           const cpu_set_t *allowed, pthread_t *out_thread) {
    Queue *q = &messages_queue;
    q->sent = q->received = 0;
    q->all = count / MESSAGES_BATCH + 1;
    q->a = a;
    q->found = 0;
    messages_bind(allowed, 0);
    bool good = pthread_create(out_thread, NULL, consumer, q) == 0;
    messages_bind(allowed, way_size - 1);
    return good;
}

static size_t messages_end(const cpu_set_t *allowed, pthread_t thread) {
    pthread_join(thread, NULL);
    sched_setaffinity(0, sizeof *allowed, allowed);
    way_found = messages_queue.found;
    return messages_queue.all * MESSAGES_BATCH;
}

/* --- ways --- */

/* The producer is the thread that calls. */
#define MESSAGES_WAY(name, take, give)                                                             \
    static void *messages_consume_##name(void *queue) {                                            \
        return messages_consume(queue, give);                                                      \
    }                                                                                              \
    static size_t messages_##name(GooAllocator *a, size_t count) {                                 \
        pthread_t thread;                                                                          \
        cpu_set_t allowed;                                                                         \
        CPU_ZERO(&allowed); /* binds nothing where it can't be learnt */                           \
        sched_getaffinity(0, sizeof allowed, &allowed);                                            \
        if (!messages_begin(a, count, messages_consume_##name, &allowed, &thread)) {               \
            return 0;                                                                              \
        }                                                                                          \
        messages_produce(&messages_queue, take);                                                   \
        return messages_end(&allowed, thread);                                                     \
    }

/* One place for each message that can be between the two, in turn. */
enum { MESSAGES_KEPT = (MESSAGES_WAITING + 2) * MESSAGES_BATCH };

static uint64_t messages_kept[MESSAGES_KEPT][MESSAGES_LARGEST / sizeof(uint64_t)];
static size_t messages_kept_next;

ALWAYS_INLINE void *messages_take_ready(GooAllocator *a, size_t size) {
    (void)a;
    (void)size;
    return messages_kept[messages_kept_next++ % MESSAGES_KEPT];
}

ALWAYS_INLINE void messages_give_ready(GooAllocator *a, void *ptr, size_t size) {
    (void)a;
    (void)ptr;
    (void)size;
}

MESSAGES_WAY(malloc, take_malloc, give_malloc)
MESSAGES_WAY(ready, messages_take_ready, messages_give_ready)
MESSAGES_WAY(front_door, take_front_door, give_front_door)
MESSAGES_WAY(legacy, take_legacy, give_legacy)

static void messages_track(GooAllocator *a) {
    (void)a;
    goo_memory_set_tracking(true);
}

static void messages_untrack(GooAllocator *a) {
    (void)a;
    goo_memory_set_tracking(false);
}

static GooAllocator *messages_open_pool(void) {
    return goo_pool_allocator_create_with(
        NULL, &(GooPoolOptions){.object_size = MESSAGES_LARGEST, .thread_safe = true});
}

static const Way messages_ways[] = {
    WAY_OF_MALLOC(messages_malloc),
    WAY_OF_GOO("bare queue", messages_ready, NULL, NO_TARGET),
    WAY_OF_GOO(WAY_SYSTEM, messages_front_door, open_system, NO_TARGET),
    WAY_OF_GOO("goo legacy", messages_legacy, NULL, NO_TARGET),
    WAY_OF_GOO("goo pool behind a lock", messages_front_door, messages_open_pool, NO_TARGET),
    {.name = "goo system, tracking on",
     .side = WAY_GOO,
     .run = messages_front_door,
     .prepare = messages_track,
     .finish = messages_untrack,
     .open = open_system},
    WAY_OF_GOO("goo tracking allocator", messages_front_door, open_tracking_allocator, NO_TARGET),
};

static const Figure messages_figures[] = {{NULL, "ns"}, {"by the clock", "ns"}};

const Workload workload_messages = {
    .name = "messages",
    .what = "one thread allocates 32 to 256 bytes, another frees them (ns of processor time per "
            "message)",
    .ways = messages_ways,
    .way_count = COUNT_OF(messages_ways),
    .figures = messages_figures,
    .figure_count = COUNT_OF(messages_figures),
    .size_unit = "processors",
    .sizes = {1, 2},
    .quick_sizes = 2,
    .check_size = 2,
    .least_count = 64 * MESSAGES_BATCH,
};
