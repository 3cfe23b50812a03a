/**
 * @file audio/opuscodec.h  Opus encoder and decoder (RFC 6716, RFC 8251)
 *
 * With opuscodec_heal.c the only user of libopus. The state lives in arc_mem memory, so that tests
 * count it; libopus allocates nothing and neither does anything after `_new`.
 *
 * Owner:    `_new` gives it, `_free` takes it (NULL is allowed).
 * Threads:  one caller at a time per encoder or decoder.
 * Samples:  `n_samples` and `cap_samples` count per channel at the object's
 *           rate; stereo is interleaved. int16 is -32768..32767, float -1..1.
 * Lengths:  a frame is 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms.
 */
#ifndef ARC_AUDIO_OPUSCODEC_H
#define ARC_AUDIO_OPUSCODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_OPUS_MAX_FRAME_MS     120
#define ARC_OPUS_MAX_SAMPLES      5760   /* 120 ms at 48 kHz, per channel      */
#define ARC_OPUS_MAX_PACKET_BYTES 7664   /* 6 frames of 1275 (RFC 6716 §3.4 R2)
                                            and their lengths                  */
#define ARC_OPUS_MIN_CAP_BYTES    64     /* below it libopus drops the signal  */
#define ARC_OPUS_MIN_BITRATE_BPS  6000   /* RFC 6716 §2.1.1                    */
#define ARC_OPUS_MAX_BITRATE_BPS  510000

enum arc_opus_application {
    ARC_OPUS_APPLICATION_VOIP     = 0, /* speech, and coded as such           */
    ARC_OPUS_APPLICATION_AUDIO    = 1, /* fidelity first                      */
    ARC_OPUS_APPLICATION_LOWDELAY = 2, /* CELT only: 2.5 ms lookahead, no FEC */
};

enum arc_opus_bandwidth { /* of the audio (RFC 6716 §2, table 1)              */
    ARC_OPUS_BANDWIDTH_AUTO = 0, /* as the encoder thinks best                */
    ARC_OPUS_BANDWIDTH_NB,       /*  4 kHz                                    */
    ARC_OPUS_BANDWIDTH_MB,       /*  6 kHz                                    */
    ARC_OPUS_BANDWIDTH_WB,       /*  8 kHz                                    */
    ARC_OPUS_BANDWIDTH_SWB,      /* 12 kHz                                    */
    ARC_OPUS_BANDWIDTH_FB,       /* 20 kHz                                    */
};

/** What the libopus that is loaded can do beyond version 1.3. */
struct arc_opus_features {
    bool dec_complexity; /* decoders have one, which buys quality             */
    bool deep_plc;       /* neural concealment, from complexity 5 on          */
    bool dred;           /* deep redundancy: more than a second, in packets   */
};

struct arc_opus_enc_config {
    int32_t sample_rate_hz;    /* 8000, 12000, 16000, 24000 or 48000          */
    int32_t channels;          /* 1 or 2                                      */
    int32_t bitrate_bps;       /* 6000..510000                                */
    int32_t complexity;        /* 0..10; CPU against quality                  */
    int32_t application;       /* enum arc_opus_application                   */
    int32_t expected_loss_pct; /* 0..100; how much of the rate FEC may take   */
    bool    dtx;               /* send nothing while nobody speaks            */
    bool    fec;               /* in-band FEC; needs expected_loss_pct > 0    */
    bool    vbr;               /* constrained VBR; false: every packet equal  */
    bool    vbr_free;          /* with vbr: without the constraint            */
};

struct arc_opus_enc; /* opaque */
struct arc_opus_dec; /* opaque */

/** @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_LIBRARY */
enum arc_status arc_opus_enc_new(const struct arc_opus_enc_config *cfg,
                                 struct arc_opus_enc **out);
void            arc_opus_enc_free(struct arc_opus_enc *e);

/**
 * Encode one frame into one packet.
 *
 * @param pcm       n_samples * channels; of floats NaN counts as 0 and what is
 *                  beyond -1..1 is clipped
 * @param n_samples Exactly one of the lengths above
 * @param out       The packet
 * @param cap       Room in `out`, at least ARC_OPUS_MIN_CAP_BYTES; the packet
 *                  is coded to fit. ARC_OPUS_MAX_PACKET_BYTES never limits it
 * @param len_out   Bytes written; 0: DTX, send nothing. Untouched on a fault
 *
 * @return ARC_OK, ARC_ERR_ARG (also: 2.5 ms below 9600 bit/s, where libopus
 *         would drop the signal), ARC_ERR_SPACE or ARC_ERR_CODEC
 */
