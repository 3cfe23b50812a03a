/**
 * @file tests/c/test_engine.c  Loop, workers and real sockets: what the native
 * threads promise to those who call them from others
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "io/clock.h"
#include "io/hub.h"
#include "io/loopstate.h"
#include "io/udp.h"
#include "io/watch.h"
#include "io/worker.h"
#include "peers.h"

/* --- one end --------------------------------------------------------------------- */

struct end {
    int32_t             id;
    struct arc_session *session;
    struct arc_udp     *udp;
};

static struct arc_hub *hub;
static struct arc_loop *loop;
static struct arc_worker *audio, *video;
static struct arc_received out;

static struct arc_loop *open_loop(int32_t source)
{
    struct arc_loop_config c = {hub, source, 4096, -1};
    struct arc_loop *l = NULL;

    CHECK(arc_loop_new(&c, &l) == ARC_OK);
    return l;
}

static void open_threads(void)
{
    CHECK(arc_hub_new(3, 64, &hub) == ARC_OK);
    loop = open_loop(0);
    CHECK(arc_worker_new(&audio) == ARC_OK);
    CHECK(arc_worker_new(&video) == ARC_OK);
}

static void close_threads(void)
{
    arc_loop_free(loop);
    arc_worker_free(audio);
    arc_worker_free(video);
    arc_hub_free(hub);
}

static struct end open_end(uint64_t seed)
{
    struct arc_session_config c = session_config(seed, true);
    struct end e;
    char why[200];

    c.lent_pool = true;
    e.id = (int32_t)seed;
    e.session = new_session(&c);
    CHECK(arc_udp_open("127.0.0.1", 0, &e.udp, why, sizeof(why)) == ARC_OK);
    return e;
}

static void attach(struct end *e)
{
    CHECK(arc_loop_attach(loop, e->id, e->session, e->udp, audio, video) == ARC_OK);
}

static void close_end(struct end *e)
{
    arc_loop_detach(loop, e->id);
    arc_session_free(e->session);
    arc_udp_close(e->udp);
}

static void point(struct end *from, struct end *to)
{
    CHECK(arc_udp_set_remote(from->udp, "127.0.0.1", arc_udp_port(to->udp),
                             NULL, 0) == ARC_OK);
}

static bool readable(int fd, int ms)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, ms) == 1;
}

static void nap(int64_t us)
{
    usleep((useconds_t)us);
}

static struct arc_loop_snapshot snapshot(struct end *e)
{
    struct arc_loop_snapshot s;

    CHECK(arc_loop_snapshot(loop, e->id, &s) == ARC_OK);
    return s;
}

/* --- a call while everything around it changes ---------------------------------------- */

struct engine_call {
    struct end a, b;
    struct arc_sendstream *speech, *camera;
    struct arc_recvstream *heard, *seen;
    int32_t blocks, pictures; /* atomic */
    int32_t over;             /* atomic flag */
};

static void *look(void *arg)
{
    struct engine_call *c = arg;

    while (!arc_atomic_load_acquire(&c->over)) {
        struct arc_worker_queue_stats queue;
        struct arc_send_media_stats sent;
        struct arc_recv_media_stats received;
        struct arc_loop_snapshot s;
        struct arc_loop_stats turns;
        struct arc_event e;

        /* ERR_ARG while it is detached. */
        arc_loop_snapshot(loop, c->a.id, &s);
        arc_loop_snapshot(loop, c->b.id, &s);
        arc_loop_get_stats(loop, &turns);
        arc_worker_send_stats(video, c->camera, &sent, &queue);
        CHECK(queue.depth >= 0 && queue.depth <= 4);
        arc_worker_recv_stats(video, c->seen, &received, &queue);
        arc_session_poll_event(c->b.session, &e);
        nap(300);
    }
    return arg;
}

static void *fetch(void *arg)
{
    struct engine_call *c = arg;

    while (!arc_atomic_load_acquire(&c->over)) {
        readable(arc_worker_fd(audio), 5);
        arc_worker_clear(audio);
        arc_worker_clear(video);
        while (arc_worker_fetch(audio, c->heard, &out) == ARC_OK)
            arc_atomic_add_relaxed(&c->blocks, 1);
        while (arc_worker_fetch(video, c->seen, &out) == ARC_OK) {
            arc_vframe_unref(out.frame);
            arc_atomic_add_relaxed(&c->pictures, 1);
        }
    }
    return arg;
}

