/**
 * @file tx/repairbudget.c  How much of a stream's rate its repairs may take
 */
#include <string.h>

#include "base/units.h"
#include "tx/repairbudget.h"

enum { BITS_PER_BYTE = 8, PERCENT = 100 };

#define MAX_TARGET_BPS INT64_C(10000000000)
#define MAX_FILL_US    (10 * ARC_US_PER_S) /* longer than any bucket takes     */

/* The level is in bit-microseconds (1e-6 bit), so that rate * time is exact: at
 * most 1e10 * 1e7, which fits. */
static int64_t cost_of(int32_t bytes)
{
    return bytes * BITS_PER_BYTE * ARC_US_PER_S;
}

static int64_t full(const struct arc_repairbudget *b)
{
    if (b->share_pct == 0)
        return 0;
    return arc_max_i64(b->rate_bps * ARC_US_PER_S,
                       cost_of(ARC_REPAIRBUDGET_MIN_BURST_BYTES));
}

static void fill(struct arc_repairbudget *b, int64_t now_us)
{
    int64_t elapsed_us = arc_clamp_i64(now_us - b->filled_us, 0, MAX_FILL_US);

    if (!b->started)
        b->level = full(b);
    else
        b->level = arc_min_i64(b->level + elapsed_us * b->rate_bps, full(b));
    b->started   = true;
    b->filled_us = now_us;
}

void arc_repairbudget_init(struct arc_repairbudget *b, int32_t share_pct)
{
    memset(b, 0, sizeof(*b));
    b->share_pct = (int32_t)arc_clamp_i64(share_pct, 0, PERCENT);
}

void arc_repairbudget_set_target(struct arc_repairbudget *b, int64_t target_bps,
                                 int64_t now_us)
{
    int64_t rate_bps = arc_clamp_i64(target_bps, 0, MAX_TARGET_BPS) *
                       b->share_pct / PERCENT;

    if (rate_bps == b->rate_bps)
        return;
    if (b->started)
        fill(b, now_us); /* at the old rate up to now */
    b->rate_bps = rate_bps;
}

bool arc_repairbudget_allows(struct arc_repairbudget *b, int64_t now_us)
{
    fill(b, now_us);
    if (b->level > 0)
        return true;
    b->refused_pkts++;
    return false;
}

void arc_repairbudget_on_resent(struct arc_repairbudget *b, int32_t bytes,
                                int64_t now_us)
{
    fill(b, now_us);
    b->level       -= cost_of(bytes);
    b->spent_bytes += bytes;
}

void arc_repairbudget_on_planned(struct arc_repairbudget *b, int32_t bytes,
                                 int64_t now_us)
{
    fill(b, now_us);
    b->level = arc_max_i64(b->level - cost_of(bytes), -full(b));
    b->spent_bytes   += bytes;
    b->planned_bytes += bytes;
}
