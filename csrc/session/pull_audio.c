/**
 * @file session/pull_audio.c  Sound out: voice > media out
 *
 * rx/voice has the jitter buffer, the decoder, concealment and time stretching.
 * It hands out blocks of 10 ms on the clock of a playing device; here they get
 * the sender's times, and step with the pictures.
 */
#include <string.h>

#include "session/peer.h"

static int32_t block_kind(const struct arc_voice_block *b)
{
    switch (b->kind) {
    case ARC_VOICE_FEC:
        return ARC_BLOCK_FEC;
    case ARC_VOICE_COPY:
        return ARC_BLOCK_COPY;
    case ARC_VOICE_CONCEALED:
        return b->gap ? ARC_BLOCK_GAP : ARC_BLOCK_CONCEALED;
    case ARC_VOICE_SILENT:
        return ARC_BLOCK_SILENT;
    case ARC_VOICE_INSERTED:
        return ARC_BLOCK_INSERTED;
    default:
        return ARC_BLOCK_DECODED;
    }
}

static void hand_out(const struct arc_voice_block *b, struct arc_received *out)
{
    out->block          = block_kind(b);
    out->ts             = b->ts;
    out->arrival_us     = b->arrival_us;
    out->complete_us    = b->arrival_us;
    out->playout_us     = b->playout_us;
    out->bytes          = b->bytes;
    out->pkts           = b->pkts;
    out->level_neg_dbov = b->level_dbov;
    out->told_level     = b->told_level;
    out->voice          = b->voice;
    out->n_samples      = b->n_samples;
    out->channels       = b->channels;
    out->sample_rate_hz = b->sample_rate_hz;
    memcpy(out->samples, b->samples,
           (size_t)(b->n_samples * b->channels) * sizeof(b->samples[0]));
}

enum arc_status arc_peer_pull_audio(struct arc_recvstream *st, int64_t now_us,
                                    struct arc_received *out)
{
    struct arc_voice_block b;
    enum arc_status status = arc_voice_pull(st->voice, now_us, &b);

    if (status != ARC_OK)
        return status;
    hand_out(&b, out);
    out->decoded_us = now_us;
    out->rtp_ts     = arc_peer_wire_ts(st, out->ts);
    out->ntp_us     = arc_peer_capture_ntp_us(st, out->ts);
    st->media.frames_out++;
    st->media.samples_out += out->n_samples;
    arc_peer_publish_offset(st, out->ts);
    arc_peer_keep_in_step(st);
    arc_voice_set_hold_us(st->voice, st->hold_us);
    return ARC_OK;
}

/** Samples of the decoder as samples of the blocks. */
static int64_t at_out_rate(const struct arc_recvstream *st,
                           const struct arc_voice_stats *v, int64_t samples)
{
    return samples * st->cfg.sample_rate_hz / v->rate_hz;
}

void arc_peer_fill_audio_stats(const struct arc_recvstream *st,
                               struct arc_recv_media_stats *out)
{
    struct arc_voice_stats v;

    arc_voice_stats(st->voice, &v);
    out->concealed_samples = at_out_rate(st, &v, v.concealed);
    out->fec_samples       = at_out_rate(st, &v, v.fec);
    out->copy_samples      = at_out_rate(st, &v, v.copy);
    out->silent_samples    = at_out_rate(st, &v, v.silent);
    out->inserted_samples  = at_out_rate(st, &v, v.inserted);
    out->skipped_samples   = at_out_rate(st, &v, v.removed + v.silence_cut);
    out->late_pkts         = v.late_pkts;
    out->overflow_pkts     = v.overflow_pkts;
    out->codec_errors      = v.codec_errors;
    out->target_ms         = v.target_ms;
    out->playout_ms        = v.playout_ms;
    out->depth_ms          = v.depth_ms;
}
