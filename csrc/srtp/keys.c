/**
 * @file srtp/keys.c  Master keys of one SRTP object: change, limits, events
 */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "srtp/context.h"
#include "srtp/kdf.h"

/* Labels of the session keys of each half (RFC 3711 §4.3.2). */
static const int32_t first_label[ARC_SRTP_HALVES] = {ARC_KDF_RTP_ENCRYPTION,
                                                     ARC_KDF_RTCP_ENCRYPTION};

/* --- session keys out of a master key --------------------------------------------------- */

struct material {
    struct arc_srtp_session_keys keys;
    uint8_t ext_key[32];
    uint8_t ext_salt[ARC_KDF_SALT_BYTES];
};

static enum arc_status derive(const struct arc_srtp *s,
                              const struct arc_srtp_key *key,
                              enum arc_srtp_half half, uint64_t r,
                              struct material *m)
{
    const struct arc_kdf_input in = {key->master_key, (size_t)s->key_bytes,
                                     key->master_salt, r};
    const int32_t label = first_label[half];
    enum arc_status status;

    status = arc_kdf_derive(&in, label, m->keys.enc_key, in.key_len);
    if (!status)
        status = arc_kdf_derive(&in, label + 1, m->keys.auth_key,
                                sizeof(m->keys.auth_key));
    if (!status)
        status = arc_kdf_derive(&in, label + 2, m->keys.salt,
                                sizeof(m->keys.salt));
    if (status || !s->encrypts_ext || half != ARC_SRTP_RTP)
        return status;
    status = arc_kdf_derive(&in, ARC_KDF_EXT_ENCRYPTION, m->ext_key, in.key_len);
    if (!status) /* RFC 6904 §3: as long as that of the payload */
        status = arc_kdf_derive(&in, ARC_KDF_EXT_SALT, m->ext_salt,
                                s->aead ? ARC_SRTP_GCM_SALT_BYTES
                                        : sizeof(m->ext_salt));
    return status;
}

static enum arc_status key_cipher(struct arc_cipher **c,
                                  const struct arc_cipher_config *cfg)
{
    return *c ? arc_cipher_rekey(*c, cfg) : arc_cipher_new(cfg, c);
}

/** Ciphers and salts of a session; makes the ciphers the first time only. */
static enum arc_status set_session(const struct arc_srtp *s,
                                   enum arc_srtp_half half,
                                   const struct material *m,
                                   struct arc_srtp_session *session)
{
    struct arc_cipher_config cfg = {0};
    enum arc_status status;

    session->keyed = false;
    cfg.kind       = s->kind;
    cfg.backend    = s->backend;
    cfg.key_len    = s->key_bytes;
    cfg.tag_bytes  = (int32_t)s->tag_bytes[half];
    memcpy(cfg.key, m->keys.enc_key, (size_t)s->key_bytes);
    memcpy(cfg.auth_key, m->keys.auth_key, sizeof(cfg.auth_key));
    status = key_cipher(&session->cipher, &cfg);
    memcpy(session->salt, m->keys.salt,
           s->aead ? ARC_SRTP_GCM_SALT_BYTES : ARC_KDF_SALT_BYTES);
    if (!status && s->encrypts_ext && half == ARC_SRTP_RTP) {
        cfg.kind      = ARC_CIPHER_AES_CM;
        cfg.tag_bytes = 0;
        memcpy(cfg.key, m->ext_key, (size_t)s->key_bytes);
        status = key_cipher(&session->ext_cipher, &cfg);
        /* The key stream of an extension is CM's also beside AES-GCM (RFC 7714
         * §8.3), whose salt of 12 bytes has two zeros behind it. */
        memcpy(session->ext_salt, m->ext_salt, ARC_KDF_SALT_BYTES);
    }
    session->keyed = status == ARC_OK;
    arc_mem_wipe(&cfg, sizeof(cfg));
    return status;
}

static enum arc_status derive_session(struct arc_srtp *s,
                                      struct arc_srtp_key *key,
                                      enum arc_srtp_half half, uint64_t r,
                                      struct arc_srtp_session *session)
{
    struct material m;
    enum arc_status status;

