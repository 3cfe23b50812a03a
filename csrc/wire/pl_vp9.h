/**
 * @file wire/pl_vp9.h  VP9 in RTP payloads: the payload descriptor
 *
 * RFC 9628 §4.2: the bytes in front of the VP9 data say which picture, temporal
 * and spatial layer a packet belongs to, and which pictures that one needs. In
 * flexible mode each packet names its references (P_DIFF); otherwise they
 * follow a pattern, which the scalability structure (§4.2.1) announces.
 *
 * Owner:   the caller; nothing is kept, no free is needed.
 * Threads: any.
 */
#ifndef ARC_WIRE_PL_VP9_H
#define ARC_WIRE_PL_VP9_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "wire/vpxids.h"

/* ARC_CDEF_BEGIN */
#define ARC_PL_VP9_MAX_REFS     3
#define ARC_PL_VP9_MAX_SPATIAL  8
#define ARC_PL_VP9_MAX_PICTURES 255 /* of a picture group (N_G)              */

struct arc_pl_vp9 {
    uint16_t descriptor_len; /* bytes; the VP9 data follow                   */
    uint16_t ss_off;         /* of the scalability structure; 0: absent      */
    bool     is_predicted;   /* P: needs earlier pictures                    */
    bool     is_flexible;    /* F                                            */
    bool     starts_frame;   /* B: of a spatial layer's frame                */
    bool     ends_frame;     /* E: of a spatial layer's frame                */
    bool     is_no_upper_ref; /* Z: no higher spatial layer needs it         */
    bool     has_layers;     /* L                                            */
    bool     is_switching_up; /* U: later pictures of higher temporal layers
                               * need none from before this one              */
    bool     is_inter_layer; /* D: needs the spatial layer below             */
    bool     is_key_data;    /* starts_frame, and the VP9 data begin as those
                              * of a key frame do                            */
    uint8_t  tid;            /* temporal layer 0..7; 0 without has_layers    */
    uint8_t  sid;            /* spatial layer 0..7; 0 without has_layers     */
    uint8_t  n_pdiffs;       /* 0..3                                         */
    uint8_t  pdiffs[3];      /* pictures back, 1..127                        */
    struct arc_vpxids ids;   /* PictureID; TL0PICIDX if not flexible         */
};

/** One picture of a picture group (§4.2.1). */
struct arc_pl_vp9_picture {
    uint8_t tid;             /* 0..7                                         */
    bool    is_switching_up;
    uint8_t n_pdiffs;        /* 0..3                                         */
    uint8_t pdiffs[3];       /* pictures back, 0..255                        */
};

/** The scalability structure (§4.2.1). */
struct arc_pl_vp9_ss {
    uint8_t  n_spatial;      /* 1..8                                         */
    bool     has_sizes;
    bool     has_group;
    uint8_t  n_pictures;     /* in the group, 0..255                         */
    uint16_t width_px[8];
    uint16_t height_px[8];
    struct arc_pl_vp9_picture pictures[255];
};

/**
 * Read the descriptor of a payload. The whole structure is walked through.
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL) or ARC_ERR_FORMAT (cut, no data behind the
 *         descriptor, flexible mode without PictureID, a fourth reference, or
 *         a reference to the picture itself); `out` is unchanged unless ARC_OK
 */
enum arc_status arc_pl_vp9_parse(const uint8_t *payload, size_t len,
                                 struct arc_pl_vp9 *out);

/**
 * Read the scalability structure of a payload.
 *
 * @param d What arc_pl_vp9_parse() made of it
 *
 * @return ARC_OK, ARC_AGAIN (this packet has none), ARC_ERR_ARG (NULL) or
 *         ARC_ERR_FORMAT; `out` is unchanged unless ARC_OK
 */
enum arc_status arc_pl_vp9_read_ss(const uint8_t *payload, size_t len,
                                   const struct arc_pl_vp9 *d,
                                   struct arc_pl_vp9_ss *out);
/* ARC_CDEF_END */

#endif
