/* What goo_memory_init_with has set up. Private.
 *
 *   CONFIG-1  everything here changes only under the lock; `config` is that of the outermost init
 *             while depth is not 0
 */
#ifndef GOO_RUNTIME_CONFIG_H
#define GOO_RUNTIME_CONFIG_H

#include "goo/runtime/memory.h"
#include "runtime/base.h"
#include "runtime/globals.h"

#include <stdatomic.h>

struct GooiInit {
    atomic_flag lock;
    size_t depth;
    GooMemoryConfig config;
    GooAllocator *previous_default;
    bool previous_tracking;
};

#endif
