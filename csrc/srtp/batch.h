/**
 * @file srtp/batch.h  Many packets in one call
 *
 * The answers, the bytes and the state afterwards are those of the single calls
 * made one after the other. What is gained: one crossing from Python for all, and
 * for AES-CM with HMAC-SHA1 the lanes of cipherlanes.h, which take packets of any
 * number of keys together.
 *
 * Owner:   arc_srtp_batch_new() allocates all memory; nothing later does. It holds
 *          no key and no state of a stream: one serves any number of sessions.
 * Threads: one caller at a time.
 */
#ifndef ARC_SRTP_BATCH_H
#define ARC_SRTP_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "srtp/srtp.h"

/* ARC_CDEF_BEGIN */
struct arc_srtp_batch; /* opaque: working memory */

/** One RTP packet of a batch. */
struct arc_srtp_unit {
    struct arc_srtp *srtp;
    uint8_t         *data;   /* changed in place                               */
    const uint8_t   *payload;/* to protect: as arc_srtp_protect_from()         */
    size_t           len;    /* in: bytes of the packet; out, with ARC_OK: after
                                the call                                       */
    size_t           cap;    /* room at `data`                                 */
    int32_t          status; /* out: as arc_srtp_protect(), _unprotect()       */
};

/** True where batches of this object's packets gain from working memory. */
bool arc_srtp_wants_batch(const struct arc_srtp *s);

/** @return ARC_OK, ARC_ERR_NOMEM; ARC_ERR_UNSUPPORTED: nothing here has lanes */
enum arc_status arc_srtp_batch_new(struct arc_srtp_batch **out);
void            arc_srtp_batch_free(struct arc_srtp_batch *b);

/**
 * Protect, or unprotect, the packets in their order.
 *
 * @param b NULL: one packet at a time, whatever the profile
 */
void arc_srtp_protect_units(struct arc_srtp_batch *b,
                            struct arc_srtp_unit *units, size_t n);
void arc_srtp_unprotect_units(struct arc_srtp_batch *b,
                              struct arc_srtp_unit *units, size_t n);

/**
 * The same for the packets of one object in slots.
 *
 * @param data       n slots of slot_bytes, one packet at the start of each
 * @param slot_bytes Room of one packet
 * @param lengths    n; in: bytes of the packet, out: after the call. That of a
 *                   packet that failed is left
 * @param status     n; enum arc_status of each
 *
 * @return ARC_OK whatever became of the packets, or ARC_ERR_ARG (NULL)
 */
enum arc_status arc_srtp_protect_slots(struct arc_srtp_batch *b,
                                       struct arc_srtp *s, uint8_t *data,
                                       size_t slot_bytes, int32_t *lengths,
                                       int32_t *status, size_t n);
enum arc_status arc_srtp_unprotect_slots(struct arc_srtp_batch *b,
                                         struct arc_srtp *s, uint8_t *data,
                                         size_t slot_bytes, int32_t *lengths,
                                         int32_t *status, size_t n);
/* ARC_CDEF_END */

#endif
