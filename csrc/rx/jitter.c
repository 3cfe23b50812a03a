/**
 * @file rx/jitter.c  Adaptive play-out buffer of one RTP stream
 */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "rx/jitter.h"
#include "rx/restart.h"
#include "rx/ticks.h"

enum { MIN_CAPACITY = 2, MAX_CAPACITY = 16384 };

#define TIMELINE_JUMP_US (10 * ARC_US_PER_S)
#define NOT_FROZEN       ARC_NEVER_US

enum slot_state { SLOT_EMPTY = 0, SLOT_HELD, SLOT_DONE };

struct slot {
    struct arc_rxpkt p;         /* its number says whose slot it is, unless EMPTY;
                                   the rest is meaningful if HELD            */
    int64_t          frozen_us; /* play-out time fixed by an older time line */
    enum slot_state  state;     /* DONE: popped, dropped or refused as late  */
};

/* Slots are a ring by sequence number. All held numbers lie in
 * head_seq .. head_seq + mask, so no two of them share a slot. */
struct arc_jitter {
    struct arc_jitter_config cfg;
    struct arc_jitter_stats  stats;
    struct arc_delay         delay;
    struct arc_restart       restart;
    struct slot             *slots;
    int64_t                  mask;
    int32_t                  count;
    int64_t                  head_seq;    /* earliest held, if count > 0     */
    int64_t                  highest_seq; /* highest ever kept               */
    int64_t                  highest_ts;  /* its media time                  */
    int64_t                  next_seq;    /* lowest place not yet played     */
    bool                     playing;     /* next_seq is known               */
    bool                     started;
    bool                     has_transit;
    int64_t                  transit_us;  /* of the last packet, for A.8     */
    double                   jitter_us;
};

static bool config_ok(const struct arc_jitter_config *c)
{
    return c->clock_hz >= ARC_TICKS_MIN_CLOCK_HZ &&
           c->clock_hz <= ARC_TICKS_MAX_CLOCK_HZ &&
           c->capacity_pkts >= MIN_CAPACITY && c->capacity_pkts <= MAX_CAPACITY;
}

enum arc_status arc_jitter_new(const struct arc_jitter_config *cfg,
                               struct arc_jitter **out)
{
    struct arc_delay_config delay;
    struct arc_jitter *j;
    int64_t room = MIN_CAPACITY;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;

    j = arc_mem_zalloc(1, sizeof(*j));
    if (!j)
        return ARC_ERR_NOMEM;

    delay.min_ms      = cfg->min_latency_ms;
    delay.max_ms      = cfg->max_latency_ms;
    delay.initial_ms  = cfg->initial_latency_ms;
    delay.adaptive    = cfg->adaptive;
    delay.late_share  = cfg->late_share;
    delay.stall_share = cfg->stall_share;
    delay.long_us     = cfg->long_us;
    if (arc_delay_init(&j->delay, &delay)) {
        arc_jitter_free(j);
        return ARC_ERR_ARG;
    }

    /* Twice the capacity: gaps take places too, and a full buffer still knows
     * which numbers it has played. */
    while (room < 2 * (int64_t)cfg->capacity_pkts)
        room *= 2;
    j->cfg   = *cfg;
    j->mask  = room - 1;
    j->slots = arc_mem_zalloc((size_t)room, sizeof(*j->slots));
    if (!j->slots) {
        arc_jitter_free(j);
        return ARC_ERR_NOMEM;
    }

    *out = j;
    return ARC_OK;
}

static struct slot *slot_of(const struct arc_jitter *j, int64_t seq)
{
    return &j->slots[seq & j->mask];
}

bool arc_jitter_holds(const struct arc_jitter *j, int64_t seq)
{
    const struct slot *s = slot_of(j, seq);

    return s->state == SLOT_HELD && s->p.seq == seq;
}

const struct arc_rxpkt *arc_jitter_at(const struct arc_jitter *j, int64_t seq)
{
    return arc_jitter_holds(j, seq) ? &slot_of(j, seq)->p : NULL;
}

/** The earliest place is played or given up; the next held one is the head. */
static void leave_head(struct arc_jitter *j)
{
    slot_of(j, j->head_seq)->state = SLOT_DONE;
    if (j->playing)
        j->stats.lost += j->head_seq - j->next_seq;
    j->playing  = true;
    j->next_seq = j->head_seq + 1;
    if (--j->count == 0)
        return;
    do
        j->head_seq++;
    while (!arc_jitter_holds(j, j->head_seq));
}

