/**
 * @file wire/ulpfec.h  The ULPFEC payload: FEC header and protection levels
 *
 * RFC 5109 §7.3 and §7.4: ten bytes of FEC header, then for each level its
 * length, its mask of 16 or 48 packets, and the parity of so many bytes. Level n
 * protects the bytes that follow those of the levels before it.
 *
 * Owner:   the caller; nothing is kept, no free is needed.
 * Threads: any.
 */
#ifndef ARC_WIRE_ULPFEC_H
#define ARC_WIRE_ULPFEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "wire/fecbits.h"

/* ARC_CDEF_BEGIN */
#define ARC_ULPFEC_HEADER_BYTES      10
#define ARC_ULPFEC_SHORT_LEVEL_BYTES 4
#define ARC_ULPFEC_LONG_LEVEL_BYTES  8
#define ARC_ULPFEC_SHORT_MASK_BITS   16
#define ARC_ULPFEC_LONG_MASK_BITS    48
#define ARC_ULPFEC_MAX_LEVELS        8  /* read; the RFC sets no limit          */

struct arc_ulpfec_level {
    struct arc_fecset set;
    int32_t body_off;    /* bytes behind the fixed header of a packet that are
                            protected by lower levels                           */
    int32_t parity_off;  /* where the parity lies in the payload                */
    int32_t parity_len;  /* "protection length"                                 */
};

struct arc_ulpfec {
    struct arc_fecbits bits;  /* of the packets of level 0                      */
    bool     long_mask;       /* the L bit                                      */
    int32_t  n_levels;        /* 1..ARC_ULPFEC_MAX_LEVELS                       */
    struct arc_ulpfec_level levels[8];
};

/**
 * Parse the payload of a ULPFEC packet.
 *
 * @return ARC_OK, ARC_ERR_ARG (NULL), ARC_ERR_FORMAT (cut off, or level 0
 *         protects no packet), ARC_ERR_UNSUPPORTED (more levels than are read);
 *         `out` is unchanged unless ARC_OK
 */
enum arc_status arc_ulpfec_parse(const uint8_t *payload, size_t len,
                                 struct arc_ulpfec *out);

/** Write the FEC header; levels follow. */
void arc_ulpfec_write_header(struct arc_writer *w, const struct arc_fecbits *bits,
                             uint16_t base_seq16, bool long_mask);

/** Write the header of a level; its parity follows. Of the mask the first 16 or
 *  48 bits are taken. */
void arc_ulpfec_write_level(struct arc_writer *w, const struct arc_fecset *set,
                            bool long_mask, uint16_t parity_len);
/* ARC_CDEF_END */

#endif
