/**
 * @file io/worker.c  A native thread that owns the media side of streams
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/chain.h"
#include "base/mem.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/thread.h"
#include "io/worker.h"
#include "rx/voice.h"

enum {
    MAX_DEPTH    = 256,
    BLOCKS       = 4096,  /* of 992 samples, for all streams: 80 s of them     */
    PKTS         = 2048,
    /* A deadline that has passed without anything to do is a fault elsewhere;
     * it must not become a thread that spins. */
    MIN_SLEEP_US = 500,
};

/** What waits for an encoder. */
struct posted {
    struct arc_vframe *frame;     /* video                     */
    int64_t            capture_us;
    int32_t            n_samples; /* audio                     */
    struct arc_pkt    *pcm;       /* audio: a chain            */
};

/** What waits for Python: struct arc_received, with the samples in a chain. */
struct fetched {
    char            head[offsetof(struct arc_received, samples)];
    struct arc_vframe *frame;     /* video: that of head       */
    struct arc_pkt *pcm;          /* audio                     */
};

/** A bounded queue, oldest first out; guarded by arc_worker.queues. */
struct queue {
    int32_t cap, head, n;
    struct arc_worker_queue_stats stats;
};

struct sender {
    struct arc_sendstream *st; /* NULL: free */
    struct arc_loop       *loop;
    int32_t                id;    /* of its session at the loop */
    struct queue           queue;
    struct posted         *items;
    int32_t                channels;
};

struct receiver {
    struct arc_recvstream *st; /* NULL: free */
    struct queue           queue;
    struct fetched        *items;
};

struct arc_worker {
    int                 wake, ready; /* eventfds: ours; Python's */
    pthread_t           thread;
    bool                running;
    pid_t               process;
    int32_t             stop;        /* atomic flag */
    struct arc_turn     turn;
    pthread_mutex_t     queues;
    struct arc_pkt_pool *blocks;     /* samples in queues; guarded by `queues`;
                                        NULL until there is an audio stream  */
    struct arc_pkt_pool *pkts;       /* for what audio streams encode; likewise */
    struct arc_scratch  *scratch;    /* for what audio streams receive; likewise */
    int32_t             n_send, n_recv; /* slots ever used */
    struct sender       send[ARC_WORKER_MAX_STREAMS];
    struct receiver     recv[ARC_WORKER_MAX_STREAMS];
    struct arc_received out;         /* the worker's own */
    int16_t             pcm[ARC_SESSION_MAX_SAMPLES];
};

/* --- queues: call with w->queues held ------------------------------------------------ */

/** Index for a new newest entry; *dropped is the index of the oldest when that
 *  had to go, else -1. */
static int32_t queue_put(struct queue *q, int32_t *dropped)
{
    *dropped = -1;
    if (q->n == q->cap) {
        *dropped = q->head;
        q->head = (q->head + 1) % q->cap;
        q->n--;
        q->stats.dropped++;
    }
    q->stats.posted++;
    return (q->head + q->n++) % q->cap;
}

/** Index of the oldest entry, taken out; -1: empty. */
static int32_t queue_take(struct queue *q)
{
    int32_t i = q->head;

    if (q->n == 0)
        return -1;
    q->head = (q->head + 1) % q->cap;
    q->n--;
    return i;
}

static void drop_item(struct posted *item)
{
    arc_vframe_unref(item->frame);
    arc_chain_free(item->pcm);
    item->frame = NULL;
    item->pcm   = NULL;
}

static void drop_fetched(struct fetched *item)
{
    arc_vframe_unref(item->frame);
    arc_chain_free(item->pcm);
    item->frame = NULL;
    item->pcm   = NULL;
}

static int32_t empty_sender(struct sender *s)
{
    int32_t n = 0, i;

    while ((i = queue_take(&s->queue)) >= 0) {
        drop_item(&s->items[i]);
        n++;
    }
    return n;
}

static void empty_receiver(struct receiver *r)
{
    int32_t i;

    while ((i = queue_take(&r->queue)) >= 0)
        drop_fetched(&r->items[i]);
}

static struct arc_pkt *keep(struct arc_worker *w, const int16_t *pcm, int32_t n)
{
    return arc_chain_store(w->blocks, pcm, sizeof(*pcm) * (size_t)n);
}

/* --- the work -------------------------------------------------------------------------- */

