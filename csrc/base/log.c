/**
 * @file base/log.c  Bounded log of one object, read by its owner
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

void arc_log_init(struct arc_log *log)
{
    memset(log, 0, sizeof(*log));
}

void arc_log_write(struct arc_log *log, int64_t now_us,
                   enum arc_log_level level, const char *format, ...)
{
    struct arc_log_line *line;
    va_list args;

    if (log->tail - log->head == ARC_LOG_LINES) {
        log->head++;
        log->lost++;
    }
    line = &log->lines[log->tail++ % ARC_LOG_LINES];
    line->now_us = now_us;
    line->level  = level;
    va_start(args, format);
    vsnprintf(line->text, sizeof(line->text), format, args);
    va_end(args);
}

enum arc_status arc_log_pop(struct arc_log *log, struct arc_log_line *out)
{
    if (log->head == log->tail)
        return ARC_AGAIN;
    *out = log->lines[log->head++ % ARC_LOG_LINES];
    return ARC_OK;
}
