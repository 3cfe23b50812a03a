/**
 * @file wire/pl_vp8_frame.c  VP8 in RTP payloads: packer and unpacker
 *
 * Declared in wire/pl_vp8.h.
 */
#include <string.h>

#include "wire/pl_vp8.h"

enum { MAX_PID = 7 };

/* Where the partitions end, if there is more than one of coefficients. */
static void find_partitions(struct arc_pl_vp8_packer *p, size_t len)
{
    struct arc_vp8frame f;

    p->n_parts     = 1;
    p->part_end[0] = (uint32_t)len;
    if (arc_vp8frame_parse(p->data, len, &f) == ARC_OK && f.n_partitions > 2) {
        p->n_parts = f.n_partitions;
        memcpy(p->part_end, f.partition_end, sizeof(p->part_end));
    }
}

enum arc_status arc_pl_vp8_packer_init(struct arc_pl_vp8_packer *p,
                                       const struct arc_pl_vp8 *head,
                                       const uint8_t *data, size_t len,
                                       size_t max_payload_bytes)
{
    uint8_t bytes[ARC_PL_VP8_MAX_DESCRIPTOR_BYTES];
    size_t head_len;

    if (!p || !head || !data || len == 0 || len > UINT32_MAX ||
        max_payload_bytes < ARC_PL_VP8_MIN_PAYLOAD_BYTES ||
        max_payload_bytes > ARC_PL_VP8_MAX_PAYLOAD_BYTES)
        return ARC_ERR_ARG;
    head_len = arc_pl_vp8_write(head, bytes);
    if (head_len == 0)
        return ARC_ERR_ARG;

    memset(p, 0, sizeof(*p));
    p->data              = data;
    p->max_payload_bytes = max_payload_bytes;
    p->head              = *head;
    p->head_len          = (uint8_t)head_len;
    find_partitions(p, len);
    return ARC_OK;
}

/* Bytes of the next payload, behind the descriptor. */
static size_t piece_bytes(const struct arc_pl_vp8_packer *p)
{
    size_t room = p->max_payload_bytes - p->head_len;
    size_t begin = p->part ? p->part_end[p->part - 1] : 0;
    size_t left = p->part_end[p->part] - p->pos, whole = 0;

    if (p->pos == begin) /* whole partitions together (§4.4) */
        for (int i = p->part;
             i < p->n_parts && p->part_end[i] - p->pos <= room; i++)
            whole = p->part_end[i] - p->pos;
    if (whole)
        return whole;
    return (left + (left + room - 1) / room - 1) / ((left + room - 1) / room);
}

enum arc_status arc_pl_vp8_packer_next(struct arc_pl_vp8_packer *p,
                                       uint8_t *out, size_t *len_out,
                                       bool *last_out)
{
    size_t n;

    if (!p || !out || !len_out || !last_out)
        return ARC_ERR_ARG;
    if (p->part == p->n_parts)
        return ARC_AGAIN;

    n = piece_bytes(p);
    p->head.partition = p->part < MAX_PID ? p->part : MAX_PID;
    /* §4.2: once for each PID; the eighth partition of coefficients has no
     * number of its own. */
    p->head.starts_partition =
        p->part <= MAX_PID && p->pos == (p->part ? p->part_end[p->part - 1] : 0);
    arc_pl_vp8_write(&p->head, out);
    memcpy(out + p->head_len, p->data + p->pos, n);
    *len_out = p->head_len + n;

    p->pos += n;
    while (p->part < p->n_parts && p->part_end[p->part] <= p->pos)
        p->part++;
    *last_out = p->part == p->n_parts;
    return ARC_OK;
}

enum arc_status arc_pl_vp8_unpacker_init(struct arc_pl_vp8_unpacker *u,
                                         uint8_t *out, size_t cap)
{
    if (!u || !out)
        return ARC_ERR_ARG;
    memset(u, 0, sizeof(*u));
    u->out = out;
    u->cap = cap;
    return ARC_OK;
}

/* Take the frame out; true if there was one. */
static bool drop_open(struct arc_pl_vp8_unpacker *u)
{
    if (!u->open)
        return false;
    u->len  = 0;
    u->open = false;
    u->dropped_frames++;
    return true;
}

enum arc_status arc_pl_vp8_unpacker_push(struct arc_pl_vp8_unpacker *u,
                                         const uint8_t *payload, size_t len)
{
    struct arc_pl_vp8 d;
    enum arc_status status;
    bool was_cut = false;
    size_t n;

    if (!u || !payload)
        return ARC_ERR_ARG;
    status = arc_pl_vp8_parse(payload, len, &d);
    if (status == ARC_OK && d.starts_frame) {
        was_cut = drop_open(u);
        u->open = true;
        u->ids  = d.ids;
    } else if (status == ARC_OK &&
               (!u->open || d.ids.picture_id != u->ids.picture_id)) {
        status = ARC_ERR_FORMAT;
    }
    n = status == ARC_OK ? len - d.descriptor_len : 0;
    if (status == ARC_OK && n > u->cap - u->len)
        status = ARC_ERR_SPACE;
    if (status != ARC_OK) {
        drop_open(u); /* the piece that should have come is not there */
        return status;
    }
    memcpy(u->out + u->len, payload + d.descriptor_len, n);
    u->len += n;
    return was_cut ? ARC_ERR_FORMAT : ARC_OK;
}

enum arc_status arc_pl_vp8_unpacker_finish(struct arc_pl_vp8_unpacker *u,
                                           size_t *len_out)
{
    if (!u || !len_out)
        return ARC_ERR_ARG;
    *len_out = u->len;
    return ARC_OK;
}