static void drop_head(struct arc_jitter *j)
{
    arc_rxpkt_unref(&slot_of(j, j->head_seq)->p);
    leave_head(j);
}

void arc_jitter_free(struct arc_jitter *j)
{
    if (!j)
        return;
    while (j->slots && j->count > 0)
        drop_head(j);
    arc_mem_free(j->slots);
    arc_mem_free(j);
}

/* ---- time ---- */

int64_t arc_jitter_playout_us(const struct arc_jitter *j, int64_t ts)
{
    if (!j->delay.started)
        return ARC_NEVER_US;
    return j->delay.base_us + arc_ticks_to_us(ts, j->cfg.clock_hz) +
           j->delay.target_us;
}

static int64_t due_us(const struct arc_jitter *j, const struct slot *s)
{
    return s->frozen_us != NOT_FROZEN ? s->frozen_us
                                      : arc_jitter_playout_us(j, s->p.ts);
}

static int64_t transit_of(const struct arc_jitter *j, const struct arc_rxpkt *p)
{
    return p->arrival_us - arc_ticks_to_us(p->ts, j->cfg.clock_hz);
}

/** What is buffered keeps the play-out times of the time line it belongs to. */
static void freeze(struct arc_jitter *j)
{
    int64_t seq = j->head_seq;

    for (int32_t left = j->count; left > 0; seq++) {
        struct slot *s = slot_of(j, seq);

        if (!arc_jitter_holds(j, seq))
            continue;
        s->frozen_us = due_us(j, s);
        left--;
    }
}

static void flush(struct arc_jitter *j)
{
    int64_t lost = j->stats.lost;

    j->stats.flushed += j->count;
    while (j->count > 0)
        drop_head(j);
    j->stats.lost = lost; /* the gaps of a stream that is gone are no loss */
    for (int64_t i = 0; i <= j->mask; i++)
        j->slots[i].state = SLOT_EMPTY;
    j->started = false;
    j->playing = false;
}

/**
 * Start anew if this packet belongs to another time line. Behind the played
 * ones a single packet proves nothing (it may just be very late): RFC 3550 A.1
 * asks for two in sequence.
 */
static void check_timeline(struct arc_jitter *j, const struct arc_rxpkt *p)
{
    int64_t jump_us = transit_of(j, p) - j->delay.base_us;
    bool behind = j->playing && p->seq < j->next_seq;
    bool fits = !behind && p->seq > j->highest_seq - j->mask &&
                p->seq < j->highest_seq + j->mask;

    if (!j->started || !j->delay.started || p->repaired)
        return;
    if (jump_us < TIMELINE_JUMP_US && jump_us > -TIMELINE_JUMP_US) {
        arc_restart_init(&j->restart);
        return;
    }
    if (behind && !arc_restart_on_stray(&j->restart, p->seq))
        return;

    j->stats.restarts++;
    if (fits)
        freeze(j);
    else
        flush(j);
    arc_delay_new_timeline(&j->delay);
    j->has_transit = false;
}

static void note_arrival(struct arc_jitter *j, const struct arc_rxpkt *p,
                         int64_t now_us)
{
    int64_t transit_us = transit_of(j, p);
    double d = (double)(transit_us - j->transit_us);

    arc_delay_on_packet(&j->delay, transit_us, now_us);
    if (j->has_transit) /* RFC 3550 A.8 */
        j->jitter_us += ((d < 0 ? -d : d) - j->jitter_us) / 16.0;
    j->has_transit = true;
    j->transit_us  = transit_us;
}

/* ---- in ---- */

static bool is_duplicate(const struct arc_jitter *j, int64_t seq)
{
    const struct slot *s = slot_of(j, seq);

    return s->state != SLOT_EMPTY && s->p.seq == seq;
}

static bool is_late(const struct arc_jitter *j, int64_t seq)
{
    return (j->playing && seq < j->next_seq) ||
           (j->count > 0 && seq < j->highest_seq - j->mask);
}

/** Remember a refused number, so that its next copy is told from a late one. */
static void refuse(struct arc_jitter *j, int64_t seq)
{
    struct slot *s = slot_of(j, seq);

    if (s->state == SLOT_HELD || (s->state == SLOT_DONE && s->p.seq > seq))
        return;
    s->state = SLOT_DONE;
    s->p.seq = seq;
}

static void make_room(struct arc_jitter *j, int64_t seq)
{
    while (j->count > 0 && (j->count == j->cfg.capacity_pkts ||
                            seq - j->head_seq > j->mask)) {
        drop_head(j);
        j->stats.overflow++;
    }
}

