/**
 * @file io/bareloop.c  A yardstick: the least C that forwards SRTP
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/atomic.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "io/bareloop_parts.h"
#include "srtp/kdf.h"

enum {
    MESSAGES      = 4, /* a system call: 4 trains of 64 KiB */
    MESSAGE_BYTES = 65536,
    BUFFER_BYTES  = 4 << 20,
    WAIT_US       = 50000, /* how long a stop may take      */
    MAX_PAYLOAD   = 1400,
};

/* --- keys --------------------------------------------------------------------------------- */

static void sealer_init(struct arc_bareloop_sealer *s, const uint8_t *salt,
                        uint32_t ssrc)
{
    uint8_t iv[ARC_BARELOOP_IV_BYTES];

    memcpy(iv, salt, sizeof(iv));
    memcpy(s->head, iv, sizeof(s->head));
    s->head[2] = (uint8_t)(iv[2] ^ ssrc >> 24);
    s->head[3] = (uint8_t)(iv[3] ^ ssrc >> 16);
    s->rest    = arc_get_u64(iv + 4) ^ (uint64_t)(ssrc & 0xffff) << 48;
}

/** Session key and salt out of the master key (RFC 3711 §4.3, RFC 7714 §11). */
static enum arc_status sealer_new(struct arc_bareloop_sealer *s, uint32_t ssrc,
                                  const struct arc_srtp_config *srtp)
{
    struct arc_cipher_config c;
    uint8_t salt[ARC_KDF_SALT_BYTES], master_salt[ARC_KDF_SALT_BYTES] = {0};
    struct arc_kdf_input in = {srtp->master_key, (size_t)srtp->key_len,
                               master_salt, 0};
    enum arc_status status;

    if ((srtp->profile != ARC_SRTP_AEAD_AES_128_GCM &&
         srtp->profile != ARC_SRTP_AEAD_AES_256_GCM) ||
        srtp->salt_len < ARC_BARELOOP_IV_BYTES ||
        srtp->salt_len > ARC_KDF_SALT_BYTES ||
        (srtp->key_len != 16 && srtp->key_len != 32))
        return ARC_ERR_ARG;
    memcpy(master_salt, srtp->master_salt, (size_t)srtp->salt_len);
    memset(&c, 0, sizeof(c));
    c.kind      = ARC_CIPHER_AES_GCM;
    c.backend   = srtp->backend;
    c.key_len   = srtp->key_len;
    c.tag_bytes = ARC_BARELOOP_TAG_BYTES;
    status = arc_kdf_derive(&in, ARC_KDF_RTP_ENCRYPTION, c.key,
                            (size_t)c.key_len);
    if (!status)
        status = arc_kdf_derive(&in, ARC_KDF_RTP_SALT, salt, sizeof(salt));
    if (!status)
        status = arc_cipher_new(&c, &s->cipher);
    if (!status)
        sealer_init(s, salt, ssrc);
    arc_mem_wipe(&c, sizeof(c));
    arc_mem_wipe(salt, sizeof(salt));
    return status;
}

/* --- its life --------------------------------------------------------------------------- */

static bool config_ok(const struct arc_bareloop_config *c)
{
    return c->streams >= 1 && c->streams <= ARC_BARELOOP_MAX_STREAMS &&
           c->subscribers >= 1 &&
           c->subscribers <= ARC_BARELOOP_MAX_SUBSCRIBERS &&
           c->payload_bytes >= 1 && c->payload_bytes <= MAX_PAYLOAD &&
           arc_thread_has_core(c->core);
}

