/**
 * @file wire/pl_video.c  One interface over the video payload formats: packer
 *
 * The receiving half is in wire/pl_video_unpack.c, the dependency descriptor in
 * wire/pl_video_deps.c.
 */
#include <string.h>

#include "wire/pl_video_parts.h"

enum {
    PICTURE_ID_BITS = 15,
    MAX_PICTURE_ID  = 0x7fff,
    MAX_KEYIDX      = 31,
    MAX_LAYER_IDS   = 8,
    MAX_GROUP       = 4
};

/* The patterns of VP9 that is not flexible: every picture of a group, from the
 * key picture on (tid, U, references). Each temporal layer refers to those below
 * it, so that U is true of all. */
static const struct {
    uint8_t n;
    struct arc_pl_vp9_picture pictures[MAX_GROUP];
} groups[] = {
    {1, {{0, true, 1, {1}}}},
    {2, {{0, true, 1, {2}}, {1, true, 1, {1}}}},
    {4, {{0, true, 1, {4}}, {2, true, 1, {1}}, {1, true, 1, {2}},
         {2, true, 1, {1}}}},
};

static bool is_multilayer(const struct arc_pl_video_config *c)
{
    return c->n_temporal > 1 || c->n_spatial > 1;
}

static uint8_t most_temporal(const struct arc_pl_video_config *c)
{
    if (c->codec == ARC_VIDEO_VP8)
        return 4; /* TID has two bits */
    if (c->codec == ARC_VIDEO_VP9 && !c->is_flexible)
        return sizeof(groups) / sizeof(groups[0]);
    return MAX_LAYER_IDS;
}

static uint8_t most_spatial(int32_t codec)
{
    switch (codec) {
    case ARC_VIDEO_VP9: return MAX_LAYER_IDS;
    case ARC_VIDEO_AV1: return 4; /* spatial_id has two bits */
    default:            return 1;
    }
}

enum arc_status arc_pl_video_tx_init(struct arc_pl_video_tx *tx,
                                     const struct arc_pl_video_config *cfg)
{
    if (!tx || !cfg || cfg->codec < ARC_VIDEO_H264 ||
        cfg->codec > ARC_VIDEO_AV1 || cfg->n_temporal < 1 ||
        cfg->n_temporal > most_temporal(cfg) || cfg->n_spatial < 1 ||
        cfg->n_spatial > most_spatial(cfg->codec) ||
        cfg->picture_id > MAX_PICTURE_ID || cfg->keyidx > MAX_KEYIDX)
        return ARC_ERR_ARG;
    memset(tx, 0, sizeof(*tx));
    tx->cfg = *cfg;
    return ARC_OK;
}

static bool refs_ok(const struct arc_pl_layer *l)
{
    if (l->n_refs > ARC_PL_MAX_REFS || (l->is_key && l->n_refs))
        return false;
    for (int i = 0; i < l->n_refs; i++)
        if (l->refs[i] < 1 || l->refs[i] >= ARC_PL_VIDEO_HISTORY)
            return false;
    return true;
}

/* Inside the picture, one temporal layer, spatial layers going up. */
static bool layers_ok(const struct arc_pl_video_tx *tx, size_t len,
                      const struct arc_pl_layer *layers, int32_t n_layers)
{
    if (n_layers < 1 || n_layers > tx->cfg.n_spatial ||
        (tx->cfg.codec == ARC_VIDEO_VP9 && tx->pictures == 0 &&
         !layers[0].is_key))
        return false;
    for (int i = 0; i < n_layers; i++) {
        const struct arc_pl_layer *l = &layers[i];

        if (l->len == 0 || l->len > len || l->off > len - l->len ||
            l->sid >= tx->cfg.n_spatial || l->tid >= tx->cfg.n_temporal ||
            l->tid != layers[0].tid || !refs_ok(l) ||
            (i == 0 ? l->is_inter_layer : l->sid <= layers[i - 1].sid))
            return false;
    }
    return true;
}

/* Whether a receiver that goes by the pattern knows of all references. */
static bool in_pattern(const struct arc_pl_video_tx *tx,
                       const struct arc_pl_layer *l)
{
    int64_t since_key = l->is_key ? 0 : tx->pictures - tx->key_picture;
    int64_t n = groups[tx->cfg.n_temporal - 1].n;
    const struct arc_pl_vp9_picture *g =
        &groups[tx->cfg.n_temporal - 1].pictures[since_key % n];

    if (l->tid != g->tid)
        return false;
    for (int i = 0; i < l->n_refs; i++)
        if (!memchr(g->pdiffs, l->refs[i], g->n_pdiffs))
            return false;
    return true;
}

