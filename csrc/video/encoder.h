/**
 * @file video/encoder.h  One interface to every video encoder
 *
 * One frame in, its packet out: no B-frames, no look-ahead, no frame threads.
 * Key frames come when they are asked for, every keyframe_interval_frames if
 * that is set, and when the encoder had to be opened anew (see below); never
 * because of a scene change. Rate control is constant bit rate with a buffer of
 * 0.3 s (x264) to 0.5 s.
 *
 * H.264 is High profile (8 bits, 4:2:0), SPS and PPS in band before each IDR. AV1
 * is profile Main in the low-overhead format (AV1 specification, section 5.2), a
 * sequence header before each key frame. Range and matrix of the frames are
 * written into the stream; VP8 has no place for them.
 *
 * Frames of another size or format are converted. H.264 at 4:2:0, and spatial
 * layers, have even sizes only: an odd picture gets its last column or row
 * repeated once.
 *
 * The encoder is opened anew, and the next packet is then a key frame, when
 * frames come with another range or matrix than the stream says, and when the
 * bit rate or the size changes and the library cannot follow in place
 * (arc_venc_info).
 *
 * Owner:   arc_venc_new() to arc_venc_free().
 * Threads: one caller at a time. Libraries make threads of their own.
 * Memory:  frames and packets of the libraries are not counted by base/mem.
 */
#ifndef ARC_VIDEO_ENCODER_H
#define ARC_VIDEO_ENCODER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "video/vframe.h"
#include "wire/pl_video.h"
#include "wire/videocodec.h"

/* ARC_CDEF_BEGIN */
#define ARC_VENC_NAME_BYTES  32
#define ARC_VENC_MAX_SPEED   7
#define ARC_VENC_MIN_BPS     10000
#define ARC_VENC_MAX_BPS     1000000000
#define ARC_VENC_MAX_FPS     1000
#define ARC_VENC_MIN_PX      16 /* width and height */

struct arc_venc; /* opaque */

enum arc_content {
    ARC_CONTENT_CAMERA = 0,
    ARC_CONTENT_SCREEN, /* text and windows: sharp edges, few colours         */
};

struct arc_venc_config {
    char    name[32];       /* library's name of the encoder, "libx264" ...   */
    int32_t codec;          /* enum arc_video_codec; must fit the name        */
    int32_t width;          /* pixels; 16..ARC_VFRAME_MAX_PX                  */
    int32_t height;
    int32_t frame_rate_num; /* frames per second, 1..1000 as a fraction       */
    int32_t frame_rate_den;
    int32_t bitrate_bps;    /* ARC_VENC_MIN_BPS..ARC_VENC_MAX_BPS             */
    int32_t keyframe_interval_frames; /* 0: only on request                   */
    int32_t threads;        /* slices in parallel, 1..16; 0: by size, cores   */
    int32_t speed;          /* 0 best picture .. 7 quickest; -1: by size,
                               frame rate and cores; hardware ignores it      */
    int32_t content;        /* enum arc_content                               */
    int32_t temporal_layers; /* 1..max_temporal_layers of its row; 0: 1       */
    int32_t spatial_layers; /* 1..max_spatial_layers of its row; 0: 1. The top
                               one has width x height, each below it half     */
    bool    intra_refresh;  /* heal losses without key frames: columns coded
                               anew in turn, once in keyframe_interval_frames
                               (0: in two seconds), where the encoder has it;
                               else no statistics carried over from frames
                               that may be lost (VP8, VP9, AV1)               */
    int32_t max_nal_bytes;  /* H.264: so long a NAL unit may be, in encoders that
                               cut slices to it (x264, OpenH264); 0: any length */
};

/** An encoder that this engine knows how to drive; not: that it works here. */
struct arc_venc_info {
    const char *name;
    const char *library;
    int32_t     codec;            /* enum arc_video_codec                     */
    bool        hardware;
    bool        in_place_bitrate; /* follows a new rate without a key frame   */
    bool        in_place_size;    /* takes a new size without being opened
                                     anew, if it has no layers                */
    bool        copies_input;     /* has read a frame when arc_venc_encode()
                                     returns, and nothing past its rows       */
    int32_t     max_temporal_layers;
    int32_t     max_spatial_layers;
};

struct arc_encoded {
    const uint8_t *data;   /* H.264: Annex B; VP8, VP9: the frames; AV1: a
                              temporal unit. Valid until the next call        */
    int32_t        len;
    bool           is_key; /* decoding can begin here                         */
    int64_t        ts;     /* of the frame that it shows                      */
    int32_t        n_layers; /* at least 1                                    */
    struct arc_pl_layer layers[8]; /* ARC_PL_MAX_LAYERS                       */
};

/** Row `i` of the table of encoders, in order of preference; NULL behind it. */
const struct arc_venc_info *arc_venc_info(int32_t i);

/**
 * Open an encoder.
 *
 * @param cfg     Copied
 * @param out     Encoder, untouched unless ARC_OK
 * @param why     Reason in words when it fails, "h264_nvenc: Cannot load
 *                libcuda.so.1"; NULL: not wanted
 * @param why_cap Bytes in `why`
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_UNSUPPORTED (unknown
 *         name, not in this build, or the library or device refuses)
 */
enum arc_status arc_venc_new(const struct arc_venc_config *cfg,
                             struct arc_venc **out, char *why, int32_t why_cap);
void            arc_venc_free(struct arc_venc *e);

/**
 * Encode a frame.
 *
 * @param frame     Any format and size; read only, may be shared
 * @param force_key Make it a key frame
 * @param out       Its packet, if ARC_OK
 *
 * @return ARC_OK, ARC_AGAIN (the encoder dropped the frame), ARC_ERR_ARG,
 *         ARC_ERR_NOMEM, ARC_ERR_LIBRARY (scaler) or ARC_ERR_CODEC
 */
enum arc_status arc_venc_encode(struct arc_venc *e,
                                const struct arc_vframe *frame, bool force_key,
                                struct arc_encoded *out);

/**
 * Follow a new bit rate or frame rate from the next frame on. The frame rate is
 * only what the rate control plans with: time stamps are the caller's.
 *
 * @return ARC_OK or ARC_ERR_ARG
 */
enum arc_status arc_venc_set_bitrate(struct arc_venc *e, int32_t bitrate_bps);
enum arc_status arc_venc_set_frame_rate(struct arc_venc *e, int32_t num,
                                        int32_t den);

/**
 * Code another size from the next frame on: in place where the library can, else
 * it is opened anew and that frame is a key frame. It may be one in any case:
 * VP8 changes its size with key frames only, others when they grow beyond the
 * size that they were opened with.
 *
 * @return ARC_OK or ARC_ERR_ARG (out of range; nothing is changed)
 */
enum arc_status arc_venc_set_size(struct arc_venc *e, int32_t width,
                                  int32_t height);

/** The speed in use, 0..7. */
int32_t arc_venc_speed(const struct arc_venc *e);
/* ARC_CDEF_END */

#endif
