/**
 * @file rx/fecdec_parts.h  What waits in a FEC decoder; private to rx/fecdec*
 *
 * fecdec.c: which packets are here and which parity can be used. fecdec_xor.c: the
 * bytes of a lost packet.
 *
 * Owner:   rx/fecdec.
 * Threads: one caller at a time.
 */
#ifndef ARC_RX_FECDEC_PARTS_H
#define ARC_RX_FECDEC_PARTS_H

#include "rx/fecdec.h"
#include "rx/restart.h"
#include "wire/fecbits.h"

struct arc_fecdec_slot {
    struct arc_pkt *pkt;     /* NULL: missing, or its exact bytes are           */
    int64_t         seq;     /* the slot is that of this packet ..              */
    bool            used;    /* .. if it is used at all                         */
    bool            known;   /* came, but not with its exact bytes              */
    uint64_t        covered; /* bit i: by repair i                              */
};

struct arc_fecdec_repair {
    struct arc_pkt    *pkt;
    struct arc_fecbits bits;
    struct arc_fecset  set;
    int64_t            first;      /* unwrapped first_seq16 of the set          */
    int32_t            payload_off, payload_len; /* in pkt                      */
    int32_t            parity_off, parity_len;   /* in the payload              */
    int32_t            n_missing;
};

struct arc_fecdec {
    struct arc_fecdec_config cfg;
    struct arc_fecdec_stats  stats;
    struct arc_fecdec_slot  *slots;
    struct arc_fecdec_repair repairs[ARC_FECDEC_MAX_REPAIRS];
    uint64_t                 held;    /* bit i: repairs[i] is in use            */
    uint64_t                 ready;   /* of these: one packet is missing        */
    int64_t                  highest; /* packet seen                            */
    uint32_t                 ssrc;    /* of the stream: recovered packets get it */
    bool                     started;
    struct arc_restart       restart;
};

static inline struct arc_fecdec_slot *arc_fecdec_slot_of(const struct arc_fecdec *d, int64_t seq)
{
    return &d->slots[seq & (d->cfg.window_pkts - 1)];
}

/** The slot if it is this packet's, else NULL. */
static inline struct arc_fecdec_slot *arc_fecdec_find(const struct arc_fecdec *d, int64_t seq)
{
    struct arc_fecdec_slot *s = arc_fecdec_slot_of(d, seq);

    return s->used && s->seq == seq ? s : NULL;
}

/** Put a lost packet together from a repair, of which all others are here.
 *  @return NULL, or the counter of why it cannot be */
int64_t *arc_fecdec_recover(struct arc_fecdec *d, const struct arc_fecdec_repair *r,
                            int64_t lost, struct arc_pkt *out);

#endif
