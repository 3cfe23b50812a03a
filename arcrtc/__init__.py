"""arcrtc: real-time media engine. C moves packets and samples; Python decides."""
from __future__ import annotations

from arcrtc.errors import (
    ArcError,
    ArgumentError,
    AuthenticationError,
    BufferSpaceError,
    CodecError,
    ConfigError,
    InvalidTransitionError,
    LibraryError,
    LimitError,
    MediaError,
    NoMemoryError,
    PacketTooLargeError,
    ParseError,
    ReplayError,
    SsrcCollisionError,
    StreamNotFoundError,
    TransportError,
    UnsupportedError,
)

__version__ = "0.1.0"

__all__ = [
    "ArcError",
    "ArgumentError",
    "AuthenticationError",
    "BufferSpaceError",
    "CodecError",
    "ConfigError",
    "InvalidTransitionError",
    "LibraryError",
    "LimitError",
    "MediaError",
    "NoMemoryError",
    "PacketTooLargeError",
    "ParseError",
    "ReplayError",
    "SsrcCollisionError",
    "StreamNotFoundError",
    "TransportError",
    "UnsupportedError",
]
