/**
 * @file srtp/streams.h  Bounded table of the sources that one key protects
 *
 * Open addressing over a fixed list. A sending table never lets go of a stream:
 * its index would start again and repeat an IV (RFC 3711 §9.1). A receiving
 * table lets go of the stream that was silent longest; what that costs is
 * stated in srtp.h.
 *
 * Owner:   arc_srtp_streams_init() allocates all memory; nothing later does.
 * Threads: one caller at a time.
 */
#ifndef ARC_SRTP_STREAMS_H
#define ARC_SRTP_STREAMS_H

#include <stdint.h>

#include "base/status.h"
#include "srtp/index.h"
#include "srtp/replay.h"

#define ARC_SRTP_STREAMS_MAX 4096

struct arc_srtp_stream {
    uint32_t          ssrc;
    uint32_t          rtcp_next; /* sending: SRTCP index of the next packet */
    int32_t           key_id;    /* receiving: opened the last packet       */
    uint64_t          last_used; /* value of the table's use counter        */
    struct arc_index  index;     /* RTP                                     */
    struct arc_replay rtp_seen;  /* receiving only                          */
    struct arc_replay rtcp_seen; /* receiving only                          */
};

struct arc_srtp_streams {
    struct arc_srtp_stream *list;  /* `max` of them, the first n in use     */
    uint16_t               *slots; /* hash: 1 + place in list; 0: free      */
    struct arc_replay_word *words; /* of all windows; NULL: sending         */
    size_t                  words_each; /* of one window                    */
    uint32_t                slot_bits;
    int32_t                 n;
    int32_t                 max;
    int32_t                 window_pkts;
    uint64_t                uses; /* counts touches: order of last use      */
};

/**
 * @param max         Streams; 1..ARC_SRTP_STREAMS_MAX
 * @param window_pkts Replay windows, as arc_replay_init(); 0: sending table
 *
 * @return ARC_OK or ARC_ERR_NOMEM (arc_srtp_streams_free() is then still due)
 */
enum arc_status arc_srtp_streams_init(struct arc_srtp_streams *t, int32_t max,
                                      int32_t window_pkts);
void arc_srtp_streams_free(struct arc_srtp_streams *t);

/** The stream, or NULL. Changes nothing. */
struct arc_srtp_stream *
arc_srtp_streams_find(const struct arc_srtp_streams *t, uint32_t ssrc);

/** Add a stream that is not there; NULL: the table is full. */
struct arc_srtp_stream *arc_srtp_streams_add(struct arc_srtp_streams *t,
                                             uint32_t ssrc);

/** Forget the stream that was used longest ago. The table must not be empty. */
void arc_srtp_streams_evict(struct arc_srtp_streams *t);

/** Forget a stream of the table. */
void arc_srtp_streams_remove(struct arc_srtp_streams *t,
                             struct arc_srtp_stream *stream);

/** Make a stream the most recently used. */
static inline void arc_srtp_streams_touch(struct arc_srtp_streams *t,
                                          struct arc_srtp_stream *stream)
{
    stream->last_used = ++t->uses;
}

#endif
