/**
 * @file wire/obu.h  AV1's open bitstream units: their headers and sizes
 *
 * AV1 bitstream specification 5.3.2, 5.3.3 (header, extension) and 4.10.5
 * (leb128). An OBU is a header of one or two bytes, its size if the header says
 * that it has one, and its payload.
 *
 * Owner:   the caller; nothing is kept.
 * Threads: any.
 */
#ifndef ARC_WIRE_OBU_H
#define ARC_WIRE_OBU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_OBU_SEQUENCE_HEADER    1 /* AV1 specification 6.2.2 */
#define ARC_OBU_TEMPORAL_DELIMITER 2
#define ARC_OBU_FRAME_HEADER       3
#define ARC_OBU_TILE_GROUP         4
#define ARC_OBU_METADATA           5
#define ARC_OBU_FRAME              6
#define ARC_OBU_REDUNDANT_HEADER   7
#define ARC_OBU_TILE_LIST          8
#define ARC_OBU_PADDING            15

struct arc_obu {
    uint8_t type;        /* 0..15                                          */
    bool    has_layers;  /* it has an extension: tid and sid               */
    bool    has_size;
    uint8_t tid;         /* temporal layer 0..7; 0 without has_layers      */
    uint8_t sid;         /* spatial layer 0..3; 0 without has_layers       */
    uint8_t header_len;  /* bytes, 1 or 2, without the size                */
    size_t  payload_off; /* from the OBU's start                           */
    size_t  payload_len; /* bytes                                          */
};

/**
 * Read the OBU at the start of `data`. One without a size reaches to the end.
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL) or ARC_ERR_FORMAT (forbidden bit, cut, or
 *         a size beyond the end); `out` is unchanged unless ARC_OK
 */
enum arc_status arc_obu_parse(const uint8_t *data, size_t len,
                              struct arc_obu *out);
/* ARC_CDEF_END */

#define ARC_OBU_HAS_SIZE_BIT   0x02
#define ARC_LEB128_MAX_BYTES   8 /* AV1 specification 4.10.5 */

/** Bytes of the shortest form of `v`. */
size_t arc_leb128_bytes(uint32_t v);

/** Write `v` into exactly `n` bytes, at least arc_leb128_bytes(v): what is more
 *  than needed is legal padding. */
void   arc_leb128_put(uint8_t *out, uint32_t v, size_t n);

/** The next number; the reader fails if it is cut, longer than 8 bytes or
 *  beyond 32 bits. */
uint32_t arc_leb128_read(struct arc_reader *r);

#endif
