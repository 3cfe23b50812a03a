/**
 * @file tests/c/test_srtp.c  What srtp/ promises and Python cannot see: no byte
 * of state moves for a forged packet, and no key stays behind after a free
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "check.h"
#include "srtp/batch.h"
#include "srtp/cipher_backend.h"
#include "srtp/context.h"
#include "srtp/kdf.h"
#include "srtp/selftest.h"
#include "srtp/srtcp.h"

enum { PROFILES = 6, HEAD = 12, BODY = 80, CAP = 256 };

static const int32_t profiles[PROFILES] = {
    ARC_SRTP_AEAD_AES_128_GCM,       ARC_SRTP_AEAD_AES_256_GCM,
    ARC_SRTP_AES128_CM_HMAC_SHA1_80, ARC_SRTP_AES128_CM_HMAC_SHA1_32,
    ARC_SRTP_AES256_CM_HMAC_SHA1_80, ARC_SRTP_AES256_CM_HMAC_SHA1_32,
};

static struct arc_srtp_config config_of(int32_t profile)
{
    struct arc_srtp_config cfg;

    memset(&cfg, 0, sizeof(cfg));
    cfg.profile     = profile;
    cfg.key_len     = profile == ARC_SRTP_AEAD_AES_256_GCM ||
                      profile >= ARC_SRTP_AES256_CM_HMAC_SHA1_80 ? 32 : 16;
    cfg.salt_len    = 14;
    cfg.max_streams = 3;
    for (int i = 0; i < 32; i++)
        cfg.master_key[i] = (uint8_t)(3 * i + 1);
    for (int i = 0; i < 14; i++)
        cfg.master_salt[i] = (uint8_t)(7 * i + 5);
    return cfg;
}

static struct arc_srtp *srtp_of(int32_t profile)
{
    struct arc_srtp_config cfg = config_of(profile);
    struct arc_srtp *s = NULL;

    CHECK(arc_srtp_new(&cfg, &s) == ARC_OK);
    return s;
}

static size_t make_rtp(uint8_t *data, uint32_t seq, uint32_t ssrc)
{
    memset(data, 0x11, HEAD + BODY);
    data[0] = 0x80;
    data[2] = (uint8_t)(seq >> 8);
    data[3] = (uint8_t)seq;
    for (int i = 0; i < 4; i++)
        data[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
    return HEAD + BODY;
}

static size_t make_rtcp(uint8_t *data, uint32_t ssrc)
{
    memset(data, 0x22, 8 + BODY);
    data[0] = 0x80;
    for (int i = 0; i < 4; i++)
        data[4 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
    return 8 + BODY;
}

/* Everything that receiving may change, but the counts of failures. */
struct snapshot {
    struct arc_srtp_streams table;
    struct arc_srtp_stream  list[3];
    uint16_t                slots[8];
    struct arc_replay_word  words[3 * 2 * 4];
    uint64_t                received[2];
    uint64_t                evicted;
};

static void take(const struct arc_srtp *s, struct snapshot *out)
{
    memset(out, 0, sizeof(*out));
    CHECK((size_t)s->recv.max == 3 && s->recv.slot_bits == 3);
    CHECK(s->recv.words_each == 4);
    out->table = s->recv;
    memcpy(out->list, s->recv.list, sizeof(out->list));
    memcpy(out->slots, s->recv.slots, sizeof(out->slots));
    memcpy(out->words, s->recv.words, sizeof(out->words));
    out->received[0] = s->stats.rtp_received;
    out->received[1] = s->stats.rtcp_received;
    out->evicted     = s->stats.streams_evicted;
}

/* One damaged copy of a packet: state and bytes must be as before. */
static void forge(struct arc_srtp *s, struct arc_rng *rng, const uint8_t *wire,
                  size_t len, bool rtcp)
{
    struct snapshot before, after;
    uint8_t forged[CAP], kept[CAP];
    size_t n = 999;

    memcpy(forged, wire, len);
    for (uint32_t i = 1 + arc_rng_below(rng, 3); i > 0; i--) {
        uint32_t at = 1 + arc_rng_below(rng, (uint32_t)len - 1);
        forged[at] ^= (uint8_t)(1 + arc_rng_below(rng, 255));
    }
    if (memcmp(forged, wire, len) == 0)
        return;
    memcpy(kept, forged, len);
    take(s, &before);
    if (rtcp)
        CHECK(arc_srtp_unprotect_rtcp(s, forged, len, &n) != ARC_OK);
    else
        CHECK(arc_srtp_unprotect(s, forged, len, &n) != ARC_OK);
    take(s, &after);
    CHECK(memcmp(&before, &after, sizeof(before)) == 0);
    CHECK(memcmp(forged, kept, len) == 0);
    CHECK(n == 999);
}

