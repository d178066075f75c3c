/* The side of explicit allocation, the part that is called: whose malloc it is. */
#define _GNU_SOURCE
#include "tests/bench/gc/side.h"

#include <dlfcn.h>
#include <stdio.h>

bool side_open(const SidePlan *plan) {
    (void)plan;
    return true;
}

uint64_t side_collections(void) {
    return 0;
}

const char *side_name(void) {
    static char name[32] = "malloc";
    void *symbol = dlsym(RTLD_DEFAULT, "mi_version");
    if (symbol != NULL) {
        int (*version)(void);
        memcpy(&version, &symbol, sizeof version);
        snprintf(name, sizeof name, "mimalloc-%d", version());
    }
    return name;
}

void side_close(void) {
}
