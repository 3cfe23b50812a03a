/**
 * @file base/mpsc.c  Bounded queue from any number of threads to one, no locks
 */
#include <string.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/mpsc.h"

enum { CACHE_LINE = 64, MAX_ITEMS = 1 << 20, MAX_ITEM_BYTES = 256 };

/* A cell is free for the item of number n when its count is n, holds it when
 * the count is n + 1, and is free again for n + size once that was taken. */
struct cell {
    uint32_t count; /* atomic */
    uint8_t  item[];
};

struct arc_mpsc {
    uint32_t tail;  /* atomic: numbers given to writers */
    uint8_t  pad0[CACHE_LINE - sizeof(uint32_t)];
    uint32_t head;  /* the reader's: items taken        */
    uint8_t  pad1[CACHE_LINE - sizeof(uint32_t)];
    uint32_t mask, item_bytes, cell_bytes;
    uint8_t *cells;
};

static struct cell *cell_of(const struct arc_mpsc *q, uint32_t number)
{
    return (struct cell *)(void *)(q->cells +
                                   (size_t)(number & q->mask) * q->cell_bytes);
}

enum arc_status arc_mpsc_new(uint32_t n_items, uint32_t item_bytes,
                             struct arc_mpsc **out)
{
    struct arc_mpsc *q;
    uint32_t n = 2;

    if (!out || n_items < 2 || n_items > MAX_ITEMS || item_bytes < 1 ||
        item_bytes > MAX_ITEM_BYTES)
        return ARC_ERR_ARG;
    while (n < n_items)
        n *= 2;
    q = arc_mem_zalloc(1, sizeof(*q));
    if (!q)
        return ARC_ERR_NOMEM;
    q->mask       = n - 1;
    q->item_bytes = item_bytes;
    q->cell_bytes = (uint32_t)(sizeof(struct cell) + item_bytes + 7) & ~7u;
    q->cells      = arc_mem_zalloc(n, q->cell_bytes);
    if (!q->cells) {
        arc_mem_free(q);
        return ARC_ERR_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++)
        cell_of(q, i)->count = i;
    *out = q;
    return ARC_OK;
}

void arc_mpsc_free(struct arc_mpsc *q)
{
    if (!q)
        return;
    arc_mem_free(q->cells);
    arc_mem_free(q);
}

enum arc_status arc_mpsc_push(struct arc_mpsc *q, const void *item)
{
    uint32_t number = arc_atomic_load_relaxed(&q->tail);
    struct cell *cell;
    int32_t ahead;

    for (;;) {
        cell  = cell_of(q, number);
        ahead = (int32_t)(arc_atomic_load_acquire(&cell->count) - number);
        if (ahead < 0)
            return ARC_AGAIN; /* what was here a round ago is not taken yet */
        if (ahead == 0 &&
            arc_atomic_compare_exchange(&q->tail, number, number + 1))
            break;
        number = arc_atomic_load_relaxed(&q->tail);
    }
    memcpy(cell->item, item, q->item_bytes);
    arc_atomic_store_release(&cell->count, number + 1);
    return ARC_OK;
}

enum arc_status arc_mpsc_pop(struct arc_mpsc *q, void *item)
{
    struct cell *cell = cell_of(q, q->head);

    if (arc_atomic_load_acquire(&cell->count) != q->head + 1)
        return ARC_AGAIN;
    memcpy(item, cell->item, q->item_bytes);
    arc_atomic_store_release(&cell->count, q->head + q->mask + 1);
    q->head++;
    return ARC_OK;
}
