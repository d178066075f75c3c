/* The bump lane: chunks, large blocks, records, and taking all of it back from the end.
 *
 * What arenas, regions and scopes have in common; picture and invariants LANE-1 to LANE-5 are in
 * impl.h. A request goes one of two ways: into the newest chunk, getting another chunk if need be,
 * or, when no common chunk could hold it, to the parent as a block of its own, for which a stub in
 * the lane keeps the place in time. So positions order everything, and dropping what came after one
 * is dropping from the heads of three lists.
 *
 * Threads: one at a time for each lane and its source.
 * Left out on purpose: a search for room in older chunks; what is behind their cursors is lost
 * until the chunk is dropped.
 */
#include "allocators/impl.h"

#include <errno.h>
#include <string.h>

static void lane_check_deep(const GooiLane *lane) {
    if (GOO_CHECK_LEVEL >= 3) {
        const char *wrong = gooi_lane_check(lane);
        GOO_DEEP(wrong == NULL, "lane of allocator '%s': %s", lane->source->owner->name, wrong);
    }
}

/* --- cursor and chunks --- */

static inline size_t lane_position_of(const GooiLane *lane, const void *p) {
    return lane->newest->base + (size_t)((const uint8_t *)p - (const uint8_t *)lane->newest);
}

static inline uint8_t *chunk_start(GooiChunk *chunk) {
    return (uint8_t *)chunk + GOOI_CHUNK_HEADER_SIZE;
}

/* LANE-2 */
static void lane_set_cursor(GooiLane *lane, uint8_t *cursor) {
    lane->cursor = cursor;
    lane->limit = lane->source->watched_memory ? cursor : lane->end;
}

/* Notes how far a chunk was handed out, before the cursor falls or leaves it (LANE-3). */
static void lane_raise_high(GooiLane *lane) {
    GooiChunk *chunk = lane->newest;
    if (chunk != NULL && chunk->high < lane->cursor) {
        chunk->high = lane->cursor;
    }
}

static void lane_lower_cursor(GooiLane *lane, uint8_t *cursor) {
    lane_raise_high(lane);
    if (lane->source->watched_memory) {
        gooi_poison(cursor, (size_t)(lane->end - cursor));
    }
    lane_set_cursor(lane, cursor);
}

static bool lane_add_chunk(GooiLane *lane, size_t need, bool zero) {
    GooiChunk *chunk = gooi_source_take(lane->source, need, zero);
    if (chunk == NULL) {
        return false;
    }
    lane_raise_high(lane);
    chunk->older = lane->newest;
    chunk->base = lane->newest != NULL ? lane->newest->base + lane->newest->size : 0;
    lane->newest = chunk;
    lane->end = (uint8_t *)chunk + chunk->size;
    lane->floor = NULL;
    lane_set_cursor(lane, chunk_start(chunk));
    lane_check_deep(lane);
    return true;
}

/* Room for a block in the newest chunk with `front` bytes before it, or NULL. */
static uint8_t *lane_place(GooiLane *lane, size_t size, size_t alignment, size_t front) {
    uintptr_t cursor = (uintptr_t)lane->cursor;
    uintptr_t start = (cursor + front + (alignment - 1)) & ~(uintptr_t)(alignment - 1);
    size_t room = (size_t)(lane->end - lane->cursor);
    size_t skipped = start - cursor;
    if (skipped > room || size > room - skipped) {
        return NULL;
    }
    uint8_t *p = lane->cursor + skipped;
    lane_set_cursor(lane, p + size);
    return p;
}

void gooi_lane_init(GooiLane *lane, GooiChunkSource *source) {
    *lane = (GooiLane){.source = source};
}

size_t gooi_lane_position(const GooiLane *lane) {
    return lane->newest != NULL ? lane_position_of(lane, lane->cursor) : 0;
}

void gooi_lane_set_floor(GooiLane *lane) {
    lane->floor = lane->cursor;
}

const GooiMark *gooi_lane_mark(GooiLane *lane, uint64_t serial) {
    if (lane->newest == NULL) {
        return NULL;
    }
    if (lane->marks == NULL || lane->marks->position != gooi_lane_position(lane)) {
        GooiMark *mark = (GooiMark *)(void *)lane_place(lane, sizeof *mark, _Alignof(GooiMark), 0);
        if (mark == NULL) {
            mark = &lane->newest->end_mark;
            lane_set_cursor(lane, lane->end);
        } else if (lane->source->watched_memory) {
            gooi_unpoison(mark, sizeof *mark, false);
        }
        *mark = (GooiMark){lane->marks, gooi_lane_position(lane), serial};
        lane->marks = mark;
    }
    gooi_lane_set_floor(lane);
    return lane->marks;
}

