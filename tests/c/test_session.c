/**
 * @file tests/c/test_session.c  A session against another, and against bad
 *                               weather: one thread, a clock of its own
 */
#include <string.h>

#include "base/mem.h"
#include "wire/rtcp.h"
#include "wire/rtcpfb.h"
#include "wire/rtcppsfb.h"
#include "peers.h"

/* --- a call: A sends, B receives ------------------------------------------------ */

struct call {
    struct arc_session *a, *b;
    struct arc_sendstream *speech, *camera;
    struct arc_recvstream *heard, *seen;
    struct pipe there, back;
    int64_t now_us;
    int32_t pictures; /* sent so far */
    int32_t shown, keys;
    int64_t sound_us, made_up; /* that came out; blocks of it that were concealed */
    int32_t events[16]; /* at B, by type */
    int64_t last_ts;
};

/* One at a time: too large for the stack. */
static struct call the_call;
static struct arc_received out;

static struct call *start_call(const struct arc_session_config *ca,
                               const struct arc_session_config *cb, bool rtx)
{
    struct call *c = &the_call;
    struct arc_send_config audio = audio_config(), video = video_config(rtx);
    struct arc_recv_config hear = recv_config(ARC_MEDIA_AUDIO);
    struct arc_recv_config see = recv_config(ARC_MEDIA_VIDEO);

    memset(c, 0, sizeof(*c));
    arc_rng_init(&c->there.rng, 1);
    arc_rng_init(&c->back.rng, 2);
    c->there.delay_us = c->back.delay_us = 10 * MS;
    c->a      = new_session(ca);
    c->b      = new_session(cb);
    c->speech = add_send(c->a, &audio);
    c->camera = add_send(c->a, &video);
    c->heard  = add_recv(c->b, &hear);
    c->seen   = add_recv(c->b, &see);
    return c;
}

static struct call *start_plain(void)
{
    struct arc_session_config a = session_config(1, false);
    struct arc_session_config b = session_config(2, false);

    return start_call(&a, &b, true);
}

static void end_call(struct call *c)
{
    arc_session_free(c->a);
    arc_session_free(c->b);
}

static int64_t sound_us(const struct arc_received *r)
{
    return (int64_t)r->n_samples * ARC_US_PER_S / r->sample_rate_hz;
}

static void take_sound(struct call *c)
{
    while (arc_recv_pull(c->heard, c->now_us, &out) == ARC_OK) {
        c->sound_us += sound_us(&out);
        c->made_up += out.block == ARC_BLOCK_CONCEALED;
        CHECK(out.n_samples > 0 && out.frame == NULL);
    }
}

static void take_pictures(struct call *c)
{
    /* A second look after AGAIN: the first may have decoded one. */
    for (int tries = 0; tries < 2;) {
        if (arc_recv_pull(c->seen, c->now_us, &out) != ARC_OK) {
            tries++;
            continue;
        }
        CHECK(c->shown == 0 || out.ts > c->last_ts);
        CHECK(out.frame->width == WIDTH && out.frame->height == HEIGHT);
        c->last_ts = out.ts;
        c->shown++;
        c->keys += out.is_key;
        arc_vframe_unref(out.frame);
    }
}

static void take_events(struct call *c)
{
    struct arc_event e;

    while (arc_session_poll_event(c->b, &e) == ARC_OK)
        c->events[e.type]++;
}

enum { MUTE_B = 1, MUTE_A = 2 }; /* B's media side, A's network side stand still */

/** 5 ms of the call. */
static void step(struct call *c, int flags)
{
    if (c->now_us % (20 * MS) == 0)
        send_sound(c->speech, c->now_us);
    if (c->now_us % (40 * MS) == 0)
        send_picture(c->camera, c->pictures++, c->now_us);
    if (!(flags & MUTE_A)) {
        pipe_fill(&c->there, c->a, c->now_us);
        pipe_fill(&c->back, c->b, c->now_us);
        pipe_empty(&c->there, c->b, c->now_us);
        pipe_empty(&c->back, c->a, c->now_us);
    }
    if (!(flags & MUTE_B)) {
        take_sound(c);
        take_pictures(c);
    }
    take_events(c);
    c->now_us += 5 * MS;
}

static void talk(struct call *c, int64_t ms, int flags)
{
    for (int64_t end_us = c->now_us + ms * MS; c->now_us < end_us;)
        step(c, flags);
}

static struct arc_session_stats stats_of(struct arc_session *s)
{
    struct arc_session_stats st;

    arc_session_get_stats(s, &st);
    return st;
}

static struct arc_recv_net_stats heard_stats(struct call *c, int32_t stream)
{
    struct arc_recv_net_stats st;

    arc_session_get_recv_stats(c->b, stream, &st);
    return st;
}

static int64_t heard_pkts(struct arc_session *s, int32_t stream)
{
    struct arc_recv_net_stats st;

    arc_session_get_recv_stats(s, stream, &st);
    return st.pkts;
}

static struct arc_send_media_stats sent_media(const struct arc_sendstream *st)
{
    struct arc_send_media_stats m;

    arc_send_get_stats(st, &m);
    return m;
}

static int64_t dropped(const struct arc_session_stats *s)
{
    const struct arc_session_drops *d = &s->drops;

    return d->not_rtp + d->malformed + d->auth + d->replay + d->srtp_other +
           d->own_ssrc + d->other_way + d->bye_full + d->unknown_stream + d->no_packet + d->media_full +
           d->pacer_full + d->too_long;
}

/* --- memory ---------------------------------------------------------------------- */

static void test_new_survives_every_lack_of_memory(void)
{
    for (int srtp = 0; srtp < 2; srtp++) {
        struct arc_session_config c = session_config(1, srtp);
        int64_t live = arc_mem_live_blocks();
        struct arc_session *s = NULL;
        enum arc_status status = ARC_ERR_NOMEM;
        int n = 0;

        for (; status != ARC_OK; n++) {
            arc_mem_fail_after(n);
            status = arc_session_new(&c, 0, &s);
            arc_mem_fail_after(-1);
            CHECK(status == ARC_OK || status == ARC_ERR_NOMEM);
            if (status != ARC_OK)
                CHECK(s == NULL && arc_mem_live_blocks() == live);
        }
        CHECK(n > 8);
        arc_session_free(s);
        CHECK(arc_mem_live_blocks() == live);
    }
    arc_session_free(NULL);
}

