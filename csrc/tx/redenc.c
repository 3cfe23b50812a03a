/**
 * @file tx/redenc.c  Sends past frames of a sound again with later ones
 */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "tx/redenc.h"
#include "wire/pl_opus.h"
#include "wire/red.h"

enum {
    TOC_CONFIG_BITS = 0xfc, /* RFC 6716 §3.1: with code 0, one frame          */
    MAX_PAYLOAD_TYPE = 127,
    RATE_FRAMES     = 50,   /* frames whose unused share may be used later    */
    PCT             = 100,
    TICKS_PER_S     = 48000, /* RFC 7587 §4.1, whatever rate the sound has    */
    MAX_ELAPSED     = ARC_REDENC_RATE_US / 1000 * TICKS_PER_S / 1000,
    RESERVE         = TICKS_PER_S / 5, /* of `room`, for the first copies to come */
    BYTE            = 8 * TICKS_PER_S, /* in the unit of `room`               */
};

struct past {
    uint32_t rtp_ts;
    int32_t  len; /* 0: nothing was sent, or nothing that can be copied       */
    bool     is_pause;
    uint8_t  data[ARC_RED_MAX_BLOCK_BYTES];
};

struct arc_redenc {
    struct arc_redenc_set   set;
    struct arc_redenc_stats stats;
    bool                    always;    /* the form of RFC 2198                */
    struct past            *past;      /* ring by frame number                */
    int64_t                 n_frames;  /* silent ones too                     */
    uint8_t                 toc;       /* first byte of the last frame        */
    bool                    was_speech; /* the last frame                     */
    int64_t                 credit;    /* bytes of copies that may leave, * 100 */
    int64_t                 room;      /* bits that max_total_bps leaves now, *
                                          TICKS_PER_S; below 0: had too early  */
    uint32_t                paid_ts;   /* until when `room` was added to      */
};

bool arc_redenc_set_ok(const struct arc_redenc_set *set)
{
    if (!set || set->n_copies < 0 || set->n_copies > ARC_REDENC_MAX_COPIES ||
        set->max_overhead_pct < 1 ||
        set->max_overhead_pct > ARC_REDENC_MAX_OVERHEAD_PCT ||
        set->max_total_bps < 0 ||
        set->max_total_bps > ARC_REDENC_MAX_TOTAL_BPS)
        return false;
    for (int32_t i = 0; i < set->n_copies; i++) {
        if (set->distances[i] < 1 ||
            set->distances[i] > ARC_REDENC_MAX_DISTANCE)
            return false;
        for (int32_t k = 0; k < i; k++)
            if (set->distances[k] == set->distances[i])
                return false;
    }
    return true;
}

enum arc_status arc_redenc_new(const struct arc_redenc_set *set, bool always,
                               struct arc_redenc **out)
{
    struct arc_redenc *r;

    if (!out || !arc_redenc_set_ok(set))
        return ARC_ERR_ARG;
    r = arc_mem_zalloc(1, sizeof(*r));
    if (!r)
        return ARC_ERR_NOMEM;
    r->past = arc_mem_zalloc(ARC_REDENC_MAX_DISTANCE, sizeof(*r->past));
    if (!r->past) {
        arc_mem_free(r);
        return ARC_ERR_NOMEM;
    }
    r->set    = *set;
    r->always = always;
    *out      = r;
    return ARC_OK;
}

void arc_redenc_free(struct arc_redenc *r)
{
    if (!r)
        return;
    arc_mem_free(r->past);
    arc_mem_free(r);
}

enum arc_status arc_redenc_change(struct arc_redenc *r,
                                  const struct arc_redenc_set *set)
{
    if (!arc_redenc_set_ok(set))
        return ARC_ERR_ARG;
    r->set = *set;
    return ARC_OK;
}

/** The frame sent so many before the one that is built; NULL: none was. */
static const struct past *past_frame(const struct arc_redenc *r, int32_t back)
{
    const struct past *p =
        &r->past[(r->n_frames - back + ARC_REDENC_MAX_DISTANCE) %
                 ARC_REDENC_MAX_DISTANCE];

    return back <= r->n_frames && p->len > 0 ? p : NULL;
}

