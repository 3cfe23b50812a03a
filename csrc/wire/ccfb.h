/**
 * @file wire/ccfb.h  Congestion control feedback: when each packet arrived
 *
 * RFC 8888 §3.1. One message speaks of several streams, of each about
 * consecutive sequence numbers: the i-th metric of a stream is about
 * begin_seq + i (mod 2^16).
 *
 * Owner:   the caller; nothing is kept.
 * Threads: any.
 * Time:    `report_ts` is the middle 32 bits of the receiver's NTP time, 1/65536
 *          s; arrivals are offsets before it in 1/1024 s.
 */
#ifndef ARC_WIRE_CCFB_H
#define ARC_WIRE_CCFB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "wire/rtcp.h"

/* ARC_CDEF_BEGIN */
#define ARC_CCFB_MAX_METRICS 16384  /* of one stream in one message          */
#define ARC_CCFB_MAX_ATO     0x1ffd /* the longest offset that has a value   */
#define ARC_CCFB_OVER_RANGE  0x1ffe /* it was longer                         */
#define ARC_CCFB_UNAVAILABLE 0x1fff /* not known, or after `report_ts`       */

struct arc_ccfb_metric {
    bool     received;
    uint8_t  ecn; /* 0..3, as in the IP header; 0 if not received or unused  */
    uint16_t ato; /* arrival before `report_ts`, 1/1024 s; 0 if not received */
};

struct arc_ccfb_stream {
    uint32_t ssrc;
    uint16_t begin_seq;
    uint16_t n_metrics; /* 0..ARC_CCFB_MAX_METRICS; 0: nothing came          */
};

/** An offset as it is written, to the nearest 1/1024 s. */
uint16_t arc_ccfb_ato_from_us(int64_t before_report_us);

/** The other way; -1 for OVER_RANGE and UNAVAILABLE. */
int64_t arc_ccfb_ato_to_us(uint16_t ato);

/**
 * @param streams    In the order of the message
 * @param stream_cap Room for streams
 * @param metrics    Those of the first stream, of the second, and so on
 * @param metric_cap Room for metrics
 *
 * @return ARC_OK, ARC_ERR_FORMAT (no stream, one that runs past the end, or
 *         more than ARC_CCFB_MAX_METRICS of one), ARC_ERR_SPACE or ARC_ERR_ARG
 *         (another type or format); the counts are 0 unless ARC_OK
 */
enum arc_status arc_ccfb_parse(const struct arc_rtcp_packet *p,
                               uint32_t *sender_ssrc, uint32_t *report_ts,
                               struct arc_ccfb_stream *streams,
                               size_t stream_cap, size_t *n_streams,
                               struct arc_ccfb_metric *metrics,
                               size_t metric_cap, size_t *n_metrics);

/**
 * @param n_streams 0 writes nothing. Too many metrics of one stream, or a value
 *                  out of its range, fail the writer
 * @param metrics   Of all streams, as above
 */
void arc_ccfb_write(struct arc_writer *w, uint32_t sender_ssrc,
                    uint32_t report_ts, const struct arc_ccfb_stream *streams,
                    size_t n_streams, const struct arc_ccfb_metric *metrics);
/* ARC_CDEF_END */

#endif
