/**
 * @file wire/twcc.c  Transport-wide feedback: when each packet arrived
 *
 * Sections are those of draft-holmer-rmcat-transport-wide-cc-extensions-01. A
 * message is its head, chunks with a symbol for every packet (§3.1.1 to §3.1.4),
 * and a delta for each received one (§3.1.5).
 */
#include "wire/rtcpfb.h"
#include "wire/twcc.h"

enum {
    FIXED_BYTES     = 8, /* base, count, reference time, feedback count */
    IS_VECTOR       = 0x8000,
    IS_TWO_BIT      = 0x4000,
    MAX_RUN         = 8191,
    RUN_SHIFT       = 13,
    ONE_BIT_SYMBOLS = 14,
    TWO_BIT_SYMBOLS = 7,
    MAX_SMALL_DELTA = 255,
    REFERENCE_LIMIT = 1 << 23
};

enum symbol { NOT_RECEIVED = 0, SMALL_DELTA = 1, LARGE_DELTA = 2 };

/* Where the next symbol comes from. */
struct symbols {
    struct arc_reader r;
    uint16_t          chunk;
    uint16_t          left; /* symbols of the chunk */
};

static uint16_t chunk_symbols(uint16_t chunk)
{
    if (!(chunk & IS_VECTOR))
        return chunk & MAX_RUN;
    return chunk & IS_TWO_BIT ? TWO_BIT_SYMBOLS : ONE_BIT_SYMBOLS;
}

/* The next symbol; 3 (reserved) stands for a fault too. Chunks of no symbols
 * are passed over: each costs two bytes. */
static unsigned next_symbol(struct symbols *s)
{
    while (s->left == 0) {
        if (arc_reader_left(&s->r) < 2)
            return 3;
        s->chunk = arc_reader_u16(&s->r);
        s->left  = chunk_symbols(s->chunk);
    }
    s->left--;
    if (!(s->chunk & IS_VECTOR))
        return s->chunk >> RUN_SHIFT & 3;
    return s->chunk & IS_TWO_BIT ? s->chunk >> 2 * s->left & 3
                                 : s->chunk >> s->left & 1;
}

/* Check all that the message says of `count` packets; the reader moves to the
 * deltas. */
static bool check_body(struct arc_reader *r, size_t count)
{
    struct symbols s = {*r, 0, 0};
    size_t delta_bytes = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned symbol = next_symbol(&s);

        if (symbol > LARGE_DELTA)
            return false;
        delta_bytes += symbol; /* its number is the bytes of its delta */
    }
    *r = s.r;
    return delta_bytes <= arc_reader_left(r);
}

static int32_t sign_extend_24(uint32_t v)
{
    return v & 0x800000 ? (int32_t)v - 0x1000000 : (int32_t)v;
}

static int32_t read_delta(struct arc_reader *r, unsigned symbol)
{
    int32_t v;

    if (symbol == SMALL_DELTA)
        return arc_reader_u8(r);
    v = arc_reader_u16(r);
    return v < 0x8000 ? v : v - 0x10000;
}

enum arc_status arc_twcc_parse(const struct arc_rtcp_packet *p,
                               struct arc_twcc *head,
                               struct arc_twcc_status *statuses, size_t cap,
                               size_t *n)
{
    struct arc_reader r;
    struct symbols s = {0};
    struct arc_twcc h;
    int64_t steps = 0;
    size_t count;

    if (!arc_rtcpfb_is(p, ARC_RTCP_RTPFB, ARC_RTPFB_TWCC) || !head || !n ||
        (cap && !statuses))
        return ARC_ERR_ARG;

    *n = 0;
    if (!arc_rtcpfb_read_head(p, &r, &h.sender_ssrc, &h.media_ssrc))
        return ARC_ERR_FORMAT;
    h.base_seq       = arc_reader_u16(&r);
    count            = arc_reader_u16(&r);
    h.reference_64ms = sign_extend_24(arc_reader_u24(&r));
    h.feedback_count = arc_reader_u8(&r);
    s.r              = r;
    if (r.fail || count == 0 || !check_body(&r, count))
        return ARC_ERR_FORMAT;
    if (count > cap)
        return ARC_ERR_SPACE;

    for (size_t i = 0; i < count; i++) {
        unsigned symbol = next_symbol(&s);

        statuses[i].received = symbol != NOT_RECEIVED;
        if (statuses[i].received)
            steps += read_delta(&r, symbol);
        statuses[i].arrival_us =
            statuses[i].received ? steps * ARC_TWCC_STEP_US : 0;
    }
    *head = h;
    *n    = count;
    return ARC_OK;
}

static int64_t steps_of(int64_t us)
{
    return us / ARC_TWCC_STEP_US - (us % ARC_TWCC_STEP_US < 0);
}

/* Symbol of status i; `steps`: of the received one before it, moved on. */
static enum symbol symbol_of(const struct arc_twcc_status *status,
                             int64_t *steps)
{
    int64_t delta;

    if (!status->received)
        return NOT_RECEIVED;
    delta  = steps_of(status->arrival_us) - *steps;
    *steps = steps_of(status->arrival_us);
    return delta >= 0 && delta <= MAX_SMALL_DELTA ? SMALL_DELTA : LARGE_DELTA;
}

