/**
 * @file wire/pl_dtmf.h  Payloads of telephone events: keys pressed (RFC 4733)
 *
 * A payload is one report of four bytes, or several of events that follow one
 * another without a pause (§2.5.1.5).
 *
 * Owner:   the caller; nothing is kept.
 * Threads: any.
 */
#ifndef ARC_WIRE_PL_DTMF_H
#define ARC_WIRE_PL_DTMF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_PL_DTMF_BYTES        4
#define ARC_PL_DTMF_MAX_REPORTS  16    /* in one packet; more is malformed      */
#define ARC_PL_DTMF_MAX_TICKS    65535 /* of one report; longer events are cut
                                          into segments (§2.5.1.3)              */
#define ARC_PL_DTMF_MAX_EVENT    255
#define ARC_PL_DTMF_MAX_VOLUME   63    /* -dBm0                                 */

/** Events 0 to 9, * and #, A to D, flash are 0..16 (§3.2). */
struct arc_pl_dtmf {
    int32_t event;          /* 0..255                                           */
    int32_t volume;         /* 0 (loudest) to 63, -dBm0; of tones               */
    int32_t duration_ticks; /* 0..65535, since the packet's time stamp or the end
                               of the report before; 0: it is a state           */
    bool    end;            /* the event is over                                */
};

/**
 * Read a payload.
 *
 * @param out Room for ARC_PL_DTMF_MAX_REPORTS; unchanged unless ARC_OK
 * @param n   How many there are
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_FORMAT (no whole reports, or too many)
 */
enum arc_status arc_pl_dtmf_parse(const uint8_t *payload, size_t len,
                                  struct arc_pl_dtmf *out, size_t *n);

/** Write one report. @param out Room for ARC_PL_DTMF_BYTES
 *  @return ARC_OK or ARC_ERR_ARG (a field is out of range) */
enum arc_status arc_pl_dtmf_write(const struct arc_pl_dtmf *d, uint8_t *out);

/** The event of a key: '0' to '9', '*', '#', 'A' to 'D' or 'a' to 'd'; -1: none. */
int32_t arc_pl_dtmf_event_of(char key);

/** The key of an event 0..15; 0: it is none. */
char arc_pl_dtmf_key_of(int32_t event);
/* ARC_CDEF_END */

#endif
