/**
 * @file wire/fecbits.h  What parity FEC protects of a packet, and the sets of
 *                       packets that one parity covers
 *
 * RFC 5109 and RFC 8627 protect the same of a packet: six bits of its first
 * octet, its second one, its timestamp, its length, and all that follows the
 * fixed header (RFC 5109 §8.1 and §8.2, RFC 8627 §6.2). Only their headers differ:
 * wire/ulpfec.h, wire/flexfec.h.
 *
 * Owner:   the caller; nothing is kept, no free is needed.
 * Threads: any.
 */
#ifndef ARC_WIRE_FECBITS_H
#define ARC_WIRE_FECBITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ARC_CDEF_BEGIN */
#define ARC_FECSET_MASK_BITS 110   /* of the longest mask, RFC 8627 §4.2.2.1     */

enum arc_fec_format {
    ARC_FEC_NONE = 0,
    ARC_FEC_ULPFEC,     /* RFC 5109 */
    ARC_FEC_FLEXFEC,    /* RFC 8627 */
};

/** The protected part of the fixed header: of one packet, or of several by XOR. */
struct arc_fecbits {
    uint8_t  first;    /* P, X and CC: six bits                                 */
    uint8_t  second;   /* M and payload type                                    */
    uint16_t body_len; /* bytes that follow the fixed header                    */
    uint32_t rtp_ts;
};

/** Packets of one source: by a mask, or as a part of a block of rows and columns. */
struct arc_fecset {
    uint16_t first_seq16;
    uint8_t  columns;  /* L of RFC 8627 §4.2.2.2; 0: by mask                    */
    uint8_t  rows;     /* D; 0 and 1: a row of L packets, else every L-th, D
                          times                                                 */
    uint64_t mask[2];  /* bit 63 of mask[0]: first_seq16; the bits of mask[1]
                          follow those of mask[0]; 110 bits in all              */
};

/** XOR the bits of a packet of at least 12 bytes into `b`. */
void    arc_fecbits_add(struct arc_fecbits *b, const uint8_t *packet, size_t len);

/** XOR `n` bytes into `to`; they must not overlap. */
void    arc_fecbits_xor(uint8_t *to, const uint8_t *from, size_t n);

/** Distance from first_seq16 of the next packet in the set behind `offset`; -1:
 *  none. Begin with -1. */
int32_t arc_fecset_next(const struct arc_fecset *s, int32_t offset);

/** Distance of the last packet in the set; -1: it is empty. */
int32_t arc_fecset_last(const struct arc_fecset *s);

/** Put the packet at a distance of 0..109 into the mask. */
void    arc_fecset_add(struct arc_fecset *s, int32_t offset);
/* ARC_CDEF_END */

#endif
