/* Adaptive sizing: how much headroom a heap is worth, from how fast it allocates and how fast it is
 * collected.
 *
 * With headroom E a heap that allocates g bytes a second is collected g / E times a second, each
 * time for T seconds. Collecting costs the share T g / E of the time; memory costs E. Where each
 * further byte of headroom saves as much time as a byte is worth, and that worth 1/K is the same
 * everywhere, the cost of all heaps together is least:
 *
 *     d/dE (T g / E) = -1/K      E = sqrt(T g K)      T = live heap bytes / marking rate
 *
 * This is the square-root rule of MemBalancer (Kirisame, Shenoy, Panchekha: Optimal heap limits for
 * reducing browser memory use, OOPSLA 2022). Outside bytes take part as they cost: their growth
 * brings collections and counts in g, but nothing of them is marked, so they are not in T.
 *
 * K is one number for all heaps of the process that have the same growth factor, so that memory
 * goes where it saves the most time, without heaps knowing of each other: (factor - 1)^2 * 512 MiB,
 * at which a heap of 64 MiB that allocates an eighth as fast as it is marked gets what PROPORTIONAL
 * gives it.
 *
 * Rates are measured from collection to collection and averaged with what was known before; one
 * odd cycle moves a rate by 2.5 times at most, and so the headroom by 1.6. Ramp-up guard: rates
 * from a heap that is only being built say nothing about the grown one; while live bytes have grown
 * by more than a half since the last collection, the headroom is at least the proportional one, and
 * the number of collections stays logarithmic.
 *
 * Threads: the collector's.
 */
#include "gc/heap.h"

#define GOOI_ADAPTIVE_WORTH ((double)((size_t)512 << 20))
#define GOOI_ADAPTIVE_MOST 16.0       /* times the proportional headroom */
#define GOOI_ADAPTIVE_STEP 4.0        /* a measurement counts for so many times what was known */
#define GOOI_ADAPTIVE_SHORT_NS 100000 /* between collections: too short to measure */

/* The square root, by Newton's steps from above; without the mathematical library. */
static double adaptive_root(double x) {
    double root = x > 1 ? x : 1;
    for (int i = 0; i < 200; i++) {
        double next = (root + x / root) / 2;
        if (next >= root) {
            break;
        }
        root = next;
    }
    return root;
}

/* What is known of a rate, after `bytes` in `ns` more. */
static double adaptive_learn(double known, size_t bytes, uint64_t ns) {
    double measured = (double)bytes * 1e9 / (double)ns;
    if (known == 0) {
        return measured;
    }
    double least = known / GOOI_ADAPTIVE_STEP, most = known * GOOI_ADAPTIVE_STEP;
    measured = measured < least ? least : measured > most ? most : measured;
    return (known + measured) / 2;
}

/* A collection has ended; what gooi_pace_begin noted is how it began. */
void gooi_adaptive_measure(GooGcHeap *heap) {
    GooiAdaptive *a = &heap->adaptive;
    uint64_t now = heap->clock(heap);
    size_t base = heap->live_bytes + heap->external_at_cycle;
    a->growing = base > a->base + a->base / 2;
    a->base = base;
    if (a->begin_ns > a->end_ns + GOOI_ADAPTIVE_SHORT_NS) {
        a->allocation_rate =
            adaptive_learn(a->allocation_rate, a->growth, a->begin_ns - a->end_ns);
    }
    if (now > a->begin_ns && heap->live_bytes != 0) {
        a->marking_rate = adaptive_learn(a->marking_rate, heap->live_bytes, now - a->begin_ns);
    }
    a->end_ns = now;
}

/* Bytes of headroom. */
double gooi_adaptive_headroom(const GooGcHeap *heap) {
    const GooiAdaptive *a = &heap->adaptive;
    double more = heap->options.growth_factor - 1, proportional = (double)a->base * more;
    if (a->marking_rate == 0 || a->allocation_rate == 0) {
        return proportional;
    }
    double worth = more * more * GOOI_ADAPTIVE_WORTH;
    double cycle_seconds = (double)heap->live_bytes / a->marking_rate;
    double headroom = adaptive_root(cycle_seconds * a->allocation_rate * worth);
    if (a->growing && headroom < proportional) {
        return proportional;
    }
    return headroom < proportional * GOOI_ADAPTIVE_MOST ? headroom
                                                        : proportional * GOOI_ADAPTIVE_MOST;
}
