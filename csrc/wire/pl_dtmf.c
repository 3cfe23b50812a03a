/**
 * @file wire/pl_dtmf.c  Payloads of telephone events: keys pressed (RFC 4733)
 */
#include <string.h>

#include "base/bytes.h"
#include "wire/pl_dtmf.h"

enum { END_BIT = 0x80, VOLUME_BITS = 0x3f };

static const char keys[] = "0123456789*#ABCD"; /* RFC 4733 §3.2, table 3 */

enum arc_status arc_pl_dtmf_parse(const uint8_t *payload, size_t len,
                                  struct arc_pl_dtmf *out, size_t *n)
{
    struct arc_reader r;

    if (!payload || !out || !n)
        return ARC_ERR_ARG;
    if (len == 0 || len % ARC_PL_DTMF_BYTES != 0 ||
        len > ARC_PL_DTMF_MAX_REPORTS * ARC_PL_DTMF_BYTES)
        return ARC_ERR_FORMAT;
    arc_reader_init(&r, payload, len);
    for (*n = 0; arc_reader_left(&r) > 0; (*n)++) {
        struct arc_pl_dtmf *d = &out[*n];
        uint8_t flags;

        d->event          = arc_reader_u8(&r);
        flags             = arc_reader_u8(&r); /* the bit between is ignored */
        d->end            = (flags & END_BIT) != 0;
        d->volume         = flags & VOLUME_BITS;
        d->duration_ticks = arc_reader_u16(&r);
    }
    return ARC_OK;
}

enum arc_status arc_pl_dtmf_write(const struct arc_pl_dtmf *d, uint8_t *out)
{
    struct arc_writer w;

    if (!d || !out || d->event < 0 || d->event > ARC_PL_DTMF_MAX_EVENT ||
        d->volume < 0 || d->volume > ARC_PL_DTMF_MAX_VOLUME ||
        d->duration_ticks < 0 || d->duration_ticks > ARC_PL_DTMF_MAX_TICKS)
        return ARC_ERR_ARG;
    arc_writer_init(&w, out, ARC_PL_DTMF_BYTES);
    arc_writer_u8(&w, (uint8_t)d->event);
    arc_writer_u8(&w, (uint8_t)((d->end ? END_BIT : 0) | d->volume));
    arc_writer_u16(&w, (uint16_t)d->duration_ticks);
    return ARC_OK;
}

int32_t arc_pl_dtmf_event_of(char key)
{
    char upper = key >= 'a' && key <= 'd' ? (char)(key - 'a' + 'A') : key;
    const char *at = upper ? strchr(keys, upper) : NULL;

    return at ? (int32_t)(at - keys) : -1;
}

char arc_pl_dtmf_key_of(int32_t event)
{
    return event >= 0 && event < (int32_t)sizeof(keys) - 1 ? keys[event] : 0;
}
