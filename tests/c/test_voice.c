/**
 * @file tests/c/test_voice.c  A received voice where Python cannot look: failing
 * allocations, references to packets, memory that does not grow or is lent
 */
#include <string.h>

#include "audio/audiocodec.h"
#include "audio/opuscodec.h"
#include "base/mem.h"
#include "check.h"
#include "rx/voice.h"

enum { PCMU_BYTES = 160, TICKS = 160, PKT_US = 20000 };

static const struct arc_voice_config config = {
    .codec = ARC_AUDIO_PCMU, .sample_rate_hz = 8000, .channels = 1,
    .max_latency_ms = 500, .initial_latency_ms = 40, .adaptive = true,
    .cn_payload_type = -1, .capacity_pkts = 16,
};

static void push(struct arc_voice *v, struct arc_pkt_pool *pool, int64_t seq,
                 int64_t now_us, int copy)
{
    struct arc_rxpkt p;

    memset(&p, 0, sizeof(p));
    p.pkt = arc_pkt_get(pool);
    CHECK(p.pkt != NULL);
    memset(p.pkt->data, 0xff, PCMU_BYTES);
    p.pkt->len    = PCMU_BYTES;
    p.payload_len = PCMU_BYTES;
    p.seq         = seq;
    p.ts          = seq * TICKS;
    p.arrival_us  = now_us;
    if (copy)
        arc_voice_push_copy(v, &p, now_us);
    else
        arc_voice_push(v, &p, now_us);
    arc_rxpkt_unref(&p);
}

static void test_voice_new_survives_every_failed_allocation(void)
{
    const int64_t live = arc_mem_live_blocks();
    struct arc_voice *v = NULL;
    int64_t allowed = -1;
    enum arc_status status;

    do {
        arc_mem_fail_after(++allowed);
        status = arc_voice_new(&config, &v);
        arc_mem_fail_after(-1);
        CHECK(status == ARC_OK || status == ARC_ERR_NOMEM);
        CHECK(status == ARC_OK || arc_mem_live_blocks() == live);
    } while (status != ARC_OK);
    CHECK(allowed > 5);
    arc_voice_free(v);
    CHECK(arc_mem_live_blocks() == live);
}

static void test_voice_allocates_nothing_and_gives_every_packet_back(void)
{
    static struct arc_voice_block b;
    struct arc_pkt_pool *pool;
    struct arc_voice *v;
    int64_t bytes, blocks;

    CHECK(arc_pkt_pool_new(128, &pool) == ARC_OK);
    CHECK(arc_voice_new(&config, &v) == ARC_OK);
    bytes  = arc_mem_live_bytes();
    blocks = arc_mem_live_blocks();
    for (int64_t i = 0; i < 3000; i++) {
        const int64_t now_us = i * PKT_US;

        if (i % 11 != 3)
            push(v, pool, 1000 + i, now_us, 0);
        if (i % 3 == 0)
            push(v, pool, 1000 + i - 1, now_us, 1);
        if (i % 7 == 0)
            push(v, pool, 1000 + i - 2, now_us, 0); /* late, or twice */
        while (i % 50 > 10 && arc_voice_pull(v, now_us, &b) == ARC_OK)
            CHECK(b.n_samples == 80);
        CHECK(arc_pkt_pool_used(pool) <= 16 + 64);
    }
    CHECK(arc_mem_live_bytes() == bytes && arc_mem_live_blocks() == blocks);
    arc_voice_free(v);
    CHECK(arc_pkt_pool_used(pool) == 0);
    arc_pkt_pool_unref(pool);
}

static void test_voice_refuses_wrong_configs(void)
{
    struct arc_voice *v = NULL;
    struct arc_voice_config c = config;

    CHECK(arc_voice_new(NULL, &v) == ARC_ERR_ARG);
    CHECK(arc_voice_new(&config, NULL) == ARC_ERR_ARG);
    c.channels = 3;
    CHECK(arc_voice_new(&c, &v) == ARC_ERR_ARG);
    c = config;
    c.profile = 2;
    CHECK(arc_voice_new(&c, &v) == ARC_ERR_ARG);
    c = config;
    c.max_latency_ms = 20; /* below initial */
    CHECK(arc_voice_new(&c, &v) == ARC_ERR_ARG);
    c = config;
    c.late_share = 0.5;
    CHECK(arc_voice_new(&c, &v) == ARC_ERR_ARG);
    c = config;
    c.capacity_pkts = 5000;
    CHECK(arc_voice_new(&c, &v) == ARC_ERR_ARG);
}

/* --- working memory ---------------------------------------------------------------- */

enum { SPEECH_HZ = 16000, FRAME = SPEECH_HZ / 50, FRAME_TICKS = 960, FRAMES = 250 };

static struct arc_voice_config speech_config(struct arc_scratch *scratch)
{
    struct arc_voice_config c = config;

    c.codec          = ARC_AUDIO_OPUS;
    c.sample_rate_hz = SPEECH_HZ;
    c.scratch        = scratch;
    return c;
}

static struct arc_opus_enc *new_encoder(void)
{
    const struct arc_opus_enc_config cfg = {
        .sample_rate_hz = SPEECH_HZ, .channels = 1, .bitrate_bps = 24000,
        .complexity = 5, .application = ARC_OPUS_APPLICATION_VOIP, .vbr = true,
    };
    struct arc_opus_enc *e = NULL;

    CHECK(arc_opus_enc_new(&cfg, &e) == ARC_OK);
    return e;
}

/** Frame `i` of a voice that glides, as a packet. */
static struct arc_rxpkt next_frame(struct arc_opus_enc *e,
                                   struct arc_pkt_pool *pool, int64_t i)
{
    struct arc_rxpkt p = {.seq = i, .ts = i * FRAME_TICKS, .arrival_us = i * PKT_US};
    int16_t pcm[FRAME];

