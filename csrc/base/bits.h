/**
 * @file base/bits.h  Bounds-checked reader and writer of bits, high to low
 *
 * As base/bytes.h for fields that are not whole bytes. A read past the end
 * returns zeros and marks the reader as failed.
 *
 * Owner:   the caller; both structs borrow the buffer and need no free.
 * Threads: one caller at a time.
 */
#ifndef ARC_BASE_BITS_H
#define ARC_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arc_bitreader {
    const uint8_t *data;
    size_t         n_bits;
    size_t         pos; /* next bit; never above n_bits     */
    bool           fail;
};

struct arc_bitwriter {
    uint8_t *data;
    size_t   n_bits; /* room                                */
    size_t   pos;    /* bits written; never above n_bits    */
    bool     fail;   /* a write did not fit; nothing of it was written */
};

static inline void arc_bitreader_init(struct arc_bitreader *r,
                                      const uint8_t *data, size_t len)
{
    r->data   = data;
    r->n_bits = 8 * len;
    r->pos    = 0;
    r->fail   = false;
}

/** The next `n` bits, 0..32, as an unsigned number. */
static inline uint32_t arc_bitreader_u(struct arc_bitreader *r, unsigned n)
{
    uint32_t v = 0;

    if (r->fail || n > r->n_bits - r->pos) {
        r->fail = true;
        return 0;
    }
    for (; n; n--, r->pos++)
        v = v << 1 | (r->data[r->pos / 8] >> (7 - r->pos % 8) & 1);
    return v;
}

static inline bool arc_bitreader_flag(struct arc_bitreader *r)
{
    return arc_bitreader_u(r, 1);
}

static inline void arc_bitwriter_init(struct arc_bitwriter *w, uint8_t *data,
                                      size_t cap)
{
    w->data   = data;
    w->n_bits = 8 * cap;
    w->pos    = 0;
    w->fail   = false;
}

/** The low `n` bits of `v`, 0..32. Bits behind them in their byte become 0. */
static inline void arc_bitwriter_u(struct arc_bitwriter *w, unsigned n,
                                   uint32_t v)
{
    if (w->fail || n > w->n_bits - w->pos) {
        w->fail = true;
        return;
    }
    for (; n; n--, w->pos++) {
        if (w->pos % 8 == 0)
            w->data[w->pos / 8] = 0;
        w->data[w->pos / 8] |=
            (uint8_t)((v >> (n - 1) & 1) << (7 - w->pos % 8));
    }
}

/** Bytes written, the last one filled up with zeros. */
static inline size_t arc_bitwriter_bytes(const struct arc_bitwriter *w)
{
    return (w->pos + 7) / 8;
}

#endif
