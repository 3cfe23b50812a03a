/**
 * @file rx/fecdec.h  Recovers lost packets of one stream from parity packets
 *
 * Keeps references to the last packets of the stream and up to 64 repair packets
 * that wait. A packet is recovered as soon as it is the only one missing of a
 * repair, and what was recovered counts for the others: so rows and columns help
 * each other (RFC 8627 §6.3.4). Parity is undone by RFC 5109 §9 and RFC 8627
 * §6.3.2, §6.3.3.
 *
 * Nothing may be given to it that was not authenticated. What comes out is parsed
 * as RTP before, and the zeros behind it are looked at: a repair that does not
 * fit the packets, or lies about its length, brings nothing.
 *
 * Bounds:  `window_pkts` packets and 64 repairs, the oldest go. A repair is taken
 *          if its packets lie inside half the window. A packet that comes costs
 *          as many steps as repairs wait for it, a recovery one XOR over the
 *          packets of its repair (at most half the window).
 * Owner:   arc_fecdec_new() allocates all memory; nothing later does. Holds a
 *          reference to each packet in it: their bytes must not change.
 * Threads: one caller at a time.
 */
#ifndef ARC_RX_FECDEC_H
#define ARC_RX_FECDEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pkt.h"
#include "base/status.h"
#include "wire/fecbits.h"
#include "wire/rtp.h"

/* ARC_CDEF_BEGIN */
#define ARC_FECDEC_MAX_REPAIRS 64

struct arc_fecdec; /* opaque */

struct arc_fecdec_config {
    int32_t format;      /* enum arc_fec_format                                 */
    int32_t window_pkts; /* packets of the stream kept; power of two, 16..8192  */
};

struct arc_fecdec_stats {
    int64_t repair_pkts;   /* repair packets that came; each ends as one of     */
    int64_t recovered;     /* .. these: it brought a packet                     */
    int64_t unneeded;      /* all of its packets had come                       */
    int64_t unrecoverable; /* let go while two or more were missing             */
    int64_t malformed;     /* not the format, or what it brought is no packet   */
    int64_t unsupported;   /* of a reserved form, or over several sources       */
    int64_t unseen;        /* over packets of another source, or far ahead of
                              those seen                                        */
    int64_t too_old;       /* over packets that have left the window            */
    int64_t too_wide;      /* over more than half the window                    */
    int64_t partial;       /* protects less than the whole packet (ULPFEC)      */
    int64_t no_packet;     /* the pool was empty                                */
    int32_t waiting;       /* .. or it waits now                                */
    int64_t restarts;      /* the stream began anew; all was forgotten          */
};

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_fecdec_new(const struct arc_fecdec_config *cfg,
                               struct arc_fecdec **out);
void            arc_fecdec_free(struct arc_fecdec *d);

/** Forget all packets and repairs: another source goes on with the stream. */
void            arc_fecdec_reset(struct arc_fecdec *d);

void            arc_fecdec_stats(const struct arc_fecdec *d,
                                 struct arc_fecdec_stats *out);

/**
 * Take a packet of the stream or a repair packet as bytes, which are copied into
 * a packet of `pool`. For callers without packets of their own.
 *
 * @param fec_payload_type That of repair packets; all others are the stream's
 *
 * @return ARC_OK; ARC_ERR_FORMAT: not RTP; ARC_ERR_SPACE: longer than a packet;
 *         ARC_ERR_LIMIT: the pool is empty
 */
enum arc_status arc_fecdec_push(struct arc_fecdec *d, struct arc_pkt_pool *pool,
                                const uint8_t *data, size_t len,
                                uint8_t fec_payload_type);

/** arc_fecdec_pop() into a buffer. @return also ARC_ERR_SPACE: the packet is lost */
enum arc_status arc_fecdec_pull(struct arc_fecdec *d, struct arc_pkt_pool *pool,
                                uint8_t *out, size_t cap, size_t *len_out);
/* ARC_CDEF_END */

/**
 * Note a packet of the stream.
 *
 * @param pkt   Whole plain RTP packet; kept by a reference of its own
 * @param exact The bytes are those that were sent. A retransmission may have other
 *              header extensions (RFC 4588 §4): then false, and it only counts as
 *              no longer missing
 */
void arc_fecdec_on_media(struct arc_fecdec *d, struct arc_pkt *pkt, bool exact);

/**
 * Take a repair packet.
 *
 * @param pkt  Kept by a reference of its own while it may be of use
 * @param h    Its RTP header, parsed
 * @param ssrc Of the stream
 */
void arc_fecdec_on_repair(struct arc_fecdec *d, struct arc_pkt *pkt,
                          const struct arc_rtp *h, uint32_t ssrc);

/**
 * Hand out the next packet that can be recovered. To be called until ARC_AGAIN
 * after each packet of either kind.
 *
 * @param pool Where the packet is taken from
 * @param out  Whole RTP packet, as it was sent; the caller's reference
 *
 * @return ARC_OK or ARC_AGAIN
 */
enum arc_status arc_fecdec_pop(struct arc_fecdec *d, struct arc_pkt_pool *pool,
                               struct arc_pkt **out);

#endif
