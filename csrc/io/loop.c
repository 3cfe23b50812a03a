/**
 * @file io/loop.c  A native thread that owns the network side of sessions
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/worker.h"

enum {
    MAX_READY       = 64,
    READ_BATCHES    = 4,   /* of one socket before the others have their turn */
    MIN_SLEEP_US    = 200, /* between two turns that no socket asks for       */
    SEND_A_TURN     = 256, /* datagrams of one session, likewise              */
    WAKE            = -1,  /* epoll tags that are not sessions                */
    TIMER           = -2,
};

struct slot {
    struct arc_session *session; /* NULL: free */
    struct arc_udp     *udp;
    struct arc_worker  *audio, *video;
    uint32_t            events; /* told of so far, or read since */
};

struct arc_loop {
    int                   epoll, wake, timer;
    int                   notify; /* Python's: there are events */
    pthread_t             thread;
    bool                  running;
    int32_t               stop;  /* atomic flag */
    int32_t               waiting; /* atomic: others that want the turn */
    pthread_mutex_t       turn;
    pthread_cond_t        passed;
    struct arc_loop_stats stats;
    int32_t               n_slots; /* slots ever used */
    struct slot           slots[ARC_LOOP_MAX_SESSIONS];
};

/* --- a turn -------------------------------------------------------------------------- */

static bool read_batches(struct slot *slot, bool rtcp, int64_t now_us)
{
    struct arc_pkt *pkts[ARC_UDP_BATCH];
    bool good = false;

    for (int b = 0; b < READ_BATCHES; b++) {
        int32_t n = arc_udp_receive(slot->udp, rtcp,
                                    arc_session_pool(slot->session), pkts,
                                    now_us);

        for (int32_t i = 0; i < n; i++) {
            if (arc_session_receive_pkt(slot->session, pkts[i], now_us)) {
                arc_udp_learn(slot->udp, rtcp, i);
                good = true;
            }
            arc_pkt_unref(pkts[i]);
        }
        if (n < ARC_UDP_BATCH)
            break;
    }
    return good;
}

static void read_socket(struct slot *slot, int64_t now_us)
{
    bool media = read_batches(slot, false, now_us);

    if (arc_udp_rtcp_fd(slot->udp) >= 0)
        media |= read_batches(slot, true, now_us);
    if (media && slot->audio)
        arc_worker_wake(slot->audio);
    if (media && slot->video)
        arc_worker_wake(slot->video);
}

static void send_due(struct slot *slot, int64_t now_us)
{
    struct arc_pkt *pkts[ARC_UDP_BATCH];
    int32_t n = 0;

    for (int32_t sent = 0; sent < SEND_A_TURN; sent++) {
        if (arc_session_transmit_pkt(slot->session, now_us, &pkts[n]) != ARC_OK)
            break;
        if (++n == ARC_UDP_BATCH) {
            arc_udp_send(slot->udp, pkts, n);
            n = 0;
        }
    }
    if (n > 0)
        arc_udp_send(slot->udp, pkts, n);
}

static void tell_events(struct arc_loop *l, struct slot *slot)
{
    uint32_t events = arc_session_events(slot->session);
    uint64_t one = 1;

    if (events > slot->events && write(l->notify, &one, sizeof(one)) < 0)
        return; /* full: it is readable already */
    slot->events = events;
}

/** Send what is due everywhere; when to come back. */
static int64_t serve_all(struct arc_loop *l, int64_t now_us)
{
    int64_t next = ARC_NEVER_US;

    for (int32_t i = 0; i < l->n_slots; i++) {
        struct slot *slot = &l->slots[i];

        if (!slot->session)
            continue;
        if (arc_session_next_us(slot->session) <= now_us)
            send_due(slot, now_us);
        tell_events(l, slot);
        next = arc_min_i64(next, arc_session_next_us(slot->session));
    }
    /* What is still due had its turn: a breath for the sockets, and for a
     * deadline that nothing answers. */
    return arc_max_i64(next, now_us + MIN_SLEEP_US);
}

