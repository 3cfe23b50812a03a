/**
 * @file srtp/srtp.h  Secure RTP: both directions under the same master keys
 *
 * RFC 3711 with AES-CM and HMAC-SHA1, RFC 6188 (AES-256), RFC 7714 (AES-GCM),
 * RFC 6904 (encrypted header extensions), MKI, key derivation rate.
 *
 * One object sends and receives with the same master key and keeps the states
 * of the two apart; every SSRC has its own index. All packets are changed in
 * place. keys.h has the change of keys and the events, srtcp.h the other half,
 * batch.h many packets at once.
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
 *           counted apart (RFC 3711 §9.2); then ARC_ERR_LIMIT, re-key (keys.h).
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
#define ARC_SRTP_MKI_MAX_BYTES     128  /* RFC 4568 §6.1                */
#define ARC_SRTP_TRAILER_MAX_BYTES 148  /* GCM tag, SRTCP index, MKI    */
#define ARC_SRTP_GCM_SALT_BYTES    12   /* RFC 7714 §12                 */
#define ARC_SRTP_EXT_ID_BYTES      32   /* a bit for each id 0..255     */
#define ARC_SRTP_RATE_MAX          16777216 /* 2^24: RFC 3711 §4.3.1   */

enum arc_srtp_profile { /* numbers of RFC 5764 §4.1.2, RFC 7714 §14.2 */
    ARC_SRTP_AES128_CM_HMAC_SHA1_80 = 1,
    ARC_SRTP_AES128_CM_HMAC_SHA1_32 = 2,
    ARC_SRTP_AEAD_AES_128_GCM       = 7,
    ARC_SRTP_AEAD_AES_256_GCM       = 8,
    ARC_SRTP_AES256_CM_HMAC_SHA1_80 = 0x101, /* RFC 6188; ours, DTLS has none */
    ARC_SRTP_AES256_CM_HMAC_SHA1_32 = 0x102,
};

/** What an object is for. One that is for one way has room for a single SSRC the
 *  other way. */
enum arc_srtp_way {
    ARC_SRTP_BOTH_WAYS = 0,
    ARC_SRTP_SENDS,
    ARC_SRTP_RECEIVES,
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
    int32_t  way;         /* enum arc_srtp_way: for what it has room        */
    uint64_t limit_pkts;  /* lowers the limits of RFC 3711 §9.2; 0: as they are */
    int32_t  backend;     /* enum arc_cipher_backend; 0: the fastest usable   */
    int32_t  derivation_rate; /* 0, or a power of two up to 2^24: session keys
                                 are derived anew after so many packets       */
    uint8_t  mki[128];
    int32_t  mki_len;     /* bytes; 0: packets carry none                     */
    uint8_t  ext_ids[32]; /* header extension elements to be encrypted: bit
                             id % 8 of byte id / 8; none: RFC 6904 is not used */
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
    uint64_t unauthenticated; /* ARC_ERR_AUTH; unknown MKIs among them  */
    uint64_t unknown_mki;     /* of these: no key has the MKI           */
    uint64_t replayed;        /* ARC_ERR_REPLAY                         */
    uint64_t too_old;         /* ARC_ERR_OLD                            */
    uint64_t over_limit;      /* ARC_ERR_LIMIT, either way              */
    uint64_t other_failures;  /* any other status, either way           */
    uint64_t streams_evicted; /* receive states given to another SSRC   */
    uint64_t events_lost;     /* not polled in time (keys.h)            */
    int32_t  send_streams;    /* SSRCs known now                        */
    int32_t  recv_streams;
};

/**
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM, ARC_ERR_LIBRARY, or
 *         ARC_ERR_UNSUPPORTED: the backend asked for is not usable here
 */
enum arc_status arc_srtp_new(const struct arc_srtp_config *cfg,
                             struct arc_srtp **out);

/**
 * The same from session keys, without the key derivation: for vectors that
 * start behind it (RFC 7714 §16, §17). Keys and salt in `cfg` are not looked at,
 * and it must have derivation rate 0 and no encrypted extensions.
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
 * The same with a payload that is somewhere else, and stays as it is: one packet
 * for many receivers is encrypted straight into what each of them is sent.
 *
 * @param data    Header with CSRCs and extension; the rest is written
 * @param payload What follows that header; NULL: it stands there. Must not
 *                overlap `data`
 * @param len     Bytes of header and payload
 */
enum arc_status arc_srtp_protect_from(struct arc_srtp *s, uint8_t *data,
                                      const uint8_t *payload, size_t len,
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
 * The two calls above from one buffer to another: the input is not changed.
 *
 * @param in  Packet, `in_len` bytes; must not overlap `out`
 * @param out Room for `cap` bytes: in_len + arc_srtp_overhead_bytes() to protect,
 *            in_len to unprotect
 *
 * @return Bytes written, or a negative enum arc_status (`out` is then worthless)
 */
int32_t arc_srtp_protect_to(struct arc_srtp *s, const uint8_t *in,
                            size_t in_len, uint8_t *out, size_t cap);
int32_t arc_srtp_unprotect_to(struct arc_srtp *s, const uint8_t *in,
                              size_t in_len, uint8_t *out, size_t cap);

/**
 * Say which roll-over counter the next packet of an SSRC has. May make room for
 * the stream in the table, as an authenticated packet would.
 *
 * @return ARC_OK; ARC_ERR_ARG: below the counter in use; ARC_ERR_LIMIT: sending
 *         and the table is full
 */
enum arc_status arc_srtp_set_roc(struct arc_srtp *s, uint32_t ssrc,
                                 uint32_t roc, bool sending);

/**
 * Forget a stream that is sent no more, and give its place in the table free. Its
 * SSRC must never be sent with the same key again: its index would begin anew, and
 * IVs would repeat.
 *
 * @return ARC_OK, or ARC_ERR_ARG: nothing was ever sent as `ssrc`
 */
enum arc_status arc_srtp_forget(struct arc_srtp *s, uint32_t ssrc);

/** Bytes that arc_srtp_protect() adds: tag and MKI. */
int32_t arc_srtp_overhead_bytes(const struct arc_srtp *s);

/** enum arc_cipher_backend that protects RTP. */
int32_t arc_srtp_backend(const struct arc_srtp *s);

void arc_srtp_get_stats(const struct arc_srtp *s, struct arc_srtp_stats *out);
/* ARC_CDEF_END */

#endif
