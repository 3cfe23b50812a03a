/**
 * @file router/layerselect.c  Which packets of a track one subscriber gets
 *
 * Declared in router/layers.h.
 */
#include <string.h>

#include "router/layers.h"

static uint64_t below(unsigned n)
{
    return (UINT64_C(1) << n) - 1;
}

static unsigned count_bits(uint64_t v)
{
    unsigned n = 0;

    for (; v; v &= v - 1)
        n++;
    return n;
}

void arc_layerselect_init(struct arc_layerselect *sel)
{
    memset(sel, 0, sizeof(*sel));
    sel->source        = ARC_LAYERSELECT_NONE;
    sel->want_spatial  = ARC_LAYERS_ALL;
    sel->want_temporal = ARC_LAYERS_ALL;
}

enum arc_status arc_layerselect_want(struct arc_layerselect *sel, int source,
                                     int spatial, int temporal)
{
    if (!sel || source < 0 || source >= ARC_LAYERSELECT_NONE || spatial < 0 ||
        spatial > ARC_LAYERS_ALL || temporal < 0 || temporal > ARC_LAYERS_ALL)
        return ARC_ERR_ARG;
    sel->want_source   = (uint8_t)source;
    sel->want_spatial  = (uint8_t)spatial;
    sel->want_temporal = (uint8_t)temporal;
    sel->waits_spatial = false; /* the next packet left out tells anew */
    return ARC_OK;
}

/* True if a picture that this one needs was left out. Those that did not come
 * (yet) are taken as sent: they are on their way. */
static bool misses_refs(const struct arc_layerselect *sel,
                        const struct arc_layerinfo *info, unsigned back)
{
    return info->refs << back & sel->seen & ~sel->kept;
}

static enum arc_dti dti_of(const struct arc_layerinfo *info, int target)
{
    return (enum arc_dti)(info->dtis >> (2 * target) & 3);
}

/* The decode target with the highest layers that are wanted; if none is low
 * enough, the one with the lowest. */
static int best_target(const struct arc_layerselect *sel,
                       const struct arc_layerinfo *info, bool must_be_present)
{
    const struct arc_layertargets *t = info->targets;
    int best = -1, best_score = 0;

    for (int i = 0; i < t->n_targets; i++) {
        bool fits = t->spatial[i] <= sel->want_spatial &&
                    t->temporal[i] <= sel->want_temporal;
        int height = 8 * t->spatial[i] + t->temporal[i];
        int score = fits ? 64 + height : 63 - height;

        if (!(info->active_targets >> i & 1) ||
            (must_be_present && dti_of(info, i) == ARC_DTI_NOT_PRESENT))
            continue;
        if (best < 0 || score > best_score) {
            best       = i;
            best_score = score;
        }
    }
    return best < 0 ? 0 : best;
}

/* AV1 RTP, A.7: at a decodable frame with a switch indication; and down, to a
 * target all of whose frames were sent, with any new picture. */
static bool may_enter(const struct arc_layerselect *sel,
                      const struct arc_layerinfo *info, int target)
{
    const struct arc_layertargets *t = info->targets;

    if (sel->target < t->n_targets && t->within[sel->target] >> target & 1)
        return info->starts_picture;
    return dti_of(info, target) == ARC_DTI_SWITCH && !misses_refs(sel, info, 0);
}

static void aim_at_target(struct arc_layerselect *sel,
                          const struct arc_layerinfo *info)
{
    const struct arc_layertargets *t = info->targets;
    int want = best_target(sel, info, false);

    if (info->is_key)
        sel->target = (uint8_t)best_target(sel, info, true);
    else if (want != sel->target && may_enter(sel, info, want))
        sel->target = (uint8_t)want;
    else if (sel->target >= t->n_targets)
        sel->target = (uint8_t)want; /* the frame with the structure is lost */
    sel->waits_spatial = t->spatial[want] != t->spatial[sel->target];
}

static bool judge_by_target(struct arc_layerselect *sel,
                            const struct arc_layerinfo *info, bool is_newest)
{
    if (is_newest)
        aim_at_target(sel, info);
    /* A key frame carries the structure: nothing can be read without it. */
    return info->is_key || dti_of(info, sel->target) != ARC_DTI_NOT_PRESENT;
}

/* Spatial layers of VP9: down at a new picture, all at a key picture. */
static void aim_spatial(struct arc_layerselect *sel,
                        const struct arc_layerinfo *info)
{
    if (!info->is_key && sel->want_spatial >= sel->spatial)
        return;
    if (sel->want_spatial != sel->spatial) {
        sel->spatial_before = sel->spatial;
        sel->spatial        = sel->want_spatial;
        sel->spatial_since  = info->picture;
    }
    sel->waits_spatial = false;
}

