/**
 * @file video/decoder.h  One interface to every video decoder
 *
 * A coded picture in, the picture out: no frame threads, nothing held back but
 * what the stream's own order demands. Pictures are the library's buffers with
 * a reference, no copy, unless arc_vdec_info says otherwise; they are read only.
 *
 * Coded picture: H.264: an access unit, Annex B. VP8: a frame. VP9: a frame or a
 * superframe. AV1: a temporal unit, OBUs with sizes. Of a picture in several
 * spatial layers the highest that is there comes out.
 *
 * Damaged data never harms more than pictures, and never goes unsaid: each
 * fault is told by its kind (enum arc_vdec_fault), counted, and explained in
 * words. What cannot be decoded answers ARC_ERR_CODEC, and the decoder goes on
 * with the next key frame. What was decoded with errors, or from references of
 * which one is missing, comes with `damaged` set, and so does all that follows
 * until a key frame (H.264: or until the stream has recovered by intra refresh)
 * where the codec itself tells of the gap (H.264: frame_num; VP9: references
 * that were never there). VP8 has no such number, and AV1 and VP9 keep older
 * pictures in their places: frames that were lost whole are the caller's
 * knowledge there (rx/assemble).
 *
 * Hardware: with `hwaccel` FFmpeg's hardware decoders do the work; pictures are
 * brought to main memory, as NV12 most often.
 *
 * Owner:   arc_vdec_new(), arc_vdec_open() to arc_vdec_free(); frames outlive
 *          their decoder.
 * Threads: one caller at a time; slices and tiles may be decoded by threads of
 *          the library's own.
 * Memory:  what the libraries allocate for references is not counted by
 *          base/mem. Pictures above ARC_VDEC_MAX_PX are refused before that.
 */
#ifndef ARC_VIDEO_DECODER_H
#define ARC_VIDEO_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "video/vframe.h"
#include "wire/videocodec.h"

/* ARC_CDEF_BEGIN */
#define ARC_VDEC_MAX_BYTES   67108864 /* one coded picture; more is ARC_ERR_ARG */
#define ARC_VDEC_MAX_PX      67108864 /* one picture; 8K has half of it         */
#define ARC_VDEC_MAX_THREADS 16
#define ARC_VDEC_WORD_BYTES  96

struct arc_vdec; /* opaque */

enum arc_vdec_fault {
    ARC_VDEC_FAULT_NONE = 0,
    ARC_VDEC_FAULT_CORRUPT,     /* no picture in it, or parts of it damaged   */
    ARC_VDEC_FAULT_MISSING_REF, /* refers to a picture that never came        */
    ARC_VDEC_FAULT_NO_KEY,      /* nothing to begin with: ask for a key frame */
    ARC_VDEC_FAULT_UNSUPPORTED, /* a format or size that is not decoded       */
    ARC_VDEC_FAULT_RESOURCES,   /* out of memory, or too many pictures held   */
    ARC_VDEC_N_FAULTS,
};

struct arc_vdec_config {
    char    name[32];    /* row of arc_vdec_info(); empty: the first that opens */
    int32_t codec;       /* enum arc_video_codec                                */
    int32_t threads;     /* 1..ARC_VDEC_MAX_THREADS; 0: as many as cores        */
    char    hwaccel[16]; /* empty: software; "auto": any that opens, else
                            software; or FFmpeg's name of a device, "cuda" ...  */
};

/** A decoder that this engine knows how to drive; not: that it works here. */
struct arc_vdec_info {
    const char *name;    /* "h264", "libvpx-vp9", "libdav1d"                  */
    const char *library; /* who makes it: "FFmpeg"                            */
    int32_t     codec;   /* enum arc_video_codec                              */
    bool        hwaccel; /* can decode by hardware                            */
    bool        copies;  /* pictures are copied out of the library            */
};

struct arc_vdec_stats {
    int64_t pictures;       /* that came out                                  */
    int64_t damaged;        /* of those, with `damaged` set                   */
    int64_t key_frames;     /* of those, of key frames                        */
    int64_t bytes;          /* of coded pictures that came in                 */
    int64_t faults[6];      /* by enum arc_vdec_fault; [0] stays 0            */
    bool    needs_key;      /* nothing to begin with, or pictures rest on one that
                               was lost: ask for a key frame                  */
    int32_t last_fault;     /* of the last call; ARC_VDEC_FAULT_NONE: none    */
    char    words[96];      /* what the last fault was, in words              */
    char    name[32];       /* decoder in use                                 */
    char    hwaccel[16];    /* device in use; empty: software                 */
};

/** Row `i` of the table of decoders, in order of preference; NULL behind it. */
const struct arc_vdec_info *arc_vdec_info(int32_t i);

/** The i-th kind of device that this FFmpeg has a decoder of a codec for, by its
 *  name; NULL behind the last. Not: that there is such a device. */
const char *arc_vdec_hwaccel(int32_t codec, int32_t i);

/**
 * Open a decoder.
 *
 * @param cfg     Copied
 * @param out     Untouched unless ARC_OK
 * @param why     Reason in words when it fails, and with ARC_OK why hardware was
 *                passed over; NULL: not wanted
 * @param why_cap Bytes in `why`
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_UNSUPPORTED (unknown
 *         name, not in this build, or the library or device refuses)
 */
enum arc_status arc_vdec_open(const struct arc_vdec_config *cfg,
                              struct arc_vdec **out, char *why,
                              int32_t why_cap);

/** The same for the first decoder of a codec, in software. */
enum arc_status arc_vdec_new(int32_t codec, int32_t threads,
                             struct arc_vdec **out, char *why, int32_t why_cap);
void            arc_vdec_free(struct arc_vdec *d);

/**
 * Decode a whole coded picture.
 *
 * @param data Copied; an H.264 access unit may lack slices: what is there is
 *             decoded, the rest is concealed, and the picture is `damaged`
 * @param ts   Comes back with the picture
 * @param out  New reference; untouched unless ARC_OK
 *
 * @return ARC_OK, ARC_AGAIN (nothing to show yet), ARC_ERR_ARG, ARC_ERR_NOMEM,
 *         ARC_ERR_CODEC (see arc_vdec_stats.last_fault) or
 *         ARC_ERR_UNSUPPORTED (not 4:2:0 of 8 or 10 bits, or too large)
 */
enum arc_status arc_vdec_decode(struct arc_vdec *d, const uint8_t *data,
                                int32_t len, int64_t ts,
                                struct arc_vframe **out);

/**
 * The same for a part of one: H.264: whole NAL units; others have no parts. The
 * picture comes out with the part that holds its last macroblocks; `damaged`
 * does not tell of concealment here. For callers who know no frame bounds.
 */
enum arc_status arc_vdec_decode_part(struct arc_vdec *d, const uint8_t *data,
                                     int32_t len, int64_t ts,
                                     struct arc_vframe **out);

/** Forget all references, as after a jump; wait for a key frame. */
void arc_vdec_flush(struct arc_vdec *d);

/** @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_vdec_get_stats(const struct arc_vdec *d,
                                   struct arc_vdec_stats *out);
/* ARC_CDEF_END */

#endif
