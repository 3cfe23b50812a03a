/**
 * @file io/workerstate.h  The state of a worker; private to io/worker*
 *
 * Owner:   io/worker.
 * Threads: the queues and what is in them are guarded by `queues`; everything else
 *          by the turn lock. Whoever changes streams holds both:
 *          arc_worker_enter().
 */
#ifndef ARC_IO_WORKERSTATE_H
#define ARC_IO_WORKERSTATE_H

#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/pkt.h"
#include "io/thread.h"
#include "io/worker.h"

#define ARC_WORKER_MAX_DEPTH 256 /* entries of one queue                       */

/** What waits for an encoder. */
struct arc_worker_posted {
    struct arc_vframe *frame;     /* video                     */
    int64_t            capture_us;
    int32_t            n_samples; /* audio                     */
    struct arc_pkt    *pcm;       /* audio: a chain            */
};

/** What waits for Python: struct arc_received, with the samples in a chain. */
struct arc_worker_fetched {
    char            head[offsetof(struct arc_received, samples)];
    struct arc_vframe *frame;     /* video: that of head       */
    struct arc_pkt *pcm;          /* audio                     */
};

/** A bounded queue, oldest first out; guarded by arc_worker.queues. */
struct arc_worker_queue {
    int32_t cap, head, n;
    struct arc_worker_queue_stats stats;
};

struct arc_worker_sender {
    struct arc_sendstream    *st; /* NULL: free */
    struct arc_loop          *loop;
    int32_t                   id; /* of its session at the loop */
    struct arc_worker_queue   queue;
    struct arc_worker_posted *items;
    int32_t                   channels;
};

struct arc_worker_receiver {
    struct arc_recvstream     *st; /* NULL: free */
    struct arc_worker_queue    queue;
    struct arc_worker_fetched *items;
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
    int32_t             n_send, n_recv; /* places ever used */
    struct arc_worker_sender   send[ARC_WORKER_MAX_STREAMS];
    struct arc_worker_receiver recv[ARC_WORKER_MAX_STREAMS];
    struct arc_received out;         /* the worker's own */
    int16_t             pcm[ARC_SESSION_MAX_SAMPLES];
};

/* --- queues: call with w->queues held --- */

/** Index for a new newest entry; *dropped is the index of the oldest when that
 *  had to go, else -1. */
int32_t arc_worker_queue_put(struct arc_worker_queue *q, int32_t *dropped);

/** Index of the oldest entry, taken out; -1: empty. */
int32_t arc_worker_queue_take(struct arc_worker_queue *q);

void    arc_worker_drop_item(struct arc_worker_posted *item);
void    arc_worker_drop_fetched(struct arc_worker_fetched *item);

/** Drop all that waits. @return entries (of a sender) */
int32_t arc_worker_empty_sender(struct arc_worker_sender *s);
void    arc_worker_empty_receiver(struct arc_worker_receiver *r);

/** Samples in a chain of the shared blocks; NULL: these are used up. */
struct arc_pkt *arc_worker_keep(struct arc_worker *w, const int16_t *pcm, int32_t n);

/* --- streams --- */

/** Both locks. */
void arc_worker_enter(struct arc_worker *w);
void arc_worker_leave(struct arc_worker *w);

/** @param st NULL: a free place @return NULL: it is not here */
struct arc_worker_sender   *arc_worker_find_sender(struct arc_worker *w,
                                                   const struct arc_sendstream *st);
struct arc_worker_receiver *arc_worker_find_receiver(struct arc_worker *w,
                                                     const struct arc_recvstream *st);

#endif
