/**
 * @file wire/pl_av1.c  AV1 in RTP payloads: packer
 *
 * The unpacker is in wire/pl_av1_unpack.c.
 */
#include <string.h>

#include "wire/pl_av1.h"

/** Bytes of the OBU as an element: without a size field. */
static size_t element_bytes(const struct arc_obu *o)
{
    return o->header_len + o->payload_len;
}

static bool is_sendable(uint8_t type)
{
    /* Section 5: delimiters and tile lists are to be removed. */
    return type != ARC_OBU_TEMPORAL_DELIMITER && type != ARC_OBU_TILE_LIST &&
           type != ARC_OBU_PADDING;
}

/** Make the next OBU that is sent, from `pos` on, the current one. */
static enum arc_status find_obu(struct arc_pl_av1_packer *p, size_t pos)
{
    p->has_obu = false;
    p->sent    = 0;
    while (pos < p->len) {
        enum arc_status status = arc_obu_parse(p->data + pos, p->len - pos,
                                               &p->obu);

        if (status != ARC_OK)
            return status;
        if (is_sendable(p->obu.type)) {
            p->pos     = pos;
            p->has_obu = true;
            return ARC_OK;
        }
        p->dropped_obus++;
        pos += p->obu.payload_off + p->obu.payload_len;
    }
    return ARC_OK;
}

static size_t next_pos(const struct arc_pl_av1_packer *p)
{
    return p->pos + p->obu.payload_off + p->obu.payload_len;
}

/** Whether an OBU may follow in the same payload (section 5: one layer only;
 *  what has no layer comes in front of what has). */
static bool may_follow(const struct arc_obu *a, const struct arc_obu *b)
{
    return !a->has_layers ||
           (b->has_layers && a->tid == b->tid && a->sid == b->sid);
}

/** Bytes of elements from the current OBU to the end of its layer's frame. */
static enum arc_status measure(struct arc_pl_av1_packer *p)
{
    struct arc_pl_av1_packer ahead = *p;
    struct arc_obu before = p->obu;
    enum arc_status status = ARC_OK;

    p->left = 0;
    while (status == ARC_OK && ahead.has_obu &&
           may_follow(&before, &ahead.obu)) {
        p->left += element_bytes(&ahead.obu);
        before = ahead.obu;
        status = find_obu(&ahead, next_pos(&ahead));
    }
    return status;
}

enum arc_status arc_pl_av1_packer_init(struct arc_pl_av1_packer *p,
                                       const uint8_t *data, size_t len,
                                       bool starts_sequence,
                                       size_t max_payload_bytes)
{
    struct arc_pl_av1_packer walk;
    enum arc_status status;

    if (!p || !data || max_payload_bytes < ARC_PL_AV1_MIN_PAYLOAD_BYTES ||
        max_payload_bytes > ARC_PL_AV1_MAX_PAYLOAD_BYTES)
        return ARC_ERR_ARG;

    memset(p, 0, sizeof(*p));
    p->data              = data;
    p->len               = len;
    p->max_payload_bytes = max_payload_bytes;
    p->starts_sequence   = starts_sequence;
    status = find_obu(p, 0);
    if (status != ARC_OK || !p->has_obu)
        return ARC_ERR_FORMAT;

    /* All of it, so that nothing malformed is met half-way. */
    walk = *p;
    while (status == ARC_OK && walk.has_obu)
        status = find_obu(&walk, next_pos(&walk));
    return status == ARC_OK ? measure(p) : status;
}

/** Copy `n` bytes of the current OBU as an element, from `sent` on. */
static void put_piece(struct arc_pl_av1_packer *p, uint8_t *out, size_t n)
{
    const uint8_t *obu = p->data + p->pos;
    size_t head = 0;

    if (p->sent < p->obu.header_len) {
        head = p->obu.header_len - p->sent;
        if (head > n)
            head = n;
        memcpy(out, obu + p->sent, head);
        if (p->sent == 0) /* 4.5: no size field inside */
            out[0] &= (uint8_t)~ARC_OBU_HAS_SIZE_BIT;
    }
    if (n > head)
        memcpy(out + head, obu + p->obu.payload_off + p->sent + head -
                           p->obu.header_len, n - head);
    p->sent += n;
    p->left -= n;
}

