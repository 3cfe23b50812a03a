/**
 * @file io/relay_commands.c  What others ask of a relay: commands to its loop
 */
#include <sched.h>
#include <string.h>

#include "base/handles.h"
#include "base/mem.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/loopstate.h"
#include "io/relaystate.h"

/** What a command takes and gives; each uses its part. */
struct args {
    struct arc_relay *relay;
    int32_t id, n;
    int32_t *out_id;
    int64_t number;
    bool flag;
    const void *in, *in2;
    void *out;
    struct arc_udp *udp;
};

typedef enum arc_status (*command_fn)(void *, void *, int64_t);

static enum arc_status call(struct arc_relay *relay, command_fn run,
                            struct args *a)
{
    a->relay = relay;
    return arc_mailbox_call(relay->loop->mail, run, a);
}

/** What a command has done may be due at once. */
static void look(struct arc_relay *relay, int64_t now_us)
{
    const struct arc_loop_slot *slot = arc_loop_slot_of(relay->loop, relay->id);

    if (slot)
        arc_deadline_set(relay->loop->due, slot->place, now_us);
}

/** What is made or ended in one turn, so that packets do not wait for thousands. */
enum {
    LEGS_A_TURN   = 8,
    ROUTES_A_TURN = 128,
};

static int32_t share_of(int32_t n, int32_t most)
{
    return n < most ? n : most;
}

/* --- legs --------------------------------------------------------------------------- */

/** Places for sockets up to that of a leg. */
static bool make_room(struct arc_relay *relay, int32_t place)
{
    int32_t room = relay->room ? relay->room : 16, *ids;
    struct arc_udp **sockets;

    if (place < relay->room)
        return true;
    while (room <= place)
        room *= 2;
    sockets = arc_mem_zalloc((size_t)room, sizeof(*sockets));
    ids     = arc_mem_zalloc((size_t)room, sizeof(*ids));
    if (!sockets || !ids) {
        arc_mem_free(sockets);
        arc_mem_free(ids);
        return false;
    }
    if (relay->room) {
        memcpy(sockets, relay->sockets, (size_t)relay->room * sizeof(*sockets));
        memcpy(ids, relay->leg_ids, (size_t)relay->room * sizeof(*ids));
    }
    arc_mem_free(relay->sockets);
    arc_mem_free(relay->leg_ids);
    relay->sockets = sockets;
    relay->leg_ids = ids;
    relay->room    = room;
    return true;
}

static enum arc_status seat(struct arc_relay *relay, int32_t leg,
                            struct arc_udp *udp)
{
    const struct arc_loop_slot *slot = arc_loop_slot_of(relay->loop, relay->id);
    const int32_t place = arc_handles_place(leg);

    if (place >= 1 << ARC_LOOP_SOCKET_BITS)
        return ARC_ERR_LIMIT;
    if (!make_room(relay, place))
        return ARC_ERR_NOMEM;
    if (!arc_loop_watch(relay->loop, arc_udp_fd(udp),
                        (uint64_t)slot->place << ARC_LOOP_SOCKET_BITS |
                            (uint64_t)place))
        return ARC_ERR_IO;
    relay->sockets[place] = udp;
    relay->leg_ids[place] = leg;
    return ARC_OK;
}

static enum arc_status add_leg(struct arc_relay *relay,
                               const struct arc_leg_config *cfg,
                               struct arc_udp *udp, int64_t now_us,
                               int32_t *leg)
{
    enum arc_status status = arc_router_add_leg(relay->router, cfg, now_us, leg);

    if (status)
        return status;
    status = seat(relay, *leg, udp);
    if (status)
        arc_router_remove_leg(relay->router, *leg);
    return status;
}

static enum arc_status remove_leg(struct arc_relay *relay, int32_t leg)
{
    const int32_t place = arc_handles_place(leg);

    arc_loop_unwatch(relay->loop, arc_udp_fd(relay->sockets[place]));
    arc_udp_add_drops(relay->sockets[place], &relay->gone);
    relay->sockets[place] = NULL;
    return arc_router_remove_leg(relay->router, leg);
}

static enum arc_status do_add_leg(void *owner, void *args, int64_t now_us)
{
    struct args *a = args;

