/**
 * @file tests/c/test_loop.c  Queues between threads, commands, events, stalls and
 * moves: what a loop promises to those who call it from others
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/mpsc.h"
#include "io/clock.h"
#include "io/loopstate.h"
#include "io/thread.h"
#include "io/watch.h"
#include "io/worker.h"
#include "peers.h"

static bool readable(int fd, int ms)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, ms) == 1;
}

/* --- base/mpsc: many writers -------------------------------------------------------- */

enum { WRITERS = 4, ITEMS = 20000 };

struct numbered {
    int32_t writer, number;
};

static void *write_all(void *arg)
{
    struct arc_mpsc *q = arg;
    static int32_t writers; /* atomic */
    struct numbered item = {arc_atomic_add_relaxed(&writers, 1), 0};

    while (item.number < ITEMS) {
        if (arc_mpsc_push(q, &item) == ARC_OK)
            item.number++;
        else
            sched_yield();
    }
    return arg;
}

static void test_mpsc_keeps_the_order_of_each_writer(void)
{
    int32_t next[WRITERS] = {0}, got = 0;
    pthread_t threads[WRITERS];
    struct arc_mpsc *q;
    struct numbered item;

    CHECK(arc_mpsc_new(64, sizeof(item), &q) == ARC_OK);
    for (int i = 0; i < WRITERS; i++)
        CHECK(!pthread_create(&threads[i], NULL, write_all, q));
    while (got < WRITERS * ITEMS) {
        if (arc_mpsc_pop(q, &item) != ARC_OK) {
            sched_yield();
            continue;
        }
        CHECK(item.number == next[item.writer]);
        next[item.writer]++;
        got++;
    }
    CHECK(arc_mpsc_pop(q, &item) == ARC_AGAIN);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    arc_mpsc_free(q);
}

static void test_mpsc_is_bounded(void)
{
    struct arc_mpsc *q;
    uint8_t item;

    CHECK(arc_mpsc_new(1, 1, &q) == ARC_ERR_ARG);
    CHECK(arc_mpsc_new(8, 257, &q) == ARC_ERR_ARG);
    CHECK(arc_mpsc_new(5, 1, &q) == ARC_OK); /* room for eight */
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 8; i++) {
            item = (uint8_t)(round + i);
            CHECK(arc_mpsc_push(q, &item) == ARC_OK);
        }
        CHECK(arc_mpsc_push(q, &item) == ARC_AGAIN);
        for (int i = 0; i < 8; i++)
            CHECK(arc_mpsc_pop(q, &item) == ARC_OK &&
                  item == (uint8_t)(round + i));
        CHECK(arc_mpsc_pop(q, &item) == ARC_AGAIN);
    }
    arc_mpsc_free(q);
}

/* --- io/mailbox ------------------------------------------------------------------------ */

struct mailman {
    struct arc_mailbox *mail;
    int                 wake;
    int32_t             run_for; /* commands */
    int64_t             sum;     /* the thread's own */
};

static enum arc_status add(void *owner, void *args, int64_t now_us)
{
    struct mailman *m = owner;

    m->sum += *(const int32_t *)args;
    return now_us == 7 ? ARC_OK : ARC_ERR_LIBRARY;
}

static void *deliver(void *arg)
{
    struct mailman *m = arg;

    while (m->run_for > 0) {
        CHECK(readable(m->wake, 5000));
        arc_eventfd_clear(m->wake);
        m->run_for -= arc_mailbox_run(m->mail, m, 1000, 7);
    }
    arc_mailbox_close(m->mail);
    return arg;
}

static void *call_until_it_ends(void *arg)
{
    struct arc_mailbox *mail = arg;
    int32_t one = 1;
    enum arc_status status;

    do {
        status = arc_mailbox_call(mail, add, &one);
        CHECK(status == ARC_OK || status == ARC_ERR_ENDED ||
              status == ARC_ERR_BUSY);
    } while (status != ARC_ERR_ENDED);
    return arg;
}

/** More callers than room, and the thread ends in the midst of it: each call has
 *  an answer, and none runs twice. */
