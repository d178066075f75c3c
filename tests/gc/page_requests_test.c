/* Every request for address space or memory to the operating system refused in turn, and every one
 * from the n-th on: a heap that can't be made answers NULL, an allocation that can't be served
 * ENOMEM, and what is there stays whole.
 *
 * The linker puts this file's functions in the place of the platform's (--wrap). Requests for side
 * tables, which come from the system allocator, are counted with them.
 */
#include <errno.h>

#include "runtime/globals.h"
#include "tests/gc/support.h"

/* --- what is refused --- */

static _Atomic size_t pages_count;
static size_t pages_refused_from, pages_refused_to; /* numbers of requests, from 1 on */

static bool pages_is_refused(void) {
    size_t number = ++pages_count;
    return number >= pages_refused_from && number < pages_refused_to;
}

void *__real_gooi_platform_reserve(size_t size, size_t alignment);
void *__wrap_gooi_platform_reserve(size_t size, size_t alignment);
void *__wrap_gooi_platform_reserve(size_t size, size_t alignment) {
    return pages_is_refused() ? NULL : __real_gooi_platform_reserve(size, alignment);
}

bool __real_gooi_platform_commit(void *base, size_t size);
bool __wrap_gooi_platform_commit(void *base, size_t size);
bool __wrap_gooi_platform_commit(void *base, size_t size) {
    return !pages_is_refused() && __real_gooi_platform_commit(base, size);
}

static GooAllocFn pages_real_alloc;

static void *pages_side_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    return pages_is_refused() ? NULL : pages_real_alloc(ctx, size, alignment, options);
}

/* --- a life of a heap --- */

static void pages_check(bool served) {
    if (!served) {
        CHECK_EQ(errno, ENOMEM);
    }
    errno = 0;
}

static void pages_use(GooGcHeap *heap, GooGcMutator *m) {
    Pair *list = NULL;
    size_t length = 0;
    bool rooted = goo_gc_root_add_pointer(heap, &list) == GOO_OK;
    for (uint64_t i = 0; rooted && i < 3000; i++) {
        Pair *pair = goo_gc_alloc(m, &pair_type, 0); /* goo_gc_push panics when it can't */
        pages_check(pair != NULL);
        if (pair != NULL) {
            pair->first = list;
            list = pair;
            length++;
        }
        pages_check(goo_gc_alloc_leaf(m, 100 + i % 400) != NULL);
        pages_check(i % 50 != 0 || goo_gc_alloc_leaf(m, 9000 + 100 * i) != NULL);
    }
    pages_check(goo_gc_alloc_leaf(m, 9 << 20) != NULL);
    CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
    for (const Pair *p = list; p != NULL; p = p->first) {
        length--;
    }
    CHECK_EQ(length, 0);
    GooStatus status = goo_gc_verify(heap, stderr);
    CHECK(status == GOO_OK || status == GOO_ERR_NO_MEMORY);
    CHECK(!rooted || goo_gc_root_remove(heap, &list) == GOO_OK);
}

static void pages_live(void) {
    GooGcOptions options = options_of("initial=256k,markers=2");
    errno = 0;
    GooGcHeap *heap = goo_gc_heap_create(&options);
    pages_check(heap != NULL);
    GooGcMutator *m = heap != NULL ? goo_gc_attach(heap) : NULL;
    if (m != NULL) {
        pages_use(heap, m);
    }
    goo_gc_heap_destroy(heap);
}

/* How many requests a life makes when `first` to `last` are refused. */
static size_t pages_refuse(size_t first, size_t last) {
    pages_real_alloc = gooi_system_allocator.alloc;
    gooi_system_allocator.alloc = pages_side_alloc;
    pages_count = 0;
    pages_refused_from = first;
    pages_refused_to = last;
    pages_live();
    pages_refused_to = 0;
    gooi_system_allocator.alloc = pages_real_alloc;
    return pages_count;
}

GOO_TEST(gc_page_requests, each_is_refused_once) {
    size_t count = pages_refuse(0, 0);
    CHECK(count > 10);
    for (size_t n = 1; n <= count; n++) {
        pages_refuse(n, n + 1);
    }
}

GOO_TEST(gc_page_requests, all_are_refused_from_some_time_on) {
    size_t count = pages_refuse(0, 0);
    for (size_t n = 1; n <= count; n++) {
        pages_refuse(n, SIZE_MAX);
    }
}
