/**
 * @file rx/assemble.c  Packets of one video stream -> complete frames in order
 */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "rx/assemble.h"
#include "rx/restart.h"

enum {
    DEFAULT_PKTS   = 2048,
    DEFAULT_FRAMES = 64,
    MIN_PKTS       = 16,
    MAX_PKTS       = 32768,
    MAX_FRAMES     = 1024
};

#define MAX_WAIT_US (10 * ARC_US_PER_S)

enum slot_state { SLOT_EMPTY = 0, SLOT_HELD, SLOT_DONE };

struct slot {
    struct arc_rxpkt p;     /* meaningful if HELD                    */
    int64_t          seq;   /* whose slot it is, unless EMPTY        */
    enum slot_state  state; /* DONE: delivered with its frame        */
};

/* Slots are a ring by sequence number; all held numbers, the lent frame's
 * apart, lie in next_seq .. next_seq + mask. */
struct arc_assemble {
    struct arc_assemble_config cfg;
    struct arc_assemble_stats  stats;
    struct arc_restart         restart;
    struct slot               *slots;
    int64_t                    mask;
    int32_t                    held;      /* without the lent frame's         */
    int32_t                    ends;      /* held packets with the marker     */
    int64_t                    next_seq;  /* where the next frame begins      */
    int64_t                    scan_seq;  /* next_seq..scan_seq - 1 are there,
                                             and no frame ends among them     */
    int64_t                    highest_seq;
    bool                       started;
    bool                       synced;    /* a frame does begin at next_seq   */
    bool                       after_gap; /* for the next frame               */
    bool                       moved;     /* something was delivered or skipped */
    bool                       full;      /* a packet was refused: wait no more */
    bool                       searched;  /* nothing behind the gap is complete,
                                             until another packet comes       */
    bool                       blocked;   /* scan_seq is a gap ..             */
    int64_t                    gap_seq;   /* .. this one ..                   */
    int64_t                    gap_us;    /* .. known since then              */
    int64_t                    lent_first; /* frame last popped;              */
    int64_t                    lent_last;  /* below lent_first: none          */
};

static bool config_ok(const struct arc_assemble_config *c)
{
    return c->max_pkts >= MIN_PKTS && c->max_pkts <= MAX_PKTS &&
           (c->max_pkts & (c->max_pkts - 1)) == 0 && c->max_frames >= 1 &&
           c->max_frames <= MAX_FRAMES && c->wait_us >= 0 &&
           c->wait_us <= MAX_WAIT_US;
}

enum arc_status arc_assemble_new(const struct arc_assemble_config *cfg,
                                 struct arc_assemble **out)
{
    struct arc_assemble_config c;
    struct arc_assemble *a;

    if (!cfg || !out)
        return ARC_ERR_ARG;
    c = *cfg;
    if (c.max_pkts == 0)
        c.max_pkts = DEFAULT_PKTS;
    if (c.max_frames == 0)
        c.max_frames = DEFAULT_FRAMES;
    if (!config_ok(&c))
        return ARC_ERR_ARG;

    a = arc_mem_zalloc(1, sizeof(*a));
    if (!a)
        return ARC_ERR_NOMEM;
    a->cfg       = c;
    a->mask      = c.max_pkts - 1;
    a->lent_last = -1;
    a->slots     = arc_mem_zalloc((size_t)c.max_pkts, sizeof(*a->slots));
    if (!a->slots) {
        arc_assemble_free(a);
        return ARC_ERR_NOMEM;
    }

    *out = a;
    return ARC_OK;
}

static struct slot *slot_of(const struct arc_assemble *a, int64_t seq)
{
    return &a->slots[seq & a->mask];
}

/** The packet with this number, or NULL: not there. */
static const struct arc_rxpkt *held(const struct arc_assemble *a, int64_t seq)
{
    const struct slot *s = slot_of(a, seq);

    return s->state == SLOT_HELD && s->seq == seq ? &s->p : NULL;
}

static void end_loan(struct arc_assemble *a)
{
    for (; a->lent_first <= a->lent_last; a->lent_first++) {
        struct slot *s = slot_of(a, a->lent_first);

        arc_rxpkt_unref(&s->p);
        s->state = SLOT_DONE;
    }
}

/** Forget one held packet. */
static void drop(struct arc_assemble *a, int64_t seq, enum slot_state state)
{
    struct slot *s = slot_of(a, seq);

    a->held--;
    a->ends -= s->p.marker;
    arc_rxpkt_unref(&s->p);
    s->state = state;
}

static void drop_all(struct arc_assemble *a)
{
    for (int64_t i = 0; i <= a->mask; i++) {
        if (a->slots[i].state == SLOT_HELD)
            drop(a, a->slots[i].seq, SLOT_EMPTY);
        a->slots[i].state = SLOT_EMPTY;
    }
}

void arc_assemble_free(struct arc_assemble *a)
{
    if (!a)
        return;
    if (a->slots) {
        end_loan(a);
        drop_all(a);
    }
    arc_mem_free(a->slots);
    arc_mem_free(a);
}

/* ---- where frames begin and end ---- */

