/**
 * @file wire/pl_video_unpack.c  One interface over the video payload formats:
 *                               peek and unpacker
 *
 * Declared in wire/pl_video.h.
 */
#include <string.h>

#include "wire/pl_video.h"

static enum arc_status peek_h264(const uint8_t *payload, size_t len,
                                 struct arc_pl_video_info *info)
{
    struct arc_pl_h264_info h;
    enum arc_status status = arc_pl_h264_peek(payload, len, &h);

    if (status != ARC_OK)
        return status;
    info->starts_frame   = h.starts_nal;
    info->starts_picture = h.starts_nal;
    info->ends_frame     = h.ends_nal;
    info->is_key         = h.has_idr;
    info->is_reference   = h.is_reference;
    info->is_predicted   = !h.has_idr;
    return ARC_OK;
}

static enum arc_status peek_vp8(const uint8_t *payload, size_t len,
                                struct arc_pl_video_info *info)
{
    struct arc_pl_vp8 d;
    enum arc_status status = arc_pl_vp8_parse(payload, len, &d);

    if (status != ARC_OK)
        return status;
    info->starts_frame   = d.starts_frame;
    info->starts_picture = d.starts_frame;
    info->is_key         = d.is_key;
    info->is_reference   = !d.is_non_reference;
    info->is_layer_sync  = d.is_layer_sync;
    info->is_predicted   = !d.is_key;
    info->has_layers     = d.has_tid;
    info->tid            = d.tid;
    info->ids            = d.ids;
    return ARC_OK;
}

static enum arc_status peek_vp9(const uint8_t *payload, size_t len,
                                struct arc_pl_video_info *info)
{
    struct arc_pl_vp9 d;
    enum arc_status status = arc_pl_vp9_parse(payload, len, &d);
    bool is_bare;

    if (status != ARC_OK)
        return status;
    info->starts_frame    = d.starts_frame;
    /* A picture whose base layer was left out begins with no layer that one
     * could begin to decode with. */
    info->starts_picture  = d.starts_frame && d.sid == 0;
    info->ends_frame      = d.ends_frame;
    /* A bare descriptor leaves P at 0 (FFmpeg's): then the data must tell. */
    is_bare               = !d.ids.picture_id_bits && !d.has_layers;
    info->is_key          = is_bare ? d.is_key_data
                                    : !d.is_predicted && !d.is_inter_layer;
    info->is_reference    = true;
    info->is_switching_up = d.is_switching_up;
    info->is_inter_layer  = d.is_inter_layer;
    info->is_predicted    = is_bare ? !d.is_key_data : d.is_predicted;
    info->has_layers      = d.has_layers;
    info->has_refs        = d.is_flexible || !info->is_predicted;
    info->tid             = d.tid;
    info->sid             = d.sid;
    info->ids             = d.ids;
    info->n_refs          = d.n_pdiffs;
    for (int i = 0; i < d.n_pdiffs; i++)
        info->refs[i] = d.pdiffs[i];
    return ARC_OK;
}

static enum arc_status peek_av1(const uint8_t *payload, size_t len,
                                struct arc_pl_video_info *info)
{
    struct arc_pl_av1_info a;
    enum arc_status status = arc_pl_av1_peek(payload, len, &a);

    if (status != ARC_OK)
        return status;
    info->starts_frame   = !a.continues;
    info->starts_picture = !a.continues;
    info->ends_frame     = !a.is_continued;
    info->is_key         = a.starts_sequence;
    info->is_reference   = true;
    info->is_predicted   = !a.starts_sequence;
    info->has_layers     = a.has_layers;
    info->tid            = a.tid;
    info->sid            = a.sid;
    return ARC_OK;
}

enum arc_status arc_pl_video_peek(int32_t codec, const uint8_t *payload,
                                  size_t len, struct arc_pl_video_info *out)
{
    struct arc_pl_video_info info;
    enum arc_status status = ARC_ERR_ARG;

    if (!payload || !out)
        return ARC_ERR_ARG;
    memset(&info, 0, sizeof(info));
    switch (codec) {
    case ARC_VIDEO_H264: status = peek_h264(payload, len, &info); break;
    case ARC_VIDEO_VP8:  status = peek_vp8(payload, len, &info);  break;
    case ARC_VIDEO_VP9:  status = peek_vp9(payload, len, &info);  break;
    case ARC_VIDEO_AV1:  status = peek_av1(payload, len, &info);  break;
    }
    if (status == ARC_OK)
        *out = info;
    return status;
}

