/**
 * @file router/layersource.c  What the packets of a published stream are
 *
 * Declared in router/layers.h.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/seq.h"
#include "router/layers.h"
#include "wire/pl_h264.h"
#include "wire/pl_vp8.h"
#include "wire/pl_vp9.h"

enum {
    REF_BITS        = 64,      /* of arc_layerinfo.refs                       */
    FIRST_PICTURE   = 1 << 16, /* so that earlier ones stay positive          */
    STRUCTURE_FLAG  = 0x80,    /* of byte 3 of a dependency descriptor        */
    AV1_CONTINUES   = 0x80,    /* Z and N of the aggregation header (AV1 RTP, */
    AV1_STARTS      = 0x08     /* section 4.4)                                */
};

enum arc_status arc_layersource_init(struct arc_layersource *src, int codec,
                                     struct arc_depdesc_reader *reader)
{
    if (!src || codec < ARC_LAYERCODEC_OTHER || codec > ARC_LAYERCODEC_AV1)
        return ARC_ERR_ARG;
    memset(src, 0, sizeof(*src));
    src->codec  = (uint8_t)codec;
    src->reader = reader;
    return ARC_OK;
}

/* a - b of two wrapping numbers of `bits` bits. */
static int32_t wrapped_diff(uint16_t a, uint16_t b, unsigned bits)
{
    uint32_t range = UINT32_C(1) << bits;
    uint32_t diff = ((uint32_t)a - b) & (range - 1);

    return diff < range / 2 ? (int32_t)diff : (int32_t)diff - (int32_t)range;
}

/* Unwrap the number of a picture. A sender that starts its numbers anew, or
 * does not count at all, is counted on by its timestamps. */
static void number_picture(struct arc_layersource *src, const struct arc_rtp *h,
                           uint16_t id, unsigned bits,
                           struct arc_layerinfo *info)
{
    int32_t diff;

    if (!src->numbered) {
        src->numbered       = true;
        src->id_bits        = (uint8_t)bits;
        src->newest_id      = id;
        src->newest_picture = FIRST_PICTURE + id;
    }
    diff = wrapped_diff(id, src->newest_id,
                        bits < src->id_bits ? bits : src->id_bits);
    if (info->in_order && src->started &&
        (diff < 0 || (diff == 0 && h->rtp_ts != src->newest_ts)))
        diff = 1;
    info->has_number = true;
    info->picture    = src->newest_picture + diff;
    if (info->in_order || diff > 0) {
        src->newest_picture = info->picture;
        src->newest_id      = id;
        src->id_bits        = (uint8_t)bits;
    }
}

static enum arc_status read_vp8(struct arc_layersource *src,
                                const struct arc_rtp *h, const uint8_t *payload,
                                struct arc_layerinfo *info)
{
    struct arc_pl_vp8 d;
    enum arc_status status;

    status = arc_pl_vp8_parse(payload, (size_t)h->payload_len, &d);
    if (status != ARC_OK)
        return status;
    info->starts_frame = d.starts_frame;
    info->ends_frame   = h->marker;
    info->is_key       = d.is_key;
    info->is_predicted = !d.is_key;
    info->ids          = d.ids;
    if (d.ids.picture_id_bits == 0)
        return ARC_OK;
    number_picture(src, h, d.ids.picture_id, d.ids.picture_id_bits, info);
    info->temporal      = d.tid;
    info->is_layer_sync = d.is_layer_sync;
    return ARC_OK;
}

static uint64_t refs_of(const uint8_t *pdiffs, int n)
{
    uint64_t refs = 0;

    for (int i = 0; i < n; i++) {
        if (pdiffs[i] < REF_BITS)
            refs |= UINT64_C(1) << pdiffs[i];
    }
    return refs & ~UINT64_C(1);
}