static void keep(struct arc_jitter *j, const struct arc_rxpkt *p)
{
    struct slot *s = slot_of(j, p->seq);

    s->p         = *p;
    s->frozen_us = NOT_FROZEN;
    s->state     = SLOT_HELD;
    arc_rxpkt_ref(p);

    if (j->count++ == 0 || p->seq < j->head_seq)
        j->head_seq = p->seq;
    if (!j->started || p->seq > j->highest_seq) {
        j->highest_seq = p->seq;
        j->highest_ts  = p->ts;
    } else {
        j->stats.reordered++;
    }
    j->started = true;
    j->stats.pushed++;
}

enum arc_status arc_jitter_push(struct arc_jitter *j, const struct arc_rxpkt *p,
                                int64_t now_us)
{
    if (!p || !arc_rxpkt_in_range(p) || now_us <= -ARC_RXPKT_MAX_US ||
        now_us >= ARC_RXPKT_MAX_US)
        return ARC_ERR_ARG;

    check_timeline(j, p);
    if (is_duplicate(j, p->seq)) {
        j->stats.duplicate++;
        return ARC_ERR_REPLAY;
    }
    /* A repair's delay is that of the request, not of the network (but better
     * than no base at all). A late packet's counts: it is the reason to wait
     * longer. */
    if (!p->repaired || !j->delay.started)
        note_arrival(j, p, now_us);
    if (is_late(j, p->seq)) {
        j->stats.late++;
        refuse(j, p->seq);
        return ARC_ERR_OLD;
    }
    if (j->count == j->cfg.capacity_pkts && p->seq < j->head_seq) {
        j->stats.overflow++; /* it is itself the oldest */
        refuse(j, p->seq);
        return ARC_ERR_OLD;
    }
    make_room(j, p->seq);
    keep(j, p);
    return ARC_OK;
}

/* ---- out ---- */

const struct arc_rxpkt *arc_jitter_peek(const struct arc_jitter *j)
{
    return j->count > 0 ? &slot_of(j, j->head_seq)->p : NULL;
}

enum arc_status arc_jitter_take(struct arc_jitter *j, struct arc_rxpkt *out)
{
    if (j->count == 0)
        return ARC_AGAIN;
    *out = slot_of(j, j->head_seq)->p;
    leave_head(j);
    j->stats.popped++;
    return ARC_OK;
}

int64_t arc_jitter_next_us(const struct arc_jitter *j)
{
    return j->count > 0 ? due_us(j, slot_of(j, j->head_seq)) : ARC_NEVER_US;
}

enum arc_status arc_jitter_pop(struct arc_jitter *j, int64_t now_us,
                               struct arc_rxpkt *out)
{
    if (arc_jitter_next_us(j) > now_us)
        return ARC_AGAIN;
    return arc_jitter_take(j, out);
}

/* ---- numbers ---- */

void arc_jitter_adapt(struct arc_jitter *j, double loss_rate, double jitter_ms,
                      double rtt_ms)
{
    arc_delay_adapt(&j->delay, loss_rate, jitter_ms, rtt_ms);
}

void arc_jitter_forget_delay(struct arc_jitter *j)
{
    const struct arc_delay_config cfg = j->delay.cfg;

    arc_delay_init(&j->delay, &cfg);
    j->has_transit = false;
}

const struct arc_delay *arc_jitter_delay(const struct arc_jitter *j)
{
    return &j->delay;
}

int32_t arc_jitter_target_ms(const struct arc_jitter *j)
{
    return (int32_t)((j->delay.target_us + ARC_US_PER_MS / 2) / ARC_US_PER_MS);
}

int32_t arc_jitter_depth_pkts(const struct arc_jitter *j)
{
    return j->count;
}

int32_t arc_jitter_depth_ms(const struct arc_jitter *j)
{
    const struct arc_rxpkt *head = arc_jitter_peek(j);
    int64_t us;

    if (!head)
        return 0;
    us = arc_ticks_to_us(j->highest_ts - head->ts, j->cfg.clock_hz);
    return (int32_t)arc_clamp_i64(us / ARC_US_PER_MS, 0, INT32_MAX);
}

void arc_jitter_stats(const struct arc_jitter *j, struct arc_jitter_stats *out)
{
    *out = j->stats;
    out->target_latency_ms = arc_jitter_target_ms(j);
    out->depth_pkts        = j->count;
    out->depth_ms          = arc_jitter_depth_ms(j);
    out->jitter_ms         = j->jitter_us / (double)ARC_US_PER_MS;
}
