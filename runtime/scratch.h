/* Per-thread scratch memory: what goo_temp_alloc hands out. Private. */
#ifndef GOO_RUNTIME_SCRATCH_H
#define GOO_RUNTIME_SCRATCH_H

#include "runtime/base.h"

/* Gives all of the calling thread's scratch memory back to the system. */
void gooi_scratch_free_all(void);

#endif
