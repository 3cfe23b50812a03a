/**
 * @file rx/dtmf.c  Telephone events of one received stream (RFC 4733 §2.5.2)
 */
#include <string.h>

#include "base/units.h"
#include "rx/dtmf.h"

enum { TIMELINE_STEP_S = 10 }; /* so far back no repeat comes: a new time line */

void arc_dtmfrx_init(struct arc_dtmfrx *r, int32_t clock_hz)
{
    memset(r, 0, sizeof(*r));
    r->clock_hz = clock_hz;
}

static void tell(struct arc_dtmfrx *r, bool over, bool lapsed)
{
    struct arc_dtmf_event *e;

    if (r->count == ARC_DTMFRX_QUEUE) {
        r->overflow++;
        return;
    }
    e = &r->queue[(r->first + r->count++) % ARC_DTMFRX_QUEUE];
    *e = r->now;
    e->over   = over;
    e->lapsed = lapsed;
}

static void finish(struct arc_dtmfrx *r, bool lapsed)
{
    r->on       = false;
    r->lapsed   = lapsed;
    r->done_ts  = r->segment_ts;
    r->any_done = true;
    tell(r, true, lapsed);
}

static void begin(struct arc_dtmfrx *r, const struct arc_pl_dtmf *d, int64_t ts)
{
    if (r->on)
        finish(r, true); /* §2.5.2.2: the next tone ends this one */
    memset(&r->now, 0, sizeof(r->now));
    r->now.event     = d->event;
    r->now.volume    = d->volume;
    r->now.ts        = ts;
    r->on            = true;
    r->segment_ts    = ts;
    r->segment_ticks = 0;
    tell(r, false, false);
}

/** Whether a report at `ts` goes on where the longest report possible of the event
 *  that lasts ended (§2.5.2.3). */
static bool is_next_segment(const struct arc_dtmfrx *r,
                            const struct arc_pl_dtmf *d, int64_t ts)
{
    return d->event == r->now.event &&
           ts == r->segment_ts + ARC_PL_DTMF_MAX_TICKS;
}

/** One time stamp, one event; and one that was given up is not begun anew where
 *  its next segment comes (§2.5.2.2). */
static bool is_known(struct arc_dtmfrx *r, const struct arc_pl_dtmf *d,
                     int64_t ts)
{
    if (r->on)
        return ts == r->segment_ts && d->event != r->now.event;
    if (!r->lapsed || !is_next_segment(r, d, ts))
        return false;
    r->segment_ts = r->done_ts = ts;
    return true;
}

static bool is_past(const struct arc_dtmfrx *r, int64_t ts)
{
    int64_t behind = (r->on ? r->segment_ts - 1 : r->done_ts) - ts;

    return (r->on || r->any_done) && behind >= 0 &&
           behind < (int64_t)TIMELINE_STEP_S * r->clock_hz;
}

static void on_report(struct arc_dtmfrx *r, const struct arc_pl_dtmf *d,
                      int64_t ts, int64_t now_us)
{
    if (d->duration_ticks == 0) {
        r->states++; /* §2.3.5: to be ignored unless the event is a state */
        return;
    }
    if (is_past(r, ts) || is_known(r, d, ts)) {
        r->repeats++;
        return;
    }
    if (r->on && is_next_segment(r, d, ts)) {
        r->segment_ts    = ts;
        r->segment_ticks = 0;
    } else if (!r->on || ts != r->segment_ts) {
        begin(r, d, ts);
    }
    r->heard_us      = now_us;
    r->segment_ticks = arc_max_i64(r->segment_ticks, d->duration_ticks);
    r->now.duration_ticks = r->segment_ts - r->now.ts + r->segment_ticks;
    if (d->end)
        finish(r, false);
}

void arc_dtmfrx_on_packet(struct arc_dtmfrx *r, const struct arc_pl_dtmf *reports,
                          size_t n, int64_t ts, int64_t now_us)
{
    for (size_t i = 0; i < n; i++) {
        on_report(r, &reports[i], ts, now_us);
        ts += reports[i].duration_ticks; /* §2.5.1.5: without a pause */
    }
}

enum arc_status arc_dtmfrx_poll(struct arc_dtmfrx *r, int64_t now_us,
                                struct arc_dtmf_event *out)
{
    if (r->on && now_us - r->heard_us >= ARC_DTMFRX_LAPSE_US)
        finish(r, true);
    if (r->count == 0)
        return ARC_AGAIN;
    *out = r->queue[r->first];
    r->first = (r->first + 1) % ARC_DTMFRX_QUEUE;
    r->count--;
    return ARC_OK;
}

int64_t arc_dtmfrx_next_us(const struct arc_dtmfrx *r)
{
    if (r->count > 0)
        return INT64_MIN;
    return r->on ? r->heard_us + ARC_DTMFRX_LAPSE_US : ARC_NEVER_US;
}