static void set_timer(struct arc_loop *l, int64_t next_us)
{
    struct itimerspec t;

    memset(&t, 0, sizeof(t));
    if (next_us != ARC_NEVER_US) {
        t.it_value.tv_sec  = next_us / ARC_US_PER_S;
        t.it_value.tv_nsec = next_us % ARC_US_PER_S * 1000;
    }
    timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static void drain(int fd)
{
    uint64_t count;

    while (read(fd, &count, sizeof(count)) > 0)
        ;
}

static void take_turn(struct arc_loop *l, const struct epoll_event *ready,
                      int n)
{
    int64_t now_us = arc_clock_us(), spent;

    for (int i = 0; i < n; i++) {
        int32_t tag = (int32_t)ready[i].data.u64;

        if (tag == WAKE)
            drain(l->wake);
        else if (tag == TIMER)
            drain(l->timer);
        else if (l->slots[tag].session)
            read_socket(&l->slots[tag], now_us);
    }
    set_timer(l, serve_all(l, now_us));

    spent = arc_clock_us() - now_us;
    l->stats.turns++;
    l->stats.busy_us += spent;
    l->stats.longest_us = arc_max_i64(l->stats.longest_us, spent);
}

static void *run(void *arg)
{
    struct arc_loop *l = arg;
    struct epoll_event ready[MAX_READY];

    while (!arc_atomic_load_acquire(&l->stop)) {
        int n = epoll_wait(l->epoll, ready, MAX_READY, -1);

        if (n < 0 && errno != EINTR)
            break;
        pthread_mutex_lock(&l->turn);
        /* A mutex is not fair: let those in who asked before us. */
        while (arc_atomic_load_acquire(&l->waiting) > 0)
            pthread_cond_wait(&l->passed, &l->turn);
        take_turn(l, ready, n > 0 ? n : 0);
        pthread_mutex_unlock(&l->turn);
    }
    return NULL;
}

/* --- its life ---------------------------------------------------------------------- */

static bool watch(struct arc_loop *l, int fd, int32_t tag)
{
    struct epoll_event e;

    memset(&e, 0, sizeof(e));
    e.events   = EPOLLIN;
    e.data.u64 = (uint64_t)(int64_t)tag;
    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

/** A thread that no signal is delivered to: Ctrl-C is for Python's. */
static bool start_thread(struct arc_loop *l)
{
    sigset_t all, before;
    bool ok;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ok = pthread_create(&l->thread, NULL, run, l) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (ok)
        pthread_setname_np(l->thread, "arc-net"); /* for top and perf */
    return ok;
}

enum arc_status arc_loop_new(struct arc_loop **out)
{
    struct arc_loop *l;

    if (!out)
        return ARC_ERR_ARG;
    l = arc_mem_zalloc(1, sizeof(*l));
    if (!l)
        return ARC_ERR_NOMEM;
    pthread_mutex_init(&l->turn, NULL);
    pthread_cond_init(&l->passed, NULL);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake  = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    l->notify = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->epoll >= 0 && l->notify >= 0 && l->wake >= 0 && l->timer >= 0 &&
        watch(l, l->wake, WAKE) && watch(l, l->timer, TIMER))
        l->running = start_thread(l);
    if (!l->running) {
        arc_loop_free(l);
        return ARC_ERR_IO;
    }
    *out = l;
    return ARC_OK;
}

void arc_loop_free(struct arc_loop *l)
{
    if (!l)
        return;
    if (l->running) {
        arc_atomic_store_release(&l->stop, 1);
        arc_loop_wake(l);
        pthread_join(l->thread, NULL);
    }
    if (l->epoll >= 0)
        close(l->epoll);
    if (l->wake >= 0)
        close(l->wake);
    if (l->timer >= 0)
        close(l->timer);
    if (l->notify >= 0)
        close(l->notify);
    pthread_cond_destroy(&l->passed);
    pthread_mutex_destroy(&l->turn);
    arc_mem_free(l);
}

void arc_loop_wake(struct arc_loop *l)
{
    uint64_t one = 1;

    if (write(l->wake, &one, sizeof(one)) < 0)
        return; /* full: it is awake already */
}

int32_t arc_loop_fd(const struct arc_loop *l)
{
    return l->notify;
}

void arc_loop_clear(struct arc_loop *l)
{
    drain(l->notify);
}

/* --- sessions ------------------------------------------------------------------------- */

static void enter(struct arc_loop *l)
{
    arc_atomic_add_relaxed(&l->waiting, 1);
    pthread_mutex_lock(&l->turn);
}

static void leave(struct arc_loop *l)
{
    arc_atomic_add_relaxed(&l->waiting, -1);
    pthread_cond_signal(&l->passed);
    pthread_mutex_unlock(&l->turn);
}

static int32_t slot_of(const struct arc_loop *l, const struct arc_session *s)
{
    for (int32_t i = 0; i < l->n_slots; i++)
        if (l->slots[i].session == s)
            return i;
    return -1;
}

static void unwatch(struct arc_loop *l, const struct arc_udp *udp)
{
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, arc_udp_fd(udp), NULL);
    if (arc_udp_rtcp_fd(udp) >= 0)
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, arc_udp_rtcp_fd(udp), NULL);
}

