/* What goo_bridge_layout knows: sizes, offsets and constants as this compiler sees them.
 *
 * A line for each struct, member and enumeration constant of goo/goo.h. The Zig package walks the
 * translated headers and demands that each is here with the same value, and that nothing else is,
 * so that a line which is missing or wrong fails a test.
 *
 * Threads: any; constant data.
 */
#include "goo/goo.h"

#include <errno.h>
#include <string.h>

typedef struct LayoutFact {
    const char *name;
    size_t value;
} LayoutFact;

#define LAYOUT_SIZE(type)                                                                          \
    { "sizeof " #type, sizeof(type) }
#define LAYOUT_OFFSET(type, member)                                                                \
    { "offsetof " #type "." #member, offsetof(type, member) }
#define LAYOUT_VALUE(constant)                                                                     \
    { #constant, (size_t)(constant) }

/* clang-format off */
static const LayoutFact layout_facts[] = {
    LAYOUT_SIZE(GooAllocStats),
    LAYOUT_OFFSET(GooAllocStats, bytes_allocated), LAYOUT_OFFSET(GooAllocStats, bytes_reserved),
    LAYOUT_OFFSET(GooAllocStats, max_bytes_allocated),
    LAYOUT_OFFSET(GooAllocStats, allocation_count), LAYOUT_OFFSET(GooAllocStats, total_allocations),
    LAYOUT_OFFSET(GooAllocStats, total_frees), LAYOUT_OFFSET(GooAllocStats, failed_allocations),
    LAYOUT_SIZE(GooAllocator),
    LAYOUT_OFFSET(GooAllocator, alloc), LAYOUT_OFFSET(GooAllocator, realloc),
    LAYOUT_OFFSET(GooAllocator, free), LAYOUT_OFFSET(GooAllocator, destroy),
    LAYOUT_OFFSET(GooAllocator, strategy), LAYOUT_OFFSET(GooAllocator, out_of_mem_fn),
    LAYOUT_OFFSET(GooAllocator, context), LAYOUT_OFFSET(GooAllocator, track_stats),
    LAYOUT_OFFSET(GooAllocator, stats), LAYOUT_OFFSET(GooAllocator, resize),
    LAYOUT_OFFSET(GooAllocator, name), LAYOUT_OFFSET(GooAllocator, capabilities),
    LAYOUT_SIZE(GooArenaOptions),
    LAYOUT_OFFSET(GooArenaOptions, block_size), LAYOUT_OFFSET(GooArenaOptions, max_bytes),
    LAYOUT_OFFSET(GooArenaOptions, keep_last_block),
    LAYOUT_SIZE(GooArenaMark),
    LAYOUT_OFFSET(GooArenaMark, block), LAYOUT_OFFSET(GooArenaMark, offset),
    LAYOUT_OFFSET(GooArenaMark, serial),
    LAYOUT_SIZE(GooLeak),
    LAYOUT_OFFSET(GooLeak, ptr), LAYOUT_OFFSET(GooLeak, size), LAYOUT_OFFSET(GooLeak, file),
    LAYOUT_OFFSET(GooLeak, line), LAYOUT_OFFSET(GooLeak, stack),
    LAYOUT_OFFSET(GooLeak, stack_depth),
    LAYOUT_SIZE(GooDebugOptions),
    LAYOUT_OFFSET(GooDebugOptions, name), LAYOUT_OFFSET(GooDebugOptions, leak_mode),
    LAYOUT_OFFSET(GooDebugOptions, on_leak), LAYOUT_OFFSET(GooDebugOptions, user),
    LAYOUT_OFFSET(GooDebugOptions, report), LAYOUT_OFFSET(GooDebugOptions, stack_depth),
    LAYOUT_OFFSET(GooDebugOptions, quarantine_bytes), LAYOUT_OFFSET(GooDebugOptions, canary_bytes),
    LAYOUT_OFFSET(GooDebugOptions, sample_every), LAYOUT_OFFSET(GooDebugOptions, never_unmap),
    LAYOUT_OFFSET(GooDebugOptions, retain_metadata),
    LAYOUT_SIZE(GooFixedBuffer),
    LAYOUT_OFFSET(GooFixedBuffer, allocator), LAYOUT_OFFSET(GooFixedBuffer, base),
    LAYOUT_OFFSET(GooFixedBuffer, size), LAYOUT_OFFSET(GooFixedBuffer, used),
    LAYOUT_SIZE(GooPoolOptions),
    LAYOUT_OFFSET(GooPoolOptions, object_size), LAYOUT_OFFSET(GooPoolOptions, alignment),
    LAYOUT_OFFSET(GooPoolOptions, objects_per_block), LAYOUT_OFFSET(GooPoolOptions, max_objects),
    LAYOUT_OFFSET(GooPoolOptions, thread_safe),
    LAYOUT_SIZE(GooRegionOptions),
    LAYOUT_OFFSET(GooRegionOptions, region_size), LAYOUT_OFFSET(GooRegionOptions, allow_large),
    LAYOUT_SIZE(GooMemoryConfig),
    LAYOUT_OFFSET(GooMemoryConfig, enable_leak_detection),
    LAYOUT_OFFSET(GooMemoryConfig, enable_tracking), LAYOUT_OFFSET(GooMemoryConfig, enable_safety),
    LAYOUT_OFFSET(GooMemoryConfig, never_unmap), LAYOUT_OFFSET(GooMemoryConfig, retain_metadata),
    LAYOUT_OFFSET(GooMemoryConfig, limit_bytes), LAYOUT_OFFSET(GooMemoryConfig, default_allocator),
    LAYOUT_SIZE(GooHostOptions),
    LAYOUT_OFFSET(GooHostOptions, memory), LAYOUT_OFFSET(GooHostOptions, arena),
    LAYOUT_OFFSET(GooHostOptions, region), LAYOUT_OFFSET(GooHostOptions, pool_block_bytes),
    LAYOUT_OFFSET(GooHostOptions, pool_max_bytes), LAYOUT_OFFSET(GooHostOptions, stack_capacity),
    LAYOUT_OFFSET(GooHostOptions, buffer_size), LAYOUT_OFFSET(GooHostOptions, buffer_count),
    LAYOUT_OFFSET(GooHostOptions, debug),
    LAYOUT_SIZE(GooForeignAllocator),
    LAYOUT_OFFSET(GooForeignAllocator, ctx), LAYOUT_OFFSET(GooForeignAllocator, alloc),
    LAYOUT_OFFSET(GooForeignAllocator, resize), LAYOUT_OFFSET(GooForeignAllocator, remap),
    LAYOUT_OFFSET(GooForeignAllocator, free),
    LAYOUT_SIZE(GooGcValueEncoding),
    LAYOUT_OFFSET(GooGcValueEncoding, tag_mask), LAYOUT_OFFSET(GooGcValueEncoding, tag_value),
    LAYOUT_OFFSET(GooGcValueEncoding, address_mask),
    LAYOUT_SIZE(GooGcOptions),
    LAYOUT_OFFSET(GooGcOptions, initial_bytes), LAYOUT_OFFSET(GooGcOptions, soft_limit_bytes),
    LAYOUT_OFFSET(GooGcOptions, hard_limit_bytes), LAYOUT_OFFSET(GooGcOptions, spare_bytes),
    LAYOUT_OFFSET(GooGcOptions, container), LAYOUT_OFFSET(GooGcOptions, decay_ms),
    LAYOUT_OFFSET(GooGcOptions, reserve_bytes), LAYOUT_OFFSET(GooGcOptions, sizing),
    LAYOUT_OFFSET(GooGcOptions, growth_factor), LAYOUT_OFFSET(GooGcOptions, scan_stacks),
    LAYOUT_OFFSET(GooGcOptions, generational), LAYOUT_OFFSET(GooGcOptions, concurrent),
    LAYOUT_OFFSET(GooGcOptions, marker_threads), LAYOUT_OFFSET(GooGcOptions, encoding),
    LAYOUT_OFFSET(GooGcOptions, trace_embedder), LAYOUT_OFFSET(GooGcOptions, user),
    LAYOUT_OFFSET(GooGcOptions, stress_interval), LAYOUT_OFFSET(GooGcOptions, verify),
    LAYOUT_OFFSET(GooGcOptions, poison),
    LAYOUT_SIZE(GooGcType),
    LAYOUT_OFFSET(GooGcType, name), LAYOUT_OFFSET(GooGcType, size),
    LAYOUT_OFFSET(GooGcType, layout), LAYOUT_OFFSET(GooGcType, flags),
    LAYOUT_OFFSET(GooGcType, bitmap), LAYOUT_OFFSET(GooGcType, bitmap_words),
    LAYOUT_OFFSET(GooGcType, array_offset), LAYOUT_OFFSET(GooGcType, trace),
    LAYOUT_OFFSET(GooGcType, finalize), LAYOUT_OFFSET(GooGcType, user),
    LAYOUT_SIZE(GooGcFrame),
    LAYOUT_OFFSET(GooGcFrame, previous), LAYOUT_OFFSET(GooGcFrame, locals),
    LAYOUT_OFFSET(GooGcFrame, count),
    LAYOUT_SIZE(GooGcHandle),
    LAYOUT_OFFSET(GooGcHandle, bits),
    LAYOUT_SIZE(GooGcStats),
    LAYOUT_OFFSET(GooGcStats, collections_full), LAYOUT_OFFSET(GooGcStats, collections_minor),
    LAYOUT_OFFSET(GooGcStats, pauses), LAYOUT_OFFSET(GooGcStats, pause_ns_min),
    LAYOUT_OFFSET(GooGcStats, pause_ns_p50), LAYOUT_OFFSET(GooGcStats, pause_ns_p99),
    LAYOUT_OFFSET(GooGcStats, pause_ns_p999), LAYOUT_OFFSET(GooGcStats, pause_ns_max),
    LAYOUT_OFFSET(GooGcStats, pause_ns_total), LAYOUT_OFFSET(GooGcStats, mark_ns),
    LAYOUT_OFFSET(GooGcStats, sweep_ns), LAYOUT_OFFSET(GooGcStats, concurrent_ns),
    LAYOUT_OFFSET(GooGcStats, live_bytes), LAYOUT_OFFSET(GooGcStats, heap_bytes),
    LAYOUT_OFFSET(GooGcStats, metadata_bytes), LAYOUT_OFFSET(GooGcStats, external_bytes),
    LAYOUT_OFFSET(GooGcStats, peak_bytes), LAYOUT_OFFSET(GooGcStats, objects_live),
    LAYOUT_OFFSET(GooGcStats, objects_marked), LAYOUT_OFFSET(GooGcStats, limit_hits),
    LAYOUT_OFFSET(GooGcStats, allocated_bytes), LAYOUT_OFFSET(GooGcStats, allocated_objects),
    LAYOUT_SIZE(GooGcPauseBucket),
    LAYOUT_OFFSET(GooGcPauseBucket, low_ns), LAYOUT_OFFSET(GooGcPauseBucket, high_ns),
    LAYOUT_OFFSET(GooGcPauseBucket, count),
    LAYOUT_SIZE(GooGcEvent),
    LAYOUT_OFFSET(GooGcEvent, kind), LAYOUT_OFFSET(GooGcEvent, collection),
    LAYOUT_OFFSET(GooGcEvent, time_ns), LAYOUT_OFFSET(GooGcEvent, bytes),
    LAYOUT_OFFSET(GooGcEvent, mutator),
    LAYOUT_SIZE(GooGcListener),
    LAYOUT_OFFSET(GooGcListener, event), LAYOUT_OFFSET(GooGcListener, user),
    LAYOUT_SIZE(GooGcNamer),
    LAYOUT_OFFSET(GooGcNamer, name), LAYOUT_OFFSET(GooGcNamer, user),
    LAYOUT_SIZE(GooGcPathStep),
    LAYOUT_OFFSET(GooGcPathStep, object), LAYOUT_OFFSET(GooGcPathStep, type),
    LAYOUT_OFFSET(GooGcPathStep, offset), LAYOUT_OFFSET(GooGcPathStep, root_kind),
    LAYOUT_SIZE(GooGcInternOps),
    LAYOUT_OFFSET(GooGcInternOps, create), LAYOUT_OFFSET(GooGcInternOps, bytes),
    LAYOUT_OFFSET(GooGcInternOps, user),
    LAYOUT_SIZE(GooBuffer),
    LAYOUT_OFFSET(GooBuffer, data), LAYOUT_OFFSET(GooBuffer, length),
    LAYOUT_OFFSET(GooBuffer, element_size), LAYOUT_OFFSET(GooBuffer, owner),
    LAYOUT_SIZE(GooMemoryEvent),
    LAYOUT_OFFSET(GooMemoryEvent, kind), LAYOUT_OFFSET(GooMemoryEvent, allocator),
    LAYOUT_OFFSET(GooMemoryEvent, ptr), LAYOUT_OFFSET(GooMemoryEvent, old_ptr),
    LAYOUT_OFFSET(GooMemoryEvent, size), LAYOUT_OFFSET(GooMemoryEvent, old_size),
    LAYOUT_OFFSET(GooMemoryEvent, alignment), LAYOUT_OFFSET(GooMemoryEvent, file),
    LAYOUT_OFFSET(GooMemoryEvent, line),
    LAYOUT_SIZE(GooWriter),
    LAYOUT_OFFSET(GooWriter, ctx), LAYOUT_OFFSET(GooWriter, write),
    LAYOUT_SIZE(GooReader),
    LAYOUT_OFFSET(GooReader, ctx), LAYOUT_OFFSET(GooReader, read),
    LAYOUT_SIZE(GooAllocContext),
    LAYOUT_OFFSET(GooAllocContext, allocator), LAYOUT_OFFSET(GooAllocContext, out),
    LAYOUT_OFFSET(GooAllocContext, in),
    LAYOUT_SIZE(GooMemoryStats),
    LAYOUT_OFFSET(GooMemoryStats, current_bytes), LAYOUT_OFFSET(GooMemoryStats, peak_bytes),
    LAYOUT_OFFSET(GooMemoryStats, current_allocations),
    LAYOUT_OFFSET(GooMemoryStats, total_allocations), LAYOUT_OFFSET(GooMemoryStats, total_frees),
    LAYOUT_OFFSET(GooMemoryStats, failed_allocations),
    LAYOUT_OFFSET(GooMemoryStats, reserved_bytes), LAYOUT_OFFSET(GooMemoryStats, gc_bytes),
    LAYOUT_OFFSET(GooMemoryStats, external_bytes),

    LAYOUT_VALUE(GOO_OK), LAYOUT_VALUE(GOO_ERR_NO_MEMORY), LAYOUT_VALUE(GOO_ERR_INVALID_ARGUMENT),
    LAYOUT_VALUE(GOO_ERR_LIMIT), LAYOUT_VALUE(GOO_ERR_UNSUPPORTED), LAYOUT_VALUE(GOO_ERR_BUSY),
    LAYOUT_VALUE(GOO_ERR_IO), LAYOUT_VALUE(GOO_ERR_CORRUPT), LAYOUT_VALUE(GOO_ALLOC_DEFAULT),
    LAYOUT_VALUE(GOO_ALLOC_ZERO), LAYOUT_VALUE(GOO_ALLOC_NOFAIL), LAYOUT_VALUE(GOO_ALLOC_GROWABLE),
    LAYOUT_VALUE(GOO_ALLOC_PERSIST), LAYOUT_VALUE(GOO_ALLOC_TEMP), LAYOUT_VALUE(GOO_ALLOC_EXACT),
    LAYOUT_VALUE(GOO_ALLOC_PAGE), LAYOUT_VALUE(GOO_ALLOC_STRATEGY_NULL),
    LAYOUT_VALUE(GOO_ALLOC_STRATEGY_PANIC), LAYOUT_VALUE(GOO_ALLOC_STRATEGY_RETRY),
    LAYOUT_VALUE(GOO_ALLOC_STRATEGY_GC), LAYOUT_VALUE(GOO_ALLOCATOR_FREES),
    LAYOUT_VALUE(GOO_ALLOCATOR_RESIZES), LAYOUT_VALUE(GOO_ALLOCATOR_RESETS),
    LAYOUT_VALUE(GOO_ALLOCATOR_THREAD_SAFE), LAYOUT_VALUE(GOO_ALLOCATOR_OWNS),
    LAYOUT_VALUE(GOO_ARENA_RETAIN_ALL), LAYOUT_VALUE(GOO_ARENA_RETAIN_ONE),
    LAYOUT_VALUE(GOO_ARENA_FREE_ALL), LAYOUT_VALUE(GOO_LEAK_LOG), LAYOUT_VALUE(GOO_LEAK_PANIC),
    LAYOUT_VALUE(GOO_LEAK_BREAK), LAYOUT_VALUE(GOO_LEAK_CALLBACK), LAYOUT_VALUE(GOO_HOST_SMALL),
    LAYOUT_VALUE(GOO_HOST_BALANCED), LAYOUT_VALUE(GOO_HOST_LARGE),
    LAYOUT_VALUE(GOO_GC_SIZING_PROPORTIONAL), LAYOUT_VALUE(GOO_GC_SIZING_FIXED),
    LAYOUT_VALUE(GOO_GC_SIZING_ADAPTIVE), LAYOUT_VALUE(GOO_GC_MINOR), LAYOUT_VALUE(GOO_GC_FULL),
    LAYOUT_VALUE(GOO_GC_LAYOUT_LEAF), LAYOUT_VALUE(GOO_GC_LAYOUT_BITMAP),
    LAYOUT_VALUE(GOO_GC_LAYOUT_ARRAY), LAYOUT_VALUE(GOO_GC_LAYOUT_TRACE),
    LAYOUT_VALUE(GOO_GC_LAYOUT_CONSERVATIVE), LAYOUT_VALUE(GOO_GC_TYPE_BITMAP_POINTERS),
    LAYOUT_VALUE(GOO_GC_TYPE_ARRAY_POINTERS), LAYOUT_VALUE(GOO_GC_EVENT_CYCLE_BEGIN),
    LAYOUT_VALUE(GOO_GC_EVENT_PAUSE_BEGIN), LAYOUT_VALUE(GOO_GC_EVENT_PAUSE_END),
    LAYOUT_VALUE(GOO_GC_EVENT_MARKED), LAYOUT_VALUE(GOO_GC_EVENT_SWEPT),
    LAYOUT_VALUE(GOO_GC_EVENT_CYCLE_END), LAYOUT_VALUE(GOO_GC_EVENT_RESIZED),
    LAYOUT_VALUE(GOO_GC_EVENT_OUT_OF_MEMORY), LAYOUT_VALUE(GOO_GC_EVENT_LATE_THREAD),
    LAYOUT_VALUE(GOO_EVENT_ALLOC), LAYOUT_VALUE(GOO_EVENT_REALLOC), LAYOUT_VALUE(GOO_EVENT_FREE),
    LAYOUT_VALUE(GOO_EVENT_OUT_OF_MEMORY), LAYOUT_VALUE(GOO_EVENT_RESET),
    LAYOUT_VALUE(GOO_EVENT_GC_BEGIN), LAYOUT_VALUE(GOO_EVENT_GC_END),
    LAYOUT_VALUE(GOO_EVENT_PRESSURE), LAYOUT_VALUE(GOO_SIMD_SCALAR), LAYOUT_VALUE(GOO_SIMD_WORD64),
    LAYOUT_VALUE(GOO_SIMD_SSE2), LAYOUT_VALUE(GOO_SIMD_AVX2), LAYOUT_VALUE(GOO_SIMD_AVX512),
    LAYOUT_VALUE(GOO_SIMD_NEON), LAYOUT_VALUE(GOO_SIMD_WASM128),
};
/* clang-format on */

enum { LAYOUT_COUNT = (int)(sizeof layout_facts / sizeof layout_facts[0]) };

size_t goo_bridge_layout(const char *name) {
    for (size_t i = 0; name != NULL && i < LAYOUT_COUNT; i++) {
        if (strcmp(layout_facts[i].name, name) == 0) {
            return layout_facts[i].value;
        }
    }
    errno = EINVAL;
    return PTRDIFF_MAX;
}

const char *goo_bridge_layout_name(size_t index) {
    return index < LAYOUT_COUNT ? layout_facts[index].name : NULL;
}