/** Insert a copy before those that are nearer: the oldest stands first. */
static void add_part(struct arc_red_part *parts, int32_t *n,
                     const struct arc_red_part *part)
{
    int32_t i = (*n)++;

    for (; i > 0 && parts[i - 1].ts_offset < part->ts_offset; i--)
        parts[i] = parts[i - 1];
    parts[i] = *part;
}

/** Why a copy stays behind, or that it may leave. */
enum verdict { LEAVES, NO_FORM, NO_ROOM, NO_RATE, NO_SPEECH };

/** @param rank Of its distance in the set, 0: the most important */
static enum verdict judge(const struct arc_redenc *r, const struct past *p,
                          uint32_t rtp_ts, int32_t room, int32_t rank)
{
    int32_t cost = p->len + ARC_RED_HEADER_BYTES;
    int64_t kept = rank > 0 ? (int64_t)r->set.max_total_bps * RESERVE : 0;

    if (r->set.speech_only && p->is_pause)
        return NO_SPEECH;
    if (rtp_ts - p->rtp_ts > ARC_RED_MAX_TS_OFFSET_TICKS) /* RFC 2198 §3 */
        return NO_FORM;
    if (cost > room)
        return NO_ROOM;
    if (r->set.max_total_bps > 0 && (int64_t)cost * BYTE + kept > r->room)
        return NO_RATE;
    return (int64_t)cost * PCT > r->credit ? NO_RATE : LEAVES;
}

/** Choose the copies of this packet, the most important first. */
static int32_t choose(struct arc_redenc *r, int32_t payload_type,
                      uint32_t rtp_ts, int32_t room, struct arc_red_part *parts)
{
    int32_t n = 0;

    for (int32_t i = 0; i < r->set.n_copies; i++) {
        const struct past *p = past_frame(r, r->set.distances[i]);
        enum verdict verdict = p ? judge(r, p, rtp_ts, room, i) : LEAVES;
        struct arc_red_part part;
        int32_t cost;

        r->stats.left_out_form += verdict == NO_FORM;
        r->stats.left_out_room += verdict == NO_ROOM;
        r->stats.left_out_rate += verdict == NO_RATE;
        r->stats.left_out_pause += verdict == NO_SPEECH;
        if (!p || verdict != LEAVES)
            continue;
        part.payload_type = payload_type;
        part.ts_offset    = (int32_t)(rtp_ts - p->rtp_ts);
        part.data         = p->data;
        part.len          = p->len;
        cost = p->len + ARC_RED_HEADER_BYTES;
        add_part(parts, &n, &part);
        room -= cost;
        r->room -= (int64_t)cost * BYTE;
        r->credit -= (int64_t)cost * PCT;
        r->stats.copies++;
        r->stats.copy_bytes += cost;
    }
    return n;
}

/** Whether a frame of one byte would have something to carry. */
static bool copy_fits(const struct arc_redenc *r, uint32_t rtp_ts, int32_t cap)
{
    for (int32_t i = 0; i < r->set.n_copies; i++) {
        const struct past *p = past_frame(r, r->set.distances[i]);

        if (p &&
            judge(r, p, rtp_ts, cap - ARC_RED_PRIMARY_BYTES - 1, i) == LEAVES)
            return true;
    }
    return false;
}

static void keep(struct arc_redenc *r, uint32_t rtp_ts, const uint8_t *frame,
                 int32_t len)
{
    struct past *p = &r->past[r->n_frames % ARC_REDENC_MAX_DISTANCE];
    const bool speech =
        len > 0 && arc_pl_opus_may_be_speech(frame, (size_t)len);

    p->rtp_ts     = rtp_ts;
    p->len        = 0;
    p->is_pause   = !speech && !r->was_speech;
    r->was_speech = speech;
    r->n_frames++;
    if (len > ARC_RED_MAX_BLOCK_BYTES) {
        r->stats.left_out_form++;
        return;
    }
    if (len > 0) {
        p->len = len;
        memcpy(p->data, frame, (size_t)len);
    }
}