    look(a->relay, now_us);
    return add_leg(a->relay, a->in, a->udp, now_us, a->out_id);
}

static enum arc_status do_add_legs(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;
    struct arc_leg_request *requests = a->out;
    enum arc_status status = ARC_OK;
    int32_t made = 0;

    look(a->relay, now_us);
    for (; !status && made < a->n; made += status == ARC_OK)
        status = add_leg(a->relay, requests[made].config, requests[made].udp,
                         now_us, &requests[made].leg);
    while (status && made > 0)
        remove_leg(a->relay, requests[--made].leg);
    return status;
}

/** Legs that others of the same request could not follow. */
static enum arc_status do_take_legs_back(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;
    const struct arc_leg_request *requests = a->in;

    for (int32_t i = 0; i < a->n; i++)
        remove_leg(a->relay, requests[i].leg);
    return ARC_OK;
}

static enum arc_status do_remove_leg(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;
    enum arc_status status = arc_router_bye(a->relay->router, a->id, now_us);

    if (status)
        return status;
    arc_relay_flush(a->relay, now_us);
    return remove_leg(a->relay, a->id);
}

static enum arc_status do_set_pace(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;

    look(a->relay, now_us);
    return arc_router_set_pace(a->relay->router, a->id, a->number);
}

static enum arc_status do_rekey(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;

    look(a->relay, now_us);
    return arc_router_rekey(a->relay->router, a->id, a->in, a->in2, a->number,
                            now_us);
}

/* --- tracks and routes --------------------------------------------------------------- */

static enum arc_status do_add_track(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;

    look(a->relay, now_us);
    return arc_router_add_track(a->relay->router, a->id, a->in, now_us,
                                a->out_id);
}

static enum arc_status do_remove_track(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;

    return arc_router_remove_track(a->relay->router, a->id);
}

static enum arc_status do_add_routes(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;

    look(a->relay, now_us);
    return arc_router_add_routes(a->relay->router, a->out, a->n, now_us);
}

static enum arc_status do_remove_routes(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;

    return arc_router_remove_routes(a->relay->router, a->in, a->n);
}

/** Routes that others of the same request could not follow. */
static enum arc_status do_take_back(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;
    const struct arc_route_request *requests = a->in;

    for (int32_t i = 0; i < a->n; i++)
        arc_router_remove_route(a->relay->router, requests[i].route);
    return ARC_OK;
}

static enum arc_status do_pause(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;

    look(a->relay, now_us);
    return arc_router_pause(a->relay->router, a->id, a->flag, now_us);
}

static enum arc_status do_set_layers(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;
    const int32_t *wanted = a->in;

    look(a->relay, now_us);
    return arc_router_set_layers(a->relay->router, a->id, wanted[0], wanted[1],
                                 wanted[2], now_us);
}

static enum arc_status do_set_group(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;

    return arc_router_set_group(a->relay->router, a->id, a->n);
}

/* --- figures ------------------------------------------------------------------------- */

static enum arc_status do_read_stats(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;

    arc_router_get_stats(a->relay->router, a->out);
    return ARC_OK;
}

static enum arc_status do_take_delays(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;

    memcpy(a->out, &a->relay->delays, sizeof(a->relay->delays));
    arc_histogram_init(&a->relay->delays);
    return ARC_OK;
}

static enum arc_status do_add_drops(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;
    struct arc_loop_drops *sum = a->out;

    arc_relay_add_own_drops(a->relay, sum);
    for (int32_t i = 0; i < a->relay->room; i++)
        if (a->relay->sockets[i])
            arc_udp_add_drops(a->relay->sockets[i], &sum->socket);
    return ARC_OK;
}

static enum arc_status do_read_leg(void *owner, void *args, int64_t now_us)
{
    const struct args *a = args;
    struct arc_relay_leg *out = a->out;
    enum arc_status status = arc_router_read_leg(a->relay->router, a->id,
                                                 &out->leg);

    if (!status)
        arc_udp_get_stats(a->relay->sockets[arc_handles_place(a->id)],
                          &out->udp);
    return status;
}

static enum arc_status do_read_streams(void *owner, void *args, int64_t now_us)
{
    struct args *a = args;

