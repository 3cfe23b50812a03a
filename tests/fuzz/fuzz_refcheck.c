/**
 * @file tests/fuzz/fuzz_refcheck.c  Any headers of coded pictures
 *
 * First byte: codec. Then records: length (1 byte), coded picture, in a block of
 * its own size.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "video/refcheck.h"
#include "wire/videocodec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arc_refcheck check;
    struct arc_reader r;

    arc_reader_init(&r, data, size);
    arc_refcheck_init(&check, arc_reader_u8(&r) % (ARC_VIDEO_AV1 + 1));
    while (arc_reader_left(&r) >= 2) {
        size_t len = arc_reader_u8(&r);
        struct arc_refcheck_info info;
        uint8_t *copy;

        if (len > arc_reader_left(&r))
            len = arc_reader_left(&r);
        copy = malloc(len ? len : 1);
        memcpy(copy, arc_reader_take(&r, len), len);
        arc_refcheck_look(&check, copy, len, &info);
        must(!(info.recovered && info.missing_ref));
        must(check.prev_frame_num >= -1 && check.prev_frame_num < 65536);
        must(check.recover_at >= -1 && check.recover_at < 65536);
        free(copy);
    }
    return 0;
}
