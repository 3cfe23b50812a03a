/**
 * @file tests/fuzz/fuzz_srtp_unprotect.c  Hostile and damaged SRTP and SRTCP
 *
 * Input: one byte of choice (bits 0..2 profile, bit 3 RTCP), then records of
 * one length byte and as many bytes. Each record goes in three ways: as it is,
 * off the network; as a packet that our own sender protects (so that the code
 * behind the tag is reached); and as that packet with one byte damaged.
 *
 * Beyond memory faults it checks: a packet that fails keeps its bytes and lets
 * the true one in after it; a packet that passes is what was sent.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "srtp/cipher.h"
#include "srtp/srtcp.h"
#include "srtp/srtp.h"

enum { CAP = 512 };

static const int32_t profiles[] = {
    ARC_SRTP_AEAD_AES_128_GCM,       ARC_SRTP_AEAD_AES_256_GCM,
    ARC_SRTP_AES128_CM_HMAC_SHA1_80, ARC_SRTP_AES128_CM_HMAC_SHA1_32,
    ARC_SRTP_AES256_CM_HMAC_SHA1_80, ARC_SRTP_AES256_CM_HMAC_SHA1_32,
};

static void must(int condition)
{
    if (!condition)
        abort();
}

/* What the bits of the first byte choose, beside the profile. */
enum { RTCP = 8, OPENSSL = 16, WITH_MKI = 32, WITH_RATE = 64, WITH_EXT = 128 };

static struct arc_srtp *make(uint8_t options)
{
    const int32_t profile = profiles[(options & 7) % 6];
    struct arc_srtp_config cfg;
    struct arc_srtp *s = NULL;

    memset(&cfg, 0, sizeof(cfg));
    memset(cfg.master_key, 7, sizeof(cfg.master_key));
    memset(cfg.mki, 9, sizeof(cfg.mki));
    cfg.backend = options & OPENSSL ? ARC_CIPHER_OPENSSL : ARC_CIPHER_AUTO;
    cfg.mki_len = options & WITH_MKI ? 3 : 0;
    cfg.derivation_rate = options & WITH_RATE ? 4 : 0;
    memset(cfg.ext_ids, options & WITH_EXT ? 0x52 : 0, sizeof(cfg.ext_ids));
    cfg.profile     = profile;
    cfg.key_len     = profile == ARC_SRTP_AEAD_AES_256_GCM ||
                      profile >= ARC_SRTP_AES256_CM_HMAC_SHA1_80 ? 32 : 16;
    cfg.salt_len    = 14;
    cfg.window_pkts = 64;
    cfg.max_streams = 4;
    cfg.limit_pkts  = 0;
    must(arc_srtp_new(&cfg, &s) == ARC_OK);
    return s;
}

/** Unprotect from a heap block of the exact size, so that ASan sees a byte too
 *  many. A failure must leave the bytes. */
static enum arc_status receive(struct arc_srtp *s, int rtcp,
                               const uint8_t *wire, size_t len, uint8_t *out,
                               size_t *out_len)
{
    uint8_t *data = malloc(len ? len : 1);
    enum arc_status status;

    must(data != NULL);
    memcpy(data, wire, len);
    status = rtcp ? arc_srtp_unprotect_rtcp(s, data, len, out_len)
                  : arc_srtp_unprotect(s, data, len, out_len);
    if (status == ARC_OK)
        memcpy(out, data, *out_len);
    else
        must(memcmp(data, wire, len) == 0);
    free(data);
    return status;
}

static void record(struct arc_srtp *sender, struct arc_srtp *receiver, int rtcp,
                   const uint8_t *bytes, size_t len)
{
    uint8_t wire[CAP], damaged[CAP], out[CAP];
    struct arc_srtp_stats before, after;
    enum arc_status status;
    size_t wire_len, out_len = 0;

    receive(receiver, rtcp, bytes, len, out, &out_len);

    memcpy(wire, bytes, len);
    status = rtcp ? arc_srtp_protect_rtcp(sender, wire, len, CAP, &wire_len)
                  : arc_srtp_protect(sender, wire, len, CAP, &wire_len);
    if (status)
        return;

    memcpy(damaged, wire, wire_len);
    damaged[bytes[len - 1] % wire_len] ^= (uint8_t)(bytes[len / 2] | 1);
    arc_srtp_get_stats(receiver, &before);
    must(receive(receiver, rtcp, damaged, wire_len, out, &out_len) != ARC_OK);
    arc_srtp_get_stats(receiver, &after);
    must(before.recv_streams == after.recv_streams);
    must(before.rtp_received == after.rtp_received);
    must(before.rtcp_received == after.rtcp_received);

    if (receive(receiver, rtcp, wire, wire_len, out, &out_len) == ARC_OK) {
        must(out_len == len && memcmp(out, bytes, len) == 0);
        must(receive(receiver, rtcp, wire, wire_len, out, &out_len) ==
             ARC_ERR_REPLAY);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t live = arc_mem_live_blocks();
    struct arc_srtp *sender, *receiver;

    if (size < 1)
        return 0;
    sender   = make(data[0]);
    receiver = make(data[0]);
    for (size_t at = 1; at < size;) {
        size_t len = data[at++];

        if (len > size - at)
            len = size - at;
        record(sender, receiver, data[0] & RTCP, data + at, len);
        at += len;
    }
    arc_srtp_free(sender);
    arc_srtp_free(receiver);
    must(arc_mem_live_blocks() == live);
    return 0;
}
