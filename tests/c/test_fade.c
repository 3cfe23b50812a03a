/**
 * @file tests/c/test_fade.c  The level of concealed audio, sample by sample
 */
#include <math.h>
#include <string.h>

#include "audio/fade.h"
#include "check.h"

enum { RATE = 16000, MS = RATE / 1000, N = 400 * MS };

static float out[N];

/** Ones through the fade: what comes out is the gain. */
static const float *gains(struct arc_fade *f, int32_t n, int lost)
{
    const struct arc_pcm pcm = {.f32 = out};

    for (int i = 0; i < n; i++)
        out[i] = 1.0f;
    if (lost)
        arc_fade_lost(f, pcm, n);
    else
        arc_fade_back(f, pcm, n);
    return out;
}

static int near(float a, double b)
{
    return fabs(a - b) < 1e-3;
}

static void test_fade_holds_falls_evenly_and_ends(void)
{
    struct arc_fade f;
    const float *g;

    arc_fade_init(&f, RATE, 1);
    g = gains(&f, 300 * MS, 1);
    for (int i = 0; i < 60 * MS; i++)
        CHECK(g[i] == 1.0f);
    CHECK(near(g[95 * MS - 1], pow(10.0, -15.0 / 20.0)));  /* a quarter of 60 dB */
    CHECK(near(g[130 * MS - 1], pow(10.0, -30.0 / 20.0)));
    for (int i = 60 * MS; i < 300 * MS; i++)
        CHECK(g[i] < g[i - 1] || (g[i] == 0.0f && i >= 200 * MS));
    CHECK(g[200 * MS - 1] > 0.0f && g[200 * MS] == 0.0f);
}

static void test_fade_does_not_depend_on_the_length_of_frames(void)
{
    struct arc_fade whole, parts;
    static float kept[N];

    arc_fade_init(&whole, RATE, 1);
    arc_fade_init(&parts, RATE, 1);
    memcpy(kept, gains(&whole, 300 * MS, 1), sizeof(kept));
    for (int i = 0; i < 30; i++) {
        const float *g = gains(&parts, 10 * MS, 1);

        for (int j = 0; j < 10 * MS; j++)
            CHECK(g[j] == kept[i * 10 * MS + j]);
    }
}

static void test_fade_comes_back_from_where_it_was(void)
{
    const int lost_ms[] = {20, 60, 80, 100, 150, 300};

    for (int i = 0; i < 6; i++) {
        struct arc_fade f;
        const float *g;
        float reached;

        arc_fade_init(&f, RATE, 1);
        reached = gains(&f, lost_ms[i] * MS, 1)[lost_ms[i] * MS - 1];
        g = gains(&f, 20 * MS, 0);
        CHECK(fabsf(g[0] - reached) < 0.001f);
        for (int j = 1; j < 5 * MS; j++)
            CHECK(g[j] >= g[j - 1] && g[j] - g[j - 1] < 0.02f);
        for (int j = 5 * MS - 1; j < 20 * MS; j++)
            CHECK(g[j] == 1.0f);
        g = gains(&f, 60 * MS, 1); /* the next loss begins anew */
        CHECK(g[60 * MS - 1] == 1.0f);
    }
}

static void test_fade_turns_round_in_the_middle_of_the_way_up(void)
{
    struct arc_fade f;
    const float *g;
    float reached;

    arc_fade_init(&f, RATE, 1);
    gains(&f, 300 * MS, 1);
    reached = gains(&f, 2 * MS, 0)[2 * MS - 1];
    CHECK(reached > 0.2f && reached < 0.8f);
    g = gains(&f, 10 * MS, 1);
    for (int i = 0; i < 10 * MS; i++)
        CHECK(g[i] == reached);
    g = gains(&f, 10 * MS, 0);
    CHECK(fabsf(g[0] - reached) < 0.01f && g[5 * MS - 1] == 1.0f);
}

static void test_fade_scales_both_channels_of_integers(void)
{
    int16_t stereo[2 * 100 * MS];
    struct arc_fade f;
    const struct arc_pcm pcm = {.i16 = stereo};

    for (int i = 0; i < 100 * MS; i++) {
        stereo[2 * i] = 10000;
        stereo[2 * i + 1] = -20000;
    }
    arc_fade_init(&f, RATE, 2);
    arc_fade_lost(&f, pcm, 100 * MS);
    CHECK(stereo[0] == 10000 && stereo[1] == -20000);
    CHECK(stereo[2 * 60 * MS - 1] == -20000 && stereo[2 * 60 * MS + 1] > -20000);
    CHECK(abs(stereo[2 * 95 * MS - 2] - 1778) < 10);
    CHECK(abs(stereo[2 * 95 * MS - 1] + 3557) < 20);
}

int main(void)
{
    test_fade_holds_falls_evenly_and_ends();
    test_fade_does_not_depend_on_the_length_of_frames();
    test_fade_comes_back_from_where_it_was();
    test_fade_turns_round_in_the_middle_of_the_way_up();
    test_fade_scales_both_channels_of_integers();
    return check_done("test_fade");
}
