/**
 * @file base/status.h  Result codes of every fallible arcrtc call
 *
 * Zero is success and every failure is negative. ARC_AGAIN is not a fault: it
 * says "nothing to hand out now, ask again at the module's next_us".
 *
 * Owner:   static text; nothing to free.
 * Threads: any.
 */
#ifndef ARC_BASE_STATUS_H
#define ARC_BASE_STATUS_H

/* ARC_CDEF_BEGIN */
enum arc_status {
    ARC_OK              = 0,
    ARC_AGAIN           = -1,  /* nothing due yet; ask again at next_us         */
    ARC_ERR_ARG         = -2,  /* caller's mistake: NULL, range, wrong state    */
    ARC_ERR_NOMEM       = -3,  /* allocation failed; the object is unchanged    */
    ARC_ERR_SPACE       = -4,  /* output buffer smaller than the documented size */
    ARC_ERR_FORMAT      = -5,  /* bytes from the network break the wire format  */
    ARC_ERR_AUTH        = -6,  /* authentication tag does not match             */
    ARC_ERR_REPLAY      = -7,  /* index was accepted before                     */
    ARC_ERR_OLD         = -8,  /* index or media time is behind the window      */
    ARC_ERR_LIMIT       = -9,  /* a key or table has reached its stated limit   */
    ARC_ERR_UNSUPPORTED = -10, /* this build or this machine cannot do it       */
    ARC_ERR_CODEC       = -11, /* a codec library refused its input             */
    ARC_ERR_IO          = -12, /* the operating system refused; see errno_value */
    ARC_ERR_LIBRARY     = -13, /* a linked library failed where it must not     */
    ARC_ERR_BUSY        = -14, /* a bounded queue is full: try again later      */
    ARC_ERR_ENDED       = -15, /* the thread that had to do it is not there     */
};

/** Name of a status code, for messages; "UNKNOWN" for other values. */
const char *arc_status_name(int status);
/* ARC_CDEF_END */

#endif
