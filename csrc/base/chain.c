/**
 * @file base/chain.c  Bytes of any length, kept in packets of a pool
 */
#include <string.h>

#include "base/chain.h"

/* Which packet comes behind stands in the headroom, which no bytes need here. */
static void set_behind(struct arc_pkt *pkt, struct arc_pkt *behind)
{
    memcpy(pkt->buf, &behind, sizeof(behind));
}

static struct arc_pkt *behind_of(const struct arc_pkt *pkt)
{
    struct arc_pkt *behind;

    memcpy(&behind, pkt->buf, sizeof(behind));
    return behind;
}

struct arc_pkt *arc_chain_store(struct arc_pkt_pool *pool, const void *data,
                                size_t len)
{
    struct arc_pkt *first = NULL;
    size_t end = len;

    /* From the end, so that each packet knows the one behind it. */
    while (end > 0) {
        size_t n = (end - 1) % ARC_PKT_CAP_BYTES + 1;
        struct arc_pkt *pkt = arc_pkt_get(pool);

        if (!pkt) {
            arc_chain_free(first);
            return NULL;
        }
        end -= n;
        memcpy(pkt->data, (const uint8_t *)data + end, n);
        pkt->len = (int32_t)n;
        set_behind(pkt, first);
        first = pkt;
    }
    return first;
}

void arc_chain_take(struct arc_pkt *chain, void *out)
{
    uint8_t *to = out;

    while (chain) {
        struct arc_pkt *behind = behind_of(chain);

        memcpy(to, chain->data, (size_t)chain->len);
        to += chain->len;
        arc_pkt_unref(chain);
        chain = behind;
    }
}

void arc_chain_free(struct arc_pkt *chain)
{
    while (chain) {
        struct arc_pkt *behind = behind_of(chain);

        arc_pkt_unref(chain);
        chain = behind;
    }
}
