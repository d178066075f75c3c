/* Deep list: one list of `size` nodes that stays while short ones come and go, eight times as many
 * nodes. Marking it is a chain: each node is found by reading the one before, so several marking
 * threads can't help each other, and a collector that recursed would overflow its stack.
 */
#include "tests/bench/gc/side.h"
#include "tests/bench/gc/workload.h"

typedef struct Node {
    struct Node *next;
    uint64_t value;
} Node;

enum { SHORT = 32, TURNOVER = 8 };

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

static uint64_t deeplist_run(size_t size) {
    Node *stays = list_make(size, 1);
    uint64_t sum = 0;
    for (size_t i = 0; i < TURNOVER * size / SHORT; i++) {
        Node *list = list_make(SHORT, i);
        sum = sum * 31 + list_sum(list);
        list_free(list);
    }
    sum = sum * 31 + list_sum(stays);
    list_free(stays);
    return sum;
}

static size_t deeplist_live(size_t size) {
    return (size + SHORT) * sizeof(Node);
}

const Workload workload_deeplist = {"deeplist", 1, deeplist_live, deeplist_run};
