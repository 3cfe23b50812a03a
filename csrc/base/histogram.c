/**
 * @file base/histogram.c  Counts of values by size, for quantiles of latencies
 */
#include <string.h>

#include "base/histogram.h"
#include "base/units.h"

enum { SUB_BITS = 5, MAX_BITS = 40 };

/** Values below 64 have a cell each; above, the top six bits choose it. */
static int32_t cell_of(int64_t value)
{
    int32_t shift = 0;

    while (value >> shift >= 2 << SUB_BITS)
        shift++;
    return shift * (1 << SUB_BITS) + (int32_t)(value >> shift);
}

static int64_t lower_edge(int32_t cell)
{
    int32_t shift = cell / (1 << SUB_BITS) - 1;

    if (shift <= 0)
        return cell;
    return (int64_t)(cell - shift * (1 << SUB_BITS)) << shift;
}

void arc_histogram_init(struct arc_histogram *h)
{
    memset(h, 0, sizeof(*h));
}

void arc_histogram_add(struct arc_histogram *h, int64_t value)
{
    value = arc_clamp_i64(value, 0, (INT64_C(1) << MAX_BITS) - 1);
    h->min = h->n ? arc_min_i64(h->min, value) : value;
    h->max = arc_max_i64(h->max, value);
    h->n++;
    h->cells[cell_of(value)]++;
}

int64_t arc_histogram_quantile(const struct arc_histogram *h, double q)
{
    int64_t rank = (int64_t)(q * (double)h->n), seen = 0;

    if (rank <= 0)
        return h->min;
    if (rank >= h->n)
        return h->max;
    for (int32_t i = 0; i < ARC_HISTOGRAM_CELLS; i++) {
        seen += h->cells[i];
        if (seen > rank)
            return arc_max_i64(lower_edge(i), h->min);
    }
    return h->max;
}
