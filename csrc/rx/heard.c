/**
 * @file rx/heard.c  What became of one audio stream at the ear: gaps, and the
 *                   wait of its packets
 */
#include <string.h>

#include "base/units.h"
#include "rx/heard.h"

void arc_heard_init(struct arc_heard *h)
{
    memset(h, 0, sizeof(*h));
    arc_histogram_init(&h->wait_us);
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
        arc_histogram_add(&h->wait_us, wait_us);
}
