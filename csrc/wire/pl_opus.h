/**
 * @file wire/pl_opus.h  What an Opus payload says about itself
 *
 * RFC 7587 §4.2: an RTP payload is one Opus packet. RFC 6716 §3: its first
 * byte (TOC) and what follows give mode, bandwidth, channels and frames; the
 * rules R1..R7 of §3.4 are all checked. No decoder is needed.
 *
 * Owner:   the caller; nothing is kept.
 * Threads: any.
 */
#ifndef ARC_WIRE_PL_OPUS_H
#define ARC_WIRE_PL_OPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_PL_OPUS_MAX_FRAMES      48     /* 120 ms of 2.5 ms (§3.2.5)       */
#define ARC_PL_OPUS_MAX_FRAME_BYTES 1275   /* R2                              */
#define ARC_PL_OPUS_MAX_DURATION_US 120000 /* R5                              */

enum arc_pl_opus_mode {
    ARC_PL_OPUS_SILK = 0,
    ARC_PL_OPUS_HYBRID,
    ARC_PL_OPUS_CELT,
};

enum arc_pl_opus_bandwidth { /* audio bandwidth (§2.1.3)                      */
    ARC_PL_OPUS_NB = 0,      /*  4 kHz                                        */
    ARC_PL_OPUS_MB,          /*  6 kHz                                        */
    ARC_PL_OPUS_WB,          /*  8 kHz                                        */
    ARC_PL_OPUS_SWB,         /* 12 kHz                                        */
    ARC_PL_OPUS_FB,          /* 20 kHz                                        */
};

struct arc_pl_opus {
    uint8_t  config;      /* 0..31, of the TOC (§3.1)                         */
    bool     stereo;
    int32_t  mode;        /* enum arc_pl_opus_mode                            */
    int32_t  bandwidth;   /* enum arc_pl_opus_bandwidth                       */
    int32_t  frame_us;    /* 2500, 5000, 10000, 20000, 40000 or 60000         */
    int32_t  n_frames;    /* 1..48                                            */
    int32_t  duration_us; /* frame_us * n_frames, at most 120000              */
    int32_t  padding_len; /* bytes of padding behind the last frame           */
    uint16_t frame_off[48]; /* from the start of the payload                  */
    uint16_t frame_len[48]; /* bytes, 0..1275; 0 or 1: nothing was sent (DTX) */
};

/**
 * Parse a payload.
 *
 * @param len 1..65535
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL) or ARC_ERR_FORMAT; `out` is unchanged
 *         unless ARC_OK
 */
enum arc_status arc_pl_opus_parse(const uint8_t *payload, size_t len,
                                  struct arc_pl_opus *out);

/**
 * Whether a packet may hold speech, by the VAD flags its encoder wrote.
 *
 * @return false: SILK codes all its frames, and marks each as inactive (RFC 6716
 *         §4.2.3), or nothing was sent in them. true: any other packet, also one
 *         with CELT, which has no such flags, or that breaks the rules
 */
bool arc_pl_opus_may_be_speech(const uint8_t *payload, size_t len);
/* ARC_CDEF_END */

#endif
