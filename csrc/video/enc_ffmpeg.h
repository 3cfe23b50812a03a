/**
 * @file video/enc_ffmpeg.h  H.264 encoders behind libavcodec
 *
 * Used by encoder.c only, which checks the configuration and brings each frame
 * to the coded size and to the format that the library reads.
 *
 * Owner:   arc_encff_new() to arc_encff_free().
 * Threads: one caller at a time.
 */
#ifndef ARC_VIDEO_ENC_FFMPEG_H
#define ARC_VIDEO_ENC_FFMPEG_H

#include <stddef.h>

#include "video/encoder.h"

struct arc_encff; /* opaque */

/** Row `i` of the encoders that this file drives; NULL behind the last one. */
const struct arc_venc_info *arc_encff_info(int32_t i);

/** Cores of this machine, as FFmpeg counts them; at least 1. */
int32_t arc_encff_cores(void);

/**
 * @param cfg        Checked, with even size, threads and speed decided
 * @param full_range What the VUI is to say
 * @param matrix     The same
 *
 * @return ARC_OK, ARC_ERR_NOMEM or ARC_ERR_UNSUPPORTED with `why`
 */
enum arc_status arc_encff_new(const struct arc_venc_config *cfg,
                              bool full_range, int32_t matrix,
                              struct arc_encff **out, char *why, size_t cap);
void            arc_encff_free(struct arc_encff *e);

/** What it reads: ARC_PIX_I420 or ARC_PIX_NV12. */
int32_t arc_encff_format(const struct arc_encff *e);

/** As arc_venc_encode(); `frame` is of the coded size and of that format. */
enum arc_status arc_encff_encode(struct arc_encff *e,
                                 const struct arc_vframe *frame, bool force_key,
                                 struct arc_encoded *out);

/** New rate in bits per second of the configured frame rate; in place. */
void arc_encff_set_bitrate(struct arc_encff *e, int64_t bitrate_bps);

#endif
