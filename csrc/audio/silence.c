/**
 * @file audio/silence.c  When a telephony encoder may fall silent, and what it tells
 */
#include <string.h>

#include "audio/silence.h"
#include "base/units.h"

/* Speech stands at least so far above the noise it is in, and is never softer
 * than FAINT; noise that grows becomes the floor at RISE a second. */
static const double SPEECH_OVER_DB = 9.0, FAINT_DBOV = -65.0,
                    RISE_DB_PER_S = 3.0, LOUD_FLOOR_DBOV = -35.0;

void arc_silence_init(struct arc_silence *s)
{
    memset(s, 0, sizeof(*s));
    s->told_us = -1;
}

/** Follows the level down at once, and up slowly; never to where it could only be
 *  speech. */
static void move_floor(struct arc_silence *s, double dbov, int64_t frame_us)
{
    double risen = s->floor_dbov + RISE_DB_PER_S * (double)frame_us / 1e6;

    if (!s->heard || dbov < risen)
        s->floor_dbov = dbov;
    else
        s->floor_dbov = risen;
    if (s->floor_dbov > LOUD_FLOOR_DBOV)
        s->floor_dbov = LOUD_FLOOR_DBOV;
    s->heard = true;
}

static bool must_tell(const struct arc_silence *s, int32_t level)
{
    int32_t moved = level - s->told_level;

    return s->told_us < 0 ||
           s->told_us >= ARC_SILENCE_REFRESH_MS * ARC_US_PER_MS ||
           (s->told_us >= ARC_SILENCE_HANGOVER_MS * ARC_US_PER_MS &&
            (moved >= ARC_SILENCE_STEP_DB || moved <= -ARC_SILENCE_STEP_DB));
}

enum arc_silence_say arc_silence_on_frame(struct arc_silence *s, int32_t level,
                                          int64_t frame_us)
{
    const double dbov = -(double)level;

    move_floor(s, dbov, frame_us);
    if (dbov > FAINT_DBOV && dbov > s->floor_dbov + SPEECH_OVER_DB)
        s->quiet_us = 0;
    else
        s->quiet_us += frame_us;
    if (s->quiet_us <= ARC_SILENCE_HANGOVER_MS * ARC_US_PER_MS) {
        s->told_us = -1;
        return ARC_SILENCE_SPEECH;
    }
    if (s->told_us >= 0)
        s->told_us += frame_us;
    if (!must_tell(s, level))
        return ARC_SILENCE_NOTHING;
    s->told_us    = 0;
    s->told_level = level;
    return ARC_SILENCE_NOISE;
}
