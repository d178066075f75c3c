/* The legacy API: blocks that know their owner and size, so that free needs neither.
 *
 *     base                                     base + 16: what the caller sees, aligned to 16
 *     | owner (48 bits) | check (16) | size (48 bits) | check (16) | size bytes ...
 *
 * The check is a keyed hash of the block's address, its owner and its size, so neither stray data
 * nor a copied header passes for a block. A freed block's header is overwritten before its memory
 * goes back, so that a second free is recognised, by name as long as nobody reused the memory.
 *
 *   LEGACY-1  a live block's header verifies: legacy_verify succeeds, and owner and size are those
 *             of the mechanism's block of size + 16 at base
 *   LEGACY-2  an address is the block of at most one verifying header: realloc invalidates the old
 *             one before the mechanism may move it, and restores it if that failed
 *
 * Threads: any, as far as the owner allows it.
 * Left out on purpose: owners above 2^48 (no user space that we know hands out such addresses).
 */
#include "goo_memory.h"

#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "runtime/memory.h"
#include "runtime/platform/platform.h"

#include <errno.h>
#include <string.h>

typedef struct LegacyHeader {
    uint64_t owner_and_check, size_and_check;
} LegacyHeader;
_Static_assert(sizeof(LegacyHeader) == GOO_DEFAULT_ALIGNMENT, "the block behind it stays aligned");

enum { LEGACY_HEADER_SIZE = sizeof(LegacyHeader), LEGACY_CHECK_BITS = 16 };
#define LEGACY_FIELD_MAX ((UINT64_C(1) << (64 - LEGACY_CHECK_BITS)) - 1)
#define LEGACY_ROOM_MAX (GOOI_SIZE_MAX - 2 * (size_t)LEGACY_HEADER_SIZE)
#define LEGACY_SIZE_MAX                                                                            \
    (LEGACY_ROOM_MAX < LEGACY_FIELD_MAX ? LEGACY_ROOM_MAX : (size_t)LEGACY_FIELD_MAX)
#define LEGACY_CHECK_MASK ((UINT64_C(1) << LEGACY_CHECK_BITS) - 1)

/* --- the header --- */

GOOI_COLD static uint64_t legacy_make_key(void) {
    uint64_t expected = 0;
    uint64_t fresh = gooi_platform_random() | 1;
    return atomic_compare_exchange_strong(&gooi_check_key, &expected, fresh) ? fresh : expected;
}

/* 0 before the first block: then there is no header that could verify. */
static inline uint64_t legacy_known_key(void) {
    return atomic_load_explicit(&gooi_check_key, memory_order_relaxed);
}

static inline uint64_t legacy_key(void) {
    uint64_t key = legacy_known_key();
    return GOOI_LIKELY(key != 0) ? key : legacy_make_key();
}

/* 32 bits. Multiplying by an odd number carries every bit that differs into them, and one multiply
 * is what a call can afford. */
static inline uint64_t legacy_hash(uint64_t key, const void *base, uint64_t owner,
                                   uint64_t size) {
    uint64_t x = key ^ (uint64_t)(uintptr_t)base;
    x ^= (owner << 24 | owner >> 40) ^ (size << 40 | size >> 24);
    return x * UINT64_C(0xd6e8feb86659fd93) >> 32;
}

static inline LegacyHeader legacy_header(const void *base, const GooAllocator *owner, size_t size) {
    uint64_t check = legacy_hash(legacy_key(), base, (uintptr_t)owner, size);
    return (LegacyHeader){
        (uint64_t)(uintptr_t)owner << LEGACY_CHECK_BITS | (check & LEGACY_CHECK_MASK),
        (uint64_t)size << LEGACY_CHECK_BITS | (check >> LEGACY_CHECK_BITS & LEGACY_CHECK_MASK),
    };
}

/* What stands where a freed block's header was. */
static inline LegacyHeader legacy_freed_header(const void *base) {
    uint64_t word = legacy_known_key() ^ (uint64_t)(uintptr_t)base;
    return (LegacyHeader){word, ~word};
}

static inline bool legacy_same_header(LegacyHeader x, LegacyHeader y) {
    return x.owner_and_check == y.owner_and_check && x.size_and_check == y.size_and_check;
}

