/**
 * @file base/handles.h  Numbers for things that come and go
 *
 * A number names one thing for as long as it is there, and nothing afterwards:
 * each place counts how often it was given away, and the number holds the
 * count. So a number that somebody kept too long is found out.
 *
 * Owner:   embed it; zeros are an empty table. arc_handles_add() allocates as
 *          the table grows, arc_handles_close() frees; the things are the
 *          caller's.
 * Threads: one caller at a time.
 */
#ifndef ARC_BASE_HANDLES_H
#define ARC_BASE_HANDLES_H

#include <stdint.h>

#include "base/status.h"

#define ARC_HANDLES_PLACE_BITS 20 /* the rest of the 31 bits counts */
#define ARC_HANDLES_MAX        (1 << ARC_HANDLES_PLACE_BITS)

struct arc_handles {
    void   **things; /* NULL: a free place                        */
    int32_t *counts; /* of each place                             */
    int32_t *free;   /* stack of free places                      */
    int32_t  n_free;
    int32_t  n;      /* things                                    */
    int32_t  used;   /* places ever given away                    */
    int32_t  room;   /* places                                    */
};

void arc_handles_close(struct arc_handles *h);

/** @return ARC_OK, ARC_ERR_ARG (NULL), ARC_ERR_LIMIT or ARC_ERR_NOMEM */
enum arc_status arc_handles_add(struct arc_handles *h, void *thing,
                                int32_t *number);

/** NULL: there is no such thing, or not any more. */
void *arc_handles_get(const struct arc_handles *h, int32_t number);

/** @return the thing, which is the caller's alone now; NULL: none */
void *arc_handles_remove(struct arc_handles *h, int32_t number);

/** Thing at place 0..used-1; NULL: free. For walks over all of them. */
static inline void *arc_handles_at(const struct arc_handles *h, int32_t place)
{
    return h->things[place];
}

/** Place of a number that is valid. */
static inline int32_t arc_handles_place(int32_t number)
{
    return number & (ARC_HANDLES_MAX - 1);
}

#endif
