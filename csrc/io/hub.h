/**
 * @file io/hub.h  Events of an engine's threads, for one reader
 *
 * A bounded ring for each thread, and one eventfd for them all. Nothing is lost
 * in silence: events for which a ring has no room are counted, and the count is
 * the next event of that ring.
 *
 * Owner:   arc_hub_new() allocates all memory; arc_hub_free() after the threads
 *          have ended.
 * Threads: arc_hub_put(), _lost(), _notify(): for each source its own one
 *          thread. arc_hub_poll(): one at a time. The rest: any.
 */
#ifndef ARC_IO_HUB_H
#define ARC_IO_HUB_H

#include <stdint.h>

#include "base/status.h"
#include "session/session.h"

/* ARC_CDEF_BEGIN */
#define ARC_HUB_MAX_SOURCES 128

struct arc_hub; /* opaque */

/** What threads say beside enum arc_event_type, which goes up to 99. */
enum arc_hub_event_type {
    ARC_HUB_EVENTS_LOST = 100,  /* value: how many, since the last one of these  */
    ARC_HUB_THREAD_STALLED,     /* stream: which thread; value: its turn lasts so
                                   long already, us                              */
    ARC_HUB_THREAD_RECOVERED,   /* stream: which thread; value: it lasted, us    */
    ARC_HUB_SOCKET_ERROR,       /* value: datagrams refused, by ICMP or by the
                                   system, since the last one of these           */
    ARC_HUB_ROUTER = 200,       /* what a router tells: this, and enum
                                   arc_router_event_type; id: the relay's,
                                   stream: of the leg, track or route            */
};

struct arc_hub_event {
    int32_t id;     /* of the session, as arc_loop_attach() was told; 0: none    */
    int32_t type;   /* enum arc_event_type or arc_hub_event_type                 */
    int32_t stream; /* index, -1: none                                           */
    int32_t source; /* the ring it came by: a thread's index                     */
    int64_t now_us;
    int64_t value;
};

/**
 * @param n_sources Threads that tell; 1..ARC_HUB_MAX_SOURCES
 * @param depth     Events of each that may wait; 1..2^20
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_IO
 */
enum arc_status arc_hub_new(int32_t n_sources, int32_t depth,
                            struct arc_hub **out);
void            arc_hub_free(struct arc_hub *h);

/** Becomes readable when there may be events, here or at a session. */
int32_t         arc_hub_fd(const struct arc_hub *h);

/** Forget that it was readable; before reading events. */
void            arc_hub_clear(struct arc_hub *h);

/** @param out Room for `cap` events, in the order of each thread
 *  @return how many were written; fewer than `cap`: no more are there */
int32_t         arc_hub_poll(struct arc_hub *h, struct arc_hub_event *out,
                             int32_t cap);

/** Events of a source that found no room, ever. */
int64_t         arc_hub_lost(const struct arc_hub *h, int32_t source);
/* ARC_CDEF_END */

/** Put an event up; it is counted when there is no room. `source` is filled in.
 *  The reader is not woken before arc_hub_notify(). */
void arc_hub_put(struct arc_hub *h, int32_t source,
                 const struct arc_hub_event *event);

/** `n` events are lost already; as if put without room. */
void arc_hub_count_lost(struct arc_hub *h, int32_t source, int64_t n);

/** Wake the reader. */
void arc_hub_notify(struct arc_hub *h);

#endif
