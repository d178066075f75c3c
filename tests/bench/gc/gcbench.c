/* GCBench: binary trees of 32-byte nodes, made from the root down and from the leaves up, of even
 * depths up to size - 2, beside a tree of depth size - 2 and a large array of numbers that stay.
 * The tree of depth `size` that comes first and goes at once stretches the heap.
 *
 * Source: after the benchmark of John Ellis, Pete Kovac and Hans Boehm.
 */
#include "tests/bench/gc/side.h"
#include "tests/bench/gc/workload.h"

typedef struct Node {
    struct Node *left, *right;
    int32_t i, j;
} Node;

enum { DEPTH_LEAST = 4 };

static size_t tree_nodes(size_t depth) {
    return ((size_t)2 << depth) - 1;
}

static Node *tree_from_leaves(size_t depth) {
    Node *left = depth == 0 ? NULL : tree_from_leaves(depth - 1);
    Node *right = depth == 0 ? NULL : tree_from_leaves(depth - 1);
    Node *node = side_node(sizeof *node);
    side_link(node, &node->left, left);
    side_link(node, &node->right, right);
    node->i = (int32_t)depth;
    return node;
}

static void tree_from_root(Node *node, size_t depth) {
    node->j = (int32_t)depth;
    if (depth > 0) {
        side_link(node, &node->left, side_node(sizeof *node));
        side_link(node, &node->right, side_node(sizeof *node));
        tree_from_root(node->left, depth - 1);
        tree_from_root(node->right, depth - 1);
    }
}

static uint64_t tree_sum(const Node *node) {
    return node == NULL
               ? 1
               : (uint64_t)(node->i + node->j) + tree_sum(node->left) + tree_sum(node->right);
}

static void tree_free(Node *node) {
    if (SIDE_FREES && node != NULL) {
        tree_free(node->left);
        tree_free(node->right);
        side_free(node);
    }
}

static uint64_t tree_sum_and_free(Node *node) {
    uint64_t sum = tree_sum(node);
    tree_free(node);
    return sum;
}

/* Trees of both kinds; of each the last is looked at. */
static uint64_t trees_of(size_t depth, size_t top) {
    size_t times = 2 * tree_nodes(top) / tree_nodes(depth);
    Node *down = NULL, *up = NULL;
    for (size_t i = 0; i < times; i++) {
        tree_free(down);
        down = side_node(sizeof *down);
        tree_from_root(down, depth);
        down->i = (int32_t)i;
    }
    for (size_t i = 0; i < times; i++) {
        tree_free(up);
        up = tree_from_leaves(depth);
        up->j = (int32_t)i;
    }
    uint64_t sum = tree_sum_and_free(down) * 31;
    return sum + tree_sum_and_free(up);
}

static size_t numbers_of(size_t size) {
    return (size_t)2 << size;
}

static uint64_t gcbench_run(size_t size) {
    uint64_t sum = tree_sum_and_free(tree_from_leaves(size));
    Node *stays = side_node(sizeof *stays);
    tree_from_root(stays, size - 2);
    double *numbers = side_leaf(numbers_of(size) * sizeof *numbers);
    for (size_t i = 0; i < numbers_of(size); i++) {
        numbers[i] = (double)(i % 1000);
    }
    for (size_t depth = DEPTH_LEAST; depth <= size - 2; depth += 2) {
        sum = sum * 31 + trees_of(depth, size);
    }
    sum = sum * 31 + tree_sum_and_free(stays) + (uint64_t)numbers[1777 % numbers_of(size)];
    side_free(numbers);
    return sum;
}

static size_t gcbench_live(size_t size) {
    return tree_nodes(size) * 32 + numbers_of(size) * sizeof(double);
}

const Workload workload_gcbench = {"gcbench", 2, gcbench_live, gcbench_run};