bool gooi_lane_owns(const GooiLane *lane, const void *ptr) {
    uintptr_t p = (uintptr_t)ptr;
    for (GooiChunk *chunk = lane->newest; chunk != NULL; chunk = chunk->older) {
        uint8_t *top = chunk == lane->newest ? lane->cursor : chunk->high;
        if (p - (uintptr_t)chunk_start(chunk) < (uintptr_t)top - (uintptr_t)chunk_start(chunk)) {
            return true;
        }
    }
    for (const GooiLarge *large = lane->large; large != NULL; large = large->older) {
        if (p - (uintptr_t)large->ptr < large->size) {
            return true;
        }
    }
    return false;
}

/* --- records --- */

/* The upper bits of a word that nothing else is likely to hold there. */
static inline uint64_t record_check(const GooiLane *lane, const GooiRecord *record) {
    uint64_t mixed = (uint64_t)(uintptr_t)record * UINT64_C(0x9e3779b97f4a7c15);
    mixed ^= (uint64_t)(uintptr_t)lane * UINT64_C(0xd1342543de82ef95);
    return (mixed ^ mixed >> 29) >> GOOI_NOTE_BITS << GOOI_NOTE_BITS;
}

static inline GooAllocOptions record_note(const GooiRecord *record) {
    return (GooAllocOptions)record->check_and_note << GOOI_NOTE_SHIFT;
}

/* The memory may be anything, and poisoned. */
GOOI_NO_SANITIZE_ADDRESS static bool record_is_valid(const GooiLane *lane,
                                                     const GooiRecord *record) {
    gooi_poison_pause();
    bool valid = (record->check_and_note ^ record_check(lane, record)) >> GOOI_NOTE_BITS == 0;
    gooi_unpoison(&valid, sizeof valid, true); /* whatever it was made of */
    gooi_poison_resume();
    return valid;
}

/* The record of a block in a chunk, or NULL if nobody counts it. */
static GooiRecord *lane_find_record(const GooiLane *lane, void *ptr) {
    if (lane->records == NULL || (uintptr_t)ptr % GOO_DEFAULT_ALIGNMENT != 0) {
        return NULL;
    }
    GooiRecord *record = (GooiRecord *)(void *)((uint8_t *)ptr - GOOI_RECORD_SIZE);
    return record_is_valid(lane, record) ? record : NULL;
}

static void lane_add_record(GooiLane *lane, void *ptr, size_t size, GooAllocOptions options) {
    GooiRecord *record = (GooiRecord *)(void *)((uint8_t *)ptr - GOOI_RECORD_SIZE);
    if (lane->source->watched_memory) {
        gooi_unpoison(record, GOOI_RECORD_SIZE, false);
    }
    *record = (GooiRecord){
        .older = lane->records,
        .size = size,
        .position = lane_position_of(lane, record),
        .check_and_note =
            record_check(lane, record) | (options & GOOI_ALLOC_NOTED) >> GOOI_NOTE_SHIFT,
    };
    lane->records = record;
}

/* A block that somebody counts goes without a free: its claimant is told, the rest is summed. */
static void lane_lose(const GooiLane *lane, GooAllocOptions note, void *ptr, size_t size,
                      GooiDropped *dropped) {
    if ((note & GOOI_ALLOC_COUNTED) != 0) {
        dropped->bytes += size;
        dropped->header += (note & GOOI_ALLOC_HEADER) != 0 ? GOO_DEFAULT_ALIGNMENT : 0;
        dropped->count++;
    }
    if ((note & GOOI_ALLOC_CLAIM) != 0) {
        gooi_claims_lost(lane->source->owner, note, ptr, size);
    }
}

static GooiDropped lane_drop_records(GooiLane *lane, size_t position) {
    GooiDropped dropped = {0};
    while (lane->records != NULL && lane->records->position >= position) {
        GooiRecord *record = lane->records;
        if (record->size != 0) {
            lane_lose(lane, record_note(record), (uint8_t *)record + GOOI_RECORD_SIZE, record->size,
                      &dropped);
        }
        lane->records = record->older;
        record->check_and_note = 0;
    }
    return dropped;
}

/* --- allocate --- */

/* Zeroes [p, p + size), which was beyond the cursor until now, as far as it may not be zero. */
void gooi_lane_zero(const GooiLane *lane, uint8_t *p, size_t size) {
    const GooiChunk *chunk = lane->newest;
    if (!chunk->zero) {
        memset(p, 0, size);
    } else if (p < chunk->high) {
        size_t dirty = (size_t)(chunk->high - p);
        memset(p, 0, dirty < size ? dirty : size);
    }
}

