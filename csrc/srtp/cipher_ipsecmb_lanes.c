/**
 * @file srtp/cipher_ipsecmb_lanes.c  Many packets at once: the bursts of ipsec-mb
 */
#include "srtp/cipherlanes.h"

#ifdef ARC_HAVE_IPSEC_MB
#include <string.h>

#include "base/mem.h"
#include "srtp/cipher_ipsecmb.h"

enum { DIGEST_BYTES = 20, IV_BYTES = 16, MOST = ARC_CIPHER_LANES_MAX_TASKS };

/** What stood where a tail and the scratch behind the body overlap. */
struct saved {
    uint8_t tag[ARC_CIPHER_TAG_MAX_BYTES];
    uint8_t behind[ARC_CIPHER_LANES_MAX_TAIL];
};

struct arc_cipher_lanes {
    IMB_MGR     *manager;
    IMB_JOB      jobs[MOST];
    struct saved saved[MOST];
    uint8_t      digests[MOST][DIGEST_BYTES + 12]; /* 32 apart */
};

enum arc_status arc_cipher_lanes_new(struct arc_cipher_lanes **out)
{
    struct arc_cipher_lanes *l;
    IMB_ARCH arch;

    if (arc_cipher_ipsecmb.missing())
        return ARC_ERR_UNSUPPORTED;
    l = arc_mem_zalloc(1, sizeof(*l));
    if (!l)
        return ARC_ERR_NOMEM;
    l->manager = arc_ipsecmb_manager();
    if (!l->manager) {
        arc_mem_free(l);
        return ARC_ERR_NOMEM;
    }
    init_mb_mgr_auto(l->manager, &arch);
    /* Two lanes of SHA instructions beat eight of AVX2: 713 against 1240 ns for
     * 1200 bytes (EPYC); sixteen of AVX-512 beat both: 360 (Xeon). */
    if (arch != IMB_ARCH_AVX512 && l->manager->features & IMB_FEATURE_SHANI)
        init_mb_mgr_sse(l->manager);
    *out = l;
    return ARC_OK;
}

void arc_cipher_lanes_free(struct arc_cipher_lanes *l)
{
    if (!l)
        return;
    arc_mem_wipe_free(l->manager); /* it may hold pieces of the last packets */
    arc_mem_wipe_free(l);
}

static const struct arc_ipsecmb_cm *keys_of(const struct arc_cipher_task *task)
{
    return (const struct arc_ipsecmb_cm *)task->cipher;
}

/** Body of one task for the counter mode; its own inverse. */
static void set_cipher(IMB_JOB *job, const struct arc_cipher_task *task)
{
    uint8_t *body = task->job.data + task->job.head_len;

    job->enc_keys         = keys_of(task)->enc_key;
    job->dec_keys         = keys_of(task)->enc_key;
    job->key_len_in_bytes = (uint64_t)task->cipher->key_len;
    job->src              = arc_cipher_body(&task->job);
    job->dst              = body;
    job->cipher_start_src_offset_in_bytes = 0;
    job->msg_len_to_cipher_in_bytes       = task->job.body_len;
    job->iv                               = task->job.iv;
    job->iv_len_in_bytes                  = IV_BYTES;
    job->cipher_mode                      = IMB_CIPHER_CNTR;
    job->cipher_direction                 = IMB_DIR_ENCRYPT;
}

static void set_hash(IMB_JOB *job, const struct arc_cipher_task *task,
                     uint8_t *digest)
{
    const struct arc_cipher_job *j = &task->job;

    job->src                           = j->data;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes      = j->head_len + j->body_len + j->tail_len;
    job->hash_alg                      = IMB_AUTH_HMAC_SHA_1;
    job->auth_tag_output               = digest;
    job->auth_tag_output_len_in_bytes  = DIGEST_BYTES;
    job->u.HMAC._hashed_auth_key_xor_ipad = keys_of(task)->inner;
    job->u.HMAC._hashed_auth_key_xor_opad = keys_of(task)->outer;
}

