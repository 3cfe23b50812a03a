/**
 * @file io/loop_commands.c  What others ask of a loop's thread, and how
 */
#include <sched.h>
#include <sys/epoll.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/units.h"
#include "io/loopstate.h"
#include "io/relaystate.h"

/* --- sessions: commands, on the thread --------------------------------------------------- */

struct arc_loop_slot *arc_loop_slot_of(const struct arc_loop *l, int32_t id)
{
    int32_t place = arc_idmap_get(l->places, (uint32_t)id);

    return place >= 0 ? l->slots[place] : NULL;
}

static void unwatch(struct arc_loop *l, const struct arc_udp *udp)
{
    arc_loop_unwatch(l, arc_udp_fd(udp));
    if (arc_udp_rtcp_fd(udp) >= 0)
        arc_loop_unwatch(l, arc_udp_rtcp_fd(udp));
}

static bool watch_both(struct arc_loop *l, const struct arc_udp *udp,
                       int32_t place)
{
    const uint64_t tag = (uint64_t)place << ARC_LOOP_SOCKET_BITS;

    if (!arc_loop_watch(l, arc_udp_fd(udp), tag))
        return false;
    if (arc_udp_rtcp_fd(udp) < 0 || arc_loop_watch(l, arc_udp_rtcp_fd(udp), tag | 1))
        return true;
    unwatch(l, udp);
    return false;
}

/** A free place; -1: there is none. */
static int32_t take_place(struct arc_loop *l)
{
    if (l->n_free > 0)
        return l->free_places[--l->n_free];
    return l->n_slots < ARC_LOOP_MAX_SESSIONS ? l->n_slots++ : -1;
}

static void give_place_back(struct arc_loop *l, int32_t place)
{
    l->slots[place] = NULL;
    l->free_places[l->n_free++] = place;
}

static enum arc_status put_at(struct arc_loop *l, struct arc_loop_slot *slot,
                              int32_t place)
{
    if (!arc_idmap_put(l->places, (uint32_t)slot->id, place))
        return ARC_ERR_ARG;
    if (slot->relay ? arc_relay_watch(slot->relay, l, place)
                    : watch_both(l, slot->udp, place))
        return ARC_OK;
    arc_idmap_remove(l->places, (uint32_t)slot->id);
    return ARC_ERR_IO;
}

static enum arc_status do_attach(void *owner, void *args, int64_t now_us)
{
    struct arc_loop *l = owner;
    struct arc_loop_slot *slot = args;
    int32_t place = take_place(l);
    enum arc_status status = place < 0 ? ARC_ERR_LIMIT : put_at(l, slot, place);

    if (status != ARC_OK) {
        if (place >= 0)
            give_place_back(l, place);
        return status;
    }
    slot->place = place;
    l->slots[place] = slot;
    if (slot->relay)
        slot->relay->loop = l;
    if (slot->session)
        arc_session_lend_pool(slot->session, l->pool);
    arc_deadline_set(l->due, place, now_us);
    ARC_LOOP_PUBLISH(l->stats.sessions, l->stats.sessions + 1);
    return ARC_OK;
}

struct detach_args {
    int32_t      id;
    struct arc_loop_slot *slot; /* out */
};

static enum arc_status do_detach(void *owner, void *args, int64_t now_us)
{
    struct arc_loop *l = owner;
    struct detach_args *a = args;
    struct arc_loop_slot *slot = arc_loop_slot_of(l, a->id);

    if (!slot)
        return ARC_ERR_ARG;
    if (slot->relay) {
        arc_relay_unwatch(slot->relay, l);
    } else {
        unwatch(l, slot->udp);
        arc_loop_tell_events(l, slot);
        arc_session_lend_pool(slot->session, NULL);
    }
    arc_deadline_set(l->due, slot->place, ARC_NEVER_US);
    arc_idmap_remove(l->places, (uint32_t)a->id);
    give_place_back(l, slot->place);
    ARC_LOOP_PUBLISH(l->stats.sessions, l->stats.sessions - 1);
    a->slot = slot;
    return ARC_OK;
}

static enum arc_status do_bye(void *owner, void *args, int64_t now_us)
{
    struct arc_loop *l = owner;
    struct arc_loop_slot *slot = arc_loop_slot_of(l, *(const int32_t *)args);

