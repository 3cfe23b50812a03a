/**
 * @file video/picpool.c  A bounded set of buffers for pictures, used again
 */
#include "base/atomic.h"
#include "base/mem.h"
#include "video/picpool.h"

struct arc_picpool {
    int32_t refs; /* atomic: the owner's, and one for each buffer that is held */
    struct arc_picbuf bufs[ARC_PICPOOL_BUFFERS];
};

static void pool_unref(struct arc_picpool *p)
{
    if (arc_atomic_sub_acq_rel(&p->refs, 1) != 1)
        return;
    for (int i = 0; i < ARC_PICPOOL_BUFFERS; i++)
        arc_mem_free(p->bufs[i].data);
    arc_mem_free(p);
}

enum arc_status arc_picpool_new(struct arc_picpool **out)
{
    struct arc_picpool *p;

    if (!out)
        return ARC_ERR_ARG;
    p = arc_mem_zalloc(1, sizeof(*p));
    if (!p)
        return ARC_ERR_NOMEM;
    p->refs = 1;
    for (int i = 0; i < ARC_PICPOOL_BUFFERS; i++)
        p->bufs[i].pool = p;
    *out = p;
    return ARC_OK;
}

void arc_picpool_free(struct arc_picpool *p)
{
    if (p)
        pool_unref(p);
}

/* The free buffer that fits best: one that is large enough, else any. */
static struct arc_picbuf *find(struct arc_picpool *p, size_t bytes)
{
    struct arc_picbuf *any = NULL;

    for (int i = 0; i < ARC_PICPOOL_BUFFERS; i++) {
        struct arc_picbuf *b = &p->bufs[i];

        /* Acquire: whoever let go of it has finished with its bytes. */
        if (arc_atomic_load_acquire(&b->refs) != 0)
            continue;
        if (b->bytes >= bytes)
            return b;
        any = any && any->data ? any : b;
    }
    return any;
}

enum arc_status arc_picpool_take(struct arc_picpool *p, size_t bytes,
                                 struct arc_picbuf **out)
{
    struct arc_picbuf *b = find(p, bytes);

    if (!b)
        return ARC_ERR_LIMIT;
    if (b->bytes < bytes) {
        uint8_t *data = arc_mem_zalloc(1, bytes);

        if (!data)
            return ARC_ERR_NOMEM;
        arc_mem_free(b->data);
        b->data = data;
        b->bytes = bytes;
    }
    arc_atomic_store_relaxed(&b->refs, 1);
    arc_atomic_add_relaxed(&p->refs, 1);
    *out = b;
    return ARC_OK;
}

struct arc_picbuf *arc_picbuf_ref(struct arc_picbuf *b)
{
    arc_atomic_add_relaxed(&b->refs, 1);
    return b;
}

void arc_picbuf_unref(struct arc_picbuf *b)
{
    struct arc_picpool *p = b->pool; /* the buffer may be another's at once */

    if (arc_atomic_sub_acq_rel(&b->refs, 1) == 1)
        pool_unref(p);
}
