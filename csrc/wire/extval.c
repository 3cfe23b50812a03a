/**
 * @file wire/extval.c  Values of the common RTP header extensions
 */
#include <string.h>

#include "base/bytes.h"
#include "wire/extval.h"

enum {
    MAX_LEVEL      = 127,
    MAX_SEND_TIME  = 0xffffff,
    MAX_HISTORY    = 0x7fff,
    TIMING_BIT     = 0x8000,
    DELAY_STEP_MS  = 10,
    MAX_DELAY_STEP = 0xfff,
    US_PER_S       = 1000000,
    HDR_NUMBERS    = 12
};

/* Wants `a` or `b` bytes. */
static enum arc_status begin(struct arc_reader *r, const uint8_t *value,
                             size_t len, const void *out, size_t a, size_t b)
{
    if (!value || !out)
        return ARC_ERR_ARG;
    arc_reader_init(r, value, len);
    return len == a || len == b ? ARC_OK : ARC_ERR_FORMAT;
}

static enum arc_status finish(const struct arc_writer *w, size_t *len_out)
{
    if (w->fail)
        return ARC_ERR_SPACE;
    *len_out = w->pos;
    return ARC_OK;
}

enum arc_status arc_extval_read_audio_level(const uint8_t *value, size_t len,
                                            struct arc_audio_level *out)
{
    struct arc_reader r;
    enum arc_status status = begin(&r, value, len, out, 1, 1);
    uint8_t byte;

    if (status != ARC_OK)
        return status;
    byte                = arc_reader_u8(&r);
    out->voice          = byte & 0x80;
    out->level_neg_dbov = byte & 0x7f;
    return ARC_OK;
}

enum arc_status arc_extval_write_audio_level(const struct arc_audio_level *in,
                                             uint8_t *out, size_t cap,
                                             size_t *len_out)
{
    struct arc_writer w;

    if (!in || !out || !len_out || in->level_neg_dbov > MAX_LEVEL)
        return ARC_ERR_ARG;
    arc_writer_init(&w, out, cap);
    arc_writer_u8(&w, (uint8_t)((in->voice ? 0x80 : 0) | in->level_neg_dbov));
    return finish(&w, len_out);
}

enum arc_status arc_extval_read_mixer_levels(const uint8_t *value, size_t len,
                                             struct arc_mixer_levels *out)
{
    struct arc_reader r;

    if (!value || !out)
        return ARC_ERR_ARG;
    if (len < 1 || len > ARC_EXTVAL_MAX_LEVELS)
        return ARC_ERR_FORMAT;
    arc_reader_init(&r, value, len);
    memset(out, 0, sizeof(*out));
    out->n = (uint8_t)len;
    for (size_t i = 0; i < len; i++)
        out->level_neg_dbov[i] = arc_reader_u8(&r) & 0x7f;
    return ARC_OK;
}

enum arc_status arc_extval_write_mixer_levels(const struct arc_mixer_levels *in,
                                              uint8_t *out, size_t cap,
                                              size_t *len_out)
{
    struct arc_writer w;

    if (!in || !out || !len_out || in->n < 1 || in->n > ARC_EXTVAL_MAX_LEVELS)
        return ARC_ERR_ARG;
    for (int i = 0; i < in->n; i++) {
        if (in->level_neg_dbov[i] > MAX_LEVEL)
            return ARC_ERR_ARG;
    }
    arc_writer_init(&w, out, cap);
    arc_writer_bytes(&w, in->level_neg_dbov, in->n);
    return finish(&w, len_out);
}

static bool is_alphanumeric(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z');
}

/* RFC 8866 §9, `token`. */
static bool is_token(uint8_t c)
{
    return is_alphanumeric(c) || (c && strchr("!#$%&'*+-.^_`{|}~", c));
}

enum arc_status arc_extval_check_text(enum arc_extval_text kind,
                                      const uint8_t *value, size_t len)
{
    if (!value)
        return ARC_ERR_ARG;
    if (len < 1 || len > 255)
        return ARC_ERR_FORMAT;
    for (size_t i = 0; i < len; i++) {
        if (kind == ARC_EXTVAL_RID ? !is_alphanumeric(value[i])
                                   : !is_token(value[i]))
            return ARC_ERR_FORMAT;
    }
    return ARC_OK;
}