static bool open_socket(struct arc_bareloop *b)
{
    const struct timeval wait = {0, WAIT_US};

    b->fd = arc_benchsock_open("127.0.0.1", 0);
    if (b->fd < 0)
        return false;
    arc_benchsock_set_buffers(b->fd, BUFFER_BYTES);
    b->stats.gro = arc_benchsock_set_gro(b->fd);
    return setsockopt(b->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0;
}

static bool get_memory(struct arc_bareloop *b)
{
    b->rx      = arc_benchsock_rx_new(MESSAGES, MESSAGE_BYTES);
    b->train   = arc_mem_zalloc(ARC_TRAIN_MAX_SEGMENTS,
                                (size_t)b->packet_bytes);
    b->streams = arc_mem_zalloc((size_t)b->cfg.streams, sizeof(*b->streams));
    b->subscribers =
        arc_mem_zalloc((size_t)b->cfg.subscribers, sizeof(*b->subscribers));
    return b->rx && b->train && b->streams && b->subscribers;
}

enum arc_status arc_bareloop_new(const struct arc_bareloop_config *cfg,
                                 struct arc_bareloop             **out)
{
    struct arc_bareloop *b;
    enum arc_status status = ARC_OK;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    b = arc_mem_zalloc(1, sizeof(*b));
    if (!b)
        return ARC_ERR_NOMEM;
    b->cfg          = *cfg;
    b->fd           = -1;
    b->gso          = true;
    b->packet_bytes = cfg->payload_bytes + ARC_BARELOOP_HEADER_BYTES +
                      ARC_BARELOOP_TAG_BYTES;
    if (!get_memory(b))
        status = ARC_ERR_NOMEM;
    else if (!open_socket(b))
        status = ARC_ERR_IO;
    if (status) {
        arc_bareloop_free(b);
        return status;
    }
    *out = b;
    return ARC_OK;
}

void arc_bareloop_free(struct arc_bareloop *b)
{
    if (!b)
        return;
    if (b->running) {
        arc_atomic_store_release(&b->stop, 1);
        pthread_join(b->thread, NULL);
    }
    for (int32_t i = 0; i < b->n_subscribers; i++) {
        arc_cipher_free(b->subscribers[i].sealer.cipher);
        arc_fd_close(b->subscribers[i].fd);
    }
    for (int32_t i = 0; b->streams && i < b->cfg.streams; i++)
        arc_cipher_free(b->streams[i].opener.cipher);
    arc_fd_close(b->fd);
    arc_benchsock_rx_free(b->rx);
    arc_mem_free(b->train);
    arc_mem_free(b->streams);
    arc_mem_free(b->subscribers);
    arc_mem_free(b);
}

enum arc_status arc_bareloop_set_stream(struct arc_bareloop *b, int32_t stream,
                                        const struct arc_srtp_config *srtp)
{
    struct arc_bareloop_in *s;
    enum arc_status status;

    if (!srtp || stream < 0 || stream >= b->cfg.streams || b->running ||
        b->streams[stream].opener.cipher)
        return ARC_ERR_ARG;
    s = &b->streams[stream];
    status = sealer_new(&s->opener, b->cfg.first_ssrc + (uint32_t)stream, srtp);
    if (status)
        return status;
    arc_index_init(&s->index);
    arc_replay_init(&s->replay, s->words, ARC_BARELOOP_WINDOW_PKTS);
    return ARC_OK;
}

static bool connect_subscriber(struct arc_bareloop *b, struct arc_bareloop_out *s,
                               const struct arc_bareloop_subscriber *to)
{
    s->fd = arc_benchsock_open("127.0.0.1", 0);
    if (s->fd < 0)
        return false;
    arc_benchsock_set_buffers(s->fd, BUFFER_BYTES);
    b->gso = arc_benchsock_set_segment(s->fd, b->packet_bytes) && b->gso;
    return arc_benchsock_connect(s->fd, to->host, to->port);
}

static void join(struct arc_bareloop_in *stream, struct arc_bareloop_out *s)
{
    if (stream->last)
        stream->last->next = s;
    else
        stream->first = s;
    stream->last = s;
}

enum arc_status
arc_bareloop_add_subscriber(struct arc_bareloop                  *b,
                            const struct arc_bareloop_subscriber *to,
                            const struct arc_srtp_config         *srtp)
{
    struct arc_bareloop_out *s;
    enum arc_status status;

    if (!to || !srtp || !to->host || to->stream < 0 ||
        to->stream >= b->cfg.streams || b->running)
        return ARC_ERR_ARG;
    if (b->n_subscribers == b->cfg.subscribers)
        return ARC_ERR_LIMIT;
    s      = &b->subscribers[b->n_subscribers];
    status = sealer_new(&s->sealer, to->ssrc, srtp);
    if (status)
        return status;
    if (!connect_subscriber(b, s, to)) {
        arc_cipher_free(s->sealer.cipher);
        arc_fd_close(s->fd);
        memset(s, 0, sizeof(*s));
        return ARC_ERR_IO;
    }
    arc_put_u32(s->ssrc, to->ssrc);
    s->ts_offset     = to->ts_offset;
    s->number_offset = to->number_offset;
    join(&b->streams[to->stream], s);
    b->n_subscribers++;
    return ARC_OK;
}

enum arc_status arc_bareloop_start(struct arc_bareloop *b)
{
    if (b->running || b->n_subscribers == 0)
        return ARC_ERR_ARG;
    for (int32_t i = 0; i < b->cfg.streams; i++)
        if (!b->streams[i].opener.cipher)
            return ARC_ERR_ARG;
    b->stats.gso = b->gso;
    b->stats.backend =
        arc_cipher_backend_of(b->subscribers[0].sealer.cipher);
    b->running = arc_thread_start(&b->thread, "arc-bare", arc_bareloop_run, b);
    return b->running ? ARC_OK : ARC_ERR_IO;
}

int32_t arc_bareloop_port(const struct arc_bareloop *b)
{
    return arc_benchsock_port(b->fd);
}

const int64_t *arc_bareloop_taken(const struct arc_bareloop *b)
{
    return &b->taken;
}

void arc_bareloop_get_stats(const struct arc_bareloop *b,
                            struct arc_bareloop_stats *out)
{
    const struct arc_bareloop_stats *s = &b->stats;

    out->received_pkts  = arc_atomic_load_relaxed(&s->received_pkts);
    out->forwarded_pkts = arc_atomic_load_relaxed(&s->forwarded_pkts);
    out->refused_pkts   = arc_atomic_load_relaxed(&s->refused_pkts);
    out->forged_pkts    = arc_atomic_load_relaxed(&s->forged_pkts);
    out->replayed_pkts  = arc_atomic_load_relaxed(&s->replayed_pkts);
    out->failed_pkts    = arc_atomic_load_relaxed(&s->failed_pkts);
    out->cpu_ns         = b->running ? arc_thread_cpu_ns(b->thread) : 0;
    out->backend        = s->backend;
    out->gso            = s->gso;
    out->gro            = s->gro;
}
