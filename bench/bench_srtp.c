/**
 * @file bench/bench_srtp.c  Nanoseconds a packet: SRTP against the bare ciphers
 *
 *     make -s -f ci/core.mk SAN=bench bench
 *     build/core-bench/bench_srtp [--json]
 *     build/core-bench/bench_srtp --once ipsecmb gcm 1200 protect
 *
 * The bare cipher is what a library charges for the same bytes by its cheapest
 * calls: OpenSSL's AES-GCM with only the IV set per packet and the tag taken,
 * AES-CTR plus HMAC-SHA1 from copied pad states; ipsec-mb's direct GCM call, and
 * its job manager as it sets itself up for the processor. All variants of a case
 * take turns in every round, so that a busy machine slows them alike: trust the
 * ratio. CPU time of the thread; median of the rounds, and the spread from the
 * lower to the upper quartile. --once runs one variant a fixed number of times
 * and prints nothing: what an instruction counter wants.
 */
#define _GNU_SOURCE
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#ifdef ARC_HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "srtp/batch.h"
#include "srtp/cipher.h"
#include "srtp/srtp.h"

enum { ROUNDS = 41, PKTS = 2048, SLOT = 1536, HEAD = 12, BATCH = 64, VARIANTS = 8 };

struct bench {
    bool             gcm;
    int32_t          backend;
    int32_t          window_pkts;
    size_t           len; /* of the RTP packet */
    struct arc_srtp *sender, *receiver;
    struct arc_srtp_batch *batch;
    uint8_t         *slots; /* PKTS of them, protected anew in every round */
    int32_t          lengths[PKTS], status[PKTS];
    uint16_t         seq;
    EVP_CIPHER_CTX  *ctx;
    SHA_CTX          inner, outer;
#ifdef ARC_HAVE_IPSEC_MB
    IMB_MGR             *manager;
    struct gcm_key_data *gcm_key;
    DECLARE_ALIGNED(uint32_t enc_key[60], 16);
    DECLARE_ALIGNED(uint8_t pads[2][32], 16);
#endif
};

struct variant {
    const char *name;
    void (*run)(struct bench *b);
    bool is_peer;  /* the bare cipher that the others are compared with */
    bool needs_packets; /* the slots hold plain packets when it begins   */
};

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(bool condition)
{
    if (!condition)
        abort();
}

static uint8_t *slot(struct bench *b, int i)
{
    return b->slots + (size_t)i * SLOT;
}

static void fill(struct bench *b)
{
    for (int i = 0; i < PKTS; i++, b->seq++) {
        uint8_t *p = slot(b, i);

        memset(p, 0, HEAD);
        p[0]  = 0x80;
        p[2]  = (uint8_t)(b->seq >> 8);
        p[3]  = (uint8_t)b->seq;
        p[11] = 1;
        b->lengths[i] = (int32_t)b->len;
    }
}

/* --- ours ------------------------------------------------------------------------------- */

static void protect(struct bench *b)
{
    for (int i = 0; i < PKTS; i++) {
        size_t n;

        must(arc_srtp_protect(b->sender, slot(b, i), b->len, SLOT, &n) ==
             ARC_OK);
        b->lengths[i] = (int32_t)n;
    }
}

/** Opens what the variant before it left in the slots. */
static void unprotect(struct bench *b)
{
    for (int i = 0; i < PKTS; i++) {
        size_t n;

        must(arc_srtp_unprotect(b->receiver, slot(b, i), (size_t)b->lengths[i],
                                &n) == ARC_OK);
    }
}

static void protect_batch(struct bench *b)
{
    for (int i = 0; i < PKTS; i += BATCH)
        arc_srtp_protect_slots(b->batch, b->sender, slot(b, i), SLOT,
                               b->lengths + i, b->status + i, BATCH);
    for (int i = 0; i < PKTS; i++)
        must(b->status[i] == ARC_OK);
}

static void unprotect_batch(struct bench *b)
{
    for (int i = 0; i < PKTS; i += BATCH)
        arc_srtp_unprotect_slots(b->batch, b->receiver, slot(b, i), SLOT,
                                 b->lengths + i, b->status + i, BATCH);
    for (int i = 0; i < PKTS; i++)
        must(b->status[i] == ARC_OK);
}

