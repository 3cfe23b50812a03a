/**
 * @file base/datagram.h  Datagrams as they come from, and go to, a socket
 *
 * Views of memory that somebody else owns: the thread that reads and writes
 * sockets lends it for one turn. What is to be kept is copied, or decrypted, out
 * of it into a packet.
 *
 * Owner:   of the bytes: who reads the socket (in) or makes the train (out).
 * Threads: those of the memory.
 */
#ifndef ARC_BASE_DATAGRAM_H
#define ARC_BASE_DATAGRAM_H

#include <stdint.h>

/* ARC_CDEF_BEGIN */
/** The two ECN bits of an IP header (RFC 3168 §5). */
enum arc_ecn {
    ARC_ECN_NOT_ECT = 0,
    ARC_ECN_ECT_1   = 1, /* L4S (RFC 9331) */
    ARC_ECN_ECT_0   = 2,
    ARC_ECN_CE      = 3,
};

/** A received datagram, where it lies. */
struct arc_datagram {
    uint8_t *data;    /* may be changed in place                                 */
    int32_t  len;
    int32_t  ecn;     /* enum arc_ecn                                            */
    int64_t  time_us; /* monotonic: when it arrived                              */
    uint64_t source;  /* hash of the address it came from; 0: not known          */
};

/** Datagrams for one destination, one behind the other: all of segment_bytes,
 *  but the last may be shorter. */
struct arc_train {
    uint8_t *data;
    int32_t  len;
    int32_t  segment_bytes;
    int32_t  ecn;     /* enum arc_ecn                                            */
    int64_t  oldest_us; /* when the packet came that waited longest; 0: made here */
};
/* ARC_CDEF_END */

#define ARC_TRAIN_MAX_BYTES    65000 /* UDP carries 65507; near that not every
                                        kernel merges it again              */
#define ARC_TRAIN_MAX_SEGMENTS 64    /* UDP_MAX_SEGMENTS of kernels before 6.x */

#endif
