/**
 * @file wire/flexfec.h  The FlexFEC payload: its header in three variants
 *
 * RFC 8627 §4.2.2: masks of 15, 46 or 110 packets (R=0, F=0), rows and columns
 * (R=0, F=1), or one whole packet (R=1, F=0). The sources that are protected
 * stand as CSRCs in the RTP header of the repair packet, and the header here has
 * one set of packets for each of them.
 *
 * Owner:   the caller; nothing is kept, no free is needed.
 * Threads: any.
 */
#ifndef ARC_WIRE_FLEXFEC_H
#define ARC_WIRE_FLEXFEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "wire/fecbits.h"

/* ARC_CDEF_BEGIN */
#define ARC_FLEXFEC_MAX_SOURCES    15 /* CSRCs in an RTP header                  */
#define ARC_FLEXFEC_BITS_BYTES     8  /* before the first set                    */
#define ARC_FLEXFEC_MAX_SET_BYTES  16 /* of one source: number and mask          */

enum arc_flexfec_variant {
    ARC_FLEXFEC_MASK = 0,    /* R=0 F=0                                          */
    ARC_FLEXFEC_BLOCK,       /* R=0 F=1                                          */
    ARC_FLEXFEC_RETRANSMIT,  /* R=1 F=0: the parity is that of one packet        */
};

struct arc_flexfec {
    int32_t  variant;        /* enum arc_flexfec_variant                         */
    struct arc_fecbits bits;
    uint32_t ssrc;           /* retransmission: of the packet; else 0            */
    int32_t  n_sets;         /* 1..15; as many as the RTP header has CSRCs       */
    struct arc_fecset sets[15];
    int32_t  parity_off;     /* where the parity lies in the payload             */
    int32_t  parity_len;
};

/**
 * Parse the payload of a FlexFEC packet.
 *
 * @param n_sources CSRCs in its RTP header; not looked at for a retransmission
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL, more than 15 sources), ARC_ERR_FORMAT (cut
 *         off, no source, a set without packets), ARC_ERR_UNSUPPORTED (R=1 F=1
 *         and L=0: reserved); `out` is unchanged unless ARC_OK
 */
enum arc_status arc_flexfec_parse(const uint8_t *payload, size_t len,
                                  int32_t n_sources, struct arc_flexfec *out);

/**
 * Write the header; the parity follows.
 *
 * Of a retransmission `bits`, `ssrc` and the number of the first set are taken,
 * and all of its packet behind the fixed header follows.
 */
void arc_flexfec_write(struct arc_writer *w, const struct arc_flexfec *h);
/* ARC_CDEF_END */

#endif
