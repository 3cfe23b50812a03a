/**
 * @file wire/pl_av1_unpack.c  AV1 in RTP payloads: peek and unpacker
 *
 * Declared in wire/pl_av1.h.
 */
#include <string.h>

#include "base/bytes.h"
#include "wire/pl_av1.h"

enum {
    W_BITS        = 3,
    /* Room for the size of an OBU whose end is not known yet: 28 bits, 256 MB.
     * leb128 may be longer than needed (AV1 specification 4.10.5). */
    OPEN_SIZE_BYTES = 4
};

#define MAX_OPEN_BYTES ((size_t)1 << 7 * OPEN_SIZE_BYTES)

/** The elements of one payload, one after the other. */
struct walk {
    struct arc_reader r;
    int32_t w;         /* how many there are; 0: each has a length            */
    int32_t n;         /* read so far                                         */
};

/** Next element; ARC_AGAIN at the end. */
static enum arc_status next_element(struct walk *w, const uint8_t **data,
                                    size_t *len)
{
    size_t n;

    if (w->w ? w->n == w->w : arc_reader_left(&w->r) == 0)
        return w->n && arc_reader_left(&w->r) == 0 ? ARC_AGAIN : ARC_ERR_FORMAT;
    /* 4.4: the last of a counted number has no length. */
    n     = w->w && w->n == w->w - 1 ? arc_reader_left(&w->r)
                                     : arc_leb128_read(&w->r);
    *data = arc_reader_take(&w->r, n);
    if (!*data || n == 0)
        return ARC_ERR_FORMAT;
    *len = n;
    w->n++;
    return ARC_OK;
}

static void walk_init(struct walk *w, const uint8_t *payload, size_t len)
{
    arc_reader_init(&w->r, payload + 1, len - 1);
    w->w = payload[0] >> ARC_PL_AV1_W_SHIFT & W_BITS;
    w->n = 0;
}

/** Note an OBU that begins here; false: not the beginning of one. */
static bool note_obu(const uint8_t *data, size_t len,
                     struct arc_pl_av1_info *info)
{
    uint8_t type = data[0] >> 3 & 0x0f;

    if (data[0] & 0x80) /* the forbidden bit */
        return false;
    if (info->first_type == 0)
        info->first_type = type;
    info->has_sequence_header = info->has_sequence_header ||
                                type == ARC_OBU_SEQUENCE_HEADER;
    if ((data[0] & 0x04) && len >= 2 && !info->has_layers) {
        info->has_layers = true;
        info->tid        = data[1] >> 5;
        info->sid        = data[1] >> 3 & 3;
    }
    return true;
}

enum arc_status arc_pl_av1_peek(const uint8_t *payload, size_t len,
                                struct arc_pl_av1_info *out)
{
    struct arc_pl_av1_info info;
    struct walk w;
    const uint8_t *data;
    enum arc_status status;
    size_t n;

    if (!payload || !out)
        return ARC_ERR_ARG;
    if (len == 0)
        return ARC_ERR_FORMAT;

    memset(&info, 0, sizeof(info));
    info.continues       = payload[0] & ARC_PL_AV1_Z_BIT;
    info.is_continued    = payload[0] & ARC_PL_AV1_Y_BIT;
    info.starts_sequence = payload[0] & ARC_PL_AV1_N_BIT;
    if (info.continues && info.starts_sequence)
        return ARC_ERR_FORMAT; /* 4.4: N with Z cannot be */
    walk_init(&w, payload, len);
    while ((status = next_element(&w, &data, &n)) == ARC_OK)
        if (!(info.continues && w.n == 1) && !note_obu(data, n, &info))
            return ARC_ERR_FORMAT;
    if (status != ARC_AGAIN)
        return status;
    info.n_elements = w.n;
    *out = info;
    return ARC_OK;
}

enum arc_status arc_pl_av1_unpacker_init(struct arc_pl_av1_unpacker *u,
                                         uint8_t *out, size_t cap)
{
    if (!u || !out)
        return ARC_ERR_ARG;
    memset(u, 0, sizeof(*u));
    u->out = out;
    u->cap = cap;
    return ARC_OK;
}

/** Take the open OBU out; true if there was one. */
static bool drop_open(struct arc_pl_av1_unpacker *u)
{
    if (!u->open)
        return false;
    u->len  = u->open_pos;
    u->open = false;
    u->dropped_obus++;
    return true;
}

static bool append(struct arc_pl_av1_unpacker *u, const uint8_t *src, size_t n)
{
    if (n > u->cap - u->len)
        return false;
    if (n)
        memcpy(u->out + u->len, src, n);
    u->len += n;
    return true;
}

/** Begin an OBU: its header, and room for a size of `size_bytes`. An OBU that
 *  brings its size with it (4.5 only advises against that) gets no room. */
