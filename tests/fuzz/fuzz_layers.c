/**
 * @file tests/fuzz/fuzz_layers.c  Layers of two sources for one subscriber
 *
 * First byte: the codec. Then, for each packet, 6 bytes (which source and what
 * is wanted, sequence number, timestamp, lengths) and its bytes: a dependency
 * descriptor and the payload.
 */
#include <stdlib.h>
#include <string.h>

#include "base/seq.h"
#include "router/layers.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct track {
    struct arc_layersource src;
    struct arc_depdesc_reader reader;
    struct arc_unwrap unwrap;
    uint16_t seq16;
};

static struct track tracks[2];
static struct arc_layerselect sel;

static void check_answer(int action, const struct arc_layeredit *edit,
                         const struct arc_layerinfo *info)
{
    if (action == ARC_LAYER_DROP) {
        REQUIRE(edit->reason > ARC_LAYERDROP_NONE);
        REQUIRE(edit->reason < ARC_LAYERDROP_N);
        return;
    }
    REQUIRE(edit->reason == ARC_LAYERDROP_NONE);
    REQUIRE(action != ARC_LAYER_SWITCH || (info->is_key && info->starts_frame));
    REQUIRE(edit->ids.picture_id_bits == info->ids.picture_id_bits);
}

static void give(struct track *t, const uint8_t *head, uint8_t *bytes,
                 size_t dd_len, size_t payload_len)
{
    struct arc_rtp h = {0};
    struct arc_layerinfo info;
    struct arc_layeredit edit;
    int action;

    t->seq16      = (uint16_t)(t->seq16 + (int8_t)head[1]);
    h.seq16       = t->seq16;
    h.rtp_ts      = head[2];
    h.marker      = head[3] & 1;
    h.payload_off = (int32_t)dd_len;
    h.payload_len = (int32_t)payload_len;
    if (arc_layersource_read(&t->src, &h, bytes, dd_len ? bytes : NULL, dd_len,
                             &info) != ARC_OK)
        return;
    REQUIRE(info.spatial <= 7 && info.temporal <= 7);
    action = arc_layerselect_on_packet(
        &sel, t == &tracks[1], &info,
        arc_unwrap_seq16(&t->unwrap, h.seq16), &edit);
    check_answer(action, &edit, &info);
    if (action != ARC_LAYER_DROP)
        arc_layeredit_apply(&edit, bytes + dd_len, payload_len);
}

static void start(int codec)
{
    memset(tracks, 0, sizeof(tracks));
    arc_layerselect_init(&sel);
    for (int i = 0; i < 2; i++) {
        REQUIRE(arc_layersource_init(&tracks[i].src, codec,
                                     &tracks[i].reader) == ARC_OK);
        arc_unwrap_init(&tracks[i].unwrap);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { HEAD = 6 };

    if (size < 1)
        return 0;
    start(data[0] % 5);
    data++;
    size--;
    while (size >= HEAD) {
        const uint8_t *head = data;
        size_t dd_len = head[4], payload_len = head[5];
        uint8_t *bytes;

        data += HEAD;
        size -= HEAD;
        dd_len      = dd_len < size ? dd_len : size;
        payload_len = payload_len < size - dd_len ? payload_len : size - dd_len;
        bytes       = malloc(dd_len + payload_len ? dd_len + payload_len : 1);
        REQUIRE(bytes);
        memcpy(bytes, data, dd_len + payload_len);
        if (head[0] & 2)
            arc_layerselect_want(&sel, head[0] >> 7, head[0] >> 4 & 7,
                                 head[0] >> 2 & 3);
        give(&tracks[head[0] & 1], head, bytes, dd_len, payload_len);
        free(bytes);
        data += dd_len + payload_len;
        size -= dd_len + payload_len;
    }
    return 0;
}
