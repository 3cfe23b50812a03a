/**
 * @file io/worker.c  A native thread that owns the media side of streams
 */
#define _GNU_SOURCE
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/chain.h"
#include "base/mem.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/workerstate.h"
#include "rx/voice.h"

enum {
    BLOCKS       = 4096,  /* of 992 samples, for all streams: 80 s of them     */
    PKTS         = 2048,
    /* A deadline that has passed without anything to do is a fault elsewhere;
     * it must not become a thread that spins. */
    MIN_SLEEP_US = 500,
};

/* --- the work -------------------------------------------------------------------------- */

/** Encode the oldest frame of a stream; false: none waits. */
static bool encode_one(struct arc_worker *w, struct arc_worker_sender *s)
{
    struct arc_worker_posted item;
    int32_t i;

    pthread_mutex_lock(&w->queues);
    i = arc_worker_queue_take(&s->queue);
    if (i >= 0) {
        item = s->items[i];
        s->items[i].frame = NULL;
        s->items[i].pcm   = NULL;
        arc_chain_take(item.pcm, w->pcm);
    }
    pthread_mutex_unlock(&w->queues);
    if (i < 0)
        return false;

    if (item.frame) {
        arc_send_video(s->st, item.frame, item.capture_us, arc_clock_us());
        arc_send_flush(s->st, arc_clock_us());
        arc_vframe_unref(item.frame);
    } else {
        arc_send_audio(s->st, w->pcm, item.n_samples, item.capture_us,
                       arc_clock_us());
    }
    if (s->loop)
        arc_loop_kick(s->loop, s->id);
    return true;
}

/** Encode what is due of the sound that waits for its time. */
static void play_due(struct arc_worker_sender *s)
{
    if (arc_send_play_turn(s->st, arc_clock_us()) && s->loop)
        arc_loop_kick(s->loop, s->id);
}

static void put_received(struct arc_worker *w, struct arc_worker_receiver *r)
{
    const int32_t n = w->out.frame ? 0 : w->out.n_samples * w->out.channels;
    struct arc_pkt *pcm;
    int32_t i, dropped;

    pthread_mutex_lock(&w->queues);
    pcm = n > 0 ? arc_worker_keep(w, w->out.samples, n) : NULL;
    if (n > 0 && !pcm) {
        r->queue.stats.posted++;
        r->queue.stats.dropped++; /* the newest: nobody fetches anything */
    } else {
        i = arc_worker_queue_put(&r->queue, &dropped);
        if (dropped >= 0)
            arc_worker_drop_fetched(&r->items[dropped]);
        memcpy(r->items[i].head, &w->out, sizeof(r->items[i].head));
        r->items[i].frame = w->out.frame;
        r->items[i].pcm   = pcm;
    }
    pthread_mutex_unlock(&w->queues);
    arc_eventfd_signal(w->ready);
}

/** Everything that is due from one stream. */
static void pull_all(struct arc_worker *w, struct arc_worker_receiver *r)
{
    int64_t now_us = arc_clock_us();

    /* Also after ARC_AGAIN when the stream wants to be asked at once: decoding
     * took time, and only a new reading of the clock tells how much. */
    for (int i = 0; i < ARC_WORKER_MAX_DEPTH; i++) {
        w->out.channels = 0;
        if (arc_recv_pull(r->st, now_us, &w->out) == ARC_OK)
            put_received(w, r);
        else if (arc_recv_next_us(r->st) > arc_clock_us())
            break;
        now_us = arc_clock_us();
    }
}

/** One round over all streams. @return whether an encoder had something */
static bool take_turn(struct arc_worker *w, int64_t *next_us)
{
    bool busy = false;

    *next_us = ARC_NEVER_US;
    for (int32_t i = 0; i < w->n_recv; i++)
        if (w->recv[i].st)
            pull_all(w, &w->recv[i]);
    for (int32_t i = 0; i < w->n_send; i++)
        if (w->send[i].st) {
            busy |= encode_one(w, &w->send[i]);
            play_due(&w->send[i]);
            *next_us = arc_min_i64(*next_us, arc_send_play_next_us(w->send[i].st));
        }
    for (int32_t i = 0; i < w->n_recv; i++)
        if (w->recv[i].st)
            *next_us = arc_min_i64(*next_us, arc_recv_next_us(w->recv[i].st));
    return busy;
}

