/**
 * @file tests/fuzz/fuzz_dtmf.c  Any telephone events in any order
 *
 * Records: a step of time and one of time stamps (signed, 2 bytes each), a length
 * (1 byte), a payload. Every event that begins is over before the next one begins,
 * and none lasts longer than its packets tell.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/units.h"
#include "rx/dtmf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition)
        abort();
}

/** Everything there is to tell. @return whether an event lasts */
static int drain(struct arc_dtmfrx *r, int64_t now_us, int on)
{
    struct arc_dtmf_event e;

    while (arc_dtmfrx_poll(r, now_us, &e) == ARC_OK) {
        must(e.over ? on : !on);
        must(e.event >= 0 && e.event <= 255 && e.duration_ticks >= 0);
        must(!e.over || e.duration_ticks > 0);
        on = !e.over;
    }
    must(arc_dtmfrx_next_us(r) == ARC_NEVER_US || on);
    return on;
}

static void write_back(const struct arc_pl_dtmf *d, const uint8_t *payload)
{
    uint8_t again[ARC_PL_DTMF_BYTES];

    must(arc_pl_dtmf_write(d, again) == ARC_OK);
    must(again[0] == payload[0] && again[1] == (payload[1] & 0xbf) &&
         again[2] == payload[2] && again[3] == payload[3]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arc_pl_dtmf d[ARC_PL_DTMF_MAX_REPORTS];
    struct arc_dtmfrx rx;
    struct arc_reader r;
    int64_t now_us = 0, ts = 0;
    int on = 0;

    arc_dtmfrx_init(&rx, 8000);
    arc_reader_init(&r, data, size);
    while (arc_reader_left(&r) >= 5) {
        const uint8_t *p;
        size_t len, n = 99;

        now_us += arc_reader_u16(&r);
        ts += (int16_t)arc_reader_u16(&r) * 16;
        len = arc_reader_u8(&r);
        if (len > arc_reader_left(&r))
            len = arc_reader_left(&r);
        p = arc_reader_take(&r, len);
        if (arc_pl_dtmf_parse(p, len, d, &n) != ARC_OK) {
            must(n == 99);
            continue;
        }
        must(n == len / 4 && n >= 1 && n <= ARC_PL_DTMF_MAX_REPORTS);
        for (size_t i = 0; i < n; i++)
            write_back(&d[i], p + 4 * i);
        arc_dtmfrx_on_packet(&rx, d, n, ts, now_us);
        on = drain(&rx, now_us, on);
        must(rx.overflow == 0);
    }
    on = drain(&rx, now_us + ARC_DTMFRX_LAPSE_US, on);
    must(!on);
    return 0;
}
