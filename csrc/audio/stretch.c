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
    LARGE_US       = 10000, /* a larger change is heard as one                */
    WINDOW_US      = 10000, /* of likeness at least: a join within one period
                               may fit and still break the rhythm of pitch    */
    STEP_US        = 2000,  /* between places that are tried                  */
    N_BEST         = 4,     /* candidates looked at closely                   */
    GRAIN_US       = 2500,  /* of the search for bursts                       */
    SUM_STEP       = 4,     /* samples from one sum of squares to the next    */
    MAX_PLACES     = ARC_STRETCH_MAX_MS * 1000 / STEP_US + 1,
};

#define QUIET_FLOOR     1074.0f /* -60 dBFS, mean square: quiet in any case    */
#define QUIET_RATIO     1e-3f   /* 30 dB below the loud parts: quiet           */
#define LEVEL_FALL_DB_S 3.0f    /* how fast the loud parts are forgotten       */
#define CALM_HARM       0.01    /* allowed at urgency 0                        */
#define MOST_HARM       0.6     /* allowed more with the square of urgency     */
#define BURST_HARM      0.5f    /* of a burst that is doubled or swallowed     */
#define JOIN_COST       0.02f   /* of any join: one large change, not two small */
#define BURST_RATIO     8.0f    /* 9 dB from one grain to the next             */

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
    int32_t  n_before;   /* of this call                                      */
    int32_t  n_all;
    int32_t  n_coarse;
    int32_t  n_places;
    float    loud;       /* mean square of the loud parts                     */
    int32_t  n_best;
    struct arc_stretch_stats stats;
    struct arc_scratch *own; /* NULL: it is lent                              */

    /* rooms in the scratch memory, of any content when a call begins */
    int16_t *all;        /* before, then pcm                                  */
    float   *coarse;     /* the same, low-passed, at about COARSE_HZ          */
    /* Sums over all that lies before an index, for any span in one step: */
    int64_t *energy;     /* squares of `all`, a sum each SUM_STEP samples     */
    double  *coarse_energy;
    double  *products;   /* of `coarse` and itself one lag later              */
    int32_t *bursts;     /* coarse samples where the sound begins anew        */
    struct join *places; /* MAX_PLACES: the best period at each               */
    struct join *best;   /* N_BEST of them, by cost                           */
};

static int32_t samples_of(const struct arc_stretch *s, int32_t us)
{
    return (int32_t)((int64_t)us * s->rate_hz / ARC_US_PER_S);
}

static bool config_ok(const struct arc_stretch_config *cfg)
{
    return cfg->sample_rate_hz >= MIN_RATE_HZ && cfg->sample_rate_hz <= MAX_RATE_HZ &&
           cfg->channels >= 1 && cfg->channels <= 2;
}

static void configure(struct arc_stretch *s, const struct arc_stretch_config *cfg)
{
    s->rate_hz    = cfg->sample_rate_hz;
    s->channels   = cfg->channels;
    s->factor     = cfg->sample_rate_hz / COARSE_HZ;
    s->max_before = samples_of(s, ARC_STRETCH_BEFORE_MS * 1000);
    s->max_n      = samples_of(s, ARC_STRETCH_MAX_MS * 1000);
}

static void lay_out(struct arc_stretch *s, struct arc_rooms *r)
{
    size_t n = (size_t)(s->max_before + s->max_n), c = (size_t)s->channels;
    size_t coarse = n / (size_t)s->factor;

    s->all           = arc_rooms_take(r, n * c, sizeof(*s->all));
    s->coarse        = arc_rooms_take(r, coarse * c, sizeof(*s->coarse));
    s->energy        = arc_rooms_take(r, n / SUM_STEP + 1, sizeof(*s->energy));
    s->coarse_energy = arc_rooms_take(r, coarse + 1, sizeof(*s->coarse_energy));
    s->products      = arc_rooms_take(r, coarse + 1, sizeof(*s->products));
    s->bursts        = arc_rooms_take(r, coarse + 1, sizeof(*s->bursts));
    s->places        = arc_rooms_take(r, MAX_PLACES, sizeof(*s->places));
    s->best          = arc_rooms_take(r, N_BEST, sizeof(*s->best));
}

