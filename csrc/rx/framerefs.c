/**
 * @file rx/framerefs.c  Whether a received frame can be decoded
 */
#include <string.h>

#include "rx/framerefs.h"

enum {
    FRAME_NUMBER_BITS = 16,
    FIRST_ID          = 1 << 20, /* so that older ones stay positive */
    ALL_LAYERS        = 0xff
};

enum ref_state { REF_DECODED, REF_MAY_COME, REF_GONE };

enum arc_status arc_framerefs_init(struct arc_framerefs *r, int32_t codec)
{
    if (!r || codec < ARC_VIDEO_H264 || codec > ARC_VIDEO_AV1)
        return ARC_ERR_ARG;
    memset(r, 0, sizeof(*r));
    r->codec      = codec;
    r->needs_key  = true;
    r->broken_seq = INT64_MIN;
    return ARC_OK;
}

static bool has_id(const struct arc_pl_video_info *info)
{
    return info->has_frame_number || info->ids.picture_id_bits;
}

/* The number on a line without wrap: of all that end so, the nearest to the
 * newest one. */
static int64_t id_of(const struct arc_framerefs *r,
                     const struct arc_pl_video_info *info)
{
    int bits = info->has_frame_number ? FRAME_NUMBER_BITS
                                      : info->ids.picture_id_bits;
    int64_t number = info->has_frame_number ? info->frame_number
                                            : info->ids.picture_id;
    int64_t span = INT64_C(1) << bits, diff;

    if (!r->has_newest)
        return FIRST_ID + number;
    diff = (number - r->newest_id) & (span - 1);
    return r->newest_id + (diff >= span / 2 ? diff - span : diff);
}

/* With frame numbers each layer has one of its own. */
static uint8_t sid_of(const struct arc_pl_video_info *info)
{
    return info->has_frame_number ? 0 : info->sid;
}

static struct arc_framerefs_slot *slot_of(struct arc_framerefs *r, int64_t id)
{
    return &r->slots[(uint64_t)id % ARC_FRAMEREFS_WINDOW];
}

/* What is known of a picture; NULL: nothing. */
static const struct arc_framerefs_slot *find(const struct arc_framerefs *r,
                                             int64_t id)
{
    const struct arc_framerefs_slot *s =
        &r->slots[(uint64_t)id % ARC_FRAMEREFS_WINDOW];

    return s->is_seen && s->id == id ? s : NULL;
}

static bool is_gone(const struct arc_framerefs *r, int64_t id, uint8_t sid)
{
    return r->has_gone &&
           (id < r->gone_id || (id == r->gone_id && sid < r->gone_sid));
}

static enum ref_state state_of(const struct arc_framerefs *r, int64_t id,
                               uint8_t sid)
{
    const struct arc_framerefs_slot *s = find(r, id);

    if (s && (s->decoded >> sid & 1))
        return REF_DECODED;
    if ((s && (s->broken >> sid & 1)) || is_gone(r, id, sid) ||
        (r->started && (id < r->last_id ||
                        (s && id == r->last_id && s->decoded >> sid))))
        return REF_GONE;
    return REF_MAY_COME;
}

static enum ref_state worse(enum ref_state a, enum ref_state b)
{
    return a > b ? a : b;
}

static enum ref_state by_reference(const struct arc_framerefs *r,
                                   const struct arc_pl_video_info *info,
                                   int64_t id)
{
    enum ref_state state = REF_DECODED;

    for (int i = 0; i < info->n_refs; i++)
        state = worse(state, state_of(r, id - info->refs[i], sid_of(info)));
    return state;
}

/* Every frame before it, but for those that nothing refers to. */
static enum ref_state by_order(const struct arc_framerefs *r, int64_t id,
                               uint8_t sid)
{
    for (int back = 1; back < ARC_FRAMEREFS_WINDOW; back++) {
        const struct arc_framerefs_slot *s = find(r, id - back);

        if (!s || !s->is_disposable)
            return state_of(r, id - back, sid);
    }
    return REF_GONE;
}

/* Whether a picture between says that the layers above it begin anew there, so
 * that the reference of the pattern across it does not count (RFC 9628 §4.2, U).
 */
static bool is_cut_off(const struct arc_framerefs *r, int64_t ref, int64_t id,
                       uint8_t tid)
{
    for (int64_t k = ref + 1; k < id; k++) {
        const struct arc_framerefs_slot *s = find(r, k);

        if (s && s->is_switching_up && s->tid < tid)
            return true;
    }
    return false;
}

static enum ref_state by_pattern(const struct arc_framerefs *r,
                                 const struct arc_pl_video_info *info,
                                 int64_t id)
{
    const struct arc_pl_vp9_picture *g;
    enum ref_state state = REF_DECODED;

    if (r->n_group == 0 || id < r->group_id)
        return by_order(r, id, info->sid);
    g = &r->group[(id - r->group_id) % r->n_group];
    if (g->tid != info->tid)
        return by_order(r, id, info->sid); /* out of step */
    for (int i = 0; i < g->n_pdiffs; i++) {
        int64_t ref = id - g->pdiffs[i];

        /* Nothing refers across a key picture. */
        if (ref >= r->key_id && !is_cut_off(r, ref, id, info->tid))
            state = worse(state, state_of(r, ref, info->sid));
    }
    return state;
}

