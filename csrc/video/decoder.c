/**
 * @file video/decoder.c  One interface to every video decoder
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "video/dec_backend.h"
#include "video/decoder.h"
#include "video/refcheck.h"

struct arc_vdec {
    const struct arc_dec_backend *row;
    void                 *lib;
    struct arc_refcheck   refs;
    struct arc_vdec_stats stats;
    bool started; /* a picture has come out since open or flush               */
    bool broken;  /* pictures rest on one that was lost, until the next key   */
};

/* In order of preference. FFmpeg's VP8 and VP9 decoders are quicker than libvpx,
 * and its AV1 decoders are wrappers around dav1d and others. */
static const struct arc_dec_backend *const libraries[] = {
    arc_dec_ffmpeg, arc_dec_dav1d, arc_dec_ffmpeg_av1, arc_dec_vpx,
};

static const struct arc_dec_backend *row_at(int32_t i)
{
    for (size_t k = 0; k < sizeof(libraries) / sizeof(libraries[0]); k++)
        for (const struct arc_dec_backend *b = libraries[k]; b->info.name; b++)
            if (i-- == 0)
                return b;
    return NULL;
}

const struct arc_vdec_info *arc_vdec_info(int32_t i)
{
    const struct arc_dec_backend *row = i < 0 ? NULL : row_at(i);

    return row ? &row->info : NULL;
}

int32_t arc_dec_matrix(int32_t h273, int32_t width, int32_t height)
{
    switch (h273) {
    case 1: /* BT.709 */
        return ARC_MATRIX_BT709;
    case 4: /* FCC */
    case 5: /* BT.470BG */
    case 6: /* SMPTE 170M */
        return ARC_MATRIX_BT601;
    default:
        return arc_vframe_guess_matrix(width, height);
    }
}

static bool config_ok(const struct arc_vdec_config *c)
{
    return memchr(c->name, 0, sizeof(c->name)) &&
           memchr(c->hwaccel, 0, sizeof(c->hwaccel)) &&
           c->codec >= ARC_VIDEO_H264 && c->codec <= ARC_VIDEO_AV1 &&
           c->threads >= 0 && c->threads <= ARC_VDEC_MAX_THREADS;
}

static bool fits(const struct arc_dec_backend *row,
                 const struct arc_vdec_config *c)
{
    bool by_hardware = c->hwaccel[0] && strcmp(c->hwaccel, "auto") != 0;

    if (row->info.codec != c->codec || (by_hardware && !row->info.hwaccel))
        return false;
    return !c->name[0] || strcmp(row->info.name, c->name) == 0;
}

static void join(char *why, size_t cap, const char *more)
{
    size_t len = strlen(why);

    if (more[0] && len + 3 < cap)
        snprintf(why + len, cap - len, "%s%s", len ? "; " : "", more);
}

/* The first row that fits and opens; the reasons of those before it. */
static enum arc_status start(struct arc_vdec *d,
                             const struct arc_vdec_config *cfg, char *why,
                             size_t cap)
{
    const struct arc_dec_backend *row;
    bool any = false;

    for (int32_t i = 0; (row = row_at(i)) != NULL; i++) {
        char reason[256] = "";
        enum arc_status status;

        if (!fits(row, cfg))
            continue;
        any = true;
        status = row->open(row, cfg, &d->lib, reason, sizeof(reason));
        join(why, cap, reason);
        if (status == ARC_OK) {
            d->row = row;
            return ARC_OK;
        }
        if (status == ARC_ERR_NOMEM)
            return status;
    }
    if (!any)
        snprintf(why, cap, "%s%s%s: no decoder of this name for this codec",
                 cfg->name, cfg->name[0] && cfg->hwaccel[0] ? " by " : "",
                 cfg->hwaccel);
    return ARC_ERR_UNSUPPORTED;
}

enum arc_status arc_vdec_open(const struct arc_vdec_config *cfg,
                              struct arc_vdec **out, char *why, int32_t why_cap)
{
    char nobody[1];
    struct arc_vdec *d;
    enum arc_status status;

    if (!why || why_cap < 1) {
        why = nobody;
        why_cap = sizeof(nobody);
    }
    why[0] = '\0';
    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;

    d = arc_mem_zalloc(1, sizeof(*d));
    if (!d)
        return ARC_ERR_NOMEM;
    status = start(d, cfg, why, (size_t)why_cap);
    if (status != ARC_OK) {
        arc_mem_free(d);
        return status;
    }
    arc_refcheck_init(&d->refs, cfg->codec);
    snprintf(d->stats.name, sizeof(d->stats.name), "%s", d->row->info.name);
    *out = d;
    return ARC_OK;
}

enum arc_status arc_vdec_new(int32_t codec, int32_t threads,
                             struct arc_vdec **out, char *why, int32_t why_cap)
{
    struct arc_vdec_config cfg = {.codec = codec, .threads = threads};

    return arc_vdec_open(&cfg, out, why, why_cap);
}

void arc_vdec_free(struct arc_vdec *d)
{
    if (!d)
        return;
    d->row->close(d->lib);
    arc_mem_free(d);
}

void arc_vdec_flush(struct arc_vdec *d)
{
    d->row->flush(d->lib);
    arc_refcheck_flush(&d->refs);
    d->started = false;
    d->broken = false;
}

