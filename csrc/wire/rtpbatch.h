/**
 * @file wire/rtpbatch.h  The headers of many packets at once
 *
 * A column for each field, as arrays of the caller: what a program that looks
 * at every packet of a batch needs, without an object for each.
 *
 * Owner:   the caller, of the packets and of the columns; nothing is kept.
 * Threads: any; a set of columns is filled by one thread at a time.
 * Time:    `rtp_ts` is in ticks of the payload's clock.
 */
#ifndef ARC_WIRE_RTPBATCH_H
#define ARC_WIRE_RTPBATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_RTPBATCH_MAX_PKTS 65536
#define ARC_RTPBATCH_MAX_IDS  32 /* header extensions looked for at once      */

/** Room for `cap` packets in each column; none is NULL but those of ids. */
struct arc_rtpbatch {
    size_t    cap;    /* 0..ARC_RTPBATCH_MAX_PKTS                           */
    int32_t  *status; /* enum arc_status; the other columns: 0 unless ARC_OK  */
    uint16_t *seq16;
    uint32_t *rtp_ts;
    uint32_t *ssrc;
    uint8_t  *payload_type; /* 0..127                                         */
    bool     *marker;
    uint8_t  *csrc_count;  /* 0..15                                           */
    uint8_t  *padding_len; /* 0..255                                          */
    int32_t  *payload_off; /* from the start of the packet                    */
    int32_t  *payload_len; /* bytes, without padding                          */

    /* n_ids columns, one behind the other, cap numbers each. */
    size_t   n_ids;          /* 0..ARC_RTPBATCH_MAX_IDS                        */
    int32_t *ext_off;        /* of the value from the start of the packet     */
    int32_t *ext_len;        /* 0..255; -1: the packet has no such element    */
    uint8_t  column_of[256]; /* by id: 1 + its column; 0: not looked for      */
};

/**
 * Read the headers of `n` packets.
 *
 * One bad packet stops nothing: its status says what it is. ARC_ERR_FORMAT also
 * where an extension element runs past the end, ARC_ERR_ARG where a length is
 * below 0 or above slot_bytes.
 *
 * @param data       n slots of slot_bytes, one packet at the start of each
 * @param lengths    n; bytes of each packet
 * @param skip       n; a packet whose number here is not 0 is not read and has
 *                   that number as its status. NULL: read all
 * @param n          Packets, 0..cap
 * @param out        Columns; the first n rows are written
 *
 * @return packets whose status is ARC_OK; or ARC_ERR_ARG (NULL, a size), which
 *         is negative
 */
int32_t arc_rtpbatch_parse(const uint8_t *data, size_t slot_bytes,
                           const int32_t *lengths, const int32_t *skip,
                           size_t n, struct arc_rtpbatch *out);
/* ARC_CDEF_END */

#endif