/** Adds the stream in `send` or `recv` with ever more memory. */
static void sweep_add(const struct arc_send_config *send,
                      const struct arc_recv_config *recv)
{
    struct arc_session_config c = session_config(1, true);
    struct arc_session *s = new_session(&c);
    int64_t live = arc_mem_live_blocks();
    enum arc_status status = ARC_ERR_NOMEM;
    struct arc_sendstream *tx = NULL;
    struct arc_recvstream *rx = NULL;
    int n = 0;

    for (; status != ARC_OK; n++) {
        char why[100];

        arc_mem_fail_after(n);
        status = send ? arc_session_add_send(s, send, &tx, why, sizeof(why))
                      : arc_session_add_recv(s, recv, &rx, why, sizeof(why));
        arc_mem_fail_after(-1);
        CHECK(status == ARC_OK || status == ARC_ERR_NOMEM);
        if (status != ARC_OK)
            CHECK(!tx && !rx && arc_mem_live_blocks() == live);
    }
    CHECK(n > 5);
    arc_session_free(s);
}

static void test_add_survives_every_lack_of_memory(void)
{
    struct arc_send_config audio = audio_config(), video = video_config(true);
    struct arc_recv_config hear = recv_config(ARC_MEDIA_AUDIO);
    struct arc_recv_config see = recv_config(ARC_MEDIA_VIDEO);

    sweep_add(&audio, NULL);
    sweep_add(&video, NULL);
    sweep_add(NULL, &hear);
    sweep_add(NULL, &see);
}

static void test_data_path_allocates_nothing_that_stays(void)
{
    struct call *c = start_plain();
    int64_t blocks;

    c->there.loss_pct = 3;
    talk(c, 2000, 0);
    blocks = arc_mem_live_blocks();
    talk(c, 4000, 0);
    /* Pictures that wait for their time come and go. */
    CHECK(arc_mem_live_blocks() <= blocks + 4);
    end_call(c);
}

/* --- a call ----------------------------------------------------------------------- */

static void test_call_on_a_perfect_network(void)
{
    for (int srtp = 0; srtp < 2; srtp++) {
        struct arc_session_config a = session_config(1, srtp);
        struct arc_session_config b = session_config(2, srtp);
        struct call *c = start_call(&a, &b, true);
        struct arc_session_stats at_a, at_b;

        talk(c, 4000, 0);
        at_a = stats_of(c->a);
        at_b = stats_of(c->b);
        CHECK(c->shown >= c->pictures - 2 && c->keys == 1);
        CHECK(c->sound_us >= 3920 * MS && c->made_up == 0);
        CHECK(dropped(&at_a) == 0 && dropped(&at_b) == 0);
        CHECK(at_b.received_pkts + c->there.n == at_a.sent_pkts);
        CHECK(at_b.nack_sent == 0 && at_b.pli_sent <= 1);
        CHECK(c->events[ARC_EVENT_STREAM_ADDED] == 2);
        CHECK(at_b.pool_used_pkts < 16);
        end_call(c);
    }
}

static void test_losses_are_repaired_and_counted(void)
{
    for (int srtp = 0; srtp < 2; srtp++) {
        struct arc_session_config a = session_config(1, srtp);
        struct arc_session_config b = session_config(2, srtp);
        struct call *c = start_call(&a, &b, true);
        struct arc_recv_net_stats net;
        struct arc_send_net_stats tx;
        struct arc_session_stats at_b;

        c->there.loss_pct = c->there.double_pct = c->there.late_pct = 5;
        c->back.loss_pct  = 5;
        talk(c, 10000, 0);
        net  = heard_stats(c, 1);
        at_b = stats_of(c->b);
        arc_session_get_send_stats(c->a, 1, &tx);
        CHECK(net.recovered_pkts > 5); /* lost_pkts: doubles make up for losses */
        CHECK(tx.rtx_pkts >= net.recovered_pkts && tx.nacked_pkts > 0);
        CHECK(net.reordered_pkts + heard_stats(c, 0).reordered_pkts > 5);
        CHECK(c->shown >= c->pictures - 6);
        CHECK(at_b.nack_sent > 0);
        /* SRTP's replay check sees doubles first, and plain RTP counts them. */
        CHECK(srtp ? at_b.drops.replay > 5 : net.duplicate_pkts > 5);
        CHECK(at_b.received_pkts + c->there.n ==
              stats_of(c->a).sent_pkts - c->there.lost + c->there.doubled);
        end_call(c);
    }
}

static void test_without_nack_a_loss_costs_a_key_frame(void)
{
    struct arc_session_config a = session_config(1, false);
    struct arc_session_config b = session_config(2, false);
    struct call *c;

    a.nack = b.nack = false;
    c = start_call(&a, &b, true);
    c->there.loss_pct = 4;
    talk(c, 6000, 0);
    CHECK(stats_of(c->b).nack_sent == 0 && stats_of(c->b).pli_sent > 1);
    CHECK(stats_of(c->a).pli_received > 1);
    CHECK(c->keys > 1 && sent_media(c->camera).key_frames > 1);
    CHECK(c->shown > 20);
    end_call(c);
}

static void test_reports_tell_round_trip_loss_and_wall_clock(void)
{
    struct call *c = start_plain();
    struct arc_send_net_stats tx;
    int64_t rtt_us;

    c->there.delay_us = 30 * MS;
    c->back.delay_us  = 20 * MS;
    c->there.loss_pct = 10;
    talk(c, 8000, 0);
    rtt_us = stats_of(c->a).rtt_us;
    CHECK(rtt_us > 45 * MS && rtt_us < 65 * MS);
    arc_session_get_send_stats(c->a, 0, &tx);
    CHECK(tx.remote_loss > 0.03 && tx.remote_loss < 0.25);
    CHECK(tx.remote_lost_pkts > 10);
    CHECK(tx.send_bps > 10000);
    /* ntp_at_zero is 3.9e9 s: the picture just shown was captured less than a
     * second ago on that clock. */
    while (arc_recv_pull(c->heard, c->now_us, &out) != ARC_OK)
        step(c, MUTE_B);
    CHECK(out.ntp_us >= 0);
    CHECK(out.ntp_us - INT64_C(3900000000) * ARC_US_PER_S <= c->now_us);
    CHECK(out.ntp_us - INT64_C(3900000000) * ARC_US_PER_S >
          c->now_us - 700 * MS);
    end_call(c);
}

