/**
 * @file srtp/srtcp.c  Secure RTCP: protect and unprotect
 */
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

static size_t trailer_bytes(const struct arc_srtp *s)
{
    return WORD_BYTES + s->rtcp.tag_bytes;
}

/* Behind the packet: the tag, then the index word for GCM (RFC 7714 §9.2), the
 * other way round for HMAC (RFC 3711 §3.4). `len` is that of the packet. */
static uint8_t *word_of(const struct arc_srtp *s, uint8_t *data, size_t len)
{
    return data + len + (s->aead ? s->rtcp.tag_bytes : 0);
}

static uint8_t *tag_of(const struct arc_srtp *s, uint8_t *data, size_t len)
{
    return data + len + (s->aead ? 0 : WORD_BYTES);
}

/** What the cipher is given; the tag covers the index word in either mode. */
static void make_job(const struct arc_srtp *s, uint32_t ssrc, uint32_t word,
                     uint8_t *iv, uint8_t *data, size_t len,
                     struct arc_cipher_job *job)
{
    const bool encrypted = (word & ENCRYPTED) != 0;

    arc_srtp_make_iv(&s->rtcp, ssrc, word & ~ENCRYPTED, iv);
    job->iv       = iv;
    job->data     = data;
    job->head_len = encrypted ? HEAD_BYTES : len;
    job->body_len = encrypted ? len - HEAD_BYTES : 0;
    job->tail     = word_of(s, data, len);
    job->tail_len = WORD_BYTES;
    job->tag      = tag_of(s, data, len);
}

static enum arc_status protect(struct arc_srtp *s, uint8_t *data, size_t len,
                               size_t cap)
{
    uint8_t iv[ARC_CIPHER_IV_MAX_BYTES];
    struct arc_srtp_stream *stream;
    struct arc_cipher_job job;
    struct arc_writer w;
    enum arc_status status;
    uint32_t ssrc, index;

    if (!data || len > ARC_SRTP_PACKET_MAX_BYTES || len > cap)
        return ARC_ERR_ARG;
    if (!read_ssrc(data, len, &ssrc))
        return ARC_ERR_FORMAT;
    if (cap - len < trailer_bytes(s))
        return ARC_ERR_SPACE;

    /* §3.4: the index starts at 0 and counts packets. */
    stream = arc_srtp_streams_find(&s->send, ssrc);
    index  = stream ? stream->rtcp_next : 0;
    if (index >= INDEX_END || s->stats.rtcp_sent >= s->rtcp.limit_pkts ||
        !arc_srtp_has_room(s, stream))
        return ARC_ERR_LIMIT;

    arc_writer_init(&w, word_of(s, data, len), WORD_BYTES);
    arc_writer_u32(&w, ENCRYPTED | index);
    make_job(s, ssrc, ENCRYPTED | index, iv, data, len, &job);
    status = arc_cipher_seal(s->rtcp.cipher, &job);
    if (status)
        return status;

    if (!stream)
        stream = arc_srtp_streams_add(&s->send, ssrc);
    stream->rtcp_next = index + 1;
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

static enum arc_status unprotect(struct arc_srtp *s, uint8_t *data, size_t len)
{
    uint8_t iv[ARC_CIPHER_IV_MAX_BYTES];
    struct arc_srtp_stream *stream;
    struct arc_cipher_job job;
    struct arc_reader r;
    enum arc_status status = ARC_OK;
    uint32_t ssrc, word;

    if (!data)
        return ARC_ERR_ARG;
    if (len < HEAD_BYTES + trailer_bytes(s) ||
        len > ARC_SRTP_PACKET_MAX_BYTES || !read_ssrc(data, len, &ssrc))
        return ARC_ERR_FORMAT;
    len -= trailer_bytes(s);
    arc_reader_init(&r, word_of(s, data, len), WORD_BYTES);
    word = arc_reader_u32(&r);

    /* The same order as SRTP: nothing moves before the tag matched. */
    stream = arc_srtp_streams_find(&s->recv, ssrc);
    if (stream)
        status = arc_replay_check(&stream->rtcp_seen, word & ~ENCRYPTED);
    if (!status && s->stats.rtcp_received >= s->rtcp.limit_pkts)
        status = ARC_ERR_LIMIT;
    if (status)
        return status;

    make_job(s, ssrc, word, iv, data, len, &job);
    status = arc_cipher_open(s->rtcp.cipher, &job);
    if (status)
        return status;

    stream = arc_srtp_recv_stream(s, ssrc);
    arc_replay_commit(&stream->rtcp_seen, word & ~ENCRYPTED);
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
