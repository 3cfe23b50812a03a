/**
 * @file tests/fuzz/fuzz_twcc.c  Feedback on arrivals: transport-wide and RFC 8888
 *
 * Every packet of the input is read as each of both. What parses is written and
 * parsed once more, and must say the same; what does not leaves no count.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/ccfb.h"
#include "wire/rtcpfb.h"
#include "wire/twcc.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 300000 };

static struct arc_twcc_status first[ARC_TWCC_MAX_STATUSES];
static struct arc_twcc_status second[ARC_TWCC_MAX_STATUSES];
static struct arc_ccfb_stream streams[2][8192];
static struct arc_ccfb_metric metrics[2][32768];
static uint8_t bytes[MAX_BYTES];

/* What was written, as a packet. */
static void take_written(const struct arc_writer *w, struct arc_rtcp_packet *p)
{
    struct arc_reader r;

    REQUIRE(!w->fail);
    arc_reader_init(&r, bytes, w->pos);
    REQUIRE(arc_rtcp_next(&r, p) == ARC_OK);
    REQUIRE(arc_reader_left(&r) == 0);
}

static void check_twcc(const struct arc_rtcp_packet *p)
{
    struct arc_rtcp_packet again;
    struct arc_twcc head, head2;
    struct arc_writer w;
    size_t n, n2;

    if (arc_twcc_parse(p, &head, first, ARC_TWCC_MAX_STATUSES, &n) != ARC_OK) {
        REQUIRE(n == 0);
        return;
    }
    REQUIRE(n > 0 && n <= ARC_TWCC_MAX_STATUSES);
    REQUIRE(arc_twcc_parse(p, &head2, second, n - 1, &n2) == ARC_ERR_SPACE);
    arc_writer_init(&w, bytes, sizeof(bytes));
    arc_twcc_write(&w, &head, first, n);
    take_written(&w, &again);
    REQUIRE(arc_twcc_parse(&again, &head2, second, n, &n2) == ARC_OK);
    REQUIRE(n2 == n && head2.sender_ssrc == head.sender_ssrc &&
            head2.media_ssrc == head.media_ssrc &&
            head2.base_seq == head.base_seq &&
            head2.feedback_count == head.feedback_count &&
            head2.reference_64ms == head.reference_64ms);
    for (size_t i = 0; i < n; i++)
        REQUIRE(first[i].received == second[i].received &&
                first[i].arrival_us == second[i].arrival_us);
}

static void check_ccfb(const struct arc_rtcp_packet *p)
{
    struct arc_rtcp_packet again;
    uint32_t sender[2], time[2];
    size_t ns[2], nm[2];
    struct arc_writer w;

    if (arc_ccfb_parse(p, &sender[0], &time[0], streams[0], 8192, &ns[0],
                       metrics[0], 32768, &nm[0]) != ARC_OK) {
        REQUIRE(ns[0] == 0 && nm[0] == 0);
        return;
    }
    arc_writer_init(&w, bytes, 4 + p->body_len);
    arc_ccfb_write(&w, sender[0], time[0], streams[0], ns[0], metrics[0]);
    take_written(&w, &again);
    REQUIRE(again.body_len == p->body_len);
    REQUIRE(arc_ccfb_parse(&again, &sender[1], &time[1], streams[1], ns[0],
                           &ns[1], metrics[1], nm[0], &nm[1]) == ARC_OK);
    REQUIRE(ns[0] == ns[1] && nm[0] == nm[1] && sender[0] == sender[1] &&
            time[0] == time[1]);
    for (size_t i = 0; i < ns[0]; i++)
        REQUIRE(streams[0][i].ssrc == streams[1][i].ssrc &&
                streams[0][i].begin_seq == streams[1][i].begin_seq &&
                streams[0][i].n_metrics == streams[1][i].n_metrics);
    for (size_t i = 0; i < nm[0]; i++)
        REQUIRE(metrics[0][i].received == metrics[1][i].received &&
                metrics[0][i].ecn == metrics[1][i].ecn &&
                metrics[0][i].ato == metrics[1][i].ato);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arc_rtcp_packet p;
    struct arc_reader r;

    if (size == 0 || size > 65535)
        return 0;
    arc_reader_init(&r, data, size);
    while (arc_rtcp_next(&r, &p) == ARC_OK) {
        p.type  = ARC_RTCP_RTPFB;
        p.count = ARC_RTPFB_TWCC;
        check_twcc(&p);
        p.count = ARC_RTPFB_CCFB;
        check_ccfb(&p);
    }
    return 0;
}
