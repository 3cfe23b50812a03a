/**
 * @file srtp/kdf.h  From the master key to the session keys of SRTP
 *
 * The AES-CM pseudo-random function of RFC 3711 §4.3, with 128 and 256 bit
 * master keys (RFC 6188 §3). The key derivation rate is 0: one derivation for
 * the life of a master key, as every profile here prescribes.
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
};

/**
 * Derive one session key, authentication key or salt.
 *
 * @param key     Master key
 * @param key_len Its bytes: 16 or 32
 * @param salt    Master salt, 14 bytes. The 96 bit salt of AES-GCM stands in
 *                front of two zero bytes (RFC 7714 §11)
 * @param label   enum arc_kdf_label
 * @param out     Result
 * @param len     Bytes wanted; at most 2^20
 *
 * @return ARC_OK, ARC_ERR_ARG or ARC_ERR_LIBRARY
 */
enum arc_status arc_kdf_derive(const uint8_t *key, size_t key_len,
                               const uint8_t *salt, int32_t label, uint8_t *out,
                               size_t len);
/* ARC_CDEF_END */

#endif
