/**
 * @file io/loop_tables.c  Figures of all that a loop drives, some in each turn
 */
#include "base/units.h"
#include "io/loopstate.h"
#include "io/relaystate.h"

/* --- streams -------------------------------------------------------------------------- */

/** Where the reading is. Slots and legs keep their places for life. */
struct rows_args {
    struct arc_stream_row *rows;
    int32_t cap;
    int32_t n;           /* rows so far, written or not            */
    int32_t place, leg;  /* of the slot, and in its router: next   */
    bool    ended;
};

static struct arc_stream_row *room(const struct rows_args *a)
{
    return a->n < a->cap ? a->rows + a->n : NULL;
}

static int32_t room_rows(const struct rows_args *a)
{
    return (int32_t)arc_max_i64(a->cap - a->n, 0);
}

/** Legs of a router until `stop` rows are there. @return whether it was the end */
static bool read_relay(const struct arc_relay *relay, struct rows_args *a,
                       int32_t stop, int64_t now_us)
{
    const int32_t places = arc_router_leg_places(relay->router);

    while (a->leg < places && a->n < stop) {
        a->n += arc_router_read_leg_streams(relay->router, a->leg, relay->id,
                                            room(a), room_rows(a), now_us);
        a->leg++;
    }
    return a->leg >= places;
}

/** @return whether it was the end of this slot */
static bool read_slot(const struct arc_loop_slot *slot, struct rows_args *a,
                      int32_t stop, int64_t now_us)
{
    if (slot && slot->relay)
        return read_relay(slot->relay, a, stop, now_us);
    if (slot)
        a->n += arc_session_read_streams(slot->session, slot->id, room(a),
                                         room_rows(a), now_us);
    return true;
}

static enum arc_status do_read_streams(void *owner, void *args, int64_t now_us)
{
    const struct arc_loop *l = owner;
    struct rows_args *a = args;
    const int32_t stop = a->n + ARC_LOOP_ROWS_A_TURN;

    while (a->place < l->n_slots && a->n < stop) {
        if (!read_slot(l->slots[a->place], a, stop, now_us))
            break;
        a->place++;
        a->leg = 0;
    }
    a->ended = a->place >= l->n_slots;
    return ARC_OK;
}

int32_t arc_loop_read_streams(struct arc_loop *l, struct arc_stream_row *rows,
                              int32_t cap)
{
    struct rows_args a = {.rows = rows, .cap = cap};
    enum arc_status status = !rows && cap > 0 ? ARC_ERR_ARG : ARC_OK;

    while (!status && !a.ended)
        status = arc_mailbox_call(l->mail, do_read_streams, &a);
    return status ? (int32_t)status : a.n;
}

/* --- what was lost -------------------------------------------------------------------- */

struct drops_args {
    struct arc_loop_drops *sum;
    int32_t place, leg;  /* of the slot, and in its router: next */
    bool    ended;
};

/** All of the structs that are summed up consist of such counters. */
static void add(void *sum, const void *more, size_t bytes)
{
    int64_t *to = sum;
    const int64_t *from = more;

    for (size_t i = 0; i < bytes / sizeof(*to); i++)
        to[i] += from[i];
}

void arc_relay_add_own_drops(const struct arc_relay *relay,
                             struct arc_loop_drops *sum)
{
    struct arc_router_stats stats;

    arc_router_get_stats(relay->router, &stats);
    add(&sum->router, &stats.drops, sizeof(stats.drops));
    add(&sum->unsent, &stats.unsent, sizeof(stats.unsent));
    add(&sum->socket, &relay->gone, sizeof(relay->gone));
}

void arc_loop_add_session_drops(struct arc_session *s, const struct arc_udp *udp,
                                struct arc_loop_drops *sum)
{
    struct arc_session_stats stats;

    arc_session_get_stats(s, &stats);
    add(&sum->session, &stats.drops, sizeof(stats.drops));
    arc_udp_add_drops(udp, &sum->socket);
}

/** @return sockets that were looked at */
static int32_t add_slot(const struct arc_loop_slot *slot, struct drops_args *a,
                        int32_t most)
{
    const struct arc_relay *relay = slot->relay;
    int32_t n = 0;

    if (!relay) {
        arc_loop_add_session_drops(slot->session, slot->udp, a->sum);
        return 1;
    }
    if (a->leg == 0)
        arc_relay_add_own_drops(relay, a->sum);
    for (; a->leg < relay->room && n < most; a->leg++) {
        if (relay->sockets[a->leg]) {
            arc_udp_add_drops(relay->sockets[a->leg], &a->sum->socket);
            n++;
        }
    }
    return n;
}

static enum arc_status do_add_drops(void *owner, void *args, int64_t now_us)
{
    const struct arc_loop *l = owner;
    struct drops_args *a = args;
    int32_t left = ARC_LOOP_SOCKETS_A_TURN;

    while (a->place < l->n_slots && left > 0) {
        const struct arc_loop_slot *slot = l->slots[a->place];

        if (slot)
            left -= add_slot(slot, a, left);
        if (slot && slot->relay && a->leg < slot->relay->room)
            break; /* the rest of its legs in the next turn */
        a->place++;
        a->leg = 0;
    }
    a->ended = a->place >= l->n_slots;
    return ARC_OK;
}

enum arc_status arc_loop_add_drops(struct arc_loop *l, struct arc_loop_drops *sum)
{
    struct drops_args a = {.sum = sum};
    enum arc_status status = sum ? ARC_OK : ARC_ERR_ARG;

    while (!status && !a.ended)
        status = arc_mailbox_call(l->mail, do_add_drops, &a);
    return status;
}