/* What a block may take of a fresh chunk beyond its size: chunks begin at the default alignment. */
static inline size_t lane_slack(size_t alignment, size_t front) {
    return front + (alignment > GOO_DEFAULT_ALIGNMENT ? alignment : 0);
}

/* No common chunk can hold it. */
static bool lane_is_large(const GooiLane *lane, size_t size, size_t alignment, size_t front) {
    size_t room = lane->source->block_size - GOOI_CHUNK_HEADER_SIZE;
    size_t slack = lane_slack(alignment, front);
    return slack > room || size > room - slack;
}

/* `room`: what a block of `size` bytes takes. */
static void *lane_alloc_small(GooiLane *lane, size_t size, size_t room, size_t alignment,
                              GooAllocOptions options) {
    bool noted = (options & GOOI_ALLOC_NOTED) != 0;
    size_t front = noted ? GOOI_RECORD_SIZE : 0;
    bool zero = (options & GOO_ALLOC_ZERO) != 0;
    uint8_t *p = lane_place(lane, room, alignment, front);
    if (p == NULL) {
        if (!lane_add_chunk(lane, room + lane_slack(alignment, front), zero)) {
            return NULL;
        }
        p = lane_place(lane, room, alignment, front);
    }
    if (noted) {
        lane_add_record(lane, p, size, options);
    }
    if (lane->source->watched_memory) {
        gooi_unpoison(p, room, false);
    }
    if (zero) {
        gooi_lane_zero(lane, p, room);
        if (lane->source->watched_memory) {
            gooi_unpoison(p, room, true);
        }
    }
    return p;
}

/* Room for a stub, so that with the large block there nothing is left that can fail. */
static bool lane_reserve_stub(GooiLane *lane) {
    size_t most = sizeof(GooiLarge) + _Alignof(GooiLarge);
    return (size_t)(lane->end - lane->cursor) >= most || lane_add_chunk(lane, most, false);
}

/* NULL: the parent's handlers used the room up meanwhile, and there is no more. */
static GooiLarge *lane_new_stub(GooiLane *lane) {
    if (!lane_reserve_stub(lane)) {
        return NULL;
    }
    uint8_t *p = lane_place(lane, sizeof(GooiLarge), _Alignof(GooiLarge), 0);
    if (lane->source->watched_memory) {
        gooi_unpoison(p, sizeof(GooiLarge), false);
    }
    return (GooiLarge *)(void *)p;
}

/* The memory of a large block, from the spare ones or the parent; size and alignment become those
 * that it is given back with. */
static void *lane_obtain_large(GooiLane *lane, size_t *size, size_t *alignment,
                               GooAllocOptions options) {
    GooiChunkSource *source = lane->source;
    size_t asked = *size;
    void *p = gooi_source_take_large(source, asked, *alignment, size, alignment);
    if (p == NULL) {
        return gooi_source_obtain(source, asked, *alignment, options & GOO_ALLOC_ZERO);
    }
    if (source->watched_memory) {
        gooi_unpoison(p, asked, false);
    }
    return (options & GOO_ALLOC_ZERO) != 0 ? memset(p, 0, asked) : p;
}

/* The stub is placed when the block is there: while the parent is asked, its handlers may free and
 * allocate here. */
static void *lane_alloc_large(GooiLane *lane, size_t asked, size_t size, size_t alignment,
                              GooAllocOptions options) {
    if (lane->source->refuse_large) {
        errno = EINVAL;
        return NULL;
    }
    void *p = lane_reserve_stub(lane) ? lane_obtain_large(lane, &size, &alignment, options) : NULL;
    if (p == NULL) {
        return NULL;
    }
    GooiLarge *stub = lane_new_stub(lane);
    if (stub == NULL) {
        gooi_source_give_back(lane->source, p, size, alignment);
        errno = ENOMEM;
        return NULL;
    }
    *stub = (GooiLarge){.older = lane->large,
                        .ptr = p,
                        .size = size,
                        .alignment = alignment,
                        .asked = asked,
                        .position = lane_position_of(lane, stub),
                        .note = options & GOOI_ALLOC_NOTED};
    lane->large = stub;
    return p;
}