static void note_fault(struct arc_vdec *d, enum arc_vdec_fault fault,
                       const char *words)
{
    static const char *const usual[ARC_VDEC_N_FAULTS] = {
        [ARC_VDEC_FAULT_NONE]        = "",
        [ARC_VDEC_FAULT_CORRUPT]     = "the coded picture is damaged",
        [ARC_VDEC_FAULT_MISSING_REF] = "a picture that it refers to is missing",
        [ARC_VDEC_FAULT_NO_KEY]      = "no key frame has come to begin with",
        [ARC_VDEC_FAULT_UNSUPPORTED] = "a format or size that is not decoded",
        [ARC_VDEC_FAULT_RESOURCES]   = "no memory for a picture",
    };

    d->stats.faults[fault]++;
    d->stats.last_fault = fault;
    snprintf(d->stats.words, sizeof(d->stats.words), "%s",
             words[0] && fault != ARC_VDEC_FAULT_NO_KEY ? words : usual[fault]);
}

static enum arc_vdec_fault fault_of(const struct arc_vdec *d,
                                    enum arc_status status,
                                    const struct arc_refcheck_info *info)
{
    switch (status) {
    case ARC_ERR_NOMEM:
        return ARC_VDEC_FAULT_RESOURCES;
    case ARC_ERR_UNSUPPORTED:
        return ARC_VDEC_FAULT_UNSUPPORTED;
    default:
        break;
    }
    if (!d->started && !info->is_key)
        return ARC_VDEC_FAULT_NO_KEY;
    return info->missing_ref ? ARC_VDEC_FAULT_MISSING_REF
                             : ARC_VDEC_FAULT_CORRUPT;
}

/* What others refer to is not whole: they will not be either. */
static void break_chain(struct arc_vdec *d,
                        const struct arc_refcheck_info *info)
{
    if (info->disposable)
        return;
    d->broken = d->started;
    arc_refcheck_on_damage(&d->refs);
}

/* A picture has come out. What is right in itself may still rest on one that is
 * not, until a key frame or the end of an intra refresh. */
static void on_picture(struct arc_vdec *d, const struct arc_refcheck_info *info,
                       struct arc_dec_result *r)
{
    d->started = true;
    if (info->is_key || info->recovered)
        d->broken = false;
    r->frame->damaged = d->broken || info->missing_ref || r->damaged;
    if (info->missing_ref)
        note_fault(d, ARC_VDEC_FAULT_MISSING_REF, "");
    else if (r->damaged)
        note_fault(d, ARC_VDEC_FAULT_CORRUPT, r->words);
    if (info->missing_ref || r->damaged)
        break_chain(d, info);
    d->stats.pictures++;
    d->stats.damaged += r->frame->damaged;
    d->stats.key_frames += info->is_key;
}

/* Every temporal unit of AV1 has a frame to be shown (AV1 specification 7.5). VP8
 * and VP9 have pictures that are only referred to, but do not begin with one.
 * Of H.264 the library knows what it waits for. */
static bool may_show_nothing(const struct arc_vdec *d,
                             const struct arc_refcheck_info *info)
{
    switch (d->row->info.codec) {
    case ARC_VIDEO_H264:
        return true;
    case ARC_VIDEO_AV1:
        return false;
    default:
        return d->started || info->is_key;
    }
}

static enum arc_status run(struct arc_vdec *d, const uint8_t *data, int32_t len,
                           int64_t ts, bool part, struct arc_vframe **out)
{
    struct arc_dec_result r = {0};
    struct arc_refcheck_info info;
    enum arc_status status;

    if (!data || len < 1 || len > ARC_VDEC_MAX_BYTES || !out)
        return ARC_ERR_ARG;
    d->stats.last_fault = ARC_VDEC_FAULT_NONE;
    d->stats.words[0] = '\0';
    d->stats.bytes += len;
    arc_refcheck_look(&d->refs, data, (size_t)len, &info);
    status = d->row->decode(d->lib, data, len, ts, part, &r);
    if (status == ARC_AGAIN && !may_show_nothing(d, &info))
        status = ARC_ERR_CODEC;
    if (status == ARC_OK) {
        on_picture(d, &info, &r);
        *out = r.frame;
    } else if (status != ARC_AGAIN) {
        note_fault(d, fault_of(d, status, &info), r.words);
        break_chain(d, &info);
    }
    return status;
}

enum arc_status arc_vdec_decode(struct arc_vdec *d, const uint8_t *data,
                                int32_t len, int64_t ts,
                                struct arc_vframe **out)
{
    return run(d, data, len, ts, false, out);
}

enum arc_status arc_vdec_decode_part(struct arc_vdec *d, const uint8_t *data,
                                     int32_t len, int64_t ts,
                                     struct arc_vframe **out)
{
    return run(d, data, len, ts, d->row->info.codec == ARC_VIDEO_H264, out);
}

enum arc_status arc_vdec_get_stats(const struct arc_vdec *d,
                                   struct arc_vdec_stats *out)
{
    if (!d || !out)
        return ARC_ERR_ARG;
    *out = d->stats;
    out->needs_key = !d->started || d->broken;
    if (d->row->device)
        snprintf(out->hwaccel, sizeof(out->hwaccel), "%s",
                 d->row->device(d->lib));
    return ARC_OK;
}
