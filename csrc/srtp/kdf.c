/**
 * @file srtp/kdf.c  From the master key to the session keys of SRTP
 */
#include <string.h>

#include "base/mem.h"
#include "srtp/cipher.h"
#include "srtp/kdf.h"

/* RFC 3711 §4.3.1: key_id = label || r, r of 48 bits, under the end of the salt. */
enum { R_BYTES = 6, LABEL_AT = ARC_KDF_SALT_BYTES - 1 - R_BYTES };

enum arc_status arc_kdf_derive(const struct arc_kdf_input *in, int32_t label,
                               uint8_t *out, size_t len)
{
    uint8_t iv[ARC_CIPHER_IV_MAX_BYTES] = {0};
    enum arc_status status;

    if (!in->salt || label < ARC_KDF_RTP_ENCRYPTION ||
        label > ARC_KDF_EXT_SALT || in->r >> (8 * R_BYTES))
        return ARC_ERR_ARG;

    /* §4.3.3: the counter starts at x * 2^16. */
    memcpy(iv, in->salt, ARC_KDF_SALT_BYTES);
    iv[LABEL_AT] ^= (uint8_t)label;
    for (int i = 0; i < R_BYTES; i++)
        iv[LABEL_AT + 1 + i] ^= (uint8_t)(in->r >> (8 * (R_BYTES - 1 - i)));
    status = arc_cipher_keystream(in->key, in->key_len, iv, out, len);
    arc_mem_wipe(iv, sizeof(iv));
    return status;
}
