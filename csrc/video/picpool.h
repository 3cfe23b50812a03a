/**
 * @file video/picpool.h  A bounded set of buffers for pictures, used again
 *
 * Buffers grow to the largest size asked for and are kept. One that is held
 * outlives its pool.
 *
 * Owner:   arc_picpool_new() to arc_picpool_free(); arc_picpool_take() gives the
 *          first reference to a buffer.
 * Threads: new, take and free: one caller at a time. Ref and unref: any.
 */
#ifndef ARC_VIDEO_PICPOOL_H
#define ARC_VIDEO_PICPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* A VP9 decoder may refer to 8 pictures and work on 2; the rest is for those
 * who show them. */
#define ARC_PICPOOL_BUFFERS 32

struct arc_picpool; /* opaque */

struct arc_picbuf {
    int32_t             refs;  /* atomic; 0: free                             */
    size_t              bytes;
    uint8_t            *data;  /* aligned to 64; zeroed when made             */
    struct arc_picpool *pool;
};

/** @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM */
enum arc_status arc_picpool_new(struct arc_picpool **out);
void            arc_picpool_free(struct arc_picpool *p);

/**
 * A free buffer of at least so many bytes; what is in it is left over.
 *
 * @return ARC_OK, ARC_ERR_NOMEM or ARC_ERR_LIMIT (all are held)
 */
enum arc_status arc_picpool_take(struct arc_picpool *p, size_t bytes,
                                 struct arc_picbuf **out);

struct arc_picbuf *arc_picbuf_ref(struct arc_picbuf *b);
void               arc_picbuf_unref(struct arc_picbuf *b);

#endif
