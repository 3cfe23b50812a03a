/**
 * @file tests/c/test_replace.c  A video encoder that fails in the middle of a
 *                               stream gives way to the next one
 *
 * Linked with --wrap=arc_venc_encode, so that it fails when the test says so.
 */
#include "peers.h"

enum arc_status __real_arc_venc_encode(struct arc_venc *e,
                                       const struct arc_vframe *frame,
                                       bool force_key, struct arc_encoded *out);
enum arc_status __wrap_arc_venc_encode(struct arc_venc *e,
                                       const struct arc_vframe *frame,
                                       bool force_key, struct arc_encoded *out);

static int32_t fails; /* so many calls from now on fail */
static bool    was_key; /* the last call asked for a key frame */

enum arc_status __wrap_arc_venc_encode(struct arc_venc *e,
                                       const struct arc_vframe *frame,
                                       bool force_key, struct arc_encoded *out)
{
    was_key = force_key;
    if (fails > 0) {
        fails--;
        return ARC_ERR_CODEC;
    }
    return __real_arc_venc_encode(e, frame, force_key, out);
}

static struct arc_session *open_stream(int32_t n_fallbacks,
                                       struct arc_sendstream **st)
{
    struct arc_session_config c = session_config(1, false);
    struct arc_session *s = new_session(&c);
    struct arc_send_config v = video_config(false);

    if (n_fallbacks > 0) /* one that does not open is passed over */
        strcpy(v.fallbacks[0], "no such encoder");
    if (n_fallbacks > 1)
        strcpy(v.fallbacks[1], v.video.name);
    *st = add_send(s, &v);
    return s;
}

static enum arc_status send_grey(struct arc_sendstream *st, int64_t now_us)
{
    struct arc_vframe *frame = NULL;
    enum arc_status status;

    CHECK(arc_vframe_new(ARC_PIX_I420, WIDTH, HEIGHT, &frame) == ARC_OK);
    status = arc_send_video(st, frame, now_us, now_us);
    if (status == ARC_OK)
        CHECK(arc_send_flush(st, now_us) == ARC_OK);
    arc_vframe_unref(frame);
    return status;
}

static int32_t count_events(struct arc_session *s, int64_t now_us, int64_t *value)
{
    static uint8_t datagram[MTU];
    struct arc_event e;
    size_t len;
    int32_t n = 0;

    while (arc_session_transmit(s, now_us, datagram, sizeof(datagram), &len) == ARC_OK)
        ;
    while (arc_session_poll_event(s, &e) == ARC_OK)
        if (e.type == ARC_EVENT_ENCODER_REPLACED) {
            *value = e.value;
            n++;
        }
    return n;
}

static void test_the_next_one_takes_the_same_picture(void)
{
    struct arc_sendstream *st;
    struct arc_session *s = open_stream(2, &st);
    struct arc_send_media_stats stats;
    int64_t value = 0;

    CHECK(send_grey(st, 0) == ARC_OK);
    CHECK(send_grey(st, 40 * MS) == ARC_OK);
    CHECK(!was_key);
    CHECK(count_events(s, 40 * MS, &value) == 0);
    fails = 1;
    CHECK(send_grey(st, 80 * MS) == ARC_OK);
    CHECK(was_key);
    arc_send_get_stats(st, &stats);
    CHECK(stats.frames_encoded == 3 && stats.frames_dropped == 0);
    CHECK(stats.key_frames == 2 && stats.codec_errors == 1);
    CHECK(stats.encoders_replaced == 1);
    CHECK(count_events(s, 80 * MS, &value) == 1);
    CHECK(value == 2);
    CHECK(send_grey(st, 120 * MS) == ARC_OK);
    CHECK(!was_key);
    arc_session_free(s);
}

static void test_without_another_one_the_fault_is_told(void)
{
    struct arc_sendstream *st;
    struct arc_session *s = open_stream(1, &st);
    struct arc_send_media_stats stats;
    int64_t value = 0;

    CHECK(send_grey(st, 0) == ARC_OK);
    fails = 1;
    CHECK(send_grey(st, 40 * MS) == ARC_ERR_CODEC);
    CHECK(send_grey(st, 80 * MS) == ARC_OK); /* it may be called again */
    arc_send_get_stats(st, &stats);
    CHECK(stats.frames_encoded == 2 && stats.codec_errors == 1);
    CHECK(stats.encoders_replaced == 0);
    CHECK(count_events(s, 80 * MS, &value) == 0);
    arc_session_free(s);
}

int main(void)
{
    test_the_next_one_takes_the_same_picture();
    test_without_another_one_the_fault_is_told();
    return check_done("replace");
}
