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
#include "wire/pl_video.h"

enum { LATE_US = 10000 }; /* shown so long after it was due: late */

/** What a picture is made of: the frames of its spatial layers, lowest first. */
struct layers {
    struct arc_framerefs_frame frame[ARC_PL_MAX_LAYERS];
    bool    decodable[ARC_PL_MAX_LAYERS];
    int32_t n;
};

static void ask_for_key(struct arc_recvstream *st)
{
    if (!st->key_asked)
        st->media.key_requests++;
    st->key_asked = true;
    arc_atomic_store_relaxed(&st->key_wanted, 1);
}

/* --- what it refers to ---------------------------------------------------- */

/** A packet of a complete picture; NULL: padding, or parity that has a number of
 *  the stream. */
static const struct arc_rxpkt *media_packet(const struct arc_recvstream *st,
                                            int64_t seq)
{
    const struct arc_rxpkt *p = arc_assemble_packet(st->assemble, seq);

    return p && p->payload_len > 0 ? p : NULL;
}

static void add_packet(struct arc_recvstream *st, struct layers *l,
                       const struct arc_rxpkt *p)
{
    const uint8_t *payload = p->pkt->data + p->payload_off;
    struct arc_framerefs_frame *f = l->n > 0 ? &l->frame[l->n - 1] : NULL;
    struct arc_pl_video_info info;

    if (arc_pl_video_peek(st->cfg.codec, payload, (size_t)p->payload_len,
                          &info) != ARC_OK)
        return;
    /* Without a descriptor AV1's payloads tell layers of some OBUs only: then a
     * picture counts as one frame. */
    if (st->cfg.codec == ARC_VIDEO_AV1 && !info.has_frame_number)
        info.sid = 0;
    if (!f || (info.starts_frame && info.sid > f->info.sid &&
               l->n < ARC_PL_MAX_LAYERS)) {
        arc_framerefs_note(st->refs, &info, payload, (size_t)p->payload_len);
        f = &l->frame[l->n++];
        f->info      = info;
        f->first_seq = p->seq;
    }
    f->info.is_reference |= info.is_reference;
    f->info.is_key       |= info.is_key;
    f->last_seq           = p->seq;
}

/** Which layers of a complete picture can be decoded: all before it that are not
 *  there will not come any more. @return false: not even the lowest */
static bool judge(struct arc_recvstream *st, const struct arc_assembled *a,
                  struct layers *l)
{
    l->n = 0;
    for (int64_t seq = a->first_seq; seq <= a->last_seq; seq++) {
        const struct arc_rxpkt *p = media_packet(st, seq);

        if (p)
            add_packet(st, l, p);
    }
    if (l->n == 0)
        return false;
    if (!a->after_gap) /* only packets without media stand in between */
        l->frame[0].first_seq = st->next_frame_seq;
    st->next_frame_seq = a->last_seq + 1;
    arc_framerefs_give_up(st->refs, &l->frame[0]);
    for (int32_t i = 0; i < l->n; i++) {
        l->decodable[i] = arc_framerefs_judge(st->refs, &l->frame[i]) ==
                          ARC_FRAME_DECODABLE;
        if (l->decodable[i]) /* it will be: the layer above may refer to it */
            arc_framerefs_on_decoded(st->refs, &l->frame[i]);
    }
    return l->decodable[0];
}

static bool is_wanted(const struct layers *l, int64_t seq)
{
    for (int32_t i = 0; i < l->n; i++)
        if (seq <= l->frame[i].last_seq)
            return l->decodable[i];
    return false;
}

/* --- decoding --------------------------------------------------------------- */

/** The bytes of those layers; 0: the payloads do not fit together. */
static int32_t unpack(struct arc_recvstream *st, const struct arc_assembled *a,
                      const struct layers *l)
{
    struct arc_pl_video_unpacker u;
    size_t len = 0;

    arc_pl_video_unpacker_init(&u, st->cfg.codec, st->coded,
                               ARC_PEER_PICTURE_BYTES);
    for (int64_t seq = a->first_seq; seq <= a->last_seq; seq++) {
        const struct arc_rxpkt *p = media_packet(st, seq);

        if (!p || !is_wanted(l, seq))
            continue;
        if (arc_pl_video_unpacker_push(&u, p->pkt->data + p->payload_off,
                                       (size_t)p->payload_len) != ARC_OK)
            return 0;
    }
    return arc_pl_video_unpacker_finish(&u, &len) == ARC_OK ? (int32_t)len : 0;
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

static enum arc_status decode(struct arc_recvstream *st,
                              const struct arc_assembled *a, struct layers *l,
                              struct arc_vframe **frame, int32_t *len)
{
    enum arc_status status;

    *len   = unpack(st, a, l);
    status = *len ? arc_vdec_decode(st->vdec, st->coded, *len, a->ts, frame)
                  : ARC_ERR_FORMAT;
    if (status != ARC_OK && status != ARC_AGAIN) {
        st->media.codec_errors++;
        st->need_key = true;
    }
    return status;
}

/** Decode one complete picture, if there is one. */
static bool decode_next(struct arc_recvstream *st, int64_t now_us)
{
    struct arc_vframe *frame = NULL;
    struct arc_assembled a;
    struct layers l;
    enum arc_status status = ARC_ERR_OLD;
    int32_t len = 0;
    bool decodable;

    if (arc_assemble_pop(st->assemble, now_us, &a) != ARC_OK)
        return false;
    st->media.frames_complete++;
    note_delay(st, &a);
    if (a.repaired)
        arc_peer_on_repaired_picture(st, a.complete_us - a.first_arrival_us,
                                     now_us);
    decodable = judge(st, &a, &l);
    st->need_key &= !a.is_key;
    if (decodable && !st->need_key)
        status = decode(st, &a, &l, &frame, &len);
    if (status == ARC_AGAIN)
        return true;
    if (status != ARC_OK)
        st->media.frames_undecodable++;
    else
        keep_picture(st, frame, &a, len);
    /* Until one comes; the network side limits the rate. */
    if (st->need_key || arc_framerefs_needs_key(st->refs))
        ask_for_key(st);
    else
        st->key_asked = false;
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
