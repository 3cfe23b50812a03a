/**
 * @file tx/fecenc.c  Makes parity packets for one sent stream
 */
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/units.h"
#include "tx/fecenc.h"
#include "wire/flexfec.h"
#include "wire/rtp.h"
#include "wire/ulpfec.h"

enum {
    MIN_BLOCK     = 2,
    MIN_PACKET    = 64,
    MAX_PACKET    = 1500,
    MAX_PERMILLE  = 1000,
    CSRC_BYTES    = 4,
    BLOCK_SET_BYTES = 4, /* number, L and D: RFC 8627 Figure 13 */
    BODY          = ARC_RTP_HEADER_BYTES,
    /* A grid of n x n costs 2/n of its packets; smaller than 2 x 2 it is none. */
    MIN_SIDE      = 2,
    JOBS          = 2    /* a full row, and with the last one the columns */
};

/** Repairs that are due: of the packets from `start` on every `stride`-th one, and
 *  so for each of the first `n_sets`. Places in the block. */
struct job {
    int32_t start, end; /* end: behind the last packet               */
    int32_t stride;
    int32_t n_sets;
    int32_t rows;       /* D of a row, RFC 8627 Figure 14            */
};

struct packet {
    uint8_t *data;      /* a copy, cfg.max_packet_bytes              */
    int32_t  len;
};

struct arc_fecenc {
    struct arc_fecenc_config cfg;
    struct arc_fecenc_policy policy;
    struct arc_fecenc_stats  stats;
    uint8_t       *bytes;     /* of all packets                      */
    struct packet *packets;   /* ring; cfg.max_block_pkts            */
    int32_t        first;     /* of the block, in the ring           */
    int32_t        n;         /* packets in it                       */
    bool           done;      /* the block ends before the next one  */
    int64_t        credit;    /* 1/1000 of a byte                    */
    int32_t        side;      /* of the grid that is filled; 0: none */
    int64_t        block_bytes;   /* of this block, till the next    */
    int32_t        block_pkts;    /* .. one is planned with them     */
    int32_t        block_longest;
    struct job     jobs[JOBS];
    int32_t        n_jobs;
};

/* --- life ------------------------------------------------------------------------ */

static int32_t longest_block(const struct arc_fecenc_config *c)
{
    if (c->format == ARC_FEC_ULPFEC)
        return ARC_ULPFEC_LONG_MASK_BITS;
    return c->masks ? ARC_FECSET_MASK_BITS : ARC_FECENC_MAX_BLOCK_PKTS;
}

static bool config_ok(const struct arc_fecenc_config *c)
{
    return (c->format == ARC_FEC_ULPFEC || c->format == ARC_FEC_FLEXFEC) &&
           c->payload_type >= 0 && c->payload_type <= 127 &&
           c->max_block_pkts >= MIN_BLOCK &&
           c->max_block_pkts <= longest_block(c) &&
           c->max_packet_bytes >= MIN_PACKET && c->max_packet_bytes <= MAX_PACKET;
}

enum arc_status arc_fecenc_new(const struct arc_fecenc_config *cfg,
                               struct arc_fecenc **out)
{
    struct arc_fecenc *e;
    size_t n, size;

    if (!cfg || !out || !config_ok(cfg))
        return ARC_ERR_ARG;
    e = arc_mem_zalloc(1, sizeof(*e));
    if (!e)
        return ARC_ERR_NOMEM;
    n    = (size_t)cfg->max_block_pkts;
    size = (size_t)cfg->max_packet_bytes;
    e->cfg     = *cfg;
    e->bytes   = arc_mem_zalloc(n, size);
    e->packets = arc_mem_zalloc(n, sizeof(*e->packets));
    if (!e->bytes || !e->packets) {
        arc_fecenc_free(e);
        return ARC_ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++)
        e->packets[i].data = e->bytes + i * size;
    e->policy.burst_pkts = 1;
    *out = e;
    return ARC_OK;
}

