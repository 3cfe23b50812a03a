/**
 * @file wire/rtcpsdes.c  RTCP source description (declared in wire/rtcp.h)
 *
 * RFC 3550 §6.5: a chunk is an SSRC and items; one or more zero bytes end it
 * and fill it up to a whole word.
 */
#include <string.h>

#include "wire/rtcp.h"

enum { SSRC_BYTES = 4, ITEM_HEAD_BYTES = 2, WORD_BYTES = 4 };

enum arc_status arc_rtcp_sdes_iter_init(struct arc_rtcp_sdes_iter *it,
                                        const struct arc_rtcp_packet *p)
{
    if (!it || !p || p->type != ARC_RTCP_SDES)
        return ARC_ERR_ARG;
    memset(it, 0, sizeof(*it));
    it->body        = p->body;
    it->len         = p->body_len;
    it->chunks_left = p->count;
    return ARC_OK;
}

/* Past the zeros of an END: to the next whole word of the body. */
static void close_chunk(struct arc_rtcp_sdes_iter *it, struct arc_reader *r,
                        struct arc_rtcp_sdes_item *out)
{
    arc_reader_take(r, (WORD_BYTES - r->pos % WORD_BYTES) % WORD_BYTES);
    it->in_chunk   = false;
    out->value     = NULL;
    out->value_len = 0;
}

enum arc_status arc_rtcp_sdes_next(struct arc_rtcp_sdes_iter *it,
                                   struct arc_rtcp_sdes_item *out)
{
    struct arc_rtcp_sdes_item item;
    struct arc_reader r;

    if (!it->in_chunk && it->chunks_left == 0)
        return ARC_AGAIN;

    arc_reader_init(&r, it->body, it->len);
    arc_reader_take(&r, it->pos);
    if (!it->in_chunk) {
        it->ssrc     = arc_reader_u32(&r);
        it->in_chunk = true;
        it->chunks_left--;
    }
    item.ssrc = it->ssrc;
    item.type = arc_reader_u8(&r);
    if (item.type == ARC_SDES_END) {
        close_chunk(it, &r, &item);
    } else {
        item.value_len = arc_reader_u8(&r);
        item.value     = arc_reader_take(&r, item.value_len);
    }
    if (r.fail) {
        it->in_chunk    = false; /* later calls answer ARC_AGAIN */
        it->chunks_left = 0;
        return ARC_ERR_FORMAT;
    }
    it->pos = r.pos;
    *out    = item;
    return ARC_OK;
}

/* Bytes of the item at body position `pos`, with the SSRC if it is the first
 * of its chunk. */
static size_t item_bytes(const struct arc_rtcp_sdes_item *item, bool first,
                         size_t pos)
{
    size_t head = first ? SSRC_BYTES : 0;

    if (item->type == ARC_SDES_END)
        return head + WORD_BYTES - (pos + head) % WORD_BYTES;
    return head + ITEM_HEAD_BYTES + item->value_len;
}

static void write_item(struct arc_writer *w,
                       const struct arc_rtcp_sdes_item *item)
{
    arc_writer_u8(w, item->type);
    if (item->type == ARC_SDES_END) {
        while (w->pos % WORD_BYTES)
            arc_writer_u8(w, 0);
        return;
    }
    arc_writer_u8(w, item->value_len);
    arc_writer_bytes(w, item->value, item->value_len);
}

void arc_rtcp_write_sdes(struct arc_writer *w,
                         const struct arc_rtcp_sdes_item *items, size_t n)
{
    struct arc_writer body;
    size_t len = 0, chunks = 0;
    bool first = true;

    for (size_t i = 0; i < n; i++) {
        len  += item_bytes(&items[i], first, len);
        first = items[i].type == ARC_SDES_END;
        chunks += first;
    }
    if (!first) { /* the last chunk is not closed */
        w->fail = true;
        return;
    }
    if (!arc_rtcp_open(w, ARC_RTCP_SDES, chunks, len, &body))
        return;
    for (size_t i = 0; i < n; i++) {
        if (first)
            arc_writer_u32(&body, items[i].ssrc);
        write_item(&body, &items[i]);
        first = items[i].type == ARC_SDES_END;
    }
}

void arc_rtcp_write_sdes_cname(struct arc_writer *w, uint32_t ssrc,
                               const char *cname)
{
    size_t len = strlen(cname);
    struct arc_rtcp_sdes_item items[2] = {
        {ssrc, ARC_SDES_CNAME, (uint8_t)len, (const uint8_t *)cname},
        {ssrc, ARC_SDES_END, 0, NULL},
    };

    if (len > ARC_RTCP_MAX_TEXT_BYTES)
        w->fail = true;
    else
        arc_rtcp_write_sdes(w, items, 2);
}

size_t arc_rtcp_cname_bytes(const char *cname)
{
    /* header, SSRC, an item, and the zeros that end and fill the chunk up */
    return 4 + 4 + ((2 + strlen(cname) + 1 + 3) & ~(size_t)3);
}