    a->n = arc_router_read_streams(a->relay->router, a->relay->id, a->out, a->n,
                                   now_us);
    return ARC_OK;
}

static enum arc_status do_read_legs(void *owner, void *args, int64_t now_us)
{
    struct args *a = args;

    a->n = arc_router_read_legs(a->relay->router, a->out, a->n);
    return ARC_OK;
}

/* --- those who ask, on any thread ------------------------------------------------------ */

enum arc_status arc_relay_new(struct arc_loop *l, int32_t id,
                              const struct arc_router_config *cfg,
                              struct arc_relay **out)
{
    struct arc_loop_slot *slot;
    struct arc_relay *relay;
    enum arc_status status;

    if (!l || id < 1 || !out)
        return ARC_ERR_ARG;
    relay = arc_mem_zalloc(1, sizeof(*relay));
    slot  = arc_mem_zalloc(1, sizeof(*slot));
    status = relay && slot ? arc_router_new(cfg, arc_clock_us(), &relay->router)
                           : ARC_ERR_NOMEM;
    if (!status) {
        relay->loop = l;
        arc_histogram_init(&relay->delays);
        relay->id   = id;
        slot->id    = id;
        slot->relay = relay;
        status = arc_loop_attach_slot(l, slot);
    }
    if (status) {
        if (relay)
            arc_router_free(relay->router);
        arc_mem_free(relay);
        arc_mem_free(slot);
        return status;
    }
    *out = relay;
    return ARC_OK;
}

void arc_relay_free(struct arc_relay *relay)
{
    if (!relay)
        return;
    arc_loop_detach(relay->loop, relay->id);
    arc_router_free(relay->router);
    arc_mem_free(relay->sockets);
    arc_mem_free(relay->leg_ids);
    arc_mem_free(relay);
}

const int64_t *arc_relay_taken(const struct arc_relay *relay)
{
    return &relay->taken;
}

enum arc_status arc_relay_move(struct arc_relay *relay, struct arc_loop *to)
{
    return relay->loop == to ? ARC_OK : arc_loop_move(relay->loop, to, relay->id);
}

enum arc_status arc_relay_add_leg(struct arc_relay *relay,
                                  const struct arc_leg_config *cfg,
                                  struct arc_udp *udp, int32_t *leg)
{
    struct args a = {.in = cfg, .udp = udp, .out_id = leg};

    return udp ? call(relay, do_add_leg, &a) : ARC_ERR_ARG;
}

enum arc_status arc_relay_remove_leg(struct arc_relay *relay, int32_t leg)
{
    struct args a = {.id = leg};

    return call(relay, do_remove_leg, &a);
}

enum arc_status arc_relay_add_track(struct arc_relay *relay, int32_t leg,
                                    const struct arc_track_config *cfg,
                                    int32_t *track)
{
    struct args a = {.id = leg, .in = cfg, .out_id = track};

    return call(relay, do_add_track, &a);
}

enum arc_status arc_relay_remove_track(struct arc_relay *relay, int32_t track)
{
    struct args a = {.id = track};

    return call(relay, do_remove_track, &a);
}

static void take_legs_back(struct arc_relay *relay,
                           const struct arc_leg_request *requests, int32_t n)
{
    enum arc_status status;

    for (int32_t done = 0; done < n; done += LEGS_A_TURN) {
        struct args a = {.in = requests + done,
                         .n = share_of(n - done, LEGS_A_TURN)};

        do
            status = call(relay, do_take_legs_back, &a);
        while (status == ARC_ERR_BUSY && sched_yield() == 0);
    }
}

enum arc_status arc_relay_add_legs(struct arc_relay *relay,
                                   struct arc_leg_request *requests, int32_t n)
{
    enum arc_status status = ARC_OK;
    int32_t made = 0;

    for (int32_t i = 0; i < n; i++)
        if (!requests[i].config || !requests[i].udp)
            return ARC_ERR_ARG;
    while (!status && made < n) {
        struct args a = {.out = requests + made,
                         .n = share_of(n - made, LEGS_A_TURN)};

        status = call(relay, do_add_legs, &a);
        made += status ? 0 : a.n;
    }
    if (status)
        take_legs_back(relay, requests, made);
    return status;
}

