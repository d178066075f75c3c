/* Where lanes get their chunks and large blocks, and where they go: the parent, within a limit, and
 * the spare ones that are kept for the next round.
 *
 *     spare ──▶ chunk ──▶ chunk ──▶ NULL          common chunks that no lane uses
 *     spare_large ──▶ block ──▶ block ──▶ NULL    kept by GOOI_KEEP_ALL only
 *
 *   LANE-5 in impl.h: what is reserved is the sum of all that was not given back
 *
 * Threads: one at a time.
 */
#include "allocators/impl.h"

#include <errno.h>

void gooi_source_init(GooiChunkSource *source, GooAllocator *owner, GooAllocator *parent,
                      size_t block_size, size_t max_bytes) {
    block_size = block_size == 0 ? GOOI_BLOCK_SIZE_DEFAULT : block_size;
    block_size = block_size < GOOI_BLOCK_SIZE_MIN ? GOOI_BLOCK_SIZE_MIN : block_size;
    *source = (GooiChunkSource){
        .owner = owner,
        .parent = parent,
        .block_size = block_size & ~(size_t)(GOO_DEFAULT_ALIGNMENT - 1),
        .max_bytes = max_bytes == 0 ? SIZE_MAX : max_bytes,
        .spare_max = SIZE_MAX,
        .watched_memory = gooi_poison_active(),
    };
}

bool gooi_source_has_room(const GooiChunkSource *source, size_t size) {
    return source->reserved <= source->max_bytes && size <= source->max_bytes - source->reserved;
}

/* Memory from the parent, within the limit. */
void *gooi_source_obtain(GooiChunkSource *source, size_t size, size_t alignment,
                         GooAllocOptions options) {
    if (!gooi_source_has_room(source, size)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = goo_memory_alloc_options(source->parent, size, alignment, options);
    if (p != NULL && !gooi_source_has_room(source, size)) { /* a handler of the parent's took it */
        goo_memory_free_options(source->parent, p, size, alignment);
        errno = ENOMEM;
        return NULL;
    }
    source->reserved += p != NULL ? size : 0;
    return p;
}

void gooi_source_give_back(GooiChunkSource *source, void *ptr, size_t size, size_t alignment) {
    if (source->watched_memory) {
        gooi_unpoison(ptr, size, false);
    }
    source->reserved -= size;
    goo_memory_free_options(source->parent, ptr, size, alignment);
}

/* The size of a new chunk that holds `need` bytes: smaller than usual where the limit is near. */
static size_t source_chunk_size(const GooiChunkSource *source, size_t need) {
    size_t left = gooi_align_down(source->max_bytes - source->reserved, GOO_DEFAULT_ALIGNMENT);
    size_t least = gooi_align_up(need + GOOI_CHUNK_HEADER_SIZE, GOO_DEFAULT_ALIGNMENT);
    return left < source->block_size && left >= least ? left : source->block_size;
}

GooiChunk *gooi_source_take(GooiChunkSource *source, size_t need, bool zero) {
    GooiChunk *chunk = source->spare;
    if (chunk != NULL && chunk->size - GOOI_CHUNK_HEADER_SIZE >= need) {
        source->spare = chunk->older;
        source->spare_count--;
        return chunk;
    }
    size_t size = source_chunk_size(source, need);
    GooAllocOptions options = zero ? GOO_ALLOC_ZERO : GOO_ALLOC_DEFAULT;
    chunk = gooi_source_obtain(source, size, GOO_DEFAULT_ALIGNMENT, options);
    if (chunk == NULL) {
        return NULL;
    }
    *chunk =
        (GooiChunk){.size = size, .high = (uint8_t *)chunk + GOOI_CHUNK_HEADER_SIZE, .zero = zero};
    if (source->watched_memory) {
        gooi_poison(chunk->high, size - GOOI_CHUNK_HEADER_SIZE);
    }
    return chunk;
}

/* A chunk that a lane dropped, poisoned from its header on. */
void gooi_source_put(GooiChunkSource *source, GooiChunk *chunk, GooiKeep keep) {
    bool kept = keep == GOOI_KEEP_ALL ||
                (keep == GOOI_KEEP_SPARE && source->spare_count < source->spare_max);
    if (!kept) {
        gooi_source_give_back(source, chunk, chunk->size, GOO_DEFAULT_ALIGNMENT);
        return;
    }
    chunk->older = source->spare;
    source->spare = chunk;
    source->spare_count++;
}

/* The first spare large block that will do, or NULL. */
void *gooi_source_take_large(GooiChunkSource *source, size_t size, size_t alignment,
                             size_t *out_size, size_t *out_alignment) {
    for (GooiSpareLarge **link = &source->spare_large; *link != NULL; link = &(*link)->next) {
        GooiSpareLarge *found = *link;
        if (found->size >= size && found->alignment >= alignment) {
            *link = found->next;
            *out_size = found->size;
            *out_alignment = found->alignment;
            return found;
        }
    }
    return NULL;
}

void gooi_source_put_large(GooiChunkSource *source, const GooiLarge *large, GooiKeep keep) {
    bool fits =
        large->size >= sizeof(GooiSpareLarge) && large->alignment >= _Alignof(GooiSpareLarge);
    if (keep != GOOI_KEEP_ALL || !fits) {
        gooi_source_give_back(source, large->ptr, large->size, large->alignment);
        return;
    }
    GooiSpareLarge *spare = large->ptr;
    if (source->watched_memory) {
        gooi_poison(spare, large->size);
        gooi_unpoison(spare, sizeof *spare, false);
    }
    *spare = (GooiSpareLarge){source->spare_large, large->size, large->alignment};
    source->spare_large = spare;
}

void gooi_source_trim(GooiChunkSource *source, size_t keep, bool keep_large) {
    while (source->spare_count > keep) {
        GooiChunk *chunk = source->spare;
        source->spare = chunk->older;
        source->spare_count--;
        gooi_source_give_back(source, chunk, chunk->size, GOO_DEFAULT_ALIGNMENT);
    }
    while (!keep_large && source->spare_large != NULL) {
        GooiSpareLarge *spare = source->spare_large;
        source->spare_large = spare->next;
        gooi_source_give_back(source, spare, spare->size, spare->alignment);
    }
}