    for (int32_t k = 0; k < FRAME; k++) {
        int32_t period = 90 + (int32_t)(i / 10) % 40, at = k % period;

        pcm[k] = (int16_t)(20000 * (period - at) / period - 10000);
    }
    p.pkt = arc_pkt_get(pool);
    CHECK(p.pkt != NULL);
    CHECK(arc_opus_enc_encode(e, pcm, FRAME, p.pkt->data, ARC_PKT_CAP_BYTES,
                              &p.payload_len) == ARC_OK);
    return p;
}

/** All that the voice hands out is what the other one does; garbage is in the memory
 *  that it is lent before each call, and none but a pull touches that. */
static void pull_alike(struct arc_voice *v, struct arc_voice *lent, uint8_t *mem,
                       size_t bytes, int64_t now_us)
{
    static struct arc_voice_block b, like;
    enum arc_status status;

    do {
        status = arc_voice_pull(v, now_us, &b);
        memset(mem, 0xff, bytes);
        CHECK(arc_voice_pull(lent, now_us, &like) == status);
        if (status == ARC_OK)
            CHECK(memcmp(&b, &like, sizeof(b)) == 0);
    } while (status == ARC_OK);
    memset(mem, 0xff, bytes);
}

static bool is_untouched(const uint8_t *mem, size_t bytes)
{
    size_t i = 0;

    while (i < bytes && mem[i] == 0xff)
        i++;
    return i == bytes;
}

static void test_voice_keeps_nothing_in_memory_that_it_is_lent(void)
{
    struct arc_opus_enc *e = new_encoder();
    struct arc_scratch *scratch, *none;
    struct arc_voice *v, *lent, *other;
    struct arc_voice_config c = speech_config(NULL);
    struct arc_voice_stats stats;
    struct arc_pkt_pool *pool;
    size_t bytes;
    uint8_t *mem;

    CHECK(arc_voice_new_scratch(&scratch) == ARC_OK);
    bytes = arc_scratch_bytes(scratch);
    CHECK(arc_scratch_open(scratch, bytes, &none, &mem) == ARC_OK);
    CHECK(arc_pkt_pool_new(128, &pool) == ARC_OK);
    CHECK(arc_voice_new(&c, &v) == ARC_OK);
    c = speech_config(scratch);
    CHECK(arc_voice_new(&c, &lent) == ARC_OK);
    for (int64_t i = 0; i < FRAMES; i++) {
        struct arc_rxpkt p = next_frame(e, pool, i);

        if (i % 40 == 39) /* beside the thread that works there */
            CHECK(arc_voice_new(&c, &other) == ARC_OK);
        if (i % 9 != 4 && i % 31 > 2) { /* losses, short and long */
            arc_voice_push(v, &p, p.arrival_us);
            arc_voice_push(lent, &p, p.arrival_us);
        }
        arc_rxpkt_unref(&p);
        if (i % 40 == 39)
            arc_voice_free(other);
        CHECK(i == 0 || is_untouched(mem, bytes));
        if (i % 60 < 50) /* what has piled up is played faster */
            pull_alike(v, lent, mem, bytes, i * PKT_US);
    }
    arc_voice_stats(v, &stats);
    CHECK(stats.healed > 5 && stats.concealed > 0 && stats.removed + stats.inserted > 0);
    arc_voice_free(v);
    arc_voice_free(lent);
    arc_scratch_free(scratch);
    arc_opus_enc_free(e);
    arc_pkt_pool_unref(pool);
}

static void test_voice_refuses_scratch_memory_that_is_too_small(void)
{
    const int64_t live = arc_mem_live_blocks();
    struct arc_voice *v = NULL;
    struct arc_voice_config c;
    struct arc_scratch *small;

    CHECK(arc_scratch_new(1000, &small) == ARC_OK);
    c = speech_config(small);
    CHECK(arc_voice_new(&c, &v) == ARC_ERR_SPACE);
    arc_scratch_free(small);
    CHECK(arc_mem_live_blocks() == live);
}

static void test_voice_scratch_suffices_for_every_voice(void)
{
    static const int32_t rates_hz[] = {8000, 11000, 12000, 15000, 16000, 24000,
                                       32000, 44000, 48000};
    struct arc_scratch *scratch;

    CHECK(arc_voice_new_scratch(&scratch) == ARC_OK);
    for (int32_t codec = ARC_AUDIO_OPUS; codec <= ARC_AUDIO_L16; codec++)
        for (size_t i = 0; i < sizeof(rates_hz) / sizeof(rates_hz[0]); i++)
            for (int32_t channels = 1; channels <= 2; channels++) {
                struct arc_voice_config c = speech_config(scratch);
                struct arc_voice *v = NULL;
                enum arc_status status;

                c.codec          = codec;
                c.sample_rate_hz = rates_hz[i];
                c.channels       = channels;
                status = arc_voice_new(&c, &v);
                CHECK(status == ARC_OK || status == ARC_ERR_ARG);
                CHECK(status == ARC_OK || rates_hz[i] != 48000);
                arc_voice_free(v);
            }
    arc_scratch_free(scratch);
}

int main(void)
{
    test_voice_keeps_nothing_in_memory_that_it_is_lent();
    test_voice_refuses_scratch_memory_that_is_too_small();
    test_voice_scratch_suffices_for_every_voice();
    test_voice_new_survives_every_failed_allocation();
    test_voice_allocates_nothing_and_gives_every_packet_back();
    test_voice_refuses_wrong_configs();
    return check_done("voice");
}
