/**
 * @file tx/rtcptime.h  When one participant may send RTCP
 *
 * RFC 3550 §6.2, §6.3 and appendix A.7 (bandwidth shared among all members,
 * random intervals, reconsideration both ways, back-off of BYEs), RFC 3556 (the
 * two bandwidths as parameters of their own), RFC 4585 §3.4 and §3.5 (early
 * feedback, trr-int), RFC 8108 §5.3.1 (size of an aggregated packet) and §7.1.4
 * (timeouts). It decides when; what is in a packet is the caller's.
 *
 * The caller asks arc_rtcptime_expire() at arc_rtcptime_next_us(), sends what it
 * says, and tells so by arc_rtcptime_on_sent(). For several SSRCs of one
 * endpoint see tx/ssrcgroup.h.
 *
 * In a point-to-point session feedback leaves at once for as long as this
 * participant's share of the RTCP bandwidth has room for it, counted over one
 * second: RFC 4585 §3.3 a), immediate feedback. Without room the rules of early
 * feedback hold (§3.5.2): one early packet, then the next one in its turn.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Time:    `now_us` is the caller's monotonic clock, within +-2^60; it must not
 *          go back. Slots that nobody came for in more than a second are left
 *          out.
 * Bounds:  no memory but the struct.
 */
#ifndef ARC_TX_RTCPTIME_H
#define ARC_TX_RTCPTIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_RTCPTIME_MIN_US       5000000 /* RFC 3550 §6.2: fixed minimum       */
#define ARC_RTCPTIME_BYE_MEMBERS  50      /* §6.3.7: more of them back off      */

struct arc_rtcptime_config {
    int64_t sender_bps;      /* RTCP of all who send media (RFC 3556 RS);
                                0..10^10                                      */
    int64_t receiver_bps;    /* RTCP of all others (RFC 3556 RR); 0: they send
                                none                                          */
    int64_t min_interval_us; /* Tmin without AVPF; 1..5 s                     */
    int64_t trr_int_us;      /* AVPF: least time between regular packets (RFC
                                4585 T_rr_interval); 0..60 s, 0: none         */
    int64_t max_fb_delay_us; /* AVPF: feedback that would wait longer is
                                refused (T_max_fb_delay); 0..60 s             */
    int32_t first_bytes;     /* likely size of the first packet; 1..65535     */
    int32_t overhead_bytes;  /* IP and UDP headers, in each size; 0..1000     */
    bool    avpf;            /* RFC 4585; else RFC 3550 alone                 */
    bool    unicast;         /* without AVPF: the first packet need not wait
                                (RFC 3550 §6.2)                               */
    bool    multiparty;      /* at the start; see arc_rtcptime_set_multiparty() */
};

enum arc_rtcp_due {
    ARC_RTCP_DUE_NONE = 0,
    ARC_RTCP_DUE_REGULAR, /* reports, and the feedback that waits             */
    ARC_RTCP_DUE_STORED,  /* the feedback that waits; reports are not due     */
    ARC_RTCP_DUE_EARLY,   /* feedback before its turn                         */
    ARC_RTCP_DUE_BYE,     /* the last packet                                  */
};

enum arc_feedback_plan {
    ARC_FEEDBACK_REFUSED = 0, /* drop it: it would come too late              */
    ARC_FEEDBACK_EARLY,       /* a packet of its own was scheduled            */
    ARC_FEEDBACK_WAITS,       /* it goes with the next packet in turn         */
    ARC_FEEDBACK_JOINED,      /* it goes with feedback that is scheduled      */
};

struct arc_rtcptime_stats {
    int64_t regular, stored, early; /* packets, by arc_rtcp_due               */
    int64_t immediate;       /* of `early`: within the share, at once         */
    int64_t suppressed;      /* turns left out for trr_int_us                 */
    int64_t reconsidered;    /* turns put off: the group has grown (§6.3.6)   */
    int64_t reversed;        /* turns drawn near: it has shrunk (§6.3.4)      */
    int64_t refused;         /* feedback refused                              */
    int64_t withdrawn;       /* feedback that another member gave first       */
};

struct arc_rtcptime {
    struct arc_rtcptime_stats stats;

    /* The rest is the module's own; names of RFC 3550 §6.3, RFC 4585 §3.4. */
    struct arc_rtcptime_config cfg;
    struct arc_rng rng;
    int64_t tp_us, tn_us;
    int64_t interval_us;     /* T_rr, as drawn last                           */
    int64_t trr_last_us;
    int64_t early_us;        /* te; ARC_NEVER_US: none                        */
    int64_t credit_us;       /* when credit_bytes was counted                 */
    double  credit_bytes;    /* room for immediate feedback                   */
    double  avg_bytes;       /* avg_rtcp_size                                 */
    int32_t members, pmembers, senders;
    int32_t due;             /* enum arc_rtcp_due: decided, not yet sent      */
    bool    we_sent;
    bool    initial;
    bool    has_spoken;      /* RTP or RTCP, ever                             */
    bool    has_trr_last;
    bool    allow_early;
    bool    immediate;       /* the early packet is inside the share          */
    bool    stored;          /* feedback waits for tn                         */
    bool    multiparty;
    bool    leaving;
    bool    left;            /* the BYE is out                                */
};