/** Encode the oldest frame of a stream; false: none waits. */
static bool encode_one(struct arc_worker *w, struct sender *s)
{
    struct posted item;
    int32_t i;

    pthread_mutex_lock(&w->queues);
    i = queue_take(&s->queue);
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
static void play_due(struct sender *s)
{
    if (arc_send_play_turn(s->st, arc_clock_us()) && s->loop)
        arc_loop_kick(s->loop, s->id);
}

static void put_received(struct arc_worker *w, struct receiver *r)
{
    const int32_t n = w->out.frame ? 0 : w->out.n_samples * w->out.channels;
    struct arc_pkt *pcm;
    int32_t i, dropped;

    pthread_mutex_lock(&w->queues);
    pcm = n > 0 ? keep(w, w->out.samples, n) : NULL;
    if (n > 0 && !pcm) {
        r->queue.stats.posted++;
        r->queue.stats.dropped++; /* the newest: nobody fetches anything */
    } else {
        i = queue_put(&r->queue, &dropped);
        if (dropped >= 0)
            drop_fetched(&r->items[dropped]);
        memcpy(r->items[i].head, &w->out, sizeof(r->items[i].head));
        r->items[i].frame = w->out.frame;
        r->items[i].pcm   = pcm;
    }
    pthread_mutex_unlock(&w->queues);
    arc_eventfd_signal(w->ready);
}

/** Everything that is due from one stream. */
static void pull_all(struct arc_worker *w, struct receiver *r)
{
    int64_t now_us = arc_clock_us();

    /* Also after ARC_AGAIN when the stream wants to be asked at once: decoding
     * took time, and only a new reading of the clock tells how much. */
    for (int i = 0; i < MAX_DEPTH; i++) {
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

static void free_sender(struct sender *s)
{
    if (s->items)
        empty_sender(s);
    arc_mem_free(s->items);
    memset(s, 0, sizeof(*s));
}

static void free_receiver(struct receiver *r)
{
    if (r->items)
        empty_receiver(r);
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

static void enter(struct arc_worker *w)
{
    arc_turn_enter(&w->turn);
    pthread_mutex_lock(&w->queues);
}

static void leave(struct arc_worker *w)
{
    pthread_mutex_unlock(&w->queues);
    arc_turn_leave(&w->turn);
}

static struct sender *find_sender(struct arc_worker *w,
                                  const struct arc_sendstream *st)
{
    for (int32_t i = 0; i < w->n_send; i++)
        if (w->send[i].st == st)
            return &w->send[i];
    return NULL;
}

static struct receiver *find_receiver(struct arc_worker *w,
                                      const struct arc_recvstream *st)
{
    for (int32_t i = 0; i < w->n_recv; i++)
        if (w->recv[i].st == st)
            return &w->recv[i];
    return NULL;
}

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
    enter(w);
    if (!w->scratch)
        status = arc_voice_new_scratch(&w->scratch);
    *out = w->scratch;
    leave(w);
    return status;
}

static enum arc_status open_sender(struct arc_worker *w, struct sender *s, struct arc_sendstream *st,
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
    struct sender *s;

    if (!st || depth < 1 || depth > MAX_DEPTH)
        return ARC_ERR_ARG;
    enter(w);
    s = find_sender(w, NULL);
    if (!s && w->n_send < ARC_WORKER_MAX_STREAMS)
        s = &w->send[w->n_send++];
    if (find_sender(w, st))
        status = ARC_ERR_ARG;
    else if (s)
        status = arc_send_channels(st) > 0 ? open_pools(w) : ARC_OK;
    if (s && status == ARC_OK)
        status = open_sender(w, s, st, loop, id, depth);
    leave(w);
    return status;
}

enum arc_status arc_worker_add_recv(struct arc_worker *w,
                                    struct arc_recvstream *st, int32_t depth)
{
    enum arc_status status = ARC_ERR_LIMIT;
    struct receiver *r;

    if (!st || depth < 1 || depth > MAX_DEPTH)
        return ARC_ERR_ARG;
    enter(w);
    r = find_receiver(w, NULL);
    if (!r && w->n_recv < ARC_WORKER_MAX_STREAMS)
        r = &w->recv[w->n_recv++];
    if (find_receiver(w, st)) {
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
    leave(w);
    arc_worker_wake(w);
    return status;
}

enum arc_status arc_worker_set_loop(struct arc_worker *w,
                                    struct arc_sendstream *st,
                                    struct arc_loop *loop)
{
    struct sender *s;

    if (!st)
        return ARC_ERR_ARG;
    enter(w);
    s = find_sender(w, st);
    if (s)
        s->loop = loop;
    leave(w);
    return s ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status arc_worker_remove_send(struct arc_worker *w,
                                       struct arc_sendstream *st)
{
    struct sender *s;

    if (!st)
        return ARC_ERR_ARG;
    enter(w);
    s = find_sender(w, st);
    if (s) {
        arc_send_lend_pool(st, NULL);
        free_sender(s);
    }
    leave(w);
    return s ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status arc_worker_remove_recv(struct arc_worker *w,
                                       struct arc_recvstream *st)
{
    struct receiver *r;

    if (!st)
        return ARC_ERR_ARG;
    enter(w);
    r = find_receiver(w, st);
    if (r)
        free_receiver(r);
    leave(w);
    return r ? ARC_OK : ARC_ERR_ARG;
}

/* --- Python's side ---------------------------------------------------------------------------- */

static void put_audio(struct arc_worker *w, struct sender *s,
                      const int16_t *pcm, int32_t n_samples, int64_t capture_us)
{
    struct posted item = {NULL, capture_us, n_samples, NULL};
    int32_t i, dropped;

    item.pcm = keep(w, pcm, n_samples * s->channels);
    if (!item.pcm) {
        s->queue.stats.posted++;
        s->queue.stats.dropped++; /* the newest: all room is taken */
        return;
    }
    i = queue_put(&s->queue, &dropped);
    if (dropped >= 0)
        drop_item(&s->items[dropped]);
    s->items[i] = item;
}

enum arc_status arc_worker_post_audio(struct arc_worker *w,
                                      struct arc_sendstream *st,
                                      const int16_t *pcm, int32_t n_samples,
                                      int64_t capture_us)
{
    struct sender *s;

    if (!st || !pcm || n_samples < 1)
        return ARC_ERR_ARG;
    pthread_mutex_lock(&w->queues);
    s = find_sender(w, st);
    if (s && s->channels > 0 && n_samples <= ARC_SESSION_MAX_SAMPLES / 2)
        put_audio(w, s, pcm, n_samples, capture_us);
    else
        s = NULL;
    pthread_mutex_unlock(&w->queues);
    arc_worker_wake(w);
    return s ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status arc_worker_post_video(struct arc_worker *w,
                                      struct arc_sendstream *st,
                                      struct arc_vframe *frame,
                                      int64_t capture_us)
{
    struct sender *s;
    int32_t i, dropped;

    if (!st || !frame)
        return ARC_ERR_ARG;
    pthread_mutex_lock(&w->queues);
    s = find_sender(w, st);
    if (s && s->channels == 0) {
        i = queue_put(&s->queue, &dropped);
        if (dropped >= 0)
            drop_item(&s->items[dropped]);
        s->items[i].frame      = arc_vframe_ref(frame);
        s->items[i].capture_us = capture_us;
    } else {
        s = NULL;
    }
    pthread_mutex_unlock(&w->queues);
    arc_worker_wake(w);
    return s ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status arc_worker_play(struct arc_worker *w, struct arc_sendstream *st,
                                const int16_t *pcm, int32_t n_samples)
{
    enum arc_status status = ARC_ERR_ARG;

    enter(w);
    if (st && find_sender(w, st))
        status = arc_send_play(st, pcm, n_samples, arc_clock_us());
    leave(w);
    arc_worker_wake(w);
    return status;
}

enum arc_status arc_worker_played(struct arc_worker *w, struct arc_sendstream *st,
                                  bool flush, struct arc_played *out)
{
    struct sender *s;

    if (!st || !out)
        return ARC_ERR_ARG;
    enter(w);
    s = find_sender(w, st);
    if (s && flush)
        arc_send_play_flush(st, out);
    else if (s)
        arc_send_get_played(st, out);
    leave(w);
    return s ? ARC_OK : ARC_ERR_ARG;
}

int32_t arc_worker_flush(struct arc_worker *w, struct arc_sendstream *st)
{
    struct sender *s;
    int32_t n = 0;

    pthread_mutex_lock(&w->queues);
    s = st ? find_sender(w, st) : NULL;
    if (s) {
        n = empty_sender(s);
        s->queue.stats.flushed += n;
    }
    pthread_mutex_unlock(&w->queues);
    return n;
}

enum arc_status arc_worker_fetch(struct arc_worker *w,
                                 struct arc_recvstream *st,
                                 struct arc_received *out)
{
    struct receiver *r;
    int32_t i = -1;

    if (!st || !out)
        return ARC_ERR_ARG;
    pthread_mutex_lock(&w->queues);
    r = find_receiver(w, st);
    if (r)
        i = queue_take(&r->queue);
    if (i >= 0) {
        struct fetched *item = &r->items[i];

        memcpy(out, item->head, sizeof(item->head));
        arc_chain_take(item->pcm, out->samples);
        item->frame = NULL;
        item->pcm   = NULL;
    }
    pthread_mutex_unlock(&w->queues);
    return !r ? ARC_ERR_ARG : i >= 0 ? ARC_OK : ARC_AGAIN;
}

int32_t arc_worker_fd(const struct arc_worker *w)
{
    return w->ready;
}

void arc_worker_clear(struct arc_worker *w)
{
    arc_eventfd_clear(w->ready);
}

enum arc_status arc_worker_send_stats(struct arc_worker *w,
                                      struct arc_sendstream *st,
                                      struct arc_send_media_stats *media,
                                      struct arc_worker_queue_stats *queue)
{
    struct sender *s;

    if (!st || !media || !queue)
        return ARC_ERR_ARG;
    enter(w);
    s = find_sender(w, st);
    if (s) {
        arc_send_get_stats(st, media);
        *queue = s->queue.stats;
        queue->depth = s->queue.n;
    }
    leave(w);
    return s ? ARC_OK : ARC_ERR_ARG;
}

enum arc_status arc_worker_recv_stats(struct arc_worker *w,
                                      struct arc_recvstream *st,
                                      struct arc_recv_media_stats *media,
                                      struct arc_worker_queue_stats *queue)
{
    struct receiver *r;

    if (!st || !media || !queue)
        return ARC_ERR_ARG;
    enter(w);
    r = find_receiver(w, st);
    if (r) {
        arc_recv_get_stats(st, media);
        *queue = r->queue.stats;
        queue->depth = r->queue.n;
    }
    leave(w);
    return r ? ARC_OK : ARC_ERR_ARG;
}
