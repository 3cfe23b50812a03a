/**
 * @file srtp/srtp.c  Secure RTP: protect and unprotect, one packet or many
 */
#include "base/bytes.h"
#include "srtp/context.h"

enum { RTP_HEADER_BYTES = 12 };

struct rtp_head {
    size_t   bytes; /* fixed header, CSRCs and extension: not encrypted */
    uint32_t ssrc;
    uint16_t seq16;
};

/** Header as far as SRTP cares (RFC 3550 §5.1, §5.3.1). @return well-formed */
static bool read_head(const uint8_t *data, size_t len, struct rtp_head *head)
{
    struct arc_reader r;
    uint8_t first;

    arc_reader_init(&r, data, len);
    first = arc_reader_u8(&r);
    arc_reader_u8(&r); /* marker, payload type */
    head->seq16 = arc_reader_u16(&r);
    arc_reader_u32(&r); /* timestamp */
    head->ssrc = arc_reader_u32(&r);
    arc_reader_take(&r, 4 * (size_t)(first & 0x0f)); /* CSRCs */
    if (first & 0x10) {                              /* X */
        arc_reader_u16(&r);
        arc_reader_take(&r, 4 * (size_t)arc_reader_u16(&r));
    }
    head->bytes = r.pos;
    return !r.fail && first >> 6 == 2;
}

/** What the cipher is given for a packet whose index is known. */
static void make_job(const struct arc_srtp *s, const struct rtp_head *head,
                     uint64_t index, uint8_t *iv, uint8_t roc[4], uint8_t *data,
                     size_t len, struct arc_cipher_job *job)
{
    arc_srtp_make_iv(&s->rtp, head->ssrc, index, iv);
    for (int i = 0; i < 4; i++)
        roc[i] = (uint8_t)(index >> (40 - 8 * i));

    job->iv       = iv;
    job->data     = data;
    job->head_len = head->bytes;
    job->body_len = len - head->bytes;
    job->tail     = roc; /* RFC 3711 §4.2: M || ROC; GCM has it in the IV */
    job->tail_len = s->aead ? 0 : 4;
    job->tag      = data + len;
}

/** Index by the state of the stream; by the defaults if there is none yet. */
static enum arc_status estimate(const struct arc_srtp_stream *stream,
                                uint16_t seq16, uint64_t *index)
{
    if (stream)
        return arc_index_estimate(&stream->index, seq16, index);
    *index = seq16; /* a new SSRC starts with ROC 0: RFC 3711 §3.3.1 */
    return ARC_OK;
}

static enum arc_status protect(struct arc_srtp *s, uint8_t *data, size_t len,
                               size_t cap)
{
    uint8_t iv[ARC_CIPHER_IV_MAX_BYTES], roc[4];
    struct arc_srtp_stream *stream;
    struct arc_cipher_job job;
    struct rtp_head head;
    enum arc_status status;
    uint64_t index;

    if (!data || len > ARC_SRTP_PACKET_MAX_BYTES || len > cap)
        return ARC_ERR_ARG;
    if (!read_head(data, len, &head))
        return ARC_ERR_FORMAT;
    if (cap - len < s->rtp.tag_bytes)
        return ARC_ERR_SPACE;

    stream = arc_srtp_streams_find(&s->send, head.ssrc);
    status = estimate(stream, head.seq16, &index);
    if (status)
        return status;
    if (s->stats.rtp_sent >= s->rtp.limit_pkts || !arc_srtp_has_room(s, stream))
        return ARC_ERR_LIMIT;

    make_job(s, &head, index, iv, roc, data, len, &job);
    status = arc_cipher_seal(s->rtp.cipher, &job);
    if (status)
        return status;

    if (!stream)
        stream = arc_srtp_streams_add(&s->send, head.ssrc);
    arc_index_commit(&stream->index, index);
    s->stats.rtp_sent++;
    return ARC_OK;
}

