/**
 * @file srtp/srtcp.c  Secure RTCP: protect and unprotect
 */
#include <string.h>

#include "base/bytes.h"
#include "srtp/context.h"
#include "srtp/srtcp.h"

enum {
    HEAD_BYTES = 8, /* first header and SSRC: never encrypted */
    WORD_BYTES = 4, /* E and the SRTCP index                  */
};

#define ENCRYPTED UINT32_C(0x80000000) /* E, RFC 3711 §3.4 */
#define INDEX_END UINT32_C(0x80000000) /* indices have 31 bits */

/** @return well-formed as far as SRTCP cares */
static bool read_ssrc(const uint8_t *data, size_t len, uint32_t *ssrc)
{
    struct arc_reader r;
    uint8_t first;

    arc_reader_init(&r, data, len);
    first = arc_reader_u8(&r);
    arc_reader_take(&r, 3); /* packet type, length */
    *ssrc = arc_reader_u32(&r);
    return !r.fail && first >> 6 == 2;
}

static size_t tag_bytes(const struct arc_srtp *s)
{
    return s->tag_bytes[ARC_SRTP_RTCP];
}

static size_t trailer_bytes(const struct arc_srtp *s)
{
    return WORD_BYTES + s->mki_bytes + tag_bytes(s);
}

/* Behind the packet: tag, index word, MKI for GCM (RFC 7714 §9.2); index word,
 * MKI, tag for HMAC (RFC 3711 §3.4). `end` is the end of the packet. */
static uint8_t *word_of(const struct arc_srtp *s, uint8_t *end)
{
    return end + (s->aead ? tag_bytes(s) : 0);
}

static uint8_t *mki_of(const struct arc_srtp *s, uint8_t *end)
{
    return end + WORD_BYTES + (s->aead ? tag_bytes(s) : 0);
}

static uint8_t *tag_of(const struct arc_srtp *s, uint8_t *end)
{
    return end + (s->aead ? 0 : WORD_BYTES + s->mki_bytes);
}

/** A packet on its way in or out. */
struct work {
    uint32_t              ssrc;
    uint32_t              word; /* E and the index */
    uint8_t              *data;
    size_t                len;  /* without the trailer */
    uint8_t               iv[ARC_CIPHER_IV_MAX_BYTES];
    struct arc_cipher_job job;
};

/** What the cipher is given; the tag covers the index word in either mode. */
static enum arc_status set_job(struct arc_srtp *s, struct arc_srtp_key *key,
                               struct work *w, struct arc_cipher **cipher)
{
    const bool encrypted = (w->word & ENCRYPTED) != 0;
    const uint32_t index = w->word & ~ENCRYPTED;
    struct arc_srtp_session *session =
        arc_srtp_session_for(s, key, ARC_SRTP_RTCP, index);

    if (!session)
        return ARC_ERR_LIBRARY;
    *cipher = session->cipher;
    arc_srtp_make_iv(session->salt, s->aead, w->ssrc, index, w->iv);
    w->job.iv       = w->iv;
    w->job.data     = w->data;
    w->job.body     = NULL;
    w->job.head_len = encrypted ? HEAD_BYTES : w->len;
    w->job.body_len = encrypted ? w->len - HEAD_BYTES : 0;
    w->job.tail     = word_of(s, w->data + w->len);
    w->job.tail_len = WORD_BYTES;
    w->job.tag      = tag_of(s, w->data + w->len);
    return ARC_OK;
}

static enum arc_status seal(struct arc_srtp *s, struct work *w)
{
    struct arc_cipher *cipher;
    struct arc_writer out;
    enum arc_status status;

    arc_writer_init(&out, word_of(s, w->data + w->len), WORD_BYTES);
    arc_writer_u32(&out, w->word);
    status = set_job(s, s->sending, w, &cipher);
    if (!status)
        status = arc_cipher_seal(cipher, &w->job);
    if (s->mki_bytes)
        memcpy(mki_of(s, w->data + w->len), s->sending->mki, s->mki_bytes);
    return status;
}

