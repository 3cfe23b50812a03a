/**
 * @file tx/txstats.h  What a sender counts of one RTP stream
 *
 * The counts of a sender report (RFC 3550 §6.4.1) and the bit rate of the last
 * second.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Time:    `now_us` is the caller's monotonic clock; it must not go back.
 */
#ifndef ARC_TX_TXSTATS_H
#define ARC_TX_TXSTATS_H

#include <stdbool.h>
#include <stdint.h>

/* ARC_CDEF_BEGIN */
#define ARC_TXSTATS_CELLS   20    /* window of the bit rate: 20 cells ..      */
#define ARC_TXSTATS_CELL_US 50000 /* .. of 50 ms                              */

struct arc_txstats {
    int64_t packets;        /* RTP packets, retransmissions not               */
    int64_t payload_bytes;  /* of those, without header and padding           */
    int64_t wire_bytes;     /* whole datagrams, retransmissions too           */
    int64_t resent_packets;
    int64_t resent_bytes;   /* payload                                        */

    /* The rest is the module's own. */
    int64_t cells[ARC_TXSTATS_CELLS]; /* wire bytes of 50 ms each             */
    int64_t cell_now;                 /* number of the cell now being filled  */
    int64_t first_us;                 /* when counting began                  */
    bool    started;
};

/** The two counters of a sender report, modulo 2^32 (RFC 3550 §6.4.1). */
struct arc_txstats_sr {
    uint32_t packet_count;
    uint32_t octet_count;
};

void    arc_txstats_init(struct arc_txstats *s);

/**
 * Note a packet that leaves.
 *
 * @param payload_bytes Without header and padding
 * @param wire_bytes    What goes to the socket
 * @param resent        A retransmission: counts to the rate, not to the report
 *                      (RFC 4588 sends it under an SSRC of its own)
 */
void    arc_txstats_on_packet(struct arc_txstats *s, int32_t payload_bytes,
                              int32_t wire_bytes, bool resent, int64_t now_us);

/** Note a packet of another stream that leaves on behalf of this one, as those of
 *  FEC do: it counts to the rate only. */
void    arc_txstats_on_repair(struct arc_txstats *s, int32_t wire_bytes,
                              int64_t now_us);

void    arc_txstats_sr(const struct arc_txstats *s, struct arc_txstats_sr *out);

/** Wire bit rate of the last second (or since the start, at least 50 ms). */
int64_t arc_txstats_bitrate_bps(const struct arc_txstats *s, int64_t now_us);
/* ARC_CDEF_END */

#endif
