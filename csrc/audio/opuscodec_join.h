/**
 * @file audio/opuscodec_join.h  Packets of several Opus frames: join and split
 *
 * By libopus' repacketizer (RFC 6716 §3.2): no sample is decoded, no bit of a frame
 * changes. Frames of one packet are of one configuration, 120 ms together at most.
 *
 * Owner:   the caller; nothing is kept.
 * Threads: any; 2 KiB of stack.
 */
#ifndef ARC_AUDIO_OPUSCODEC_JOIN_H
#define ARC_AUDIO_OPUSCODEC_JOIN_H

#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_OPUS_JOIN_MAX_PKTS 48

/**
 * Make one packet of several that follow one another.
 *
 * @param pkts, lens n_pkts of them, 1..ARC_OPUS_JOIN_MAX_PKTS
 * @param cap        Room in `out`; the sum of the lengths and 2 * n_pkts + 2 suffice
 * @param len_out    Bytes written; untouched on a fault
 *
 * @return ARC_OK, ARC_ERR_ARG, ARC_ERR_SPACE, ARC_ERR_FORMAT (one is malformed), or
 *         ARC_ERR_UNSUPPORTED (other configurations, or above 120 ms)
 */
enum arc_status arc_opus_join(const uint8_t *const *pkts, const int32_t *lens,
                              int32_t n_pkts, uint8_t *out, int32_t cap,
                              int32_t *len_out);

/**
 * Take frames out of a packet.
 *
 * @param first, count Which of its frames
 * @param cap, len_out As above; `len` suffices
 *
 * @return ARC_OK, ARC_ERR_ARG (also: it has no such frames), ARC_ERR_SPACE or
 *         ARC_ERR_FORMAT
 */
enum arc_status arc_opus_split(const uint8_t *data, int32_t len, int32_t first,
                               int32_t count, uint8_t *out, int32_t cap,
                               int32_t *len_out);

/** Frames in a packet, 1..48; 0: malformed. */
int32_t arc_opus_packet_frames(const uint8_t *data, int32_t len);
/* ARC_CDEF_END */

#endif