/* A block, taken apart. */
typedef struct LegacyBlock {
    LegacyHeader *base;
    GooAllocator *owner;
    size_t size;
} LegacyBlock;

/* The pointer may be anything, so this looks at memory that may not be a header at all. */
static GOOI_NO_SANITIZE_ADDRESS LegacyHeader legacy_read(const LegacyHeader *base) {
    return *base;
}

GOOI_NORETURN GOOI_COLD static void legacy_reject(const char *call, const void *ptr) {
    bool freed = false;
    if ((uintptr_t)ptr % GOO_DEFAULT_ALIGNMENT == 0) {
        const LegacyHeader *base = (const LegacyHeader *)ptr - 1;
        freed = legacy_same_header(legacy_read(base), legacy_freed_header(base));
    }
    gooi_panic(freed ? "%s: %p was freed before (double free)"
                     : "%s: %p is no live block of this API (foreign pointer, or freed before)",
               call, ptr);
}

/* Finds owner and size, or panics (LEGACY-1). */
static GOOI_ALWAYS_INLINE LegacyBlock legacy_verify(const char *call, const void *ptr) {
    LegacyBlock block = {0};
    if (GOOI_UNLIKELY((uintptr_t)ptr % GOO_DEFAULT_ALIGNMENT != 0)) {
        legacy_reject(call, ptr);
    }
    block.base = (LegacyHeader *)(uintptr_t)ptr - 1;
    LegacyHeader header = legacy_read(block.base);
    block.owner = (GooAllocator *)(uintptr_t)(header.owner_and_check >> LEGACY_CHECK_BITS);
    block.size = (size_t)(header.size_and_check >> LEGACY_CHECK_BITS);
    uint64_t check = (header.owner_and_check & LEGACY_CHECK_MASK) |
                     (header.size_and_check & LEGACY_CHECK_MASK) << LEGACY_CHECK_BITS;
    if (GOOI_UNLIKELY(check != legacy_hash(legacy_known_key(), block.base,
                                             (uintptr_t)block.owner, block.size))) {
        legacy_reject(call, ptr);
    }
    return block;
}

/* --- allocate, reallocate, free --- */

/* True: with its header the block would be larger than any may be. */
static inline bool legacy_too_large(size_t size) {
    return size > LEGACY_SIZE_MAX;
}

static GooiRequest legacy_request(const char *call, GooAllocator *owner, size_t size,
                                  GooAllocOptions options) {
    return (GooiRequest){
        .call = call,
        .allocator = owner,
        .size = size + LEGACY_HEADER_SIZE,
        .header = LEGACY_HEADER_SIZE,
        .alignment = GOO_DEFAULT_ALIGNMENT,
        .options = options,
    };
}

static inline void *legacy_finish(LegacyHeader *base, const GooAllocator *owner, size_t size) {
    *base = legacy_header(base, owner, size);
    return base + 1;
}

static GOOI_NEVER_INLINE void *legacy_alloc_rest(GooAllocator *owner, size_t size,
                                                 GooAllocOptions options, bool tried,
                                                 const char *call) {
    if (size == 0) {
        return NULL;
    }
    GooiRequest request = legacy_request(call, owner, size, options);
    if (legacy_too_large(size)) {
        return gooi_policy_refuse(&request, ENOMEM);
    }
    LegacyHeader *base = gooi_memory_complete(&request, tried);
    return base == NULL ? NULL : legacy_finish(base, owner, size);
}

static GOOI_ALWAYS_INLINE void *legacy_alloc(size_t size, GooAllocOptions options,
                                             const char *call) {
    GooAllocator *owner = gooi_current_allocator();
    GOO_REQUIRE((uintptr_t)owner <= LEGACY_FIELD_MAX, "%s: allocator %p lies above 2^48", call,
                (void *)owner);
    bool tried = false;
    if (GOOI_LIKELY(size - 1 < LEGACY_SIZE_MAX)) { /* not 0, not too large */
        LegacyHeader *base = gooi_memory_fast(owner, size + LEGACY_HEADER_SIZE, LEGACY_HEADER_SIZE,
                                              GOO_DEFAULT_ALIGNMENT, options, &tried);
        if (GOOI_LIKELY(base != NULL)) {
            return legacy_finish(base, owner, size);
        }
    }
    return legacy_alloc_rest(owner, size, options, tried, call);
}

