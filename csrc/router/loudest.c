/**
 * @file router/loudest.c  The loudest of many talkers, by the levels they send
 */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "router/loudest.h"

enum { SILENCE = 127, ONE_DB = 256, NONE = -1 };

struct member {
    bool    exists;
    bool    has_spoken;
    bool    leads;         /* louder than the softest place: since lead_us    */
    bool    outdoes;       /* louder than the dominant one: since outdo_us    */
    int16_t place;         /* NONE: without                                   */
    int16_t next_free;     /* member, or NONE                                 */
    int32_t loudness;      /* 127 - level in dB * 256, smoothed               */
    int64_t spurt_us;      /* first packet with speech of this talk spurt     */
    int64_t speech_us;     /* last packet with speech                         */
    int64_t lead_us;
    int64_t outdo_us;
};

struct arc_loudest {
    struct member *members;
    int32_t        n_members; /* room                                         */
    int32_t        n_places;
    int16_t        first_free;
    int16_t        places[ARC_LOUDEST_MAX_PLACES]; /* n_active count */
    unsigned       events;
    struct arc_loudest_stats stats;
};

enum arc_status arc_loudest_new(int32_t n_members, int32_t n_places,
                                struct arc_loudest **out)
{
    struct arc_loudest *g;

    if (!out || n_members < 1 || n_members > ARC_LOUDEST_MAX_MEMBERS ||
        n_places < 1 || n_places > ARC_LOUDEST_MAX_PLACES)
        return ARC_ERR_ARG;
    g = arc_mem_zalloc(1, sizeof(*g));
    if (!g)
        return ARC_ERR_NOMEM;
    g->members = arc_mem_zalloc((size_t)n_members, sizeof(*g->members));
    if (!g->members) {
        arc_mem_free(g);
        return ARC_ERR_NOMEM;
    }
    g->n_members = n_members;
    g->n_places  = n_places;
    for (int32_t i = 0; i < n_members; i++)
        g->members[i].next_free = (int16_t)(i + 1 < n_members ? i + 1 : NONE);
    g->stats.dominant = NONE;
    *out              = g;
    return ARC_OK;
}

void arc_loudest_free(struct arc_loudest *g)
{
    if (!g)
        return;
    arc_mem_free(g->members);
    arc_mem_free(g);
}

int arc_loudest_add(struct arc_loudest *g)
{
    int16_t i = g->first_free;
    struct member *m;

    if (i == NONE)
        return ARC_ERR_LIMIT;
    m             = &g->members[i];
    g->first_free = m->next_free;
    memset(m, 0, sizeof(*m));
    m->exists = true;
    m->place  = NONE;
    g->stats.n_members++;
    return i;
}

static struct member *find(struct arc_loudest *g, int member)
{
    if (member < 0 || member >= g->n_members || !g->members[member].exists)
        return NULL;
    return &g->members[member];
}

static void leave_place(struct arc_loudest *g, struct member *m)
{
    int16_t last = g->places[--g->stats.n_active];

    g->places[m->place]     = last; /* no hole stays */
    g->members[last].place  = m->place;
    m->place                = NONE;
    g->events |= ARC_LOUDEST_ACTIVE_CHANGED;
}

static void take_place(struct arc_loudest *g, struct member *m)
{
    m->place = (int16_t)g->stats.n_active++;
    m->leads = false;
    g->places[m->place] = (int16_t)(m - g->members);
    g->events |= ARC_LOUDEST_ACTIVE_CHANGED;
}

static void set_dominant(struct arc_loudest *g, int member)
{
    g->stats.dominant = member;
    g->stats.n_dominant_changes++;
    g->events |= ARC_LOUDEST_DOMINANT_CHANGED;
}

void arc_loudest_remove(struct arc_loudest *g, int member)
{
    struct member *m = find(g, member);

    if (!m)
        return;
    if (m->place != NONE)
        leave_place(g, m);
    if (g->stats.dominant == member)
        set_dominant(g, NONE);
    m->exists     = false;
    m->next_free  = g->first_free;
    g->first_free = (int16_t)member;
    g->stats.n_members--;
}

void arc_loudest_poll(struct arc_loudest *g, int64_t now_us)
{
    for (int32_t i = g->stats.n_active - 1; i >= 0; i--) {
        struct member *m = &g->members[g->places[i]];

        if (now_us - m->speech_us < ARC_LOUDEST_HOLD_US)
            continue;
        leave_place(g, m);
        g->stats.n_expired++;
    }
}

int64_t arc_loudest_next_us(const struct arc_loudest *g)
{
    int64_t next_us = ARC_NEVER_US;

    for (int32_t i = 0; i < g->stats.n_active; i++)
        next_us = arc_min_i64(next_us, g->members[g->places[i]].speech_us +
                                           ARC_LOUDEST_HOLD_US);
    return next_us;
}

