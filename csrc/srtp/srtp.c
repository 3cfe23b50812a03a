/**
 * @file srtp/srtp.c  Secure RTP: protect and unprotect
 */
#include <string.h>

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
    size_t bytes;

    if (len < RTP_HEADER_BYTES || data[0] >> 6 != 2)
        return false;
    head->seq16 = arc_get_u16(data + 2);
    head->ssrc  = arc_get_u32(data + 8);
    bytes       = RTP_HEADER_BYTES + 4 * (size_t)(data[0] & 0x0f); /* CSRCs */
    if (data[0] & 0x10) {                                          /* X */
        if (len < bytes + 4)
            return false;
        bytes += 4 + 4 * (size_t)arc_get_u16(data + bytes + 2);
    }
    head->bytes = bytes;
    return bytes <= len;
}

/** Bytes behind the payload of a protected packet. */
static size_t trailer_bytes(const struct arc_srtp *s)
{
    return s->tag_bytes[ARC_SRTP_RTP] + s->mki_bytes;
}

/* The MKI stands in front of the tag (RFC 3711 §3.1), but behind that of an AEAD,
 * which is a part of the ciphertext (RFC 7714 §8.2). */
static size_t mki_offset(const struct arc_srtp *s)
{
    return s->aead ? s->tag_bytes[ARC_SRTP_RTP] : 0;
}

