/**
 * @file wire/pl_video.h  One interface over the video payload formats
 *
 * An encoder hands out one picture at a time: one frame, or, with spatial
 * layers, one frame of each, in decoding order. What it knows of each frame
 * beyond its bytes stands in struct arc_pl_layer; the payload formats write it
 * in front of the data, so that a router or a receiver can leave frames out
 * without a decoder.
 *
 * Sender:   struct arc_pl_video_tx has the numbers that run on from picture to
 *           picture; a packer cuts one picture into payloads. The dependency
 *           descriptor (AV1 RTP, appendix A), which says the same in a header
 *           extension, can be had for each payload of each codec.
 * Receiver: arc_pl_video_peek() reads what a payload says of its frame, the
 *           unpacker puts the payloads of one picture together as a decoder
 *           takes it.
 *
 * What a codec adds to that stands in wire/pl_h264.h, pl_vp8.h, pl_vp9.h and
 * pl_av1.h.
 *
 * Owner:   the caller; the structs borrow the buffers and need no free.
 * Threads: one caller at a time.
 */
#ifndef ARC_WIRE_PL_VIDEO_H
#define ARC_WIRE_PL_VIDEO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "wire/depdesc.h"
#include "wire/pl_av1.h"
#include "wire/pl_h264.h"
#include "wire/pl_vp8.h"
#include "wire/pl_vp9.h"
#include "wire/videocodec.h"
#include "wire/vpxids.h"

/* ARC_CDEF_BEGIN */
#define ARC_PL_MAX_LAYERS 8 /* frames in one picture                          */
#define ARC_PL_MAX_REFS   8 /* pictures that one frame refers to              */

/** One layer's frame in a picture. An encoder without layers fills one of these
 *  with off 0, len, is_key, is_reference, and one reference: {1}. */
struct arc_pl_layer {
    uint32_t off;             /* bytes from the picture's start               */
    uint32_t len;             /* bytes                                        */
    uint16_t width_px;        /* of the frame; 0: not told                    */
    uint16_t height_px;
    uint8_t  tid;             /* temporal layer, 0..7; VP8: 0..3              */
    uint8_t  sid;             /* spatial layer, 0..7; AV1: 0..3               */
    bool     is_key;          /* needs no earlier picture, and none after it
                               * needs one from before it: decoding can begin */
    bool     is_reference;    /* a later picture may refer to it              */
    bool     is_switching_up; /* no later frame of a higher temporal layer
                               * needs one from before this one (VP9's U)     */
    bool     is_layer_sync;   /* above the base layer: refers to frames of
                               * temporal layer 0 only (VP8's Y)              */
    bool     is_inter_layer;  /* refers to the spatial layer below it in the
                               * same picture (VP9's D)                       */
    bool     ends_picture;    /* the last frame of the picture                */
    uint8_t  n_refs;          /* 0..ARC_PL_MAX_REFS; 0 for a key frame        */
    uint8_t  refs[8];         /* each: so many pictures back, 1..127, in the
                               * same spatial layer                           */
};

/* Of one payload; the least has room for each codec's descriptor. */
#define ARC_PL_VIDEO_MIN_PAYLOAD_BYTES 52
#define ARC_PL_VIDEO_MAX_PAYLOAD_BYTES 65535
/* Bytes of the scalability structure that a packer makes: 8 sizes, 4 pictures. */
#define ARC_PL_VIDEO_MAX_SS_BYTES      42
#define ARC_PL_VIDEO_HISTORY           128 /* pictures that refs[] can reach  */

struct arc_pl_video_config {
    int32_t  codec;           /* enum arc_video_codec                         */
    uint8_t  n_temporal;      /* layers that the stream may have, 1..8; VP8
                               * 1..4, VP9 not flexible 1..3, H.264 1..8      */
    uint8_t  n_spatial;       /* 1..8; H.264, VP8 1; AV1 1..4                 */
    bool     is_single_nal;   /* H.264: packetization mode 0                  */
    bool     is_flexible;     /* VP9: frames name their references; otherwise
                               * they follow the pattern of n_temporal        */
    uint16_t picture_id;      /* of the first picture, 0..32767; best random  */
    uint8_t  tl0picidx;       /* of the first picture; best random            */
    uint8_t  keyidx;          /* of the first key frame, 0..31                */
};

