/**
 * @file router/loudest.h  The loudest of many talkers, by the levels they send
 *
 * In a room of hundreds, only the N loudest are forwarded. Each packet says how
 * loud it is and whether it is speech (RFC 6464 §3), so nothing is decoded. A
 * group has N places; who speaks takes a free one with its first packet. Where
 * all are taken, a newcomer must be louder than the softest of those who hold
 * one: by ARC_LOUDEST_SURE_DB after ARC_LOUDEST_SURE_US of speech, or by
 * ARC_LOUDEST_MARGIN_DB for ARC_LOUDEST_MARGIN_US. So two talkers of equal
 * level do not alternate. A place is kept for ARC_LOUDEST_HOLD_US after the
 * last packet with speech: pauses within a sentence cost nothing.
 *
 * The loudness of a talker is the mean over its packets with speech: of all in
 * this talk spurt at first, so that it is known within some packets, and then
 * of about the last ARC_LOUDEST_MEMORY_US, so that single syllables hardly move
 * it. A talker who was silent for the hold time starts anew. A packet without
 * speech (V is 0, or level 127) never takes a place.
 *
 * One of the talkers is dominant (for who draws a large picture): another
 * becomes so when it is louder by ARC_LOUDEST_MARGIN_DB for
 * ARC_LOUDEST_DOMINANT_US, or speaks when the former has been silent for that.
 *
 * A packet costs O(places), whatever the size of the group.
 *
 * Owner:   arc_loudest_new() allocates all memory; nothing later does.
 * Threads: one caller at a time.
 * Time:    `now_us` is monotonic; a step back counts as none.
 */
#ifndef ARC_ROUTER_LOUDEST_H
#define ARC_ROUTER_LOUDEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_LOUDEST_MAX_MEMBERS 1024
#define ARC_LOUDEST_MAX_PLACES  32

/* Ours, from the simulations in tests/unit/test_loudest.py: how soon a louder
 * talker is heard, against how often equal ones change places. */
#define ARC_LOUDEST_MEMORY_US   3000000
#define ARC_LOUDEST_STEP_US     120000 /* the most that one packet counts: the
                                        * longest Opus packet (RFC 7587 §4.1) */
#define ARC_LOUDEST_SURE_DB     9
#define ARC_LOUDEST_SURE_US     100000
#define ARC_LOUDEST_MARGIN_DB   4
#define ARC_LOUDEST_MARGIN_US   400000
#define ARC_LOUDEST_HOLD_US     2000000
#define ARC_LOUDEST_DOMINANT_US 600000

/** Bits of arc_loudest_take_events(). */
enum arc_loudest_event {
    ARC_LOUDEST_ACTIVE_CHANGED   = 1, /* who holds the places                 */
    ARC_LOUDEST_DOMINANT_CHANGED = 2,
};

struct arc_loudest; /* opaque */

struct arc_loudest_stats {
    int32_t n_members;
    int32_t n_active;    /* places taken                                      */
    int32_t dominant;    /* member; -1: nobody has spoken yet, or it has left */
    int64_t n_forwarded; /* packets                                           */
    int64_t n_dropped;   /* packets of members without a place                */
    int64_t n_taken;     /* places taken while free                           */
    int64_t n_swapped;   /* places taken from another                         */
    int64_t n_expired;   /* places left after the hold time                   */
    int64_t n_dominant_changes;
};

/**
 * @param n_members 1..ARC_LOUDEST_MAX_MEMBERS, at most
 * @param n_places  1..ARC_LOUDEST_MAX_PLACES: how many are forwarded
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM
 */
enum arc_status arc_loudest_new(int32_t n_members, int32_t n_places,
                                struct arc_loudest **out);
void            arc_loudest_free(struct arc_loudest *g);

/** @return A member, 0..1023, free before; ARC_ERR_LIMIT: the group is full */
int arc_loudest_add(struct arc_loudest *g);

/** Free a member, and its place. One that does not exist is ignored. */
void arc_loudest_remove(struct arc_loudest *g, int member);

/**
 * Decide on a packet.
 *
 * @param level  0 (loudest)..127 (silence), in -dBov (RFC 6464 §3)
 * @param voice  The V bit; true too where the sender does not say (vad=off)
 *
 * @return true: forward it
 */
bool arc_loudest_on_packet(struct arc_loudest *g, int member, uint8_t level,
                           bool voice, int64_t now_us);

/** Give up the places of those who do not even send any more. */
void arc_loudest_poll(struct arc_loudest *g, int64_t now_us);

/** When the next place runs out; ARC_NEVER_US: all are free. */
int64_t arc_loudest_next_us(const struct arc_loudest *g);

/**
 * Who holds a place, in no order.
 *
 * @return How many were written, at most `cap`
 */
int32_t arc_loudest_active(const struct arc_loudest *g, int32_t *members,
                           int32_t cap);

/** What has changed since the last call, enum arc_loudest_event. */
unsigned arc_loudest_take_events(struct arc_loudest *g);

void arc_loudest_stats(const struct arc_loudest *g,
                       struct arc_loudest_stats *out);
/* ARC_CDEF_END */

#endif