/* Remember the group of pictures that begins here (RFC 9628 §4.2.1). */
static void learn_pattern(struct arc_layersource *src, const uint8_t *payload,
                          size_t len, const struct arc_pl_vp9 *d,
                          int64_t picture)
{
    struct arc_pl_vp9_ss ss;

    if (arc_pl_vp9_read_ss(payload, len, d, &ss) != ARC_OK || !ss.has_group)
        return;
    src->n_pattern = 0;
    if (ss.n_pictures > ARC_LAYERSOURCE_PATTERN)
        return;
    for (int i = 0; i < ss.n_pictures; i++) {
        src->pattern_tids[i] = ss.pictures[i].tid;
        src->pattern_refs[i] =
            refs_of(ss.pictures[i].pdiffs, ss.pictures[i].n_pdiffs);
    }
    src->pattern_picture = picture;
    src->n_pattern       = ss.n_pictures;
}

/* Which pictures this one needs: said by itself, or by the group. */
static void find_refs(const struct arc_layersource *src,
                      const struct arc_pl_vp9 *d, struct arc_layerinfo *info)
{
    int64_t i = info->picture - src->pattern_picture;

    if (d->is_flexible || !d->is_predicted) {
        info->has_refs = true;
        info->refs     = refs_of(d->pdiffs, d->n_pdiffs);
    } else if (src->n_pattern > 0 && i >= 0) {
        i              = i % src->n_pattern;
        info->has_refs = src->pattern_tids[i] == d->tid; /* else out of step */
        info->refs     = info->has_refs ? src->pattern_refs[i] : 0;
    }
}

static enum arc_status read_vp9(struct arc_layersource *src,
                                const struct arc_rtp *h, const uint8_t *payload,
                                struct arc_layerinfo *info)
{
    struct arc_pl_vp9 d;
    enum arc_status status;

    status = arc_pl_vp9_parse(payload, (size_t)h->payload_len, &d);
    if (status != ARC_OK)
        return status;
    info->starts_frame = d.starts_frame;
    info->ends_frame   = d.ends_frame;
    info->is_predicted = d.is_predicted;
    /* A bare descriptor leaves P at 0 (FFmpeg's): then the data must tell. */
    info->is_key = d.ids.picture_id_bits || d.has_layers
                       ? !d.is_predicted && d.sid == 0
                       : d.is_key_data;
    info->ids    = d.ids;
    if (d.ids.picture_id_bits == 0)
        return ARC_OK;
    number_picture(src, h, d.ids.picture_id, d.ids.picture_id_bits, info);
    info->keeps_distance  = true;
    info->temporal        = d.tid;
    info->spatial         = d.sid;
    info->is_switching_up = d.is_switching_up;
    if (d.ss_off && info->in_order)
        learn_pattern(src, payload, (size_t)h->payload_len, &d, info->picture);
    find_refs(src, &d, info);
    return ARC_OK;
}

/* H.264 has no mark on the first packet of a frame: it is the first one of its
 * timestamp, directly behind the last packet of the frame before. What may
 * precede a key frame's parameter sets (delimiter, SEI) does not begin it. */
static void read_h264(struct arc_layersource *src, const struct arc_rtp *h,
                      const uint8_t *payload, bool is_next,
                      struct arc_layerinfo *info)
{
    bool is_new = !src->started || h->rtp_ts != src->newest_ts;
    struct arc_pl_h264_info nal;

    info->ends_frame   = h->marker;
    info->is_predicted = true;
    if (arc_pl_h264_peek(payload, (size_t)h->payload_len, &nal) != ARC_OK)
        return;
    info->is_key       = nal.has_idr || nal.has_sps;
    info->is_predicted = !info->is_key;
    info->starts_frame = is_next && nal.starts_nal &&
                         (is_new || !src->has_begun);
    if (info->in_order)
        src->has_begun = (!is_new && src->has_begun) ||
                         (nal.nal_type != ARC_H264_NAL_AUD &&
                          nal.nal_type != ARC_H264_NAL_SEI);
}

