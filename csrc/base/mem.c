/**
 * @file base/mem.c  The only allocator of the core
 */
#include <stdlib.h>
#ifdef __GLIBC__ /* <stdlib.h> tells */
#include <malloc.h>
#endif

#include "base/atomic.h"
#include "base/mem.h"

enum { ALIGN = 64 };

/* Bookkeeping in front of every block; one alignment unit, so that the block
 * itself stays aligned. */
struct head {
    size_t bytes;
    void  *base; /* what calloc() returned */
};

static int64_t live_blocks;
static int64_t live_bytes;
static int64_t freed_bytes;
static int64_t allowed_left = -1;

static int failure_is_due(void)
{
    int64_t left = arc_atomic_load_relaxed(&allowed_left);

    if (left < 0)
        return 0;
    if (left == 0)
        return 1;
    arc_atomic_store_relaxed(&allowed_left, left - 1);
    return 0;
}

static struct head *head_of(void *p)
{
    return (struct head *)((char *)p - ALIGN);
}

void *arc_mem_zalloc(size_t n, size_t size)
{
    size_t bytes;
    char *base, *p;

    if (size && n > (SIZE_MAX - 3 * ALIGN) / size)
        return NULL;
    if (failure_is_due())
        return NULL;

    bytes = n * size;
    base = calloc(1, bytes + 2 * ALIGN); /* of a large block the system gives
                                            pages only once they are used   */
    if (!base)
        return NULL;

    p = base + 2 * ALIGN - (uintptr_t)base % ALIGN;
    head_of(p)->bytes = bytes;
    head_of(p)->base = base;

    arc_atomic_add_relaxed(&live_blocks, 1);
    arc_atomic_add_relaxed(&live_bytes, (int64_t)bytes);
    return p;
}

void arc_mem_free(void *p)
{
    if (!p)
        return;
    arc_atomic_add_relaxed(&live_blocks, -1);
    arc_atomic_add_relaxed(&live_bytes, -(int64_t)head_of(p)->bytes);
    arc_atomic_add_relaxed(&freed_bytes, (int64_t)head_of(p)->bytes);
    free(head_of(p)->base);
}

void arc_mem_wipe(void *p, size_t len)
{
    volatile unsigned char *v = p;

    while (len--)
        *v++ = 0;
}

void arc_mem_wipe_free(void *p)
{
    if (!p)
        return;
    arc_mem_wipe(p, head_of(p)->bytes);
    arc_mem_free(p);
}

int64_t arc_mem_live_blocks(void)
{
    return arc_atomic_load_relaxed(&live_blocks);
}

int64_t arc_mem_live_bytes(void)
{
    return arc_atomic_load_relaxed(&live_bytes);
}

int64_t arc_mem_freed_bytes(void)
{
    return arc_atomic_load_relaxed(&freed_bytes);
}

void arc_mem_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void arc_mem_fail_after(int64_t allowed)
{
    arc_atomic_store_relaxed(&allowed_left, allowed);
}
