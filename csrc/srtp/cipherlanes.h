/**
 * @file srtp/cipherlanes.h  AES-CM with HMAC-SHA1 over many packets at once
 *
 * SHA-1 is four fifths of what such a packet costs and serial within it; only
 * across packets is there something to gain. Lanes are the working memory for
 * that, about 230 kB, and belong to who makes the batches and not to a key: the
 * packets of one batch may have different ciphers.
 *
 * Order:   sending: seal. Receiving: verify (nothing is changed) -> the caller
 *          settles replay and state, packet by packet -> crypt what was accepted.
 * Owner:   arc_cipher_lanes_new() allocates all memory; nothing later does.
 * Threads: one caller at a time.
 * Source:  ipsec-mb, synchronous bursts (cipher_ipsecmb_lanes.c).
 */
#ifndef ARC_SRTP_CIPHERLANES_H
#define ARC_SRTP_CIPHERLANES_H

#include "srtp/cipher.h"

#define ARC_CIPHER_LANES_MAX_TASKS 64
#define ARC_CIPHER_LANES_MAX_TAIL  8

struct arc_cipher_lanes; /* opaque */

/** A packet of a batch. `tail_len` bytes behind the body must be writable. */
struct arc_cipher_task {
    struct arc_cipher    *cipher; /* arc_cipher_has_lanes() said yes           */
    struct arc_cipher_job job;    /* tail_len: at most ARC_CIPHER_LANES_MAX_TAIL */
    enum arc_status       status; /* answer                                    */
};

/** True for a cipher whose packets are worth a batch. */
bool arc_cipher_has_lanes(const struct arc_cipher *c);

/** @return ARC_OK, ARC_ERR_NOMEM, or ARC_ERR_UNSUPPORTED: no backend has lanes */
enum arc_status arc_cipher_lanes_new(struct arc_cipher_lanes **out);
void            arc_cipher_lanes_free(struct arc_cipher_lanes *l);

/** As arc_cipher_seal() for 0..ARC_CIPHER_LANES_MAX_TASKS tasks. */
void arc_cipher_lanes_seal(struct arc_cipher_lanes *l,
                           struct arc_cipher_task **tasks, size_t n);

/** Compare the tags: ARC_OK or ARC_ERR_AUTH; every byte is as it came. */
void arc_cipher_lanes_verify(struct arc_cipher_lanes *l,
                             struct arc_cipher_task **tasks, size_t n);

/** Encrypt or decrypt the bodies, whatever the tags. */
void arc_cipher_lanes_crypt(struct arc_cipher_lanes *l,
                            struct arc_cipher_task **tasks, size_t n);

#endif
