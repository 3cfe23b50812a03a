/**
 * @file srtp/context.c  The object behind SRTP and SRTCP: keys, tables, counts
 */
#include <string.h>

#include "base/mem.h"
#include "srtp/context.h"
#include "srtp/kdf.h"

#define RTP_LIMIT_PKTS  (UINT64_C(1) << 48) /* RFC 3711 §9.2 */
#define RTCP_LIMIT_PKTS (UINT64_C(1) << 31)

enum {
    GCM_SALT_BYTES = 12, /* RFC 7714 §12 */
    CM_SALT_BYTES  = 14,
    RTCP_TAG_BYTES = 10, /* HMAC-SHA1: also of the _32 profiles */
};

/* The six profiles differ in these numbers only. */
static const struct profile {
    int32_t profile;
    int32_t kind;
    int32_t key_bytes;
    int32_t tag_bytes;      /* SRTP  */
    int32_t rtcp_tag_bytes; /* SRTCP */
} profiles[] = {
    {ARC_SRTP_AEAD_AES_128_GCM, ARC_CIPHER_AES_GCM, 16, 16, 16},
    {ARC_SRTP_AEAD_AES_256_GCM, ARC_CIPHER_AES_GCM, 32, 16, 16},
    {ARC_SRTP_AES128_CM_HMAC_SHA1_80, ARC_CIPHER_AES_CM_HMAC_SHA1, 16, 10,
     RTCP_TAG_BYTES},
    {ARC_SRTP_AES128_CM_HMAC_SHA1_32, ARC_CIPHER_AES_CM_HMAC_SHA1, 16, 4,
     RTCP_TAG_BYTES},
    {ARC_SRTP_AES256_CM_HMAC_SHA1_80, ARC_CIPHER_AES_CM_HMAC_SHA1, 32, 10,
     RTCP_TAG_BYTES},
    {ARC_SRTP_AES256_CM_HMAC_SHA1_32, ARC_CIPHER_AES_CM_HMAC_SHA1, 32, 4,
     RTCP_TAG_BYTES},
};

static const struct profile *profile_of(int32_t number)
{
    for (size_t i = 0; i < sizeof(profiles) / sizeof(*profiles); i++)
        if (profiles[i].profile == number)
            return &profiles[i];
    return NULL;
}

static bool keys_ok(const struct arc_srtp_config *cfg)
{
    const struct profile *p = profile_of(cfg->profile);

    if (!p || cfg->key_len != p->key_bytes)
        return false;
    return cfg->salt_len == CM_SALT_BYTES ||
           (cfg->salt_len == GCM_SALT_BYTES && p->kind == ARC_CIPHER_AES_GCM);
}

static bool sizes_ok(const struct arc_srtp_config *cfg)
{
    return (cfg->window_pkts == 0 || arc_replay_words(cfg->window_pkts) > 0) &&
           cfg->max_streams >= 0 && cfg->max_streams <= ARC_SRTP_STREAMS_MAX;
}

static enum arc_status derive_all(const struct arc_srtp_config *cfg,
                                  int32_t first_label,
                                  struct arc_srtp_session_keys *out)
{
    const size_t len = (size_t)cfg->key_len;
    uint8_t salt[ARC_KDF_SALT_BYTES] = {0};
    enum arc_status status;

    memcpy(salt, cfg->master_salt, (size_t)cfg->salt_len);
    status = arc_kdf_derive(cfg->master_key, len, salt, first_label,
                            out->enc_key, len);
    if (!status)
        status = arc_kdf_derive(cfg->master_key, len, salt, first_label + 1,
                                out->auth_key, sizeof(out->auth_key));
    if (!status)
        status = arc_kdf_derive(cfg->master_key, len, salt, first_label + 2,
                                out->salt, sizeof(out->salt));
    arc_mem_wipe(salt, sizeof(salt));
    return status;
}

enum arc_status arc_srtp_new(const struct arc_srtp_config *cfg,
                             struct arc_srtp **out)
{
    struct arc_srtp_session_keys rtp, rtcp;
    enum arc_status status;

    if (!cfg || !out || !keys_ok(cfg))
        return ARC_ERR_ARG;

    status = derive_all(cfg, ARC_KDF_RTP_ENCRYPTION, &rtp);
    if (!status)
        status = derive_all(cfg, ARC_KDF_RTCP_ENCRYPTION, &rtcp);
    if (!status)
        status = arc_srtp_new_from_session(cfg, &rtp, &rtcp, out);
    arc_mem_wipe(&rtp, sizeof(rtp));
    arc_mem_wipe(&rtcp, sizeof(rtcp));
    return status;
}

static enum arc_status session_init(struct arc_srtp_session *session,
                                    const struct profile *p, int32_t tag_bytes,
                                    const struct arc_srtp_session_keys *keys)
{
    const bool gcm = p->kind == ARC_CIPHER_AES_GCM;
    struct arc_cipher_config cfg = {0};
    enum arc_status status;

    cfg.kind      = p->kind;
    cfg.key_len   = p->key_bytes;
    cfg.tag_bytes = tag_bytes;
    memcpy(cfg.key, keys->enc_key, (size_t)p->key_bytes);
    memcpy(cfg.auth_key, keys->auth_key, sizeof(cfg.auth_key));
    status = arc_cipher_new(&cfg, &session->cipher);
    arc_mem_wipe(&cfg, sizeof(cfg));

    /* The IV is SSRC || index (48 bits) under the end of the salt: at its bytes
     * 2..11 of 12 (RFC 7714 §8.1), 4..13 of 14 (RFC 3711 §4.1.1). */
    memcpy(session->salt, keys->salt, gcm ? GCM_SALT_BYTES : CM_SALT_BYTES);
    session->iv_ssrc_at = gcm ? 2 : 4;
    session->tag_bytes  = (size_t)tag_bytes;
    return status;
}

