/**
 * @file io/hub.c  Events of an engine's threads, for one reader
 */
#include <string.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/ring.h"
#include "io/clock.h"
#include "io/hub.h"
#include "io/thread.h"

struct source {
    struct arc_ring *ring;   /* struct arc_hub_event */
    int64_t          untold; /* atomic: lost, and the reader does not know yet */
    int64_t          lost;   /* atomic: ever */
};

struct arc_hub {
    int           notify;
    int32_t       n_sources;
    struct source sources[ARC_HUB_MAX_SOURCES];
};

enum arc_status arc_hub_new(int32_t n_sources, int32_t depth,
                            struct arc_hub **out)
{
    enum arc_status status = ARC_OK;
    struct arc_hub *h;

    if (!out || n_sources < 1 || n_sources > ARC_HUB_MAX_SOURCES || depth < 1 ||
        depth > 1 << 20)
        return ARC_ERR_ARG;
    h = arc_mem_zalloc(1, sizeof(*h));
    if (!h)
        return ARC_ERR_NOMEM;
    h->n_sources = n_sources;
    h->notify    = arc_eventfd_new();
    if (h->notify < 0)
        status = ARC_ERR_IO;
    for (int32_t i = 0; i < n_sources && status == ARC_OK; i++)
        status = arc_ring_new((uint32_t)depth, sizeof(struct arc_hub_event),
                              &h->sources[i].ring);
    if (status != ARC_OK) {
        arc_hub_free(h);
        return status;
    }
    *out = h;
    return ARC_OK;
}

void arc_hub_free(struct arc_hub *h)
{
    if (!h)
        return;
    for (int32_t i = 0; i < h->n_sources; i++)
        arc_ring_free(h->sources[i].ring);
    arc_fd_close(h->notify);
    arc_mem_free(h);
}

int32_t arc_hub_fd(const struct arc_hub *h)
{
    return h->notify;
}

void arc_hub_clear(struct arc_hub *h)
{
    arc_eventfd_clear(h->notify);
}

void arc_hub_notify(struct arc_hub *h)
{
    arc_eventfd_signal(h->notify);
}

/* --- the threads' side ------------------------------------------------------------ */

void arc_hub_count_lost(struct arc_hub *h, int32_t source, int64_t n)
{
    arc_atomic_add_relaxed(&h->sources[source].untold, n);
    arc_atomic_add_relaxed(&h->sources[source].lost, n);
}

static struct arc_hub_event lost_event(int32_t source, int64_t n, int64_t now_us)
{
    struct arc_hub_event e = {0, ARC_HUB_EVENTS_LOST, -1, source, now_us, n};

    return e;
}

/** Tell of what was lost before something newer. @return whether that is done */
static bool tell_lost(struct source *s, int32_t source, int64_t now_us)
{
    struct arc_hub_event e;
    int64_t n = 0;

    if (arc_atomic_load_relaxed(&s->untold) > 0)
        n = arc_atomic_exchange(&s->untold, 0);
    if (n == 0)
        return true;
    e = lost_event(source, n, now_us);
    if (arc_ring_push(s->ring, &e) == ARC_OK)
        return true;
    arc_atomic_add_relaxed(&s->untold, n);
    return false;
}

void arc_hub_put(struct arc_hub *h, int32_t source,
                 const struct arc_hub_event *event)
{
    struct source *s = &h->sources[source];
    struct arc_hub_event e = *event;

    e.source = source;
    if (!tell_lost(s, source, e.now_us) || arc_ring_push(s->ring, &e) != ARC_OK)
        arc_hub_count_lost(h, source, 1);
}

/* --- the reader's side -------------------------------------------------------------- */

static bool take(struct source *s, int32_t source, struct arc_hub_event *out)
{
    int64_t n;

    if (arc_ring_pop(s->ring, out) == ARC_OK)
        return true;
    if (arc_atomic_load_relaxed(&s->untold) == 0)
        return false;
    /* Nothing came behind that could have told it. */
    n = arc_atomic_exchange(&s->untold, 0);
    if (n > 0)
        *out = lost_event(source, n, arc_clock_us());
    return n > 0;
}

int32_t arc_hub_poll(struct arc_hub *h, struct arc_hub_event *out, int32_t cap)
{
    int32_t n = 0;

    for (int32_t i = 0; i < h->n_sources; i++)
        while (n < cap && take(&h->sources[i], i, &out[n]))
            n++;
    return n;
}

int64_t arc_hub_lost(const struct arc_hub *h, int32_t source)
{
    if (source < 0 || source >= h->n_sources)
        return 0;
    return arc_atomic_load_relaxed(&h->sources[source].lost);
}