    memset(&m, 0, sizeof(m));
    status = derive(s, key, half, r, &m);
    if (!status)
        status = set_session(s, half, &m, session);
    session->r = r;
    arc_mem_wipe(&m, sizeof(m));
    return status;
}

/* Reordered packets around a change of keys need two sets, and every stream has
 * an index of its own: a few sets are kept, the one not used longest goes. */
struct arc_srtp_session *arc_srtp_derived(struct arc_srtp *s,
                                          struct arc_srtp_key *key,
                                          enum arc_srtp_half half, uint64_t r)
{
    struct arc_srtp_session *oldest = &key->sessions[half][0];

    for (int i = 0; i < ARC_SRTP_DERIVED; i++) {
        struct arc_srtp_session *session = &key->sessions[half][i];

        if (session->keyed && session->r == r) {
            session->last_used = ++s->derivations;
            return session;
        }
        if (session->last_used < oldest->last_used)
            oldest = session;
    }
    if (derive_session(s, key, half, r, oldest))
        return NULL;
    oldest->last_used = ++s->derivations;
    return oldest;
}

/* --- the table of keys ------------------------------------------------------------------- */

static struct arc_srtp_key *key_of(struct arc_srtp *s, int32_t id)
{
    for (int i = 0; id > 0 && i < ARC_SRTP_KEYS_MAX; i++)
        if (s->keys[i].id == id)
            return &s->keys[i];
    return NULL;
}

static struct arc_srtp_key *key_with_mki(struct arc_srtp *s, const uint8_t *mki)
{
    for (int i = 0; i < ARC_SRTP_KEYS_MAX; i++)
        if (s->keys[i].id && memcmp(s->keys[i].mki, mki, s->mki_bytes) == 0)
            return &s->keys[i];
    return NULL;
}

static struct arc_srtp_key *free_place(struct arc_srtp *s)
{
    for (int i = 0; i < ARC_SRTP_KEYS_MAX; i++)
        if (!s->keys[i].id)
            return &s->keys[i];
    return NULL;
}

void arc_srtp_drop_key(struct arc_srtp_key *key)
{
    for (int half = 0; half < ARC_SRTP_HALVES; half++) {
        for (int i = 0; i < ARC_SRTP_DERIVED; i++) {
            arc_cipher_free(key->sessions[half][i].cipher);
            arc_cipher_free(key->sessions[half][i].ext_cipher);
        }
    }
    arc_mem_wipe(key, sizeof(*key));
}

/** All sessions that may ever be needed, so that packets allocate nothing. */
static enum arc_status derive_first(struct arc_srtp *s,
                                    struct arc_srtp_key *key)
{
    const int n = s->derivation_bits < 0 ? 1 : ARC_SRTP_DERIVED;

    for (int half = 0; half < ARC_SRTP_HALVES; half++) {
        for (int i = 0; i < n; i++) {
            enum arc_status status = derive_session(
                s, key, half, (uint64_t)i, &key->sessions[half][i]);

            if (status)
                return status;
        }
    }
    return ARC_OK;
}

static enum arc_status take_sessions(struct arc_srtp *s,
                                     struct arc_srtp_key *key,
                                     const struct arc_srtp_session_keys *rtp,
                                     const struct arc_srtp_session_keys *rtcp)
{
    const struct arc_srtp_session_keys *given[ARC_SRTP_HALVES] = {rtp, rtcp};
    enum arc_status status = ARC_OK;
    struct material m;

    memset(&m, 0, sizeof(m));
    for (int half = 0; !status && half < ARC_SRTP_HALVES; half++) {
        m.keys = *given[half];
        status = set_session(s, half, &m, &key->sessions[half][0]);
    }
    arc_mem_wipe(&m, sizeof(m));
    return status;
}

