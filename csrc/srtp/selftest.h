/**
 * @file srtp/selftest.h  Known answers that a cipher backend must give before it is used
 *
 * One packet for each kind and key length is sealed and opened; then one bit of
 * it is wrong, which must be refused and leave every byte as it came. The
 * answers were made by another implementation (tests/model/srtp_plain.py) and
 * are checked against the vectors of the RFCs there.
 *
 * Owner:   no state.
 * Threads: any.
 */
#ifndef ARC_SRTP_SELFTEST_H
#define ARC_SRTP_SELFTEST_H

#include "srtp/cipher_backend.h"

/** @return NULL: every answer is right; else which one is not, in English */
const char *arc_cipher_selftest(const struct arc_cipher_ops *ops);

#endif