static bool begin(struct arc_pl_av1_unpacker *u, const uint8_t *data, size_t n,
                  size_t size_bytes)
{
    static const uint8_t zeros[OPEN_SIZE_BYTES];
    size_t header = data[0] & 0x04 ? 2 : 1;

    u->open        = true;
    u->open_pos    = u->len;
    u->open_header = 0;
    if (data[0] & ARC_OBU_HAS_SIZE_BIT)
        return append(u, data, n);
    if (n < header || !append(u, data, header) || !append(u, zeros, size_bytes))
        return false;
    u->out[u->open_pos] |= ARC_OBU_HAS_SIZE_BIT;
    u->open_header       = header;
    return append(u, data + header, n - header);
}

/** Write the size of the open OBU, or check the one it brought. */
static bool end(struct arc_pl_av1_unpacker *u, size_t size_bytes)
{
    struct arc_obu o;
    size_t total = u->len - u->open_pos;

    if (u->open_header) {
        size_t payload = total - u->open_header - size_bytes;

        if (payload >= MAX_OPEN_BYTES)
            return false;
        arc_leb128_put(u->out + u->open_pos + u->open_header,
                       (uint32_t)payload, size_bytes);
    }
    if (arc_obu_parse(u->out + u->open_pos, total, &o) != ARC_OK ||
        o.payload_off + o.payload_len != total)
        return false;
    u->open = false;
    /* Section 5: a receiver ignores these. */
    if (o.type == ARC_OBU_TEMPORAL_DELIMITER || o.type == ARC_OBU_TILE_LIST)
        u->len = u->open_pos;
    return true;
}

static enum arc_status fail(struct arc_pl_av1_unpacker *u,
                            enum arc_status status)
{
    drop_open(u);
    return status;
}

/** A whole OBU. */
static enum arc_status push_whole(struct arc_pl_av1_unpacker *u,
                                  const uint8_t *data, size_t n)
{
    size_t header = data[0] & 0x04 ? 2 : 1;
    size_t size_bytes = arc_leb128_bytes((uint32_t)(n > header ? n - header : 0));

    if (n < header)
        return ARC_ERR_FORMAT;
    if (!begin(u, data, n, size_bytes))
        return fail(u, ARC_ERR_SPACE);
    return end(u, size_bytes) ? ARC_OK : fail(u, ARC_ERR_FORMAT);
}

/** A piece: of the open OBU, or the first of one. */
static enum arc_status push_piece(struct arc_pl_av1_unpacker *u,
                                  const uint8_t *data, size_t n, bool goes_on,
                                  bool is_last)
{
    if (!goes_on) {
        if (n < (size_t)(data[0] & 0x04 ? 2 : 1))
            return ARC_ERR_FORMAT;
        return begin(u, data, n, OPEN_SIZE_BYTES) ? ARC_OK
                                                  : fail(u, ARC_ERR_SPACE);
    }
    if (!u->open)
        return ARC_ERR_FORMAT;
    if (!append(u, data, n))
        return fail(u, ARC_ERR_SPACE);
    if (is_last && !end(u, OPEN_SIZE_BYTES))
        return fail(u, ARC_ERR_FORMAT);
    return ARC_OK;
}

/** All elements of a payload that was peeked into. */
static enum arc_status push_elements(struct arc_pl_av1_unpacker *u,
                                     const uint8_t *payload, size_t len,
                                     const struct arc_pl_av1_info *info)
{
    enum arc_status status, worst = ARC_OK;
    const uint8_t *data;
    struct walk w;
    size_t n;

    walk_init(&w, payload, len);
    while (next_element(&w, &data, &n) == ARC_OK) {
        bool goes_on = info->continues && w.n == 1;
        bool is_last = !(info->is_continued && w.n == info->n_elements);

        status = goes_on || !is_last ? push_piece(u, data, n, goes_on, is_last)
                                     : push_whole(u, data, n);
        if (status != ARC_OK)
            worst = status;
    }
    return worst;
}

enum arc_status arc_pl_av1_unpacker_push(struct arc_pl_av1_unpacker *u,
                                         const uint8_t *payload, size_t len)
{
    struct arc_pl_av1_info info;
    enum arc_status status;
    bool was_cut = false;

    if (!u || !payload)
        return ARC_ERR_ARG;
    status = arc_pl_av1_peek(payload, len, &info);
    if (status != ARC_OK) {
        drop_open(u); /* the piece that should have come is not there */
        return status;
    }
    if (!info.continues)
        was_cut = drop_open(u);
    status = push_elements(u, payload, len, &info);
    return status == ARC_OK && was_cut ? ARC_ERR_FORMAT : status;
}

enum arc_status arc_pl_av1_unpacker_finish(struct arc_pl_av1_unpacker *u,
                                           size_t *len_out)
{
    bool was_cut;

    if (!u || !len_out)
        return ARC_ERR_ARG;
    was_cut  = drop_open(u);
    *len_out = u->len;
    return was_cut ? ARC_ERR_FORMAT : ARC_OK;
}
