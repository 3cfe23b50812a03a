/**
 * @file io/thread.h  What the native threads of io/ have in common
 *
 * A thread works in turns. It holds its turn lock while it works and lets go of
 * it while it waits; whoever wants to look at, or change, what the thread owns
 * is a visitor for that long. Visitors go first: a mutex alone would let a busy
 * thread lock them out.
 *
 * Owner:   embed struct arc_turn; arc_turn_init() and arc_turn_close().
 * Threads: begin and end, the thread itself; enter and leave, any other.
 */
#ifndef ARC_IO_THREAD_H
#define ARC_IO_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct arc_turn {
    pthread_mutex_t lock;
    pthread_cond_t  passed;
    int32_t         waiting; /* atomic: visitors that are in or want to be */
};

void arc_turn_init(struct arc_turn *t);
void arc_turn_close(struct arc_turn *t);

void arc_turn_begin(struct arc_turn *t);
void arc_turn_end(struct arc_turn *t);

void arc_turn_enter(struct arc_turn *t);
void arc_turn_leave(struct arc_turn *t);

/**
 * Start a thread that no signal is delivered to: Ctrl-C is for Python's.
 *
 * @param name At most 15 characters, for top and perf
 *
 * @return false: the system refused
 */
bool arc_thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
                      void *arg);

/** Whether a thread of this process may be bound to a CPU; -1 (any) may. */
bool arc_thread_has_core(int32_t core);

/** Bind the calling thread to a CPU that it may have; -1: leave it. */
void arc_thread_pin(int32_t core);

/** CPU time of a thread that has not been joined, nanoseconds. */
int64_t arc_thread_cpu_ns(pthread_t thread);

/** A non-blocking eventfd; -1: the system refused. */
int  arc_eventfd_new(void);
void arc_eventfd_signal(int fd);
void arc_eventfd_clear(int fd); /* a timerfd as well */

/** close() unless -1. */
void arc_fd_close(int fd);

#endif
