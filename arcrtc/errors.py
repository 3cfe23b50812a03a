"""One class per fault. Every error of this package is an :class:`ArcError`.

Each class also derives from the built-in that fits it, so that code which knows
nothing of arcrtc can still catch ``ValueError`` or ``OSError``.
"""
from __future__ import annotations


class ArcError(Exception):
    """Base of every error that arcrtc raises."""


class ArgumentError(ArcError, ValueError):
    """A caller's argument is out of range, of the wrong size, or does not fit the state."""


class ConfigError(ArgumentError):
    """A configuration value, TOML key or environment variable is not allowed."""


class NoMemoryError(ArcError, MemoryError):
    """The core could not allocate; the object is as it was before the call."""


class BufferSpaceError(ArcError, BufferError):
    """An output buffer is smaller than the call documents."""


class ParseError(ArcError, ValueError):
    """Bytes do not follow the wire format that they claim to follow."""


class NegotiationError(ArcError, ValueError):
    """Offer and answer leave nothing that both sides can use."""


class AuthenticationError(ArcError, ValueError):
    """The authentication tag of a protected packet does not match (RFC 3711 section 3.3)."""


class ReplayError(ArcError, ValueError):
    """A protected packet was accepted before, or is older than the replay window."""


class LimitError(ArcError, RuntimeError):
    """A key or a table has reached its stated limit (RFC 3711 section 9.2)."""


class UnsupportedError(ArcError, RuntimeError):
    """This build or this machine cannot do it; the message says why."""


class CodecError(ArcError, ValueError):
    """A codec refused its input or its configuration."""


class PacketTooLargeError(ArcError, ValueError):
    """A frame does not fit into the one packet that was asked for; packetize() makes several."""


class TransportError(ArcError, OSError):
    """The operating system refused a socket operation."""


class LibraryError(ArcError, RuntimeError):
    """A linked library failed where it must not, or is not the one that was compiled against."""


class StreamNotFoundError(ArcError, KeyError):
    """No stream has this id."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class InvalidTransitionError(ArcError, ValueError):
    """A stream cannot go from its state to the one asked for."""


class SsrcCollisionError(ArcError, ValueError):
    """Another live stream already uses this SSRC (RFC 3550 section 8.2)."""


class MediaError(ArcError, OSError):
    """A media file cannot be opened, read or written."""


class SimulationError(ArcError, RuntimeError):
    """A simulated or relayed network cannot go on; the message names the endpoint or the cause."""
