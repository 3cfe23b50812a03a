/**
 * @file session/session.h  One peer: media in, datagrams out, and back again
 *
 * A session has two sides, and each side one owner at a time:
 *
 *   network side   arc_session_receive, _transmit, _next_us, _poll_event, _stats
 *   media side     arc_send_*, arc_recv_*: of each stream, its own owner
 *
 * Between the sides lie only bounded rings of counted packets and a few
 * published numbers, so that an encoder that needs ten milliseconds never
 * holds up a packet (docs/decisions/0001). One thread may own all of it: that
 * is what the simulator and a plain Python program do.
 *
 * The order of the stages is in these files, each one way through the house:
 * send_*.c, leave.c (media to datagrams), recv.c, pull*.c (datagrams to media),
 * feedback_*.c (RTCP, both ways).
 *
 * Owner:   arc_session_new() and arc_session_add_*() allocate; nothing on the
 *          data path does, libraries' own memory aside.
 * Threads: as above. arc_session_add_*(): the network side's owner. Events and
 *          sent frames: read by one thread, any.
 * Time:    `now_us` is monotonic and comes from the caller. NTP time for RTCP
 *          is derived from it by `ntp_at_zero`, so that a simulation repeats.
 */
#ifndef ARC_SESSION_SESSION_H
#define ARC_SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "audio/aenc.h"
#include "audio/playqueue.h"
#include "base/log.h"
#include "base/pkt.h"
#include "base/status.h"
#include "base/streamrow.h"
#include "rx/fecdec.h"
#include "srtp/batch.h"
#include "srtp/keys.h"
#include "srtp/srtp.h"
#include "tx/dtmf.h"
#include "tx/fecenc.h"
#include "tx/redenc.h"
#include "video/encoder.h"
#include "video/vframe.h"

/* ARC_CDEF_BEGIN */
#define ARC_SESSION_BATCH_PKTS   64   /* taken or given at once                */
#define ARC_SESSION_RECENT_EVENTS 32
#define ARC_SESSION_MAX_STREAMS  8    /* of each direction                     */
#define ARC_SESSION_CNAME_BYTES  64
#define ARC_SESSION_MAX_TONES    64   /* telephone events that wait             */
#define ARC_SESSION_MAX_SAMPLES  11520 /* a block: 120 ms, 48 kHz, two channels */

struct arc_session;    /* opaque */
struct arc_sendstream; /* opaque; lives as long as its session */
struct arc_recvstream; /* opaque; lives as long as its session */

struct arc_session_config {
    bool    srtp;                        /* false: plain RTP and RTCP            */
    struct arc_srtp_config srtp_send;    /* keys of what leaves                  */
    struct arc_srtp_config srtp_receive; /* keys of what arrives                 */
    char    cname[ARC_SESSION_CNAME_BYTES]; /* RFC 7022; not empty               */
    uint64_t seed;                       /* of everything random but keys        */
    uint64_t ntp_at_zero;                /* NTP time, 32.32, when now_us was 0   */
    int32_t pool_pkts;                   /* packets of each side; 64..65536      */
    bool    lent_pool;                   /* the network side's are a share of the
                                            pool of arc_session_lend_pool(), so
                                            many at a time and no memory of its
                                            own; likewise arc_send_lend_pool().
                                            false: it has its own pools          */
    int32_t mtu_bytes;                   /* largest datagram; 300..1500          */
    int32_t pace_percent;                /* pacing rate over the target; 100..1000 */
    bool    nack;                        /* ask for lost packets, and resend     */
    bool    nack_audio;                  /* for audio as well; costs a round trip
                                            of play-out delay                    */
    bool    reduced_size;                /* RFC 5506 feedback packets            */
    int32_t repair_percent;              /* of a stream's target rate that resends
                                            may take, what FEC takes included;
                                            1..100; 0: 30                        */
    int32_t reports;                     /* extended reports with our RTCP: bits
                                            of enum arc_session_report           */
    int32_t max_sources;                 /* others that are known at a time; 8..
                                            4096; 0: 256                         */
    int64_t silence_us;                  /* without an authentic datagram: the
                                            peer is silent; 0: never told        */
};

