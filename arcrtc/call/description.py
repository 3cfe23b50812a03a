"""Between streams and session descriptions: what is written for others, and read from them."""
from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from arcrtc.errors import ConfigError, MediaError, ParseError
from arcrtc.sdp import CRYPTO_SUITES, MAX_TEXT_BYTES, CryptoAttribute, MediaDescription, SessionDescription
from arcrtc.srtp import SrtpConfig, SrtpProfile

#: Name of each profile as a=crypto has it (RFC 4568 section 6.2, RFC 6188 section 4, RFC 7714 section 14.1).
SUITES: Final[dict[str, SrtpProfile]] = {
    "AES_CM_128_HMAC_SHA1_80": SrtpProfile.AES128_CM_HMAC_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": SrtpProfile.AES128_CM_HMAC_SHA1_32,
    "AES_256_CM_HMAC_SHA1_80": SrtpProfile.AES256_CM_HMAC_SHA1_80,
    "AES_256_CM_HMAC_SHA1_32": SrtpProfile.AES256_CM_HMAC_SHA1_32,
    "AEAD_AES_128_GCM": SrtpProfile.AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": SrtpProfile.AEAD_AES_256_GCM,
}


def crypto_of(config: SrtpConfig) -> CryptoAttribute:
    """The a=crypto attribute of a key.

    :raises ConfigError: the salt is longer than the suite's in SDP.
    """
    suite = next(name for name, profile in SUITES.items() if profile is config.profile)
    salt_bytes = CRYPTO_SUITES[suite][1]
    if any(config.master_salt[salt_bytes:]):
        raise ConfigError(f"the key has a salt of {len(config.master_salt)} bytes; in SDP {suite} has {salt_bytes}")
    return CryptoAttribute(1, suite, config.master_key + config.master_salt[:salt_bytes])


def srtp_of(media: MediaDescription) -> SrtpConfig | None:
    """The key of a media section; None: it is plain RTP.

    :raises ConfigError: it is encrypted, but no key is in it that we can use.
    """
    if media.crypto:
        crypto = media.crypto[0]
        return SrtpConfig(crypto.master_key, crypto.master_salt, profile=SUITES[crypto.suite])
    if "SAVP" in media.profile:
        raise ConfigError(f"the {media.kind} section is {media.profile}, but has no key that can be used: "
                          f"one a=crypto line with {', '.join(CRYPTO_SUITES)}")
    return None


def describe_audio(port: int, payload_type: int, *, channels: int, srtp: SrtpConfig | None) -> MediaDescription:
    """The section of an Opus stream that is received at ``port``."""
    stereo = "1" if channels == 2 else "0"
    return MediaDescription(
        "audio", port, payload_type, "opus", 48_000, 2,
        {"sprop-stereo": stereo, "stereo": stereo, "useinbandfec": "1"}, ptime_ms=20, direction="sendonly",
        crypto=(crypto_of(srtp),) if srtp else ())


def describe_video(port: int, payload_type: int, *, srtp: SrtpConfig | None) -> MediaDescription:
    """The section of an H.264 stream that is received at ``port``."""
    return MediaDescription(
        "video", port, payload_type, "h264", 90_000, fmtp={"packetization-mode": "1"}, direction="sendonly",
        crypto=(crypto_of(srtp),) if srtp else ())


def write_sdp(path: Path, description: SessionDescription) -> None:
    """Write a description, whole or not at all, for its owner's eyes only: it may hold keys.

    :raises MediaError: it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="") as file:
            file.write(description.to_text())
        part.replace(path)
    except OSError as error:
        raise MediaError(f"--sdp {path}: cannot be written: {error.strerror or error}") from error


def read_sdp(path: Path) -> SessionDescription:
    """Read a description.

    :raises MediaError: it cannot be read. :raises ParseError: it is none; the message names the file.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise MediaError(f"--sdp {path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise ParseError(f"--sdp {path}: not text") from None
    try:
        return SessionDescription.parse(text)
    except ParseError as error:
        raise ParseError(f"--sdp {path}: {error}") from None
