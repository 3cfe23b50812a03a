/**
 * @file io/traffic.c  The thread that drives sources and sinks by turns
 */
#define _GNU_SOURCE
#include <time.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/units.h"
#include "io/traffic_parts.h"

enum {
    GRO_MESSAGES   = 32, /* a system call */
    GRO_BYTES      = 65536,
    PLAIN_MESSAGES = ARC_BENCHSOCK_MESSAGES,
    PLAIN_BYTES    = 2048,
    MAX_SLEEP_US   = 1000000,
};

struct arc_traffic {
    struct arc_traffic_config  cfg;
    struct arc_turn            turn;
    pthread_t                  thread;
    bool                       running;
    int32_t                    stop; /* atomic flag */
    struct arc_benchsock_rx   *with_gro, *without;
    int32_t                    n_sources, n_sinks;
    struct arc_traffic_source *sources[ARC_TRAFFIC_MAX_PARTS];
    struct arc_traffic_sink   *sinks[ARC_TRAFFIC_MAX_PARTS];
};

/* --- turns ------------------------------------------------------------------------------ */

static bool take_turn(struct arc_traffic *t)
{
    struct arc_train trains[ARC_BENCHSOCK_MESSAGES];
    bool busy = false;

    for (int32_t i = 0; i < t->n_sources; i++)
        busy |= arc_traffic_source_turn(t->sources[i], arc_benchsock_now_ns());
    for (int32_t i = 0; i < t->n_sinks; i++)
        busy |= arc_traffic_sink_turn(t->sinks[i], t->with_gro, t->without,
                                      trains);
    return busy;
}

static void nap(int32_t us)
{
    const struct timespec t = {us / ARC_US_PER_S, us % ARC_US_PER_S * 1000};

    nanosleep(&t, NULL);
}

static void *run(void *arg)
{
    struct arc_traffic *t = arg;

    arc_thread_pin(t->cfg.core);
    while (!arc_atomic_load_acquire(&t->stop)) {
        bool busy;

        arc_turn_begin(&t->turn);
        busy = take_turn(t);
        arc_turn_end(&t->turn);
        if (!busy && t->cfg.sleep_us > 0)
            nap(t->cfg.sleep_us);
    }
    return NULL;
}

/* --- its life --------------------------------------------------------------------------- */

enum arc_status arc_traffic_new(const struct arc_traffic_config *cfg,
                                struct arc_traffic             **out)
{
    struct arc_traffic *t;

    if (!cfg || !out || !arc_thread_has_core(cfg->core) || cfg->sleep_us < 0 ||
        cfg->sleep_us > MAX_SLEEP_US)
        return ARC_ERR_ARG;
    t = arc_mem_zalloc(1, sizeof(*t));
    if (!t)
        return ARC_ERR_NOMEM;
    t->cfg = *cfg;
    arc_turn_init(&t->turn);
    t->with_gro = arc_benchsock_rx_new(GRO_MESSAGES, GRO_BYTES);
    t->without  = arc_benchsock_rx_new(PLAIN_MESSAGES, PLAIN_BYTES);
    if (!t->with_gro || !t->without) {
        arc_traffic_free(t);
        return ARC_ERR_NOMEM;
    }
    t->running = arc_thread_start(&t->thread, "arc-traffic", run, t);
    if (!t->running) {
        arc_traffic_free(t);
        return ARC_ERR_IO;
    }
    *out = t;
    return ARC_OK;
}

void arc_traffic_free(struct arc_traffic *t)
{
    if (!t)
        return;
    if (t->running) {
        arc_atomic_store_release(&t->stop, 1);
        pthread_join(t->thread, NULL);
    }
    for (int32_t i = 0; i < t->n_sources; i++)
        arc_traffic_source_free(t->sources[i]);
    for (int32_t i = 0; i < t->n_sinks; i++)
        arc_traffic_sink_free(t->sinks[i]);
    arc_benchsock_rx_free(t->with_gro);
    arc_benchsock_rx_free(t->without);
    arc_turn_close(&t->turn);
    arc_mem_free(t);
}

int64_t arc_traffic_cpu_ns(const struct arc_traffic *t)
{
    return arc_thread_cpu_ns(t->thread);
}

/* --- its parts -------------------------------------------------------------------------- */

/** Put a part into the list. @return ARC_OK or ARC_ERR_LIMIT */
static enum arc_status enter(struct arc_traffic *t, void *part, void **list,
                             int32_t *n)
{
    enum arc_status status = ARC_ERR_LIMIT;

    arc_turn_enter(&t->turn);
    if (*n < ARC_TRAFFIC_MAX_PARTS) {
        list[(*n)++] = part;
        status = ARC_OK;
    }
    arc_turn_leave(&t->turn);
    return status;
}

/** Take a part out of the list; the thread does not touch it afterwards. */
static void leave(struct arc_traffic *t, const void *part, void **list,
                  int32_t *n)
{
    arc_turn_enter(&t->turn);
    for (int32_t i = 0; i < *n; i++)
        if (list[i] == part) {
            list[i] = list[--*n];
            break;
        }
    arc_turn_leave(&t->turn);
}

enum arc_status
arc_traffic_add_source(struct arc_traffic                     *t,
                       const struct arc_traffic_source_config *cfg,
                       struct arc_traffic_source             **out)
{
    enum arc_status status = arc_traffic_source_new(cfg, &t->turn, out);

    if (status)
        return status;
    status = enter(t, *out, (void **)t->sources, &t->n_sources);
    if (status)
        arc_traffic_source_free(*out);
    return status;
}

enum arc_status
arc_traffic_add_sink(struct arc_traffic                   *t,
                     const struct arc_traffic_sink_config *cfg,
                     struct arc_traffic_sink             **out)
{
    enum arc_status status = arc_traffic_sink_new(cfg, &t->turn, out);

    if (status)
        return status;
    status = enter(t, *out, (void **)t->sinks, &t->n_sinks);
    if (status)
        arc_traffic_sink_free(*out);
    return status;
}

void arc_traffic_remove_source(struct arc_traffic *t,
                               struct arc_traffic_source *s)
{
    leave(t, s, (void **)t->sources, &t->n_sources);
    arc_traffic_source_free(s);
}

void arc_traffic_remove_sink(struct arc_traffic *t, struct arc_traffic_sink *s)
{
    leave(t, s, (void **)t->sinks, &t->n_sinks);
    arc_traffic_sink_free(s);
}
