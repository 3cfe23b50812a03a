/**
 * @file srtp/batch.c  Many packets in one call
 */
#include "base/mem.h"
#include "srtp/batch.h"
#include "srtp/cipherlanes.h"
#include "srtp/context.h"

enum { CHUNK = ARC_CIPHER_LANES_MAX_TASKS };

struct arc_srtp_batch {
    struct arc_cipher_lanes *lanes;
    struct arc_srtp_work     works[CHUNK];
    struct arc_cipher_task   tasks[CHUNK];
    struct arc_cipher_task  *list[CHUNK];   /* those that the lanes are given */
    struct arc_srtp_unit    *owners[CHUNK]; /* ... and whose they are         */
};

bool arc_srtp_wants_batch(const struct arc_srtp *s)
{
    return arc_cipher_has_lanes(s->sending->sessions[ARC_SRTP_RTP][0].cipher);
}

enum arc_status arc_srtp_batch_new(struct arc_srtp_batch **out)
{
    struct arc_srtp_batch *b = arc_mem_zalloc(1, sizeof(*b));
    enum arc_status status   = b ? arc_cipher_lanes_new(&b->lanes)
                                 : ARC_ERR_NOMEM;

    if (status) {
        arc_mem_free(b);
        return status;
    }
    *out = b;
    return ARC_OK;
}

void arc_srtp_batch_free(struct arc_srtp_batch *b)
{
    if (!b)
        return;
    arc_cipher_lanes_free(b->lanes);
    arc_mem_wipe_free(b);
}

static bool in_lanes(const struct arc_srtp_batch *b,
                     const struct arc_srtp_unit *unit)
{
    /* Keys that are derived again would change under packets that still wait. */
    return b && unit->srtp->derivation_bits < 0 &&
           arc_srtp_wants_batch(unit->srtp);
}

static struct arc_cipher_task *add_task(struct arc_srtp_batch *b, size_t n,
                                        struct arc_srtp_unit *unit)
{
    struct arc_cipher_task *task = &b->tasks[n];

    task->cipher = b->works[n].session->cipher;
    task->job    = b->works[n].job;
    b->list[n]   = task;
    b->owners[n] = unit;
    return task;
}

/* --- sending -------------------------------------------------------------------------- */

static void protect_one(struct arc_srtp_unit *unit)
{
    unit->status = arc_srtp_protect_from(unit->srtp, unit->data, unit->payload,
                                         unit->len, unit->cap, &unit->len);
}

/* Every packet takes its index before the first is sealed: sealing cannot fail
 * but by a fault of the library, and then a number is left out, not used twice. */
static size_t begin_sending(struct arc_srtp_batch *b,
                            struct arc_srtp_unit *units, size_t n)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        struct arc_srtp_unit *unit = &units[i];
        struct arc_srtp_work *w    = &b->works[k];

        if (!in_lanes(b, unit)) {
            protect_one(unit);
            continue;
        }
        unit->status = arc_srtp_begin_send(unit->srtp, unit->data,
                                           unit->payload, unit->len, unit->cap,
                                           w);
        if (unit->status) {
            arc_srtp_failed(unit->srtp, unit->status);
            continue;
        }
        arc_srtp_commit_send(unit->srtp, w);
        add_task(b, k++, unit);
    }
    return k;
}

static void protect_chunk(struct arc_srtp_batch *b, struct arc_srtp_unit *units,
                          size_t n)
{
    const size_t k = begin_sending(b, units, n);

    arc_cipher_lanes_seal(b->lanes, b->list, k);
    for (size_t i = 0; i < k; i++) {
        struct arc_srtp_unit *unit = b->owners[i];

        unit->status = b->tasks[i].status;
        if (unit->status) {
            arc_srtp_failed(unit->srtp, unit->status);
            continue;
        }
        arc_srtp_write_mki(unit->srtp, &b->works[i]);
        unit->len += (size_t)arc_srtp_overhead_bytes(unit->srtp);
    }
}

void arc_srtp_protect_units(struct arc_srtp_batch *b,
                            struct arc_srtp_unit *units, size_t n)
{
    if (!b) {
        for (size_t i = 0; i < n; i++)
            protect_one(&units[i]);
        return;
    }
    for (size_t i = 0; i < n; i += CHUNK)
        protect_chunk(b, units + i, n - i < CHUNK ? n - i : CHUNK);
}

/* --- receiving ------------------------------------------------------------------------ */

static void unprotect_one(struct arc_srtp_unit *unit)
{
    unit->status = unit->len > unit->cap
                       ? arc_srtp_failed(unit->srtp, ARC_ERR_ARG)
                       : arc_srtp_unprotect(unit->srtp, unit->data, unit->len,
                                            &unit->len);
}

/** Prepare a packet for the lanes, with its likeliest key.
 *  @return false: it is none for them */
static bool begin_receiving(struct arc_srtp_batch *b, size_t k,
                            struct arc_srtp_unit *unit)
{
    struct arc_srtp_work *w = &b->works[k];

