/**
 * @file srtp/srtp.h  Secure RTP: one master key, both directions
 *
 * RFC 3711 with AES-CM and HMAC-SHA1, RFC 6188 (AES-256), RFC 7714 (AES-GCM).
 * No MKI, key derivation rate 0, header extensions not encrypted.
 *
 * One object sends and receives with the same master key and keeps the states
 * of the two apart; every SSRC has its own index. All packets are changed in
 * place.
 *
 * Order:    receiving: estimate the index -> replay check -> authenticate ->
 *           decrypt -> commit. A packet that fails leaves no trace but a count
 *           in arc_srtp_stats: no stream, index or window moves, and its bytes
 *           are as they came.
 * Streams:  at most max_streams each way. Sending beyond it is ARC_ERR_LIMIT.
 *           Receiving, an *authenticated* packet of a new SSRC takes the place
 *           of the stream that was silent longest; should that one come back it
 *           starts like a new one, with roll-over counter 0 and an empty replay
 *           window. Choose max_streams above the number of live sources.
 * Limits:   2^48 RTP and 2^31 RTCP packets for one key, sent and accepted
 *           counted apart (RFC 3711 §9.2); then ARC_ERR_LIMIT, re-key.
 * Sharing:  two senders with one master key must never use the same SSRC: the
 *           IVs would repeat, which breaks both modes (RFC 7714 §8.4).
 * Resent:   protecting the same packet again gives the same bytes. Protecting
 *           other content under a sequence number already used repeats an IV;
 *           that is not detected here, the caller's numbers must be right.
 * Owner:    arc_srtp_new() allocates all memory, arc_srtp_free() wipes the keys.
 * Threads:  one caller at a time.
 */
#ifndef ARC_SRTP_SRTP_H
#define ARC_SRTP_SRTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_SRTP_PACKET_MAX_BYTES 65535 /* UDP cannot carry more        */
#define ARC_SRTP_STREAMS_DEFAULT  64
#define ARC_SRTP_TRAILER_MAX_BYTES 20   /* GCM tag and the SRTCP index  */

enum arc_srtp_profile { /* numbers of RFC 5764 §4.1.2, RFC 7714 §14.2 */
    ARC_SRTP_AES128_CM_HMAC_SHA1_80 = 1,
    ARC_SRTP_AES128_CM_HMAC_SHA1_32 = 2,
    ARC_SRTP_AEAD_AES_128_GCM       = 7,
    ARC_SRTP_AEAD_AES_256_GCM       = 8,
    ARC_SRTP_AES256_CM_HMAC_SHA1_80 = 0x101, /* RFC 6188; ours, DTLS has none */
    ARC_SRTP_AES256_CM_HMAC_SHA1_32 = 0x102,
};

struct arc_srtp; /* opaque */

struct arc_srtp_config {
    int32_t  profile; /* enum arc_srtp_profile                              */
    uint8_t  master_key[32];
    int32_t  key_len; /* bytes: 16, or 32 for the AES-256 profiles          */
    uint8_t  master_salt[14];
    int32_t  salt_len;    /* bytes: 14; GCM also 12 (RFC 7714 §12), then
                             two zero bytes are put behind                  */
    int32_t  window_pkts; /* replay window; 64..32768; 0: 128               */
    int32_t  max_streams; /* SSRCs each way; 1..4096; 0: 64                 */
    uint64_t limit_pkts;  /* lowers the limits of RFC 3711 §9.2; 0: as they are */
};

/** What the key derivation makes for SRTP or for SRTCP (RFC 3711 §4.3). */
struct arc_srtp_session_keys {
    uint8_t enc_key[32];  /* first 16 or all, by profile        */
    uint8_t auth_key[20]; /* HMAC-SHA1; unused by GCM           */
    uint8_t salt[14];     /* GCM: the first 12                  */
};

