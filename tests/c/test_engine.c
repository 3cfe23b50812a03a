/**
 * @file tests/c/test_engine.c  Two peers on native threads, and everybody who
 * may look at them while they run
 *
 * The threads of io/ have no other test that ThreadSanitizer can watch: it
 * cannot run inside Python. Encoded media crosses the loopback under SRTP while
 * a third thread calls all that "any thread" may call. It ends when enough has
 * arrived, not after a time; only the limit is a time.
 */
#define _GNU_SOURCE
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/udp.h"
#include "io/worker.h"
#include "check.h"

enum {
    RATE_HZ = 48000, BLOCK = 960, WIDTH = 160, HEIGHT = 96,
    WANTED_BLOCKS = 40, WANTED_PICTURES = 20, LIMIT_US = 60 * 1000 * 1000,
};

struct peer {
    struct arc_session    *session;
    struct arc_udp        *udp;
    struct arc_loop       *loop;
    struct arc_worker     *audio, *video;
    struct arc_sendstream *speech, *camera;
    struct arc_recvstream *ear, *eye;
    int32_t                blocks, pictures, events, sent; /* fetched */
};

static struct peer peers[2];
static int32_t stop; /* atomic */

/* --- making ------------------------------------------------------------------- */

static void make_session(struct peer *p, int which)
{
    struct arc_session_config cfg;

    memset(&cfg, 0, sizeof(cfg));
    cfg.srtp = true;
    cfg.srtp_send.profile  = ARC_SRTP_AEAD_AES_128_GCM;
    cfg.srtp_send.key_len  = 16;
    cfg.srtp_send.salt_len = 12;
    memset(cfg.srtp_send.master_key, 7, 16);
    cfg.srtp_receive = cfg.srtp_send;
    strcpy(cfg.cname, which ? "b" : "a");
    cfg.seed         = (uint64_t)which + 1;
    cfg.ntp_at_zero  = arc_clock_ntp();
    cfg.pool_pkts    = 512;
    cfg.mtu_bytes    = 1200;
    cfg.pace_percent = 250;
    cfg.nack = cfg.nack_audio = true;
    CHECK(arc_session_new(&cfg, arc_clock_us(), &p->session) == ARC_OK);
}

static void add_streams(struct peer *p, int which)
{
    struct arc_send_config send;
    struct arc_recv_config recv;
    char why[200];

    memset(&send, 0, sizeof(send));
    send.kind             = ARC_MEDIA_AUDIO;
    send.ssrc             = 1000 + (uint32_t)which;
    send.rtx_ssrc         = 1100 + (uint32_t)which;
    send.payload_type     = 96;
    send.rtx_payload_type = 97;
    send.frame_us         = 20000;
    send.opus.sample_rate_hz = RATE_HZ;
    send.opus.channels       = 1;
    send.opus.bitrate_bps    = 32000;
    send.opus.fec = send.opus.vbr = true;
    CHECK(arc_session_add_send(p->session, &send, &p->speech, why,
                               sizeof(why)) == ARC_OK);
    send.kind             = ARC_MEDIA_VIDEO;
    send.ssrc             = 2000 + (uint32_t)which;
    send.rtx_ssrc         = 2100 + (uint32_t)which;
    send.payload_type     = 98;
    send.rtx_payload_type = 99;
    strcpy(send.video.name, "libx264");
    send.video.codec          = ARC_VIDEO_H264;
    send.video.width          = WIDTH;
    send.video.height         = HEIGHT;
    send.video.frame_rate_num = 25;
    send.video.frame_rate_den = 1;
    send.video.bitrate_bps    = 300000;
    send.video.threads        = 1;
    send.video.speed          = 7;
    CHECK(arc_session_add_send(p->session, &send, &p->camera, why,
                               sizeof(why)) == ARC_OK);

    memset(&recv, 0, sizeof(recv));
    recv.kind             = ARC_MEDIA_AUDIO;
    recv.payload_type     = 96;
    recv.rtx_payload_type = 97;
    recv.sample_rate_hz   = RATE_HZ;
    recv.channels         = 1;
    recv.min_latency_ms   = 10;
    recv.max_latency_ms   = 200;
    recv.initial_latency_ms = 20;
    recv.adaptive         = true;
    CHECK(arc_session_add_recv(p->session, &recv, &p->ear, why,
                               sizeof(why)) == ARC_OK);
    recv.kind             = ARC_MEDIA_VIDEO;
    recv.payload_type     = 98;
    recv.rtx_payload_type = 99;
    recv.codec            = ARC_VIDEO_H264;
    CHECK(arc_session_add_recv(p->session, &recv, &p->eye, why,
                               sizeof(why)) == ARC_OK);
}

