/**
 * @file tests/fuzz/fuzz_framerefs.c  Frames with any claims about references
 *
 * The first byte chooses the codec. Then each frame is eight bytes: what its
 * payload says, and what the owner does. Promises that hold whatever comes:
 * given up is not waited for, decoded is past, a key frame can be decoded.
 */
#include <stdlib.h>
#include <string.h>

#include "rx/framerefs.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

enum { FRAME_BYTES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arc_framerefs refs;

static void read_frame(const uint8_t *b, int64_t seq,
                       struct arc_framerefs_frame *f)
{
    struct arc_pl_video_info *i = &f->info;

    memset(f, 0, sizeof(*f));
    i->is_key           = (b[0] & 0x0f) == 0;
    i->is_reference     = b[0] & 0x10;
    i->is_predicted     = !i->is_key;
    i->is_switching_up  = b[0] & 0x20;
    i->is_layer_sync    = b[0] & 0x40;
    i->has_refs         = b[0] & 0x80;
    i->tid              = b[1] & 7;
    i->sid              = b[1] >> 3 & 7;
    i->is_inter_layer   = i->sid > 0 && (b[1] & 0x40);
    i->has_layers       = b[1] & 0x80;
    i->has_frame_number = b[2] & 1;
    i->ids.picture_id_bits = b[2] & 2 ? 15 : b[2] & 4 ? 7 : 0;
    i->ids.tl0picidx_off   = b[2] & 8;
    i->n_refs           = b[2] >> 4;
    i->frame_number     = (uint16_t)(b[3] << 8 | b[4]);
    i->ids.picture_id   = (uint16_t)(i->frame_number &
                                     ((1u << i->ids.picture_id_bits) - 1));
    i->ids.tl0picidx    = b[5];
    for (int k = 0; k < i->n_refs; k++)
        i->refs[k] = (uint16_t)(1 + b[6] * k);
    f->first_seq = seq - (b[7] >> 5);
    f->last_seq  = f->first_seq + (b[7] & 3);
}

static void one_frame(const uint8_t *b, int64_t seq, const uint8_t *rest,
                      size_t size)
{
    struct arc_framerefs_frame f;
    enum arc_frame_verdict verdict;

    read_frame(b, seq, &f);
    arc_framerefs_note(&refs, &f.info, rest, size);
    verdict = arc_framerefs_judge(&refs, &f);
    REQUIRE(!f.info.is_key || verdict == ARC_FRAME_DECODABLE ||
            verdict == ARC_FRAME_LATE);
    if (verdict == ARC_FRAME_WAIT && (b[7] & 4)) {
        arc_framerefs_give_up(&refs, &f);
        verdict = arc_framerefs_judge(&refs, &f);
        REQUIRE(verdict != ARC_FRAME_WAIT);
    }
    if (verdict == ARC_FRAME_DECODABLE) {
        arc_framerefs_on_decoded(&refs, &f);
        REQUIRE(arc_framerefs_judge(&refs, &f) == ARC_FRAME_LATE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t seq = 1000;

    if (size < 1 ||
        arc_framerefs_init(&refs, data[0] & 3) != ARC_OK)
        return 0;
    REQUIRE(arc_framerefs_needs_key(&refs));
    for (data++, size--; size >= FRAME_BYTES;
         data += FRAME_BYTES, size -= FRAME_BYTES, seq++)
        one_frame(data, seq, data + FRAME_BYTES, size - FRAME_BYTES);
    return 0;
}
