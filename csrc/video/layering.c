/**
 * @file video/layering.c  Which frame refers to which, with layers
 */
#include <string.h>

#include "video/layering.h"

enum { MAX_GROUP = 4 };

static const int32_t tids[ARC_LAYERING_MAX_LAYERS][MAX_GROUP] = {
    {0, 0, 0, 0}, {0, 1, 0, 1}, {0, 2, 1, 2},
};

static int32_t group_len(const struct arc_layering *l)
{
    return 1 << (l->temporal - 1);
}

void arc_layering_init(struct arc_layering *l, int32_t spatial,
                       int32_t temporal)
{
    memset(l, 0, sizeof(*l));
    l->spatial  = spatial;
    l->temporal = temporal;
}

void arc_layering_begin(struct arc_layering *l, bool key)
{
    if (key)
        l->at = 0;
}

int32_t arc_layering_tid(const struct arc_layering *l)
{
    return tids[l->temporal - 1][l->at];
}

void arc_layering_end(struct arc_layering *l)
{
    l->picture++;
    l->at = (l->at + 1) % group_len(l);
}

/* Layers 0 and the middle one are kept; the top one only for the spatial layer
 * above it, in this picture. */
static int32_t slot_of(const struct arc_layering *l, int32_t sid, int32_t tid)
{
    const bool is_top = tid > 0 && tid == l->temporal - 1;

    if (is_top && sid == l->spatial - 1)
        return ARC_LAYERING_NO_SLOT;
    return tid * l->spatial + sid;
}

static int32_t ref_slot(const struct arc_layering *l, int32_t sid)
{
    const bool after_middle = l->temporal == 3 && l->at == 3;

    return (after_middle ? l->spatial : 0) + sid;
}

void arc_layering_frame(struct arc_layering *l, int32_t sid, bool key,
                        struct arc_layering_frame *frame,
                        struct arc_pl_layer *out)
{
    const int32_t tid = arc_layering_tid(l);

    frame->tid        = tid;
    frame->ref_slot   = key ? ARC_LAYERING_NO_SLOT : ref_slot(l, sid);
    frame->below_slot = sid ? slot_of(l, sid - 1, tid) : ARC_LAYERING_NO_SLOT;
    frame->put_slot   = slot_of(l, sid, tid);

    out->tid    = (uint8_t)tid;
    out->sid    = (uint8_t)sid;
    out->is_key = key;
    out->is_reference = tid == 0 || tid < l->temporal - 1;
    out->is_inter_layer = sid > 0;
    /* In these patterns a higher layer refers to nothing before the last frame
     * of the layer below: one may come up after every frame. */
    out->is_switching_up = true;
    out->is_layer_sync   = tid > 0 && l->at < 3;
    out->n_refs  = 0;
    if (!key) {
        out->n_refs  = 1;
        out->refs[0] = (uint8_t)(l->picture - l->held[frame->ref_slot]);
    }

    if (key && sid == 0) /* a key frame fills every slot */
        for (int32_t i = 0; i < ARC_LAYERING_SLOTS; i++)
            l->held[i] = l->picture;
    if (frame->put_slot != ARC_LAYERING_NO_SLOT)
        l->held[frame->put_slot] = l->picture;
}

int32_t arc_layering_temporal_pct(int32_t temporal, int32_t tid)
{
    static const int32_t pct[ARC_LAYERING_MAX_LAYERS][ARC_LAYERING_MAX_LAYERS] = {
        {100, 100, 100}, {60, 100, 100}, {40, 60, 100},
    };

    return pct[temporal - 1][tid];
}

int32_t arc_layering_spatial_pct(int32_t spatial, int32_t sid)
{
    static const int32_t pct[ARC_LAYERING_MAX_LAYERS][ARC_LAYERING_MAX_LAYERS] = {
        {100, 0, 0}, {26, 74, 0}, {9, 24, 67},
    };

    return pct[spatial - 1][sid];
}

int32_t arc_layering_side(int32_t px, int32_t spatial, int32_t sid)
{
    const int32_t side = px >> (spatial - 1 - sid);

    return sid == spatial - 1 ? px : side + (side & 1);
}
