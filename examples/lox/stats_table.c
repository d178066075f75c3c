/* stats_table.c: what the collector did, one line for each kind of thing.
 *
 *     collections          12
 *     pauses               12   min 0.021 ms   p50 0.130 ms   p99 0.410 ms   max 0.410 ms
 *     total pause       1.720 ms   mark 1.501 ms   sweep 0.102 ms
 *     memory            live 0.52 MiB   heap 1.00 MiB   …
 *
 *     pause from          to       count
 *          16 us       32 us           7  ##############
 *          32 us       64 us          20  ########################################
 */
#include "stats_table.h"

#include <inttypes.h>

#include "goo/gc/inspect.h"

static double stats_ms(uint64_t ns) {
    return (double)ns / 1e6;
}

static double stats_mib(uint64_t bytes) {
    return (double)bytes / (1024.0 * 1024.0);
}

/* --- pauses, by powers of two --- */

enum { STATS_BAR_MAX = 40, STATS_ROWS = 64 };

static unsigned stats_row(uint64_t ns) {
    unsigned row = 0;
    while (ns > 1) {
        ns /= 2;
        row++;
    }
    return row;
}

static void stats_print_row(FILE *out, unsigned row, uint64_t count, uint64_t most) {
    static const char bar[STATS_BAR_MAX + 1] = "########################################";
    int length = (int)((count * STATS_BAR_MAX + most - 1) / most);
    fprintf(out, "%12.3f ms %9.3f ms %12" PRIu64 "%s%.*s\n", stats_ms((uint64_t)1 << row),
            stats_ms((uint64_t)2 << row), count, length > 0 ? "  " : "", length, bar);
}

static void stats_print_pauses(const GooGcHeap *heap, FILE *out) {
    static GooGcPauseBucket buckets[960];
    uint64_t counts[STATS_ROWS] = {0}, most = 0;
    size_t found = goo_gc_get_pauses(heap, buckets, sizeof buckets / sizeof *buckets);
    unsigned first = STATS_ROWS, last = 0;
    for (size_t i = 0; i < found; i++) {
        unsigned row = stats_row(buckets[i].low_ns);
        counts[row] += buckets[i].count;
        most = counts[row] > most ? counts[row] : most;
        first = row < first ? row : first;
        last = row;
    }
    if (found > 0) {
        fprintf(out, "pauses from              to        count\n");
    }
    for (unsigned row = first; row <= last && row < STATS_ROWS - 1; row++) {
        stats_print_row(out, row, counts[row], most);
    }
}

void stats_table_print(const GooGcHeap *heap, FILE *out) {
    GooGcStats s = goo_gc_get_stats(heap);
    fprintf(out, "collections  %12" PRIu64 "  full %" PRIu64 ", minor %" PRIu64 "\n",
            s.collections_full + s.collections_minor, s.collections_full, s.collections_minor);
    fprintf(out, "pauses       %12" PRIu64 "  min %.3f ms, p50 %.3f ms, p99 %.3f ms, max %.3f ms\n",
            s.pauses, stats_ms(s.pause_ns_min), stats_ms(s.pause_ns_p50), stats_ms(s.pause_ns_p99),
            stats_ms(s.pause_ns_max));
    fprintf(out, "paused       %9.3f ms  marking %.3f ms, sweeping %.3f ms\n",
            stats_ms(s.pause_ns_total), stats_ms(s.mark_ns), stats_ms(s.sweep_ns));
    fprintf(out, "live         %8.2f MiB  %zu objects\n", stats_mib(s.live_bytes), s.objects_live);
    fprintf(out, "heap         %8.2f MiB  metadata %.2f MiB, external %.2f MiB, peak %.2f MiB\n",
            stats_mib(s.heap_bytes), stats_mib(s.metadata_bytes), stats_mib(s.external_bytes),
            stats_mib(s.peak_bytes));
    fprintf(out, "allocated    %8.2f MiB  %" PRIu64 " objects\n", stats_mib(s.allocated_bytes),
            s.allocated_objects);
    if (s.limit_hits > 0) {
        fprintf(out, "limit hits   %12zu\n", s.limit_hits);
    }
    stats_print_pauses(heap, out);
}