static void open_call(struct engine_call *c)
{
    struct arc_send_config hear = audio_config(), show = video_config(true);
    struct arc_recv_config heard = recv_config(ARC_MEDIA_AUDIO);
    struct arc_recv_config seen = recv_config(ARC_MEDIA_VIDEO);

    memset(c, 0, sizeof(*c));
    c->a = open_end(1);
    c->b = open_end(2);
    point(&c->a, &c->b);
    c->speech = add_send(c->a.session, &hear);
    c->camera = add_send(c->a.session, &show);
    c->heard  = add_recv(c->b.session, &heard);
    c->seen   = add_recv(c->b.session, &seen);
    CHECK(arc_worker_add_send(audio, c->speech, loop, c->a.id, 32) == ARC_OK);
    CHECK(arc_worker_add_send(video, c->camera, loop, c->a.id, 4) == ARC_OK);
    CHECK(arc_worker_add_recv(audio, c->heard, 32) == ARC_OK);
    CHECK(arc_worker_add_recv(video, c->seen, 8) == ARC_OK);
    attach(&c->a);
    attach(&c->b);
}

static void post(struct engine_call *c, int i)
{
    int16_t pcm[AUDIO_SAMPLES];

    buzz(pcm, AUDIO_SAMPLES);
    CHECK(arc_worker_post_audio(audio, c->speech, pcm, AUDIO_SAMPLES,
                                arc_clock_us()) == ARC_OK);
    if (i % 2 == 0) {
        struct arc_vframe *f = picture(i);

        CHECK(arc_worker_post_video(video, c->camera, f, arc_clock_us()) ==
              ARC_OK);
        arc_vframe_unref(f);
    }
}

/** What a program does to a peer while it runs. */
static void change(struct engine_call *c, int i)
{
    struct arc_recv_config more = recv_config(ARC_MEDIA_AUDIO);

    arc_loop_detach(loop, c->b.id);
    if (i % 10 == 0 && i / 10 <= 4) { /* streams come while others flow */
        more.payload_type = 101 + i / 10;
        add_recv(c->b.session, &more);
    }
    attach(&c->b);
    if (i % 7 == 0)
        arc_worker_flush(audio, c->speech);
    arc_send_set_bitrate(c->camera, 200000 + i * 1000);
    if (i == 30)
        arc_send_request_key(c->camera);
}

static void test_call_with_changes_while_it_runs(void)
{
    pthread_t looking, fetching;
    struct arc_loop_snapshot s;
    static struct engine_call c;

    open_threads();
    open_call(&c);
    CHECK(!pthread_create(&looking, NULL, look, &c));
    CHECK(!pthread_create(&fetching, NULL, fetch, &c));
    for (int i = 0; i < 75; i++) {
        post(&c, i);
        change(&c, i);
        nap(20 * MS);
    }
    s = snapshot(&c.b);
    CHECK(s.session.drops.auth == 0 && s.session.drops.malformed == 0);
    CHECK(s.recv[0].pkts > 50 && s.recv[0].lost_pkts <= 0);
    CHECK(snapshot(&c.a).session.rtt_us >= 0);
    arc_atomic_store_release(&c.over, 1);
    pthread_join(looking, NULL);
    pthread_join(fetching, NULL);
    CHECK(c.blocks > 100 && c.pictures > 20);

    CHECK(arc_loop_bye(loop, c.a.id) == ARC_OK);
    CHECK(arc_worker_remove_send(audio, c.speech) == ARC_OK);
    CHECK(arc_worker_remove_send(audio, c.speech) == ARC_ERR_ARG);
    CHECK(arc_worker_remove_send(video, c.camera) == ARC_OK);
    CHECK(arc_worker_remove_recv(audio, c.heard) == ARC_OK);
    CHECK(arc_worker_remove_recv(video, c.seen) == ARC_OK);
    close_end(&c.a);
    close_end(&c.b);
    close_threads();
}

/** Both ends go from loop to loop while sound and pictures flow. */
static void test_call_moves_between_loops(void)
{
    struct arc_loop *loops[2], *where;
    struct arc_loop_snapshot s;
    pthread_t fetching;
    static struct engine_call c;

    open_threads();
    open_call(&c);
    loops[0] = loop;
    loops[1] = open_loop(1);
    CHECK(!pthread_create(&fetching, NULL, fetch, &c));
    for (int i = 0; i < 60; i++) {
        post(&c, i);
        where = loops[(i + 1) % 2];
        CHECK(arc_worker_set_loop(audio, c.speech, where) == ARC_OK);
        CHECK(arc_worker_set_loop(video, c.camera, where) == ARC_OK);
        CHECK(arc_loop_move(loops[i % 2], where, c.a.id) == ARC_OK);
        CHECK(arc_loop_move(loops[i % 2], where, c.b.id) == ARC_OK);
        nap(10 * MS);
    }
    nap(100 * MS);
    s = snapshot(&c.b); /* an even number of moves: they are where they began */
    CHECK(s.recv[0].pkts >= 60 && s.recv[1].pkts >= 30);
    CHECK(s.recv[0].lost_pkts == 0 && s.recv[1].lost_pkts == 0);
    CHECK(s.recv[0].duplicate_pkts == 0 && s.recv[1].duplicate_pkts == 0);
    CHECK(s.session.drops.replay == 0 && s.session.drops.auth == 0);
    CHECK(s.session.drops.no_packet == 0);
    arc_atomic_store_release(&c.over, 1);
    pthread_join(fetching, NULL);
    CHECK(c.blocks > 60 && c.pictures > 10);
    arc_worker_remove_send(audio, c.speech);
    arc_worker_remove_send(video, c.camera);
    CHECK(arc_worker_set_loop(audio, c.speech, loop) == ARC_ERR_ARG);
    arc_worker_remove_recv(audio, c.heard);
    arc_worker_remove_recv(video, c.seen);
    close_end(&c.a);
    close_end(&c.b);
    arc_loop_free(loops[1]);
    close_threads();
}

