/**
 * @file srtp/kdf.h  From the master key to the session keys of SRTP
 *
 * The AES-CM pseudo-random function of RFC 3711 §4.3, with 128 and 256 bit
 * master keys (RFC 6188 §3).
 *
 * Owner:   the caller, of all buffers; nothing is kept.
 * Threads: any.
 */
#ifndef ARC_SRTP_KDF_H
#define ARC_SRTP_KDF_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ARC_CDEF_BEGIN */
#define ARC_KDF_SALT_BYTES 14 /* 112 bits, RFC 3711 §4.3.1 */

enum arc_kdf_label { /* RFC 3711 §4.3.2 */
    ARC_KDF_RTP_ENCRYPTION      = 0,
    ARC_KDF_RTP_AUTHENTICATION  = 1,
    ARC_KDF_RTP_SALT            = 2,
    ARC_KDF_RTCP_ENCRYPTION     = 3,
    ARC_KDF_RTCP_AUTHENTICATION = 4,
    ARC_KDF_RTCP_SALT           = 5,
    ARC_KDF_EXT_ENCRYPTION      = 6, /* header extensions: RFC 6904 §3 */
    ARC_KDF_EXT_SALT            = 7,
};

struct arc_kdf_input {
    const uint8_t *key;     /* master key                                     */
    size_t         key_len; /* bytes: 16 or 32                                */
    const uint8_t *salt;    /* master salt, 14 bytes. The 96 bit salt of
                               AES-GCM stands in front of two zero bytes
                               (RFC 7714 §11)                                 */
    uint64_t       r;       /* packet index DIV key derivation rate, 48 bits;
                               0 where the rate is 0. SRTCP: of its index     */
};

/**
 * Derive one session key, authentication key or salt.
 *
 * @param label   enum arc_kdf_label
 * @param out     Result
 * @param len     Bytes wanted; at most 2^20
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_LIBRARY
 */
enum arc_status arc_kdf_derive(const struct arc_kdf_input *in, int32_t label,
                               uint8_t *out, size_t len);
/* ARC_CDEF_END */

#endif