/**
 * Fill `cfg` for a session bandwidth: 5 % of it for RTCP, a quarter of that for
 * senders (RFC 3550 §6.2), fixed minimum, RFC 3550 rules, 28 bytes of overhead.
 *
 * @param session_bps 0..2*10^11
 */
void arc_rtcptime_defaults(struct arc_rtcptime_config *cfg,
                           int64_t session_bps);

/** Reduced minimum interval: 360 divided by the bandwidth in kb/s, seconds, at
 *  most the fixed one (RFC 3550 §6.2). */
int64_t arc_rtcptime_reduced_min_us(int64_t session_bps);

/**
 * Join: the first packet is scheduled.
 *
 * @param seed Of all that is random here
 *
 * @return ARC_OK or ARC_ERR_ARG
 */
enum arc_status arc_rtcptime_init(struct arc_rtcptime *t,
                                  const struct arc_rtcptime_config *cfg,
                                  uint64_t seed, int64_t now_us);

/** Change what the session may spend; holds from the next interval drawn.
 *  @return ARC_OK or ARC_ERR_ARG (unchanged) */
enum arc_status arc_rtcptime_set_bandwidth(struct arc_rtcptime *t,
                                           int64_t sender_bps,
                                           int64_t receiver_bps,
                                           int64_t trr_int_us);

/**
 * Tell the size of the group. Fewer members than at the last draw bring the
 * next packet nearer (§6.3.4), and so does our first media (§6.3.8).
 *
 * @param members All, we too; at least 1
 * @param senders Of these, who sends media; we too if `we_sent`
 */
void arc_rtcptime_set_counts(struct arc_rtcptime *t, int32_t members,
                             int32_t senders, bool we_sent, int64_t now_us);

/** More than one other endpoint takes part (RFC 8108 §5.4.2): feedback is
 *  dithered, so that members can spare what another one has said. */
void arc_rtcptime_set_multiparty(struct arc_rtcptime *t, bool multiparty);

/**
 * Note an RTCP packet that came, or one of ours that another SSRC of ours sent.
 *
 * @param bytes     Without IP and UDP headers
 * @param reporters SSRCs that report in it (RFC 8108 §5.3.1); 0 counts as 1
 * @param byes      SSRCs that it says good-bye for; counted while we leave
 *                  (RFC 3550 §6.3.7)
 */
void arc_rtcptime_on_received(struct arc_rtcptime *t, int32_t bytes,
                              int32_t reporters, int32_t byes);

/** Ask to send feedback about something that was noticed now (RFC 4585
 *  §3.5.2). */
enum arc_feedback_plan arc_rtcptime_request(struct arc_rtcptime *t,
                                            int64_t now_us);

/** Another member has said all that we have to (§3.5.2 step 5a): what is
 *  scheduled or stored is dropped. */
void arc_rtcptime_withdraw(struct arc_rtcptime *t);

/**
 * What is to be sent now. The answer stays the same until
 * arc_rtcptime_on_sent(), which must follow unless it is NONE.
 */
enum arc_rtcp_due arc_rtcptime_expire(struct arc_rtcptime *t, int64_t now_us);

/**
 * Note that what arc_rtcptime_expire() asked for was sent.
 *
 * @param bytes     Without IP and UDP headers; 0: nothing could be sent, the
 *                  turn is over all the same
 * @param reporters As in arc_rtcptime_on_received()
 */
void arc_rtcptime_on_sent(struct arc_rtcptime *t, int32_t bytes,
                          int32_t reporters, int64_t now_us);

/**
 * Leave. With more than 50 members the BYE is held back as if all of them left
 * (§6.3.7); reports and feedback end now.
 *
 * @return whether a BYE will be due; false: nothing was ever sent, so nothing
 *         may be said
 */
bool arc_rtcptime_leave(struct arc_rtcptime *t, int32_t bye_bytes,
                        int64_t now_us);

/** When arc_rtcptime_expire() is due next; ARC_NEVER_US: not by itself. */
int64_t arc_rtcptime_next_us(const struct arc_rtcptime *t);

/** A member that was silent for longer is gone: five deterministic intervals of
 *  a receiver, with the fixed minimum (RFC 3550 §6.3.5, RFC 8108 §7.1.4). */
int64_t arc_rtcptime_member_timeout_us(const struct arc_rtcptime *t);

/** A member that sent no media for longer is no sender: two intervals. */
int64_t arc_rtcptime_sender_timeout_us(const struct arc_rtcptime *t);
/* ARC_CDEF_END */

/* For tx/ssrcgroup, which sends for several participants in one packet. */

/** Effective time of transmission of a participant that was taken along before
 *  its turn (RFC 8108 §5.3.2 b). */
int64_t arc_rtcptime_taken_along_us(struct arc_rtcptime *t);

/** Its packet left as of `at_us`, the mean of such times (§5.3.2 c, d). */
void arc_rtcptime_taken(struct arc_rtcptime *t, enum arc_rtcp_due due,
                        int64_t at_us);

/** The feedback that waits went along with another participant's packet. */
void arc_rtcptime_fulfil(struct arc_rtcptime *t);

/** Whether feedback asked for now would leave early. */
bool arc_rtcptime_may_early(struct arc_rtcptime *t, int64_t now_us);

#endif
