/**
 * @file tests/fuzz/fuzz_rtpext.c  Values of header extensions
 *
 * Any value through every reader: what reads must write, and read as the same
 * again. For the dependency descriptor the input is a row of elements, each
 * with its length in front, so that they meet a reader with a history.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/depdesc.h"
#include "wire/extval.h"
#include "wire/layers.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads, writes, and reads again; reserved bits make the bytes differ. */
#define CHECK_VALUE(name, type)                                                \
    do {                                                                       \
        type a, b;                                                             \
        uint8_t out[ARC_EXTVAL_MAX_BYTES];                                     \
        size_t n = 0;                                                          \
                                                                               \
        memset(&a, 0, sizeof(a));                                              \
        memset(&b, 0, sizeof(b));                                              \
        if (arc_extval_read_##name(data, size, &a) != ARC_OK)                  \
            break;                                                             \
        REQUIRE(arc_extval_write_##name(&a, out, sizeof(out), &n) == ARC_OK);  \
        REQUIRE(n == size);                                                    \
        REQUIRE(arc_extval_read_##name(out, n, &b) == ARC_OK);                 \
        REQUIRE(memcmp(&a, &b, sizeof(a)) == 0);                               \
    } while (0)

static void check_values(const uint8_t *data, size_t size)
{
    uint8_t out[3];
    uint32_t time;
    int32_t ticks;
    size_t n = 0;

    CHECK_VALUE(audio_level, struct arc_audio_level);
    CHECK_VALUE(mixer_levels, struct arc_mixer_levels);
    CHECK_VALUE(transport_seq, struct arc_transport_seq);
    CHECK_VALUE(orientation, struct arc_orientation);
    CHECK_VALUE(playout_delay, struct arc_playout_delay);
    CHECK_VALUE(capture_time, struct arc_capture_time);
    CHECK_VALUE(color_space, struct arc_color_space);
    if (arc_extval_read_abs_send_time(data, size, &time) == ARC_OK) {
        REQUIRE(arc_extval_write_abs_send_time(time, out, 3, &n) == ARC_OK);
        REQUIRE(n == size && memcmp(out, data, n) == 0);
    }
    if (arc_extval_read_toffset(data, size, &ticks) == ARC_OK) {
        REQUIRE(arc_extval_write_toffset(ticks, out, 3, &n) == ARC_OK);
        REQUIRE(n == size && memcmp(out, data, n) == 0);
    }
    if (arc_extval_check_text(ARC_EXTVAL_RID, data, size) == ARC_OK)
        REQUIRE(arc_extval_check_text(ARC_EXTVAL_MID, data, size) == ARC_OK);
}

static void check_layers(const uint8_t *data, size_t size)
{
    static struct arc_layers a, b;
    uint8_t out[ARC_LAYERS_MAX_BYTES];
    size_t n = 0;

    if (arc_layers_read(data, size, &a) != ARC_OK)
        return;
    REQUIRE(arc_layers_write(&a, out, sizeof(out), &n) == ARC_OK);
    REQUIRE(n <= size); /* a rate may have come with needless bytes */
    REQUIRE(arc_layers_read(out, n, &b) == ARC_OK);
    REQUIRE(memcmp(&a, &b, sizeof(a)) == 0);
}

/* Written again, a descriptor takes no more bytes and says the same. */
static void check_again(const struct arc_depdesc_reader *before,
                        const struct arc_depdesc_reader *after,
                        const struct arc_depdesc *d, size_t size)
{
    static struct arc_depdesc_reader reader;
    struct arc_depdesc again;
    uint8_t out[ARC_DEPDESC_MAX_BYTES];
    size_t n = 0;

    REQUIRE(arc_depdesc_write(d, &after->structure, out, sizeof(out), &n) ==
            ARC_OK);
    REQUIRE(n <= size);
    reader = *before;
    REQUIRE(arc_depdesc_read(&reader, out, n, &again) == ARC_OK);
    REQUIRE(reader.active_targets == after->active_targets);
    REQUIRE(memcmp(&reader.structure, &after->structure,
                   sizeof(reader.structure)) == 0);
    REQUIRE(again.frame_number == d->frame_number &&
            again.starts_frame == d->starts_frame &&
            again.ends_frame == d->ends_frame);
    REQUIRE(memcmp(&again.deps, &d->deps, sizeof(d->deps)) == 0);
}

static void check_descriptors(const uint8_t *data, size_t size)
{
    static struct arc_depdesc_reader reader, before;

    memset(&reader, 0, sizeof(reader));
    while (size > 0) {
        size_t len = data[0] < size - 1 ? data[0] : size - 1;
        struct arc_depdesc d;
        enum arc_status status;

        before = reader;
        status = arc_depdesc_read(&reader, data + 1, len, &d);
        if (status == ARC_OK)
            check_again(&before, &reader, &d, len);
        else
            REQUIRE(reader.has_structure == before.has_structure &&
                    reader.active_targets == before.active_targets &&
                    memcmp(&reader.structure, &before.structure,
                           sizeof(before.structure)) == 0);
        data += 1 + len;
        size -= 1 + len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    check_values(data, size);
    check_layers(data, size);
    check_descriptors(data, size);
    return 0;
}
