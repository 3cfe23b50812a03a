/**
 * @file session/red_out.c  Copies of past sound in later packets (RFC 2198): which,
 *                          from any thread, and the packets with them
 */
#include <string.h>

#include "base/atomic.h"
#include "session/peer.h"

/* A set of copies as one number, so that any thread may hand it over: 3 bits how
 * many, 9 of overhead, 1 whether of speech only, 4 of each distance. The bound of
 * the total rate is another one. */
enum {
    RED_COUNT_BITS    = 3,
    RED_PCT_BITS      = 9,
    RED_SPEECH_BIT    = RED_COUNT_BITS + RED_PCT_BITS,
    RED_DISTANCES_BIT = RED_SPEECH_BIT + 1,
    RED_DISTANCE_BITS = 4,
};

int32_t arc_peer_pack_red(const struct arc_redenc_set *set)
{
    int32_t at = RED_DISTANCES_BIT;
    int32_t packed = set->n_copies | set->max_overhead_pct << RED_COUNT_BITS |
                     set->speech_only << RED_SPEECH_BIT;

    for (int32_t i = 0; i < set->n_copies; i++, at += RED_DISTANCE_BITS)
        packed |= (set->distances[i] - 1) << at;
    return packed;
}

enum arc_status arc_send_set_redundancy(struct arc_sendstream *st,
                                        const struct arc_redenc_set *set)
{
    if (!st->redenc || !arc_redenc_set_ok(set))
        return ARC_ERR_ARG;
    arc_atomic_store_relaxed(&st->red_total_bps, set->max_total_bps);
    arc_atomic_store_relaxed(&st->red_set, arc_peer_pack_red(set));
    return ARC_OK;
}

bool arc_peer_makes_copies(struct arc_sendstream *st)
{
    return st->redenc && (arc_atomic_load_relaxed(&st->red_set) &
                          ((1 << RED_COUNT_BITS) - 1)) != 0;
}

static void apply_set(struct arc_sendstream *st)
{
    const int32_t packed = arc_atomic_load_relaxed(&st->red_set);
    const int32_t total_bps = arc_atomic_load_relaxed(&st->red_total_bps);
    int32_t rest = packed >> RED_DISTANCES_BIT;
    struct arc_redenc_set set;

    if (packed == st->applied_red && total_bps == st->applied_red_total_bps)
        return;
    memset(&set, 0, sizeof(set));
    set.n_copies         = packed & ((1 << RED_COUNT_BITS) - 1);
    set.max_overhead_pct = packed >> RED_COUNT_BITS & ((1 << RED_PCT_BITS) - 1);
    set.speech_only      = packed >> RED_SPEECH_BIT & 1;
    set.max_total_bps    = total_bps;
    for (int32_t i = 0; i < set.n_copies; i++, rest >>= RED_DISTANCE_BITS)
        set.distances[i] = 1 + (rest & ((1 << RED_DISTANCE_BITS) - 1));
    arc_redenc_change(st->redenc, &set);
    st->applied_red           = packed;
    st->applied_red_total_bps = total_bps;
}

int32_t arc_peer_add_copies(struct arc_sendstream *st, const uint8_t *frame,
                            int32_t len, uint8_t *out, uint8_t *payload_type)
{
    const uint32_t rtp_ts = (uint32_t)st->gather.ts + st->ts_offset;
    struct arc_redenc_stats stats;
    bool is_red = false;
    int32_t n = 0;

    *payload_type = (uint8_t)st->cfg.payload_type;
    if (!st->redenc) {
        memcpy(out, frame, (size_t)len);
        return len;
    }
    apply_set(st);
    if (arc_redenc_build(st->redenc, st->cfg.payload_type, rtp_ts, frame, len,
                         out, arc_peer_payload_room(st), &n, &is_red) != ARC_OK)
        n = 0;
    if (is_red)
        *payload_type = (uint8_t)st->cfg.red_payload_type;
    arc_redenc_stats(st->redenc, &stats);
    st->media.copies          = stats.copies;
    st->media.copy_bytes      = stats.copy_bytes;
    st->media.copies_left_out = stats.left_out_room + stats.left_out_rate +
                                stats.left_out_form;
    st->media.copies_of_pauses = stats.left_out_pause;
    return n;
}
