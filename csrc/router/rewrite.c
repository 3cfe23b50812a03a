/**
 * @file router/rewrite.c  Sequence numbers and time stamps of one forwarded stream
 */
#include <string.h>

#include "router/rewrite.h"

static uint32_t oldest(const struct arc_rewrite *w)
{
    return w->spans > ARC_REWRITE_SPANS ? w->spans - ARC_REWRITE_SPANS : 0;
}

static const struct arc_rewrite_span *span_at(const struct arc_rewrite *w,
                                              uint32_t i)
{
    return &w->ring[i % ARC_REWRITE_SPANS];
}

static void begin(struct arc_rewrite *w, int64_t from, bool dropped)
{
    struct arc_rewrite_span *span = &w->ring[w->spans++ % ARC_REWRITE_SPANS];

    span->from      = from;
    span->offset    = w->offset;
    span->ts_offset = w->ts_offset;
    span->source    = w->source;
    span->dropped   = dropped;
    w->dropping     = dropped;
}

void arc_rewrite_init(struct arc_rewrite *w, uint16_t first_seq16,
                      uint32_t ts_offset)
{
    memset(w, 0, sizeof(*w));
    w->top_out   = INT64_C(0x10000) + first_seq16 - 1;
    w->ts_offset = ts_offset;
}

void arc_rewrite_splice(struct arc_rewrite *w, int32_t source, int64_t in,
                        uint32_t ts_offset)
{
    w->source    = source;
    w->offset    = w->top_out + 1 - in;
    w->ts_offset = ts_offset;
    w->top_in    = in - 1;
    w->started   = true;
    begin(w, in, false);
}

/** A source that goes on somewhere else altogether was started again. */
static void follow_jump(struct arc_rewrite *w, int64_t in)
{
    if (!w->started || in > w->top_in + ARC_REWRITE_JUMP_PKTS ||
        in < w->top_in - ARC_REWRITE_JUMP_PKTS)
        arc_rewrite_splice(w, w->source, in, w->ts_offset);
}

static bool place_in(const struct arc_rewrite_span *span, int64_t in,
                     struct arc_rewrite_place *out)
{
    out->seq16     = (uint16_t)(in + span->offset);
    out->ts_offset = span->ts_offset;
    out->source    = span->source;
    out->in        = in;
    return true;
}

/** The span of a number that is not the newest; NULL: none of this source. */
static const struct arc_rewrite_span *span_of(const struct arc_rewrite *w,
                                              int64_t in)
{
    for (uint32_t i = w->spans; i-- > oldest(w);) {
        const struct arc_rewrite_span *span = span_at(w, i);

        if (span->source != w->source)
            return NULL;
        if (in >= span->from)
            return span;
    }
    return NULL;
}

bool arc_rewrite_forward(struct arc_rewrite *w, int64_t in,
                         struct arc_rewrite_place *out)
{
    const struct arc_rewrite_span *span;

    follow_jump(w, in);
    if (in <= w->top_in) {
        span = span_of(w, in);
        return span && !span->dropped && place_in(span, in, out);
    }
    /* What is missing between the last one left out and this one may be either;
     * it keeps its numbers. */
    if (w->dropping)
        begin(w, w->top_in + 1, false);
    w->top_in  = in;
    w->top_out = in + w->offset;
    return place_in(span_at(w, w->spans - 1), in, out);
}

void arc_rewrite_drop(struct arc_rewrite *w, int64_t in)
{
    follow_jump(w, in);
    if (in <= w->top_in)
        return;
    if (w->dropping) {
        w->offset -= in - w->top_in; /* and what is missing between them */
    } else {
        begin(w, in, true);
        w->offset--;
    }
    w->top_in  = in;
    w->top_out = in + w->offset; /* what is missing before it keeps its number */
}

bool arc_rewrite_origin(const struct arc_rewrite *w, uint16_t seq16,
                        struct arc_rewrite_place *out)
{
    const int64_t n = w->top_out + arc_seq16_diff(seq16, (uint16_t)w->top_out);

    if (!w->started || n > w->top_out)
        return false;
    for (uint32_t i = w->spans; i-- > oldest(w);) {
        const struct arc_rewrite_span *span = span_at(w, i);

        if (!span->dropped && n >= span->from + span->offset)
            return place_in(span, n - span->offset, out);
    }
    return false;
}