static void test_bye_is_the_last_word(void)
{
    struct call *c = start_plain();
    uint8_t data[MTU];
    size_t len;

    talk(c, 500, 0);
    c->there.n = 0; /* what is on its way does not matter here */
    send_sound(c->speech, c->now_us);
    arc_session_bye(c->a);
    CHECK(arc_session_next_us(c->a) <= c->now_us);
    CHECK(arc_session_transmit(c->a, c->now_us, data, sizeof(data), &len) ==
          ARC_OK);
    arc_session_receive(c->b, data, len, c->now_us);
    CHECK(arc_session_transmit(c->a, c->now_us + 1000 * MS, data, sizeof(data),
                               &len) == ARC_AGAIN);
    CHECK(arc_session_next_us(c->a) == ARC_NEVER_US);
    take_events(c);
    CHECK(c->events[ARC_EVENT_STREAM_ENDED] == 2);
    end_call(c);
}

/* --- what others send ------------------------------------------------------------- */

static void test_datagrams_that_no_stream_takes_are_counted(void)
{
    static const uint8_t stun[20] = {0, 1}, bad_rtcp[8] = {0x80, 201, 0, 9};
    static const uint8_t opus[1] = {0x78};
    struct arc_session_config cfg = session_config(1, false);
    struct arc_recv_config hear = recv_config(ARC_MEDIA_AUDIO);
    struct arc_session *s = new_session(&cfg);
    uint8_t data[1500], big[2100] = {0x80};
    struct arc_session_stats st;
    size_t len;

    add_recv(s, &hear);
    arc_session_receive(s, stun, sizeof(stun), 0);
    arc_session_receive(s, stun, 0, 0);
    arc_session_receive(s, bad_rtcp, sizeof(bad_rtcp), 0);
    arc_session_receive(s, big, sizeof(big), 0);
    len = make_rtp(data, 100, 1, 0, 5, false, opus, 1);
    arc_session_receive(s, data, len, 0); /* unknown payload type */
    len = make_opus(data, 1, 0, 7);
    arc_session_receive(s, data, len, 0);
    len = make_opus(data, 1, 0, 8);
    arc_session_receive(s, data, len, 0); /* a second source of that type */
    len = make_opus(data, 2, 960, 7);
    data[len - 1] = 0x7b; /* code 3 without its count */
    arc_session_receive(s, data, len, 0);
    arc_session_receive(s, data, 11, 0);
    st = stats_of(s);
    CHECK(st.drops.not_rtp == 2 && st.drops.too_long == 1);
    CHECK(st.drops.unknown_stream == 2);
    CHECK(st.drops.malformed == 3);
    CHECK(st.received_pkts == 9);
    arc_session_free(s);
}

static void test_add_refuses_what_cannot_be_told_apart(void)
{
    struct arc_session_config cfg = session_config(1, false);
    struct arc_session *s = new_session(&cfg);
    struct arc_send_config tx = audio_config();
    struct arc_recv_config rx = recv_config(ARC_MEDIA_AUDIO);
    struct arc_sendstream *st;
    struct arc_recvstream *rt;
    char why[200];

    add_send(s, &tx);
    tx.payload_type = 100;
    CHECK(arc_session_add_send(s, &tx, &st, why, sizeof(why)) == ARC_ERR_ARG);
    CHECK(strlen(why) > 10); /* its SSRC is in use */
    tx.ssrc++;
    tx.payload_type = 72;
    CHECK(arc_session_add_send(s, &tx, &st, why, sizeof(why)) == ARC_ERR_ARG);
    tx.payload_type = AUDIO_PT;
    CHECK(arc_session_add_send(s, &tx, &st, NULL, 0) == ARC_ERR_ARG);
    tx.payload_type = 100;
    tx.frame_us = 30000; /* Opus has no frames of this length */
    CHECK(arc_session_add_send(s, &tx, &st, why, sizeof(why)) == ARC_ERR_ARG);
    CHECK(strstr(why, "frame"));
    add_recv(s, &rx);
    CHECK(arc_session_add_recv(s, &rx, &rt, why, sizeof(why)) == ARC_ERR_ARG);
    rx.payload_type = 100;
    rx.rtx_payload_type = AUDIO_PT; /* resends, or sound of the first stream? */
    CHECK(arc_session_add_recv(s, &rx, &rt, why, sizeof(why)) == ARC_ERR_ARG);
    rx.rtx_payload_type = -1;
    rx.channels = 3;
    CHECK(arc_session_add_recv(s, &rx, &rt, why, sizeof(why)) == ARC_ERR_ARG);
    rx.channels = 1;
    rx.min_latency_ms = 50; /* above the initial one */
    CHECK(arc_session_add_recv(s, &rx, &rt, why, sizeof(why)) == ARC_ERR_ARG);
    CHECK(strstr(why, "latenc"));
    rx.min_latency_ms = 0;
    for (int i = 1; i < ARC_SESSION_MAX_STREAMS; i++) {
        rx.payload_type     = 100 + i;
        rx.rtx_payload_type = 40 + i;
        add_recv(s, &rx);
        rx.payload_type = 40 + i;
        CHECK(arc_session_add_recv(s, &rx, &rt, NULL, 0) == ARC_ERR_ARG);
    }
    rx.payload_type     = 100;
    rx.rtx_payload_type = -1;
    CHECK(arc_session_add_recv(s, &rx, &rt, why, sizeof(why)) == ARC_ERR_LIMIT);
    arc_session_free(s);
}

