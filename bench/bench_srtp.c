/**
 * @file bench/bench_srtp.c  Nanoseconds a packet: SRTP against the bare cipher
 *
 *     make -s -f ci/core.mk SAN=strict lib
 *     cc -std=c99 -O2 -Icsrc bench/bench_srtp.c build/core-strict/libarc.a \
 *        -lcrypto -lm -lpthread -o build/bench_srtp && build/bench_srtp
 *
 * The bare cipher is what OpenSSL charges for the same bytes by its cheapest
 * calls: AES-GCM with the IV set and the tag taken; AES-CTR plus HMAC-SHA1 from
 * copied pad states. All variants take turns in every round, so that a busy
 * machine slows them alike: trust the ratio. CPU time of the thread, median of
 * the rounds, and the spread from the lower to the upper quartile.
 */
#define _GNU_SOURCE
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "srtp/srtp.h"

enum { ROUNDS = 41, PKTS = 4000, SLOT = 1536, HEAD = 12, TAG_MAX = 16 };

struct bench {
    int              gcm;
    size_t           len; /* of the RTP packet */
    struct arc_srtp *sender;
    EVP_CIPHER_CTX  *ctx;
    SHA_CTX          inner, outer;
    uint8_t         *slots; /* PKTS of them, protected anew in every round */
    uint16_t         seq;
};

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(int condition)
{
    if (!condition)
        abort();
}

static struct arc_srtp *make_srtp(int gcm)
{
    struct arc_srtp_config cfg;
    struct arc_srtp *s = NULL;

    memset(&cfg, 0, sizeof(cfg));
    cfg.profile  = gcm ? ARC_SRTP_AEAD_AES_128_GCM
                       : ARC_SRTP_AES128_CM_HMAC_SHA1_80;
    cfg.key_len  = 16;
    cfg.salt_len = 14;
    must(arc_srtp_new(&cfg, &s) == ARC_OK);
    return s;
}

static void fill(struct bench *b)
{
    for (int i = 0; i < PKTS; i++, b->seq++) {
        uint8_t *p = b->slots + (size_t)i * SLOT;

        memset(p, 0, HEAD);
        p[0] = 0x80;
        p[2] = (uint8_t)(b->seq >> 8);
        p[3] = (uint8_t)b->seq;
        p[11] = 1;
    }
}

static double protect(struct bench *b)
{
    double t;

    fill(b);
    t = now_ns();
    for (int i = 0; i < PKTS; i++) {
        size_t n;

        must(arc_srtp_protect(b->sender, b->slots + (size_t)i * SLOT, b->len,
                              SLOT, &n) == ARC_OK);
    }
    return (now_ns() - t) / PKTS;
}

/** Opens what protect() just left in the slots. */
static double unprotect(struct bench *b, struct arc_srtp *receiver)
{
    const size_t len = b->len + (size_t)arc_srtp_overhead_bytes(b->sender);
    double t = now_ns();

    for (int i = 0; i < PKTS; i++) {
        size_t n;

        must(arc_srtp_unprotect(receiver, b->slots + (size_t)i * SLOT, len,
                                &n) == ARC_OK);
    }
    return (now_ns() - t) / PKTS;
}

static double bare_gcm(struct bench *b)
{
    uint8_t iv[12] = {0}, tag[16], none[16];
    OSSL_PARAM tag_out[2];
    double t;
    int n;

    tag_out[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG,
                                                   tag, sizeof(tag));
    tag_out[1] = OSSL_PARAM_construct_end();
    t = now_ns();
    for (int i = 0; i < PKTS; i++) {
        uint8_t *p = b->slots + (size_t)i * SLOT;

        iv[10] = (uint8_t)(i >> 8);
        iv[11] = (uint8_t)i;
        EVP_EncryptInit_ex2(b->ctx, NULL, NULL, iv, NULL);
        EVP_EncryptUpdate(b->ctx, NULL, &n, p, HEAD);
        EVP_EncryptUpdate(b->ctx, p + HEAD, &n, p + HEAD, (int)b->len - HEAD);
        EVP_EncryptFinal_ex(b->ctx, none, &n);
        EVP_CIPHER_CTX_get_params(b->ctx, tag_out);
        memcpy(p + b->len, tag, sizeof(tag));
    }
    return (now_ns() - t) / PKTS;
}

