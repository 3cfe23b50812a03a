/**
 * @file video/layering.h  Which frame refers to which, with layers
 *
 * Temporal layers repeat after 1, 2 or 4 pictures:
 *
 *   1 layer     0 0 0 0   each refers to the picture before it
 *   2 layers    0 1 0 1   layer 1 to the last picture of layer 0
 *   3 layers    0 2 1 2   1 to the last 0; 2 to the picture before it
 *
 * so that a frame needs none of a higher layer, and nothing above layer 0 needs
 * one from before the last frame of layer 0: a receiver may come up to any layer
 * at any time. A frame of a spatial layer refers to the one below it in the same
 * picture as well.
 *
 * A library keeps references in numbered slots. Three spatial layers with three
 * temporal ones need all eight that VP9 and AV1 have:
 *
 *   s                      last frame of temporal layer 0, spatial layer s
 *   spatial + s            of the middle one
 *   2 * spatial + s        of the top one, only for the layer above in this
 *                          picture (not kept for the top spatial layer)
 *
 * Owner:   the caller; no heap.
 * Threads: one caller at a time.
 * Source:  the patterns L1T2, L1T3, L2T1 .. L3T3 of W3C WebRTC-SVC, section 6
 */
#ifndef ARC_VIDEO_LAYERING_H
#define ARC_VIDEO_LAYERING_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/pl_video.h"

#define ARC_LAYERING_SLOTS       8
#define ARC_LAYERING_MAX_LAYERS  3 /* spatial, and temporal */
#define ARC_LAYERING_NO_SLOT   (-1)

struct arc_layering {
    int32_t spatial, temporal;
    uint32_t picture;                      /* running number                  */
    int32_t  at;                           /* in the group                    */
    uint32_t held[ARC_LAYERING_SLOTS];     /* picture in each slot            */
};

/** What the encoder is to do for one frame. */
struct arc_layering_frame {
    int32_t tid;
    int32_t ref_slot;   /* of the same spatial layer; NO_SLOT: none           */
    int32_t below_slot; /* of the layer below in this picture; or NO_SLOT     */
    int32_t put_slot;   /* where it is kept; NO_SLOT: nowhere                 */
};

/** @param spatial, temporal Layers, 1..3 */
void arc_layering_init(struct arc_layering *l, int32_t spatial,
                       int32_t temporal);

/** Begin a picture. @param key Nothing before it is referred to */
void arc_layering_begin(struct arc_layering *l, bool key);

/** The temporal layer of the picture that was begun. */
int32_t arc_layering_tid(const struct arc_layering *l);

/**
 * The frame of spatial layer `sid` in the picture that was begun: ask for
 * layer 0 first.
 *
 * @param key   As for the picture
 * @param frame What the library is to be told
 * @param out   What the payload format is to be told; off, len, sizes and
 *              ends_picture are left alone
 */
void arc_layering_frame(struct arc_layering *l, int32_t sid, bool key,
                        struct arc_layering_frame *frame,
                        struct arc_pl_layer *out);

/** The picture is done. */
void arc_layering_end(struct arc_layering *l);

/** Share of a layer's rate that temporal layers 0..tid take, in percent. */
int32_t arc_layering_temporal_pct(int32_t temporal, int32_t tid);

/** Share of the whole rate that spatial layer `sid` takes, in percent: a layer
 *  of four times the samples gets 2.8 times the bits (its power of 3/4). */
int32_t arc_layering_spatial_pct(int32_t spatial, int32_t sid);

/** A side of spatial layer `sid`: halved for each layer above it, and then made
 *  even, as libvpx and libaom do. */
int32_t arc_layering_side(int32_t px, int32_t spatial, int32_t sid);

#endif
