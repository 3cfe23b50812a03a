/**
 * @file wire/pl_opus.c  What an Opus payload says about itself
 */
#include <string.h>

#include "base/bytes.h"
#include "wire/pl_opus.h"

enum { MAX_PAYLOAD_BYTES = 65535, FIRST_TWO_BYTE_LEN = 252 };

/* RFC 6716 §3.1, table 2. */
static void describe_config(struct arc_pl_opus *o)
{
    static const int32_t silk_us[4] = {10000, 20000, 40000, 60000};
    static const int32_t celt_bandwidth[4] = {ARC_PL_OPUS_NB, ARC_PL_OPUS_WB,
                                              ARC_PL_OPUS_SWB, ARC_PL_OPUS_FB};

    if (o->config < 12) {
        o->mode      = ARC_PL_OPUS_SILK;
        o->bandwidth = ARC_PL_OPUS_NB + o->config / 4;
        o->frame_us  = silk_us[o->config % 4];
    } else if (o->config < 16) {
        o->mode      = ARC_PL_OPUS_HYBRID;
        o->bandwidth = o->config < 14 ? ARC_PL_OPUS_SWB : ARC_PL_OPUS_FB;
        o->frame_us  = silk_us[o->config % 2];
    } else {
        o->mode      = ARC_PL_OPUS_CELT;
        o->bandwidth = celt_bandwidth[(o->config - 16) / 4];
        o->frame_us  = 2500 << (o->config % 4);
    }
}

/* A frame length of one or two bytes (§3.2.1). */
static uint16_t read_frame_len(struct arc_reader *r)
{
    uint8_t first = arc_reader_u8(r);

    if (first < FIRST_TWO_BYTE_LEN)
        return first;
    return (uint16_t)(first + 4 * arc_reader_u8(r));
}

/* Place the frames, whose lengths are known, one behind the other. */
static bool place_frames(struct arc_pl_opus *o, struct arc_reader *r)
{
    for (int32_t i = 0; i < o->n_frames; i++) {
        o->frame_off[i] = (uint16_t)r->pos;
        arc_reader_take(r, o->frame_len[i]);
    }
    return !r->fail;
}

/* n frames share what is left equally: R2, and R3 for two frames, R6 for
 * code 3. */
static bool split_equally(struct arc_pl_opus *o, struct arc_reader *r)
{
    size_t left = arc_reader_left(r);
    size_t each = left / (size_t)o->n_frames;

    if (r->fail || left % (size_t)o->n_frames ||
        each > ARC_PL_OPUS_MAX_FRAME_BYTES)
        return false;
    for (int32_t i = 0; i < o->n_frames; i++)
        o->frame_len[i] = (uint16_t)each;
    return place_frames(o, r);
}

/* Lengths of all frames but the last, which takes what is left: R2, and R4 for
 * two frames, R7 for code 3. */
static bool split_by_lengths(struct arc_pl_opus *o, struct arc_reader *r)
{
    size_t sum = 0, left;

    for (int32_t i = 0; i < o->n_frames - 1; i++) {
        o->frame_len[i] = read_frame_len(r);
        sum += o->frame_len[i];
    }
    left = arc_reader_left(r);
    if (r->fail || sum > left || left - sum > ARC_PL_OPUS_MAX_FRAME_BYTES)
        return false;
    o->frame_len[o->n_frames - 1] = (uint16_t)(left - sum);
    return place_frames(o, r);
}

/* Padding length: bytes of 255 mean 254 and go on (§3.2.5). The padding itself
 * is cut off the end of the reader. */
static bool cut_padding(struct arc_pl_opus *o, struct arc_reader *r)
{
    size_t padding = 0;
    uint8_t byte;

    do {
        byte = arc_reader_u8(r);
        padding += byte == 255 ? 254 : byte;
    } while (byte == 255);
    if (padding > arc_reader_left(r))
        return false;
    o->padding_len = (int32_t)padding;
    r->len -= padding;
    return true;
}

/* Code 3: a byte with VBR bit, padding bit and frame count (§3.2.5). */
static bool split_code3(struct arc_pl_opus *o, struct arc_reader *r)
{
    uint8_t head = arc_reader_u8(r);

    o->n_frames = head & 0x3f;
    if (r->fail || o->n_frames == 0 ||
        o->n_frames * o->frame_us > ARC_PL_OPUS_MAX_DURATION_US)
        return false; /* R5 */
    if (head & 0x40 && !cut_padding(o, r))
        return false;
    return head & 0x80 ? split_by_lengths(o, r) : split_equally(o, r);
}

static bool split_frames(struct arc_pl_opus *o, uint8_t code,
                         struct arc_reader *r)
{
    if (code == 3)
        return split_code3(o, r);
    o->n_frames = code == 0 ? 1 : 2;
    return code == 2 ? split_by_lengths(o, r) : split_equally(o, r);
}

enum arc_status arc_pl_opus_parse(const uint8_t *payload, size_t len,
                                  struct arc_pl_opus *out)
{
    struct arc_pl_opus o;
    struct arc_reader r;
    uint8_t toc;

    if (!payload || !out)
        return ARC_ERR_ARG;
    if (len < 1 || len > MAX_PAYLOAD_BYTES)
        return ARC_ERR_FORMAT; /* R1 */

    memset(&o, 0, sizeof(o));
    arc_reader_init(&r, payload, len);
    toc      = arc_reader_u8(&r);
    o.config = toc >> 3;
    o.stereo = toc & 4;
    describe_config(&o);
    if (!split_frames(&o, toc & 3, &r))
        return ARC_ERR_FORMAT;
    o.duration_us = o.n_frames * o.frame_us;
    *out = o;
    return ARC_OK;
}

/* §4.2.3: of each channel a flag for each 20 ms (or less), then one of LBRR. */
static bool is_active(const struct arc_pl_opus *o, uint8_t head)
{
    const int32_t n_flags = o->frame_us > 20000 ? o->frame_us / 20000 : 1;
    const int32_t flags   = (1 << n_flags) - 1;
    const int32_t mid     = head >> (8 - n_flags);
    const int32_t side    = head >> (7 - 2 * n_flags);

    return mid & flags || (o->stereo && side & flags);
}

bool arc_pl_opus_may_be_speech(const uint8_t *payload, size_t len)
{
    struct arc_pl_opus o;

    if (arc_pl_opus_parse(payload, len, &o) || o.mode == ARC_PL_OPUS_CELT)
        return true;
    for (int32_t i = 0; i < o.n_frames; i++)
        if (o.frame_len[i] > 1 && is_active(&o, payload[o.frame_off[i]]))
            return true;
    return false;
}
