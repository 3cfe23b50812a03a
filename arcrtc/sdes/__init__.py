"""Keys in a session description: ``a=crypto`` (RFC 4568, RFC 6188, RFC 7714)."""
from __future__ import annotations

from arcrtc.sdes.attribute import CRYPTO_SUITES, CryptoAttribute

__all__ = ["CRYPTO_SUITES", "CryptoAttribute"]
