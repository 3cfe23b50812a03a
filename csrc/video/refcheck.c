/**
 * @file video/refcheck.c  What a coded picture's headers say of its references
 */
#include <string.h>

#include "base/bits.h"
#include "base/bytes.h"
#include "video/annexb.h"
#include "video/refcheck.h"
#include "wire/obu.h"
#include "wire/videocodec.h"

enum {
    NAL_SLICE = 1, NAL_IDR = 5, NAL_SEI = 6, NAL_SPS = 7, NAL_PPS = 8,
    SEI_RECOVERY_POINT = 6,    /* H.264 D.1                                  */
    RBSP_BYTES         = 512,  /* an SPS with all scaling lists fits         */
    SLICE_BYTES        = 32,
    VP9_SYNC_CODE      = 0x498342,
    VP9_ALL            = 0xff,
    AV1_KEY_FRAME      = 0,
};

void arc_refcheck_init(struct arc_refcheck *r, int32_t codec)
{
    memset(r, 0, sizeof(*r));
    r->codec = codec;
    arc_refcheck_flush(r);
}

void arc_refcheck_flush(struct arc_refcheck *r)
{
    r->prev_frame_num = -1;
    r->recover_at = -1;
    r->have = 0;
}

void arc_refcheck_on_damage(struct arc_refcheck *r)
{
    r->recover_at = -1;
}

/* ---- H.264 ---- */

/* Exp-Golomb (H.264 9.1): as many zeros as bits behind the first one. */
static uint32_t read_ue(struct arc_bitreader *b)
{
    unsigned zeros = 0;

    while (!b->fail && !arc_bitreader_flag(b))
        if (++zeros > 31)
            b->fail = true;
    return b->fail ? 0 : (1u << zeros) - 1 + arc_bitreader_u(b, zeros);
}

static int32_t read_se(struct arc_bitreader *b)
{
    uint32_t k = read_ue(b);

    return k & 1 ? (int32_t)(k / 2 + 1) : -(int32_t)(k / 2);
}

/* The payload of a NAL unit without emulation prevention (7.4.1), cut to `cap`. */
static size_t unescape(const uint8_t *nal, size_t len, uint8_t *out, size_t cap)
{
    size_t n = 0, zeros = 0;

    for (size_t i = 1; i < len && n < cap; i++) {
        if (zeros >= 2 && nal[i] == 3) {
            zeros = 0;
            continue;
        }
        zeros = nal[i] ? 0 : zeros + 1;
        out[n++] = nal[i];
    }
    return n;
}

static void skip_scaling_list(struct arc_bitreader *b, int size)
{
    int32_t last = 8, next = 8; /* 7.3.2.1.1.1 */

    for (int i = 0; i < size && next != 0 && !b->fail; i++) {
        next = (int32_t)((uint32_t)(last + read_se(b)) & 255);
        last = next ? next : last;
    }
}

static bool has_chroma_format(uint32_t profile)
{
    static const uint8_t high[] = {100, 110, 122, 244, 44, 83, 86,
                                   118, 128, 138, 139, 134, 135};

    for (size_t i = 0; i < sizeof(high); i++)
        if (high[i] == profile)
            return true;
    return false;
}

/* @return separate_colour_plane_flag */
static bool read_chroma_format(struct arc_bitreader *b)
{
    uint32_t format = read_ue(b);
    bool apart = format == 3 && arc_bitreader_flag(b);

    read_ue(b); /* bit_depth_luma_minus8 */
    read_ue(b); /* bit_depth_chroma_minus8 */
    arc_bitreader_flag(b);
    if (arc_bitreader_flag(b))
        for (int i = 0; i < (format == 3 ? 12 : 8); i++)
            if (arc_bitreader_flag(b))
                skip_scaling_list(b, i < 6 ? 16 : 64);
    return apart;
}

static void skip_picture_order(struct arc_bitreader *b)
{
    uint32_t type = read_ue(b), cycle;

    if (type == 0) {
        read_ue(b);
    } else if (type == 1) {
        arc_bitreader_flag(b);
        read_se(b);
        read_se(b);
        cycle = read_ue(b);
        for (uint32_t i = 0; i < cycle && i < 256 && !b->fail; i++)
            read_se(b);
    }
}

/* Seq_parameter_set_data() up to gaps_in_frame_num_value_allowed_flag (7.3.2.1.1). */
static void read_sps(struct arc_refcheck *r, struct arc_bitreader *b)
{
    uint32_t profile = arc_bitreader_u(b, 8), id, bits;
    bool apart = false, gaps;

    arc_bitreader_u(b, 16); /* constraints, level */
    id = read_ue(b);
    if (has_chroma_format(profile))
        apart = read_chroma_format(b);
    bits = read_ue(b) + 4;
    skip_picture_order(b);
    read_ue(b); /* max_num_ref_frames */
    gaps = arc_bitreader_flag(b);
    if (b->fail || id > 31 || bits > 16)
        return;
    r->sps_frame_num_bits[id] = (uint8_t)bits;
    r->sps_gaps[id] = gaps;
    r->sps_colours[id] = apart;
}

