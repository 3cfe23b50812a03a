/**
 * @file audio/opuscodec_heal.c  Put an Opus decoder right after a loss
 */
#include <stdbool.h>
#include <string.h>

#include <opus.h>

#include "audio/opuscodec_heal.h"
#include "base/mem.h"

enum {
    FRAME_MS       = 20,
    SHORT_FRAME_MS = 10,
    BITRATE_BPS    = 48000, /* a channel: not to be saved, it goes nowhere    */
    COMPLEXITY     = 2,
    MAX_BYTES      = 1275,
};

struct arc_opus_heal {
    int32_t sample_rate_hz;
    int32_t channels;
    struct arc_opus_dec *mark;
    struct arc_scratch  *own;  /* NULL: it is lent                            */

    /* rooms in the scratch memory, of any content when a call begins */
    OpusEncoder *opus;
    int16_t     *pcm;          /* before, made and after in a row             */
};

static void lay_out(struct arc_opus_heal *h, struct arc_rooms *r)
{
    const int32_t n = h->sample_rate_hz / 1000 *
                      (ARC_OPUS_HEAL_BEFORE_MS + ARC_OPUS_MAX_FRAME_MS +
                       ARC_OPUS_HEAL_AFTER_MS);

    h->opus = arc_rooms_take(r, 1, (size_t)opus_encoder_get_size(h->channels));
    h->pcm  = arc_rooms_take(r, (size_t)(n * h->channels), sizeof(*h->pcm));
}

size_t arc_opus_heal_scratch_bytes(int32_t sample_rate_hz, int32_t channels)
{
    struct arc_opus_heal h = {.sample_rate_hz = sample_rate_hz,
                              .channels       = channels};
    struct arc_rooms rooms = {NULL, 0};

    lay_out(&h, &rooms);
    return rooms.used;
}

enum arc_status arc_opus_heal_new(int32_t sample_rate_hz, int32_t channels,
                                  struct arc_scratch *scratch,
                                  struct arc_opus_heal **out)
{
    struct arc_rooms rooms = {NULL, 0};
    struct arc_opus_heal *h;
    enum arc_status status;

    if (!out)
        return ARC_ERR_ARG;
    h = arc_mem_zalloc(1, sizeof(*h));
    if (!h)
        return ARC_ERR_NOMEM;
    h->sample_rate_hz = sample_rate_hz;
    h->channels       = channels;
    status = arc_opus_dec_new(sample_rate_hz, channels, &h->mark);
    if (status == ARC_OK)
        status = arc_scratch_open(
            scratch, arc_opus_heal_scratch_bytes(sample_rate_hz, channels),
            &h->own, &rooms.mem);
    if (status != ARC_OK) {
        arc_opus_heal_free(h);
        return status;
    }
    lay_out(h, &rooms);
    *out = h;
    return ARC_OK;
}

void arc_opus_heal_free(struct arc_opus_heal *h)
{
    if (!h)
        return;
    arc_scratch_free(h->own);
    arc_opus_dec_free(h->mark);
    arc_mem_free(h);
}

enum arc_status arc_opus_heal_mark(struct arc_opus_heal *h,
                                   const struct arc_opus_dec *d)
{
    return arc_opus_dec_copy(h->mark, d);
}

enum arc_status arc_opus_heal_rewind(const struct arc_opus_heal *h,
                                     struct arc_opus_dec *d)
{
    return arc_opus_dec_copy(d, h->mark);
}

/** The encoder anew, for packets that the decoder takes as the stream's. */
static bool start(struct arc_opus_heal *h, uint8_t toc, opus_int32 *delay_out)
{
    OpusEncoder *e = h->opus;

    return opus_encoder_init(e, h->sample_rate_hz, h->channels,
                             OPUS_APPLICATION_VOIP) == OPUS_OK &&
           opus_encoder_ctl(e, OPUS_SET_BITRATE(BITRATE_BPS * h->channels)) ==
               OPUS_OK &&
           opus_encoder_ctl(e, OPUS_SET_COMPLEXITY(COMPLEXITY)) == OPUS_OK &&
           opus_encoder_ctl(e, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE)) == OPUS_OK &&
           opus_encoder_ctl(e, OPUS_SET_BANDWIDTH(
                                   opus_packet_get_bandwidth(&toc))) == OPUS_OK &&
           (h->channels == 1 ||
            opus_encoder_ctl(e, OPUS_SET_FORCE_CHANNELS(
                                    opus_packet_get_nb_channels(&toc))) ==
                OPUS_OK) &&
           opus_encoder_ctl(e, OPUS_GET_LOOKAHEAD(delay_out)) == OPUS_OK;
}

/** Encode a frame, and decode it unless it only warms the encoder up. */
static bool through(struct arc_opus_heal *h, struct arc_opus_dec *d,
                    const int16_t *pcm, int32_t n, int16_t *out)
{
    uint8_t packet[MAX_BYTES];
    int32_t len = opus_encode(h->opus, pcm, n, packet, MAX_BYTES), n_out;

    if (len <= 0)
        return false;
    return !out || (arc_opus_dec_decode(d, packet, len, out, n, &n_out) ==
                        ARC_OK && n_out == n);
}

/** Rows of samples one behind the other. */
static void line_up(struct arc_opus_heal *h, const int16_t *before,
                    const int16_t *made, int32_t n_made, const int16_t *after)
{
    const int32_t per_ms = h->sample_rate_hz / 1000 * h->channels;
    int16_t *to = h->pcm;

    memcpy(to, before, (size_t)(per_ms * ARC_OPUS_HEAL_BEFORE_MS) * sizeof(*to));
    to += per_ms * ARC_OPUS_HEAL_BEFORE_MS;
    memcpy(to, made, (size_t)(n_made * h->channels) * sizeof(*to));
    to += n_made * h->channels;
    memcpy(to, after, (size_t)(per_ms * ARC_OPUS_HEAL_AFTER_MS) * sizeof(*to));
}

enum arc_status arc_opus_heal_run(struct arc_opus_heal *h,
                                  struct arc_opus_dec *d, uint8_t toc,
                                  const int16_t *before, const int16_t *made,
                                  int32_t n_made, const int16_t *after,
                                  int16_t *out)
{
    const int32_t per_ms = h->sample_rate_hz / 1000, size = h->channels;
    const int32_t frame = per_ms * (n_made % (per_ms * FRAME_MS)
                                        ? SHORT_FRAME_MS : FRAME_MS);
    const int32_t warm = per_ms * ARC_OPUS_HEAL_BEFORE_MS;
    const int16_t *from;
    opus_int32 delay;

    if (!before || !made || !after || !out || n_made <= 0 ||
        n_made > per_ms * ARC_OPUS_MAX_FRAME_MS)
        return ARC_ERR_ARG;
    if (toc & 0x80 || n_made % frame) /* RFC 6716 §3.1: 16 to 31 are CELT */
        return ARC_AGAIN;
    line_up(h, before, made, n_made, after);
    if (arc_opus_dec_copy(d, h->mark) || !start(h, toc, &delay))
        return ARC_ERR_CODEC;
    from = h->pcm + delay * size;
    for (int32_t i = -warm; i < n_made; i += frame)
        if (!through(h, d, from + (warm + i) * size, frame,
                     i < 0 ? NULL : out + i * size)) {
            (void)arc_opus_dec_copy(d, h->mark);
            return ARC_ERR_CODEC;
        }
    return ARC_OK;
}
