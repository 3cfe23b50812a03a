/**
 * @file base/mem.h  The only allocator of the core
 *
 * Counts live blocks and bytes, so that a test can see a leak, and fails on
 * demand, so that a test can see what every failed allocation leads to.
 *
 * Owner:   who allocates frees, with arc_mem_free() or arc_mem_wipe_free().
 * Threads: any. The counters are process-wide atomics (a stated exception to
 * "no mutable globals": they carry no behaviour outside of tests).
 * Memory:  what a third-party library allocates for itself is not counted.
 */
#ifndef ARC_BASE_MEM_H
#define ARC_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/**
 * Allocate `n * size` zeroed bytes, aligned to 64.
 *
 * @return Block for arc_mem_free(), or NULL (out of memory, or n * size does
 *         not fit in size_t, or an injected failure)
 */
void *arc_mem_zalloc(size_t n, size_t size);

/** Free a block; NULL is allowed. */
void arc_mem_free(void *p);

/** Overwrite a block with zeros (keys!), then free it; NULL is allowed. */
void arc_mem_wipe_free(void *p);

/** Overwrite `len` bytes with zeros in a way the compiler may not leave out. */
void arc_mem_wipe(void *p, size_t len);

/* ARC_CDEF_BEGIN */
/** Blocks that are allocated now. */
int64_t arc_mem_live_blocks(void);

/** Bytes in those blocks, without bookkeeping. */
int64_t arc_mem_live_bytes(void);

/** Bytes of all blocks that were ever freed. */
int64_t arc_mem_freed_bytes(void);

/** Give what was freed back to the system, where the C library keeps it. Takes
 *  milliseconds, for which others who allocate wait. */
void    arc_mem_trim(void);

/**
 * Let the next `allowed` allocations pass and fail all later ones;
 * -1: never fail (the default). For tests; process-wide.
 */
void arc_mem_fail_after(int64_t allowed);
/* ARC_CDEF_END */

#endif
