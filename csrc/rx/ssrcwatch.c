/**
 * @file rx/ssrcwatch.c  Collisions of SSRCs, and loops
 */
#include <string.h>

#include "base/idmap.h"
#include "base/mem.h"
#include "rx/ssrcwatch.h"

enum { MAX_CAPACITY = 65536, NONE = -1, RTP = 0, RTCP = 1 };

struct source {
    uint32_t ssrc;
    int32_t  prev, next;  /* by the last packet; free ones: `next` only      */
    uint64_t addr[2];     /* RTP, RTCP; 0: not known yet                     */
    uint64_t cname_hash;
    bool     has_cname;
    int64_t  last_us;
    int64_t  moved_us;
    bool     has_moved;
};

struct own {
    uint32_t ssrc;
    uint64_t addr;
};

struct conflict {
    uint64_t addr;
    int32_t  way; /* RTP or RTCP */
    int64_t  last_us;
};

struct arc_ssrcwatch {
    struct arc_ssrcwatch_stats stats;
    struct arc_idmap *places;
    struct source    *sources;
    int32_t           first, last, free;
    struct own        own[ARC_SSRCWATCH_OWN];
    int32_t           n_own;
    struct conflict   conflicts[ARC_SSRCWATCH_CONFLICTS];
    int32_t           n_conflicts;
};

/* --- life ------------------------------------------------------------------------ */

enum arc_status arc_ssrcwatch_new(int32_t capacity, uint64_t seed,
                                  struct arc_ssrcwatch **out)
{
    struct arc_ssrcwatch *w;

    if (!out || capacity < 1 || capacity > MAX_CAPACITY)
        return ARC_ERR_ARG;
    w = arc_mem_zalloc(1, sizeof(*w));
    if (!w)
        return ARC_ERR_NOMEM;
    w->sources = arc_mem_zalloc((size_t)capacity, sizeof(*w->sources));
    if (!w->sources || arc_idmap_new(capacity, seed, &w->places) != ARC_OK) {
        arc_ssrcwatch_free(w);
        return ARC_ERR_NOMEM;
    }
    for (int32_t i = 0; i < capacity; i++)
        w->sources[i].next = i + 1 < capacity ? i + 1 : NONE;
    w->first = w->last = NONE;
    *out = w;
    return ARC_OK;
}

void arc_ssrcwatch_free(struct arc_ssrcwatch *w)
{
    if (!w)
        return;
    arc_idmap_free(w->places);
    arc_mem_free(w->sources);
    arc_mem_free(w);
}

/* --- others ------------------------------------------------------------------------ */

static void take_out(struct arc_ssrcwatch *w, int32_t i)
{
    struct source *s = &w->sources[i];

    *(s->prev == NONE ? &w->first : &w->sources[s->prev].next) = s->next;
    *(s->next == NONE ? &w->last : &w->sources[s->next].prev)  = s->prev;
}

static void put_last(struct arc_ssrcwatch *w, int32_t i)
{
    w->sources[i].prev = w->last;
    w->sources[i].next = NONE;
    *(w->last == NONE ? &w->first : &w->sources[w->last].next) = i;
    w->last = i;
}

static void forget(struct arc_ssrcwatch *w, int32_t i)
{
    arc_idmap_remove(w->places, w->sources[i].ssrc);
    take_out(w, i);
    w->sources[i].next = w->free;
    w->free = i;
    w->stats.sources--;
}

static struct source *find(const struct arc_ssrcwatch *w, uint32_t ssrc)
{
    int32_t i = arc_idmap_get(w->places, ssrc);

    return i == NONE ? NULL : &w->sources[i];
}

static struct source *new_source(struct arc_ssrcwatch *w, uint32_t ssrc)
{
    int32_t i;

    if (w->free == NONE) {
        forget(w, w->first);
        w->stats.evicted++;
    }
    i = w->free;
    w->free = w->sources[i].next;
    memset(&w->sources[i], 0, sizeof(w->sources[i]));
    w->sources[i].ssrc = ssrc;
    arc_idmap_put(w->places, ssrc, i);
    put_last(w, i);
    w->stats.sources++;
    return &w->sources[i];
}

/** A packet of this source, from where it is known at. */
static void heard(struct arc_ssrcwatch *w, struct source *s, int64_t now_us)
{
    int32_t i = (int32_t)(s - w->sources);

    s->last_us = now_us;
    take_out(w, i);
    put_last(w, i);
}

static bool same(uint64_t a, uint64_t b)
{
    return a == b || a == 0 || b == 0;
}

static enum arc_ssrc_verdict check_other(struct arc_ssrcwatch *w,
                                         struct source *s,
                                         enum arc_ssrc_packet packet,
                                         uint64_t addr, uint64_t cname_hash,
                                         int64_t now_us)
{
    const int32_t way = packet == ARC_SSRC_RTP ? RTP : RTCP;
    const bool cname = packet == ARC_SSRC_CNAME;

    if (!same(s->addr[way], addr)) {
        if (cname && s->has_cname && s->cname_hash != cname_hash) {
            w->stats.collisions++;
            return ARC_SSRC_COLLISION;
        }
        w->stats.loops++;
        return ARC_SSRC_LOOP;
    }
    if (s->addr[way] == 0)
        s->addr[way] = addr; /* the first of this way */
    if (cname) {
        s->has_cname  = true;
        s->cname_hash = cname_hash;
    }
    heard(w, s, now_us);
    return ARC_SSRC_ACCEPT;
}