static void read_pps(struct arc_refcheck *r, struct arc_bitreader *b)
{
    uint32_t id = read_ue(b), sps = read_ue(b);

    if (!b->fail && id <= 255 && sps <= 31)
        r->pps_sps[id] = (uint8_t)(sps + 1);
}

/* @return recovery_frame_cnt of the recovery point in an SEI; -1: none */
static int32_t read_sei(const uint8_t *rbsp, size_t len)
{
    struct arc_reader r;

    arc_reader_init(&r, rbsp, len);
    while (arc_reader_left(&r) > 2) {
        size_t type = 0, size = 0, byte;
        const uint8_t *payload;

        do
            type += byte = arc_reader_u8(&r);
        while (byte == 255 && arc_reader_left(&r));
        do
            size += byte = arc_reader_u8(&r);
        while (byte == 255 && arc_reader_left(&r));
        if (size > arc_reader_left(&r))
            return -1;
        payload = arc_reader_take(&r, size);
        if (type == SEI_RECOVERY_POINT) {
            struct arc_bitreader b;
            uint32_t count;

            arc_bitreader_init(&b, payload, size);
            count = read_ue(&b);
            return b.fail || count > 65535 ? -1 : (int32_t)count;
        }
    }
    return -1;
}

/* Whether frame_num leaves out a reference picture (7.4.3); keeps the new one. */
static bool step_frame_num(struct arc_refcheck *r, int32_t now, int32_t mask,
                           bool reference, bool gaps_allowed)
{
    int32_t before = r->prev_frame_num;
    bool gap = before >= 0 && now != before && now != ((before + 1) & mask);

    if (reference)
        r->prev_frame_num = now;
    else if (gap)
        r->prev_frame_num = (now - 1) & mask;
    return gap && !gaps_allowed;
}

/* @param recovery recovery_frame_cnt of an SEI before it; -1: none */
static void read_slice(struct arc_refcheck *r, struct arc_bitreader *b,
                       uint8_t header, int32_t recovery,
                       struct arc_refcheck_info *out)
{
    bool idr = (header & 0x1f) == NAL_IDR, reference = (header & 0x60) != 0;
    uint32_t pps;
    int32_t id, now, mask;

    read_ue(b); /* first_mb_in_slice */
    read_ue(b); /* slice_type */
    pps = read_ue(b);
    if (b->fail || pps > 255 || r->pps_sps[pps] == 0)
        return;
    id = r->pps_sps[pps] - 1;
    if (r->sps_frame_num_bits[id] == 0)
        return;
    if (r->sps_colours[id])
        arc_bitreader_u(b, 2);
    mask = (1 << r->sps_frame_num_bits[id]) - 1;
    now = (int32_t)arc_bitreader_u(b, r->sps_frame_num_bits[id]);
    if (b->fail)
        return;

    out->disposable = !reference;
    if (idr) {
        r->prev_frame_num = now;
        r->recover_at = -1;
        return;
    }
    if (step_frame_num(r, now, mask, reference, r->sps_gaps[id])) {
        out->missing_ref = true;
        r->recover_at = -1;
    }
    if (recovery >= 0)
        r->recover_at = (now + recovery) & mask;
    if (r->recover_at == now) {
        out->recovered = true;
        r->recover_at = -1;
    }
}

static void look_h264(struct arc_refcheck *r, const uint8_t *data, int32_t len,
                      struct arc_refcheck_info *out)
{
    int32_t recovery = -1, next;

    for (int32_t at = arc_annexb_next(data, len, 0); at < len; at = next) {
        uint8_t rbsp[RBSP_BYTES];
        int type = data[at] & 0x1f;
        bool slice = type == NAL_SLICE || type == NAL_IDR;
        struct arc_bitreader b;
        size_t n;

        next = arc_annexb_next(data, len, at);
        n = unescape(data + at, (size_t)(next - at), rbsp,
                     slice ? SLICE_BYTES : RBSP_BYTES);
        arc_bitreader_init(&b, rbsp, n);
        if (type == NAL_SPS)
            read_sps(r, &b);
        else if (type == NAL_PPS)
            read_pps(r, &b);
        else if (type == NAL_SEI)
            recovery = read_sei(rbsp, n);
        else if (slice) {
            read_slice(r, &b, data[at], recovery, out);
            out->is_key |= type == NAL_IDR;
            recovery = -1; /* the other slices are of the same picture */
        }
    }
    /* Slices of several pictures in one: what one lacks, another does not mend. */
    out->recovered &= !out->missing_ref;
}

/* ---- VP8, VP9, AV1 ---- */

/* RFC 6386 section 9.1: three bytes of tag, then the start code of a key frame. */
static void look_vp8(const uint8_t *data, size_t len,
                     struct arc_refcheck_info *out)
{
    out->is_key = len >= 6 && !(data[0] & 1) && data[3] == 0x9d &&
                  data[4] == 0x01 && data[5] == 0x2a;
}

