/**
 * @file audio/silence.h  When a telephony encoder may fall silent, and what it tells
 *
 * Frames are silent when their level stays near the lowest one of the last
 * seconds. Silence begins ARC_SILENCE_HANGOVER_MS after the last loud frame, so
 * that soft ends of words are heard. Then its noise is told at once, again when
 * its level has changed, and every ARC_SILENCE_REFRESH_MS, since such a packet may
 * be lost (RFC 3389 §4).
 *
 * Owner:   the caller; embed the struct, no free is needed.
 * Threads: one caller at a time.
 * Unit:    levels are -dBov: 0 is loudest, 127 is nothing (audio/level.h).
 */
#ifndef ARC_AUDIO_SILENCE_H
#define ARC_AUDIO_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

/* ARC_CDEF_BEGIN */
#define ARC_SILENCE_HANGOVER_MS 200 /* longer than the closure of a stop        */
#define ARC_SILENCE_REFRESH_MS  500
#define ARC_SILENCE_STEP_DB     3   /* that a listener begins to notice in noise */

enum arc_silence_say {
    ARC_SILENCE_SPEECH = 0, /* send the frame                                   */
    ARC_SILENCE_NOTHING,    /* send nothing                                     */
    ARC_SILENCE_NOISE,      /* send a packet of comfort noise                   */
};

struct arc_silence {
    double  floor_dbov;     /* lowest level of late, -127..0                    */
    int64_t quiet_us;       /* since the last loud frame                        */
    int64_t told_us;        /* since the noise was told; -1: not in this silence */
    int32_t told_level;     /* -dBov                                            */
    bool    heard;          /* a frame has come                                 */
};

void arc_silence_init(struct arc_silence *s);

/**
 * Look at the next frame.
 *
 * @param level    Of the frame, 0..127 -dBov
 * @param frame_us Its length, above 0
 */
enum arc_silence_say arc_silence_on_frame(struct arc_silence *s, int32_t level,
                                          int64_t frame_us);
/* ARC_CDEF_END */

#endif
