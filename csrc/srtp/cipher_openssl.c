/**
 * @file srtp/cipher_openssl.c  The interface of cipher.h on OpenSSL's libcrypto
 *
 * What a packet costs is decided by the call pattern. The contexts are made and
 * keyed once; per packet only the IV goes in, by EVP_*Init_ex2(), and the tag
 * goes through get/set_params: 266 ns for a 160 byte GCM packet (OpenSSL 3.0,
 * x86-64 with AES-NI), against 296 ns with EVP_CIPHER_CTX_ctrl() and 910 ns with a full init.
 *
 * HMAC keeps the SHA-1 states behind the two key pads and copies them: 200 ns
 * for 160 bytes, against 297 ns for EVP_MD_CTX_copy_ex() and 357 ns for EVP_MAC.
 * These SHA1_* functions are marked deprecated since 3.0, but no other call can
 * copy a state without allocating.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "srtp/cipher.h"

enum {
    GCM_TAG_BYTES       = 16,
    HMAC_TAG_MIN_BYTES  = 4,
    KEYSTREAM_MAX_BYTES = 1 << 20, /* 2^16 blocks: RFC 3711 §4.1.1 */
};

struct arc_cipher {
    int32_t         kind;
    size_t          tag_bytes;
    EVP_CIPHER_CTX *seal;  /* GCM: encrypts. CM: both ways, the same thing */
    EVP_CIPHER_CTX *open;  /* GCM only                                     */
    SHA_CTX         inner; /* HMAC: state after the block key ^ ipad       */
    SHA_CTX         outer; /* ... key ^ opad                               */
};

static const char *cipher_name(int32_t kind, size_t key_len)
{
    if (kind == ARC_CIPHER_AES_GCM)
        return key_len == 16 ? "AES-128-GCM" : "AES-256-GCM";
    return key_len == 16 ? "AES-128-CTR" : "AES-256-CTR";
}

/** A context with cipher and key set; only the IV is missing. NULL: failed. */
static EVP_CIPHER_CTX *context_new(int32_t kind, const uint8_t *key,
                                   size_t key_len, int encrypt)
{
    EVP_CIPHER     *cipher = EVP_CIPHER_fetch(NULL, cipher_name(kind, key_len),
                                              NULL);
    EVP_CIPHER_CTX *ctx    = EVP_CIPHER_CTX_new();

    if (!cipher || !ctx ||
        !EVP_CipherInit_ex2(ctx, cipher, key, NULL, encrypt, NULL)) {
        EVP_CIPHER_CTX_free(ctx);
        ctx = NULL;
    }
    EVP_CIPHER_free(cipher); /* the context holds its own reference */
    return ctx;
}

/** RFC 2104: hash one block of key ^ pad, and keep the state. */
static void hmac_pad(SHA_CTX *state, const uint8_t *key, uint8_t pad)
{
    uint8_t block[SHA_CBLOCK];

    memset(block, pad, sizeof(block));
    for (int i = 0; i < ARC_CIPHER_AUTH_KEY_BYTES; i++)
        block[i] ^= key[i];
    SHA1_Init(state);
    SHA1_Update(state, block, sizeof(block));
    arc_mem_wipe(block, sizeof(block));
}

static bool config_ok(const struct arc_cipher_config *cfg)
{
    if (cfg->key_len != 16 && cfg->key_len != 32)
        return false;
    if (cfg->kind == ARC_CIPHER_AES_GCM)
        return cfg->tag_bytes == GCM_TAG_BYTES;
    return cfg->kind == ARC_CIPHER_AES_CM_HMAC_SHA1 &&
           cfg->tag_bytes >= HMAC_TAG_MIN_BYTES &&
           cfg->tag_bytes <= SHA_DIGEST_LENGTH;
}

