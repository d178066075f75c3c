/* The system and the page allocator under the conformance suite. */
#include "goo/allocators/page.h"
#include "goo/allocators/system.h"
#include "tests/conformance/conformance.h"

#define SYSTEM_CAPABILITIES                                                                        \
    (GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_THREAD_SAFE)

static GooAllocator *make_system(GooAllocator *parent) {
    (void)parent;
    return goo_system_allocator_create();
}

static GooAllocator *make_pages(GooAllocator *parent) {
    (void)parent;
    return goo_page_allocator_create();
}

static const Conformance system_allocator = {
    .make = make_system, .name = "system", .capabilities = SYSTEM_CAPABILITIES};
static const Conformance page_allocator = {
    .make = make_pages, .name = "page", .capabilities = SYSTEM_CAPABILITIES};

GOO_CONFORMANCE(system_allocator, &system_allocator)
GOO_CONFORMANCE(page_allocator, &page_allocator)
