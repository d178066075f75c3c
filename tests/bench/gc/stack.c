/* Conservative stack: a recursion of `size` frames, each of which holds four short lists in its
 * locals and nowhere else, so that a collection finds all that lives by scanning the stack. Each
 * frame makes garbage on the way down and on the way up, and at the bottom as much again is made
 * over the whole stack. Twice.
 */
#include "tests/bench/gc/side.h"
#include "tests/bench/gc/workload.h"

typedef struct Node {
    struct Node *next;
    uint64_t value, more[2];
} Node;

enum { HELD = 4, LENGTH = 8, GARBAGE_LENGTH = 16, FRAME_GARBAGE = 4, TIMES = 2 };

static Node *list_make(size_t length, uint64_t value) {
    Node *list = NULL;
    for (size_t i = 0; i < length; i++) {
        Node *node = side_node(sizeof *node);
        node->value = value + i;
        side_link(node, &node->next, list);
        list = node;
    }
    return list;
}

static uint64_t list_sum(const Node *list) {
    uint64_t sum = 0;
    for (; list != NULL; list = list->next) {
        sum = sum * 31 + list->value;
    }
    return sum;
}

static void list_free(Node *list) {
    while (SIDE_FREES && list != NULL) {
        Node *next = list->next;
        side_free(list);
        list = next;
    }
}

static uint64_t garbage_make(size_t lists, uint64_t value) {
    uint64_t sum = 0;
    for (size_t i = 0; i < lists; i++) {
        Node *list = list_make(GARBAGE_LENGTH, value + i);
        sum += list_sum(list);
        list_free(list);
    }
    return sum;
}

/* Not inlined into itself: a frame for each step. */
#if defined(__GNUC__)
__attribute__((noinline))
#endif
static uint64_t
descend(size_t depth, size_t size) {
    Node *held[HELD];
    for (size_t i = 0; i < HELD; i++) {
        held[i] = list_make(LENGTH, depth + i);
    }
    uint64_t sum = garbage_make(FRAME_GARBAGE, depth);
    sum += depth < size ? descend(depth + 1, size) : garbage_make(FRAME_GARBAGE * size, depth);
    sum += garbage_make(FRAME_GARBAGE, sum);
    for (size_t i = 0; i < HELD; i++) {
        sum = sum * 31 + list_sum(held[i]);
        list_free(held[i]);
    }
    return sum;
}

static uint64_t stack_run(size_t size) {
    uint64_t sum = 0;
    for (size_t i = 0; i < TIMES; i++) {
        sum = sum * 31 + descend(1, size);
    }
    return sum;
}

static size_t stack_live(size_t size) {
    return (size * HELD * LENGTH + GARBAGE_LENGTH) * sizeof(Node);
}

const Workload workload_stack = {"stack", 1, stack_live, stack_run};
