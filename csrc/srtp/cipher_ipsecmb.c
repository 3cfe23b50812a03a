/**
 * @file srtp/cipher_ipsecmb.c  The interface of cipher.h on Intel's ipsec-mb
 *
 * AES-GCM goes through the library's direct calls: no job, no manager, no
 * context beyond the expanded key. 1200 bytes take 455 ns on AVX2 code (EPYC
 * without VAES) where OpenSSL 3.0 takes 887, 160 bytes 100 against 529.
 *
 * AES-CM with HMAC-SHA1 is only worth it across packets (cipherlanes.h); a single
 * packet is OpenSSL's, whose SHA-1 of one message is faster.
 */
#include "srtp/cipherlanes.h"

#ifdef ARC_HAVE_IPSEC_MB
#include <string.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "srtp/cipher_ipsecmb.h"

enum { GCM_TAG_BYTES = 16, SHA1_BLOCK_BYTES = 64 };

/** The library's functions for this processor. */
struct functions {
    aes_gcm_enc_dec_t   enc[2], dec[2]; /* by key: 128, 256 bits */
    aes_gcm_pre_t       pre[2];
    aes_gmac_init_t     gmac_init[2];
    aes_gmac_update_t   gmac_update[2];
    aes_gmac_finalize_t gmac_finalize[2];
    keyexp_t            expand[2];
    hash_one_block_t    sha1_block;
    const char         *code;
    const char         *missing; /* why the library cannot be used; NULL: it can */
};

struct gcm_cipher {
    struct arc_cipher   base;
    aes_gcm_enc_dec_t   enc, dec;
    aes_gmac_init_t     gmac_init;
    aes_gmac_update_t   gmac_update;
    aes_gmac_finalize_t gmac_finalize;
    struct gcm_key_data key __attribute__((aligned(64)));
};

/* Found once, then constant. Who comes while another thread still writes takes
 * its own copy and publishes nothing. */
static struct functions found;
static int found_state; /* 0: nobody began, 1: being written, 2: valid */

IMB_MGR *arc_ipsecmb_manager(void)
{
    void *room = arc_mem_zalloc(1, imb_get_mb_mgr_size());

    return room ? imb_set_pointers_mb_mgr(room, 0, 1) : NULL;
}

static const char *code_name(IMB_ARCH arch, uint64_t features)
{
    switch (arch) {
    case IMB_ARCH_AVX512:
        return features & IMB_FEATURE_VAES ? "AVX-512 with VAES" : "AVX-512";
    case IMB_ARCH_AVX2:
        return features & IMB_FEATURE_VAES ? "AVX2 with VAES" : "AVX2";
    case IMB_ARCH_AVX:
        return "AVX";
    default:
        return "SSE";
    }
}

static void look_up(struct functions *f, IMB_MGR *m)
{
    const uint64_t need = IMB_CPUFLAGS_SSE;
    IMB_ARCH arch;

    init_mb_mgr_auto(m, &arch);
    f->code    = code_name(arch, m->features);
    f->missing = (m->features & need) == need
                     ? NULL : "the processor has no AES-NI or no PCLMULQDQ";
    f->enc[0]  = m->gcm128_enc;
    f->enc[1]  = m->gcm256_enc;
    f->dec[0]  = m->gcm128_dec;
    f->dec[1]  = m->gcm256_dec;
    f->pre[0]  = m->gcm128_pre;
    f->pre[1]  = m->gcm256_pre;
    f->gmac_init[0]     = m->gmac128_init;
    f->gmac_init[1]     = m->gmac256_init;
    f->gmac_update[0]   = m->gmac128_update;
    f->gmac_update[1]   = m->gmac256_update;
    f->gmac_finalize[0] = m->gmac128_finalize;
    f->gmac_finalize[1] = m->gmac256_finalize;
    f->expand[0]  = m->keyexp_128;
    f->expand[1]  = m->keyexp_256;
    f->sha1_block = m->sha1_one_block;
}

static void get_functions(struct functions *f)
{
    IMB_MGR *m;

    if (arc_atomic_load_acquire(&found_state) == 2) {
        *f = found;
        return;
    }
    memset(f, 0, sizeof(*f));
    f->code    = "";
    f->missing = arc_cipher_no_memory;
    m = arc_ipsecmb_manager();
    if (!m)
        return;
    look_up(f, m);
    arc_mem_free(m);
    if (arc_atomic_compare_exchange(&found_state, 0, 1)) {
        found = *f;
        arc_atomic_store_release(&found_state, 2);
    }
}

