/**
 * @file rx/voice.h  One received voice: packets in at any time, sound out
 *
 * The joining of the play-out buffer (rx/jitter), redundant blocks (rx/copies),
 * the decoder (audio/adec), concealment (audio/conceal) and time stretching
 * (audio/stretch). Two profiles:
 *
 * - Conversation: 10 ms blocks on the hole-free clock of a playing device, with
 *   the lowest delay that keeps concealment rare. As soon as the next packet is
 *   seen to be missing shortly before it is needed, what is buffered is played
 *   slower, and what the delay has grown by is played faster later (Liang,
 *   Färber, Girod: "Adaptive Playout Scheduling and Loss Concealment for Voice
 *   Communication over IP Networks", IEEE Trans. Multimedia 5(4), 2003).
 * - Recognition, for machines that listen: nothing is stretched and nothing made
 *   up. Every sample of media time comes out once and in order, as soon as it is
 *   there and min_latency_ms is over; a packet that is missing holds all back
 *   until it is hopeless, then its time is a gap: zeros, marked, of true length.
 *
 * What is missing is taken from, in this order: a redundant block, in-band FEC of
 * the next packet, before that its deep redundancy (DRED) where libopus has it,
 * interpolation when that packet is here, extrapolation.
 *
 * Owner:   arc_voice_new() allocates all memory; nothing later does. Holds a
 *          reference to each packet in its buffers. What is needed during a pull
 *          alone is in scratch memory, which may be lent (base/scratch.h).
 * Threads: one caller at a time.
 * Time:    `now_us` and `arrival_us` are one monotonic clock; media time is in
 *          ticks of the RTP clock, unwrapped.
 * Samples: int16, interleaved, counted per channel.
 * Bounds:  `capacity_pkts` packets and as many copies; the oldest is dropped.
 *          A time line that jumps is followed at once when the jump is over 10 s
 *          or forward, and within 0.5 s otherwise.
 */
#ifndef ARC_RX_VOICE_H
#define ARC_RX_VOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/scratch.h"
#include "base/status.h"
#include "rx/rxpkt.h"

/* ARC_CDEF_BEGIN */
#define ARC_VOICE_BLOCK_MS    10
#define ARC_VOICE_MAX_SAMPLES 960 /* a block at 48 kHz, both channels          */

enum arc_voice_profile {
    ARC_VOICE_CONVERSATION = 0,
    ARC_VOICE_RECOGNITION,
};

/** Where samples come from. */
enum arc_voice_kind {
    ARC_VOICE_DECODED = 0, /* its packet, first-hand or resent                 */
    ARC_VOICE_FEC,         /* in-band FEC of the next packet, or DRED of a later */
    ARC_VOICE_COPY,        /* a redundant block                                */
    ARC_VOICE_CONCEALED,   /* made up; by recognition: zeros, a marked gap     */
    ARC_VOICE_SILENT,      /* the sender sent nothing on purpose               */
    ARC_VOICE_INSERTED,    /* true sound made longer                           */
    ARC_VOICE_KINDS,
};

struct arc_voice_config {
    int32_t codec;              /* enum arc_audio_codec                        */
    int32_t sample_rate_hz;     /* of the blocks                               */
    int32_t channels;           /* 1 or 2                                      */
    int32_t min_latency_ms;     /* hard bounds of the play-out delay over the  */
    int32_t max_latency_ms;     /* shortest transit; 0..10000, not below min   */
    int32_t initial_latency_ms; /* min..max                                    */
    bool    adaptive;           /* false: the target stays at initial          */
    int32_t profile;            /* enum arc_voice_profile                      */
    double  late_share;         /* packets that may come later than the target,
                                   of those that are late by themselves; 0:
                                   the profile's default; below 0.2            */
    int32_t cn_payload_type;    /* of comfort noise (RFC 3389); -1: none       */
    int32_t capacity_pkts;      /* 2..4096; 0: 512                             */
    struct arc_scratch *scratch;/* lent: arc_voice_pull() works in it, other calls
                                   leave it alone; NULL: it has its own        */
};

struct arc_voice_block {
    int32_t kind;           /* enum arc_voice_kind of most of its samples      */
    bool    gap;            /* recognition: zeros in place of lost             */
    int32_t n_samples;      /* per channel; 10 ms, less only before a gap ends */
    int32_t channels;
    int32_t sample_rate_hz;
    int32_t samples_of[6];  /* by enum arc_voice_kind; their sum is n_samples  */
    int64_t ts;             /* media time of the first sample                  */
    int64_t playout_us;     /* when the first sample is to be heard            */
    int64_t arrival_us;     /* of the packet that brought it; -1: none         */
    int32_t bytes;          /* payload first used in this block                */
    int32_t pkts;
    int32_t level_dbov;     /* -dBov, 0..127 (audio/level.h)                   */
    int32_t told_level;     /* by the header of the packet that the first such
                               samples came in (RFC 6464), -dBov; -1: by none  */
    bool    voice;          /* .. and that there is voice in it                */
    int16_t samples[960];   /* ARC_VOICE_MAX_SAMPLES                           */
};

