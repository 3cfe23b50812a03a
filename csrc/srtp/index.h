/**
 * @file srtp/index.h  The 48 bit packet index of one SRTP source
 *
 * index = 2^16 * ROC + SEQ; only SEQ is on the wire. The roll-over counter is
 * guessed so that the index lies nearest to the highest one known (RFC 3711
 * §3.3.1, Appendix A), and the tag tells whether the guess was right.
 *
 * One deviation: with ROC 0 the guess is never "one before", which the text
 * would give as 2^32 - 1: no packet with such an index can exist.
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Order:   estimate -> authenticate -> commit; `estimate` is const on purpose.
 */
#ifndef ARC_SRTP_INDEX_H
#define ARC_SRTP_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
struct arc_index {
    uint64_t head;    /* highest committed index, 48 bits               */
    uint32_t roc;     /* of the next packet, while roc_set or !started  */
    bool     started; /* false until the first commit                   */
    bool     roc_set; /* the next packet has `roc`, nothing is guessed  */
};

/** Start: the first packet has roll-over counter 0. */
void arc_index_init(struct arc_index *x);

/**
 * Say which roll-over counter the next packet has (RFC 3711 §3.3.1: a receiver
 * that joins a running stream is told it by other means).
 *
 * @return ARC_OK, or ARC_ERR_ARG: below that of the highest index
 */
enum arc_status arc_index_set_roc(struct arc_index *x, uint32_t roc);

/** @return ARC_OK, or ARC_ERR_LIMIT: the index would be 2^48, re-key */
enum arc_status arc_index_estimate(const struct arc_index *x, uint16_t seq16,
                                   uint64_t *index);

/** Record an index that was sent, or received and authenticated. */
void arc_index_commit(struct arc_index *x, uint64_t index);
/* ARC_CDEF_END */

#endif
