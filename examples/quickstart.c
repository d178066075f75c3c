/* Goo in a page. Nothing has to be set up: the first call works.
 *
 * There are two ways to allocate. The legacy API has malloc's shape and remembers sizes itself. The
 * modern one is told the size again at free, which saves 16 bytes a block, and takes any allocator:
 * NULL is the default one, and an arena, a pool or one of your own works with the same calls.
 */
#include <goo/goo.h>
#include <goo_memory.h>

#include <string.h>

static bool legacy_api(void) {
    char *text = goo_strdup("hello");
    char *longer = goo_realloc(text, 32); /* NULL would leave `text` as it was */
    if (longer == NULL) {
        goo_free(text);
        return false;
    }
    strcat(longer, ", world");
    printf("legacy: \"%s\" in a block of %zu bytes\n", longer, goo_usable_size(longer));
    goo_free(longer);
    return true;
}

static bool modern_api(void) {
    size_t count = 10;
    int *squares = GOO_NEW_ARRAY(NULL, int, count);
    if (squares == NULL) {
        return false;
    }
    int sum = 0;
    for (size_t i = 0; i < count; i++) {
        squares[i] = (int)(i * i);
        sum += squares[i];
    }
    printf("modern: the first %zu squares add up to %d\n", count, sum);
    GOO_DELETE_ARRAY(NULL, squares, count);
    return true;
}

/* The same calls with an allocator of its own: an arena, whose blocks all end at once. */
static bool with_an_arena(void) {
    GooAllocator *arena = goo_arena_allocator_create(0);
    if (arena == NULL) {
        return false;
    }
    arena->track_stats = true;
    for (int i = 0; i < 1000; i++) {
        if (goo_memory_strdup_with(arena, "a name that nobody frees") == NULL) {
            break;
        }
    }
    GooAllocStats stats = goo_get_alloc_stats(arena);
    printf("arena: %zu blocks, %zu bytes, freed in one call\n", stats.allocation_count,
           stats.bytes_allocated);
    goo_allocator_destroy(arena);
    return stats.allocation_count == 1000;
}

/* Allocators stack, and open by name too. A refusal is NULL with errno, and nothing has changed. */
static bool with_a_limit(void) {
    GooAllocator *limited = goo_allocator_open("limit:max=1k,parent=system");
    if (limited == NULL) {
        return false;
    }
    void *small = goo_memory_alloc_with(limited, 1000);
    void *large = goo_memory_alloc_with(limited, 1000);
    printf("limit: of two blocks of 1000 bytes the first %s, the second %s\n",
           small != NULL ? "fits" : "is refused", large != NULL ? "fits" : "is refused");
    goo_memory_free_with(limited, small, 1000); /* freeing NULL does nothing, as with free */
    goo_memory_free_with(limited, large, 1000);
    goo_allocator_destroy(limited);
    return small != NULL && large == NULL;
}

int main(void) {
    return legacy_api() && modern_api() && with_an_arena() && with_a_limit() ? 0 : 1;
}