void arc_pl_video_add_depdesc(const struct arc_depdesc *d,
                              const struct arc_depdesc_structure *s,
                              struct arc_pl_video_info *info)
{
    if (!d || !s || !info)
        return;
    info->starts_frame     = d->starts_frame;
    info->starts_picture   = d->starts_frame && d->deps.spatial_id == 0;
    info->ends_frame       = d->ends_frame;
    info->has_layers       = true;
    info->tid              = d->deps.temporal_id;
    info->sid              = d->deps.spatial_id;
    info->has_frame_number = true;
    info->has_refs         = true;
    info->frame_number     = d->frame_number;
    info->n_refs           = d->deps.n_fdiffs;
    memcpy(info->refs, d->deps.fdiffs, sizeof(info->refs));
    info->is_key           = d->deps.n_fdiffs == 0 && d->deps.spatial_id == 0;
    info->is_predicted     = d->deps.n_fdiffs > 0;
    info->is_inter_layer   = false; /* refs[] has that, too */
    info->is_reference     = false;
    for (int i = 0; i < s->n_targets && i < ARC_DEPDESC_MAX_TARGETS; i++)
        if (d->deps.dtis[i] > ARC_DTI_DISCARDABLE)
            info->is_reference = true;
}

enum arc_status arc_pl_video_unpacker_init(struct arc_pl_video_unpacker *u,
                                           int32_t codec, uint8_t *out,
                                           size_t cap)
{
    if (!u || !out)
        return ARC_ERR_ARG;
    u->codec = codec;
    switch (codec) {
    case ARC_VIDEO_H264:
        return arc_pl_h264_unpacker_init(&u->h264, out, cap);
    case ARC_VIDEO_VP8:
        return arc_pl_vp8_unpacker_init(&u->vp8, out, cap);
    case ARC_VIDEO_VP9:
        return arc_pl_vp9_unpacker_init(&u->vp9, out, cap);
    case ARC_VIDEO_AV1:
        return arc_pl_av1_unpacker_init(&u->av1, out, cap);
    default:
        return ARC_ERR_ARG;
    }
}

enum arc_status arc_pl_video_unpacker_push(struct arc_pl_video_unpacker *u,
                                           const uint8_t *payload, size_t len)
{
    if (!u)
        return ARC_ERR_ARG;
    switch (u->codec) {
    case ARC_VIDEO_H264:
        return arc_pl_h264_unpacker_push(&u->h264, payload, len);
    case ARC_VIDEO_VP8:
        return arc_pl_vp8_unpacker_push(&u->vp8, payload, len);
    case ARC_VIDEO_VP9:
        return arc_pl_vp9_unpacker_push(&u->vp9, payload, len);
    case ARC_VIDEO_AV1:
        return arc_pl_av1_unpacker_push(&u->av1, payload, len);
    default:
        return ARC_ERR_ARG;
    }
}

bool arc_pl_video_unpacker_is_whole(const struct arc_pl_video_unpacker *u)
{
    if (!u)
        return false;
    switch (u->codec) {
    case ARC_VIDEO_H264: return u->h264.len > 0 && !u->h264.open;
    case ARC_VIDEO_VP9:  return u->vp9.len > 0 && !u->vp9.open;
    case ARC_VIDEO_AV1:  return u->av1.len > 0 && !u->av1.open;
    default:             return false;
    }
}

enum arc_status arc_pl_video_unpacker_finish(struct arc_pl_video_unpacker *u,
                                             size_t *len_out)
{
    if (!u)
        return ARC_ERR_ARG;
    switch (u->codec) {
    case ARC_VIDEO_H264:
        return arc_pl_h264_unpacker_finish(&u->h264, len_out);
    case ARC_VIDEO_VP8:
        return arc_pl_vp8_unpacker_finish(&u->vp8, len_out);
    case ARC_VIDEO_VP9:
        return arc_pl_vp9_unpacker_finish(&u->vp9, len_out);
    case ARC_VIDEO_AV1:
        return arc_pl_av1_unpacker_finish(&u->av1, len_out);
    default:
        return ARC_ERR_ARG;
    }
}