static bool judge_temporal(struct arc_layerselect *sel,
                           const struct arc_layerinfo *info, unsigned back)
{
    uint8_t limit = sel->temporal;

    if (info->temporal > sel->want_temporal)
        return false;
    if (info->temporal > 0 && info->has_refs && misses_refs(sel, info, back))
        return false;
    /* RFC 7741 §4.2: Y lets in this layer and not those above it. */
    if (info->temporal <= limit || info->has_refs ||
        (info->is_layer_sync && info->temporal == limit + 1)) {
        if (back == 0 && info->temporal > limit)
            sel->temporal = info->temporal;
        return true;
    }
    return false;
}

static bool judge_by_layers(struct arc_layerselect *sel,
                            const struct arc_layerinfo *info, unsigned back)
{
    bool keeps;

    if (back == 0) {
        aim_spatial(sel, info);
        if (info->is_key || sel->temporal > sel->want_temporal)
            sel->temporal = sel->want_temporal;
    }
    keeps = judge_temporal(sel, info, back);
    /* RFC 9628 §4.2: after U, no picture needs a higher one from before it. */
    if (keeps && back == 0 && info->is_switching_up)
        sel->temporal = sel->want_temporal;
    return keeps;
}

/* First packet of a picture: the decision for all of it. */
static void judge(struct arc_layerselect *sel, const struct arc_layerinfo *info,
                  unsigned back)
{
    uint64_t bit = UINT64_C(1) << back;
    bool keeps = true; /* without its structure, a frame is not understood */

    if (info->targets)
        keeps = judge_by_target(sel, info, back == 0);
    else if (!info->has_descriptor)
        keeps = judge_by_layers(sel, info, back);
    sel->seen |= bit;
    if (keeps)
        sel->kept |= bit;
    if (back == 0 && (keeps || info->keeps_distance)) {
        sel->numbered |= bit;
        sel->picture_out++;
    }
}

/* Make room for a newer picture. Those between were not seen: each keeps a
 * number, in case it comes late. */
static void advance(struct arc_layerselect *sel,
                    const struct arc_layerinfo *info)
{
    int64_t ahead = info->picture - sel->newest;

    sel->newest = info->picture;
    if (ahead < ARC_LAYERSELECT_MEMORY) {
        unsigned n = (unsigned)ahead;

        sel->seen <<= n;
        sel->kept <<= n;
        sel->numbered = sel->numbered << n | (below(n) & ~UINT64_C(1));
    } else { /* a long break: as if all of the memory had been lost */
        sel->seen = sel->kept = 0;
        sel->numbered         = ~UINT64_C(1);
        if (!info->keeps_distance)
            ahead = ARC_LAYERSELECT_MEMORY;
    }
    sel->picture_out = (uint16_t)(sel->picture_out + ahead - 1);
}

/* The highest spatial layer of VP9 that is sent of this picture. */
static uint8_t spatial_limit(const struct arc_layerselect *sel,
                             const struct arc_layerinfo *info)
{
    return info->picture >= sel->spatial_since ? sel->spatial
                                               : sel->spatial_before;
}

/* True if the layer of this packet is sent. RFC 9628 §4.2: a frame with P of 0
 * can be entered from the layer directly below. */
static bool passes_spatial(struct arc_layerselect *sel,
                           const struct arc_layerinfo *info)
{
    if (info->has_descriptor || info->spatial <= spatial_limit(sel, info))
        return true;
    if (info->spatial > sel->want_spatial)
        return false;
    if (info->picture == sel->newest && !info->is_predicted &&
        info->spatial == sel->spatial + 1) {
        if (sel->spatial_since != info->picture)
            sel->spatial_before = sel->spatial;
        sel->spatial       = info->spatial;
        sel->spatial_since = info->picture;
        sel->waits_spatial = false;
        return true;
    }
    sel->waits_spatial = true;
    return false;
}

static enum arc_layerdrop decide(struct arc_layerselect *sel,
                                 const struct arc_layerinfo *info)
{
    int64_t back;

    if (!info->has_number)
        return ARC_LAYERDROP_NONE;
    if (info->picture > sel->newest)
        advance(sel, info);
    back = sel->newest - info->picture;
    if (back >= ARC_LAYERSELECT_MEMORY)
        return ARC_LAYERDROP_LATE;
    if (!(sel->seen >> back & 1))
        judge(sel, info, (unsigned)back);
    if (!(sel->kept >> back & 1))
        return info->targets && info->spatial > sel->want_spatial
                   ? ARC_LAYERDROP_SPATIAL
                   : ARC_LAYERDROP_TEMPORAL;
    return passes_spatial(sel, info) ? ARC_LAYERDROP_NONE
                                     : ARC_LAYERDROP_SPATIAL;
}

