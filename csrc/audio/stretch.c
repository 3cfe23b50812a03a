/**
 * @file audio/stretch.c  Time stretching: a little less or more of the same sound
 *
 * A join leads from the waveform at `from` to the waveform at `to` over `overlap`
 * samples: what follows `to` is heard where `from` was. to - from is the period
 * taken out, or, below zero, the one put in. Places are looked for at about 4 kHz,
 * where a period is 10 to 60 samples, and the best of them again at the full rate.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "audio/stretch.h"
#include "base/mem.h"
#include "base/units.h"

enum {
    COARSE_HZ      = 4000,
    MAX_RATE_HZ    = 48000,
    MIN_RATE_HZ    = 8000,
    MIN_OVERLAP_US = 2500,  /* shorter is heard as a click                    */
    WINDOW_US      = 10000, /* of likeness at least: a join within one period
                               may fit and still break the rhythm of pitch    */
    STEP_US        = 1000,  /* between places that are tried                  */
    N_BEST         = 6,     /* candidates looked at closely                   */
    GRAIN_US       = 2500,  /* of the search for bursts                       */
};

#define FULL_SCALE_SQ   (32768.0f * 32768.0f)
#define QUIET_FLOOR     1e-6f  /* -60 dBFS, power: quiet whatever is around   */
#define QUIET_RATIO     1e-3f  /* 30 dB below the loud parts: quiet           */
#define LEVEL_FALL_DB_S 3.0f   /* how fast the loud parts are forgotten       */
#define CALM_HARM       0.06   /* allowed at urgency 0                        */
#define JOIN_COST       0.05f  /* of any join: one large change, not two small */
#define BURST_RATIO     8.0f   /* 9 dB within a grain are an onset            */

/** One possible join; indices count from the beginning of `all`. */
struct join {
    int32_t from;
    int32_t to;
    int32_t overlap;
    float   likeness; /* -1..1; 1: the same waveform                          */
    float   harm;
    float   cost;     /* harm for each sample changed: what is minimised      */
};

struct arc_stretch {
    int32_t  rate_hz;
    int32_t  channels;
    int32_t  factor;     /* full rate over coarse rate                        */
    int32_t  max_before;
    int32_t  max_n;
    int16_t *all;        /* before, then pcm                                  */
    float   *coarse;     /* the same, low-passed, at about COARSE_HZ          */
    double  *energy;     /* of all before each coarse sample, of full scale   */
    float    loud;       /* power of the loud parts, of full scale            */
    int32_t  n_before;   /* of this call                                      */
    int32_t  n_all;
    int32_t  n_coarse;
    struct join best[N_BEST]; /* by cost                                      */
    int32_t  n_best;
    struct arc_stretch_stats stats;
};

static int32_t samples_of(const struct arc_stretch *s, int32_t us)
{
    return (int32_t)((int64_t)us * s->rate_hz / ARC_US_PER_S);
}

enum arc_status arc_stretch_new(const struct arc_stretch_config *cfg,
                                struct arc_stretch **out)
{
    struct arc_stretch *s;
    size_t room;

    if (!cfg || !out || cfg->sample_rate_hz < MIN_RATE_HZ ||
        cfg->sample_rate_hz > MAX_RATE_HZ || cfg->channels < 1 ||
        cfg->channels > 2)
        return ARC_ERR_ARG;
    s = arc_mem_zalloc(1, sizeof(*s));
    if (!s)
        return ARC_ERR_NOMEM;
    s->rate_hz    = cfg->sample_rate_hz;
    s->channels   = cfg->channels;
    s->factor     = cfg->sample_rate_hz / COARSE_HZ;
    s->max_before = samples_of(s, ARC_STRETCH_BEFORE_MS * 1000);
    s->max_n      = samples_of(s, ARC_STRETCH_MAX_MS * 1000);
    room          = (size_t)(s->max_before + s->max_n) * (size_t)s->channels;
    s->all        = arc_mem_zalloc(room, sizeof(*s->all));
    s->coarse     = arc_mem_zalloc(room / (size_t)s->factor, sizeof(*s->coarse));
    s->energy     = arc_mem_zalloc(room / (size_t)s->factor + 1, sizeof(*s->energy));
    if (!s->all || !s->coarse || !s->energy) {
        arc_stretch_free(s);
        return ARC_ERR_NOMEM;
    }
    *out = s;
    return ARC_OK;
}

void arc_stretch_free(struct arc_stretch *s)
{
    if (!s)
        return;
    arc_mem_free(s->all);
    arc_mem_free(s->coarse);
    arc_mem_free(s->energy);
    arc_mem_free(s);
}

void arc_stretch_get_stats(const struct arc_stretch *s,
                           struct arc_stretch_stats *out)
{
    *out = s->stats;
}