/* --- bare ------------------------------------------------------------------------------- */

static void openssl_gcm(struct bench *b)
{
    uint8_t iv[12] = {0}, tag[16], none[16];
    OSSL_PARAM tag_out[2];
    int n;

    tag_out[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG,
                                                   tag, sizeof(tag));
    tag_out[1] = OSSL_PARAM_construct_end();
    for (int i = 0; i < PKTS; i++) {
        uint8_t *p = slot(b, i);

        iv[10] = (uint8_t)(i >> 8);
        iv[11] = (uint8_t)i;
        EVP_EncryptInit_ex2(b->ctx, NULL, NULL, iv, NULL);
        EVP_EncryptUpdate(b->ctx, NULL, &n, p, HEAD);
        EVP_EncryptUpdate(b->ctx, p + HEAD, &n, p + HEAD, (int)b->len - HEAD);
        EVP_EncryptFinal_ex(b->ctx, none, &n);
        EVP_CIPHER_CTX_get_params(b->ctx, tag_out);
        memcpy(p + b->len, tag, sizeof(tag));
    }
}

static void openssl_cm(struct bench *b)
{
    uint8_t iv[16] = {0}, digest[20];
    int n;

    for (int i = 0; i < PKTS; i++) {
        uint8_t *p    = slot(b, i);
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
}

static void make_openssl(struct bench *b)
{
    const EVP_CIPHER *cipher =
        EVP_CIPHER_fetch(NULL, b->gcm ? "AES-128-GCM" : "AES-128-CTR", NULL);
    uint8_t key[64] = {1};

    b->ctx = EVP_CIPHER_CTX_new();
    must(b->ctx && EVP_EncryptInit_ex2(b->ctx, cipher, key, NULL, NULL));
    SHA1_Init(&b->inner);
    SHA1_Update(&b->inner, key, sizeof(key));
    b->outer = b->inner;
}

#ifdef ARC_HAVE_IPSEC_MB
static void ipsecmb_gcm(struct bench *b)
{
    struct gcm_context_data ctx;
    uint8_t iv[12] = {0};

    for (int i = 0; i < PKTS; i++) {
        uint8_t *p = slot(b, i);

        iv[10] = (uint8_t)(i >> 8);
        iv[11] = (uint8_t)i;
        IMB_AES128_GCM_ENC(b->manager, b->gcm_key, &ctx, p + HEAD, p + HEAD,
                           b->len - HEAD, iv, p, HEAD, p + b->len, 16);
    }
}

static void submit(struct bench *b, uint8_t *p, const uint8_t *iv,
                   uint8_t *digest)
{
    IMB_JOB *job = IMB_GET_NEXT_JOB(b->manager);

    job->cipher_mode      = IMB_CIPHER_CNTR;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->hash_alg         = IMB_AUTH_HMAC_SHA_1;
    job->chain_order      = IMB_ORDER_CIPHER_HASH;
    job->enc_keys         = b->enc_key;
    job->dec_keys         = b->enc_key;
    job->key_len_in_bytes = 16;
    job->iv               = iv;
    job->iv_len_in_bytes  = 16;
    job->src              = p;
    job->dst              = p + HEAD;
    job->cipher_start_src_offset_in_bytes = HEAD;
    job->msg_len_to_cipher_in_bytes       = b->len - HEAD;
    job->hash_start_src_offset_in_bytes   = 0;
    job->msg_len_to_hash_in_bytes         = b->len + 4;
    job->auth_tag_output                  = digest;
    job->auth_tag_output_len_in_bytes     = 20;
    job->u.HMAC._hashed_auth_key_xor_ipad = b->pads[0];
    job->u.HMAC._hashed_auth_key_xor_opad = b->pads[1];
    IMB_SUBMIT_JOB_NOCHECK(b->manager);
}

static void ipsecmb_cm(struct bench *b)
{
    static uint8_t ivs[BATCH][16], digests[BATCH][20];

    for (int i = 0; i < PKTS; i += BATCH) {
        for (int k = 0; k < BATCH; k++)
            submit(b, slot(b, i + k), ivs[k], digests[k]);
        while (IMB_FLUSH_JOB(b->manager)) {
        }
        for (int k = 0; k < BATCH; k++)
            memcpy(slot(b, i + k) + b->len, digests[k], 10);
    }
}

static void make_ipsecmb(struct bench *b)
{
    uint32_t dec_key[60] __attribute__((aligned(16)));
    uint8_t key[64] = {1};
    IMB_ARCH arch;

    b->manager = alloc_mb_mgr(0);
    must(b->manager != NULL);
    init_mb_mgr_auto(b->manager, &arch);
    must(posix_memalign((void **)&b->gcm_key, 64, sizeof(*b->gcm_key)) == 0);
    IMB_AES128_GCM_PRE(b->manager, key, b->gcm_key);
    IMB_AES_KEYEXP_128(b->manager, key, b->enc_key, dec_key);
    IMB_SHA1_ONE_BLOCK(b->manager, key, b->pads[0]);
    IMB_SHA1_ONE_BLOCK(b->manager, key, b->pads[1]);
}

static void free_ipsecmb(struct bench *b)
{
    free_mb_mgr(b->manager);
    free(b->gcm_key);
}
#endif

/* --- cases ------------------------------------------------------------------------------ */

static struct arc_srtp *make_srtp(const struct bench *b)
{
    struct arc_srtp_config cfg;
    struct arc_srtp *s = NULL;

    memset(&cfg, 0, sizeof(cfg));
    cfg.profile  = b->gcm ? ARC_SRTP_AEAD_AES_128_GCM
                          : ARC_SRTP_AES128_CM_HMAC_SHA1_80;
    cfg.key_len     = 16;
    cfg.salt_len    = 14;
    cfg.backend     = b->backend;
    cfg.window_pkts = b->window_pkts;
    must(arc_srtp_new(&cfg, &s) == ARC_OK);
    return s;
}

static void open_bench(struct bench *b, bool gcm, int32_t backend,
                       size_t payload, int32_t window_pkts)
{
    memset(b, 0, sizeof(*b));
    b->gcm         = gcm;
    b->backend     = backend;
    b->window_pkts = window_pkts;
    b->len         = HEAD + payload;
    b->sender      = make_srtp(b);
    b->receiver    = make_srtp(b);
    b->slots       = calloc(PKTS, SLOT);
    must(b->slots != NULL);
    if (arc_srtp_wants_batch(b->sender))
        must(arc_srtp_batch_new(&b->batch) == ARC_OK);
    make_openssl(b);
#ifdef ARC_HAVE_IPSEC_MB
    make_ipsecmb(b);
#endif
}

static void close_bench(struct bench *b)
{
    arc_srtp_batch_free(b->batch);
    arc_srtp_free(b->receiver);
    arc_srtp_free(b->sender);
    EVP_CIPHER_CTX_free(b->ctx);
#ifdef ARC_HAVE_IPSEC_MB
    free_ipsecmb(b);
#endif
    free(b->slots);
}

static int list_variants(const struct bench *b, struct variant *v)
{
    int n = 0;

    if (b->backend == ARC_CIPHER_OPENSSL)
        v[n++] = (struct variant){"bare", b->gcm ? openssl_gcm : openssl_cm,
                                  true, true};
#ifdef ARC_HAVE_IPSEC_MB
    else
        v[n++] = (struct variant){"bare", b->gcm ? ipsecmb_gcm : ipsecmb_cm,
                                  true, true};
#endif
    v[n++] = (struct variant){"protect", protect, false, true};
    v[n++] = (struct variant){"unprotect", unprotect, false, false};
    v[n++] = (struct variant){"protect.batch64", protect_batch, false, true};
    v[n++] = (struct variant){"unprotect.batch64", unprotect_batch, false, false};
    return n;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/** Median of the rounds' own ratios: what disturbs one round disturbs both. */
static double paired(const double *ns, const double *other_ns)
{
    double ratio[ROUNDS];

    for (int i = 0; i < ROUNDS; i++)
        ratio[i] = ns[i] / other_ns[i];
    qsort(ratio, ROUNDS, sizeof(*ratio), by_value);
    return ratio[ROUNDS / 2];
}

static void print(const struct bench *b, const struct variant *v,
                  const double *ns, double bare, double ratio, double before,
                  bool json, bool first)
{
    const char *profile = b->gcm ? "gcm128" : "cm128_80";
    const char *backend = b->backend == ARC_CIPHER_OPENSSL ? "openssl"
                                                           : "ipsecmb";
    const double median = ns[ROUNDS / 2];
    const double spread = ns[3 * ROUNDS / 4] - ns[ROUNDS / 4];

    if (json)
        printf("%s\n  {\"name\": \"srtp.c.%s.%s.%zuB.%s.window%d\", \"unit\": "
               "\"ns/packet\", \"value\": %.1f, \"spread\": %.1f, \"n\": %d, "
               "\"peer\": \"bare %s\", \"peer_value\": %.1f, \"ratio\": %.3f, "
               "\"ratio_to_variant_before\": %.3f}",
               first ? "" : ",", v->name, profile, b->len - HEAD, backend,
               b->window_pkts, median, spread, ROUNDS * PKTS, backend, bare,
               ratio, before);
    else
        printf("%-18s %-8s %5zuB %-7s window %5d %8.1f ns  spread %6.1f  "
               "%5.3f x bare  %5.3f x the line before\n", v->name, profile,
               b->len - HEAD, backend, b->window_pkts, median, spread, ratio,
               before);
}

static void run_case(struct bench *b, bool json, bool first)
{
    static double ns[VARIANTS][ROUNDS];
    double to_bare[VARIANTS], to_before[VARIANTS];
    struct variant v[VARIANTS];
    const int n = list_variants(b, v);
    double bare;

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < n; i++) {
            double t;

            if (v[i].needs_packets)
                fill(b);
            t = now_ns();
            v[i].run(b);
            ns[i][round] = (now_ns() - t) / PKTS;
        }
    }
    for (int i = 0; i < n; i++) {
        to_bare[i]   = paired(ns[i], ns[0]);
        to_before[i] = paired(ns[i], ns[i > 0 ? i - 1 : 0]);
    }
    for (int i = 0; i < n; i++)
        qsort(ns[i], ROUNDS, sizeof(ns[i][0]), by_value);
    bare = ns[0][ROUNDS / 2];
    for (int i = 0; i < n; i++)
        print(b, &v[i], ns[i], bare, to_bare[i], to_before[i], json,
              first && i == 0);
}

