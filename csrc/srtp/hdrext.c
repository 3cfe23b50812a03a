/**
 * @file srtp/hdrext.c  Encrypted RTP header extensions (RFC 6904; declared in srtp/context.h)
 *
 * The key stream covers the extension from its first element; a mask leaves ids,
 * lengths, padding and the elements that stay plain as they are (§3). AES-GCM
 * takes the same counter mode stream (RFC 7714 §8.3).
 */
#include <string.h>

#include "srtp/context.h"
#include "wire/rtpext.h"

enum { CHUNK = 256, BLOCK_BYTES = 16 };

/** Key stream of an extension, made piece by piece as elements ask for it. */
struct stream {
    struct arc_cipher *cipher;
    uint8_t            iv[ARC_CIPHER_IV_MAX_BYTES];
    uint8_t            bytes[CHUNK];
    size_t             at; /* offset of bytes[0]; SIZE_MAX: nothing made yet */
};

/** Piece with the byte at `offset`. The last 16 bits of the IV count blocks. */
static bool make_piece(struct stream *k, size_t offset)
{
    struct arc_cipher_job job;
    uint8_t iv[ARC_CIPHER_IV_MAX_BYTES];
    size_t block;

    k->at = offset - offset % CHUNK;
    block = k->at / BLOCK_BYTES;
    memcpy(iv, k->iv, sizeof(iv));
    iv[14] = (uint8_t)(block >> 8);
    iv[15] = (uint8_t)block;
    memset(k->bytes, 0, sizeof(k->bytes));
    memset(&job, 0, sizeof(job));
    job.iv       = iv;
    job.data     = k->bytes;
    job.body_len = sizeof(k->bytes);
    return arc_cipher_seal(k->cipher, &job) == ARC_OK;
}

static bool crypt_element(struct stream *k, uint8_t *value, size_t offset,
                          size_t len)
{
    for (size_t i = 0; i < len; i++, offset++) {
        if (offset - k->at >= CHUNK && !make_piece(k, offset))
            return false;
        value[i] ^= k->bytes[offset - k->at];
    }
    return true;
}

static bool is_encrypted(const struct arc_srtp *s, uint8_t id)
{
    return s->ext_ids[id / 8] >> (id % 8) & 1;
}

/** Every element lies within the extension: none may slip through in clear. */
static bool elements_ok(const uint8_t *data, const struct arc_rtp *h)
{
    struct arc_rtpext_iter it;
    struct arc_rtpext_element e;
    enum arc_status status;

    arc_rtpext_iter_init(&it, data, h);
    while ((status = arc_rtpext_next(&it, &e)) == ARC_OK) {
    }
    return status == ARC_AGAIN;
}

enum arc_status arc_srtp_crypt_ext(const struct arc_srtp *s,
                                   struct arc_srtp_session *session,
                                   uint32_t ssrc, uint64_t index, uint8_t *data,
                                   size_t len)
{
    struct arc_rtpext_element e;
    struct arc_rtpext_iter it;
    struct stream k;
    struct arc_rtp h;

    if (arc_rtp_parse_header(data, len, &h) != ARC_OK)
        return ARC_ERR_FORMAT;
    if (!h.has_extension || !arc_rtpext_is_known(h.ext_profile))
        return ARC_OK;
    if (!elements_ok(data, &h))
        return ARC_ERR_FORMAT;

    k.cipher = session->ext_cipher;
    k.at     = SIZE_MAX - CHUNK; /* no offset is near it */
    arc_srtp_make_iv(session->ext_salt, false, ssrc, index, k.iv);
    arc_rtpext_iter_init(&it, data, &h);
    while (arc_rtpext_next(&it, &e) == ARC_OK) {
        const size_t offset = (size_t)(e.value - it.body);

        if (is_encrypted(s, e.id) &&
            !crypt_element(&k, data + h.ext_off + offset, offset, e.len))
            return ARC_ERR_LIBRARY;
    }
    return ARC_OK;
}