/* --- what is there -------------------------------------------------------- */

/** Each coarse sample is the mean of two of its grains: a low-pass that is good
 *  enough to find a pitch with. */
static void make_coarse(struct arc_stretch *s)
{
    const int32_t c = s->channels, span = 2 * s->factor;

    s->n_coarse = s->n_all / s->factor;
    for (int32_t i = 0; i < s->n_coarse; i++) {
        int32_t at  = i * s->factor;
        int32_t end = (int32_t)arc_min_i64(at + span, s->n_all);

        for (int32_t ch = 0; ch < c; ch++) {
            int32_t sum = 0;

            for (int32_t k = at; k < end; k++)
                sum += s->all[k * c + ch];
            s->coarse[i * c + ch] = (float)sum / (float)(end - at);
        }
    }
}

static void sum_energy(struct arc_stretch *s)
{
    const int32_t span = s->factor * s->channels;

    for (int32_t i = 0; i < s->n_coarse; i++) {
        float sum = 0.0f;

        for (int32_t k = i * span; k < (i + 1) * span; k++)
            sum += (float)s->all[k] * (float)s->all[k];
        s->energy[i + 1] = s->energy[i] + sum / FULL_SCALE_SQ;
    }
}

/** Mean power of [at, at + n), of full scale; to a coarse sample. */
static float power(const struct arc_stretch *s, int32_t at, int32_t n)
{
    int32_t first = at / s->factor;
    int32_t last  = (int32_t)arc_min_i64((at + n) / s->factor, s->n_coarse);

    if (last <= first)
        return 0.0f;
    return (float)((s->energy[last] - s->energy[first]) /
                   (double)((last - first) * s->factor * s->channels));
}

static void follow_level(struct arc_stretch *s)
{
    const int32_t n = s->n_all - s->n_before;
    const float fall_db = LEVEL_FALL_DB_S * (float)n / (float)s->rate_hz;
    float now = power(s, s->n_before, n);

    s->loud *= powf(10.0f, -fall_db / 10.0f);
    if (now > s->loud)
        s->loud = now;
}

static void take_in(struct arc_stretch *s, const int16_t *before,
                    int32_t n_before, const int16_t *pcm, int32_t n)
{
    const int32_t c = s->channels;
    int32_t use = before ? (int32_t)arc_min_i64(n_before, s->max_before) : 0;

    if (use > 0)
        memcpy(s->all, before + (n_before - use) * c,
               (size_t)(use * c) * sizeof(*s->all));
    memcpy(s->all + use * c, pcm, (size_t)(n * c) * sizeof(*s->all));
    s->n_before = use;
    s->n_all    = use + n;
    s->n_best   = 0;
    make_coarse(s);
    sum_energy(s);
    follow_level(s);
}

/* --- how alike -------------------------------------------------------------- */

/** Likeness of x[a..a+n) and x[b..b+n), which their levels count for as well:
 *  2 xy / (xx + yy). Digital silence is like digital silence. */
static float alike_coarse(const struct arc_stretch *s, int32_t a, int32_t b,
                          int32_t n)
{
    const float *x = s->coarse + a * s->channels;
    const float *y = s->coarse + b * s->channels;
    float xy = 0.0f, sum = 0.0f;

    for (int32_t i = 0; i < n * s->channels; i++) {
        xy  += x[i] * y[i];
        sum += x[i] * x[i] + y[i] * y[i];
    }
    return sum > 0.0f ? 2.0f * xy / sum : 1.0f;
}

static float alike(const struct arc_stretch *s, int32_t a, int32_t b, int32_t n)
{
    const int16_t *x = s->all + a * s->channels;
    const int16_t *y = s->all + b * s->channels;
    float xy = 0.0f, sum = 0.0f;

    for (int32_t i = 0; i < n * s->channels; i++) {
        float u = x[i], v = y[i];

        xy  += u * v;
        sum += u * u + v * v;
    }
    return sum > 0.0f ? 2.0f * xy / sum : 1.0f;
}

/** The stretch around an overlap over which likeness is measured: the overlap
 *  itself, and on both sides of it as much as is there up to WINDOW_US. */
static void window_of(const struct arc_stretch *s, const struct join *j,
                      int32_t *start, int32_t *len)
{
    int32_t low  = (int32_t)arc_min_i64(j->from, j->to);
    int32_t high = (int32_t)arc_max_i64(j->from, j->to) + j->overlap;
    int32_t more = (int32_t)arc_max_i64(samples_of(s, WINDOW_US) - j->overlap, 0);
    int32_t left = (int32_t)arc_min_i64(more / 2, low);
    int32_t right = (int32_t)arc_min_i64(more - left, s->n_all - high);

    *start = left;
    *len   = left + j->overlap + right;
}

