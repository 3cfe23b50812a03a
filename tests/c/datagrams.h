/**
 * @file tests/c/datagrams.h  What tests of sockets need: sockets on the
 * loopback, and datagrams that are known again when they arrive
 */
#ifndef ARC_TESTS_DATAGRAMS_H
#define ARC_TESTS_DATAGRAMS_H

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "check.h"
#include "io/clock.h"
#include "io/udp.h"

enum {
    MANY       = 4096,  /* datagrams of one test                             */
    WAIT_MS    = 2000,
    QUIET_MS   = 30,    /* nothing comes for that long: nothing comes        */
    HEAD_BYTES = 4,     /* number of a datagram in front of its pattern      */
};

static const char *const hosts[] = {"127.0.0.1", "::1"};

static struct arc_udp_rx *rx;

/* --- sockets ---------------------------------------------------------------------- */

static inline struct arc_udp_config config(const char *host)
{
    struct arc_udp_config c;

    arc_udp_config_init(&c);
    c.host = host;
    return c;
}

static inline struct arc_udp *open_with(const struct arc_udp_config *c)
{
    struct arc_udp *u = NULL;
    char why[200] = "";

    if (arc_udp_open_config(c, &u, why, sizeof(why)) != ARC_OK)
        fprintf(stderr, "%s\n", why);
    CHECK(u);
    return u;
}

static inline struct arc_udp *open_at(const char *host)
{
    struct arc_udp_config c = config(host);

    return open_with(&c);
}

static inline void point(struct arc_udp *from, const char *host, struct arc_udp *to)
{
    CHECK(arc_udp_set_remote(from, host, arc_udp_port(to), NULL, 0) == ARC_OK);
}

static inline struct arc_udp_stats stats_of(const struct arc_udp *u)
{
    struct arc_udp_stats s;

    arc_udp_get_stats(u, &s);
    return s;
}

static inline short events_of(const struct arc_udp *u, int wait_ms)
{
    struct pollfd p = {arc_udp_fd(u), POLLIN, 0};

    CHECK(poll(&p, 1, wait_ms) >= 0);
    return p.revents;
}

/* --- datagrams with a number and a pattern ------------------------------------------ */

static uint8_t sent_bytes[MANY * 1500];
static struct arc_datagram got[MANY];
static uint8_t got_bytes[MANY * 1500];

static inline void fill(uint8_t *data, int32_t len, uint32_t number)
{
    for (int32_t k = 0; k < len; k++)
        data[k] = k < HEAD_BYTES ? (uint8_t)(number >> 8 * k)
                                 : (uint8_t)(number * 31 + (uint32_t)k);
}

static inline void check_datagram(const struct arc_datagram *d, int32_t len,
                           uint32_t number)
{
    static uint8_t want[65536];

    fill(want, len, number);
    CHECK(d->len == len);
    CHECK(memcmp(d->data, want, (size_t)len) == 0);
}

/** Read until `n` came or nothing more comes; copies, as the memory is used
 *  again. */
static inline int32_t read_some(struct arc_udp *u, int32_t n, int32_t cap)
{
    static struct arc_datagram out[MANY];
    size_t used = 0;
    int32_t have = 0;

    while (have < n && (events_of(u, WAIT_MS) & (POLLIN | POLLERR))) {
        int32_t count;

        do {
            count = arc_udp_rx_read(rx, u, false, arc_clock_us(), out, cap);
            for (int32_t i = 0; i < count; i++, have++) {
                CHECK(have < MANY && used + (size_t)out[i].len <=
                                         sizeof(got_bytes));
                got[have]      = out[i];
                got[have].data = got_bytes + used;
                memcpy(got_bytes + used, out[i].data, (size_t)out[i].len);
                used += (size_t)out[i].len;
            }
        } while (arc_udp_rx_left(rx) || (count > 0 && arc_udp_rx_more(rx)));
    }
    return have;
}

static inline void send_one(struct arc_udp *u, int32_t len, uint32_t number, int32_t ecn)
{
    struct arc_train t = {sent_bytes, len, len, ecn, 0};

    fill(sent_bytes, len, number);
    arc_udp_send_trains(u, &t, 1);
}

/** A train of `n` datagrams of `size` and one of `last` bytes, if not 0. */
static inline struct arc_train make_train(uint8_t *at, int32_t n, int32_t size,
                                   int32_t last, uint32_t first)
{
    struct arc_train t = {at, n * size + last, size, 0, 0};

    for (int32_t i = 0; i < n; i++)
        fill(at + i * size, size, first + (uint32_t)i);
    fill(at + n * size, last, first + (uint32_t)n);
    return t;
}

static inline void expect_number(struct arc_udp *u, uint32_t number)
{
    CHECK(read_some(u, 1, 1) == 1);
    check_datagram(&got[0], 60, number);
}

#endif
