/**
 * @file srtp/cipher_ipsecmb.h  What the files on ipsec-mb share
 *
 * Not for others: cipher_ipsecmb*.c are the only files that include the library.
 *
 * Owner:   the caller.
 * Threads: any, but for the manager: one at a time.
 */
#ifndef ARC_SRTP_CIPHER_IPSECMB_H
#define ARC_SRTP_CIPHER_IPSECMB_H

#include <intel-ipsec-mb.h>

#include "srtp/cipher_backend.h"

/** Expanded keys of an AES-CM cipher with HMAC-SHA1, aligned as the lanes want. */
struct arc_ipsecmb_cm {
    struct arc_cipher  base;
    struct arc_cipher *single; /* OpenSSL: one packet has no other to share with */
    uint32_t enc_key[4 * 15] __attribute__((aligned(16)));
    uint8_t  inner[20] __attribute__((aligned(16))); /* SHA-1 of key ^ ipad */
    uint8_t  outer[20] __attribute__((aligned(16))); /* ... key ^ opad      */
};

/** A manager in memory of ours, not set up for any processor; NULL: no memory. */
IMB_MGR *arc_ipsecmb_manager(void);

#endif