static void test_mailbox_answers_every_call(void)
{
    struct mailman m = {NULL, arc_eventfd_new(), 3000, 0};
    pthread_t thread, callers[WRITERS];
    int32_t one = 1;

    CHECK(arc_mailbox_new(1, m.wake, &m.mail) == ARC_ERR_ARG);
    CHECK(arc_mailbox_new(2, m.wake, &m.mail) == ARC_OK);
    CHECK(!pthread_create(&thread, NULL, deliver, &m));
    for (int i = 0; i < WRITERS; i++)
        CHECK(!pthread_create(&callers[i], NULL, call_until_it_ends, m.mail));
    for (int i = 0; i < WRITERS; i++)
        pthread_join(callers[i], NULL);
    pthread_join(thread, NULL);
    CHECK(m.sum >= 3000 && m.sum - 3000 == -m.run_for);
    CHECK(arc_mailbox_call(m.mail, add, &one) == ARC_ERR_ENDED);
    arc_mailbox_free(m.mail);
    arc_fd_close(m.wake);
}

static void *call_once(void *arg)
{
    int32_t one = 1;

    CHECK(arc_mailbox_call(arg, add, &one) == ARC_ERR_ENDED);
    return arg;
}

/** Nobody empties it: those who are in wait, and one more is told. */
static void test_mailbox_full_is_told_at_once(void)
{
    int wake = arc_eventfd_new();
    struct arc_mailbox *mail;
    pthread_t callers[2];
    int32_t one = 1;
    enum arc_status status = ARC_OK;

    CHECK(arc_mailbox_new(2, wake, &mail) == ARC_OK);
    for (int i = 0; i < 2; i++) {
        CHECK(!pthread_create(&callers[i], NULL, call_once, mail));
        CHECK(readable(wake, 5000));
        arc_eventfd_clear(wake);
    }
    status = arc_mailbox_call(mail, add, &one);
    CHECK(status == ARC_ERR_BUSY);
    arc_mailbox_close(mail);
    for (int i = 0; i < 2; i++)
        pthread_join(callers[i], NULL);
    arc_mailbox_free(mail);
    arc_fd_close(wake);
}

/* --- io/hub ------------------------------------------------------------------------------- */

static void put_number(struct arc_hub *hub, int32_t source, int64_t value)
{
    struct arc_hub_event e = {9, ARC_EVENT_STREAM_ADDED, -1, 99, 5, value};

    arc_hub_put(hub, source, &e);
}

static void test_hub_tells_how_many_it_lost(void)
{
    struct arc_hub_event out[8];
    struct arc_hub *hub;

    CHECK(arc_hub_new(0, 4, &hub) == ARC_ERR_ARG);
    CHECK(arc_hub_new(2, 4, &hub) == ARC_OK);
    for (int i = 0; i < 7; i++)
        put_number(hub, 1, i);
    CHECK(arc_hub_lost(hub, 0) == 0 && arc_hub_lost(hub, 1) == 3);
    CHECK(arc_hub_poll(hub, out, 2) == 2);
    CHECK(out[0].value == 0 && out[1].value == 1 && out[1].source == 1);
    put_number(hub, 1, 7); /* room for two: the count, and it */
    put_number(hub, 0, 100);
    put_number(hub, 1, 8); /* no room again */
    CHECK(arc_hub_poll(hub, out, 8) == 6);
    CHECK(out[0].value == 100 && out[0].source == 0 && out[0].id == 9);
    CHECK(out[1].value == 2 && out[2].value == 3);
    CHECK(out[3].type == ARC_HUB_EVENTS_LOST && out[3].value == 3);
    CHECK(out[4].type == ARC_EVENT_STREAM_ADDED && out[4].value == 7);
    CHECK(out[5].type == ARC_HUB_EVENTS_LOST && out[5].value == 1);
    CHECK(out[5].source == 1);
    CHECK(arc_hub_poll(hub, out, 8) == 0);
    CHECK(arc_hub_lost(hub, 1) == 4);
    arc_hub_free(hub);
}

static int32_t flood_over; /* atomic flag */

static void *flood(void *arg)
{
    for (int i = 0; i < 50000; i++)
        put_number(arg, 0, i);
    arc_atomic_store_release(&flood_over, 1);
    return arg;
}