/** Counts since arc_srtp_new(); every failure is in exactly one of them. */
struct arc_srtp_stats {
    uint64_t rtp_sent;        /* packets protected                      */
    uint64_t rtcp_sent;
    uint64_t rtp_received;    /* packets authenticated and accepted     */
    uint64_t rtcp_received;
    uint64_t malformed;       /* ARC_ERR_FORMAT, received               */
    uint64_t unauthenticated; /* ARC_ERR_AUTH                           */
    uint64_t replayed;        /* ARC_ERR_REPLAY                         */
    uint64_t too_old;         /* ARC_ERR_OLD                            */
    uint64_t over_limit;      /* ARC_ERR_LIMIT, either way              */
    uint64_t other_failures;  /* any other status, either way           */
    uint64_t streams_evicted; /* receive states given to another SSRC   */
    int32_t  send_streams;    /* SSRCs known now                        */
    int32_t  recv_streams;
};

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_LIBRARY */
enum arc_status arc_srtp_new(const struct arc_srtp_config *cfg,
                             struct arc_srtp **out);

/**
 * The same from session keys, without the key derivation: for vectors that
 * start behind it (RFC 7714 §16, §17). Keys and salt in `cfg` are not looked at.
 */
enum arc_status
arc_srtp_new_from_session(const struct arc_srtp_config       *cfg,
                          const struct arc_srtp_session_keys *rtp,
                          const struct arc_srtp_session_keys *rtcp,
                          struct arc_srtp                   **out);

/** Wipe the keys and free; NULL is allowed. */
void arc_srtp_free(struct arc_srtp *s);

/**
 * Encrypt an RTP packet in place and append the tag.
 *
 * @param data    RTP packet; changed in place
 * @param len     Its bytes; 12..65535
 * @param cap     Room at `data`; at least len + arc_srtp_overhead_bytes()
 * @param len_out Bytes of the SRTP packet; written only with ARC_OK
 *
 * @return ARC_OK; ARC_ERR_ARG, ARC_ERR_SPACE, ARC_ERR_FORMAT (no RTP header),
 *         ARC_ERR_LIMIT (key used up, or max_streams): bytes and object as they
 *         were; ARC_ERR_LIBRARY: the bytes are worthless, the object as it was
 */
enum arc_status arc_srtp_protect(struct arc_srtp *s, uint8_t *data, size_t len,
                                 size_t cap, size_t *len_out);

/**
 * Authenticate an SRTP packet and decrypt it in place.
 *
 * @param data    SRTP packet; changed in place
 * @param len     Its bytes
 * @param len_out Bytes of the RTP packet; written only with ARC_OK
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_FORMAT, ARC_ERR_AUTH, ARC_ERR_REPLAY,
 *         ARC_ERR_OLD, ARC_ERR_LIMIT, ARC_ERR_LIBRARY
 */
enum arc_status arc_srtp_unprotect(struct arc_srtp *s, uint8_t *data,
                                   size_t len, size_t *len_out);

/**
 * Protect many packets in one call.
 *
 * @param data       n slots of slot_bytes, one packet at the start of each
 * @param slot_bytes Room of one packet
 * @param lengths    n; in: bytes of the packet, out: of the SRTP packet. That of
 *                   a packet that failed is left
 * @param status     n; enum arc_status of each, as arc_srtp_protect()
 * @param n          Packets
 *
 * @return ARC_OK whatever became of the packets, or ARC_ERR_ARG (NULL)
 */
enum arc_status arc_srtp_protect_batch(struct arc_srtp *s, uint8_t *data,
                                       size_t slot_bytes, int32_t *lengths,
                                       int32_t *status, size_t n);

/** The same for arc_srtp_unprotect(). */
enum arc_status arc_srtp_unprotect_batch(struct arc_srtp *s, uint8_t *data,
                                         size_t slot_bytes, int32_t *lengths,
                                         int32_t *status, size_t n);

/**
 * Say which roll-over counter the next packet of an SSRC has. May make room for
 * the stream in the table, as an authenticated packet would.
 *
 * @return ARC_OK; ARC_ERR_ARG: below the counter in use; ARC_ERR_LIMIT: sending
 *         and the table is full
 */
enum arc_status arc_srtp_set_roc(struct arc_srtp *s, uint32_t ssrc,
                                 uint32_t roc, bool sending);

/** Bytes that arc_srtp_protect() adds. */
int32_t arc_srtp_overhead_bytes(const struct arc_srtp *s);

void arc_srtp_get_stats(const struct arc_srtp *s, struct arc_srtp_stats *out);
/* ARC_CDEF_END */

#endif
