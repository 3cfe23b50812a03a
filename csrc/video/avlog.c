/**
 * @file video/avlog.c  What FFmpeg says while we call it, per thread
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/error.h>
#include <libavutil/log.h>

#include "base/atomic.h"
#include "video/avlog.h"

static __thread struct arc_avlog *current; /* NULL: this thread catches nothing */
static int32_t installed;                  /* atomic: our call-back is set      */

static void append(struct arc_avlog *log, const char *text)
{
    size_t room = sizeof(log->text) - log->len;
    int n = snprintf(log->text + log->len, room, "%s%s", log->len ? "; " : "",
                     text);

    if (n > 0)
        log->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void on_line(void *context, int level, const char *format, va_list args)
{
    char line[ARC_AVLOG_TEXT_BYTES];
    size_t len;

    (void)context;
    if (!current || level > AV_LOG_VERBOSE)
        return;
    vsnprintf(line, sizeof(line), format, args);
    len = strlen(line);
    while (len && strchr("\n. ", line[len - 1]))
        line[--len] = '\0';
    if (len && level <= AV_LOG_ERROR)
        append(current, line);
    else if (len)
        memcpy(current->hint, line, len + 1);
}

void arc_avlog_begin(struct arc_avlog *log)
{
    /* Set before it is noted: whoever reads the note may rely on it. */
    if (!arc_atomic_load_acquire(&installed)) {
        av_log_set_callback(on_line);
        arc_atomic_store_release(&installed, 1);
    }
    log->len = 0;
    log->text[0] = '\0';
    log->hint[0] = '\0';
    current = log;
}

void arc_avlog_end(void)
{
    current = NULL;
}

void arc_avlog_explain(const struct arc_avlog *log, const char *name,
                       int av_error, char *why, size_t cap)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";

    if (!cap)
        return;
    if (log->len) {
        snprintf(why, cap, "%s: %s", name, log->text);
        return;
    }
    av_strerror(av_error, text, sizeof(text));
    snprintf(why, cap, "%s: %s%s%s", name, text, log->hint[0] ? "; " : "",
             log->hint);
}
