/**
 * @file video/encoder.h  One interface to every video encoder
 *
 * One frame in, its packet out: no B-frames, no look-ahead, no frame threads.
 * Key frames come when they are asked for, every keyframe_interval_frames if
 * that is set, and when the encoder had to be opened anew (see below); never
 * because of a scene change. Rate control is constant bit rate with a buffer of
 * 0.3 s. H.264 is High profile (8 bits, 4:2:0), SPS and PPS in band
 * before each IDR; range and matrix of the frames are written into the VUI.
 *
 * Frames of another size or format are converted. H.264 at 4:2:0 codes even
 * sizes only: an odd picture gets its last column or row repeated once.
 *
 * The encoder is opened anew, and the next packet is then a key frame, when
 * frames come with another range or matrix than the stream says, or when the
 * bit rate changes and the library cannot follow in place
 * (arc_venc_info.in_place_bitrate).
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
#include "wire/videocodec.h"

/* ARC_CDEF_BEGIN */
#define ARC_VENC_NAME_BYTES  32
#define ARC_VENC_MAX_SPEED   7
#define ARC_VENC_MIN_BPS     10000
#define ARC_VENC_MAX_BPS     1000000000
#define ARC_VENC_MAX_FPS     1000

struct arc_venc; /* opaque */

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
};

/** An encoder that this engine knows how to drive; not: that it works here. */
struct arc_venc_info {
    const char *name;
    const char *library;
    int32_t     codec;            /* enum arc_video_codec                     */
    bool        hardware;
    bool        in_place_bitrate; /* follows a new rate without a key frame   */
};

struct arc_encoded {
    const uint8_t *data;   /* Annex B; valid until the next call              */
    int32_t        len;
    bool           is_key; /* an IDR picture                                  */
    int64_t        ts;     /* of the frame that it shows                      */
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
 * @param force_key Make it an IDR picture
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

/** The speed in use, 0..7. */
int32_t arc_venc_speed(const struct arc_venc *e);
/* ARC_CDEF_END */

#endif