static void make_peer(struct peer *p, int which)
{
    char why[200];

    make_session(p, which);
    add_streams(p, which);
    CHECK(arc_udp_open("127.0.0.1", 0, &p->udp, why, sizeof(why)) == ARC_OK);
    CHECK(arc_loop_new(&p->loop) == ARC_OK);
    CHECK(arc_worker_new(&p->audio) == ARC_OK);
    CHECK(arc_worker_new(&p->video) == ARC_OK);
}

static void start_peer(struct peer *p, const struct peer *other)
{
    char why[200];

    CHECK(arc_udp_set_remote(p->udp, "127.0.0.1", arc_udp_port(other->udp),
                             why, sizeof(why)) == ARC_OK);
    CHECK(arc_loop_attach(p->loop, p->session, p->udp, p->audio, p->video) ==
          ARC_OK);
    CHECK(arc_worker_add_send(p->audio, p->speech, p->loop, 8) == ARC_OK);
    CHECK(arc_worker_add_send(p->video, p->camera, p->loop, 4) == ARC_OK);
    CHECK(arc_worker_add_recv(p->audio, p->ear, 4) == ARC_OK);
    CHECK(arc_worker_add_recv(p->video, p->eye, 4) == ARC_OK);
}

/* In the order of Peer.close(). */
static void end_peer(struct peer *p)
{
    CHECK(arc_worker_remove_send(p->audio, p->speech) == ARC_OK);
    CHECK(arc_worker_remove_send(p->video, p->camera) == ARC_OK);
    CHECK(arc_worker_remove_recv(p->audio, p->ear) == ARC_OK);
    CHECK(arc_worker_remove_recv(p->video, p->eye) == ARC_OK);
    CHECK(arc_loop_bye(p->loop, p->session) == ARC_OK);
    CHECK(arc_loop_detach(p->loop, p->session) == ARC_OK);
    CHECK(arc_loop_detach(p->loop, p->session) == ARC_ERR_ARG);
    arc_loop_free(p->loop);
    arc_worker_free(p->audio);
    arc_worker_free(p->video);
    arc_session_free(p->session);
    arc_udp_close(p->udp);
}

/* --- running -------------------------------------------------------------------- */

static void post(struct peer *p, int32_t n)
{
    int16_t pcm[BLOCK];
    struct arc_vframe *f;

    for (int i = 0; i < BLOCK; i++)
        pcm[i] = (int16_t)(8000.0 * sin(0.03 * (n * BLOCK + i)));
    CHECK(arc_worker_post_audio(p->audio, p->speech, pcm, BLOCK,
                                arc_clock_us()) == ARC_OK);
    if (n % 2)
        return;
    CHECK(arc_vframe_new(ARC_PIX_I420, WIDTH, HEIGHT, &f) == ARC_OK);
    for (int32_t i = 0; i < 3; i++)
        for (int32_t y = 0; y < arc_vframe_rows(f, i); y++)
            memset(f->data[i] + y * f->stride[i], (i * 50 + y + n * 3) & 255,
                   (size_t)arc_vframe_row_bytes(f, i));
    CHECK(arc_worker_post_video(p->video, p->camera, f, arc_clock_us()) ==
          ARC_OK);
    arc_vframe_unref(f);
}

static void fetch(struct peer *p)
{
    static struct arc_received r;
    struct arc_event e;
    struct arc_sent_frame sent;

    arc_worker_clear(p->audio);
    arc_worker_clear(p->video);
    arc_loop_clear(p->loop);
    while (arc_worker_fetch(p->audio, p->ear, &r) == ARC_OK)
        p->blocks += r.block == ARC_BLOCK_DECODED;
    while (arc_worker_fetch(p->video, p->eye, &r) == ARC_OK) {
        CHECK(r.frame->width == WIDTH && r.frame->height == HEIGHT);
        arc_vframe_unref(r.frame);
        p->pictures++;
    }
    while (arc_session_poll_event(p->session, &e) == ARC_OK)
        p->events++;
    while (arc_session_poll_sent(p->session, &sent) == ARC_OK)
        p->sent++;
}

