/**
 * @file rx/voicefeed.h  A received voice of its own, fed with payloads
 *
 * rx/voice takes packets of a pool, unwrapped numbers and one reference each; a
 * session has all that. This is for who has no session: payloads as bytes and
 * numbers as they are on the wire.
 *
 * Owner:   `_new` gives it, `_free` takes it, with its voice and its pool.
 * Threads: one caller at a time.
 * Time:    `now_us` is monotonic, and the arrival of what is pushed.
 * Bounds:  as many packets as the voice may hold, and its copies; one more is
 *          refused.
 */
#ifndef ARC_RX_VOICEFEED_H
#define ARC_RX_VOICEFEED_H

#include "rx/voice.h"

/* ARC_CDEF_BEGIN */
struct arc_voicefeed; /* opaque */

/** Returns as arc_voice_new(). */
enum arc_status arc_voicefeed_new(const struct arc_voice_config *cfg,
                                  struct arc_voicefeed **out);
void            arc_voicefeed_free(struct arc_voicefeed *f);

/** The voice inside, to pull from; lent. */
struct arc_voice *arc_voicefeed_voice(struct arc_voicefeed *f);

/**
 * A packet came. The bytes are copied.
 *
 * @param len 0..1984; 0: no sound in it
 *
 * @return as arc_voice_push(), or ARC_ERR_ARG (too long), or ARC_ERR_BUSY (no
 *         packet free)
 */
enum arc_status arc_voicefeed_push(struct arc_voicefeed *f,
                                   const uint8_t *payload, size_t len,
                                   uint8_t payload_type, uint16_t seq16,
                                   uint32_t rtp_ts, int64_t now_us);

/** A redundant block came (RFC 2198). @param rtp_ts Of the block itself */
enum arc_status arc_voicefeed_push_copy(struct arc_voicefeed *f,
                                        const uint8_t *payload, size_t len,
                                        uint32_t rtp_ts, int64_t now_us);
/* ARC_CDEF_END */

#endif
