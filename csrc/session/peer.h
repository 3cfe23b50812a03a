/**
 * @file session/peer.h  What the files of session/ share: the state of a peer
 *
 * Private to session/.
 *
 * Owner:   arc_session_new() and _add_*() make these, arc_session_free() ends
 *          them all.
 * Threads: each struct says which side owns which part; what both sides touch
 *          is a ring or an atomic number.
 */
#ifndef ARC_SESSION_PEER_H
#define ARC_SESSION_PEER_H

#include "audio/aenc.h"
#include "audio/playqueue.h"
#include "audio/vad.h"
#include "base/ring.h"
#include "base/rng.h"
#include "base/seq.h"
#include "rx/assemble.h"
#include "rx/framerefs.h"
#include "rx/heard.h"
#include "rx/fecdec.h"
#include "rx/dtmf.h"
#include "rx/jitter.h"
#include "rx/losspattern.h"
#include "rx/members.h"
#include "rx/nackgen.h"
#include "rx/rtt.h"
#include "rx/rxpkt.h"
#include "rx/rxstats.h"
#include "rx/ssrcwatch.h"
#include "rx/voice.h"
#include "session/session.h"
#include "tx/fecenc.h"
#include "tx/history.h"
#include "tx/pacer.h"
#include "tx/repairbudget.h"
#include "tx/ssrcgroup.h"
#include "tx/txstats.h"
#include "video/decoder.h"
#include "video/encoder.h"
#include "wire/extval.h"
#include "wire/pl_video.h"
#include "wire/rtcpxr.h"
#include "wire/rtp.h"

/** What a packet in the pacer is. */
enum arc_peer_kind { ARC_PEER_MEDIA = 0, ARC_PEER_RTX, ARC_PEER_FEC };

enum {
    ARC_PEER_OPUS_CLOCK_HZ  = 48000, /* RFC 7587 §4.1                           */
    ARC_PEER_VIDEO_CLOCK_HZ = 90000, /* RFC 6184 §8.1                           */
    ARC_PEER_EVENTS        = 64,   /* ring of events, oldest kept               */
    ARC_PEER_SENT_FRAMES   = 128,  /* ring of frame records: over a second      */
    ARC_PEER_TX_RING_PKTS  = 2048, /* media to network, per stream of pictures  */
    ARC_PEER_RX_RING_PKTS  = 2048, /* network to media, likewise                */
    ARC_PEER_AUDIO_RING_PKTS = 128,/* either way, per stream of samples: 0.3 to
                                      15 s                                      */
    ARC_PEER_RED_RING_PKTS = 512,  /* network to media, with redundant blocks    */
    ARC_PEER_HISTORY_PKTS  = 1024,
    ARC_PEER_PICTURE_BYTES = 4 << 20, /* one, coded; the ring holds less      */
    ARC_PEER_PICTURES      = 8,    /* decoded, waiting for play-out             */
    ARC_PEER_RTCP_BYTES    = 1200,
    ARC_PEER_FAREWELLS     = 16,   /* SSRCs given up, whose BYE is still to go  */
    ARC_PEER_MAX_NACKS     = 8432, /* numbers in one NACK: 17 in each entry of
                                      the longest datagram                      */
};

/** A packet on its way from the media side to the pacer. */
struct arc_txpkt {
    struct arc_pkt *pkt;     /* RTP with sequence number 0                  */
    int64_t  capture_us;
    int64_t  encoded_us;
    int32_t  payload_bytes;
    uint32_t rtp_ts;
    bool     is_key;
    bool     first;          /* first packet of its frame                   */
    bool     last;           /* last packet of its frame                    */
    bool     once;           /* never resent: noise, or an event            */
};

/** Pictures on their way out. */
struct arc_sendvideo {
    struct arc_venc           *enc;
    struct arc_venc_config     cfg;     /* that `enc` was opened with         */
    struct arc_encoded         picture; /* encoded, not yet packetized        */
    bool                       pending; /* there is one                       */
    int64_t                    capture_us;
    int64_t                    start_us;
    struct arc_pl_video_tx     tx;      /* running numbers                    */
    struct arc_pl_video_packer packer;

