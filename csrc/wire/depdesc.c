/**
 * @file wire/depdesc.c  Dependency descriptor: the reading half
 *
 * The functions have the names of the syntax tables of appendix A.8.2.
 */
#include <string.h>

#include "base/bits.h"
#include "wire/depdesc.h"

enum { MANDATORY_BYTES = 3, TEMPLATE_IDS = 64 };

/* A number below n, in one bit less where it is small: ns(n). */
static uint32_t read_ns(struct arc_bitreader *r, uint32_t n)
{
    unsigned w = 0;
    uint32_t m, v;

    for (uint32_t x = n; x; x >>= 1)
        w++;
    m = (1u << w) - n;
    v = arc_bitreader_u(r, w - 1);
    return v < m ? v : (v << 1) - m + arc_bitreader_u(r, 1);
}

static enum arc_status template_layers(struct arc_bitreader *r,
                                       struct arc_depdesc_structure *s)
{
    uint8_t spatial = 0, temporal = 0;
    uint32_t next = 0;

    while (next != 3 && !r->fail) {
        if (s->n_templates == ARC_DEPDESC_MAX_TEMPLATES)
            return ARC_ERR_FORMAT; /* there are no more ids */
        if (spatial >= ARC_DEPDESC_MAX_LAYERS ||
            temporal >= ARC_DEPDESC_MAX_LAYERS)
            return ARC_ERR_LIMIT;
        s->templates[s->n_templates].spatial_id  = spatial;
        s->templates[s->n_templates].temporal_id = temporal;
        s->n_templates++;

        next = arc_bitreader_u(r, 2); /* table A.2 */
        temporal = next == 2 ? 0 : (uint8_t)(temporal + (next == 1));
        spatial  = (uint8_t)(spatial + (next == 2));
    }
    return ARC_OK;
}

static void read_dtis(struct arc_bitreader *r, int n_targets,
                      struct arc_depdesc_deps *deps)
{
    for (int i = 0; i < n_targets; i++)
        deps->dtis[i] = (uint8_t)arc_bitreader_u(r, 2);
}

static enum arc_status template_fdiffs(struct arc_bitreader *r,
                                       struct arc_depdesc_deps *deps)
{
    while (arc_bitreader_flag(r)) {
        if (deps->n_fdiffs == ARC_DEPDESC_MAX_FDIFFS)
            return ARC_ERR_LIMIT;
        deps->fdiffs[deps->n_fdiffs++] = (uint16_t)(arc_bitreader_u(r, 4) + 1);
    }
    return ARC_OK;
}

static enum arc_status frame_fdiffs(struct arc_bitreader *r,
                                    struct arc_depdesc_deps *deps)
{
    uint32_t size;

    deps->n_fdiffs = 0;
    memset(deps->fdiffs, 0, sizeof(deps->fdiffs));
    while ((size = arc_bitreader_u(r, 2)) != 0) {
        if (deps->n_fdiffs == ARC_DEPDESC_MAX_FDIFFS)
            return ARC_ERR_LIMIT;
        deps->fdiffs[deps->n_fdiffs++] =
            (uint16_t)(arc_bitreader_u(r, 4 * size) + 1);
    }
    return ARC_OK;
}

static void read_chains(struct arc_bitreader *r, int n_chains, unsigned n_bits,
                        struct arc_depdesc_deps *deps)
{
    for (int i = 0; i < n_chains; i++)
        deps->chain_fdiffs[i] = (uint8_t)arc_bitreader_u(r, n_bits);
}

static void template_chains(struct arc_bitreader *r,
                            struct arc_depdesc_structure *s)
{
    s->n_chains = (uint8_t)read_ns(r, s->n_targets + 1u);
    if (s->n_chains == 0)
        return;
    for (int i = 0; i < s->n_targets; i++)
        s->protected_by[i] = (uint8_t)read_ns(r, s->n_chains);
    for (int i = 0; i < s->n_templates; i++)
        read_chains(r, s->n_chains, 4, &s->templates[i]);
}

static void render_resolutions(struct arc_bitreader *r,
                               struct arc_depdesc_structure *s)
{
    int max_spatial = s->templates[s->n_templates - 1].spatial_id;

    for (int i = 0; i <= max_spatial; i++) {
        s->width_px[i]  = arc_bitreader_u(r, 16) + 1;
        s->height_px[i] = arc_bitreader_u(r, 16) + 1;
    }
}

static enum arc_status read_structure(struct arc_bitreader *r,
                                      struct arc_depdesc_structure *s)
{
    enum arc_status status;

