/**
 * @file rx/voice_parts.h  The struct of a received voice; private to rx/voice*
 *
 * voicemake.c: life. voice.c: packets in, times, numbers. voicepull.c: blocks out.
 * voicefill.c: what is heard next, and what stands in for what is missing.
 * voicepace.c: quicker or slower.
 *
 * Owner:   rx/voice.
 * Threads: one caller at a time.
 */
#ifndef ARC_RX_VOICE_PARTS_H
#define ARC_RX_VOICE_PARTS_H

#include "audio/adec.h"
#include "audio/conceal.h"
#include "audio/resample.h"
#include "audio/stretch.h"
#include "rx/copies.h"
#include "rx/jitter.h"
#include "rx/voice.h"
#include "rx/voicequeue.h"

enum {
    ARC_VOICE_GRAIN_US   = 2500,     /* codecs extrapolate multiples of it    */
    ARC_VOICE_BLOCK_US   = ARC_VOICE_BLOCK_MS * 1000,
    ARC_VOICE_JUMP_US    = 10000000, /* media time: another time line         */
    ARC_VOICE_COPIES     = 64,       /* redundant blocks that are kept        */
};

/** A loss that is not over: where the decoder is marked, and what was made since. */
struct arc_voiceloss {
    bool     marked;
    bool     healable;                 /* not too long to be led through    */
    int64_t  ts;                       /* media time of the mark            */
    int32_t  n;                        /* samples that were made: the last ones
                                          that v->conceal remembers         */
};

struct arc_voice {
    struct arc_voice_config cfg;
    struct arc_jitter      *jitter;
    struct arc_copies      *copies;
    struct arc_adec        *dec;
    struct arc_conceal     *conceal;   /* recognition: NULL, and so the next */
    struct arc_stretch     *stretch;
    struct arc_resampler   *resampler; /* NULL: the decoder has the rate asked for */
    struct arc_voicequeue   queue;
    int16_t                *queue_pcm;
    struct arc_scratch     *own_scratch; /* NULL: it is lent                */
    int16_t                *pcm;       /* scratch, good for one pull: a packet, decoded */
    int16_t                *guess;     /* likewise: the codec's extrapolation;
                                          recognition: NULL                 */

    int32_t  rate_hz;                  /* the decoder's                     */
    int32_t  clock_hz;
    int32_t  pcm_samples;              /* room in `pcm`                     */
    int32_t  block_samples;            /* 10 ms                             */
    int32_t  grain_samples;            /* 2.5 ms                            */
    int64_t  asked_hold_us;            /* lip-sync ..                       */
    int64_t  hold_us;                  /* .. and as much of it as fits       */

    bool     playing;
    int64_t  clock_us;                 /* when the next block is due        */
    int64_t  next_ts;                  /* media time behind the queue       */
    int64_t  unit_ts;                  /* where the missing packet at next_ts
                                          begins, as far as it is known     */
    int64_t  end_ts;                   /* where the last packet ended       */
    int64_t  last_seq;                 /* number of it                      */
    int64_t  pkt_ticks;                /* length of it                      */
    int64_t  starved_us;               /* made up since nothing is there    */
    int64_t  late_since_us;            /* only late packets since; NEVER    */
    int32_t  doubt;                    /* number of the open question       */
    bool     in_doubt;
    bool     uses_dtx;
    bool     in_noise;                 /* the sender said how its noise sounds */
    double   loss_share;               /* share of packets that never come  */
    int64_t  newest_ts;                /* of all packets that came          */
    int64_t  repair_ticks;             /* copies and FEC come so much later,
                                          in this window of packets ..      */
    int64_t  repair_before;            /* .. and in the one before          */
    int32_t  n_window;
    double   told_loss, told_jitter_ms, told_rtt_ms; /* arc_voice_adapt()   */
    int64_t  slow_us;                  /* not slower again before           */
    int64_t  quick_us;                 /* not quicker again before          */
    struct arc_voiceloss loss;
    struct arc_voice_stats stats;
};

/* --- voicefill.c --- */

/** Put at least a block into the queue, in a bounded number of steps.
 *  @return false: nothing came for so long that play-out stops */
bool arc_voice_fill(struct arc_voice *v);

/** A packet came after a time without: was that a loss, or a pause? */
void arc_voice_settle(struct arc_voice *v, const struct arc_rxpkt *p);

/** Go on with this packet as if it were the first. */
void arc_voice_begin_at(struct arc_voice *v, const struct arc_rxpkt *p);

/** Recognition: put into the queue what is there in order. */
void arc_voice_fill_listening(struct arc_voice *v, int64_t now_us);

/** When arc_voice_fill_listening() gives up what is missing; ARC_NEVER_US. */
int64_t arc_voice_give_up_us(const struct arc_voice *v);

/** How much later than its target the end of the queue will be heard. */
int64_t arc_voice_behind_us(const struct arc_voice *v);

/** So many more packets were found missing; below zero: came after all. */
void arc_voice_note_loss(struct arc_voice *v, int64_t n);

/** The target delay rests on these measurements, ours and those of others. */
void arc_voice_retarget(struct arc_voice *v);

/* --- voiceheal.c --- */

/** The codec is about to extrapolate: a loss begins here, unless it has begun. */
void arc_voice_mark(struct arc_voice *v);

/** The loss is over, or it was none. */
void arc_voice_unmark(struct arc_voice *v);

/** The concealment made `n` samples, which will be heard. */
void arc_voice_note_made(struct arc_voice *v, int32_t n);

/** Before audio of media time `ts` is decoded: if it is what was missing, the
 *  decoder goes back to the mark. */
void arc_voice_rewind(struct arc_voice *v, int64_t ts);

/**
 * After that: lead the decoder through what was made up.
 *
 * @param p      Packet that was decoded
 * @param ts     Media time of what came out of it, which is in v->pcm
 * @param n_next Samples of it
 * @param n_tail Of what was made, so much is at the tail of the queue
 *
 * @return Whether it is to be decoded again
 */
bool arc_voice_heal(struct arc_voice *v, const struct arc_rxpkt *p, int64_t ts,
                    int32_t n_next, int32_t n_tail);

/* --- voicepace.c --- */

/** Whether a missing packet that is so late by now is more likely to come within
 *  `within_us` than not. */
bool arc_voice_may_come(const struct arc_voice *v, int64_t late_us,
                        int64_t within_us, double chance);

/** How late the packet that is to be heard in `ahead_us` is by now, if it is
 *  missing: over the shortest transit. */
int64_t arc_voice_lateness_us(const struct arc_voice *v, int64_t ahead_us);

/** Stretch what waits, if the delay asks for it. */
void arc_voice_pace(struct arc_voice *v);

/** Leave out what would be heard later than max_latency_ms lets it, and fill the
 *  queue to a block again. @return false: nothing came to fill it with */
bool arc_voice_keep_bound(struct arc_voice *v);

/* --- units --- */

static inline int64_t arc_voice_ticks_of(const struct arc_voice *v, int64_t n)
{
    return n * v->clock_hz / v->rate_hz;
}

static inline int64_t arc_voice_samples_of(const struct arc_voice *v,
                                           int64_t ticks)
{
    return ticks * v->rate_hz / v->clock_hz;
}

static inline int64_t arc_voice_us_of(const struct arc_voice *v, int64_t n)
{
    return n * 1000000 / v->rate_hz;
}

#endif
