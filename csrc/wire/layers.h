/**
 * @file wire/layers.h  Video layers allocation: the rate of each layer sent
 *
 * The RTP header extension "video-layers-allocation00" of webrtc.org: for each
 * RTP stream of a simulcast and each spatial layer in it, the target rate of
 * every temporal layer, and the resolution and frame rate if the sender says.
 *
 * Owner:   the caller; nothing is kept, no free is needed.
 * Threads: any.
 */
#ifndef ARC_WIRE_LAYERS_H
#define ARC_WIRE_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_LAYERS_MAX_BYTES 407 /* 1 + 2 + 4 + 64 * 5 + 16 * 5             */

struct arc_layer {
    uint8_t  n_temporal;    /* 0: the layer is not sent; else 1..4            */
    uint32_t rate_kbps[4];  /* to receive this temporal layer, with all below */
    uint32_t width_px;      /* 1..65536; with has_sizes                       */
    uint32_t height_px;     /* 1..65536; with has_sizes                       */
    uint8_t  max_frame_rate_hz;
};

struct arc_layers {
    uint8_t          n_streams;    /* 1..4; 0: nothing is sent                */
    uint8_t          stream_index; /* of the stream that carries this, 0..3   */
    bool             has_sizes;
    struct arc_layer layers[4][4]; /* [stream][spatial]                       */
};

/**
 * Read the value of an element.
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL) or ARC_ERR_FORMAT; `out` is unchanged
 *         unless ARC_OK
 */
enum arc_status arc_layers_read(const uint8_t *value, size_t len,
                                struct arc_layers *out);

/**
 * Make the value of an element; a value of more than 255 bytes fits none.
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL, a range, streams without any layer) or
 *         ARC_ERR_SPACE; `len_out` is unchanged unless ARC_OK
 */
enum arc_status arc_layers_write(const struct arc_layers *in, uint8_t *out,
                                 size_t cap, size_t *len_out);
/* ARC_CDEF_END */

#endif
