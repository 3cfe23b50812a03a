/**
 * @file video/avlog.h  What FFmpeg says while we call it, per thread
 *
 * FFmpeg's log call-back is one for the whole process, and its own writes to
 * standard error. Ours keeps the lines of a thread that is between begin and
 * end in that thread's own buffer and drops every other line: a library has no
 * say over its program's standard error, and a damaged stream would write there
 * once a slice. What such a line would tell is counted instead: a picture is
 * marked damaged, a decoder returns ARC_ERR_CODEC.
 *
 * It is installed at the first begin and stays: a stated exception to "no
 * mutable globals". A program that shares this FFmpeg and wants its lines sets
 * a call-back of its own after that; ours goes then, and reasons become the
 * plain text of FFmpeg's error numbers.
 *
 * Owner:   the caller's struct, usually on the stack, alive until end.
 * Threads: any; begin and end on the same one, not nested.
 */
#ifndef ARC_VIDEO_AVLOG_H
#define ARC_VIDEO_AVLOG_H

#include <stddef.h>

#define ARC_AVLOG_TEXT_BYTES 240

/* log_level_offset of a context that is to say nothing on any thread: above
 * every level, and below 256, where FFmpeg keeps the colour of a line. */
#define ARC_AVLOG_MUTE 150

struct arc_avlog {
    char   text[ARC_AVLOG_TEXT_BYTES]; /* error lines, joined by "; "        */
    size_t len;
    char   hint[ARC_AVLOG_TEXT_BYTES]; /* the last line below error          */
};

/** Catch this thread's lines in `log` until arc_avlog_end(). */
void arc_avlog_begin(struct arc_avlog *log);
void arc_avlog_end(void);

/**
 * Write "name: reason" into `why`: the lines that were caught, or, when there
 * was no error among them, the text of FFmpeg's error number and the last line. Cut to `cap`; `cap` 0: nothing.
 */
void arc_avlog_explain(const struct arc_avlog *log, const char *name,
                       int av_error, char *why, size_t cap);

#endif
