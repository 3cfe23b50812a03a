/**
 * @file rx/members.c  Who takes part in an RTP session
 */
#include <string.h>

#include "base/idmap.h"
#include "base/mem.h"
#include "base/units.h"
#include "rx/members.h"

enum { MAX_CAPACITY = 65536, MAX_PROBATION = 16, NONE = -1 };

#define MAX_BYE_DELAY_US (INT64_C(60) * ARC_US_PER_S)

enum state { FREE, TRYING, MEMBER, GONE }; /* GONE: said BYE */

struct link { int32_t prev, next; };

struct entry {
    uint32_t    ssrc;
    enum state  state;
    int32_t     pkts;       /* TRYING */
    bool        sends;
    bool        has_cname;
    uint64_t    cname_hash;
    int64_t     last_us;    /* any packet; GONE: the BYE                   */
    int64_t     last_rtp_us;
    struct link by_age;     /* list of its state                           */
    struct link by_media;   /* list of senders                             */
};

struct list { int32_t first, last, n; }; /* the longest silent is first */

struct arc_members {
    struct arc_members_config cfg;
    struct arc_members_stats  stats;
    struct arc_idmap *places;
    struct entry     *entries;
    struct list       of[4];       /* by enum state; FREE: unused entries  */
    struct list       senders;
    uint64_t          cname_hash;  /* of some member: how many members have */
    int32_t           same, other; /* it, and how many another one          */
};

/* --- lists ----------------------------------------------------------------------- */

static struct link *link_of(struct arc_members *m, const struct list *l,
                            int32_t i)
{
    return l == &m->senders ? &m->entries[i].by_media : &m->entries[i].by_age;
}

static void append(struct arc_members *m, struct list *l, int32_t i)
{
    struct link *k = link_of(m, l, i);

    k->prev = l->last;
    k->next = NONE;
    if (l->last == NONE)
        l->first = i;
    else
        link_of(m, l, l->last)->next = i;
    l->last = i;
    l->n++;
}

static void unlink_from(struct arc_members *m, struct list *l, int32_t i)
{
    struct link *k = link_of(m, l, i);

    if (k->prev == NONE)
        l->first = k->next;
    else
        link_of(m, l, k->prev)->next = k->next;
    if (k->next == NONE)
        l->last = k->prev;
    else
        link_of(m, l, k->next)->prev = k->prev;
    l->n--;
}

/* --- life --------------------------------------------------------------------------- */

static bool config_ok(const struct arc_members_config *c)
{
    return c->capacity >= 1 && c->capacity <= MAX_CAPACITY &&
           c->probation_pkts >= 1 && c->probation_pkts <= MAX_PROBATION &&
           c->bye_delay_us >= 0 && c->bye_delay_us <= MAX_BYE_DELAY_US;
}

enum arc_status arc_members_new(const struct arc_members_config *cfg,
                                struct arc_members **out)
{
    struct arc_members *m;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    m = arc_mem_zalloc(1, sizeof(*m));
    if (!m)
        return ARC_ERR_NOMEM;
    m->cfg     = *cfg;
    m->entries = arc_mem_zalloc((size_t)cfg->capacity, sizeof(*m->entries));
    if (!m->entries ||
        arc_idmap_new(cfg->capacity, cfg->seed, &m->places) != ARC_OK) {
        arc_members_free(m);
        return ARC_ERR_NOMEM;
    }
    for (int i = 0; i < 4; i++)
        m->of[i].first = m->of[i].last = NONE;
    m->senders.first = m->senders.last = NONE;
    for (int32_t i = 0; i < cfg->capacity; i++)
        append(m, &m->of[FREE], i);
    *out = m;
    return ARC_OK;
}

void arc_members_free(struct arc_members *m)
{
    if (!m)
        return;
    arc_idmap_free(m->places);
    arc_mem_free(m->entries);
    arc_mem_free(m);
}

/* --- endpoints ------------------------------------------------------------------------ */

/** Compare all members with the CNAME of the first that has one. */
static void recount_cnames(struct arc_members *m)
{
    m->same = m->other = 0;
    for (int32_t i = m->of[MEMBER].first; i != NONE;
         i = m->entries[i].by_age.next) {
        const struct entry *e = &m->entries[i];

        if (!e->has_cname)
            continue;
        if (m->same == 0)
            m->cname_hash = e->cname_hash;
        m->same  += e->cname_hash == m->cname_hash;
        m->other += e->cname_hash != m->cname_hash;
    }
}

static void count_cname(struct arc_members *m, const struct entry *e,
                        int32_t step)
{
    if (!e->has_cname || e->state != MEMBER)
        return;
    if (m->same == 0 && m->other == 0)
        m->cname_hash = e->cname_hash;
    *(e->cname_hash == m->cname_hash ? &m->same : &m->other) += step;
}

/* --- states ----------------------------------------------------------------------------- */

static void stop_sending(struct arc_members *m, struct entry *e, int32_t i)
{
    if (!e->sends)
        return;
    unlink_from(m, &m->senders, i);
    e->sends = false;
}

static void move_to(struct arc_members *m, int32_t i, enum state state)
{
    struct entry *e = &m->entries[i];

    count_cname(m, e, -1);
    unlink_from(m, &m->of[e->state], i);
    if (state != MEMBER)
        stop_sending(m, e, i);
    e->state = state;
    append(m, &m->of[state], i);
    count_cname(m, e, 1);
    if (m->same == 0 && m->other > 0)
        recount_cnames(m);
}

