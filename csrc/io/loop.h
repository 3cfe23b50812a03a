/**
 * @file io/loop.h  A native thread that owns the network side of sessions
 *
 * One thread, one epoll, any number of sessions, each with a socket of its
 * own. No Python runs on it, and it takes no lock but its own turn.
 *
 * Owner:   arc_loop_new() starts the thread, arc_loop_free() ends it. Attached
 *          sessions and sockets stay the caller's and must be detached first.
 * Threads: every function may be called from any thread. The loop holds its
 *          turn lock while it works and lets go of it while it waits; the
 *          others take that lock for as long as they look or change. This is
 *          the exception to "no locks" that io/ is allowed.
 */
#ifndef ARC_IO_LOOP_H
#define ARC_IO_LOOP_H

#include "base/status.h"
#include "io/udp.h"
#include "session/session.h"

/* ARC_CDEF_BEGIN */
#define ARC_LOOP_MAX_SESSIONS 1024

struct arc_loop;   /* opaque */
struct arc_worker; /* io/worker.h */

struct arc_loop_stats {
    int64_t turns;
    int64_t busy_us;     /* time spent in turns                             */
    int64_t longest_us;  /* longest turn                                    */
    int32_t sessions;
};

/** Network side of a session and its socket, all of one moment. */
struct arc_loop_snapshot {
    struct arc_session_stats   session;
    struct arc_send_net_stats  send[ARC_SESSION_MAX_STREAMS];
    struct arc_recv_net_stats  recv[ARC_SESSION_MAX_STREAMS];
    struct arc_udp_stats       udp;
};

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_IO */
enum arc_status arc_loop_new(struct arc_loop **out);
void            arc_loop_free(struct arc_loop *l);

/**
 * Let the loop drive a session.
 *
 * @param audio, video Who are woken when media came; NULL: nobody. They must
 *                     not be freed before the session is detached
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_LIMIT or ARC_ERR_IO
 */
enum arc_status arc_loop_attach(struct arc_loop *l, struct arc_session *s,
                                struct arc_udp *udp,
                                struct arc_worker *audio,
                                struct arc_worker *video);

/** Take it back. After the return the loop touches it no more. */
enum arc_status arc_loop_detach(struct arc_loop *l, struct arc_session *s);

/** Send a BYE at once; nothing leaves afterwards. */
enum arc_status arc_loop_bye(struct arc_loop *l, struct arc_session *s);

/** arc_session_rekey() between two turns, at the time it is called. */
enum arc_status
arc_loop_rekey(struct arc_loop *l, struct arc_session *s,
               const struct arc_srtp_key_config *send,
               const struct arc_srtp_key_config *receive, int64_t overlap_us);

/** An eventfd that becomes readable when a session has a new event. */
int32_t         arc_loop_fd(const struct arc_loop *l);

/** Forget that it was readable; before reading events. */
void            arc_loop_clear(struct arc_loop *l);

/** Have it look for something to send at once. */
void            arc_loop_wake(struct arc_loop *l);

enum arc_status arc_loop_snapshot(struct arc_loop *l, struct arc_session *s,
                                  struct arc_loop_snapshot *out);
void            arc_loop_get_stats(struct arc_loop *l,
                                   struct arc_loop_stats *out);
/* ARC_CDEF_END */

#endif