static bool ends_here(const struct arc_assemble *a, const struct arc_rxpkt *p)
{
    const struct arc_rxpkt *next;

    if (p->marker)
        return true;
    next = held(a, p->seq + 1);
    return next && next->ts != p->ts;
}

static bool begins_here(const struct arc_assemble *a, const struct arc_rxpkt *p)
{
    const struct arc_rxpkt *before = held(a, p->seq - 1);

    if (p->payload_len == 0)
        return false;
    if (p->seq == a->next_seq)
        return a->synced || p->starts_frame;
    if (!before)
        return p->starts_frame;
    return before->marker || before->ts != p->ts || before->payload_len == 0;
}

/** Last number of the frame that begins with `p`; false: not complete. */
static bool find_end(const struct arc_assemble *a, const struct arc_rxpkt *p,
                     int64_t *last_seq, bool *is_key)
{
    for (*is_key = false; p; p = held(a, p->seq + 1)) {
        *is_key = *is_key || p->is_key;
        *last_seq = p->seq;
        if (ends_here(a, p))
            return true;
    }
    return false;
}

/**
 * First complete frame from `seq` on, a key frame if there is one.
 *
 * @return false: none is complete
 */
static bool find_complete(const struct arc_assemble *a, int64_t *first_seq,
                          int64_t *last_seq)
{
    bool found = false;

    for (int64_t seq = a->next_seq; seq <= a->highest_seq; seq++) {
        const struct arc_rxpkt *p = held(a, seq);
        int64_t last = seq;
        bool is_key;

        if (!p || !begins_here(a, p))
            continue;
        if (find_end(a, p, &last, &is_key) && (is_key || !found)) {
            *first_seq = seq;
            *last_seq  = last;
            found      = true;
            if (is_key)
                return true;
        }
        seq = last; /* no frame begins inside this one */
    }
    return found;
}

/* ---- in ---- */

static void start_at(struct arc_assemble *a, int64_t seq)
{
    a->started     = true;
    a->synced      = false;
    a->blocked     = false;
    a->moved       = false;
    a->full        = false;
    a->searched    = false;
    a->next_seq    = seq;
    a->scan_seq    = seq;
    a->highest_seq = seq;
    arc_restart_init(&a->restart);
}

static void start_anew(struct arc_assemble *a, int64_t seq)
{
    drop_all(a);
    a->stats.restarts++;
    a->stats.given_up++;
    a->after_gap = true;
    start_at(a, seq);
}

/** A number behind next_seq. */
static enum arc_status push_behind(struct arc_assemble *a,
                                   const struct arc_rxpkt *p)
{
    const struct slot *s = slot_of(a, p->seq);

    /* Nothing was delivered yet: the first packet was not the lowest one. */
    if (!a->moved && a->highest_seq - p->seq <= a->mask) {
        a->next_seq = p->seq;
        a->scan_seq = p->seq;
        a->blocked  = false;
        return ARC_OK;
    }
    if (a->next_seq - p->seq > a->mask) {
        if (arc_restart_on_stray(&a->restart, p->seq)) {
            a->stats.dropped += a->held;
            start_anew(a, p->seq);
            return ARC_OK;
        }
    } else if (s->state == SLOT_DONE && s->seq == p->seq) {
        a->stats.duplicate++;
        return ARC_ERR_REPLAY;
    }
    a->stats.late++;
    return ARC_ERR_OLD;
}

/** A number beyond the ring. */
static enum arc_status push_beyond(struct arc_assemble *a,
                                   const struct arc_rxpkt *p)
{
    int64_t first_seq, last_seq;

    if (find_complete(a, &first_seq, &last_seq)) {
        a->full = true;
        a->stats.overflow++;
        return ARC_ERR_SPACE;
    }
    a->stats.overflow += a->held;
    start_anew(a, p->seq);
    return ARC_OK;
}

static void keep(struct arc_assemble *a, const struct arc_rxpkt *p)
{
    struct slot *s = slot_of(a, p->seq);

    s->p     = *p;
    s->seq   = p->seq;
    s->state = SLOT_HELD;
    arc_rxpkt_ref(p);
    a->held++;
    a->ends += p->marker;
    a->searched = false;
    arc_restart_init(&a->restart);
    if (p->seq > a->highest_seq)
        a->highest_seq = p->seq;
    a->stats.packets++;
}

enum arc_status arc_assemble_push(struct arc_assemble *a,
                                  const struct arc_rxpkt *p, int64_t now_us)
{
    enum arc_status status = ARC_OK;

    (void)now_us; /* waits count from the packets' own arrival times */
    if (!p || !arc_rxpkt_in_range(p))
        return ARC_ERR_ARG;

    end_loan(a);
    if (!a->started)
        start_at(a, p->seq);
    else if (p->seq < a->next_seq)
        status = push_behind(a, p);
    else if (p->seq > a->next_seq + a->mask)
        status = push_beyond(a, p);
    if (status)
        return status;

    if (held(a, p->seq)) {
        a->stats.duplicate++;
        return ARC_ERR_REPLAY;
    }
    keep(a, p);
    return ARC_OK;
}

