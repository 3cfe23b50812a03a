/**
 * @file base/rng.h  Seeded random numbers for everything but keys
 *
 * xoshiro256** (Blackman and Vigna, 2018), seeded by SplitMix64. Same seed,
 * same numbers, on every machine. Never for keys, salts or anything that an
 * attacker must not guess: those come from OpenSSL.
 *
 * Owner:   the caller; no free is needed.
 * Threads: one caller at a time.
 */
#ifndef ARC_BASE_RNG_H
#define ARC_BASE_RNG_H

#include <stdint.h>

/* ARC_CDEF_BEGIN */
struct arc_rng {
    uint64_t s[4];
};

void     arc_rng_init(struct arc_rng *r, uint64_t seed);
uint64_t arc_rng_u64(struct arc_rng *r);

/** Uniform in 0..bound-1, without bias; bound 0 gives 0. */
uint32_t arc_rng_below(struct arc_rng *r, uint32_t bound);

/** Uniform in [0, 1), 53 bits. */
double arc_rng_unit(struct arc_rng *r);
/* ARC_CDEF_END */

#endif