/** Running numbers of one sent stream; the fields are the module's own. */
struct arc_pl_video_tx {
    struct arc_pl_video_config cfg;  /* ids in it: those of the next          */
    uint16_t frame_number;    /* of the next frame                            */
    int64_t  pictures;        /* packed so far                                */
    int64_t  key_picture;     /* of those, number of the last key picture     */
    uint8_t  chain_known;     /* bit s: chain_frame[s] is known               */
    uint16_t chain_frame[8];  /* last frame of the base temporal layer, of
                               * spatial layer s or below                     */
    uint16_t frame_numbers[128][8]; /* of past pictures, by spatial layer     */
    uint8_t  frames_there[128];     /* bit s: such a frame there was          */
};

/**
 * Begin a stream. VP9: its first picture must be a key picture.
 *
 * @return ARC_OK or ARC_ERR_ARG (NULL, or out of range)
 */
enum arc_status arc_pl_video_tx_init(struct arc_pl_video_tx *tx,
                                     const struct arc_pl_video_config *cfg);

/** Where the payload last written stands. */
struct arc_pl_video_place {
    uint8_t tid;
    uint8_t sid;
    uint8_t layer;        /* of the picture's layers, 0..7                    */
    bool    starts_frame; /* first payload of a layer's frame                 */
    bool    ends_frame;   /* last payload of it                               */
    bool    last;         /* of the picture: the RTP packet takes the marker  */
};

/** All fields are the packer's own. */
struct arc_pl_video_packer {
    int32_t                    codec;
    const uint8_t             *data;
    size_t                     max_payload_bytes;
    bool                       is_flexible;
    bool                       has_layers;
    uint8_t                    n_temporal;
    uint8_t                    n_spatial;
    uint8_t                    n_layers;
    uint8_t                    layer;    /* of the next payload               */
    bool                       in_frame; /* a payload of that layer is out    */
    struct arc_vpxids          ids;
    struct arc_pl_layer        layers[8];
    struct arc_depdesc_deps    deps[8];  /* the same for the descriptor       */
    uint16_t                   first_frame_number;
    uint8_t                    ss[42];   /* VP9: scalability structure        */
    size_t                     ss_len;
    struct arc_pl_h264_packer  h264;     /* the codec's own                   */
    struct arc_pl_vp8_packer   vp8;
    struct arc_pl_vp9_packer   vp9;
    struct arc_pl_av1_packer   av1;
};

/**
 * Begin with a picture. The running numbers step on if that is possible.
 *
 * @param data              The picture: H.264 Annex B; AV1 a temporal unit, OBUs
 *                          with sizes; VP8, VP9 the frames of `layers`. Borrowed
 *                          until the last payload is out
 * @param layers            In decoding order, sid going up, one tid
 * @param n_layers          1..n_spatial
 * @param max_payload_bytes ARC_PL_VIDEO_MIN_.. to ARC_PL_VIDEO_MAX_PAYLOAD_BYTES
 *
 * @return ARC_OK; ARC_ERR_ARG (NULL, a range, layers outside of the picture, a
 *         reference to what there was not, or VP9 does not begin with a key
 *         picture); ARC_ERR_FORMAT (the data are not
 *         what the codec makes); ARC_ERR_LIMIT (H.264 mode 0: a NAL unit is
 *         too large); ARC_ERR_UNSUPPORTED (VP9: references that the pattern does
 *         not have, or more than 3). `tx` is unchanged unless ARC_OK
 */
enum arc_status arc_pl_video_packer_init(struct arc_pl_video_packer *p,
                                         struct arc_pl_video_tx *tx,
                                         const uint8_t *data, size_t len,
                                         const struct arc_pl_layer *layers,
                                         int32_t n_layers,
                                         size_t max_payload_bytes);

/**
 * Write the next payload.
 *
 * @param out     Room for max_payload_bytes
 * @param len_out Bytes written; unchanged unless ARC_OK
 *
 * @return ARC_OK, ARC_AGAIN (after the last) or ARC_ERR_ARG
 */
enum arc_status arc_pl_video_packer_next(struct arc_pl_video_packer *p,
                                         uint8_t *out, size_t *len_out,
                                         struct arc_pl_video_place *place);

