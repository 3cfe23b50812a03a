/**
 * @file rx/heard.h  What became of one audio stream at the ear: gaps, and the
 *                   wait of its packets
 *
 * Fed with each block that is played. A gap is an unbroken stretch of sound that
 * was made up because nothing was there, and counts when it is over: at the end
 * of a stream nothing is missing. The wait is the time from a packet's arrival
 * until its first sample is heard.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Time:    durations only, microseconds.
 */
#ifndef ARC_RX_HEARD_H
#define ARC_RX_HEARD_H

#include <stdbool.h>
#include <stdint.h>

/* ARC_CDEF_BEGIN */
#define ARC_HEARD_CELLS 256 /* base/histogram has more, and takes 9 KB */

struct arc_heard {
    int64_t gaps;           /* that are over                                 */
    int64_t gap_us;         /* those together                                */
    int64_t longest_gap_us; /* of those                                      */
    int64_t open_gap_us;    /* the one that is not over; 0: none             */
    int64_t cell_us;        /* width of the cells below                      */
    int64_t waits;          /* sum of them                                   */
    uint16_t cells[ARC_HEARD_CELLS]; /* packets by their wait; the last one has
                                        the longer ones too. All are halved
                                        when one is full                    */
};

/** @param longest_ms Waits beyond it are counted as that; 1.. */
void arc_heard_init(struct arc_heard *h, int32_t longest_ms);

/**
 * Note a block that is played.
 *
 * @param made_up Nothing arrived for it
 * @param len_us  Its duration; 0 or more
 * @param wait_us From its packet's arrival to play-out; negative: no packet
 *                begins in it
 */
void arc_heard_on_block(struct arc_heard *h, bool made_up, int64_t len_us,
                        int64_t wait_us);

/** @param q 0..1: 0.5 is the median @return Middle of the cell it lies in,
 *  microseconds; 0 while no wait is known */
int64_t arc_heard_wait_us(const struct arc_heard *h, double q);
/* ARC_CDEF_END */

#endif
