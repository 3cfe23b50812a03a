/**
 * @file srtp/index.c  The 48 bit packet index of one SRTP source
 */
#include <string.h>

#include "srtp/index.h"

enum { HALF = 0x8000 }; /* half of the sequence numbers */

void arc_index_init(struct arc_index *x)
{
    memset(x, 0, sizeof(*x));
}

enum arc_status arc_index_set_roc(struct arc_index *x, uint32_t roc)
{
    if (x->started && roc < x->head >> 16)
        return ARC_ERR_ARG;
    if (x->started && roc == x->head >> 16)
        return ARC_OK; /* known; guessing goes on, which may cross a wrap */
    x->roc     = roc;
    x->roc_set = true;
    return ARC_OK;
}

enum arc_status arc_index_estimate(const struct arc_index *x, uint16_t seq16,
                                   uint64_t *index)
{
    const int32_t seq  = seq16;
    const int32_t high = (int32_t)(x->head & 0xffff); /* s_l of the RFC */
    uint64_t roc       = x->head >> 16;

    if (!x->started || x->roc_set) {
        *index = (uint64_t)x->roc << 16 | seq16;
        return ARC_OK;
    }

    /* RFC 3711 Appendix A. */
    if (high < HALF) {
        if (seq - high > HALF && roc > 0)
            roc--;
    } else if (high - HALF > seq) {
        roc++;
    }
    if (roc > UINT32_MAX)
        return ARC_ERR_LIMIT;
    *index = roc << 16 | seq16;
    return ARC_OK;
}

void arc_index_commit(struct arc_index *x, uint64_t index)
{
    if (!x->started || index > x->head)
        x->head = index;
    x->started = true;
    x->roc_set = false;
}