enum arc_status arc_cipher_new(const struct arc_cipher_config *cfg,
                               struct arc_cipher **out)
{
    struct arc_cipher *c;
    bool gcm;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    c = arc_mem_zalloc(1, sizeof(*c));
    if (!c)
        return ARC_ERR_NOMEM;

    gcm          = cfg->kind == ARC_CIPHER_AES_GCM;
    c->kind      = cfg->kind;
    c->tag_bytes = (size_t)cfg->tag_bytes;
    c->seal = context_new(cfg->kind, cfg->key, (size_t)cfg->key_len, 1);
    if (gcm)
        c->open = context_new(cfg->kind, cfg->key, (size_t)cfg->key_len, 0);
    if (!c->seal || (gcm && !c->open)) {
        arc_cipher_free(c);
        return ARC_ERR_LIBRARY;
    }
    hmac_pad(&c->inner, cfg->auth_key, 0x36);
    hmac_pad(&c->outer, cfg->auth_key, 0x5c);
    *out = c;
    return ARC_OK;
}

void arc_cipher_free(struct arc_cipher *c)
{
    if (!c)
        return;
    EVP_CIPHER_CTX_free(c->seal); /* cleanses its key schedule */
    EVP_CIPHER_CTX_free(c->open);
    arc_mem_wipe_free(c);
}

/** Lengths that OpenSSL's int arguments can carry. */
static bool job_ok(const struct arc_cipher_job *job)
{
    return job->head_len <= INT_MAX && job->body_len <= INT_MAX &&
           job->tail_len <= INT_MAX;
}

/** IV, associated data, body: what GCM does alike in both directions. */
static bool gcm_feed(EVP_CIPHER_CTX *ctx, const struct arc_cipher_job *job,
                     int encrypt)
{
    uint8_t *body = job->data + job->head_len;
    int n;

    if (!EVP_CipherInit_ex2(ctx, NULL, NULL, job->iv, encrypt, NULL))
        return false;
    if (job->head_len &&
        !EVP_CipherUpdate(ctx, NULL, &n, job->data, (int)job->head_len))
        return false;
    if (job->tail_len &&
        !EVP_CipherUpdate(ctx, NULL, &n, job->tail, (int)job->tail_len))
        return false;
    return !job->body_len ||
           EVP_CipherUpdate(ctx, body, &n, body, (int)job->body_len);
}

static enum arc_status gcm_seal(struct arc_cipher *c,
                                const struct arc_cipher_job *job)
{
    OSSL_PARAM params[2];
    uint8_t none[16];
    int n;

    if (!gcm_feed(c->seal, job, 1) || !EVP_CipherFinal_ex(c->seal, none, &n))
        return ARC_ERR_LIBRARY;

    params[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG,
                                                  job->tag, GCM_TAG_BYTES);
    params[1] = OSSL_PARAM_construct_end();
    return EVP_CIPHER_CTX_get_params(c->seal, params) ? ARC_OK
                                                      : ARC_ERR_LIBRARY;
}

/* GCM hashes and decrypts in one pass, so a forged packet is decrypted before
 * it is found out. Encrypting what came out with the same key stream gives the
 * bytes back: the good packet pays nothing, not even a copy. */
static enum arc_status gcm_restore(struct arc_cipher *c,
                                   const struct arc_cipher_job *job)
{
    struct arc_cipher_job bare = *job;

    bare.data += bare.head_len;
    bare.head_len = 0;
    bare.tail_len = 0;
    return gcm_feed(c->seal, &bare, 1) ? ARC_ERR_AUTH : ARC_ERR_LIBRARY;
}

static enum arc_status gcm_open(struct arc_cipher *c,
                                const struct arc_cipher_job *job)
{
    OSSL_PARAM params[2];
    uint8_t none[16];
    int n;

    if (!gcm_feed(c->open, job, 0))
        return ARC_ERR_LIBRARY;
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG,
                                                  job->tag, GCM_TAG_BYTES);
    params[1] = OSSL_PARAM_construct_end();
    if (!EVP_CIPHER_CTX_set_params(c->open, params))
        return ARC_ERR_LIBRARY;
    if (!EVP_CipherFinal_ex(c->open, none, &n)) /* compares by CRYPTO_memcmp */
        return gcm_restore(c, job);
    return ARC_OK;
}