/** What was put is what came and what was told as lost, in order. */
static void test_hub_accounts_for_every_event(void)
{
    struct arc_hub_event out[16];
    int64_t next = 0;
    struct arc_hub *hub;
    pthread_t thread;
    int32_t n;
    bool over;

    CHECK(arc_hub_new(1, 64, &hub) == ARC_OK);
    CHECK(!pthread_create(&thread, NULL, flood, hub));
    do {
        over = arc_atomic_load_acquire(&flood_over);
        n = arc_hub_poll(hub, out, 16);
        for (int32_t i = 0; i < n; i++) {
            if (out[i].type == ARC_HUB_EVENTS_LOST) {
                next += out[i].value;
            } else {
                CHECK(out[i].value <= next);
                next++;
            }
        }
    } while (!over || n > 0);
    CHECK(next == 50000);
    pthread_join(thread, NULL);
    arc_hub_free(hub);
}

/* --- io/loop: sessions on it ---------------------------------------------------------------- */

static struct arc_hub *hub;

static struct arc_loop *open_loop(int32_t source)
{
    struct arc_loop_config c = {hub, source, 4096, -1};
    struct arc_loop *l = NULL;

    CHECK(arc_loop_new(&c, &l) == ARC_OK);
    return l;
}

static enum arc_status sleep_us(void *owner, void *args, int64_t now_us)
{
    usleep(*(const useconds_t *)args);
    return ARC_OK;
}

static struct arc_hub_event wait_event(int32_t type)
{
    struct arc_hub_event e;

    for (;;) {
        while (arc_hub_poll(hub, &e, 1) == 1)
            if (e.type == type)
                return e;
        CHECK(readable(arc_hub_fd(hub), 5000));
        arc_hub_clear(hub);
    }
}

static void *put_to_sleep(void *arg)
{
    struct arc_loop *l = arg;
    useconds_t us = 300 * MS;

    CHECK(arc_mailbox_call(l->mail, sleep_us, &us) == ARC_OK);
    return arg;
}

static void test_watch_tells_of_a_stall_and_of_its_end(void)
{
    struct arc_loop *loops[2];
    struct arc_loop_stats stats;
    struct arc_watch *watch;
    struct arc_hub_event e;
    pthread_t thread;

    CHECK(arc_hub_new(3, 64, &hub) == ARC_OK);
    loops[0] = open_loop(0);
    loops[1] = open_loop(1);
    CHECK(arc_watch_new(loops, 0, hub, 2, 50 * MS, &watch) == ARC_ERR_ARG);
    CHECK(arc_watch_new(loops, 2, hub, 2, 999, &watch) == ARC_ERR_ARG);
    CHECK(arc_watch_new(loops, 2, hub, 2, 50 * MS, &watch) == ARC_OK);
    CHECK(!pthread_create(&thread, NULL, put_to_sleep, loops[1]));
    e = wait_event(ARC_HUB_THREAD_STALLED);
    CHECK(e.stream == 1 && e.source == 2 && e.value > 50 * MS);
    arc_loop_get_stats(loops[1], &stats); /* though it does not answer */
    CHECK(stats.stalls == 1 && stats.turn_us >= 50 * MS && stats.turns >= 0);
    arc_loop_get_stats(loops[0], &stats);
    CHECK(stats.stalls == 0 && stats.turn_us == 0);
    e = wait_event(ARC_HUB_THREAD_RECOVERED);
    CHECK(e.stream == 1 && e.value >= 300 * MS);
    pthread_join(thread, NULL);
    arc_loop_get_stats(loops[1], &stats);
    CHECK(stats.longest_us >= 300 * MS && stats.commands == 1);
    arc_watch_free(watch);
    arc_watch_free(NULL);
    arc_loop_free(loops[0]);
    arc_loop_free(loops[1]);
    arc_hub_free(hub);
}

static void test_load_is_the_busy_share_of_the_last_second(void)
{
    useconds_t us = 600 * MS;
    struct arc_loop_stats stats;
    struct arc_loop *l;

    CHECK(arc_hub_new(1, 64, &hub) == ARC_OK);
    l = open_loop(0);
    CHECK(arc_mailbox_call(l->mail, sleep_us, &us) == ARC_OK);
    usleep(500 * MS);
    arc_loop_get_stats(l, &stats); /* nothing has moved it since */
    CHECK(stats.load > 0.2 && stats.load < 0.8);
    us = 1;
    CHECK(arc_mailbox_call(l->mail, sleep_us, &us) == ARC_OK);
    usleep(1200 * MS);
    arc_loop_get_stats(l, &stats);
    CHECK(stats.load < 0.1);
    arc_loop_free(l);
    arc_hub_free(hub);
}

