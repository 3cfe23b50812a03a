/**
 * @file srtp/selftest.c  Known answers that a cipher backend must give before it is used
 *
 * The packet is long enough for the widest loops of any library, and ends within
 * a block. Key bytes are 0, 1, 2 ...; the other inputs are made in fill().
 */
#include <string.h>

#include "srtp/cipherlanes.h"
#include "srtp/selftest.h"

enum {
    HEAD = 12,
    BODY = 1201,
    TAIL = 4,
    ROOM = HEAD + BODY + ARC_CIPHER_TAG_MAX_BYTES,
    LANE_PKTS = 9, /* more than the lanes of most processors, and odd */
};

struct answer {
    int32_t     kind, key_len;
    size_t      tail_len;
    size_t      tag_bytes;
    uint8_t     bytes[20]; /* the tag; AES_CM: the last 16 bytes of the body */
    const char *fault;
};

static const struct answer answers[] = {
    {ARC_CIPHER_AES_GCM, 16, 0, 16,
     {0x20, 0xc8, 0xbf, 0xf1, 0x2e, 0x10, 0xdc, 0x15, 0x4f, 0xd9, 0xdb, 0x6b,
      0x5d, 0xec, 0xb0, 0x9b}, "AES-128-GCM gives a wrong answer"},
    {ARC_CIPHER_AES_GCM, 16, TAIL, 16,
     {0x48, 0x7e, 0x8a, 0x5f, 0x10, 0xf4, 0x05, 0x53, 0xa5, 0xbd, 0x0e, 0x3a,
      0x27, 0xf8, 0xea, 0x92}, "AES-128-GCM with a tail gives a wrong answer"},
    {ARC_CIPHER_AES_GCM, 32, 0, 16,
     {0xba, 0x3d, 0xfe, 0xe9, 0x8d, 0x07, 0x50, 0x42, 0x0d, 0x37, 0x8f, 0x40,
      0xce, 0xd6, 0x4b, 0x22}, "AES-256-GCM gives a wrong answer"},
    {ARC_CIPHER_AES_GCM, 32, TAIL, 16,
     {0x2b, 0x6d, 0xff, 0xad, 0xf8, 0x78, 0xe8, 0x8b, 0x6e, 0xb7, 0x45, 0x82,
      0xef, 0x82, 0x82, 0xac}, "AES-256-GCM with a tail gives a wrong answer"},
    {ARC_CIPHER_AES_CM_HMAC_SHA1, 16, TAIL, 20,
     {0x0a, 0x45, 0xed, 0x50, 0xb5, 0x25, 0x62, 0x2a, 0xeb, 0xa7, 0xc7, 0x92,
      0x36, 0x23, 0x9a, 0x69, 0x6b, 0x13, 0x60, 0x35},
     "AES-128-CM with HMAC-SHA1 gives a wrong answer"},
    {ARC_CIPHER_AES_CM_HMAC_SHA1, 32, TAIL, 20,
     {0x31, 0xfb, 0x27, 0xbd, 0x84, 0x00, 0x29, 0x1a, 0x0c, 0xc0, 0x60, 0xaa,
      0xf6, 0x45, 0x11, 0x29, 0xa0, 0xa2, 0x1c, 0xa8},
     "AES-256-CM with HMAC-SHA1 gives a wrong answer"},
    {ARC_CIPHER_AES_CM, 16, 0, 0,
     {0xdc, 0x2f, 0xee, 0x55, 0x1a, 0xf1, 0xe6, 0xd4, 0xe2, 0xdd, 0x52, 0xd9,
      0xd5, 0x65, 0x44, 0x1d}, "AES-128-CM gives a wrong answer"},
    {ARC_CIPHER_AES_CM, 32, 0, 0,
     {0xae, 0x62, 0x2c, 0xc3, 0x97, 0x6a, 0xdd, 0xf9, 0x5a, 0x6d, 0x1b, 0x16,
      0x07, 0x81, 0xa8, 0x77}, "AES-256-CM gives a wrong answer"},
};

static const uint8_t tail[TAIL] = {1, 2, 3, 4};
static const uint8_t iv[ARC_CIPHER_IV_MAX_BYTES] = {
    0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
    0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
};

static void fill(uint8_t *data)
{
    memset(data, 0, ROOM);
    for (int i = 0; i < HEAD; i++)
        data[i] = (uint8_t)(0x80 + 5 * i);
    for (int i = 0; i < BODY; i++)
        data[HEAD + i] = (uint8_t)(7 * i + 3);
}