enum arc_status arc_opus_enc_encode(struct arc_opus_enc *e, const int16_t *pcm,
                                    int32_t n_samples, uint8_t *out,
                                    int32_t cap, int32_t *len_out);
enum arc_status arc_opus_enc_encode_float(struct arc_opus_enc *e,
                                          const float *pcm, int32_t n_samples,
                                          uint8_t *out, int32_t cap,
                                          int32_t *len_out);

/* Change a running encoder; ranges as in the config. From the next frame on.
 * @return ARC_OK, ARC_ERR_ARG (nothing changed) or ARC_ERR_LIBRARY */
enum arc_status arc_opus_enc_set_bitrate(struct arc_opus_enc *e,
                                         int32_t bitrate_bps);
enum arc_status arc_opus_enc_set_loss_pct(struct arc_opus_enc *e,
                                          int32_t expected_loss_pct);
enum arc_status arc_opus_enc_set_complexity(struct arc_opus_enc *e,
                                            int32_t complexity);
enum arc_status arc_opus_enc_set_fec(struct arc_opus_enc *e, bool fec);
enum arc_status arc_opus_enc_set_dtx(struct arc_opus_enc *e, bool dtx);

/** Packets of equal length (false), or as the signal needs it; `free`: without a
 *  bound from frame to frame. */
enum arc_status arc_opus_enc_set_vbr(struct arc_opus_enc *e, bool vbr,
                                     bool free);

/** No frame has more than that; AUTO: 20 kHz. */
enum arc_status arc_opus_enc_set_max_bandwidth(struct arc_opus_enc *e,
                                               int32_t bandwidth);

/** Every frame has that, as far as rate and mode let it; AUTO: as before. */
enum arc_status arc_opus_enc_set_bandwidth(struct arc_opus_enc *e,
                                           int32_t bandwidth);

/** Code one channel of two, or two; 0: as the encoder thinks best. Two of a mono
 *  encoder: ARC_ERR_ARG. */
enum arc_status arc_opus_enc_set_channels(struct arc_opus_enc *e,
                                          int32_t channels);

/** Another enum arc_opus_application; the encoder forgets the signal so far. */
enum arc_status arc_opus_enc_set_application(struct arc_opus_enc *e,
                                             int32_t application);

/** Deep redundancy (DRED) of so much audio in each packet, as rate and expected
 *  loss let it; 0..1040 ms, in steps of 10; 0: none.
 *  @return also ARC_ERR_UNSUPPORTED: this libopus has none */
enum arc_status arc_opus_enc_set_dred_ms(struct arc_opus_enc *e,
                                         int32_t dred_ms);

/** enum arc_opus_bandwidth of the last frame; before it of the next. */
int32_t arc_opus_enc_bandwidth(struct arc_opus_enc *e);

/** Delay the encoder adds, samples per channel at its rate. */
int32_t arc_opus_enc_lookahead_samples(struct arc_opus_enc *e);

/**
 * @param sample_rate_hz 8000, 12000, 16000, 24000 or 48000, whatever was sent
 * @param channels       1 or 2, whatever was sent
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_LIBRARY
 */
enum arc_status arc_opus_dec_new(int32_t sample_rate_hz, int32_t channels,
                                 struct arc_opus_dec **out);
void            arc_opus_dec_free(struct arc_opus_dec *d);

/** Make `to` go on as `from` would. @return ARC_OK, or ARC_ERR_ARG (they differ
 *  in rate or channels) */
enum arc_status arc_opus_dec_copy(struct arc_opus_dec *to,
                                  const struct arc_opus_dec *from);

/** Whether long concealment falls silent (the default), or is left as libopus
 *  extrapolates it, for a caller with a concealment of its own. From the next
 *  call on; before the first packet. */
void arc_opus_dec_set_fade(struct arc_opus_dec *d, bool fades);

