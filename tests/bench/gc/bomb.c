/* Wrapper bomb: small objects come and go, four times `size` of them, each of which owns a block of
 * 880 bytes of the C heap, over a list of `size` nodes of 64 bytes that stays. The last thousand
 * are in use. What dies is small in the collected heap and large outside: a collector that does not
 * see the blocks collects too late, and its process grows.
 */
#include "tests/bench/gc/side.h"
#include "tests/bench/gc/workload.h"

typedef struct Node {
    struct Node *next;
    uint64_t words[7];
} Node;

typedef struct Wrapper {
    char *block;
    uint64_t number;
} Wrapper;

enum { BLOCK_SIZE = 880, KEPT = 1000, WRAPPERS = 4 };

static Wrapper *wrapper_make(uint64_t number) {
    Wrapper *wrapper = side_leaf(sizeof *wrapper);
    wrapper->number = number;
    wrapper->block = side_owned(wrapper, BLOCK_SIZE);
    memset(wrapper->block, (int)(number & 0x7f), BLOCK_SIZE);
    return wrapper;
}

static uint64_t wrapper_sum(const Wrapper *wrapper) {
    return wrapper->number + (uint64_t)wrapper->block[wrapper->number % BLOCK_SIZE];
}

static void wrapper_free(Wrapper *wrapper) {
    side_owned_free(wrapper->block);
    side_free(wrapper);
}

static Node *list_make(size_t length) {
    Node *list = NULL;
    for (size_t i = 0; i < length; i++) {
        Node *node = side_node(sizeof *node);
        node->words[i % 7] = i;
        side_link(node, &node->next, list);
        list = node;
    }
    return list;
}

static uint64_t list_sum_and_free(Node *list) {
    uint64_t sum = 0;
    for (Node *next; list != NULL; list = next) {
        next = list->next;
        sum = sum * 31 + list->words[sum % 7];
        side_free(list);
    }
    return sum;
}

static uint64_t bomb_run(size_t size) {
    uint64_t sum = 0;
    Node *stays = list_make(size);
    SideArray *kept = side_array(KEPT);
    for (size_t i = 0; i < WRAPPERS * size; i++) {
        void **place = &kept->items[i % KEPT];
        if (*place != NULL) {
            Wrapper *old = *place;
            sum = sum * 31 + wrapper_sum(old);
            side_link(kept, place, NULL);
            wrapper_free(old);
        }
        side_link(kept, place, wrapper_make(i));
    }
    for (size_t i = 0; i < KEPT; i++) {
        sum = sum * 31 + wrapper_sum(kept->items[i]);
        wrapper_free(kept->items[i]);
    }
    side_free(kept);
    return sum * 31 + list_sum_and_free(stays);
}

static size_t bomb_live(size_t size) {
    return size * sizeof(Node) + KEPT * (sizeof(Wrapper) + BLOCK_SIZE + sizeof(void *));
}

const Workload workload_bomb = {"bomb", 1, bomb_live, bomb_run};
