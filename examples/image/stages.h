/* What can be done to a picture. */
#ifndef IMAGE_STAGES_H
#define IMAGE_STAGES_H

#include "picture.h"

/* Makes a new picture from one, at the region's depth as it is; no_image: out of memory. The depth
 * is the same afterwards. */
typedef struct Stage {
    const char *name;
    Image (*run)(GooAllocator *region, Image in);
} Stage;

/* The stage of a name that need not be terminated: blur, edges, half or double; or NULL. */
const Stage *stage_of(const char *name, size_t length);

#endif