/**
 * The ledger. Every sample that came out is of one kind:
 *   out = decoded + fec + copy + concealed + silent + inserted + undecided
 * and every sample that was decoded from packets went one way:
 *   taken = decoded + copy + fec + removed + late + waiting
 * All at the decoder's rate, per channel.
 */
struct arc_voice_stats {
    int64_t out;
    int64_t decoded, fec, copy, concealed, silent, inserted;
    int64_t undecided;     /* made up while nothing comes: lost, or a pause?   */
    int64_t taken;
    int64_t removed;       /* play-out was quicker, or over max_latency_ms      */
    int64_t late;          /* came after its time was made up                  */
    int64_t waiting;       /* decoded, not yet heard                           */
    int64_t lost;          /* media time that passed without its packet        */
    int64_t silence_cut;   /* media time of pauses that was left out           */
    int64_t concealed_runs;/* how often made-up sound began                    */
    int64_t pkts, late_pkts, duplicate_pkts, overflow_pkts, empty_pkts;
    int64_t copies_used, fec_used, codec_errors;
    int64_t dred_used;     /* blocks of deep redundancy; their samples are in fec */
    int64_t healed;        /* losses after which the decoder was led through what
                              was made up ..                                    */
    int64_t rewound;       /* .. or set back, as what was missing came late     */
    int64_t restarts;      /* time lines that began anew                       */
    int64_t delay_samples; /* heard samples that a packet brought ..           */
    double  delay_us_sum;  /* .. and the sum of their waits, arrival to play-out */
    double  jitter_ms;     /* RFC 3550 A.8                                     */
    double  playout_ms;    /* play-out delay now, over the shortest transit    */
    int32_t target_ms;     /* what it should be                                */
    int32_t depth_ms;      /* media waiting in packets and samples             */
    int32_t rate_hz;       /* of the counts above: the decoder's               */
};

struct arc_voice; /* opaque */

/** Make scratch memory that suffices for every voice. @return as arc_scratch_new() */
enum arc_status arc_voice_new_scratch(struct arc_scratch **out);

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM, ARC_ERR_LIBRARY, ARC_ERR_SPACE
 *          (what is lent is too small), or ARC_ERR_UNSUPPORTED (codec not in this
 *          build; for recognition also: its rate does not go into the one asked for) */
enum arc_status arc_voice_new(const struct arc_voice_config *cfg,
                              struct arc_voice **out);
void            arc_voice_free(struct arc_voice *v);

/** Rate of the RTP time stamps. */
int32_t         arc_voice_clock_hz(const struct arc_voice *v);

/**
 * A packet came: first-hand, resent or repaired.
 *
 * @return ARC_OK (kept), ARC_ERR_REPLAY (duplicate), ARC_ERR_OLD (late) or
 *         ARC_ERR_ARG; all are counted
 */
enum arc_status arc_voice_push(struct arc_voice *v, const struct arc_rxpkt *p,
                               int64_t now_us);

/** A redundant block came; `ts` and payload are the block's. Returns as
 *  arc_copies_push(). */
enum arc_status arc_voice_push_copy(struct arc_voice *v,
                                    const struct arc_rxpkt *p, int64_t now_us);

/**
 * Hand out the next block if its play-out time has come.
 *
 * @return ARC_OK, or ARC_AGAIN (not due; see arc_voice_next_us())
 */
enum arc_status arc_voice_pull(struct arc_voice *v, int64_t now_us,
                               struct arc_voice_block *out);

/** When pull will give something, unless a packet comes before; ARC_NEVER_US:
 *  only when one comes. */
int64_t         arc_voice_next_us(const struct arc_voice *v);

/** When media time `ts` is to be played at the present target, hold included;
 *  ARC_NEVER_US before the first packet. */
int64_t         arc_voice_playout_us(const struct arc_voice *v, int64_t ts);

/** The same as play-out runs now: what is behind its target is heard later. */
int64_t         arc_voice_heard_us(const struct arc_voice *v, int64_t ts);

/** The play-out delay aimed at, without what is held back for lip-sync. */
int32_t         arc_voice_target_ms(const struct arc_voice *v);

/** Play so much later than the target, as far as max_latency_ms lets: lip-sync
 *  with a slower picture. 0.. */
void            arc_voice_set_hold_us(struct arc_voice *v, int64_t hold_us);

/** External measurements; see arc_delay_adapt(). */
void            arc_voice_adapt(struct arc_voice *v, double loss_rate,
                                double jitter_ms, double rtt_ms);

void            arc_voice_stats(const struct arc_voice *v,
                                struct arc_voice_stats *out);
/* ARC_CDEF_END */

#endif
