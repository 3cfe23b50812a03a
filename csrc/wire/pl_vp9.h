/**
 * @file wire/pl_vp9.h  VP9 in RTP payloads
 *
 * RFC 9628 §4.2: the bytes in front of the VP9 data, the payload descriptor, say
 * which picture, temporal and spatial layer a packet belongs to, and which
 * pictures that one needs. In flexible mode each packet names its references
 * (P_DIFF); otherwise they follow a pattern, which the scalability structure
 * (§4.2.1) announces.
 *
 * Packer:   the frame of one spatial layer in, payloads of nearly equal size out
 *           until ARC_AGAIN; the structure stands in the first.
 * Unpacker: payloads of one picture without a gap in, the picture out. Frames of
 *           several spatial layers become a superframe (VP9 bitstream
 *           specification, annex B), as decoders take it. It knows no sequence
 *           numbers: who calls it gives it only payloads that follow each other.
 *
 * Owner:   the caller; the structs borrow the buffers and need no free.
 * Threads: one caller at a time.
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

#define ARC_PL_VP9_MIN_PAYLOAD_BYTES 16
#define ARC_PL_VP9_MAX_PAYLOAD_BYTES 65535
/* Of all but the structure: first byte, PictureID, layers, references. */
#define ARC_PL_VP9_MAX_PLAIN_BYTES   8
/* One byte, sizes of 8 layers, and 255 pictures of 4 bytes. */
#define ARC_PL_VP9_MAX_SS_BYTES      1054

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

/**
 * Write a scalability structure.
 *
 * @param out     Room for `cap` bytes; ARC_PL_VP9_MAX_SS_BYTES always suffice
 * @param len_out Bytes written; unchanged unless ARC_OK
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL or a value out of its range) or
 *         ARC_ERR_SPACE
 */
enum arc_status arc_pl_vp9_write_ss(const struct arc_pl_vp9_ss *ss,
                                    uint8_t *out, size_t cap, size_t *len_out);

/**
 * Write a descriptor without a structure; who appends one sets
 * ARC_PL_VP9_V_BIT in its first byte.
 *
 * @param d   PictureID is present if picture_id_bits is 7 or 15. TL0PICIDX is
 *            written with has_layers if not is_flexible. Offsets, lengths and
 *            is_key_data are not looked at
 * @param out Room for ARC_PL_VP9_MAX_PLAIN_BYTES
 *
 * @return Bytes written, 1..8; 0: a value is out of its range, flexible mode
 *         without PictureID, or references that do not fit is_predicted
 */
size_t arc_pl_vp9_write(const struct arc_pl_vp9 *d, uint8_t *out);

/** All fields are the packer's own. */
struct arc_pl_vp9_packer {
    const uint8_t    *data;
    size_t            len;
    size_t            max_payload_bytes;
    size_t            pos;      /* bytes sent                                */
    const uint8_t    *ss;       /* for the first payload; NULL: none         */
    size_t            ss_len;   /* bytes left to send of it                  */
    size_t            head_len; /* bytes of each descriptor, without it      */
    struct arc_pl_vp9 head;
};

/**
 * Begin with the frame of one spatial layer.
 *
 * @param head              As arc_pl_vp9_write() takes it; B and E are the
 *                          packer's
 * @param ss                A structure as arc_pl_vp9_write_ss() wrote it,
 *                          borrowed until the first payload is out; NULL: none
 * @param data              Borrowed until the last payload is out
 * @param max_payload_bytes ARC_PL_VP9_MIN_.. to ARC_PL_VP9_MAX_PAYLOAD_BYTES,
 *                          and room for descriptor, structure and a byte
 *
 * @return ARC_OK or ARC_ERR_ARG
 */
enum arc_status arc_pl_vp9_packer_init(struct arc_pl_vp9_packer *p,
                                       const struct arc_pl_vp9 *head,
                                       const uint8_t *ss, size_t ss_len,
                                       const uint8_t *data, size_t len,
                                       size_t max_payload_bytes);

/**
 * Write the next payload.
 *
 * @param out      Room for max_payload_bytes
 * @param len_out  Bytes written; unchanged unless ARC_OK
 * @param last_out True for the last payload of the frame; unchanged unless
 *                 ARC_OK. The marker belongs to that of the picture's last
 *                 frame (§4.1)
 *
 * @return ARC_OK, ARC_AGAIN (after the last) or ARC_ERR_ARG
 */
enum arc_status arc_pl_vp9_packer_next(struct arc_pl_vp9_packer *p,
                                       uint8_t *out, size_t *len_out,
                                       bool *last_out);

/** All fields are the unpacker's own; dropped_frames may be read. */
struct arc_pl_vp9_unpacker {
    uint8_t *out;
    size_t   cap;
    size_t   len;             /* bytes of whole frames and of the open one    */
    bool     open;            /* a frame has begun, its end is not here yet   */
    uint8_t  open_sid;        /* spatial layer of the open frame              */
    uint8_t  n_frames;        /* whole ones                                   */
    struct arc_vpxids ids;    /* of the picture's first payload               */
    size_t   frame_end[8];    /* bytes from the picture's start               */
    int32_t  dropped_frames;  /* frames that were begun and not kept          */
};

/** @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_pl_vp9_unpacker_init(struct arc_pl_vp9_unpacker *u,
                                         uint8_t *out, size_t cap);

/**
 * Append what a payload carries.
 *
 * After a fault the unpacker is ready for the first payload of a frame; what it
 * holds is whole frames only. A frame whose last payload (E) did not come before
 * another one begins is taken out: then the answer is ARC_ERR_FORMAT although
 * this payload was appended.
 *
 * @return ARC_OK, ARC_ERR_FORMAT (malformed, without the frame's beginning, of
 *         another picture or layer than that, or the case above), ARC_ERR_LIMIT
 *         (a ninth frame), ARC_ERR_SPACE (`cap`) or ARC_ERR_ARG
 */
enum arc_status arc_pl_vp9_unpacker_push(struct arc_pl_vp9_unpacker *u,
                                         const uint8_t *payload, size_t len);

/**
 * End the picture.
 *
 * @param len_out Bytes of the picture in `out`, also with ARC_ERR_FORMAT; with
 *                several frames, the index of the superframe included
 *
 * @return ARC_OK, ARC_ERR_FORMAT (an open frame was taken out), ARC_ERR_SPACE
 *         (no room for the index: len_out is 0) or ARC_ERR_ARG
 */
enum arc_status arc_pl_vp9_unpacker_finish(struct arc_pl_vp9_unpacker *u,
                                           size_t *len_out);
/* ARC_CDEF_END */

/* The first byte says that a structure follows the fields of the descriptor. */
#define ARC_PL_VP9_V_BIT 0x02

#endif
