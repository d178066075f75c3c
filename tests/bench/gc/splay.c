/* A splay tree of `size` keys, each with a small tree of records; keys come and go at
 * random, so that the tree turns over ten times. Everything that is reached is written to: the tree
 * changes its shape at each look.
 *
 * Source: the workload follows the "Splay" program of the Octane collection; the algorithm is
 * top-down splaying, Sleator and Tarjan, "Self-adjusting binary search trees" (1985).
 */
#include "tests/bench/gc/side.h"
#include "tests/bench/gc/workload.h"

typedef struct Node {
    struct Node *left, *right;
    void *payload;
    uint64_t key;
} Node;

enum { LINKS = 3, PAYLOAD_DEPTH = 5, NUMBERS = 10, TEXT_SIZE = 40, TURNOVER = 10 };

typedef struct Record {
    uint64_t numbers[NUMBERS];
    char text[TEXT_SIZE];
} Record;

typedef struct Payload {
    struct Payload *left, *right;
    Record *record; /* at the leaves */
} Payload;

static Payload *payload_make(size_t depth, uint64_t tag) {
    Payload *payload = side_node(sizeof *payload);
    if (depth > 0) {
        side_link(payload, &payload->left, payload_make(depth - 1, tag));
        side_link(payload, &payload->right, payload_make(depth - 1, tag));
        return payload;
    }
    side_link(payload, &payload->record, side_leaf(sizeof(Record)));
    for (size_t i = 0; i < NUMBERS; i++) {
        payload->record->numbers[i] = i + tag;
    }
    memset(payload->record->text, (int)('a' + tag % 26), TEXT_SIZE);
    return payload;
}

static uint64_t payload_sum(const Payload *payload) {
    const Record *record = payload->record;
    return record != NULL ? record->numbers[NUMBERS - 1] + (uint64_t)record->text[0]
                          : payload_sum(payload->left) + payload_sum(payload->right);
}

/* The tree with the key, or a neighbour of it, at its root. `head` takes the two parts. */
static Node *splay(Node *root, uint64_t key, Node *head) {
    Node *left = head, *right = head;
    side_link(head, &head->left, NULL);
    side_link(head, &head->right, NULL);
    for (;;) {
        if (key < root->key) {
            Node *next = root->left;
            if (next != NULL && key < next->key) {
                side_link(root, &root->left, next->right);
                side_link(next, &next->right, root);
                root = next;
                next = root->left;
            }
            if (next == NULL) {
                break;
            }
            side_link(right, &right->left, root);
            right = root;
            root = next;
        } else if (key > root->key) {
            Node *next = root->right;
            if (next != NULL && key > next->key) {
                side_link(root, &root->right, next->left);
                side_link(next, &next->left, root);
                root = next;
                next = root->right;
            }
            if (next == NULL) {
                break;
            }
            side_link(left, &left->right, root);
            left = root;
            root = next;
        } else {
            break;
        }
    }
    side_link(left, &left->right, root->left);
    side_link(right, &right->left, root->right);
    side_link(root, &root->left, head->right);
    side_link(root, &root->right, head->left);
    return root;
}

/* The tree with the key in it, at its root. */
static Node *splay_insert(Node *root, uint64_t key, Node *head) {
    Node *node = side_node(sizeof *node);
    node->key = key;
    side_link(node, &node->payload, payload_make(PAYLOAD_DEPTH, key));
    if (root == NULL) {
        return node;
    }
    root = splay(root, key, head);
    if (key < root->key) {
        side_link(node, &node->left, root->left);
        side_link(node, &node->right, root);
        side_link(root, &root->left, NULL);
    } else {
        side_link(node, &node->right, root->right);
        side_link(node, &node->left, root);
        side_link(root, &root->right, NULL);
    }
    return node;
}

static void payload_free(Payload *payload) {
    if (SIDE_FREES && payload->left != NULL) {
        payload_free(payload->left);
        payload_free(payload->right);
    }
    side_free(payload->record);
    side_free(payload);
}

static void splay_free_node(Node *node) {
    payload_free(node->payload);
    side_free(node);
}

/* The tree without its root. */
static Node *splay_remove_root(Node *root, Node *head) {
    Node *rest = root->right;
    if (root->left != NULL) {
        rest = splay(root->left, root->key, head);
        side_link(rest, &rest->right, root->right);
    }
    splay_free_node(root);
    return rest;
}

/* Turns each left branch to the right first: such trees can be as deep as they have nodes. */
static void splay_free(Node *root) {
    while (SIDE_FREES && root != NULL) {
        Node *left = root->left, *right = root->right;
        if (left == NULL) {
            splay_free_node(root);
            root = right;
        } else {
            root->left = left->right;
            left->right = root;
            root = left;
        }
    }
}

/* A key that is not in the tree. */
static Node *splay_insert_new(Node *root, uint64_t *random, Node *head) {
    for (;;) {
        uint64_t key = (workload_random(random) & 0xffffffff) | 1;
        root = root == NULL ? NULL : splay(root, key, head);
        if (root == NULL || root->key != key) {
            return splay_insert(root, key, head);
        }
    }
}

static uint64_t splay_run(size_t size) {
    uint64_t random = 88172645463325252u, sum = 0;
    Node *head = side_node(sizeof *head), *root = NULL;
    for (size_t i = 0; i < size; i++) {
        root = splay_insert_new(root, &random, head);
    }
    for (size_t i = 0; i < TURNOVER * size; i++) {
        root = splay_insert_new(root, &random, head);
        root = splay(root, workload_random(&random) & 0xffffffff, head);
        sum = sum * 31 + root->key + payload_sum(root->payload);
        root = splay_remove_root(root, head);
    }
    splay_free(root);
    side_free(head);
    return sum;
}

static size_t splay_live(size_t size) {
    size_t leaves = (size_t)1 << PAYLOAD_DEPTH;
    return size * ((2 * leaves - 1) * 32 + leaves * 128 + 32);
}

const Workload workload_splay = {"splay", LINKS, splay_live, splay_run};