enum arc_session_report {
    ARC_REPORT_LOSSES      = 1, /* which packets did not come (RFC 3611 §4.1)     */
    ARC_REPORT_POST_REPAIR = 2, /* losses that repair has left (RFC 7509)         */
    ARC_REPORT_VOIP        = 4, /* bursts and delays of audio (RFC 3611 §4.7)     */
    ARC_REPORT_SUMMARY     = 8, /* lost and duplicate packets (RFC 3611 §4.6)     */
    ARC_REPORT_ALL         = 15,
};

enum arc_media_kind { ARC_MEDIA_AUDIO = 0, ARC_MEDIA_VIDEO = 1 };

/** Parity packets for a sent stream. */
struct arc_send_fec_config {
    int32_t  format;           /* enum arc_fec_format; ARC_FEC_NONE: no parity     */
    int32_t  payload_type;     /* of the parity packets                            */
    uint32_t ssrc;             /* of the parity packets; 0, ULPFEC only: they go in
                                  the stream itself and take numbers of it, as
                                  GStreamer does it                                */
    bool     masks;            /* as in struct arc_fecenc_config                   */
    int32_t  max_block_pkts;   /* likewise                                         */
    struct arc_fecenc_policy policy; /* at the start                               */
};

struct arc_send_config {
    int32_t  kind;             /* enum arc_media_kind                            */
    uint32_t ssrc;
    uint32_t rtx_ssrc;         /* used when rtx_payload_type >= 0                */
    int32_t  payload_type;     /* 0..127                                         */
    int32_t  rtx_payload_type; /* -1: no retransmission stream                   */
    int32_t  audio_codec;      /* enum arc_audio_codec                           */
    int32_t  red_payload_type; /* audio: of packets with copies of past frames (RFC
                                  2198), Opus only; 0: there never are any      */
    struct arc_redenc_set red; /* audio: which copies, if red_payload_type > 0   */
    int32_t  red_wideband_below_bps; /* audio: while copies are sent, an encoder
                                  of speech (VOIP) with less codes 8 kHz at most;
                                  0: never                                       */
    int32_t  noise_payload_type; /* audio: of comfort noise, which PCMU and PCMA
                                  send with opus.dtx; 0: none is sent            */
    int32_t  dtmf_payload_type;/* audio: of telephone events; 0: none            */
    int32_t  frame_us;         /* audio: length of a packet, as
                                  arc_audiocodec_frame_ok() says                 */
    int32_t  level_id;         /* audio: id of the level in the header extension
                                  (RFC 6464), 1..14; 0: not sent                 */
    int32_t  play_max_ms;      /* audio: what arc_send_play() holds, 1..
                                  ARC_PLAYQUEUE_MAX_MS; 0: it is not used        */
    struct arc_opus_enc_config opus;   /* audio; of codecs other than Opus rate,
                                          channels and dtx                       */
    int32_t  max_bandwidth;    /* audio, Opus: as in arc_send_opus, and so are    */
    int32_t  coded_channels;   /* .. these                                       */
    int32_t  dred_ms;
    struct arc_venc_config     video;  /* video                                  */
    char                       fallbacks[4][32]; /* video: encoders of the same
                                          codec that take over, in this order,
                                          when one fails; empty: none            */
    bool                       single_nal; /* video: H.264 in packetization mode 0 */
    bool                       flexible;   /* video: VP9 packets name their
                                          references (RFC 9628)                  */
    struct arc_send_fec_config fec;
};

struct arc_recv_config {
    int32_t kind;
    int32_t payload_type;
    int32_t rtx_payload_type;  /* -1: none                                       */
    int32_t fec_format;        /* enum arc_fec_format; ARC_FEC_NONE: no parity   */
    int32_t fec_payload_type;  /* of the parity packets                          */
    int32_t sample_rate_hz;    /* audio: of the blocks that come out             */
    int32_t channels;          /* audio: 1 or 2; L16: as it is sent              */
    int32_t audio_codec;       /* enum arc_audio_codec                           */
    int32_t sent_rate_hz;      /* audio: L16: of what is sent; else not read     */
    int32_t noise_payload_type;/* audio: of comfort noise; 0: none               */
    int32_t level_id;          /* audio: as in arc_send_config                   */
    int32_t profile;           /* audio: enum arc_voice_profile                  */
    int32_t red_payload_type;  /* audio: of packets with copies of past frames (RFC
                                  2198); 0: none                                */
    int32_t dtmf_payload_type; /* audio: of telephone events; 0: none            */
    int32_t codec;             /* video: enum arc_video_codec                    */
    int32_t threads;           /* video: decoder threads; 0: one                 */
    int32_t min_latency_ms;    /* play-out delay over the fastest packet         */
    int32_t max_latency_ms;
    int32_t initial_latency_ms;
    bool    adaptive;
    struct arc_scratch *scratch; /* audio: as in arc_voice_config; lent by who calls
                                  arc_recv_pull()                                */
};

