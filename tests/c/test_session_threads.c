/**
 * @file tests/c/test_session_threads.c  The two sides of sessions on two
 * threads, settings and events on a third: what ThreadSanitizer is to see
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "peers.h"

enum { END_US = 5000 * MS, LINE_US = 200, AHEAD_US = 30 * MS };

static struct arc_session *a, *b;
static struct arc_sendstream *speech, *camera;
static struct arc_recvstream *heard, *seen;
static struct pipe there, back;
static int64_t clock_us; /* atomic: the network's thread moves it on .. */
static int64_t media_us; /* atomic: .. and waits when media falls behind */
static int32_t over;     /* atomic flag */

/* --- network side: both sessions, what lies between them, their counters ------ */

static void *run_network(void *arg)
{
    int64_t received = 0;

    for (int64_t now_us = 0; now_us < END_US; now_us += 1 * MS) {
        struct arc_session_stats st;
        struct arc_recv_net_stats net;

        pipe_fill(&there, a, now_us);
        pipe_fill(&back, b, now_us);
        pipe_empty(&there, b, now_us);
        pipe_empty(&back, a, now_us);
        arc_session_get_stats(b, &st);
        CHECK(st.received_pkts >= received);
        received = st.received_pkts;
        arc_session_get_recv_stats(b, 1, &net);
        CHECK(arc_session_next_us(a) >= 0);
        arc_atomic_store_release(&clock_us, now_us);
        do
            sched_yield();
        while (now_us - arc_atomic_load_acquire(&media_us) > AHEAD_US);
    }
    arc_atomic_store_release(&over, 1);
    return arg;
}

/* --- media side ----------------------------------------------------------------- */

static struct arc_received out;

/** Sound is captured on a straight line, so what the reports say of it must lie
 *  on one: a pair of numbers of two different reports would not. */
static void check_line(int64_t *line_us)
{
    int64_t at_us = out.ntp_us - out.ts * 1000 / 48;

    if (out.ntp_us < 0)
        return;
    if (*line_us == 0)
        *line_us = at_us;
    CHECK(at_us - *line_us < LINE_US && *line_us - at_us < LINE_US);
}

static void *run_media(void *arg)
{
    int64_t next_sound_us = 0, next_picture_us = 0, line_us = 0;
    int32_t blocks = 0, shown = 0, n = 0;

    while (!arc_atomic_load_acquire(&over)) {
        int64_t now_us = arc_atomic_load_acquire(&clock_us);
        struct arc_recv_media_stats media;

        for (; next_sound_us <= now_us; next_sound_us += 20 * MS) {
            int16_t pcm[AUDIO_SAMPLES];

            buzz(pcm, AUDIO_SAMPLES);
            arc_send_audio(speech, pcm, AUDIO_SAMPLES, next_sound_us, now_us);
        }
        if (next_picture_us <= now_us) {
            send_picture(camera, n++, now_us);
            next_picture_us = now_us + 40 * MS;
        }
        while (arc_recv_pull(heard, now_us, &out) == ARC_OK) {
            check_line(&line_us);
            blocks++;
        }
        for (int tries = 0; tries < 2; tries++) {
            if (arc_recv_pull(seen, now_us, &out) != ARC_OK)
                continue;
            arc_vframe_unref(out.frame);
            shown++;
        }
        arc_recv_get_stats(seen, &media);
        arc_atomic_store_release(&media_us, now_us);
        sched_yield();
    }
    CHECK(blocks > 400 && shown > 30); /* of 10 and of 40 ms */
    return arg;
}

/* --- anybody else ------------------------------------------------------------------ */

static int32_t run_others(void)
{
    int32_t events = 0;

    while (!arc_atomic_load_acquire(&over)) {
        struct arc_event e;
        struct arc_sent_frame f;

        events += arc_session_poll_event(b, &e) == ARC_OK;
        arc_session_poll_event(a, &e);
        arc_session_poll_sent(a, &f);
        CHECK(arc_send_set_bitrate(camera, 300000 + events % 7 * 10000) ==
              ARC_OK);
        CHECK(arc_send_set_bitrate(speech, 24000 + events % 5 * 1000) ==
              ARC_OK);
        if (events % 16 == 0)
            arc_send_request_key(camera);
        arc_send_set_muted(camera, events % 32 == 31);
        sched_yield();
    }
    return events;
}

static void open_all(bool srtp)
{
    struct arc_session_config ca = session_config(1, srtp);
    struct arc_session_config cb = session_config(2, srtp);
    struct arc_send_config audio = audio_config(), video = video_config(true);
    struct arc_recv_config hear = recv_config(ARC_MEDIA_AUDIO);
    struct arc_recv_config see = recv_config(ARC_MEDIA_VIDEO);

    memset(&there, 0, sizeof(there));
    memset(&back, 0, sizeof(back));
    arc_rng_init(&there.rng, 1);
    arc_rng_init(&back.rng, 2);
    there.loss_pct = 3;
    there.late_pct = 3;
    clock_us = media_us = 0;
    over     = 0;
    a = new_session(&ca);
    b = new_session(&cb);
    speech = add_send(a, &audio);
    camera = add_send(a, &video);
    heard  = add_recv(b, &hear);
    seen   = add_recv(b, &see);
}

static void test_two_sides_on_two_threads(bool srtp)
{
    pthread_t network, media;
    struct arc_session_stats st;

    open_all(srtp);
    CHECK(!pthread_create(&network, NULL, run_network, NULL));
    CHECK(!pthread_create(&media, NULL, run_media, NULL));
    CHECK(run_others() >= 2);
    pthread_join(network, NULL);
    pthread_join(media, NULL);
    arc_session_get_stats(b, &st);
    CHECK(st.drops.malformed == 0 && st.drops.auth == 0);
    arc_session_free(a);
    arc_session_free(b);
}

int main(void)
{
    int64_t live = arc_mem_live_blocks();

    test_two_sides_on_two_threads(false);
    test_two_sides_on_two_threads(true);
    CHECK(arc_mem_live_blocks() == live);
    return check_done("test_session_threads");
}
