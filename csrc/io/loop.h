/**
 * @file io/loop.h  A native thread that owns the network side of sessions
 *
 * One thread, one epoll, thousands of sessions, each with a socket of its own,
 * and one pool of packets for them all. No Python runs on it, and it takes no
 * lock. Those who want something of it send a command (io/mailbox.h), which it
 * runs between two sockets; what it has to tell goes into a ring of the hub
 * (io/hub.h). A session that waits costs nothing: deadlines are in a heap, and
 * who has made packets for a session names it.
 *
 * Owner:   arc_loop_new() starts the thread, arc_loop_stop() ends it,
 *          arc_loop_free() does both and frees. Attached sessions and sockets
 *          stay the caller's and must be detached first; the hub must outlive
 *          the loop.
 * Threads: arc_loop_stop() and arc_loop_free() are the owner's; every other
 *          function may be called from any thread, at any time; those that change or look at a session wait for the
 *          thread. After arc_loop_stop(), and in a child of fork(), they return
 *          ARC_ERR_ENDED.
 * Errors:  those that are commands may also return ARC_ERR_BUSY: too many callers
 *          at once; nothing was done.
 */
#ifndef ARC_IO_LOOP_H
#define ARC_IO_LOOP_H

#include "base/status.h"
#include "io/hub.h"
#include "io/udp.h"
#include "router/router.h"
#include "session/session.h"

/* ARC_CDEF_BEGIN */
#define ARC_LOOP_MAX_SESSIONS 16384
#define ARC_LOOP_ROWS_A_TURN  1024
#define ARC_LOOP_SOCKETS_A_TURN 256

struct arc_loop;   /* opaque */
struct arc_worker; /* io/worker.h */

struct arc_loop_config {
    struct arc_hub *hub;  /* events go there                                     */
    int32_t source;       /* .. by this ring of it, which is no other thread's   */
    int32_t pool_pkts;    /* packets for all sessions, 2 kB each when they are
                             used; 64..1048576                                   */
    int32_t core;         /* CPU that the thread is bound to; -1: any            */
};

struct arc_loop_stats {
    int64_t turns;
    int64_t busy_us;        /* time spent in turns                             */
    int64_t longest_us;     /* longest turn                                    */
    int64_t turn_us;        /* what the present turn has lasted; 0: it waits   */
    int64_t visits;         /* sessions that were looked at for what is due    */
    int64_t commands;       /* that were run                                   */
    int64_t cpu_ns;         /* CPU time of the thread                          */
    int64_t stalls;         /* turns that lasted too long (io/watch.h)         */
    int64_t kicks_full;     /* all sessions were looked at, for want of names  */
    double  load;           /* share of the last second that was spent in turns,
                               0..1                                            */
    int32_t sessions;
    int32_t pool_used_pkts;
};

/** Network side of a session and its socket, all of one moment. */
struct arc_loop_snapshot {
    struct arc_session_stats   session;
    struct arc_send_net_stats  send[ARC_SESSION_MAX_STREAMS];
    struct arc_recv_net_stats  recv[ARC_SESSION_MAX_STREAMS];
    struct arc_udp_stats       udp;
};

/** Why packets were lost, or left out: sums over sessions, routers and sockets. */
struct arc_loop_drops {
    struct arc_session_drops session;
    struct arc_router_drops  router;
    struct arc_router_unsent unsent;
    struct arc_udp_drops     socket;
};

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_IO */
enum arc_status arc_loop_new(const struct arc_loop_config *cfg,
                             struct arc_loop **out);
void            arc_loop_stop(struct arc_loop *l);
void            arc_loop_free(struct arc_loop *l);

/**
 * Let the loop drive a session.
 *
 * @param id           Its name in all that follows, and of its events; above 0,
 *                     and of nothing else on this loop
 * @param audio, video Who are woken when media came; NULL: nobody. They must
 *                     not be freed before the session is detached
 *
 * @return ARC_OK, ARC_ERR_ARG (also: `id` is here already), ARC_ERR_LIMIT,
 *         ARC_ERR_NOMEM or ARC_ERR_IO
 */
enum arc_status arc_loop_attach(struct arc_loop *l, int32_t id,
                                struct arc_session *s, struct arc_udp *udp,
                                struct arc_worker *audio,
                                struct arc_worker *video);

/** Take it back. After the return the loop touches it no more.
 *  @return ARC_OK or ARC_ERR_ARG (it is not here) */
enum arc_status arc_loop_detach(struct arc_loop *l, int32_t id);

/**
 * Let another loop drive it. What arrives in between waits in its socket.
 *
 * @return as arc_loop_detach() and arc_loop_attach(); after a fault it is where it
 *         was
 */
enum arc_status arc_loop_move(struct arc_loop *from, struct arc_loop *to,
                              int32_t id);

/** Send a BYE at once; nothing leaves afterwards. */
enum arc_status arc_loop_bye(struct arc_loop *l, int32_t id);

/** arc_session_rekey() between two packets. */
enum arc_status
arc_loop_rekey(struct arc_loop *l, int32_t id,
               const struct arc_srtp_key_config *send,
               const struct arc_srtp_key_config *receive, int64_t overlap_us);

enum arc_status arc_loop_snapshot(struct arc_loop *l, int32_t id,
                                  struct arc_loop_snapshot *out);

/**
 * Rows of the streams of all sessions and routers that the thread drives. It is
 * asked for ARC_LOOP_ROWS_A_TURN of them at a time, so that packets do not wait
 * for thousands: the rows of a session, or of a leg of a router, are of one
 * moment. What is attached meanwhile may be missing.
 *
 * @return how many there are; the first `cap` of them are written. Or a negative
 *         enum arc_status
 */
int32_t         arc_loop_read_streams(struct arc_loop *l,
                                      struct arc_stream_row *rows, int32_t cap);

/** Add those of all that the thread drives to a sum; as arc_loop_read_streams(),
 *  with ARC_LOOP_SOCKETS_A_TURN sockets at a time. */
enum arc_status arc_loop_add_drops(struct arc_loop *l,
                                   struct arc_loop_drops *sum);

/** Add those of a session that no loop drives any more, and of its socket. */
void            arc_loop_add_session_drops(struct arc_session *s,
                                           const struct arc_udp *udp,
                                           struct arc_loop_drops *sum);

/** Never waits for the thread: each number is a recent one, by itself. */
void            arc_loop_get_stats(struct arc_loop *l,
                                   struct arc_loop_stats *out);

/** There is something to send for this session, if it is here. Never waits. */
void    arc_loop_kick(struct arc_loop *l, int32_t id);
/* ARC_CDEF_END */

/** When its present turn began; 0: it waits. For who watches that it moves. */
int64_t arc_loop_turn_since_us(struct arc_loop *l);
void    arc_loop_count_stall(struct arc_loop *l);

#endif
