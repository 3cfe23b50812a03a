/**
 * @file router/keyreq.c  Requests for key frames, merged for one publisher
 */
#include <string.h>

#include "base/units.h"
#include "router/keyreq.h"

enum { MAX_DOUBLINGS = 5 }; /* 300 ms << 5 is near ARC_KEYREQ_MAX_WAIT_US */

enum arc_status arc_keyreq_init(struct arc_keyreq *k, int64_t interval_us)
{
    if (!k || (interval_us != 0 && (interval_us < ARC_KEYREQ_MIN_INTERVAL_US ||
                                    interval_us > ARC_KEYREQ_MAX_INTERVAL_US)))
        return ARC_ERR_ARG;
    memset(k, 0, sizeof(*k));
    k->interval_us = interval_us ? interval_us : ARC_KEYREQ_INTERVAL_US;
    return ARC_OK;
}

static int64_t sane_rtt(int64_t rtt_us)
{
    return arc_clamp_i64(rtt_us, 0, ARC_KEYREQ_MAX_RTT_US);
}

void arc_keyreq_on_request(struct arc_keyreq *k, int64_t rtt_us, int64_t now_us)
{
    k->n_requests++;
    if (k->is_wanted) {
        k->n_merged++;
    } else if (k->has_key && now_us - k->key_us < sane_rtt(rtt_us)) {
        k->n_answered++; /* who asked had not seen that one yet */
    } else {
        k->is_wanted    = true;
        k->wanted_us    = now_us;
        k->n_unanswered = 0;
    }
}

void arc_keyreq_on_key_frame(struct arc_keyreq *k, int64_t now_us)
{
    k->n_key_frames++;
    k->has_key      = true;
    k->key_us       = now_us;
    k->is_wanted    = false;
    k->n_unanswered = 0;
}

/* How long after the last request the next one may be sent. */
static int64_t wait_us(const struct arc_keyreq *k)
{
    int64_t wait = arc_max_i64(2 * k->rtt_us, ARC_KEYREQ_MIN_REPEAT_US);
    int doublings = k->n_unanswered - ARC_KEYREQ_QUICK_REPEATS;

    if (k->n_unanswered == 0)
        return k->interval_us;
    if (doublings > 0)
        wait = arc_min_i64(wait << (doublings < MAX_DOUBLINGS ? doublings
                                                              : MAX_DOUBLINGS),
                           ARC_KEYREQ_MAX_WAIT_US);
    return arc_max_i64(wait, k->interval_us);
}

int64_t arc_keyreq_next_us(const struct arc_keyreq *k)
{
    if (!k->is_wanted)
        return ARC_NEVER_US;
    return k->has_sent ? k->sent_us + wait_us(k) : k->wanted_us;
}

bool arc_keyreq_poll(struct arc_keyreq *k, int64_t rtt_us, int64_t now_us)
{
    k->rtt_us = sane_rtt(rtt_us);
    if (!k->is_wanted || now_us < arc_keyreq_next_us(k))
        return false;
    k->has_sent = true;
    k->sent_us  = now_us;
    k->n_sent++;
    if (k->n_unanswered > 0)
        k->n_repeated++;
    if (k->n_unanswered < UINT8_MAX)
        k->n_unanswered++;
    return true;
}
