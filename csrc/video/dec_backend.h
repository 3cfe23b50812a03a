/**
 * @file video/dec_backend.h  What a library must do to decode; private to video/
 *
 * One table of functions for each row of arc_vdec_info(). A library that this
 * build lacks has its rows too: their `open` says what is missing.
 *
 * Owner:   video/decoder opens, drives and closes.
 * Threads: as video/decoder.
 */
#ifndef ARC_VIDEO_DEC_BACKEND_H
#define ARC_VIDEO_DEC_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "video/decoder.h"

/** What became of one coded picture, besides its status. */
struct arc_dec_result {
    struct arc_vframe *frame;  /* new reference with ARC_OK                   */
    bool    damaged;           /* the library found errors in it              */
    char    words[ARC_VDEC_WORD_BYTES]; /* what was wrong; empty: not told    */
};

struct arc_dec_backend {
    struct arc_vdec_info info;

    /** @return ARC_OK, ARC_ERR_NOMEM or ARC_ERR_UNSUPPORTED with `why` */
    enum arc_status (*open)(const struct arc_dec_backend *row,
                            const struct arc_vdec_config *cfg, void **lib,
                            char *why, size_t cap);
    void (*close)(void *lib);

    /**
     * @param part See arc_vdec_decode_part()
     * @param r    Zeroed by the caller
     *
     * @return As arc_vdec_decode(), without ARC_ERR_ARG
     */
    enum arc_status (*decode)(void *lib, const uint8_t *data, int32_t len,
                              int64_t ts, bool part, struct arc_dec_result *r);
    void (*flush)(void *lib);

    /** Name of the device in use; "": software. NULL: never a device. */
    const char *(*device)(const void *lib);
};

/** Tables of the libraries, each ended by a row without a name. */
extern const struct arc_dec_backend arc_dec_ffmpeg[];
extern const struct arc_dec_backend arc_dec_ffmpeg_av1[]; /* behind dav1d */
extern const struct arc_dec_backend arc_dec_dav1d[];
extern const struct arc_dec_backend arc_dec_vpx[];

/** The matrix of H.273's MatrixCoefficients, for pictures of this size. */
int32_t arc_dec_matrix(int32_t h273, int32_t width, int32_t height);

#endif
