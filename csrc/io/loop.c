/**
 * @file io/loop.c  A native thread that owns the network side of sessions
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/thread.h"
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
    uint32_t            events; /* told of so far */
};

struct arc_loop {
    int                   epoll, wake, timer;
    int                   notify; /* Python's: there are events */
    pthread_t             thread;
    bool                  running;
    int32_t               stop;  /* atomic flag */
    struct arc_turn       turn;
    struct arc_loop_stats stats;
    struct arc_udp_rx    *rx;      /* what sockets are read into              */
    struct arc_srtp_batch *work;   /* for the packets of a turn; NULL: no use */
    int32_t               n_slots; /* slots ever used */
    struct slot           slots[ARC_LOOP_MAX_SESSIONS];
};

/* --- a turn -------------------------------------------------------------------------- */

static bool read_batches(struct slot *slot, struct arc_udp_rx *rx,
                         struct arc_srtp_batch *work, bool rtcp, int64_t now_us)
{
    struct arc_pkt *pkts[ARC_UDP_BATCH];
    bool authentic[ARC_UDP_BATCH], good = false;

    for (int b = 0; b < READ_BATCHES || arc_udp_rx_left(rx); b++) {
        int32_t n = arc_udp_receive(slot->udp, rtcp, rx,
                                    arc_session_pool(slot->session), pkts,
                                    now_us);

        arc_session_receive_pkts(slot->session, work, pkts, (size_t)n,
                                 authentic, now_us);
        for (int32_t i = 0; i < n; i++) {
            if (authentic[i]) {
                arc_udp_learn_pkt(slot->udp, rtcp, rx, i);
                good = true;
            }
            arc_pkt_unref(pkts[i]);
        }
        if (!arc_udp_rx_more(rx))
            break;
    }
    return good;
}

static void read_socket(struct slot *slot, struct arc_udp_rx *rx,
                        struct arc_srtp_batch *work, int64_t now_us)
{
    bool media = read_batches(slot, rx, work, false, now_us);

    if (arc_udp_rtcp_fd(slot->udp) >= 0)
        media |= read_batches(slot, rx, work, true, now_us);
    if (media && slot->audio)
        arc_worker_wake(slot->audio);
    if (media && slot->video)
        arc_worker_wake(slot->video);
}

static void send_due(struct slot *slot, struct arc_srtp_batch *work,
                     int64_t now_us)
{
    struct arc_pkt *pkts[ARC_UDP_BATCH];
    size_t n = ARC_UDP_BATCH;

    for (size_t sent = 0; sent < SEND_A_TURN && n == ARC_UDP_BATCH; sent += n) {
        n = arc_session_transmit_pkts(slot->session, work, now_us, pkts,
                                      ARC_UDP_BATCH);
        if (n > 0)
            arc_udp_send(slot->udp, pkts, (int32_t)n);
    }
}