/** Why the network side dropped something: one counter each. */
struct arc_session_drops {
    int64_t not_rtp;         /* STUN, DTLS and noise                             */
    int64_t malformed;       /* not RTP, RTCP or the payload format it claims    */
    int64_t auth;            /* tag did not match                                */
    int64_t replay;          /* accepted before, or behind the window            */
    int64_t srtp_other;      /* key limit, stream table full                     */
    int64_t own_ssrc;        /* came with an SSRC of ours: a loop, or a collision
                                (RFC 3550 §8.2)                                  */
    int64_t other_way;       /* came from another address than its source's      */
    int64_t unknown_stream;  /* authentic, but no stream takes it                */
    int64_t no_packet;       /* the packet pool was empty                        */
    int64_t media_full;      /* the media side does not fetch                    */
    int64_t pacer_full;      /* a resend or a repair; media wait in their ring    */
    int64_t too_long;        /* datagram above the packet size                   */
    int64_t bye_full;        /* BYE of an SSRC that was given up: no room        */
};

struct arc_session_stats {
    int64_t received_pkts, received_bytes; /* datagrams, before any check        */
    int64_t sent_pkts, sent_bytes;
    int64_t rtcp_received, rtcp_sent;
    int64_t nack_received, nack_sent, pli_received, pli_sent;
    int64_t rtt_us;          /* smoothed; -1: not known yet                      */
    int64_t rtt_min_us;      /* of the last 10 to 20 s; -1: not known yet        */
    int32_t members, senders;/* other SSRCs that take part; of these with media  */
    int64_t pacer_queue_pkts, pacer_queue_us;
    int32_t pool_used_pkts;
    int64_t events_lost;     /* nobody read those before                         */
    struct arc_session_drops drops;
};

/** Network side of a sent stream. */
struct arc_send_net_stats {
    uint32_t ssrc;
    int64_t  pkts, bytes;             /* media, without resends; bytes: payload  */
    int64_t  rtx_pkts, rtx_bytes;
    int64_t  nacked_pkts, nack_misses;/* asked for; of these not kept any more, or
                                         resent less than a round trip ago       */
    int64_t  nack_refused;            /* asked for, over repair_percent          */
    int64_t  send_bps;                /* on the wire, last second                */
    double   remote_loss;             /* RRs, smoothed: fraction lost, 0..1      */
    int64_t  remote_lost_pkts;        /* last RR: cumulative                     */
    double   remote_jitter_ms;
    struct arc_fecenc_stats fec;      /* what was made; zeros without parity     */
    /* Extended reports, of the last few; -1: none came. */
    double   remote_loss_before;      /* before repair, 0..1                     */
    double   remote_loss_after;       /* after it                                */
    double   remote_burst_length;     /* mean, packets lost in a row; 0: none    */
    double   remote_discard;          /* came too late to be played, 0..1, since
                                         the start                               */
    double   remote_delay_ms;         /* play-out delay, jitter buffer           */
};

/** Media side of a sent stream. */
struct arc_send_media_stats {
    int64_t frames_in, frames_encoded, frames_dropped, frames_silent;
    int64_t key_frames, bytes, pkts;  /* handed to the network side            */
    int64_t encode_us_total;
    int64_t codec_errors;
    int64_t encoders_replaced;
    int32_t width_px, height_px; /* video: what is coded                       */
    int64_t copies, copy_bytes; /* of past frames, in these packets             */
    int64_t copies_left_out;  /* they did not fit the datagram or the overhead   */
    int64_t copies_of_pauses; /* not made, as nobody speaks (red.speech_only)    */
    int32_t target_bps;
};

