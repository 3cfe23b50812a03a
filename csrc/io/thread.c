/**
 * @file io/thread.c  What the native threads of io/ have in common
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "io/thread.h"

void arc_turn_init(struct arc_turn *t)
{
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->passed, NULL);
    t->waiting = 0;
}

void arc_turn_close(struct arc_turn *t)
{
    pthread_cond_destroy(&t->passed);
    pthread_mutex_destroy(&t->lock);
}

void arc_turn_begin(struct arc_turn *t)
{
    pthread_mutex_lock(&t->lock);
    while (arc_atomic_load_acquire(&t->waiting) > 0)
        pthread_cond_wait(&t->passed, &t->lock);
}

void arc_turn_end(struct arc_turn *t)
{
    pthread_mutex_unlock(&t->lock);
}

void arc_turn_enter(struct arc_turn *t)
{
    arc_atomic_add_relaxed(&t->waiting, 1);
    pthread_mutex_lock(&t->lock);
}

void arc_turn_leave(struct arc_turn *t)
{
    arc_atomic_add_relaxed(&t->waiting, -1);
    pthread_cond_signal(&t->passed);
    pthread_mutex_unlock(&t->lock);
}

bool arc_thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
                      void *arg)
{
    sigset_t all, before;
    bool ok;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ok = pthread_create(thread, NULL, run, arg) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (ok)
        pthread_setname_np(*thread, name);
    return ok;
}

bool arc_thread_has_core(int32_t core)
{
    cpu_set_t set;

    return core == -1 ||
           (core >= 0 && core < CPU_SETSIZE &&
            sched_getaffinity(0, sizeof(set), &set) == 0 &&
            CPU_ISSET((size_t)core, &set));
}

void arc_thread_pin(int32_t core)
{
    cpu_set_t set;

    if (core < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

int64_t arc_thread_cpu_ns(pthread_t thread)
{
    struct timespec t;
    clockid_t clock;

    if (pthread_getcpuclockid(thread, &clock) != 0 ||
        clock_gettime(clock, &t) != 0)
        return 0;
    return (int64_t)t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int arc_eventfd_new(void)
{
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void arc_eventfd_signal(int fd)
{
    uint64_t one = 1;

    if (write(fd, &one, sizeof(one)) < 0)
        return; /* full: it is readable already */
}

void arc_eventfd_clear(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof(count)) < 0)
        return; /* it was not readable */
}

void arc_fd_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
