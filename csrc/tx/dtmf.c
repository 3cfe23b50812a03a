/**
 * @file tx/dtmf.c  One telephone event at a time, as packets (RFC 4733 §2.5.1)
 */
#include <string.h>

#include "base/units.h"
#include "tx/dtmf.h"

void arc_dtmftx_init(struct arc_dtmftx *t, int32_t clock_hz)
{
    memset(t, 0, sizeof(*t));
    t->clock_hz = clock_hz;
    t->free_us  = INT64_MIN;
    t->end_us   = INT64_MIN;
    t->next_us  = ARC_NEVER_US;
}

bool arc_dtmf_tone_ok(const struct arc_dtmf_tone *tone)
{
    return tone->event >= 0 && tone->event <= ARC_PL_DTMF_MAX_EVENT &&
           tone->volume >= 0 && tone->volume <= ARC_PL_DTMF_MAX_VOLUME &&
           tone->duration_us >= ARC_DTMF_MIN_US &&
           tone->duration_us <= ARC_DTMF_MAX_US &&
           tone->gap_us >= ARC_DTMF_MIN_GAP_US &&
           tone->gap_us <= ARC_DTMF_MAX_GAP_US;
}

enum arc_status arc_dtmftx_start(struct arc_dtmftx *t,
                                 const struct arc_dtmf_tone *tone,
                                 uint32_t rtp_ts, int64_t now_us)
{
    if (!tone || !arc_dtmf_tone_ok(tone))
        return ARC_ERR_ARG;
    if (t->next_us != ARC_NEVER_US || now_us < t->free_us)
        return ARC_AGAIN;
    t->tone        = *tone;
    t->rtp_ts      = rtp_ts;
    t->start_us    = now_us;
    t->end_us      = now_us + tone->duration_us;
    t->free_us     = t->end_us + tone->gap_us;
    t->next_us     = now_us;
    t->ends_left   = ARC_DTMF_REPEATS;
    t->closed_left  = 0;
    t->closed_ticks = 0;
    t->closed_due  = false;
    t->fresh       = true;
    return ARC_OK;
}

/** Ticks of the segment up to `until_us`. */
static int64_t ticks_to(const struct arc_dtmftx *t, int64_t until_us)
{
    return (until_us - t->start_us) * t->clock_hz / ARC_US_PER_S -
           t->closed_ticks;
}

/** A report of so much of the segment. */
static void fill(struct arc_dtmftx *t, int64_t ticks, bool end,
                 struct arc_dtmf_packet *out)
{
    memset(out, 0, sizeof(*out));
    out->rtp_ts                = t->rtp_ts;
    out->marker                = t->fresh; /* not of later segments */
    out->report.event          = t->tone.event;
    out->report.volume         = t->tone.volume;
    out->report.duration_ticks = (int32_t)ticks;
    out->report.end            = end;
    t->fresh = false;
}

/** The segment is full: its last report, and the next one begins where it ends. */
static void close_segment(struct arc_dtmftx *t, struct arc_dtmf_packet *out)
{
    fill(t, ARC_PL_DTMF_MAX_TICKS, false, out); /* RFC 4733 §2.5.1.3 */
    t->closed        = *out;
    t->closed.marker = false;
    t->closed_left   = ARC_DTMF_REPEATS - 1;
    t->closed_due    = false;
    t->rtp_ts       += ARC_PL_DTMF_MAX_TICKS;
    t->closed_ticks += ARC_PL_DTMF_MAX_TICKS;
}

/** The ends are repeated within the gap, so that events keep their order. */
static void say_end(struct arc_dtmftx *t, int64_t now_us,
                    struct arc_dtmf_packet *out)
{
    int64_t step_us = arc_min_i64(ARC_DTMF_UPDATE_US,
                                  t->tone.gap_us / ARC_DTMF_REPEATS);

    fill(t, ticks_to(t, t->end_us), true, out);
    t->ends_left--;
    t->next_us = t->ends_left ? now_us + step_us : ARC_NEVER_US;
}

enum arc_status arc_dtmftx_poll(struct arc_dtmftx *t, int64_t now_us,
                                struct arc_dtmf_packet *out)
{
    int64_t until_us;

    if (now_us < t->next_us)
        return ARC_AGAIN;
    if (t->closed_due) {
        *out = t->closed;
        t->closed_left--;
        t->closed_due = false; /* the segment's own report is due still */
        return ARC_OK;
    }
    until_us = arc_min_i64(now_us + ARC_DTMF_UPDATE_US, t->end_us);
    if (ticks_to(t, until_us) > ARC_PL_DTMF_MAX_TICKS) {
        close_segment(t, out);
        return ARC_OK;
    }
    if (now_us >= t->end_us) {
        say_end(t, now_us, out);
    } else {
        fill(t, ticks_to(t, until_us), false, out);
        t->next_us = until_us;
    }
    t->closed_due = t->closed_left > 0;
    return ARC_OK;
}

int64_t arc_dtmftx_next_us(const struct arc_dtmftx *t)
{
    return t->next_us;
}

int64_t arc_dtmftx_free_us(const struct arc_dtmftx *t)
{
    return t->next_us == ARC_NEVER_US ? t->free_us
                                      : arc_max_i64(t->free_us, t->next_us);
}

bool arc_dtmftx_is_on(const struct arc_dtmftx *t, int64_t now_us)
{
    return now_us < t->end_us;
}
