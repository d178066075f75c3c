/* Under AddressSanitizer and under valgrind: memory that an arena, a pool, a region or a scope has
 * not given, or has taken back, is reported when it is touched. Each touch happens in a child
 * process; valgrind is asked, since it would count the touch as an error of the test.
 */
#include "goo/allocators.h"
#include "goo/allocators/arena_inline.h"
#include "goo/allocators/pool_inline.h"
#include "goo/runtime/memory.h"
#include "tests/harness.h"

#include <fcntl.h>
#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#define HAS_MEMCHECK 1
#include <valgrind/memcheck.h>
#endif
#endif
#include <sys/wait.h>
#include <unistd.h>

/* Whether writing a byte there ends a process. */
static bool is_reported(volatile uint8_t *p) {
#if defined(HAS_MEMCHECK)
    if (RUNNING_ON_VALGRIND) {
        VALGRIND_DISABLE_ERROR_REPORTING;
        bool reported = VALGRIND_CHECK_MEM_IS_ADDRESSABLE(p, 1) != 0;
        VALGRIND_ENABLE_ERROR_REPORTING;
        return reported;
    }
#endif
    pid_t child = fork();
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, 2);
        *p = 1;
        _exit(0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void need_sanitizer(void) {
#if defined(HAS_MEMCHECK)
    if (RUNNING_ON_VALGRIND) {
        return;
    }
#endif
    if (!GOO_TEST_ADDRESS_SANITIZER) {
        SKIP("needs AddressSanitizer or valgrind");
    }
}

GOO_TEST(poison, arena_after_free_rewind_reset_and_beyond_the_end) {
    need_sanitizer();
    GooAllocator *a = goo_arena_allocator_create(4096);
    uint8_t *kept = goo_memory_alloc_with(a, 64);
    GooArenaMark mark = goo_arena_mark(a);
    uint8_t *freed = goo_arena_take(a, 64, 0), *p = goo_memory_alloc_with(a, 64);
    CHECK(!is_reported(kept + 63) && !is_reported(freed + 63) && !is_reported(p + 63));
    CHECK(is_reported(p + 64));
    goo_memory_free_with(a, freed, 64);
    CHECK(is_reported(freed) && is_reported(freed + 63) && !is_reported(p));
    CHECK(goo_memory_resize_options(a, p, 64, 32, 0));
    CHECK(is_reported(p + 32) && !is_reported(p + 31));
    goo_arena_rewind(a, mark);
    CHECK(is_reported(p) && !is_reported(kept));
    goo_arena_reset(a, GOO_ARENA_RETAIN_ALL);
    CHECK(is_reported(kept));
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 64), kept);
    CHECK(!is_reported(kept + 63));
    goo_allocator_destroy(a);
}

GOO_TEST(poison, pool_objects_that_are_free) {
    need_sanitizer();
    GooAllocator *a = goo_pool_allocator_create(64, 10);
    uint8_t *p = goo_pool_take(a), *q = goo_memory_alloc_with(a, 64);
    CHECK(!is_reported(p) && !is_reported(p + 63) && !is_reported(q));
    CHECK(is_reported(q + 64)); /* never given */
    goo_pool_give(a, p);
    CHECK(is_reported(p) && is_reported(p + 63) && !is_reported(q));
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 64), p);
    CHECK(!is_reported(p));
    CHECK(goo_allocator_reset(a));
    CHECK(is_reported(p) && is_reported(q));
    goo_allocator_destroy(a);
}

GOO_TEST(poison, regions_and_scopes_that_ended) {
    need_sanitizer();
    GooAllocator *region = goo_region_allocator_create(4096, true);
    uint8_t *outer = goo_memory_alloc_with(region, 100);
    CHECK_EQ(goo_region_begin(region), GOO_OK);
    uint8_t *inner = goo_memory_alloc_with(region, 100);
    CHECK(!is_reported(inner) && !is_reported(outer));
    CHECK_EQ(goo_region_end(region), GOO_OK);
    CHECK(is_reported(inner) && !is_reported(outer));
    goo_allocator_destroy(region);
    GooAllocator *scope = goo_scoped_allocator_create(NULL);
    uint8_t *kept = goo_memory_alloc_with(scope, 100);
    size_t mark = goo_scope_mark(scope);
    uint8_t *gone = goo_memory_alloc_with(scope, 100);
    goo_scope_unwind(scope, mark);
    CHECK(is_reported(gone) && !is_reported(kept));
    goo_allocator_destroy(scope);
}
