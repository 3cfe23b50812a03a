/**
 * @file io/worker_queues.c  What waits between a worker and the others, and its locks
 */
#include "base/chain.h"
#include "io/workerstate.h"

int32_t arc_worker_queue_put(struct arc_worker_queue *q, int32_t *dropped)
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

int32_t arc_worker_queue_take(struct arc_worker_queue *q)
{
    int32_t i = q->head;

    if (q->n == 0)
        return -1;
    q->head = (q->head + 1) % q->cap;
    q->n--;
    return i;
}

void arc_worker_drop_item(struct arc_worker_posted *item)
{
    arc_vframe_unref(item->frame);
    arc_chain_free(item->pcm);
    item->frame = NULL;
    item->pcm   = NULL;
}

void arc_worker_drop_fetched(struct arc_worker_fetched *item)
{
    arc_vframe_unref(item->frame);
    arc_chain_free(item->pcm);
    item->frame = NULL;
    item->pcm   = NULL;
}

int32_t arc_worker_empty_sender(struct arc_worker_sender *s)
{
    int32_t n = 0, i;

    while ((i = arc_worker_queue_take(&s->queue)) >= 0) {
        arc_worker_drop_item(&s->items[i]);
        n++;
    }
    return n;
}

void arc_worker_empty_receiver(struct arc_worker_receiver *r)
{
    int32_t i;

    while ((i = arc_worker_queue_take(&r->queue)) >= 0)
        arc_worker_drop_fetched(&r->items[i]);
}

struct arc_pkt *arc_worker_keep(struct arc_worker *w, const int16_t *pcm, int32_t n)
{
    return arc_chain_store(w->blocks, pcm, sizeof(*pcm) * (size_t)n);
}

void arc_worker_enter(struct arc_worker *w)
{
    arc_turn_enter(&w->turn);
    pthread_mutex_lock(&w->queues);
}

void arc_worker_leave(struct arc_worker *w)
{
    pthread_mutex_unlock(&w->queues);
    arc_turn_leave(&w->turn);
}

struct arc_worker_sender *arc_worker_find_sender(struct arc_worker *w,
                                                 const struct arc_sendstream *st)
{
    for (int32_t i = 0; i < w->n_send; i++)
        if (w->send[i].st == st)
            return &w->send[i];
    return NULL;
}

struct arc_worker_receiver *arc_worker_find_receiver(struct arc_worker *w,
                                                     const struct arc_recvstream *st)
{
    for (int32_t i = 0; i < w->n_recv; i++)
        if (w->recv[i].st == st)
            return &w->recv[i];
    return NULL;
}
