"""One class per fault. Every error of this package is an :class:`ArcError`.

Each class also derives from the built-in that fits it, so that code which knows
nothing of arcrtc can still catch ``ValueError`` or ``OSError``.
"""
from __future__ import annotations

from enum import Enum


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


class BackpressureError(ArcError, RuntimeError):
    """A bounded queue is full: commands come faster than a thread takes them. Nothing was done; try again later."""


class ClosedError(ArgumentError):
    """The engine, peer or router was closed, or belongs to the process that this one was forked from."""


class UnsupportedError(ArcError, RuntimeError):
    """This build or this machine cannot do it; the message says why."""


class CodecError(ArcError, ValueError):
    """A codec refused its input or its configuration."""


class CorruptFrameError(CodecError):
    """A coded picture is damaged beyond decoding."""


class MissingReferenceError(CodecError):
    """A coded picture refers to one that never came: ask for a key frame."""


class NoKeyFrameError(CodecError):
    """No key frame has come that decoding could begin with: ask for one."""


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


class NoTargetError(ArcError, RuntimeError):
    """No engine thread or node can take a session; the message counts them by what stands against it."""


class RouteLoopError(ArcError, ValueError):
    """A relay between nodes would bring a track back to a node that has it already."""


class MediaError(ArcError, OSError):
    """A media file cannot be opened, read or written."""


class SimulationError(ArcError, RuntimeError):
    """A simulated or relayed network cannot go on; the message names the endpoint or the cause."""


class KeyStoreFault(str, Enum):
    """Why a key store cannot be used: ``KeyStoreError.reason``."""

    BUSY = "busy"  # another program writes, longer than busy_timeout_s
    CHANGED = "changed"  # another program changed the passphrase: open the store again
    CLOSED = "closed"  # closed, or opened before a fork
    CONFLICT = "conflict"  # another writer was first; KeyStore tries again
    DAMAGED = "damaged"  # bytes are not what was written
    FILE_MODE = "file_mode"  # others may read or write a file, or own it
    FOREIGN = "foreign"  # not a key store
    FULL = "full"  # no room on the disk, or beyond a limit of file size
    IO = "io"  # the operating system refused
    NEWER_FORMAT = "newer_format"  # written by a later arcrtc
    NO_KEY_FILE = "no_key_file"  # the store needs its key file, which is not there
    NO_PASSPHRASE = "no_passphrase"  # the store needs its passphrase, which was not given
    TAMPERED = "tampered"  # a line of the audit trail was altered or removed
    USED_UP = "used_up"  # the data key has sealed as many values as it may
    WRONG_KEY_FILE = "wrong_key_file"  # the key file is whole, but of another store
    WRONG_PASSPHRASE = "wrong_passphrase"


class KeyStoreError(ArcError, OSError):
    """A key store cannot be opened, read or written; it is as it was before the call.

    :ivar reason: which fault; the message says what to do.
    """

    def __init__(self, message: str, reason: KeyStoreFault = KeyStoreFault.IO) -> None:
        super().__init__(message)
        self.reason = reason

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[type[KeyStoreError], tuple[str, KeyStoreFault]]:
        return type(self), (str(self), self.reason)


class KeyStorePermissionError(KeyStoreError, PermissionError):
    """A file of a key store may be read by others, or may not be read by this user."""


class KeyNotFoundError(ArcError, KeyError):
    """There is no key, or no key that is still valid, for this session and SSRC."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class KeyExistsError(ArcError, ValueError):
    """This session and SSRC have a valid key already: rotate or delete it."""
