/**
 * @file session/pull_video.c  Pictures out: assembly > unpack > decoder >
 *                             play-out
 *
 * Decoded as soon as they are complete and in order, and handed out at the time
 * of their own. A broken chain of references asks for a key frame.
 */
#include <string.h>

#include "base/atomic.h"
#include "base/units.h"
#include "session/peer.h"
#include "wire/pl_h264.h"

enum {
    LATE_US          = 10000,   /* shown so long after it was due: late        */
    ANNEXB_BYTES     = 4 << 20,
};

static void ask_for_key(struct arc_recvstream *st)
{
    if (!st->need_key)
        st->media.key_requests++;
    st->need_key = true;
    arc_atomic_store_relaxed(&st->key_wanted, 1);
}

/** The bytes of a complete frame; 0: its payloads do not fit together. */
static int32_t unpack(struct arc_recvstream *st, const struct arc_assembled *a)
{
    struct arc_pl_h264_unpacker u;
    size_t len = 0;

    arc_pl_h264_unpacker_init(&u, st->annexb, ANNEXB_BYTES);
    for (int64_t seq = a->first_seq; seq <= a->last_seq; seq++) {
        const struct arc_rxpkt *p = arc_assemble_packet(st->assemble, seq);

        if (p && p->payload_len == 0)
            continue; /* padding, or parity that has a number of the stream */
        if (!p || arc_pl_h264_unpacker_push(&u, p->pkt->data + p->payload_off,
                                            (size_t)p->payload_len) != ARC_OK)
            return 0;
    }
    return arc_pl_h264_unpacker_finish(&u, &len) == ARC_OK ? (int32_t)len : 0;
}

/** The delay of frames, not packets, is what a picture's play-out rests on. */
static void note_delay(struct arc_recvstream *st, const struct arc_assembled *a)
{
    struct arc_rxpkt p, drop;

    memset(&p, 0, sizeof(p));
    p.seq        = st->frame_no++;
    p.ts         = a->ts;
    p.repaired   = a->repaired; /* those wait for a round trip: told apart */
    p.arrival_us = a->complete_us;
    arc_jitter_push(st->jitter, &p, a->complete_us);
    while (arc_jitter_take(st->jitter, &drop) == ARC_OK)
        ;
}

static void keep_picture(struct arc_recvstream *st, struct arc_vframe *frame,
                         const struct arc_assembled *a, int32_t bytes)
{
    struct arc_picture *p = &st->pictures[st->n_pictures++];

    p->frame      = frame;
    p->info       = *a;
    p->bytes      = bytes;
    p->decoded_us = ARC_NEVER_US;
}

/** Decode one complete frame, if there is one. */
static bool decode_next(struct arc_recvstream *st, int64_t now_us)
{
    struct arc_vframe *frame = NULL;
    struct arc_assembled a;
    enum arc_status status;
    int32_t len;

    if (arc_assemble_pop(st->assemble, now_us, &a) != ARC_OK)
        return false;
    st->media.frames_complete++;
    note_delay(st, &a);
    if (a.after_gap && !a.is_key)
        ask_for_key(st);
    if (st->need_key && !a.is_key) {
        ask_for_key(st); /* until one comes; the network side limits the rate */
        st->media.frames_undecodable++;
        return true;
    }
    len = unpack(st, &a);
    status = len ? arc_vdec_decode(st->vdec, st->annexb, len, a.ts, &frame)
                 : ARC_ERR_FORMAT;
    if (status == ARC_AGAIN)
        return true;
    if (status != ARC_OK) {
        st->media.codec_errors++;
        st->media.frames_undecodable++;
        ask_for_key(st);
        return true;
    }
    st->need_key = false;
    keep_picture(st, frame, &a, len);
    return true;
}

/** The clock has moved on since these were decoded; how far, only the caller
 *  knows. */
static void stamp_decoded(struct arc_recvstream *st, int64_t now_us)
{
    for (int32_t i = 0; i < st->n_pictures; i++) {
        struct arc_picture *p = &st->pictures[i];

        if (p->decoded_us == ARC_NEVER_US)
            p->decoded_us = now_us;
    }
}

static void hand_out(struct arc_recvstream *st, int64_t due_us,
                     struct arc_received *out)
{
    struct arc_picture p = st->pictures[0];

    memmove(&st->pictures[0], &st->pictures[1],
            sizeof(p) * (ARC_PEER_PICTURES - 1));
    st->n_pictures--;

    out->ts          = p.info.ts;
    out->rtp_ts      = arc_peer_wire_ts(st, p.info.ts);
    out->arrival_us  = p.info.first_arrival_us;
    out->complete_us = p.info.complete_us;
    out->decoded_us  = p.decoded_us;
    out->playout_us  = arc_max_i64(due_us, p.decoded_us);
    out->ntp_us      = arc_peer_capture_ntp_us(st, p.info.ts);
    out->is_key      = p.info.is_key;
    out->damaged     = p.frame->damaged;
    out->bytes       = p.bytes;
    out->pkts        = p.info.n_pkts;
    out->frame       = p.frame;
    out->late        = p.decoded_us > due_us + LATE_US;
    st->media.frames_late += out->late;
    st->media.frames_out++;
    arc_peer_publish_offset(st, out->ts);
    arc_peer_keep_in_step(st);
}

enum arc_status arc_peer_pull_video(struct arc_recvstream *st, int64_t now_us,
                                  struct arc_received *out)
{
    stamp_decoded(st, now_us);
    if (st->n_pictures > 0) {
        int64_t due = arc_peer_playout_us(st, st->pictures[0].info.ts);

        if (now_us >= due) {
            hand_out(st, due, out);
            return ARC_OK;
        }
    }
    /* Decoded pictures are large: beyond these few, frames wait as packets. */
    if (st->n_pictures < ARC_PEER_PICTURES)
        decode_next(st, now_us);
    return ARC_AGAIN;
}