/* What came between the frame decoded last and this one, and may be referred to
 * by one of temporal layer `tid`. */
static enum ref_state between(const struct arc_framerefs *r, int64_t id,
                              uint8_t tid)
{
    enum ref_state state = REF_DECODED;

    if (id - r->last_id > ARC_FRAMEREFS_WINDOW)
        return REF_GONE;
    for (int64_t k = r->last_id + 1; k < id; k++) {
        const struct arc_framerefs_slot *s = find(r, k);

        if (!s || (!s->is_disposable && s->tid <= tid))
            state = worse(state, state_of(r, k, 0));
    }
    return state;
}

/* VP8's base frames are counted; a frame above them needs that of its number,
 * and, without Y, whatever there is up to its own layer (RFC 7741 §4.2). */
static enum ref_state by_temporal_layer(const struct arc_framerefs *r,
                                        const struct arc_pl_video_info *info,
                                        int64_t id)
{
    uint8_t ahead = (uint8_t)(info->ids.tl0picidx - r->base_tl0);

    if (info->tid == 0)
        ahead--;
    if (ahead >= 128)
        return REF_GONE; /* a base frame older than the last one */
    if (ahead > 0)
        return is_gone(r, id - 1, 0) ? REF_GONE : REF_MAY_COME;
    if (info->tid == 0 || info->is_layer_sync)
        return REF_DECODED;
    return r->intact >> info->tid & 1 ? between(r, id, info->tid) : REF_GONE;
}

/* Its packets follow those of the frame decoded last. */
static enum ref_state by_packets(const struct arc_framerefs *r,
                                 const struct arc_framerefs_frame *f)
{
    if (f->first_seq == r->next_seq)
        return REF_DECODED;
    return r->has_gone && r->gone_seq > r->next_seq ? REF_GONE : REF_MAY_COME;
}

static bool names_refs(const struct arc_framerefs *r,
                       const struct arc_pl_video_info *info)
{
    return info->has_refs || (r->codec == ARC_VIDEO_VP9 && r->n_group > 0);
}

static enum ref_state refs_of(const struct arc_framerefs *r,
                              const struct arc_framerefs_frame *f)
{
    const struct arc_pl_video_info *info = &f->info;
    enum ref_state state = REF_DECODED;
    int64_t id;

    if (!r->started)
        return r->has_gone && r->gone_seq >= f->first_seq ? REF_GONE
                                                          : REF_MAY_COME;
    /* Where nothing else is said, all that follows a broken frame is broken. */
    if (!names_refs(r, info) && r->needs_key && f->first_seq > r->broken_seq)
        return REF_GONE;
    if (!has_id(info))
        return by_packets(r, f);
    id = id_of(r, info);
    if (id < r->last_id || (id == r->last_id && info->sid == 0))
        return REF_GONE; /* the numbers began anew, without a key frame */
    if (info->is_inter_layer)
        state = state_of(r, id, (uint8_t)(info->sid - 1) % 8);
    if (!info->is_predicted)
        return state;
    if (info->has_refs)
        return worse(state, by_reference(r, info, id));
    if (r->codec == ARC_VIDEO_VP9)
        return worse(state, by_pattern(r, info, id));
    if (info->has_layers && info->ids.tl0picidx_off)
        return by_temporal_layer(r, info, id);
    return by_order(r, id, info->sid);
}

/* The group of pictures that begins with this one (RFC 9628 §4.2.1). */
static void learn_group(struct arc_framerefs *r, int64_t id,
                        const uint8_t *payload, size_t len)
{
    struct arc_pl_vp9 d;
    struct arc_pl_vp9_ss ss;

    if (arc_pl_vp9_parse(payload, len, &d) != ARC_OK || d.ss_off == 0 ||
        arc_pl_vp9_read_ss(payload, len, &d, &ss) != ARC_OK || !ss.has_group)
        return;
    r->n_group = 0;
    if (ss.n_pictures > ARC_FRAMEREFS_MAX_GROUP)
        return; /* by order, then */
    r->n_group  = ss.n_pictures;
    r->group_id = id;
    memcpy(r->group, ss.pictures, sizeof(r->group));
}

void arc_framerefs_note(struct arc_framerefs *r,
                        const struct arc_pl_video_info *info,
                        const uint8_t *payload, size_t len)
{
    struct arc_framerefs_slot *s;
    int64_t id;

    if (!r || !info || !has_id(info))
        return;
    id = id_of(r, info);
    s  = slot_of(r, id);
    if (s->is_seen && s->id > id)
        return; /* too old to be remembered */
    if (!s->is_seen || s->id != id) {
        memset(s, 0, sizeof(*s));
        s->id      = id;
        s->is_seen = true;
    }
    s->tid             = info->tid;
    s->is_disposable   = !info->is_reference;
    s->is_switching_up = info->is_switching_up;
    if (!r->has_newest || id > r->newest_id)
        r->newest_id = id;
    r->has_newest = true;
    if (r->codec == ARC_VIDEO_VP9 && payload)
        learn_group(r, id, payload, len);
}

