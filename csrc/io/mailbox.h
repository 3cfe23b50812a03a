/**
 * @file io/mailbox.h  Commands to a thread, and their results
 *
 * A command is a function and its arguments, which lie with the caller. It goes
 * through a bounded queue without locks; the thread runs it between two pieces of
 * its work, and only the caller waits. So a thread that carries traffic is never
 * held up by those who ask it for something, but for what they ask.
 *
 * Owner:   arc_mailbox_new() allocates all memory. Free it when nobody can call
 *          any more; calls during and after arc_mailbox_close() are safe.
 * Threads: arc_mailbox_call() from any thread but the owner's; the rest from the
 *          thread whose mailbox it is.
 */
#ifndef ARC_IO_MAILBOX_H
#define ARC_IO_MAILBOX_H

#include <stdint.h>

#include "base/status.h"

struct arc_mailbox; /* opaque */

/**
 * @param depth   Commands that may wait; 2..65536
 * @param wake_fd An eventfd that wakes the thread; stays the caller's
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_NOMEM
 */
enum arc_status arc_mailbox_new(int32_t depth, int wake_fd,
                                struct arc_mailbox **out);
void            arc_mailbox_free(struct arc_mailbox *m);

/**
 * Have a command run, and wait until it has.
 *
 * @param run  Runs on the thread; `owner` is that of arc_mailbox_run()
 * @param args Handed to it
 *
 * @return what it returned; ARC_ERR_BUSY: the queue is full, it does not run;
 *         ARC_ERR_ENDED: the thread has ended, or is one of the process that this
 *         one was forked from
 */
enum arc_status
arc_mailbox_call(struct arc_mailbox *m,
                 enum arc_status (*run)(void *owner, void *args, int64_t now_us),
                 void *args);

/** Run what waits, at most `max` commands. @return how many were run */
int32_t arc_mailbox_run(struct arc_mailbox *m, void *owner, int32_t max,
                        int64_t now_us);

/** The thread ends: whoever waits, or calls from now on, gets ARC_ERR_ENDED. */
void arc_mailbox_close(struct arc_mailbox *m);

#endif
