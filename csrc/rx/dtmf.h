/**
 * @file rx/dtmf.h  Telephone events of one received stream (RFC 4733 §2.5.2)
 *
 * Many packets tell of one event: each event is given out once when it begins and
 * once when it is over, told apart by time stamp. It is over with the end bit, with
 * the next event, or when nothing was heard of it for ARC_DTMFRX_LAPSE_US.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Time:    `now_us` is the caller's monotonic clock; `ts` unwrapped ticks.
 */
#ifndef ARC_RX_DTMF_H
#define ARC_RX_DTMF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "wire/pl_dtmf.h"

/* ARC_CDEF_BEGIN */
#define ARC_DTMFRX_LAPSE_US 200000 /* three updates of 50 ms (§2.5.2.2), jitter   */
#define ARC_DTMFRX_QUEUE    34     /* begin and end of all reports of a packet,
                                      and of the event before                     */

struct arc_dtmf_event {
    int32_t event;          /* 0..255                                           */
    int32_t volume;         /* 0..63, -dBm0                                     */
    int64_t ts;             /* where it began                                   */
    int64_t duration_ticks; /* as far as was told                               */
    bool    over;           /* false: it begins                                 */
    bool    lapsed;         /* over: its end was not told                       */
};

struct arc_dtmfrx {
    int32_t clock_hz;
    struct arc_dtmf_event now;    /* the event that lasts                       */
    bool    on;
    bool    lapsed;               /* the last one was given up                  */
    int64_t segment_ts;           /* of its last segment                        */
    int64_t segment_ticks;        /* told of that                               */
    int64_t heard_us;
    int64_t done_ts;              /* reports up to here are of events past ..   */
    bool    any_done;             /* .. once there were any                     */
    int64_t repeats;              /* reports of events past                     */
    int64_t states;               /* reports without duration, not understood   */
    int64_t overflow;             /* given out to nobody: the queue was full    */
    struct arc_dtmf_event queue[ARC_DTMFRX_QUEUE];
    int32_t first, count;         /* of the queue                               */
};

/** @param clock_hz Of the time stamps, 8000..96000 */
void arc_dtmfrx_init(struct arc_dtmfrx *r, int32_t clock_hz);

/**
 * Take the reports of a packet, whenever and however often it comes.
 *
 * @param n  0..ARC_PL_DTMF_MAX_REPORTS
 * @param ts Of the packet
 */
void arc_dtmfrx_on_packet(struct arc_dtmfrx *r, const struct arc_pl_dtmf *reports,
                          size_t n, int64_t ts, int64_t now_us);

/** The next thing to tell. @return ARC_OK or ARC_AGAIN */
enum arc_status arc_dtmfrx_poll(struct arc_dtmfrx *r, int64_t now_us,
                                struct arc_dtmf_event *out);

/** When arc_dtmfrx_poll() has something at the latest; ARC_NEVER_US: not by
 *  itself. */
int64_t arc_dtmfrx_next_us(const struct arc_dtmfrx *r);
/* ARC_CDEF_END */

#endif
