/**
 * @file video/dec_ffmpeg_hw.h  Hardware for FFmpeg's decoders; private to
 *                              dec_ffmpeg
 *
 * Owner:   arc_dechw_open() to arc_dechw_close(); a struct of dec_ffmpeg.
 * Threads: as the decoder.
 */
#ifndef ARC_VIDEO_DEC_FFMPEG_HW_H
#define ARC_VIDEO_DEC_FFMPEG_HW_H

#include <stdbool.h>
#include <stddef.h>

#include <libavcodec/avcodec.h>

#include "base/status.h"

struct arc_dechw {
    AVBufferRef       *device;  /* NULL: software                            */
    enum AVPixelFormat format;  /* of pictures that are on the device        */
    AVFrame           *fetched; /* where one comes to in main memory         */
    char               name[16];
    bool               strict;  /* no software instead                       */
    bool               refused; /* the device does not decode this stream    */
};

/**
 * Find and open a device that decodes `codec`, before the context is opened.
 *
 * @param wanted "auto", or FFmpeg's name of a kind of device
 *
 * @return ARC_OK (with "auto" perhaps without a device: `why` tells),
 *         ARC_ERR_NOMEM or ARC_ERR_UNSUPPORTED
 */
enum arc_status arc_dechw_open(struct arc_dechw *h, AVCodecContext *ctx,
                               const AVCodec *codec, const char *wanted,
                               char *why, size_t cap);
void            arc_dechw_close(struct arc_dechw *h);

/** The format to decode to, out of those that FFmpeg offers for a stream. */
enum AVPixelFormat arc_dechw_choose(struct arc_dechw *h,
                                    const enum AVPixelFormat *offered);

/** Bring a picture to main memory if it is on the device.
 *
 *  @return 0, or FFmpeg's error number */
int arc_dechw_fetch(struct arc_dechw *h, AVFrame *frame);

#endif
