/**
 * @file base/abi.h  One number that the compiled core and its binding share
 *
 * Raise it when a declaration between the CDEF marks changes its meaning. The
 * binding compares it at import, so that a stale build says so instead of
 * misreading memory.
 *
 * Owner:   nothing to own.
 * Threads: any.
 */
#ifndef ARC_BASE_ABI_H
#define ARC_BASE_ABI_H

#include <stdint.h>

/* ARC_CDEF_BEGIN */
#define ARC_ABI_VERSION 1

/** ARC_ABI_VERSION of the core that was compiled. */
int32_t arc_abi_version(void);
/* ARC_CDEF_END */

#endif