/** Network side of a received stream. */
struct arc_recv_net_stats {
    uint32_t ssrc;                    /* 0: nothing came yet                     */
    int64_t  pkts, bytes, lost_pkts;  /* lost: before repair, RFC 3550 A.3       */
    int64_t  recovered_pkts;          /* lost, then came by retransmission or FEC */
    int64_t  duplicate_pkts, reordered_pkts;
    int64_t  nack_requested, nack_given_up;
    int64_t  copies;                  /* redundant blocks (RFC 2198), and of these */
    int64_t  copy_bytes;              /* .. in all, with their headers             */
    int64_t  copies_other_type;       /* .. dropped: of another payload type      */
    int64_t  copies_malformed;        /* .. dropped: not the format they claim    */
    int64_t  copies_full;             /* .. dropped: the media side does not fetch */
    int64_t  nack_not_in_time;        /* not asked for: the answer would be late */
    int64_t  lost_after_pkts;         /* for good, no repair came                */
    int64_t  discarded_pkts;          /* came too late to be played              */
    double   jitter_ms;
    int64_t  level_pkts, voice_pkts;  /* told their level; .. and that there was voice */
    int32_t  level_neg_dbov;          /* of the last one, 0..127; -1: none yet   */
    bool     voice;                   /* likewise: the peer speaks               */
    struct arc_fecdec_stats fec;      /* zeros without parity                    */
    /* Rates 0..1 of the last seconds (rx/losspattern.h). */
    double   loss_before;             /* did not come by themselves              */
    double   loss_after;              /* nor by repair                           */
    double   loss_unplayed;           /* nor in time                             */
    double   burst_length;            /* mean, packets, before repair; 0: none   */
    double   burst_length_after;
};

/** Media side of a received stream. */
struct arc_recv_media_stats {
    int64_t frames_out;       /* blocks or pictures handed out                   */
    int64_t samples_out;      /* audio, per channel                              */
    int64_t concealed_samples;/* made up because a packet was missing            */
    int64_t fec_samples;      /* rebuilt from in-band FEC                        */
    int64_t copy_samples;     /* from redundant blocks (RED)                     */
    int64_t silent_samples;   /* sender sent nothing (DTX)                       */
    int64_t inserted_samples; /* play-out delay grew                             */
    int64_t skipped_samples;  /* play-out delay shrank                           */
    int64_t late_pkts, overflow_pkts;
    int64_t frames_complete, frames_given_up, frames_undecodable, frames_late;
    int64_t codec_errors, key_requests;
    int64_t decode_us_total;
    double  target_ms;        /* play-out delay aimed at                         */
    double  playout_ms;       /* play-out delay now, over the fastest packet     */
    double  depth_ms;         /* media waiting                                   */
    double  sync_ms;          /* added so that audio and video are in step       */
    int64_t gaps;             /* audio: concealed stretches that are over         */
    double  longest_gap_ms;
    double  wait_p50_ms;      /* audio: from a packet's arrival to its play-out, */
    double  wait_p95_ms;      /* .. of the whole stream; 0: none was played      */
};

enum arc_event_type {
    ARC_EVENT_STREAM_ADDED = 1,  /* value: SSRC that was learned                 */
    ARC_EVENT_STREAM_ENDED,      /* value: SSRC of a BYE                         */
    ARC_EVENT_KEY_FRAME_WANTED,  /* the peer asked for one (PLI or FIR)          */
    ARC_EVENT_RTT,               /* value: smoothed round-trip time, us          */
    ARC_EVENT_SSRC_COLLISION,    /* value: our SSRC that somebody else uses;
                                    stream: whose media it is of, else -1        */
    ARC_EVENT_SSRC_CHANGED,      /* value: what it is now; stream: as above      */
    ARC_EVENT_KEY_NEAR_LIMIT,    /* value: packets that a key of SRTP may still
                                    protect, or accept: change it              */
    ARC_EVENT_KEY_USED_UP,       /* nothing more passes with it, that way        */
    ARC_EVENT_KEY_RETIRED,       /* a former key is not accepted any more        */
    ARC_EVENT_PEER_SILENT,       /* value: nothing authentic came for so long, us */
    ARC_EVENT_PEER_HEARD,        /* .. and now it does again; value: as above    */
    ARC_EVENT_DTMF,              /* a telephone event begins (RFC 4733); value: its
                                    number, 0..255; keys are 0..15             */
    ARC_EVENT_DTMF_END,          /* .. and is over; value: its number, and 256
                                    times its length in ms                     */
    ARC_EVENT_ENCODER_REPLACED,  /* one failed; value: which one goes on: so
                                    many failed so far (arc_send_encoder)      */
};

