/**
 * @file io/worker.h  A native thread that owns the media side of streams
 *
 * Encodes what Python posts, decodes what the network side hands over, and
 * holds what has come due until Python fetches it. Both ways lie bounded
 * queues; when one is full its oldest entry goes and is counted: in live media
 * the newest is worth most. The samples in all queues share one pool, so a stream
 * whose queue is short takes no room; when that is used up, the newest entry is
 * dropped and counted.
 *
 * Owner:   arc_worker_new() starts the thread, arc_worker_stop() ends it,
 *          arc_worker_free() does both and frees; streams are added and removed in
 *          between.
 * Threads: arc_worker_stop() and arc_worker_free() are the owner's; every other
 *          function may be called from any thread, before and after the stop. What is posted for one stream is
 *          posted by one thread at a time, or its order is anyone's. The worker holds its
 *          turn lock while it encodes or decodes one frame; those who change
 *          or look at streams take it. Queues have a lock of their own that is
 *          only held to put or take one entry, so posting never waits for a
 *          codec.
 */
#ifndef ARC_IO_WORKER_H
#define ARC_IO_WORKER_H

#include "base/status.h"
#include "session/session.h"

/* ARC_CDEF_BEGIN */
#define ARC_WORKER_MAX_STREAMS 256 /* of each direction */

struct arc_loop;
struct arc_worker; /* opaque */

struct arc_worker_queue_stats {
    int64_t posted;   /* entries put in                            */
    int64_t dropped;  /* oldest entries that had to make room      */
    int64_t flushed;  /* taken out by arc_worker_flush()           */
    int32_t depth;    /* entries now                               */
};

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_IO */
enum arc_status arc_worker_new(struct arc_worker **out);
void            arc_worker_stop(struct arc_worker *w);
void            arc_worker_free(struct arc_worker *w);

/**
 * Memory to be lent to the sound streams that this worker is to receive
 * (arc_recv_config.scratch); made at the first call, gone with the worker.
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM
 */
enum arc_status arc_worker_scratch(struct arc_worker *w, struct arc_scratch **out);

/**
 * @param loop  Told when packets are ready; may be NULL
 * @param id    .. and for which session: its name there
 * @param depth Frames that may wait for the encoder; 1..256
 *
 * @return ARC_OK, ARC_ERR_ARG (also: it is here already), ARC_ERR_LIMIT or
 *         ARC_ERR_NOMEM
 */
enum arc_status arc_worker_add_send(struct arc_worker *w,
                                    struct arc_sendstream *st,
                                    struct arc_loop *loop, int32_t id,
                                    int32_t depth);
enum arc_status arc_worker_add_recv(struct arc_worker *w,
                                    struct arc_recvstream *st, int32_t depth);

/** Its session is another loop's from now on; before it is moved there.
 *  @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_worker_set_loop(struct arc_worker *w,
                                    struct arc_sendstream *st,
                                    struct arc_loop *loop);

/** Take a stream back, with all that waits for it. */
enum arc_status arc_worker_remove_send(struct arc_worker *w,
                                       struct arc_sendstream *st);
enum arc_status arc_worker_remove_recv(struct arc_worker *w,
                                       struct arc_recvstream *st);

/** Queue samples (copied; as arc_send_audio()). Never waits.
 *  @return ARC_OK (an older entry may have made room) or ARC_ERR_ARG */
enum arc_status arc_worker_post_audio(struct arc_worker *w,
                                      struct arc_sendstream *st,
                                      const int16_t *pcm, int32_t n_samples,
                                      int64_t capture_us);

/** Queue a picture; takes a reference of its own. */
enum arc_status arc_worker_post_video(struct arc_worker *w,
                                      struct arc_sendstream *st,
                                      struct arc_vframe *frame,
                                      int64_t capture_us);

/** Queue sound of any length, to be sent in its time. Waits for what the worker
 *  encodes now. @return as arc_send_play() */
enum arc_status arc_worker_play(struct arc_worker *w, struct arc_sendstream *st,
                                const int16_t *pcm, int32_t n_samples);

/** What became of it; with `flush` what waits is thrown away. Waits likewise.
 *  @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_worker_played(struct arc_worker *w, struct arc_sendstream *st,
                                  bool flush, struct arc_played *out);

/** Throw away what waits for the encoder. @return entries thrown away */
int32_t arc_worker_flush(struct arc_worker *w, struct arc_sendstream *st);

/** Next block or picture that has come due. @return ARC_OK or ARC_AGAIN */
enum arc_status arc_worker_fetch(struct arc_worker *w,
                                 struct arc_recvstream *st,
                                 struct arc_received *out);

/** An eventfd that becomes readable when there is something to fetch. */
int32_t arc_worker_fd(const struct arc_worker *w);

/** Forget that it was readable; before fetching. */
void arc_worker_clear(struct arc_worker *w);

enum arc_status arc_worker_send_stats(struct arc_worker *w,
                                      struct arc_sendstream *st,
                                      struct arc_send_media_stats *media,
                                      struct arc_worker_queue_stats *queue);
enum arc_status arc_worker_recv_stats(struct arc_worker *w,
                                      struct arc_recvstream *st,
                                      struct arc_recv_media_stats *media,
                                      struct arc_worker_queue_stats *queue);
/* ARC_CDEF_END */

/** There is media to fetch from the network side. Any thread. */
void arc_worker_wake(struct arc_worker *w);

#endif
