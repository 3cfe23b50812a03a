/**
 * @file video/vlibs.h  Which video libraries are linked, and in which version
 *
 * Owner:   nobody; nothing is allocated.
 * Threads: any.
 */
#ifndef ARC_VIDEO_VLIBS_H
#define ARC_VIDEO_VLIBS_H

#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
struct arc_vlib {
    char name[16];     /* "libavcodec"                        */
    char loaded[32];   /* version at run time, "59.37.100"    */
    char compiled[32]; /* version of the headers; empty: the
                          library does not tell               */
};

/** Libraries of this build. */
int32_t arc_vlibs_count(void);

/** @return ARC_OK or ARC_ERR_ARG (no such row) */
enum arc_status arc_vlibs_get(int32_t i, struct arc_vlib *out);
/* ARC_CDEF_END */

#endif