/** One variant, four times over all packets. @return false: no such */
static bool run_once(struct bench *b, const char *name)
{
    struct variant v[VARIANTS];
    const int n = list_variants(b, v);

    for (int i = 0; i < n; i++) {
        if (strcmp(v[i].name, name) != 0)
            continue;
        for (int round = 0; round < 4; round++) {
            fill(b);
            if (!v[i].needs_packets) /* needs what is to be opened */
                v[i - 1].run(b);
            v[i].run(b);
        }
        return true;
    }
    return false;
}

static bool usable(int32_t backend)
{
    struct arc_cipher_backend_info info;

    return arc_cipher_backend_info(backend, &info) == ARC_OK && !info.unusable;
}

/* ... --once ipsecmb gcm 1200 protect */
static int once(char **args)
{
    static struct bench b;
    bool found;

    open_bench(&b, strcmp(args[1], "gcm") == 0,
               strcmp(args[0], "openssl") == 0 ? ARC_CIPHER_OPENSSL
                                               : ARC_CIPHER_IPSECMB,
               (size_t)atoi(args[2]), 128);
    found = run_once(&b, args[3]);
    close_bench(&b);
    return !found;
}

int main(int argc, char **argv)
{
    const bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    bool first = true;

    if (argc == 6 && strcmp(argv[1], "--once") == 0)
        return once(argv + 2);
    printf(json ? "{\"openssl\": \"%s\", \"results\": [" : "%s\n",
           OpenSSL_version(OPENSSL_VERSION));
    for (int32_t backend = ARC_CIPHER_IPSECMB; backend >= ARC_CIPHER_OPENSSL;
         backend--) {
        for (int gcm = 1; usable(backend) && gcm >= 0; gcm--) {
            for (size_t payload = 160; payload <= 1200; payload += 1040) {
                for (int32_t window = 128; window <= 32768; window *= 256) {
                    static struct bench b;

                    open_bench(&b, gcm, backend, payload, window);
                    run_case(&b, json, first);
                    close_bench(&b);
                    first = false;
                }
            }
        }
    }
    printf(json ? "\n]}\n" : "");
    return 0;
}
