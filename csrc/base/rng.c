/**
 * @file base/rng.c  Seeded random numbers for everything but keys
 */
#include "base/rng.h"

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void arc_rng_init(struct arc_rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix64(&seed);
}

uint64_t arc_rng_u64(struct arc_rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint32_t arc_rng_below(struct arc_rng *r, uint32_t bound)
{
    uint64_t m;

    if (bound == 0)
        return 0;
    /* Lemire 2019: multiply, and reject the few values that would be biased. */
    do {
        m = (arc_rng_u64(r) >> 32) * bound;
    } while ((uint32_t)m < (0u - bound) % bound);
    return (uint32_t)(m >> 32);
}

double arc_rng_unit(struct arc_rng *r)
{
    return (double)(arc_rng_u64(r) >> 11) * (1.0 / 9007199254740992.0);
}
