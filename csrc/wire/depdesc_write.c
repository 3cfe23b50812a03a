/**
 * @file wire/depdesc_write.c  Dependency descriptor: the writing half
 *
 * Declared in wire/depdesc.h.
 */
#include <string.h>

#include "base/bits.h"
#include "wire/depdesc.h"

enum { TEMPLATE_IDS = 64, MAX_TEMPLATE_FDIFF = 16, MAX_FDIFF = 4096 };

static void write_ns(struct arc_bitwriter *w, uint32_t n, uint32_t v)
{
    unsigned bits = 0;
    uint32_t m;

    for (uint32_t x = n; x; x >>= 1)
        bits++;
    m = (1u << bits) - n;
    if (v < m)
        arc_bitwriter_u(w, bits - 1, v);
    else
        arc_bitwriter_u(w, bits, v + m);
}

static bool deps_ok(const struct arc_depdesc_deps *d,
                    const struct arc_depdesc_structure *s, int max_fdiff,
                    int max_chain_fdiff)
{
    if (d->n_fdiffs > ARC_DEPDESC_MAX_FDIFFS)
        return false;
    for (int i = 0; i < s->n_targets; i++) {
        if (d->dtis[i] > ARC_DTI_REQUIRED)
            return false;
    }
    for (int i = 0; i < d->n_fdiffs; i++) {
        if (d->fdiffs[i] < 1 || d->fdiffs[i] > max_fdiff)
            return false;
    }
    for (int i = 0; i < s->n_chains; i++) {
        if (d->chain_fdiffs[i] > max_chain_fdiff)
            return false;
    }
    return true;
}

/* next_layer_idc (table A.2) from one template to the next; -1: there is none. */
static int step(const struct arc_depdesc_deps *from,
                const struct arc_depdesc_deps *to)
{
    if (to->spatial_id == from->spatial_id) {
        int up = to->temporal_id - from->temporal_id;

        return up == 0 || up == 1 ? up : -1;
    }
    return to->spatial_id == from->spatial_id + 1 && to->temporal_id == 0 ? 2
                                                                         : -1;
}

static bool templates_ok(const struct arc_depdesc_structure *s)
{
    for (int i = 0; i < s->n_templates; i++) {
        const struct arc_depdesc_deps *t = &s->templates[i];

        if (!deps_ok(t, s, MAX_TEMPLATE_FDIFF, 15) ||
            t->spatial_id >= ARC_DEPDESC_MAX_LAYERS ||
            t->temporal_id >= ARC_DEPDESC_MAX_LAYERS ||
            (i == 0 ? t->spatial_id || t->temporal_id : step(t - 1, t) < 0))
            return false;
    }
    return true;
}

static bool structure_ok(const struct arc_depdesc_structure *s)
{
    int max_spatial;

    if (s->id_offset >= TEMPLATE_IDS || s->n_templates < 1 ||
        s->n_templates > ARC_DEPDESC_MAX_TEMPLATES || s->n_targets < 1 ||
        s->n_targets > ARC_DEPDESC_MAX_TARGETS || s->n_chains > s->n_targets ||
        !templates_ok(s))
        return false;
    for (int i = 0; s->n_chains && i < s->n_targets; i++) {
        if (s->protected_by[i] >= s->n_chains)
            return false;
    }
    max_spatial = s->templates[s->n_templates - 1].spatial_id;
    for (int i = 0; s->has_sizes && i <= max_spatial; i++) {
        if (s->width_px[i] < 1 || s->width_px[i] > 65536 ||
            s->height_px[i] < 1 || s->height_px[i] > 65536)
            return false;
    }
    return true;
}

/* No bit of a decode target that is not there. */
static bool mask_ok(const struct arc_depdesc *d,
                    const struct arc_depdesc_structure *s)
{
    return !d->has_active_targets || s->n_targets == 32 ||
           d->active_targets >> s->n_targets == 0;
}

struct choice {
    int  index; /* -1: no template of these layers */
    bool dtis, fdiffs, chains;
    int  n_bits; /* of what differs */
};

static unsigned fdiff_size(uint16_t fdiff) /* in units of four bits */
{
    return fdiff <= 16 ? 1 : fdiff <= 256 ? 2 : 3;
}

static struct choice differences(const struct arc_depdesc_deps *d,
                                 const struct arc_depdesc_structure *s,
                                 int index)
{
    const struct arc_depdesc_deps *t = &s->templates[index];
    struct choice c;

    c.index  = index;
    c.dtis   = memcmp(d->dtis, t->dtis, s->n_targets) != 0;
    c.fdiffs = d->n_fdiffs != t->n_fdiffs ||
               memcmp(d->fdiffs, t->fdiffs, 2 * (size_t)d->n_fdiffs) != 0;
    c.chains = memcmp(d->chain_fdiffs, t->chain_fdiffs, s->n_chains) != 0;
    c.n_bits = (c.dtis ? 2 * s->n_targets : 0) + (c.fdiffs ? 2 : 0) +
               (c.chains ? 8 * s->n_chains : 0);
    for (int i = 0; c.fdiffs && i < d->n_fdiffs; i++)
        c.n_bits += 2 + 4 * (int)fdiff_size(d->fdiffs[i]);
    return c;
}