size_t arc_stretch_scratch_bytes(const struct arc_stretch_config *cfg)
{
    struct arc_rooms rooms = {NULL, 0};
    struct arc_stretch s;

    if (!cfg || !config_ok(cfg))
        return 0;
    configure(&s, cfg);
    lay_out(&s, &rooms);
    return rooms.used;
}

enum arc_status arc_stretch_new(const struct arc_stretch_config *cfg,
                                struct arc_stretch **out)
{
    struct arc_rooms rooms = {NULL, 0};
    enum arc_status status;
    struct arc_stretch *s;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    s = arc_mem_zalloc(1, sizeof(*s));
    if (!s)
        return ARC_ERR_NOMEM;
    configure(s, cfg);
    status = arc_scratch_open(cfg->scratch, arc_stretch_scratch_bytes(cfg),
                              &s->own, &rooms.mem);
    if (status != ARC_OK) {
        arc_stretch_free(s);
        return status;
    }
    lay_out(s, &rooms);
    *out = s;
    return ARC_OK;
}

void arc_stretch_free(struct arc_stretch *s)
{
    if (!s)
        return;
    arc_scratch_free(s->own);
    arc_mem_free(s);
}

void arc_stretch_get_stats(const struct arc_stretch *s,
                           struct arc_stretch_stats *out)
{
    *out = s->stats;
}

/* --- what is there -------------------------------------------------------- */

/** Each coarse sample is the mean of two grains: a low-pass that is good enough
 *  to find a pitch with. */
static void make_coarse(struct arc_stretch *s)
{
    const int32_t c = s->channels, span = 2 * s->factor;

    s->n_coarse = s->n_all / s->factor;
    s->coarse_energy[0] = 0.0;
    for (int32_t i = 0; i < s->n_coarse; i++) {
        int32_t at  = i * s->factor;
        int32_t end = (int32_t)arc_min_i64(at + span, s->n_all);
        double sum_sq = 0.0;

        for (int32_t ch = 0; ch < c; ch++) {
            int32_t sum = 0;
            float mean;

            for (int32_t k = at; k < end; k++)
                sum += s->all[k * c + ch];
            mean = (float)sum / (float)(end - at);
            s->coarse[i * c + ch] = mean;
            sum_sq += (double)(mean * mean);
        }
        s->coarse_energy[i + 1] = s->coarse_energy[i] + sum_sq;
    }
}

/** Squares of the values [from, to) of `all`. */
static int64_t squares(const struct arc_stretch *s, int32_t from, int32_t to)
{
    int64_t sum = 0;

    for (int32_t i = from; i < to; i++)
        sum += (int32_t)s->all[i] * s->all[i];
    return sum;
}

static void sum_energy(struct arc_stretch *s)
{
    const int32_t step = SUM_STEP * s->channels;

    s->energy[0] = 0;
    for (int32_t i = 0; i < s->n_all / SUM_STEP; i++)
        s->energy[i + 1] = s->energy[i] + squares(s, i * step, (i + 1) * step);
}

/** Squares of all that lies before `at`. */
static int64_t energy_before(const struct arc_stretch *s, int32_t at)
{
    const int32_t whole = (int32_t)((uint32_t)at / SUM_STEP);

    return s->energy[whole] + squares(s, whole * SUM_STEP * s->channels,
                                      at * s->channels);
}

/** Squares of [at, at + n). */
static int64_t energy(const struct arc_stretch *s, int32_t at, int32_t n)
{
    return energy_before(s, at + n) - energy_before(s, at);
}

/** Mean square of [at, at + n); n > 0. */
static float power(const struct arc_stretch *s, int32_t at, int32_t n)
{
    return (float)energy(s, at, n) / (float)(n * s->channels);
}

/** What counts as quiet here and now, mean square. */
static float quiet(const struct arc_stretch *s)
{
    return QUIET_RATIO * s->loud > QUIET_FLOOR ? QUIET_RATIO * s->loud : QUIET_FLOOR;
}

