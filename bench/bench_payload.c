/**
 * @file bench/bench_payload.c  Nanoseconds to cut a video frame into payloads,
 *                              and to put it together, without Python
 *
 *     make -s -f ci/core.mk SAN=bench build/core-bench/bench_payload &&
 *     build/core-bench/bench_payload
 *
 * One frame of 2160p30 at 20 Mb/s: 83 333 bytes, payloads of at most 1188. The
 * bytes are made up: the beginning of a frame of the codec, then random ones
 * without start codes. CPU time of the thread; median of the rounds.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "wire/pl_video.h"

enum {
    ROUNDS      = 31,
    CALLS       = 100,
    FRAME_BYTES = 20000000 / 8 / 30,
    LIMIT       = 1188,
    MAX_PKTS    = 128
};

static uint8_t frame[FRAME_BYTES + 16], out[FRAME_BYTES + 64];
static uint8_t payloads[MAX_PKTS][LIMIT];
static size_t lengths[MAX_PKTS];
static size_t frame_len;

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_payload: %s\n", what);
        exit(1);
    }
}

static void make_frame(int32_t codec)
{
    static const uint8_t begins[4][8] = {
        {0, 0, 0, 1, 0x61}, {0x11, 0, 0}, {0x82}, {0x32}};
    static const size_t lens[4] = {5, 3, 1, 1};
    struct arc_rng rng;
    size_t pos = lens[codec];

    memcpy(frame, begins[codec], pos);
    if (codec == ARC_VIDEO_AV1) { /* the size of the OBU */
        arc_leb128_put(frame + pos, FRAME_BYTES, arc_leb128_bytes(FRAME_BYTES));
        pos += arc_leb128_bytes(FRAME_BYTES);
    }
    arc_rng_init(&rng, 1);
    for (int i = 0; i < FRAME_BYTES; i++)
        frame[pos++] = (uint8_t)(1 + arc_rng_below(&rng, 255));
    frame_len = pos;
}

static int pack(struct arc_pl_video_tx *tx)
{
    struct arc_pl_layer layer = {0};
    struct arc_pl_video_packer p;
    struct arc_pl_video_place place;
    int n = 0;

    layer.len          = (uint32_t)frame_len;
    layer.is_key       = true;
    layer.is_reference = true;
    must(arc_pl_video_packer_init(&p, tx, frame, frame_len, &layer, 1, LIMIT) ==
             ARC_OK, "pack");
    while (n < MAX_PKTS && arc_pl_video_packer_next(&p, payloads[n], &lengths[n],
                                                    &place) == ARC_OK)
        n++;
    return n;
}

static void unpack(int32_t codec, int n)
{
    struct arc_pl_video_unpacker u;
    size_t len = 0;

    arc_pl_video_unpacker_init(&u, codec, out, sizeof(out));
    for (int i = 0; i < n; i++)
        must(arc_pl_video_unpacker_push(&u, payloads[i], lengths[i]) == ARC_OK,
             "unpack");
    must(arc_pl_video_unpacker_finish(&u, &len) == ARC_OK &&
             len >= FRAME_BYTES, "finish");
}

static void measure(int32_t codec, const char *name)
{
    struct arc_pl_video_config cfg = {0};
    struct arc_pl_video_tx tx;
    double packed[ROUNDS], unpacked[ROUNDS];
    int n = 0;

    cfg.codec      = codec;
    cfg.n_temporal = 1;
    cfg.n_spatial  = 1;
    must(arc_pl_video_tx_init(&tx, &cfg) == ARC_OK, "init");
    make_frame(codec);
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_ns();

        for (int k = 0; k < CALLS; k++)
            n = pack(&tx);
        packed[i] = (now_ns() - start) / CALLS;
        start     = now_ns();
        for (int k = 0; k < CALLS; k++)
            unpack(codec, n);
        unpacked[i] = (now_ns() - start) / CALLS;
    }
    qsort(packed, ROUNDS, sizeof(*packed), by_value);
    qsort(unpacked, ROUNDS, sizeof(*unpacked), by_value);
    printf("%-5s %3d payloads   pack %7.0f ns/frame %5.0f ns/payload   "
           "unpack %7.0f ns/frame %5.0f ns/payload\n", name, n,
           packed[ROUNDS / 2], packed[ROUNDS / 2] / n, unpacked[ROUNDS / 2],
           unpacked[ROUNDS / 2] / n);
}

int main(void)
{
    measure(ARC_VIDEO_H264, "h264");
    measure(ARC_VIDEO_VP8, "vp8");
    measure(ARC_VIDEO_VP9, "vp9");
    measure(ARC_VIDEO_AV1, "av1");
    return 0;
}
