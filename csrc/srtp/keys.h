/**
 * @file srtp/keys.h  Master keys of one SRTP object: change, limits, events
 *
 * Several master keys may be accepted at one time; one of them sends. So a key is
 * changed without losing a packet: both sides add the new one, each begins to
 * send with it, and the old one is retired when nothing under it can be on its
 * way any more. Roll-over counters, indices and replay windows belong to the
 * streams and go on over a change of key (RFC 3711 §3.3.1).
 *
 * MKI:     of 0..128 bytes, the same number for every key of an object. With it
 *          a packet names its key (RFC 3711 §3.1); without, the keys are tried,
 *          first the one that opened the stream's last packet.
 * Limits:  packets are counted for each key, each way, SRTP and SRTCP apart
 *          (RFC 3711 §9.2). An event says when seven eighths are used, another
 *          when all are.
 * Owner:   the object; a retired key is wiped at once.
 * Threads: as srtp.h.
 * Time:    `now_us` is the caller's monotonic clock; it only serves retiring.
 */
#ifndef ARC_SRTP_KEYS_H
#define ARC_SRTP_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "srtp/srtp.h"

/* ARC_CDEF_BEGIN */
#define ARC_SRTP_KEYS_MAX 4 /* at one time */

struct arc_srtp_key_config {
    uint8_t master_key[32];
    int32_t key_len;         /* bytes, by the profile: 16 or 32             */
    uint8_t master_salt[14];
    int32_t salt_len;        /* bytes: 14; GCM also 12                      */
    uint8_t mki[128];
    int32_t mki_len;         /* bytes: that of the object's first key       */
};

enum arc_srtp_event_type {
    ARC_SRTP_EVENT_KEY_NEAR_LIMIT = 1, /* seven eighths of its packets are used */
    ARC_SRTP_EVENT_KEY_USED_UP    = 2, /* nothing more passes with it, that way */
    ARC_SRTP_EVENT_KEY_RETIRED    = 3, /* wiped                                 */
};

struct arc_srtp_event {
    int32_t  type;      /* enum arc_srtp_event_type            */
    int32_t  key_id;    /* the first key of an object is 1     */
    bool     sending;   /* limits: which way                   */
    bool     rtcp;      /* limits: of SRTCP                    */
    uint64_t left_pkts; /* packets that the key may still take */
};

/**
 * Accept another master key from now on.
 *
 * @param id Its number, for the calls below; written only with ARC_OK
 *
 * @return ARC_OK; ARC_ERR_ARG (a length, or its MKI is in use);
 *         ARC_ERR_LIMIT (ARC_SRTP_KEYS_MAX are there), ARC_ERR_NOMEM,
 *         ARC_ERR_LIBRARY
 */
enum arc_status arc_srtp_add_key(struct arc_srtp                  *s,
                                 const struct arc_srtp_key_config *cfg,
                                 int32_t                          *id);

/** Send with a key from the next packet on. @return ARC_OK, ARC_ERR_ARG: no such */
enum arc_status arc_srtp_send_with(struct arc_srtp *s, int32_t id);

/**
 * Wipe a key at a time to come; the last word counts.
 *
 * @return ARC_OK, or ARC_ERR_ARG: no such key, or it is the one that sends
 */
enum arc_status arc_srtp_retire_key(struct arc_srtp *s, int32_t id,
                                    int64_t at_us);

/**
 * All at once: add a key, send with it, retire all others when `overlap_us` have
 * passed.
 *
 * @return as arc_srtp_add_key()
 */
enum arc_status arc_srtp_rekey(struct arc_srtp                  *s,
                               const struct arc_srtp_key_config *cfg,
                               int64_t overlap_us, int64_t now_us, int32_t *id);

/** Wipe the keys whose time has come. */
void arc_srtp_expire(struct arc_srtp *s, int64_t now_us);

/** When arc_srtp_expire() has something to do; INT64_MAX: nothing is planned. */
int64_t arc_srtp_next_us(const struct arc_srtp *s);

/** Keys accepted now, 1..ARC_SRTP_KEYS_MAX. */
int32_t arc_srtp_key_count(const struct arc_srtp *s);

/** Number of the key that sends. */
int32_t arc_srtp_sending_key(const struct arc_srtp *s);

/**
 * What happened to the keys, oldest first. Sixteen events are kept; after that
 * the oldest is lost, and counted in arc_srtp_stats.
 *
 * @return ARC_OK or ARC_AGAIN: nothing
 */
enum arc_status arc_srtp_poll_event(struct arc_srtp       *s,
                                    struct arc_srtp_event *out);
/* ARC_CDEF_END */

#endif