    memset(s, 0, sizeof(*s));
    s->id_offset = (uint8_t)arc_bitreader_u(r, 6);
    s->n_targets = (uint8_t)(arc_bitreader_u(r, 5) + 1);
    status       = template_layers(r, s);
    if (status != ARC_OK)
        return status;
    for (int i = 0; i < s->n_templates; i++)
        read_dtis(r, s->n_targets, &s->templates[i]);
    for (int i = 0; i < s->n_templates; i++) {
        status = template_fdiffs(r, &s->templates[i]);
        if (status != ARC_OK)
            return status;
    }
    template_chains(r, s);
    s->has_sizes = arc_bitreader_flag(r);
    if (s->has_sizes)
        render_resolutions(r, s);
    return r->fail ? ARC_ERR_FORMAT : ARC_OK;
}

static uint32_t all_targets(const struct arc_depdesc_structure *s)
{
    return UINT32_MAX >> (32 - s->n_targets);
}

struct flags {
    bool dtis, fdiffs, chains;
};

static enum arc_status
frame_dependency_definition(struct arc_bitreader *r, struct flags custom,
                            const struct arc_depdesc_structure *s,
                            struct arc_depdesc *d)
{
    int index = (d->template_id + TEMPLATE_IDS - s->id_offset) % TEMPLATE_IDS;
    enum arc_status status = ARC_OK;

    if (index >= s->n_templates)
        return d->has_structure ? ARC_ERR_FORMAT : ARC_AGAIN;
    d->deps = s->templates[index];
    if (custom.dtis)
        read_dtis(r, s->n_targets, &d->deps);
    if (custom.fdiffs)
        status = frame_fdiffs(r, &d->deps);
    if (custom.chains)
        read_chains(r, s->n_chains, 8, &d->deps);
    return r->fail ? ARC_ERR_FORMAT : status;
}

/* extended_descriptor_fields(); `s` becomes the structure that counts. */
static enum arc_status read_extended(struct arc_bitreader *r,
                                     struct arc_depdesc_reader *reader,
                                     struct arc_depdesc *d,
                                     const struct arc_depdesc_structure **s,
                                     struct flags *custom)
{
    enum arc_status status;

    d->has_structure      = arc_bitreader_flag(r);
    d->has_active_targets = arc_bitreader_flag(r);
    custom->dtis          = arc_bitreader_flag(r);
    custom->fdiffs        = arc_bitreader_flag(r);
    custom->chains        = arc_bitreader_flag(r);
    if (d->has_structure) {
        status = read_structure(r, &reader->pending);
        if (status != ARC_OK)
            return status;
        *s                = &reader->pending;
        d->active_targets = all_targets(*s);
    }
    if (!*s)
        return ARC_AGAIN; /* how long the mask is, nobody has said */
    if (d->has_active_targets)
        d->active_targets = arc_bitreader_u(r, (*s)->n_targets);
    return r->fail ? ARC_ERR_FORMAT : ARC_OK;
}

static void read_mandatory(struct arc_bitreader *r, struct arc_depdesc *d)
{
    memset(d, 0, sizeof(*d));
    d->starts_frame = arc_bitreader_flag(r);
    d->ends_frame   = arc_bitreader_flag(r);
    d->template_id  = (uint8_t)arc_bitreader_u(r, 6);
    d->frame_number = (uint16_t)arc_bitreader_u(r, 16);
}

enum arc_status arc_depdesc_read(struct arc_depdesc_reader *reader,
                                 const uint8_t *value, size_t len,
                                 struct arc_depdesc *out)
{
    const struct arc_depdesc_structure *s;
    struct flags custom = {false, false, false};
    enum arc_status status = ARC_OK;
    struct arc_bitreader r;
    struct arc_depdesc d;

    if (!reader || !value || !out)
        return ARC_ERR_ARG;
    if (len < MANDATORY_BYTES || len > ARC_DEPDESC_MAX_BYTES)
        return ARC_ERR_FORMAT;

    s = reader->has_structure ? &reader->structure : NULL;
    arc_bitreader_init(&r, value, len);
    read_mandatory(&r, &d);
    d.active_targets = reader->active_targets;
    if (len > MANDATORY_BYTES)
        status = read_extended(&r, reader, &d, &s, &custom);
    if (status == ARC_OK)
        status = s ? frame_dependency_definition(&r, custom, s, &d) : ARC_AGAIN;

    if (status == ARC_OK) {
        if (d.has_structure)
            reader->structure = reader->pending;
        reader->has_structure  = true;
        reader->active_targets = d.active_targets;
        *out                   = d;
    } else if (status == ARC_AGAIN) {
        arc_bitreader_init(&r, value, len);
        read_mandatory(&r, out);
    }
    return status;
}