struct end {
    int32_t             id;
    struct arc_session *session;
    struct arc_udp     *udp;
};

static struct end open_end(int32_t id)
{
    struct arc_session_config c = session_config((uint64_t)id, true);
    struct end e = {id, NULL, NULL};

    c.lent_pool = true;
    e.session = new_session(&c);
    CHECK(arc_udp_open("127.0.0.1", 0, &e.udp, NULL, 0) == ARC_OK);
    return e;
}

static void close_end(struct end *e)
{
    arc_session_free(e->session);
    arc_udp_close(e->udp);
}

/** A stream of samples that the test itself encodes. */
static struct arc_sendstream *open_speech(struct end *e,
                                          struct arc_pkt_pool **pool)
{
    struct arc_send_config tx = audio_config();
    struct arc_sendstream *speech = add_send(e->session, &tx);

    CHECK(send_sound(speech, 0) == ARC_AGAIN); /* nothing to make packets of */
    CHECK(arc_pkt_pool_new(512, pool) == ARC_OK);
    arc_send_lend_pool(speech, *pool);
    return speech;
}

static void attach(struct arc_loop *l, struct end *e)
{
    CHECK(arc_loop_attach(l, e->id, e->session, e->udp, NULL, NULL) == ARC_OK);
}

static void test_loop_refuses_what_is_not_there(void)
{
    struct arc_loop_snapshot s;
    struct arc_loop *l;
    struct end e = open_end(1), other = open_end(1);

    CHECK(arc_hub_new(1, 64, &hub) == ARC_OK);
    l = open_loop(0);
    CHECK(arc_loop_snapshot(l, 1, &s) == ARC_ERR_ARG);
    CHECK(arc_loop_bye(l, 1) == ARC_ERR_ARG);
    CHECK(arc_loop_detach(l, 1) == ARC_ERR_ARG);
    CHECK(arc_loop_rekey(l, 1, NULL, NULL, 0) == ARC_ERR_ARG);
    CHECK(arc_loop_attach(l, 0, e.session, e.udp, NULL, NULL) == ARC_ERR_ARG);
    attach(l, &e);
    CHECK(arc_loop_attach(l, 1, other.session, other.udp, NULL, NULL) ==
          ARC_ERR_ARG);
    CHECK(arc_loop_snapshot(l, 1, &s) == ARC_OK);
    CHECK(arc_loop_detach(l, 1) == ARC_OK);
    attach(l, &other); /* the same place again */
    CHECK(arc_loop_detach(l, 1) == ARC_OK);
    arc_loop_stop(l);
    CHECK(arc_loop_attach(l, 1, e.session, e.udp, NULL, NULL) == ARC_ERR_ENDED);
    CHECK(arc_loop_snapshot(l, 1, &s) == ARC_ERR_ENDED);
    arc_loop_kick(l, 1); /* nobody is there: nothing happens */
    arc_loop_free(l);
    arc_hub_free(hub);
    close_end(&e);
    close_end(&other);
}