/* --- their ends -------------------------------------------------------------------- */

/** Streams leave their workers and sessions their loop before these are freed
 *  (io/worker.h, io/loop.h); everything else may go in any order. */
static void test_freed_in_every_order(void)
{
    for (int order = 0; order < 6; order++) {
        struct engine_call c;

        open_threads();
        open_call(&c);
        for (int i = 0; i < 3; i++)
            post(&c, i);
        nap(order * 3 * MS);
        if (order & 1) { /* what waits is thrown away by arc_worker_free() */
            arc_worker_remove_send(audio, c.speech);
            arc_worker_remove_send(video, c.camera);
            arc_worker_remove_recv(audio, c.heard);
            arc_worker_remove_recv(video, c.seen);
        }
        CHECK(arc_loop_detach(loop, c.a.id) == ARC_OK);
        CHECK(arc_loop_detach(loop, c.b.id) == ARC_OK);
        CHECK(arc_loop_detach(loop, c.b.id) == ARC_ERR_ARG);
        if (order < 2) {
            arc_worker_free(video);
            arc_worker_free(audio);
            arc_loop_free(loop);
            arc_udp_close(c.a.udp);
            arc_udp_close(c.b.udp);
            arc_session_free(c.a.session);
            arc_session_free(c.b.session);
        } else if (order < 4) {
            arc_udp_close(c.a.udp);
            arc_worker_free(audio);
            arc_worker_free(video);
            arc_session_free(c.b.session);
            arc_udp_close(c.b.udp);
            arc_session_free(c.a.session);
            arc_loop_free(loop);
        } else {
            arc_worker_free(audio);
            arc_worker_free(video);
            arc_session_free(c.a.session);
            arc_session_free(c.b.session);
            arc_loop_free(loop);
            arc_udp_close(c.b.udp);
            arc_udp_close(c.a.udp);
        }
        arc_hub_free(hub);
    }
    arc_loop_free(NULL);
    arc_worker_free(NULL);
    arc_udp_close(NULL);
}

/* --- events ------------------------------------------------------------------------ */

/** A stranger's socket that speaks plain RTP. */
static void say(int fd, int port, const uint8_t *data, size_t len)
{
    struct sockaddr_in to;

    memset(&to, 0, sizeof(to));
    to.sin_family      = AF_INET;
    to.sin_port        = htons((uint16_t)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to)) ==
          (ssize_t)len);
}

static struct end open_plain(void)
{
    struct arc_session_config c = session_config(3, false);
    struct arc_recv_config rx = recv_config(ARC_MEDIA_AUDIO);
    struct end e;

    e.id = 3;
    e.session = new_session(&c);
    CHECK(arc_udp_open("127.0.0.1", 0, &e.udp, NULL, 0) == ARC_OK);
    for (int i = 0; i < 4; i++) {
        rx.payload_type = AUDIO_PT + i;
        add_recv(e.session, &rx);
    }
    attach(&e);
    return e;
}

static void test_remote_is_learned_from_the_first_good_packet(void)
{
    static const uint8_t noise[20] = {0xff}, opus[1] = {0x78};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    uint8_t data[100];
    char text[64];
    struct end e;

    CHECK(fd >= 0);
    open_threads();
    e = open_plain();
    say(fd, arc_udp_port(e.udp), noise, sizeof(noise));
    nap(20 * MS);
    arc_loop_detach(loop, e.id);
    CHECK(arc_udp_address(e.udp, true, text, sizeof(text)) == ARC_OK);
    CHECK(text[0] == 0);
    attach(&e);
    say(fd, arc_udp_port(e.udp), data,
        make_rtp(data, AUDIO_PT, 1, 0, 9, false, opus, 1));
    nap(20 * MS);
    arc_loop_detach(loop, e.id);
    CHECK(arc_udp_address(e.udp, true, text, sizeof(text)) == ARC_OK);
    CHECK(strncmp(text, "127.0.0.1:", 10) == 0);
    close_end(&e);
    close_threads();
    close(fd);
}