struct arc_event {
    int32_t type;   /* enum arc_event_type        */
    int32_t stream; /* index, -1: the session     */
    int64_t now_us;
    int64_t value;
};

/** A frame all of whose packets have left; for latency budgets. */
struct arc_sent_frame {
    int32_t  stream;      /* index of the sent stream             */
    int32_t  pkts;
    int32_t  bytes;       /* RTP payload                          */
    bool     is_key;
    uint32_t rtp_ts;
    int64_t  capture_us;  /* as given with the frame              */
    int64_t  encoded_us;  /* encoding ended                       */
    int64_t  first_us;    /* first packet left                    */
    int64_t  last_us;     /* last packet left                     */
};

enum arc_block_kind {
    ARC_BLOCK_DECODED = 0,
    ARC_BLOCK_FEC,       /* rebuilt from the next packet                         */
    ARC_BLOCK_CONCEALED, /* made up                                              */
    ARC_BLOCK_SILENT,    /* the sender sent nothing                              */
    ARC_BLOCK_INSERTED,  /* true sound made longer: the play-out delay grew      */
    ARC_BLOCK_COPY,      /* from a redundant block (RED)                         */
    ARC_BLOCK_GAP,       /* recognition: zeros in place of what was lost         */
};

/** What a received stream hands out. */
struct arc_received {
    int32_t  kind;         /* enum arc_media_kind                                */
    int32_t  block;        /* audio: enum arc_block_kind, of most of its samples */
    uint32_t rtp_ts;       /* of the first sample, or of the picture             */
    int64_t  ts;           /* the same, unwrapped                                */
    int64_t  arrival_us;   /* first packet of it; -1: none                       */
    int64_t  complete_us;  /* last packet of it                                  */
    int64_t  decoded_us;
    int64_t  playout_us;   /* when it is to be heard or seen                     */
    int64_t  ntp_us;       /* sender's NTP clock at capture, us; -1: no SR yet   */
    int32_t  level_neg_dbov;/* audio: of these samples, 0..127                   */
    int32_t  told_level;   /* audio: by the header of the packet that the first
                              such samples came in (RFC 6464), -dBov; -1: by none */
    bool     voice;        /* audio: .. and that there is voice in it            */
    int32_t  n_samples;    /* audio, per channel                                 */
    int32_t  channels;
    int32_t  sample_rate_hz;
    bool     is_key;
    bool     damaged;      /* video: decoded with errors                         */
    bool     late;         /* video: decoded over 10 ms after it was due          */
    int32_t  bytes;
    int32_t  pkts;
    struct arc_vframe *frame; /* video: one reference for the caller             */
    int16_t  samples[ARC_SESSION_MAX_SAMPLES]; /* audio, interleaved             */
};

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM, or what arc_srtp_new() says */
enum arc_status arc_session_new(const struct arc_session_config *cfg,
                                int64_t now_us, struct arc_session **out);
void            arc_session_free(struct arc_session *s);

/**
 * Add a stream that is sent; opens its encoder.
 *
 * @param why Reason in words when it fails; may be NULL
 *
 * @return ARC_OK, ARC_ERR_ARG (also: SSRC or payload type in use),
 *         ARC_ERR_LIMIT (too many), ARC_ERR_NOMEM, ARC_ERR_UNSUPPORTED
 */
enum arc_status arc_session_add_send(struct arc_session *s,
                                     const struct arc_send_config *cfg,
                                     struct arc_sendstream **out, char *why,
                                     int32_t why_cap);

/** Add a stream that is received; its SSRC is learned from the first authentic
 *  packet with its payload type. Returns as arc_session_add_send(). */
enum arc_status arc_session_add_recv(struct arc_session *s,
                                     const struct arc_recv_config *cfg,
                                     struct arc_recvstream **out, char *why,
                                     int32_t why_cap);

/* --- network side ------------------------------------------------------- */

/** Take one datagram. Whatever is wrong with it is counted, never an error. */
void arc_session_receive(struct arc_session *s, const uint8_t *data,
                         size_t len, int64_t now_us);

/**
 * Hand out the next datagram that is due now. Timers run in here as well.
 *
 * @return ARC_OK, ARC_AGAIN (nothing until arc_session_next_us()), or
 *         ARC_ERR_SPACE (out is smaller than mtu_bytes)
 */
enum arc_status arc_session_transmit(struct arc_session *s, int64_t now_us,
                                     uint8_t *out, size_t cap, size_t *len_out);

