/**
 * @file base/streamrow.h  Figures of one stream: a row of the table of all streams
 *
 * Sessions and routers fill the same rows, so that thousands of streams are read
 * in one call, whatever drives them. Names are those of the W3C's webrtc-stats
 * where it has one (in their C form).
 *
 * Owner:   no state.
 * Threads: any.
 */
#ifndef ARC_BASE_STREAMROW_H
#define ARC_BASE_STREAMROW_H

#include <stdint.h>

/* ARC_CDEF_BEGIN */
enum arc_stream_direction { ARC_STREAM_INBOUND = 0, ARC_STREAM_OUTBOUND = 1 };

struct arc_stream_row {
    int32_t  owner;      /* session or router, as its thread knows it; 0: it has
                            none                                               */
    int32_t  leg;        /* of a router; -1: a session's                       */
    int32_t  stream;     /* track or route of a router, index in a session     */
    int32_t  source;     /* quality of a track; 0                              */
    int32_t  direction;  /* enum arc_stream_direction                          */
    int32_t  kind;       /* 0: audio, 1: video                                 */
    uint32_t ssrc;       /* 0: not known yet                                   */
    int32_t  active;     /* a packet passed in the last two seconds            */
    int64_t  packets, bytes;              /* without resent ones; payload      */
    int64_t  retransmitted_packets, retransmitted_bytes;
    int64_t  packets_lost;   /* inbound: by RFC 3550 A.3; outbound: as reported */
    int64_t  nack_count;     /* packets asked for again                        */
    int64_t  pli_count;
    int64_t  packets_duplicated, packets_reordered; /* inbound                 */
    int64_t  packets_ect1, packets_ce;  /* inbound of a router: by ECN bits    */
    int64_t  packets_discarded; /* outbound: left out, or without room         */
    double   fraction_lost;  /* outbound: of the last interval reported, 0..1  */
    double   jitter_ms;      /* outbound: as reported                          */
    double   round_trip_ms;  /* -1: not known                                  */
};
/* ARC_CDEF_END */

#endif
