/**
 * @file base/histogram.h  Counts of values by size, for quantiles of latencies
 *
 * Cells grow with the values: 32 to each power of two, so a quantile is at most
 * 1/32 too low, whatever its size. Memory does not depend on how many
 * values are counted.
 *
 * Owner:   the caller; no free is needed.
 * Threads: one caller at a time.
 * Range:   0..2^40 - 1; values beyond are counted in the first or last cell.
 */
#ifndef ARC_BASE_HISTOGRAM_H
#define ARC_BASE_HISTOGRAM_H

#include <stdint.h>

/* ARC_CDEF_BEGIN */
#define ARC_HISTOGRAM_CELLS 1152 /* values below 64, then 34 powers of two */

struct arc_histogram {
    int64_t n;
    int64_t min, max; /* exact; 0 while n is 0 */
    int64_t cells[ARC_HISTOGRAM_CELLS];
};

void arc_histogram_init(struct arc_histogram *h);
void arc_histogram_add(struct arc_histogram *h, int64_t value);

/**
 * Lower edge of the cell in which a quantile lies.
 *
 * @param q 0..1: 0.5 is the median; 0 and 1 give the exact ends
 *
 * @return 0 while nothing was counted
 */
int64_t arc_histogram_quantile(const struct arc_histogram *h, double q);
/* ARC_CDEF_END */

#endif
