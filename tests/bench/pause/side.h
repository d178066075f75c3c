/* What `bench pause` asks of a collector: nodes, and when it stopped the program.
 *
 * A pause is from the moment in which the collector asks the program to stop until it lets it run,
 * by the collector's own events and the benchmark's clock: the same on both sides.
 */
#ifndef GOO_TESTS_BENCH_PAUSE_SIDE_H
#define GOO_TESTS_BENCH_PAUSE_SIDE_H

#include <stdbool.h>
#include <stddef.h>

enum { PAUSE_NODE_SIZE = 64, PAUSES_MAX = 4096 };

/* Word 0 is the side's. Zeroed when it is made. */
typedef struct PauseNode {
    const void *head;
    struct PauseNode *kids[2];
    void *rest[5];
} PauseNode;

_Static_assert(sizeof(PauseNode) == PAUSE_NODE_SIZE, "a node is one cache line");

typedef struct PauseLog {
    double ns[PAUSES_MAX];
    size_t count;
} PauseLog;

typedef struct PauseSide {
    const char *name;
    /* A heap of `heap_bytes` that scans the stack and never grows; `log` and `root` outlive it. */
    bool (*open)(size_t heap_bytes, unsigned markers, PauseNode **root, PauseLog *log);
    PauseNode *(*node)(void);
} PauseSide;

extern const PauseSide pause_goo, pause_boehm;

#endif
