/**
 * @file wire/demux.h  Which protocol a datagram of a shared port belongs to
 *
 * RFC 7983 §7 tells STUN, ZRTP, DTLS, TURN and RTP apart by the first byte;
 * RFC 5761 §4 tells RTCP from RTP by the second. Only these two bytes are
 * looked at: whether the rest is sound is the business of each parser.
 *
 * Owner:   no state.
 * Threads: any.
 */
#ifndef ARC_WIRE_DEMUX_H
#define ARC_WIRE_DEMUX_H

#include <stddef.h>
#include <stdint.h>

/* ARC_CDEF_BEGIN */
enum arc_demux_kind {
    ARC_DEMUX_DROP = 0, /* no protocol has this first byte, or it is too short */
    ARC_DEMUX_STUN,     /* 0..3                                                */
    ARC_DEMUX_ZRTP,     /* 16..19                                              */
    ARC_DEMUX_DTLS,     /* 20..63                                              */
    ARC_DEMUX_TURN,     /* 64..79: a TURN channel                              */
    ARC_DEMUX_RTP,      /* 128..191, and the second byte is not of RTCP        */
    ARC_DEMUX_RTCP,     /* 128..191, second byte 192..223                      */
};

/** Kind of a datagram; `data` may be NULL when `len` is 0. */
enum arc_demux_kind arc_demux_classify(const uint8_t *data, size_t len);
/* ARC_CDEF_END */

#endif
