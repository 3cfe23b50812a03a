/**
 * @file tests/fuzz/fuzz_conceal.c  Any calls into the concealer, in any order
 *
 * First byte: rate and channels. Then records of three bytes: what to do, how
 * long, how the audio sounds. Every buffer is exactly as long as documented, so
 * that AddressSanitizer sees one sample too many.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audio/conceal.h"
#include "base/bytes.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition)
        abort();
}

/** Silence, steps, full scale, a square wave of any period, or noise. */
static int16_t *sound(int32_t n, int32_t channels, uint8_t kind)
{
    int16_t *pcm = malloc(sizeof(*pcm) * (size_t)(n * channels + 1));
    int32_t period = 1 + kind / 5 * 7;
    uint32_t random = kind;

    for (int32_t i = 0; i < n * channels; i++) {
        random = random * 1664525u + 1013904223u;
        switch (kind % 5) {
        case 0:
            pcm[i] = 0;
            break;
        case 1:
            pcm[i] = i / period % 2 ? INT16_MIN : INT16_MAX;
            break;
        case 2:
            pcm[i] = (int16_t)(random >> 16);
            break;
        case 3:
            pcm[i] = INT16_MIN;
            break;
        default:
            pcm[i] = (int16_t)((i % period - period / 2) * 64);
        }
    }
    return pcm;
}

static void step(struct arc_conceal *c, int32_t rate, int32_t channels,
                 const uint8_t *record)
{
    int32_t n = rate / 400 * (1 + record[1] % 48); /* 2.5 to 120 ms */
    int16_t *a = sound(n, channels, record[2]);
    int16_t *b = sound(n, channels, (uint8_t)~record[2]);
    int16_t *out = malloc(sizeof(*out) * (size_t)(n * channels));

    switch (record[0] % 6) {
    case 0:
        arc_conceal_fill(c, NULL, NULL, 0, out, n);
        break;
    case 1:
        arc_conceal_fill(c, a, NULL, 0, out, n);
        break;
    case 2:
        arc_conceal_fill(c, a, b, n, out, n);
        break;
    case 3:
        arc_conceal_fill(c, NULL, b, n, out, n);
        break;
    case 4:
        if (record[2] == 255)
            arc_conceal_reset(c);
        arc_conceal_fill(c, a, b, n, out, rate / 1000 * ARC_CONCEAL_MAX_MS + 1);
        break;
    default:
        arc_conceal_on_audio(c, a, n);
    }
    free(out);
    free(b);
    free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arc_conceal_config cfg = {0, 0};
    struct arc_conceal *c;
    struct arc_reader r;
    uint8_t first;

    arc_reader_init(&r, data, size);
    first              = arc_reader_u8(&r);
    cfg.sample_rate_hz = 8000 + first / 2 % 41 * 1000;
    cfg.channels       = 1 + first % 2;
    must(arc_conceal_new(&cfg, &c) == ARC_OK);
    for (int records = 0; records < 24 && arc_reader_left(&r) >= 3; records++)
        step(c, cfg.sample_rate_hz, cfg.channels, arc_reader_take(&r, 3));
    arc_conceal_free(c);
    return 0;
}
