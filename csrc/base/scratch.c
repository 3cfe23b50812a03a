/**
 * @file base/scratch.c  Working memory that objects of one thread use in turn
 */
#include "base/mem.h"
#include "base/scratch.h"

/** In front of the memory itself, whose alignment it keeps. */
struct arc_scratch {
    uint8_t *mem;
    size_t   bytes;
};

typedef char head_fits[sizeof(struct arc_scratch) <= ARC_SCRATCH_ALIGN ? 1 : -1];

enum arc_status arc_scratch_new(size_t bytes, struct arc_scratch **out)
{
    struct arc_scratch *s;

    if (!out || bytes == 0 || bytes > SIZE_MAX - ARC_SCRATCH_ALIGN)
        return ARC_ERR_ARG;
    s = arc_mem_zalloc(1, ARC_SCRATCH_ALIGN + bytes);
    if (!s)
        return ARC_ERR_NOMEM;
    s->mem   = (uint8_t *)s + ARC_SCRATCH_ALIGN;
    s->bytes = bytes;
    *out = s;
    return ARC_OK;
}

void arc_scratch_free(struct arc_scratch *s)
{
    arc_mem_free(s);
}

size_t arc_scratch_bytes(const struct arc_scratch *s)
{
    return s->bytes;
}

enum arc_status arc_scratch_open(struct arc_scratch *lent, size_t bytes,
                                 struct arc_scratch **own, uint8_t **mem)
{
    enum arc_status status;

    *own = NULL;
    if (lent && lent->bytes < bytes)
        return ARC_ERR_SPACE;
    status = lent ? ARC_OK : arc_scratch_new(bytes, own);
    if (status == ARC_OK)
        *mem = lent ? lent->mem : (*own)->mem;
    return status;
}
