/**
 * @file io/loop_tables.c  Figures of all streams of a loop, some in each turn
 */
#include "base/units.h"
#include "io/loopstate.h"
#include "io/relaystate.h"

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
