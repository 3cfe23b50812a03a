/**
 * @file srtp/kdf.c  From the master key to the session keys of SRTP
 */
#include <string.h>

#include "base/mem.h"
#include "srtp/cipher.h"
#include "srtp/kdf.h"

/* The label is xored to bits 48..55 of the 112 bit salt: RFC 3711 §4.3.1,
 * key_id = label || r, with r = index DIV 0 = 0, 48 bits. */
enum { LABEL_AT = ARC_KDF_SALT_BYTES - 1 - 48 / 8 };

enum arc_status arc_kdf_derive(const uint8_t *key, size_t key_len,
                               const uint8_t *salt, int32_t label, uint8_t *out,
                               size_t len)
{
    uint8_t iv[ARC_CIPHER_IV_MAX_BYTES] = {0};
    enum arc_status status;

    if (!salt || label < ARC_KDF_RTP_ENCRYPTION || label > ARC_KDF_RTCP_SALT)
        return ARC_ERR_ARG;

    /* §4.3.3: the counter starts at x * 2^16. */
    memcpy(iv, salt, ARC_KDF_SALT_BYTES);
    iv[LABEL_AT] ^= (uint8_t)label;
    status = arc_cipher_keystream(key, key_len, iv, out, len);
    arc_mem_wipe(iv, sizeof(iv));
    return status;
}
