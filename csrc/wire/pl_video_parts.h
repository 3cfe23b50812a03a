/**
 * @file wire/pl_video_parts.h  What the files of wire/pl_video share; private to
 *                              wire/pl_video*
 *
 * Owner:   the caller; nothing is kept.
 * Threads: any.
 */
#ifndef ARC_WIRE_PL_VIDEO_PARTS_H
#define ARC_WIRE_PL_VIDEO_PARTS_H

#include "wire/pl_video.h"

/** Fill p->deps[] of a picture, and step the numbers in `tx` on.
 *  @return ARC_OK or ARC_ERR_ARG (a reference to a frame that there was not) */
enum arc_status arc_pl_video_note_deps(struct arc_pl_video_packer *p,
                                       struct arc_pl_video_tx *tx);

#endif
