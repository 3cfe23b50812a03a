/**
 * @file bench/bench_vdec.c  A yardstick: the least C that decodes a stream
 *
 *     build/core-bench/bench_vdec h264|vp8|vp9|av1 FILE ROUNDS
 *
 * FILE: for each coded picture its length (4 bytes, big-endian) and its bytes.
 * Prints frames per second of CPU time of each round. The library is asked for
 * one thread and no delay, as video/decoder asks it; pictures are let go at
 * once. bench/bench_video_decode.py runs it beside VideoPipeline.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libavcodec/avcodec.h>
#ifdef ARC_HAVE_DAV1D
#include <dav1d/dav1d.h>
#endif

enum { MAX_PACKETS = 4096 };

static AVPacket *packets[MAX_PACKETS];
static int n_packets;

static void read_packets(const char *name)
{
    FILE *file = fopen(name, "rb");
    uint8_t head[4];

    if (!file) {
        perror(name);
        exit(1);
    }
    while (n_packets < MAX_PACKETS && fread(head, 1, 4, file) == 4) {
        int len = head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];
        AVPacket *p = av_packet_alloc();

        if (!p || av_new_packet(p, len) < 0 ||
            fread(p->data, 1, (size_t)len, file) != (size_t)len)
            exit(1);
        packets[n_packets++] = p;
    }
    fclose(file);
}

static int by_ffmpeg(const char *name)
{
    const AVCodec *codec = avcodec_find_decoder_by_name(name);
    AVCodecContext *ctx = avcodec_alloc_context3(codec);
    AVFrame *frame = av_frame_alloc();
    int frames = 0;

    ctx->thread_count = 1;
    ctx->flags |= AV_CODEC_FLAG_LOW_DELAY;
    if (avcodec_open2(ctx, codec, NULL) < 0)
        exit(1);
    for (int i = 0; i < n_packets; i++) {
        avcodec_send_packet(ctx, packets[i]);
        while (avcodec_receive_frame(ctx, frame) >= 0)
            frames++;
    }
    av_frame_free(&frame);
    avcodec_free_context(&ctx);
    return frames;
}

#ifdef ARC_HAVE_DAV1D
static void keep(const uint8_t *data, void *opaque)
{
    (void)data;
    (void)opaque;
}

static int by_dav1d(void)
{
    Dav1dSettings s;
    Dav1dContext *ctx;
    int frames = 0;

    dav1d_default_settings(&s);
    s.n_threads = 1;
    s.max_frame_delay = 1;
    if (dav1d_open(&ctx, &s) < 0)
        exit(1);
    for (int i = 0; i < n_packets; i++) {
        Dav1dData in = {0};
        int ret = 0;

        dav1d_data_wrap(&in, packets[i]->data, (size_t)packets[i]->size, keep,
                        NULL);
        while (in.sz || ret == 0) {
            Dav1dPicture p;

            memset(&p, 0, sizeof(p));
            if (in.sz)
                dav1d_send_data(ctx, &in);
            ret = dav1d_get_picture(ctx, &p);
            if (ret == 0) {
                frames++;
                dav1d_picture_unref(&p);
            }
        }
    }
    dav1d_close(&ctx);
    return frames;
}
#endif

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_vdec h264|vp8|vp9|av1 FILE ROUNDS\n");
        return 2;
    }
    read_packets(argv[2]);
    for (int i = atoi(argv[3]); i > 0; i--) {
        double begin = cpu_s();
        int frames;

#ifdef ARC_HAVE_DAV1D
        if (strcmp(argv[1], "av1") == 0)
            frames = by_dav1d();
        else
#endif
            frames = by_ffmpeg(argv[1]);
        printf("%.2f\n", frames / (cpu_s() - begin));
    }
    return 0;
}