enum arc_status arc_extval_read_abs_send_time(const uint8_t *value, size_t len,
                                              uint32_t *out)
{
    struct arc_reader r;
    enum arc_status status = begin(&r, value, len, out, 3, 3);

    if (status == ARC_OK)
        *out = arc_reader_u24(&r);
    return status;
}

enum arc_status arc_extval_write_abs_send_time(uint32_t in, uint8_t *out,
                                               size_t cap, size_t *len_out)
{
    struct arc_writer w;

    if (!out || !len_out || in > MAX_SEND_TIME)
        return ARC_ERR_ARG;
    arc_writer_init(&w, out, cap);
    arc_writer_u24(&w, in);
    return finish(&w, len_out);
}

uint32_t arc_extval_abs_send_time(uint64_t time_us)
{
    uint64_t s = time_us / US_PER_S % 64, us = time_us % US_PER_S;

    return (uint32_t)(s << 18 | (us << 18) / US_PER_S);
}

enum arc_status arc_extval_read_transport_seq(const uint8_t *value, size_t len,
                                              struct arc_transport_seq *out)
{
    struct arc_reader r;
    enum arc_status status = begin(&r, value, len, out, 2, 4);
    uint16_t request;

    if (status != ARC_OK)
        return status;
    out->seq16          = arc_reader_u16(&r);
    out->has_request    = len == 4;
    request             = out->has_request ? arc_reader_u16(&r) : 0;
    out->want_timing    = request & TIMING_BIT;
    out->n_history_pkts = request & MAX_HISTORY;
    return ARC_OK;
}

enum arc_status
arc_extval_write_transport_seq(const struct arc_transport_seq *in, uint8_t *out,
                               size_t cap, size_t *len_out)
{
    struct arc_writer w;

    if (!in || !out || !len_out || in->n_history_pkts > MAX_HISTORY)
        return ARC_ERR_ARG;
    arc_writer_init(&w, out, cap);
    arc_writer_u16(&w, in->seq16);
    if (in->has_request)
        arc_writer_u16(&w, (uint16_t)((in->want_timing ? TIMING_BIT : 0) |
                                      in->n_history_pkts));
    return finish(&w, len_out);
}

/* 0 0 0 0 C F R1 R0 */
enum arc_status arc_extval_read_orientation(const uint8_t *value, size_t len,
                                            struct arc_orientation *out)
{
    struct arc_reader r;
    enum arc_status status = begin(&r, value, len, out, 1, 1);
    uint8_t byte;

    if (status != ARC_OK)
        return status;
    byte              = arc_reader_u8(&r);
    out->back_camera  = byte & 0x08;
    out->flipped      = byte & 0x04;
    out->rotation_deg = (uint16_t)(90 * (byte & 0x03));
    return ARC_OK;
}

enum arc_status arc_extval_write_orientation(const struct arc_orientation *in,
                                             uint8_t *out, size_t cap,
                                             size_t *len_out)
{
    struct arc_writer w;

    if (!in || !out || !len_out || in->rotation_deg % 90 ||
        in->rotation_deg > 270)
        return ARC_ERR_ARG;
    arc_writer_init(&w, out, cap);
    arc_writer_u8(&w, (uint8_t)((in->back_camera ? 0x08 : 0) |
                                (in->flipped ? 0x04 : 0) |
                                in->rotation_deg / 90));
    return finish(&w, len_out);
}

enum arc_status arc_extval_read_playout_delay(const uint8_t *value, size_t len,
                                              struct arc_playout_delay *out)
{
    struct arc_reader r;
    enum arc_status status = begin(&r, value, len, out, 3, 3);
    uint32_t both, min, max;

    if (status != ARC_OK)
        return status;
    both = arc_reader_u24(&r);
    min  = both >> 12;
    max  = both & MAX_DELAY_STEP;
    if (min > max)
        return ARC_ERR_FORMAT;
    out->min_ms = (uint16_t)(min * DELAY_STEP_MS);
    out->max_ms = (uint16_t)(max * DELAY_STEP_MS);
    return ARC_OK;
}

