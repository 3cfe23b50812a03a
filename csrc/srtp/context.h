/**
 * @file srtp/context.h  The object behind srtp.h, srtcp.h, keys.h and batch.h
 *
 * Not for other layers.
 *
 * Owner:   arc_srtp_new() makes it, arc_srtp_free() wipes and frees it.
 * Threads: one caller at a time.
 */
#ifndef ARC_SRTP_CONTEXT_H
#define ARC_SRTP_CONTEXT_H

#include <stdbool.h>

#include "base/bytes.h"
#include "srtp/cipher_backend.h"
#include "srtp/keys.h"
#include "srtp/srtp.h"
#include "srtp/streams.h"

enum arc_srtp_half { ARC_SRTP_RTP, ARC_SRTP_RTCP, ARC_SRTP_HALVES };

enum {
    ARC_SRTP_DERIVED = 4,  /* session keys kept where the derivation rate is not 0 */
    ARC_SRTP_EVENTS  = 16,
};

/** Session keys at work, of SRTP or of SRTCP (RFC 3711 §4.3). */
struct arc_srtp_session {
    struct arc_cipher *cipher;
    struct arc_cipher *ext_cipher; /* RFC 6904; NULL: no element is encrypted    */
    uint8_t            salt[ARC_CIPHER_IV_MAX_BYTES];     /* zeros behind it     */
    uint8_t            ext_salt[ARC_CIPHER_IV_MAX_BYTES];
    uint64_t           r;          /* index DIV key derivation rate              */
    uint64_t           last_used;
    bool               keyed;
};

/** A master key, and what was derived from it. */
struct arc_srtp_key {
    int32_t  id; /* 0: this place is free */
    uint8_t  mki[ARC_SRTP_MKI_MAX_BYTES];
    uint8_t  master_key[32];  /* kept only where keys are derived again */
    uint8_t  master_salt[14];
    struct arc_srtp_session sessions[ARC_SRTP_HALVES][ARC_SRTP_DERIVED];
    uint64_t sent_pkts[ARC_SRTP_HALVES];
    uint64_t received_pkts[ARC_SRTP_HALVES];
    int64_t  retire_us; /* ARC_NEVER_US: not to be retired */
};

struct arc_srtp {
    /* constant after arc_srtp_new() */
    int32_t  profile;
    int32_t  backend;
    int32_t  kind; /* enum arc_cipher_kind */
    int32_t  key_bytes;
    bool     aead;
    size_t   tag_bytes[ARC_SRTP_HALVES];
    size_t   mki_bytes;
    uint64_t limit_pkts[ARC_SRTP_HALVES]; /* each way with one key */
    uint64_t near_pkts[ARC_SRTP_HALVES];  /* from here on counts may raise events */
    int32_t  derivation_bits;             /* log2 of the rate; -1: the rate is 0 */
    bool     encrypts_ext;
    uint8_t  ext_ids[ARC_SRTP_EXT_ID_BYTES];

    struct arc_srtp_key     keys[ARC_SRTP_KEYS_MAX];
    struct arc_srtp_key    *sending;
    int32_t                 last_id;
    uint64_t                derivations; /* counts uses, to find the oldest */
    struct arc_srtp_streams send;
    struct arc_srtp_streams recv;
    struct arc_srtp_stats   stats;
    struct arc_srtp_event   events[ARC_SRTP_EVENTS]; /* ring */
    uint32_t                events_put, events_got;
};

/* context.c */

/**
 * SSRC and 48 bit index xored into a salt of 16 bytes: IV of a packet. They stand
 * at bytes 2..11 of 12 for AES-GCM (RFC 7714 §8.1), 4..13 of 14 for AES-CM (RFC
 * 3711 §4.1.1).
 */
static inline void arc_srtp_make_iv(const uint8_t *salt, bool gcm,
                                    uint32_t ssrc, uint64_t index, uint8_t *iv)
{
    const uint64_t high = gcm ? (uint64_t)ssrc << 16 | index >> 32 : ssrc;
    const uint64_t low  = gcm ? index << 32 : index << 16;

    arc_put_u64(iv, arc_get_u64(salt) ^ high);
    arc_put_u64(iv + 8, arc_get_u64(salt + 8) ^ low);
}

/** Room in the sending table for an SSRC: the stream is there or can be added. */
bool arc_srtp_has_room(const struct arc_srtp *s,
                       const struct arc_srtp_stream *stream);

/** The receiving state of an SSRC; made, by eviction if need be. */
struct arc_srtp_stream *arc_srtp_recv_stream(struct arc_srtp *s, uint32_t ssrc);

/** Count a failure by its reason; returns its argument. */
enum arc_status arc_srtp_failed(struct arc_srtp *s, enum arc_status status);

/* keys.c */

/** Take a key in; `rtp` and `rtcp` NULL: derive them. @return as add_key() */
enum arc_status
arc_srtp_install_key(struct arc_srtp *s, const struct arc_srtp_key_config *cfg,
                     const struct arc_srtp_session_keys *rtp,
                     const struct arc_srtp_session_keys *rtcp, int32_t *id);
