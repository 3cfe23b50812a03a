/**
 * @file wire/xrrle.c  Extended reports on each packet: losses, duplicates, times
 */
#include "wire/xrrle.h"

enum {
    HEAD_BYTES   = 8, /* SSRC, begin_seq, end_seq */
    MAX_THINNING = 15,
    VECTOR_BITS  = 15,
    MAX_RUN      = 16383,
    IS_VECTOR    = 0x8000,
    RUN_OF_ONES  = 0x4000
};

static bool is_sound(const struct arc_xr_range *range)
{
    return range->thinning <= MAX_THINNING &&
           (uint16_t)(range->end_seq - range->begin_seq) <= ARC_XR_MAX_RANGE;
}

/* From begin_seq to the first number that is a multiple of 2^thinning. */
static uint16_t skipped(const struct arc_xr_range *range)
{
    return (uint16_t)-range->begin_seq & ((1u << range->thinning) - 1);
}

size_t arc_xr_range_count(const struct arc_xr_range *range)
{
    uint16_t numbers = (uint16_t)(range->end_seq - range->begin_seq);

    if (!is_sound(range) || numbers <= skipped(range))
        return 0;
    return ((numbers - skipped(range) - 1u) >> range->thinning) + 1;
}

uint16_t arc_xr_range_seq16(const struct arc_xr_range *range, size_t i)
{
    return (uint16_t)(range->begin_seq + skipped(range) +
                      (i << range->thinning));
}

/* What all three blocks begin with; false: too short, or the range too long. */
static bool read_range(const struct arc_xr_block *b, struct arc_reader *r,
                       struct arc_xr_range *range)
{
    arc_reader_init(r, b->body, b->body_len);
    range->ssrc      = arc_reader_u32(r);
    range->begin_seq = arc_reader_u16(r);
    range->end_seq   = arc_reader_u16(r);
    range->thinning  = b->specific & MAX_THINNING; /* the rest is reserved */
    return !r->fail && is_sound(range);
}

static bool open_range(struct arc_writer *w, uint8_t type,
                       const struct arc_xr_range *range, size_t content_bytes,
                       struct arc_writer *body)
{
    if (!is_sound(range)) {
        w->fail = true;
        return false;
    }
    if (!arc_xr_open(w, type, range->thinning, HEAD_BYTES + content_bytes,
                     body))
        return false;
    arc_writer_u32(body, range->ssrc);
    arc_writer_u16(body, range->begin_seq);
    arc_writer_u16(body, range->end_seq);
    return true;
}

/* Packets that one chunk describes, at most `left`; 0: it may not stand here.
 * `bits` may be NULL. */
static size_t decode_chunk(uint16_t chunk, size_t left, uint8_t *bits)
{
    size_t n = chunk & IS_VECTOR ? VECTOR_BITS : chunk & MAX_RUN;

    if (n > left) {
        if (!(chunk & IS_VECTOR))
            return 0;
        n = left; /* §4.1: bits beyond the last packet are ignored */
    }
    for (size_t i = 0; bits && i < n; i++)
        bits[i] = chunk & IS_VECTOR ? chunk >> (VECTOR_BITS - 1 - i) & 1
                                    : (chunk & RUN_OF_ONES) != 0;
    return n;
}

/* Whether the chunks describe `count` packets, and only them; fills `bits`
 * unless it is NULL. */
static bool decode_chunks(struct arc_reader r, size_t count, uint8_t *bits)
{
    size_t done = 0;

    while (done < count) {
        size_t n = decode_chunk(arc_reader_u16(&r), count - done,
                                bits ? bits + done : NULL);

        if (n == 0) /* a null chunk, or nothing left */
            return false;
        done += n;
    }
    /* §4.1: one null chunk, if a word must be filled, and nothing else. */
    return arc_reader_left(&r) == 0 ||
           (arc_reader_u16(&r) == 0 && arc_reader_left(&r) == 0);
}

