/**
 * @file wire/extval.h  Values of the common RTP header extensions
 *
 * A pair for each: `read` takes the value of one element, `write` makes it. The
 * element around it is the business of wire/rtpext. Reserved bits are written
 * as zeros and not looked at.
 *
 * Every `read` returns ARC_OK, ARC_ERR_FORMAT (no such value has this length or
 * these bytes) or ARC_ERR_ARG (NULL); `out` is unchanged unless ARC_OK. Every
 * `write` returns ARC_OK, ARC_ERR_ARG (NULL, or out of range) or ARC_ERR_SPACE;
 * `len_out` is unchanged unless ARC_OK, and ARC_EXTVAL_MAX_BYTES are always
 * enough.
 *
 * Owner:   the caller; nothing is kept, no free is needed.
 * Threads: any.
 * Time:    each field says which clock it is of.
 */
#ifndef ARC_WIRE_EXTVAL_H
#define ARC_WIRE_EXTVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_EXTVAL_MAX_BYTES  28 /* but for text: up to 255                  */
#define ARC_EXTVAL_MAX_LEVELS 15 /* as many as CSRCs (RFC 6465 §4)           */

/** RFC 6464: 1 byte. */
struct arc_audio_level {
    uint8_t level_neg_dbov; /* 0: loudest .. 127: silence                    */
    bool    voice;          /* the sender believes that somebody speaks      */
};

enum arc_status arc_extval_read_audio_level(const uint8_t *value, size_t len,
                                            struct arc_audio_level *out);
enum arc_status arc_extval_write_audio_level(const struct arc_audio_level *in,
                                             uint8_t *out, size_t cap,
                                             size_t *len_out);

/** RFC 6465: 1..15 bytes, one a CSRC, in their order. */
struct arc_mixer_levels {
    uint8_t n;                  /* 1..ARC_EXTVAL_MAX_LEVELS                  */
    uint8_t level_neg_dbov[15]; /* 0..127 each; the first n                  */
};

enum arc_status arc_extval_read_mixer_levels(const uint8_t *value, size_t len,
                                             struct arc_mixer_levels *out);
enum arc_status arc_extval_write_mixer_levels(const struct arc_mixer_levels *in,
                                              uint8_t *out, size_t cap,
                                              size_t *len_out);

/** Items of RTCP SDES as header extensions (RFC 7941). */
enum arc_extval_text {
    ARC_EXTVAL_MID, /* token of RFC 5888 §4 (RFC 8843 §15)                   */
    ARC_EXTVAL_RID, /* letters and digits of ASCII (RFC 8852 §3)             */
};

/** Whether these bytes, 1..255, may stand in such an item: ARC_OK or FORMAT. */
enum arc_status arc_extval_check_text(enum arc_extval_text kind,
                                      const uint8_t *value, size_t len);

/**
 * Absolute send time, 3 bytes: seconds modulo 64 with 18 bits of fraction
 * (webrtc.org, "abs-send-time"), 0..0xffffff.
 */
enum arc_status arc_extval_read_abs_send_time(const uint8_t *value, size_t len,
                                              uint32_t *out);
enum arc_status arc_extval_write_abs_send_time(uint32_t in, uint8_t *out,
                                               size_t cap, size_t *len_out);

/** The same out of a time in microseconds, of any epoch that both ends keep. */
uint32_t arc_extval_abs_send_time(uint64_t time_us);

/**
 * Transport-wide sequence number: 2 bytes (draft-holmer-rmcat-transport-wide-
 * cc-extensions-01 §2), or 4 with a request (webrtc.org, "transport-wide-cc-02").
 */
struct arc_transport_seq {
    uint16_t seq16;
    bool     has_request;    /* 4 bytes                                      */
    bool     want_timing;    /* in the feedback asked for                    */
    uint16_t n_history_pkts; /* that the feedback covers, 0..32767; 0: none  */
};

enum arc_status arc_extval_read_transport_seq(const uint8_t *value, size_t len,
                                              struct arc_transport_seq *out);
enum arc_status
arc_extval_write_transport_seq(const struct arc_transport_seq *in, uint8_t *out,
                               size_t cap, size_t *len_out);

/** Coordination of video orientation: 1 byte (3GPP TS 26.114 §7.4.5). */
struct arc_orientation {
    uint16_t rotation_deg; /* clockwise, for upright: 0, 90, 180, 270        */
    bool     flipped;      /* left and right, before the rotation            */
    bool     back_camera;  /* faces away from the user                       */
};

enum arc_status arc_extval_read_orientation(const uint8_t *value, size_t len,
                                            struct arc_orientation *out);
enum arc_status arc_extval_write_orientation(const struct arc_orientation *in,
                                             uint8_t *out, size_t cap,
                                             size_t *len_out);

/** Limits of the play-out delay: 3 bytes (webrtc.org, "playout-delay"). */
struct arc_playout_delay {
    uint16_t min_ms; /* 0..max_ms, a multiple of 10                          */
    uint16_t max_ms; /* 0..40950, a multiple of 10                           */
};

enum arc_status arc_extval_read_playout_delay(const uint8_t *value, size_t len,
                                              struct arc_playout_delay *out);
enum arc_status
arc_extval_write_playout_delay(const struct arc_playout_delay *in, uint8_t *out,
                               size_t cap, size_t *len_out);

/** Absolute capture time: 8 or 16 bytes (webrtc.org, "abs-capture-time"). */
struct arc_capture_time {
    uint64_t ntp64;      /* wall clock of the capturing system               */
    bool     has_offset; /* 16 bytes                                         */
    int64_t  offset_q32; /* that clock minus the sender's, 2^-32 s           */
};

enum arc_status arc_extval_read_capture_time(const uint8_t *value, size_t len,
                                             struct arc_capture_time *out);
enum arc_status arc_extval_write_capture_time(const struct arc_capture_time *in,
                                              uint8_t *out, size_t cap,
                                              size_t *len_out);

/** Transmission time offset: 3 bytes (RFC 5450 §3), -2^23..2^23-1 ticks. */
enum arc_status arc_extval_read_toffset(const uint8_t *value, size_t len,
                                        int32_t *out_ticks);
enum arc_status arc_extval_write_toffset(int32_t in_ticks, uint8_t *out,
                                         size_t cap, size_t *len_out);

/** Colour space: 4 bytes, or 28 with HDR (webrtc.org, "color-space"). */
struct arc_color_space {
    uint8_t primaries; /* ITU-T H.273 table 2                                */
    uint8_t transfer;  /* table 3                                            */
    uint8_t matrix;    /* table 4                                            */
    uint8_t range;     /* of WebM: 0 unknown, 1 limited, 2 full, 3 derived   */
    uint8_t siting_h;  /* 0..3, of WebM; so siting_v                         */
    uint8_t siting_v;
    bool    has_hdr;

    /* Luminance max in cd/m^2, min in 1/10000 of it; x and y of red, green,
     * blue and white in 1/50000; max content, max frame average in cd/m^2. */
    uint16_t hdr[12];
};

enum arc_status arc_extval_read_color_space(const uint8_t *value, size_t len,
                                            struct arc_color_space *out);
enum arc_status arc_extval_write_color_space(const struct arc_color_space *in,
                                             uint8_t *out, size_t cap,
                                             size_t *len_out);
/* ARC_CDEF_END */

#endif
