/**
 * @file base/handles.c  Numbers for things that come and go
 */
#include <string.h>

#include "base/handles.h"
#include "base/mem.h"

enum { FIRST_PLACES = 16, MAX_COUNT = 1 << (31 - ARC_HANDLES_PLACE_BITS) };

void arc_handles_close(struct arc_handles *h)
{
    arc_mem_free(h->things);
    arc_mem_free(h->counts);
    arc_mem_free(h->free);
    memset(h, 0, sizeof(*h));
}

static enum arc_status grow(struct arc_handles *h)
{
    const int32_t room = h->room ? 2 * h->room : FIRST_PLACES;
    struct arc_handles wide = *h;

    if (room > ARC_HANDLES_MAX)
        return ARC_ERR_LIMIT;
    wide.room   = room;
    wide.things = arc_mem_zalloc((size_t)room, sizeof(*wide.things));
    wide.counts = arc_mem_zalloc((size_t)room, sizeof(*wide.counts));
    wide.free   = arc_mem_zalloc((size_t)room, sizeof(*wide.free));
    if (!wide.things || !wide.counts || !wide.free) {
        arc_handles_close(&wide);
        return ARC_ERR_NOMEM;
    }
    if (h->room) {
        memcpy(wide.things, h->things, (size_t)h->room * sizeof(*h->things));
        memcpy(wide.counts, h->counts, (size_t)h->room * sizeof(*h->counts));
        memcpy(wide.free, h->free, (size_t)h->room * sizeof(*h->free));
    }
    arc_handles_close(h);
    *h = wide;
    return ARC_OK;
}

enum arc_status arc_handles_add(struct arc_handles *h, void *thing,
                                int32_t *number)
{
    enum arc_status status = ARC_OK;
    int32_t place;

    if (!thing || !number)
        return ARC_ERR_ARG;
    if (h->n_free == 0 && h->used == h->room)
        status = grow(h);
    if (status)
        return status;
    place = h->n_free > 0 ? h->free[--h->n_free] : h->used++;
    h->things[place] = thing;
    h->n++;
    *number = h->counts[place] << ARC_HANDLES_PLACE_BITS | place;
    return ARC_OK;
}

void *arc_handles_get(const struct arc_handles *h, int32_t number)
{
    const int32_t place = arc_handles_place(number);

    if (number < 0 || place >= h->used ||
        h->counts[place] != number >> ARC_HANDLES_PLACE_BITS)
        return NULL;
    return h->things[place];
}

void *arc_handles_remove(struct arc_handles *h, int32_t number)
{
    const int32_t place = arc_handles_place(number);
    void *thing = arc_handles_get(h, number);

    if (!thing)
        return NULL;
    h->things[place] = NULL;
    h->counts[place] = (h->counts[place] + 1) % MAX_COUNT;
    h->free[h->n_free++] = place;
    h->n--;
    return thing;
}
