/**
 * @file base/deadline.c  Which of many things is due first
 */
#include "base/deadline.h"
#include "base/mem.h"
#include "base/units.h"

struct entry {
    int64_t at_us;
    int32_t place;
};

struct arc_deadline {
    int32_t       capacity, n;
    int32_t      *index; /* of each place in the heap, 1 at the top; 0: not set */
    struct entry *heap;  /* [0] is not used: the parent of i is i / 2           */
};

enum arc_status arc_deadline_new(int32_t capacity, struct arc_deadline **out)
{
    struct arc_deadline *d;

    if (!out || capacity < 1 || capacity > 1 << 24)
        return ARC_ERR_ARG;
    d = arc_mem_zalloc(1, sizeof(*d));
    if (!d)
        return ARC_ERR_NOMEM;
    d->capacity = capacity;
    d->index    = arc_mem_zalloc((size_t)capacity, sizeof(*d->index));
    d->heap     = arc_mem_zalloc((size_t)capacity + 1, sizeof(*d->heap));
    if (!d->index || !d->heap) {
        arc_deadline_free(d);
        return ARC_ERR_NOMEM;
    }
    *out = d;
    return ARC_OK;
}

void arc_deadline_free(struct arc_deadline *d)
{
    if (!d)
        return;
    arc_mem_free(d->index);
    arc_mem_free(d->heap);
    arc_mem_free(d);
}

static void put(struct arc_deadline *d, int32_t i, struct entry e)
{
    d->heap[i] = e;
    d->index[e.place] = i;
}

static void sift_up(struct arc_deadline *d, int32_t i, struct entry e)
{
    while (i > 1 && d->heap[i / 2].at_us > e.at_us) {
        put(d, i, d->heap[i / 2]);
        i /= 2;
    }
    put(d, i, e);
}

static void sift_down(struct arc_deadline *d, int32_t i, struct entry e)
{
    int32_t child;

    while ((child = 2 * i) <= d->n) {
        if (child < d->n && d->heap[child + 1].at_us < d->heap[child].at_us)
            child++;
        if (d->heap[child].at_us >= e.at_us)
            break;
        put(d, i, d->heap[child]);
        i = child;
    }
    put(d, i, e);
}

static void take_out(struct arc_deadline *d, int32_t i)
{
    struct entry last = d->heap[d->n--];

    d->index[d->heap[i].place] = 0;
    if (i > d->n)
        return; /* it was the last one itself */
    if (i > 1 && d->heap[i / 2].at_us > last.at_us)
        sift_up(d, i, last);
    else
        sift_down(d, i, last);
}

void arc_deadline_set(struct arc_deadline *d, int32_t place, int64_t at_us)
{
    struct entry e = {at_us, place};
    int32_t i;

    if (place < 0 || place >= d->capacity)
        return;
    i = d->index[place];
    if (at_us == ARC_NEVER_US) {
        if (i > 0)
            take_out(d, i);
    } else if (i == 0) {
        sift_up(d, ++d->n, e);
    } else if (at_us < d->heap[i].at_us) {
        sift_up(d, i, e);
    } else {
        sift_down(d, i, e);
    }
}

int64_t arc_deadline_first(const struct arc_deadline *d, int32_t *place_out)
{
    if (d->n == 0)
        return ARC_NEVER_US;
    *place_out = d->heap[1].place;
    return d->heap[1].at_us;
}
