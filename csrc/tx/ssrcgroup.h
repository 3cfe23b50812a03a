/**
 * @file tx/ssrcgroup.h  When the SSRCs of one endpoint may send RTCP, together
 *
 * RFC 8108: each SSRC is a participant of its own, with its own timer and its
 * own share of the bandwidth (§5.1). When one of them is due, the others may go
 * along in the same compound packet, and their timers are set as if they had
 * waited (§5.3.2). So the number of our SSRCs scales what we may send, and yet
 * there is one packet. What other SSRCs of ours send is never reported on: one
 * endpoint needs no loss figures of a path to itself.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Time:    as in tx/rtcptime.h.
 * Bounds:  ARC_SSRCGROUP_MAX participants.
 */
#ifndef ARC_TX_SSRCGROUP_H
#define ARC_TX_SSRCGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "tx/rtcptime.h"

/* ARC_CDEF_BEGIN */
#define ARC_SSRCGROUP_MAX 16

struct arc_ssrcgroup {
    struct arc_rtcptime_config cfg;
    uint64_t seed;
    int32_t  remote_members, remote_senders;
    int32_t  n;                 /* places in use: the highest, and one         */
    int32_t  starts;            /* first packets without delay so far          */
    bool     multiparty;
    bool     leaving;
    bool     joined[ARC_SSRCGROUP_MAX];
    bool     sends[ARC_SSRCGROUP_MAX]; /* media                                */
    struct arc_rtcptime part[ARC_SSRCGROUP_MAX];
};

/** What is to be sent now, and by whom. */
struct arc_ssrcgroup_due {
    int32_t kind;               /* enum arc_rtcp_due                           */
    int32_t n;                  /* participants in `who`; 0 when nothing is due */
    int32_t who[ARC_SSRCGROUP_MAX]; /* REGULAR: first who must report, then who
                                   may as far as there is room, in order       */
};

/** @return ARC_OK or ARC_ERR_ARG; nobody has joined yet */
enum arc_status arc_ssrcgroup_init(struct arc_ssrcgroup *g,
                                   const struct arc_rtcptime_config *cfg,
                                   uint64_t seed);

/** As arc_rtcptime_set_bandwidth(), for all. */
enum arc_status arc_ssrcgroup_set_bandwidth(struct arc_ssrcgroup *g,
                                            int64_t sender_bps,
                                            int64_t receiver_bps,
                                            int64_t trr_int_us);

/**
 * An SSRC of ours begins. Of those that need not wait with their first packet
 * at most four do not (RFC 8108 §5.2).
 *
 * @param who 0..ARC_SSRCGROUP_MAX-1, not joined
 *
 * @return ARC_OK or ARC_ERR_ARG
 */
enum arc_status arc_ssrcgroup_join(struct arc_ssrcgroup *g, int32_t who,
                                   int64_t now_us);

/** It ends; its BYE is the caller's. */
void arc_ssrcgroup_part(struct arc_ssrcgroup *g, int32_t who, int64_t now_us);

/** Whether it has sent media in the last two intervals. */
void arc_ssrcgroup_set_sends(struct arc_ssrcgroup *g, int32_t who, bool sends,
                             int64_t now_us);

/** Everybody else: members, those of them that send, and whether they are more
 *  than one endpoint. */
void arc_ssrcgroup_set_remote(struct arc_ssrcgroup *g, int32_t members,
                              int32_t senders, bool multiparty,
                              int64_t now_us);

/** As arc_rtcptime_on_received(). */
void arc_ssrcgroup_on_received(struct arc_ssrcgroup *g, int32_t bytes,
                               int32_t reporters, int32_t byes);

/** As arc_rtcptime_request(), by whichever SSRC may be the first (RFC 8108
 *  §5.4.1, §5.4.2). */
enum arc_feedback_plan arc_ssrcgroup_request(struct arc_ssrcgroup *g,
                                             int64_t now_us);

/** As arc_rtcptime_withdraw(). */
void arc_ssrcgroup_withdraw(struct arc_ssrcgroup *g);

/** As arc_rtcptime_expire(). */
void arc_ssrcgroup_expire(struct arc_ssrcgroup *g, int64_t now_us,
                          struct arc_ssrcgroup_due *out);

/**
 * Note what was sent. All feedback that waited was in it, whoever asked for it.
 *
 * @param due   As arc_ssrcgroup_expire() gave it
 * @param n     How many of due->who are in the packet; at least 1
 * @param bytes Without IP and UDP headers; 0: nothing could be sent
 */
void arc_ssrcgroup_on_sent(struct arc_ssrcgroup *g,
                           const struct arc_ssrcgroup_due *due, int32_t n,
                           int32_t bytes, int64_t now_us);

/** As arc_rtcptime_leave(), for all: one packet says good-bye for each. */
bool arc_ssrcgroup_leave(struct arc_ssrcgroup *g, int32_t bye_bytes,
                         int64_t now_us);

/** As arc_rtcptime_next_us(). */
int64_t arc_ssrcgroup_next_us(const struct arc_ssrcgroup *g);

/** As arc_rtcptime_member_timeout_us() and _sender_timeout_us(). */
int64_t arc_ssrcgroup_member_timeout_us(const struct arc_ssrcgroup *g);
int64_t arc_ssrcgroup_sender_timeout_us(const struct arc_ssrcgroup *g);
/* ARC_CDEF_END */

#endif
