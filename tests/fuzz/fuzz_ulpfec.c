/**
 * @file tests/fuzz/fuzz_ulpfec.c  ULPFEC payloads
 *
 * What was read lies inside the payload, and written again it is the same.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/ulpfec.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct arc_ulpfec *h, const uint8_t *data,
                        struct arc_writer *w)
{
    arc_ulpfec_write_header(w, &h->bits, h->levels[0].set.first_seq16,
                            h->long_mask);
    for (int32_t i = 0; i < h->n_levels; i++) {
        const struct arc_ulpfec_level *l = &h->levels[i];

        arc_ulpfec_write_level(w, &l->set, h->long_mask, (uint16_t)l->parity_len);
        arc_writer_bytes(w, data + l->parity_off, (size_t)l->parity_len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arc_ulpfec h;
    struct arc_writer w;
    int32_t body = 0;
    uint8_t *copy;

    if (arc_ulpfec_parse(data, size, &h) != ARC_OK)
        return 0;
    REQUIRE(h.n_levels >= 1 && h.n_levels <= ARC_ULPFEC_MAX_LEVELS);
    for (int32_t i = 0; i < h.n_levels; i++) {
        REQUIRE(h.levels[i].body_off == body);
        REQUIRE((size_t)(h.levels[i].parity_off + h.levels[i].parity_len) <= size);
        REQUIRE(arc_fecset_last(&h.levels[i].set) < ARC_ULPFEC_LONG_MASK_BITS);
        body += h.levels[i].parity_len;
    }
    copy = malloc(size);
    REQUIRE(copy);
    arc_writer_init(&w, copy, size);
    write_again(&h, data, &w);
    REQUIRE(!w.fail && w.pos == size);
    copy[0] |= data[0] & 0x80; /* the E bit is ignored, RFC 5109 §7.3 */
    REQUIRE(memcmp(copy, data, size) == 0);
    free(copy);
    return 0;
}