void arc_fecenc_free(struct arc_fecenc *e)
{
    if (!e)
        return;
    arc_mem_free(e->packets);
    arc_mem_free(e->bytes);
    arc_mem_free(e);
}

enum arc_status arc_fecenc_set_policy(struct arc_fecenc *e,
                                      const struct arc_fecenc_policy *policy)
{
    if (policy->overhead_permille < 0 ||
        policy->overhead_permille > MAX_PERMILLE || policy->burst_pkts < 1 ||
        policy->burst_pkts > ARC_FECENC_MAX_BURST_PKTS)
        return ARC_ERR_ARG;
    e->policy = *policy;
    return ARC_OK;
}

void arc_fecenc_reset(struct arc_fecenc *e)
{
    e->n = e->n_jobs = e->side = 0;
    e->done   = false;
    e->credit = 0;
}

void arc_fecenc_stats(const struct arc_fecenc *e, struct arc_fecenc_stats *out)
{
    *out = e->stats;
}

int32_t arc_fecenc_overhead_bytes(const struct arc_fecenc *e)
{
    if (e->cfg.format == ARC_FEC_ULPFEC)
        return ARC_ULPFEC_HEADER_BYTES + ARC_ULPFEC_LONG_LEVEL_BYTES;
    return CSRC_BYTES + ARC_FLEXFEC_BITS_BYTES +
           (e->cfg.masks ? ARC_FLEXFEC_MAX_SET_BYTES : BLOCK_SET_BYTES);
}

/* --- the block -------------------------------------------------------------------- */

static const struct packet *at(const struct arc_fecenc *e, int32_t i)
{
    return &e->packets[(e->first + i) % e->cfg.max_block_pkts];
}

static uint16_t seq16_of(const struct packet *p)
{
    return arc_get_u16(p->data + 2);
}

static int32_t longest(const struct arc_fecenc *e)
{
    int32_t most = 0;

    for (int32_t i = 0; i < e->n; i++)
        most = (int32_t)arc_max_i64(most, at(e, i)->len);
    return most;
}

/** Packets behind the end of the last block, or that cannot be in one with the
 *  next, go. */
static void make_room(struct arc_fecenc *e, uint16_t seq16)
{
    const bool strict = e->cfg.format == ARC_FEC_FLEXFEC && !e->cfg.masks;

    if (e->done) {
        e->first = (e->first + e->n) % e->cfg.max_block_pkts;
        e->n     = 0;
        e->done  = false;
    }
    /* Rows and columns count by sequence numbers, masks have so many bits. */
    if (e->n > 0) {
        uint16_t gap = (uint16_t)(seq16 - seq16_of(at(e, e->n - 1)));
        uint16_t span = (uint16_t)(seq16 - seq16_of(at(e, 0)));

        if (gap == 0 || gap > span || (strict && gap != 1) ||
            span >= longest_block(&e->cfg)) {
            e->stats.unprotected_pkts += e->n;
            e->n = e->side = 0;
        }
    }
    if (e->n == e->cfg.max_block_pkts) {
        e->stats.unprotected_pkts++;
        e->first = (e->first + 1) % e->cfg.max_block_pkts;
        e->n--;
    }
}

static void append(struct arc_fecenc *e, const uint8_t *packet, size_t len)
{
    struct packet *p =
        &e->packets[(e->first + e->n) % e->cfg.max_block_pkts];

    memcpy(p->data, packet, len);
    p->len = (int32_t)len;
    if (e->n++ == 0)
        e->block_bytes = e->block_pkts = e->block_longest = 0;
    e->block_pkts++;
    e->block_bytes  += p->len;
    e->block_longest = (int32_t)arc_max_i64(e->block_longest, p->len);
    e->credit += (int64_t)len * e->policy.overhead_permille;
    e->stats.media_pkts++;
    e->stats.media_bytes += (int64_t)len;
}