static uint64_t lower(uint64_t limit_pkts, uint64_t most_pkts)
{
    return limit_pkts && limit_pkts < most_pkts ? limit_pkts : most_pkts;
}

enum arc_status
arc_srtp_new_from_session(const struct arc_srtp_config *cfg,
                          const struct arc_srtp_session_keys *rtp,
                          const struct arc_srtp_session_keys *rtcp,
                          struct arc_srtp **out)
{
    const struct profile *p = cfg ? profile_of(cfg->profile) : NULL;
    enum arc_status status;
    struct arc_srtp *s;
    int32_t max, window;

    if (!p || !rtp || !rtcp || !out || !sizes_ok(cfg))
        return ARC_ERR_ARG;
    s = arc_mem_zalloc(1, sizeof(*s));
    if (!s)
        return ARC_ERR_NOMEM;

    max = cfg->max_streams ? cfg->max_streams : ARC_SRTP_STREAMS_DEFAULT;
    window = cfg->window_pkts ? cfg->window_pkts
                              : ARC_REPLAY_WINDOW_DEFAULT_PKTS;
    s->aead            = p->kind == ARC_CIPHER_AES_GCM;
    s->rtp.limit_pkts  = lower(cfg->limit_pkts, RTP_LIMIT_PKTS);
    s->rtcp.limit_pkts = lower(cfg->limit_pkts, RTCP_LIMIT_PKTS);

    status = session_init(&s->rtp, p, p->tag_bytes, rtp);
    if (!status)
        status = session_init(&s->rtcp, p, p->rtcp_tag_bytes, rtcp);
    if (!status)
        status = arc_srtp_streams_init(&s->send, max, 0);
    if (!status)
        status = arc_srtp_streams_init(&s->recv, max, window);
    if (status) {
        arc_srtp_free(s);
        return status;
    }
    *out = s;
    return ARC_OK;
}

void arc_srtp_free(struct arc_srtp *s)
{
    if (!s)
        return;
    arc_cipher_free(s->rtp.cipher);
    arc_cipher_free(s->rtcp.cipher);
    arc_srtp_streams_free(&s->send);
    arc_srtp_streams_free(&s->recv);
    arc_mem_wipe_free(s);
}

void arc_srtp_make_iv(const struct arc_srtp_session *session, uint32_t ssrc,
                      uint64_t index, uint8_t *iv)
{
    uint8_t *p = iv + session->iv_ssrc_at;

    memcpy(iv, session->salt, ARC_CIPHER_IV_MAX_BYTES);
    for (int i = 0; i < 4; i++)
        p[i] ^= (uint8_t)(ssrc >> (24 - 8 * i));
    for (int i = 0; i < 6; i++)
        p[4 + i] ^= (uint8_t)(index >> (40 - 8 * i));
}

bool arc_srtp_has_room(const struct arc_srtp *s,
                       const struct arc_srtp_stream *stream)
{
    return stream || s->send.n < s->send.max;
}

struct arc_srtp_stream *arc_srtp_recv_stream(struct arc_srtp *s, uint32_t ssrc)
{
    struct arc_srtp_stream *stream = arc_srtp_streams_find(&s->recv, ssrc);

    if (stream) {
        arc_srtp_streams_touch(&s->recv, stream);
        return stream;
    }
    if (s->recv.n == s->recv.max) {
        arc_srtp_streams_evict(&s->recv);
        s->stats.streams_evicted++;
    }
    return arc_srtp_streams_add(&s->recv, ssrc);
}

enum arc_status arc_srtp_failed(struct arc_srtp *s, enum arc_status status)
{
    switch (status) {
    case ARC_ERR_FORMAT:
        s->stats.malformed++;
        break;
    case ARC_ERR_AUTH:
        s->stats.unauthenticated++;
        break;
    case ARC_ERR_REPLAY:
        s->stats.replayed++;
        break;
    case ARC_ERR_OLD:
        s->stats.too_old++;
        break;
    case ARC_ERR_LIMIT:
        s->stats.over_limit++;
        break;
    default:
        s->stats.other_failures++;
        break;
    }
    return status;
}

enum arc_status arc_srtp_set_roc(struct arc_srtp *s, uint32_t ssrc,
                                 uint32_t roc, bool sending)
{
    struct arc_srtp_stream *stream;

    if (!sending)
        return arc_index_set_roc(&arc_srtp_recv_stream(s, ssrc)->index, roc);

    stream = arc_srtp_streams_find(&s->send, ssrc);
    if (!stream)
        stream = arc_srtp_streams_add(&s->send, ssrc);
    if (!stream)
        return arc_srtp_failed(s, ARC_ERR_LIMIT);
    return arc_index_set_roc(&stream->index, roc);
}

void arc_srtp_get_stats(const struct arc_srtp *s, struct arc_srtp_stats *out)
{
    *out              = s->stats;
    out->send_streams = s->send.n;
    out->recv_streams = s->recv.n;
}
