/**
 * @file tx/dtmf.h  One telephone event at a time, as packets (RFC 4733 §2.5.1)
 *
 * A report at once, with the marker; one every ARC_DTMF_UPDATE_US; the last one,
 * with the end bit, three times. Each report covers the time up to the next one:
 * how long the event will be is known. What a late caller missed is left out. One longer than a report can tell goes on
 * in segments, the last report of each of which comes three times as well.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Time:    `now_us` is the caller's monotonic clock; time stamps are ticks of the
 *          audio stream that the event goes out with.
 */
#ifndef ARC_TX_DTMF_H
#define ARC_TX_DTMF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "wire/pl_dtmf.h"

/* ARC_CDEF_BEGIN */
#define ARC_DTMF_UPDATE_US     50000    /* RFC 4733 §2.5.1.2: recommended       */
#define ARC_DTMF_REPEATS       3        /* §2.5.1.4                             */
#define ARC_DTMF_MIN_US        40000    /* ITU-T Q.24: what is always recognized */
#define ARC_DTMF_MAX_US        60000000
#define ARC_DTMF_MIN_GAP_US    40000    /* likewise, between two keys           */
#define ARC_DTMF_MAX_GAP_US    10000000

/** What is to be sent. */
struct arc_dtmf_tone {
    int32_t event;       /* 0..255                                              */
    int32_t volume;      /* 0..63, -dBm0                                        */
    int32_t duration_us; /* ARC_DTMF_MIN_US..ARC_DTMF_MAX_US                    */
    int32_t gap_us;      /* before the next one, ARC_DTMF_MIN_GAP_US..           */
};

/** A packet to be sent now. */
struct arc_dtmf_packet {
    uint32_t           rtp_ts;  /* of the event, or of its segment              */
    bool               marker;
    struct arc_pl_dtmf report;
};

struct arc_dtmftx {
    int32_t  clock_hz;
    struct arc_dtmf_tone tone;
    uint32_t rtp_ts;         /* of the segment                                  */
    int64_t  start_us;       /* of the event                                    */
    int64_t  closed_ticks;   /* of the segments before                          */
    int64_t  end_us;         /* of the event                                    */
    int64_t  free_us;        /* the next event may begin                        */
    int64_t  next_us;        /* ARC_NEVER_US: nothing is left to be said        */
    int32_t  ends_left;      /* reports of the end still to come                */
    bool     fresh;          /* nothing was said of it yet                      */
    struct arc_dtmf_packet closed; /* the last report of the segment before ..  */
    int32_t  closed_left;    /* .. so many times more ..                        */
    bool     closed_due;     /* .. and once now                                 */
};

/** @param clock_hz 8000..96000 */
void arc_dtmftx_init(struct arc_dtmftx *t, int32_t clock_hz);

/** Whether the ranges above hold. */
bool arc_dtmf_tone_ok(const struct arc_dtmf_tone *tone);

/**
 * Begin an event.
 *
 * @param rtp_ts Of now, on the stream's axis
 *
 * @return ARC_OK; ARC_AGAIN (the last one, or the gap behind it, is not over:
 *         arc_dtmftx_free_us()); ARC_ERR_ARG
 */
enum arc_status arc_dtmftx_start(struct arc_dtmftx *t,
                                 const struct arc_dtmf_tone *tone,
                                 uint32_t rtp_ts, int64_t now_us);

/** The next packet that is due. @return ARC_OK or ARC_AGAIN */
enum arc_status arc_dtmftx_poll(struct arc_dtmftx *t, int64_t now_us,
                                struct arc_dtmf_packet *out);

/** When a packet is due; ARC_NEVER_US: none by itself. */
int64_t arc_dtmftx_next_us(const struct arc_dtmftx *t);

/** When the next event may begin; in the past: now. */
int64_t arc_dtmftx_free_us(const struct arc_dtmftx *t);

/** Whether an event lasts now: its sound is not to be sent as well. */
bool arc_dtmftx_is_on(const struct arc_dtmftx *t, int64_t now_us);
/* ARC_CDEF_END */

#endif