static void post(struct arc_fecenc *e, int32_t start, int32_t stride,
                 int32_t n_sets, int32_t rows)
{
    struct job *j = &e->jobs[e->n_jobs++];

    j->start  = start;
    j->end    = e->n;
    j->stride = stride;
    j->n_sets = n_sets;
    j->rows   = rows;
}

/* --- rows or columns ---------------------------------------------------------------- */

/** End the block when it can pay. */
static void end_block(struct arc_fecenc *e)
{
    const int64_t cost = (int64_t)MAX_PERMILLE *
                         (longest(e) + arc_fecenc_overhead_bytes(e));
    /* To the nearest: a frame is not to wait for the other half. */
    const int64_t r = arc_min_i64((e->credit + cost / 2) / cost, e->n);

    if (r < 1 || (r < e->policy.burst_pkts && e->n < e->cfg.max_block_pkts))
        return;
    post(e, 0, (int32_t)r, (int32_t)r, 0);
    e->done = true;
}

/* --- grid --------------------------------------------------------------------------- */

/** Side of the next grid, by what the packets of the last block cost; 0: none
 *  fits. */
static int32_t plan_side(const struct arc_fecenc *e)
{
    int64_t media = 1, repair = 1, side;

    if (e->block_pkts > 0) {
        media  = e->block_bytes / e->block_pkts;
        repair = e->block_longest + arc_fecenc_overhead_bytes(e);
    }
    /* 2/n repairs a packet are to cost no more than its share. */
    side = (2 * MAX_PERMILLE * repair +
            e->policy.overhead_permille * media - 1) /
           (e->policy.overhead_permille * media);
    side += e->credit < 0; /* the last one was too dear */
    return side >= MIN_SIDE && side * side <= e->cfg.max_block_pkts
               ? (int32_t)side : 0;
}

static void fill_grid(struct arc_fecenc *e)
{
    if (e->n % e->side == 0)
        post(e, e->n - e->side, 1, 1, 1);
    if (e->n == e->side * e->side) {
        post(e, 0, e->side, e->side, 0);
        e->done = true;
    }
}

/* --- packets in ----------------------------------------------------------------------- */

static void drop_jobs(struct arc_fecenc *e)
{
    for (int32_t i = 0; i < e->n_jobs; i++)
        e->stats.unfetched += e->jobs[i].n_sets;
    e->n_jobs = 0;
}

void arc_fecenc_on_packet(struct arc_fecenc *e, const uint8_t *packet, size_t len,
                          bool ends_frame)
{
    drop_jobs(e);
    if (e->policy.overhead_permille == 0) {
        arc_fecenc_reset(e);
        return;
    }
    if (len < BODY || len > (size_t)e->cfg.max_packet_bytes) {
        e->stats.unprotected_pkts++;
        return;
    }
    make_room(e, arc_get_u16(packet + 2));
    if (e->n == 0)
        e->side = e->policy.grid ? plan_side(e) : 0;
    append(e, packet, len);
    if (e->side > 0)
        fill_grid(e);
    else if (ends_frame || e->n == e->cfg.max_block_pkts)
        end_block(e);
}

/* --- repairs out ------------------------------------------------------------------------ */

/** The next set of places that a repair covers; the job is used up by and by. */
static struct job take_set(struct arc_fecenc *e)
{
    struct job *j = &e->jobs[0], set = *j;

    j->start++;
    if (--j->n_sets == 0) {
        e->jobs[0] = e->jobs[1];
        e->n_jobs--;
    }
    return set;
}

/** The same by sequence numbers. */
static void describe(const struct arc_fecenc *e, const struct job *job, bool masks,
                     struct arc_fecset *set)
{
    const int32_t count = (job->end - job->start + job->stride - 1) / job->stride;