void *gooi_lane_alloc(GooiLane *lane, size_t size, size_t alignment, GooAllocOptions options) {
    size_t room = size;
    gooi_round_to_pages(&room, &alignment, options);
    bool noted = (options & GOOI_ALLOC_NOTED) != 0;
    size_t front = noted ? GOOI_RECORD_SIZE : 0;
    if (noted && alignment < GOO_DEFAULT_ALIGNMENT) {
        alignment = GOO_DEFAULT_ALIGNMENT; /* of the record in front */
    }
    return lane_is_large(lane, room, alignment, front)
               ? lane_alloc_large(lane, size, room, alignment, options)
               : lane_alloc_small(lane, size, room, alignment, options);
}

/* --- free, resize, realloc --- */

static bool lane_is_last(const GooiLane *lane, const uint8_t *ptr, size_t size) {
    return ptr + size == lane->cursor && ptr >= lane->floor && ptr > (uint8_t *)lane->newest;
}

/* The link to the stub of a large block, or NULL. Blocks of the newest chunk cost no search. */
static GooiLarge **lane_link_large(GooiLane *lane, const void *ptr) {
    if (lane->large == NULL || (uintptr_t)ptr - (uintptr_t)lane->newest < lane->newest->size) {
        return NULL;
    }
    GooiLarge **link = &lane->large;
    while (*link != NULL && (*link)->ptr != ptr) {
        link = &(*link)->older;
    }
    return *link != NULL ? link : NULL;
}

static GooiLarge *lane_find_large(GooiLane *lane, const void *ptr) {
    GooiLarge **link = lane_link_large(lane, ptr);
    return link != NULL ? *link : NULL;
}

static void lane_free_large(GooiLane *lane, GooiLarge **link) {
    const GooiLarge *large = *link;
    *link = large->older;
    gooi_source_give_back(lane->source, large->ptr, large->size, large->alignment);
}

static void lane_free_last(GooiLane *lane, uint8_t *ptr, GooiRecord *record) {
    uint8_t *cursor = ptr;
    if (record != NULL) {
        GOO_ASSERT(lane->records == record, "lane: the last block's record is not the newest");
        lane->records = record->older;
        record->check_and_note = 0;
        cursor = (uint8_t *)record;
    }
    lane_lower_cursor(lane, cursor);
}

void gooi_lane_free(GooiLane *lane, void *ptr, size_t size) {
    GooiLarge **large = lane_link_large(lane, ptr);
    if (large != NULL) {
        lane_free_large(lane, large);
        return;
    }
    GooiRecord *record = lane_find_record(lane, ptr);
    if (lane_is_last(lane, ptr, size)) {
        lane_free_last(lane, ptr, record);
        return;
    }
    if (record != NULL) {
        record->size = 0;
    }
    if (lane->source->watched_memory) {
        gooi_poison(ptr, size);
    }
}

/* The parent resizes it, within the limit; shrinking keeps what is there. */
static bool lane_resize_large(GooiLane *lane, GooiLarge *large, size_t new_size) {
    GooiChunkSource *source = lane->source;
    if (new_size > large->size) {
        size_t growth = new_size - large->size;
        if (!gooi_source_has_room(source, growth) ||
            !goo_memory_resize_options(source->parent, large->ptr, large->size, new_size,
                                       large->alignment)) {
            return false;
        }
        source->reserved += growth;
        large->size = new_size;
    }
    large->asked = new_size;
    return true;
}

static bool lane_resize_last(GooiLane *lane, uint8_t *p, size_t old_size, size_t new_size) {
    if (new_size > (size_t)(lane->end - p)) {
        return false;
    }
    lane_lower_cursor(lane, p + new_size);
    if (lane->source->watched_memory && new_size > old_size) {
        gooi_unpoison(p + old_size, new_size - old_size, false);
    }
    return true;
}

bool gooi_lane_resize(GooiLane *lane, void *ptr, size_t old_size, size_t new_size) {
    GooiLarge *large = lane_find_large(lane, ptr);
    if (large != NULL) {
        return lane_resize_large(lane, large, new_size);
    }
    if (lane_is_last(lane, ptr, old_size)) {
        if (!lane_resize_last(lane, ptr, old_size, new_size)) {
            return false;
        }
    } else if (new_size > old_size) {
        return false;
    } else if (lane->source->watched_memory) {
        gooi_poison((uint8_t *)ptr + new_size, old_size - new_size);
    }
    GooiRecord *record = lane_find_record(lane, ptr);
    if (record != NULL) {
        record->size = new_size;
    }
    return true;
}

