/**
 * @file rx/framerefs.h  Whether a received frame can be decoded: are the frames
 *                       that it refers to there?
 *
 * What a frame refers to, its payloads say (wire/pl_video.h), each format in its
 * own way:
 *   - by reference: VP9 in flexible mode (RFC 9628 §4.2, P_DIFF), and any codec
 *     with a dependency descriptor (AV1 RTP, appendix A);
 *   - by pattern: VP9 otherwise, once the scalability structure with the group
 *     of pictures has come (§4.2.1); pictures from before that one go by order;
 *   - by temporal layers: VP8 with TL0PICIDX (RFC 7741 §4.2);
 *   - by order: all others. Each frame needs all before it, but for those that
 *     said that nothing refers to them (VP8 with PictureID), and is known to
 *     follow if its packets do (H.264, AV1 without a descriptor).
 *
 * So a lost frame that nobody refers to breaks nothing, and the loss of one of
 * an upper layer leaves those below it.
 *
 * The owner says of each frame, in any order, that it came (note), and asks of
 * a complete one whether it can be decoded (judge). What was decoded it tells
 * (on_decoded): frames before that one are past. What will not come any more it
 * tells, too (give_up). A frame is one spatial layer's of one picture.
 *
 * Owner:   the caller; no heap, no free.
 * Threads: one caller at a time.
 * Bounds:  remembers the last ARC_FRAMEREFS_WINDOW pictures (frames, with a
 *          dependency descriptor). References beyond are gone.
 */
#ifndef ARC_RX_FRAMEREFS_H
#define ARC_RX_FRAMEREFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "wire/pl_video.h"

/* ARC_CDEF_BEGIN */
#define ARC_FRAMEREFS_WINDOW    512
#define ARC_FRAMEREFS_MAX_GROUP 16 /* pictures of VP9's group that are kept    */

enum arc_frame_verdict {
    ARC_FRAME_DECODABLE = 0,
    ARC_FRAME_WAIT,   /* a frame that it refers to may still come             */
    ARC_FRAME_BROKEN, /* .. will not come: leave this one out                 */
    ARC_FRAME_LATE,   /* it, or a later one, was decoded already              */
};

/** A frame: what its payloads say, and which packets it has. */
struct arc_framerefs_frame {
    struct arc_pl_video_info info; /* of its first payload; is_reference of any */
    int64_t first_seq;             /* unwrapped RTP sequence numbers. Packets
                                    * without payload that stand between two
                                    * frames count to the second              */
    int64_t last_seq;
};

/** What is known of one picture (frame, with a dependency descriptor). */
struct arc_framerefs_slot {
    int64_t id;            /* whose it is                                     */
    uint8_t decoded;       /* bit s: the frame of spatial layer s             */
    uint8_t broken;        /* bit s: it was judged so                         */
    uint8_t tid;
    bool    is_seen;       /* a packet of it came                             */
    bool    is_disposable; /* and said that nothing refers to it              */
    bool    is_switching_up;
};

struct arc_framerefs_stats {
    int64_t decoded;     /* frames told decoded                               */
    int64_t key_frames;  /* of those                                          */
    int64_t broken;      /* judged so                                         */
    int64_t base_broken; /* of those, frames that the base layers need        */
    int64_t late;        /* judged so                                         */
};

/** All fields but `stats` are the module's own. */
struct arc_framerefs {
    struct arc_framerefs_stats stats;
    int32_t  codec;
    bool     started;      /* a key frame was decoded                         */
    bool     needs_key;
    bool     has_newest;
    bool     has_gone;
    int64_t  newest_id;    /* for unwrapping                                  */
    int64_t  key_id;       /* of the last key frame                           */
    int64_t  last_id;      /* of the frame decoded last                       */
    int64_t  next_seq;     /* behind it                                       */
    int64_t  gone_id;      /* frames before this one will not come:           */
    uint8_t  gone_sid;     /* .. and this layer of it                         */
    int64_t  gone_seq;     /* .. with their packets                           */
    int64_t  broken_seq;   /* of the base frame that needs_key is due to      */
    int64_t  base_id;      /* VP8: last base frame                            */
    uint8_t  base_tl0;     /* VP8: its TL0PICIDX                              */
    uint8_t  intact;       /* VP8: bit t: what a frame of layer t may refer to
                            * above the base layer was all decoded            */
    int64_t  group_id;     /* VP9: picture that the group begins with         */
    uint8_t  n_group;      /* pictures in it; 0: none is known                */
    struct arc_pl_vp9_picture group[16];
    struct arc_framerefs_slot slots[512];
};

/** @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_framerefs_init(struct arc_framerefs *r, int32_t codec);

/**
 * A packet of a frame came. At least once for each frame, complete or not,
 * before it is judged; the more, the less is waited for.
 *
 * @param payload The packet's, for VP9's scalability structure; NULL with len 0:
 *                not at hand
 */
void arc_framerefs_note(struct arc_framerefs *r,
                        const struct arc_pl_video_info *info,
                        const uint8_t *payload, size_t len);

/** Whether a complete frame can be decoded now. */
enum arc_frame_verdict arc_framerefs_judge(
    struct arc_framerefs *r, const struct arc_framerefs_frame *f);

/** The frame was handed to the decoder, which took it. Frames sent before it are
 *  past: they will be judged late. */
void arc_framerefs_on_decoded(struct arc_framerefs *r,
                              const struct arc_framerefs_frame *f);

/** Nothing that was sent before this frame is waited for any longer. Then the
 *  verdict on it is not ARC_FRAME_WAIT. */
void arc_framerefs_give_up(struct arc_framerefs *r,
                           const struct arc_framerefs_frame *f);

/** Whether the stream cannot go on without a key frame: none was decoded yet, or
 *  since the last one a frame of the base layers was judged broken and no later
 *  one was decoded. */
bool arc_framerefs_needs_key(const struct arc_framerefs *r);
/* ARC_CDEF_END */

#endif
