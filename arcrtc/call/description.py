"""Between streams and session descriptions: what is written for others, and read from them."""
from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from arcrtc.audio.codecs import find_codec
from arcrtc.errors import ConfigError, MediaError, NegotiationError, ParseError
from arcrtc.redundancy import RedConfig
from arcrtc.sdes import CRYPTO_SUITES, CryptoAttribute, CryptoPolicy, choose
from arcrtc.sdp import MAX_TEXT_BYTES, MediaDescription, SessionDescription
from arcrtc.srtp import SrtpConfig
from arcrtc.video.config import VideoCodec
from arcrtc.video.parameters import Av1Parameters, Vp9Parameters

#: A stream of ours has one key for both directions, known from the start.
_POLICY: Final = CryptoPolicy(max_keys=1)


def srtp_of(media: MediaDescription) -> SrtpConfig | None:
    """The key of a media section; None: it is plain RTP.

    :raises ConfigError: it is encrypted, but no key is in it that we can use.
    """
    if not media.crypto and "SAVP" not in media.profile:
        return None
    try:
        crypto = choose(media.crypto, _POLICY)
    except NegotiationError as error:
        raise ConfigError(f"the {media.kind} section is {media.profile}, but has no key that can be used: "
                          f"{error}; the suites are {', '.join(CRYPTO_SUITES)}") from None
    return crypto.to_config(encrypted_extensions=media.encrypted_extensions)


def packet_ms(codec: str, channels: int) -> int:
    """Audio in a packet of this codec; L16 takes 96 bytes a millisecond and channel."""
    return 20 if codec != "l16" else 10 // channels


def describe_audio(port: int, payload_type: int, *, channels: int, srtp: SrtpConfig | None, codec: str = "opus",
                   red: RedConfig | None = None) -> MediaDescription:
    """The section of an audio stream, at the codec's default rate, that is received at ``port``.

    :param red: copies that are in it, of Opus; None: none.
    """
    audio = find_codec(codec)
    if audio.name != "opus":
        return MediaDescription(
            "audio", port, payload_type, audio.name, audio.clock_rate(audio.default_rate), channels,
            ptime_ms=packet_ms(codec, channels), direction="sendonly",
            crypto=(CryptoAttribute.from_config(srtp),) if srtp else ())
    stereo = "1" if channels == 2 else "0"
    return MediaDescription(
        "audio", port, payload_type, "opus", 48_000, 2,
        {"sprop-stereo": stereo, "stereo": stereo, "useinbandfec": "1"}, ptime_ms=20, direction="sendonly",
        red_payload_type=red.payload_type if red is not None else None,
        crypto=(CryptoAttribute.from_config(srtp),) if srtp else ())


def describe_video(port: int, payload_type: int, *, srtp: SrtpConfig | None, codec: VideoCodec = VideoCodec.H264,
                   size: tuple[int, int] = (1280, 720), frame_rate: float = 30) -> MediaDescription:
    """The section of a stream of pictures that is received at ``port``."""
    fmtp = {
        VideoCodec.H264: {"packetization-mode": "1"}, VideoCodec.VP8: {}, VideoCodec.VP9: Vp9Parameters().fmtp,
        VideoCodec.AV1: Av1Parameters.for_size(*size, frame_rate).fmtp,
    }[codec]
    return MediaDescription(
        "video", port, payload_type, codec.value, 90_000, fmtp=fmtp, direction="sendonly",
        crypto=(CryptoAttribute.from_config(srtp),) if srtp else ())


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