static void tell_events(struct arc_loop *l, struct slot *slot)
{
    uint32_t events = arc_session_events(slot->session);

    if (events != slot->events)
        arc_eventfd_signal(l->notify);
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
            send_due(slot, l->work, now_us);
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

static void take_turn(struct arc_loop *l, const struct epoll_event *ready,
                      int n)
{
    int64_t now_us = arc_clock_us(), spent;

    for (int i = 0; i < n; i++) {
        int32_t tag = (int32_t)ready[i].data.u64;

        if (tag == WAKE)
            arc_eventfd_clear(l->wake);
        else if (tag == TIMER)
            arc_eventfd_clear(l->timer);
        else if (l->slots[tag].session)
            read_socket(&l->slots[tag], l->rx, l->work, now_us);
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
        arc_turn_begin(&l->turn);
        take_turn(l, ready, n > 0 ? n : 0);
        arc_turn_end(&l->turn);
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

enum arc_status arc_loop_new(struct arc_loop **out)
{
    struct arc_loop *l;

    if (!out)
        return ARC_ERR_ARG;
    l = arc_mem_zalloc(1, sizeof(*l));
    if (!l)
        return ARC_ERR_NOMEM;
    arc_turn_init(&l->turn);
    if (arc_udp_rx_new(&l->rx) != ARC_OK ||
        arc_srtp_batch_new(&l->work) == ARC_ERR_NOMEM) {
        arc_loop_free(l);
        return ARC_ERR_NOMEM;
    }
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake  = arc_eventfd_new();
    l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    l->notify = arc_eventfd_new();
    if (l->epoll >= 0 && l->notify >= 0 && l->wake >= 0 && l->timer >= 0 &&
        watch(l, l->wake, WAKE) && watch(l, l->timer, TIMER))
        l->running = arc_thread_start(&l->thread, "arc-net", run, l);
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
    arc_fd_close(l->epoll);
    arc_fd_close(l->wake);
    arc_fd_close(l->timer);
    arc_fd_close(l->notify);
    arc_turn_close(&l->turn);
    arc_udp_rx_free(l->rx);
    arc_srtp_batch_free(l->work);
    arc_mem_free(l);
}

void arc_loop_wake(struct arc_loop *l)
{
    arc_eventfd_signal(l->wake);
}

int32_t arc_loop_fd(const struct arc_loop *l)
{
    return l->notify;
}

void arc_loop_clear(struct arc_loop *l)
{
    arc_eventfd_clear(l->notify);
}

/* --- sessions ------------------------------------------------------------------------- */

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
    l->slots[i].events  = arc_session_events(s);
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
    arc_turn_enter(&l->turn);
    status = attach(l, s, udp, audio, video);
    arc_turn_leave(&l->turn);
    arc_loop_wake(l);
    return status;
}

enum arc_status arc_loop_detach(struct arc_loop *l, struct arc_session *s)
{
    int32_t i;

    if (!s)
        return ARC_ERR_ARG;
    arc_turn_enter(&l->turn);
    i = slot_of(l, s);
    if (i >= 0) {
        unwatch(l, l->slots[i].udp);
        memset(&l->slots[i], 0, sizeof(l->slots[i]));
        l->stats.sessions--;
    }
    arc_turn_leave(&l->turn);
    return i >= 0 ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status arc_loop_bye(struct arc_loop *l, struct arc_session *s)
{
    int32_t i;

    if (!s)
        return ARC_ERR_ARG;
    arc_turn_enter(&l->turn);
    i = slot_of(l, s);
    if (i >= 0) {
        arc_session_bye(s);
        send_due(&l->slots[i], l->work, arc_clock_us());
    }
    arc_turn_leave(&l->turn);
    return i >= 0 ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status
arc_loop_rekey(struct arc_loop *l, struct arc_session *s,
               const struct arc_srtp_key_config *send,
               const struct arc_srtp_key_config *receive, int64_t overlap_us)
{
    enum arc_status status;

    if (!s)
        return ARC_ERR_ARG;
    arc_turn_enter(&l->turn);
    status = arc_session_rekey(s, send, receive, overlap_us, arc_clock_us());
    arc_turn_leave(&l->turn);
    arc_loop_wake(l);
    return status;
}

enum arc_status arc_loop_snapshot(struct arc_loop *l, struct arc_session *s,
                                  struct arc_loop_snapshot *out)
{
    int32_t i;

    if (!s || !out)
        return ARC_ERR_ARG;
    arc_turn_enter(&l->turn);
    i = slot_of(l, s);
    if (i >= 0) {
        arc_session_get_stats(s, &out->session);
        for (int32_t k = 0; k < ARC_SESSION_MAX_STREAMS; k++) {
            arc_session_get_send_stats(s, k, &out->send[k]);
            arc_session_get_recv_stats(s, k, &out->recv[k]);
        }
        arc_udp_get_stats(l->slots[i].udp, &out->udp);
    }
    arc_turn_leave(&l->turn);
    return i >= 0 ? ARC_OK : ARC_ERR_ARG;
}

void arc_loop_get_stats(struct arc_loop *l, struct arc_loop_stats *out)
{
    arc_turn_enter(&l->turn);
    *out = l->stats;
    arc_turn_leave(&l->turn);
}