static enum arc_status make(const struct arc_cipher_ops *ops,
                            const struct answer *a, struct arc_cipher **out)
{
    struct arc_cipher_config cfg = {0};

    cfg.kind      = a->kind;
    cfg.key_len   = a->key_len;
    cfg.tag_bytes = (int32_t)a->tag_bytes;
    for (int i = 0; i < a->key_len; i++)
        cfg.key[i] = (uint8_t)i;
    for (int i = 0; i < ARC_CIPHER_AUTH_KEY_BYTES; i++)
        cfg.auth_key[i] = (uint8_t)(0x40 + i);
    return ops->make(&cfg, out);
}

static struct arc_cipher_job job_of(const struct answer *a, uint8_t *data)
{
    struct arc_cipher_job job;

    job.iv       = iv;
    job.data     = data;
    job.body     = NULL;
    job.head_len = HEAD;
    job.body_len = BODY;
    job.tail     = tail;
    job.tail_len = a->tail_len;
    job.tag      = data + HEAD + BODY;
    return job;
}

static bool sealed_right(const struct answer *a, const uint8_t *data)
{
    if (a->kind == ARC_CIPHER_AES_CM)
        return memcmp(data + HEAD + BODY - 16, a->bytes, 16) == 0;
    return memcmp(data + HEAD + BODY, a->bytes, a->tag_bytes) == 0;
}

/** A wrong bit in the body is refused and leaves no trace; the right one opens. */
static bool opens_right(struct arc_cipher *c, const struct answer *a,
                        uint8_t *data)
{
    const struct arc_cipher_job job = job_of(a, data);
    const size_t used = HEAD + BODY + a->tag_bytes;
    uint8_t kept[ROOM], plain[ROOM];

    if (a->kind != ARC_CIPHER_AES_CM) {
        data[HEAD + BODY / 2] ^= 0x10;
        memcpy(kept, data, used);
        if (arc_cipher_open(c, &job) != ARC_ERR_AUTH ||
            memcmp(kept, data, used) != 0)
            return false;
        data[HEAD + BODY / 2] ^= 0x10;
    }
    fill(plain);
    return arc_cipher_open(c, &job) == ARC_OK &&
           memcmp(data, plain, HEAD + BODY) == 0;
}

static bool one_by_one(struct arc_cipher *c, const struct answer *a)
{
    struct arc_cipher_job job;
    uint8_t data[ROOM];

    fill(data);
    job = job_of(a, data);
    return arc_cipher_seal(c, &job) == ARC_OK && sealed_right(a, data) &&
           opens_right(c, a, data);
}

/** The same packet in several lanes; then one with a wrong bit among them. */
static bool in_lanes(struct arc_cipher_lanes *l, struct arc_cipher *c,
                     const struct answer *a)
{
    struct arc_cipher_task tasks[LANE_PKTS], *list[LANE_PKTS];
    uint8_t data[LANE_PKTS][ROOM], plain[ROOM];
    bool right = true;

    fill(plain);
    for (int i = 0; i < LANE_PKTS; i++) {
        fill(data[i]);
        tasks[i].cipher = c;
        tasks[i].job    = job_of(a, data[i]);
        list[i]         = &tasks[i];
    }
    arc_cipher_lanes_seal(l, list, LANE_PKTS);
    for (int i = 0; i < LANE_PKTS; i++)
        right = right && tasks[i].status == ARC_OK && sealed_right(a, data[i]);

    data[4][HEAD] ^= 1;
    arc_cipher_lanes_verify(l, list, LANE_PKTS);
    for (int i = 0; i < LANE_PKTS; i++)
        right = right && tasks[i].status == (i == 4 ? ARC_ERR_AUTH : ARC_OK);
    data[4][HEAD] ^= 1;
    arc_cipher_lanes_crypt(l, list, LANE_PKTS);
    for (int i = 0; i < LANE_PKTS; i++)
        right = right && memcmp(data[i], plain, HEAD + BODY) == 0;
    return right;
}

static const char *test_lanes(struct arc_cipher *c, const struct answer *a)
{
    struct arc_cipher_lanes *l = NULL;
    const char *fault = NULL;

    if (!arc_cipher_has_lanes(c))
        return NULL;
    if (arc_cipher_lanes_new(&l) != ARC_OK)
        return arc_cipher_no_memory;
    if (!in_lanes(l, c, a))
        fault = a->fault;
    arc_cipher_lanes_free(l);
    return fault;
}

const char *arc_cipher_selftest(const struct arc_cipher_ops *ops)
{
    const char *fault = NULL;

    for (size_t i = 0; !fault && i < sizeof(answers) / sizeof(*answers); i++) {
        struct arc_cipher *c = NULL;
        enum arc_status status = make(ops, &answers[i], &c);

        if (status == ARC_ERR_NOMEM)
            return arc_cipher_no_memory;
        if (status)
            return answers[i].fault;
        fault = one_by_one(c, &answers[i]) ? NULL : answers[i].fault;
        if (!fault)
            fault = test_lanes(c, &answers[i]);
        arc_cipher_free(c);
    }
    return fault;
}
