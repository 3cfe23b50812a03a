"""The streams of a node. Control only: no packet passes here."""
from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from random import Random, SystemRandom
from typing import Final
from uuid import UUID

from arcrtc.errors import (
    ConfigError,
    InvalidTransitionError,
    LimitError,
    SsrcCollisionError,
    StreamNotFoundError,
)
from arcrtc.streams.stream import TRANSITIONS, MediaType, Stream, StreamConfig, StreamState

MAX_STREAMS: Final = 10_000


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """A change in the life of a stream.

    :ivar previous: state before it; None: the stream was created.
    :ivar state: state after it; None: the stream was removed.
    :ivar at_us: when, microseconds of the manager's clock.
    """

    stream_id: UUID
    previous: StreamState | None
    state: StreamState | None
    at_us: int


@dataclass(frozen=True, slots=True)
class StreamManagerStats:
    """Figures of a manager.

    ``by_state`` and ``by_media_type`` count the streams it holds now; ``active_bitrate_bps`` is the sum of
    the targets of the active ones; the rest counts since the start.
    """

    streams: int
    by_state: dict[StreamState, int]
    by_media_type: dict[MediaType, int]
    active_bitrate_bps: int
    created_total: int
    removed_total: int
    collisions_total: int
    events_dropped_total: int