/* Reads uncompressed_header() of VP9 up to the references (6.2). */
static void read_vp9_frame(struct arc_refcheck *r, const uint8_t *data,
                           size_t len, struct arc_refcheck_info *out)
{
    struct arc_bitreader b;
    uint32_t profile, refresh;
    bool hidden, resilient;

    out->disposable = false; /* not that of a frame before it */
    arc_bitreader_init(&b, data, len);
    arc_bitreader_u(&b, 2); /* frame_marker */
    profile = arc_bitreader_u(&b, 1);
    profile |= arc_bitreader_u(&b, 1) << 1;
    if (profile == 3)
        arc_bitreader_u(&b, 1);
    if (arc_bitreader_flag(&b)) { /* show_existing_frame */
        out->missing_ref |= !(r->have >> arc_bitreader_u(&b, 3) & 1);
        out->disposable = true;
        return;
    }
    if (!arc_bitreader_flag(&b)) { /* frame_type: key */
        out->is_key = true;
        r->have = VP9_ALL;
        return;
    }
    hidden = !arc_bitreader_flag(&b);
    resilient = arc_bitreader_flag(&b);
    if (hidden && arc_bitreader_flag(&b)) { /* intra_only */
        if (!resilient)
            arc_bitreader_u(&b, 2);
        if (arc_bitreader_u(&b, 24) != VP9_SYNC_CODE)
            return;
        /* Behind color_config(), which is not read, all may have been filled. */
        r->have |= profile > 0 ? VP9_ALL : (uint8_t)arc_bitreader_u(&b, 8);
        return;
    }
    if (!resilient)
        arc_bitreader_u(&b, 2);
    refresh = arc_bitreader_u(&b, 8);
    for (int i = 0; i < 3; i++) {
        uint32_t place = arc_bitreader_u(&b, 3);

        arc_bitreader_u(&b, 1); /* sign bias */
        out->missing_ref |= !b.fail && !(r->have >> place & 1);
    }
    out->disposable = refresh == 0 && !b.fail;
    if (!b.fail && !out->missing_ref)
        r->have |= (uint8_t)refresh;
}

/* A superframe ends with an index of the frames in it (annex B). */
static void look_vp9(struct arc_refcheck *r, const uint8_t *data, size_t len,
                     struct arc_refcheck_info *out)
{
    uint8_t marker = data[len - 1];
    size_t frames = (marker & 7u) + 1, width = (marker >> 3 & 3u) + 1;
    size_t index = 2 + frames * width, at = 0;
    bool disposable = true;

    if ((marker & 0xe0) != 0xc0 || len < index || data[len - index] != marker) {
        read_vp9_frame(r, data, len, out);
        return;
    }
    for (size_t i = 0; i < frames; i++) {
        const uint8_t *entry = data + len - index + 1 + i * width;
        size_t size = 0;

        for (size_t k = width; k > 0; k--)
            size = size << 8 | entry[k - 1];
        if (size == 0 || size > len - index - at)
            break;
        read_vp9_frame(r, data + at, size, out);
        disposable &= out->disposable;
        at += size;
    }
    out->disposable = disposable && at > 0;
}

static void look_av1(const uint8_t *data, size_t len,
                     struct arc_refcheck_info *out)
{
    struct arc_obu obu;
    bool still = false;

    for (size_t at = 0; at < len; at += obu.payload_off + obu.payload_len) {
        struct arc_bitreader b;

        if (arc_obu_parse(data + at, len - at, &obu) != ARC_OK)
            return;
        arc_bitreader_init(&b, data + at + obu.payload_off, obu.payload_len);
        if (obu.type == ARC_OBU_SEQUENCE_HEADER) {
            arc_bitreader_u(&b, 4);
            still = arc_bitreader_flag(&b); /* reduced_still_picture_header */
            out->is_key |= still;
        } else if ((obu.type == ARC_OBU_FRAME ||
                    obu.type == ARC_OBU_FRAME_HEADER) && !still &&
                   !arc_bitreader_flag(&b)) { /* show_existing_frame */
            uint32_t type = arc_bitreader_u(&b, 2);

            /* One that is shown later is no place to begin at. */
            out->is_key |= !b.fail && type == AV1_KEY_FRAME &&
                           arc_bitreader_flag(&b);
        }
    }
}

void arc_refcheck_look(struct arc_refcheck *r, const uint8_t *data, size_t len,
                       struct arc_refcheck_info *out)
{
    memset(out, 0, sizeof(*out));
    if (len == 0 || len > INT32_MAX)
        return;
    switch (r->codec) {
    case ARC_VIDEO_H264:
        look_h264(r, data, (int32_t)len, out);
        break;
    case ARC_VIDEO_VP8:
        look_vp8(data, len, out);
        break;
    case ARC_VIDEO_VP9:
        look_vp9(r, data, len, out);
        break;
    default:
        look_av1(data, len, out);
        break;
    }
}
