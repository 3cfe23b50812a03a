/**
 * @file rx/restart.h  Tells a restarted sender from one stray sequence number
 *
 * RFC 3550 A.1: a sequence number far from the others is only believed when the
 * next one follows it. Works on unwrapped numbers.
 *
 * Owner:   the caller; embed the struct, zeroed or by arc_restart_init().
 * Threads: one caller at a time.
 */
#ifndef ARC_RX_RESTART_H
#define ARC_RX_RESTART_H

#include <stdbool.h>
#include <stdint.h>

/* ARC_CDEF_BEGIN */
struct arc_restart {
    int64_t expected; /* what would confirm the restart */
    bool    armed;    /* a stray number was seen        */
};
/* ARC_CDEF_END */

static inline void arc_restart_init(struct arc_restart *r)
{
    r->expected = 0;
    r->armed    = false;
}

/** Note a far-off number; true: the second in a row, start anew from it. */
static inline bool arc_restart_on_stray(struct arc_restart *r, int64_t seq)
{
    bool confirmed = r->armed && seq == r->expected;

    r->expected = seq + 1;
    r->armed    = !confirmed;
    return confirmed;
}

#endif
