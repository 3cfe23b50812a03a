/**
 * @file rx/rxstats.c  What a receiver reports about one RTP stream
 */
#include <string.h>

#include "base/seq.h"
#include "base/units.h"
#include "rx/rxstats.h"
#include "rx/ticks.h"

enum { WINDOW = ARC_RXSTATS_WINDOW_PKTS, WORD_BITS = 64, TIMELINE_STEP_S = 5 };

/* The window must be whole words, or `seen` would hold stale bits. */
typedef char window_is_whole_words[
    WINDOW == WORD_BITS * sizeof(((struct arc_rxstats *)0)->seen) / sizeof(uint64_t)
    ? 1 : -1];

static uint64_t bit_of(int64_t seq)
{
    return UINT64_C(1) << ((uint64_t)seq % WORD_BITS);
}

static unsigned word_of(int64_t seq)
{
    return (unsigned)((uint64_t)seq % WINDOW / WORD_BITS);
}

void arc_rxstats_init(struct arc_rxstats *s, int32_t clock_hz)
{
    memset(s, 0, sizeof(*s));
    if (clock_hz >= ARC_TICKS_MIN_CLOCK_HZ && clock_hz <= ARC_TICKS_MAX_CLOCK_HZ)
        s->clock_hz = clock_hz;
}

/** A.1 init_seq(): the counts of A.3 start again, the totals go on. */
static void start_epoch(struct arc_rxstats *s, int64_t seq)
{
    s->started           = true;
    s->base_seq          = seq;
    s->max_seq           = seq;
    s->received_in_epoch = 0;
    s->expected_prior    = 0;
    s->received_prior    = 0;
    memset(s->seen, 0, sizeof(s->seen));
    arc_restart_init(&s->restart);
}

/** True if `seq` was not seen inside the window before; remembers it. */
static bool note_first(struct arc_rxstats *s, int64_t seq)
{
    bool first;

    if (seq <= s->max_seq - WINDOW)
        return true; /* too old to know */
    first = !(s->seen[word_of(seq)] & bit_of(seq));
    s->seen[word_of(seq)] |= bit_of(seq);
    return first;
}

static void advance(struct arc_rxstats *s, int64_t seq)
{
    if (seq - s->max_seq >= WINDOW) {
        memset(s->seen, 0, sizeof(s->seen));
        s->max_seq = seq;
        return;
    }
    /* The numbers we pass over were not seen; their bits still hold the
     * answers for the numbers one window earlier. */
    while (s->max_seq < seq) {
        s->max_seq++;
        s->seen[word_of(s->max_seq)] &= ~bit_of(s->max_seq);
    }
}

/** A.1 update_seq(): false: do not count this packet. */
static bool is_plausible(struct arc_rxstats *s, int64_t seq)
{
    int64_t ahead = seq - s->max_seq;

    if (ahead < ARC_RXSTATS_MAX_DROPOUT_PKTS &&
        ahead > -ARC_RXSTATS_MAX_MISORDER_PKTS) {
        arc_restart_init(&s->restart);
        return true;
    }
    if (!arc_restart_on_stray(&s->restart, seq)) {
        s->strays++;
        return false;
    }
    s->restarts++;
    start_epoch(s, seq);
    return true;
}

/** A.8, in the integer form. */
static void update_jitter(struct arc_rxstats *s, uint32_t rtp_ts, int64_t now_us,
                          bool first)
{
    uint32_t transit;
    int64_t d;

    if (s->clock_hz == 0)
        return;
    transit = (uint32_t)arc_ticks_from_us(now_us, s->clock_hz) - rtp_ts;
    d = arc_ts32_diff(transit, s->transit_ticks);
    s->transit_ticks = transit;
    if (d < 0)
        d = -d;
    /* A step of seconds is a new time line (a source was switched), not
     * jitter; it would hide the true value for the next hundred packets. */
    if (first || d > (int64_t)TIMELINE_STEP_S * s->clock_hz)
        return;
    s->jitter_q4 += (uint32_t)d - ((s->jitter_q4 + 8) >> 4);
}

bool arc_rxstats_on_packet(struct arc_rxstats *s, int64_t seq, uint32_t rtp_ts,
                           int32_t bytes, int64_t now_us)
{
    int64_t epoch = s->restarts;
    bool first = !s->started, is_new;

    if (first)
        start_epoch(s, seq);
    else if (!is_plausible(s, seq))
        return false;

    if (seq > s->max_seq)
        advance(s, seq);
    is_new = note_first(s, seq);
    if (!is_new)
        s->duplicates++;
    else if (seq < s->max_seq)
        s->reordered++;

    s->received++;
    s->received_in_epoch++;
    s->bytes += bytes;
    update_jitter(s, rtp_ts, now_us, first || s->restarts != epoch);
    return is_new;
}

bool arc_rxstats_on_repaired(struct arc_rxstats *s, int64_t seq)
{
    bool missing;

    /* Parity may bring the last packets of a block before the next one comes. */
    if (s->started && seq > s->max_seq &&
        seq - s->max_seq < ARC_RXSTATS_MAX_DROPOUT_PKTS)
        advance(s, seq);
    missing = s->started && seq <= s->max_seq && note_first(s, seq);
    if (missing)
        s->recovered++;
    else
        s->unneeded++;
    return missing && seq > s->max_seq - WINDOW;
}

static int64_t expected(const struct arc_rxstats *s)
{
    return s->started ? s->max_seq - s->base_seq + 1 : 0;
}

int64_t arc_rxstats_lost(const struct arc_rxstats *s)
{
    return expected(s) - s->received_in_epoch;
}

double arc_rxstats_jitter_ms(const struct arc_rxstats *s)
{
    return s->clock_hz ? s->jitter_q4 / 16.0 * 1000.0 / s->clock_hz : 0.0;
}

void arc_rxstats_report(struct arc_rxstats *s, struct arc_rxstats_report *out)
{
    int64_t expected_interval = expected(s) - s->expected_prior;
    int64_t received_interval = s->received_in_epoch - s->received_prior;
    int64_t lost_interval = expected_interval - received_interval;

    s->expected_prior = expected(s);
    s->received_prior = s->received_in_epoch;

    memset(out, 0, sizeof(*out));
    if (!s->started)
        return;
    /* 256 is possible, when repairs alone have raised `expected`. */
    if (expected_interval > 0 && lost_interval > 0)
        out->fraction_lost = (uint8_t)arc_min_i64(
            lost_interval * 256 / expected_interval, UINT8_MAX);
    out->cumulative_lost =
        (int32_t)arc_clamp_i64(arc_rxstats_lost(s), -0x800000, 0x7fffff);
    /* The cycles count from the first packet (§6.4.1), wherever the caller's
     * unwrapping began. */
    out->highest_seq =
        (uint32_t)(s->max_seq - (s->base_seq - (uint16_t)s->base_seq));
    out->jitter_ticks = s->jitter_q4 >> 4;
}