/* A large block that stays one: the parent may do it without a copy. */
static void *lane_realloc_large(GooiLane *lane, GooiLarge *large, size_t new_size) {
    GooiChunkSource *source = lane->source;
    size_t growth = new_size > large->size ? new_size - large->size : 0;
    if (!gooi_source_has_room(source, growth)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = goo_memory_realloc_options(source->parent, large->ptr, large->size, new_size,
                                         large->alignment, GOO_ALLOC_DEFAULT);
    if (p == NULL) {
        return NULL;
    }
    source->reserved = source->reserved - large->size + new_size;
    large->ptr = p;
    large->size = new_size;
    large->asked = new_size;
    return p;
}

/* Who counts a block that is there. */
static GooAllocOptions lane_note_of(GooiLane *lane, void *ptr) {
    const GooiLarge *large = lane_find_large(lane, ptr);
    if (large != NULL) {
        return large->note;
    }
    const GooiRecord *record = lane_find_record(lane, ptr);
    return record != NULL ? record_note(record) : 0;
}

/* Anywhere else in the lane; the old block goes, and whose it was stays. */
static void *lane_move(GooiLane *lane, void *ptr, size_t old_size, size_t new_size,
                       size_t alignment, GooAllocOptions options) {
    options &= ~(GooAllocOptions)(GOO_ALLOC_ZERO | GOOI_ALLOC_CLAIM);
    options |= lane_note_of(lane, ptr) & GOOI_ALLOC_CLAIM;
    void *p = gooi_lane_alloc(lane, new_size, alignment, options);
    if (p != NULL) {
        memcpy(p, ptr, old_size < new_size ? old_size : new_size);
        gooi_lane_free(lane, ptr, old_size);
    }
    return p;
}

void *gooi_lane_realloc(GooiLane *lane, void *ptr, size_t old_size, size_t new_size,
                        size_t alignment, GooAllocOptions options) {
    void *p = ptr;
    bool pages =
        (options & GOO_ALLOC_PAGE) != 0 && new_size > old_size; /* more of them: it moves */
    if (pages || !gooi_lane_resize(lane, ptr, old_size, new_size)) {
        GooiLarge *large = pages ? NULL : lane_find_large(lane, ptr);
        p = large != NULL ? lane_realloc_large(lane, large, new_size)
                          : lane_move(lane, ptr, old_size, new_size, alignment, options);
    }
    if (p != NULL && new_size > old_size && (options & GOO_ALLOC_ZERO) != 0) {
        memset((uint8_t *)p + old_size, 0, new_size - old_size);
    }
    return p;
}

/* --- drop --- */

static void lane_drop_large(GooiLane *lane, size_t position, GooiKeep keep, GooiDropped *dropped) {
    while (lane->large != NULL && lane->large->position >= position) {
        GooiLarge large = *lane->large;
        lane->large = large.older;
        lane_lose(lane, large.note, large.ptr, large.asked, dropped);
        gooi_source_put_large(lane->source, &large, keep);
    }
}

/* The newest chunk leaves the lane; its predecessor's cursor is where it was left. */
static void lane_leave_chunk(GooiLane *lane) {
    GooiChunk *chunk = lane->newest;
    lane_lower_cursor(lane, chunk_start(chunk));
    lane->newest = chunk->older;
    lane->end = lane->newest != NULL ? (uint8_t *)lane->newest + lane->newest->size : NULL;
    lane_set_cursor(lane, lane->newest != NULL ? lane->newest->high : NULL);
    lane->floor = NULL;
}

/* Chunks go when the lane is whole again: an observer of their end may allocate in it. */
GooiDropped gooi_lane_rewind(GooiLane *lane, size_t position, GooiKeep keep) {
    while (lane->marks != NULL && lane->marks->position > position) {
        lane->marks = lane->marks->older;
    }
    GooiDropped dropped = lane_drop_records(lane, position);
    lane_drop_large(lane, position, keep, &dropped);
    GooiChunk *chunk = lane->newest;
    while (lane->newest != NULL && lane->newest->base >= position) {
        lane_leave_chunk(lane);
    }
    const GooiChunk *stays = lane->newest;
    if (lane->newest != NULL) {
        lane_lower_cursor(lane, (uint8_t *)lane->newest + (position - lane->newest->base));
        lane->floor = lane->cursor;
    }
    lane_check_deep(lane);
    while (chunk != stays) {
        GooiChunk *older = chunk->older;
        gooi_source_put(lane->source, chunk, keep);
        chunk = older;
    }
    return dropped;
}

GooiDropped gooi_lane_clear(GooiLane *lane, GooiKeep keep) {
    return gooi_lane_rewind(lane, 0, keep);
}

void gooi_lane_settle(GooAllocator *a, GooiDropped dropped) {
    gooi_memory_settle(a, dropped.bytes, dropped.header, dropped.count);
}
