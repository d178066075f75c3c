/* Binary trees of 16-byte nodes: a tree of depth size + 1 that is dropped at once, one of depth
 * `size` that stays, and many of all depths between that come and go. Each is walked once, and the
 * nodes counted. By hand each is freed by a walk of its own.
 *
 * Source: the program of the Computer Language Benchmarks Game.
 */
#include "tests/bench/gc/side.h"
#include "tests/bench/gc/workload.h"

typedef struct Node {
    struct Node *left, *right;
} Node;

enum { DEPTH_LEAST = 4, DEPTH_LARGE = 10 };

static Node *tree_make(size_t depth) {
    Node *node = side_node(sizeof *node);
    if (depth > 0) {
        side_link(node, &node->left, tree_make(depth - 1));
        side_link(node, &node->right, tree_make(depth - 1));
    }
    return node;
}

static uint64_t tree_count(const Node *node) {
    return node->left == NULL ? 1 : 1 + tree_count(node->left) + tree_count(node->right);
}

static void tree_free(Node *node) {
    if (SIDE_FREES && node->left != NULL) {
        tree_free(node->left);
        tree_free(node->right);
    }
    side_free(node);
}

static uint64_t tree_come_and_go(size_t depth) {
    Node *volatile tree = tree_make(depth);
    uint64_t count = tree_count(tree);
    tree_free(tree);
    tree = NULL;
    if (depth >= DEPTH_LARGE) {
        side_forget();
    }
    return count;
}

static uint64_t trees_run(size_t size) {
    uint64_t sum = tree_come_and_go(size + 1);
    Node *stays = tree_make(size);
    for (size_t depth = DEPTH_LEAST; depth <= size; depth += 2) {
        size_t times = (size_t)1 << (size - depth + DEPTH_LEAST);
        for (size_t i = 0; i < times; i++) {
            sum = sum * 31 + tree_come_and_go(depth);
        }
    }
    sum = sum * 31 + tree_count(stays);
    tree_free(stays);
    return sum;
}

static size_t trees_live(size_t size) {
    return ((size_t)1 << (size + 2)) * sizeof(Node);
}

const Workload workload_trees = {"trees", 2, trees_live, trees_run};
