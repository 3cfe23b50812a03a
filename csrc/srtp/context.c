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
    RTCP_TAG_BYTES   = 10, /* HMAC-SHA1: also of the _32 profiles    */
    NEAR_LIMIT_SHIFT = 3,  /* near the limit: an eighth of it is left */
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

static bool has_ext_ids(const struct arc_srtp_config *cfg)
{
    uint8_t any = 0;

    for (int i = 0; i < ARC_SRTP_EXT_ID_BYTES; i++)
        any |= cfg->ext_ids[i];
    return any != 0;
}

/** log2 of a derivation rate; -1: it is 0; -2: not a power of two, or too big. */
static int32_t bits_of_rate(int32_t rate)
{
    int32_t bits = 0;

    if (rate == 0)
        return -1;
    if (rate < 0 || rate > ARC_SRTP_RATE_MAX || rate & (rate - 1))
        return -2;
    while (rate >> (bits + 1))
        bits++;
    return bits;
}

static bool sizes_ok(const struct arc_srtp_config *cfg)
{
    return (cfg->window_pkts == 0 || arc_replay_words(cfg->window_pkts) > 0) &&
           cfg->max_streams >= 0 && cfg->max_streams <= ARC_SRTP_STREAMS_MAX &&
           cfg->way >= ARC_SRTP_BOTH_WAYS && cfg->way <= ARC_SRTP_RECEIVES &&
           cfg->mki_len >= 0 && cfg->mki_len <= ARC_SRTP_MKI_MAX_BYTES &&
           bits_of_rate(cfg->derivation_rate) != -2 &&
           (cfg->ext_ids[0] & 1) == 0; /* id 0 is padding, RFC 8285 §4.1.2 */
}

static bool keys_ok(const struct arc_srtp_config *cfg)
{
    const struct profile *p = profile_of(cfg->profile);

    if (cfg->key_len != p->key_bytes)
        return false;
    return cfg->salt_len == ARC_KDF_SALT_BYTES ||
           (cfg->salt_len == ARC_SRTP_GCM_SALT_BYTES &&
            p->kind == ARC_CIPHER_AES_GCM);
}

static uint64_t lower(uint64_t limit_pkts, uint64_t most_pkts)
{
    return limit_pkts && limit_pkts < most_pkts ? limit_pkts : most_pkts;
}

/** Everything that stays as it is for the life of the object. */
static void set_format(struct arc_srtp *s, const struct arc_srtp_config *cfg)
{
    const struct profile *p = profile_of(cfg->profile);

    s->profile   = p->profile;
    s->backend   = cfg->backend;
    s->kind      = p->kind;
    s->key_bytes = p->key_bytes;
    s->aead      = p->kind == ARC_CIPHER_AES_GCM;
    s->tag_bytes[ARC_SRTP_RTP]   = (size_t)p->tag_bytes;
    s->tag_bytes[ARC_SRTP_RTCP]  = (size_t)p->rtcp_tag_bytes;
    s->mki_bytes                 = (size_t)cfg->mki_len;
    s->limit_pkts[ARC_SRTP_RTP]  = lower(cfg->limit_pkts, RTP_LIMIT_PKTS);
    s->limit_pkts[ARC_SRTP_RTCP] = lower(cfg->limit_pkts, RTCP_LIMIT_PKTS);
    for (int half = 0; half < ARC_SRTP_HALVES; half++)
        s->near_pkts[half] = s->limit_pkts[half] -
                             (s->limit_pkts[half] >> NEAR_LIMIT_SHIFT);
    s->derivation_bits           = bits_of_rate(cfg->derivation_rate);
    s->encrypts_ext              = has_ext_ids(cfg);
    memcpy(s->ext_ids, cfg->ext_ids, sizeof(s->ext_ids));
}