/** Whether the sound begins anew in [at, at + n): its power jumps. */
static bool has_burst(const struct arc_stretch *s, int32_t at, int32_t n)
{
    const int32_t grain = samples_of(s, GRAIN_US);
    float last = -1.0f;

    for (int32_t i = at - grain; i + grain <= at + n; i += grain) {
        float now;

        if (i < 0)
            continue;
        now = power(s, i, grain);
        if (last >= 0.0f && now > BURST_RATIO * last &&
            now > QUIET_RATIO * s->loud && now > QUIET_FLOOR)
            return true;
        last = now;
    }
    return false;
}

/** How much of it is heard: 0 where it is quiet, 1 where it is loud. */
static float loudness(const struct arc_stretch *s, float p)
{
    float quiet = QUIET_RATIO * s->loud;

    if (quiet < QUIET_FLOOR)
        quiet = QUIET_FLOOR;
    if (p <= quiet)
        return 0.0f;
    p = log10f(p / quiet) / 1.5f; /* all of it 15 dB above quiet */
    return p < 1.0f ? p : 1.0f;
}

static void judge(const struct arc_stretch *s, struct join *j)
{
    int32_t low = (int32_t)arc_min_i64(j->from, j->to);
    int32_t period = j->to > j->from ? j->to - j->from : j->from - j->to;
    int32_t span = period + j->overlap;
    float loud = loudness(s, power(s, low, span));

    j->harm = 0.5f * (1.0f - j->likeness) * loud;
    if (has_burst(s, low, span))
        j->harm += 0.5f;
    j->cost = (j->harm + JOIN_COST) / (float)period;
}

/* --- where ------------------------------------------------------------------ */

/** Keep a candidate if it is among the best. */
static void offer(struct arc_stretch *s, const struct join *j)
{
    int32_t i = s->n_best;

    if (i == N_BEST && j->cost >= s->best[i - 1].cost)
        return;
    if (i < N_BEST)
        s->n_best++;
    else
        i--;
    for (; i > 0 && s->best[i - 1].cost > j->cost; i--)
        s->best[i] = s->best[i - 1];
    s->best[i] = *j;
}

static int32_t overlap_of(int32_t period, int32_t room)
{
    return (int32_t)arc_min_i64(period, room);
}

/** Fill in the rest of a join at `from` by `period` (below zero: put in). False:
 *  there is no room for it. */
static bool place(const struct arc_stretch *s, struct join *j, int32_t from,
                  int32_t period)
{
    int32_t end = period > 0 ? from + period : from;

    j->from    = from;
    j->to      = from + period;
    j->overlap = overlap_of(period > 0 ? period : -period, s->n_all - end);
    return j->to >= 0 && from >= s->n_before &&
           j->overlap >= samples_of(s, MIN_OVERLAP_US);
}

/** Try all periods at one place, coarsely; the best is offered. */
static void try_place(struct arc_stretch *s, int32_t from, int32_t sign,
                      int32_t max_period)
{
    const int32_t f = s->factor;
    int32_t shortest = (samples_of(s, ARC_STRETCH_MIN_US) + f - 1) / f;
    struct join best = {0};

    best.cost = INFINITY;
    for (int32_t k = shortest; k * f <= max_period; k++) {
        struct join j;
        int32_t start, len, a, b;

        if (!place(s, &j, from, sign * k * f))
            continue;
        window_of(s, &j, &start, &len);
        a = (j.from - start) / f;
        b = a + sign * k;
        len = (int32_t)arc_min_i64(len / f, s->n_coarse - arc_max_i64(a, b));
        j.likeness = alike_coarse(s, a, b, len);
        judge(s, &j);
        if (j.cost < best.cost)
            best = j;
    }
    if (best.cost < INFINITY)
        offer(s, &best);
}

/** The period of a candidate to the sample. */
static void refine(const struct arc_stretch *s, struct join *j, int32_t max_period)
{
    const int32_t sign = j->to > j->from ? 1 : -1;
    const int32_t period = (j->to - j->from) * sign, from = j->from;
    const int32_t shortest = samples_of(s, ARC_STRETCH_MIN_US);
    struct join best = *j;

    best.likeness = -2.0f;
    for (int32_t p = period - s->factor; p <= period + s->factor; p++) {
        struct join t = {0};
        int32_t start, len;

        if (p < shortest || p > max_period || !place(s, &t, from, sign * p))
            continue;
        window_of(s, &t, &start, &len);
        t.likeness = alike(s, t.from - start, t.to - start, len);
        if (t.likeness > best.likeness)
            best = t;
    }
    *j = best;
    judge(s, j);
}

