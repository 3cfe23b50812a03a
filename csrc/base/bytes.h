/**
 * @file base/bytes.h  Bounds-checked big-endian reader and writer
 *
 * Every parser of network bytes reads through these. A read past the end
 * returns zeros and marks the reader as failed; so a parser reads straight
 * through and asks once at the end (or before it uses a length it has read).
 *
 * Owner:   the caller; both structs borrow the buffer and need no free.
 * Threads: one caller at a time.
 */
#ifndef ARC_BASE_BYTES_H
#define ARC_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ARC_CDEF_BEGIN */
struct arc_reader {
    const uint8_t *data;
    size_t         len;
    size_t         pos;  /* next byte; never above len      */
    bool           fail; /* a read went past the end        */
};

struct arc_writer {
    uint8_t *data;
    size_t   cap;
    size_t   pos;  /* bytes written; never above cap        */
    bool     fail; /* a write did not fit; nothing of it was written */
};
/* ARC_CDEF_END */

/* At a place that is known to have room. */

static inline uint16_t arc_get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t arc_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

static inline uint64_t arc_get_u64(const uint8_t *p)
{
    return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 |
           (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 |
           (uint64_t)p[6] << 8 | p[7];
}

static inline void arc_put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void arc_put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static inline void arc_put_u64(uint8_t *p, uint64_t v)
{
    p[0] = (uint8_t)(v >> 56);
    p[1] = (uint8_t)(v >> 48);
    p[2] = (uint8_t)(v >> 40);
    p[3] = (uint8_t)(v >> 32);
    p[4] = (uint8_t)(v >> 24);
    p[5] = (uint8_t)(v >> 16);
    p[6] = (uint8_t)(v >> 8);
    p[7] = (uint8_t)v;
}

static inline void arc_reader_init(struct arc_reader *r, const uint8_t *data,
                                   size_t len)
{
    r->data = data;
    r->len  = len;
    r->pos  = 0;
    r->fail = false;
}

static inline size_t arc_reader_left(const struct arc_reader *r)
{
    return r->fail ? 0 : r->len - r->pos;
}

/** `n` bytes in place, or NULL (and the reader has failed). */
static inline const uint8_t *arc_reader_take(struct arc_reader *r, size_t n)
{
    const uint8_t *p;

    if (r->fail || n > r->len - r->pos) {
        r->fail = true;
        return NULL;
    }
    p = r->data + r->pos;
    r->pos += n;
    return p;
}

static inline uint8_t arc_reader_u8(struct arc_reader *r)
{
    const uint8_t *p = arc_reader_take(r, 1);

    return p ? p[0] : 0;
}

static inline uint16_t arc_reader_u16(struct arc_reader *r)
{
    const uint8_t *p = arc_reader_take(r, 2);

    return p ? arc_get_u16(p) : 0;
}

static inline uint32_t arc_reader_u24(struct arc_reader *r)
{
    const uint8_t *p = arc_reader_take(r, 3);

    return p ? (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] : 0;
}

static inline uint32_t arc_reader_u32(struct arc_reader *r)
{
    const uint8_t *p = arc_reader_take(r, 4);

    return p ? arc_get_u32(p) : 0;
}

static inline uint64_t arc_reader_u64(struct arc_reader *r)
{
    uint64_t high = arc_reader_u32(r);

    return high << 32 | arc_reader_u32(r);
}

static inline void arc_writer_init(struct arc_writer *w, uint8_t *data,
                                   size_t cap)
{
    w->data = data;
    w->cap  = cap;
    w->pos  = 0;
    w->fail = false;
}

/** Bytes that can still be written; 0 once it has failed. */
static inline size_t arc_writer_left(const struct arc_writer *w)
{
    return w->fail ? 0 : w->cap - w->pos;
}

/** Room for `n` bytes that the caller fills, or NULL (the writer has failed). */
static inline uint8_t *arc_writer_claim(struct arc_writer *w, size_t n)
{
    uint8_t *p;

    if (w->fail || n > w->cap - w->pos) {
        w->fail = true;
        return NULL;
    }
    p = w->data + w->pos;
    w->pos += n;
    return p;
}

static inline void arc_writer_u8(struct arc_writer *w, uint8_t v)
{
    uint8_t *p = arc_writer_claim(w, 1);

    if (p)
        p[0] = v;
}

static inline void arc_writer_u16(struct arc_writer *w, uint16_t v)
{
    uint8_t *p = arc_writer_claim(w, 2);

    if (p)
        arc_put_u16(p, v);
}

static inline void arc_writer_u24(struct arc_writer *w, uint32_t v)
{
    uint8_t *p = arc_writer_claim(w, 3);

    if (p) {
        p[0] = (uint8_t)(v >> 16);
        p[1] = (uint8_t)(v >> 8);
        p[2] = (uint8_t)v;
    }
}

static inline void arc_writer_u32(struct arc_writer *w, uint32_t v)
{
    uint8_t *p = arc_writer_claim(w, 4);

    if (p)
        arc_put_u32(p, v);
}

static inline void arc_writer_u64(struct arc_writer *w, uint64_t v)
{
    arc_writer_u32(w, (uint32_t)(v >> 32));
    arc_writer_u32(w, (uint32_t)v);
}

static inline void arc_writer_bytes(struct arc_writer *w, const void *src,
                                    size_t n)
{
    uint8_t *p = arc_writer_claim(w, n);

    if (p && n)
        memcpy(p, src, n);
}

#endif
