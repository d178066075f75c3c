/* The check of a lane and its source: every invariant of impl.h that can be seen from outside.
 *
 * Runs under GOO_DEEP whenever a lane gets or drops a chunk, and in tests. It reads headers,
 * records and marks, which no tool poisons, and no block.
 *
 * Threads: the lane's.
 * Left out on purpose: LANE-3's zeroes, which would mean to read all memory; tests do.
 */
#include "allocators/impl.h"

static const char *lane_check_window(const GooiLane *lane) {
    const GooiChunk *chunk = lane->newest;
    if (chunk == NULL) {
        return lane->cursor == NULL && lane->end == NULL && lane->limit == NULL
                   ? NULL
                   : "a window without a chunk (LANE-1)";
    }
    const uint8_t *start = (const uint8_t *)chunk + GOOI_CHUNK_HEADER_SIZE;
    if (lane->end != (const uint8_t *)chunk + chunk->size || lane->cursor < start ||
        lane->cursor > lane->end) {
        return "the cursor lies outside of the newest chunk (LANE-1)";
    }
    if (lane->limit != (lane->source->watched_memory ? lane->cursor : lane->end)) {
        return "the window is open where a tool watches, or shut where none does (LANE-2)";
    }
    return lane->floor == NULL || (lane->floor >= start && lane->floor <= lane->cursor)
               ? NULL
               : "the floor lies outside of what is allocated (LANE-4)";
}

/* Positions fit together from the oldest chunk on. */
static const char *lane_check_chunks(const GooiLane *lane) {
    for (const GooiChunk *chunk = lane->newest; chunk != NULL; chunk = chunk->older) {
        size_t base = chunk->older != NULL ? chunk->older->base + chunk->older->size : 0;
        if (chunk->base != base) {
            return "a chunk does not begin where the one before it ends";
        }
        if ((size_t)(chunk->high - (const uint8_t *)chunk) > chunk->size) {
            return "more of a chunk was handed out than it has (LANE-3)";
        }
    }
    return NULL;
}

static const char *lane_check_order(const GooiLane *lane) {
    size_t position = gooi_lane_position(lane);
    for (const GooiMark *mark = lane->marks; mark != NULL; mark = mark->older) {
        if (mark->position > position ||
            (mark->older != NULL && mark->older->position >= mark->position)) {
            return "marks are out of order (LANE-6)";
        }
    }
    for (const GooiRecord *record = lane->records; record != NULL; record = record->older) {
        if (record->position >= position ||
            (record->older != NULL && record->older->position >= record->position)) {
            return "records are out of order";
        }
    }
    for (const GooiLarge *large = lane->large; large != NULL; large = large->older) {
        if (large->position >= position ||
            (large->older != NULL && large->older->position >= large->position)) {
            return "stubs of large blocks are out of order";
        }
    }
    return NULL;
}

/* What one lane and the spare memory have is part of what is reserved. */
static const char *lane_check_source(const GooiLane *lane) {
    const GooiChunkSource *source = lane->source;
    size_t bytes = 0, count = 0;
    for (const GooiChunk *chunk = lane->newest; chunk != NULL; chunk = chunk->older) {
        bytes += chunk->size;
    }
    for (const GooiLarge *large = lane->large; large != NULL; large = large->older) {
        bytes += large->size;
    }
    for (const GooiChunk *chunk = source->spare; chunk != NULL; chunk = chunk->older) {
        bytes += chunk->size;
        count++;
    }
    if (count != source->spare_count) {
        return "the number of spare chunks is wrong";
    }
    return bytes <= source->reserved && source->reserved <= source->max_bytes
               ? NULL
               : "more memory than is reserved, or more reserved than may be (LANE-5)";
}

const char *gooi_lane_check(const GooiLane *lane) {
    const char *wrong = lane_check_window(lane);
    wrong = wrong != NULL ? wrong : lane_check_chunks(lane);
    wrong = wrong != NULL ? wrong : lane_check_order(lane);
    return wrong != NULL ? wrong : lane_check_source(lane);
}