/** The join that does the least harm. False: there is no place for any. */
static bool find(struct arc_stretch *s, int32_t sign, int32_t max_period,
                 struct join *out)
{
    const int32_t step = samples_of(s, STEP_US);
    bool found = false;

    max_period = (int32_t)arc_min_i64(max_period, samples_of(s, ARC_STRETCH_MAX_US));
    for (int32_t from = s->n_before; from < s->n_all; from += step)
        try_place(s, from, sign, max_period);
    for (int32_t i = 0; i < s->n_best; i++) {
        refine(s, &s->best[i], max_period);
        if (!found || s->best[i].cost < out->cost)
            *out = s->best[i];
        found = true;
    }
    return found;
}

/** Whether a join may be made at this urgency. */
static bool allowed(const struct join *j, double urgency)
{
    return urgency >= 1.0 || j->harm <= CALM_HARM + (0.6 - CALM_HARM) * urgency;
}

/* --- doing it --------------------------------------------------------------- */

static int16_t to_i16(float v)
{
    return (int16_t)lrintf(v > 32767.0f ? 32767.0f : v < -32768.0f ? -32768.0f : v);
}

/** Cross-fade, of constant power: two waveforms that are not alike would
 *  otherwise be up to 3 dB quieter in the middle. */
static void cross(const struct arc_stretch *s, const struct join *j, int16_t *out)
{
    const int32_t c = s->channels;
    const float like = j->likeness > 0.0f ? j->likeness : 0.0f;

    for (int32_t i = 0; i < j->overlap; i++) {
        float t = ((float)i + 0.5f) / (float)j->overlap;
        float w = t * t * (3.0f - 2.0f * t), v = 1.0f - w;
        float scale = 1.0f / sqrtf(v * v + w * w + 2.0f * v * w * like);

        for (int32_t ch = 0; ch < c; ch++)
            out[i * c + ch] = to_i16(scale * (v * (float)s->all[(j->from + i) * c + ch] +
                                              w * (float)s->all[(j->to + i) * c + ch]));
    }
}

/** Write the joined audio over pcm. */
static void apply(struct arc_stretch *s, const struct join *j, int16_t *pcm,
                  int32_t *n)
{
    const int32_t c = s->channels;
    int32_t at = j->from - s->n_before, rest = j->to + j->overlap;

    cross(s, j, pcm + at * c);
    memcpy(pcm + (at + j->overlap) * c, s->all + rest * c,
           (size_t)((s->n_all - rest) * c) * sizeof(*pcm));
    *n -= j->to - j->from;
}

static enum arc_status change(struct arc_stretch *s, int16_t *pcm, int32_t *n,
                              int32_t sign, int32_t max_period, double urgency)
{
    struct join j;
    bool found = find(s, sign, max_period, &j);

    s->stats.last_harm = found ? j.harm : 0.0;
    if (!found || !allowed(&j, urgency)) {
        s->stats.refused++;
        return ARC_AGAIN;
    }
    apply(s, &j, pcm, n);
    if (sign > 0) {
        s->stats.shortened++;
        s->stats.removed_samples += j.to - j.from;
    } else {
        s->stats.lengthened++;
        s->stats.added_samples += j.from - j.to;
    }
    return ARC_OK;
}

static bool args_ok(const struct arc_stretch *s, const int16_t *before,
                    int32_t n_before, const int16_t *pcm, const int32_t *n,
                    int32_t most, double urgency)
{
    return s && pcm && n && *n >= 0 && *n <= s->max_n && n_before >= 0 &&
           (before || n_before == 0) && most >= 0 && urgency >= 0.0 &&
           urgency <= 1.0;
}

enum arc_status arc_stretch_shorten(struct arc_stretch *s,
                                    const int16_t *before, int32_t n_before,
                                    int16_t *pcm, int32_t *n,
                                    int32_t max_removed, double urgency)
{
    if (!args_ok(s, before, n_before, pcm, n, max_removed, urgency))
        return ARC_ERR_ARG;
    take_in(s, before, n_before, pcm, *n);
    return change(s, pcm, n, 1, max_removed, urgency);
}

enum arc_status arc_stretch_lengthen(struct arc_stretch *s,
                                     const int16_t *before, int32_t n_before,
                                     int16_t *pcm, int32_t *n, int32_t cap,
                                     int32_t max_added, double urgency)
{
    if (!args_ok(s, before, n_before, pcm, n, max_added, urgency) || cap < *n)
        return ARC_ERR_ARG;
    take_in(s, before, n_before, pcm, *n);
    return change(s, pcm, n, -1,
                  (int32_t)arc_min_i64(max_added, cap - *n), urgency);
}
