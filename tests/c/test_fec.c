/**
 * @file tests/c/test_fec.c  References of packets in rx/fecdec, and packets whose
 *                           bytes are not those that were sent
 */
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "rx/fecdec.h"
#include "tx/fecenc.h"
#include "wire/rtp.h"
#include "check.h"

enum { SSRC = 77, BODY = 40, N = 4 };

struct all {
    struct arc_pkt_pool *pool;
    struct arc_fecdec   *d;
    struct arc_fecenc   *e;
    struct arc_pkt      *sent[N];
    struct arc_pkt      *repair; /* over all of them */
};

static struct arc_pkt *packet(struct arc_pkt_pool *pool, uint16_t seq16)
{
    struct arc_pkt *pkt = arc_pkt_get(pool);
    struct arc_rtp h = {0};
    size_t len = 0;

    CHECK(pkt);
    h.seq16 = seq16;
    h.ssrc  = SSRC;
    CHECK(arc_rtp_write_header(&h, NULL, pkt->data, 100, &len) == ARC_OK);
    memset(pkt->data + len, seq16 * 37 % 251, BODY);
    pkt->len = (int32_t)len + BODY;
    return pkt;
}

static void open_all(struct all *x, int32_t pool_pkts)
{
    const struct arc_fecdec_config dec = {ARC_FEC_FLEXFEC, 16};
    const struct arc_fecenc_config enc = {ARC_FEC_FLEXFEC, false, 100, 8, 200};
    const struct arc_fecenc_policy policy = {340, 1, false};
    size_t len = 0;

    CHECK(arc_pkt_pool_new(pool_pkts, &x->pool) == ARC_OK);
    CHECK(arc_fecdec_new(&dec, &x->d) == ARC_OK);
    CHECK(arc_fecenc_new(&enc, &x->e) == ARC_OK);
    CHECK(arc_fecenc_set_policy(x->e, &policy) == ARC_OK);
    x->repair = arc_pkt_get(x->pool);
    for (uint16_t i = 0; i < N; i++) {
        x->sent[i] = packet(x->pool, (uint16_t)(65534 + i));
        arc_fecenc_on_packet(x->e, x->sent[i]->data, (size_t)x->sent[i]->len,
                             i == N - 1);
    }
    CHECK(arc_fecenc_pop(x->e, x->repair->data, 200, &len) == ARC_OK);
    x->repair->len = (int32_t)len;
    CHECK(arc_fecenc_pop(x->e, x->repair->data + 200, 200, &len) == ARC_AGAIN);
}

static void close_all(struct all *x)
{
    arc_fecdec_free(x->d);
    arc_fecenc_free(x->e);
    for (int i = 0; i < N; i++)
        arc_pkt_unref(x->sent[i]);
    arc_pkt_unref(x->repair);
    CHECK(arc_pkt_pool_used(x->pool) == 0);
    arc_pkt_pool_unref(x->pool);
}

static void give_repair(struct all *x)
{
    struct arc_rtp h;

    CHECK(arc_rtp_parse(x->repair->data, (size_t)x->repair->len, &h) == ARC_OK);
    arc_fecdec_on_repair(x->d, x->repair, &h, SSRC);
}

static struct arc_fecdec_stats stats_of(const struct arc_fecdec *d)
{
    struct arc_fecdec_stats s;

    arc_fecdec_stats(d, &s);
    return s;
}

static bool same(const struct arc_pkt *a, const struct arc_pkt *b)
{
    return a->len == b->len && memcmp(a->data, b->data, (size_t)a->len) == 0;
}

static void test_fecdec_holds_one_reference_and_hands_out_one(void)
{
    struct arc_pkt *got = NULL;
    struct all x;

    open_all(&x, 16);
    for (int i = 0; i < N - 1; i++) {
        arc_fecdec_on_media(x.d, x.sent[i], true);
        arc_fecdec_on_media(x.d, x.sent[i], true); /* twice */
        CHECK(x.sent[i]->refs == 2);
    }
    give_repair(&x);
    CHECK(x.repair->refs == 2);
    CHECK(arc_fecdec_pop(x.d, x.pool, &got) == ARC_OK);
    CHECK(same(got, x.sent[N - 1]) && got->refs == 2);
    CHECK(x.repair->refs == 1);
    CHECK(arc_fecdec_pop(x.d, x.pool, &got) == ARC_AGAIN);
    arc_pkt_unref(got);
    arc_fecdec_reset(x.d);
    CHECK(x.sent[0]->refs == 1);
    close_all(&x);
}

/* A resend with another header extension has come: its packet is not missing, but
 * parity is not undone with it; what parity makes of it is then exact. */
static void test_fecdec_inexact_packet_is_never_part_of_a_recovery(void)
{
    struct arc_pkt *got = NULL;
    struct all x;

    open_all(&x, 16);
    x.sent[1]->data[30] ^= 0xff;
    arc_fecdec_on_media(x.d, x.sent[0], true);
    arc_fecdec_on_media(x.d, x.sent[1], false);
    arc_fecdec_on_media(x.d, x.sent[2], true);
    CHECK(x.sent[1]->refs == 1);
    give_repair(&x);
    CHECK(arc_fecdec_pop(x.d, x.pool, &got) == ARC_AGAIN); /* two are not exact */
    CHECK(stats_of(x.d).waiting == 1);
    arc_fecdec_on_media(x.d, x.sent[3], true);
    CHECK(arc_fecdec_pop(x.d, x.pool, &got) == ARC_AGAIN); /* nobody waits for it */
    CHECK(stats_of(x.d).unneeded == 1 && stats_of(x.d).recovered == 0);
    close_all(&x);
}

static void test_fecdec_empty_pool_loses_the_repair_and_says_so(void)
{
    struct arc_pkt *got = NULL;
    struct all x;

    open_all(&x, N + 1);
    for (int i = 1; i < N; i++)
        arc_fecdec_on_media(x.d, x.sent[i], true);
    give_repair(&x);
    CHECK(arc_fecdec_pop(x.d, x.pool, &got) == ARC_AGAIN);
    CHECK(stats_of(x.d).no_packet == 1 && stats_of(x.d).waiting == 0);
    CHECK(x.repair->refs == 1);
    close_all(&x);
}

static void test_fecenc_repair_without_room_is_lost_and_charged_to_nobody(void)
{
    uint8_t out[200];
    size_t len = 0;
    struct all x;

    open_all(&x, 16);
    for (uint16_t i = 0; i < N; i++)
        arc_fecenc_on_packet(x.e, x.sent[i]->data, (size_t)x.sent[i]->len, i == 3);
    for (size_t cap = 0; cap < 60; cap += 7) /* the first takes the repair away */
        CHECK(arc_fecenc_pop(x.e, out, cap, &len) ==
              (cap == 0 ? ARC_ERR_SPACE : ARC_AGAIN));
    close_all(&x);
}

int main(void)
{
    int64_t live = arc_mem_live_blocks();

    test_fecdec_holds_one_reference_and_hands_out_one();
    test_fecdec_inexact_packet_is_never_part_of_a_recovery();
    test_fecdec_empty_pool_loses_the_repair_and_says_so();
    test_fecenc_repair_without_room_is_lost_and_charged_to_nobody();
    CHECK(arc_mem_live_blocks() == live);
    return check_done("test_fec");
}
