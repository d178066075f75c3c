/* A histogram of pauses with buckets 1/16 apart: exact count, total, least and greatest, and
 * quantiles that are at most 6.25 % too high.
 *
 * A value below 16 has a bucket of its own; above, its four bits after the leading one choose among
 * 16 buckets for each power of two.
 */
#include "gc/heap.h"
#include "runtime/bits.h"

static size_t histogram_bucket(uint64_t value) {
    if (value < 16) {
        return (size_t)value;
    }
    unsigned exponent = 63 - gooi_count_leading_zeros(value);
    size_t bucket = (size_t)(exponent - 3) * 16 + (size_t)(value >> (exponent - 4) & 15);
    return bucket < GOOI_HISTOGRAM_BUCKETS ? bucket : GOOI_HISTOGRAM_BUCKETS - 1;
}

static uint64_t histogram_bucket_min(size_t bucket) {
    return bucket < 16 ? bucket : (UINT64_C(16) + bucket % 16) << (bucket / 16 - 1);
}

/* The greatest value that falls into the bucket. */
static uint64_t histogram_bucket_max(size_t bucket) {
    return bucket + 1 < GOOI_HISTOGRAM_BUCKETS ? histogram_bucket_min(bucket + 1) - 1 : UINT64_MAX;
}

void gooi_histogram_add(GooiHistogram *h, uint64_t value) {
    h->min = h->count == 0 || value < h->min ? value : h->min;
    h->max = value > h->max ? value : h->max;
    h->count++;
    h->total += value;
    h->buckets[histogram_bucket(value)]++;
}

uint64_t gooi_histogram_quantile(const GooiHistogram *h, double quantile) {
    uint64_t rank = (uint64_t)(quantile * (double)h->count);
    uint64_t seen = 0;
    for (size_t b = 0; b < GOOI_HISTOGRAM_BUCKETS; b++) {
        seen += h->buckets[b];
        if (seen > rank) {
            uint64_t value = histogram_bucket_max(b);
            return value < h->max ? value : h->max;
        }
    }
    return h->max;
}

/* The buckets that are not empty, ascending; the first `capacity` of them are written. */
size_t gooi_histogram_read(const GooiHistogram *h, GooGcPauseBucket *out_buckets, size_t capacity) {
    size_t found = 0;
    for (size_t b = 0; b < GOOI_HISTOGRAM_BUCKETS; b++) {
        if (h->buckets[b] != 0 && found++ < capacity) {
            out_buckets[found - 1] =
                (GooGcPauseBucket){histogram_bucket_min(b), histogram_bucket_max(b), h->buckets[b]};
        }
    }
    return found;
}