enum arc_status
arc_srtp_install_key(struct arc_srtp *s, const struct arc_srtp_key_config *cfg,
                     const struct arc_srtp_session_keys *rtp,
                     const struct arc_srtp_session_keys *rtcp, int32_t *id)
{
    struct arc_srtp_key *key = free_place(s);
    enum arc_status status;

    if (!key)
        return arc_srtp_failed(s, ARC_ERR_LIMIT);
    memset(key, 0, sizeof(*key));
    memcpy(key->mki, cfg->mki, (size_t)cfg->mki_len);
    key->retire_us = ARC_NEVER_US;
    if (rtp) {
        status = take_sessions(s, key, rtp, rtcp);
    } else {
        memcpy(key->master_key, cfg->master_key, (size_t)cfg->key_len);
        memcpy(key->master_salt, cfg->master_salt, (size_t)cfg->salt_len);
        status = derive_first(s, key);
    }
    if (status) {
        arc_srtp_drop_key(key);
        return status;
    }
    if (s->derivation_bits < 0) /* not needed again */
        arc_mem_wipe(key->master_key, sizeof(key->master_key));
    key->id = ++s->last_id;
    *id     = key->id;
    return ARC_OK;
}

static bool key_config_ok(struct arc_srtp *s,
                          const struct arc_srtp_key_config *cfg)
{
    if (cfg->key_len != s->key_bytes || cfg->mki_len < 0 ||
        (size_t)cfg->mki_len != s->mki_bytes)
        return false;
    if (cfg->salt_len != ARC_KDF_SALT_BYTES &&
        !(s->aead && cfg->salt_len == ARC_SRTP_GCM_SALT_BYTES))
        return false;
    return s->mki_bytes == 0 || !key_with_mki(s, cfg->mki);
}

enum arc_status arc_srtp_add_key(struct arc_srtp *s,
                                 const struct arc_srtp_key_config *cfg,
                                 int32_t *id)
{
    if (!cfg || !id || !key_config_ok(s, cfg))
        return ARC_ERR_ARG;
    return arc_srtp_install_key(s, cfg, NULL, NULL, id);
}

enum arc_status arc_srtp_send_with(struct arc_srtp *s, int32_t id)
{
    struct arc_srtp_key *key = key_of(s, id);

    if (!key)
        return ARC_ERR_ARG;
    key->retire_us = ARC_NEVER_US;
    s->sending     = key;
    return ARC_OK;
}

enum arc_status arc_srtp_retire_key(struct arc_srtp *s, int32_t id,
                                    int64_t at_us)
{
    struct arc_srtp_key *key = key_of(s, id);

    if (!key || key == s->sending)
        return ARC_ERR_ARG;
    key->retire_us = at_us;
    return ARC_OK;
}

enum arc_status arc_srtp_rekey(struct arc_srtp *s,
                               const struct arc_srtp_key_config *cfg,
                               int64_t overlap_us, int64_t now_us, int32_t *id)
{
    enum arc_status status;

    if (overlap_us < 0)
        return ARC_ERR_ARG;
    status = arc_srtp_add_key(s, cfg, id);
    if (status)
        return status;
    arc_srtp_send_with(s, *id);
    for (int i = 0; i < ARC_SRTP_KEYS_MAX; i++)
        if (s->keys[i].id && &s->keys[i] != s->sending)
            s->keys[i].retire_us = arc_min_i64(s->keys[i].retire_us,
                                               now_us + overlap_us);
    return ARC_OK;
}

int32_t arc_srtp_key_count(const struct arc_srtp *s)
{
    int32_t n = 0;

    for (int i = 0; i < ARC_SRTP_KEYS_MAX; i++)
        n += s->keys[i].id != 0;
    return n;
}

int32_t arc_srtp_sending_key(const struct arc_srtp *s)
{
    return s->sending->id;
}

/** The untried key that is the likeliest: of the stream, else the newest. */
static struct arc_srtp_key *likeliest(struct arc_srtp *s,
                                      const struct arc_srtp_stream *stream,
                                      uint32_t tried)
{
    struct arc_srtp_key *best = NULL;

    for (int i = 0; i < ARC_SRTP_KEYS_MAX; i++) {
        struct arc_srtp_key *key = &s->keys[i];

        if (!key->id || tried >> i & 1)
            continue;
        if (stream && key->id == stream->key_id)
            return key;
        if (!best || key->id > best->id)
            best = key;
    }
    return best;
}