/** The Python thread of an engine, as it were. */
static void hold_the_call(void)
{
    int64_t begin_us = arc_clock_us(), due_us = begin_us;
    int32_t n = 0;

    while (peers[0].blocks < WANTED_BLOCKS || peers[1].blocks < WANTED_BLOCKS ||
           peers[0].pictures < WANTED_PICTURES ||
           peers[1].pictures < WANTED_PICTURES) {
        struct pollfd fds[] = {
            {arc_worker_fd(peers[0].audio), POLLIN, 0},
            {arc_worker_fd(peers[0].video), POLLIN, 0},
            {arc_worker_fd(peers[1].audio), POLLIN, 0},
            {arc_worker_fd(peers[1].video), POLLIN, 0},
        };

        poll(fds, 4, 5);
        if (arc_clock_us() >= due_us) {
            post(&peers[0], n);
            post(&peers[1], n++);
            due_us += 20000;
        }
        fetch(&peers[0]);
        fetch(&peers[1]);
        CHECK(arc_clock_us() - begin_us < LIMIT_US);
    }
}

/** Looks and changes without rest: what header files allow to any thread. */
static void *meddle(void *arg)
{
    static struct arc_loop_snapshot snapshot;
    struct arc_worker_queue_stats queue;
    struct arc_send_media_stats sent;
    struct arc_recv_media_stats received;
    struct arc_loop_stats loop;
    int64_t rounds = 0;

    for (; !arc_atomic_load_acquire(&stop); rounds++) {
        struct peer *p = &peers[rounds % 2];

        poll(NULL, 0, 2); /* or nobody else would have a turn */
        CHECK(arc_loop_snapshot(p->loop, p->session, &snapshot) == ARC_OK);
        CHECK(snapshot.session.drops.auth == 0);
        arc_loop_get_stats(p->loop, &loop);
        CHECK(arc_worker_send_stats(p->video, p->camera, &sent, &queue) ==
              ARC_OK);
        CHECK(arc_worker_recv_stats(p->audio, p->ear, &received, &queue) ==
              ARC_OK);
        CHECK(arc_send_set_bitrate(p->speech, 24000 + (int32_t)rounds % 8000) ==
              ARC_OK);
        CHECK(arc_send_set_bitrate(p->camera, 300000) == ARC_OK);
        CHECK(strcmp(arc_send_encoder(p->camera), "libx264") == 0);
        if (rounds % 100 == 50)
            arc_send_request_key(p->camera);
        arc_send_set_muted(p->speech, rounds % 64 == 0);
        arc_loop_wake(p->loop);
        arc_worker_wake(p->video);
        if (rounds % 200 == 100)
            arc_worker_flush(p->video, p->camera);
    }
    *(int64_t *)arg = rounds;
    return NULL;
}

static void test_two_peers_and_a_meddler(void)
{
    int64_t live = arc_mem_live_blocks(), rounds = 0;
    struct arc_loop_snapshot last;
    pthread_t meddler;

    for (int i = 0; i < 2; i++)
        make_peer(&peers[i], i);
    for (int i = 0; i < 2; i++)
        start_peer(&peers[i], &peers[1 - i]);
    CHECK(!pthread_create(&meddler, NULL, meddle, &rounds));
    hold_the_call();
    arc_atomic_store_release(&stop, 1);
    pthread_join(meddler, NULL);
    CHECK(rounds > 10);
    for (int i = 0; i < 2; i++) {
        CHECK(arc_loop_snapshot(peers[i].loop, peers[i].session, &last) ==
              ARC_OK);
        CHECK(last.session.drops.malformed == 0);
        CHECK(last.recv[0].pkts >= WANTED_BLOCKS && last.send[0].pkts > 0);
        CHECK(peers[i].events >= 2 && peers[i].sent > 0);
    }
    for (int i = 0; i < 2; i++)
        end_peer(&peers[i]);
    CHECK(arc_mem_live_blocks() == live);
}

static void test_threads_end_with_nothing_to_do(void)
{
    struct arc_worker *w;
    struct arc_loop *l;

    for (int i = 0; i < 20; i++) {
        CHECK(arc_loop_new(&l) == ARC_OK);
        CHECK(arc_worker_new(&w) == ARC_OK);
        arc_worker_free(w);
        arc_loop_free(l);
    }
}

int main(void)
{
    test_threads_end_with_nothing_to_do();
    test_two_peers_and_a_meddler();
    return check_done("test_engine");
}
