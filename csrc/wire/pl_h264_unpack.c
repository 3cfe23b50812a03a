/**
 * @file wire/pl_h264_unpack.c  H.264 in RTP payloads: peek and unpacker
 *
 * Declared in wire/pl_h264.h.
 */
#include <string.h>

#include "base/bytes.h"
#include "wire/pl_h264.h"

enum {
    TYPE_BITS     = 0x1f,
    NRI_BITS      = 0x60,
    MAX_NAL_TYPE  = 23,
    FU_HEAD_BYTES = 2,
    FU_START      = 0x80,
    FU_END        = 0x40
};

static const uint8_t start_code[4] = {0, 0, 0, 1};

static bool is_nal_type(uint8_t type)
{
    return type >= 1 && type <= MAX_NAL_TYPE;
}

/* `nri`: the byte with nal_ref_idc. */
static void note_nal(struct arc_pl_h264_info *info, uint8_t type, uint8_t nri)
{
    if (info->nal_type == 0)
        info->nal_type = type;
    info->has_idr = info->has_idr || type == ARC_H264_NAL_IDR;
    info->has_sps = info->has_sps || type == ARC_H264_NAL_SPS;
    info->is_reference = info->is_reference || (nri & NRI_BITS);
}

/* Next NAL unit of a STAP-A; ARC_AGAIN at its end. */
static enum arc_status next_in_stap(struct arc_reader *r, const uint8_t **nal,
                                    size_t *len)
{
    size_t n;

    if (!r->fail && arc_reader_left(r) == 0)
        return ARC_AGAIN;
    n    = arc_reader_u16(r);
    *nal = arc_reader_take(r, n);
    *len = n;
    /* §5.7: an aggregate holds single NAL units, never one of ours. */
    if (!*nal || n == 0 || !is_nal_type((*nal)[0] & TYPE_BITS))
        return ARC_ERR_FORMAT;
    return ARC_OK;
}

static enum arc_status peek_stap(const uint8_t *payload, size_t len,
                                 struct arc_pl_h264_info *info)
{
    struct arc_reader r;
    const uint8_t *nal;
    size_t nal_len;
    enum arc_status status;

    arc_reader_init(&r, payload + 1, len - 1);
    while ((status = next_in_stap(&r, &nal, &nal_len)) == ARC_OK)
        note_nal(info, nal[0] & TYPE_BITS, nal[0]);
    if (status != ARC_AGAIN || info->nal_type == 0)
        return ARC_ERR_FORMAT;
    info->starts_nal = true;
    info->ends_nal   = true;
    return ARC_OK;
}

static enum arc_status peek_fu(const uint8_t *payload, size_t len,
                               struct arc_pl_h264_info *info)
{
    if (len < FU_HEAD_BYTES || !is_nal_type(payload[1] & TYPE_BITS))
        return ARC_ERR_FORMAT;
    info->starts_nal = payload[1] & FU_START;
    info->ends_nal   = payload[1] & FU_END;
    if (info->starts_nal && info->ends_nal)
        return ARC_ERR_FORMAT; /* §5.8: not both in the same FU header */
    note_nal(info, payload[1] & TYPE_BITS, payload[0]);
    return ARC_OK;
}

enum arc_status arc_pl_h264_peek(const uint8_t *payload, size_t len,
                                 struct arc_pl_h264_info *out)
{
    struct arc_pl_h264_info info = {0};
    enum arc_status status = ARC_OK;
    uint8_t type;

    if (!payload || !out)
        return ARC_ERR_ARG;
    if (len == 0)
        return ARC_ERR_FORMAT;

    type = payload[0] & TYPE_BITS;
    if (is_nal_type(type)) {
        note_nal(&info, type, payload[0]);
        info.starts_nal = true;
        info.ends_nal   = true;
    } else if (type == ARC_H264_NAL_STAP_A) {
        status = peek_stap(payload, len, &info);
    } else if (type == ARC_H264_NAL_FU_A) {
        status = peek_fu(payload, len, &info);
    } else {
        return ARC_ERR_UNSUPPORTED;
    }
    if (status == ARC_OK)
        *out = info;
    return status;
}

enum arc_status arc_pl_h264_unpacker_init(struct arc_pl_h264_unpacker *u,
                                          uint8_t *out, size_t cap)
{
    if (!u || !out)
        return ARC_ERR_ARG;
    memset(u, 0, sizeof(*u));
    u->out = out;
    u->cap = cap;
    return ARC_OK;
}

enum arc_status arc_pl_h264_unpacker_set_sets(struct arc_pl_h264_unpacker *u,
                                              const uint8_t *sets, size_t len)
{
    if (!u || !sets != (len == 0))
        return ARC_ERR_ARG;
    u->sets     = sets;
    u->sets_len = len;
    return ARC_OK;
}