/** All that is due now; what it names in BYEs goes to `byes`. */
static int32_t drain(struct arc_session *s, int64_t now_us, uint32_t *byes,
                     uint32_t *media_ssrc)
{
    uint8_t data[MTU];
    int32_t n_byes = 0;
    size_t len;

    while (arc_session_transmit(s, now_us, data, sizeof(data), &len) ==
           ARC_OK) {
        struct arc_rtcp_packet p;
        struct arc_reader r;

        if ((data[1] & 0x7f) == AUDIO_PT)
            *media_ssrc = (uint32_t)data[8] << 24 | (uint32_t)data[9] << 16 |
                          (uint32_t)data[10] << 8 | data[11];
        arc_reader_init(&r, data, len);
        while (data[1] >= 200 && arc_rtcp_next(&r, &p) == ARC_OK) {
            const uint8_t *why;
            size_t n = 0, why_len;

            if (p.type == ARC_RTCP_BYE &&
                arc_rtcp_parse_bye(&p, byes + n_byes, 8 - (size_t)n_byes, &n,
                                   &why, &why_len) == ARC_OK)
                n_byes += (int32_t)n;
        }
    }
    return n_byes;
}

/** RFC 3550 8.2: BYE for the old one, another one for us, and it goes on. */
static void test_ssrc_that_collides_is_given_up(void)
{
    struct arc_session_config cfg = session_config(1, false);
    struct arc_session *s = new_session(&cfg);
    struct arc_send_config tx = audio_config();
    struct arc_sendstream *speech = add_send(s, &tx);
    struct arc_send_net_stats net;
    uint32_t byes[8], ssrc = 0;
    uint8_t data[100];
    struct arc_event e;

    send_sound(speech, 0);
    CHECK(drain(s, 0, byes, &ssrc) == 0 && ssrc == AUDIO_SSRC);
    send_sound(speech, 20 * MS); /* waits under the old name */
    arc_session_receive(s, data, make_opus(data, 1, 0, AUDIO_SSRC), 20 * MS);
    CHECK(stats_of(s).drops.own_ssrc == 1);
    CHECK(arc_session_poll_event(s, &e) == ARC_OK);
    CHECK(e.type == ARC_EVENT_SSRC_COLLISION && e.value == AUDIO_SSRC &&
          e.stream == 0);
    CHECK(arc_session_poll_event(s, &e) == ARC_OK);
    CHECK(e.type == ARC_EVENT_SSRC_CHANGED && e.value != AUDIO_SSRC);
    CHECK(arc_session_next_us(s) <= 20 * MS);
    CHECK(drain(s, 20 * MS, byes, &ssrc) == 1);
    CHECK(byes[0] == AUDIO_SSRC && ssrc == (uint32_t)e.value);
    arc_session_get_send_stats(s, 0, &net);
    CHECK(net.ssrc == ssrc && net.pkts == 2);
    /* The other source keeps it, and is nobody that we may be. */
    tx.payload_type = 100;
    CHECK(arc_session_add_send(s, &tx, &speech, NULL, 0) == ARC_ERR_ARG);
    arc_session_free(s);
}

/** Who has never said a word has nothing to take back. */
static void test_ssrc_that_was_never_heard_gets_no_bye(void)
{
    struct arc_session_config cfg = session_config(1, false);
    struct arc_session *s = new_session(&cfg);
    struct arc_send_config tx = audio_config();
    uint32_t byes[8], ssrc = 0;
    uint8_t data[100];

    add_send(s, &tx);
    arc_session_receive(s, data, make_opus(data, 1, 0, AUDIO_SSRC), 0);
    CHECK(drain(s, 0, byes, &ssrc) == 0);
    arc_session_bye(s);
    CHECK(drain(s, 0, byes, &ssrc) == 0);
    CHECK(arc_session_next_us(s) == ARC_NEVER_US);
    arc_session_free(s);
}

/** Whoever sends us all back that we say must neither make us change again and
 *  again nor fill the list of events. */
static void test_a_loop_is_seen_once(void)
{
    struct arc_session_config cfg = session_config(1, false);
    struct arc_session *s = new_session(&cfg);
    struct arc_send_config tx = audio_config();
    struct arc_recv_config rx = recv_config(ARC_MEDIA_VIDEO);
    struct arc_sendstream *speech = add_send(s, &tx);
    int32_t collisions = 0, changes = 0, others = 0;
    uint8_t data[MTU];
    struct arc_event e;
    size_t len;

    add_recv(s, &rx);
    for (int64_t now_us = 0; now_us < 10000 * MS; now_us += 20 * MS) {
        send_sound(speech, now_us);
        while (arc_session_transmit(s, now_us, data, sizeof(data), &len) ==
               ARC_OK)
            arc_session_receive(s, data, len, now_us);
        while (arc_session_poll_event(s, &e) == ARC_OK) {
            collisions += e.type == ARC_EVENT_SSRC_COLLISION;
            changes    += e.type == ARC_EVENT_SSRC_CHANGED;
            others     += e.type < ARC_EVENT_SSRC_COLLISION;
        }
    }
    CHECK(collisions == 2 && changes == 2); /* media and RTCP, once each */
    CHECK(others == 0);
    CHECK(stats_of(s).drops.own_ssrc > 490);
    arc_session_free(s);
}

static size_t make_member(uint8_t *datagram, uint32_t ssrc, bool leaves)
{
    char cname[16];
    struct arc_writer w;

    snprintf(cname, sizeof(cname), "m%u", (unsigned)ssrc);
    arc_writer_init(&w, datagram, MTU);
    arc_rtcp_write_rr(&w, ssrc, NULL, 0);
    arc_rtcp_write_sdes_cname(&w, ssrc, cname);
    if (leaves)
        arc_rtcp_write_bye(&w, &ssrc, 1, NULL);
    CHECK(!w.fail);
    return w.pos;
}

