/**
 * @file io/bareloop_parts.h  What the bare loop is made of
 *
 * Private to io/bareloop*.
 *
 * Owner:   as bareloop.h.
 * Threads: the loop's, once it runs.
 */
#ifndef ARC_IO_BARELOOP_PARTS_H
#define ARC_IO_BARELOOP_PARTS_H

#include "io/bareloop.h"
#include "io/benchsock.h"
#include "io/thread.h"
#include "srtp/cipher.h"
#include "srtp/index.h"
#include "srtp/replay.h"

enum {
    ARC_BARELOOP_HEADER_BYTES = 12, /* RTP, without CSRCs and extension        */
    ARC_BARELOOP_TAG_BYTES    = 16,
    ARC_BARELOOP_IV_BYTES     = 12,
    ARC_BARELOOP_WINDOW_PKTS  = 2048,
    ARC_BARELOOP_WINDOW_WORDS = 64, /* arc_replay_words() of that              */
};

/** Key and IV of one SSRC: IV = salt ^ (0, 0, SSRC, index) (RFC 7714 §8.1). */
struct arc_bareloop_sealer {
    struct arc_cipher *cipher;
    uint8_t            head[4]; /* of the IV: the same for every packet  */
    uint64_t           rest;    /* of the IV, to be combined with the index */
};

struct arc_bareloop_out {
    struct arc_bareloop_sealer sealer;
    uint8_t                    ssrc[4];
    uint32_t                   ts_offset;
    uint32_t                   number_offset;
    int                        fd;
    struct arc_bareloop_out   *next; /* of the same stream */
};

struct arc_bareloop_in {
    struct arc_bareloop_sealer opener;
    struct arc_index           index;
    struct arc_replay          replay;
    struct arc_replay_word     words[ARC_BARELOOP_WINDOW_WORDS];
    struct arc_bareloop_out   *first, *last;
};

struct arc_bareloop {
    struct arc_bareloop_config cfg;
    int                        fd;
    int32_t                    packet_bytes; /* with header and tag */
    struct arc_benchsock_rx   *rx;
    uint8_t                   *train;
    struct arc_bareloop_in    *streams;
    struct arc_bareloop_out   *subscribers;
    int32_t                    n_subscribers;
    bool                       gso;
    struct arc_bareloop_stats  stats; /* the thread's; published by atomics */
    int64_t                    taken; /* atomic */
    pthread_t                  thread;
    bool                       running;
    int32_t                    stop; /* atomic flag */
};

/** The thread. @param arg struct arc_bareloop */
void *arc_bareloop_run(void *arg);

#endif
