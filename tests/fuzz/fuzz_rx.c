/**
 * @file tests/fuzz/fuzz_rx.c  Any order of calls into jitter, assemble, nackgen
 * and rxstats
 *
 * Each five bytes are one step: what to do, a step of the sequence number, one
 * of the timestamp, one of the clock, flags. What goes in comes out once and in
 * order, counters add up, and no packet leaks.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rx/assemble.h"
#include "rx/jitter.h"
#include "rx/nackgen.h"
#include "rx/rxstats.h"

enum { STEP_BYTES = 5, POOL = 64, CAPACITY = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct all {
    struct arc_pkt_pool *pool;
    struct arc_jitter   *j;
    struct arc_assemble *a;
    struct arc_nackgen  *g;
    struct arc_rxstats   s;
};

static void must(int condition)
{
    if (!condition)
        abort();
}

static void make(struct all *x)
{
    const struct arc_jitter_config jitter = {
        .clock_hz = 48000, .min_latency_ms = 5, .max_latency_ms = 200,
        .initial_latency_ms = 20, .adaptive = true, .capacity_pkts = CAPACITY};
    const struct arc_assemble_config assemble = {32, 8, 50000};
    const struct arc_nackgen_config nack = {16, 4, 10000, 400000};

    must(arc_pkt_pool_new(POOL, &x->pool) == ARC_OK);
    must(arc_jitter_new(&jitter, &x->j) == ARC_OK);
    must(arc_assemble_new(&assemble, &x->a) == ARC_OK);
    must(arc_nackgen_new(&nack, &x->g) == ARC_OK);
    arc_rxstats_init(&x->s, 48000);
}

static void push(struct all *x, struct arc_rxpkt *p, int64_t now_us)
{
    p->pkt = arc_pkt_get(x->pool);
    must(p->pkt != NULL);
    arc_jitter_push(x->j, p, now_us);
    arc_assemble_push(x->a, p, now_us);
    arc_nackgen_on_packet(x->g, (uint64_t)p->seq, now_us);
    if (p->repaired)
        arc_rxstats_on_repaired(&x->s, p->seq);
    else
        arc_rxstats_on_packet(&x->s, p->seq, (uint32_t)p->ts, 100, now_us);
    arc_pkt_unref(p->pkt);
}

static void pull(struct all *x, int64_t now_us)
{
    struct arc_rxpkt p;
    struct arc_assembled f;
    uint64_t seqs[8];
    size_t n;

    while (arc_jitter_next_us(x->j) <= now_us) {
        must(arc_jitter_pop(x->j, now_us, &p) == ARC_OK);
        arc_pkt_unref(p.pkt);
    }
    while (arc_assemble_pop(x->a, now_us, &f) == ARC_OK) {
        must(f.n_pkts >= 1 && f.last_seq - f.first_seq + 1 == f.n_pkts);
        for (int64_t s = f.first_seq; s <= f.last_seq; s++)
            must(arc_assemble_packet(x->a, s)->ts == f.ts);
    }
    if (arc_nackgen_poll(x->g, 30000, now_us, seqs, 8, &n) == ARC_OK) {
        for (size_t i = 1; i < n; i++)
            must(seqs[i] > seqs[i - 1]);
    }
}

static void check_counts(const struct all *x)
{
    struct arc_jitter_stats j;
    struct arc_assemble_stats a;

    arc_jitter_stats(x->j, &j);
    must(j.depth_pkts <= CAPACITY && j.lost >= 0);
    must(j.target_latency_ms >= 5 && j.target_latency_ms <= 200);
    arc_assemble_stats(x->a, &a);
    must(a.depth_pkts >= 0 && a.depth_pkts <= 32);
    must(arc_pkt_pool_used(x->pool) >= j.depth_pkts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t live = arc_mem_live_blocks(), now_us = 1000000;
    struct arc_rxstats_report report;
    struct arc_rxpkt p;
    struct all x;

    memset(&p, 0, sizeof(p));
    make(&x);
    p.seq = 65530;
    p.ts  = INT64_C(0x100000000) - 100;
    for (; size >= STEP_BYTES; data += STEP_BYTES, size -= STEP_BYTES) {
        p.seq += (int8_t)data[1] * (data[0] & 1 ? 500 : 1);
        p.ts  += (int8_t)data[2] * (data[0] & 2 ? 40000 : 480);
        now_us += data[3] * (data[0] & 4 ? 20000 : 100);
        p.marker       = data[4] & 1;
        p.starts_frame = data[4] >> 1 & 1;
        p.is_key       = data[4] >> 2 & 1;
        p.repaired     = data[4] >> 3 & 1;
        p.payload_len  = data[4] >> 4 & 1;
        p.arrival_us   = now_us;
        if (p.seq < 0)
            p.seq = 65530;
        push(&x, &p, now_us);
        if (data[0] & 8)
            pull(&x, now_us);
        if (data[0] & 16)
            arc_jitter_adapt(x.j, data[4] / 255.0, data[1], data[2]);
        check_counts(&x);
    }
    arc_rxstats_report(&x.s, &report);
    arc_jitter_free(x.j);
    arc_assemble_free(x.a);
    arc_nackgen_free(x.g);
    must(arc_pkt_pool_used(x.pool) == 0);
    arc_pkt_pool_unref(x.pool);
    must(arc_mem_live_blocks() == live);
    return 0;
}
