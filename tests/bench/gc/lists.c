/* Linked list churn: queues of `size` nodes in all that come and go, one of them as long as all the
 * others together, eight long ones, and many short ones. A step appends a few nodes to a queue and
 * takes as many from its other end; every fourth step on a short queue makes a new list of it in
 * place of the old one, as programs with lists do. The nodes turn over twelve times.
 *
 * A node that was taken is unlinked from its successor, as queues that live on a collector that
 * scans the stack must: one stale word would keep all that was ever appended after it.
 */
#include "tests/bench/gc/side.h"
#include "tests/bench/gc/workload.h"

typedef struct Node {
    struct Node *next, *previous;
    uint64_t value;
} Node;

typedef struct Queue {
    Node *first, *last;
    uint64_t length;
} Queue;

enum { LONG = 8, SHORT = 256, QUEUES = 1 + LONG + SHORT, RUN_MOST = 16, TURNOVER = 12 };

static void queue_append(Queue *queue, uint64_t value) {
    Node *node = side_node(sizeof *node), *last = queue->last;
    node->value = value;
    side_link(node, &node->previous, last);
    if (last != NULL) {
        side_link(last, &last->next, node);
    } else {
        side_link(queue, &queue->first, node);
    }
    side_link(queue, &queue->last, node);
    queue->length++;
}

static uint64_t queue_take(Queue *queue) {
    Node *node = queue->first, *next = node->next;
    uint64_t value = node->value;
    side_link(node, &node->next, NULL);
    side_link(queue, &queue->first, next);
    if (next != NULL) {
        side_link(next, &next->previous, NULL);
    } else {
        side_link(queue, &queue->last, NULL);
    }
    queue->length--;
    side_free(node);
    return value;
}

/* A new list of the old one's values, each changed. */
static Queue *queue_map(Queue *old, uint64_t factor) {
    Queue *queue = side_node(sizeof *queue);
    for (const Node *node = old->first; node != NULL; node = node->next) {
        queue_append(queue, node->value * factor + 1);
    }
    return queue;
}

static void queue_free(Queue *queue) {
    while (SIDE_FREES && queue->first != NULL) {
        queue_take(queue);
    }
    side_free(queue);
}

/* How many nodes a queue holds. */
static size_t queue_length(size_t queue, size_t size) {
    return 1 + (queue == 0 ? size / 2 : queue <= LONG ? size / 4 / LONG : size / 4 / SHORT);
}

static SideArray *queues_make(size_t size) {
    SideArray *queues = side_array(QUEUES);
    for (size_t i = 0; i < QUEUES; i++) {
        Queue *queue = side_node(sizeof *queue);
        side_link(queues, &queues->items[i], queue);
        for (size_t n = 0; n < queue_length(i, size); n++) {
            queue_append(queue, i + n);
        }
    }
    return queues;
}

/* A quarter of the steps is the longest queue's, and a quarter the long ones'. */
static size_t queue_choose(uint64_t way) {
    switch (way & 3) {
    case 0:
        return 0;
    case 1:
        return 1 + (way >> 8) % LONG;
    default:
        return 1 + LONG + (way >> 8) % SHORT;
    }
}

static uint64_t lists_run(size_t size) {
    uint64_t random = 88172645463325252u, sum = 0, made = 0;
    SideArray *queues = queues_make(size);
    while (made < TURNOVER * size) {
        uint64_t way = workload_random(&random);
        size_t chosen = queue_choose(way);
        Queue *queue = queues->items[chosen];
        if (chosen > LONG && (way >> 2 & 3) == 0) {
            side_link(queues, &queues->items[chosen], queue_map(queue, way | 1));
            made += queue->length;
            queue_free(queue);
            continue;
        }
        size_t run = 1 + (way >> 4) % RUN_MOST;
        for (size_t i = 0; i < run; i++) {
            queue_append(queue, way + i);
        }
        for (size_t i = 0; i < run; i++) {
            sum = sum * 31 + queue_take(queue);
        }
        made += run;
    }
    for (size_t i = 0; i < QUEUES; i++) {
        Queue *queue = queues->items[i];
        sum = sum * 31 + queue->length + queue->last->value;
        queue_free(queue);
    }
    side_free(queues);
    return sum;
}

/* Queues have a node each beside their share; one is being mapped. */
static size_t lists_live(size_t size) {
    return (size + 3 * QUEUES + queue_length(QUEUES - 1, size)) * 32;
}

const Workload workload_lists = {"lists", 2, lists_live, lists_run};