    if (!in_lanes(b, unit) || unit->len > unit->cap ||
        arc_srtp_begin_recv(unit->srtp, unit->data, unit->len, unit->data,
                            w) ||
        arc_srtp_take_key(unit->srtp, w))
        return false;
    add_task(b, k, unit);
    return true;
}

/** The packet still has the index that its tag was checked with, and is new. */
static bool still_fits(const struct arc_srtp *s, struct arc_srtp_work *w)
{
    uint64_t index = w->seq16;

    w->stream = arc_srtp_streams_find(&s->recv, w->ssrc);
    if (w->stream &&
        (arc_index_estimate(&w->stream->index, w->seq16, &index) ||
         arc_replay_peek(&w->stream->rtp_seen, w->index)))
        return false;
    return index == w->index &&
           w->key->received_pkts[ARC_SRTP_RTP] < s->limit_pkts[ARC_SRTP_RTP];
}

/* The tags were checked with the state before the chunk. Packets before this one
 * may have moved it since: then, and for all that is not plainly good, the single
 * call decides; the lanes have changed none of its bytes. */
static bool settle(struct arc_srtp_batch *b, size_t i)
{
    struct arc_srtp_unit *unit = b->owners[i];
    struct arc_srtp_work *w    = &b->works[i];

    if (b->tasks[i].status || !still_fits(unit->srtp, w)) {
        unprotect_one(unit);
        return false;
    }
    unit->status = arc_srtp_accept(unit->srtp, w);
    return unit->status == ARC_OK;
}

static void finish_receiving(struct arc_srtp_batch *b, size_t k)
{
    size_t accepted = 0;

    for (size_t i = 0; i < k; i++) {
        if (!settle(b, i))
            continue;
        b->list[accepted]     = &b->tasks[i];
        b->owners[accepted++] = b->owners[i];
    }
    arc_cipher_lanes_crypt(b->lanes, b->list, accepted);
    for (size_t i = 0; i < accepted; i++) {
        struct arc_srtp_unit *unit = b->owners[i];

        unit->status = b->list[i]->status;
        if (unit->status)
            arc_srtp_failed(unit->srtp, unit->status);
        else
            unit->len -= (size_t)arc_srtp_overhead_bytes(unit->srtp);
    }
}

/* In order: a packet that is no matter for the lanes ends the group before it. */
static void unprotect_chunk(struct arc_srtp_batch *b,
                            struct arc_srtp_unit *units, size_t n)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        if (begin_receiving(b, k, &units[i])) {
            k++;
            continue;
        }
        arc_cipher_lanes_verify(b->lanes, b->list, k);
        finish_receiving(b, k);
        k = 0;
        unprotect_one(&units[i]);
    }
    arc_cipher_lanes_verify(b->lanes, b->list, k);
    finish_receiving(b, k);
}

void arc_srtp_unprotect_units(struct arc_srtp_batch *b,
                              struct arc_srtp_unit *units, size_t n)
{
    if (!b) {
        for (size_t i = 0; i < n; i++)
            unprotect_one(&units[i]);
        return;
    }
    for (size_t i = 0; i < n; i += CHUNK)
        unprotect_chunk(b, units + i, n - i < CHUNK ? n - i : CHUNK);
}

/* --- slots ------------------------------------------------------------------------------ */

typedef void (*units_fn)(struct arc_srtp_batch *, struct arc_srtp_unit *,
                         size_t);

static enum arc_status do_slots(struct arc_srtp_batch *b, struct arc_srtp *s,
                                uint8_t *data, size_t slot_bytes,
                                int32_t *lengths, int32_t *status, size_t n,
                                units_fn work)
{
    struct arc_srtp_unit units[CHUNK];

    if (n && (!data || !lengths || !status))
        return ARC_ERR_ARG;
    for (size_t at = 0; at < n; at += CHUNK) {
        const size_t k = n - at < CHUNK ? n - at : CHUNK;

        for (size_t i = 0; i < k; i++) {
            units[i].srtp = s;
            units[i].data = data + (at + i) * slot_bytes;
            units[i].payload = NULL;
            units[i].len  = (size_t)lengths[at + i]; /* negative: above any cap */
            units[i].cap  = slot_bytes;
        }
        work(b, units, k);
        for (size_t i = 0; i < k; i++) {
            status[at + i] = units[i].status;
            if (units[i].status == ARC_OK)
                lengths[at + i] = (int32_t)units[i].len;
        }
    }
    return ARC_OK;
}

enum arc_status arc_srtp_protect_slots(struct arc_srtp_batch *b,
                                       struct arc_srtp *s, uint8_t *data,
                                       size_t slot_bytes, int32_t *lengths,
                                       int32_t *status, size_t n)
{
    return do_slots(b, s, data, slot_bytes, lengths, status, n,
                    arc_srtp_protect_units);
}

enum arc_status arc_srtp_unprotect_slots(struct arc_srtp_batch *b,
                                         struct arc_srtp *s, uint8_t *data,
                                         size_t slot_bytes, int32_t *lengths,
                                         int32_t *status, size_t n)
{
    return do_slots(b, s, data, slot_bytes, lengths, status, n,
                    arc_srtp_unprotect_units);
}