    /* between the sides */
    int32_t                    size;      /* atomic: width << 16 | height     */
    int32_t                    fps_milli; /* atomic: frames in 1000 seconds   */
    int32_t                    encoder_no;/* atomic: 0: cfg.video's, then
                                             cfg.fallbacks[encoder_no - 1]    */
    /* network side */
    int32_t                    told_no;   /* that the last event told of      */
};

/** Gathers samples to whole frames. */
struct arc_gather {
    int16_t *pcm;            /* room for a frame; lent                      */
    int32_t  fill;           /* samples per channel in pcm                  */
    int32_t  need;           /* samples per channel of a frame              */
    int64_t  capture_us;     /* of pcm[0]                                   */
    int64_t  ts;             /* of pcm[0], ticks                            */
    bool     started;
    bool     spoke;          /* the last frame was sent: not in DTX         */
};

/** What the peer's extended reports say of a stream; weights of packets, the
 *  newest 1 each. */
struct arc_peer_remote {
    double  pkts, lost, bursts;  /* before repair                            */
    bool    in_burst;
    double  repair_pkts, repair_before, repair_after;
    double  loss_after;          /* of the last report, smoothed             */
    double  discard;
    int32_t delay_ms;
    bool    has_losses, has_repair, has_voip;
};

/** A sent stream. */
struct arc_sendstream {
    struct arc_session    *session;
    int32_t                index;
    struct arc_send_config cfg;
    int32_t                clock_hz;     /* of its RTP time stamps          */

    /* media side */
    struct arc_aenc       *aenc;
    struct arc_redenc     *redenc;       /* NULL: without redundancy        */
    int32_t                applied_red;
    struct arc_sendvideo  *video;        /* NULL: sound                     */
    int32_t                applied_red_total_bps;
    struct arc_gather      gather;
    uint32_t               ts_offset;    /* random, RFC 3550 §5.1           */
    int32_t                applied_bps;
    int32_t                applied_loss_pct;
    bool                   is_narrow;    /* see cfg.red_wideband_below_bps  */
    int32_t                applied_opus; /* packed by opus_out.c            */
    int16_t               *pcm;          /* room for a frame as opened      */
    bool                   can_dred;     /* libopus has DRED                */
    struct arc_pkt_pool   *pool;         /* packets that the media side makes */
    struct arc_send_media_stats media;
    struct arc_vad         vad;          /* with level_id                   */
    struct arc_audio_level level;        /* of the frame in `gather`        */
    struct arc_playqueue  *play;         /* NULL: never used                */
    int32_t                play_samples; /* that it hands out at a time     */

    /* between the sides */
    struct arc_ring       *to_net;       /* struct arc_txpkt                */
    int32_t                target_bps;   /* atomic                          */
    int32_t                loss_pct;     /* atomic: what the peer reports   */
    int32_t                red_set;      /* atomic: see red_out.c           */
    int32_t                red_total_bps; /* atomic: goes with it           */
    int32_t                opus_set;     /* atomic: see opus_out.c          */
    int16_t               *pcm_long;     /* atomic: for the longest frame, once a
                                            longer one than at first was told */
    int32_t                key_wanted;   /* atomic flag                     */
    int32_t                muted;        /* atomic flag                     */
    struct arc_ring       *tones;        /* struct arc_dtmf_tone; NULL: none */
    int32_t                tone_lasts;   /* atomic flag: no samples are sent */
    int64_t                fec_policy;   /* atomic: packed by fec_out.c     */

