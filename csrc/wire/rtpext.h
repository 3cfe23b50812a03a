/**
 * @file wire/rtpext.h  Elements of the RTP header extension
 *
 * RFC 8285: the one-byte form (profile 0xBEDE; ids 1..14, values of 1..16
 * bytes) and the two-byte form (profile 0x1000..0x100F; ids 1..255, values of
 * 0..255 bytes). Zero bytes between elements are padding. In the one-byte form
 * id 15, and id 0 with a length, end the extension without a fault (§4.1.2,
 * §4.2). The low four bits of the two-byte profile ("appbits") are not ours to
 * judge.
 *
 * Owner:   the caller; values are lent out of the packet.
 * Threads: any.
 */
#ifndef ARC_WIRE_RTPEXT_H
#define ARC_WIRE_RTPEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "wire/rtp.h"

/* ARC_CDEF_BEGIN */
#define ARC_RTPEXT_ONE_BYTE 0xBEDE
#define ARC_RTPEXT_TWO_BYTE 0x1000 /* appbits zero                            */
#define ARC_RTPEXT_MAX_IDS  255    /* distinct ids of one packet, either form */

/* Bits of arc_rtpext_layout(). */
#define ARC_RTPEXT_LAYOUT_OFFSET        0xffff /* of the payload              */
#define ARC_RTPEXT_LAYOUT_PADDING_SHIFT 16     /* 8 bits: its length          */
#define ARC_RTPEXT_LAYOUT_CSRCS_SHIFT   24     /* 4 bits: their number        */

/** Where an iteration stands. */
struct arc_rtpext_iter {
    const uint8_t *body;
    size_t         len;
    size_t         pos;
    bool           two_byte;
};

struct arc_rtpext_element {
    uint8_t        id;    /* 1..14 or 1..255                                  */
    uint8_t        len;   /* bytes                                            */
    const uint8_t *value; /* into the packet                                  */
};

/** True for the profile of the one-byte or of the two-byte form. */
bool arc_rtpext_is_known(uint16_t profile);

/** Start with the first element; none for a profile that is not of RFC 8285. */
void arc_rtpext_iter_init(struct arc_rtpext_iter *it, const uint8_t *packet,
                          const struct arc_rtp *h);

/**
 * Next element, in the order of the packet.
 *
 * @return ARC_OK, ARC_AGAIN (no more) or ARC_ERR_FORMAT (it runs past the end)
 */
enum arc_status arc_rtpext_next(struct arc_rtpext_iter *it,
                                struct arc_rtpext_element *out);

/**
 * Find the first element with an id.
 *
 * @param packet Packet that `h` was parsed from
 * @param id     1..255
 * @param value  Into the packet; unchanged unless ARC_OK
 * @param len    Bytes; unchanged unless ARC_OK
 *
 * @return ARC_OK, ARC_AGAIN (absent), ARC_ERR_FORMAT (an element before it
 *         runs past the end) or ARC_ERR_ARG
 */
enum arc_status arc_rtpext_find(const uint8_t *packet, const struct arc_rtp *h,
                                uint8_t id, const uint8_t **value, size_t *len);

/**
 * Check a whole plain packet, the elements of its extension too, and tell where
 * its parts lie in one number: what a caller who pays for each call needs.
 *
 * The padding ends the packet, so the payload is what lies between its offset
 * and the padding. Without padding and CSRCs the layout is that offset.
 *
 * @return the layout, 12 or more; 0: NULL or malformed, and arc_rtp_fault() says
 *         why, unless it is an element that runs past the end
 */
uint32_t arc_rtpext_layout(const uint8_t *data, size_t len);

/**
 * List the first element of each id.
 *
 * @param header  A packet, or its first bytes up to the payload
 * @param triples id, offset of the value in the packet, offset behind it; room
 *                for 3 * ARC_RTPEXT_MAX_IDS numbers
 *
 * @return elements listed, 0..255; or ARC_AGAIN (no extension, or not of
 *         RFC 8285), ARC_ERR_FORMAT or ARC_ERR_ARG, each negative
 */
int32_t arc_rtpext_list(const uint8_t *header, size_t len, int32_t *triples);

/**
 * Make an extension body: the one-byte form when all elements fit it (§4.1.2),
 * else the two-byte form; filled up with zeros to whole words.
 *
 * @param ids         1..255
 * @param lens        Bytes of each value, 0..255
 * @param values      The values, one behind the other
 * @param n           Elements; 0..ARC_RTPEXT_MAX_IDS
 * @param len_out     Bytes written, a multiple of 4; unchanged unless ARC_OK
 * @param profile_out For the extension header; unchanged unless ARC_OK
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL, id 0, too many) or ARC_ERR_SPACE
 */
enum arc_status arc_rtpext_write(const uint8_t *ids, const uint8_t *lens,
                                 const uint8_t *values, size_t n, uint8_t *out,
                                 size_t cap, size_t *len_out,
                                 uint16_t *profile_out);
/* ARC_CDEF_END */

/* arc_rtpext_iter_init() and _next() for loops over many packets, where the
 * calls cost as much as the work. */

static inline bool arc_rtpext_is_two_byte(uint16_t profile)
{
    return (profile & 0xfff0) == ARC_RTPEXT_TWO_BYTE; /* §4.3: low bits free */
}

static inline void arc_rtpext_begin(struct arc_rtpext_iter *it,
                                    const uint8_t *packet,
                                    const struct arc_rtp *h)
{
    bool two   = arc_rtpext_is_two_byte(h->ext_profile);
    bool known = h->has_extension &&
                 (two || h->ext_profile == ARC_RTPEXT_ONE_BYTE);

    it->body     = known ? packet + h->ext_off : NULL;
    it->len      = known ? (size_t)h->ext_len : 0;
    it->pos      = 0;
    it->two_byte = two;
}

static inline enum arc_status arc_rtpext_step(struct arc_rtpext_iter *it,
                                              struct arc_rtpext_element *out)
{
    struct arc_reader r;
    uint8_t id, len;

    while (it->pos < it->len && it->body[it->pos] == 0)
        it->pos++; /* padding has no length byte, in either form (§4.1.2) */
    if (it->pos == it->len)
        return ARC_AGAIN;

    arc_reader_init(&r, it->body + it->pos, it->len - it->pos);
    id = arc_reader_u8(&r);
    if (it->two_byte) {
        len = arc_reader_u8(&r);
    } else {
        len = (uint8_t)((id & 0x0f) + 1);
        id >>= 4;
        if (id == 0 || id == 15) { /* §4.1.2, §4.2: the rest is not ours */
            it->pos = it->len;
            return ARC_AGAIN;
        }
    }
    out->id    = id;
    out->len   = len;
    out->value = arc_reader_take(&r, len);
    it->pos    = out->value ? it->pos + r.pos : it->len;
    return out->value ? ARC_OK : ARC_ERR_FORMAT;
}

/**
 * Append one element; the writer fails, and nothing is written, when it does
 * not fit the room or the form. arc_rtp_write_header() adds the padding.
 */
void arc_rtpext_put(struct arc_writer *w, bool two_byte, uint8_t id,
                    const uint8_t *value, size_t len);

#endif
