/**
 * @file base/log.h  Bounded log of one object, read by its owner
 *
 * The core writes no files and calls nobody back. What an operator may want to
 * read later goes into this ring; the binding drains it into Python's logging.
 * When it is full the oldest line goes, and `lost` counts it.
 *
 * Owner:   embed it; arc_log_init() allocates nothing.
 * Threads: one caller at a time.
 */
#ifndef ARC_BASE_LOG_H
#define ARC_BASE_LOG_H

#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_LOG_LINES      32
#define ARC_LOG_TEXT_BYTES 160

enum arc_log_level {
    ARC_LOG_DEBUG   = 10, /* the numbers of Python's logging module */
    ARC_LOG_INFO    = 20,
    ARC_LOG_WARNING = 30,
    ARC_LOG_ERROR   = 40,
};

struct arc_log_line {
    int64_t now_us;
    int32_t level;                    /* enum arc_log_level        */
    char    text[ARC_LOG_TEXT_BYTES]; /* UTF-8, ends with a zero   */
};
/* ARC_CDEF_END */

struct arc_log {
    struct arc_log_line lines[ARC_LOG_LINES];
    uint32_t head; /* lines read or lost so far    */
    uint32_t tail; /* lines written so far         */
    uint64_t lost; /* lines nobody read in time    */
};

void arc_log_init(struct arc_log *log);

/** printf-style; longer text is cut. */
void arc_log_write(struct arc_log *log, int64_t now_us,
                   enum arc_log_level level, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 4, 5)))
#endif
    ;

/** @return ARC_OK, or ARC_AGAIN when there is nothing to read */
enum arc_status arc_log_pop(struct arc_log *log, struct arc_log_line *out);

#endif
