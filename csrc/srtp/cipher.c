/**
 * @file srtp/cipher.c  Which backend does the work, and whether it may
 */
#include "base/atomic.h"
#include "srtp/cipher_backend.h"
#include "srtp/selftest.h"

enum { GCM_TAG_BYTES = 16, HMAC_TAG_MIN_BYTES = 4, BACKENDS = 2 };

/* The order in which AUTO chooses. */
static const struct arc_cipher_ops *const backends[BACKENDS] = {
    &arc_cipher_ipsecmb,
    &arc_cipher_openssl,
};

const char arc_cipher_no_memory[] = "out of memory";

static const char usable[] = "";

/* Per backend: NULL not tested yet, `usable`, or why it is not. Who tests at the
 * same time as another thread finds the same answer. */
static const char *verdicts[BACKENDS];

static const char *why_not(int i)
{
    const char *verdict = arc_atomic_load_acquire(&verdicts[i]);

    if (!verdict) {
        verdict = backends[i]->missing();
        if (!verdict)
            verdict = arc_cipher_selftest(backends[i]);
        if (verdict == arc_cipher_no_memory)
            return verdict;
        if (!verdict)
            verdict = usable;
        arc_atomic_store_release(&verdicts[i], verdict);
    }
    return verdict == usable ? NULL : verdict;
}

static int place_of(int32_t backend)
{
    for (int i = 0; i < BACKENDS; i++)
        if (backends[i]->backend == backend ||
            (backend == ARC_CIPHER_AUTO && !why_not(i)))
            return i;
    return backend == ARC_CIPHER_AUTO ? BACKENDS - 1 : -1;
}

static bool config_ok(const struct arc_cipher_config *cfg)
{
    if (cfg->key_len != 16 && cfg->key_len != 32)
        return false;
    switch (cfg->kind) {
    case ARC_CIPHER_AES_GCM:
        return cfg->tag_bytes == GCM_TAG_BYTES;
    case ARC_CIPHER_AES_CM_HMAC_SHA1:
        return cfg->tag_bytes >= HMAC_TAG_MIN_BYTES &&
               cfg->tag_bytes <= ARC_CIPHER_TAG_MAX_BYTES;
    case ARC_CIPHER_AES_CM:
        return cfg->tag_bytes == 0;
    default:
        return false;
    }
}

enum arc_status arc_cipher_new(const struct arc_cipher_config *cfg,
                               struct arc_cipher **out)
{
    const char *why;
    int place;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    place = place_of(cfg->backend);
    if (place < 0)
        return ARC_ERR_ARG;
    why = why_not(place);
    if (why)
        return why == arc_cipher_no_memory ? ARC_ERR_NOMEM
                                           : ARC_ERR_UNSUPPORTED;
    return backends[place]->make(cfg, out);
}

enum arc_status arc_cipher_rekey(struct arc_cipher *c,
                                 const struct arc_cipher_config *cfg)
{
    if (!cfg || !config_ok(cfg) || cfg->kind != c->kind ||
        cfg->key_len != c->key_len || (size_t)cfg->tag_bytes != c->tag_bytes)
        return ARC_ERR_ARG;
    return c->ops->rekey(c, cfg);
}

void arc_cipher_free(struct arc_cipher *c)
{
    if (c)
        c->ops->free(c);
}

enum arc_status arc_cipher_seal(struct arc_cipher *c,
                                const struct arc_cipher_job *job)
{
    return c->ops->seal(c, job);
}

enum arc_status arc_cipher_open(struct arc_cipher *c,
                                const struct arc_cipher_job *job)
{
    return c->ops->open(c, job);
}

int32_t arc_cipher_backend_of(const struct arc_cipher *c)
{
    return c->ops->backend;
}

const char *arc_cipher_version(int32_t backend)
{
    for (int i = 0; i < BACKENDS; i++)
        if (backends[i]->backend == backend)
            return backends[i]->version();
    return "";
}

enum arc_status
arc_cipher_backend_info(int32_t backend, struct arc_cipher_backend_info *out)
{
    const int place = place_of(backend);

    if (place < 0 || !out)
        return ARC_ERR_ARG;
    out->backend  = backends[place]->backend;
    out->name     = backends[place]->name;
    out->version  = backends[place]->version();
    out->unusable = why_not(place);
    out->code     = backends[place]->code();
    return ARC_OK;
}
