/**
 * @file rx/fecdec.c  Recovers lost packets of one stream from parity packets
 *
 * A ring of slots by sequence number. Each slot knows by a bit for each repair
 * which of them cover it, each repair how many of its packets are missing: so an
 * arrival touches only the repairs that wait for it.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/seq.h"
#include "rx/fecdec_parts.h"
#include "wire/flexfec.h"
#include "wire/ulpfec.h"

enum { MIN_WINDOW = 16, MAX_WINDOW = 8192, REPAIRS = ARC_FECDEC_MAX_REPAIRS };

static uint64_t bit_of(int32_t i)
{
    return UINT64_C(1) << i;
}

/* --- life ------------------------------------------------------------------------ */

enum arc_status arc_fecdec_new(const struct arc_fecdec_config *cfg,
                               struct arc_fecdec **out)
{
    struct arc_fecdec *d;

    if (!cfg || !out ||
        (cfg->format != ARC_FEC_ULPFEC && cfg->format != ARC_FEC_FLEXFEC) ||
        cfg->window_pkts < MIN_WINDOW || cfg->window_pkts > MAX_WINDOW ||
        (cfg->window_pkts & (cfg->window_pkts - 1)))
        return ARC_ERR_ARG;
    d = arc_mem_zalloc(1, sizeof(*d));
    if (!d)
        return ARC_ERR_NOMEM;
    d->cfg   = *cfg;
    d->slots = arc_mem_zalloc((size_t)cfg->window_pkts, sizeof(*d->slots));
    if (!d->slots) {
        arc_fecdec_free(d);
        return ARC_ERR_NOMEM;
    }
    *out = d;
    return ARC_OK;
}

static void clear(struct arc_fecdec *d)
{
    for (int32_t i = 0; i < d->cfg.window_pkts; i++) {
        arc_pkt_unref(d->slots[i].pkt);
        memset(&d->slots[i], 0, sizeof(d->slots[i]));
    }
    for (int32_t i = 0; i < REPAIRS; i++) {
        arc_pkt_unref(d->repairs[i].pkt);
        d->stats.unrecoverable += (d->held & bit_of(i)) != 0;
        d->repairs[i].pkt = NULL;
    }
    d->held    = d->ready = 0;
    d->started = false;
    d->stats.waiting = 0;
    arc_restart_init(&d->restart);
}

void arc_fecdec_reset(struct arc_fecdec *d)
{
    d->stats.restarts += d->started;
    clear(d);
}

void arc_fecdec_free(struct arc_fecdec *d)
{
    if (!d)
        return;
    if (d->slots)
        clear(d);
    arc_mem_free(d->slots);
    arc_mem_free(d);
}

void arc_fecdec_stats(const struct arc_fecdec *d, struct arc_fecdec_stats *out)
{
    *out = d->stats;
}

/* --- slots and repairs -------------------------------------------------------------- */

/** Let a repair go; `counter` says why. */
static void release(struct arc_fecdec *d, int32_t i, int64_t *counter)
{
    struct arc_fecdec_repair *r = &d->repairs[i];

    for (int32_t k = -1; (k = arc_fecset_next(&r->set, k)) >= 0;) {
        struct arc_fecdec_slot *s = arc_fecdec_find(d, r->first + k);

        if (s)
            s->covered &= ~bit_of(i);
    }
    arc_pkt_unref(r->pkt);
    r->pkt    = NULL;
    d->held  &= ~bit_of(i);
    d->ready &= ~bit_of(i);
    d->stats.waiting--;
    (*counter)++;
}

/** Make room for a packet; what lay a window before it leaves, and with it the
 *  repairs that cover it. NULL: it is older than what lies there. */
static struct arc_fecdec_slot *claim(struct arc_fecdec *d, int64_t seq)
{
    struct arc_fecdec_slot *s = arc_fecdec_slot_of(d, seq);

    if (s->used && s->seq == seq)
        return s;
    if (s->used && s->seq > seq)
        return NULL;
    for (int32_t i = 0; s->covered; i++)
        if (s->covered & bit_of(i))
            release(d, i, &d->stats.unrecoverable);
    arc_pkt_unref(s->pkt);
    memset(s, 0, sizeof(*s));
    s->used = true;
    s->seq  = seq;
    return s;
}

/** A packet lies in its slot now: the repairs that waited for it know. */
static void settle(struct arc_fecdec *d, struct arc_fecdec_slot *s)
{
    const uint64_t covered = s->covered;

    for (int32_t i = 0; i < REPAIRS && covered >> i; i++) {
        if (!(covered & bit_of(i)))
            continue;
        d->repairs[i].n_missing--;
        if (d->repairs[i].n_missing == 1)
            d->ready |= bit_of(i);
        else if (d->repairs[i].n_missing == 0)
            release(d, i, &d->stats.unneeded);
    }
}

