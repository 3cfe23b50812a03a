/**
 * @file io/mailbox.c  Commands to a thread, and their results
 */
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/mpsc.h"
#include "io/mailbox.h"
#include "io/thread.h"

/** Lies on the caller's stack until the answer is there. */
struct answer {
    sem_t           there;
    enum arc_status status;
};

struct mail {
    enum arc_status (*run)(void *owner, void *args, int64_t now_us);
    void          *args;
    struct answer *answer;
};

struct arc_mailbox {
    struct arc_mpsc *mail;
    int              wake_fd;
    pid_t            process; /* a child of fork() has the memory, not the thread */
    int32_t          callers; /* atomic: about to put something in */
    int32_t          closed;  /* atomic flag */
};

enum arc_status arc_mailbox_new(int32_t depth, int wake_fd,
                                struct arc_mailbox **out)
{
    struct arc_mailbox *m;
    enum arc_status status;

    if (!out || depth < 2 || depth > 65536)
        return ARC_ERR_ARG;
    m = arc_mem_zalloc(1, sizeof(*m));
    if (!m)
        return ARC_ERR_NOMEM;
    m->wake_fd = wake_fd;
    m->process = getpid();
    status = arc_mpsc_new((uint32_t)depth, sizeof(struct mail), &m->mail);
    if (status != ARC_OK) {
        arc_mem_free(m);
        return status;
    }
    *out = m;
    return ARC_OK;
}

void arc_mailbox_free(struct arc_mailbox *m)
{
    if (!m)
        return;
    arc_mpsc_free(m->mail);
    arc_mem_free(m);
}

static enum arc_status put(struct arc_mailbox *m, const struct mail *mail)
{
    enum arc_status status = ARC_ERR_ENDED;

    /* arc_mailbox_close() sets the flag first and then waits for the callers that
     * did not see it. */
    arc_atomic_add_seq_cst(&m->callers, 1);
    if (!arc_atomic_load_seq_cst(&m->closed))
        status = arc_mpsc_push(m->mail, mail) == ARC_OK ? ARC_OK : ARC_ERR_BUSY;
    arc_atomic_add_seq_cst(&m->callers, -1);
    return status;
}

enum arc_status
arc_mailbox_call(struct arc_mailbox *m,
                 enum arc_status (*run)(void *owner, void *args, int64_t now_us),
                 void *args)
{
    struct answer answer;
    struct mail mail = {run, args, &answer};
    enum arc_status status;

    if (getpid() != m->process)
        return ARC_ERR_ENDED;
    sem_init(&answer.there, 0, 0);
    status = put(m, &mail);
    if (status == ARC_OK) {
        arc_eventfd_signal(m->wake_fd);
        while (sem_wait(&answer.there) != 0 && errno == EINTR)
            ;
        status = answer.status;
    }
    sem_destroy(&answer.there);
    return status;
}

int32_t arc_mailbox_run(struct arc_mailbox *m, void *owner, int32_t max,
                        int64_t now_us)
{
    struct mail mail;
    int32_t n = 0;

    while (n < max && arc_mpsc_pop(m->mail, &mail) == ARC_OK) {
        mail.answer->status = mail.run(owner, mail.args, now_us);
        sem_post(&mail.answer->there); /* and it is gone */
        n++;
    }
    return n;
}

static void refuse_all(struct arc_mailbox *m)
{
    struct mail mail;

    while (arc_mpsc_pop(m->mail, &mail) == ARC_OK) {
        mail.answer->status = ARC_ERR_ENDED;
        sem_post(&mail.answer->there);
    }
}

void arc_mailbox_close(struct arc_mailbox *m)
{
    arc_atomic_store_seq_cst(&m->closed, 1);
    while (arc_atomic_load_seq_cst(&m->callers) > 0)
        sched_yield();
    refuse_all(m);
}