/** A peer that is not there: told of, but not with every datagram. */
static void test_refused_datagrams_are_told(void)
{
    struct arc_pkt_pool *pool;
    struct end a = open_end(1), b = open_end(2);
    struct arc_sendstream *speech = open_speech(&a, &pool);
    struct sockaddr_in to;
    struct arc_hub_event e;
    struct arc_loop *l;
    int32_t events = 0;

    memset(&to, 0, sizeof(to));
    to.sin_family      = AF_INET;
    to.sin_port        = htons((uint16_t)arc_udp_port(b.udp));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(arc_udp_set_remote(a.udp, "127.0.0.1", arc_udp_port(b.udp), NULL, 0) ==
          ARC_OK);
    CHECK(connect(arc_udp_fd(a.udp), (struct sockaddr *)&to, sizeof(to)) == 0);
    close_end(&b);
    CHECK(arc_hub_new(1, 64, &hub) == ARC_OK);
    l = open_loop(0);
    attach(l, &a);
    for (int i = 0; i < 220; i++) {
        CHECK(send_sound(speech, arc_clock_us()) == ARC_OK);
        arc_loop_kick(l, a.id);
        usleep(10 * MS);
        while (arc_hub_poll(hub, &e, 1) == 1) {
            CHECK(e.type == ARC_HUB_SOCKET_ERROR && e.id == 1 && e.value >= 1);
            events++;
        }
    }
    CHECK(events >= 1 && events <= 4);
    CHECK(arc_loop_detach(l, 1) == ARC_OK);
    arc_loop_free(l);
    arc_hub_free(hub);
    arc_pkt_pool_unref(pool);
    close_end(&a);
}

/* --- moves under traffic ----------------------------------------------------------------------- */

struct mover {
    struct arc_loop *loops[2];
    int32_t          id;
    int32_t          over; /* atomic flag */
    int32_t          moves;
};

static void *move_about(void *arg)
{
    struct mover *m = arg;

    while (!arc_atomic_load_acquire(&m->over)) {
        CHECK(arc_loop_move(m->loops[m->moves % 2], m->loops[(m->moves + 1) % 2],
                            m->id) == ARC_OK);
        m->moves++;
        usleep(500);
    }
    return arg;
}

static void talk(struct end *a, struct arc_loop *l, struct arc_sendstream *st)
{
    for (int i = 0; i < 300; i++) {
        CHECK(send_sound(st, arc_clock_us()) == ARC_OK);
        arc_loop_kick(l, a->id);
        usleep(1 * MS);
    }
    usleep(50 * MS);
}

/** Each packet that leaves arrives, once, in order, wherever the session is. */
static void test_moves_lose_nothing(void)
{
    struct arc_pkt_pool *pool;
    struct arc_recv_config rx = recv_config(ARC_MEDIA_AUDIO);
    struct arc_loop_snapshot sent, got;
    struct mover m = {{NULL, NULL}, 2, 0, 0};
    struct end a = open_end(1), b = open_end(2);
    struct arc_sendstream *speech = open_speech(&a, &pool);
    pthread_t thread;

    add_recv(b.session, &rx);
    CHECK(arc_udp_set_remote(a.udp, "127.0.0.1", arc_udp_port(b.udp), NULL, 0) ==
          ARC_OK);
    CHECK(arc_hub_new(3, 4096, &hub) == ARC_OK);
    m.loops[0] = open_loop(0);
    m.loops[1] = open_loop(1);
    attach(m.loops[0], &a);
    attach(m.loops[0], &b);
    CHECK(!pthread_create(&thread, NULL, move_about, &m));
    talk(&a, m.loops[0], speech);
    arc_atomic_store_release(&m.over, 1);
    pthread_join(thread, NULL);
    CHECK(m.moves > 50);
    CHECK(arc_loop_snapshot(m.loops[0], 1, &sent) == ARC_OK);
    CHECK(arc_loop_snapshot(m.loops[m.moves % 2], 2, &got) == ARC_OK);
    CHECK(sent.send[0].pkts == 300 && got.recv[0].pkts == 300);
    CHECK(got.recv[0].lost_pkts == 0 && got.recv[0].duplicate_pkts == 0);
    CHECK(got.recv[0].reordered_pkts == 0);
    CHECK(got.session.drops.replay == 0 && got.session.drops.no_packet == 0);
    CHECK(got.session.drops.auth == 0);
    CHECK(arc_loop_detach(m.loops[0], 1) == ARC_OK);
    CHECK(arc_loop_detach(m.loops[m.moves % 2], 2) == ARC_OK);
    arc_loop_free(m.loops[0]); /* packets of its pool still wait for media */
    arc_loop_free(m.loops[1]);
    arc_hub_free(hub);
    arc_pkt_pool_unref(pool);
    close_end(&a);
    close_end(&b);
}

