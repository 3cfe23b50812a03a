/**
 * @file tx/redenc.h  Sends past frames of a sound again with later ones (RFC 2198)
 *
 * For Opus. Keeps the payloads of the last frames and puts copies of some of them into the
 * packets that follow, by a set of distances that may change at any time.
 * A copy is the payload as it was sent, so that a receiver decodes it with the
 * state of the one decoder and hears no difference.
 *
 * Which distances are good: 1 costs no delay beyond one frame and helps against
 * single losses; of a burst of n losses a distance d brings back those that are
 * followed by a packet d later, so a set that ends with d needs d frames of
 * play-out delay (docs/redundancy.md).
 *
 * With `speech_only` pauses get no copies: what a concealer makes of them is
 * hardly worse, and their bytes are better spent on the frames themselves.
 *
 * `max_total_bps` bounds frames and copies together: what the frames leave of it
 * gathers, for at most ARC_REDENC_RATE_US, and a copy leaves only if it is paid
 * for; one by a less important distance only if a fifth of that stays, for it must
 * not take the place of the more important to come. So from the first frame on the payloads never have more than that rate, and
 * in any stretch of W seconds never more than it allows for W seconds and that
 * time, unless the frames alone have more; their rate is the encoder's.
 *
 * When the sender falls silent (DTX), the copies that are still to come of what
 * was said leave with frames of one byte; then nothing does.
 *
 * Owner:   arc_redenc_new() allocates all memory; nothing later does.
 * Threads: one caller at a time.
 * Time:    RTP timestamps of 48 kHz (RFC 7587 §4.1), which grow; one call a frame,
 *          of silent ones too.
 * Bounds:  ARC_REDENC_MAX_DISTANCE payloads of at most ARC_RED_MAX_BLOCK_BYTES;
 *          a longer one gets no copy (counted).
 */
#ifndef ARC_TX_REDENC_H
#define ARC_TX_REDENC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_REDENC_MAX_COPIES       4    /* in one packet                     */
#define ARC_REDENC_MAX_DISTANCE     16   /* frames                            */
#define ARC_REDENC_MAX_OVERHEAD_PCT 400
#define ARC_REDENC_MAX_TOTAL_BPS    2000000 /* four times what Opus can have  */
#define ARC_REDENC_RATE_US          1000000 /* unused rate is kept so long    */

/** What is sent again. */
struct arc_redenc_set {
    int32_t n_copies;        /* 0..ARC_REDENC_MAX_COPIES; 0: none              */
    int32_t distances[4];    /* frames back, 1..ARC_REDENC_MAX_DISTANCE, each
                                once; the most important first                */
    int32_t max_overhead_pct;/* copies and their headers over the frames
                                themselves, mean of about a second; 1..400    */
    bool    speech_only;     /* no copy of a frame that its encoder marks as
                                not active (RFC 6716 §4.2.3), but of the first
                                after one that it does: how speech ends        */
    int32_t max_total_bps;   /* of the RTP payload, copies and all; 0: no bound */
};

struct arc_redenc_stats {
    int64_t frames;          /* built, silent ones left out                    */
    int64_t frame_bytes;
    int64_t copies;          /* sent                                          */
    int64_t copy_bytes;      /* with their headers                             */
    int64_t left_out_room;   /* copies: the datagram would be too long         */
    int64_t left_out_rate;   /* copies: above max_overhead_pct or max_total_bps */
    int64_t left_out_form;   /* copies: too long for RFC 2198, or too long ago */
    int64_t left_out_pause;  /* copies: nobody speaks in the frame             */
    int64_t afterwards;      /* frames of one byte that carried copies         */
};

struct arc_redenc; /* opaque */

/**
 * @param always Frames without a copy take the form of RFC 2198 too, so that all
 *               have one payload type (a resend names only one, RFC 4588 §8.6)
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM
 */
enum arc_status arc_redenc_new(const struct arc_redenc_set *set, bool always,
                               struct arc_redenc **out);
void            arc_redenc_free(struct arc_redenc *r);

/** Whether arc_redenc_new() and _change() accept it. */
bool            arc_redenc_set_ok(const struct arc_redenc_set *set);

/** From the next frame on, past frames included.
 *  @return ARC_OK or ARC_ERR_ARG (nothing changed) */
enum arc_status arc_redenc_change(struct arc_redenc *r,
                                  const struct arc_redenc_set *set);

/**
 * Build the payload of one frame, and keep the frame for later ones.
 *
 * @param payload_type Of the blocks, 0..127
 * @param frame        Payload as it would be sent without redundancy
 * @param len          Bytes of it; 0: the sender is silent
 * @param out          Room for `cap` bytes; copies are left out that do not fit
 * @param is_red       false: no copy was due, and `out` holds the frame as it is,
 *                     to be sent with its own payload type
 *
 * @return ARC_OK; ARC_AGAIN (silent, and nothing to send), ARC_ERR_SPACE (the
 *         frame alone is longer than `cap`; it is kept for later) or ARC_ERR_ARG;
 *         `len_out` is meaningful if ARC_OK only
 */
enum arc_status arc_redenc_build(struct arc_redenc *r, int32_t payload_type,
                                 uint32_t rtp_ts, const uint8_t *frame,
                                 int32_t len, uint8_t *out, int32_t cap,
                                 int32_t *len_out, bool *is_red);

void            arc_redenc_stats(const struct arc_redenc *r,
                                 struct arc_redenc_stats *out);
/* ARC_CDEF_END */

#endif
