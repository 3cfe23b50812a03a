"""Secure RTP and RTCP (C modules ``srtp/*``).

Sources: RFC 3711 (AES-CM, HMAC-SHA1, MKI, key derivation), RFC 6188 (AES-256),
RFC 7714 (AES-GCM), RFC 6904 (encrypted header extensions).
"""
from __future__ import annotations

from arcrtc.srtp.batch import PacketBatch
from arcrtc.srtp.config import SrtpConfig, SrtpProfile
from arcrtc.srtp.pipeline import KeyEvent, KeyEventType, SrtpPipeline, SrtpStats

__all__ = ["KeyEvent", "KeyEventType", "PacketBatch", "SrtpConfig", "SrtpPipeline", "SrtpProfile", "SrtpStats"]