/* --- our own -------------------------------------------------------------------------- */

static int32_t own_place(const struct arc_ssrcwatch *w, uint32_t ssrc)
{
    for (int32_t i = 0; i < w->n_own; i++)
        if (w->own[i].ssrc == ssrc)
            return i;
    return NONE;
}

enum arc_status arc_ssrcwatch_add_own(struct arc_ssrcwatch *w, uint32_t ssrc,
                                      uint64_t own_addr)
{
    if (arc_ssrcwatch_knows(w, ssrc))
        return ARC_ERR_ARG;
    if (w->n_own == ARC_SSRCWATCH_OWN)
        return ARC_ERR_LIMIT;
    w->own[w->n_own].ssrc   = ssrc;
    w->own[w->n_own++].addr = own_addr;
    return ARC_OK;
}

void arc_ssrcwatch_remove_own(struct arc_ssrcwatch *w, uint32_t ssrc)
{
    int32_t i = own_place(w, ssrc);

    if (i != NONE)
        w->own[i] = w->own[--w->n_own];
}

static struct conflict *conflict_of(struct arc_ssrcwatch *w, int32_t way,
                                    uint64_t addr)
{
    for (int32_t i = 0; i < w->n_conflicts; i++)
        if (w->conflicts[i].addr == addr && w->conflicts[i].way == way)
            return &w->conflicts[i];
    return NULL;
}

static struct conflict *new_conflict(struct arc_ssrcwatch *w)
{
    struct conflict *oldest = &w->conflicts[0];

    if (w->n_conflicts < ARC_SSRCWATCH_CONFLICTS)
        return &w->conflicts[w->n_conflicts++];
    for (int32_t i = 1; i < w->n_conflicts; i++)
        if (w->conflicts[i].last_us < oldest->last_us)
            oldest = &w->conflicts[i];
    return oldest;
}

static enum arc_ssrc_verdict check_own(struct arc_ssrcwatch *w, int32_t i,
                                       enum arc_ssrc_packet packet,
                                       uint64_t addr, int64_t now_us)
{
    const int32_t way = packet == ARC_SSRC_RTP ? RTP : RTCP;
    const uint32_t ssrc = w->own[i].ssrc;
    struct conflict *c = conflict_of(w, way, addr);
    struct source *s;

    if (w->own[i].addr != 0 && w->own[i].addr == addr)
        return ARC_SSRC_ACCEPT;
    if (c) {
        c->last_us = now_us;
        w->stats.own_loops++;
        return ARC_SSRC_OWN_LOOP;
    }
    c = new_conflict(w);
    c->addr    = addr;
    c->way     = way;
    c->last_us = now_us;
    arc_ssrcwatch_remove_own(w, ssrc);
    s = new_source(w, ssrc);
    s->addr[way] = addr;
    s->last_us   = now_us;
    w->stats.own_collisions++;
    return ARC_SSRC_OWN_COLLISION;
}

/* --- packets ------------------------------------------------------------------------------ */

enum arc_ssrc_verdict arc_ssrcwatch_check(struct arc_ssrcwatch *w,
                                          uint32_t ssrc,
                                          enum arc_ssrc_packet packet,
                                          uint64_t addr, uint64_t cname_hash,
                                          int64_t now_us)
{
    int32_t own = own_place(w, ssrc);
    struct source *s;

    if (own != NONE)
        return check_own(w, own, packet, addr, now_us);
    s = find(w, ssrc);
    if (!s)
        s = new_source(w, ssrc);
    return check_other(w, s, packet, addr, cname_hash, now_us);
}

bool arc_ssrcwatch_on_bye(struct arc_ssrcwatch *w, uint32_t ssrc,
                          uint64_t addr)
{
    struct source *s = find(w, ssrc);

    /* §8.2: validated by a matching address. */
    if (!s || !same(s->addr[RTCP], addr))
        return false;
    forget(w, (int32_t)(s - w->sources));
    return true;
}

bool arc_ssrcwatch_move(struct arc_ssrcwatch *w, uint32_t ssrc,
                        enum arc_ssrc_packet packet, uint64_t addr,
                        int64_t settle_us, int64_t now_us)
{
    struct source *s = find(w, ssrc);

    if (!s || (s->has_moved && now_us - s->moved_us < settle_us))
        return false;
    s->addr[packet == ARC_SSRC_RTP ? RTP : RTCP] = addr;
    s->has_moved = true;
    s->moved_us  = now_us;
    w->stats.moved++;
    heard(w, s, now_us);
    return true;
}

void arc_ssrcwatch_expire(struct arc_ssrcwatch *w, int64_t source_timeout_us,
                          int64_t conflict_timeout_us, int64_t now_us)
{
    while (w->first != NONE &&
           now_us - w->sources[w->first].last_us > source_timeout_us)
        forget(w, w->first);
    for (int32_t i = 0; i < w->n_conflicts;) {
        if (now_us - w->conflicts[i].last_us > conflict_timeout_us)
            w->conflicts[i] = w->conflicts[--w->n_conflicts];
        else
            i++;
    }
}

bool arc_ssrcwatch_knows(const struct arc_ssrcwatch *w, uint32_t ssrc)
{
    return find(w, ssrc) || own_place(w, ssrc) != NONE;
}

void arc_ssrcwatch_stats(const struct arc_ssrcwatch *w,
                         struct arc_ssrcwatch_stats *out)
{
    *out           = w->stats;
    out->conflicts = w->n_conflicts;
}
