/**
 * @file tests/fuzz/fuzz_rtcp.c  RTCP compounds
 *
 * Every packet that parses is written and parsed once more: the bytes of the
 * second writing must be those of the first.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/rtcp.h"
#include "wire/rtcpfb.h"
#include "wire/rtcppsfb.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_NACKED = 17 * 16384, MAX_ITEMS = 65536 };

static struct arc_rtcp_report_block blocks[ARC_RTCP_MAX_COUNT];
static uint32_t ssrcs[16384];
static uint16_t seqs[MAX_NACKED];
static uint8_t numbers[16384];
static struct arc_rtcp_sdes_item items[MAX_ITEMS];
static struct arc_rtcp_rate_limit limits[16384];
static struct arc_rtcp_tradeoff tradeoffs[16384];
static struct arc_rtcp_sli slices[16384];

static void rewrite_sdes(const struct arc_rtcp_packet *p, struct arc_writer *w)
{
    struct arc_rtcp_sdes_iter it;
    enum arc_status status;
    size_t n = 0;

    if (arc_rtcp_sdes_iter_init(&it, p) != ARC_OK)
        return;
    while ((status = arc_rtcp_sdes_next(&it, &items[n])) == ARC_OK) {
        n++;
        REQUIRE(n < MAX_ITEMS);
    }
    if (status == ARC_AGAIN)
        arc_rtcp_write_sdes(w, items, n);
}

static void rewrite_feedback(const struct arc_rtcp_packet *p,
                             struct arc_writer *w)
{
    uint32_t sender, media;
    uint64_t rate;
    size_t n;

    if (arc_rtcp_parse_nack(p, &sender, &media, seqs, MAX_NACKED, &n) == ARC_OK)
        arc_rtcp_write_nack(w, sender, media, seqs, n);
    if (arc_rtcp_parse_pli(p, &sender, &media) == ARC_OK)
        arc_rtcp_write_pli(w, sender, media);
    if (arc_rtcp_parse_fir(p, &sender, ssrcs, numbers, 16384, &n) == ARC_OK)
        arc_rtcp_write_fir_list(w, sender, ssrcs, numbers, n);
    if (arc_rtcp_parse_remb(p, &sender, &rate, ssrcs, 16384, &n) == ARC_OK)
        arc_rtcp_write_remb(w, sender, rate, ssrcs, n);
}

static void rewrite_control(const struct arc_rtcp_packet *p,
                            struct arc_writer *w)
{
    const uint8_t *bits;
    uint32_t sender, media;
    uint8_t type;
    size_t n;

    if (arc_rtcp_parse_tmmbr(p, &sender, limits, 16384, &n) == ARC_OK)
        arc_rtcp_write_tmmbr(w, sender, limits, n);
    if (arc_rtcp_parse_tmmbn(p, &sender, limits, 16384, &n) == ARC_OK)
        arc_rtcp_write_tmmbn(w, sender, limits, n);
    if (arc_rtcp_parse_tstr(p, &sender, tradeoffs, 16384, &n) == ARC_OK)
        arc_rtcp_write_tstr(w, sender, tradeoffs, n);
    if (arc_rtcp_parse_tstn(p, &sender, tradeoffs, 16384, &n) == ARC_OK)
        arc_rtcp_write_tstn(w, sender, tradeoffs, n);
    if (arc_rtcp_parse_sr_req(p, &sender, &media) == ARC_OK)
        arc_rtcp_write_sr_req(w, sender, media);
    if (arc_rtcp_parse_sli(p, &sender, &media, slices, 16384, &n) == ARC_OK)
        arc_rtcp_write_sli(w, sender, media, slices, n);
    if (arc_rtcp_parse_rpsi(p, &sender, &media, &type, &bits, &n) == ARC_OK)
        arc_rtcp_write_rpsi(w, sender, media, type, bits, n);
}

static void rewrite(const struct arc_rtcp_packet *p, struct arc_writer *w)
{
    struct arc_rtcp_sender_info info;
    struct arc_rtcp_app app;
    const uint8_t *reason;
    uint32_t ssrc;
    size_t n, len;

    if (arc_rtcp_parse_sr(p, &ssrc, &info, blocks, 31, &n) == ARC_OK)
        arc_rtcp_write_sr(w, ssrc, &info, blocks, n);
    if (arc_rtcp_parse_rr(p, &ssrc, blocks, 31, &n) == ARC_OK)
        arc_rtcp_write_rr(w, ssrc, blocks, n);
    if (arc_rtcp_parse_bye(p, ssrcs, 31, &n, &reason, &len) == ARC_OK)
        arc_rtcp_write_bye_text(w, ssrcs, n, reason, len);
    if (arc_rtcp_parse_app(p, &app) == ARC_OK)
        arc_rtcp_write_app(w, &app);
    rewrite_sdes(p, w);
    rewrite_feedback(p, w);
    rewrite_control(p, w);
}

static void check_packet(const struct arc_rtcp_packet *p)
{
    static uint8_t first[300000], second[300000];
    struct arc_writer w1, w2;
    struct arc_rtcp_packet again;
    struct arc_reader r;

    arc_writer_init(&w1, first, sizeof(first));
    rewrite(p, &w1);
    REQUIRE(!w1.fail);
    if (w1.pos == 0)
        return;
    REQUIRE(w1.pos <= 4 + p->body_len || p->type == ARC_RTCP_RTPFB);
    arc_reader_init(&r, first, w1.pos);
    REQUIRE(arc_rtcp_next(&r, &again) == ARC_OK);
    REQUIRE(arc_reader_left(&r) == 0);
    REQUIRE(again.type == p->type && again.count == p->count);
    arc_writer_init(&w2, second, sizeof(second));
    rewrite(&again, &w2);
    REQUIRE(!w2.fail && w2.pos == w1.pos);
    REQUIRE(memcmp(first, second, w1.pos) == 0);

    /* One byte less, and nothing is written. */
    arc_writer_init(&w2, second, w1.pos - 1);
    rewrite(p, &w2);
    REQUIRE(w2.fail && w2.pos == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arc_reader r;
    struct arc_rtcp_packet p;
    enum arc_status status;
    size_t seen = 0;
    bool sound;

    if (size == 0 || size > 65535)
        return 0;
    sound = arc_rtcp_check_compound(data, size, true) == ARC_OK;
    REQUIRE(sound == (arc_rtcp_fault(data, size, true) == NULL));
    if (arc_rtcp_check_compound(data, size, false) == ARC_OK)
        REQUIRE(sound);

    arc_reader_init(&r, data, size);
    while ((status = arc_rtcp_next(&r, &p)) == ARC_OK) {
        REQUIRE(p.body >= data && p.body + p.body_len <= data + size);
        REQUIRE(p.body_len % 4 == 0);
        check_packet(&p);
        REQUIRE(r.pos > seen);
        seen = r.pos;
    }
    if (sound)
        REQUIRE(status == ARC_AGAIN);
    return 0;
}