void arc_srtp_drop_key(struct arc_srtp_key *key);

/** Session keys number `r` of a master key; NULL: the cipher library failed. */
struct arc_srtp_session *arc_srtp_derived(struct arc_srtp *s,
                                          struct arc_srtp_key *key,
                                          enum arc_srtp_half half, uint64_t r);

/**
 * Session keys for a packet's index. Deriving them changes no state that a
 * packet can be told by.
 *
 * @return NULL: the cipher library failed
 */
static inline struct arc_srtp_session *
arc_srtp_session_for(struct arc_srtp *s, struct arc_srtp_key *key,
                     enum arc_srtp_half half, uint64_t index)
{
    if (s->derivation_bits < 0) /* RFC 3711 §4.3.1: DIV 0 is 0 */
        return &key->sessions[half][0];
    return arc_srtp_derived(s, key, half, index >> s->derivation_bits);
}

/** A key has come near its limit, or to it: may raise an event. */
void arc_srtp_near_limit(struct arc_srtp *s, const struct arc_srtp_key *key,
                         enum arc_srtp_half half, bool sending);

/** Count a packet that a key protected, or accepted. */
static inline void arc_srtp_count_use(struct arc_srtp *s,
                                      struct arc_srtp_key *key,
                                      enum arc_srtp_half half, bool sending)
{
    uint64_t *count = sending ? &key->sent_pkts[half]
                              : &key->received_pkts[half];

    if (++*count >= s->near_pkts[half])
        arc_srtp_near_limit(s, key, half, sending);
}

/** Which keys a received packet was tried with; starts with zeros. */
struct arc_srtp_tried {
    uint32_t places;  /* bit: place in the table                       */
    bool     used_up; /* one was passed over because of its limit      */
};

/**
 * The next key that a received packet may be under: the one with its MKI; without
 * MKIs the one that last opened a packet of this stream, then the others, the
 * newest first.
 *
 * @param stream NULL: not known yet
 * @param mki    Where the packet has it
 *
 * @return NULL: no other; arc_srtp_no_key() says what that means
 */
struct arc_srtp_key *arc_srtp_next_key(struct arc_srtp *s,
                                       enum arc_srtp_half half,
                                       const struct arc_srtp_stream *stream,
                                       const uint8_t *mki,
                                       struct arc_srtp_tried *tried);

/** What it means that no key is left; counts unknown MKIs.
 *  @return ARC_ERR_LIMIT or ARC_ERR_AUTH */
enum arc_status arc_srtp_no_key(struct arc_srtp *s,
                                const struct arc_srtp_tried *tried);

/* srtp.c, in the steps that batch.c takes too */

/** An RTP packet on its way in or out. */
struct arc_srtp_work {
    struct arc_srtp_stream  *stream; /* NULL: of a new SSRC                    */
    struct arc_srtp_key     *key;
    struct arc_srtp_session *session;
    uint32_t                 ssrc;
    uint16_t                 seq16;
    uint64_t                 index;
    struct arc_srtp_tried    tried;  /* receiving                              */
    uint8_t                 *end;    /* where the trailer begins               */
    struct arc_cipher_job    job;
    uint8_t                  iv[ARC_CIPHER_IV_MAX_BYTES];
    uint8_t                  roc[4];
};

/** All that comes before the cipher; moves no state.
 *  @param payload Where that is taken from; NULL: from `data`
 *  @return as protect() */
enum arc_status arc_srtp_begin_send(struct arc_srtp *s, uint8_t *data,
                                    const uint8_t *payload, size_t len,
                                    size_t cap, struct arc_srtp_work *w);
void arc_srtp_commit_send(struct arc_srtp *s, struct arc_srtp_work *w);

/** The MKI goes into the packet last: its place is scratch until then. */
void arc_srtp_write_mki(const struct arc_srtp *s, const struct arc_srtp_work *w);

/** All that comes before a key is tried; moves no state.
 *  @param out Where the packet shall be; `data`: it is changed in place
 *  @return as unprotect() */
enum arc_status arc_srtp_begin_recv(struct arc_srtp *s, const uint8_t *data,
                                    size_t len, uint8_t *out,
                                    struct arc_srtp_work *w);

/** Take up the next key. @return ARC_OK; ARC_AGAIN: no other; ARC_ERR_LIBRARY */
enum arc_status arc_srtp_take_key(struct arc_srtp *s, struct arc_srtp_work *w);

/** The packet is authentic and decrypted: only now state moves. */
enum arc_status arc_srtp_accept(struct arc_srtp *s, struct arc_srtp_work *w);

/* hdrext.c */

/**
 * Encrypt, or decrypt, the header extension elements that are to be (RFC 6904).
 *
 * @param data Packet with a header that arc_rtp_parse_header() takes
 *
 * @return ARC_OK, ARC_ERR_FORMAT (an element runs past the end: then nothing was
 *         changed) or ARC_ERR_LIBRARY
 */
enum arc_status arc_srtp_crypt_ext(const struct arc_srtp *s,
                                   struct arc_srtp_session *session,
                                   uint32_t ssrc, uint64_t index, uint8_t *data,
                                   size_t len);

#endif
