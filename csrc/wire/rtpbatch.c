/**
 * @file wire/rtpbatch.c  The headers of many packets at once
 */
#include <string.h>

#include "wire/rtp.h"
#include "wire/rtpbatch.h"
#include "wire/rtpext.h"

static void clear_elements(struct arc_rtpbatch *b, size_t row)
{
    for (size_t c = 0; c < b->n_ids; c++) {
        b->ext_off[c * b->cap + row] = 0;
        b->ext_len[c * b->cap + row] = -1;
    }
}

/* The first element of each id counts, as for arc_rtpext_find(). */
static enum arc_status read_elements(const uint8_t *packet,
                                     const struct arc_rtp *h,
                                     struct arc_rtpbatch *b, size_t row)
{
    struct arc_rtpext_iter it;
    struct arc_rtpext_element e;
    enum arc_status status;

    arc_rtpext_begin(&it, packet, h);
    while ((status = arc_rtpext_step(&it, &e)) == ARC_OK) {
        size_t column = b->column_of[e.id];
        size_t at;

        if (column == 0 || column > b->n_ids)
            continue;
        at = (column - 1) * b->cap + row;
        if (b->ext_len[at] >= 0)
            continue;
        b->ext_off[at] = (int32_t)(e.value - packet);
        b->ext_len[at] = e.len;
    }
    return status == ARC_AGAIN ? ARC_OK : status;
}

static void fill(struct arc_rtpbatch *b, size_t row, const struct arc_rtp *h)
{
    b->seq16[row]        = h->seq16;
    b->rtp_ts[row]       = h->rtp_ts;
    b->ssrc[row]         = h->ssrc;
    b->payload_type[row] = h->payload_type;
    b->marker[row]       = h->marker;
    b->csrc_count[row]   = h->csrc_count;
    b->padding_len[row]  = (uint8_t)h->padding_len;
    b->payload_off[row]  = h->payload_off;
    b->payload_len[row]  = h->payload_len;
}

static enum arc_status parse_row(const uint8_t *packet, size_t len,
                                 struct arc_rtpbatch *b, size_t row)
{
    static const struct arc_rtp none;
    struct arc_rtp h;
    enum arc_status status = arc_rtp_parse(packet, len, &h);

    clear_elements(b, row);
    if (status == ARC_OK && h.has_extension)
        status = read_elements(packet, &h, b, row);
    if (status == ARC_OK) {
        fill(b, row, &h);
        return ARC_OK;
    }
    fill(b, row, &none);
    clear_elements(b, row);
    return status;
}

static bool columns_ok(const struct arc_rtpbatch *b)
{
    return b && b->cap <= ARC_RTPBATCH_MAX_PKTS && b->status && b->seq16 && b->rtp_ts && b->ssrc &&
           b->payload_type && b->marker && b->csrc_count && b->padding_len &&
           b->payload_off && b->payload_len &&
           b->n_ids <= ARC_RTPBATCH_MAX_IDS &&
           (b->n_ids == 0 || (b->ext_off && b->ext_len));
}

int32_t arc_rtpbatch_parse(const uint8_t *data, size_t slot_bytes,
                           const int32_t *lengths, const int32_t *skip,
                           size_t n, struct arc_rtpbatch *out)
{
    int32_t n_good = 0;

    if (!columns_ok(out) || n > out->cap || (n && (!data || !lengths)))
        return ARC_ERR_ARG;

    for (size_t i = 0; i < n; i++) {
        const uint8_t *packet = data + i * slot_bytes;
        bool skipped          = skip && skip[i] != ARC_OK;
        bool fits = lengths[i] >= 0 && (size_t)lengths[i] <= slot_bytes;

        out->status[i] = parse_row(
            packet, skipped || !fits ? 0 : (size_t)lengths[i], out, i);
        if (skipped)
            out->status[i] = skip[i];
        else if (!fits)
            out->status[i] = ARC_ERR_ARG;
        n_good += out->status[i] == ARC_OK;
    }
    return n_good;
}