/** Room for elements: so much of the payload that all of the frame's are nearly
 *  equal. */
static size_t even_room(const struct arc_pl_av1_packer *p)
{
    /* Of the payload: the aggregation header, and lengths of two elements if
     * another OBU follows. */
    bool is_last_obu = element_bytes(&p->obu) - p->sent == p->left;
    size_t lengths = is_last_obu ? 0 : 2 * (ARC_PL_AV1_MAX_ELEMENTS - 1);
    size_t room = p->max_payload_bytes - 1;
    size_t n = (p->left + room - lengths - 1) / (room - lengths);
    size_t even = (p->left + n - 1) / n + lengths;

    return even < room ? even : room;
}

/** Whether the OBU after the current one shares the payload with it, after
 *  `used` bytes of `room`. */
static bool goes_on(const struct arc_pl_av1_packer *p, size_t used, size_t room)
{
    struct arc_pl_av1_packer ahead = *p;
    size_t rest = element_bytes(&p->obu) - p->sent;

    /* Behind it at least a header and a byte: less is not worth a length. */
    if (used + arc_leb128_bytes((uint32_t)rest) + rest + 3 > room)
        return false;
    return find_obu(&ahead, next_pos(p)) == ARC_OK && ahead.has_obu &&
           may_follow(&p->obu, &ahead.obu);
}

static void put_elements(struct arc_pl_av1_packer *p, uint8_t *out,
                         size_t room, size_t *used, int32_t *count)
{
    while (*count < ARC_PL_AV1_MAX_ELEMENTS - 1 && goes_on(p, *used, room)) {
        size_t rest = element_bytes(&p->obu) - p->sent;
        size_t n = arc_leb128_bytes((uint32_t)rest);

        arc_leb128_put(out + *used, (uint32_t)rest, n);
        put_piece(p, out + *used + n, rest);
        *used += n + rest;
        ++*count;
        find_obu(p, next_pos(p));
    }
}

/** The last element of a payload has no length; true: it is cut. */
static bool put_last(struct arc_pl_av1_packer *p, uint8_t *out, size_t room,
                     size_t *used, int32_t *count)
{
    size_t rest = element_bytes(&p->obu) - p->sent;
    size_t n = rest < room - *used ? rest : room - *used;

    put_piece(p, out + *used, n);
    *used += n;
    ++*count;
    if (n < rest)
        return true;
    find_obu(p, next_pos(p));
    return false;
}

enum arc_status arc_pl_av1_packer_next(struct arc_pl_av1_packer *p,
                                       uint8_t *out, size_t *len_out,
                                       struct arc_pl_av1_place *place)
{
    size_t used = 0, room;
    int32_t count = 0;
    uint8_t header;

    if (!p || !out || !len_out || !place)
        return ARC_ERR_ARG;
    if (!p->has_obu)
        return ARC_AGAIN;

    if (p->left == 0)
        measure(p);
    place->starts_frame = !p->in_frame;
    room   = even_room(p);
    header = (uint8_t)(p->sent > 0 ? ARC_PL_AV1_Z_BIT : 0);
    if (p->starts_sequence && !header)
        header |= ARC_PL_AV1_N_BIT;
    put_elements(p, out + 1, room, &used, &count);
    place->tid = p->obu.tid;
    place->sid = p->obu.sid;
    if (put_last(p, out + 1, room, &used, &count))
        header |= ARC_PL_AV1_Y_BIT;
    out[0]   = (uint8_t)(header | count << ARC_PL_AV1_W_SHIFT);
    *len_out = 1 + used;
    p->starts_sequence = false;
    p->in_frame        = p->left > 0;
    place->ends_frame  = !p->in_frame;
    place->last        = !p->has_obu;
    return ARC_OK;
}
