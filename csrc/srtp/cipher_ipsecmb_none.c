/**
 * @file srtp/cipher_ipsecmb_none.c  The same names in a build without ipsec-mb
 */
#include "srtp/cipher_backend.h"
#include "srtp/cipherlanes.h"

#ifndef ARC_HAVE_IPSEC_MB

static const char *nothing(void)
{
    return "";
}

static const char *missing(void)
{
    return "not compiled in: ipsec-mb was not found when arcrtc was built";
}

/* The rest is never called: `missing` has an answer. */
const struct arc_cipher_ops arc_cipher_ipsecmb = {
    ARC_CIPHER_IPSECMB, "ipsecmb", nothing, nothing, missing,
    NULL,               NULL,      NULL,    NULL,    NULL,
};

bool arc_cipher_has_lanes(const struct arc_cipher *c)
{
    (void)c;
    return false;
}

enum arc_status arc_cipher_lanes_new(struct arc_cipher_lanes **out)
{
    (void)out;
    return ARC_ERR_UNSUPPORTED;
}

void arc_cipher_lanes_free(struct arc_cipher_lanes *l)
{
    (void)l;
}

static void refuse(struct arc_cipher_task **tasks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tasks[i]->status = ARC_ERR_UNSUPPORTED;
}

void arc_cipher_lanes_seal(struct arc_cipher_lanes *l,
                           struct arc_cipher_task **tasks, size_t n)
{
    (void)l;
    refuse(tasks, n);
}

void arc_cipher_lanes_verify(struct arc_cipher_lanes *l,
                             struct arc_cipher_task **tasks, size_t n)
{
    (void)l;
    refuse(tasks, n);
}

void arc_cipher_lanes_crypt(struct arc_cipher_lanes *l,
                            struct arc_cipher_task **tasks, size_t n)
{
    (void)l;
    refuse(tasks, n);
}
#endif