class StreamManager:
    """Creates, finds and ends streams, and keeps their SSRCs apart.

    Thread-safe: one lock, never held while other code runs. Nothing calls back; changes are taken with
    :meth:`events`. Bounded: ``max_streams`` streams (closed ones count until they are removed), and
    ``max_events`` events, of which the oldest is dropped and counted.

    :param max_streams: 1..1000000.
    :param max_events: changes kept for events(), 1..1000000.
    :param seed: makes the ids and drawn SSRCs repeatable, for tests and simulations; None: unguessable.
    :raises ConfigError: out of range.
    """

    def __init__(self, *, max_streams: int = MAX_STREAMS, max_events: int = 4096,
                 seed: int | None = None) -> None:
        for name, value in (("max_streams", max_streams), ("max_events", max_events)):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000:
                raise ConfigError(f"{name}={value!r} is outside 1..1000000")
        self._lock = threading.Lock()
        self._max_streams = max_streams
        self._random: Random = SystemRandom() if seed is None else Random(seed)
        self._streams: dict[UUID, Stream] = {}
        self._live: dict[int, UUID] = {}  # SSRC to the live stream that holds it
        self._events: deque[StreamEvent] = deque(maxlen=max_events)
        self._created = self._removed = self._collisions = self._dropped = 0

    def create_stream(self, config: StreamConfig, *, now_us: int | None = None) -> UUID:
        """Make a stream in the state CREATED.

        :param now_us: microseconds of a monotonic clock; None: it is read.
        :returns: its id.
        :raises SsrcCollisionError: a live stream uses ``config.ssrc``.
        :raises LimitError: ``max_streams`` are there.
        """
        at_us = _now_us(now_us)
        with self._lock:
            if len(self._streams) >= self._max_streams:
                raise LimitError(f"create_stream: there are {self._max_streams} streams, the limit")
            if config.ssrc is None:
                ssrc = self._draw_ssrc()
            elif config.ssrc in self._live:
                self._collisions += 1
                raise SsrcCollisionError(
                    f"ssrc {config.ssrc:#010x} is in use by stream {self._live[config.ssrc]}")
            else:
                ssrc = config.ssrc
            stream_id = UUID(int=self._random.getrandbits(128), version=4)
            self._streams[stream_id] = Stream(stream_id, config, ssrc, StreamState.CREATED, at_us, at_us)
            self._live[ssrc] = stream_id
            self._created += 1
            self._emit(stream_id, None, StreamState.CREATED, at_us)
        return stream_id

    def _draw_ssrc(self) -> int:
        # 0 is legal but stands for "unknown" in too many programs; at most 10**6 of 2**32 are taken.
        while (ssrc := self._random.getrandbits(32)) == 0 or ssrc in self._live:
            pass
        return ssrc

    def get_stream(self, stream_id: UUID) -> Stream:
        """The stream as it is now.

        :raises StreamNotFoundError: no stream has this id.
        """
        with self._lock:
            return self._find(stream_id)

    def find_ssrc(self, ssrc: int) -> Stream | None:
        """The live stream that uses an SSRC; None: it is free."""
        with self._lock:
            stream_id = self._live.get(ssrc)
            return None if stream_id is None else self._streams[stream_id]

    def streams(self, *, user_id: UUID | None = None, state: StreamState | None = None) -> list[Stream]:
        """The streams as they are now, in the order of creation; arguments that are not None choose."""
        with self._lock:
            return [s for s in self._streams.values()
                    if (user_id is None or s.user_id == user_id) and (state is None or s.state is state)]

    def update_stream_state(self, stream_id: UUID, state: StreamState, *,
                            now_us: int | None = None) -> Stream:
        """Move a stream on: CREATED -> ACTIVE <-> PAUSED -> CLOSED. CLOSED frees its SSRC.

        :returns: the stream after it.
        :raises StreamNotFoundError: no stream has this id.
        :raises InvalidTransitionError: from its state there is no way to ``state``; nothing changes.
        """
        at_us = _now_us(now_us)
        with self._lock:
            stream = self._find(stream_id)
            allowed = TRANSITIONS[stream.state]
            if state not in allowed:
                ways = ", ".join(s.value for s in StreamState if s in allowed) or "nothing"
                wanted = state.value if isinstance(state, StreamState) else repr(state)
                raise InvalidTransitionError(
                    f"stream {stream_id} is {stream.state.value} and cannot become {wanted}; "
                    f"{stream.state.value} may be followed by {ways}")
            moved = replace(stream, state=StreamState(state), state_since_us=at_us)
            self._streams[stream_id] = moved
            if not moved.is_live:
                del self._live[stream.ssrc]
            self._emit(stream_id, stream.state, moved.state, at_us)
        return moved

    def remove_stream(self, stream_id: UUID, *, now_us: int | None = None) -> Stream:
        """Forget a stream, whatever its state, and free its SSRC.

        :returns: the stream as it was last.
        :raises StreamNotFoundError: no stream has this id.
        """
        at_us = _now_us(now_us)
        with self._lock:
            stream = self._find(stream_id)
            del self._streams[stream_id]
            if stream.is_live:
                del self._live[stream.ssrc]
            self._removed += 1
            self._emit(stream_id, stream.state, None, at_us)
        return stream

    def events(self) -> list[StreamEvent]:
        """Take the changes since the last call, oldest first."""
        with self._lock:
            taken = list(self._events)
            self._events.clear()
        return taken

    def stats(self) -> StreamManagerStats:
        """The figures as they are now."""
        with self._lock:
            held = list(self._streams.values())
            totals = (self._created, self._removed, self._collisions, self._dropped)
        return StreamManagerStats(
            len(held),
            {state: sum(s.state is state for s in held) for state in StreamState},
            {media: sum(s.media_type is media for s in held) for media in MediaType},
            sum(s.config.bitrate for s in held if s.state is StreamState.ACTIVE),
            *totals)

    def __len__(self) -> int:
        return len(self._streams)

    def __contains__(self, stream_id: object) -> bool:
        return stream_id in self._streams

    def _find(self, stream_id: UUID) -> Stream:
        try:
            return self._streams[stream_id]
        except (KeyError, TypeError):
            raise StreamNotFoundError(f"no stream {stream_id}") from None

    def _emit(self, stream_id: UUID, previous: StreamState | None, state: StreamState | None,
              at_us: int) -> None:
        self._dropped += len(self._events) == self._events.maxlen
        self._events.append(StreamEvent(stream_id, previous, state, at_us))


def _now_us(now_us: int | None) -> int:
    return time.monotonic_ns() // 1000 if now_us is None else now_us