/** Find where the power jumps from one grain to the next. */
static void find_bursts(struct arc_stretch *s)
{
    const int32_t grain = samples_of(s, GRAIN_US);

    s->bursts[0] = 0;
    for (int32_t i = 0; i < s->n_coarse; i++) {
        int32_t at = i * s->factor;
        bool jump = false;

        if (at >= grain && at + grain <= s->n_all) {
            float now = power(s, at, grain);

            jump = now > quiet(s) && now > BURST_RATIO * power(s, at - grain, grain);
        }
        s->bursts[i + 1] = s->bursts[i] + jump;
    }
}

static void follow_level(struct arc_stretch *s)
{
    const int32_t n = s->n_all - s->n_before;
    const float fall_db = LEVEL_FALL_DB_S * (float)n / (float)s->rate_hz;
    float now = n > 0 ? power(s, s->n_before, n) : 0.0f;

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
    find_bursts(s);
}

/* --- how alike -------------------------------------------------------------- */

/** Sum up x[i] x[i + lag] of the coarse sound. */
static void sum_products(struct arc_stretch *s, int32_t lag)
{
    const int32_t c = s->channels;

    s->products[0] = 0.0;
    for (int32_t i = 0; i + lag < s->n_coarse; i++) {
        const float *x = s->coarse + i * c, *y = s->coarse + (i + lag) * c;
        float product = x[0] * y[0];

        if (c == 2)
            product += x[1] * y[1];
        s->products[i + 1] = s->products[i] + (double)product;
    }
}

/** Likeness 2 xy / (xx + yy) of two spans, for which their levels count as well.
 *  Digital silence is like digital silence. */
static float likeness(double xy, double energies)
{
    return energies > 0.0 ? (float)(2.0 * xy / energies) : 1.0f;
}

/** Of the coarse [a, a + n) and what is `lag` after it, by sum_products(). */
static float alike_coarse(const struct arc_stretch *s, int32_t a, int32_t lag,
                          int32_t n)
{
    const double *e = s->coarse_energy;
    int32_t b = a + lag;

    n = (int32_t)arc_min_i64(n, s->n_coarse - b);
    if (n <= 0)
        return -1.0f;
    return likeness(s->products[a + n] - s->products[a],
                    e[a + n] - e[a] + e[b + n] - e[b]);
}

/** Of [a, a + n) and [b, b + n). Four sums at once, which a processor adds side
 *  by side. */
static float alike(const struct arc_stretch *s, int32_t a, int32_t b, int32_t n)
{
    const int16_t *x = s->all + a * s->channels;
    const int16_t *y = s->all + b * s->channels;
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    int32_t i = 0, len = n * s->channels;

    for (; i + 4 <= len; i += 4)
        for (int32_t k = 0; k < 4; k++)
            sum[k] += (float)((int32_t)x[i + k] * y[i + k]);
    for (; i < len; i++)
        sum[0] += (float)((int32_t)x[i] * y[i]);
    return likeness((double)(sum[0] + sum[1] + sum[2] + sum[3]),
                    (double)(energy(s, a, n) + energy(s, b, n)));
}

/** The span around an overlap over which likeness is measured: the overlap
 *  itself, and on both sides of it as much as is there up to WINDOW_US. */
static void window_of(const struct arc_stretch *s, const struct join *j,
                      int32_t *left, int32_t *len)
{
    int32_t low  = (int32_t)arc_min_i64(j->from, j->to);
    int32_t high = (int32_t)arc_max_i64(j->from, j->to) + j->overlap;
    int32_t more = (int32_t)arc_max_i64(samples_of(s, WINDOW_US) - j->overlap, 0);

    *left = (int32_t)arc_min_i64(more / 2, low);
    *len  = *left + j->overlap +
            (int32_t)arc_min_i64(more - *left, s->n_all - high);
}

/** How much of a sound is heard: 0 where it is quiet, half 11 dB above that,
 *  towards 1 where it is loud. */
static float loudness(const struct arc_stretch *s, float p)
{
    float q = quiet(s);

    return p > q ? (p - q) / (p + 10.0f * q) : 0.0f;
}

