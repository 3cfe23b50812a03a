/**
 * @file wire/xrstats.h  Extended reports in numbers: summary, VoIP metrics, repair
 *
 * RFC 3611 §4.6 (Statistics Summary) and §4.7 (VoIP Metrics), RFC 7509 §3.1
 * (Post-Repair Loss Count). Sequence numbers go from begin_seq to end_seq - 1.
 *
 * Owner:   the caller; nothing is kept.
 * Threads: any.
 */
#ifndef ARC_WIRE_XRSTATS_H
#define ARC_WIRE_XRSTATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "wire/rtcpxr.h"

/* ARC_CDEF_BEGIN */
enum arc_xr_hops {
    ARC_XR_HOPS_NONE = 0, /* not reported          */
    ARC_XR_HOPS_TTL  = 1, /* time to live of IPv4  */
    ARC_XR_HOPS_IPV6 = 2, /* hop limit of IPv6     */
};

/** §4.6; what is not reported is zero, on the wire and here. */
struct arc_xr_summary {
    uint32_t ssrc;
    uint16_t begin_seq;
    uint16_t end_seq;
    bool     has_lost;
    bool     has_duplicates;
    bool     has_jitter;
    uint8_t  hops_kind; /* enum arc_xr_hops                                  */
    uint32_t lost_pkts;
    uint32_t duplicate_pkts;
    uint32_t jitter_min_ticks; /* relative transit time of two packets       */
    uint32_t jitter_max_ticks;
    uint32_t jitter_mean_ticks;
    uint32_t jitter_dev_ticks; /* standard deviation                         */
    uint8_t  hops_min;
    uint8_t  hops_max;
    uint8_t  hops_mean;
    uint8_t  hops_dev;
};

#define ARC_XR_VOIP_UNKNOWN 127 /* of levels, echo loss, R factors, MOS */

enum arc_xr_plc {
    ARC_XR_PLC_UNSPECIFIED = 0,
    ARC_XR_PLC_DISABLED    = 1, /* silence             */
    ARC_XR_PLC_ENHANCED    = 2, /* hides high losses   */
    ARC_XR_PLC_STANDARD    = 3, /* hides single losses */
};

enum arc_xr_jba {
    ARC_XR_JBA_UNKNOWN      = 0,
    ARC_XR_JBA_RESERVED     = 1,
    ARC_XR_JBA_NON_ADAPTIVE = 2,
    ARC_XR_JBA_ADAPTIVE     = 3,
};

/** §4.7; rates and densities since the start, in 1/256, rounded down. */
struct arc_xr_voip {
    uint32_t ssrc;
    uint8_t  loss_rate;    /* after repair                                   */
    uint8_t  discard_rate; /* came too late or too early to be played        */
    uint8_t  burst_density; /* lost or discarded within bursts               */
    uint8_t  gap_density;   /* and between them                              */
    uint16_t burst_duration_ms; /* mean                                      */
    uint16_t gap_duration_ms;   /* mean                                      */
    uint16_t round_trip_delay_ms; /* 0: not known yet                        */
    uint16_t end_system_delay_ms; /* 0: not known                            */
    int8_t   signal_level_db; /* of speech, dBm0; or UNKNOWN                 */
    int8_t   noise_level_db;  /* of silence, dBm0; or UNKNOWN                */
    uint8_t  rerl_db;         /* residual echo return loss; or UNKNOWN       */
    uint8_t  gmin_pkts;       /* 1..255: received in a row, they end a burst */
    uint8_t  r_factor;        /* 0..100, or UNKNOWN                          */
    uint8_t  ext_r_factor;    /* of the network beyond; 0..100, or UNKNOWN   */
    uint8_t  mos_lq;          /* listening, x 10: 10..50, or UNKNOWN         */
    uint8_t  mos_cq;          /* conversation, x 10: 10..50, or UNKNOWN      */
    uint8_t  plc;             /* enum arc_xr_plc                             */
    uint8_t  jba;             /* enum arc_xr_jba                             */
    uint8_t  jb_rate;         /* 0..15; 0: not known                         */
    uint16_t jb_nominal_ms;
    uint16_t jb_maximum_ms;
    uint16_t jb_abs_max_ms;
};

/** RFC 7509 §3.1: packets of the source itself, past any further repair. */
struct arc_xr_post_repair {
    uint32_t ssrc;
    uint16_t begin_seq;
    uint16_t end_seq;
    uint16_t lost_pkts;     /* in the end       */
    uint16_t repaired_pkts; /* lost on the way  */
};

/**
 * @return ARC_OK, ARC_ERR_FORMAT (length, the undefined kind of hops, or a
 *         value where none is reported) or ARC_ERR_ARG (another type)
 */
enum arc_status arc_xr_parse_summary(const struct arc_xr_block *b,
                                     struct arc_xr_summary *out);

/** What is not reported is written as zero; hops_kind above 2 fails `w`. */
void arc_xr_write_summary(struct arc_writer *w, const struct arc_xr_summary *s);

/**
 * R factors and MOS out of their range come as UNKNOWN: they are to be ignored
 * (§4.7.5).
 *
 * @return ARC_OK, ARC_ERR_FORMAT (length, or gmin 0) or ARC_ERR_ARG (another
 *         type)
 */
enum arc_status arc_xr_parse_voip(const struct arc_xr_block *b,
                                  struct arc_xr_voip *out);

/** A value out of its range fails `w`. */
void arc_xr_write_voip(struct arc_writer *w, const struct arc_xr_voip *m);

/** @return ARC_OK, ARC_ERR_FORMAT (length) or ARC_ERR_ARG (another type) */
enum arc_status arc_xr_parse_post_repair(const struct arc_xr_block *b,
                                         struct arc_xr_post_repair *out);
void arc_xr_write_post_repair(struct arc_writer *w,
                              const struct arc_xr_post_repair *c);
/* ARC_CDEF_END */

#endif
