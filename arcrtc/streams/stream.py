"""What a stream is: its settings, its states, and which state may follow which."""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from uuid import UUID

from arcrtc.errors import ConfigError


class MediaType(str, Enum):
    """What a stream carries."""

    AUDIO = "audio"
    VIDEO = "video"


class StreamState(str, Enum):
    """Where a stream is in its life. All but CLOSED are live: they hold their SSRC."""

    CREATED = "created"
    ACTIVE = "active"
    PAUSED = "paused"
    CLOSED = "closed"


#: The life of a stream: CREATED -> ACTIVE <-> PAUSED -> CLOSED. What is not here is refused.
TRANSITIONS: Final[dict[StreamState, frozenset[StreamState]]] = {
    StreamState.CREATED: frozenset({StreamState.ACTIVE}),
    StreamState.ACTIVE: frozenset({StreamState.PAUSED}),
    StreamState.PAUSED: frozenset({StreamState.ACTIVE, StreamState.CLOSED}),
    StreamState.CLOSED: frozenset(),
}


def _check_int(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name}={value!r} is outside {low}..{high}")


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """Settings of one stream.

    :ivar user_id: whose stream it is.
    :ivar media_type: audio or video; the text ``"audio"`` or ``"video"`` will do.
    :ivar ssrc: 0..4294967295; None: a free random one is drawn (RFC 3550 section 8.1).
    :ivar payload_type: RTP payload type, 0..127.
    :ivar codec: name of the codec, not empty, as in SDP without regard to case: ``opus``, ``h264``.
    :ivar bitrate: target, 1..10**10 bit/s.
    :ivar srtp_config: keys of the stream, carried along unopened and never shown; None: none.
    :raises ConfigError: out of range; names the field.
    """

    user_id: UUID
    media_type: MediaType
    ssrc: int | None = None
    payload_type: int = 96
    codec: str = "opus"
    bitrate: int = 32_000
    srtp_config: object | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.user_id, UUID):
            raise ConfigError(f"user_id={self.user_id!r} is not a uuid.UUID")
        try:
            object.__setattr__(self, "media_type", MediaType(self.media_type))
        except ValueError:
            raise ConfigError(f"media_type={self.media_type!r} is neither audio nor video") from None
        if self.ssrc is not None:
            _check_int("ssrc", self.ssrc, 0, 2**32 - 1)
        _check_int("payload_type", self.payload_type, 0, 127)
        if not isinstance(self.codec, str) or not self.codec.strip():
            raise ConfigError(f"codec={self.codec!r} is not the name of a codec")
        _check_int("bitrate", self.bitrate, 1, 10**10)


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as it was when it was asked for; later changes do not show in it.

    :ivar stream_id: name of the stream in its manager.
    :ivar config: as given at creation.
    :ivar ssrc: the SSRC in use, drawn or given.
    :ivar state: CREATED at first.
    :ivar created_us: when it was created, and ``state_since_us`` when it came into its state:
        microseconds of the manager's monotonic clock.
    """

    stream_id: UUID
    config: StreamConfig
    ssrc: int
    state: StreamState
    created_us: int
    state_since_us: int

    @property
    def user_id(self) -> UUID:
        """Whose stream it is."""
        return self.config.user_id

    @property
    def media_type(self) -> MediaType:
        """Audio or video."""
        return self.config.media_type

    @property
    def is_live(self) -> bool:
        """Whether it holds its SSRC: in every state but CLOSED."""
        return self.state is not StreamState.CLOSED
