/**
 * @file io/relaystate.h  What the files of a relay share: its state
 *
 * Private to io/relay.c and io/relay_commands.c.
 *
 * Owner:   arc_relay_new() makes it, arc_relay_free() ends it.
 * Threads: `loop` is the caller's; the rest is the loop's thread's.
 */
#ifndef ARC_IO_RELAYSTATE_H
#define ARC_IO_RELAYSTATE_H

#include "base/histogram.h"
#include "io/relay.h"

struct arc_relay {
    struct arc_loop   *loop;
    int32_t            id;
    struct arc_router *router;
    struct arc_udp   **sockets;  /* by place of the leg; NULL: there is none */
    int32_t           *leg_ids;  /* likewise                                 */
    int32_t            room;     /* places                                   */
    int32_t            received; /* packets since the last train left        */
    int64_t            taken;    /* atomic: packets ever                     */
    struct arc_udp_drops gone;   /* of sockets whose legs have gone          */
    struct arc_histogram delays; /* from arrival to leaving, us              */
    uint32_t           trains;   /* that left                                */
};

/** Router and sockets that have gone; those that are there are not in it. */
void arc_relay_add_own_drops(const struct arc_relay *relay,
                             struct arc_loop_drops *sum);

/** Send all trains that are due. */
void arc_relay_flush(struct arc_relay *relay, int64_t now_us);

/** Watch, or no more, the sockets of all legs. @return false: the system refused,
 *  none is watched */
bool arc_relay_watch(struct arc_relay *relay, struct arc_loop *l, int32_t place);
void arc_relay_unwatch(struct arc_relay *relay, struct arc_loop *l);

#endif
