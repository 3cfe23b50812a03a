/**
 * @file base/keymap.h  From 64-bit keys to things that somebody else owns
 *
 * A hash table that grows as it is filled; looking up allocates nothing.
 *
 * Owner:   arc_keymap_new() and a put that grows allocate.
 * Threads: one caller at a time.
 * Seed:    of the hash, so that no peer can choose keys that collide.
 */
#ifndef ARC_BASE_KEYMAP_H
#define ARC_BASE_KEYMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct arc_keymap; /* opaque */

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_keymap_new(uint64_t seed, struct arc_keymap **out);
void            arc_keymap_free(struct arc_keymap *m);

/** What was put there; NULL: nothing. */
void *arc_keymap_get(const struct arc_keymap *m, uint64_t key);

/**
 * @param thing Not NULL
 *
 * @return ARC_OK, ARC_ERR_ARG (the key is there already) or ARC_ERR_NOMEM
 */
enum arc_status arc_keymap_put(struct arc_keymap *m, uint64_t key, void *thing);

/** @return whether it was there */
bool arc_keymap_remove(struct arc_keymap *m, uint64_t key);

int32_t arc_keymap_count(const struct arc_keymap *m);

#endif