/** CPU against quality, 0 (the default) .. 10; from 5 on lost audio is made up by
 *  deep PLC, where libopus has it.
 *  @return ARC_OK, ARC_ERR_ARG, or ARC_ERR_UNSUPPORTED: before libopus 1.5 */
enum arc_status arc_opus_dec_set_complexity(struct arc_opus_dec *d,
                                            int32_t complexity);

/**
 * Decode a packet. After a concealment that had begun to fade, the first
 * 5 ms come up from the level it had reached (audio/fade.h).
 *
 * @param data          Packet from the network; any bytes are safe
 * @param cap_samples   Room in `out`; arc_opus_packet_samples() says the need
 * @param n_samples_out Samples written per channel; untouched on a fault
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_SPACE, or ARC_ERR_CODEC (damaged; the
 *         decoder goes on with the next packet)
 */
enum arc_status arc_opus_dec_decode(struct arc_opus_dec *d,
                                    const uint8_t *data, int32_t len,
                                    int16_t *out, int32_t cap_samples,
                                    int32_t *n_samples_out);
enum arc_status arc_opus_dec_decode_float(struct arc_opus_dec *d,
                                          const uint8_t *data, int32_t len,
                                          float *out, int32_t cap_samples,
                                          int32_t *n_samples_out);

/**
 * Rebuild the lost frame before `next_data` from the in-band FEC in it. Decode
 * `next_data` itself afterwards. Of a loss longer than the redundancy reaches
 * back the first part is concealed.
 *
 * @param n_samples Length of the loss, a multiple of 2.5 ms, up to 120 ms;
 *                  all of it is filled
 *
 * @return ARC_OK; ARC_AGAIN (no FEC in that packet, or it covers more than
 *         n_samples: conceal instead, nothing was done); ARC_ERR_ARG or
 *         ARC_ERR_CODEC
 */
enum arc_status arc_opus_dec_decode_fec(struct arc_opus_dec *d,
                                        const uint8_t *next_data, int32_t len,
                                        int16_t *out, int32_t n_samples);
enum arc_status arc_opus_dec_decode_fec_float(struct arc_opus_dec *d,
                                              const uint8_t *next_data,
                                              int32_t len, float *out,
                                              int32_t n_samples);

/**
 * Fill in for lost audio. libopus extrapolates; from 60 ms of loss on the
 * level falls evenly in dB, from 200 ms on it is zero (audio/fade.h). Before
 * the first packet it is zero.
 *
 * @param n_samples A multiple of 2.5 ms, up to 120 ms
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_CODEC
 */
enum arc_status arc_opus_dec_conceal(struct arc_opus_dec *d, int16_t *out,
                                     int32_t n_samples);
enum arc_status arc_opus_dec_conceal_float(struct arc_opus_dec *d, float *out,
                                           int32_t n_samples);

/**
 * Fill a gap that the sender left on purpose (DTX: sequence numbers go on,
 * time stamps jump): the talker's background noise, without the fade, so that
 * it does not pump. Arguments and return as arc_opus_dec_conceal().
 */
enum arc_status arc_opus_dec_comfort(struct arc_opus_dec *d, int16_t *out,
                                     int32_t n_samples);
enum arc_status arc_opus_dec_comfort_float(struct arc_opus_dec *d, float *out,
                                           int32_t n_samples);

/**
 * Length of a packet's audio, from its headers alone.
 *
 * @return Samples per channel at `sample_rate_hz`, 1..5760; 0: malformed, or
 *         not a rate of Opus
 */
int32_t arc_opus_packet_samples(const uint8_t *data, int32_t len,
                                int32_t sample_rate_hz);

/** True if the packet carries FEC for what went before it (RFC 6716 §4.2.3). */
bool arc_opus_packet_has_fec(const uint8_t *data, int32_t len);

/** What the loaded libopus can do, by trying; takes a few milliseconds.
 *  @return ARC_OK, ARC_ERR_ARG, ARC_ERR_NOMEM or ARC_ERR_LIBRARY */
enum arc_status arc_opus_probe(struct arc_opus_features *out);

/** Name and version of the libopus that is loaded, such as "libopus 1.3.1". */
const char *arc_opus_version(void);
/* ARC_CDEF_END */

#endif