    memset(set, 0, sizeof(*set));
    set->first_seq16 = seq16_of(at(e, job->start));
    for (int32_t i = job->start; masks && i < job->end; i += job->stride)
        arc_fecset_add(set, (uint16_t)(seq16_of(at(e, i)) - set->first_seq16));
    if (masks)
        return;
    if (count == 1 || job->stride == 1) { /* D <= 1: L in a row */
        set->columns = (uint8_t)count;
        set->rows    = (uint8_t)job->rows;
    } else {
        set->columns = (uint8_t)job->stride;
        set->rows    = (uint8_t)count;
    }
}

static void write_fec_header(const struct arc_fecenc *e, const struct arc_fecset *set,
                             const struct arc_fecbits *bits, int32_t body_len,
                             struct arc_writer *w)
{
    struct arc_flexfec f;

    if (e->cfg.format == ARC_FEC_ULPFEC) {
        bool is_long = arc_fecset_last(set) >= ARC_ULPFEC_SHORT_MASK_BITS;

        arc_ulpfec_write_header(w, bits, set->first_seq16, is_long);
        arc_ulpfec_write_level(w, set, is_long, (uint16_t)body_len);
        return;
    }
    memset(&f, 0, sizeof(f));
    f.variant = e->cfg.masks ? ARC_FLEXFEC_MASK : ARC_FLEXFEC_BLOCK;
    f.bits    = *bits;
    f.n_sets  = 1;
    f.sets[0] = *set;
    arc_flexfec_write(w, &f);
}

static void write_rtp_header(const struct arc_fecenc *e, struct arc_writer *w)
{
    struct arc_rtp h;
    size_t len = 0;

    memset(&h, 0, sizeof(h));
    h.payload_type = (uint8_t)e->cfg.payload_type;
    if (e->cfg.format == ARC_FEC_FLEXFEC) { /* RFC 8627 §4.2.1: what is protected */
        h.csrc_count = 1;
        h.csrcs[0]   = arc_get_u32(at(e, 0)->data + 8);
    }
    if (arc_rtp_write_header(&h, NULL, w->data, w->cap, &len) != ARC_OK)
        w->fail = true;
    w->pos = len;
}

/** Parity of the packets of a set, of `body_len` bytes. */
static void write_parity(const struct arc_fecenc *e, const struct job *set,
                         int32_t body_len, struct arc_writer *w)
{
    uint8_t *parity = arc_writer_claim(w, (size_t)body_len);

    if (!parity)
        return;
    memset(parity, 0, (size_t)body_len);
    for (int32_t i = set->start; i < set->end; i += set->stride)
        arc_fecbits_xor(parity, at(e, i)->data + BODY, (size_t)(at(e, i)->len - BODY));
}

enum arc_status arc_fecenc_pop(struct arc_fecenc *e, uint8_t *out, size_t cap,
                               size_t *len_out)
{
    struct arc_fecbits bits = {0};
    struct arc_fecset set;
    struct arc_writer w;
    struct job job;
    int32_t body_len = 0;

    if (e->n_jobs == 0)
        return ARC_AGAIN;
    job = take_set(e);
    for (int32_t i = job.start; i < job.end; i += job.stride) {
        arc_fecbits_add(&bits, at(e, i)->data, (size_t)at(e, i)->len);
        body_len = (int32_t)arc_max_i64(body_len, at(e, i)->len - BODY);
    }
    describe(e, &job, e->cfg.format == ARC_FEC_ULPFEC || e->cfg.masks, &set);
    arc_writer_init(&w, out, cap);
    write_rtp_header(e, &w);
    write_fec_header(e, &set, &bits, body_len, &w);
    write_parity(e, &job, body_len, &w);
    if (w.fail)
        return ARC_ERR_SPACE;
    e->credit -= (int64_t)w.pos * MAX_PERMILLE;
    e->stats.repair_pkts++;
    e->stats.repair_bytes += (int64_t)w.pos;
    *len_out = w.pos;
    return ARC_OK;
}
