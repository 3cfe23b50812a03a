/**
 * @file io/relay.h  A router on a loop: each of its legs with a socket
 *
 * The loop's thread reads the sockets, hands what comes to the router, and sends
 * its trains. What is received in one turn leaves together: packets for one
 * subscriber that came by many sockets are one train.
 *
 * Owner:   arc_relay_new() allocates; arc_relay_free() takes it off its loop. The
 *          sockets stay the caller's, and must outlive their legs.
 * Threads: one caller at a time for a relay, any thread but the loop's. All calls
 *          but the first and the last are commands: they wait for the loop.
 * Errors:  as those of router/router.h; and ARC_ERR_BUSY (too many callers at
 *          once; nothing was done), ARC_ERR_ENDED (the loop has stopped).
 */
#ifndef ARC_IO_RELAY_H
#define ARC_IO_RELAY_H

#include "base/histogram.h"
#include "io/loop.h"
#include "router/router.h"

/* ARC_CDEF_BEGIN */
struct arc_relay; /* opaque */

/** Figures of a leg and of its socket, of one moment. */
struct arc_relay_leg {
    struct arc_leg_row   leg;
    struct arc_udp_stats udp;
};

/**
 * @param id Its name on the loop and in events; above 0, and of nothing else there
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_LIMIT, ARC_ERR_NOMEM or ARC_ERR_IO
 */
enum arc_status arc_relay_new(struct arc_loop *l, int32_t id,
                              const struct arc_router_config *cfg,
                              struct arc_relay **out);
void            arc_relay_free(struct arc_relay *relay);

/** Let another loop drive it; what arrives in between waits in its sockets.
 *  @return after a fault it is where it was */
enum arc_status arc_relay_move(struct arc_relay *relay, struct arc_loop *to);

enum arc_status arc_relay_add_leg(struct arc_relay *relay,
                                  const struct arc_leg_config *cfg,
                                  struct arc_udp *udp, int32_t *leg);

/** One of many legs that are made at once. */
struct arc_leg_request {
    const struct arc_leg_config *config; /* lent for the call */
    struct arc_udp *udp;
    int32_t leg;                         /* out: its id       */
};

/** Make all of these legs, some of them in each turn, or none. */
enum arc_status arc_relay_add_legs(struct arc_relay *relay,
                                   struct arc_leg_request *requests, int32_t n);

/** Say BYE to the peer of a leg, and end it. After the return its socket is not
 *  used any more. */
enum arc_status arc_relay_remove_leg(struct arc_relay *relay, int32_t leg);
enum arc_status arc_relay_add_track(struct arc_relay *relay, int32_t leg,
                                    const struct arc_track_config *cfg,
                                    int32_t *track);
enum arc_status arc_relay_remove_track(struct arc_relay *relay, int32_t track);

/** As arc_router_add_routes(), some of them in each turn: all or none. */
enum arc_status arc_relay_add_routes(struct arc_relay *relay,
                                     struct arc_route_request *requests,
                                     int32_t n);

/** Likewise. After ARC_ERR_BUSY some of them may have ended. */
enum arc_status arc_relay_remove_routes(struct arc_relay *relay,
                                        const int32_t *routes, int32_t n);
enum arc_status arc_relay_pause(struct arc_relay *relay, int32_t route,
                                bool paused);
enum arc_status arc_relay_set_layers(struct arc_relay *relay, int32_t route,
                                     int32_t source, int32_t spatial,
                                     int32_t temporal);
enum arc_status arc_relay_set_group(struct arc_relay *relay, int32_t group,
                                    int32_t heard);
enum arc_status arc_relay_set_pace(struct arc_relay *relay, int32_t leg,
                                   int64_t pace_bps);
enum arc_status arc_relay_rekey(struct arc_relay *relay, int32_t leg,
                                const struct arc_srtp_key_config *send,
                                const struct arc_srtp_key_config *receive,
                                int64_t overlap_us);
enum arc_status arc_relay_read_stats(struct arc_relay *relay,
                                     struct arc_router_stats *out);
enum arc_status arc_relay_read_leg(struct arc_relay *relay, int32_t leg,
                                   struct arc_relay_leg *out);

/** Add to a sum why packets were lost or left out here, legs that have gone
 *  included. All legs in one turn: for a router that is about to end. */
enum arc_status arc_relay_add_drops(struct arc_relay *relay,
                                    struct arc_loop_drops *sum);

/** Datagrams read so far: changes while it is looked at, by atomic stores; there as
 *  long as the relay is. */
const int64_t  *arc_relay_taken(const struct arc_relay *relay);

/**
 * How long packets were here since the last call, microseconds: from when the
 * kernel had one to when the system call that sent it was over. Of one in seven
 * trains, the packet that waited longest.
 */
enum arc_status arc_relay_take_delays(struct arc_relay *relay,
                                      struct arc_histogram *out);

/** @return how many rows there are, or a negative enum arc_status */
int32_t         arc_relay_read_streams(struct arc_relay *relay,
                                       struct arc_stream_row *rows, int32_t cap);
int32_t         arc_relay_read_legs(struct arc_relay *relay,
                                    struct arc_leg_row *rows, int32_t cap);
/* ARC_CDEF_END */

/* For io/loop.c, on its thread. */

/** Read a socket. @param place That of the leg it belongs to */
void    arc_relay_read(struct arc_relay *relay, int32_t place, int64_t now_us);

/** Send what is due. @return when to come again */
int64_t arc_relay_serve(struct arc_relay *relay, int64_t now_us);

#endif