static double bare_cm(struct bench *b)
{
    uint8_t iv[16] = {0}, digest[20];
    double t = now_ns();
    int n;

    for (int i = 0; i < PKTS; i++) {
        uint8_t *p = b->slots + (size_t)i * SLOT;
        SHA_CTX state = b->inner;

        iv[12] = (uint8_t)(i >> 8);
        iv[13] = (uint8_t)i;
        EVP_EncryptInit_ex2(b->ctx, NULL, NULL, iv, NULL);
        EVP_EncryptUpdate(b->ctx, p + HEAD, &n, p + HEAD, (int)b->len - HEAD);
        SHA1_Update(&state, p, b->len);
        SHA1_Update(&state, iv, 4);
        SHA1_Final(digest, &state);
        state = b->outer;
        SHA1_Update(&state, digest, sizeof(digest));
        SHA1_Final(digest, &state);
        memcpy(p + b->len, digest, 10);
    }
    return (now_ns() - t) / PKTS;
}

static void bench_init(struct bench *b, int gcm, size_t payload)
{
    const EVP_CIPHER *cipher;
    uint8_t key[64] = {1};

    memset(b, 0, sizeof(*b));
    b->gcm    = gcm;
    b->len    = HEAD + payload;
    b->sender = make_srtp(gcm);
    b->slots  = calloc(PKTS, SLOT);
    b->ctx    = EVP_CIPHER_CTX_new();
    must(b->slots && b->ctx && b->len + TAG_MAX <= SLOT);
    cipher = EVP_CIPHER_fetch(NULL, gcm ? "AES-128-GCM" : "AES-128-CTR", NULL);
    must(EVP_EncryptInit_ex2(b->ctx, cipher, key, NULL, NULL));
    SHA1_Init(&b->inner);
    SHA1_Update(&b->inner, key, sizeof(key));
    b->outer = b->inner;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void print(const char *name, int gcm, size_t payload, double *v,
                  double bare)
{
    qsort(v, ROUNDS, sizeof(*v), by_value);
    printf("srtp.%s.%s.%zuB %8.1f ns  spread %5.1f  ratio to bare %.3f\n", name,
           gcm ? "gcm128" : "cm_80", payload, v[ROUNDS / 2],
           v[3 * ROUNDS / 4] - v[ROUNDS / 4], bare > 0 ? v[ROUNDS / 2] / bare : 1);
}

static void run(int gcm, size_t payload)
{
    static double sent[ROUNDS], opened[ROUNDS], bare[ROUNDS];
    struct arc_srtp *receiver = make_srtp(gcm);
    struct bench b;

    bench_init(&b, gcm, payload);
    for (int i = 0; i < ROUNDS; i++) {
        bare[i]   = gcm ? bare_gcm(&b) : bare_cm(&b);
        sent[i]   = protect(&b);
        opened[i] = unprotect(&b, receiver);
    }
    qsort(bare, ROUNDS, sizeof(*bare), by_value);
    print("bare", gcm, payload, bare, bare[ROUNDS / 2]);
    print("protect", gcm, payload, sent, bare[ROUNDS / 2]);
    print("unprotect", gcm, payload, opened, bare[ROUNDS / 2]);
    arc_srtp_free(receiver);
    arc_srtp_free(b.sender);
    EVP_CIPHER_CTX_free(b.ctx);
    free(b.slots);
}

int main(void)
{
    printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
    for (int gcm = 1; gcm >= 0; gcm--) {
        run(gcm, 160);
        run(gcm, 1200);
    }
    return 0;
}
