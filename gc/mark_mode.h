/* Which of marking's four loops suits a heap: ordered or scattered (gc/mark.h), upwards or
 * downwards. mark_mode.c has how that is found out.
 *
 * Threads: all is the marker's, but for the heap's GooiMarkModes, which the thread that collects
 * takes and puts back.
 */
#ifndef GOO_GC_MARK_MODE_H
#define GOO_GC_MARK_MODE_H

#include "gc/visitor.h"

#define GOOI_SAMPLE_EVERY 16

/* What a loop that is compiled is for. */
typedef struct GooiTraceMode {
    bool backwards, scattered;
} GooiTraceMode;

/* A loop's own: every GOOI_SAMPLE_EVERY-th object that it traces is looked at. */
typedef struct GooiMarkSample {
    uint32_t until; /* objects to the next look */
    uint32_t looks;
    int32_t ahead;  /* references ahead of their objects, minus those behind them */
} GooiMarkSample;

#define GOOI_MARK_SAMPLE_BEGIN ((GooiMarkSample){.until = GOOI_SAMPLE_EVERY})

/* A look at a traced object; `child` is an entry that tracing it pushed, or 0. Chooses anew after
 * some looks, and gives work away if others have none: v's stack and mode may have changed. */
void gooi_mark_look(GooGcVisitor *v, GooiMarkSample *sample, uintptr_t object, uintptr_t child);

static inline bool gooi_mark_mode_lasts(const GooGcVisitor *v, GooiTraceMode mode) {
    return v->scattered == mode.scattered && v->backwards == mode.backwards;
}

#endif
