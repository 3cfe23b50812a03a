/**
 * @file session/opus_out.c  How a sent stream is coded with Opus: told from any thread,
 *                           applied with the next packet
 */
#include <string.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/units.h"
#include "session/peer.h"

/* All settings as one number, so that the media side never sees half of them: from the
 * lowest bit on 4 of complexity, 2 of application, 3 of bandwidth, 2 of channels, 6 of
 * the frame's length in steps of 2.5 ms, 7 of DRED in steps of 10 ms, 4 flags. */
enum {
    APPLICATION_BIT = 4,
    BANDWIDTH_BIT   = 6,
    CHANNELS_BIT    = 9,
    FRAME_BIT       = 11,
    DRED_BIT        = 17,
    DTX_BIT         = 24,
    FEC_BIT         = 25,
    VBR_BIT         = 26,
    FREE_BIT        = 27,
    FRAME_STEP_US   = 2500,
    DRED_STEP_MS    = 10,
    DRED_MAX_MS     = 1040,
    LEAST_FRAME_BITS = 24, /* libopus codes no shorter ones (arc_opus_enc_encode) */
};

static int32_t pack(const struct arc_send_opus *o)
{
    return o->complexity | o->application << APPLICATION_BIT |
           o->max_bandwidth << BANDWIDTH_BIT | o->coded_channels << CHANNELS_BIT |
           o->frame_us / FRAME_STEP_US << FRAME_BIT |
           o->dred_ms / DRED_STEP_MS << DRED_BIT | o->dtx << DTX_BIT |
           o->fec << FEC_BIT | o->vbr << VBR_BIT | o->vbr_free << FREE_BIT;
}

/** So many bits of it, from this one on. */
static int32_t bits(int32_t packed, int32_t from, int32_t n)
{
    return packed >> from & ((1 << n) - 1);
}

static struct arc_send_opus unpack(int32_t packed)
{
    struct arc_send_opus o;

    o.complexity     = bits(packed, 0, 4);
    o.application    = bits(packed, APPLICATION_BIT, 2);
    o.max_bandwidth  = bits(packed, BANDWIDTH_BIT, 3);
    o.coded_channels = bits(packed, CHANNELS_BIT, 2);
    o.frame_us       = bits(packed, FRAME_BIT, 6) * FRAME_STEP_US;
    o.dred_ms        = bits(packed, DRED_BIT, 7) * DRED_STEP_MS;
    o.dtx            = bits(packed, DTX_BIT, 1);
    o.fec            = bits(packed, FEC_BIT, 1);
    o.vbr            = bits(packed, VBR_BIT, 1);
    o.vbr_free       = bits(packed, FREE_BIT, 1);
    return o;
}

static bool settings_ok(const struct arc_sendstream *st,
                        const struct arc_send_opus *o)
{
    return o->complexity >= 0 && o->complexity <= 10 &&
           o->application >= ARC_OPUS_APPLICATION_VOIP &&
           o->application <= ARC_OPUS_APPLICATION_LOWDELAY &&
           o->max_bandwidth >= ARC_OPUS_BANDWIDTH_AUTO &&
           o->max_bandwidth <= ARC_OPUS_BANDWIDTH_FB && o->coded_channels >= 0 &&
           o->coded_channels <= st->cfg.opus.channels &&
           arc_audiocodec_frame_ok(ARC_AUDIO_OPUS, st->cfg.opus.sample_rate_hz,
                                   o->frame_us) &&
           o->dred_ms >= 0 && o->dred_ms <= DRED_MAX_MS &&
           o->dred_ms % DRED_STEP_MS == 0;
}

/** What the encoder has been opened with. */
static struct arc_send_opus opened(const struct arc_sendstream *st)
{
    const struct arc_opus_enc_config *c = &st->cfg.opus;
    const struct arc_send_opus o = {
        .complexity  = c->complexity,
        .application = c->application,
        .frame_us    = st->cfg.frame_us,
        .dtx         = c->dtx,
        .fec         = c->fec,
        .vbr         = c->vbr,
        .vbr_free    = c->vbr_free,
    };

    return o;
}

enum arc_status arc_peer_open_opus(struct arc_sendstream *st)
{
    struct arc_opus_enc *enc = arc_aenc_opus(st->aenc);
    struct arc_send_opus o = opened(st);

    if (!enc)
        return ARC_OK;
    st->can_dred = arc_opus_enc_set_dred_ms(enc, DRED_STEP_MS) == ARC_OK &&
                   arc_opus_enc_set_dred_ms(enc, 0) == ARC_OK;
    st->applied_opus = pack(&o);
    o.max_bandwidth  = st->cfg.max_bandwidth;
    o.coded_channels = st->cfg.coded_channels;
    o.dred_ms        = st->cfg.dred_ms;
    return arc_send_set_opus(st, &o);
}

