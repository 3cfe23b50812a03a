/**
 * @file rx/rtt.h  Round-trip time, from the times that reports bring back
 *
 * Senders measure by SR and RR (RFC 3550 §6.4.1: LSR, DLSR), receivers by the
 * reference time and its answer (RFC 3611 §4.4, §4.5: LRR, DLRR); the sum is the
 * same. Both peers' clocks may start anywhere: differences are modulo 2^32, so
 * the wrap of the middle 32 bits every 18 hours is not seen.
 *
 * Owner:   the caller; both structs are embedded, no free is needed.
 * Threads: one caller at a time.
 * Time:    `ntp64` is the NTP time that goes on the wire, of the caller's own
 *          clock; `now_us` is monotonic.
 */
#ifndef ARC_RX_RTT_H
#define ARC_RX_RTT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_RTT_MAX_US     60000000 /* longer is nonsense, not a path          */
#define ARC_RTT_WINDOW_US  10000000 /* min_us is of the last 10 to 20 seconds  */
#define ARC_RTT_REFERENCES 8        /* receivers whose reference time is kept  */

struct arc_rtt {
    int64_t smoothed_us; /* 7/8 old, 1/8 new; -1: nothing yet                  */
    int64_t last_us;     /* -1: nothing yet                                    */
    int64_t min_us;      /* -1: nothing yet                                    */
    int64_t samples;
    int64_t rejected;    /* negative, or above ARC_RTT_MAX_US                  */

    /* The rest is the module's own. */
    int64_t window_us;   /* when the newer half began                          */
    int64_t half_us[2];  /* least of the newer and the older half              */
};

void arc_rtt_init(struct arc_rtt *r);

/** Note a time that was measured otherwise.
 *  @return ARC_OK, or ARC_ERR_ARG: not within 0..ARC_RTT_MAX_US, counted */
enum arc_status arc_rtt_on_sample(struct arc_rtt *r, int64_t sample_us,
                                  int64_t now_us);

/**
 * Note what a report brought back: the time that we put into our last SR or
 * reference time, and how long the peer kept it.
 *
 * @param ntp64   Our NTP time now
 * @param sent32  LSR or LRR; 0: the peer has none yet
 * @param kept32  DLSR or DLRR, 1/65536 s
 *
 * @return ARC_OK, ARC_AGAIN (none yet) or ARC_ERR_ARG (nonsense, counted)
 */
enum arc_status arc_rtt_on_report(struct arc_rtt *r, uint64_t ntp64,
                                  uint32_t sent32, uint32_t kept32,
                                  int64_t now_us);

/** Reference times of receivers that want an answer (RFC 3611 §4.5). */
struct arc_rttref {
    int32_t  n;
    uint32_t ssrc[ARC_RTT_REFERENCES];
    uint32_t sent32[ARC_RTT_REFERENCES];
    int64_t  arrival_us[ARC_RTT_REFERENCES];
    int64_t  evicted; /* receivers that made room: heard longest ago           */
};

void arc_rttref_init(struct arc_rttref *r);

/** A reference time came. 0 says that the sender has no clock (RFC 3611 §4.4);
 *  it is not kept. */
void arc_rttref_on_reference(struct arc_rttref *r, uint32_t ssrc,
                             uint64_t ntp64, int64_t now_us);

/**
 * What to answer to receiver `i`.
 *
 * @param i      0..n-1
 * @param kept32 DLRR
 *
 * @return false: there is no such, or it came so long ago (two minutes) that
 *         it says nothing
 */
bool arc_rttref_answer(const struct arc_rttref *r, int32_t i, int64_t now_us,
                       uint32_t *ssrc, uint32_t *sent32, uint32_t *kept32);

/** That receiver has left. */
void arc_rttref_forget(struct arc_rttref *r, uint32_t ssrc);

/** Microseconds as 1/65536 s, rounded down; as DLSR and DLRR count. */
uint32_t arc_rtt_kept32(int64_t us);
/* ARC_CDEF_END */

#endif