/** When arc_session_transmit() is due next; ARC_NEVER_US: not by itself. */
int64_t arc_session_next_us(struct arc_session *s);

enum arc_status arc_session_poll_event(struct arc_session *s,
                                       struct arc_event *out);
enum arc_status arc_session_poll_sent(struct arc_session *s,
                                      struct arc_sent_frame *out);
void arc_session_get_stats(struct arc_session *s,
                           struct arc_session_stats *out);
void arc_session_get_send_stats(struct arc_session *s, int32_t stream,
                                struct arc_send_net_stats *out);
void arc_session_get_recv_stats(struct arc_session *s, int32_t stream,
                                struct arc_recv_net_stats *out);

/** Rows of all streams, those that are sent first. @return how many there are;
 *  the first `cap` of them are written */
int32_t arc_session_read_streams(const struct arc_session *s, int32_t owner,
                                 struct arc_stream_row *rows, int32_t cap,
                                 int64_t now_us);

/**
 * Change the keys while packets are on their way. What leaves is under the new
 * key from the next packet on; what arrives may be under either until
 * `overlap_us` have passed. Where the peer must know a key before it meets it,
 * call this there first with `receive` only.
 *
 * @param send, receive NULL: that way keeps its key. Key and MKI are as long as
 *                      those that the session began with
 *
 * @return ARC_OK; ARC_ERR_ARG (also: the session has no SRTP), ARC_ERR_LIMIT
 *         (ARC_SRTP_KEYS_MAX are accepted), ARC_ERR_NOMEM, ARC_ERR_LIBRARY
 */
enum arc_status
arc_session_rekey(struct arc_session *s, const struct arc_srtp_key_config *send,
                  const struct arc_srtp_key_config *receive, int64_t overlap_us,
                  int64_t now_us);

/** Queue a BYE for all our streams (RFC 3550 §6.6); leaves with the next
 *  arc_session_transmit(), or, in a session of more than 50 members, in its turn
 *  (§6.3.7). Nothing is said if nothing ever was. No media leave any more. */
void arc_session_bye(struct arc_session *s);

/* --- media side, sending --------------------------------------------------- */

/**
 * Encode samples and queue the packets. Any number of samples: they are
 * gathered to whole frames.
 *
 * @param pcm        Interleaved, n_samples * channels
 * @param n_samples  Per channel; 1..5760
 * @param capture_us When the first sample was taken, caller's clock; its
 *                   origin is free, within +-2^52 us
 * @param now_us     Now; after capture_us
 *
 * @return ARC_OK; ARC_AGAIN: the network side does not fetch, dropped and
 *         counted; ARC_ERR_ARG; ARC_ERR_CODEC
 */
enum arc_status arc_send_audio(struct arc_sendstream *st, const int16_t *pcm,
                               int32_t n_samples, int64_t capture_us,
                               int64_t now_us);

/**
 * Queue sound of any length, to be sent in its time (audio/playqueue). Room for
 * play_max_ms of it is made by the first call. Do not mix with arc_send_audio():
 * one would be sent in the gaps of the other.
 *
 * @return ARC_OK; ARC_ERR_BUSY: it does not fit, nothing was queued; ARC_ERR_ARG;
 *         ARC_ERR_NOMEM
 */
enum arc_status arc_send_play(struct arc_sendstream *st, const int16_t *pcm,
                              int32_t n_samples, int64_t now_us);

/** Encode what is due of it, by arc_send_play_next_us(). @return whether it was
 *  anything */
bool    arc_send_play_turn(struct arc_sendstream *st, int64_t now_us);
int64_t arc_send_play_next_us(const struct arc_sendstream *st);

/** What became of it since the last flush. What was encoded and not fetched by the
 *  network side yet does not count as played. */
void arc_send_get_played(const struct arc_sendstream *st, struct arc_played *out);

/** Throw away what waits and tell what was sent. */
void arc_send_play_flush(struct arc_sendstream *st, struct arc_played *out);

/**
 * Encode a picture; it is scaled when its size is not the stream's. The
 * packets are made by arc_send_flush(), which gets the time after encoding:
 * the core reads no clock, so the caller tells it how long that took.
 *
 * @return ARC_OK; ARC_AGAIN: muted, or dropped by the encoder (counted);
 *         ARC_ERR_ARG; ARC_ERR_CODEC
 */