static void take_back(struct arc_relay *relay,
                      const struct arc_route_request *requests, int32_t n)
{
    enum arc_status status;

    for (int32_t done = 0; done < n; done += ROUTES_A_TURN) {
        struct args a = {.in = requests + done,
                         .n = share_of(n - done, ROUTES_A_TURN)};

        do
            status = call(relay, do_take_back, &a);
        while (status == ARC_ERR_BUSY && sched_yield() == 0);
    }
}

enum arc_status arc_relay_add_routes(struct arc_relay *relay,
                                     struct arc_route_request *requests,
                                     int32_t n)
{
    enum arc_status status;
    int32_t made = 0;

    do {
        struct args a = {.out = requests + made,
                         .n = share_of(n - made, ROUTES_A_TURN)};

        status = call(relay, do_add_routes, &a);
        made += status ? 0 : a.n;
    } while (!status && made < n);
    if (status)
        take_back(relay, requests, made);
    return status;
}

enum arc_status arc_relay_remove_routes(struct arc_relay *relay,
                                        const int32_t *routes, int32_t n)
{
    enum arc_status status;
    int32_t done = 0;

    do {
        struct args a = {.in = routes + done,
                         .n = share_of(n - done, ROUTES_A_TURN)};

        status = call(relay, do_remove_routes, &a);
        done += a.n;
    } while (!status && done < n);
    return status;
}

enum arc_status arc_relay_pause(struct arc_relay *relay, int32_t route,
                                bool paused)
{
    struct args a = {.id = route, .flag = paused};

    return call(relay, do_pause, &a);
}

enum arc_status arc_relay_set_layers(struct arc_relay *relay, int32_t route,
                                     int32_t source, int32_t spatial,
                                     int32_t temporal)
{
    const int32_t wanted[] = {source, spatial, temporal};
    struct args a = {.id = route, .in = wanted};

    return call(relay, do_set_layers, &a);
}

enum arc_status arc_relay_set_group(struct arc_relay *relay, int32_t group,
                                    int32_t heard)
{
    struct args a = {.id = group, .n = heard};

    return call(relay, do_set_group, &a);
}

enum arc_status arc_relay_set_pace(struct arc_relay *relay, int32_t leg,
                                   int64_t pace_bps)
{
    struct args a = {.id = leg, .number = pace_bps};

    return call(relay, do_set_pace, &a);
}

enum arc_status arc_relay_rekey(struct arc_relay *relay, int32_t leg,
                                const struct arc_srtp_key_config *send,
                                const struct arc_srtp_key_config *receive,
                                int64_t overlap_us)
{
    struct args a = {.id = leg, .in = send, .in2 = receive,
                     .number = overlap_us};

    return call(relay, do_rekey, &a);
}

enum arc_status arc_relay_read_stats(struct arc_relay *relay,
                                     struct arc_router_stats *out)
{
    struct args a = {.out = out};

    return call(relay, do_read_stats, &a);
}

enum arc_status arc_relay_take_delays(struct arc_relay *relay,
                                      struct arc_histogram *out)
{
    struct args a = {.out = out};

    return out ? call(relay, do_take_delays, &a) : ARC_ERR_ARG;
}

enum arc_status arc_relay_add_drops(struct arc_relay *relay,
                                    struct arc_loop_drops *sum)
{
    struct args a = {.out = sum};

    return sum ? call(relay, do_add_drops, &a) : ARC_ERR_ARG;
}

enum arc_status arc_relay_read_leg(struct arc_relay *relay, int32_t leg,
                                   struct arc_relay_leg *out)
{
    struct args a = {.id = leg, .out = out};

    return call(relay, do_read_leg, &a);
}

int32_t arc_relay_read_streams(struct arc_relay *relay,
                               struct arc_stream_row *rows, int32_t cap)
{
    struct args a = {.out = rows, .n = cap};
    enum arc_status status = call(relay, do_read_streams, &a);

    return status ? (int32_t)status : a.n;
}

int32_t arc_relay_read_legs(struct arc_relay *relay, struct arc_leg_row *rows,
                            int32_t cap)
{
    struct args a = {.out = rows, .n = cap};
    enum arc_status status = call(relay, do_read_legs, &a);

    return status ? (int32_t)status : a.n;
}