/* Without a dependency descriptor: the aggregation header knows where a coded
 * video sequence starts, and so a key frame. */
static void read_av1(const struct arc_rtp *h, const uint8_t *payload,
                     struct arc_layerinfo *info)
{
    struct arc_reader r;
    uint8_t head;

    arc_reader_init(&r, payload, (size_t)h->payload_len);
    head               = arc_reader_u8(&r);
    info->is_key       = head & AV1_STARTS && !(head & AV1_CONTINUES);
    info->starts_frame = info->is_key;
    info->ends_frame   = h->marker;
    info->is_predicted = !info->is_key;
}

static uint32_t present_in(const struct arc_depdesc_deps *deps, int n_targets)
{
    uint32_t present = 0;

    for (int i = 0; i < n_targets; i++) {
        if (deps->dtis[i] != ARC_DTI_NOT_PRESENT)
            present |= UINT32_C(1) << i;
    }
    return present;
}

static void learn_targets(struct arc_layertargets *t,
                          const struct arc_depdesc_structure *s)
{
    memset(t, 0, sizeof(*t));
    t->n_targets = s->n_targets;
    for (int i = 0; i < t->n_targets; i++)
        t->within[i] = UINT32_MAX;
    for (int k = 0; k < s->n_templates; k++) {
        const struct arc_depdesc_deps *deps = &s->templates[k];
        uint32_t present = present_in(deps, t->n_targets);

        for (int i = 0; i < t->n_targets; i++) {
            if (!(present >> i & 1)) {
                t->within[i] &= ~present;
                continue;
            }
            if (deps->spatial_id > t->spatial[i])
                t->spatial[i] = deps->spatial_id;
            if (deps->temporal_id > t->temporal[i])
                t->temporal[i] = deps->temporal_id;
        }
    }
}

/* True for a structure that comes late and would replace a newer one. */
static bool is_outdated_structure(const struct arc_layersource *src,
                                  const struct arc_layerinfo *info,
                                  const uint8_t *dd, size_t len)
{
    struct arc_reader r;
    uint16_t number;

    arc_reader_init(&r, dd, len);
    arc_reader_u8(&r);
    number = arc_reader_u16(&r);
    return arc_reader_u8(&r) & STRUCTURE_FLAG && !r.fail && !info->in_order &&
           src->targets.n_targets > 0 &&
           arc_seq16_diff(number, src->structure_number) < 0;
}

static uint64_t refs_of_frame(const struct arc_depdesc_deps *deps)
{
    uint64_t refs = 0;

    for (int i = 0; i < deps->n_fdiffs; i++) {
        if (deps->fdiffs[i] < REF_BITS)
            refs |= UINT64_C(1) << deps->fdiffs[i];
    }
    return refs;
}

static void note_descriptor(struct arc_layersource *src,
                            const struct arc_depdesc *d,
                            struct arc_layerinfo *info)
{
    if (d->has_structure) {
        src->structure_number = d->frame_number;
        learn_targets(&src->targets, &src->reader->structure);
    }
    for (int i = 0; i < src->targets.n_targets; i++)
        info->dtis |= (uint64_t)d->deps.dtis[i] << (2 * i);
    info->targets        = &src->targets;
    info->active_targets = d->active_targets;
    info->spatial        = d->deps.spatial_id;
    info->temporal       = d->deps.temporal_id;
    info->has_refs       = true;
    info->refs           = refs_of_frame(&d->deps);
    info->is_predicted   = d->deps.n_fdiffs > 0;
    info->is_key         = d->has_structure; /* A.4: it comes with key frames */
}

/* Read it, and keep what it says of later packets unless they came before. */
static enum arc_status read_value(struct arc_layersource *src,
                                  const struct arc_layerinfo *info,
                                  const uint8_t *dd, size_t len,
                                  struct arc_depdesc *d)
{
    struct arc_depdesc_reader *reader = src->reader;
    uint32_t active = reader->active_targets;
    enum arc_status status;