static void test_forged_packets_change_no_byte_of_state(void)
{
    struct arc_rng rng;

    arc_rng_init(&rng, 1);
    for (int p = 0; p < PROFILES; p++) {
        struct arc_srtp *sender = srtp_of(profiles[p]);
        struct arc_srtp *receiver = srtp_of(profiles[p]);
        uint8_t wire[CAP];
        size_t len;

        for (uint32_t seq = 65400; seq < 65700; seq++) {
            len = make_rtp(wire, seq, 1 + seq % 3);
            CHECK(arc_srtp_protect(sender, wire, len, CAP, &len) == ARC_OK);
            forge(receiver, &rng, wire, len, false);
            CHECK(arc_srtp_unprotect(receiver, wire, len, &len) == ARC_OK);

            len = make_rtcp(wire, 1 + seq % 3);
            CHECK(arc_srtp_protect_rtcp(sender, wire, len, CAP, &len) ==
                  ARC_OK);
            forge(receiver, &rng, wire, len, true);
            CHECK(arc_srtp_unprotect_rtcp(receiver, wire, len, &len) ==
                  ARC_OK);
        }
        CHECK(receiver->stats.rtp_received == 300);
        CHECK(receiver->stats.rtcp_received == 300);
        arc_srtp_free(sender);
        arc_srtp_free(receiver);
    }
}

static void test_new_survives_every_allocation_failure(void)
{
    struct arc_srtp_config cfg = config_of(ARC_SRTP_AES128_CM_HMAC_SHA1_80);
    int64_t live = arc_mem_live_blocks();
    struct arc_srtp *s = NULL;
    int allowed = 0;

    for (; allowed < 40; allowed++) {
        arc_mem_fail_after(allowed);
        if (arc_srtp_new(&cfg, &s) == ARC_OK)
            break;
        CHECK(s == NULL && arc_mem_live_blocks() == live);
    }
    arc_mem_fail_after(-1);
    CHECK(allowed >= 8 && allowed < 40);
    arc_srtp_free(s);
    CHECK(arc_mem_live_blocks() == live);
}

/* The heap as the kernel shows it. A sanitizer keeps its heap elsewhere (and
 * poisons what was freed), so this one test needs the plain build. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static int heap_copies(const uint8_t *masked, size_t len)
{
    unsigned long from = 0, to = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    int mem = open("/proc/self/mem", O_RDONLY), found = 0;
    static uint8_t page[1 << 16];
    char line[512];

    CHECK(maps && mem >= 0);
    while (fgets(line, sizeof(line), maps))
        if (strstr(line, "[heap]"))
            CHECK(sscanf(line, "%lx-%lx", &from, &to) == 2);
    fclose(maps);
    CHECK(from && to > from);

    for (unsigned long at = from; at + len <= to; at += sizeof(page) - 64) {
        size_t want = to - at < sizeof(page) ? to - at : sizeof(page);
        CHECK(pread(mem, page, want, (off_t)at) == (ssize_t)want);
        for (size_t i = 0; i + len <= want; i++) {
            size_t k = 0;
            while (k < len && page[i + k] == (uint8_t)(masked[k] ^ 0xa5))
                k++;
            found += k == len;
        }
    }
    close(mem);
    return found;
}

static void test_free_leaves_no_key_on_the_heap(void)
{
    for (int p = 0; p < PROFILES; p++) {
        struct arc_srtp_config cfg = config_of(profiles[p]);
        uint8_t enc[16], salt[12]; /* kept masked: the search must not find us */
        const struct arc_kdf_input in = {cfg.master_key, (size_t)cfg.key_len,
                                         cfg.master_salt, 0};
        struct arc_srtp *s;

        CHECK(arc_kdf_derive(&in, ARC_KDF_RTP_ENCRYPTION, enc, sizeof(enc)) ==
              ARC_OK);
        CHECK(arc_kdf_derive(&in, ARC_KDF_RTP_SALT, salt, sizeof(salt)) ==
              ARC_OK);
        for (size_t i = 0; i < sizeof(enc); i++)
            enc[i] ^= 0xa5;
        for (size_t i = 0; i < sizeof(salt); i++)
            salt[i] ^= 0xa5;

        s = srtp_of(profiles[p]);
        CHECK(heap_copies(salt, sizeof(salt)) > 0); /* the search can find */
        arc_srtp_free(s);
        CHECK(heap_copies(salt, sizeof(salt)) == 0);
        CHECK(heap_copies(enc, sizeof(enc)) == 0);
        for (size_t i = 0; i < 16; i++)
            cfg.master_key[i] ^= 0xa5;
        CHECK(heap_copies(cfg.master_key, 16) == 0);
    }
}
#endif