/** RFC 3550 6.3.7: among 60 it waits, and the BYEs of others make it wait on. */
static void test_bye_of_a_crowd_waits_its_turn(void)
{
    struct arc_session_config cfg = session_config(1, false);
    struct arc_send_config tx = audio_config();
    struct arc_session *s = new_session(&cfg);
    struct arc_sendstream *speech = add_send(s, &tx);
    uint32_t byes[8], ssrc = 0;
    int64_t now_us = 0, left_us;
    uint8_t data[MTU];

    for (uint32_t i = 0; i < 60; i++)
        arc_session_receive(s, data, make_member(data, 100 + i, false), 0);
    CHECK(stats_of(s).members == 60 && stats_of(s).senders == 0);
    for (; now_us < 4000 * MS; now_us += 20 * MS) {
        send_sound(speech, now_us);
        CHECK(drain(s, now_us, byes, &ssrc) == 0);
    }
    CHECK(stats_of(s).rtcp_sent > 0);
    arc_session_bye(s);
    send_sound(speech, now_us);
    ssrc = 0;
    CHECK(drain(s, now_us, byes, &ssrc) == 0 && ssrc == 0);
    left_us = arc_session_next_us(s);
    CHECK(left_us > now_us + 300 * MS && left_us < now_us + 1300 * MS);
    for (uint32_t i = 0; i < 600; i++) /* known to us or not */
        arc_session_receive(s, data, make_member(data, 100 + i, true), now_us);
    CHECK(drain(s, left_us, byes, &ssrc) == 0); /* reconsidered */
    for (now_us = left_us; arc_session_next_us(s) != ARC_NEVER_US;) {
        CHECK(arc_session_next_us(s) > now_us);
        now_us = arc_session_next_us(s);
        if (drain(s, now_us, byes, &ssrc) == 1)
            break;
    }
    CHECK(byes[0] == AUDIO_SSRC && now_us > left_us + 2000 * MS);
    CHECK(arc_session_next_us(s) == ARC_NEVER_US);
    arc_session_free(s);
}

/** Who falls silent for five intervals is no member (RFC 3550 6.3.5). */
static void test_members_come_and_go(void)
{
    struct arc_session_config cfg = session_config(1, false);
    struct arc_send_config tx = audio_config();
    struct arc_session *s = new_session(&cfg);
    struct arc_sendstream *speech = add_send(s, &tx);
    uint32_t byes[8], ssrc;
    uint8_t data[MTU];

    for (uint32_t i = 0; i < 20; i++)
        arc_session_receive(s, data, make_member(data, 100 + i, false), 0);
    arc_session_receive(s, data, make_member(data, 100, true), 0);
    CHECK(stats_of(s).members == 19);
    arc_session_receive(s, data, make_opus(data, 1, 0, 101), 0);
    CHECK(stats_of(s).senders == 1);
    for (int64_t now_us = 0; now_us < 28000 * MS; now_us += 20 * MS) {
        send_sound(speech, now_us);
        if (now_us == 20000 * MS)
            arc_session_receive(s, data, make_member(data, 105, false), now_us);
        drain(s, now_us, byes, &ssrc);
        CHECK(stats_of(s).members == (now_us < 25000 * MS ? 19 : 1) ||
              (now_us >= 25000 * MS && now_us < 25200 * MS));
    }
    CHECK(stats_of(s).senders == 0);
    arc_session_free(s);
}

/** A source that has been heard from one place is not taken from another. */
static void test_source_has_one_address(void)
{
    struct arc_session_config cfg = session_config(1, false);
    struct arc_recv_config rx = recv_config(ARC_MEDIA_AUDIO);
    struct arc_session *s = new_session(&cfg);
    struct arc_pkt *pkt = arc_pkt_get(arc_session_pool(s));

    add_recv(s, &rx);
    for (int i = 0; i < 20; i++) {
        pkt->len    = (int32_t)make_opus(pkt->data, (uint16_t)i, 0, 5);
        pkt->source = i % 2 ? 1001 : 1002;
        CHECK(arc_session_receive_pkt(s, pkt, i * MS) == !(i % 2));
    }
    CHECK(stats_of(s).drops.other_way == 10);
    CHECK(heard_pkts(s, 0) == 10);
    arc_pkt_unref(pkt);
    arc_session_free(s);
}

static void test_every_datagram_is_counted(void)
{
    struct arc_session_config cfg = session_config(1, false);
    struct arc_recv_config rx = recv_config(ARC_MEDIA_AUDIO);
    struct arc_session *s;
    uint8_t data[100];
    struct arc_session_stats st;

    cfg.pool_pkts = 64;
    s = new_session(&cfg);
    add_recv(s, &rx);
    for (int i = 0; i < 100; i++) /* nobody takes them */
        arc_session_receive(s, data, make_opus(data, (uint16_t)i, 0, 5), 0);
    st = stats_of(s);
    CHECK(st.received_pkts == 100);
    CHECK(heard_pkts(s, 0) + st.drops.no_packet == 100);
    CHECK(st.drops.no_packet == 0 && st.drops.media_full == 40);
    arc_session_free(s);
}

/** What arc_session_receive_pkt() says decides where our packets go. */
static void test_broken_rtcp_is_not_to_be_trusted(void)
{
    static const uint8_t noise[8] = {0x80, 201, 0, 9};
    struct arc_session_config cfg = session_config(1, false);
    struct arc_session *s = new_session(&cfg);
    struct arc_pkt *pkt = arc_pkt_get(arc_session_pool(s));
    struct arc_writer w;

    memcpy(pkt->data, noise, sizeof(noise));
    pkt->len = sizeof(noise);
    CHECK(!arc_session_receive_pkt(s, pkt, 0));
    CHECK(stats_of(s).rtcp_received == 0 && stats_of(s).drops.malformed == 1);
    arc_writer_init(&w, pkt->data, 100);
    arc_rtcp_write_rr(&w, 5, NULL, 0);
    pkt->len = (int32_t)w.pos;
    CHECK(arc_session_receive_pkt(s, pkt, 0));
    CHECK(stats_of(s).rtcp_received == 1);
    arc_pkt_unref(pkt);
    arc_session_free(s);
}

