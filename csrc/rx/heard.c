/**
 * @file rx/heard.c  What became of one audio stream at the ear: gaps, and the
 *                   wait of its packets
 */
#include <string.h>

#include "base/units.h"
#include "rx/heard.h"

enum { NARROWEST_US = 1000 };

void arc_heard_init(struct arc_heard *h, int32_t longest_ms)
{
    memset(h, 0, sizeof(*h));
    h->cell_us = arc_max_i64(longest_ms * ARC_US_PER_MS / ARC_HEARD_CELLS,
                             NARROWEST_US);
}

static void halve(struct arc_heard *h)
{
    h->waits = 0;
    for (int32_t i = 0; i < ARC_HEARD_CELLS; i++) {
        h->cells[i] /= 2;
        h->waits    += h->cells[i];
    }
}

static void note_wait(struct arc_heard *h, int64_t wait_us)
{
    uint16_t *cell = &h->cells[arc_min_i64(wait_us / h->cell_us,
                                           ARC_HEARD_CELLS - 1)];

    if (*cell == UINT16_MAX)
        halve(h);
    (*cell)++;
    h->waits++;
}

void arc_heard_on_block(struct arc_heard *h, bool made_up, int64_t len_us,
                        int64_t wait_us)
{
    if (made_up) {
        h->open_gap_us += len_us;
    } else if (h->open_gap_us > 0) {
        h->gaps++;
        h->gap_us        += h->open_gap_us;
        h->longest_gap_us = arc_max_i64(h->longest_gap_us, h->open_gap_us);
        h->open_gap_us    = 0;
    }
    if (wait_us >= 0)
        note_wait(h, wait_us);
}

int64_t arc_heard_wait_us(const struct arc_heard *h, double q)
{
    int64_t seen = 0;

    for (int32_t i = 0; i < ARC_HEARD_CELLS; i++) {
        seen += h->cells[i];
        if (seen > 0 && (double)seen >= q * (double)h->waits)
            return i * h->cell_us + h->cell_us / 2;
    }
    return 0;
}
