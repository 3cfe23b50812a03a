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
#include "io/loopstate.h"
#include "io/relay.h"
#include "io/thread.h"
#include "io/worker.h"

enum {
    MAX_READY       = 64,
    READ_BATCHES    = 4,   /* of one socket before the others have their turn */
    MIN_SLEEP_US    = 200, /* between two turns of a session that no socket asks
                              for                                             */
    SEND_A_TURN     = 256, /* datagrams of one session, likewise              */
    COMMANDS        = 1024,/* that may wait: one a caller                     */
    COMMANDS_A_TURN = 64,
    ORDERS_US       = 500, /* of a turn: then sockets come first again          */
    KICKS           = 4096,
    ERRORS_US       = 1000000, /* between two reports of one socket's errors  */
    LOAD_US         = 1000000, /* over which the load is taken                */
};

#define TAG_WAKE  UINT64_MAX /* tags that name no slot */
#define TAG_TIMER (UINT64_MAX - 1)

/* --- a turn -------------------------------------------------------------------------- */

static bool read_batches(struct arc_loop_slot *slot, struct arc_udp_rx *rx,
                         struct arc_srtp_batch *work, bool rtcp,
                         int64_t now_us)
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

/** @param socket 0: the one of media, 1: that of RTCP; of a relay: which leg's */
static void read_socket(struct arc_loop *l, struct arc_loop_slot *slot,
                        int32_t socket, int64_t now_us)
{
    bool media = !slot->relay &&
                 read_batches(slot, l->rx, l->work, socket == 1, now_us);

    if (slot->relay)
        arc_relay_read(slot->relay, socket, now_us);
    if (media && slot->audio)
        arc_worker_wake(slot->audio);
    if (media && slot->video)
        arc_worker_wake(slot->video);
    arc_deadline_set(l->due, slot->place, now_us);
}

