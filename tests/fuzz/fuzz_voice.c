/**
 * @file tests/fuzz/fuzz_voice.c  Any packets at any time into rx/voice, and any
 * pulls
 *
 * The first byte chooses codec and profile. Then each step is six bytes: what to
 * do, steps of number, time stamp and clock, length and first byte of a payload,
 * whose other bytes are those that follow in the input. The ledger always closes,
 * blocks are whole and follow each other, and nothing leaks.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audio/audiocodec.h"
#include "base/mem.h"
#include "base/units.h"
#include "rx/voicefeed.h"

enum { STEP_BYTES = 6, MAX_PULLS = 20, CAPACITY = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition)
        abort();
}

static struct arc_voicefeed *make(uint8_t choice)
{
    struct arc_voice_config cfg = {
        .codec = choice & 1 ? ARC_AUDIO_PCMU : ARC_AUDIO_OPUS,
        .sample_rate_hz = choice & 1 ? 8000 : 16000,
        .channels = choice & 2 ? 2 : 1,
        .max_latency_ms = choice & 4 ? 1000 : 120,
        .initial_latency_ms = choice & 8 ? 100 : 20,
        .adaptive = !(choice & 16),
        .profile = choice & 32 ? ARC_VOICE_RECOGNITION : ARC_VOICE_CONVERSATION,
        .cn_payload_type = 13,
        .capacity_pkts = CAPACITY,
    };
    struct arc_voicefeed *f = NULL;

    must(arc_voicefeed_new(&cfg, &f) == ARC_OK);
    return f;
}

static void check_ledger(const struct arc_voice *v)
{
    struct arc_voice_stats s;

    arc_voice_stats(v, &s);
    must(s.out == s.decoded + s.fec + s.copy + s.concealed + s.silent +
                      s.inserted + s.undecided);
    must(s.taken == s.decoded + s.fec + s.copy + s.removed + s.late + s.waiting);
    must(s.undecided >= 0 && s.removed >= 0 && s.late >= 0 && s.depth_ms >= 0);
}

static void pull(struct arc_voice *v, int64_t now_us)
{
    static struct arc_voice_block b;
    int64_t last_us = -1;

    for (int i = 0; i < MAX_PULLS && arc_voice_pull(v, now_us, &b) == ARC_OK; i++) {
        int32_t sum = 0;

        for (int kind = 0; kind < ARC_VOICE_KINDS; kind++)
            sum += b.samples_of[kind];
        must(b.n_samples > 0 && sum == b.n_samples &&
             b.n_samples * b.channels <= ARC_VOICE_MAX_SAMPLES);
        must(b.playout_us <= now_us && b.playout_us >= last_us);
        last_us = b.playout_us;
    }
    must(arc_voice_next_us(v) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Late enough that what is due since the longest gap is not before 0. */
    int64_t live = arc_mem_live_blocks(), now_us = 100 * ARC_US_PER_S;
    uint16_t seq16 = 65530;
    uint32_t ts = (uint32_t)-100;
    struct arc_voicefeed *f;
    struct arc_voice *v;

    if (size < 1)
        return 0;
    f = make(data[0]);
    v = arc_voicefeed_voice(f);
    for (data++, size--; size >= STEP_BYTES; data += STEP_BYTES, size -= STEP_BYTES) {
        size_t len = data[4] < size - 5 ? data[4] : size - 5;

        seq16  = (uint16_t)(seq16 + (int8_t)data[1] * (data[0] & 1 ? 500 : 1));
        ts    += (uint32_t)((int8_t)data[2] * (data[0] & 2 ? 100000 : 160));
        now_us += data[3] * (data[0] & 4 ? 20000 : 200);
        if (data[0] & 8)
            arc_voicefeed_push_copy(f, data + 5, len, ts - 960, now_us);
        if (!(data[0] & 16))
            arc_voicefeed_push(f, data + 5, len, data[0] & 32 ? 13 : 96, seq16,
                               ts, now_us);
        if (data[0] & 64)
            pull(v, now_us);
        if (data[0] & 128)
            arc_voice_set_hold_us(v, data[2] * ARC_US_PER_MS);
        check_ledger(v);
    }
    pull(v, now_us + ARC_US_PER_S);
    check_ledger(v);
    arc_voicefeed_free(f);
    must(arc_mem_live_blocks() == live);
    return 0;
}