    /* network side */
    struct arc_dtmftx      dtmf;
    int64_t                event_us;     /* the last event began ..         */
    uint32_t               event_ts;     /* .. at this time stamp           */
    uint16_t               next_seq16;
    uint16_t               next_rtx_seq16;
    uint16_t               next_fec_seq16;
    int64_t                next_seq;     /* unwrapped, for the history      */
    struct arc_history    *history;      /* NULL without retransmission     */
    struct arc_fecenc     *fec;          /* NULL without parity             */
    int64_t                fec_applied;  /* policy that it has              */
    int64_t                fec_sent;     /* parity packets that have left   */
    struct arc_txstats     stats;
    struct arc_sent_frame  leaving;      /* frame whose packets leave now   */
    uint32_t               last_rtp_ts;
    int64_t                last_capture_us;
    bool                   sent_any;
    int64_t                last_sent_us;
    int64_t                renamed_us;   /* its SSRC collided and was changed */
    struct arc_txstats_sr  sr_zero;      /* counters when that was          */
    int64_t                last_key_us;  /* a key frame was asked for       */
    int64_t                nacked, nack_misses;
    struct arc_repairbudget repair;
    struct arc_peer_remote remote;
    int64_t                key_requests; /* PLI, FIR                        */
    double                 remote_loss;  /* smoothed                        */
    double                 remote_last_loss; /* of the last interval        */
    int64_t                remote_lost;
    uint32_t               remote_jitter_ticks;
    uint8_t                last_fir;     /* RFC 5104 §4.3.1: command number */
    bool                   fir_seen;
};

/** A decoded picture that waits for its time. */
struct arc_picture {
    struct arc_vframe   *frame;
    struct arc_assembled info;
    int64_t              decoded_us; /* ARC_NEVER_US: not stamped yet        */
    int32_t              bytes;
};

/** A received stream. */
struct arc_recvstream {
    struct arc_session    *session;
    int32_t                index;
    struct arc_recv_config cfg;
    int32_t                clock_hz;

    /* network side */
    uint32_t               ssrc;         /* 0: not learned yet              */
    struct arc_unwrap      seq;
    struct arc_unwrap      ts;
    struct arc_rxstats     stats;
    struct arc_nackgen    *nack;         /* NULL: never asks                */
    int64_t                copies, copy_bytes, copies_other_type, copies_malformed,
                           copies_full;
    struct arc_fecdec     *fec;          /* NULL without parity             */
    struct arc_losspattern loss;
    int64_t                loss_seq, loss_ts; /* of the last packet counted in it */
    int64_t                pkt_ticks;    /* media in a packet; 0: not known  */
    int64_t                parity_us;    /* the last one came, or a copy    */
    int64_t                parity_wait_us; /* for that of what is missing    */
    int64_t                told_duplicates; /* in the last summary          */
    struct arc_dtmfrx      dtmf;
    int64_t                sr_ntp64;     /* of the last SR                  */
    int64_t                sr_arrival_us;/* 0: none                         */
    int64_t                last_pli_us;
    int64_t                keys_asked;   /* PLIs                            */
    int64_t                asked_up_to;  /* highest number ever asked for   */
    int64_t                probe_seq;    /* asked for once, at probe_us     */
    int64_t                probe_us;
    bool                   splice;       /* the next packet is a new source's */
    int64_t                seq_shift;    /* number and time in the stream are */
    int64_t                last_seq_in;  /* .. those of the source and a      */
    int64_t                last_ts_in;   /* .. shift: a new source goes on    */
    int64_t                last_pkt_us;  /* .. where the old one ended        */
    bool                   ended;        /* its source said BYE             */
    struct arc_audio_level level;        /* that the last packet told       */
    int64_t                level_pkts, voice_pkts;

    /* between the sides */
    struct arc_ring       *to_media;     /* struct arc_rxpkt                */
    int32_t                key_wanted;   /* atomic flag: media asks network */
    int64_t                ts_shift;     /* atomic                          */
    int64_t                sync_zero_us; /* atomic: NTP time, us, of timestamp 0;
                                            0: no SR yet                    */
    int32_t                loss_permille;/* atomic, for the jitter buffer   */
    int64_t                jitter_us;    /* atomic                          */
    int64_t                burst_us;     /* atomic: media in a mean burst of
                                            losses, but for its last packet */
    int32_t                copy_reach_ticks; /* atomic: how much later than its
                                            packet the last copy comes; 0: none */
    int64_t                playout_zero_us; /* atomic: media time 0 is played;
                                            ARC_NEVER_US: not known         */
    int32_t                target_ms;    /* atomic: play-out delay          */
    int32_t                rating;       /* atomic: see reports_xr.c; 0: not told */