static void wait_until(struct arc_worker *w, int64_t next_us)
{
    struct pollfd fd = {w->wake, POLLIN, 0};
    struct timespec t;
    int64_t left = 0;

    if (next_us != ARC_NEVER_US)
        left = arc_max_i64(next_us - arc_clock_us(), MIN_SLEEP_US);
    t.tv_sec  = left / ARC_US_PER_S;
    t.tv_nsec = left % ARC_US_PER_S * 1000;
    if (ppoll(&fd, 1, next_us == ARC_NEVER_US ? NULL : &t, NULL) > 0)
        arc_eventfd_clear(w->wake);
}

static void *run(void *arg)
{
    struct arc_worker *w = arg;
    int64_t next_us = ARC_NEVER_US;
    bool busy;

    while (!arc_atomic_load_acquire(&w->stop)) {
        arc_turn_begin(&w->turn);
        busy = take_turn(w, &next_us);
        arc_turn_end(&w->turn);
        if (!busy)
            wait_until(w, next_us);
    }
    return NULL;
}

void arc_worker_wake(struct arc_worker *w)
{
    arc_eventfd_signal(w->wake);
}

/* --- its life ---------------------------------------------------------------------------- */

enum arc_status arc_worker_new(struct arc_worker **out)
{
    struct arc_worker *w;

    if (!out)
        return ARC_ERR_ARG;
    w = arc_mem_zalloc(1, sizeof(*w));
    if (!w)
        return ARC_ERR_NOMEM;
    w->process = getpid();
    arc_turn_init(&w->turn);
    pthread_mutex_init(&w->queues, NULL);
    w->wake  = arc_eventfd_new();
    w->ready = arc_eventfd_new();
    if (w->wake >= 0 && w->ready >= 0)
        w->running = arc_thread_start(&w->thread, "arc-media", run, w);
    if (!w->running) {
        arc_worker_free(w);
        return ARC_ERR_IO;
    }
    *out = w;
    return ARC_OK;
}

static void free_sender(struct arc_worker_sender *s)
{
    if (s->items)
        arc_worker_empty_sender(s);
    arc_mem_free(s->items);
    memset(s, 0, sizeof(*s));
}

static void free_receiver(struct arc_worker_receiver *r)
{
    if (r->items)
        arc_worker_empty_receiver(r);
    arc_mem_free(r->items);
    memset(r, 0, sizeof(*r));
}

void arc_worker_stop(struct arc_worker *w)
{
    if (!w->running || w->process != getpid())
        return; /* a child of fork() has no such thread */
    w->running = false;
    arc_atomic_store_release(&w->stop, 1);
    arc_worker_wake(w);
    pthread_join(w->thread, NULL);
}

void arc_worker_free(struct arc_worker *w)
{
    if (!w)
        return;
    arc_worker_stop(w);
    for (int32_t i = 0; i < w->n_send; i++)
        free_sender(&w->send[i]);
    for (int32_t i = 0; i < w->n_recv; i++)
        free_receiver(&w->recv[i]);
    arc_fd_close(w->wake);
    arc_fd_close(w->ready);
    arc_pkt_pool_unref(w->blocks);
    arc_pkt_pool_unref(w->pkts);
    arc_scratch_free(w->scratch);
    pthread_mutex_destroy(&w->queues);
    arc_turn_close(&w->turn);
    arc_mem_free(w);
}

/* --- streams: whoever changes them holds both locks ----------------------------------------- */

/** What audio streams share; made for the first of them. */
static enum arc_status open_pools(struct arc_worker *w)
{
    enum arc_status status = ARC_OK;

    if (!w->blocks)
        status = arc_pkt_pool_new(BLOCKS, &w->blocks);
    if (status == ARC_OK && !w->pkts)
        status = arc_pkt_pool_new(PKTS, &w->pkts);
    return status;
}

enum arc_status arc_worker_scratch(struct arc_worker *w, struct arc_scratch **out)
{
    enum arc_status status = ARC_OK;

