"""Keys of SRTP in session descriptions: ``a=crypto`` lines, and offer and answer with them.

Each side writes the keys it sends with. A description with keys must itself travel
protected, and be kept from others' eyes (RFC 4568 section 8).

Source: RFC 4568; suites of RFC 6188 and RFC 7714.
"""
from __future__ import annotations

from arcrtc.sdes.attribute import CryptoAttribute, parse_lines
from arcrtc.sdes.key import CryptoKey
from arcrtc.sdes.negotiation import CryptoPolicy, check_answer, choose, make_answer, make_offer
from arcrtc.sdes.parameters import SessionParameters
from arcrtc.sdes.suites import CRYPTO_SUITES, SUITE_PROFILES, suite_of

__all__ = ["CRYPTO_SUITES", "SUITE_PROFILES", "CryptoAttribute", "CryptoKey", "CryptoPolicy", "SessionParameters",
           "check_answer", "choose", "make_answer", "make_offer", "parse_lines", "suite_of"]