/** At 25 pictures a second, 600 ms are 15 of them waiting. */
static void test_long_play_out_delay_keeps_every_picture(void)
{
    struct call *c = &the_call;
    struct arc_session_config a = session_config(1, false);
    struct arc_session_config b = session_config(2, false);
    struct arc_send_config video = video_config(true);
    struct arc_recv_config see = recv_config(ARC_MEDIA_VIDEO);

    memset(c, 0, sizeof(*c));
    see.min_latency_ms = see.initial_latency_ms = 600;
    see.max_latency_ms = 1000;
    arc_rng_init(&c->there.rng, 1);
    arc_rng_init(&c->back.rng, 2);
    c->a      = new_session(&a);
    c->b      = new_session(&b);
    c->camera = add_send(c->a, &video);
    c->seen   = add_recv(c->b, &see);
    for (; c->now_us < 4000 * MS; c->now_us += 5 * MS) {
        int64_t next_us;

        if (c->now_us % (40 * MS) == 0)
            send_picture(c->camera, c->pictures++, c->now_us);
        pipe_fill(&c->there, c->a, c->now_us);
        pipe_fill(&c->back, c->b, c->now_us);
        pipe_empty(&c->there, c->b, c->now_us);
        pipe_empty(&c->back, c->a, c->now_us);
        take_pictures(c);
        /* Nothing is due now: who asks what is must not be made to spin. */
        next_us = arc_recv_next_us(c->seen);
        CHECK(next_us > c->now_us);
    }
    CHECK(c->shown >= c->pictures - 17);
    end_call(c);
}

/** Packets of padding only keep a path open, and they have numbers as others. */
static void test_padding_alone_is_no_loss(void)
{
    static const uint8_t slice[4] = {0x41, 0x9a, 1, 2}, padding[4] = {0, 0, 0, 4};
    struct arc_session_config cfg = session_config(1, false);
    struct arc_recv_config rx = recv_config(ARC_MEDIA_VIDEO);
    struct arc_session *s = new_session(&cfg);
    struct arc_recvstream *st = add_recv(s, &rx);
    struct arc_recv_media_stats media;
    struct arc_recv_net_stats net;
    uint8_t data[MTU];
    size_t len;

    for (int i = 0; i < 12; i++) {
        bool only_padding = i % 4 == 3;

        len = make_rtp(data, VIDEO_PT, (uint16_t)i, (uint32_t)i * 3600, 5,
                       !only_padding, only_padding ? padding : slice, 4);
        data[0] |= only_padding ? 0x20 : 0;
        arc_session_receive(s, data, len, i * 40 * MS);
        while (arc_session_transmit(s, i * 40 * MS, data, sizeof(data), &len) ==
               ARC_OK)
            ;
        arc_recv_pull(st, i * 40 * MS, &out);
        arc_recv_pull(st, i * 40 * MS, &out);
    }
    arc_recv_get_stats(st, &media);
    arc_session_get_recv_stats(s, 0, &net);
    CHECK(net.pkts == 12 && net.lost_pkts == 0);
    CHECK(stats_of(s).nack_sent == 0);
    CHECK(media.frames_complete == 9 && media.frames_given_up == 0);
    arc_session_free(s);
}

/** The origin of the clock is the caller's; what no clock shows is refused. */
static void test_any_clock_is_good(void)
{
    const int64_t year_us = INT64_C(31557600) * ARC_US_PER_S;
    struct arc_session_config cfg = session_config(1, false);
    struct arc_send_config speak = audio_config(), show = video_config(true);
    struct arc_session *s = new_session(&cfg);
    struct arc_sendstream *speech = add_send(s, &speak);
    struct arc_sendstream *camera = add_send(s, &show);
    uint32_t ts[2] = {0, 0};
    uint8_t data[MTU];
    size_t len;

    for (int i = 0; i < 2; i++) {
        int64_t now_us = 100 * year_us + i * 1000 * MS;

        CHECK(send_sound(speech, now_us) == ARC_OK);
        CHECK(send_picture(camera, i, now_us) == ARC_OK);
        for (int64_t end_us = now_us + 900 * MS; now_us < end_us;
             now_us += 5 * MS)
            while (arc_session_transmit(s, now_us, data, sizeof(data), &len) ==
                   ARC_OK)
                if ((data[1] & 0x7f) == VIDEO_PT)
                    ts[i] = (uint32_t)data[4] << 24 | (uint32_t)data[5] << 16 |
                            (uint32_t)data[6] << 8 | data[7];
    }
    CHECK(ts[1] - ts[0] == 90000);
    CHECK(send_sound(speech, INT64_MAX) == ARC_ERR_ARG);
    CHECK(send_sound(speech, INT64_MIN) == ARC_ERR_ARG);
    CHECK(send_picture(camera, 1, INT64_MAX) == ARC_ERR_ARG);
    CHECK(send_sound(speech, 0) == ARC_OK); /* back by a century: a new source */
    arc_session_free(s);
}

/** An hour back or on: numbers go on, timestamps do not. */
static void test_sender_that_sets_its_clock_back_is_heard(void)
{
    for (int direction = -1; direction < 2; direction += 2) {
        struct arc_session_config cfg = session_config(1, false);
        struct arc_recv_config rx = recv_config(ARC_MEDIA_AUDIO);
        struct arc_session *s = new_session(&cfg);
        struct arc_recvstream *st = add_recv(s, &rx);
        int64_t decoded_us = 0, all_us = 0;
        uint32_t ts = 1000000;
        uint8_t data[100];

        for (int i = 0; i < 200; i++, ts += 960) {
            int64_t now_us = i * 20 * MS;

            if (i == 100)
                ts += (uint32_t)(direction * 3600 * 48000);
            arc_session_receive(s, data, make_opus(data, (uint16_t)i, ts, 5),
                                now_us);
            while (arc_recv_pull(st, now_us, &out) == ARC_OK) {
                all_us += sound_us(&out);
                if (i >= 100 && out.block == ARC_BLOCK_DECODED)
                    decoded_us += sound_us(&out);
            }
        }
        CHECK(decoded_us >= 1900 * MS && all_us <= 4100 * MS);
        arc_session_free(s);
    }
}

/* --- few packets -------------------------------------------------------------------- */

static void test_small_pool_does_not_stop_pictures(void)
{
    struct arc_session_config a = session_config(1, true);
    struct arc_session_config b = session_config(2, true);
    struct call *c;

    a.pool_pkts = 64; /* fewer than are kept for retransmission */
    c = start_call(&a, &b, true);
    arc_send_set_bitrate(c->camera, 1500000);
    talk(c, 8000, 0);
    CHECK(c->shown >= c->pictures - 2);
    end_call(c);
}

