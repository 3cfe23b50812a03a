/**
 * @file srtp/context.h  What srtp.c and srtcp.c share: the object behind both
 *
 * Not for other layers.
 *
 * Owner:   arc_srtp_new() makes it, arc_srtp_free() wipes and frees it.
 * Threads: one caller at a time.
 */
#ifndef ARC_SRTP_CONTEXT_H
#define ARC_SRTP_CONTEXT_H

#include <stdbool.h>

#include "srtp/cipher.h"
#include "srtp/srtp.h"
#include "srtp/streams.h"

/** Session keys at work: SRTP has one of these, SRTCP another. */
struct arc_srtp_session {
    struct arc_cipher *cipher;
    uint8_t            salt[ARC_CIPHER_IV_MAX_BYTES]; /* zeros behind it    */
    size_t             iv_ssrc_at; /* offset of the SSRC in the IV          */
    size_t             tag_bytes;
    uint64_t           limit_pkts; /* packets each way with this key        */
};

struct arc_srtp {
    struct arc_srtp_session rtp;
    struct arc_srtp_session rtcp;
    struct arc_srtp_streams send;
    struct arc_srtp_streams recv;
    struct arc_srtp_stats   stats;
    bool                    aead;
};

/** SSRC and index xored into the salt: IV of a packet, 16 bytes. */
void arc_srtp_make_iv(const struct arc_srtp_session *session, uint32_t ssrc,
                      uint64_t index, uint8_t *iv);

/** Room in the sending table for an SSRC: the stream is there or can be added. */
bool arc_srtp_has_room(const struct arc_srtp *s,
                       const struct arc_srtp_stream *stream);

/** The receiving state of an SSRC; made, by eviction if need be. */
struct arc_srtp_stream *arc_srtp_recv_stream(struct arc_srtp *s, uint32_t ssrc);

/** Count a failure by its reason; returns its argument. */
enum arc_status arc_srtp_failed(struct arc_srtp *s, enum arc_status status);

#endif
