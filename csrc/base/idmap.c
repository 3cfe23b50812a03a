/**
 * @file base/idmap.c  From 32-bit identifiers to places in an array
 */
#include "base/idmap.h"
#include "base/mem.h"

struct slot {
    uint32_t id;
    int32_t  place; /* -1: free */
};

struct arc_idmap {
    uint64_t     seed;
    uint32_t     mask;
    int32_t      capacity, n;
    struct slot *slots; /* mask + 1 of them, at least twice the capacity */
};

enum arc_status arc_idmap_new(int32_t capacity, uint64_t seed,
                              struct arc_idmap **out)
{
    uint32_t size = 2;
    struct arc_idmap *m;

    if (!out || capacity < 1 || capacity > 1 << 24)
        return ARC_ERR_ARG;
    while (size < 2 * (uint32_t)capacity)
        size *= 2;
    m = arc_mem_zalloc(1, sizeof(*m));
    if (!m)
        return ARC_ERR_NOMEM;
    m->slots = arc_mem_zalloc(size, sizeof(*m->slots));
    if (!m->slots) {
        arc_idmap_free(m);
        return ARC_ERR_NOMEM;
    }
    m->seed     = seed;
    m->mask     = size - 1;
    m->capacity = capacity;
    for (uint32_t i = 0; i < size; i++)
        m->slots[i].place = -1;
    *out = m;
    return ARC_OK;
}

void arc_idmap_free(struct arc_idmap *m)
{
    if (!m)
        return;
    arc_mem_free(m->slots);
    arc_mem_free(m);
}

/** SplitMix64's last steps (Steele 2014): each bit of the seed moves each one
 *  of the result. */
static uint32_t home(const struct arc_idmap *m, uint32_t id)
{
    uint64_t x = m->seed ^ id;

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(x ^ (x >> 31)) & m->mask;
}

/** Where `id` is, or the free slot where it would be. */
static uint32_t find(const struct arc_idmap *m, uint32_t id)
{
    uint32_t i = home(m, id);

    while (m->slots[i].place >= 0 && m->slots[i].id != id)
        i = (i + 1) & m->mask;
    return i;
}

int32_t arc_idmap_get(const struct arc_idmap *m, uint32_t id)
{
    return m->slots[find(m, id)].place;
}

bool arc_idmap_put(struct arc_idmap *m, uint32_t id, int32_t place)
{
    uint32_t i = find(m, id);

    if (m->slots[i].place >= 0 || m->n == m->capacity || place < 0)
        return false;
    m->slots[i].id    = id;
    m->slots[i].place = place;
    m->n++;
    return true;
}

bool arc_idmap_remove(struct arc_idmap *m, uint32_t id)
{
    uint32_t gap = find(m, id);

    if (m->slots[gap].place < 0)
        return false;
    m->n--;
    /* Whatever behind the gap lies further from home than the gap moves up. */
    for (uint32_t i = (gap + 1) & m->mask; m->slots[i].place >= 0;
         i = (i + 1) & m->mask) {
        uint32_t from_home = (i - home(m, m->slots[i].id)) & m->mask;

        if (from_home < ((i - gap) & m->mask))
            continue;
        m->slots[gap] = m->slots[i];
        gap = i;
    }
    m->slots[gap].place = -1;
    return true;
}