/* A backend that is right but for one bit of one answer. */
static struct arc_cipher_ops flawed;
static int32_t flawed_kind, flawed_key_len;

static enum arc_status flawed_make(const struct arc_cipher_config *cfg,
                                   struct arc_cipher **out)
{
    enum arc_status status = arc_cipher_openssl.make(cfg, out);

    if (!status)
        (*out)->ops = &flawed;
    return status;
}

static enum arc_status flawed_seal(struct arc_cipher *c,
                                   const struct arc_cipher_job *job)
{
    enum arc_status status = arc_cipher_openssl.seal(c, job);

    if (c->kind == flawed_kind && c->key_len == flawed_key_len)
        job->data[job->head_len + job->body_len - 1] ^= 1;
    return status;
}

static enum arc_status flawed_open(struct arc_cipher *c,
                                   const struct arc_cipher_job *job)
{
    enum arc_status status = arc_cipher_openssl.open(c, job);

    return status == ARC_ERR_AUTH && flawed_kind == -1 ? ARC_OK : status;
}

static void test_selftest_finds_every_flaw(void)
{
    static const int32_t kinds[] = {ARC_CIPHER_AES_GCM, ARC_CIPHER_AES_CM,
                                    ARC_CIPHER_AES_CM_HMAC_SHA1};

    flawed      = arc_cipher_openssl;
    flawed.make = flawed_make;
    flawed.seal = flawed_seal;
    flawed.open = flawed_open;
    flawed_kind = 0;
    CHECK(arc_cipher_selftest(&flawed) == NULL);
    for (int i = 0; i < 3; i++) {
        flawed_kind = kinds[i];
        for (flawed_key_len = 16; flawed_key_len <= 32; flawed_key_len += 16)
            CHECK(arc_cipher_selftest(&flawed) != NULL);
    }
    flawed_kind = -1; /* opens what is forged */
    CHECK(arc_cipher_selftest(&flawed) != NULL);
    CHECK(arc_cipher_selftest(&arc_cipher_openssl) == NULL);
    if (!arc_cipher_ipsecmb.missing())
        CHECK(arc_cipher_selftest(&arc_cipher_ipsecmb) == NULL);
}

/** An object for one way does that way all it is asked for, the other way one SSRC. */
static void test_one_way_has_room_that_way(void)
{
    struct arc_srtp_config cfg = config_of(ARC_SRTP_AEAD_AES_128_GCM);
    struct arc_srtp *out = NULL, *in = NULL;
    uint8_t data[2 * (HEAD + BODY)];
    size_t len;

    cfg.way = 3;
    CHECK(arc_srtp_new(&cfg, &out) == ARC_ERR_ARG);
    cfg.way = ARC_SRTP_SENDS;
    CHECK(arc_srtp_new(&cfg, &out) == ARC_OK);
    cfg.way = ARC_SRTP_RECEIVES;
    CHECK(arc_srtp_new(&cfg, &in) == ARC_OK);
    for (uint32_t ssrc = 1; ssrc <= 3; ssrc++) {
        len = make_rtp(data, 1, ssrc);
        CHECK(arc_srtp_protect(out, data, len, sizeof(data), &len) == ARC_OK);
        CHECK(arc_srtp_unprotect(in, data, len, &len) == ARC_OK);
    }
    len = make_rtp(data, 1, 4);
    CHECK(arc_srtp_protect(out, data, len, sizeof(data), &len) == ARC_ERR_LIMIT);
    len = make_rtp(data, 1, 5);
    CHECK(arc_srtp_protect(in, data, len, sizeof(data), &len) == ARC_OK);
    len = make_rtp(data, 1, 6);
    CHECK(arc_srtp_protect(in, data, len, sizeof(data), &len) == ARC_ERR_LIMIT);
    arc_srtp_free(out);
    arc_srtp_free(in);
}

