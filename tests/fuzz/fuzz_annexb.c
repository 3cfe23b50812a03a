/**
 * @file tests/fuzz/fuzz_annexb.c  video/annexb on any bytes
 *
 * Properties: no read or write outside; at most one NAL unit goes, and what is
 * left is a beginning and an end of what was there.
 */
#include <stdlib.h>
#include <string.h>

#include "video/annexb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int32_t len = (int32_t)size, at, same = 0;
    uint8_t *copy;

    if (size > 1 << 16)
        return 0;
    copy = malloc(size + !size); /* exact: a read behind it is seen */
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);

    at = arc_annexb_drop_user_data(copy, len);
    if (at < 0 || at > len)
        abort();
    while (same < len - at && copy[at + same] == data[same])
        same++;
    if (memcmp(copy + at + same, data + at + same, (size_t)(len - at - same)))
        abort();
    for (int32_t i = arc_annexb_next(copy, len, 0); i < len;) {
        int32_t next = arc_annexb_next(copy, len, i);

        if (next <= i)
            abort();
        i = next;
    }
    free(copy);
    return 0;
}
