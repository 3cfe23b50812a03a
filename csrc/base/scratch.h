/**
 * @file base/scratch.h  Working memory that objects of one thread use in turn
 *
 * What an object needs only while it works need not be its own: all objects that
 * one thread runs one after the other can work in the same bytes. Such an object
 * lays its rooms out over them when it is made, and writes there only when it is
 * called to work: making and freeing it leaves the bytes alone, so that it may
 * happen beside a thread that works in them. Nothing in them outlasts a call.
 *
 * An object that calls another one which works in the same memory keeps its own
 * rooms behind the bytes that the other one says it needs.
 *
 * Owner:   arc_scratch_new() makes it, arc_scratch_free() frees it after all that it
 *          was lent to.
 * Threads: those it is lent to are all called by one thread at a time.
 */
#ifndef ARC_BASE_SCRATCH_H
#define ARC_BASE_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define ARC_SCRATCH_ALIGN 64 /* of each room: a line of the cache              */

/* ARC_CDEF_BEGIN */
struct arc_scratch; /* opaque */

/** @param bytes 1.. @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_scratch_new(size_t bytes, struct arc_scratch **out);
void            arc_scratch_free(struct arc_scratch *s); /* NULL is allowed */

size_t          arc_scratch_bytes(const struct arc_scratch *s);
/* ARC_CDEF_END */

/**
 * What an object works with: the memory that it is lent, or memory of its own.
 *
 * @param lent  NULL: none is
 * @param bytes What it needs
 * @param own   Out: made here, to be freed with the object; NULL with `lent`
 * @param mem   Out: the first byte
 *
 * @return ARC_OK, ARC_ERR_NOMEM, or ARC_ERR_SPACE (what is lent is too small)
 */
enum arc_status arc_scratch_open(struct arc_scratch *lent, size_t bytes,
                                 struct arc_scratch **own, uint8_t **mem);

/** Rooms are taken from it one after the other; without `mem` they are only
 *  counted, so that one function can tell the size of a layout and make it. */
struct arc_rooms {
    uint8_t *mem;  /* NULL: count only */
    size_t   used;
};

/** @return `n * size` bytes, of any content; NULL without `mem` */
static inline void *arc_rooms_take(struct arc_rooms *r, size_t n, size_t size)
{
    size_t at = r->used;

    r->used += (n * size + ARC_SCRATCH_ALIGN - 1) / ARC_SCRATCH_ALIGN *
               ARC_SCRATCH_ALIGN;
    return r->mem ? r->mem + at : NULL;
}

#endif
