/**
 * @file wire/xrstats.c  Extended reports in numbers: summary, VoIP metrics, repair
 */
#include <string.h>

#include "wire/xrstats.h"

enum {
    SUMMARY_BYTES     = 36,
    VOIP_BYTES        = 32,
    POST_REPAIR_BYTES = 12,
    FLAG_LOST         = 0x80, /* §4.6: of the second byte of a summary */
    FLAG_DUPLICATES   = 0x40,
    FLAG_JITTER       = 0x20,
    HOPS_SHIFT        = 3,
    MAX_R_FACTOR      = 100,
    MIN_MOS           = 10,
    MAX_MOS           = 50
};

/* The fields behind their flags, by those that are reported. */
static void read_summary(struct arc_reader *r, struct arc_xr_summary *s)
{
    s->ssrc              = arc_reader_u32(r);
    s->begin_seq         = arc_reader_u16(r);
    s->end_seq           = arc_reader_u16(r);
    s->lost_pkts         = arc_reader_u32(r);
    s->duplicate_pkts    = arc_reader_u32(r);
    s->jitter_min_ticks  = arc_reader_u32(r);
    s->jitter_max_ticks  = arc_reader_u32(r);
    s->jitter_mean_ticks = arc_reader_u32(r);
    s->jitter_dev_ticks  = arc_reader_u32(r);
    s->hops_min          = arc_reader_u8(r);
    s->hops_max          = arc_reader_u8(r);
    s->hops_mean         = arc_reader_u8(r);
    s->hops_dev          = arc_reader_u8(r);
}

/* §4.6: "MUST ignore any ... non-zero value in any field flagged as
 * unreported". */
static bool is_silent_where_unreported(const struct arc_xr_summary *s)
{
    return (s->has_lost || !s->lost_pkts) &&
           (s->has_duplicates || !s->duplicate_pkts) &&
           (s->has_jitter || !(s->jitter_min_ticks | s->jitter_max_ticks |
                               s->jitter_mean_ticks | s->jitter_dev_ticks)) &&
           (s->hops_kind ||
            !(s->hops_min | s->hops_max | s->hops_mean | s->hops_dev));
}

enum arc_status arc_xr_parse_summary(const struct arc_xr_block *b,
                                     struct arc_xr_summary *out)
{
    struct arc_xr_summary s;
    struct arc_reader r;

    if (!b || b->type != ARC_XR_SUMMARY || !out)
        return ARC_ERR_ARG;
    if (b->body_len != SUMMARY_BYTES)
        return ARC_ERR_FORMAT;

    s.has_lost       = b->specific & FLAG_LOST;
    s.has_duplicates = b->specific & FLAG_DUPLICATES;
    s.has_jitter     = b->specific & FLAG_JITTER;
    s.hops_kind      = b->specific >> HOPS_SHIFT & 3;
    arc_reader_init(&r, b->body, b->body_len);
    read_summary(&r, &s);
    if (s.hops_kind > ARC_XR_HOPS_IPV6 || !is_silent_where_unreported(&s))
        return ARC_ERR_FORMAT;
    *out = s;
    return ARC_OK;
}

void arc_xr_write_summary(struct arc_writer *w, const struct arc_xr_summary *s)
{
    uint8_t flags = (uint8_t)((s->has_lost ? FLAG_LOST : 0) |
                              (s->has_duplicates ? FLAG_DUPLICATES : 0) |
                              (s->has_jitter ? FLAG_JITTER : 0) |
                              s->hops_kind << HOPS_SHIFT);
    struct arc_writer body;

    if (s->hops_kind > ARC_XR_HOPS_IPV6) {
        w->fail = true;
        return;
    }
    if (!arc_xr_open(w, ARC_XR_SUMMARY, flags, SUMMARY_BYTES, &body))
        return;
    arc_writer_u32(&body, s->ssrc);
    arc_writer_u16(&body, s->begin_seq);
    arc_writer_u16(&body, s->end_seq);
    arc_writer_u32(&body, s->has_lost ? s->lost_pkts : 0);
    arc_writer_u32(&body, s->has_duplicates ? s->duplicate_pkts : 0);
    arc_writer_u32(&body, s->has_jitter ? s->jitter_min_ticks : 0);
    arc_writer_u32(&body, s->has_jitter ? s->jitter_max_ticks : 0);
    arc_writer_u32(&body, s->has_jitter ? s->jitter_mean_ticks : 0);
    arc_writer_u32(&body, s->has_jitter ? s->jitter_dev_ticks : 0);
    arc_writer_u8(&body, s->hops_kind ? s->hops_min : 0);
    arc_writer_u8(&body, s->hops_kind ? s->hops_max : 0);
    arc_writer_u8(&body, s->hops_kind ? s->hops_mean : 0);
    arc_writer_u8(&body, s->hops_kind ? s->hops_dev : 0);
}

static bool is_r_factor(uint8_t v)
{
    return v <= MAX_R_FACTOR || v == ARC_XR_VOIP_UNKNOWN;
}

static bool is_mos(uint8_t v)
{
    return (v >= MIN_MOS && v <= MAX_MOS) || v == ARC_XR_VOIP_UNKNOWN;
}

static uint8_t read_r_factor(struct arc_reader *r)
{
    uint8_t v = arc_reader_u8(r);

    return is_r_factor(v) ? v : ARC_XR_VOIP_UNKNOWN;
}

static uint8_t read_mos(struct arc_reader *r)
{
    uint8_t v = arc_reader_u8(r);

    return is_mos(v) ? v : ARC_XR_VOIP_UNKNOWN;
}