/* Of the `left` statuses: how many have one symbol in a row, as far as a chunk
 * can say, and how many stand before the first large delta, as far as it
 * matters. `steps`: of the received one before them. */
static size_t look_ahead(const struct arc_twcc_status *statuses, size_t left,
                         int64_t steps, enum symbol *first, size_t *before_large)
{
    bool same = true, small = true;
    size_t run = 0;

    *before_large = 0;
    for (size_t i = 0; i < left && i < MAX_RUN; i++) {
        enum symbol symbol = symbol_of(&statuses[i], &steps);

        if (i == 0)
            *first = symbol;
        same  = same && symbol == *first;
        small = small && symbol != LARGE_DELTA && i < ONE_BIT_SYMBOLS;
        run += same;
        *before_large += small;
        if (!same && !small)
            break;
    }
    return run;
}

/* Make the chunk that describes most of the `left` statuses; answers how many,
 * and moves `steps` behind them. */
static size_t make_chunk(const struct arc_twcc_status *statuses, size_t left,
                         int64_t *steps, uint16_t *chunk)
{
    enum symbol first   = NOT_RECEIVED;
    size_t before_large = 0;
    size_t run = look_ahead(statuses, left, *steps, &first, &before_large);
    bool one_bit = before_large == left || before_large == ONE_BIT_SYMBOLS;
    size_t symbols = one_bit ? ONE_BIT_SYMBOLS : TWO_BIT_SYMBOLS;
    unsigned width = one_bit ? 1 : 2;

    if (run >= symbols || run == left) {
        for (size_t i = 0; i < run; i++)
            symbol_of(&statuses[i], steps);
        *chunk = (uint16_t)((unsigned)first << RUN_SHIFT | run);
        return run;
    }
    *chunk = (uint16_t)(IS_VECTOR | (one_bit ? 0 : IS_TWO_BIT));
    for (size_t i = 0; i < symbols && i < left; i++)
        *chunk |= (uint16_t)((unsigned)symbol_of(&statuses[i], steps)
                             << width * (symbols - 1 - i));
    return left < symbols ? left : symbols;
}

/* Bytes of all deltas; false: one of them does not fit 16 bits. */
static bool count_deltas(const struct arc_twcc_status *statuses, size_t n,
                         size_t *bytes)
{
    int64_t steps = 0;

    *bytes = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t before = steps;

        *bytes += symbol_of(&statuses[i], &steps);
        if (steps - before < INT16_MIN || steps - before > INT16_MAX)
            return false;
    }
    return true;
}

static void write_deltas(struct arc_writer *w,
                         const struct arc_twcc_status *statuses, size_t n)
{
    int64_t steps = 0;

    for (size_t i = 0; i < n; i++) {
        int64_t before     = steps;
        enum symbol symbol = symbol_of(&statuses[i], &steps);

        if (symbol == SMALL_DELTA)
            arc_writer_u8(w, (uint8_t)(steps - before));
        else if (symbol == LARGE_DELTA)
            arc_writer_u16(w, (uint16_t)(steps - before));
    }
}

/* The chunks into `w`, or only counted if it is NULL; answers their number. */
static size_t write_chunks(struct arc_writer *w,
                           const struct arc_twcc_status *statuses, size_t n)
{
    int64_t steps = 0;
    size_t chunks = 0;
    uint16_t chunk;

    for (size_t i = 0; i < n; chunks++) {
        i += make_chunk(statuses + i, n - i, &steps, &chunk);
        if (w)
            arc_writer_u16(w, chunk);
    }
    return chunks;
}

void arc_twcc_write(struct arc_writer *w, const struct arc_twcc *head,
                    const struct arc_twcc_status *statuses, size_t n)
{
    struct arc_writer body;
    size_t delta_bytes, fci_bytes;

    if (n == 0 || n > ARC_TWCC_MAX_STATUSES ||
        head->reference_64ms < -REFERENCE_LIMIT ||
        head->reference_64ms >= REFERENCE_LIMIT ||
        !count_deltas(statuses, n, &delta_bytes)) {
        w->fail = true;
        return;
    }
    fci_bytes = FIXED_BYTES + write_chunks(NULL, statuses, n) * 2 + delta_bytes;
    if (!arc_rtcpfb_open(w, ARC_RTCP_RTPFB, ARC_RTPFB_TWCC, head->sender_ssrc,
                         head->media_ssrc, (fci_bytes + 3) / 4 * 4, &body))
        return;
    arc_writer_u16(&body, head->base_seq);
    arc_writer_u16(&body, (uint16_t)n);
    arc_writer_u24(&body, (uint32_t)head->reference_64ms & 0xffffff);
    arc_writer_u8(&body, head->feedback_count);
    write_chunks(&body, statuses, n);
    write_deltas(&body, statuses, n);
    /* Zeros to the next word, without the P bit: the padding that this one
     * announces comes in whole words (RFC 3550 §6.4.1). */
    while (body.pos < body.cap)
        arc_writer_u8(&body, 0);
}
