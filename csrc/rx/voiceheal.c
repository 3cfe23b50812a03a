/**
 * @file rx/voiceheal.c  The decoder after a loss: as if what was made up had come
 *
 * From the first made-up sample of a loss on (the mark) what is made is kept. The
 * packet that ends the loss is then decoded from where a decoder without loss would
 * stand: at the mark itself when it is the missing one, come late; else behind what
 * was made, which is led through the codec (audio/opuscodec_heal.h).
 */
#include <string.h>

#include "audio/opuscodec_heal.h"
#include "rx/voice_parts.h"

enum {
    BEFORE_MS = ARC_OPUS_HEAL_BEFORE_MS,
    AFTER_MS  = ARC_OPUS_HEAL_AFTER_MS,
};

static int32_t ms(const struct arc_voice *v, int32_t n_ms)
{
    return v->rate_hz / 1000 * n_ms;
}

void arc_voice_mark(struct arc_voice *v)
{
    if (v->loss.marked || !v->conceal) /* a machine that listens: nothing is made up */
        return;
    arc_adec_mark(v->dec);
    v->loss = (struct arc_voiceloss){
        .ts = v->next_ts, .marked = true, .healable = true,
    };
}

void arc_voice_unmark(struct arc_voice *v)
{
    v->loss.marked = false;
}

void arc_voice_note_made(struct arc_voice *v, int32_t n)
{
    v->loss.n       += n;
    v->loss.healable = v->loss.healable && v->loss.n <= ms(v, ARC_CONCEAL_MAX_MS);
}

void arc_voice_rewind(struct arc_voice *v, int64_t ts)
{
    if (v->loss.marked && ts == v->loss.ts && arc_adec_rewind(v->dec) == ARC_OK)
        v->stats.rewound++;
}

bool arc_voice_heal(struct arc_voice *v, const struct arc_rxpkt *p, int64_t ts,
                    int32_t n_next, int32_t n_tail)
{
    const int64_t n = arc_voice_samples_of(v, ts - v->loss.ts);
    const int16_t *heard;
    enum arc_status status;

    if (!v->loss.marked || !v->loss.healable || n <= 0 || n > v->loss.n ||
        n_next < ms(v, AFTER_MS))
        return false;
    heard  = arc_conceal_heard(v->conceal, ms(v, BEFORE_MS) + v->loss.n);
    status = arc_adec_heal(v->dec, p->pkt->data + p->payload_off, p->payload_len,
                           heard, heard + ms(v, BEFORE_MS) * v->cfg.channels,
                           (int32_t)n, v->pcm, v->guess);
    if (status == ARC_OK && n == n_tail) /* all of it is still to be heard */
        memcpy(arc_voicequeue_tail(&v->queue) - n * v->cfg.channels, v->guess,
               (size_t)(n * v->cfg.channels) * sizeof(*v->guess));
    v->stats.healed += status == ARC_OK;
    return status == ARC_OK || status == ARC_ERR_CODEC; /* it has moved */
}
