/**
 * @file base/buildinfo.c  What this core was compiled from and against
 */
#include "base/buildinfo.h"

/* Given by build_ffi.py and ci/core.mk; another build system may leave it out. */
#ifndef ARC_BUILD_INFO
#define ARC_BUILD_INFO ""
#endif

#ifndef __VERSION__
#define __VERSION__ "unknown"
#endif

const char *arc_build_info(void)
{
    return ARC_BUILD_INFO "compiler=" __VERSION__;
}
