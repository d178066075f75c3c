/* A quad-tree of depth `size` that stays, 48 bytes a node, in which branches of four levels are
 * replaced by new ones, at random places: eight times as many nodes as it has. Old nodes refer to
 * new ones, and what dies lies scattered.
 */
#include "tests/bench/gc/side.h"
#include "tests/bench/gc/workload.h"

typedef struct Node {
    struct Node *kids[4];
    uint64_t value;
} Node;

enum { BRANCH_DEPTH = 4, TURNOVER = 8 };

static Node *quad_make(size_t depth, uint64_t *values) {
    Node *node = side_node(sizeof *node);
    node->value = (*values)++;
    for (size_t i = 0; depth > 0 && i < 4; i++) {
        side_link(node, &node->kids[i], quad_make(depth - 1, values));
    }
    return node;
}

static uint64_t quad_sum(const Node *node) {
    uint64_t sum = node->value;
    for (size_t i = 0; i < 4 && node->kids[i] != NULL; i++) {
        sum = sum * 31 + quad_sum(node->kids[i]);
    }
    return sum;
}

static size_t quad_nodes(size_t depth) {
    return (((size_t)1 << (2 * (depth + 1))) - 1) / 3;
}

static void quad_free(Node *node) {
    for (size_t i = 0; SIDE_FREES && i < 4 && node->kids[i] != NULL; i++) {
        quad_free(node->kids[i]);
    }
    side_free(node);
}

static void quad_replace_branch(Node *node, size_t depth, uint64_t *random, uint64_t *values) {
    uint64_t way = workload_random(random);
    for (; depth > BRANCH_DEPTH + 1; depth--) {
        node = node->kids[way & 3];
        way >>= 2;
    }
    quad_free(node->kids[way & 3]);
    side_link(node, &node->kids[way & 3], quad_make(BRANCH_DEPTH, values));
}

static uint64_t quads_run(size_t size) {
    uint64_t random = 88172645463325252u, values = 0;
    Node *root = quad_make(size, &values);
    uint64_t sum = quad_sum(root);
    size_t times = TURNOVER * quad_nodes(size) / quad_nodes(BRANCH_DEPTH);
    for (size_t i = 0; i < times; i++) {
        quad_replace_branch(root, size, &random, &values);
    }
    sum = sum * 31 + quad_sum(root);
    quad_free(root);
    return sum;
}

static size_t quads_live(size_t size) {
    return quad_nodes(size) * 48;
}

const Workload workload_quads = {"quads", 4, quads_live, quads_run};