/** The share of copies that this frame pays for. */
static void earn(struct arc_redenc *r, const uint8_t *frame, int32_t len)
{
    int64_t share = (int64_t)len * r->set.max_overhead_pct;

    r->credit = arc_min_i64(r->credit + share,
                            arc_max_i64(share * RATE_FRAMES, r->credit));
    r->toc    = frame[0] & TOC_CONFIG_BITS;
    r->stats.frames++;
    r->stats.frame_bytes += len;
}

/** What the total rate allows since the last frame. A second of it is kept, and
 *  no more is owed, so that a rate that was too high once is soon forgotten. */
static void earn_room(struct arc_redenc *r, uint32_t rtp_ts)
{
    const int64_t most = (int64_t)r->set.max_total_bps * MAX_ELAPSED;
    const int32_t elapsed = (int32_t)(rtp_ts - r->paid_ts); /* < 0: backwards */
    const int64_t ticks =
        r->n_frames > 0 ? arc_clamp_i64(elapsed, 0, MAX_ELAPSED) : 0;

    r->room = arc_clamp_i64(r->room + r->set.max_total_bps * ticks, -most, most);
    r->paid_ts = rtp_ts;
}

/** Write a frame that fits, with the copies that fit as well. @return bytes */
static int32_t write_frame(struct arc_redenc *r, int32_t payload_type,
                           uint32_t rtp_ts, const uint8_t *frame, int32_t len,
                           uint8_t *out, int32_t cap, bool *is_red)
{
    struct arc_red_part parts[ARC_REDENC_MAX_COPIES + 1];
    struct arc_red_part *primary;
    size_t bytes = (size_t)len;
    int32_t n;

    r->room -= (int64_t)(len + ARC_RED_PRIMARY_BYTES) * BYTE;
    n = choose(r, payload_type, rtp_ts, cap - len - ARC_RED_PRIMARY_BYTES,
               parts);
    *is_red = n > 0 || r->always;
    if (!*is_red) {
        memcpy(out, frame, bytes);
    } else {
        primary = &parts[n];
        primary->payload_type = payload_type;
        primary->ts_offset    = 0;
        primary->data         = frame;
        primary->len          = len;
        arc_red_build(parts, n + 1, out, (size_t)cap, &bytes); /* as chosen */
    }
    return (int32_t)bytes;
}

enum arc_status arc_redenc_build(struct arc_redenc *r, int32_t payload_type,
                                 uint32_t rtp_ts, const uint8_t *frame,
                                 int32_t len, uint8_t *out, int32_t cap,
                                 int32_t *len_out, bool *is_red)
{
    const int32_t head = r->always ? ARC_RED_PRIMARY_BYTES : 0;
    enum arc_status status = ARC_ERR_SPACE;

    if (payload_type < 0 || payload_type > MAX_PAYLOAD_TYPE || len < 0 ||
        (!frame && len > 0) || !out || cap < 1 || !len_out || !is_red)
        return ARC_ERR_ARG;
    earn_room(r, rtp_ts);
    if (len > 0)
        earn(r, frame, len);
    if (len == 0 && !copy_fits(r, rtp_ts, cap)) {
        status = ARC_AGAIN;
    } else if (len == 0) {
        /* A TOC and no bytes of a frame: silence (RFC 6716 §3.2.1). */
        *len_out = write_frame(r, payload_type, rtp_ts, &r->toc, 1, out, cap,
                               is_red);
        r->stats.afterwards++;
        status = ARC_OK;
    } else if (len + head <= cap) {
        *len_out = write_frame(r, payload_type, rtp_ts, frame, len, out, cap,
                               is_red);
        status = ARC_OK;
    }
    keep(r, rtp_ts, frame, len);
    return status;
}

void arc_redenc_stats(const struct arc_redenc *r, struct arc_redenc_stats *out)
{
    *out = r->stats;
}