static enum arc_status first_key(struct arc_srtp *s,
                                 const struct arc_srtp_config *cfg,
                                 const struct arc_srtp_session_keys *rtp,
                                 const struct arc_srtp_session_keys *rtcp)
{
    struct arc_srtp_key_config key = {0};
    enum arc_status status;
    int32_t id;

    memcpy(key.master_key, cfg->master_key, sizeof(key.master_key));
    memcpy(key.master_salt, cfg->master_salt, sizeof(key.master_salt));
    memcpy(key.mki, cfg->mki, sizeof(key.mki));
    key.key_len  = cfg->key_len;
    key.salt_len = cfg->salt_len;
    key.mki_len  = cfg->mki_len;
    status = arc_srtp_install_key(s, &key, rtp, rtcp, &id);
    if (!status)
        arc_srtp_send_with(s, id);
    arc_mem_wipe(&key, sizeof(key));
    return status;
}

static enum arc_status make(const struct arc_srtp_config *cfg,
                            const struct arc_srtp_session_keys *rtp,
                            const struct arc_srtp_session_keys *rtcp,
                            struct arc_srtp **out)
{
    const int32_t max    = cfg->max_streams ? cfg->max_streams
                                            : ARC_SRTP_STREAMS_DEFAULT;
    const int32_t window = cfg->window_pkts ? cfg->window_pkts
                                            : ARC_REPLAY_WINDOW_DEFAULT_PKTS;
    struct arc_srtp *s = arc_mem_zalloc(1, sizeof(*s));
    enum arc_status status;

    if (!s)
        return ARC_ERR_NOMEM;
    set_format(s, cfg);
    status = first_key(s, cfg, rtp, rtcp);
    if (!status)
        status = arc_srtp_streams_init(
            &s->send, cfg->way == ARC_SRTP_RECEIVES ? 1 : max, 0);
    if (!status)
        status = arc_srtp_streams_init(
            &s->recv, cfg->way == ARC_SRTP_SENDS ? 1 : max, window);
    if (status) {
        arc_srtp_free(s);
        return status;
    }
    *out = s;
    return ARC_OK;
}

enum arc_status arc_srtp_new(const struct arc_srtp_config *cfg,
                             struct arc_srtp **out)
{
    if (!cfg || !out || !profile_of(cfg->profile) || !keys_ok(cfg) ||
        !sizes_ok(cfg))
        return ARC_ERR_ARG;
    return make(cfg, NULL, NULL, out);
}

enum arc_status
arc_srtp_new_from_session(const struct arc_srtp_config *cfg,
                          const struct arc_srtp_session_keys *rtp,
                          const struct arc_srtp_session_keys *rtcp,
                          struct arc_srtp **out)
{
    if (!cfg || !rtp || !rtcp || !out || !profile_of(cfg->profile) ||
        !sizes_ok(cfg) || cfg->derivation_rate || has_ext_ids(cfg))
        return ARC_ERR_ARG;
    return make(cfg, rtp, rtcp, out);
}

void arc_srtp_free(struct arc_srtp *s)
{
    if (!s)
        return;
    for (int i = 0; i < ARC_SRTP_KEYS_MAX; i++)
        arc_srtp_drop_key(&s->keys[i]);
    arc_srtp_streams_free(&s->send);
    arc_srtp_streams_free(&s->recv);
    arc_mem_wipe_free(s);
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

enum arc_status arc_srtp_forget(struct arc_srtp *s, uint32_t ssrc)
{
    struct arc_srtp_stream *stream = arc_srtp_streams_find(&s->send, ssrc);

    if (!stream)
        return ARC_ERR_ARG;
    arc_srtp_streams_remove(&s->send, stream);
    return ARC_OK;
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

int32_t arc_srtp_backend(const struct arc_srtp *s)
{
    return arc_cipher_backend_of(
        s->sending->sessions[ARC_SRTP_RTP][0].cipher);
}

void arc_srtp_get_stats(const struct arc_srtp *s, struct arc_srtp_stats *out)
{
    *out              = s->stats;
    out->send_streams = s->send.n;
    out->recv_streams = s->recv.n;
}