static size_t tag_offset(const struct arc_srtp *s)
{
    return s->aead ? 0 : s->mki_bytes;
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

/**
 * What the cipher is given.
 *
 * @param body Where the payload is taken from; NULL: from `data`
 * @param len  Bytes without the trailer
 * @param end  Where the trailer is, or will be
 */
static void set_job(const struct arc_srtp *s, const struct rtp_head *head,
                    uint8_t *data, const uint8_t *body, size_t len,
                    uint8_t *end, struct arc_srtp_work *w)
{
    w->end   = end;
    w->ssrc  = head->ssrc;
    w->seq16 = head->seq16;
    arc_put_u32(w->roc, (uint32_t)(w->index >> 16));

    w->job.iv       = w->iv;
    w->job.data     = data;
    w->job.body     = body;
    w->job.head_len = head->bytes;
    w->job.body_len = len - head->bytes;
    w->job.tail     = w->roc; /* RFC 3711 §4.2: M || ROC; GCM has it in the IV */
    w->job.tail_len = s->aead ? 0 : sizeof(w->roc);
    w->job.tag      = end + tag_offset(s);
}

/** Session keys and IV for the index. @return the library did not fail */
static bool set_keys(struct arc_srtp *s, struct arc_srtp_work *w)
{
    w->session = arc_srtp_session_for(s, w->key, ARC_SRTP_RTP, w->index);
    if (!w->session)
        return false;
    arc_srtp_make_iv(w->session->salt, s->aead, w->ssrc, w->index, w->iv);
    return true;
}

/* --- sending -------------------------------------------------------------------------- */

enum arc_status arc_srtp_begin_send(struct arc_srtp *s, uint8_t *data,
                                    const uint8_t *payload, size_t len,
                                    size_t cap, struct arc_srtp_work *w)
{
    struct rtp_head head;
    enum arc_status status;

    if (!data || len > ARC_SRTP_PACKET_MAX_BYTES || len > cap)
        return ARC_ERR_ARG;
    if (!read_head(data, len, &head))
        return ARC_ERR_FORMAT;
    if (cap - len < trailer_bytes(s))
        return ARC_ERR_SPACE;

    w->stream = arc_srtp_streams_find(&s->send, head.ssrc);
    w->key    = s->sending;
    status    = estimate(w->stream, head.seq16, &w->index);
    if (status)
        return status;
    if (w->key->sent_pkts[ARC_SRTP_RTP] >= s->limit_pkts[ARC_SRTP_RTP] ||
        !arc_srtp_has_room(s, w->stream))
        return ARC_ERR_LIMIT;

    set_job(s, &head, data, payload, len, data + len, w);
    if (!set_keys(s, w))
        return ARC_ERR_LIBRARY;
    if (s->encrypts_ext) /* RFC 6904 §3: before the tag */
        return arc_srtp_crypt_ext(s, w->session, w->ssrc, w->index, data, len);
    return ARC_OK;
}

void arc_srtp_commit_send(struct arc_srtp *s, struct arc_srtp_work *w)
{
    if (!w->stream)
        w->stream = arc_srtp_streams_add(&s->send, w->ssrc);
    arc_index_commit(&w->stream->index, w->index);
    arc_srtp_count_use(s, w->key, ARC_SRTP_RTP, true);
    s->stats.rtp_sent++;
}

void arc_srtp_write_mki(const struct arc_srtp *s, const struct arc_srtp_work *w)
{
    if (s->mki_bytes)
        memcpy(w->end + mki_offset(s), w->key->mki, s->mki_bytes);
}

static enum arc_status protect(struct arc_srtp *s, uint8_t *data,
                               const uint8_t *payload, size_t len, size_t cap)
{
    struct arc_srtp_work w;
    enum arc_status status = arc_srtp_begin_send(s, data, payload, len, cap,
                                                 &w);

    if (!status)
        status = w.session->cipher->ops->seal(w.session->cipher, &w.job);
    if (status)
        return status;
    arc_srtp_commit_send(s, &w);
    arc_srtp_write_mki(s, &w);
    return ARC_OK;
}

enum arc_status arc_srtp_protect_from(struct arc_srtp *s, uint8_t *data,
                                      const uint8_t *payload, size_t len,
                                      size_t cap, size_t *len_out)
{
    enum arc_status status = len_out ? protect(s, data, payload, len, cap)
                                     : ARC_ERR_ARG;

    if (status)
        return arc_srtp_failed(s, status);
    *len_out = len + trailer_bytes(s);
    return ARC_OK;
}

enum arc_status arc_srtp_protect(struct arc_srtp *s, uint8_t *data, size_t len,
                                 size_t cap, size_t *len_out)
{
    return arc_srtp_protect_from(s, data, NULL, len, cap, len_out);
}

int32_t arc_srtp_protect_to(struct arc_srtp *s, const uint8_t *in,
                            size_t in_len, uint8_t *out, size_t cap)
{
    enum arc_status status;

    if (!in || !out || in_len > ARC_SRTP_PACKET_MAX_BYTES)
        return arc_srtp_failed(s, ARC_ERR_ARG);
    if (cap < in_len)
        return arc_srtp_failed(s, ARC_ERR_SPACE);
    memcpy(out, in, in_len);
    status = protect(s, out, NULL, in_len, cap);
    return status ? (int32_t)arc_srtp_failed(s, status)
                  : (int32_t)(in_len + trailer_bytes(s));
}

/* --- receiving ------------------------------------------------------------------------ */

/* RFC 3711 §3.3: which key (1), index (2), replay check (5), tag (5), decrypt (6);
 * only then roll-over counter and window (7). Nothing before may change state. */

enum arc_status arc_srtp_begin_recv(struct arc_srtp *s, const uint8_t *data,
                                    size_t len, uint8_t *out,
                                    struct arc_srtp_work *w)
{
    struct rtp_head head;
    enum arc_status status;

    if (!data || !out)
        return ARC_ERR_ARG;
    if (len < RTP_HEADER_BYTES + trailer_bytes(s) ||
        len > ARC_SRTP_PACKET_MAX_BYTES)
        return ARC_ERR_FORMAT;
    len -= trailer_bytes(s);
    if (!read_head(data, len, &head))
        return ARC_ERR_FORMAT;

    memset(&w->tried, 0, sizeof(w->tried));
    w->stream = arc_srtp_streams_find(&s->recv, head.ssrc);
    status    = estimate(w->stream, head.seq16, &w->index);
    if (!status && w->stream)
        status = arc_replay_peek(&w->stream->rtp_seen, w->index);
    if (status)
        return status;
    if (out != data)
        memcpy(out, data, head.bytes);
    /* The trailer is only read here. */
    set_job(s, &head, out, out == data ? NULL : data + head.bytes, len,
            (uint8_t *)(uintptr_t)data + len, w);
    return ARC_OK;
}

/** Nearly always the key that sends is also the one that comes in. */
static bool is_usual(const struct arc_srtp *s, const struct arc_srtp_work *w)
{
    return !s->mki_bytes && !w->tried.places && w->stream &&
           w->stream->key_id == s->sending->id &&
           s->sending->received_pkts[ARC_SRTP_RTP] <
               s->limit_pkts[ARC_SRTP_RTP];
}

enum arc_status arc_srtp_take_key(struct arc_srtp *s, struct arc_srtp_work *w)
{
    if (is_usual(s, w)) {
        w->key          = s->sending;
        w->tried.places = UINT32_C(1) << (w->key - s->keys);
        return set_keys(s, w) ? ARC_OK : ARC_ERR_LIBRARY;
    }
    w->key = arc_srtp_next_key(s, ARC_SRTP_RTP, w->stream,
                               w->end + mki_offset(s), &w->tried);
    if (!w->key)
        return ARC_AGAIN;
    return set_keys(s, w) ? ARC_OK : ARC_ERR_LIBRARY;
}

enum arc_status arc_srtp_accept(struct arc_srtp *s, struct arc_srtp_work *w)
{
    const size_t len = w->job.head_len + w->job.body_len;

    /* An authentic packet whose extension is malformed is left to its parser. */
    if (s->encrypts_ext &&
        arc_srtp_crypt_ext(s, w->session, w->ssrc, w->index, w->job.data, len) ==
            ARC_ERR_LIBRARY)
        return ARC_ERR_LIBRARY;
    if (w->stream)
        arc_srtp_streams_touch(&s->recv, w->stream);
    else
        w->stream = arc_srtp_recv_stream(s, w->ssrc);
    w->stream->key_id = w->key->id;
    arc_index_commit(&w->stream->index, w->index);
    arc_replay_note(&w->stream->rtp_seen, w->index);
    arc_srtp_count_use(s, w->key, ARC_SRTP_RTP, false);
    s->stats.rtp_received++;
    return ARC_OK;
}

static enum arc_status unprotect(struct arc_srtp *s, const uint8_t *data,
                                 size_t len, uint8_t *out)
{
    struct arc_srtp_work w;
    enum arc_status status = arc_srtp_begin_recv(s, data, len, out, &w);

    while (!status) {
        status = arc_srtp_take_key(s, &w);
        if (status == ARC_AGAIN)
            return arc_srtp_no_key(s, &w.tried);
        if (status)
            break;
        status = w.session->cipher->ops->open(w.session->cipher, &w.job);
        if (!status)
            return arc_srtp_accept(s, &w);
        if (status == ARC_ERR_AUTH)
            status = ARC_OK; /* perhaps under another key */
    }
    return status;
}

enum arc_status arc_srtp_unprotect(struct arc_srtp *s, uint8_t *data,
                                   size_t len, size_t *len_out)
{
    enum arc_status status = len_out ? unprotect(s, data, len, data)
                                     : ARC_ERR_ARG;

    if (status)
        return arc_srtp_failed(s, status);
    *len_out = len - trailer_bytes(s);
    return ARC_OK;
}

int32_t arc_srtp_unprotect_to(struct arc_srtp *s, const uint8_t *in,
                              size_t in_len, uint8_t *out, size_t cap)
{
    enum arc_status status;

    if (!in || !out)
        return arc_srtp_failed(s, ARC_ERR_ARG);
    if (in_len > ARC_SRTP_PACKET_MAX_BYTES)
        return arc_srtp_failed(s, ARC_ERR_FORMAT);
    if (cap < in_len)
        return arc_srtp_failed(s, ARC_ERR_SPACE);
    status = unprotect(s, in, in_len, out);
    return status ? (int32_t)arc_srtp_failed(s, status)
                  : (int32_t)(in_len - trailer_bytes(s));
}

int32_t arc_srtp_overhead_bytes(const struct arc_srtp *s)
{
    return (int32_t)trailer_bytes(s);
}