/** Nobody takes the pictures; sound and reports must not suffer. */
static void test_stalled_stream_leaves_packets_for_others(void)
{
    struct arc_session_config a = session_config(1, false);
    struct arc_session_config b = session_config(2, false);
    struct call *c;
    int64_t sound_us, reports;

    b.pool_pkts = 256;
    c = start_call(&a, &b, true);
    arc_send_set_bitrate(c->camera, 1500000);
    talk(c, 1000, 0);
    for (int64_t end_us = c->now_us + 20000 * MS; c->now_us < end_us;) {
        step(c, MUTE_B);
        take_sound(c);
    }
    CHECK(stats_of(c->b).drops.media_full > 100);
    CHECK(stats_of(c->b).drops.no_packet == 0);
    sound_us = c->sound_us;
    reports  = stats_of(c->b).rtcp_sent;
    for (int64_t end_us = c->now_us + 5000 * MS; c->now_us < end_us;) {
        step(c, MUTE_B);
        take_sound(c);
    }
    CHECK(c->sound_us - sound_us >= 4960 * MS && c->made_up == 0);
    CHECK(stats_of(c->b).rtcp_sent - reports >= 4);
    c->shown = c->keys = 0;
    talk(c, 3000, 0);
    CHECK(c->keys >= 1 && c->shown > 20);
    end_call(c);
}

/** More pictures at once than the pacer holds: those that leave are whole. */
static void test_full_pacer_drops_whole_frames(void)
{
    struct arc_session_config cfg = session_config(1, false);
    struct arc_send_config tx = video_config(true);
    struct arc_session *s;
    struct arc_sendstream *st;
    uint8_t data[MTU];
    int64_t frames = 0, markers = 0, last_ts = -1;
    size_t len;

    cfg.pool_pkts = 8192;
    tx.video.bitrate_bps = 50000000;
    s  = new_session(&cfg);
    st = add_send(s, &tx);
    for (int i = 0; i < 400; i++) {
        send_picture(st, i, i * 20);
        while (arc_session_transmit(s, i * 20, data, sizeof(data), &len) ==
               ARC_OK)
            ;
    }
    CHECK(sent_media(st).pkts > 2000);
    /* Nothing to do but wait for the pacer: that must not look like work. */
    CHECK(arc_session_next_us(s) > 399 * 20);

    for (int64_t now_us = 8 * MS; now_us < 10000 * MS; now_us += 5 * MS)
        while (arc_session_transmit(s, now_us, data, sizeof(data), &len) ==
               ARC_OK) {
            uint32_t ts;

            if ((data[1] & 0x7f) != VIDEO_PT)
                continue;
            ts = (uint32_t)data[4] << 24 | (uint32_t)data[5] << 16 |
                 (uint32_t)data[6] << 8 | data[7];
            frames  += ts != last_ts;
            markers += data[1] >> 7;
            last_ts  = ts;
        }
    CHECK(stats_of(s).drops.pacer_full == 0);
    CHECK(frames > 50 && markers >= frames - 1 && markers <= frames);
    CHECK(arc_session_next_us(s) > 10000 * MS - 2000 * MS);
    arc_session_free(s);
}

/* --- RTCP -------------------------------------------------------------------------- */

/** A source's packets with each 18th missing: one NACK entry for each hole. */
static void send_with_holes(struct arc_session *s, int pt, uint32_t ssrc, int n)
{
    static const uint8_t slice[4] = {0x41, 0x9a, 1, 2};
    uint8_t data[100];

    for (int i = 0; i < n; i++)
        if (i % 18 != 17)
            arc_session_receive(s, data,
                                make_rtp(data, pt, (uint16_t)i, 3000, ssrc,
                                         false, slice, sizeof(slice)), 0);
}

/** All that is due, into a block of exactly the promised size. @return bytes of
 *  the longest */
static size_t transmit_all(struct arc_session *s, size_t mtu, int64_t now_us)
{
    uint8_t *data = malloc(mtu);
    size_t len, longest = 0;

    CHECK(data);
    while (arc_session_transmit(s, now_us, data, mtu, &len) == ARC_OK) {
        CHECK(len <= mtu);
        longest = len > longest ? len : longest;
    }
    free(data);
    return longest;
}

static void test_rtcp_keeps_to_the_mtu(void)
{
    static const int mtus[] = {300, 500, 1200};

    for (int k = 0; k < 6; k++) {
        struct arc_session_config cfg = session_config(1, false);
        struct arc_recv_config rx = recv_config(ARC_MEDIA_VIDEO);
        struct arc_send_config tx = audio_config();
        const int32_t streams = k < 3 ? 1 : ARC_SESSION_MAX_STREAMS;
        const int n = k < 3 ? 1100 : 450;
        struct arc_session *s;

        cfg.mtu_bytes = mtus[k % 3];
        memset(cfg.cname, 'c', sizeof(cfg.cname) - 1);
        s = new_session(&cfg);
        for (int32_t i = 0; i < streams; i++) {
            struct arc_sendstream *st;

            rx.payload_type     = 100 + i;
            rx.rtx_payload_type = 110 + i;
            add_recv(s, &rx);
            tx.payload_type = 100 + i;
            tx.ssrc         = 1000 + (uint32_t)i;
            st = add_send(s, &tx);
            send_sound(st, 0);
            send_with_holes(s, 100 + i, 50 + (uint32_t)i, n);
        }
        for (int64_t now_us = 0; now_us < 3000 * MS; now_us += 5 * MS)
            CHECK(transmit_all(s, (size_t)cfg.mtu_bytes, now_us) <=
                  (size_t)cfg.mtu_bytes);
        for (int32_t i = 0; i < streams; i++) {
            struct arc_recv_net_stats net;

            arc_session_get_recv_stats(s, i, &net);
            CHECK(net.nack_requested >= n / 18); /* each had its turn */
        }
        arc_session_bye(s);
        CHECK(transmit_all(s, (size_t)cfg.mtu_bytes, 3000 * MS) > 0);
        arc_session_free(s);
    }
}

static void send_fir(struct arc_session *s, uint8_t seq_nr, int64_t now_us)
{
    uint8_t data[100];
    struct arc_writer w;

    arc_writer_init(&w, data, sizeof(data));
    arc_rtcp_write_fir(&w, 99, VIDEO_SSRC, seq_nr);
    arc_session_receive(s, data, w.pos, now_us);
}

