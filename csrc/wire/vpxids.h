/**
 * @file wire/vpxids.h  Running numbers in the payload descriptors of VP8, VP9
 *
 * RFC 7741 §4.2 and RFC 9628 §4.2 number pictures the same way: a PictureID of
 * 7 or 15 bits, and TL0PICIDX; VP8 also has KEYIDX. Who leaves pictures out of
 * a stream, or joins two streams, writes other numbers into the same places.
 *
 * Owner:   the caller; nothing is kept, no free is needed.
 * Threads: any.
 */
#ifndef ARC_WIRE_VPXIDS_H
#define ARC_WIRE_VPXIDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ARC_CDEF_BEGIN */
/** The numbers, and where they stand: bytes from the start of the payload. The
 * first byte of a descriptor holds none of them, so the place 0 is "absent". */
struct arc_vpxids {
    uint8_t  picture_id_bits; /* 7 or 15; 0: absent                          */
    uint8_t  picture_id_off;
    uint8_t  tl0picidx_off;   /* 0: absent                                   */
    uint8_t  keyidx_off;      /* 0: absent                                   */
    uint16_t picture_id;      /* of the width above                          */
    uint8_t  tl0picidx;
    uint8_t  keyidx;          /* 0..31                                       */
};

/**
 * Write the numbers that are present into their places. More bits than a place
 * has are cut off; the bits beside it stay.
 *
 * @param len Bytes of the payload; a place outside is left alone
 */
void arc_vpxids_write(const struct arc_vpxids *ids, uint8_t *payload,
                      size_t len);
/* ARC_CDEF_END */

#endif