    /* media side */
    struct arc_voice      *voice;        /* audio                           */
    struct arc_jitter     *jitter;       /* video: frames                   */
    struct arc_assemble   *assemble;     /* video                           */
    struct arc_framerefs  *refs;         /* video: what can be decoded      */
    struct arc_vdec       *vdec;
    uint8_t               *coded;        /* video: one picture              */
    struct arc_picture     pictures[ARC_PEER_PICTURES];
    int32_t                n_pictures;
    int64_t                frame_no;
    int64_t                next_frame_seq; /* behind the picture popped last  */
    bool                   need_key;     /* the decoder lost its references */
    bool                   key_asked;    /* .. or others are missing: told  */
    int64_t                adapt_us;     /* next time the buffer is told    */
    int64_t                repair_peak_us; /* video: longest wait for a resend, */
    int64_t                repair_peak_at_us; /* .. fading since then           */
    int64_t                repaired_pictures;
    int64_t                offset_us;    /* atomic: play-out minus capture  */
    int64_t                hold_us;      /* added for lip-sync              */
    struct arc_heard       heard;        /* audio                           */
    struct arc_recv_media_stats media;
};

struct arc_session {
    struct arc_session_config cfg;

    /* streams: only added, by the network side's owner; counts are atomic */
    struct arc_sendstream *send[ARC_SESSION_MAX_STREAMS];
    struct arc_recvstream *recv[ARC_SESSION_MAX_STREAMS];
    int32_t                n_send, n_recv;

    /* network side */
    struct arc_pkt_pool   *pool;
    struct arc_srtp       *srtp_out;
    struct arc_srtp       *srtp_in;
    int64_t                keys_us;       /* srtp_in has a key to retire      */
    struct arc_pacer      *pacer;
    struct arc_rng         rng;
    struct arc_ring       *events;
    uint32_t               n_events;      /* so far                           */
    struct arc_event       recent[ARC_SESSION_RECENT_EVENTS]; /* the last ones */
    struct arc_ring       *sent_frames;
    uint32_t               rtcp_ssrc;     /* of a peer that only receives    */
    struct arc_members    *members;       /* others                          */
    struct arc_ssrcwatch  *watch;
    struct arc_ssrcgroup   rtcp;          /* turns; by index of the sent stream */
    int64_t                look_us;       /* next look at who is there       */
    int64_t                rate_us;       /* received_bps was counted        */
    int64_t                rate_bytes;
    int64_t                received_bps;
    uint32_t               farewells[ARC_PEER_FAREWELLS];
    int32_t                n_farewells;
    int32_t                next_block;    /* stream that a report begins with */
    bool                   feedback_planned; /* it has its turn              */
    int64_t                feedback_hold_us; /* refused: no more before this */
    struct arc_rtt         rtt;
    struct arc_rttref      references;    /* of receivers, to be answered    */
    bool                   rtt_by_reports; /* else by repairs                */
    bool                   bye_queued;
    bool                   leaving;       /* the BYE has its turn            */
    bool                   bye_sent;
    int32_t                pace_bps;      /* told to the pacer last          */
    int64_t                turn_us;       /* time of the last call           */
    int64_t                heard_us;      /* the last authentic datagram came */
    bool                   silent;        /* told of                         */
    struct arc_session_stats stats;

    /* between the sides */
    int64_t                rtt_us;        /* atomic; -1: not known           */
};

/* keys.c */
void arc_peer_keys_turn(struct arc_session *s, int64_t now_us);

/* send.c */
/** What a clock may show: beyond it sums of times could overflow. */
bool arc_peer_time_ok(int64_t us);
int32_t arc_peer_payload_room(const struct arc_sendstream *st);
/** A packet with its RTP header written and its payload still to come; NULL: there is
 *  none left. */
struct arc_pkt *arc_peer_new_rtp(struct arc_sendstream *st, uint32_t rtp_ts,
                                 int64_t now_us);