static bool vp9_can_say(const struct arc_pl_video_tx *tx,
                        const struct arc_pl_layer *layers, int32_t n_layers)
{
    for (int i = 0; i < n_layers; i++)
        if (tx->cfg.is_flexible ? layers[i].n_refs > ARC_PL_VP9_MAX_REFS
                                : !in_pattern(tx, &layers[i]))
            return false;
    return true;
}

/* The structure goes with a key picture; it tells sizes that are known of all. */
static void make_ss(struct arc_pl_video_packer *p,
                    const struct arc_pl_video_config *cfg)
{
    struct arc_pl_vp9_ss ss;

    memset(&ss, 0, sizeof(ss));
    ss.n_spatial = cfg->n_spatial;
    ss.has_sizes = p->n_layers == cfg->n_spatial;
    for (int i = 0; i < p->n_layers; i++) {
        ss.width_px[i]  = p->layers[i].width_px;
        ss.height_px[i] = p->layers[i].height_px;
        ss.has_sizes    = ss.has_sizes && ss.width_px[i] && ss.height_px[i];
    }
    ss.has_group = !cfg->is_flexible;
    if (ss.has_group) {
        ss.n_pictures = groups[cfg->n_temporal - 1].n;
        memcpy(ss.pictures, groups[cfg->n_temporal - 1].pictures,
               sizeof(groups[0].pictures));
    }
    arc_pl_vp9_write_ss(&ss, p->ss, sizeof(p->ss), &p->ss_len);
}

/* Take the numbers of this picture, and leave the next one's. */
static void step_ids(struct arc_pl_video_packer *p, struct arc_pl_video_tx *tx)
{
    struct arc_pl_video_config *c = &tx->cfg;
    const struct arc_pl_layer *base = &p->layers[0];

    /* RFC 7741 §4.2: TL0PICIDX steps with each picture of the base layer; the
     * others carry that of the picture which they depend on. */
    p->ids.picture_id_bits = PICTURE_ID_BITS;
    p->ids.picture_id      = c->picture_id;
    p->ids.tl0picidx       = (uint8_t)(c->tl0picidx - (base->tid > 0));
    p->ids.keyidx          = (uint8_t)(c->keyidx - !base->is_key) & MAX_KEYIDX;
    c->picture_id = (c->picture_id + 1) & MAX_PICTURE_ID;
    c->tl0picidx  = (uint8_t)(c->tl0picidx + (base->tid == 0));
    c->keyidx     = (uint8_t)(c->keyidx + base->is_key) & MAX_KEYIDX;
    if (base->is_key)
        tx->key_picture = tx->pictures;
}

static enum arc_status begin_vp8(struct arc_pl_video_packer *p,
                                 const struct arc_pl_layer *l)
{
    struct arc_pl_vp8 head;

    memset(&head, 0, sizeof(head));
    head.is_non_reference  = !l->is_reference;
    head.has_tid           = p->has_layers;
    head.tid               = l->tid;
    head.is_layer_sync     = l->is_layer_sync;
    head.ids               = p->ids;
    head.ids.tl0picidx_off = p->has_layers; /* not 0: present */
    head.ids.keyidx_off    = p->has_layers;
    return arc_pl_vp8_packer_init(&p->vp8, &head, p->data + l->off, l->len,
                                  p->max_payload_bytes);
}

static enum arc_status begin_vp9(struct arc_pl_video_packer *p,
                                 const struct arc_pl_layer *l)
{
    struct arc_pl_vp9 head;
    bool is_top = p->layer + 1 == p->n_layers;
    bool has_ss = p->layer == 0 && p->ss_len;

    memset(&head, 0, sizeof(head));
    head.is_predicted    = l->n_refs > 0;
    head.is_flexible     = p->is_flexible;
    head.has_layers      = p->has_layers;
    head.is_no_upper_ref = is_top || !p->layers[p->layer + 1].is_inter_layer;
    head.is_switching_up = l->is_switching_up;
    head.is_inter_layer  = l->is_inter_layer;
    head.tid             = l->tid;
    head.sid             = l->sid;
    head.ids             = p->ids;
    if (p->is_flexible) {
        head.n_pdiffs = l->n_refs;
        memcpy(head.pdiffs, l->refs, l->n_refs);
    }
    return arc_pl_vp9_packer_init(&p->vp9, &head, has_ss ? p->ss : NULL,
                                  has_ss ? p->ss_len : 0, p->data + l->off,
                                  l->len, p->max_payload_bytes);
}

/* The packer of the codec, at the beginning of the picture or of its next
 * layer. */
