/**
 * @file wire/ccfb.c  Congestion control feedback: when each packet arrived
 */
#include "base/units.h"
#include "wire/ccfb.h"
#include "wire/rtcpfb.h"

enum {
    SSRC_BYTES        = 4,
    REPORT_TS_BYTES   = 4,
    STREAM_HEAD_BYTES = 8,
    METRIC_BYTES      = 2,
    RECEIVED          = 0x8000,
    ECN_SHIFT         = 13,
    ATO_PER_S         = 1024
};

uint16_t arc_ccfb_ato_from_us(int64_t before_report_us)
{
    if (before_report_us < 0)
        return ARC_CCFB_UNAVAILABLE;
    /* §3.1: above 8189/1024 s, not only from 8190/1024 s on. */
    if (before_report_us > ARC_CCFB_MAX_ATO * ARC_US_PER_S / ATO_PER_S)
        return ARC_CCFB_OVER_RANGE;
    return (uint16_t)((before_report_us * ATO_PER_S + ARC_US_PER_S / 2) /
                      ARC_US_PER_S);
}

int64_t arc_ccfb_ato_to_us(uint16_t ato)
{
    if (ato > ARC_CCFB_MAX_ATO)
        return -1;
    return (ato * ARC_US_PER_S + ATO_PER_S / 2) / ATO_PER_S;
}

/* §3.1: an odd number of metrics is filled up to a whole word. */
static size_t metrics_bytes(size_t n)
{
    return (n + n % 2) * METRIC_BYTES;
}

/* One stream off the reader, without its metrics; false: it breaks the format. */
static bool read_stream(struct arc_reader *r, struct arc_ccfb_stream *s,
                        const uint8_t **metrics)
{
    s->ssrc      = arc_reader_u32(r);
    s->begin_seq = arc_reader_u16(r);
    s->n_metrics = arc_reader_u16(r);
    *metrics     = arc_reader_take(r, metrics_bytes(s->n_metrics));
    return *metrics && s->n_metrics <= ARC_CCFB_MAX_METRICS;
}

/* Count what the message holds; false: it breaks the format. */
static bool count_all(struct arc_reader r, size_t *n_streams, size_t *n_metrics)
{
    struct arc_ccfb_stream s;
    const uint8_t *unused;

    *n_streams = *n_metrics = 0;
    while (arc_reader_left(&r) > 0) {
        if (!read_stream(&r, &s, &unused))
            return false;
        *n_streams += 1;
        *n_metrics += s.n_metrics;
    }
    return *n_streams > 0;
}

static struct arc_ccfb_metric metric_of(uint16_t word)
{
    struct arc_ccfb_metric m = {false, 0, 0};

    /* §3.1: what stands behind a cleared R is to be ignored. */
    if (word & RECEIVED) {
        m.received = true;
        m.ecn      = word >> ECN_SHIFT & 3;
        m.ato      = word & ARC_CCFB_UNAVAILABLE;
    }
    return m;
}

static uint16_t word_of(const struct arc_ccfb_metric *m)
{
    return m->received ? (uint16_t)(RECEIVED | m->ecn << ECN_SHIFT | m->ato)
                       : 0;
}

enum arc_status arc_ccfb_parse(const struct arc_rtcp_packet *p,
                               uint32_t *sender_ssrc, uint32_t *report_ts,
                               struct arc_ccfb_stream *streams,
                               size_t stream_cap, size_t *n_streams,
                               struct arc_ccfb_metric *metrics,
                               size_t metric_cap, size_t *n_metrics)
{
    struct arc_reader r, words;
    size_t stream_count, metric_count, at = 0;
    const uint8_t *bytes;

    if (!arc_rtcpfb_is(p, ARC_RTCP_RTPFB, ARC_RTPFB_CCFB) || !sender_ssrc ||
        !report_ts || !n_streams || !n_metrics || (stream_cap && !streams) ||
        (metric_cap && !metrics))
        return ARC_ERR_ARG;

    *n_streams = *n_metrics = 0;
    if (p->body_len < SSRC_BYTES + REPORT_TS_BYTES)
        return ARC_ERR_FORMAT;
    arc_reader_init(&r, p->body + SSRC_BYTES,
                    p->body_len - SSRC_BYTES - REPORT_TS_BYTES);
    if (!count_all(r, &stream_count, &metric_count))
        return ARC_ERR_FORMAT;
    if (stream_count > stream_cap || metric_count > metric_cap)
        return ARC_ERR_SPACE;

    for (size_t i = 0; i < stream_count; i++) {
        read_stream(&r, &streams[i], &bytes);
        arc_reader_init(&words, bytes, metrics_bytes(streams[i].n_metrics));
        for (size_t k = 0; k < streams[i].n_metrics; k++)
            metrics[at++] = metric_of(arc_reader_u16(&words));
    }
    arc_reader_init(&words, p->body, p->body_len);
    *sender_ssrc = arc_reader_u32(&words);
    arc_reader_take(&words, r.len);
    *report_ts = arc_reader_u32(&words);
    *n_streams = stream_count;
    *n_metrics = metric_count;
    return ARC_OK;
}

/* Bytes of all streams; false: a value is out of its range. */
static bool measure(const struct arc_ccfb_stream *streams, size_t n_streams,
                    const struct arc_ccfb_metric *metrics, size_t *bytes)
{
    size_t n_metrics = 0;

    *bytes = 0;
    for (size_t i = 0; i < n_streams; i++) {
        if (streams[i].n_metrics > ARC_CCFB_MAX_METRICS)
            return false;
        n_metrics += streams[i].n_metrics;
        *bytes += STREAM_HEAD_BYTES + metrics_bytes(streams[i].n_metrics);
    }
    for (size_t i = 0; i < n_metrics; i++) {
        if (metrics[i].received &&
            (metrics[i].ecn > 3 || metrics[i].ato > ARC_CCFB_UNAVAILABLE))
            return false;
    }
    return true;
}

void arc_ccfb_write(struct arc_writer *w, uint32_t sender_ssrc,
                    uint32_t report_ts, const struct arc_ccfb_stream *streams,
                    size_t n_streams, const struct arc_ccfb_metric *metrics)
{
    struct arc_writer body;
    size_t bytes, at = 0;

    if (n_streams == 0)
        return;
    if (!measure(streams, n_streams, metrics, &bytes)) {
        w->fail = true;
        return;
    }
    if (!arc_rtcp_open(w, ARC_RTCP_RTPFB, ARC_RTPFB_CCFB,
                       SSRC_BYTES + bytes + REPORT_TS_BYTES, &body))
        return;
    arc_writer_u32(&body, sender_ssrc);
    for (size_t i = 0; i < n_streams; i++) {
        arc_writer_u32(&body, streams[i].ssrc);
        arc_writer_u16(&body, streams[i].begin_seq);
        arc_writer_u16(&body, streams[i].n_metrics);
        for (size_t k = 0; k < streams[i].n_metrics; k++)
            arc_writer_u16(&body, word_of(&metrics[at++]));
        if (streams[i].n_metrics % 2)
            arc_writer_u16(&body, 0);
    }
    arc_writer_u32(&body, report_ts);
}