enum arc_status arc_send_video(struct arc_sendstream *st,
                               const struct arc_vframe *frame,
                               int64_t capture_us, int64_t now_us);

/** Packetize and queue what was encoded. @return ARC_OK; ARC_AGAIN: nothing
 *  there, or the network side does not fetch (dropped whole and counted) */
enum arc_status arc_send_flush(struct arc_sendstream *st, int64_t now_us);

/**
 * Packetize and queue a picture that somebody else encoded: for streams whose
 * cfg.video.name is empty.
 *
 * @param picture Its data are read before this returns; layers as an encoder
 *                fills them. The first one must be a key picture
 *
 * @return As arc_send_flush(), or ARC_ERR_ARG
 */
enum arc_status arc_send_coded(struct arc_sendstream *st,
                               const struct arc_encoded *picture,
                               int64_t capture_us, int64_t now_us);

/** From any thread; takes effect with the next frame, without a key frame. A codec
 *  of one rate keeps it.
 *  @return ARC_OK or ARC_ERR_ARG (not 6000..510000 for audio, 10 kb/s ..
 *          1 Gb/s for video) */
enum arc_status arc_send_set_bitrate(struct arc_sendstream *st, int32_t bps);

/** How a sent stream is coded with Opus; ranges as in audio/opuscodec.h. */
struct arc_send_opus {
    int32_t complexity;        /* 0..10                                          */
    int32_t application;       /* enum arc_opus_application; another one makes the
                                  encoder forget what it has heard               */
    int32_t max_bandwidth;     /* enum arc_opus_bandwidth                        */
    int32_t coded_channels;    /* 1, 2, at most those of the stream; 0: as the
                                  encoder thinks best                            */
    int32_t frame_us;          /* 2500 .. 120000, as in arc_send_config          */
    int32_t dred_ms;           /* deep redundancy, 0..1040 in steps of 10        */
    bool    dtx, fec;
    bool    vbr, vbr_free;     /* as in arc_opus_enc_config                      */
};

/**
 * From any thread, one at a time, from the next packet on, all of it together. With
 * packets of 2.5 ms the bitrate is 9600 at least. The first frame that is longer than
 * the stream was opened with takes memory for the longest.
 *
 * @return ARC_OK; ARC_ERR_ARG (also: it is another codec); ARC_ERR_NOMEM;
 *         ARC_ERR_UNSUPPORTED: dred_ms, and the libopus that is loaded has no DRED. On a
 *         fault nothing changes
 */
enum arc_status arc_send_set_opus(struct arc_sendstream *st,
                                  const struct arc_send_opus *settings);

/** From any thread: the loss, 0..100 %, that Opus prepares for until the peer reports
 *  one. @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_send_set_expected_loss(struct arc_sendstream *st, int32_t pct);

/**
 * From any thread, from the next frame on: which past frames go out again.
 *
 * @return ARC_OK or ARC_ERR_ARG (also: the stream has no red_payload_type)
 */
enum arc_status arc_send_set_redundancy(struct arc_sendstream *st,
                                        const struct arc_redenc_set *set);
/** From any thread: how much parity there is, and of what shape, from the next
 *  packet on. @return ARC_OK; ARC_ERR_ARG: out of range, or the stream was opened
 *  without FEC */
enum arc_status arc_send_set_fec(struct arc_sendstream *st,
                                 const struct arc_fecenc_policy *policy);

/** From any thread, from the next picture on: its coded size, in place where the
 *  codec can (arc_venc_set_size()). @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_send_set_size(struct arc_sendstream *st, int32_t width_px,
                                  int32_t height_px);

/** From any thread: what the rate control plans with; 1000..1000000 frames in
 *  1000 seconds. @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_send_set_frame_rate(struct arc_sendstream *st,
                                        int32_t frames_in_1000s);

/** From any thread: the next picture is a key frame. */
void arc_send_request_key(struct arc_sendstream *st);

/** From any thread: samples are replaced by silence, pictures dropped. */
void arc_send_set_muted(struct arc_sendstream *st, bool muted);

/**
 * Send telephone events, one after the other, in place of the samples of their
 * time. One thread at a time; the network side must then look: it is due.
 *
 * @return ARC_OK; ARC_ERR_BUSY: more than ARC_SESSION_MAX_TONES would wait, none
 *         was taken; ARC_ERR_ARG (also: the stream has no dtmf_payload_type)
 */
