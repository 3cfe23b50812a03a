/**
 * @file io/watch.h  Notices that a thread has stopped moving
 *
 * A thread of its own looks at the heartbeats of loops. A turn that lasts longer
 * than it may is told once, and once more when it has ended. It only looks: a
 * thread that stalls is not helped by being killed, but whoever runs it must know.
 *
 * Owner:   arc_watch_new() starts the thread, arc_watch_free() ends it, before
 *          the loops and the hub are freed.
 * Threads: both functions are the owner's.
 */
#ifndef ARC_IO_WATCH_H
#define ARC_IO_WATCH_H

#include "base/status.h"
#include "io/hub.h"

/* ARC_CDEF_BEGIN */
struct arc_loop;
struct arc_watch; /* opaque */

/**
 * @param loops    What to watch: 1..ARC_HUB_MAX_SOURCES - 1; the array is copied
 * @param hub      Events go there
 * @param source   .. by this ring of it, which is no other thread's
 * @param stall_us A turn may last so long; 1000..3600000000
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_IO
 */
enum arc_status arc_watch_new(struct arc_loop *const *loops, int32_t n_loops,
                              struct arc_hub *hub, int32_t source,
                              int64_t stall_us, struct arc_watch **out);
void            arc_watch_free(struct arc_watch *w);
/* ARC_CDEF_END */

#endif