static void test_move_to_a_loop_that_has_ended_goes_back(void)
{
    struct arc_loop *here, *gone;
    struct arc_loop_snapshot s;
    struct end e = open_end(1);

    CHECK(arc_hub_new(2, 64, &hub) == ARC_OK);
    here = open_loop(0);
    gone = open_loop(1);
    arc_loop_stop(gone);
    attach(here, &e);
    CHECK(arc_loop_move(here, gone, 1) == ARC_ERR_ENDED);
    CHECK(arc_loop_snapshot(here, 1, &s) == ARC_OK);
    CHECK(arc_loop_move(here, gone, 5) == ARC_ERR_ARG);
    CHECK(arc_loop_detach(here, 1) == ARC_OK);
    arc_loop_free(here);
    arc_loop_free(gone);
    arc_hub_free(hub);
    close_end(&e);
}

/* --- many --------------------------------------------------------------------------------------- */

/** Those who wait are not looked at while one is busy. */
static void test_idle_sessions_cost_nothing(void)
{
    enum { IDLE = 200 };
    static struct end idle[IDLE];
    struct arc_pkt_pool *pool;
    struct arc_loop_stats before, after;
    struct end a = open_end(1000), b = open_end(1001);
    struct arc_sendstream *speech = open_speech(&a, &pool);
    struct arc_loop *l;

    CHECK(arc_udp_set_remote(a.udp, "127.0.0.1", arc_udp_port(b.udp), NULL, 0) ==
          ARC_OK);
    CHECK(arc_hub_new(1, 64, &hub) == ARC_OK);
    l = open_loop(0);
    for (int i = 0; i < IDLE; i++) {
        idle[i] = open_end(i + 1);
        attach(l, &idle[i]);
    }
    attach(l, &a);
    attach(l, &b);
    usleep(20 * MS);
    arc_loop_get_stats(l, &before);
    talk(&a, l, speech);
    arc_loop_get_stats(l, &after);
    CHECK(after.visits - before.visits >= 300);
    CHECK(after.visits - before.visits < 300 * 6); /* 60000 if each turn saw all */
    CHECK(after.kicks_full == 0);
    for (int i = 0; i < IDLE; i++) {
        CHECK(arc_loop_detach(l, idle[i].id) == ARC_OK);
        close_end(&idle[i]);
    }
    CHECK(arc_loop_detach(l, a.id) == ARC_OK);
    CHECK(arc_loop_detach(l, b.id) == ARC_OK);
    arc_loop_free(l);
    arc_hub_free(hub);
    arc_pkt_pool_unref(pool);
    close_end(&a);
    close_end(&b);
}

/** Kicks for more sessions than the queue has room for reach all of them. */
static void test_kicks_without_room_look_at_all(void)
{
    struct arc_pkt_pool *pool;
    struct arc_loop_snapshot s;
    struct arc_loop_stats stats;
    struct end e = open_end(1);
    struct arc_sendstream *speech = open_speech(&e, &pool);
    struct arc_loop *l;
    pthread_t thread;

    CHECK(arc_hub_new(1, 64, &hub) == ARC_OK);
    l = open_loop(0);
    CHECK(arc_udp_set_remote(e.udp, "127.0.0.1", 9, NULL, 0) == ARC_OK);
    attach(l, &e);
    CHECK(!pthread_create(&thread, NULL, put_to_sleep, l));
    usleep(50 * MS);
    for (int32_t id = 2; id < 10000; id++)
        arc_loop_kick(l, id);
    CHECK(send_sound(speech, arc_clock_us()) == ARC_OK);
    arc_loop_kick(l, 1);
    pthread_join(thread, NULL);
    usleep(50 * MS);
    CHECK(arc_loop_snapshot(l, 1, &s) == ARC_OK);
    CHECK(s.send[0].pkts == 1);
    arc_loop_get_stats(l, &stats);
    CHECK(stats.kicks_full > 0);
    CHECK(arc_loop_detach(l, 1) == ARC_OK);
    arc_loop_free(l);
    arc_hub_free(hub);
    arc_pkt_pool_unref(pool);
    close_end(&e);
}

static void *ask(void *arg)
{
    struct mover *m = arg;
    struct arc_loop_snapshot s;

    while (!arc_atomic_load_acquire(&m->over))
        for (int32_t id = 1; id <= 32; id++)
            arc_loop_snapshot(m->loops[id % 2], id, &s);
    return arg;
}

