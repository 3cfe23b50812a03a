/**
 * @file wire/videocodec.h  The video codecs that payload formats, encoders and
 *                          decoders are chosen by
 *
 * Owner:   nobody; numbers only.
 * Threads: any.
 */
#ifndef ARC_WIRE_VIDEOCODEC_H
#define ARC_WIRE_VIDEOCODEC_H

/* ARC_CDEF_BEGIN */
enum arc_video_codec {
    ARC_VIDEO_H264 = 0, /* RFC 6184         */
    ARC_VIDEO_VP8,      /* RFC 7741         */
    ARC_VIDEO_VP9,      /* RFC 9628         */
    ARC_VIDEO_AV1,      /* AV1 RTP payload specification of AOMedia */
};
/* ARC_CDEF_END */

#endif