/** Room for the longest frame, if this one needs more than there was at the start. */
static bool make_room(struct arc_sendstream *st, int32_t frame_us)
{
    const struct arc_opus_enc_config *c = &st->cfg.opus;
    int16_t *pcm;

    if (frame_us <= st->cfg.frame_us || arc_atomic_load_relaxed(&st->pcm_long))
        return true;
    pcm = arc_mem_zalloc((size_t)(c->sample_rate_hz / 1000 * ARC_OPUS_MAX_FRAME_MS *
                                  c->channels), sizeof(*pcm));
    arc_atomic_store_release(&st->pcm_long, pcm);
    return pcm != NULL;
}

enum arc_status arc_send_set_opus(struct arc_sendstream *st,
                                  const struct arc_send_opus *settings)
{
    if (st->cfg.kind != ARC_MEDIA_AUDIO || st->cfg.audio_codec != ARC_AUDIO_OPUS ||
        !settings || !settings_ok(st, settings))
        return ARC_ERR_ARG;
    if (settings->dred_ms > 0 && !st->can_dred)
        return ARC_ERR_UNSUPPORTED;
    if (!make_room(st, settings->frame_us))
        return ARC_ERR_NOMEM;
    arc_atomic_store_release(&st->opus_set, pack(settings));
    return ARC_OK;
}

enum arc_status arc_send_set_expected_loss(struct arc_sendstream *st, int32_t pct)
{
    if (st->cfg.kind != ARC_MEDIA_AUDIO || pct < 0 || pct > 100)
        return ARC_ERR_ARG;
    arc_atomic_store_relaxed(&st->loss_pct, pct);
    return ARC_OK;
}

/** The rates are the bitrate that was set, and the loss that the peer reports. */
static void apply_rates(struct arc_sendstream *st, struct arc_opus_enc *enc)
{
    const int32_t least = (int32_t)(LEAST_FRAME_BITS * ARC_US_PER_S /
                                    unpack(st->applied_opus).frame_us);
    const int32_t told = arc_atomic_load_relaxed(&st->target_bps);
    const int32_t bps  = told > least ? told : least;
    const int32_t loss = arc_atomic_load_relaxed(&st->loss_pct);

    if (bps != st->applied_bps && arc_opus_enc_set_bitrate(enc, bps) == ARC_OK)
        st->applied_bps = bps;
    if (loss != st->applied_loss_pct &&
        arc_opus_enc_set_loss_pct(enc, loss) == ARC_OK)
        st->applied_loss_pct = loss;
}

/** No more than wideband while copies leave speech too little rate for more. */
static void limit_bandwidth(struct arc_sendstream *st, struct arc_opus_enc *enc)
{
    const struct arc_send_opus o = unpack(st->applied_opus);
    const bool may_be_wider = o.max_bandwidth == ARC_OPUS_BANDWIDTH_AUTO ||
                              o.max_bandwidth > ARC_OPUS_BANDWIDTH_WB;
    const bool narrow = o.application == ARC_OPUS_APPLICATION_VOIP &&
                        may_be_wider && arc_peer_makes_copies(st) &&
                        st->applied_bps < st->cfg.red_wideband_below_bps;

    if (narrow != st->is_narrow &&
        arc_opus_enc_set_max_bandwidth(
            enc, narrow ? ARC_OPUS_BANDWIDTH_WB : o.max_bandwidth) == ARC_OK)
        st->is_narrow = narrow;
}

static void set_frame(struct arc_sendstream *st, int32_t frame_us)
{
    if (arc_aenc_set_frame_us(st->aenc, frame_us) != ARC_OK)
        return;
    st->gather.need = arc_aenc_frame_samples(st->aenc);
    st->gather.pcm  = frame_us > st->cfg.frame_us
                          ? arc_atomic_load_acquire(&st->pcm_long) : st->pcm;
}

static void apply_settings(struct arc_sendstream *st, struct arc_opus_enc *enc)
{
    const int32_t packed = arc_atomic_load_acquire(&st->opus_set);
    const struct arc_send_opus was = unpack(st->applied_opus), o = unpack(packed);

    if (packed == st->applied_opus)
        return;
    if (o.application != was.application) /* it forgets what it has heard */
        arc_opus_enc_set_application(enc, o.application);
    arc_opus_enc_set_complexity(enc, o.complexity);
    arc_opus_enc_set_max_bandwidth(enc, o.max_bandwidth);
    st->is_narrow = false;
    arc_opus_enc_set_channels(enc, o.coded_channels);
    arc_opus_enc_set_dtx(enc, o.dtx);
    arc_opus_enc_set_fec(enc, o.fec);
    arc_opus_enc_set_vbr(enc, o.vbr, o.vbr_free);
    if (st->can_dred)
        arc_opus_enc_set_dred_ms(enc, o.dred_ms);
    set_frame(st, o.frame_us);
    st->applied_opus = packed;
}

void arc_peer_apply_opus(struct arc_sendstream *st)
{
    struct arc_opus_enc *enc = arc_aenc_opus(st->aenc);

    if (enc) {
        apply_settings(st, enc);
        apply_rates(st, enc);
        limit_bandwidth(st, enc);
    }
    st->media.target_bps = st->applied_bps;
}
