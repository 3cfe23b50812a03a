/**
 * @file base/ring.c  Bounded queue from one thread to one other, without locks
 */
#include <string.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/ring.h"

enum { CACHE_LINE = 64, MAX_ITEMS = 1 << 24, MAX_ITEM_BYTES = 4096 };

/* Head and tail count up for ever; each lives on its own cache line so that
 * the two threads do not invalidate each other's with every item. */
struct arc_ring {
    uint32_t tail; /* atomic: items pushed so far */
    uint8_t  pad0[CACHE_LINE - sizeof(uint32_t)];
    uint32_t head; /* atomic: items popped so far */
    uint8_t  pad1[CACHE_LINE - sizeof(uint32_t)];
    uint32_t mask;
    uint32_t item_bytes;
    uint8_t *items;
};

enum arc_status arc_ring_new(uint32_t n_items, uint32_t item_bytes,
                             struct arc_ring **out)
{
    struct arc_ring *r;
    uint32_t n = 1;

    if (!out || n_items < 1 || n_items > MAX_ITEMS || item_bytes < 1 ||
        item_bytes > MAX_ITEM_BYTES)
        return ARC_ERR_ARG;
    while (n < n_items)
        n *= 2;

    r = arc_mem_zalloc(1, sizeof(*r));
    if (!r)
        return ARC_ERR_NOMEM;
    r->mask       = n - 1;
    r->item_bytes = item_bytes;
    r->items      = arc_mem_zalloc(n, item_bytes);
    if (!r->items) {
        arc_mem_free(r);
        return ARC_ERR_NOMEM;
    }

    *out = r;
    return ARC_OK;
}

void arc_ring_free(struct arc_ring *r)
{
    if (!r)
        return;
    arc_mem_free(r->items);
    arc_mem_free(r);
}

static uint8_t *slot(const struct arc_ring *r, uint32_t count)
{
    return r->items + (size_t)(count & r->mask) * r->item_bytes;
}

enum arc_status arc_ring_push(struct arc_ring *r, const void *item)
{
    uint32_t tail = arc_atomic_load_relaxed(&r->tail);

    if (tail - arc_atomic_load_acquire(&r->head) > r->mask)
        return ARC_AGAIN;
    memcpy(slot(r, tail), item, r->item_bytes);
    arc_atomic_store_release(&r->tail, tail + 1);
    return ARC_OK;
}

enum arc_status arc_ring_pop(struct arc_ring *r, void *item)
{
    uint32_t head = arc_atomic_load_relaxed(&r->head);

    if (head == arc_atomic_load_acquire(&r->tail))
        return ARC_AGAIN;
    memcpy(item, slot(r, head), r->item_bytes);
    arc_atomic_store_release(&r->head, head + 1);
    return ARC_OK;
}

uint32_t arc_ring_count(const struct arc_ring *r)
{
    /* The head first: read after it, the tail can only be further on. */
    uint32_t head = arc_atomic_load_acquire(&r->head);

    return arc_atomic_load_acquire(&r->tail) - head;
}
