/**
 * @file tx/fecenc.h  Makes parity packets for one sent stream
 *
 * Packets are gathered to blocks. A block ends with a frame (each packet, for
 * samples) when what it may cost has paid for enough repair packets: `burst_pkts`
 * of them. Repair j of r covers the packets j, j + r, j + 2r ... of the block, so
 * that r losses in a row hit each repair once. One repair a block is thus the row
 * of RFC 8627 (least delay, for single losses), several are its columns.
 *
 * In a grid each row of a square block has a repair as soon as it is full, and at
 * the end each column has one: for losses that are neither only single nor only in
 * bursts; it needs more overhead, or a longer block.
 *
 * Overhead: bytes of repairs over bytes of media, RTP headers counted in both. Each
 * packet pays that share of its length, each repair costs its length; at the end of
 * a frame up to half a repair (in a grid a block's) may be spent in advance, so over
 * time the share holds.
 *
 * Delay:   a packet is protected at most `max_block_pkts` packets later, or it is
 *          not: with too little overhead the oldest ones leave the block unprotected
 *          (counted).
 * Owner:   arc_fecenc_new() allocates all memory, packets are copied into it.
 * Threads: one caller at a time.
 */
#ifndef ARC_TX_FECENC_H
#define ARC_TX_FECENC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "wire/fecbits.h"

/* ARC_CDEF_BEGIN */
#define ARC_FECENC_MAX_BLOCK_PKTS 128
#define ARC_FECENC_MAX_BURST_PKTS 32

struct arc_fecenc; /* opaque */

struct arc_fecenc_config {
    int32_t format;           /* enum arc_fec_format                            */
    bool    masks;            /* FlexFEC: sets as masks, for peers that do not
                                 read rows and columns                          */
    int32_t payload_type;     /* of repair packets, 0..127                      */
    int32_t max_block_pkts;   /* 2..48 (ULPFEC), 110 (masks), 128               */
    int32_t max_packet_bytes; /* longest packet that is protected; 64..1500     */
};

/** What may change from block to block. */
struct arc_fecenc_policy {
    int32_t overhead_permille; /* repair bytes per 1000 bytes of media; 0: none;
                                  ..1000                                        */
    int32_t burst_pkts;        /* losses in a row that shall be recovered; 1..32 */
    bool    grid;              /* rows and columns                              */
};

struct arc_fecenc_stats {
    int64_t media_pkts, media_bytes;   /* while there was any protection        */
    int64_t repair_pkts, repair_bytes; /* with their RTP headers                */
    int64_t unprotected_pkts;  /* left the block: no budget, a gap in the numbers,
                                  or longer than max_packet_bytes               */
    int64_t unfetched;         /* repairs that nobody took before the next packet */
};

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_fecenc_new(const struct arc_fecenc_config *cfg,
                               struct arc_fecenc **out);
void            arc_fecenc_free(struct arc_fecenc *e);

/** Use another policy from the next packet on (a grid: from the next block on).
 *  @return ARC_OK or ARC_ERR_ARG (the policy stays) */
enum arc_status arc_fecenc_set_policy(struct arc_fecenc *e,
                                      const struct arc_fecenc_policy *policy);

/** Forget the block: what follows is another source. */
void arc_fecenc_reset(struct arc_fecenc *e);

/** Bytes by which a repair packet is longer than the longest packet it covers, at
 *  most. */
int32_t arc_fecenc_overhead_bytes(const struct arc_fecenc *e);

/**
 * Take a packet as it leaves, with its sequence number and before SRTP.
 *
 * @param packet     Whole RTP packet; copied
 * @param ends_frame Last packet of its frame
 */
void arc_fecenc_on_packet(struct arc_fecenc *e, const uint8_t *packet, size_t len,
                          bool ends_frame);

/**
 * Make the next repair packet that is due. To be called until ARC_AGAIN after each
 * packet.
 *
 * @param out     RTP packet with the number, timestamp and SSRC 0, which the
 *                caller sets when it leaves
 * @param len_out Bytes of it
 *
 * @return ARC_OK, ARC_AGAIN, or ARC_ERR_SPACE (the repair is lost)
 */
enum arc_status arc_fecenc_pop(struct arc_fecenc *e, uint8_t *out, size_t cap,
                               size_t *len_out);

void arc_fecenc_stats(const struct arc_fecenc *e, struct arc_fecenc_stats *out);
/* ARC_CDEF_END */

#endif