    if (!slot)
        return ARC_ERR_ARG;
    arc_session_bye(slot->session);
    arc_loop_send_now(l, slot, now_us);
    arc_deadline_set(l->due, slot->place, now_us); /* it may have to wait its turn */
    return ARC_OK;
}

struct rekey_args {
    int32_t id;
    const struct arc_srtp_key_config *send, *receive;
    int64_t overlap_us;
};

static enum arc_status do_rekey(void *owner, void *args, int64_t now_us)
{
    struct arc_loop *l = owner;
    const struct rekey_args *a = args;
    struct arc_loop_slot *slot = arc_loop_slot_of(l, a->id);

    if (!slot)
        return ARC_ERR_ARG;
    arc_deadline_set(l->due, slot->place, now_us);
    return arc_session_rekey(slot->session, a->send, a->receive, a->overlap_us,
                             now_us);
}

struct snapshot_args {
    int32_t id;
    struct arc_loop_snapshot *out;
};

static enum arc_status do_snapshot(void *owner, void *args, int64_t now_us)
{
    const struct snapshot_args *a = args;
    const struct arc_loop_slot *slot = arc_loop_slot_of(owner, a->id);

    if (!slot)
        return ARC_ERR_ARG;
    arc_session_get_stats(slot->session, &a->out->session);
    for (int32_t k = 0; k < ARC_SESSION_MAX_STREAMS; k++) {
        arc_session_get_send_stats(slot->session, k, &a->out->send[k]);
        arc_session_get_recv_stats(slot->session, k, &a->out->recv[k]);
    }
    arc_udp_get_stats(slot->udp, &a->out->udp);
    return ARC_OK;
}

/* --- sessions: those who ask, on any thread ------------------------------------------------ */

enum arc_status arc_loop_attach(struct arc_loop *l, int32_t id,
                                struct arc_session *s, struct arc_udp *udp,
                                struct arc_worker *audio,
                                struct arc_worker *video)
{
    enum arc_status status;
    struct arc_loop_slot *slot;

    if (id < 1 || !s || !udp)
        return ARC_ERR_ARG;
    slot = arc_mem_zalloc(1, sizeof(*slot));
    if (!slot)
        return ARC_ERR_NOMEM;
    slot->id      = id;
    slot->session = s;
    slot->udp     = udp;
    slot->audio   = audio;
    slot->video   = video;
    slot->events  = arc_session_events(s);
    status = arc_loop_attach_slot(l, slot);
    if (status != ARC_OK)
        arc_mem_free(slot);
    return status;
}

enum arc_status arc_loop_attach_slot(struct arc_loop *l,
                                     struct arc_loop_slot *slot)
{
    return arc_mailbox_call(l->mail, do_attach, slot);
}

enum arc_status arc_loop_detach(struct arc_loop *l, int32_t id)
{
    struct detach_args a = {id, NULL};
    enum arc_status status = arc_mailbox_call(l->mail, do_detach, &a);

    arc_mem_free(a.slot);
    return status;
}

enum arc_status arc_loop_move(struct arc_loop *from, struct arc_loop *to,
                              int32_t id)
{
    struct detach_args a = {id, NULL};
    enum arc_status status = arc_mailbox_call(from->mail, do_detach, &a), back;

    if (status != ARC_OK)
        return status;
    status = arc_mailbox_call(to->mail, do_attach, a.slot);
    if (status == ARC_OK)
        return status;
    do {
        back = arc_mailbox_call(from->mail, do_attach, a.slot);
    } while (back == ARC_ERR_BUSY && sched_yield() == 0);
    if (back != ARC_OK)
        arc_mem_free(a.slot); /* both threads have ended */
    return status;
}

enum arc_status arc_loop_bye(struct arc_loop *l, int32_t id)
{
    return arc_mailbox_call(l->mail, do_bye, &id);
}

enum arc_status
arc_loop_rekey(struct arc_loop *l, int32_t id,
               const struct arc_srtp_key_config *send,
               const struct arc_srtp_key_config *receive, int64_t overlap_us)
{
    struct rekey_args a = {id, send, receive, overlap_us};

    return arc_mailbox_call(l->mail, do_rekey, &a);
}

enum arc_status arc_loop_snapshot(struct arc_loop *l, int32_t id,
                                  struct arc_loop_snapshot *out)
{
    struct snapshot_args a = {id, out};

    if (!out)
        return ARC_ERR_ARG;
    return arc_mailbox_call(l->mail, do_snapshot, &a);
}