/* --- packets of the stream ------------------------------------------------------------ */

static int64_t unwrap(const struct arc_fecdec *d, uint16_t seq16)
{
    return d->highest + arc_seq16_diff(seq16, (uint16_t)d->highest);
}

static void start(struct arc_fecdec *d, uint16_t seq16)
{
    d->started = true;
    d->highest = 0x10000 + seq16;
}

void arc_fecdec_on_media(struct arc_fecdec *d, struct arc_pkt *pkt, bool exact)
{
    const uint16_t seq16 = arc_get_u16(pkt->data + 2);
    struct arc_fecdec_slot *s;
    int64_t seq;

    if (!d->started)
        start(d, seq16);
    seq = unwrap(d, seq16);
    if (seq <= d->highest - d->cfg.window_pkts) {
        if (!arc_restart_on_stray(&d->restart, seq))
            return;
        arc_fecdec_reset(d);
        start(d, seq16);
        seq = d->highest;
    }
    d->ssrc = arc_get_u32(pkt->data + 8);
    if (seq > d->highest)
        d->highest = seq;
    s = claim(d, seq);
    if (!s || s->pkt)
        return;
    s->known = true;
    if (!exact)
        return;
    s->pkt = arc_pkt_ref(pkt);
    settle(d, s);
}

/* --- repair packets --------------------------------------------------------------------- */

static enum arc_status read_ulpfec(const uint8_t *payload, struct arc_fecdec_repair *r)
{
    struct arc_ulpfec h;
    enum arc_status status = arc_ulpfec_parse(payload, (size_t)r->payload_len, &h);

    if (status != ARC_OK)
        return status;
    r->bits       = h.bits;
    r->set        = h.levels[0].set;
    r->parity_off = h.levels[0].parity_off;
    r->parity_len = h.levels[0].parity_len;
    return ARC_OK;
}

/** ARC_ERR_ARG: it protects another source. */
static enum arc_status read_flexfec(const uint8_t *payload, const struct arc_rtp *h,
                                    uint32_t ssrc, struct arc_fecdec_repair *r)
{
    struct arc_flexfec f;
    enum arc_status status = arc_flexfec_parse(payload, (size_t)r->payload_len,
                                               h->csrc_count, &f);

    if (status != ARC_OK)
        return status;
    if (f.n_sets > 1)
        return ARC_ERR_UNSUPPORTED;
    if (ssrc != (f.variant == ARC_FLEXFEC_RETRANSMIT ? f.ssrc : h->csrcs[0]))
        return ARC_ERR_ARG;
    r->bits       = f.bits;
    r->set        = f.sets[0];
    r->parity_off = f.parity_off;
    r->parity_len = f.parity_len;
    return ARC_OK;
}

/** Where its packets lie; NULL: they may be used, else the counter to raise. */
static int64_t *place(struct arc_fecdec *d, struct arc_fecdec_repair *r)
{
    const int32_t half = d->cfg.window_pkts / 2;
    const int32_t last = arc_fecset_last(&r->set);

    if (!d->started)
        return &d->stats.unseen;
    if (last >= half)
        return &d->stats.too_wide;
    r->first = unwrap(d, r->set.first_seq16);
    if (r->first <= d->highest - half)
        return &d->stats.too_old;
    if (r->first + last > d->highest + half)
        return &d->stats.unseen;
    return NULL;
}

/** A free place for a repair; the one with the oldest packets makes room. */
static int32_t free_place(struct arc_fecdec *d)
{
    int32_t oldest = 0;

    for (int32_t i = 0; i < REPAIRS; i++) {
        if (!(d->held & bit_of(i)))
            return i;
        if (d->repairs[i].first < d->repairs[oldest].first)
            oldest = i;
    }
    release(d, oldest, &d->stats.unrecoverable);
    return oldest;
}

/** Hold a repair until its packets come. */
static void hold(struct arc_fecdec *d, const struct arc_fecdec_repair *read)
{
    const int32_t i = free_place(d);
    struct arc_fecdec_repair *r = &d->repairs[i];

    /* All slots first: one that is claimed may take repairs with it. */
    for (int32_t k = -1; (k = arc_fecset_next(&read->set, k)) >= 0;)
        claim(d, read->first + k);
    *r = *read;
    arc_pkt_ref(r->pkt);
    d->held |= bit_of(i);
    d->stats.waiting++;
    for (int32_t k = -1; (k = arc_fecset_next(&r->set, k)) >= 0;) {
        struct arc_fecdec_slot *s = arc_fecdec_find(d, r->first + k);

        s->covered   |= bit_of(i);
        r->n_missing += s->pkt == NULL;
    }
    if (r->n_missing == 0)
        release(d, i, &d->stats.unneeded);
    else if (r->n_missing == 1)
        d->ready |= bit_of(i);
}

