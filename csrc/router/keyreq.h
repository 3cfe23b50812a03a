/**
 * @file router/keyreq.h  Requests for key frames, merged for one publisher
 *
 * Every subscriber that joins or loses something asks for a key frame (PLI, RFC
 * 4585 §6.3.1; FIR, RFC 5104 §4.3.1), and one key frame serves them all; but a
 * key frame is several times as large as another frame. So requests for one
 * source are merged: one is on its way at a time, no two within the least
 * interval, and a request that a key frame has crossed on the way is taken as
 * answered by it.
 *
 * A request that is not answered is sent again after two round trips, 300 ms
 * at least, ARC_KEYREQ_QUICK_REPEATS times; after that the wait doubles each
 * time, up to ARC_KEYREQ_MAX_WAIT_US: a publisher that cannot answer is not
 * flooded.
 *
 * Owner:   the caller; no heap, no free is needed.
 * Threads: one caller at a time.
 * Time:    `now_us` is monotonic.
 */
#ifndef ARC_ROUTER_KEYREQ_H
#define ARC_ROUTER_KEYREQ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_KEYREQ_INTERVAL_US     500000 /* default least interval (ours)   */
#define ARC_KEYREQ_MIN_INTERVAL_US 100000
#define ARC_KEYREQ_MAX_INTERVAL_US 10000000
#define ARC_KEYREQ_MIN_REPEAT_US   300000 /* encoders need some frames (ours) */
#define ARC_KEYREQ_MAX_WAIT_US     10000000
#define ARC_KEYREQ_MAX_RTT_US      5000000 /* more is taken as this           */
#define ARC_KEYREQ_QUICK_REPEATS   3

/** The counters may be read; the rest is its own. */
struct arc_keyreq {
    int64_t  interval_us;
    int64_t  rtt_us;      /* to the publisher, of the last poll               */
    int64_t  wanted_us;   /* since when somebody waits; with is_wanted        */
    int64_t  sent_us;     /* last request sent; with has_sent                 */
    int64_t  key_us;      /* last key frame; with has_key                     */
    bool     has_sent;
    bool     has_key;
    bool     is_wanted;   /* somebody waits for a key frame                   */
    uint8_t  n_unanswered; /* requests sent since one was answered            */
    uint64_t n_requests;  /* that came                                        */
    uint64_t n_merged;    /* of these: one was waiting or on its way          */
    uint64_t n_answered;  /* of these: crossed by a key frame                 */
    uint64_t n_sent;
    uint64_t n_repeated;  /* of these: again                                  */
    uint64_t n_key_frames;
};

/**
 * @param interval_us Least time between two requests sent, 0 for the default,
 *                    else ARC_KEYREQ_MIN_.. to ARC_KEYREQ_MAX_INTERVAL_US
 *
 * @return ARC_OK or ARC_ERR_ARG
 */
enum arc_status arc_keyreq_init(struct arc_keyreq *k, int64_t interval_us);

/**
 * A subscriber asks, or a change of layers needs a key frame.
 *
 * @param rtt_us Round-trip time to who asks, 0 if not known or our own wish:
 *               what it had not seen when it asked may have come since
 */
void arc_keyreq_on_request(struct arc_keyreq *k, int64_t rtt_us,
                           int64_t now_us);

/** The first packet of a key frame came from the publisher. */
void arc_keyreq_on_key_frame(struct arc_keyreq *k, int64_t now_us);

/**
 * @param rtt_us Round-trip time to the publisher, 0 if not known
 *
 * @return true: send one PLI to the publisher now
 */
bool arc_keyreq_poll(struct arc_keyreq *k, int64_t rtt_us, int64_t now_us);

/** When arc_keyreq_poll() may next say yes; ARC_NEVER_US: nobody waits. */
int64_t arc_keyreq_next_us(const struct arc_keyreq *k);
/* ARC_CDEF_END */

#endif
