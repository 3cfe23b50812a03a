/**
 * @file rx/rtt.c  Round-trip time, from the times that reports bring back
 */
#include <string.h>

#include "base/units.h"
#include "rx/rtt.h"

enum { UNITS_PER_S = 65536, SMOOTH = 8, OLD_US = 120000000 };

/* --- the estimate ------------------------------------------------------------ */

void arc_rtt_init(struct arc_rtt *r)
{
    memset(r, 0, sizeof(*r));
    r->smoothed_us = r->last_us = r->min_us = -1;
    r->half_us[0]  = r->half_us[1] = ARC_NEVER_US;
}

/** Least of a window that moves by halves: the newer one grows, the older one
 *  goes when it is full. */
static void note_least(struct arc_rtt *r, int64_t sample_us, int64_t now_us)
{
    if (r->samples == 0)
        r->window_us = now_us;
    if (now_us - r->window_us >= 2 * ARC_RTT_WINDOW_US) {
        r->half_us[0] = r->half_us[1] = ARC_NEVER_US;
        r->window_us  = now_us;
    } else if (now_us - r->window_us >= ARC_RTT_WINDOW_US) {
        r->half_us[1] = r->half_us[0];
        r->half_us[0] = ARC_NEVER_US;
        r->window_us  += ARC_RTT_WINDOW_US;
    }
    r->half_us[0] = arc_min_i64(r->half_us[0], sample_us);
    r->min_us     = arc_min_i64(r->half_us[0], r->half_us[1]);
}

enum arc_status arc_rtt_on_sample(struct arc_rtt *r, int64_t sample_us,
                                  int64_t now_us)
{
    if (sample_us < 0 || sample_us > ARC_RTT_MAX_US) {
        r->rejected++;
        return ARC_ERR_ARG;
    }
    note_least(r, sample_us, now_us);
    r->last_us     = sample_us;
    r->smoothed_us = r->samples == 0
                   ? sample_us
                   : ((SMOOTH - 1) * r->smoothed_us + sample_us) / SMOOTH;
    r->samples++;
    return ARC_OK;
}

enum arc_status arc_rtt_on_report(struct arc_rtt *r, uint64_t ntp64,
                                  uint32_t sent32, uint32_t kept32,
                                  int64_t now_us)
{
    uint32_t now32 = (uint32_t)(ntp64 >> 16);

    if (sent32 == 0)
        return ARC_AGAIN;
    /* RFC 3550 §6.4.1: A - LSR - DLSR, modulo 2^32, 1/65536 s */
    return arc_rtt_on_sample(r, (int64_t)(int32_t)(now32 - sent32 - kept32) *
                             ARC_US_PER_S / UNITS_PER_S, now_us);
}

/* --- reference times ------------------------------------------------------------ */

void arc_rttref_init(struct arc_rttref *r)
{
    memset(r, 0, sizeof(*r));
}

static int32_t place_of(const struct arc_rttref *r, uint32_t ssrc)
{
    for (int32_t i = 0; i < r->n; i++)
        if (r->ssrc[i] == ssrc)
            return i;
    return -1;
}

static int32_t make_room(struct arc_rttref *r)
{
    int32_t oldest = 0;

    if (r->n < ARC_RTT_REFERENCES)
        return r->n++;
    for (int32_t i = 1; i < r->n; i++)
        if (r->arrival_us[i] < r->arrival_us[oldest])
            oldest = i;
    r->evicted++;
    return oldest;
}

void arc_rttref_on_reference(struct arc_rttref *r, uint32_t ssrc,
                             uint64_t ntp64, int64_t now_us)
{
    uint32_t sent32 = (uint32_t)(ntp64 >> 16);
    int32_t i = place_of(r, ssrc);

    if (sent32 == 0)
        return;
    if (i < 0)
        i = make_room(r);
    r->ssrc[i]       = ssrc;
    r->sent32[i]     = sent32;
    r->arrival_us[i] = now_us;
}

uint32_t arc_rtt_kept32(int64_t us)
{
    return (uint32_t)(us / ARC_US_PER_S * UNITS_PER_S +
                      us % ARC_US_PER_S * UNITS_PER_S / ARC_US_PER_S);
}

bool arc_rttref_answer(const struct arc_rttref *r, int32_t i, int64_t now_us,
                       uint32_t *ssrc, uint32_t *sent32, uint32_t *kept32)
{
    if (i < 0 || i >= r->n || now_us - r->arrival_us[i] > OLD_US)
        return false;
    *ssrc   = r->ssrc[i];
    *sent32 = r->sent32[i];
    *kept32 = arc_rtt_kept32(now_us - r->arrival_us[i]);
    return true;
}

void arc_rttref_forget(struct arc_rttref *r, uint32_t ssrc)
{
    int32_t i = place_of(r, ssrc);

    if (i < 0)
        return;
    r->n--;
    r->ssrc[i]       = r->ssrc[r->n];
    r->sent32[i]     = r->sent32[r->n];
    r->arrival_us[i] = r->arrival_us[r->n];
}