/* Take the open NAL unit out; true if there was one. */
static bool drop_open(struct arc_pl_h264_unpacker *u)
{
    if (!u->open)
        return false;
    u->len  = u->open_pos;
    u->open = false;
    u->dropped_nals++;
    return true;
}

static bool append(struct arc_pl_h264_unpacker *u, const uint8_t *src, size_t n)
{
    if (n > u->cap - u->len)
        return false;
    if (n)
        memcpy(u->out + u->len, src, n);
    u->len += n;
    return true;
}

static enum arc_status append_nal(struct arc_pl_h264_unpacker *u,
                                  const uint8_t *nal, size_t len)
{
    size_t before = u->len;

    if (append(u, start_code, sizeof(start_code)) && append(u, nal, len))
        return ARC_OK;
    u->len = before;
    u->dropped_nals++;
    return ARC_ERR_SPACE;
}

/* The payload was peeked into: only the room can be missing. */
static enum arc_status push_stap(struct arc_pl_h264_unpacker *u,
                                 const uint8_t *payload, size_t len)
{
    struct arc_reader r;
    const uint8_t *nal;
    size_t nal_len;
    enum arc_status status = ARC_OK;

    arc_reader_init(&r, payload + 1, len - 1);
    while (status == ARC_OK && next_in_stap(&r, &nal, &nal_len) == ARC_OK)
        status = append_nal(u, nal, nal_len);
    return status;
}

static enum arc_status push_fu(struct arc_pl_h264_unpacker *u,
                               const uint8_t *payload, size_t len)
{
    uint8_t type = payload[1] & TYPE_BITS;
    uint8_t header = (uint8_t)((payload[0] & ~TYPE_BITS) | type);
    bool fits = true;

    if (payload[1] & FU_START) {
        u->open     = true;
        u->open_pos = u->len;
        fits = append(u, start_code, sizeof(start_code)) &&
               append(u, &header, 1);
    } else if (!u->open) {
        return ARC_ERR_FORMAT;
    } else if ((u->out[u->open_pos + sizeof(start_code)] & TYPE_BITS) != type) {
        drop_open(u); /* the end of one and the beginning of another are lost */
        return ARC_ERR_FORMAT;
    }
    if (!fits || !append(u, payload + FU_HEAD_BYTES, len - FU_HEAD_BYTES)) {
        drop_open(u);
        return ARC_ERR_SPACE;
    }
    if (payload[1] & FU_END)
        u->open = false;
    return ARC_OK;
}

enum arc_status arc_pl_h264_unpacker_push(struct arc_pl_h264_unpacker *u,
                                          const uint8_t *payload, size_t len)
{
    struct arc_pl_h264_info info;
    enum arc_status status;
    bool was_cut = false;

    if (!u || !payload)
        return ARC_ERR_ARG;
    status = arc_pl_h264_peek(payload, len, &info);
    if (status != ARC_OK) {
        drop_open(u); /* the piece that should have come is not there */
        return status;
    }

    u->has_idr = u->has_idr || info.has_idr;
    u->has_sps = u->has_sps || info.has_sps;
    if (info.starts_nal)
        was_cut = drop_open(u);
    switch (payload[0] & TYPE_BITS) {
    case ARC_H264_NAL_STAP_A:
        status = push_stap(u, payload, len);
        break;
    case ARC_H264_NAL_FU_A:
        status = push_fu(u, payload, len);
        break;
    default:
        status = append_nal(u, payload, len);
    }
    return status == ARC_OK && was_cut ? ARC_ERR_FORMAT : status;
}

static bool put_sets_in_front(struct arc_pl_h264_unpacker *u)
{
    if (u->sets_len > u->cap - u->len)
        return false;
    if (u->sets_len) {
        memmove(u->out + u->sets_len, u->out, u->len);
        memcpy(u->out, u->sets, u->sets_len);
    }
    u->len    += u->sets_len;
    u->has_sps = true; /* a second end changes nothing */
    return true;
}

enum arc_status arc_pl_h264_unpacker_finish(struct arc_pl_h264_unpacker *u,
                                            size_t *len_out)
{
    bool was_cut;

    if (!u || !len_out)
        return ARC_ERR_ARG;
    was_cut  = drop_open(u);
    *len_out = 0;
    if (u->has_idr && !u->has_sps && !put_sets_in_front(u))
        return ARC_ERR_SPACE;
    *len_out = u->len;
    return was_cut ? ARC_ERR_FORMAT : ARC_OK;
}
