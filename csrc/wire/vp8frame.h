/**
 * @file wire/vp8frame.h  What the first bytes of a VP8 frame say
 *
 * RFC 6386 §9.1 (frame tag, size of a key frame) and as much of the frame header
 * (§9.2 to §9.5, coded with the boolean decoder of §7) as leads to the number of
 * partitions. A payload format that cuts a frame at its partitions needs no more.
 *
 * Owner:   the caller; nothing is kept, no free is needed.
 * Threads: any.
 */
#ifndef ARC_WIRE_VP8FRAME_H
#define ARC_WIRE_VP8FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_VP8FRAME_MAX_PARTITIONS 9 /* modes, and 1, 2, 4 or 8 of coefficients */

struct arc_vp8frame {
    bool     is_key;
    bool     is_shown;
    uint8_t  version;         /* 0..3, as the tag has it                      */
    uint8_t  n_partitions;    /* 2..9, the one of modes included              */
    uint16_t width_px;        /* of a key frame, 1..16383; else 0             */
    uint16_t height_px;
    uint32_t partition_end[9]; /* bytes from the frame's start. The first holds
                               * tag, modes and the table of sizes            */
};

/**
 * Read the beginning of a frame.
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL) or ARC_ERR_FORMAT (cut, no start code in a
 *         key frame, a size of zero, or partitions beyond the end); `out` is
 *         unchanged unless ARC_OK
 */
enum arc_status arc_vp8frame_parse(const uint8_t *data, size_t len,
                                   struct arc_vp8frame *out);
/* ARC_CDEF_END */

#endif