/* --- AES-GCM --------------------------------------------------------------------------- */

static struct gcm_cipher *gcm_of(struct arc_cipher *c)
{
    return (struct gcm_cipher *)c; /* base is the first member */
}

/** GCM without a body is a MAC, whatever the number of pieces (SP 800-38D §3). */
static void gmac(const struct gcm_cipher *c, const struct arc_cipher_job *job,
                 uint8_t tag[GCM_TAG_BYTES])
{
    struct gcm_context_data ctx;

    c->gmac_init(&c->key, &ctx, job->iv, IMB_GCM_IV_DATA_LEN);
    if (job->head_len)
        c->gmac_update(&c->key, &ctx, job->data, job->head_len);
    if (job->tail_len)
        c->gmac_update(&c->key, &ctx, job->tail, job->tail_len);
    c->gmac_finalize(&c->key, &ctx, tag, GCM_TAG_BYTES);
}

/** Body through `crypt`, with head and tail as associated data. */
static enum arc_status gcm(const struct gcm_cipher *c, aes_gcm_enc_dec_t crypt,
                           const struct arc_cipher_job *job,
                           uint8_t tag[GCM_TAG_BYTES])
{
    uint8_t joined[ARC_CIPHER_AAD_MAX_BYTES];
    uint8_t *body = job->data + job->head_len;
    const uint8_t *aad = job->data;
    size_t aad_len = job->head_len;
    struct gcm_context_data ctx;

    if (!job->body_len) {
        gmac(c, job, tag);
        return ARC_OK;
    }
    if (job->tail_len) {
        if (job->head_len + job->tail_len > sizeof(joined))
            return ARC_ERR_ARG;
        memcpy(joined, job->data, job->head_len);
        memcpy(joined + job->head_len, job->tail, job->tail_len);
        aad = joined;
        aad_len += job->tail_len;
    }
    crypt(&c->key, &ctx, body, arc_cipher_body(job), job->body_len, job->iv, aad, aad_len, tag,
          GCM_TAG_BYTES);
    return ARC_OK;
}

static enum arc_status gcm_seal(struct arc_cipher *c,
                                const struct arc_cipher_job *job)
{
    return gcm(gcm_of(c), gcm_of(c)->enc, job, job->tag);
}

/* GCM hashes and decrypts in one pass, so a forged packet is decrypted before it
 * is found out; encrypting the result again gives its bytes back. */
static enum arc_status gcm_open(struct arc_cipher *c,
                                const struct arc_cipher_job *job)
{
    uint8_t tag[GCM_TAG_BYTES];
    enum arc_status status = gcm(gcm_of(c), gcm_of(c)->dec, job, tag);

    if (status || arc_cipher_equal(tag, job->tag, sizeof(tag)))
        return status;
    if (job->body_len && !job->body)
        gcm(gcm_of(c), gcm_of(c)->enc, job, tag);
    return ARC_ERR_AUTH;
}

static enum arc_status gcm_rekey(struct arc_cipher *c,
                                 const struct arc_cipher_config *cfg)
{
    struct functions f;

    get_functions(&f);
    if (f.missing)
        return ARC_ERR_LIBRARY;
    f.pre[cfg->key_len == 32](cfg->key, &gcm_of(c)->key);
    return ARC_OK;
}

static void gcm_free(struct arc_cipher *c)
{
    arc_mem_wipe_free(c);
}

static const char *version(void)
{
    return imb_get_version_str();
}

static const char *code(void)
{
    struct functions f;

    get_functions(&f);
    return f.code;
}

static const char *missing(void)
{
    struct functions f;

    get_functions(&f);
    return f.missing;
}

static enum arc_status make(const struct arc_cipher_config *cfg,
                            struct arc_cipher **out);

const struct arc_cipher_ops arc_cipher_ipsecmb = {
    ARC_CIPHER_IPSECMB, "ipsecmb", version,  code,     missing,
    make,               gcm_rekey, gcm_free, gcm_seal, gcm_open,
};

static enum arc_status gcm_make(const struct arc_cipher_config *cfg,
                                const struct functions *f,
                                struct arc_cipher **out)
{
    const int big = cfg->key_len == 32;
    struct gcm_cipher *c = arc_mem_zalloc(1, sizeof(*c));

