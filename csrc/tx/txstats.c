/**
 * @file tx/txstats.c  What a sender counts of one RTP stream
 */
#include <string.h>

#include "base/units.h"
#include "tx/txstats.h"

enum { CELLS = ARC_TXSTATS_CELLS, BITS_PER_BYTE = 8 };

#define CELL_US   ARC_TXSTATS_CELL_US
#define WINDOW_US ((int64_t)CELLS * CELL_US)

void arc_txstats_init(struct arc_txstats *s)
{
    memset(s, 0, sizeof(*s));
}

static int64_t *cell(struct arc_txstats *s, int64_t number)
{
    return &s->cells[(uint64_t)number % CELLS];
}

static void roll(struct arc_txstats *s, int64_t now_us)
{
    int64_t number = now_us / CELL_US;

    if (!s->started) {
        s->started  = true;
        s->first_us = now_us;
        s->cell_now = number;
    }
    if (number - s->cell_now >= CELLS)
        s->cell_now = number - CELLS;
    while (s->cell_now < number)
        *cell(s, ++s->cell_now) = 0;
}

void arc_txstats_on_repair(struct arc_txstats *s, int32_t wire_bytes,
                           int64_t now_us)
{
    roll(s, now_us);
    *cell(s, s->cell_now) += wire_bytes;
    s->wire_bytes += wire_bytes;
}

void arc_txstats_on_packet(struct arc_txstats *s, int32_t payload_bytes,
                           int32_t wire_bytes, bool resent, int64_t now_us)
{
    arc_txstats_on_repair(s, wire_bytes, now_us);
    if (resent) {
        s->resent_packets++;
        s->resent_bytes += payload_bytes;
    } else {
        s->packets++;
        s->payload_bytes += payload_bytes;
    }
}

void arc_txstats_sr(const struct arc_txstats *s, struct arc_txstats_sr *out)
{
    out->packet_count = (uint32_t)s->packets;
    out->octet_count  = (uint32_t)s->payload_bytes;
}

int64_t arc_txstats_bitrate_bps(const struct arc_txstats *s, int64_t now_us)
{
    int64_t number = now_us / CELL_US;
    int64_t oldest, bytes = 0, since_us;

    if (!s->started)
        return 0;
    oldest = arc_max_i64(number - (CELLS - 1), s->first_us / CELL_US);
    for (int64_t i = oldest; i <= s->cell_now && i <= number; i++) {
        if (i > s->cell_now - CELLS)
            bytes += s->cells[(uint64_t)i % CELLS];
    }
    /* The oldest cells are whole, the newest is filled up to now. */
    since_us = now_us - arc_max_i64(oldest * CELL_US, s->first_us);
    return bytes * BITS_PER_BYTE * ARC_US_PER_S /
           arc_clamp_i64(since_us, CELL_US, WINDOW_US);
}