    if (is_outdated_structure(src, info, dd, len))
        len = 3; /* what is before it: the frame's number */
    status = arc_depdesc_read(reader, dd, len, d);
    if (!info->in_order && !(status == ARC_OK && d->has_structure))
        reader->active_targets = active;
    return status;
}

/* True if the descriptor was understood, if only its first three bytes. */
static bool read_descriptor(struct arc_layersource *src,
                            const struct arc_rtp *h, const uint8_t *dd,
                            size_t len, struct arc_layerinfo *info)
{
    struct arc_depdesc d;
    enum arc_status status = read_value(src, info, dd, len, &d);

    if (status != ARC_OK && status != ARC_AGAIN) {
        src->n_bad_descriptors++;
        return false;
    }
    info->has_descriptor = true;
    info->frame_number   = d.frame_number;
    info->starts_frame   = d.starts_frame;
    info->ends_frame     = d.ends_frame;
    number_picture(src, h, d.frame_number, 16, info);
    if (status == ARC_OK)
        note_descriptor(src, &d, info);
    return true;
}

static enum arc_status read_payload(struct arc_layersource *src,
                                    const struct arc_rtp *h,
                                    const uint8_t *payload, bool is_next,
                                    struct arc_layerinfo *info)
{
    switch (src->codec) {
    case ARC_LAYERCODEC_VP8:
        return read_vp8(src, h, payload, info);
    case ARC_LAYERCODEC_VP9:
        return read_vp9(src, h, payload, info);
    case ARC_LAYERCODEC_H264:
        read_h264(src, h, payload, is_next, info);
        return ARC_OK;
    case ARC_LAYERCODEC_AV1:
        read_av1(h, payload, info);
        return ARC_OK;
    default:
        info->starts_frame = info->ends_frame = info->is_key = true;
        return ARC_OK;
    }
}

static bool uses_descriptors(const struct arc_layersource *src)
{
    return src->reader && (src->codec == ARC_LAYERCODEC_AV1 ||
                           src->codec == ARC_LAYERCODEC_H264);
}

static void note_arrival(struct arc_layersource *src, const struct arc_rtp *h,
                         bool in_order, uint32_t newest_ts)
{
    if (!in_order)
        return;
    src->started      = true;
    src->newest_seq16 = h->seq16;
    src->newest_ts    = newest_ts;
}

void arc_layersource_restart(struct arc_layersource *src,
                             const struct arc_rtp *h)
{
    src->newest_seq16 = (uint16_t)(h->seq16 - 1);
    src->newest_ts    = h->rtp_ts;
    src->has_begun    = true;
}

enum arc_status arc_layersource_read(struct arc_layersource *src,
                                     const struct arc_rtp *h,
                                     const uint8_t *packet, const uint8_t *dd,
                                     size_t dd_len, struct arc_layerinfo *info)
{
    struct arc_layerinfo i;
    enum arc_status status = ARC_OK;
    int32_t diff;

    if (!src || !h || !packet || !info)
        return ARC_ERR_ARG;

    memset(&i, 0, sizeof(i));
    diff       = arc_seq16_diff(h->seq16, src->newest_seq16);
    i.in_order = !src->started || diff > 0;
    if (h->payload_len <= 0) {
        note_arrival(src, h, i.in_order && src->started, src->newest_ts);
        return ARC_AGAIN;
    }
    i.starts_picture =
        !src->started || (i.in_order && h->rtp_ts != src->newest_ts);
    if (!dd || !uses_descriptors(src) ||
        !read_descriptor(src, h, dd, dd_len, &i))
        status = read_payload(src, h, packet + h->payload_off,
                              !src->started || diff == 1, &i);
    if (status != ARC_OK) {
        src->n_malformed++;
        return status;
    }
    note_arrival(src, h, i.in_order, h->rtp_ts);
    *info = i;
    return ARC_OK;
}