/* The numbers go on behind the last ones sent; the first source keeps its. */
static void join_numbers(struct arc_layerselect *sel,
                         const struct arc_layerinfo *info)
{
    if (!sel->started) {
        sel->picture_out = info->ids.picture_id;
        return;
    }
    sel->picture_out++;
    sel->tl0_shift    = (uint8_t)(sel->tl0_out + 1 - info->ids.tl0picidx);
    sel->keyidx_shift = (uint8_t)(sel->keyidx_out + 1 - info->ids.keyidx);
    sel->frame_shift  = (uint16_t)(sel->frame_out + 1 - info->frame_number);
}

static void join(struct arc_layerselect *sel, int source,
                 const struct arc_layerinfo *info, int64_t seq)
{
    sel->source    = (uint8_t)source;
    sel->first_seq = seq;
    sel->newest    = info->picture;
    sel->seen     = ~UINT64_C(0); /* nothing from before it was sent */
    sel->kept     = 1;
    sel->numbered = 1;
    sel->spatial = sel->spatial_before = sel->want_spatial;
    sel->spatial_since                 = info->picture;
    sel->temporal                      = sel->want_temporal;
    sel->waits_spatial                 = false;
    if (info->targets)
        aim_at_target(sel, info);
    join_numbers(sel, info);
    sel->started = true;
    sel->n_switches++;
}

/* True if nothing above this frame is sent of its picture. */
static bool ends_picture(const struct arc_layerselect *sel,
                         const struct arc_layerinfo *info)
{
    if (!info->ends_frame || !info->has_number)
        return false;
    if (!info->has_descriptor)
        return info->spatial == spatial_limit(sel, info);
    /* From a frame that needs none, another target may still be entered. */
    return info->targets && sel->target < info->targets->n_targets &&
           info->spatial == info->targets->spatial[sel->target] &&
           (info->is_predicted || !sel->waits_spatial);
}

static void fill_edit(struct arc_layerselect *sel,
                      const struct arc_layerinfo *info,
                      struct arc_layeredit *edit)
{
    uint64_t later = 0;

    if (info->has_number)
        later = sel->numbered & below((unsigned)(sel->newest - info->picture));
    edit->set_marker     = ends_picture(sel, info);
    edit->ids            = info->ids;
    edit->ids.picture_id = (uint16_t)(sel->picture_out - count_bits(later));
    edit->ids.tl0picidx  = (uint8_t)(info->ids.tl0picidx + sel->tl0_shift);
    edit->ids.keyidx     = (info->ids.keyidx + sel->keyidx_shift) & 0x1f;
    edit->has_frame_number = info->has_descriptor;
    edit->frame_number = (uint16_t)(info->frame_number + sel->frame_shift);
    if (info->in_order) {
        sel->tl0_out    = edit->ids.tl0picidx;
        sel->keyidx_out = edit->ids.keyidx;
        sel->frame_out  = edit->frame_number;
    }
}

static enum arc_layerdrop decide_source(const struct arc_layerselect *sel,
                                        int source, int64_t seq)
{
    if (source == sel->source)
        return seq < sel->first_seq ? ARC_LAYERDROP_LATE : ARC_LAYERDROP_NONE;
    return source == sel->want_source ? ARC_LAYERDROP_WAITS
                                      : ARC_LAYERDROP_SOURCE;
}

int arc_layerselect_on_packet(struct arc_layerselect *sel, int source,
                              const struct arc_layerinfo *info, int64_t seq,
                              struct arc_layeredit *edit)
{
    bool joins = source == sel->want_source && source != sel->source &&
                 info->is_key && info->starts_frame && info->in_order;
    enum arc_layerdrop reason = ARC_LAYERDROP_NONE;

    memset(edit, 0, sizeof(*edit));
    if (joins)
        join(sel, source, info, seq);
    else
        reason = decide_source(sel, source, seq);
    if (!joins && reason == ARC_LAYERDROP_NONE)
        reason = decide(sel, info);
    if (reason != ARC_LAYERDROP_NONE) {
        edit->reason = (uint8_t)reason;
        sel->n_dropped[reason]++;
        return ARC_LAYER_DROP;
    }
    fill_edit(sel, info, edit);
    sel->n_forwarded++;
    return joins ? ARC_LAYER_SWITCH : ARC_LAYER_FORWARD;
}

int arc_layerselect_wants_key(const struct arc_layerselect *sel)
{
    if (sel->source != sel->want_source)
        return sel->want_source;
    return sel->waits_spatial ? sel->source : -1;
}

void arc_layerselect_gone(struct arc_layerselect *sel, int source)
{
    if (sel->source == source)
        sel->source = ARC_LAYERSELECT_NONE;
}

void arc_layeredit_apply(const struct arc_layeredit *edit, uint8_t *payload,
                         size_t len)
{
    arc_vpxids_write(&edit->ids, payload, len);
}
