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
#include "srtp/cipher_backend.h"

enum {
    GCM_TAG_BYTES       = 16,
    KEYSTREAM_MAX_BYTES = 1 << 20, /* 2^16 blocks: RFC 3711 §4.1.1 */
};

struct openssl_cipher {
    struct arc_cipher base;
    EVP_CIPHER_CTX   *seal;  /* GCM: encrypts. CM: both ways, the same thing */
    EVP_CIPHER_CTX   *open;  /* GCM only                                     */
    SHA_CTX           inner; /* HMAC: state after the block key ^ ipad       */
    SHA_CTX           outer; /* ... key ^ opad                               */
    OSSL_PARAM        tag[2]; /* GCM: where the tag is; pointed to each packet's */
};

static struct openssl_cipher *of(struct arc_cipher *c)
{
    return (struct openssl_cipher *)c; /* base is the first member */
}

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

static void openssl_free(struct arc_cipher *c)
{
    EVP_CIPHER_CTX_free(of(c)->seal); /* cleanses its key schedule */
    EVP_CIPHER_CTX_free(of(c)->open);
    arc_mem_wipe_free(c);
}

static enum arc_status openssl_make(const struct arc_cipher_config *cfg,
                                    struct arc_cipher **out)
{
    const bool gcm = cfg->kind == ARC_CIPHER_AES_GCM;
    struct openssl_cipher *c = arc_mem_zalloc(1, sizeof(*c));

    if (!c)
        return ARC_ERR_NOMEM;
    c->base.ops       = &arc_cipher_openssl;
    c->base.kind      = cfg->kind;
    c->base.key_len   = cfg->key_len;
    c->base.tag_bytes = (size_t)cfg->tag_bytes;
    c->seal = context_new(cfg->kind, cfg->key, (size_t)cfg->key_len, 1);
    if (gcm)
        c->open = context_new(cfg->kind, cfg->key, (size_t)cfg->key_len, 0);
    if (!c->seal || (gcm && !c->open)) {
        openssl_free(&c->base);
        return ARC_ERR_LIBRARY;
    }
    hmac_pad(&c->inner, cfg->auth_key, 0x36);
    hmac_pad(&c->outer, cfg->auth_key, 0x5c);
    c->tag[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG,
                                                  NULL, GCM_TAG_BYTES);
    c->tag[1] = OSSL_PARAM_construct_end();
    *out = &c->base;
    return ARC_OK;
}

static enum arc_status openssl_rekey(struct arc_cipher *base,
                                     const struct arc_cipher_config *cfg)
{
    struct openssl_cipher *c = of(base);

    if (!EVP_CipherInit_ex2(c->seal, NULL, cfg->key, NULL, 1, NULL) ||
        (c->open &&
         !EVP_CipherInit_ex2(c->open, NULL, cfg->key, NULL, 0, NULL)))
        return ARC_ERR_LIBRARY;
    hmac_pad(&c->inner, cfg->auth_key, 0x36);
    hmac_pad(&c->outer, cfg->auth_key, 0x5c);
    return ARC_OK;
}

/** Lengths that OpenSSL's int arguments can carry, and those of cipher.h. */
static bool job_ok(const struct arc_cipher      *c,
                   const struct arc_cipher_job *job)
{
    if (job->head_len > INT_MAX || job->body_len > INT_MAX ||
        job->tail_len > INT_MAX)
        return false;
    return c->kind != ARC_CIPHER_AES_GCM || !job->tail_len || !job->body_len ||
           job->head_len + job->tail_len <= ARC_CIPHER_AAD_MAX_BYTES;
}

/* The next three are written out for each direction: EVP_CipherUpdate() and its
 * kin would look up in every call which one it is. */

static bool gcm_encrypt(EVP_CIPHER_CTX *ctx, const struct arc_cipher_job *job)
{
    uint8_t *body = job->data + job->head_len;
    int n;

    if (!EVP_EncryptInit_ex2(ctx, NULL, NULL, job->iv, NULL))
        return false;
    if (job->head_len &&
        !EVP_EncryptUpdate(ctx, NULL, &n, job->data, (int)job->head_len))
        return false;
    if (job->tail_len &&
        !EVP_EncryptUpdate(ctx, NULL, &n, job->tail, (int)job->tail_len))
        return false;
    return !job->body_len ||
           EVP_EncryptUpdate(ctx, body, &n, arc_cipher_body(job),
                             (int)job->body_len);
}

/** The tag goes in with the IV: a call less. */
static bool gcm_decrypt(EVP_CIPHER_CTX *ctx, const struct arc_cipher_job *job,
                        const OSSL_PARAM *tag)
{
    uint8_t *body = job->data + job->head_len;
    int n;

    if (!EVP_DecryptInit_ex2(ctx, NULL, NULL, job->iv, tag))
        return false;
    if (job->head_len &&
        !EVP_DecryptUpdate(ctx, NULL, &n, job->data, (int)job->head_len))
        return false;
    if (job->tail_len &&
        !EVP_DecryptUpdate(ctx, NULL, &n, job->tail, (int)job->tail_len))
        return false;
    return !job->body_len ||
           EVP_DecryptUpdate(ctx, body, &n, arc_cipher_body(job),
                             (int)job->body_len);
}

