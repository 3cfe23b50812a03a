/**
 * @file srtp/cipher_backend.h  What a cryptographic library must do for cipher.h
 *
 * Not for other layers.
 *
 * Owner:   `make` allocates, `free` wipes and frees; nothing between allocates.
 * Threads: one caller at a time for one cipher; the tables of functions are
 *          constant.
 */
#ifndef ARC_SRTP_CIPHER_BACKEND_H
#define ARC_SRTP_CIPHER_BACKEND_H

#include "srtp/cipher.h"

struct arc_cipher_ops {
    int32_t     backend; /* enum arc_cipher_backend */
    const char *name;
    const char *(*version)(void);
    const char *(*code)(void);
    /** Why this build or processor cannot use it; NULL: it can. */
    const char *(*missing)(void);
    enum arc_status (*make)(const struct arc_cipher_config *cfg,
                            struct arc_cipher **out);
    enum arc_status (*rekey)(struct arc_cipher *c,
                             const struct arc_cipher_config *cfg);
    void (*free)(struct arc_cipher *c);
    enum arc_status (*seal)(struct arc_cipher *c,
                            const struct arc_cipher_job *job);
    enum arc_status (*open)(struct arc_cipher *c,
                            const struct arc_cipher_job *job);
};

/** First member of every backend's cipher. */
struct arc_cipher {
    const struct arc_cipher_ops *ops;
    int32_t kind;
    int32_t key_len;
    size_t  tag_bytes;
};

/** Where the body comes from. */
static inline const uint8_t *arc_cipher_body(const struct arc_cipher_job *job)
{
    return job->body ? job->body : job->data + job->head_len;
}

/** The one reason that may pass: it is not remembered. */
extern const char arc_cipher_no_memory[];

extern const struct arc_cipher_ops arc_cipher_openssl;
extern const struct arc_cipher_ops arc_cipher_ipsecmb;

#endif