enum arc_status
arc_extval_write_playout_delay(const struct arc_playout_delay *in, uint8_t *out,
                               size_t cap, size_t *len_out)
{
    struct arc_writer w;

    if (!in || !out || !len_out || in->min_ms > in->max_ms ||
        in->max_ms > MAX_DELAY_STEP * DELAY_STEP_MS ||
        in->min_ms % DELAY_STEP_MS || in->max_ms % DELAY_STEP_MS)
        return ARC_ERR_ARG;
    arc_writer_init(&w, out, cap);
    arc_writer_u24(&w, (uint32_t)(in->min_ms / DELAY_STEP_MS) << 12 |
                           (uint32_t)(in->max_ms / DELAY_STEP_MS));
    return finish(&w, len_out);
}

enum arc_status arc_extval_read_capture_time(const uint8_t *value, size_t len,
                                             struct arc_capture_time *out)
{
    struct arc_reader r;
    enum arc_status status = begin(&r, value, len, out, 8, 16);

    if (status != ARC_OK)
        return status;
    out->ntp64      = arc_reader_u64(&r);
    out->has_offset = len == 16;
    out->offset_q32 = out->has_offset ? (int64_t)arc_reader_u64(&r) : 0;
    return ARC_OK;
}

enum arc_status arc_extval_write_capture_time(const struct arc_capture_time *in,
                                              uint8_t *out, size_t cap,
                                              size_t *len_out)
{
    struct arc_writer w;

    if (!in || !out || !len_out)
        return ARC_ERR_ARG;
    arc_writer_init(&w, out, cap);
    arc_writer_u64(&w, in->ntp64);
    if (in->has_offset)
        arc_writer_u64(&w, (uint64_t)in->offset_q32);
    return finish(&w, len_out);
}

enum arc_status arc_extval_read_toffset(const uint8_t *value, size_t len,
                                        int32_t *out_ticks)
{
    struct arc_reader r;
    enum arc_status status = begin(&r, value, len, out_ticks, 3, 3);
    int32_t ticks;

    if (status != ARC_OK)
        return status;
    ticks      = (int32_t)arc_reader_u24(&r);
    *out_ticks = ticks >= 1 << 23 ? ticks - (1 << 24) : ticks;
    return ARC_OK;
}

enum arc_status arc_extval_write_toffset(int32_t in_ticks, uint8_t *out,
                                         size_t cap, size_t *len_out)
{
    struct arc_writer w;

    if (!out || !len_out || in_ticks < -(1 << 23) || in_ticks >= 1 << 23)
        return ARC_ERR_ARG;
    arc_writer_init(&w, out, cap);
    arc_writer_u24(&w, (uint32_t)in_ticks & 0xffffff);
    return finish(&w, len_out);
}

enum arc_status arc_extval_read_color_space(const uint8_t *value, size_t len,
                                            struct arc_color_space *out)
{
    struct arc_reader r;
    enum arc_status status =
        begin(&r, value, len, out, 4, 4 + 2 * HDR_NUMBERS);
    uint8_t byte;

    if (status != ARC_OK)
        return status;
    memset(out, 0, sizeof(*out));
    out->primaries = arc_reader_u8(&r);
    out->transfer  = arc_reader_u8(&r);
    out->matrix    = arc_reader_u8(&r);
    byte           = arc_reader_u8(&r);
    out->range     = byte >> 4 & 3;
    out->siting_h  = byte >> 2 & 3;
    out->siting_v  = byte & 3;
    out->has_hdr   = len > 4;
    for (int i = 0; out->has_hdr && i < HDR_NUMBERS; i++)
        out->hdr[i] = arc_reader_u16(&r);
    return ARC_OK;
}

enum arc_status arc_extval_write_color_space(const struct arc_color_space *in,
                                             uint8_t *out, size_t cap,
                                             size_t *len_out)
{
    struct arc_writer w;

    if (!in || !out || !len_out || in->range > 3 || in->siting_h > 3 ||
        in->siting_v > 3)
        return ARC_ERR_ARG;
    arc_writer_init(&w, out, cap);
    arc_writer_u8(&w, in->primaries);
    arc_writer_u8(&w, in->transfer);
    arc_writer_u8(&w, in->matrix);
    arc_writer_u8(&w, (uint8_t)(in->range << 4 | in->siting_h << 2 |
                                in->siting_v));
    for (int i = 0; in->has_hdr && i < HDR_NUMBERS; i++)
        arc_writer_u16(&w, in->hdr[i]);
    return finish(&w, len_out);
}