/** HMAC-SHA1 over head, body, tail (RFC 3711 §4.2.1). */
static void hmac(const struct arc_cipher *c, const struct arc_cipher_job *job,
                 uint8_t digest[SHA_DIGEST_LENGTH])
{
    SHA_CTX state = c->inner;

    SHA1_Update(&state, job->data, job->head_len + job->body_len);
    if (job->tail_len)
        SHA1_Update(&state, job->tail, job->tail_len);
    SHA1_Final(digest, &state);

    state = c->outer;
    SHA1_Update(&state, digest, SHA_DIGEST_LENGTH);
    SHA1_Final(digest, &state);
}

/** Counter mode is its own inverse. */
static bool cm_crypt(struct arc_cipher *c, const struct arc_cipher_job *job)
{
    uint8_t *body = job->data + job->head_len;
    int n;

    return !job->body_len ||
           (EVP_EncryptInit_ex2(c->seal, NULL, NULL, job->iv, NULL) &&
            EVP_EncryptUpdate(c->seal, body, &n, body, (int)job->body_len));
}

static enum arc_status cm_seal(struct arc_cipher *c,
                               const struct arc_cipher_job *job)
{
    uint8_t digest[SHA_DIGEST_LENGTH];

    if (!cm_crypt(c, job))
        return ARC_ERR_LIBRARY;
    hmac(c, job, digest);
    memcpy(job->tag, digest, c->tag_bytes);
    return ARC_OK;
}

static enum arc_status cm_open(struct arc_cipher *c,
                               const struct arc_cipher_job *job)
{
    uint8_t digest[SHA_DIGEST_LENGTH];

    hmac(c, job, digest);
    if (CRYPTO_memcmp(digest, job->tag, c->tag_bytes) != 0)
        return ARC_ERR_AUTH;
    return cm_crypt(c, job) ? ARC_OK : ARC_ERR_LIBRARY;
}

enum arc_status arc_cipher_seal(struct arc_cipher *c,
                                const struct arc_cipher_job *job)
{
    if (!job_ok(job))
        return ARC_ERR_ARG;
    return c->kind == ARC_CIPHER_AES_GCM ? gcm_seal(c, job) : cm_seal(c, job);
}

enum arc_status arc_cipher_open(struct arc_cipher *c,
                                const struct arc_cipher_job *job)
{
    if (!job_ok(job))
        return ARC_ERR_ARG;
    return c->kind == ARC_CIPHER_AES_GCM ? gcm_open(c, job) : cm_open(c, job);
}

enum arc_status arc_cipher_keystream(const uint8_t *key, size_t key_len,
                                     const uint8_t *iv, uint8_t *out,
                                     size_t len)
{
    EVP_CIPHER_CTX *ctx;
    bool done;
    int n;

    if (!key || !iv || !out || (key_len != 16 && key_len != 32) ||
        len > KEYSTREAM_MAX_BYTES)
        return ARC_ERR_ARG;

    memset(out, 0, len);
    ctx  = context_new(ARC_CIPHER_AES_CM_HMAC_SHA1, key, key_len, 1);
    done = ctx && EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL) &&
           EVP_EncryptUpdate(ctx, out, &n, out, (int)len);
    EVP_CIPHER_CTX_free(ctx);
    return done ? ARC_OK : ARC_ERR_LIBRARY;
}

enum arc_status arc_cipher_random(uint8_t *out, size_t len)
{
    if (!out || len > INT_MAX)
        return ARC_ERR_ARG;
    return RAND_priv_bytes(out, (int)len) == 1 ? ARC_OK : ARC_ERR_LIBRARY;
}

const char *arc_cipher_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
