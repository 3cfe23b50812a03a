/**
 * @file wire/pl_video_deps.c  The dependency descriptor of what is packed
 *
 * AV1 RTP, appendix A. Decode target s * n_temporal + t has the spatial layers
 * up to s and the temporal layers up to t. Chain s is what the base temporal
 * layer has of the spatial layers up to s. Templates are for streams that refer
 * as most encoders do; what a frame does otherwise goes with it.
 */
#include <string.h>

#include "wire/pl_video_parts.h"

enum {
    MAX_TEMPLATE_FDIFF = 16,
    MAX_TEMPLATE_CHAIN = 15,
    MAX_CHAIN_FDIFF    = 255
};

/* What a frame is to a decode target (table A.1). */
static enum arc_dti dti(const struct arc_pl_layer *l, int n_temporal, int s,
                        int t)
{
    if (l->sid > s || l->tid > t)
        return ARC_DTI_NOT_PRESENT;
    if (l->is_key)
        return ARC_DTI_SWITCH;
    if (l->sid < s)
        return ARC_DTI_REQUIRED; /* the layer above needs it, or may */
    if (!l->is_reference)
        return ARC_DTI_DISCARDABLE;
    if (l->sid == 0 &&
        (n_temporal == 1 || l->is_switching_up || l->is_layer_sync))
        return ARC_DTI_SWITCH;
    return ARC_DTI_REQUIRED;
}

static void put_dtis(const struct arc_pl_layer *l, int n_spatial,
                     int n_temporal, struct arc_depdesc_deps *out)
{
    for (int s = 0; s < n_spatial; s++)
        for (int t = 0; t < n_temporal; t++)
            out->dtis[s * n_temporal + t] = (uint8_t)dti(l, n_temporal, s, t);
}

static bool has_descriptor(const struct arc_pl_video_packer *p)
{
    return p->n_spatial * p->n_temporal <= ARC_DEPDESC_MAX_TARGETS;
}

/* The frames that this one refers to; false: there was none. */
static bool put_fdiffs(const struct arc_pl_video_tx *tx,
                       const struct arc_pl_layer *l,
                       struct arc_depdesc_deps *out)
{
    if (l->is_inter_layer)
        out->fdiffs[out->n_fdiffs++] = 1;
    for (int i = 0; i < l->n_refs; i++) {
        int64_t picture = tx->pictures - l->refs[i];
        int64_t slot = picture % ARC_PL_VIDEO_HISTORY;

        if (picture < tx->key_picture ||
            !(tx->frames_there[slot] >> l->sid & 1))
            return false;
        out->fdiffs[out->n_fdiffs++] =
            (uint16_t)(tx->frame_number - tx->frame_numbers[slot][l->sid]);
    }
    return true;
}

/* How far back each chain's last frame is (A.8.3); 0: it begins here, or is too
 * far away to be told. */
static void put_chains(const struct arc_pl_video_tx *tx,
                       const struct arc_pl_layer *l,
                       struct arc_depdesc_deps *out)
{
    for (int s = 0; s < tx->cfg.n_spatial; s++) {
        bool begins = l->is_key && !l->is_inter_layer && s >= l->sid;
        uint16_t back = (uint16_t)(tx->frame_number - tx->chain_frame[s]);

        if (!begins && (tx->chain_known >> s & 1) && back <= MAX_CHAIN_FDIFF)
            out->chain_fdiffs[s] = (uint8_t)back;
    }
}

/* The frame is the last of its chains now, and one that can be referred to. */
static void keep_frame(struct arc_pl_video_tx *tx, const struct arc_pl_layer *l)
{
    int64_t slot = tx->pictures % ARC_PL_VIDEO_HISTORY;

    for (int s = l->sid; l->tid == 0 && s < tx->cfg.n_spatial; s++) {
        tx->chain_frame[s] = tx->frame_number;
        tx->chain_known |= (uint8_t)(1 << s);
    }
    tx->frame_numbers[slot][l->sid] = tx->frame_number;
    tx->frames_there[slot] |= (uint8_t)(1 << l->sid);
    tx->frame_number++;
}

