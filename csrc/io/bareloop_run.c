/**
 * @file io/bareloop_run.c  The way of a packet through the bare loop
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/atomic.h"
#include "base/bytes.h"
#include "io/bareloop_parts.h"

/** One packet of a train that was opened. */
struct opened {
    const uint8_t *data;
    uint64_t       index;
};

static void count(int64_t *counter, int64_t n)
{
    arc_atomic_store_relaxed(counter, *counter + n);
}

static void set_job(const struct arc_bareloop_sealer *s, uint64_t index,
                    uint8_t *packet, int32_t packet_bytes,
                    uint8_t iv[ARC_BARELOOP_IV_BYTES],
                    struct arc_cipher_job *job)
{
    memcpy(iv, s->head, sizeof(s->head));
    arc_put_u64(iv + sizeof(s->head), s->rest ^ index);
    job->iv       = iv;
    job->data     = packet;
    job->body     = NULL;
    job->head_len = ARC_BARELOOP_HEADER_BYTES;
    job->body_len = (size_t)(packet_bytes - ARC_BARELOOP_HEADER_BYTES -
                             ARC_BARELOOP_TAG_BYTES);
    job->tail     = NULL;
    job->tail_len = 0;
    job->tag      = packet + packet_bytes - ARC_BARELOOP_TAG_BYTES;
}

static struct arc_bareloop_in *stream_of(struct arc_bareloop *b,
                                         const uint8_t *packet, int32_t len)
{
    uint32_t i;

    if (len != b->packet_bytes)
        return NULL;
    i = arc_get_u32(packet + 8) - b->cfg.first_ssrc;
    return i < (uint32_t)b->cfg.streams ? &b->streams[i] : NULL;
}

/** @return whether the packet is authentic and new; it is then plain */
static bool open_packet(struct arc_bareloop *b, struct arc_bareloop_in *s,
                        uint8_t *packet, uint64_t *index)
{
    struct arc_cipher_job job;
    uint8_t iv[ARC_BARELOOP_IV_BYTES];

    if (arc_index_estimate(&s->index, arc_get_u16(packet + 2), index) ||
        arc_replay_peek(&s->replay, *index)) {
        count(&b->stats.replayed_pkts, 1);
        return false;
    }
    set_job(&s->opener, *index, packet, b->packet_bytes, iv, &job);
    if (arc_cipher_open(s->opener.cipher, &job)) {
        count(&b->stats.forged_pkts, 1);
        return false;
    }
    arc_index_commit(&s->index, *index);
    arc_replay_note(&s->replay, *index);
    return true;
}

/** Seal a packet under the subscriber's key into the train. */
static bool seal_packet(const struct arc_bareloop *b,
                        const struct arc_bareloop_out *to,
                        const struct opened *from, uint8_t *out)
{
    const uint64_t index = from->index + to->number_offset;
    struct arc_cipher_job job;
    uint8_t iv[ARC_BARELOOP_IV_BYTES];

    memcpy(out, from->data, 2);
    arc_put_u16(out + 2, (uint16_t)index);
    arc_put_u32(out + 4, arc_get_u32(from->data + 4) + to->ts_offset);
    memcpy(out + 8, to->ssrc, sizeof(to->ssrc));
    set_job(&to->sealer, index, out, b->packet_bytes, iv, &job);
    job.body = from->data + ARC_BARELOOP_HEADER_BYTES;
    return !arc_cipher_seal(to->sealer.cipher, &job);
}

/** @return packets that left */
static int32_t send_train(const struct arc_bareloop *b, int fd, int32_t n)
{
    const size_t each = (size_t)b->packet_bytes;

    if (b->gso || n == 1)
        return send(fd, b->train, (size_t)n * each, 0) < 0 ? 0 : n;
    for (int32_t i = 0; i < n; i++)
        if (send(fd, b->train + (size_t)i * each, each, 0) < 0)
            return i;
    return n;
}

static void forward(struct arc_bareloop *b, const struct arc_bareloop_in *s,
                    const struct opened *pkts, int32_t n)
{
    for (const struct arc_bareloop_out *to = s->first; to; to = to->next) {
        int32_t sealed = 0, sent = 0;

        while (sealed < n &&
               seal_packet(b, to, &pkts[sealed],
                           b->train + (size_t)sealed * (size_t)b->packet_bytes))
            sealed++;
        if (sealed > 0)
            sent = send_train(b, to->fd, sealed);
        count(&b->stats.forwarded_pkts, sent);
        count(&b->stats.failed_pkts, n - sent);
    }
}

/** Everything of a received train that belongs to one stream goes together. */
static void take_train(struct arc_bareloop *b, const struct arc_train *t)
{
    struct opened pkts[ARC_TRAIN_MAX_SEGMENTS];
    struct arc_bareloop_in *stream = NULL;
    int32_t n = 0;

    for (int32_t off = 0; off < t->len; off += t->segment_bytes) {
        uint8_t *packet = t->data + off;
        const int32_t left = t->len - off;
        struct arc_bareloop_in *s = stream_of(b, packet, left < t->segment_bytes
                                                    ? left : t->segment_bytes);

        count(&b->stats.received_pkts, 1);
        if (!s) {
            count(&b->stats.refused_pkts, 1);
            continue;
        }
        if (n > 0 && (s != stream || n == ARC_TRAIN_MAX_SEGMENTS)) {
            forward(b, stream, pkts, n);
            n = 0;
        }
        stream       = s;
        pkts[n].data = packet;
        if (open_packet(b, s, packet, &pkts[n].index))
            n++;
    }
    if (n > 0)
        forward(b, stream, pkts, n);
    arc_atomic_store_release(&b->taken, b->stats.received_pkts);
}

void *arc_bareloop_run(void *arg)
{
    struct arc_bareloop *b = arg;
    struct arc_train trains[ARC_BENCHSOCK_MESSAGES];

    arc_thread_pin(b->cfg.core);
    while (!arc_atomic_load_acquire(&b->stop)) {
        int32_t n = arc_benchsock_receive(b->rx, b->fd, MSG_WAITFORONE, trains);

        for (int32_t i = 0; i < n; i++)
            take_train(b, &trains[i]);
    }
    return NULL;
}
