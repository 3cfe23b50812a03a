/**
 * @file io/traffic_parts.h  What the traffic thread and its parts know of each other
 *
 * Private to io/traffic*.
 *
 * Owner:   the thread, of its parts.
 * Threads: with the turn lock held, but for _new.
 */
#ifndef ARC_IO_TRAFFIC_PARTS_H
#define ARC_IO_TRAFFIC_PARTS_H

#include "io/benchsock.h"
#include "io/thread.h"
#include "io/traffic.h"

/** @param turn Lock of the thread that the part will belong to */
enum arc_status
arc_traffic_source_new(const struct arc_traffic_source_config *cfg,
                       struct arc_turn *turn, struct arc_traffic_source **out);
void arc_traffic_source_free(struct arc_traffic_source *s);

/** Send what may be sent now. @return whether anything was */
bool arc_traffic_source_turn(struct arc_traffic_source *s, int64_t now_ns);

enum arc_status
arc_traffic_sink_new(const struct arc_traffic_sink_config *cfg,
                     struct arc_turn *turn, struct arc_traffic_sink **out);
void arc_traffic_sink_free(struct arc_traffic_sink *s);

/** Receive what is there. @param rx, trains Working memory: for sinks with GRO,
 *  and for those without @return whether anything was there */
bool arc_traffic_sink_turn(struct arc_traffic_sink *s,
                           struct arc_benchsock_rx *with_gro,
                           struct arc_benchsock_rx *without,
                           struct arc_train        *trains);

#endif
