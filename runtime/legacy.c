/* The legacy API: blocks that know their owner and size, so that free needs neither.
 *
 *     base                                     base + 16: what the caller sees, aligned to 16
 *     | owner ^ pad | size * M + owner + key | size bytes ...        pad = (base ^ key) * M
 *
 * Owner and size are below 2^48. Decoded from anything else than the block's own header they have
 * random bits above: foreign memory and a copied header pass with a chance of 2^-32. M is an odd
 * number chosen so that a header of which any one byte was written never passes. A freed block's
 * header is overwritten before its memory goes back, so that a second free is recognised, by name
 * as long as nobody reused the memory.
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
    uint64_t owner, size; /* both encoded */
} LegacyHeader;
_Static_assert(sizeof(LegacyHeader) == GOO_DEFAULT_ALIGNMENT, "the block behind it stays aligned");

enum { LEGACY_HEADER_SIZE = sizeof(LegacyHeader), LEGACY_FIELD_BITS = 48 };
#define LEGACY_FIELD_MAX ((UINT64_C(1) << LEGACY_FIELD_BITS) - 1)
#define LEGACY_ROOM_MAX (GOOI_SIZE_MAX - 2 * (size_t)LEGACY_HEADER_SIZE)

/* M and its inverse modulo 2^64. For every difference d between two bytes, and every place of a
 * byte, d * 2^(8 * place) * INVERSE is at least 2^48 away from 0. */
#define LEGACY_FACTOR UINT64_C(0x6513270e269e0d37)
#define LEGACY_INVERSE UINT64_C(0xb7e702daf7d53887)

/* --- the header --- */

/* 0 before the first block: then there is no header that could verify. */
static inline uint64_t legacy_known_key(void) {
    return atomic_load_explicit(&gooi_check_key, memory_order_relaxed);
}

/* The key is there from now on. */
static void legacy_need_key(void) {
    if (legacy_known_key() == 0) {
        uint64_t expected = 0;
        atomic_compare_exchange_strong(&gooi_check_key, &expected, gooi_platform_random() | 1);
    }
}

static inline uint64_t legacy_pad(uint64_t key, const void *base) {
    return ((uint64_t)(uintptr_t)base ^ key) * LEGACY_FACTOR;
}

static inline LegacyHeader legacy_header(const void *base, const GooAllocator *owner, size_t size) {
    uint64_t key = legacy_known_key();
    uint64_t who = (uintptr_t)owner;
    return (LegacyHeader){who ^ legacy_pad(key, base), size * LEGACY_FACTOR + who + key};
}

/* What stands where a freed block's owner was: it decodes to ~0, which is nobody's address. */
static inline uint64_t legacy_freed(uint64_t pad) {
    return ~pad;
}

/* A block, taken apart. */
typedef struct LegacyBlock {
    LegacyHeader *base;
    uint64_t pad;
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
        uint64_t pad = legacy_pad(legacy_known_key(), base);
        freed = legacy_read(base).owner == legacy_freed(pad);
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
    uint64_t key = legacy_known_key();
    block.pad = legacy_pad(key, block.base);
    uint64_t owner = header.owner ^ block.pad;
    uint64_t size = (header.size - owner - key) * LEGACY_INVERSE;
    if (GOOI_UNLIKELY((owner | size) >> LEGACY_FIELD_BITS != 0)) {
        legacy_reject(call, ptr);
    }
    block.owner = (GooAllocator *)(uintptr_t)owner;
    block.size = (size_t)size;
    return block;
}

/* --- allocate, reallocate, free --- */

/* Neither 0 nor too large, with an owner that a header can name. */
static inline bool legacy_is_plain(const GooAllocator *owner, size_t size) {
    bool small = LEGACY_ROOM_MAX < LEGACY_FIELD_MAX ? size <= LEGACY_ROOM_MAX : true;
    return small && size != 0 && ((uintptr_t)owner | (uint64_t)size) >> LEGACY_FIELD_BITS == 0;
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

/* Where the shortest way does not do; `tried`: the mechanism was asked, and failed. */
static GOOI_NEVER_INLINE void *legacy_alloc_rest(GooAllocator *owner, size_t size,
                                                 GooAllocOptions options, bool tried,
                                                 const char *call) {
    if (size == 0) {
        return NULL;
    }
    GOO_REQUIRE((uintptr_t)owner <= LEGACY_FIELD_MAX, "%s: allocator %p lies above 2^48", call,
                (void *)owner);
    GooiRequest request = legacy_request(call, owner, size, options);
    if (!legacy_is_plain(owner, size)) {
        return gooi_policy_refuse(&request, ENOMEM);
    }
    legacy_need_key();
    uint32_t watch = gooi_memory_watch(owner, LEGACY_HEADER_SIZE);
    LegacyHeader *base = tried ? gooi_memory_retry(&request)
                         : watch != 0 && gooi_memory_only_counted(watch)
                             ? gooi_memory_alloc_counted(owner, request.size, request.header,
                                                         request.alignment, options, call)
                             : gooi_memory_serve(&request);
    return base == NULL ? NULL : legacy_finish(base, owner, size);
}

static GOOI_ALWAYS_INLINE void *legacy_alloc(size_t size, GooAllocOptions options,
                                             const char *call) {
    GooAllocator *owner = gooi_current_allocator();
    bool tried = false;
    if (GOOI_LIKELY(legacy_is_plain(owner, size) && legacy_known_key() != 0 &&
                    gooi_memory_watch(owner, LEGACY_HEADER_SIZE) == 0)) {
        LegacyHeader *base =
            gooi_memory_ask(owner, size + LEGACY_HEADER_SIZE, GOO_DEFAULT_ALIGNMENT, options);
        if (GOOI_LIKELY(base != NULL)) {
            return legacy_finish(base, owner, size);
        }
        tried = true;
    }
    return legacy_alloc_rest(owner, size, options, tried, call);
}

static GOOI_ALWAYS_INLINE void legacy_free(void *ptr, const char *call) {
    if (ptr == NULL) {
        return;
    }
    LegacyBlock block = legacy_verify(call, ptr);
    block.base->owner = legacy_freed(block.pad);
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
    if (!legacy_is_plain(block.owner, size)) {
        return gooi_policy_refuse(&request, ENOMEM);
    }
    LegacyHeader header = *block.base;
    block.base->owner = legacy_freed(block.pad);
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