enum arc_status arc_srtp_protect(struct arc_srtp *s, uint8_t *data, size_t len,
                                 size_t cap, size_t *len_out)
{
    enum arc_status status = len_out ? protect(s, data, len, cap) : ARC_ERR_ARG;

    if (status)
        return arc_srtp_failed(s, status);
    *len_out = len + s->rtp.tag_bytes;
    return ARC_OK;
}

static enum arc_status unprotect(struct arc_srtp *s, uint8_t *data, size_t len)
{
    uint8_t iv[ARC_CIPHER_IV_MAX_BYTES], roc[4];
    struct arc_srtp_stream *stream;
    struct arc_cipher_job job;
    struct rtp_head head;
    enum arc_status status;
    uint64_t index;

    if (!data)
        return ARC_ERR_ARG;
    if (len < RTP_HEADER_BYTES + s->rtp.tag_bytes ||
        len > ARC_SRTP_PACKET_MAX_BYTES ||
        !read_head(data, len - s->rtp.tag_bytes, &head))
        return ARC_ERR_FORMAT;

    /* RFC 3711 §3.3: index (2), replay check (5), tag (5), decrypt (6); only
     * then roll-over counter and window (7). Nothing before may change state. */
    stream = arc_srtp_streams_find(&s->recv, head.ssrc);
    status = estimate(stream, head.seq16, &index);
    if (!status && stream)
        status = arc_replay_check(&stream->rtp_seen, index);
    if (!status && s->stats.rtp_received >= s->rtp.limit_pkts)
        status = ARC_ERR_LIMIT;
    if (status)
        return status;

    make_job(s, &head, index, iv, roc, data, len - s->rtp.tag_bytes, &job);
    status = arc_cipher_open(s->rtp.cipher, &job);
    if (status)
        return status;

    stream = arc_srtp_recv_stream(s, head.ssrc);
    arc_index_commit(&stream->index, index);
    arc_replay_commit(&stream->rtp_seen, index);
    s->stats.rtp_received++;
    return ARC_OK;
}

enum arc_status arc_srtp_unprotect(struct arc_srtp *s, uint8_t *data,
                                   size_t len, size_t *len_out)
{
    enum arc_status status = len_out ? unprotect(s, data, len) : ARC_ERR_ARG;

    if (status)
        return arc_srtp_failed(s, status);
    *len_out = len - s->rtp.tag_bytes;
    return ARC_OK;
}

enum arc_status arc_srtp_protect_batch(struct arc_srtp *s, uint8_t *data,
                                       size_t slot_bytes, int32_t *lengths,
                                       int32_t *status, size_t n)
{
    if (n && (!data || !lengths || !status))
        return ARC_ERR_ARG;

    for (size_t i = 0; i < n; i++) {
        size_t len = (size_t)lengths[i]; /* a negative one is above any cap */

        status[i] = arc_srtp_protect(s, data + i * slot_bytes, len, slot_bytes,
                                     &len);
        if (status[i] == ARC_OK)
            lengths[i] = (int32_t)len;
    }
    return ARC_OK;
}

enum arc_status arc_srtp_unprotect_batch(struct arc_srtp *s, uint8_t *data,
                                         size_t slot_bytes, int32_t *lengths,
                                         int32_t *status, size_t n)
{
    if (n && (!data || !lengths || !status))
        return ARC_ERR_ARG;

    for (size_t i = 0; i < n; i++) {
        size_t len = (size_t)lengths[i];

        status[i] = len > slot_bytes
                        ? arc_srtp_failed(s, ARC_ERR_ARG)
                        : arc_srtp_unprotect(s, data + i * slot_bytes, len,
                                             &len);
        if (status[i] == ARC_OK)
            lengths[i] = (int32_t)len;
    }
    return ARC_OK;
}

int32_t arc_srtp_overhead_bytes(const struct arc_srtp *s)
{
    return (int32_t)s->rtp.tag_bytes;
}