enum arc_status arc_pl_video_note_deps(struct arc_pl_video_packer *p,
                                       struct arc_pl_video_tx *tx)
{
    p->first_frame_number = tx->frame_number;
    tx->frames_there[tx->pictures % ARC_PL_VIDEO_HISTORY] = 0;
    for (int i = 0; i < p->n_layers; i++) {
        const struct arc_pl_layer *l = &p->layers[i];

        p->deps[i].spatial_id  = l->sid;
        p->deps[i].temporal_id = l->tid;
        if (!put_fdiffs(tx, l, &p->deps[i]))
            return ARC_ERR_ARG;
        put_chains(tx, l, &p->deps[i]);
        if (has_descriptor(p))
            put_dtis(l, p->n_spatial, p->n_temporal, &p->deps[i]);
        keep_frame(tx, l);
    }
    tx->pictures++;
    return ARC_OK;
}

/* Pictures from one of a temporal layer to that which it mostly refers to: each
 * layer doubles the rate of those below. */
static int usual_distance(int n_temporal, int tid)
{
    return 1 << (n_temporal - 1 - tid);
}

static void make_template(const struct arc_pl_video_packer *p, int sid, int tid,
                          bool is_key, struct arc_depdesc_deps *t)
{
    struct arc_pl_layer l;
    int frames = is_key ? 0 : usual_distance(p->n_temporal, tid) * p->n_spatial;

    memset(&l, 0, sizeof(l));
    l.sid             = (uint8_t)sid;
    l.tid             = (uint8_t)tid;
    l.is_key          = is_key;
    l.is_switching_up = true;
    l.is_reference    = tid + 1 < p->n_temporal || p->n_temporal == 1;
    t->spatial_id     = l.sid;
    t->temporal_id    = l.tid;
    put_dtis(&l, p->n_spatial, p->n_temporal, t);
    if (sid > 0)
        t->fdiffs[t->n_fdiffs++] = 1;
    if (frames >= 1 && frames <= MAX_TEMPLATE_FDIFF)
        t->fdiffs[t->n_fdiffs++] = (uint16_t)frames;
    for (int s = 0; s < p->n_spatial; s++) {
        int back = tid > 0    ? frames + sid - s
                 : s < sid    ? sid - s
                 : sid > 0    ? 1 /* the layer below is of the chain, too */
                 : is_key     ? 0 : frames - s;

        if (back > 0 && back <= MAX_TEMPLATE_CHAIN)
            t->chain_fdiffs[s] = (uint8_t)back;
    }
}

static void make_structure(const struct arc_pl_video_packer *p,
                           struct arc_depdesc_structure *s)
{
    memset(s, 0, sizeof(*s));
    s->n_targets = (uint8_t)(p->n_spatial * p->n_temporal);
    s->n_chains  = p->n_spatial;
    for (int i = 0; i < s->n_targets; i++)
        s->protected_by[i] = (uint8_t)(i / p->n_temporal);
    for (int sid = 0; sid < p->n_spatial; sid++) {
        make_template(p, sid, 0, true, &s->templates[s->n_templates++]);
        for (int tid = 0; tid < p->n_temporal; tid++)
            make_template(p, sid, tid, false, &s->templates[s->n_templates++]);
    }
    s->has_sizes = p->n_layers == p->n_spatial;
    for (int i = 0; i < p->n_layers; i++) {
        s->width_px[i]  = p->layers[i].width_px;
        s->height_px[i] = p->layers[i].height_px;
        s->has_sizes    = s->has_sizes && s->width_px[i] && s->height_px[i];
    }
}

enum arc_status arc_pl_video_packer_depdesc(
    const struct arc_pl_video_packer *p, const struct arc_pl_video_place *place,
    uint8_t *out, size_t cap, size_t *len_out)
{
    struct arc_depdesc_structure s;
    struct arc_depdesc d;

    if (!p || !place || !out || !len_out || place->layer >= p->n_layers)
        return ARC_ERR_ARG;
    if (!has_descriptor(p))
        return ARC_ERR_UNSUPPORTED;
    make_structure(p, &s);
    memset(&d, 0, sizeof(d));
    d.starts_frame  = place->starts_frame;
    d.ends_frame    = place->ends_frame;
    d.frame_number  = (uint16_t)(p->first_frame_number + place->layer);
    d.has_structure = place->starts_frame && place->layer == 0 &&
                      p->layers[0].is_key;
    d.deps          = p->deps[place->layer];
    return arc_depdesc_write(&d, &s, out, cap, len_out);
}
