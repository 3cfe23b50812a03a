"""Crypto suites: what a name in ``a=crypto`` stands for.

Source: RFC 4568 section 6.2, RFC 6188 section 4, RFC 7714 section 14.1.
"""
from __future__ import annotations

from typing import Final

from arcrtc.srtp import SrtpProfile

#: Profile of each suite, the strongest first.
SUITE_PROFILES: Final[dict[str, SrtpProfile]] = {
    "AEAD_AES_256_GCM": SrtpProfile.AEAD_AES_256_GCM,
    "AEAD_AES_128_GCM": SrtpProfile.AEAD_AES_128_GCM,
    "AES_256_CM_HMAC_SHA1_80": SrtpProfile.AES256_CM_HMAC_SHA1_80,
    "AES_CM_128_HMAC_SHA1_80": SrtpProfile.AES128_CM_HMAC_SHA1_80,
    "AES_256_CM_HMAC_SHA1_32": SrtpProfile.AES256_CM_HMAC_SHA1_32,
    "AES_CM_128_HMAC_SHA1_32": SrtpProfile.AES128_CM_HMAC_SHA1_32,
}

#: Bytes of master key and master salt of each suite.
CRYPTO_SUITES: Final[dict[str, tuple[int, int]]] = {
    suite: (profile.key_bytes, profile.salt_bytes[0]) for suite, profile in SUITE_PROFILES.items()
}


def suite_of(profile: SrtpProfile) -> str:
    """Name of a profile in ``a=crypto``."""
    return next(suite for suite, p in SUITE_PROFILES.items() if p is profile)