void arc_peer_set_marker(struct arc_pkt *pkt);
/** Hand one packet to the network side; its reference passes. @return false: it does
 *  not fetch */
bool arc_peer_queue_packet(struct arc_sendstream *st, const struct arc_txpkt *p);

/* red_out.c */
int32_t arc_peer_pack_red(const struct arc_redenc_set *set);
bool    arc_peer_makes_copies(struct arc_sendstream *st);
/** The payload that a frame leaves in, with its payload type. @param len 0: nobody
 *  speaks. @return bytes; 0: nothing is sent */
int32_t arc_peer_add_copies(struct arc_sendstream *st, const uint8_t *frame,
                            int32_t len, uint8_t *out, uint8_t *payload_type);

/* send_video.c */
enum arc_status arc_peer_open_video(struct arc_sendstream *st, char *why,
                                    int32_t why_cap);
void arc_peer_close_video(struct arc_sendstream *st);
/** Of the encoder that was opened so many times after another failed. */
const char *arc_peer_encoder_name(const struct arc_sendstream *st, int32_t no);
void arc_peer_tell_encoder_change(struct arc_sendstream *st, int64_t now_us);
/* opus_out.c */
/** Take the settings of its configuration, once its encoder is there.
 *  @return as arc_send_set_opus() */
enum arc_status arc_peer_open_opus(struct arc_sendstream *st);
/** Those that were told since, between two packets. */
void arc_peer_apply_opus(struct arc_sendstream *st);

/* levels.c */
#define ARC_PEER_LEVEL_BYTES 8 /* of a packet that tells its level          */
void arc_peer_hear_own(struct arc_sendstream *st);
void arc_peer_write_level(const struct arc_sendstream *st, struct arc_pkt *pkt);
void arc_peer_read_level(struct arc_recvstream *st, const struct arc_rtp *h,
                         struct arc_rxpkt *p);
/* dtmf.c */
void    arc_peer_dtmf_turn(struct arc_session *s, int64_t now_us);
void    arc_peer_dtmf_lapse(struct arc_session *s, int64_t now_us);
int64_t arc_peer_dtmf_next_us(const struct arc_session *s);
bool    arc_peer_is_dtmf(const struct arc_recvstream *st, int32_t payload_type);
void    arc_peer_on_dtmf(struct arc_session *s, struct arc_recvstream *st,
                         const struct arc_rxpkt *p, int64_t now_us);

/* leave.c */
void arc_peer_to_pacer(struct arc_session *s, const struct arc_sendstream *st,
                       struct arc_txpkt *p, int64_t now_us);
size_t arc_peer_seal(struct arc_session *s, struct arc_srtp_batch *work,
                     struct arc_pkt **pkts, size_t n);
enum arc_status arc_peer_leave(struct arc_session *s, int64_t now_us,
                               struct arc_pkt **out);
bool arc_peer_may_leave(const struct arc_session *s);
void arc_peer_resend(struct arc_session *s, struct arc_sendstream *st,
                     uint16_t seq16, int64_t now_us);
struct arc_pkt *arc_peer_seal_rtcp(struct arc_session *s, const uint8_t *data,
                                   size_t len, int64_t now_us);

/* group.c */
enum arc_status arc_peer_group_open(struct arc_session *s);
void arc_peer_group_close(struct arc_session *s);
bool arc_peer_claim(struct arc_session *s, const struct arc_send_config *c);
uint32_t arc_peer_ssrc_of(const struct arc_session *s, int32_t who);
bool arc_peer_admit(struct arc_session *s, uint32_t ssrc,
                    enum arc_ssrc_packet packet, uint64_t addr,
                    uint64_t cname_hash, int64_t now_us);
void arc_peer_on_media(struct arc_session *s, const struct arc_rtp *h,
                       int64_t now_us);
bool arc_peer_has_spoken(const struct arc_session *s);
void arc_peer_look_after(struct arc_session *s, int64_t now_us);

/* repair.c */
enum arc_status arc_peer_open_repair(struct arc_recvstream *st);
void arc_peer_count_repair(struct arc_recvstream *st, const struct arc_rxpkt *p,
                           int64_t now_us);
