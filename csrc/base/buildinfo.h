/**
 * @file base/buildinfo.h  What this core was compiled from and against
 *
 * One line of text that `build_ffi.py` writes, so that a stale library or a
 * build without an optional one can be named at run time (`arcrtc doctor`).
 *
 * Owner:   static text; nothing to free.
 * Threads: any.
 */
#ifndef ARC_BASE_BUILDINFO_H
#define ARC_BASE_BUILDINFO_H

/* ARC_CDEF_BEGIN */
/**
 * Entries `key=value`, separated by ';', ASCII, never NULL:
 *
 *   opus=1.3.1                       compiled against this version
 *   dav1d=!libdav1d-dev,dav1d-devel,dav1d
 *                                    left out; its package on Debian, Fedora
 *                                    and Homebrew
 *   sanitize=address                 only in a build of `make asan` and such
 *   compiler=12.2.0                  always the last
 */
const char *arc_build_info(void);
/* ARC_CDEF_END */

#endif