/**
 * Write the dependency descriptor of the payload last written. The first of a
 * key picture carries the structure of the stream.
 *
 * @param place   Of that payload
 * @param out     Room for `cap` bytes; ARC_DEPDESC_MAX_BYTES fit one element
 * @param len_out Bytes written; unchanged unless ARC_OK
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_SPACE, or ARC_ERR_UNSUPPORTED (more
 *         decode targets than the descriptor has: 32)
 */
enum arc_status arc_pl_video_packer_depdesc(
    const struct arc_pl_video_packer *p, const struct arc_pl_video_place *place,
    uint8_t *out, size_t cap, size_t *len_out);

/** What a payload says of its frame. */
struct arc_pl_video_info {
    bool     starts_picture;  /* H.264, AV1: as starts_frame                  */
    bool     starts_frame;    /* of a layer; H.264: a NAL unit; AV1: an OBU   */
    bool     ends_frame;      /* the same; VP8 does not say: false            */
    bool     is_key;          /* of a key frame; VP8, AV1: its first payload  */
    bool     is_reference;    /* false: no frame refers to this one           */
    bool     is_switching_up; /* as in struct arc_pl_layer                    */
    bool     is_layer_sync;
    bool     is_inter_layer;
    bool     is_predicted;    /* needs earlier pictures; true where the codec
                               * does not say                                 */
    bool     has_layers;      /* tid and sid are told                         */
    bool     has_refs;        /* refs[] are all it refers to, but for the
                               * spatial layer below                          */
    bool     has_frame_number; /* told by a dependency descriptor: refs[] count
                                * frames, else pictures                       */
    uint8_t  tid;
    uint8_t  sid;
    uint8_t  n_refs;          /* 0..16                                        */
    uint16_t frame_number;
    uint16_t refs[16];
    struct arc_vpxids ids;    /* VP8, VP9                                     */
};

/**
 * Look into a payload.
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_FORMAT or ARC_ERR_UNSUPPORTED (H.264
 *         mode 2); `out` is unchanged unless ARC_OK
 */
enum arc_status arc_pl_video_peek(int32_t codec, const uint8_t *payload,
                                  size_t len, struct arc_pl_video_info *out);

/** Put into `info` what a dependency descriptor says; it is more exact. */
void arc_pl_video_add_depdesc(const struct arc_depdesc *d,
                              const struct arc_depdesc_structure *s,
                              struct arc_pl_video_info *info);

/** All fields are the unpacker's own. */
struct arc_pl_video_unpacker {
    int32_t                     codec;
    struct arc_pl_h264_unpacker h264;
    struct arc_pl_vp8_unpacker  vp8;
    struct arc_pl_vp9_unpacker  vp9;
    struct arc_pl_av1_unpacker  av1;
};

/**
 * Begin a picture.
 *
 * @param codec enum arc_video_codec
 * @param out   Room for `cap` bytes
 *
 * @return ARC_OK or ARC_ERR_ARG
 */
enum arc_status arc_pl_video_unpacker_init(struct arc_pl_video_unpacker *u,
                                           int32_t codec, uint8_t *out,
                                           size_t cap);

/**
 * Append what a payload carries: payloads that follow each other.
 *
 * @return ARC_OK, or what is said of the codec's own: ARC_ERR_FORMAT,
 *         ARC_ERR_SPACE, ARC_ERR_LIMIT, ARC_ERR_UNSUPPORTED, ARC_ERR_ARG
 */
enum arc_status arc_pl_video_unpacker_push(struct arc_pl_video_unpacker *u,
                                           const uint8_t *payload, size_t len);

/** Whether what was pushed last ended a NAL unit (H.264), a layer's frame (VP9)
 *  or an OBU (AV1). A frame of VP8 may go on until the marker: false. */
bool            arc_pl_video_unpacker_is_whole(
    const struct arc_pl_video_unpacker *u);

/**
 * End the picture.
 *
 * @param len_out Bytes of whole units in `out`, also with ARC_ERR_FORMAT; 0:
 *                there is none
 *
 * @return ARC_OK, ARC_ERR_FORMAT (its end is missing), ARC_ERR_SPACE or
 *         ARC_ERR_ARG
 */
enum arc_status arc_pl_video_unpacker_finish(struct arc_pl_video_unpacker *u,
                                             size_t *len_out);
/* ARC_CDEF_END */

#endif
