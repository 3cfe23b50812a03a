/**
 * @file io/watch.c  Notices that a thread has stopped moving
 */
#define _GNU_SOURCE
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/thread.h"
#include "io/watch.h"

enum { LOOKS_A_STALL = 4 }; /* so it is told a quarter late at most */

struct watched {
    struct arc_loop *loop;
    int64_t          stalled_us; /* began the turn that was told of; 0: moves */
};

struct arc_watch {
    pthread_t       thread;
    bool            running;
    pid_t           process;
    int32_t         stop;        /* atomic flag */
    int             wake;
    struct arc_hub *hub;
    int32_t         source;
    int64_t         stall_us;
    int32_t         n;
    struct watched  watched[ARC_HUB_MAX_SOURCES];
};

static void tell(struct arc_watch *w, int32_t type, int32_t loop,
                 int64_t value, int64_t now_us)
{
    struct arc_hub_event e = {0, type, loop, w->source, now_us, value};

    arc_hub_put(w->hub, w->source, &e);
    arc_hub_notify(w->hub);
}

static void look(struct arc_watch *w, int32_t i, int64_t now_us)
{
    struct watched *x = &w->watched[i];
    int64_t since_us = arc_loop_turn_since_us(x->loop);

    if (x->stalled_us > 0 && since_us != x->stalled_us) {
        tell(w, ARC_HUB_THREAD_RECOVERED, i, now_us - x->stalled_us, now_us);
        x->stalled_us = 0;
    }
    if (x->stalled_us == 0 && since_us > 0 && now_us - since_us > w->stall_us) {
        x->stalled_us = since_us;
        arc_loop_count_stall(x->loop);
        tell(w, ARC_HUB_THREAD_STALLED, i, now_us - since_us, now_us);
    }
}

static void *run(void *arg)
{
    struct arc_watch *w = arg;
    const int64_t pause_us = w->stall_us / LOOKS_A_STALL;
    struct pollfd fd = {w->wake, POLLIN, 0};
    struct timespec t;

    t.tv_sec  = pause_us / ARC_US_PER_S;
    t.tv_nsec = pause_us % ARC_US_PER_S * 1000;
    while (!arc_atomic_load_acquire(&w->stop)) {
        int64_t now_us = arc_clock_us();

        for (int32_t i = 0; i < w->n; i++)
            look(w, i, now_us);
        ppoll(&fd, 1, &t, NULL);
    }
    return NULL;
}

enum arc_status arc_watch_new(struct arc_loop *const *loops, int32_t n_loops,
                              struct arc_hub *hub, int32_t source,
                              int64_t stall_us, struct arc_watch **out)
{
    struct arc_watch *w;

    if (!loops || !hub || !out || n_loops < 1 || n_loops >= ARC_HUB_MAX_SOURCES ||
        stall_us < ARC_US_PER_MS || stall_us > 3600 * ARC_US_PER_S)
        return ARC_ERR_ARG;
    w = arc_mem_zalloc(1, sizeof(*w));
    if (!w)
        return ARC_ERR_NOMEM;
    w->process  = getpid();
    w->hub      = hub;
    w->source   = source;
    w->stall_us = stall_us;
    w->n        = n_loops;
    for (int32_t i = 0; i < n_loops; i++)
        w->watched[i].loop = loops[i];
    w->wake = arc_eventfd_new();
    if (w->wake >= 0)
        w->running = arc_thread_start(&w->thread, "arc-watch", run, w);
    if (!w->running) {
        arc_watch_free(w);
        return ARC_ERR_IO;
    }
    *out = w;
    return ARC_OK;
}

void arc_watch_free(struct arc_watch *w)
{
    if (!w)
        return;
    if (w->running && w->process == getpid()) {
        arc_atomic_store_release(&w->stop, 1);
        arc_eventfd_signal(w->wake);
        pthread_join(w->thread, NULL);
    }
    arc_fd_close(w->wake);
    arc_mem_free(w);
}
