/**
 * @file base/keymap.c  From 64-bit keys to things that somebody else owns
 */
#include "base/keymap.h"
#include "base/mem.h"

enum { FIRST_SLOTS = 16 };

struct slot {
    uint64_t key;
    void    *thing; /* NULL: free */
};

struct arc_keymap {
    uint64_t     seed;
    uint64_t     mask;
    int32_t      n;
    struct slot *slots; /* mask + 1 of them, never more than half full */
};

enum arc_status arc_keymap_new(uint64_t seed, struct arc_keymap **out)
{
    struct arc_keymap *m;

    if (!out)
        return ARC_ERR_ARG;
    m = arc_mem_zalloc(1, sizeof(*m));
    if (!m)
        return ARC_ERR_NOMEM;
    m->slots = arc_mem_zalloc(FIRST_SLOTS, sizeof(*m->slots));
    if (!m->slots) {
        arc_keymap_free(m);
        return ARC_ERR_NOMEM;
    }
    m->seed = seed;
    m->mask = FIRST_SLOTS - 1;
    *out = m;
    return ARC_OK;
}

void arc_keymap_free(struct arc_keymap *m)
{
    if (!m)
        return;
    arc_mem_free(m->slots);
    arc_mem_free(m);
}

/** SplitMix64's last steps (Steele 2014): each bit of the seed moves each one
 *  of the place. */
static uint64_t home(const struct arc_keymap *m, uint64_t key)
{
    uint64_t x = m->seed ^ key;

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (x ^ (x >> 31)) & m->mask;
}

/** Where `key` is, or the free slot where it would be. */
static uint64_t find(const struct arc_keymap *m, uint64_t key)
{
    uint64_t i = home(m, key);

    while (m->slots[i].thing && m->slots[i].key != key)
        i = (i + 1) & m->mask;
    return i;
}

void *arc_keymap_get(const struct arc_keymap *m, uint64_t key)
{
    return m->slots[find(m, key)].thing;
}

static enum arc_status grow(struct arc_keymap *m)
{
    const uint64_t old_size = m->mask + 1;
    struct slot *old = m->slots;
    struct slot *slots = arc_mem_zalloc(2 * old_size, sizeof(*slots));

    if (!slots)
        return ARC_ERR_NOMEM;
    m->slots = slots;
    m->mask  = 2 * old_size - 1;
    for (uint64_t i = 0; i < old_size; i++)
        if (old[i].thing)
            m->slots[find(m, old[i].key)] = old[i];
    arc_mem_free(old);
    return ARC_OK;
}

enum arc_status arc_keymap_put(struct arc_keymap *m, uint64_t key, void *thing)
{
    uint64_t i;

    if (!thing || arc_keymap_get(m, key))
        return ARC_ERR_ARG;
    if (2 * ((uint64_t)m->n + 1) > m->mask + 1 && grow(m) != ARC_OK)
        return ARC_ERR_NOMEM;
    i = find(m, key);
    m->slots[i].key   = key;
    m->slots[i].thing = thing;
    m->n++;
    return ARC_OK;
}

bool arc_keymap_remove(struct arc_keymap *m, uint64_t key)
{
    uint64_t gap = find(m, key);

    if (!m->slots[gap].thing)
        return false;
    m->n--;
    /* Whatever behind the gap lies further from home than the gap moves up. */
    for (uint64_t i = (gap + 1) & m->mask; m->slots[i].thing;
         i = (i + 1) & m->mask) {
        uint64_t from_home = (i - home(m, m->slots[i].key)) & m->mask;

        if (from_home < ((i - gap) & m->mask))
            continue;
        m->slots[gap] = m->slots[i];
        gap = i;
    }
    m->slots[gap].thing = NULL;
    return true;
}

int32_t arc_keymap_count(const struct arc_keymap *m)
{
    return m->n;
}