static struct choice choose(const struct arc_depdesc_deps *d,
                            const struct arc_depdesc_structure *s)
{
    struct choice best = {-1, false, false, false, 0};

    for (int i = 0; i < s->n_templates; i++) {
        struct choice c;

        if (s->templates[i].spatial_id != d->spatial_id ||
            s->templates[i].temporal_id != d->temporal_id)
            continue;
        c = differences(d, s, i);
        if (best.index < 0 || c.n_bits < best.n_bits)
            best = c;
    }
    return best;
}

static void write_dtis(struct arc_bitwriter *w,
                       const struct arc_depdesc_structure *s,
                       const struct arc_depdesc_deps *d)
{
    for (int i = 0; i < s->n_targets; i++)
        arc_bitwriter_u(w, 2, d->dtis[i]);
}

static void write_chains(struct arc_bitwriter *w,
                         const struct arc_depdesc_structure *s)
{
    write_ns(w, s->n_targets + 1u, s->n_chains);
    for (int i = 0; s->n_chains && i < s->n_targets; i++)
        write_ns(w, s->n_chains, s->protected_by[i]);
    for (int i = 0; i < s->n_templates; i++) {
        for (int c = 0; c < s->n_chains; c++)
            arc_bitwriter_u(w, 4, s->templates[i].chain_fdiffs[c]);
    }
}

static void write_structure(struct arc_bitwriter *w,
                            const struct arc_depdesc_structure *s)
{
    int last = s->n_templates - 1;

    arc_bitwriter_u(w, 6, s->id_offset);
    arc_bitwriter_u(w, 5, s->n_targets - 1u);
    for (int i = 0; i < last; i++)
        arc_bitwriter_u(w, 2, (uint32_t)step(&s->templates[i],
                                             &s->templates[i + 1]));
    arc_bitwriter_u(w, 2, 3);
    for (int i = 0; i <= last; i++)
        write_dtis(w, s, &s->templates[i]);
    for (int i = 0; i <= last; i++) {
        for (int k = 0; k < s->templates[i].n_fdiffs; k++)
            arc_bitwriter_u(w, 5, 0x10u | (s->templates[i].fdiffs[k] - 1u));
        arc_bitwriter_u(w, 1, 0);
    }
    write_chains(w, s);
    arc_bitwriter_u(w, 1, s->has_sizes);
    for (int i = 0; s->has_sizes && i <= s->templates[last].spatial_id; i++) {
        arc_bitwriter_u(w, 16, s->width_px[i] - 1);
        arc_bitwriter_u(w, 16, s->height_px[i] - 1);
    }
}

static void write_extended(struct arc_bitwriter *w,
                           const struct arc_depdesc *d,
                           const struct arc_depdesc_structure *s,
                           const struct choice *c)
{
    arc_bitwriter_u(w, 1, d->has_structure);
    arc_bitwriter_u(w, 1, d->has_active_targets);
    arc_bitwriter_u(w, 1, c->dtis);
    arc_bitwriter_u(w, 1, c->fdiffs);
    arc_bitwriter_u(w, 1, c->chains);
    if (d->has_structure)
        write_structure(w, s);
    if (d->has_active_targets)
        arc_bitwriter_u(w, s->n_targets, d->active_targets);
    if (c->dtis)
        write_dtis(w, s, &d->deps);
    if (c->fdiffs) {
        for (int i = 0; i < d->deps.n_fdiffs; i++) {
            unsigned size = fdiff_size(d->deps.fdiffs[i]);

            arc_bitwriter_u(w, 2, size);
            arc_bitwriter_u(w, 4 * size, d->deps.fdiffs[i] - 1u);
        }
        arc_bitwriter_u(w, 2, 0);
    }
    for (int i = 0; c->chains && i < s->n_chains; i++)
        arc_bitwriter_u(w, 8, d->deps.chain_fdiffs[i]);
}

enum arc_status arc_depdesc_write(const struct arc_depdesc *d,
                                  const struct arc_depdesc_structure *s,
                                  uint8_t *out, size_t cap, size_t *len_out)
{
    struct arc_bitwriter w;
    struct choice c;

    if (!d || !s || !out || !len_out || !structure_ok(s) || !mask_ok(d, s) ||
        !deps_ok(&d->deps, s, MAX_FDIFF, 255))
        return ARC_ERR_ARG;
    c = choose(&d->deps, s);
    if (c.index < 0)
        return ARC_ERR_ARG;

    arc_bitwriter_init(&w, out, cap);
    arc_bitwriter_u(&w, 1, d->starts_frame);
    arc_bitwriter_u(&w, 1, d->ends_frame);
    arc_bitwriter_u(&w, 6, (uint32_t)(s->id_offset + c.index) % TEMPLATE_IDS);
    arc_bitwriter_u(&w, 16, d->frame_number);
    if (d->has_structure || d->has_active_targets || c.dtis || c.fdiffs ||
        c.chains)
        write_extended(&w, d, s, &c);
    if (w.fail)
        return ARC_ERR_SPACE;
    *len_out = arc_bitwriter_bytes(&w);
    return ARC_OK;
}
