/**
 * @file io/loopstate.h  What the files of a loop share: its state
 *
 * Private to io/loop.c and io/loop_commands.c, and to tests that must get at a
 * loop's thread.
 *
 * Owner:   arc_loop_new() makes it, arc_loop_free() ends it.
 * Threads: the loop's own, but for what is atomic, the mailbox and the kicks.
 */
#ifndef ARC_IO_LOOPSTATE_H
#define ARC_IO_LOOPSTATE_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/deadline.h"
#include "base/idmap.h"
#include "base/mpsc.h"
#include "io/loop.h"
#include "io/mailbox.h"

enum {
    ARC_LOOP_ROOM_BYTES  = 65536,
    ARC_LOOP_SOCKET_BITS = 16, /* an epoll tag: place of the slot, then which of
                                  its sockets */
};

/** What the loop drives. Made by those who attach, so that the thread does not
 *  allocate. */
struct arc_loop_slot {
    int32_t             id, place;
    struct arc_relay   *relay;   /* NULL: it is a session                 */
    struct arc_session *session;
    struct arc_udp     *udp;
    struct arc_worker  *audio, *video;
    uint32_t            events;    /* of the session, told of so far */
    int64_t             errors;    /* of the socket, likewise        */
    int64_t             errors_us; /* not looked at before           */
};

struct arc_loop {
    int                  epoll, wake, timer;
    pthread_t            thread;
    bool                 running;
    pid_t                process;
    int32_t              core;
    int32_t              stop;      /* atomic flag */
    struct arc_mailbox  *mail;
    struct arc_mpsc     *kicks;     /* int32_t: ids */
    int32_t              kicked;    /* atomic flag: the thread has been woken */
    int32_t              kick_all;  /* atomic flag: not all ids found room    */
    struct arc_hub      *hub;
    int32_t              source;
    bool                 told;      /* of something, this turn                */
    struct arc_pkt_pool *pool;
    struct arc_udp_rx   *rx;        /* what sockets are read into             */
    uint8_t             *room;      /* ARC_LOOP_ROOM_BYTES: a train           */
    struct arc_srtp_batch *work;    /* for the packets of a turn; NULL: no use */
    struct arc_deadline *due;       /* by place */
    int64_t              timer_us;  /* what it is set to */
    struct arc_idmap    *places;    /* by id */
    int32_t              n_slots;   /* places ever used */
    struct arc_loop_slot *slots[ARC_LOOP_MAX_SESSIONS];
    int32_t              n_free;    /* of those, free again */
    int32_t              free_places[ARC_LOOP_MAX_SESSIONS];

    /* written by the thread only, read by all: atomic, each by itself */
    int64_t              turn_us;   /* the present turn began; 0: none */
    int64_t              second_us, second_busy_us; /* LOAD_US now     */
    int64_t              load_ppm;  /* of the LOAD_US before           */
    struct arc_loop_stats stats;
};

#define ARC_LOOP_PUBLISH(number, value)                                        \
    arc_atomic_store_relaxed(&(number), (value))

/* What commands need of a turn. */
bool arc_loop_watch(struct arc_loop *l, int fd, uint64_t tag);
void arc_loop_unwatch(struct arc_loop *l, int fd);
void arc_loop_send_now(struct arc_loop *l, struct arc_loop_slot *slot,
                       int64_t now_us);
void arc_loop_tell_events(struct arc_loop *l, struct arc_loop_slot *slot);

/* What a relay needs of the commands; on any thread but the loop's. */
enum arc_status arc_loop_attach_slot(struct arc_loop *l,
                                     struct arc_loop_slot *slot);

/** On the loop's thread. NULL: it drives nothing of this name. */
struct arc_loop_slot *arc_loop_slot_of(const struct arc_loop *l, int32_t id);

#endif