/** Harm and cost of a join whose likeness is known. */
static void judge(const struct arc_stretch *s, struct join *j)
{
    const int32_t f = s->factor, large = samples_of(s, LARGE_US);
    int32_t low = (int32_t)arc_min_i64(j->from, j->to);
    int32_t period = j->to > j->from ? j->to - j->from : j->from - j->to;
    int32_t span = period + j->overlap;
    int32_t last = (int32_t)arc_min_i64((low + span) / f, s->n_coarse);

    j->harm = 0.5f * (1.0f - j->likeness) * loudness(s, power(s, low, span));
    if (s->bursts[last] > s->bursts[low / f])
        j->harm += BURST_HARM;
    if (period > large) /* in silence more is better, elsewhere hardly */
        period = large + (period - large) / 4;
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

/** Set up a join at `from` by `period` (below zero: put in). False: there is no
 *  room for it. */
static bool place(const struct arc_stretch *s, struct join *j, int32_t from,
                  int32_t period)
{
    int32_t size = period > 0 ? period : -period;
    int32_t end  = period > 0 ? from + period : from;

    j->from    = from;
    j->to      = from + period;
    j->overlap = (int32_t)arc_min_i64(size, s->n_all - end);
    return j->to >= 0 && j->overlap >= samples_of(s, MIN_OVERLAP_US);
}

/** Try one period, coarsely, at every place. */
static void try_period(struct arc_stretch *s, int32_t lag, int32_t sign)
{
    const int32_t f = s->factor, step = samples_of(s, STEP_US);

    sum_products(s, lag);
    for (int32_t i = 0; i < s->n_places; i++) {
        struct join j;
        int32_t left, len;

        if (!place(s, &j, s->n_before + i * step, sign * lag * f))
            continue;
        window_of(s, &j, &left, &len);
        j.likeness = alike_coarse(s, ((int32_t)arc_min_i64(j.from, j.to) - left) / f,
                                  lag, len / f);
        judge(s, &j);
        if (j.cost < s->places[i].cost)
            s->places[i] = j;
    }
}

/** The period of a candidate to the sample. */
static void refine(const struct arc_stretch *s, struct join *j, int32_t max_period)
{
    const int32_t sign = j->to > j->from ? 1 : -1;
    const int32_t period = (j->to - j->from) * sign, from = j->from;
    const int32_t shortest = samples_of(s, ARC_STRETCH_MIN_US);
    int32_t last = (int32_t)arc_min_i64(period + s->factor, max_period);

    j->likeness = -2.0f;
    for (int32_t p = (int32_t)arc_max_i64(period - s->factor, shortest); p <= last; p++) {
        struct join t;
        int32_t left, len;

        if (!place(s, &t, from, sign * p))
            continue;
        window_of(s, &t, &left, &len);
        t.likeness = alike(s, t.from - left, t.to - left, len);
        if (t.likeness > j->likeness) {
            t.harm = t.cost = 0.0f;
            *j = t;
        }
    }
    judge(s, j);
}

/** The join that does the least harm. False: there is no place for any. */
static bool find(struct arc_stretch *s, int32_t sign, int32_t max_period,
                 struct join *out)
{
    const int32_t f = s->factor, step = samples_of(s, STEP_US);
    const int32_t shortest = (samples_of(s, ARC_STRETCH_MIN_US) + f - 1) / f;

    max_period  = (int32_t)arc_min_i64(max_period, samples_of(s, ARC_STRETCH_MAX_US));
    s->n_places = (s->n_all - s->n_before + step - 1) / step;
    if (s->n_places > MAX_PLACES)
        s->n_places = MAX_PLACES;
    for (int32_t i = 0; i < s->n_places; i++)
        s->places[i].cost = INFINITY;
    for (int32_t lag = shortest; lag * f <= max_period && lag < s->n_coarse; lag++)
        try_period(s, lag, sign);
    for (int32_t i = 0; i < s->n_places; i++)
        if (s->places[i].cost < INFINITY)
            offer(s, &s->places[i]);
    for (int32_t i = 0; i < s->n_best; i++) {
        refine(s, &s->best[i], max_period);
        if (i == 0 || s->best[i].cost < out->cost)
            *out = s->best[i];
    }
    return s->n_best > 0;
}

/** Whether a join may be made at this urgency. */
static bool allowed(const struct join *j, double urgency)
{
    return urgency >= 1.0 || j->harm <= CALM_HARM + MOST_HARM * urgency * urgency;
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