static void *come_and_go(void *arg)
{
    struct mover *m = arg;

    for (int round = 0; round < 10; round++) {
        struct end ends[16];

        for (int i = 0; i < 16; i++) {
            ends[i] = open_end(m->id + i);
            attach(m->loops[0], &ends[i]);
        }
        for (int i = 0; i < 16; i++) {
            CHECK(arc_loop_move(m->loops[0], m->loops[1], ends[i].id) == ARC_OK);
            CHECK(arc_loop_bye(m->loops[1], ends[i].id) == ARC_OK);
            CHECK(arc_loop_detach(m->loops[1], ends[i].id) == ARC_OK);
            close_end(&ends[i]);
        }
    }
    return arg;
}

/** Sessions made, moved and ended by two threads while a third one looks. */
static void test_commands_from_many_threads(void)
{
    struct mover a = {{NULL, NULL}, 1, 0, 0}, b;
    pthread_t first, second, third;

    CHECK(arc_hub_new(2, 64, &hub) == ARC_OK);
    a.loops[0] = open_loop(0);
    a.loops[1] = open_loop(1);
    b    = a;
    b.id = 17;
    CHECK(!pthread_create(&first, NULL, come_and_go, &a));
    CHECK(!pthread_create(&second, NULL, come_and_go, &b));
    CHECK(!pthread_create(&third, NULL, ask, &a));
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    arc_atomic_store_release(&a.over, 1);
    pthread_join(third, NULL);
    arc_loop_free(a.loops[0]);
    arc_loop_free(a.loops[1]);
    arc_hub_free(hub);
}

/* --- a child of fork() ------------------------------------------------------------------------------ */

static void test_child_of_fork_is_told_at_once(void)
{
    struct arc_loop_snapshot s;
    struct arc_loop *l;
    int status = -1;
    pid_t child;

    CHECK(arc_hub_new(1, 64, &hub) == ARC_OK);
    l = open_loop(0);
    child = fork();
    if (child == 0) {
        bool told = arc_loop_snapshot(l, 1, &s) == ARC_ERR_ENDED;

        arc_loop_stop(l); /* does not wait for a thread that is not there */
        _exit(told ? 0 : 1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(arc_loop_snapshot(l, 1, &s) == ARC_ERR_ARG); /* here it goes on */
    arc_loop_free(l);
    arc_hub_free(hub);
}

static void test_loop_new_survives_every_allocation_failure(void)
{
    struct arc_loop_config c = {NULL, 0, 64, -1};
    int64_t live = arc_mem_live_blocks();
    struct arc_loop *l = NULL;
    int allowed = 0;

    CHECK(arc_loop_new(&c, &l) == ARC_ERR_ARG);
    CHECK(arc_hub_new(1, 64, &hub) == ARC_OK);
    c.hub = hub;
    live = arc_mem_live_blocks();
    for (; allowed < 50; allowed++) {
        arc_mem_fail_after(allowed);
        if (arc_loop_new(&c, &l) == ARC_OK)
            break;
        CHECK(arc_mem_live_blocks() == live);
    }
    arc_mem_fail_after(-1);
    CHECK(allowed > 8 && allowed < 50);
    arc_loop_free(l);
    arc_hub_free(hub);
}

int main(void)
{
    int64_t live = arc_mem_live_blocks();

    test_mpsc_keeps_the_order_of_each_writer();
    test_mpsc_is_bounded();
    test_mailbox_answers_every_call();
    test_mailbox_full_is_told_at_once();
    test_hub_tells_how_many_it_lost();
    test_hub_accounts_for_every_event();
    test_watch_tells_of_a_stall_and_of_its_end();
    test_load_is_the_busy_share_of_the_last_second();
    test_loop_refuses_what_is_not_there();
    test_refused_datagrams_are_told();
    test_moves_lose_nothing();
    test_move_to_a_loop_that_has_ended_goes_back();
    test_idle_sessions_cost_nothing();
    test_kicks_without_room_look_at_all();
    test_commands_from_many_threads();
    test_child_of_fork_is_told_at_once();
    test_loop_new_survives_every_allocation_failure();
    CHECK(arc_mem_live_blocks() == live);
    return check_done("test_loop");
}
