/**
 * @file audio/mixer.c  Many talkers into one sound; each hears all but himself
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "audio/limiter.h"
#include "audio/mixer.h"
#include "base/mem.h"

/** One who talks, listens, or both. */
struct party {
    struct arc_limiter *limiter;
    float *own;      /* what he added to this block, with its gain             */
    float  gain;     /* at the end of his last block                           */
    bool   has_gain; /* he has talked before                                   */
    bool   talks;    /* in this block                                          */
    bool   has_read;
};

struct arc_mixer {
    int32_t n;             /* samples of a block, per channel                  */
    int32_t channels;
    int32_t max_talkers;
    float  *sum;
    float  *out;
    float  *own;           /* that of all parties                              */
    struct party *parties; /* max_talkers + 1: the last one is ARC_MIXER_ALL   */
};

static bool config_ok(const struct arc_mixer_config *c)
{
    return c && c->sample_rate_hz >= 8000 && c->sample_rate_hz <= 48000 &&
           c->sample_rate_hz % 100 == 0 && c->channels >= 1 && c->channels <= 2 &&
           c->max_talkers >= 1 && c->max_talkers <= ARC_MIXER_MAX_TALKERS;
}

static enum arc_status make_parties(struct arc_mixer *m, int32_t sample_rate_hz)
{
    const size_t block = (size_t)(m->n * m->channels);

    for (int32_t i = 0; i <= m->max_talkers; i++) {
        m->parties[i].own = m->own + (size_t)i * block;
        if (arc_limiter_new(sample_rate_hz, m->channels, &m->parties[i].limiter) != ARC_OK)
            return ARC_ERR_NOMEM;
    }
    return ARC_OK;
}

enum arc_status arc_mixer_new(const struct arc_mixer_config *cfg,
                              struct arc_mixer **out)
{
    enum arc_status status = ARC_ERR_NOMEM;
    struct arc_mixer *m;
    size_t block, parties;

    if (!config_ok(cfg) || !out)
        return ARC_ERR_ARG;
    m = arc_mem_zalloc(1, sizeof(*m));
    if (!m)
        return ARC_ERR_NOMEM;
    m->n           = cfg->sample_rate_hz / 100;
    m->channels    = cfg->channels;
    m->max_talkers = cfg->max_talkers;
    block      = (size_t)(m->n * m->channels);
    parties    = (size_t)m->max_talkers + 1;
    m->sum     = arc_mem_zalloc(block, sizeof(*m->sum));
    m->out     = arc_mem_zalloc(block, sizeof(*m->out));
    m->own     = arc_mem_zalloc(parties * block, sizeof(*m->own));
    m->parties = arc_mem_zalloc(parties, sizeof(*m->parties));
    if (m->sum && m->out && m->own && m->parties)
        status = make_parties(m, cfg->sample_rate_hz);
    if (status != ARC_OK) {
        arc_mixer_free(m);
        return status;
    }
    *out = m;
    return ARC_OK;
}

void arc_mixer_free(struct arc_mixer *m)
{
    if (!m)
        return;
    for (int32_t i = 0; m->parties && i <= m->max_talkers; i++)
        arc_limiter_free(m->parties[i].limiter);
    arc_mem_free(m->sum);
    arc_mem_free(m->out);
    arc_mem_free(m->own);
    arc_mem_free(m->parties);
    arc_mem_free(m);
}

int32_t arc_mixer_block_samples(const struct arc_mixer *m)
{
    return m->n;
}

/* --- talkers ---------------------------------------------------------------- */

static struct party *talker_of(struct arc_mixer *m, int32_t talker,
                               const void *pcm, double gain)
{
    if (!m || !pcm || talker < 0 || talker >= m->max_talkers || !(gain >= 0.0) ||
        gain > ARC_MIXER_MAX_GAIN || m->parties[talker].talks)
        return NULL;
    return &m->parties[talker];
}

/** Apply the gain to p->own, from where it was to where it is to be, and add. */
static void add(struct arc_mixer *m, struct party *p, float gain)
{
    const int32_t c = m->channels;
    float g = p->has_gain ? p->gain : gain, step = (gain - g) / (float)m->n;

    for (int32_t i = 0; i < m->n; i++) {
        g += step;
        for (int32_t k = i * c; k < (i + 1) * c; k++) {
            p->own[k] *= g;
            m->sum[k] += p->own[k];
        }
    }
    p->gain     = gain;
    p->has_gain = p->talks = true;
}

enum arc_status arc_mixer_add_i16(struct arc_mixer *m, int32_t talker,
                                  const int16_t *pcm, double gain)
{
    struct party *p = talker_of(m, talker, pcm, gain);

    if (!p)
        return ARC_ERR_ARG;
    for (int32_t i = 0; i < m->n * m->channels; i++)
        p->own[i] = (float)pcm[i] / 32768.0f;
    add(m, p, (float)gain);
    return ARC_OK;
}

enum arc_status arc_mixer_add_f32(struct arc_mixer *m, int32_t talker,
                                  const float *pcm, double gain)
{
    const float most = 1000.0f; /* of one talker: a sum of all stays exact enough */
    struct party *p = talker_of(m, talker, pcm, gain);

    if (!p)
        return ARC_ERR_ARG;
    for (int32_t i = 0; i < m->n * m->channels; i++) {
        float v = pcm[i] == pcm[i] ? pcm[i] : 0.0f; /* NaN */

        p->own[i] = v > most ? most : v < -most ? -most : v;
    }
    add(m, p, (float)gain);
    return ARC_OK;
}

void arc_mixer_next(struct arc_mixer *m)
{
    memset(m->sum, 0, (size_t)(m->n * m->channels) * sizeof(*m->sum));
    for (int32_t i = 0; i <= m->max_talkers; i++)
        m->parties[i].talks = m->parties[i].has_read = false;
}

/* --- listeners -------------------------------------------------------------- */

static struct party *listener_of(const struct arc_mixer *m, int32_t listener)
{
    if (!m || listener < ARC_MIXER_ALL || listener >= m->max_talkers)
        return NULL;
    return &m->parties[listener == ARC_MIXER_ALL ? m->max_talkers : listener];
}

static bool hear(struct arc_mixer *m, int32_t listener)
{
    const int32_t n = m ? m->n * m->channels : 0;
    struct party *p = listener_of(m, listener);

    if (!p || p->has_read)
        return false;
    for (int32_t i = 0; i < n; i++)
        m->out[i] = p->talks ? m->sum[i] - p->own[i] : m->sum[i];
    p->has_read = true;
    arc_limiter_run(p->limiter, m->out, m->n);
    return true;
}

enum arc_status arc_mixer_read_i16(struct arc_mixer *m, int32_t listener,
                                   int16_t *pcm)
{
    if (!pcm || !hear(m, listener))
        return ARC_ERR_ARG;
    for (int32_t i = 0; i < m->n * m->channels; i++)
        pcm[i] = (int16_t)lrintf(m->out[i] * 32768.0f); /* the ceiling is below 1 */
    return ARC_OK;
}

enum arc_status arc_mixer_read_f32(struct arc_mixer *m, int32_t listener,
                                   float *pcm)
{
    if (!pcm || !hear(m, listener))
        return ARC_ERR_ARG;
    memcpy(pcm, m->out, (size_t)(m->n * m->channels) * sizeof(*pcm));
    return ARC_OK;
}

double arc_mixer_limit(const struct arc_mixer *m, int32_t listener)
{
    const struct party *p = listener_of(m, listener);

    return p ? (double)arc_limiter_gain(p->limiter) : -1.0;
}
