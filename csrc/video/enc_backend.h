/**
 * @file video/enc_backend.h  What an encoder library must do for video/encoder
 *
 * One table of functions for each library, in the one file that includes it.
 * encoder.c checks what callers give, brings each frame to the coded size and to
 * the format that the library reads, and opens a library anew where it cannot
 * follow in place. Private to video/.
 *
 * Owner:   `open` makes what `close` frees; the tables are static.
 * Threads: one caller at a time for what `open` made.
 */
#ifndef ARC_VIDEO_ENC_BACKEND_H
#define ARC_VIDEO_ENC_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "video/encoder.h"

/** How a library is opened. */
struct arc_enc_setup {
    const struct arc_venc_info   *info;
    const struct arc_venc_config *cfg; /* checked; size as coded, threads and
                                          speed decided                       */
    bool    full_range;                /* what the stream is to say           */
    int32_t matrix;
};

/** How quick an encoder is: luma samples a second that one core does at each
 *  speed, at 720p and 1.5 Mb/s on a 2-core x86-64 server (bench/bench_video.py). */
struct arc_enc_pace {
    int32_t codec; /* enum arc_video_codec */
    int64_t px_per_core_s[ARC_VENC_MAX_SPEED + 1];
};

struct arc_enc_backend {
    /** Encoder `i`, from 0, in order of preference; NULL behind the last one. */
    const struct arc_venc_info *(*row)(int32_t i);
    const struct arc_enc_pace *paces; /* one for each codec it has            */

    /**
     * @return ARC_OK, ARC_ERR_NOMEM, or ARC_ERR_UNSUPPORTED with `why`. NULL:
     *         this build is without the library
     */
    enum arc_status (*open)(const struct arc_enc_setup *setup, void **out,
                            char *why, size_t cap);
    void (*close)(void *lib);

    /** What it reads: ARC_PIX_I420 or ARC_PIX_NV12. */
    int32_t (*format)(const void *lib);

    /** As arc_venc_encode(); `frame` is of the coded size and of that format. */
    enum arc_status (*encode)(void *lib, const struct arc_vframe *frame,
                              bool force_key, struct arc_encoded *out);

    /** Follow in place; called for rows with in_place_bitrate only. */
    void (*set_rate)(void *lib, int32_t bitrate_bps, int32_t num, int32_t den);

    /** Follow in place. @return false: not from this size to that one. NULL:
     *  never */
    bool (*set_size)(void *lib, int32_t width, int32_t height);
};

extern const struct arc_enc_backend arc_enc_ffmpeg, arc_enc_vpx, arc_enc_aom,
                                    arc_enc_ffmpeg_last;

/** Cores of this machine, as FFmpeg counts them; at least 1. */
int32_t arc_enc_cores(void);

/**
 * A quantizer, of 0..63 as libvpx and libaom count, below which the first frames
 * at a new rate shall not go. The rate controls follow what comes out, and would
 * let the first frames grow to three times their share.
 */
int32_t arc_enc_floor_q(int32_t last_q, int32_t lowest, int64_t old_bps,
                        int64_t new_bps);

/** Describe a packet without layers: it refers to the one before it. */
void arc_enc_one_layer(struct arc_encoded *out, int32_t width, int32_t height);

#endif