enum arc_status arc_send_dtmf(struct arc_sendstream *st,
                              const struct arc_dtmf_tone *tones, int32_t n);

/** Name of the encoder in use, e.g. "libx264", "opus". */
const char *arc_send_encoder(const struct arc_sendstream *st);
void arc_send_get_stats(const struct arc_sendstream *st,
                        struct arc_send_media_stats *out);
int32_t arc_send_index(const struct arc_sendstream *st);

/** Channels of its samples; 0: it sends pictures. */
int32_t arc_send_channels(const struct arc_sendstream *st);

/* --- media side, receiving --------------------------------------------------- */

/**
 * Hand out the block or picture whose play-out time has come.
 *
 * @return ARC_OK or ARC_AGAIN (ask again at arc_recv_next_us(), or when
 *         datagrams came)
 */
enum arc_status arc_recv_pull(struct arc_recvstream *st, int64_t now_us,
                              struct arc_received *out);
int64_t arc_recv_next_us(const struct arc_recvstream *st);
void    arc_recv_get_stats(const struct arc_recvstream *st,
                           struct arc_recv_media_stats *out);

/**
 * From any thread: how good its sound is, for the VoIP metrics that are reported of
 * it (RFC 3611 section 4.7.5); until then these say "not known".
 *
 * @param r_factor      Of the E-model on the scale of narrowband, 0..100
 * @param mos_listening Opinion score of the sound alone, times 10; 10..50
 * @param mos_talking   .. and of the delay; 10..50
 *
 * @return ARC_OK or ARC_ERR_ARG
 */
enum arc_status arc_recv_set_rating(struct arc_recvstream *st, int32_t r_factor,
                                    int32_t mos_listening, int32_t mos_talking);
int32_t arc_recv_index(const struct arc_recvstream *st);
/* ARC_CDEF_END */

/** arc_session_receive() without the copy: keeps its own reference if it needs
 *  one; the bytes may be changed. @return whether the packet was authentic (its
 *  source may then be trusted); without SRTP: whether it was well-formed */
bool arc_session_receive_pkt(struct arc_session *s, struct arc_pkt *pkt,
                             int64_t now_us);

/** arc_session_transmit() without the copy: the reference passes to the
 *  caller. */
enum arc_status arc_session_transmit_pkt(struct arc_session *s, int64_t now_us,
                                         struct arc_pkt **out);

/**
 * The two above for many datagrams at once: SRTP opens and seals them together.
 *
 * @param work Lent working memory; NULL: each by itself
 * @param n    1..ARC_SESSION_BATCH_PKTS, all of `now_us`
 * @param good n; as arc_session_receive_pkt() answers
 */
void arc_session_receive_pkts(struct arc_session *s,
                              struct arc_srtp_batch *work,
                              struct arc_pkt **pkts, size_t n, bool *good,
                              int64_t now_us);

/** @return datagrams in `out`; fewer than `cap` (at most ARC_SESSION_BATCH_PKTS):
 *  nothing else is due until arc_session_next_us(), unless one could not be
 *  sealed (counted) */
size_t arc_session_transmit_pkts(struct arc_session *s,
                                 struct arc_srtp_batch *work, int64_t now_us,
                                 struct arc_pkt **out, size_t cap);

/** Events that were put up so far, read or not; wraps. */
uint32_t arc_session_events(const struct arc_session *s);

/** One of the last ARC_SESSION_RECENT_EVENTS events, which stays there to be read
 *  as well; for who drives the session. @param number 0 is the first ever
 *  @return false: it is older */
bool arc_session_recent_event(const struct arc_session *s, uint32_t number,
                              struct arc_event *out);

/** A stream of samples in a session with `lent_pool`, without retransmission, has
 *  no packets of its own: they come from `pool`, whose owner encodes from now on;
 *  NULL: none come. Nothing happens with any other stream. */
void arc_send_lend_pool(struct arc_sendstream *st, struct arc_pkt_pool *pool);

/** Pool of the network side, for datagrams that the caller reads. */
struct arc_pkt_pool *arc_session_pool(struct arc_session *s);

/** Packets come from `pool`, whose owner drives the session from now on; NULL:
 *  none come. Nothing happens in a session that has its own pool. */
void arc_session_lend_pool(struct arc_session *s, struct arc_pkt_pool *pool);

#endif