static enum arc_status begin_layer(struct arc_pl_video_packer *p, size_t len,
                                   bool is_single_nal)
{
    const struct arc_pl_layer *l = &p->layers[p->layer];

    switch (p->codec) {
    case ARC_VIDEO_H264:
        return is_single_nal
            ? arc_pl_h264_packer_init_single(&p->h264, p->data, len,
                                             p->max_payload_bytes)
            : arc_pl_h264_packer_init(&p->h264, p->data, len,
                                      p->max_payload_bytes);
    case ARC_VIDEO_VP8:
        return begin_vp8(p, l);
    case ARC_VIDEO_VP9:
        return begin_vp9(p, l);
    default:
        return arc_pl_av1_packer_init(&p->av1, p->data, len, l->is_key,
                                      p->max_payload_bytes);
    }
}

static void describe(struct arc_pl_video_packer *p,
                     const struct arc_pl_video_config *cfg, const uint8_t *data,
                     const struct arc_pl_layer *layers, int32_t n_layers,
                     size_t max_payload_bytes)
{
    memset(p, 0, sizeof(*p));
    p->codec             = cfg->codec;
    p->data              = data;
    p->max_payload_bytes = max_payload_bytes;
    p->is_flexible       = cfg->is_flexible;
    p->has_layers        = is_multilayer(cfg);
    p->n_temporal        = cfg->n_temporal;
    p->n_spatial         = cfg->n_spatial;
    p->n_layers          = (uint8_t)n_layers;
    memcpy(p->layers, layers, sizeof(*layers) * (size_t)n_layers);
}

enum arc_status arc_pl_video_packer_init(struct arc_pl_video_packer *p,
                                         struct arc_pl_video_tx *tx,
                                         const uint8_t *data, size_t len,
                                         const struct arc_pl_layer *layers,
                                         int32_t n_layers,
                                         size_t max_payload_bytes)
{
    struct arc_pl_video_tx next;
    enum arc_status status;

    if (!p || !tx || !data || !layers ||
        max_payload_bytes < ARC_PL_VIDEO_MIN_PAYLOAD_BYTES ||
        max_payload_bytes > ARC_PL_VIDEO_MAX_PAYLOAD_BYTES ||
        !layers_ok(tx, len, layers, n_layers))
        return ARC_ERR_ARG;
    if (tx->cfg.codec == ARC_VIDEO_VP9 && !vp9_can_say(tx, layers, n_layers))
        return ARC_ERR_UNSUPPORTED;

    describe(p, &tx->cfg, data, layers, n_layers, max_payload_bytes);
    next = *tx;
    step_ids(p, &next);
    status = arc_pl_video_note_deps(p, &next);
    if (status != ARC_OK)
        return status;
    if (p->codec == ARC_VIDEO_VP9 && layers[0].is_key)
        make_ss(p, &tx->cfg);
    status = begin_layer(p, len, tx->cfg.is_single_nal);
    if (status == ARC_OK)
        *tx = next;
    return status;
}

/* The next payload of the codec; `ends`: of this layer, `last`: of all. */
static enum arc_status next_payload(struct arc_pl_video_packer *p, uint8_t *out,
                                    size_t *len_out, bool *ends, bool *last)
{
    struct arc_pl_av1_place place;
    enum arc_status status;

    switch (p->codec) {
    case ARC_VIDEO_H264:
        status = arc_pl_h264_packer_next(&p->h264, out, p->max_payload_bytes,
                                         len_out, ends);
        break;
    case ARC_VIDEO_VP8:
        status = arc_pl_vp8_packer_next(&p->vp8, out, len_out, ends);
        break;
    case ARC_VIDEO_VP9:
        status = arc_pl_vp9_packer_next(&p->vp9, out, len_out, ends);
        break;
    default:
        status = arc_pl_av1_packer_next(&p->av1, out, len_out, &place);
        if (status == ARC_OK) {
            *ends = place.ends_frame;
            *last = place.last;
        }
        return status;
    }
    if (status == ARC_OK)
        *last = *ends && p->layer + 1 == p->n_layers;
    return status;
}

enum arc_status arc_pl_video_packer_next(struct arc_pl_video_packer *p,
                                         uint8_t *out, size_t *len_out,
                                         struct arc_pl_video_place *place)
{
    enum arc_status status;
    bool ends = false, last = false;

    if (!p || !out || !len_out || !place)
        return ARC_ERR_ARG;
    status = next_payload(p, out, len_out, &ends, &last);
    if (status != ARC_OK)
        return status;

    place->layer        = p->layer;
    place->tid          = p->layers[p->layer].tid;
    place->sid          = p->layers[p->layer].sid;
    place->starts_frame = !p->in_frame;
    place->ends_frame   = ends;
    place->last         = last;
    p->in_frame         = !ends;
    /* AV1 knows the layers by their OBUs: those of one more than were told
     * count as the last. */
    if (ends && p->layer + 1 < p->n_layers) {
        p->layer++;
        if (p->codec == ARC_VIDEO_VP9)
            begin_vp9(p, &p->layers[p->layer]);
    }
    return ARC_OK;
}