static struct arc_srtp_key *named(struct arc_srtp *s, const uint8_t *mki,
                                  uint32_t tried)
{
    struct arc_srtp_key *key = key_with_mki(s, mki);

    return key && !(tried >> (key - s->keys) & 1) ? key : NULL;
}

struct arc_srtp_key *arc_srtp_next_key(struct arc_srtp *s,
                                       enum arc_srtp_half half,
                                       const struct arc_srtp_stream *stream,
                                       const uint8_t *mki,
                                       struct arc_srtp_tried *tried)
{
    for (;;) {
        struct arc_srtp_key *key = s->mki_bytes
                                       ? named(s, mki, tried->places)
                                       : likeliest(s, stream, tried->places);

        if (!key)
            return NULL;
        tried->places |= UINT32_C(1) << (key - s->keys);
        if (key->received_pkts[half] < s->limit_pkts[half])
            return key;
        tried->used_up = true;
    }
}

enum arc_status arc_srtp_no_key(struct arc_srtp *s,
                                const struct arc_srtp_tried *tried)
{
    if (tried->used_up)
        return ARC_ERR_LIMIT;
    s->stats.unknown_mki += !tried->places; /* a key is always there */
    return ARC_ERR_AUTH;
}

/* --- time and use ------------------------------------------------------------------------- */

static void tell(struct arc_srtp *s, int32_t type,
                 const struct arc_srtp_key *key, enum arc_srtp_half half,
                 bool sending, uint64_t left_pkts)
{
    struct arc_srtp_event *e = &s->events[s->events_put++ % ARC_SRTP_EVENTS];

    memset(e, 0, sizeof(*e));
    e->type      = type;
    e->key_id    = key->id;
    e->sending   = sending;
    e->rtcp      = half == ARC_SRTP_RTCP;
    e->left_pkts = left_pkts;
    if (s->events_put - s->events_got > ARC_SRTP_EVENTS) {
        s->events_got++; /* the oldest is overwritten */
        s->stats.events_lost++;
    }
}

enum arc_status arc_srtp_poll_event(struct arc_srtp *s,
                                    struct arc_srtp_event *out)
{
    if (s->events_got == s->events_put)
        return ARC_AGAIN;
    *out = s->events[s->events_got++ % ARC_SRTP_EVENTS];
    return ARC_OK;
}

void arc_srtp_near_limit(struct arc_srtp *s, const struct arc_srtp_key *key,
                         enum arc_srtp_half half, bool sending)
{
    const uint64_t count = sending ? key->sent_pkts[half]
                                   : key->received_pkts[half];
    const uint64_t limit = s->limit_pkts[half];

    if (count == s->near_pkts[half] && count < limit)
        tell(s, ARC_SRTP_EVENT_KEY_NEAR_LIMIT, key, half, sending,
             limit - count);
    if (count == limit)
        tell(s, ARC_SRTP_EVENT_KEY_USED_UP, key, half, sending, 0);
}

void arc_srtp_expire(struct arc_srtp *s, int64_t now_us)
{
    for (int i = 0; i < ARC_SRTP_KEYS_MAX; i++) {
        struct arc_srtp_key *key = &s->keys[i];

        if (!key->id || key->retire_us > now_us || key == s->sending)
            continue;
        tell(s, ARC_SRTP_EVENT_KEY_RETIRED, key, ARC_SRTP_RTP, false, 0);
        arc_srtp_drop_key(key);
    }
}

int64_t arc_srtp_next_us(const struct arc_srtp *s)
{
    int64_t next_us = ARC_NEVER_US;

    for (int i = 0; i < ARC_SRTP_KEYS_MAX; i++)
        if (s->keys[i].id)
            next_us = arc_min_i64(next_us, s->keys[i].retire_us);
    return next_us;
}
