/**
 * @file srtp/cipher.h  The one interface between SRTP and a cryptographic library
 *
 * A cipher is one session key. It seals and opens one packet in place:
 *
 *     data:  head (authenticated) | body (authenticated and encrypted)
 *     tail:  authenticated, never encrypted; the roll-over counter of SRTP or
 *            the index word of SRTCP
 *
 * The order of what the tag covers is the transform's own affair: AES-GCM takes
 * head and tail as associated data (RFC 7714 §8.2, §9.2), HMAC-SHA1 covers head,
 * encrypted body, tail (RFC 3711 §4.2).
 *
 * Owner:   arc_cipher_new() allocates all memory of ours and all contexts of the
 *          library; sealing and opening allocate nothing.
 * Threads: one caller at a time for one cipher.
 * Source:  cipher_openssl.c is the only file that includes OpenSSL (3.0 or later).
 */
#ifndef ARC_SRTP_CIPHER_H
#define ARC_SRTP_CIPHER_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_CIPHER_KEY_MAX_BYTES  32
#define ARC_CIPHER_AUTH_KEY_BYTES 20 /* HMAC-SHA1, n_a of RFC 3711 §5.2 */
#define ARC_CIPHER_IV_MAX_BYTES   16
#define ARC_CIPHER_TAG_MAX_BYTES  20

enum arc_cipher_kind {
    ARC_CIPHER_AES_GCM          = 1, /* IV of 12 bytes, tag of 16           */
    ARC_CIPHER_AES_CM_HMAC_SHA1 = 2, /* IV of 16 bytes, tag of 4..20 bytes  */
};

struct arc_cipher; /* opaque */

struct arc_cipher_config {
    int32_t kind;      /* enum arc_cipher_kind          */
    int32_t key_len;   /* bytes of `key`: 16 or 32      */
    int32_t tag_bytes; /* 16 for GCM, 4..20 for HMAC    */
    uint8_t key[32];
    uint8_t auth_key[20]; /* HMAC-SHA1; unused by GCM   */
};

struct arc_cipher_job {
    const uint8_t *iv;   /* 12 or 16 bytes, see the kind                   */
    uint8_t       *data; /* head, then body; the body is changed in place  */
    size_t         head_len;
    size_t         body_len;
    const uint8_t *tail; /* may be NULL if tail_len is 0                   */
    size_t         tail_len;
    uint8_t       *tag;  /* tag_bytes; written by seal, read by open       */
};

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_LIBRARY */
enum arc_status arc_cipher_new(const struct arc_cipher_config *cfg,
                               struct arc_cipher **out);

/** Wipe the key and free; NULL is allowed. */
void arc_cipher_free(struct arc_cipher *c);

/**
 * Encrypt the body in place and write the tag.
 *
 * @return ARC_OK, or ARC_ERR_LIBRARY (the body is then worthless)
 */
enum arc_status arc_cipher_seal(struct arc_cipher              *c,
                                const struct arc_cipher_job    *job);

/**
 * Compare the tag in constant time and decrypt the body in place.
 *
 * @return ARC_OK; ARC_ERR_AUTH (every byte is as it came) or ARC_ERR_LIBRARY
 */
enum arc_status arc_cipher_open(struct arc_cipher              *c,
                                const struct arc_cipher_job    *job);

/**
 * AES in counter mode over zeros: the pseudo-random function of the key
 * derivation (RFC 3711 §4.3.3, RFC 6188 §3).
 *
 * @param key     Key
 * @param key_len 16 or 32
 * @param iv      First counter block, 16 bytes
 * @param out     Key stream
 * @param len     Bytes of it; at most 2^20 (2^16 blocks)
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_LIBRARY
 */
enum arc_status arc_cipher_keystream(const uint8_t *key, size_t key_len,
                                     const uint8_t *iv, uint8_t *out,
                                     size_t len);

/**
 * Random bytes for keys and salts, from the library's private generator.
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_LIBRARY (no entropy)
 */
enum arc_status arc_cipher_random(uint8_t *out, size_t len);

/** Name and version of the library in use, for people. */
const char *arc_cipher_library(void);
/* ARC_CDEF_END */

#endif