/* ---- out ---- */

/** Go on over what is there. True: the frame at next_seq ends at scan_seq - 1. */
static bool scan(struct arc_assemble *a)
{
    const struct arc_rxpkt *p;

    for (; (p = held(a, a->scan_seq)) != NULL; a->scan_seq++) {
        if (a->scan_seq > a->next_seq) {
            if (p->ts != held(a, a->scan_seq - 1)->ts)
                return true;
        } else if (p->payload_len == 0) {
            drop(a, p->seq, SLOT_DONE);
            a->next_seq++;
            a->moved = true;
            continue;
        } else if (!begins_here(a, p)) {
            return false; /* its head is missing */
        }
        if (p->marker) {
            a->scan_seq++;
            return true;
        }
    }
    return false;
}

/** Note since when scan_seq holds back what is behind it. */
static void note_gap(struct arc_assemble *a)
{
    int64_t seq = a->scan_seq;

    if (a->blocked && a->gap_seq == seq)
        return;
    a->blocked = false;
    for (; seq <= a->highest_seq; seq++) {
        const struct arc_rxpkt *p = held(a, seq);

        if (!p)
            continue;
        a->blocked = true;
        a->gap_seq = a->scan_seq;
        a->gap_us  = p->arrival_us;
        return;
    }
}

static bool wait_is_over(const struct arc_assemble *a, int64_t now_us)
{
    return a->full || a->ends > a->cfg.max_frames ||
           now_us >= a->gap_us + a->cfg.wait_us;
}

/** Leave all places before `seq`; counts the frames that show in them. */
static void skip_to(struct arc_assemble *a, int64_t seq)
{
    int64_t frames = 0, last_ts = 0;

    for (; a->next_seq < seq; a->next_seq++) {
        const struct arc_rxpkt *p = held(a, a->next_seq);

        if (!p)
            continue;
        if (p->payload_len > 0 && (frames == 0 || p->ts != last_ts)) {
            frames++;
            last_ts = p->ts;
        }
        a->stats.dropped++;
        drop(a, a->next_seq, SLOT_EMPTY);
    }
    a->stats.given_up += arc_max_i64(frames, 1);
    a->after_gap = true;
    a->moved     = true;
}

/** Describe next_seq..last_seq, lend it, and move on behind it. */
static void deliver(struct arc_assemble *a, int64_t last_seq,
                    struct arc_assembled *out)
{
    memset(out, 0, sizeof(*out));
    out->first_seq        = a->next_seq;
    out->last_seq         = last_seq;
    out->n_pkts           = (int32_t)(last_seq - a->next_seq + 1);
    out->after_gap        = a->after_gap;
    out->first_arrival_us = ARC_NEVER_US;
    out->complete_us      = -ARC_NEVER_US;
    for (int64_t seq = a->next_seq; seq <= last_seq; seq++) {
        const struct arc_rxpkt *p = held(a, seq);

        out->ts               = p->ts;
        out->first_arrival_us = arc_min_i64(out->first_arrival_us, p->arrival_us);
        out->complete_us      = arc_max_i64(out->complete_us, p->arrival_us);
        out->is_key           = out->is_key || p->is_key;
        out->repaired         = out->repaired || p->repaired;
        a->held--;
        a->ends -= p->marker;
    }

    a->lent_first = a->next_seq;
    a->lent_last  = last_seq;
    a->next_seq   = last_seq + 1;
    a->scan_seq   = a->next_seq;
    a->synced     = true;
    a->after_gap  = false;
    a->moved      = true;
    a->blocked    = false;
    a->full       = false;
    a->searched   = false;
    a->stats.frames++;
    a->stats.key_frames += out->is_key;
}

enum arc_status arc_assemble_pop(struct arc_assemble *a, int64_t now_us,
                                 struct arc_assembled *out)
{
    int64_t first_seq, last_seq;

    end_loan(a);
    if (!a->started)
        return ARC_AGAIN;
    if (scan(a)) {
        deliver(a, a->scan_seq - 1, out);
        return ARC_OK;
    }
    note_gap(a);
    if (!a->blocked || a->searched || !wait_is_over(a, now_us))
        return ARC_AGAIN;
    if (!find_complete(a, &first_seq, &last_seq)) {
        a->searched = true;
        return ARC_AGAIN;
    }
    skip_to(a, first_seq);
    deliver(a, last_seq, out);
    return ARC_OK;
}

const struct arc_rxpkt *arc_assemble_packet(const struct arc_assemble *a,
                                            int64_t seq)
{
    if (seq < a->lent_first || seq > a->lent_last)
        return NULL;
    return &slot_of(a, seq)->p;
}

int64_t arc_assemble_next_us(const struct arc_assemble *a)
{
    if (!a->blocked || a->searched)
        return ARC_NEVER_US;
    return a->gap_us + a->cfg.wait_us;
}

void arc_assemble_stats(const struct arc_assemble *a,
                        struct arc_assemble_stats *out)
{
    *out = a->stats;
    out->depth_pkts = a->held;
}
