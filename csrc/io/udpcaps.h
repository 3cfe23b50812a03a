/**
 * @file io/udpcaps.h  What the UDP sockets of this machine can do, by trying
 *
 * For people and reports: sockets find out for themselves what they can do.
 * Each probe opens sockets on the loopback and sends something between them,
 * since an option that can be set need not work (sandboxes, translated calls).
 *
 * Owner:   nobody: there is no state. Answers do not change while a process
 *          runs; the caller keeps them.
 * Threads: any. A probe takes a millisecond, 200 if nothing arrives.
 */
#ifndef ARC_IO_UDPCAPS_H
#define ARC_IO_UDPCAPS_H

#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_UDPCAP_TEXT_CHARS 96

struct arc_udpcap {
    int32_t works;                           /* 0 or 1                        */
    char    name[ARC_UDPCAP_TEXT_CHARS];     /* as the system's manual has it */
    char    reason[ARC_UDPCAP_TEXT_CHARS];   /* why it does not; else ""      */
    char    instead[ARC_UDPCAP_TEXT_CHARS];  /* what is done then             */
};

/** Number of things that can be tried. */
int32_t arc_udpcaps_count(void);

/** Try one.
 *  @param i 0..count-1
 *  @return ARC_OK or ARC_ERR_ARG */
enum arc_status arc_udpcaps_probe(int32_t i, struct arc_udpcap *out);
/* ARC_CDEF_END */

#endif
