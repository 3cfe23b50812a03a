/**
 * @file tx/repairbudget.h  How much of a stream's rate its repairs may take
 *
 * A bucket of bytes that fills at a share of the stream's target rate and holds
 * one second of that, but never less than MIN_BURST. A repair may leave while
 * the bucket is not empty, and is then charged whole. Resends ask before they
 * are queued, so that a flood of NACKs, true or forged, costs what was agreed
 * on and no more; FEC and redundant copies, which were planned, are charged
 * alone and leave that much less for resends.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Time:    `now_us` is the caller's monotonic clock; it must not go back.
 */
#ifndef ARC_TX_REPAIRBUDGET_H
#define ARC_TX_REPAIRBUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* ARC_CDEF_BEGIN */
#define ARC_REPAIRBUDGET_MIN_BURST_BYTES 3000 /* two packets of full length    */

struct arc_repairbudget {
    int64_t spent_bytes;   /* by resends and by what was planned               */
    int64_t planned_bytes; /* of these: FEC, redundant copies                  */
    int64_t refused_pkts;  /* resends for which there was no room              */

    /* The rest is the module's own. */
    int32_t share_pct;
    int64_t rate_bps;      /* of repairs                                       */
    int64_t level;         /* bits times 1e6; negative: in debt                */
    int64_t filled_us;
    bool    started;
};

/** @param share_pct Of the target rate, 0 (no resends)..100; else clamped */
void arc_repairbudget_init(struct arc_repairbudget *b, int32_t share_pct);

/** The stream's target rate, 0..10^10 bit/s; else clamped. */
void arc_repairbudget_set_target(struct arc_repairbudget *b, int64_t target_bps,
                                 int64_t now_us);

/** Whether a resend may be queued now; counted if not. */
bool arc_repairbudget_allows(struct arc_repairbudget *b, int64_t now_us);

/** A resend was queued. */
void arc_repairbudget_on_resent(struct arc_repairbudget *b, int32_t bytes,
                                int64_t now_us);

/** FEC or a redundant copy left. Its debt is at most a second of the share. */
void arc_repairbudget_on_planned(struct arc_repairbudget *b, int32_t bytes,
                                 int64_t now_us);
/* ARC_CDEF_END */

#endif