static bool watch_both(struct arc_loop *l, const struct arc_udp *udp,
                       int32_t tag)
{
    if (!watch(l, arc_udp_fd(udp), tag))
        return false;
    if (arc_udp_rtcp_fd(udp) < 0 || watch(l, arc_udp_rtcp_fd(udp), tag))
        return true;
    unwatch(l, udp);
    return false;
}

static enum arc_status attach(struct arc_loop *l, struct arc_session *s,
                              struct arc_udp *udp, struct arc_worker *audio,
                              struct arc_worker *video)
{
    int32_t i;

    if (slot_of(l, s) >= 0)
        return ARC_ERR_ARG;
    i = slot_of(l, NULL);
    if (i < 0) {
        if (l->n_slots == ARC_LOOP_MAX_SESSIONS)
            return ARC_ERR_LIMIT;
        i = l->n_slots++;
    }
    if (!watch_both(l, udp, i))
        return ARC_ERR_IO;
    l->slots[i].session = s;
    l->slots[i].udp     = udp;
    l->slots[i].audio   = audio;
    l->slots[i].video   = video;
    l->slots[i].events  = 0;
    l->stats.sessions++;
    return ARC_OK;
}

enum arc_status arc_loop_attach(struct arc_loop *l, struct arc_session *s,
                                struct arc_udp *udp,
                                struct arc_worker *audio,
                                struct arc_worker *video)
{
    enum arc_status status;

    if (!s || !udp)
        return ARC_ERR_ARG;
    enter(l);
    status = attach(l, s, udp, audio, video);
    leave(l);
    arc_loop_wake(l);
    return status;
}

enum arc_status arc_loop_detach(struct arc_loop *l, struct arc_session *s)
{
    int32_t i;

    if (!s)
        return ARC_ERR_ARG;
    enter(l);
    i = slot_of(l, s);
    if (i >= 0) {
        unwatch(l, l->slots[i].udp);
        memset(&l->slots[i], 0, sizeof(l->slots[i]));
        l->stats.sessions--;
    }
    leave(l);
    return i >= 0 ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status arc_loop_bye(struct arc_loop *l, struct arc_session *s)
{
    int32_t i;

    if (!s)
        return ARC_ERR_ARG;
    enter(l);
    i = slot_of(l, s);
    if (i >= 0) {
        arc_session_bye(s);
        send_due(&l->slots[i], arc_clock_us());
    }
    leave(l);
    return i >= 0 ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status arc_loop_snapshot(struct arc_loop *l, struct arc_session *s,
                                  struct arc_loop_snapshot *out)
{
    int32_t i;

    if (!s || !out)
        return ARC_ERR_ARG;
    enter(l);
    i = slot_of(l, s);
    if (i >= 0) {
        arc_session_get_stats(s, &out->session);
        for (int32_t k = 0; k < ARC_SESSION_MAX_STREAMS; k++) {
            arc_session_get_send_stats(s, k, &out->send[k]);
            arc_session_get_recv_stats(s, k, &out->recv[k]);
        }
        arc_udp_get_stats(l->slots[i].udp, &out->udp);
    }
    leave(l);
    return i >= 0 ? ARC_OK : ARC_ERR_ARG;
}

void arc_loop_get_stats(struct arc_loop *l, struct arc_loop_stats *out)
{
    enter(l);
    *out = l->stats;
    leave(l);
}