static int64_t keys_asked(struct arc_session *s)
{
    struct arc_event e;
    int64_t n = 0;

    while (arc_session_poll_event(s, &e) == ARC_OK)
        n += e.type == ARC_EVENT_KEY_FRAME_WANTED;
    return n;
}

static void test_fir_is_honoured_once_and_not_forgotten(void)
{
    struct arc_session_config cfg = session_config(1, false);
    struct arc_send_config tx = video_config(true);
    struct arc_session *s = new_session(&cfg);

    add_send(s, &tx);
    send_fir(s, 7, 0);
    CHECK(keys_asked(s) == 1);
    for (int i = 1; i < 20; i++)
        send_fir(s, 7, i * 100 * MS); /* repeats, RFC 5104 §4.3.1.2 */
    CHECK(keys_asked(s) == 0);
    send_fir(s, 8, 3000 * MS);
    CHECK(keys_asked(s) == 1);
    /* Too soon after the last one, and so not yet honoured: a repeat is. */
    send_fir(s, 9, 3100 * MS);
    CHECK(keys_asked(s) == 0);
    send_fir(s, 9, 3300 * MS);
    CHECK(keys_asked(s) == 1);
    CHECK(stats_of(s).pli_received == 3);
    arc_session_free(s);
}

/** A burst of 300 losses is asked for in one packet: 18 entries of 17 numbers. */
static void test_nack_of_a_long_burst_is_answered(void)
{
    struct arc_session_config cfg = session_config(1, false);
    struct arc_send_config tx = video_config(true);
    struct arc_session *s = new_session(&cfg);
    struct arc_sendstream *st = add_send(s, &tx);
    uint8_t data[MTU];
    uint16_t seqs[300], first = 0;
    struct arc_send_net_stats net;
    struct arc_writer w;
    size_t len;

    for (int i = 0; i < 300; i++) {
        int64_t now_us = i * 40 * MS;

        send_picture(st, i, now_us);
        while (arc_session_transmit(s, now_us, data, sizeof(data), &len) ==
               ARC_OK)
            if (i == 270 && (data[1] & 0x7f) == VIDEO_PT)
                first = (uint16_t)(data[2] << 8 | data[3]);
    }
    for (int i = 0; i < 300; i++)
        seqs[i] = (uint16_t)(first + i);
    arc_writer_init(&w, data, sizeof(data));
    arc_rtcp_write_nack(&w, 99, VIDEO_SSRC, seqs, 300);
    arc_session_receive(s, data, w.pos, 12000 * MS);
    arc_session_get_send_stats(s, 0, &net);
    CHECK(stats_of(s).drops.malformed == 0);
    CHECK(net.nacked_pkts == 300 && net.nack_misses < 300);
    arc_session_free(s);
}

/* --- one side stands still -------------------------------------------------------- */

static void test_media_side_that_never_fetches_is_bounded(void)
{
    struct call *c = start_plain();
    int64_t blocks;

    talk(c, 1000, 0);
    blocks = arc_mem_live_blocks();
    talk(c, 60000, MUTE_B); /* 3000 packets of sound: more than the ring */
    CHECK(arc_mem_live_blocks() <= blocks + 4);
    CHECK(stats_of(c->b).drops.media_full > 500);
    CHECK(stats_of(c->b).pool_used_pkts <= 4096);

    c->shown = c->keys = 0;
    c->sound_us = 0;
    talk(c, 6000, 0);
    c->shown = c->keys = 0;
    c->sound_us = 0;
    talk(c, 2000, 0);
    CHECK(c->shown >= 45 && c->sound_us >= 1900 * MS);
    CHECK(stats_of(c->b).pool_used_pkts < 64);
    end_call(c);
}

static void test_network_side_that_never_fetches_is_bounded(void)
{
    struct call *c = start_plain();
    int64_t blocks;

    talk(c, 1000, 0);
    blocks = arc_mem_live_blocks();
    talk(c, 100000, MUTE_A);
    CHECK(arc_mem_live_blocks() <= blocks + 4);
    CHECK(sent_media(c->speech).frames_dropped > 500);
    CHECK(sent_media(c->camera).frames_dropped > 100);

    talk(c, 8000, 0);
    c->shown = c->keys = 0;
    c->sound_us = 0;
    talk(c, 2000, 0);
    CHECK(c->shown >= 45 && c->sound_us >= 1900 * MS);
    end_call(c);
}

int main(void)
{
    int64_t live = arc_mem_live_blocks();

    test_new_survives_every_lack_of_memory();
    test_add_survives_every_lack_of_memory();
    test_data_path_allocates_nothing_that_stays();
    test_call_on_a_perfect_network();
    test_losses_are_repaired_and_counted();
    test_without_nack_a_loss_costs_a_key_frame();
    test_reports_tell_round_trip_loss_and_wall_clock();
    test_bye_is_the_last_word();
    test_datagrams_that_no_stream_takes_are_counted();
    test_add_refuses_what_cannot_be_told_apart();
    test_ssrc_that_collides_is_given_up();
    test_ssrc_that_was_never_heard_gets_no_bye();
    test_rtcp_keeps_to_the_mtu();
    test_media_side_that_never_fetches_is_bounded();
    test_network_side_that_never_fetches_is_bounded();
    test_fir_is_honoured_once_and_not_forgotten();
    test_nack_of_a_long_burst_is_answered();
    test_small_pool_does_not_stop_pictures();
    test_stalled_stream_leaves_packets_for_others();
    test_full_pacer_drops_whole_frames();
    test_a_loop_is_seen_once();
    test_bye_of_a_crowd_waits_its_turn();
    test_members_come_and_go();
    test_source_has_one_address();
    test_every_datagram_is_counted();
    test_broken_rtcp_is_not_to_be_trusted();
    test_long_play_out_delay_keeps_every_picture();
    test_padding_alone_is_no_loss();
    test_any_clock_is_good();
    test_sender_that_sets_its_clock_back_is_heard();
    CHECK(arc_mem_live_blocks() == live);
    return check_done("test_session");
}