static enum arc_status gcm_seal(struct openssl_cipher *c,
                                const struct arc_cipher_job *job)
{
    uint8_t none[16];
    int n;

    c->tag[0].data = job->tag;
    return gcm_encrypt(c->seal, job) && EVP_EncryptFinal_ex(c->seal, none, &n) &&
           EVP_CIPHER_CTX_get_params(c->seal, c->tag) ? ARC_OK
                                                      : ARC_ERR_LIBRARY;
}

/* GCM hashes and decrypts in one pass, so a forged packet is decrypted before it
 * is found out. Encrypting what came out with the same key stream gives the
 * bytes back: the good packet pays nothing, not even a copy. */
static enum arc_status gcm_restore(struct openssl_cipher *c,
                                   const struct arc_cipher_job *job)
{
    struct arc_cipher_job bare = *job;

    if (job->body)
        return ARC_ERR_AUTH; /* what came in was not touched */
    bare.data += bare.head_len;
    bare.head_len = 0;
    bare.tail_len = 0;
    return gcm_encrypt(c->seal, &bare) ? ARC_ERR_AUTH : ARC_ERR_LIBRARY;
}

static enum arc_status gcm_open(struct openssl_cipher *c,
                                const struct arc_cipher_job *job)
{
    uint8_t none[16];
    int n;

    c->tag[0].data = job->tag;
    if (!gcm_decrypt(c->open, job, c->tag))
        return ARC_ERR_LIBRARY;
    if (!EVP_DecryptFinal_ex(c->open, none, &n)) /* by CRYPTO_memcmp */
        return gcm_restore(c, job);
    return ARC_OK;
}

/** HMAC-SHA1 over head, encrypted body, tail (RFC 3711 §4.2.1). */
static void hmac(const struct openssl_cipher *c,
                 const struct arc_cipher_job *job, const uint8_t *body,
                 uint8_t digest[SHA_DIGEST_LENGTH])
{
    SHA_CTX state = c->inner;

    SHA1_Update(&state, job->data, job->head_len);
    SHA1_Update(&state, body, job->body_len);
    if (job->tail_len)
        SHA1_Update(&state, job->tail, job->tail_len);
    SHA1_Final(digest, &state);

    state = c->outer;
    SHA1_Update(&state, digest, SHA_DIGEST_LENGTH);
    SHA1_Final(digest, &state);
}

/** Counter mode is its own inverse. */
static bool cm_crypt(struct openssl_cipher       *c,
                     const struct arc_cipher_job *job)
{
    uint8_t *body = job->data + job->head_len;
    int n;

    return !job->body_len ||
           (EVP_EncryptInit_ex2(c->seal, NULL, NULL, job->iv, NULL) &&
            EVP_EncryptUpdate(c->seal, body, &n, arc_cipher_body(job),
                              (int)job->body_len));
}

static enum arc_status cm_seal(struct openssl_cipher *c,
                               const struct arc_cipher_job *job)
{
    uint8_t digest[SHA_DIGEST_LENGTH];

    if (!cm_crypt(c, job))
        return ARC_ERR_LIBRARY;
    hmac(c, job, job->data + job->head_len, digest);
    memcpy(job->tag, digest, c->base.tag_bytes);
    return ARC_OK;
}

static enum arc_status cm_open(struct openssl_cipher *c,
                               const struct arc_cipher_job *job)
{
    uint8_t digest[SHA_DIGEST_LENGTH];

    hmac(c, job, arc_cipher_body(job), digest);
    if (CRYPTO_memcmp(digest, job->tag, c->base.tag_bytes) != 0)
        return ARC_ERR_AUTH;
    return cm_crypt(c, job) ? ARC_OK : ARC_ERR_LIBRARY;
}

static enum arc_status openssl_seal(struct arc_cipher *c,
                                    const struct arc_cipher_job *job)
{
    if (!job_ok(c, job))
        return ARC_ERR_ARG;
    switch (c->kind) {
    case ARC_CIPHER_AES_GCM:
        return gcm_seal(of(c), job);
    case ARC_CIPHER_AES_CM_HMAC_SHA1:
        return cm_seal(of(c), job);
    default:
        return cm_crypt(of(c), job) ? ARC_OK : ARC_ERR_LIBRARY;
    }
}

static enum arc_status openssl_open(struct arc_cipher *c,
                                    const struct arc_cipher_job *job)
{
    if (!job_ok(c, job))
        return ARC_ERR_ARG;
    switch (c->kind) {
    case ARC_CIPHER_AES_GCM:
        return gcm_open(of(c), job);
    case ARC_CIPHER_AES_CM_HMAC_SHA1:
        return cm_open(of(c), job);
    default:
        return cm_crypt(of(c), job) ? ARC_OK : ARC_ERR_LIBRARY;
    }
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
    ctx  = context_new(ARC_CIPHER_AES_CM, key, key_len, 1);
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

bool arc_cipher_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

static const char *openssl_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

static const char *openssl_code(void)
{
    return ""; /* OpenSSL chooses by itself and does not tell */
}

static const char *openssl_missing(void)
{
    return NULL;
}

const struct arc_cipher_ops arc_cipher_openssl = {
    ARC_CIPHER_OPENSSL, "openssl",     openssl_version, openssl_code,
    openssl_missing,    openssl_make,  openssl_rekey,   openssl_free,
    openssl_seal,       openssl_open,
};