/* Leave the frame out, and what needs it. */
static void mark_broken(struct arc_framerefs *r,
                        const struct arc_framerefs_frame *f)
{
    const struct arc_pl_video_info *info = &f->info;

    if (has_id(info)) {
        struct arc_framerefs_slot *s = slot_of(r, id_of(r, info));

        if (s->is_seen && s->id == id_of(r, info))
            s->broken |= (uint8_t)(1 << sid_of(info));
    }
    r->stats.broken++;
    if (info->tid > 0 || info->sid > 0 || !info->is_reference)
        return;
    r->stats.base_broken++;
    if (!r->needs_key)
        r->broken_seq = f->first_seq;
    r->needs_key = true;
}

enum arc_frame_verdict arc_framerefs_judge(struct arc_framerefs *r,
                                           const struct arc_framerefs_frame *f)
{
    if (!r || !f || f->info.sid >= 8 || f->info.tid >= 8)
        return ARC_FRAME_BROKEN;
    if (r->started && f->first_seq < r->next_seq) {
        r->stats.late++;
        return ARC_FRAME_LATE;
    }
    if (f->info.is_key)
        return ARC_FRAME_DECODABLE;
    switch (refs_of(r, f)) {
    case REF_DECODED:
        return ARC_FRAME_DECODABLE;
    case REF_MAY_COME:
        if (!r->has_gone || r->gone_seq < f->first_seq)
            return ARC_FRAME_WAIT;
        break; /* a reference that is newer than the frame */
    case REF_GONE:
        break;
    }
    mark_broken(r, f);
    return ARC_FRAME_BROKEN;
}

/* Frames between these two that were not decoded may be missing to the upper
 * layers. */
static void note_passed(struct arc_framerefs *r, int64_t from, int64_t id)
{
    if (id - from > ARC_FRAMEREFS_WINDOW) {
        r->intact = 0;
        return;
    }
    for (int64_t k = from + 1; k < id; k++) {
        const struct arc_framerefs_slot *s = find(r, k);
        int tid = s && s->tid > 0 ? s->tid : 1; /* base frames are counted */

        if (!s || !(s->is_disposable || s->decoded))
            r->intact &= (uint8_t)((1 << tid) - 1);
    }
}

/* What of VP8's temporal layers is there after this frame. */
static void note_layers(struct arc_framerefs *r,
                        const struct arc_pl_video_info *info, int64_t id)
{
    if (!info->is_key)
        note_passed(r, r->last_id, id);
    if (info->is_layer_sync) {
        /* No later frame needs one above the base from before the base frame
         * (RFC 7741 §4.2, Y). */
        r->intact = ALL_LAYERS;
        note_passed(r, r->base_id, id);
    }
    if (info->tid == 0) {
        r->base_tl0 = info->ids.tl0picidx;
        r->base_id  = id;
    }
}

/* A key frame is behind all that was; its number may be of a new count. */
static void begin_at_key(struct arc_framerefs *r, int64_t id)
{
    if (r->started && id <= r->last_id) {
        for (int i = 0; i < ARC_FRAMEREFS_WINDOW; i++)
            if (r->slots[i].id != id)
                memset(&r->slots[i], 0, sizeof(r->slots[i]));
        r->newest_id = id;
        r->gone_id   = id;
        r->gone_sid  = 0;
    }
    r->key_id    = id;
    r->intact    = ALL_LAYERS;
}

void arc_framerefs_on_decoded(struct arc_framerefs *r,
                              const struct arc_framerefs_frame *f)
{
    const struct arc_pl_video_info *info = f ? &f->info : NULL;

    if (!r || !f)
        return;
    r->next_seq = f->last_seq + 1;
    r->stats.decoded++;
    r->stats.key_frames += info->is_key;
    if (has_id(info)) {
        int64_t id = id_of(r, info);
        struct arc_framerefs_slot *s = slot_of(r, id);

        if (info->is_key)
            begin_at_key(r, id);
        if (r->codec == ARC_VIDEO_VP8)
            note_layers(r, info, id);
        if (s->is_seen && s->id == id)
            s->decoded |= (uint8_t)(1 << sid_of(info));
        r->last_id = id;
    }
    r->started = r->started || info->is_key;
    if (f->first_seq > r->broken_seq && info->tid == 0 && info->sid == 0 &&
        info->is_reference)
        r->needs_key = false;
}

void arc_framerefs_give_up(struct arc_framerefs *r,
                           const struct arc_framerefs_frame *f)
{
    if (!r || !f || (r->has_gone && f->first_seq <= r->gone_seq))
        return;
    r->has_gone = true;
    r->gone_seq = f->first_seq;
    if (has_id(&f->info)) {
        r->gone_id  = id_of(r, &f->info);
        r->gone_sid = sid_of(&f->info);
    }
}

bool arc_framerefs_needs_key(const struct arc_framerefs *r)
{
    return !r || r->needs_key;
}