static void send_due(struct arc_loop_slot *slot, struct arc_srtp_batch *work,
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

void arc_loop_send_now(struct arc_loop *l, struct arc_loop_slot *slot,
                       int64_t now_us)
{
    send_due(slot, l->work, now_us);
}

static void tell(struct arc_loop *l, const struct arc_loop_slot *slot, int32_t type,
                 int32_t stream, int64_t value, int64_t now_us)
{
    struct arc_hub_event e = {slot->id, type, stream, l->source, now_us, value};

    arc_hub_put(l->hub, l->source, &e);
    l->told = true;
}

/** Measurements of the round trip come all the time, and are no news. */
void arc_loop_tell_events(struct arc_loop *l, struct arc_loop_slot *slot)
{
    const uint32_t end = arc_session_events(slot->session);
    struct arc_event e;

    for (; slot->events != end; slot->events++) {
        l->told = true; /* who reads the session's own is woken for any */
        if (!arc_session_recent_event(slot->session, slot->events, &e))
            arc_hub_count_lost(l->hub, l->source, 1);
        else if (e.type != ARC_EVENT_RTT)
            tell(l, slot, e.type, e.stream, e.value, e.now_us);
    }
}

static void tell_errors(struct arc_loop *l, struct arc_loop_slot *slot, int64_t now_us)
{
    struct arc_udp_stats udp;
    int64_t errors;

    if (now_us < slot->errors_us)
        return;
    slot->errors_us = now_us + ERRORS_US;
    arc_udp_get_stats(slot->udp, &udp);
    errors = udp.refused + udp.other_errors;
    if (errors > slot->errors)
        tell(l, slot, ARC_HUB_SOCKET_ERROR, -1, errors - slot->errors, now_us);
    slot->errors = errors;
}

/** @return when to come again */
static int64_t serve_session(struct arc_loop *l, struct arc_loop_slot *slot,
                             int64_t now_us)
{
    ARC_LOOP_PUBLISH(l->stats.visits, l->stats.visits + 1);
    if (arc_session_next_us(slot->session) <= now_us)
        send_due(slot, l->work, now_us);
    arc_loop_tell_events(l, slot);
    tell_errors(l, slot, now_us);
    return arc_session_next_us(slot->session);
}

static void serve(struct arc_loop *l, struct arc_loop_slot *slot, int64_t now_us)
{
    int64_t next_us = slot->relay ? arc_relay_serve(slot->relay, now_us)
                                  : serve_session(l, slot, now_us);

    /* What is still due had its turn: a breath for the sockets, and for a
     * deadline that nothing answers. */
    arc_deadline_set(l->due, slot->place,
                     arc_max_i64(next_us, now_us + MIN_SLEEP_US));
}

static void serve_due(struct arc_loop *l, int64_t now_us)
{
    int32_t place;

    while (arc_deadline_first(l->due, &place) <= now_us)
        serve(l, l->slots[place], now_us);
}

static void take_kicks(struct arc_loop *l, int64_t now_us)
{
    int32_t id, place;

    while (arc_mpsc_pop(l->kicks, &id) == ARC_OK) {
        place = arc_idmap_get(l->places, (uint32_t)id);
        if (place >= 0)
            arc_deadline_set(l->due, place, now_us);
    }
    if (!arc_atomic_load_relaxed(&l->kick_all))
        return;
    arc_atomic_exchange(&l->kick_all, 0);
    for (place = 0; place < l->n_slots; place++)
        if (l->slots[place])
            arc_deadline_set(l->due, place, now_us);
}

static void take_orders(struct arc_loop *l, int64_t now_us)
{
    int32_t n = 0, run = 1;

    arc_eventfd_clear(l->wake);
    arc_atomic_exchange(&l->kicked, 0); /* from now on a kick wakes again */
    take_kicks(l, now_us);
    while (run > 0 && n < COMMANDS_A_TURN &&
           (n == 0 || arc_clock_us() - now_us < ORDERS_US)) {
        run = arc_mailbox_run(l->mail, l, 1, now_us);
        n += run;
    }
    ARC_LOOP_PUBLISH(l->stats.commands, l->stats.commands + n);
    if (run > 0)
        arc_eventfd_signal(l->wake);
}

static void set_timer(struct arc_loop *l)
{
    struct itimerspec t;
    int32_t place;
    int64_t next_us = arc_deadline_first(l->due, &place);

    if (next_us == l->timer_us)
        return;
    memset(&t, 0, sizeof(t));
    if (next_us != ARC_NEVER_US) {
        t.it_value.tv_sec  = next_us / ARC_US_PER_S;
        t.it_value.tv_nsec = next_us % ARC_US_PER_S * 1000;
    }
    timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &t, NULL);
    l->timer_us = next_us;
}

static void look_at(struct arc_loop *l, uint64_t tag, int64_t now_us)
{
    struct arc_loop_slot *slot;

    if (tag == TAG_WAKE) {
        take_orders(l, now_us);
    } else if (tag == TAG_TIMER) {
        arc_eventfd_clear(l->timer);
        l->timer_us = ARC_NEVER_US; /* it has run down */
    } else {
        slot = l->slots[tag >> ARC_LOOP_SOCKET_BITS];
        if (slot) /* else a command of this turn took it away */
            read_socket(l, slot, (int32_t)(tag & ((1 << ARC_LOOP_SOCKET_BITS) - 1)),
                        now_us);
    }
}

/** Where the time goes, for those who watch. */
static void count_turn(struct arc_loop *l, int64_t from_us, int64_t to_us)
{
    int64_t spent = to_us - from_us, span = to_us - l->second_us;

    ARC_LOOP_PUBLISH(l->stats.turns, l->stats.turns + 1);
    ARC_LOOP_PUBLISH(l->stats.busy_us, l->stats.busy_us + spent);
    ARC_LOOP_PUBLISH(l->stats.longest_us, arc_max_i64(l->stats.longest_us, spent));
    ARC_LOOP_PUBLISH(l->stats.pool_used_pkts, arc_pkt_pool_used(l->pool));
    ARC_LOOP_PUBLISH(l->second_busy_us, l->second_busy_us + spent);
    if (span >= LOAD_US) {
        ARC_LOOP_PUBLISH(l->load_ppm, l->second_busy_us * 1000000 / span);
        ARC_LOOP_PUBLISH(l->second_busy_us, 0);
        ARC_LOOP_PUBLISH(l->second_us, to_us);
    }
    /* Last: who sees that the turn is over may ask what it was. */
    arc_atomic_store_release(&l->turn_us, 0);
}