static enum arc_status protect(struct arc_srtp *s, uint8_t *data, size_t len,
                               size_t cap)
{
    struct arc_srtp_stream *stream;
    struct work w = {0};
    enum arc_status status;

    if (!data || len > ARC_SRTP_PACKET_MAX_BYTES || len > cap)
        return ARC_ERR_ARG;
    if (!read_ssrc(data, len, &w.ssrc))
        return ARC_ERR_FORMAT;
    if (cap - len < trailer_bytes(s))
        return ARC_ERR_SPACE;

    /* §3.4: the index starts at 0 and counts packets. */
    stream = arc_srtp_streams_find(&s->send, w.ssrc);
    w.word = stream ? stream->rtcp_next : 0;
    if (w.word >= INDEX_END || !arc_srtp_has_room(s, stream) ||
        s->sending->sent_pkts[ARC_SRTP_RTCP] >= s->limit_pkts[ARC_SRTP_RTCP])
        return ARC_ERR_LIMIT;

    w.word |= ENCRYPTED;
    w.data = data;
    w.len  = len;
    status = seal(s, &w);
    if (status)
        return status;
    if (!stream)
        stream = arc_srtp_streams_add(&s->send, w.ssrc);
    stream->rtcp_next = (w.word & ~ENCRYPTED) + 1;
    arc_srtp_count_use(s, s->sending, ARC_SRTP_RTCP, true);
    s->stats.rtcp_sent++;
    return ARC_OK;
}

enum arc_status arc_srtp_protect_rtcp(struct arc_srtp *s, uint8_t *data,
                                      size_t len, size_t cap, size_t *len_out)
{
    enum arc_status status = len_out ? protect(s, data, len, cap) : ARC_ERR_ARG;

    if (status)
        return arc_srtp_failed(s, status);
    *len_out = len + trailer_bytes(s);
    return ARC_OK;
}

/** Try the keys. @return ARC_OK: `key` opened it, and it is decrypted */
static enum arc_status open_with_any(struct arc_srtp *s,
                                     const struct arc_srtp_stream *stream,
                                     struct work *w, struct arc_srtp_key **key)
{
    struct arc_srtp_tried tried = {0};
    const uint8_t *mki = mki_of(s, w->data + w->len);
    enum arc_status status;

    do {
        struct arc_cipher *cipher;

        *key = arc_srtp_next_key(s, ARC_SRTP_RTCP, stream, mki, &tried);
        if (!*key)
            return arc_srtp_no_key(s, &tried);
        status = set_job(s, *key, w, &cipher);
        if (!status)
            status = arc_cipher_open(cipher, &w->job);
    } while (status == ARC_ERR_AUTH);
    return status;
}

static enum arc_status unprotect(struct arc_srtp *s, uint8_t *data, size_t len)
{
    struct arc_srtp_stream *stream;
    struct arc_srtp_key *key;
    struct work w = {0};
    struct arc_reader r;
    enum arc_status status = ARC_OK;

    if (!data)
        return ARC_ERR_ARG;
    if (len < HEAD_BYTES + trailer_bytes(s) ||
        len > ARC_SRTP_PACKET_MAX_BYTES || !read_ssrc(data, len, &w.ssrc))
        return ARC_ERR_FORMAT;
    w.data = data;
    w.len  = len - trailer_bytes(s);
    arc_reader_init(&r, word_of(s, w.data + w.len), WORD_BYTES);
    w.word = arc_reader_u32(&r);

    /* The same order as SRTP: nothing moves before the tag matched. */
    stream = arc_srtp_streams_find(&s->recv, w.ssrc);
    if (stream)
        status = arc_replay_peek(&stream->rtcp_seen, w.word & ~ENCRYPTED);
    if (!status)
        status = open_with_any(s, stream, &w, &key);
    if (status)
        return status;

    stream         = arc_srtp_recv_stream(s, w.ssrc);
    stream->key_id = key->id;
    arc_replay_note(&stream->rtcp_seen, w.word & ~ENCRYPTED);
    arc_srtp_count_use(s, key, ARC_SRTP_RTCP, false);
    s->stats.rtcp_received++;
    return ARC_OK;
}

enum arc_status arc_srtp_unprotect_rtcp(struct arc_srtp *s, uint8_t *data,
                                        size_t len, size_t *len_out)
{
    enum arc_status status = len_out ? unprotect(s, data, len) : ARC_ERR_ARG;

    if (status)
        return arc_srtp_failed(s, status);
    *len_out = len - trailer_bytes(s);
    return ARC_OK;
}

enum arc_status arc_srtp_set_rtcp_index(struct arc_srtp *s, uint32_t ssrc,
                                        uint32_t index)
{
    struct arc_srtp_stream *stream = arc_srtp_streams_find(&s->send, ssrc);

    if (index >= INDEX_END || (stream && index < stream->rtcp_next))
        return ARC_ERR_ARG;
    if (!stream)
        stream = arc_srtp_streams_add(&s->send, ssrc);
    if (!stream)
        return arc_srtp_failed(s, ARC_ERR_LIMIT);
    stream->rtcp_next = index;
    return ARC_OK;
}

int32_t arc_srtp_rtcp_overhead_bytes(const struct arc_srtp *s)
{
    return (int32_t)trailer_bytes(s);
}
