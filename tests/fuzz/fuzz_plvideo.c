/**
 * @file tests/fuzz/fuzz_plvideo.c  Video payloads of all codecs, and pictures to
 *                                  be packed
 *
 * The first byte chooses the codec and the way. Payloads: each is its length in
 * a byte and its bytes. Pictures: the second byte chooses layers and mode; what
 * the packer makes of one must come back through the unpacker, and its
 * descriptors must be read.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/pl_video.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

enum { CAP = 8192, MTU = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack_any(int32_t codec, const uint8_t *data, size_t size)
{
    struct arc_pl_video_unpacker u;
    uint8_t out[256];
    size_t len = 0;

    REQUIRE(arc_pl_video_unpacker_init(&u, codec, out, sizeof(out)) == ARC_OK);
    while (size > 0) {
        size_t n = data[0] < size - 1 ? data[0] : size - 1;
        uint8_t *block = malloc(n ? n : 1); /* of exactly its size */
        struct arc_pl_video_info info;
        enum arc_status peeked, pushed;

        REQUIRE(block);
        memcpy(block, data + 1, n);
        peeked = arc_pl_video_peek(codec, block, n, &info);
        REQUIRE(peeked != ARC_OK || (info.tid <= 7 && info.sid <= 7 &&
                                     info.n_refs <= 16));
        pushed = arc_pl_video_unpacker_push(&u, block, n);
        REQUIRE(peeked == ARC_OK || pushed == peeked);
        arc_pl_video_unpacker_is_whole(&u);
        free(block);
        data += 1 + n;
        size -= 1 + n;
    }
    arc_pl_video_unpacker_finish(&u, &len);
    REQUIRE(len <= sizeof(out));
}

/* Layers of equal length, as the mode says. */
static int32_t make_layers(uint8_t mode, size_t size,
                           struct arc_pl_layer *layers)
{
    int32_t n = 1 + (mode & 3);

    memset(layers, 0, sizeof(*layers) * (size_t)n);
    for (int32_t i = 0; i < n; i++) {
        layers[i].off            = (uint32_t)(size / (size_t)n * (size_t)i);
        layers[i].len            = (uint32_t)(size / (size_t)n);
        layers[i].sid            = (uint8_t)i;
        layers[i].is_key         = mode & 4;
        layers[i].is_reference   = mode & 8;
        layers[i].is_inter_layer = i > 0;
        layers[i].ends_picture   = i + 1 == n;
        layers[i].width_px       = (uint16_t)(mode & 16 ? 64 << i : 0);
        layers[i].height_px      = layers[i].width_px;
    }
    return n;
}

static void read_descriptor(struct arc_depdesc_reader *reader,
                            const struct arc_pl_video_packer *p,
                            const struct arc_pl_video_place *place)
{
    uint8_t value[ARC_DEPDESC_MAX_BYTES];
    struct arc_depdesc d;
    enum arc_status status;
    size_t len = 0;

    REQUIRE(arc_pl_video_packer_depdesc(p, place, value, sizeof(value), &len) ==
            ARC_OK);
    status = arc_depdesc_read(reader, value, len, &d);
    REQUIRE(status == ARC_OK || (status == ARC_AGAIN && !reader->has_structure));
    REQUIRE(d.starts_frame == place->starts_frame &&
            d.ends_frame == place->ends_frame);
}

static void pack_any(int32_t codec, uint8_t mode, const uint8_t *data,
                     size_t size)
{
    static uint8_t out[CAP];
    struct arc_pl_layer layers[4];
    int32_t n = make_layers(codec == ARC_VIDEO_VP9 ? mode : mode & ~3, size,
                            layers);
    struct arc_pl_video_config cfg = {0};
    struct arc_pl_video_tx tx;
    struct arc_pl_video_packer p;
    struct arc_pl_video_unpacker u;
    struct arc_pl_video_place place = {0};
    struct arc_depdesc_reader *reader = calloc(1, sizeof(*reader));
    uint8_t payload[MTU];
    size_t len = 0;

    REQUIRE(reader);
    cfg.codec         = codec;
    cfg.n_temporal    = mode & 32 ? 2 : 1;
    cfg.n_spatial     = (uint8_t)n;
    cfg.is_flexible   = mode & 64;
    cfg.is_single_nal = mode & 128;
    REQUIRE(arc_pl_video_tx_init(&tx, &cfg) == ARC_OK);
    if (size <= CAP / 2 && arc_pl_video_packer_init(&p, &tx, data, size, layers,
                                                    n, MTU) == ARC_OK) {
        REQUIRE(arc_pl_video_unpacker_init(&u, codec, out, CAP) == ARC_OK);
        while (arc_pl_video_packer_next(&p, payload, &len, &place) == ARC_OK) {
            REQUIRE(len >= 1 && len <= MTU);
            REQUIRE(arc_pl_video_unpacker_push(&u, payload, len) == ARC_OK ||
                    codec == ARC_VIDEO_VP8);
            read_descriptor(reader, &p, &place);
        }
        REQUIRE(arc_pl_video_unpacker_finish(&u, &len) == ARC_OK);
        REQUIRE(codec != ARC_VIDEO_VP8 || (len == size && memcmp(out, data, len) == 0));
        REQUIRE(codec != ARC_VIDEO_VP9 || n > 1 ||
                (len == size && memcmp(out, data, len) == 0));
    }
    free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    if (data[0] & 4)
        unpack_any(data[0] & 3, data + 1, size - 1);
    else
        pack_any(data[0] & 3, data[1], data + 2, size - 2);
    return 0;
}