/** Header here, payload there: the bytes of the call in place, and the payload
 *  is left alone; the way back likewise, also when the packet is forged. */
static void check_elsewhere(const struct arc_srtp_config *cfg,
                            struct arc_srtp_batch *work)
{
    struct arc_srtp *a, *b, *c, *d;
    uint8_t clear[CAP], want[CAP], got[CAP], lane[CAP], back[CAP], kept[CAP];
    struct arc_srtp_unit unit;
    size_t len, n, m;

    if (arc_srtp_new(cfg, &a) == ARC_ERR_UNSUPPORTED)
        return; /* no such backend here: what doctor says */
    CHECK(arc_srtp_new(cfg, &b) == ARC_OK && arc_srtp_new(cfg, &c) == ARC_OK &&
          arc_srtp_new(cfg, &d) == ARC_OK);
    for (uint32_t seq = 1; seq <= 20; seq++) {
        len = make_rtp(clear, seq, 9) - (seq == 7 ? BODY : 0);
        memcpy(want, clear, len);
        CHECK(arc_srtp_protect(a, want, len, CAP, &n) == ARC_OK);
        memcpy(kept, clear, len);
        memset(got, 0, CAP);
        memset(lane, 0, CAP);
        memcpy(got, clear, HEAD);
        memcpy(lane, clear, HEAD);
        CHECK(arc_srtp_protect_from(b, got, clear + HEAD, len, CAP, &m) ==
              ARC_OK);
        unit.srtp    = c;
        unit.data    = lane;
        unit.payload = clear + HEAD;
        unit.len     = len;
        unit.cap     = CAP;
        arc_srtp_protect_units(work, &unit, 1);
        CHECK(m == n && unit.status == ARC_OK && unit.len == n);
        CHECK(memcmp(got, want, n) == 0 && memcmp(lane, want, n) == 0);
        CHECK(memcmp(clear, kept, len) == 0);

        got[n - 1] ^= 1;
        CHECK(arc_srtp_unprotect_to(d, got, n, back, CAP) == ARC_ERR_AUTH);
        got[n - 1] ^= 1;
        CHECK(memcmp(got, want, n) == 0);
        CHECK(arc_srtp_unprotect_to(d, got, n, back, CAP) == (int32_t)len);
        CHECK(memcmp(got, want, n) == 0 && memcmp(back, clear, len) == 0);
        CHECK(arc_srtp_unprotect_to(d, got, n, back, CAP) == ARC_ERR_REPLAY);
    }
    arc_srtp_free(a);
    arc_srtp_free(b);
    arc_srtp_free(c);
    arc_srtp_free(d);
}

static void test_payload_may_be_elsewhere(void)
{
    struct arc_srtp_batch *work = NULL;

    CHECK(arc_srtp_batch_new(&work) != ARC_ERR_NOMEM);
    for (int i = 0; i < PROFILES; i++) {
        struct arc_srtp_config cfg = config_of(profiles[i]);

        for (int mki = 0; mki <= 4; mki += 4)
            for (cfg.backend = ARC_CIPHER_OPENSSL;
                 cfg.backend <= ARC_CIPHER_IPSECMB; cfg.backend++) {
                cfg.mki_len = mki;
                check_elsewhere(&cfg, work);
            }
    }
    arc_srtp_batch_free(work);
}

int main(void)
{
    test_payload_may_be_elsewhere();
    test_selftest_finds_every_flaw();
    test_forged_packets_change_no_byte_of_state();
    test_new_survives_every_allocation_failure();
    test_one_way_has_room_that_way();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    test_free_leaves_no_key_on_the_heap();
#endif
    return check_done("test_srtp");
}
