/* Statistics of the whole process: switching them on, reading, reports as text and JSON, leaks.
 *
 * Counted is what enters the process: requests to allocators that get their memory from no other
 * allocator of Goo's (gooi_allocator_is_root). What an arena hands out of its blocks was counted
 * when it got the block, so nothing is counted twice and no reset has to be settled.
 *
 * The counters are slot 0 of counters.h. Collected heaps keep theirs in
 * gooi_heaps_accounted.
 *
 * Threads: any.
 */
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "runtime/blocks.h"
#include "runtime/counters.h"
#include "runtime/globals.h"

/* Freeing blocks from before tracking began can take a figure below 0. */
static size_t process_not_negative(size_t value) {
    return (ptrdiff_t)value < 0 ? 0 : value;
}

GooMemoryStats goo_memory_get_stats(void) {
    GooAllocStats s = gooi_counters_read(GOOI_SLOT_PROCESS);
    GooMemoryStats stats = {
        .current_bytes = process_not_negative(s.bytes_allocated),
        .peak_bytes = process_not_negative(s.max_bytes_allocated),
        .current_allocations = process_not_negative(s.allocation_count),
        .total_allocations = s.total_allocations,
        .total_frees = s.total_frees,
        .failed_allocations = s.failed_allocations,
        .reserved_bytes = process_not_negative(s.bytes_reserved),
    };
    stats.external_bytes = atomic_load_explicit(&gooi_heaps_external, memory_order_relaxed);
    stats.gc_bytes = process_not_negative(
        atomic_load_explicit(&gooi_heaps_accounted, memory_order_relaxed) - stats.external_bytes);
    return stats;
}

void goo_memory_reset_stats(void) {
    gooi_counters_reset(GOOI_SLOT_PROCESS);
}

bool goo_memory_set_tracking(bool on) {
    uint32_t before = on ? atomic_fetch_or(&gooi_watch, GOOI_WATCH_TRACKING)
                         : atomic_fetch_and(&gooi_watch, ~(uint32_t)GOOI_WATCH_TRACKING);
    return (before & GOOI_WATCH_TRACKING) != 0;
}

/* --- reports --- */

typedef struct ProcessFigure {
    const char *name, *words;
    size_t offset;
} ProcessFigure;

static const ProcessFigure process_figures[] = {
    {"current_bytes", "bytes allocated", offsetof(GooMemoryStats, current_bytes)},
    {"peak_bytes", "bytes at the peak", offsetof(GooMemoryStats, peak_bytes)},
    {"current_allocations", "live blocks", offsetof(GooMemoryStats, current_allocations)},
    {"total_allocations", "allocations", offsetof(GooMemoryStats, total_allocations)},
    {"total_frees", "frees", offsetof(GooMemoryStats, total_frees)},
    {"failed_allocations", "failed requests", offsetof(GooMemoryStats, failed_allocations)},
    {"reserved_bytes", "bytes with headers", offsetof(GooMemoryStats, reserved_bytes)},
    {"gc_bytes", "bytes of collected heaps", offsetof(GooMemoryStats, gc_bytes)},
    {"external_bytes", "bytes outside, on heaps", offsetof(GooMemoryStats, external_bytes)},
};

static size_t process_value(const GooMemoryStats *stats, const ProcessFigure *figure) {
    return *(const size_t *)(const void *)((const char *)stats + figure->offset);
}

void goo_memory_print_stats(FILE *out) {
    if (out == NULL) {
        return;
    }
    GooMemoryStats stats = goo_memory_get_stats();
    for (size_t i = 0; i < GOOI_COUNT(process_figures); i++) {
        fprintf(out, "%-24s %zu\n", process_figures[i].words,
                process_value(&stats, &process_figures[i]));
    }
}

GooStatus goo_memory_write_stats_json(FILE *out) {
    if (out == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    GooMemoryStats stats = goo_memory_get_stats();
    bool written = fprintf(out, "{") >= 0;
    for (size_t i = 0; i < GOOI_COUNT(process_figures); i++) {
        written = fprintf(out, "%s\"%s\": %zu", i == 0 ? "" : ", ", process_figures[i].name,
                          process_value(&stats, &process_figures[i])) >= 0 &&
                  written;
    }
    written = fprintf(out, "}\n") >= 0 && written;
    return written && fflush(out) == 0 ? GOO_OK : GOO_ERR_IO;
}

size_t goo_memory_check_leaks(FILE *report) {
    if (gooi_blocks_modes() != 0) {
        return gooi_blocks_report(report);
    }
    size_t live = goo_memory_get_stats().current_allocations;
    if (live != 0 && report != NULL) {
        fprintf(report, "%zu blocks live; enable_leak_detection names them\n", live);
    }
    return live;
}