void arc_peer_on_copy(struct arc_recvstream *st, const struct arc_rxpkt *in,
                      int64_t ts, int64_t now_us);
void arc_peer_on_parity(struct arc_recvstream *st, int64_t now_us);
void arc_peer_publish_burst(struct arc_recvstream *st, int64_t now_us);
void arc_peer_publish_playout(struct arc_recvstream *st);
void arc_peer_follow_loss(double *smoothed, double loss);
void arc_peer_tell_encoder(struct arc_sendstream *st);
bool arc_peer_may_resend(struct arc_sendstream *st, int64_t now_us);
int64_t arc_peer_resend_wait_us(const struct arc_session *s);
void arc_peer_get_loss(struct arc_recvstream *st, int64_t now_us,
                       struct arc_recv_net_stats *out);

/* reports_xr.c */
void arc_peer_write_xr_reports(struct arc_session *s, struct arc_writer *w,
                               size_t keep_bytes, int64_t now_us);
void arc_peer_on_xr_report(struct arc_session *s, const struct arc_xr_block *b);
void arc_peer_get_remote(const struct arc_sendstream *st,
                         struct arc_send_net_stats *out);

/* feedback_in.c */
struct arc_sendstream *arc_peer_sent_by(struct arc_session *s, uint32_t ssrc);
bool arc_peer_on_rtcp(struct arc_session *s, const uint8_t *data, size_t len,
                      uint64_t addr, int64_t now_us);
void arc_peer_on_repair(struct arc_session *s, struct arc_recvstream *st,
                        int64_t seq, int64_t now_us);

/* feedback_out.c */
struct arc_pkt *arc_peer_feedback(struct arc_session *s, int64_t now_us);
int64_t arc_peer_feedback_next_us(const struct arc_session *s);
uint64_t arc_peer_ntp(const struct arc_session *s, int64_t now_us);

/* pull.c */
int64_t  arc_peer_capture_ntp_us(const struct arc_recvstream *st, int64_t ts);
int64_t  arc_peer_playout_us(const struct arc_recvstream *st, int64_t ts);
uint32_t arc_peer_wire_ts(const struct arc_recvstream *st, int64_t ts);
void     arc_peer_publish_offset(struct arc_recvstream *st, int64_t ts);
void     arc_peer_keep_in_step(struct arc_recvstream *st);
/** A picture was complete so long after its first packet: with a resend. */
void     arc_peer_on_repaired_picture(struct arc_recvstream *st, int64_t wait_us,
                                      int64_t now_us);

static inline int64_t arc_peer_us_of(const struct arc_recvstream *st,
                                     int32_t samples)
{
    return samples * INT64_C(1000000) / st->cfg.sample_rate_hz;
}

/* pull_audio.c, pull_video.c */
void arc_peer_fill_audio_stats(const struct arc_recvstream *st,
                               struct arc_recv_media_stats *out);
enum arc_status arc_peer_pull_audio(struct arc_recvstream *st, int64_t now_us,
                                    struct arc_received *out);
enum arc_status arc_peer_pull_video(struct arc_recvstream *st, int64_t now_us,
                                    struct arc_received *out);

/* streams.c */
void arc_peer_free_send(struct arc_sendstream *st);
void arc_peer_free_recv(struct arc_recvstream *st);

/* fec_out.c */
enum arc_status arc_peer_fec_open(struct arc_sendstream *st);
void arc_peer_fec_protect(struct arc_session *s, struct arc_sendstream *st,
                          const struct arc_pkt *pkt, bool ends_frame,
                          int64_t now_us);
void arc_peer_fec_number(struct arc_sendstream *st, struct arc_pkt *pkt,
                         int64_t now_us);

/* session.c */
void arc_peer_event(struct arc_session *s, int32_t type, int32_t stream,
                    int64_t value, int64_t now_us);
bool arc_peer_owns_ssrc(const struct arc_session *s, uint32_t ssrc);
void arc_peer_heard(struct arc_session *s, int64_t now_us);

#endif