static void take_turn(struct arc_loop *l, const struct epoll_event *ready,
                      int n)
{
    int64_t now_us = arc_clock_us();

    ARC_LOOP_PUBLISH(l->turn_us, now_us);
    for (int i = 0; i < n; i++)
        look_at(l, ready[i].data.u64, now_us);
    serve_due(l, now_us);
    set_timer(l);
    if (l->told)
        arc_hub_notify(l->hub);
    l->told = false;
    count_turn(l, now_us, arc_clock_us());
}

static void *run(void *arg)
{
    struct arc_loop *l = arg;
    struct epoll_event ready[MAX_READY];

    arc_thread_pin(l->core);
    while (!arc_atomic_load_acquire(&l->stop)) {
        int n = epoll_wait(l->epoll, ready, MAX_READY, -1);

        if (n < 0 && errno != EINTR)
            break;
        take_turn(l, ready, n > 0 ? n : 0);
    }
    arc_mailbox_close(l->mail);
    return NULL;
}

/* --- its life ---------------------------------------------------------------------- */

bool arc_loop_watch(struct arc_loop *l, int fd, uint64_t tag)
{
    struct epoll_event e;

    memset(&e, 0, sizeof(e));
    e.events   = EPOLLIN;
    e.data.u64 = tag;
    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

void arc_loop_unwatch(struct arc_loop *l, int fd)
{
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static enum arc_status open_memory(struct arc_loop *l, int32_t pool_pkts)
{
    enum arc_status status;

    if ((status = arc_mailbox_new(COMMANDS, l->wake, &l->mail)) != ARC_OK ||
        (status = arc_mpsc_new(KICKS, sizeof(int32_t), &l->kicks)) != ARC_OK ||
        (status = arc_deadline_new(ARC_LOOP_MAX_SESSIONS, &l->due)) != ARC_OK ||
        (status = arc_idmap_new(ARC_LOOP_MAX_SESSIONS, 0, &l->places)) != ARC_OK ||
        (status = arc_udp_rx_new(&l->rx)) != ARC_OK ||
        (status = arc_pkt_pool_new(pool_pkts, &l->pool)) != ARC_OK)
        return status;
    l->room = arc_mem_zalloc(1, ARC_LOOP_ROOM_BYTES);
    return !l->room || arc_srtp_batch_new(&l->work) == ARC_ERR_NOMEM
               ? ARC_ERR_NOMEM : ARC_OK;
}

static enum arc_status open_system(struct arc_loop *l)
{
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake  = arc_eventfd_new();
    l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (l->epoll >= 0 && l->wake >= 0 && l->timer >= 0 &&
        arc_loop_watch(l, l->wake, TAG_WAKE) &&
        arc_loop_watch(l, l->timer, TAG_TIMER))
        return ARC_OK;
    return ARC_ERR_IO;
}

enum arc_status arc_loop_new(const struct arc_loop_config *cfg,
                             struct arc_loop **out)
{
    enum arc_status status;
    struct arc_loop *l;

    if (!cfg || !cfg->hub || cfg->pool_pkts < 64 || !out ||
        !arc_thread_has_core(cfg->core))
        return ARC_ERR_ARG;
    l = arc_mem_zalloc(1, sizeof(*l));
    if (!l)
        return ARC_ERR_NOMEM;
    l->hub       = cfg->hub;
    l->source    = cfg->source;
    l->process   = getpid();
    l->core      = cfg->core;
    l->timer_us  = ARC_NEVER_US;
    l->second_us = arc_clock_us();
    status = open_system(l);
    if (status == ARC_OK)
        status = open_memory(l, cfg->pool_pkts);
    if (status == ARC_OK) {
        l->running = arc_thread_start(&l->thread, "arc-net", run, l);
        status = l->running ? ARC_OK : ARC_ERR_IO;
    }
    if (status != ARC_OK) {
        arc_loop_free(l);
        return status;
    }
    *out = l;
    return ARC_OK;
}

void arc_loop_stop(struct arc_loop *l)
{
    if (!l->running || l->process != getpid())
        return; /* a child of fork() has no such thread */
    l->running = false;
    arc_atomic_store_release(&l->stop, 1);
    arc_eventfd_signal(l->wake);
    pthread_join(l->thread, NULL);
}

void arc_loop_free(struct arc_loop *l)
{
    if (!l)
        return;
    arc_loop_stop(l);
    for (int32_t i = 0; i < l->n_slots; i++)
        arc_mem_free(l->slots[i]);
    arc_fd_close(l->epoll);
    arc_fd_close(l->wake);
    arc_fd_close(l->timer);
    arc_mailbox_free(l->mail);
    arc_mpsc_free(l->kicks);
    arc_deadline_free(l->due);
    arc_idmap_free(l->places);
    arc_udp_rx_free(l->rx);
    arc_mem_free(l->room);
    arc_srtp_batch_free(l->work);
    arc_pkt_pool_unref(l->pool);
    arc_mem_free(l);
}

void arc_loop_kick(struct arc_loop *l, int32_t id)
{
    if (arc_mpsc_push(l->kicks, &id) != ARC_OK) {
        arc_atomic_add_relaxed(&l->stats.kicks_full, 1);
        arc_atomic_exchange(&l->kick_all, 1);
    }
    if (arc_atomic_exchange(&l->kicked, 1) == 0)
        arc_eventfd_signal(l->wake);
}

/* --- what is published --------------------------------------------------------------------- */

int64_t arc_loop_turn_since_us(struct arc_loop *l)
{
    return arc_atomic_load_acquire(&l->turn_us);
}

void arc_loop_count_stall(struct arc_loop *l)
{
    arc_atomic_add_relaxed(&l->stats.stalls, 1);
}

/** @param turn_us What the present turn has lasted */
static double load_now(struct arc_loop *l, int64_t turn_us, int64_t now_us)
{
    int64_t span = now_us - arc_atomic_load_relaxed(&l->second_us);
    int64_t busy = arc_atomic_load_relaxed(&l->second_busy_us) + turn_us;

    if (span < LOAD_US)
        return (double)arc_atomic_load_relaxed(&l->load_ppm) / 1e6;
    /* No turn has ended for long: it slept, or is at work since. */
    return (double)arc_clamp_i64(busy, 0, span) / (double)span;
}

void arc_loop_get_stats(struct arc_loop *l, struct arc_loop_stats *out)
{
    const int64_t now_us = arc_clock_us();
    const int64_t since_us = arc_loop_turn_since_us(l);

    out->turns      = arc_atomic_load_relaxed(&l->stats.turns);
    out->busy_us    = arc_atomic_load_relaxed(&l->stats.busy_us);
    out->longest_us = arc_atomic_load_relaxed(&l->stats.longest_us);
    out->turn_us    = since_us > 0 ? arc_max_i64(now_us - since_us, 0) : 0;
    out->visits     = arc_atomic_load_relaxed(&l->stats.visits);
    out->commands   = arc_atomic_load_relaxed(&l->stats.commands);
    out->stalls     = arc_atomic_load_relaxed(&l->stats.stalls);
    out->kicks_full = arc_atomic_load_relaxed(&l->stats.kicks_full);
    out->load       = load_now(l, out->turn_us, now_us);
    out->cpu_ns     = l->running ? arc_thread_cpu_ns(l->thread) : 0;
    out->sessions   = arc_atomic_load_relaxed(&l->stats.sessions);
    out->pool_used_pkts = arc_atomic_load_relaxed(&l->stats.pool_used_pkts);
}
