/**
 * @file wire/pl_vp9_frame.c  VP9 in RTP payloads: packer and unpacker
 *
 * Declared in wire/pl_vp9.h.
 */
#include <string.h>

#include "wire/pl_vp9.h"

enum {
    INDEX_MARKER    = 0xc0, /* VP9 bitstream specification, annex B */
    INDEX_MAX_BYTES = 4     /* of the size of one frame             */
};

enum arc_status arc_pl_vp9_packer_init(struct arc_pl_vp9_packer *p,
                                       const struct arc_pl_vp9 *head,
                                       const uint8_t *ss, size_t ss_len,
                                       const uint8_t *data, size_t len,
                                       size_t max_payload_bytes)
{
    uint8_t bytes[ARC_PL_VP9_MAX_PLAIN_BYTES];
    size_t head_len;

    if (!p || !head || !data || len == 0 || !ss != (ss_len == 0) ||
        max_payload_bytes < ARC_PL_VP9_MIN_PAYLOAD_BYTES ||
        max_payload_bytes > ARC_PL_VP9_MAX_PAYLOAD_BYTES ||
        ss_len > ARC_PL_VP9_MAX_SS_BYTES)
        return ARC_ERR_ARG;
    head_len = arc_pl_vp9_write(head, bytes);
    if (head_len == 0 || head_len + ss_len >= max_payload_bytes)
        return ARC_ERR_ARG;

    memset(p, 0, sizeof(*p));
    p->data              = data;
    p->len               = len;
    p->max_payload_bytes = max_payload_bytes;
    p->ss                = ss;
    p->ss_len            = ss_len;
    p->head_len          = head_len;
    p->head              = *head;
    return ARC_OK;
}

/* Bytes of the next payload behind descriptor and structure: so many that all
 * payloads come out nearly equal. */
static size_t piece_bytes(const struct arc_pl_vp9_packer *p)
{
    size_t room = p->max_payload_bytes - p->head_len;
    size_t left = p->len - p->pos;
    size_t pieces = (left + p->ss_len + room - 1) / room;
    size_t even = (left + p->ss_len + pieces - 1) / pieces;

    return even > p->ss_len ? even - p->ss_len : 1;
}

enum arc_status arc_pl_vp9_packer_next(struct arc_pl_vp9_packer *p,
                                       uint8_t *out, size_t *len_out,
                                       bool *last_out)
{
    size_t n, pos;

    if (!p || !out || !len_out || !last_out)
        return ARC_ERR_ARG;
    if (p->pos == p->len)
        return ARC_AGAIN;

    n = piece_bytes(p);
    p->head.starts_frame = p->pos == 0;
    p->head.ends_frame   = p->pos + n == p->len;
    pos = arc_pl_vp9_write(&p->head, out);
    if (p->ss_len) {
        out[0] |= ARC_PL_VP9_V_BIT;
        memcpy(out + pos, p->ss, p->ss_len);
        pos += p->ss_len;
        p->ss_len = 0;
    }
    memcpy(out + pos, p->data + p->pos, n);
    p->pos += n;
    *len_out  = pos + n;
    *last_out = p->head.ends_frame;
    return ARC_OK;
}

enum arc_status arc_pl_vp9_unpacker_init(struct arc_pl_vp9_unpacker *u,
                                         uint8_t *out, size_t cap)
{
    if (!u || !out)
        return ARC_ERR_ARG;
    memset(u, 0, sizeof(*u));
    u->out = out;
    u->cap = cap;
    return ARC_OK;
}

/* Take the open frame out; true if there was one. */
static bool drop_open(struct arc_pl_vp9_unpacker *u)
{
    if (!u->open)
        return false;
    u->len  = u->n_frames ? u->frame_end[u->n_frames - 1] : 0;
    u->open = false;
    u->dropped_frames++;
    return true;
}

/* Whether a payload that begins no frame goes on with the open one. */
static bool goes_on(const struct arc_pl_vp9_unpacker *u,
                    const struct arc_pl_vp9 *d)
{
    return u->open && d->sid == u->open_sid &&
           d->ids.picture_id == u->ids.picture_id;
}