static GOOI_ALWAYS_INLINE void legacy_free(void *ptr, const char *call) {
    if (ptr == NULL) {
        return;
    }
    LegacyBlock block = legacy_verify(call, ptr);
    *block.base = legacy_freed_header(block.base);
    gooi_memory_release(block.owner, block.base, block.size + LEGACY_HEADER_SIZE,
                        LEGACY_HEADER_SIZE, GOO_DEFAULT_ALIGNMENT, call);
}

static void *legacy_realloc(void *ptr, size_t size, const char *call) {
    if (ptr == NULL) {
        return legacy_alloc(size, GOO_ALLOC_DEFAULT, call);
    }
    if (size == 0) {
        legacy_free(ptr, call);
        return NULL;
    }
    LegacyBlock block = legacy_verify(call, ptr);
    GooiRequest request = legacy_request(call, block.owner, size, GOO_ALLOC_DEFAULT);
    request.ptr = block.base;
    request.old_size = block.size + LEGACY_HEADER_SIZE;
    if (legacy_too_large(size)) {
        return gooi_policy_refuse(&request, ENOMEM);
    }
    LegacyHeader header = *block.base;
    *block.base = legacy_freed_header(block.base);
    LegacyHeader *base = gooi_memory_serve(&request);
    if (base == NULL) {
        *block.base = header;
        return NULL;
    }
    return legacy_finish(base, block.owner, size);
}

void *goo_alloc(size_t size) {
    return legacy_alloc(size, GOO_ALLOC_DEFAULT, __func__);
}

void *goo_alloc_zero(size_t size) {
    return legacy_alloc(size, GOO_ALLOC_ZERO, __func__);
}

void *goo_alloc_or_panic(size_t size) {
    return legacy_alloc(size, GOO_ALLOC_NOFAIL, __func__);
}

void *goo_realloc(void *ptr, size_t size) {
    return legacy_realloc(ptr, size, __func__);
}

void goo_free(void *ptr) {
    legacy_free(ptr, __func__);
}

void *goo_runtime_alloc(size_t size) {
    return legacy_alloc(size, GOO_ALLOC_DEFAULT, __func__);
}

void *goo_runtime_realloc(void *ptr, size_t new_size) {
    return legacy_realloc(ptr, new_size, __func__);
}

void goo_runtime_free(void *ptr) {
    legacy_free(ptr, __func__);
}

size_t goo_usable_size(const void *ptr) {
    return ptr == NULL ? 0 : legacy_verify(__func__, ptr).size;
}

void goo_memory_cleanup_ptr(void **ptr) {
    if (ptr != NULL) {
        legacy_free(*ptr, __func__);
        *ptr = NULL;
    }
}

/* --- strings --- */

static char *legacy_copy_text(const char *text, size_t length, const char *call) {
    char *copy = legacy_alloc(length + 1, GOO_ALLOC_DEFAULT, call);
    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *goo_strdup(const char *text) {
    if (text == NULL) {
        errno = EINVAL;
        return NULL;
    }
    return legacy_copy_text(text, strlen(text), __func__);
}

char *goo_strndup(const char *text, size_t max) {
    if (text == NULL) {
        errno = EINVAL;
        return NULL;
    }
    const char *end = memchr(text, '\0', max);
    return legacy_copy_text(text, end != NULL ? (size_t)(end - text) : max, __func__);
}

/* --- older spellings --- */

void *goo_alloc_with_allocator(GooAllocator *a, size_t size) {
    return goo_memory_alloc_with(a, size);
}

void *goo_alloc_zero_with_allocator(GooAllocator *a, size_t size) {
    return goo_memory_alloc_zeroed_with(a, size);
}

void *goo_realloc_with_allocator(GooAllocator *a, void *ptr, size_t old_size, size_t new_size) {
    return goo_memory_realloc_with(a, ptr, old_size, new_size);
}

void goo_free_with_allocator(GooAllocator *a, void *ptr, size_t size) {
    goo_memory_free_with(a, ptr, size);
}

GooAllocStats goo_get_allocator_stats(GooAllocator *a) {
    return goo_get_alloc_stats(a);
}
