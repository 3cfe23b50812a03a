/**
 * @file video/annexb.h  Finding NAL units in H.264 byte streams (H.264 annex B)
 *
 * For the bytes that codecs hand out and take in. RTP payloads have their own
 * reader (wire/pl_h264).
 *
 * Owner:   nothing is allocated; offsets are into the caller's buffer.
 * Threads: any.
 */
#ifndef ARC_VIDEO_ANNEXB_H
#define ARC_VIDEO_ANNEXB_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Find a start code, 00 00 01.
 *
 * @param from Where to begin
 *
 * @return Offset of the byte behind it, the NAL unit's header; `len` when there
 *         is none with a byte behind it
 */
int32_t arc_annexb_next(const uint8_t *data, int32_t len, int32_t from);

/** Whether the first slice of an access unit is of an IDR picture: what FFmpeg
 *  calls a key frame may be a recovery point of intra refresh. */
bool arc_annexb_is_idr(const uint8_t *data, int32_t len);

/**
 * Take out the first SEI message of user data (type 5) that stands before the
 * first slice: x264 describes itself there in 700 bytes, more than a small key
 * frame. What stands before it moves up; nothing else is touched.
 *
 * @param data Access unit; written
 *
 * @return Offset at which the access unit begins now
 */
int32_t arc_annexb_drop_user_data(uint8_t *data, int32_t len);

#endif