/* A payload may begin a frame: of this picture, and there is a place for it. */
static enum arc_status begin(struct arc_pl_vp9_unpacker *u,
                             const struct arc_pl_vp9 *d)
{
    if (u->n_frames == ARC_PL_VP9_MAX_SPATIAL)
        return ARC_ERR_LIMIT;
    if (u->n_frames == 0)
        u->ids = d->ids;
    else if (d->ids.picture_id != u->ids.picture_id)
        return ARC_ERR_FORMAT;
    u->open     = true;
    u->open_sid = d->sid;
    return ARC_OK;
}

static enum arc_status append(struct arc_pl_vp9_unpacker *u,
                              const struct arc_pl_vp9 *d,
                              const uint8_t *payload, size_t len)
{
    size_t n = len - d->descriptor_len;

    if (n > u->cap - u->len)
        return ARC_ERR_SPACE;
    memcpy(u->out + u->len, payload + d->descriptor_len, n);
    u->len += n;
    if (d->ends_frame) {
        u->frame_end[u->n_frames++] = u->len;
        u->open = false;
    }
    return ARC_OK;
}

enum arc_status arc_pl_vp9_unpacker_push(struct arc_pl_vp9_unpacker *u,
                                         const uint8_t *payload, size_t len)
{
    struct arc_pl_vp9 d;
    enum arc_status status;
    bool was_cut = false;

    if (!u || !payload)
        return ARC_ERR_ARG;
    status = arc_pl_vp9_parse(payload, len, &d);
    if (status == ARC_OK && d.starts_frame) {
        was_cut = drop_open(u);
        status  = begin(u, &d);
    } else if (status == ARC_OK && !goes_on(u, &d)) {
        status = ARC_ERR_FORMAT;
    }
    if (status == ARC_OK)
        status = append(u, &d, payload, len);
    if (status != ARC_OK) {
        drop_open(u); /* the piece that should have come is not there */
        return status;
    }
    return was_cut ? ARC_ERR_FORMAT : ARC_OK;
}

/* The index behind the frames of a superframe (annex B). */
static bool append_index(struct arc_pl_vp9_unpacker *u)
{
    size_t bytes = 1, largest = 0, begin_pos = 0;
    uint8_t marker;

    for (int i = 0; i < u->n_frames; i++) {
        if (u->frame_end[i] - begin_pos > largest)
            largest = u->frame_end[i] - begin_pos;
        begin_pos = u->frame_end[i];
    }
    while (bytes < INDEX_MAX_BYTES && largest >> 8 * bytes)
        bytes++;
    if (u->cap - u->len < 2 + bytes * u->n_frames ||
        (uint64_t)largest >> 8 * bytes)
        return false;
    marker = (uint8_t)(INDEX_MARKER | (bytes - 1) << 3 | (u->n_frames - 1u));
    u->out[u->len++] = marker;
    begin_pos = 0;
    for (int i = 0; i < u->n_frames; i++) {
        for (size_t b = 0; b < bytes; b++) /* little-endian */
            u->out[u->len++] =
                (uint8_t)((u->frame_end[i] - begin_pos) >> 8 * b);
        begin_pos = u->frame_end[i];
    }
    u->out[u->len++] = marker;
    u->n_frames     = 1; /* one superframe: a second end changes nothing */
    u->frame_end[0] = u->len;
    return true;
}

enum arc_status arc_pl_vp9_unpacker_finish(struct arc_pl_vp9_unpacker *u,
                                           size_t *len_out)
{
    bool was_cut;

    if (!u || !len_out)
        return ARC_ERR_ARG;
    was_cut  = drop_open(u);
    *len_out = 0;
    if (u->n_frames > 1 && !append_index(u))
        return ARC_ERR_SPACE;
    *len_out = u->len;
    return was_cut ? ARC_ERR_FORMAT : ARC_OK;
}