static void forget(struct arc_members *m, int32_t i)
{
    arc_idmap_remove(m->places, m->entries[i].ssrc);
    move_to(m, i, FREE);
}

/** An entry for a newcomer, or NONE. */
static int32_t make_room(struct arc_members *m)
{
    enum state weakest = m->of[GONE].n > 0 ? GONE : TRYING;

    if (m->of[FREE].n == 0) {
        if (m->of[weakest].n == 0)
            return NONE;
        forget(m, m->of[weakest].first);
        m->stats.evicted++;
    }
    return m->of[FREE].first;
}

static void become_member(struct arc_members *m, int32_t i)
{
    move_to(m, i, MEMBER);
    m->stats.joined++;
}

/** Note a sign of life; its entry, or NONE when there is no room. */
static int32_t note(struct arc_members *m, uint32_t ssrc, int64_t now_us)
{
    int32_t i = arc_idmap_get(m->places, ssrc);
    struct entry *e;

    if (i == NONE) {
        i = make_room(m);
        if (i == NONE) {
            m->stats.refused++;
            return NONE;
        }
        m->entries[i].ssrc      = ssrc;
        m->entries[i].pkts      = 0;
        m->entries[i].has_cname = false;
        arc_idmap_put(m->places, ssrc, i);
        move_to(m, i, TRYING);
    }
    e = &m->entries[i];
    if (e->state == GONE) {
        m->stats.stragglers++; /* RFC 3550 §6.2.1: not brought back by them */
        return i;
    }
    e->last_us = now_us;
    e->pkts   += e->state == TRYING;
    if (e->state == TRYING && e->pkts >= m->cfg.probation_pkts)
        become_member(m, i);
    else
        move_to(m, i, e->state); /* to the end: heard last */
    return i;
}

static enum arc_status answer(const struct arc_members *m, int32_t i)
{
    if (i == NONE)
        return ARC_ERR_LIMIT;
    return m->entries[i].state == MEMBER ? ARC_OK : ARC_AGAIN;
}

/* --- packets ------------------------------------------------------------------------------ */

enum arc_status arc_members_on_rtp(struct arc_members *m, uint32_t ssrc,
                                   int64_t now_us)
{
    int32_t i = note(m, ssrc, now_us);

    if (i != NONE && m->entries[i].state == MEMBER) {
        stop_sending(m, &m->entries[i], i); /* and again, at the end */
        m->entries[i].sends       = true;
        m->entries[i].last_rtp_us = now_us;
        append(m, &m->senders, i);
    }
    return answer(m, i);
}

enum arc_status arc_members_on_rtcp(struct arc_members *m, uint32_t ssrc,
                                    int64_t now_us)
{
    return answer(m, note(m, ssrc, now_us));
}

enum arc_status arc_members_on_cname(struct arc_members *m, uint32_t ssrc,
                                     uint64_t cname_hash, int64_t now_us)
{
    int32_t i = note(m, ssrc, now_us);
    struct entry *e = i == NONE ? NULL : &m->entries[i];

    if (!e || e->state == GONE)
        return answer(m, i);
    if (!e->has_cname || e->cname_hash != cname_hash) {
        count_cname(m, e, -1);
        e->has_cname  = true;
        e->cname_hash = cname_hash;
        count_cname(m, e, 1);
        if (m->same == 0 && m->other > 0)
            recount_cnames(m);
    }
    if (e->state == TRYING)
        become_member(m, i);
    return ARC_OK;
}

bool arc_members_on_bye(struct arc_members *m, uint32_t ssrc, int64_t now_us)
{
    int32_t i = arc_idmap_get(m->places, ssrc);
    bool member;

    if (i == NONE || m->entries[i].state == GONE)
        return false;
    member = m->entries[i].state == MEMBER;
    m->stats.left += member;
    m->entries[i].last_us = now_us;
    move_to(m, i, GONE);
    return member;
}

int32_t arc_members_expire(struct arc_members *m, int64_t member_timeout_us,
                           int64_t sender_timeout_us, int64_t now_us)
{
    const int64_t limit[4] = {0, member_timeout_us, member_timeout_us,
                              m->cfg.bye_delay_us};
    int32_t before = m->of[MEMBER].n;

    while (m->senders.n > 0) {
        int32_t i = m->senders.first;

        if (now_us - m->entries[i].last_rtp_us <= sender_timeout_us)
            break;
        stop_sending(m, &m->entries[i], i);
    }
    for (int state = TRYING; state <= GONE; state++)
        while (m->of[state].n > 0) {
            int32_t i = m->of[state].first;

            if (now_us - m->entries[i].last_us <= limit[state])
                break;
            forget(m, i);
        }
    m->stats.timed_out += before - m->of[MEMBER].n;
    return before - m->of[MEMBER].n;
}

/* --- numbers ---------------------------------------------------------------------------------- */

void arc_members_count(const struct arc_members *m,
                       struct arc_members_counts *out)
{
    out->members    = m->of[MEMBER].n;
    out->senders    = m->senders.n;
    out->multiparty = m->same > 0 && m->other > 0;
}

bool arc_members_knows(const struct arc_members *m, uint32_t ssrc)
{
    return arc_idmap_get(m->places, ssrc) != NONE;
}

void arc_members_stats(const struct arc_members *m,
                       struct arc_members_stats *out)
{
    *out         = m->stats;
    out->entries = m->cfg.capacity - m->of[FREE].n;
}