static int8_t read_level(struct arc_reader *r)
{
    uint8_t v = arc_reader_u8(r);

    return (int8_t)(v < 128 ? v : v - 256);
}

static void read_voip(struct arc_reader *r, struct arc_xr_voip *m)
{
    uint8_t config;

    m->ssrc                = arc_reader_u32(r);
    m->loss_rate           = arc_reader_u8(r);
    m->discard_rate        = arc_reader_u8(r);
    m->burst_density       = arc_reader_u8(r);
    m->gap_density         = arc_reader_u8(r);
    m->burst_duration_ms   = arc_reader_u16(r);
    m->gap_duration_ms     = arc_reader_u16(r);
    m->round_trip_delay_ms = arc_reader_u16(r);
    m->end_system_delay_ms = arc_reader_u16(r);
    m->signal_level_db     = read_level(r);
    m->noise_level_db      = read_level(r);
    m->rerl_db             = arc_reader_u8(r);
    m->gmin_pkts           = arc_reader_u8(r);
    m->r_factor            = read_r_factor(r);
    m->ext_r_factor        = read_r_factor(r);
    m->mos_lq              = read_mos(r);
    m->mos_cq              = read_mos(r);
    config                 = arc_reader_u8(r);
    m->plc                 = config >> 6;
    m->jba                 = config >> 4 & 3;
    m->jb_rate             = config & 15;
    arc_reader_u8(r); /* reserved */
    m->jb_nominal_ms = arc_reader_u16(r);
    m->jb_maximum_ms = arc_reader_u16(r);
    m->jb_abs_max_ms = arc_reader_u16(r);
}

enum arc_status arc_xr_parse_voip(const struct arc_xr_block *b,
                                  struct arc_xr_voip *out)
{
    struct arc_xr_voip m;
    struct arc_reader r;

    if (!b || b->type != ARC_XR_VOIP || !out)
        return ARC_ERR_ARG;
    if (b->body_len != VOIP_BYTES)
        return ARC_ERR_FORMAT;

    arc_reader_init(&r, b->body, b->body_len);
    read_voip(&r, &m);
    if (m.gmin_pkts == 0) /* §4.7.6: without it no burst has a meaning */
        return ARC_ERR_FORMAT;
    *out = m;
    return ARC_OK;
}

void arc_xr_write_voip(struct arc_writer *w, const struct arc_xr_voip *m)
{
    struct arc_writer body;

    if (m->gmin_pkts == 0 || !is_r_factor(m->r_factor) ||
        !is_r_factor(m->ext_r_factor) || !is_mos(m->mos_lq) ||
        !is_mos(m->mos_cq) || m->plc > 3 || m->jba > 3 || m->jb_rate > 15) {
        w->fail = true;
        return;
    }
    if (!arc_xr_open(w, ARC_XR_VOIP, 0, VOIP_BYTES, &body))
        return;
    arc_writer_u32(&body, m->ssrc);
    arc_writer_u8(&body, m->loss_rate);
    arc_writer_u8(&body, m->discard_rate);
    arc_writer_u8(&body, m->burst_density);
    arc_writer_u8(&body, m->gap_density);
    arc_writer_u16(&body, m->burst_duration_ms);
    arc_writer_u16(&body, m->gap_duration_ms);
    arc_writer_u16(&body, m->round_trip_delay_ms);
    arc_writer_u16(&body, m->end_system_delay_ms);
    arc_writer_u8(&body, (uint8_t)m->signal_level_db);
    arc_writer_u8(&body, (uint8_t)m->noise_level_db);
    arc_writer_u8(&body, m->rerl_db);
    arc_writer_u8(&body, m->gmin_pkts);
    arc_writer_u8(&body, m->r_factor);
    arc_writer_u8(&body, m->ext_r_factor);
    arc_writer_u8(&body, m->mos_lq);
    arc_writer_u8(&body, m->mos_cq);
    arc_writer_u8(&body, (uint8_t)(m->plc << 6 | m->jba << 4 | m->jb_rate));
    arc_writer_u8(&body, 0); /* reserved */
    arc_writer_u16(&body, m->jb_nominal_ms);
    arc_writer_u16(&body, m->jb_maximum_ms);
    arc_writer_u16(&body, m->jb_abs_max_ms);
}

enum arc_status arc_xr_parse_post_repair(const struct arc_xr_block *b,
                                         struct arc_xr_post_repair *out)
{
    struct arc_reader r;

    if (!b || b->type != ARC_XR_POST_REPAIR || !out)
        return ARC_ERR_ARG;
    /* RFC 7509 §3.1: discard another length; 3, not 4, by erratum 4525. */
    if (b->body_len != POST_REPAIR_BYTES)
        return ARC_ERR_FORMAT;

    arc_reader_init(&r, b->body, b->body_len);
    out->ssrc          = arc_reader_u32(&r);
    out->begin_seq     = arc_reader_u16(&r);
    out->end_seq       = arc_reader_u16(&r);
    out->lost_pkts     = arc_reader_u16(&r);
    out->repaired_pkts = arc_reader_u16(&r);
    return ARC_OK;
}

void arc_xr_write_post_repair(struct arc_writer *w,
                              const struct arc_xr_post_repair *c)
{
    struct arc_writer body;

    if (!arc_xr_open(w, ARC_XR_POST_REPAIR, 0, POST_REPAIR_BYTES, &body))
        return;
    arc_writer_u32(&body, c->ssrc);
    arc_writer_u16(&body, c->begin_seq);
    arc_writer_u16(&body, c->end_seq);
    arc_writer_u16(&body, c->lost_pkts);
    arc_writer_u16(&body, c->repaired_pkts);
}
