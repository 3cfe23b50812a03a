/**
 * @file tests/c/test_video.c  What video/ promises and Python cannot see
 */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <libavutil/log.h>

#include "base/mem.h"
#include "video/annexb.h"
#include "video/avlog.h"
#include "video/decoder.h"
#include "video/encoder.h"
#include "video/vframe.h"
#include "check.h"

static int released;

static void count_release(void *opaque)
{
    CHECK(opaque == &released);
    released++;
}

static void test_wrap_releases_once_and_not_on_failure(void)
{
    uint8_t pixels[16 * 16 * 3] = {0};
    struct arc_vframe shape = {.format = ARC_PIX_RGB24, .width = 16,
                               .height = 16, .stride = {48},
                               .data = {pixels}};
    struct arc_vframe *f = NULL;
    int64_t live = arc_mem_live_blocks();

    released = 0;
    arc_mem_fail_after(0);
    CHECK(arc_vframe_wrap(&shape, count_release, &released, &f) ==
          ARC_ERR_NOMEM);
    arc_mem_fail_after(-1);
    CHECK(released == 0 && f == NULL);

    CHECK(arc_vframe_wrap(&shape, NULL, NULL, &f) == ARC_ERR_ARG);
    CHECK(arc_vframe_wrap(&shape, count_release, &released, &f) == ARC_OK);
    CHECK(f->data[0] == pixels && f->refs == 1);
    CHECK(arc_vframe_ref(f) == f);
    arc_vframe_unref(f);
    CHECK(released == 0);
    arc_vframe_unref(f);
    CHECK(released == 1);
    arc_vframe_unref(NULL);
    CHECK(arc_mem_live_blocks() == live);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *hold_and_let_go(void *arg)
{
    struct arc_vframe *f = arg;

    for (int i = 0; i < ROUNDS; i++) {
        arc_vframe_ref(f);
        arc_vframe_unref(f);
    }
    arc_vframe_unref(f);
    return NULL;
}

static void test_references_are_counted_across_threads(void)
{
    pthread_t threads[THREADS];
    struct arc_vframe *f;
    int64_t live = arc_mem_live_blocks();

    CHECK(arc_vframe_new(ARC_PIX_I420, 64, 64, &f) == ARC_OK);
    for (int i = 0; i < THREADS; i++)
        CHECK(!pthread_create(&threads[i], NULL, hold_and_let_go,
                              arc_vframe_ref(f)));
    arc_vframe_unref(f);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK(arc_mem_live_blocks() == live);
}

static void test_planes_are_writable_to_their_padded_end(void)
{
    static const int32_t formats[] = {ARC_PIX_I420, ARC_PIX_NV12,
                                      ARC_PIX_RGB24, ARC_PIX_BGR24,
                                      ARC_PIX_I010};

    for (size_t k = 0; k < sizeof(formats) / sizeof(formats[0]); k++) {
        struct arc_vframe *f;

        CHECK(arc_vframe_new(formats[k], 63, 47, &f) == ARC_OK);
        for (int32_t i = 0; i < arc_vframe_planes(f->format); i++) {
            CHECK(f->stride[i] > arc_vframe_row_bytes(f, i));
            memset(f->data[i], 255, (size_t)f->stride[i] *
                   (size_t)(arc_vframe_rows(f, i) + 1));
        }
        arc_vframe_unref(f);
    }
}

/* Two threads fail to open an encoder at the same time; each must read its own
 * reason. The names differ, so a mix-up shows. Returns its name if all is well. */
static void *open_in_vain(void *arg)
{
    struct arc_venc_config cfg = {
        .codec = ARC_VIDEO_H264, .width = 64, .height = 64,
        .frame_rate_num = 25, .frame_rate_den = 1, .bitrate_bps = 100000,
        .threads = 1, .speed = -1,
    };
    const char *name = arg;

    strcpy(cfg.name, name);
    for (int i = 0; i < 50; i++) {
        struct arc_venc *e = NULL;
        char why[200];
        enum arc_status status = arc_venc_new(&cfg, &e, why, sizeof(why));

        if (status == ARC_OK) {
            arc_venc_free(e); /* a machine that has the device */
            continue;
        }
        if (status != ARC_ERR_UNSUPPORTED ||
            strncmp(why, name, strlen(name)) != 0 ||
            strlen(why) <= strlen(name) + 2)
            return NULL;
    }
    return arg;
}

static void test_reasons_do_not_mix_between_threads(void)
{
    static char nvenc[] = "h264_nvenc", v4l2[] = "h264_v4l2m2m";
    pthread_t a, b;
    void *first, *second;

    CHECK(!pthread_create(&a, NULL, open_in_vain, nvenc));
    CHECK(!pthread_create(&b, NULL, open_in_vain, v4l2));
    pthread_join(a, &first);
    pthread_join(b, &second);
    CHECK(first == nvenc && second == v4l2);
}

static void test_annexb_drops_user_data_only(void)
{
    static const uint8_t unit[] = {
        0, 0, 0, 1, 0x67, 9, 9, 0, 0, 0, 1, 0x68, 8, /* SPS, PPS        */
        0, 0, 1, 6, 5, 3, 1, 2, 3, 0x80,             /* SEI, user data  */
        0, 0, 1, 0x65, 1, 2, 0, 0, 1, 6, 5, 1        /* IDR, SEI behind */
    };
    static const uint8_t wanted[] = {
        0, 0, 0, 1, 0x67, 9, 9, 0, 0, 0, 1, 0x68, 8,
        0, 0, 1, 0x65, 1, 2, 0, 0, 1, 6, 5, 1
    };
    uint8_t copy[sizeof(unit)];
    int32_t at;

    memcpy(copy, unit, sizeof(unit));
    at = arc_annexb_drop_user_data(copy, sizeof(copy));
    CHECK(at == 10);
    CHECK(memcmp(copy + at, wanted, sizeof(wanted)) == 0);
    CHECK(arc_annexb_drop_user_data(copy + at, sizeof(wanted)) == 0);

    copy[0] = 0;
    CHECK(arc_annexb_next(copy, 3, 0) == 3);
    CHECK(arc_annexb_drop_user_data(copy, 0) == 0);
    CHECK(arc_annexb_next(unit, sizeof(unit), 0) == 4);
    CHECK(arc_annexb_next(unit, sizeof(unit), 4) == 11);
}

static void test_explain_falls_back_to_the_number(void)
{
    struct arc_avlog log;
    char why[80], tiny[8];

    arc_avlog_begin(&log);
    arc_avlog_end();
    arc_avlog_explain(&log, "x", -22, why, sizeof(why));
    CHECK(strncmp(why, "x: ", 3) == 0 && strlen(why) > 5);
    arc_avlog_explain(&log, "a long name", -22, tiny, sizeof(tiny));
    CHECK(strcmp(tiny, "a long ") == 0);
    arc_avlog_explain(&log, "x", -22, tiny, 0);
    CHECK(strcmp(tiny, "a long ") == 0);
}

/* One picture there and back, then damaged: FFmpeg has much to say of it. */
static void code_and_damage_a_picture(void)
{
    static uint8_t copy[65536];
    struct arc_venc_config cfg = {
        .name = "libx264", .codec = ARC_VIDEO_H264, .width = 64, .height = 64,
        .frame_rate_num = 25, .frame_rate_den = 1, .bitrate_bps = 500000,
        .threads = 4, .speed = -1,
    };
    struct arc_vframe *f, *out = NULL;
    struct arc_encoded e;
    struct arc_venc *enc;
    struct arc_vdec *dec;
    char why[200];

    CHECK(arc_vframe_new(ARC_PIX_I420, 64, 64, &f) == ARC_OK);
    for (int32_t i = 0; i < 64 * f->stride[0]; i++)
        f->data[0][i] = (uint8_t)(i * 7 + i / 64 * 5);
    memset(f->data[1], 128, (size_t)(32 * f->stride[1]));
    memset(f->data[2], 128, (size_t)(32 * f->stride[2]));
    CHECK(arc_venc_new(&cfg, &enc, why, sizeof(why)) == ARC_OK);
    CHECK(arc_vdec_new(ARC_VIDEO_H264, 4, &dec, why, sizeof(why)) == ARC_OK);
    CHECK(arc_venc_encode(enc, f, true, &e) == ARC_OK);
    CHECK(e.len > 64 && e.len < (int32_t)sizeof(copy) - 64);
    memcpy(copy, e.data, (size_t)e.len);
    CHECK(arc_vdec_decode(dec, copy, e.len, 0, &out) == ARC_OK);
    arc_vframe_unref(out);
    for (int32_t i = e.len / 2; i < e.len; i++)
        copy[i] = (uint8_t)(copy[i] ^ 0x5a);
    out = NULL;
    (void)arc_vdec_decode(dec, copy, e.len, 1, &out);
    arc_vframe_unref(out);
    arc_vdec_free(dec);
    arc_venc_free(enc);
    arc_vframe_unref(f);
}

static void test_nothing_reaches_standard_error(void)
{
    struct arc_avlog log;
    FILE *caught = tmpfile();
    int level = av_log_get_level(), kept = dup(STDERR_FILENO);
    off_t written;

    CHECK(caught && kept >= 0);
    arc_avlog_begin(&log);
    av_log(NULL, AV_LOG_ERROR, "inside\n");
    arc_avlog_end();
    CHECK(strcmp(log.text, "inside") == 0);

    CHECK(dup2(fileno(caught), STDERR_FILENO) >= 0);
    av_log_set_level(INT_MAX); /* what FFmpeg's own call-back would write */
    av_log(NULL, AV_LOG_ERROR, "outside\n");
    code_and_damage_a_picture();
    written = lseek(STDERR_FILENO, 0, SEEK_END);
    av_log_set_level(level);
    CHECK(dup2(kept, STDERR_FILENO) >= 0);
    CHECK(written == 0);
    CHECK(strcmp(log.text, "inside") == 0);
    close(kept);
    fclose(caught);
}

int main(void)
{
    test_wrap_releases_once_and_not_on_failure();
    test_references_are_counted_across_threads();
    test_planes_are_writable_to_their_padded_end();
    test_reasons_do_not_mix_between_threads();
    test_annexb_drops_user_data_only();
    test_explain_falls_back_to_the_number();
    test_nothing_reaches_standard_error();
    return check_done("test_video");
}
