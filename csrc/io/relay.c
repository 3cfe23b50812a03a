/**
 * @file io/relay.c  A router on a loop: datagrams in, trains out
 */
#include "base/atomic.h"
#include "base/handles.h"
#include "base/histogram.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/loopstate.h"
#include "io/relaystate.h"

enum {
    SAMPLE_TRAINS = 7,  /* of so many one's delay is taken                     */
    READ_BATCHES = 4,   /* of one socket before the others have their turn     */
    FLUSH_PKTS   = 128, /* received before what they became must leave         */
};

static void learn(struct arc_relay *relay, struct arc_udp *udp,
                  const struct arc_datagram *datagrams, const bool *good,
                  int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (good[i])
            arc_udp_learn(udp, false, relay->loop->rx, &datagrams[i]);
}

void arc_relay_read(struct arc_relay *relay, int32_t place, int64_t now_us)
{
    struct arc_udp *udp = place < relay->room ? relay->sockets[place] : NULL;
    struct arc_datagram datagrams[ARC_ROUTER_BATCH_PKTS];
    bool good[ARC_ROUTER_BATCH_PKTS];
    struct arc_udp_rx *rx = relay->loop->rx;

    for (int b = 0; udp && (b < READ_BATCHES || arc_udp_rx_left(rx)); b++) {
        int32_t n = arc_udp_rx_read(rx, udp, false, now_us, datagrams,
                                    ARC_ROUTER_BATCH_PKTS);

        arc_router_receive(relay->router, relay->leg_ids[place], datagrams,
                           (size_t)n, relay->loop->work, good, now_us);
        learn(relay, udp, datagrams, good, n);
        relay->received += n;
        ARC_LOOP_PUBLISH(relay->taken, relay->taken + n);
        if (relay->received >= FLUSH_PKTS)
            arc_relay_flush(relay, now_us);
        if (!arc_udp_rx_more(rx))
            break;
    }
}

void arc_relay_flush(struct arc_relay *relay, int64_t now_us)
{
    struct arc_loop *l = relay->loop;
    struct arc_train train;
    int32_t leg;

    while (arc_router_transmit(relay->router, now_us, l->work, l->room,
                               ARC_LOOP_ROOM_BYTES, &leg, &train) == ARC_OK) {
        arc_udp_send_trains(relay->sockets[arc_handles_place(leg)], &train, 1);
        if (train.oldest_us > 0 && ++relay->trains % SAMPLE_TRAINS == 0)
            arc_histogram_add(&relay->delays, arc_clock_us() - train.oldest_us);
    }
    relay->received = 0;
}

static void tell(struct arc_relay *relay)
{
    struct arc_loop *l = relay->loop;
    struct arc_router_event e;

    while (arc_router_poll_event(relay->router, &e) == ARC_OK) {
        struct arc_hub_event told = {relay->id, ARC_HUB_ROUTER + e.type, e.id,
                                     l->source, e.now_us, e.value};

        arc_hub_put(l->hub, l->source, &told);
        l->told = true;
    }
}

int64_t arc_relay_serve(struct arc_relay *relay, int64_t now_us)
{
    if (arc_router_next_us(relay->router) <= now_us)
        arc_relay_flush(relay, now_us);
    tell(relay);
    return arc_router_next_us(relay->router);
}

bool arc_relay_watch(struct arc_relay *relay, struct arc_loop *l, int32_t place)
{
    const uint64_t tag = (uint64_t)place << ARC_LOOP_SOCKET_BITS;

    for (int32_t i = 0; i < relay->room; i++) {
        if (relay->sockets[i] &&
            !arc_loop_watch(l, arc_udp_fd(relay->sockets[i]),
                            tag | (uint64_t)i)) {
            arc_relay_unwatch(relay, l);
            return false;
        }
    }
    return true;
}

void arc_relay_unwatch(struct arc_relay *relay, struct arc_loop *l)
{
    for (int32_t i = 0; i < relay->room; i++)
        if (relay->sockets[i])
            arc_loop_unwatch(l, arc_udp_fd(relay->sockets[i]));
}
