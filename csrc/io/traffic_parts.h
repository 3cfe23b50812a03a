/**
 * @file io/traffic_parts.h  What the traffic thread and its parts know of each other
 *
 * Private to io/traffic*.
 *
 * Owner:   the thread, of its parts.
 * Threads: with the turn lock held, but for _new.
 */
#ifndef ARC_IO_TRAFFIC_PARTS_H
#define ARC_IO_TRAFFIC_PARTS_H

#include "base/rng.h"
#include "io/benchsock.h"
#include "io/thread.h"
#include "io/traffic_packet.h"

/* --- a source, which traffic_source.c sets up and traffic_send.c lets send --- */

enum {
    ARC_TRAFFIC_MAX_FOLLOWED = 2,
    ARC_TRAFFIC_EXT_BYTES    = 8, /* extension header and one element of 1 byte */
};

struct arc_traffic_out {
    int              fd;
    struct arc_srtp *srtp; /* NULL: plain RTP */
};

struct arc_traffic_stream {
    struct arc_traffic_out *leg;
    uint32_t                ssrc;
    uint32_t                rtp_ts; /* of the next train  */
    uint64_t                number; /* of the next packet */
};

/** A counter of packets that came through. */
struct arc_traffic_followed {
    const int64_t *counter;
    int32_t        per_packet;
    int32_t        window_pkts;
    int64_t        behind;  /* what was sent less what the counter says, when
                               nothing is under way                          */
    int64_t        seen;    /* of the counter, when it last moved            */
    int64_t        moved_ns;
};

/** Something to be done at even distances. */
struct arc_traffic_pace {
    double interval_ns; /* 0: never */
    double due_ns;
};

struct arc_traffic_source {
    struct arc_traffic_source_config cfg;
    struct arc_turn                 *turn;
    struct arc_traffic_source_stats  stats;
    bool                             on;
    int64_t                          drained_ns; /* when its legs were read last */
    struct arc_traffic_pace          media, hostile; /* a train each         */
    struct arc_traffic_followed      followed[ARC_TRAFFIC_MAX_FOLLOWED];
    int32_t                          n_followed;
    struct arc_rng                   rng;
    uint8_t                         *train, *forgery; /* room for one each   */
    int32_t                          packet_bytes;    /* of the last train   */
    int32_t                          train_pkts;
    struct arc_traffic_out          *train_leg; /* whose it was; NULL: none  */
    struct arc_traffic_out          *legs;
    struct arc_traffic_stream       *streams;
    int32_t                          n_legs, n_streams;
    int32_t                          next; /* stream                         */
    uint8_t                          pattern[ARC_TRAFFIC_PATTERN_BYTES];
};

/** @param turn Lock of the thread that the part will belong to */
enum arc_status
arc_traffic_source_new(const struct arc_traffic_source_config *cfg,
                       struct arc_turn *turn, struct arc_traffic_source **out);
void arc_traffic_source_free(struct arc_traffic_source *s);

/** Room that a packet of any leg fits. */
int32_t arc_traffic_room_bytes(const struct arc_traffic_source *s);

/** Send what may be sent now. @return whether anything was */
bool arc_traffic_source_turn(struct arc_traffic_source *s, int64_t now_ns);

/* --- a sink --- */

enum arc_status
arc_traffic_sink_new(const struct arc_traffic_sink_config *cfg,
                     struct arc_turn *turn, struct arc_traffic_sink **out);
void arc_traffic_sink_free(struct arc_traffic_sink *s);

/** Receive what is there. @param rx, trains Working memory: for sinks with GRO,
 *  and for those without @return whether anything was there */
bool arc_traffic_sink_turn(struct arc_traffic_sink *s,
                           struct arc_benchsock_rx *with_gro,
                           struct arc_benchsock_rx *without,
                           struct arc_train        *trains);

#endif