enum arc_status arc_xr_parse_rle(const struct arc_xr_block *b,
                                 struct arc_xr_range *range, uint8_t *bits,
                                 size_t cap, size_t *n)
{
    struct arc_xr_range found;
    struct arc_reader r;
    size_t count;

    if (!b || (b->type != ARC_XR_LOSS_RLE && b->type != ARC_XR_DUPLICATE_RLE) ||
        !range || !n || (cap && !bits))
        return ARC_ERR_ARG;

    *n = 0;
    if (!read_range(b, &r, &found))
        return ARC_ERR_FORMAT;
    count = arc_xr_range_count(&found);
    if (!decode_chunks(r, count, NULL))
        return ARC_ERR_FORMAT;
    if (count > cap)
        return ARC_ERR_SPACE;

    decode_chunks(r, count, bits);
    *range = found;
    *n     = count;
    return ARC_OK;
}

/* The chunk that describes most of the `left` packets, and how many; no choice
 * of chunks needs fewer than this one made again and again. */
static size_t encode_chunk(const uint8_t *bits, size_t left, uint16_t *chunk)
{
    size_t run = 1;

    while (run < left && run < MAX_RUN && !bits[run] == !bits[0])
        run++;
    if (run >= VECTOR_BITS || run == left) {
        *chunk = (uint16_t)((bits[0] ? RUN_OF_ONES : 0) | run);
        return run;
    }
    *chunk = IS_VECTOR;
    for (size_t i = 0; i < VECTOR_BITS && i < left; i++)
        *chunk |= (uint16_t)((bits[i] != 0) << (VECTOR_BITS - 1 - i));
    return left < VECTOR_BITS ? left : VECTOR_BITS;
}

void arc_xr_write_rle(struct arc_writer *w, uint8_t type,
                      const struct arc_xr_range *range, const uint8_t *bits)
{
    size_t count = arc_xr_range_count(range);
    size_t chunks = 0;
    struct arc_writer body;
    uint16_t chunk;

    for (size_t i = 0; i < count; chunks++)
        i += encode_chunk(bits + i, count - i, &chunk);
    if (!open_range(w, type, range, (chunks + chunks % 2) * 2, &body))
        return;
    for (size_t i = 0; i < count;) {
        i += encode_chunk(bits + i, count - i, &chunk);
        arc_writer_u16(&body, chunk);
    }
    if (chunks % 2) /* §4.1: a null chunk fills the word */
        arc_writer_u16(&body, 0);
}

enum arc_status arc_xr_parse_receipt_times(const struct arc_xr_block *b,
                                           struct arc_xr_range *range,
                                           uint32_t *times_ticks, size_t cap,
                                           size_t *n)
{
    struct arc_xr_range found;
    struct arc_reader r;
    size_t count;

    if (!b || b->type != ARC_XR_RECEIPT_TIMES || !range || !n ||
        (cap && !times_ticks))
        return ARC_ERR_ARG;

    *n = 0;
    if (!read_range(b, &r, &found))
        return ARC_ERR_FORMAT;
    count = arc_xr_range_count(&found);
    if (arc_reader_left(&r) != count * 4)
        return ARC_ERR_FORMAT;
    if (count > cap)
        return ARC_ERR_SPACE;

    for (size_t i = 0; i < count; i++)
        times_ticks[i] = arc_reader_u32(&r);
    *range = found;
    *n     = count;
    return ARC_OK;
}

void arc_xr_write_receipt_times(struct arc_writer *w,
                                const struct arc_xr_range *range,
                                const uint32_t *times_ticks)
{
    size_t count = arc_xr_range_count(range);
    struct arc_writer body;

    if (!open_range(w, ARC_XR_RECEIPT_TIMES, range, count * 4, &body))
        return;
    for (size_t i = 0; i < count; i++)
        arc_writer_u32(&body, times_ticks[i]);
}
