/**
 * @file bench/bench_voice.c  CPU of rx/voice beyond the Opus decoder, for a second
 * of one stream
 *
 * Usage: bench_voice [SECONDS]
 *
 * A tone with noise at 16 kHz through Opus; packets of 20 ms that come on time,
 * with exponential jitter (mean 20 ms: play-out is stretched), and with 10 % of
 * them lost. What libopus alone takes to decode the same packets is printed apart.
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "audio/adec.h"
#include "audio/opuscodec.h"
#include "base/rng.h"
#include "rx/voicefeed.h"

enum { RATE = 16000, FRAME = 320, PKT_US = 20000, CAP = 1500, ROUNDS = 5 };

struct sent {
    int64_t at_us;
    int32_t number;
    int32_t len;
    uint8_t data[400];
};

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double uniform(struct arc_rng *rng)
{
    return 1.0 - arc_rng_unit(rng); /* never 0, of which a logarithm is taken */
}

static void encode(struct sent *s, int32_t n)
{
    const struct arc_opus_enc_config cfg = {RATE, 1, 24000, 5, 0, 0, false, false, true};
    struct arc_opus_enc *e = NULL;
    struct arc_rng rng;
    int16_t pcm[FRAME];
    double phase = 0.0;

    arc_rng_init(&rng, 1);
    if (arc_opus_enc_new(&cfg, &e) != ARC_OK)
        exit(1);
    for (int32_t i = 0; i < n; i++) {
        for (int32_t j = 0; j < FRAME; j++) {
            double hz = 120.0 + 40.0 * sin(i * 0.05), level = i % 60 < 40 ? 6000.0 : 60.0;

            phase += hz / RATE;
            pcm[j] = (int16_t)(level * (0.8 * (2.0 * (phase - floor(phase)) - 1.0) +
                                        0.2 * (uniform(&rng) - 0.5)));
        }
        if (arc_opus_enc_encode(e, pcm, FRAME, s[i].data, sizeof(s[i].data), &s[i].len) != ARC_OK)
            exit(1);
        s[i].number = i;
    }
    arc_opus_enc_free(e);
}

static double decode_alone(const struct sent *s, int32_t n)
{
    const struct arc_adec_config cfg = {ARC_AUDIO_OPUS, RATE, 1, false};
    static int16_t out[ARC_ADEC_MAX_SAMPLES];
    struct arc_adec *d = NULL;
    double start = cpu_s();
    int32_t got;

    if (arc_adec_new(&cfg, &d) != ARC_OK)
        exit(1);
    for (int32_t i = 0; i < n; i++)
        (void)arc_adec_decode(d, s[i].data, s[i].len, out, ARC_ADEC_MAX_SAMPLES, &got);
    arc_adec_free(d);
    return cpu_s() - start;
}

static int by_time(const void *a, const void *b)
{
    const struct sent *x = a, *y = b;

    return x->at_us < y->at_us ? -1 : x->at_us > y->at_us ? 1 : x->number - y->number;
}

static double receive(const struct sent *s, int32_t n, double loss,
                      struct arc_voice_stats *stats)
{
    const struct arc_voice_config cfg = {
        .codec = ARC_AUDIO_OPUS, .sample_rate_hz = RATE, .channels = 1,
        .max_latency_ms = 1000, .initial_latency_ms = 40, .adaptive = true,
        .cn_payload_type = -1,
    };
    static struct arc_voice_block b;
    struct arc_voicefeed *f = NULL;
    struct arc_rng rng;
    double start = cpu_s();

    arc_rng_init(&rng, 2);
    if (arc_voicefeed_new(&cfg, &f) != ARC_OK)
        exit(1);
    for (int32_t i = 0; i < n; i++) {
        struct arc_voice *v = arc_voicefeed_voice(f);

        while (arc_voice_next_us(v) < s[i].at_us)
            arc_voice_pull(v, arc_voice_next_us(v), &b);
        if (uniform(&rng) > loss)
            arc_voicefeed_push(f, s[i].data, (size_t)s[i].len, 96, (uint16_t)s[i].number,
                               (uint32_t)s[i].number * 960, s[i].at_us);
    }
    arc_voice_stats(arc_voicefeed_voice(f), stats);
    arc_voicefeed_free(f);
    return cpu_s() - start;
}

static void report(const char *name, struct sent *s, int32_t n, double mean_ms, double loss)
{
    struct arc_voice_stats stats;
    double best = 1e9, alone = 1e9;
    struct arc_rng rng;

    arc_rng_init(&rng, 3);
    for (int32_t i = 0; i < n; i++)
        s[i].at_us = (int64_t)s[i].number * PKT_US + 1000 -
                     (int64_t)(mean_ms * 1000.0 * log(uniform(&rng)));
    for (int round = 0; round < ROUNDS; round++)
        alone = fmin(alone, decode_alone(s, n));
    qsort(s, (size_t)n, sizeof(*s), by_time);
    for (int round = 0; round < ROUNDS; round++)
        best = fmin(best, receive(s, n, loss, &stats));
    printf("%-28s %7.3f ms a stream-second, Opus alone %6.3f, beyond it %6.3f; "
           "stretched %4.1f %%, concealed %4.1f %%\n", name,
           best * 1e6 / (n * 20.0), alone * 1e6 / (n * 20.0), (best - alone) * 1e6 / (n * 20.0),
           100.0 * (double)(stats.inserted + stats.removed) / (double)stats.out,
           100.0 * (double)(stats.concealed + stats.undecided) / (double)stats.out);
}

int main(int argc, char **argv)
{
    int32_t n = (argc > 1 ? atoi(argv[1]) : 60) * 50;
    struct sent *s = calloc((size_t)n, sizeof(*s));

    if (!s || n <= 0)
        return 1;
    encode(s, n);
    report("on time", s, n, 0.0, 0.0);
    report("exponential, mean 20 ms", s, n, 20.0, 0.0);
    report("on time, 10 % lost", s, n, 0.0, 0.1);
    free(s);
    return 0;
}
