/**
 * @file session/keys.c  The keys of a session: changed while packets are on their way
 *
 * What leaves and what arrives have an SRTP object each. The one of what arrives
 * accepts the former keys for a while; that of what leaves never needs them again.
 */
#include "session/peer.h"
#include "srtp/keys.h"

/* The application is told by the session's events. */
static void tell_events(struct arc_session *s, struct arc_srtp *srtp,
                        int64_t now_us)
{
    static const int32_t types[] = {
        [ARC_SRTP_EVENT_KEY_NEAR_LIMIT] = ARC_EVENT_KEY_NEAR_LIMIT,
        [ARC_SRTP_EVENT_KEY_USED_UP]    = ARC_EVENT_KEY_USED_UP,
        [ARC_SRTP_EVENT_KEY_RETIRED]    = ARC_EVENT_KEY_RETIRED,
    };
    struct arc_srtp_event e;

    while (arc_srtp_poll_event(srtp, &e) == ARC_OK) {
        /* That what leaves has dropped its former key is no news. */
        if (e.type == ARC_SRTP_EVENT_KEY_RETIRED && srtp == s->srtp_out)
            continue;
        arc_peer_event(s, types[e.type], -1, (int64_t)e.left_pkts, now_us);
    }
}

void arc_peer_keys_turn(struct arc_session *s, int64_t now_us)
{
    if (!s->srtp_out)
        return;
    if (now_us >= s->keys_us) {
        arc_srtp_expire(s->srtp_in, now_us);
        s->keys_us = arc_srtp_next_us(s->srtp_in);
    }
    tell_events(s, s->srtp_out, now_us);
    tell_events(s, s->srtp_in, now_us);
}

enum arc_status
arc_session_rekey(struct arc_session *s, const struct arc_srtp_key_config *send,
                  const struct arc_srtp_key_config *receive, int64_t overlap_us,
                  int64_t now_us)
{
    enum arc_status status = ARC_OK;
    int32_t id;

    if (!s->srtp_out || (!send && !receive) || overlap_us < 0)
        return ARC_ERR_ARG;
    if (receive) {
        status = arc_srtp_rekey(s->srtp_in, receive, overlap_us, now_us, &id);
        s->keys_us = arc_srtp_next_us(s->srtp_in);
    }
    if (!status && send) {
        status = arc_srtp_rekey(s->srtp_out, send, 0, now_us, &id);
        arc_srtp_expire(s->srtp_out, now_us);
    }
    return status;
}
