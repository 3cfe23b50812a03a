/**
 * @file wire/red.h  Payload with redundant audio (RFC 2198)
 *
 * A packet with this payload carries a primary block, to which its RTP header
 * belongs, and before it blocks of earlier media times. The blocks may be of
 * other encodings, each with its own payload type.
 *
 * Owner:   the caller; blocks point into the payload by offset, parts into
 *          memory of the caller.
 * Threads: any; nothing is kept.
 * Units:   `ts_offset` in ticks of the stream's RTP clock: what is to be taken
 *          from the packet's timestamp (mod 2^32) to get the block's.
 */
#ifndef ARC_WIRE_RED_H
#define ARC_WIRE_RED_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_RED_MAX_BLOCKS          16    /* the primary is one of them       */
#define ARC_RED_MAX_TS_OFFSET_TICKS 16383 /* 14 bits; 341 ms at 48 kHz        */
#define ARC_RED_MAX_BLOCK_BYTES     1023  /* 10 bits; the primary has no limit */
#define ARC_RED_HEADER_BYTES        4     /* in front of a redundant block    */
#define ARC_RED_PRIMARY_BYTES       1     /* in front of the primary one      */

/** Where one block lies in a payload. */
struct arc_red_block {
    int32_t payload_type; /* 0..127                                           */
    int32_t ts_offset;    /* 0..16383; 0 for the primary                      */
    int32_t off;          /* starts at payload + off                          */
    int32_t len;          /* bytes, from 0                                    */
};

/** The blocks in the order of the payload; the last is the primary. */
struct arc_red {
    int32_t n_blocks;
    struct arc_red_block blocks[ARC_RED_MAX_BLOCKS];
};

/** One block to be written. */
struct arc_red_part {
    int32_t        payload_type; /* 0..127                                    */
    int32_t        ts_offset;    /* 0..16383; the last part's is not written  */
    const uint8_t *data;         /* NULL is allowed if len is 0               */
    int32_t        len;          /* 0..1023, of the last part 0..65535        */
};

/**
 * Find the blocks of a payload. Nothing is said of what is in them.
 *
 * @return ARC_OK; ARC_ERR_FORMAT (cut short, or lengths beyond its end),
 *         ARC_ERR_LIMIT (more than ARC_RED_MAX_BLOCKS) or ARC_ERR_ARG; `out`
 *         is unchanged unless ARC_OK
 */
enum arc_status arc_red_parse(const uint8_t *payload, size_t len,
                              struct arc_red *out);

/** Bytes that the parts take together with their headers. */
size_t arc_red_bytes(const struct arc_red_part *parts, int32_t n_parts);

/**
 * Write a payload.
 *
 * @param parts   In the order in which they shall stand; the last is the
 *                primary. 1..ARC_RED_MAX_BLOCKS of them
 * @param out     Room for `cap` bytes; must not overlap the parts' data
 * @param len_out Bytes written; unchanged unless ARC_OK
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_SPACE
 */
enum arc_status arc_red_build(const struct arc_red_part *parts,
                              int32_t n_parts, uint8_t *out, size_t cap,
                              size_t *len_out);
/* ARC_CDEF_END */

#endif
