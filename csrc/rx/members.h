/**
 * @file rx/members.h  Who takes part in an RTP session
 *
 * RFC 3550 §6.2.1 and §6.3.3 to §6.3.5: members, those of them that send media,
 * who has left, who has fallen silent; RFC 8108 §5.4.2: whether they are one
 * endpoint or more. With SRTP only sources of packets that authenticated may be
 * told to it. Our own SSRCs are not in it.
 *
 * Owner:   arc_members_new() allocates all memory; nothing later does.
 * Threads: one caller at a time.
 * Time:    `now_us` is the caller's monotonic clock; it must not go back.
 * Bounds:  `capacity` entries. When they are all in use, the oldest that is not
 *          a member any more (it said BYE) or not yet (on probation) makes room,
 *          else the newcomer is refused and counted. So a stranger that invents
 *          sources can push out other strangers only.
 */
#ifndef ARC_RX_MEMBERS_H
#define ARC_RX_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
struct arc_members; /* opaque */

struct arc_members_config {
    int32_t  capacity;      /* entries; 1..65536                             */
    int32_t  probation_pkts;/* packets before a source counts, unless it tells
                               its CNAME; 1..16. 1: at once, for SRTP         */
    int64_t  bye_delay_us;  /* who said BYE stays known so long, so that late
                               packets do not bring it back; 0..60 s          */
    uint64_t seed;          /* of the table's order: not to be guessed by who
                               chooses SSRCs                                  */
};

struct arc_members_counts {
    int32_t members;    /* that count                                        */
    int32_t senders;    /* of these: media in the last two intervals         */
    bool    multiparty; /* CNAMEs of more than one endpoint among them       */
};

struct arc_members_stats {
    int64_t joined;     /* became members                                    */
    int64_t left;       /* said BYE                                          */
    int64_t timed_out;  /* fell silent                                       */
    int64_t stragglers; /* packets of who had said BYE                       */
    int64_t evicted;    /* entries that made room                            */
    int64_t refused;    /* packets of newcomers for whom there was no room   */
    int32_t entries;    /* in use now                                        */
};

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_members_new(const struct arc_members_config *cfg,
                                struct arc_members **out);
void            arc_members_free(struct arc_members *m);

/**
 * Note a packet; for RTP also each CSRC of a source that is a member, by
 * arc_members_on_rtcp() (it has no media of its own here).
 *
 * @return ARC_OK (a member), ARC_AGAIN (on probation, or has said BYE) or
 *         ARC_ERR_LIMIT (no room; counted)
 */
enum arc_status arc_members_on_rtp(struct arc_members *m, uint32_t ssrc,
                                   int64_t now_us);
enum arc_status arc_members_on_rtcp(struct arc_members *m, uint32_t ssrc,
                                    int64_t now_us);

/** Its SDES CNAME, as a hash that the caller makes; ends its probation (RFC
 *  3550 §6.2.1). Returns as arc_members_on_rtcp(). */
enum arc_status arc_members_on_cname(struct arc_members *m, uint32_t ssrc,
                                     uint64_t cname_hash, int64_t now_us);

/** @return whether it was a member (§6.3.4) */
bool arc_members_on_bye(struct arc_members *m, uint32_t ssrc, int64_t now_us);

/**
 * Let go who was silent for too long (§6.3.5); at least once an interval.
 *
 * @return members that are gone
 */
int32_t arc_members_expire(struct arc_members *m, int64_t member_timeout_us,
                           int64_t sender_timeout_us, int64_t now_us);

void arc_members_count(const struct arc_members *m,
                       struct arc_members_counts *out);

/** Whether this SSRC is in use, by a member or who may become one (§8.1). */
bool arc_members_knows(const struct arc_members *m, uint32_t ssrc);

void arc_members_stats(const struct arc_members *m,
                       struct arc_members_stats *out);
/* ARC_CDEF_END */

#endif
