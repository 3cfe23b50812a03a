/**
 * @file session/play.c  Sound in before its time: queue > gather > encode
 *
 * The media side of a sent audio stream that is given more than it can send now.
 */
#include "base/ring.h"
#include "base/units.h"
#include "session/peer.h"

static enum arc_status open_queue(struct arc_sendstream *st)
{
    const struct arc_playqueue_config cfg = {
        st->cfg.opus.sample_rate_hz, st->cfg.opus.channels, st->gather.need,
        st->cfg.play_max_ms,
    };

    st->play_samples = cfg.frame_samples;
    return arc_playqueue_new(&cfg, &st->play);
}

enum arc_status arc_send_play(struct arc_sendstream *st, const int16_t *pcm,
                              int32_t n_samples, int64_t now_us)
{
    enum arc_status status = ARC_OK;

    if (!st || st->cfg.kind != ARC_MEDIA_AUDIO || st->cfg.play_max_ms == 0)
        return ARC_ERR_ARG;
    if (!st->play)
        status = open_queue(st);
    return status == ARC_OK ? arc_playqueue_put(st->play, pcm, n_samples, now_us)
                            : status;
}

bool arc_send_play_turn(struct arc_sendstream *st, int64_t now_us)
{
    int16_t frame[ARC_SESSION_MAX_SAMPLES];
    bool any = false;
    int64_t at_us;

    while (st->play &&
           arc_playqueue_take(st->play, now_us, frame, &at_us) == ARC_OK) {
        arc_send_audio(st, frame, st->play_samples, at_us, now_us);
        any = true;
    }
    return any;
}

int64_t arc_send_play_next_us(const struct arc_sendstream *st)
{
    return st->play ? arc_playqueue_next_us(st->play) : ARC_NEVER_US;
}

/** What has been encoded and waits for the network side has not left. */
static void less_what_waits(const struct arc_sendstream *st, struct arc_played *out)
{
    const int64_t frame_us = st->gather.need * ARC_US_PER_S /
                             st->cfg.opus.sample_rate_hz;
    int64_t frames = arc_ring_count(st->to_net);

    out->played_us = arc_max_i64(out->played_us - frames * frame_us, 0);
}

void arc_send_get_played(const struct arc_sendstream *st, struct arc_played *out)
{
    out->played_us = out->waiting_us = 0;
    if (!st->play)
        return;
    arc_playqueue_get(st->play, out);
    less_what_waits(st, out);
}

void arc_send_play_flush(struct arc_sendstream *st, struct arc_played *out)
{
    out->played_us = out->waiting_us = 0;
    if (!st->play)
        return;
    arc_playqueue_flush(st->play, out);
    less_what_waits(st, out);
}