/** The bodies whose key has `key_len` bytes. @return the library did them all */
static bool crypt_those(struct arc_cipher_lanes *l,
                        struct arc_cipher_task **tasks, size_t n,
                        int32_t key_len)
{
    uint32_t used = 0;

    for (size_t i = 0; i < n; i++)
        if (tasks[i]->cipher->key_len == key_len && tasks[i]->job.body_len)
            set_cipher(&l->jobs[used++], tasks[i]);
    return used == 0 ||
           IMB_SUBMIT_CIPHER_BURST_NOCHECK(
               l->manager, l->jobs, used, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT,
               key_len == 32 ? IMB_KEY_256_BYTES : IMB_KEY_128_BYTES) == used;
}

static void set_all(struct arc_cipher_task **tasks, size_t n,
                    enum arc_status status)
{
    for (size_t i = 0; i < n; i++)
        tasks[i]->status = status;
}

void arc_cipher_lanes_crypt(struct arc_cipher_lanes *l,
                            struct arc_cipher_task **tasks, size_t n)
{
    const bool done = crypt_those(l, tasks, n, 16) &&
                      crypt_those(l, tasks, n, 32);

    set_all(tasks, n, done ? ARC_OK : ARC_ERR_LIBRARY);
}

/** The hash wants one piece: the tail goes behind the body if it is elsewhere. */
static void join_tail(const struct arc_cipher_job *job)
{
    uint8_t *behind = job->data + job->head_len + job->body_len;

    if (job->tail_len && job->tail != behind)
        memcpy(behind, job->tail, job->tail_len);
}

static bool hash_all(struct arc_cipher_lanes *l, struct arc_cipher_task **tasks,
                     size_t n)
{
    for (size_t i = 0; i < n; i++) {
        join_tail(&tasks[i]->job);
        set_hash(&l->jobs[i], tasks[i], l->digests[i]);
    }
    return n == 0 ||
           IMB_SUBMIT_HASH_BURST_NOCHECK(l->manager, l->jobs, (uint32_t)n,
                                         IMB_AUTH_HMAC_SHA_1) == n;
}

void arc_cipher_lanes_seal(struct arc_cipher_lanes *l,
                           struct arc_cipher_task **tasks, size_t n)
{
    bool done = crypt_those(l, tasks, n, 16) && crypt_those(l, tasks, n, 32);

    done = hash_all(l, tasks, n) && done;
    for (size_t i = 0; i < n; i++)
        memcpy(tasks[i]->job.tag, l->digests[i], tasks[i]->cipher->tag_bytes);
    set_all(tasks, n, done ? ARC_OK : ARC_ERR_LIBRARY);
}

/* The tail may overlap the tag that is to be compared, so that is put aside. */
static void save(struct saved *s, const struct arc_cipher_task *task)
{
    const struct arc_cipher_job *job = &task->job;

    memcpy(s->tag, job->tag, task->cipher->tag_bytes);
    memcpy(s->behind, job->data + job->head_len + job->body_len, job->tail_len);
}

static void restore(const struct saved *s, const struct arc_cipher_task *task)
{
    const struct arc_cipher_job *job = &task->job;

    memcpy(job->data + job->head_len + job->body_len, s->behind, job->tail_len);
}

void arc_cipher_lanes_verify(struct arc_cipher_lanes *l,
                             struct arc_cipher_task **tasks, size_t n)
{
    bool done;

    for (size_t i = 0; i < n; i++)
        save(&l->saved[i], tasks[i]);
    done = hash_all(l, tasks, n);
    for (size_t i = 0; i < n; i++) {
        const size_t tag_bytes = tasks[i]->cipher->tag_bytes;

        restore(&l->saved[i], tasks[i]);
        if (!done)
            tasks[i]->status = ARC_ERR_LIBRARY;
        else if (arc_cipher_equal(l->digests[i], l->saved[i].tag, tag_bytes))
            tasks[i]->status = ARC_OK;
        else
            tasks[i]->status = ARC_ERR_AUTH;
    }
}
#endif
