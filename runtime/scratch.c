/* This thread's scratch arena: memory for a moment, bumped out of chunks and reset as a whole.
 *
 *     gooi_scratch ──▶ newest chunk ──▶ older chunk ──▶ NULL
 *        cursor, limit   [header | used ... cursor ... limit]
 *
 * A chunk is at least twice its predecessor's size up to a bound, and large enough for the request
 * that brought it. A reset keeps the newest chunk, which is the largest of the common case, unless
 * one request blew it up beyond the bound; so a loop of the same work settles in one warm chunk.
 *
 *   SCRATCH-1  cursor <= limit, both within the newest chunk; both NULL when there is none
 *   SCRATCH-2  cursor is a multiple of 16
 *
 * Threads: each its own; a thread's chunks are freed when it ends. Chunks come straight from the
 * system allocator's mechanism, so that no setting of the program turns scratch into a recursion.
 */
#include "runtime/scratch.h"

#include "goo_memory.h"
#include "runtime/bits.h"
#include "runtime/check.h"
#include "runtime/globals.h"
#include "runtime/system.h"
#include "runtime/thread.h"

#include <errno.h>

enum { SCRATCH_CHUNK_SIZE_MIN = 64 * 1024, SCRATCH_CHUNK_SIZE_KEPT = 1024 * 1024 };

struct GooiScratchChunk {
    GooiScratchChunk *older;
    size_t size; /* header included */
};

/* Where a chunk's memory begins, seen from the chunk. */
#define SCRATCH_HEADER_SIZE                                                                        \
    ((sizeof(GooiScratchChunk) + GOO_DEFAULT_ALIGNMENT - 1) / GOO_DEFAULT_ALIGNMENT *              \
     GOO_DEFAULT_ALIGNMENT)

static void scratch_use(GooiScratch *s, GooiScratchChunk *chunk) {
    s->newest = chunk;
    s->cursor = (uint8_t *)chunk + SCRATCH_HEADER_SIZE;
    s->limit = (uint8_t *)chunk + chunk->size;
}

static void scratch_free_chunks(GooiScratchChunk *chunk) {
    while (chunk != NULL) {
        GooiScratchChunk *older = chunk->older;
        gooi_system_free(NULL, chunk, chunk->size, GOO_DEFAULT_ALIGNMENT);
        chunk = older;
    }
}

void gooi_scratch_free_all(void) {
    GooiScratch *s = &gooi_scratch;
    scratch_free_chunks(s->newest);
    *s = (GooiScratch){NULL, NULL, NULL};
}

/* The size of the next chunk if it is to hold `size` bytes; 0 if that can't be. */
static size_t scratch_next_size(const GooiScratch *s, size_t size) {
    size_t wanted = s->newest != NULL ? s->newest->size : SCRATCH_CHUNK_SIZE_MIN / 2;
    wanted = wanted < SCRATCH_CHUNK_SIZE_KEPT / 2 ? wanted * 2 : SCRATCH_CHUNK_SIZE_KEPT;
    size_t needed;
    if (gooi_add_overflows(size, SCRATCH_HEADER_SIZE, &needed) || needed > PTRDIFF_MAX) {
        return 0;
    }
    return needed > wanted ? needed : wanted;
}

static bool scratch_grow(GooiScratch *s, size_t size) {
    if (s->newest == NULL && !gooi_thread_will_end()) {
        return false;
    }
    size_t chunk_size = scratch_next_size(s, size);
    GooiScratchChunk *chunk =
        chunk_size == 0 ? NULL : gooi_system_alloc(NULL, chunk_size, GOO_DEFAULT_ALIGNMENT, 0);
    if (chunk == NULL) {
        return false;
    }
    *chunk = (GooiScratchChunk){.older = s->newest, .size = chunk_size};
    scratch_use(s, chunk);
    return true;
}

void *goo_temp_alloc(size_t size) {
    if (size == 0) {
        return NULL;
    }
    GooiScratch *s = &gooi_scratch;
    size_t rounded;
    if (gooi_align_up_overflows(size, GOO_DEFAULT_ALIGNMENT, &rounded) ||
        (rounded > (size_t)(s->limit - s->cursor) && !scratch_grow(s, rounded))) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = s->cursor;
    s->cursor += rounded;
    GOO_ASSERT(s->cursor <= s->limit && (uintptr_t)p % GOO_DEFAULT_ALIGNMENT == 0,
               "goo_temp_alloc: %p of %zu bytes (SCRATCH-1, SCRATCH-2)", p, size);
    return p;
}

void goo_temp_reset(void) {
    GooiScratch *s = &gooi_scratch;
    if (s->newest == NULL) {
        return;
    }
    if (s->newest->size > SCRATCH_CHUNK_SIZE_KEPT) {
        gooi_scratch_free_all();
        return;
    }
    scratch_free_chunks(s->newest->older);
    s->newest->older = NULL;
    scratch_use(s, s->newest);
}