    if (!out)
        return ARC_ERR_ARG;
    arc_worker_enter(w);
    if (!w->scratch)
        status = arc_voice_new_scratch(&w->scratch);
    *out = w->scratch;
    arc_worker_leave(w);
    return status;
}

static enum arc_status open_sender(struct arc_worker *w, struct arc_worker_sender *s, struct arc_sendstream *st,
                                   struct arc_loop *loop, int32_t id,
                                   int32_t depth)
{
    s->channels = arc_send_channels(st);
    s->items = arc_mem_zalloc((size_t)depth, sizeof(*s->items));
    if (!s->items)
        return ARC_ERR_NOMEM;
    arc_send_lend_pool(st, w->pkts);
    s->queue.cap = depth;
    s->loop      = loop;
    s->id        = id;
    s->st        = st;
    return ARC_OK;
}

enum arc_status arc_worker_add_send(struct arc_worker *w,
                                    struct arc_sendstream *st,
                                    struct arc_loop *loop, int32_t id,
                                    int32_t depth)
{
    enum arc_status status = ARC_ERR_LIMIT;
    struct arc_worker_sender *s;

    if (!st || depth < 1 || depth > ARC_WORKER_MAX_DEPTH)
        return ARC_ERR_ARG;
    arc_worker_enter(w);
    s = arc_worker_find_sender(w, NULL);
    if (!s && w->n_send < ARC_WORKER_MAX_STREAMS)
        s = &w->send[w->n_send++];
    if (arc_worker_find_sender(w, st))
        status = ARC_ERR_ARG;
    else if (s)
        status = arc_send_channels(st) > 0 ? open_pools(w) : ARC_OK;
    if (s && status == ARC_OK)
        status = open_sender(w, s, st, loop, id, depth);
    arc_worker_leave(w);
    return status;
}

enum arc_status arc_worker_add_recv(struct arc_worker *w,
                                    struct arc_recvstream *st, int32_t depth)
{
    enum arc_status status = ARC_ERR_LIMIT;
    struct arc_worker_receiver *r;

    if (!st || depth < 1 || depth > ARC_WORKER_MAX_DEPTH)
        return ARC_ERR_ARG;
    arc_worker_enter(w);
    r = arc_worker_find_receiver(w, NULL);
    if (!r && w->n_recv < ARC_WORKER_MAX_STREAMS)
        r = &w->recv[w->n_recv++];
    if (arc_worker_find_receiver(w, st)) {
        status = ARC_ERR_ARG;
    } else if (r) {
        status = open_pools(w);
        r->items = status ? NULL : arc_mem_zalloc((size_t)depth, sizeof(*r->items));
        status = r->items ? ARC_OK : ARC_ERR_NOMEM;
    }
    if (status == ARC_OK) {
        r->queue.cap = depth;
        r->st        = st;
    }
    arc_worker_leave(w);
    arc_worker_wake(w);
    return status;
}

enum arc_status arc_worker_set_loop(struct arc_worker *w,
                                    struct arc_sendstream *st,
                                    struct arc_loop *loop)
{
    struct arc_worker_sender *s;

    if (!st)
        return ARC_ERR_ARG;
    arc_worker_enter(w);
    s = arc_worker_find_sender(w, st);
    if (s)
        s->loop = loop;
    arc_worker_leave(w);
    return s ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status arc_worker_remove_send(struct arc_worker *w,
                                       struct arc_sendstream *st)
{
    struct arc_worker_sender *s;

    if (!st)
        return ARC_ERR_ARG;
    arc_worker_enter(w);
    s = arc_worker_find_sender(w, st);
    if (s) {
        arc_send_lend_pool(st, NULL);
        free_sender(s);
    }
    arc_worker_leave(w);
    return s ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status arc_worker_remove_recv(struct arc_worker *w,
                                       struct arc_recvstream *st)
{
    struct arc_worker_receiver *r;

    if (!st)
        return ARC_ERR_ARG;
    arc_worker_enter(w);
    r = arc_worker_find_receiver(w, st);
    if (r)
        free_receiver(r);
    arc_worker_leave(w);
    return r ? ARC_OK : ARC_ERR_ARG;
}