    if (!c)
        return ARC_ERR_NOMEM;
    c->base.ops       = &arc_cipher_ipsecmb;
    c->base.kind      = cfg->kind;
    c->base.key_len   = cfg->key_len;
    c->base.tag_bytes = GCM_TAG_BYTES;
    c->enc            = f->enc[big];
    c->dec            = f->dec[big];
    c->gmac_init      = f->gmac_init[big];
    c->gmac_update    = f->gmac_update[big];
    c->gmac_finalize  = f->gmac_finalize[big];
    f->pre[big](cfg->key, &c->key);
    *out = &c->base;
    return ARC_OK;
}

/* --- AES-CM with HMAC-SHA1: one packet by OpenSSL, many by the lanes -------------------- */

static struct arc_ipsecmb_cm *cm_of(struct arc_cipher *c)
{
    return (struct arc_ipsecmb_cm *)c; /* base is the first member */
}

/** RFC 2104: the SHA-1 state behind one block of key ^ pad. */
static void hmac_pad(const struct functions *f, const uint8_t *key, uint8_t pad,
                     uint8_t *state)
{
    uint8_t block[SHA1_BLOCK_BYTES];

    memset(block, pad, sizeof(block));
    for (int i = 0; i < ARC_CIPHER_AUTH_KEY_BYTES; i++)
        block[i] ^= key[i];
    f->sha1_block(block, state);
    arc_mem_wipe(block, sizeof(block));
}

static enum arc_status cm_set_key(struct arc_ipsecmb_cm *c,
                                  const struct arc_cipher_config *cfg)
{
    uint32_t decrypt[4 * 15] __attribute__((aligned(16)));
    struct functions f;

    get_functions(&f);
    if (f.missing)
        return ARC_ERR_LIBRARY;
    f.expand[cfg->key_len == 32](cfg->key, c->enc_key, decrypt);
    arc_mem_wipe(decrypt, sizeof(decrypt));
    hmac_pad(&f, cfg->auth_key, 0x36, c->inner);
    hmac_pad(&f, cfg->auth_key, 0x5c, c->outer);
    return ARC_OK;
}

static enum arc_status cm_rekey(struct arc_cipher *c,
                                const struct arc_cipher_config *cfg)
{
    enum arc_status status = arc_cipher_rekey(cm_of(c)->single, cfg);

    return status ? status : cm_set_key(cm_of(c), cfg);
}

static void cm_free(struct arc_cipher *c)
{
    arc_cipher_free(cm_of(c)->single);
    arc_mem_wipe_free(c);
}

static enum arc_status cm_seal(struct arc_cipher *c,
                               const struct arc_cipher_job *job)
{
    return arc_cipher_seal(cm_of(c)->single, job);
}

static enum arc_status cm_open(struct arc_cipher *c,
                               const struct arc_cipher_job *job)
{
    return arc_cipher_open(cm_of(c)->single, job);
}

static const struct arc_cipher_ops cm_ops = {
    ARC_CIPHER_IPSECMB, "ipsecmb", version, code,    missing,
    make,               cm_rekey,  cm_free, cm_seal, cm_open,
};

static enum arc_status cm_make(const struct arc_cipher_config *cfg,
                               struct arc_cipher **out)
{
    struct arc_ipsecmb_cm *c = arc_mem_zalloc(1, sizeof(*c));
    enum arc_status status;

    if (!c)
        return ARC_ERR_NOMEM;
    c->base.ops       = &cm_ops;
    c->base.kind      = cfg->kind;
    c->base.key_len   = cfg->key_len;
    c->base.tag_bytes = (size_t)cfg->tag_bytes;
    status = arc_cipher_openssl.make(cfg, &c->single);
    if (!status)
        status = cm_set_key(c, cfg);
    if (status) {
        cm_free(&c->base);
        return status;
    }
    *out = &c->base;
    return ARC_OK;
}

static enum arc_status make(const struct arc_cipher_config *cfg,
                            struct arc_cipher **out)
{
    struct functions f;

    if (cfg->kind == ARC_CIPHER_AES_CM_HMAC_SHA1)
        return cm_make(cfg, out);
    if (cfg->kind == ARC_CIPHER_AES_CM) /* short key streams: nothing to gain */
        return arc_cipher_openssl.make(cfg, out);
    get_functions(&f);
    return f.missing ? ARC_ERR_LIBRARY : gcm_make(cfg, &f, out);
}

bool arc_cipher_has_lanes(const struct arc_cipher *c)
{
    return c->ops == &cm_ops;
}
#endif