void arc_fecdec_on_repair(struct arc_fecdec *d, struct arc_pkt *pkt,
                          const struct arc_rtp *h, uint32_t ssrc)
{
    const uint8_t *payload = pkt->data + h->payload_off;
    enum arc_status status;
    struct arc_fecdec_repair r;
    int64_t *refused;

    d->stats.repair_pkts++;
    memset(&r, 0, sizeof(r));
    r.pkt         = pkt;
    r.payload_off = h->payload_off;
    r.payload_len = h->payload_len;
    status = d->cfg.format == ARC_FEC_ULPFEC ? read_ulpfec(payload, &r)
                                             : read_flexfec(payload, h, ssrc, &r);
    if (status == ARC_OK)
        refused = place(d, &r);
    else
        refused = status == ARC_ERR_UNSUPPORTED ? &d->stats.unsupported
                : status == ARC_ERR_ARG ? &d->stats.unseen : &d->stats.malformed;
    if (refused)
        (*refused)++;
    else
        hold(d, &r);
}

/* --- recovery --------------------------------------------------------------------------- */

/** The slot of the one packet that is missing of a repair. */
static struct arc_fecdec_slot *missing_slot(const struct arc_fecdec *d, const struct arc_fecdec_repair *r)
{
    struct arc_fecdec_slot *s = NULL;

    for (int32_t k = -1; (k = arc_fecset_next(&r->set, k)) >= 0;) {
        s = arc_fecdec_find(d, r->first + k);
        if (!s->pkt)
            break;
    }
    return s;
}

/** Use one repair. @return the packet, of one that had not come; else NULL */
static struct arc_pkt *use(struct arc_fecdec *d, int32_t i, struct arc_pkt_pool *pool)
{
    struct arc_fecdec_repair *r = &d->repairs[i];
    struct arc_fecdec_slot *s = missing_slot(d, r);
    struct arc_pkt *pkt = arc_pkt_get(pool);
    int64_t *refused = pkt ? arc_fecdec_recover(d, r, s->seq, pkt) : &d->stats.no_packet;
    bool lost = !s->known;

    release(d, i, refused ? refused : lost ? &d->stats.recovered : &d->stats.unneeded);
    if (refused) {
        arc_pkt_unref(pkt);
        return NULL;
    }
    s->pkt   = pkt;
    s->known = true;
    settle(d, s);
    return lost ? arc_pkt_ref(pkt) : NULL;
}

enum arc_status arc_fecdec_pop(struct arc_fecdec *d, struct arc_pkt_pool *pool,
                               struct arc_pkt **out)
{
    while (d->ready) {
        struct arc_pkt *pkt;
        int32_t i = 0;

        while (!(d->ready & bit_of(i)))
            i++;
        pkt = use(d, i, pool);
        if (pkt) {
            *out = pkt;
            return ARC_OK;
        }
    }
    return ARC_AGAIN;
}

/* --- bytes -------------------------------------------------------------------------------- */

enum arc_status arc_fecdec_push(struct arc_fecdec *d, struct arc_pkt_pool *pool,
                                const uint8_t *data, size_t len,
                                uint8_t fec_payload_type)
{
    struct arc_pkt *pkt;
    struct arc_rtp h;

    if (arc_rtp_parse(data, len, &h) != ARC_OK)
        return ARC_ERR_FORMAT;
    if (len > ARC_PKT_CAP_BYTES)
        return ARC_ERR_SPACE;
    pkt = arc_pkt_get(pool);
    if (!pkt)
        return ARC_ERR_LIMIT;
    memcpy(pkt->data, data, len);
    pkt->len = (int32_t)len;
    if (h.payload_type == fec_payload_type)
        arc_fecdec_on_repair(d, pkt, &h, d->ssrc);
    else
        arc_fecdec_on_media(d, pkt, true);
    arc_pkt_unref(pkt);
    return ARC_OK;
}

enum arc_status arc_fecdec_pull(struct arc_fecdec *d, struct arc_pkt_pool *pool,
                                uint8_t *out, size_t cap, size_t *len_out)
{
    struct arc_pkt *pkt;
    enum arc_status status = arc_fecdec_pop(d, pool, &pkt);

    if (status != ARC_OK)
        return status;
    if ((size_t)pkt->len <= cap) {
        memcpy(out, pkt->data, (size_t)pkt->len);
        *len_out = (size_t)pkt->len;
    } else {
        status = ARC_ERR_SPACE;
    }
    arc_pkt_unref(pkt);
    return status;
}
