/**
 * @file tests/fuzz/fuzz_vdec.c  Any bytes into every video decoder
 *
 * First byte: row of arc_vdec_info(). Then records: what to do (1 byte), length
 * (2 bytes), coded picture. Of pictures that come out every byte is read, of
 * those above a megapixel none.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "video/decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_RECORDS = 16, READ_PX = 1 << 20, FLUSH = 1, PART = 2 };

static void must(int condition)
{
    if (!condition)
        abort();
}

static void read_all(const struct arc_vframe *f)
{
    volatile uint32_t sum = 0;

    must(f->width >= 1 && f->height >= 1);
    must((int64_t)f->width * f->height <= ARC_VDEC_MAX_PX);
    if (f->width * f->height > READ_PX)
        return;
    for (int32_t plane = 0; plane < arc_vframe_planes(f->format); plane++)
        for (int32_t y = 0; y < arc_vframe_rows(f, plane); y++) {
            const uint8_t *row = f->data[plane] + (int64_t)f->stride[plane] * y;

            for (int32_t x = 0; x < arc_vframe_row_bytes(f, plane); x++)
                sum += row[x];
        }
    (void)sum;
}

static void picture_in(struct arc_vdec *d, uint8_t how, const uint8_t *p,
                       int32_t len)
{
    struct arc_vframe *frame = NULL;
    struct arc_vdec_stats before, after;
    enum arc_status status;

    must(arc_vdec_get_stats(d, &before) == ARC_OK);
    status = how & PART ? arc_vdec_decode_part(d, p, len, 5, &frame)
                        : arc_vdec_decode(d, p, len, 5, &frame);
    must(arc_vdec_get_stats(d, &after) == ARC_OK);
    must((status == ARC_OK) == (frame != NULL));
    must(after.pictures - before.pictures == (status == ARC_OK));
    if (frame)
        read_all(frame);
    else if (status != ARC_AGAIN) /* every refusal is told by its kind */
        must(after.last_fault != ARC_VDEC_FAULT_NONE && after.words[0]);
    arc_vframe_unref(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arc_vdec_config cfg = {.threads = 1};
    const struct arc_vdec_info *info;
    struct arc_vdec *d;
    struct arc_reader r;
    int32_t rows = 0, i;

    while (arc_vdec_info(rows))
        rows++;
    arc_reader_init(&r, data, size);
    info = arc_vdec_info(arc_reader_u8(&r) % rows);
    cfg.codec = info->codec;
    for (i = 0; info->name[i]; i++)
        cfg.name[i] = info->name[i];
    if (arc_vdec_open(&cfg, &d, NULL, 0) != ARC_OK)
        return 0; /* not in this build */
    for (i = 0; i < MAX_RECORDS && arc_reader_left(&r) >= 4; i++) {
        uint8_t how = arc_reader_u8(&r);
        size_t len = arc_reader_u16(&r);

        if (len > arc_reader_left(&r))
            len = arc_reader_left(&r);
        if (how & FLUSH)
            arc_vdec_flush(d);
        if (len)
            picture_in(d, how, arc_reader_take(&r, len), (int32_t)len);
    }
    arc_vdec_free(d);
    return 0;
}