static bool speaks(const struct member *m, int64_t now_us, int64_t within_us)
{
    return m->has_spoken && now_us - m->speech_us < within_us;
}

/* A mean whose memory grows to its full length from the first packet of a talk
 * spurt on. */
static void follow(struct member *m, uint8_t level, int64_t now_us)
{
    int32_t loudness = (SILENCE - level) * ONE_DB;
    int64_t dt, memory;

    if (!speaks(m, now_us, ARC_LOUDEST_HOLD_US)) {
        m->has_spoken = true;
        m->leads = m->outdoes = false;
        m->loudness           = loudness;
        m->spurt_us           = now_us;
        m->speech_us          = now_us;
        return;
    }
    dt     = arc_clamp_i64(now_us - m->speech_us, 0, ARC_LOUDEST_STEP_US);
    memory = arc_min_i64(now_us - m->spurt_us, ARC_LOUDEST_MEMORY_US);
    if (dt > 0) {
        m->loudness += (int32_t)((loudness - m->loudness) * dt / (dt + memory));
        m->speech_us = now_us;
    }
}

static struct member *softest(struct arc_loudest *g)
{
    struct member *found = &g->members[g->places[0]];

    for (int32_t i = 1; i < g->stats.n_active; i++) {
        struct member *m = &g->members[g->places[i]];

        if (m->loudness < found->loudness)
            found = m;
    }
    return found;
}

/* True once `m` has been louder than `other` by the margin for long enough. */
static bool stays_louder(const struct member *m, const struct member *other,
                         int64_t now_us, int64_t for_us, bool *since,
                         int64_t *since_us)
{
    if (m->loudness < other->loudness + ARC_LOUDEST_MARGIN_DB * ONE_DB) {
        *since = false;
        return false;
    }
    if (!*since) {
        *since    = true;
        *since_us = now_us;
    }
    return now_us - *since_us >= for_us;
}

/* A member without a place has spoken. */
static bool seek_place(struct arc_loudest *g, struct member *m, int64_t now_us)
{
    struct member *other;
    bool is_long;

    arc_loudest_poll(g, now_us);
    if (g->stats.n_active < g->n_places) {
        take_place(g, m);
        g->stats.n_taken++;
        return true;
    }
    other   = softest(g);
    is_long = stays_louder(m, other, now_us, ARC_LOUDEST_MARGIN_US, &m->leads,
                           &m->lead_us);
    if (!is_long &&
        (m->loudness < other->loudness + ARC_LOUDEST_SURE_DB * ONE_DB ||
         now_us - m->spurt_us < ARC_LOUDEST_SURE_US))
        return false;
    leave_place(g, other);
    take_place(g, m);
    g->stats.n_swapped++;
    return true;
}

/* A member with a place has spoken. */
static void judge_dominant(struct arc_loudest *g, struct member *m,
                           int64_t now_us)
{
    int member = (int)(m - g->members);
    struct member *other = find(g, g->stats.dominant);

    if (m == other)
        return;
    if (other && other->place != NONE &&
        speaks(other, now_us, ARC_LOUDEST_DOMINANT_US) &&
        !stays_louder(m, other, now_us, ARC_LOUDEST_DOMINANT_US, &m->outdoes,
                      &m->outdo_us))
        return;
    m->outdoes = false;
    set_dominant(g, member);
}

static bool decide(struct arc_loudest *g, struct member *m, uint8_t level,
                   bool voice, int64_t now_us)
{
    if (!voice || level >= SILENCE) {
        if (m->place != NONE && !speaks(m, now_us, ARC_LOUDEST_HOLD_US))
            arc_loudest_poll(g, now_us);
        return m->place != NONE;
    }
    follow(m, level, now_us);
    if (m->place == NONE && !seek_place(g, m, now_us))
        return false;
    judge_dominant(g, m, now_us);
    return true;
}

bool arc_loudest_on_packet(struct arc_loudest *g, int member, uint8_t level,
                           bool voice, int64_t now_us)
{
    struct member *m = find(g, member);
    bool forwards = m && decide(g, m, level, voice, now_us);

    if (forwards)
        g->stats.n_forwarded++;
    else
        g->stats.n_dropped++;
    return forwards;
}

int32_t arc_loudest_active(const struct arc_loudest *g, int32_t *members,
                           int32_t cap)
{
    int32_t n = (int32_t)arc_clamp_i64(cap, 0, g->stats.n_active);

    for (int32_t i = 0; i < n; i++)
        members[i] = g->places[i];
    return n;
}

unsigned arc_loudest_take_events(struct arc_loudest *g)
{
    unsigned events = g->events;

    g->events = 0;
    return events;
}

void arc_loudest_stats(const struct arc_loudest *g,
                       struct arc_loudest_stats *out)
{
    *out = g->stats;
}