/** One event is read before the next comes, and the loop sleeps in between. */
static void test_each_event_wakes(void)
{
    static const uint8_t opus[1] = {0x78};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    uint8_t data[100];
    struct end e;

    CHECK(fd >= 0);
    open_threads();
    e = open_plain();
    for (int i = 0; i < 4; i++) {
        struct arc_event event;

        say(fd, arc_udp_port(e.udp), data,
            make_rtp(data, AUDIO_PT + i, 1, 0, 9 + (uint32_t)i, false, opus, 1));
        CHECK(readable(arc_hub_fd(hub), 2000));
        arc_hub_clear(hub);
        while (arc_session_poll_event(e.session, &event) != ARC_OK)
            nap(100);
        CHECK(event.type == ARC_EVENT_STREAM_ADDED && event.value == 9 + i);
    }
    close_end(&e);
    close_threads();
    close(fd);
}

static void test_a_stream_has_one_worker(void)
{
    static struct engine_call c;

    open_threads();
    open_call(&c);
    CHECK(arc_worker_add_send(audio, c.speech, loop, c.a.id, 8) == ARC_ERR_ARG);
    CHECK(arc_worker_add_recv(audio, c.heard, 8) == ARC_ERR_ARG);
    CHECK(arc_worker_remove_send(audio, c.speech) == ARC_OK);
    CHECK(arc_worker_remove_send(audio, c.speech) == ARC_ERR_ARG);
    CHECK(arc_worker_add_send(audio, c.speech, loop, c.a.id, 8) == ARC_OK);
    CHECK(arc_worker_remove_send(audio, c.speech) == ARC_OK);
    CHECK(arc_worker_add_send(audio, c.speech, loop, c.a.id, 0) == ARC_ERR_ARG);
    CHECK(arc_worker_add_send(audio, c.speech, loop, c.a.id, 257) == ARC_ERR_ARG);
    arc_worker_remove_send(video, c.camera);
    arc_worker_remove_recv(audio, c.heard);
    arc_worker_remove_recv(video, c.seen);
    close_end(&c.a);
    close_end(&c.b);
    close_threads();
}

static void test_addresses_of_both_kinds(void)
{
    struct arc_udp *four, *six, *any;
    char why[200], text[64];

    CHECK(arc_udp_open("127.0.0.1", 0, &four, why, sizeof(why)) == ARC_OK);
    CHECK(arc_udp_open("::1", 0, &six, why, sizeof(why)) == ARC_OK);
    CHECK(arc_udp_open("::", 0, &any, why, sizeof(why)) == ARC_OK);

    /* Nothing would ever arrive. */
    CHECK(arc_udp_set_remote(four, "::1", 5004, why, sizeof(why)) == ARC_ERR_IO);
    CHECK(strstr(why, "::1") && strstr(why, "IPv4"));
    CHECK(arc_udp_set_remote(six, "127.0.0.1", 5004, why, sizeof(why)) ==
          ARC_ERR_IO);
    CHECK(strstr(why, "127.0.0.1") && strstr(why, "IPv6"));
    CHECK(arc_udp_address(four, true, text, sizeof(text)) == ARC_OK && !text[0]);

    CHECK(arc_udp_set_remote(four, "127.0.0.1", 5004, why, sizeof(why)) == ARC_OK);
    CHECK(arc_udp_set_remote(four, "localhost", 5004, why, sizeof(why)) == ARC_OK);
    CHECK(arc_udp_set_remote(six, "::1", 5004, why, sizeof(why)) == ARC_OK);
    CHECK(arc_udp_address(six, true, text, sizeof(text)) == ARC_OK);
    CHECK(strcmp(text, "[::1]:5004") == 0);
    CHECK(arc_udp_set_remote(any, "::1", 5004, why, sizeof(why)) == ARC_OK);
    CHECK(arc_udp_set_remote(any, "127.0.0.1", 5004, why, sizeof(why)) == ARC_OK);
    CHECK(arc_udp_set_remote(four, "", 5004, why, sizeof(why)) == ARC_ERR_ARG);
    CHECK(arc_udp_set_remote(four, "127.0.0.1", 0, why, sizeof(why)) ==
          ARC_ERR_ARG);
    arc_udp_close(four);
    arc_udp_close(six);
    arc_udp_close(any);
}

int main(void)
{
    int64_t live = arc_mem_live_blocks();

    test_call_with_changes_while_it_runs();
    test_call_moves_between_loops();
    test_freed_in_every_order();
    test_remote_is_learned_from_the_first_good_packet();
    test_each_event_wakes();
    test_a_stream_has_one_worker();
    test_addresses_of_both_kinds();
    CHECK(arc_mem_live_blocks() == live);
    return check_done("test_engine");
}
