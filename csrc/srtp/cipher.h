/**
 * @file srtp/cipher.h  The one interface between SRTP and the cryptographic libraries
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
 * Backends: OpenSSL is always there. Intel's ipsec-mb is used where it was found
 *           at build time and the processor has what it needs (x86 with AES-NI);
 *           cipherlanes.h has its batches. A backend must pass a known-answer
 *           test (selftest.h) before its first use in a process.
 * Owner:    arc_cipher_new() allocates all memory of ours and all contexts of the
 *           library; sealing and opening allocate nothing.
 * Threads:  one caller at a time for one cipher. Which backends are usable is
 *           found out once a process and published through atomics: the one
 *           exception to "no mutable globals" in srtp/.
 * Source:   cipher_openssl.c is the only file that includes OpenSSL (3.0 or
 *           later), cipher_ipsecmb.c the only one that includes ipsec-mb (1.3).
 */
#ifndef ARC_SRTP_CIPHER_H
#define ARC_SRTP_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_CIPHER_KEY_MAX_BYTES  32
#define ARC_CIPHER_AUTH_KEY_BYTES 20 /* HMAC-SHA1, n_a of RFC 3711 §5.2 */
#define ARC_CIPHER_IV_MAX_BYTES   16
#define ARC_CIPHER_TAG_MAX_BYTES  20
#define ARC_CIPHER_AAD_MAX_BYTES  64 /* head and tail, where both stand beside a body */

enum arc_cipher_kind {
    ARC_CIPHER_AES_GCM          = 1, /* IV of 12 bytes, tag of 16           */
    ARC_CIPHER_AES_CM_HMAC_SHA1 = 2, /* IV of 16 bytes, tag of 4..20 bytes  */
    ARC_CIPHER_AES_CM           = 3, /* IV of 16 bytes, no tag: a key stream */
};

enum arc_cipher_backend {
    ARC_CIPHER_AUTO    = 0, /* the fastest that is usable here */
    ARC_CIPHER_OPENSSL = 1,
    ARC_CIPHER_IPSECMB = 2,
};

struct arc_cipher; /* opaque */

struct arc_cipher_config {
    int32_t kind;      /* enum arc_cipher_kind                 */
    int32_t backend;   /* enum arc_cipher_backend              */
    int32_t key_len;   /* bytes of `key`: 16 or 32             */
    int32_t tag_bytes; /* 16 for GCM, 4..20 for HMAC, 0 for CM */
    uint8_t key[32];
    uint8_t auth_key[20]; /* HMAC-SHA1; unused by the others   */
};

struct arc_cipher_job {
    const uint8_t *iv;   /* 12 or 16 bytes, see the kind                   */
    uint8_t       *data; /* head, then body                                */
    const uint8_t *body; /* where the body is taken from; NULL: it is
                            changed in place. Must not overlap `data`      */
    size_t         head_len;
    size_t         body_len;
    const uint8_t *tail; /* may be NULL if tail_len is 0                   */
    size_t         tail_len;
    uint8_t       *tag;  /* tag_bytes; written by seal, read by open       */
};

/** What is known of a backend, for people. The texts are static. */
struct arc_cipher_backend_info {
    int32_t     backend;
    const char *name;     /* as configuration spells it: "openssl", "ipsecmb"  */
    const char *version;  /* of the library; "" where it is not compiled in    */
    const char *code;     /* instructions it works with ("AVX2"); "" unknown   */
    const char *unusable; /* why it cannot be used here; NULL: it can          */
};

/**
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM, ARC_ERR_LIBRARY, or
 *         ARC_ERR_UNSUPPORTED: the backend asked for is not usable here
 *         (arc_cipher_backend_info() says why)
 */
enum arc_status arc_cipher_new(const struct arc_cipher_config *cfg,
                               struct arc_cipher **out);

/**
 * Give a cipher another key of the same kind and length; allocates nothing.
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_LIBRARY
 */
enum arc_status arc_cipher_rekey(struct arc_cipher              *c,
                                 const struct arc_cipher_config *cfg);

/** enum arc_cipher_backend in use by this cipher. */
int32_t arc_cipher_backend_of(const struct arc_cipher *c);

/**
 * What is known of a backend; tests it if that was not done yet.
 *
 * @param backend enum arc_cipher_backend; AUTO: the one that AUTO stands for
 *
 * @return ARC_OK or ARC_ERR_ARG
 */
enum arc_status
arc_cipher_backend_info(int32_t backend, struct arc_cipher_backend_info *out);

/** Wipe the key and free; NULL is allowed. */
void arc_cipher_free(struct arc_cipher *c);

/**
 * Encrypt the body and write the tag.
 *
 * @return ARC_OK, ARC_ERR_ARG (a length: head and tail together may not exceed
 *         ARC_CIPHER_AAD_MAX_BYTES where a tail stands beside a body, with GCM),
 *         or ARC_ERR_LIBRARY (the body is then worthless)
 */
enum arc_status arc_cipher_seal(struct arc_cipher              *c,
                                const struct arc_cipher_job    *job);

/**
 * Compare the tag in constant time and decrypt the body.
 *
 * @return ARC_OK; ARC_ERR_AUTH (what came in is as it came) or ARC_ERR_LIBRARY
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

/** Compare in a time that does not depend on what the bytes are. */
bool arc_cipher_equal(const uint8_t *a, const uint8_t *b, size_t len);

/**
 * Name or version of a backend's library as it is loaded; tests nothing.
 *
 * @param backend ARC_CIPHER_OPENSSL or ARC_CIPHER_IPSECMB; "" for others, and for
 *                one that is not compiled in
 */
const char *arc_cipher_version(int32_t backend);
/* ARC_CDEF_END */

#endif
