"""The streams of a node. Control only: no packet passes here."""
from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, replace
from random import Random, SystemRandom
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from arcrtc.errors import (
    ArgumentError,
    ClosedError,
    ConfigError,
    InvalidTransitionError,
    LimitError,
    SsrcCollisionError,
    StreamNotFoundError,
)
from arcrtc.streams.stream import TRANSITIONS, MediaType, Stream, StreamConfig, StreamState
from arcrtc.streams.table import MEDIA_TYPES, STATES, StreamRows
from arcrtc.streamtables import StreamHandle

MAX_STREAMS: Final = 100_000
_Key: TypeAlias = tuple[int, int, int, int, int]  # engine or router, owner, direction, stream, source


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
    the targets of the active ones; those that end in ``_total`` count since the start. The rest are sums over the
    ``bound`` streams that an engine or a router has: ``packets_lost`` as receivers count or report them,
    ``packets_discarded`` what a router left out on purpose or had no room for.
    """

    streams: int
    by_state: dict[StreamState, int]
    by_media_type: dict[MediaType, int]
    active_bitrate_bps: int
    created_total: int
    removed_total: int
    collisions_total: int
    events_dropped_total: int
    bound: int = 0
    packets_sent: int = 0
    bytes_sent: int = 0
    packets_received: int = 0
    bytes_received: int = 0
    packets_lost: int = 0
    packets_discarded: int = 0


class StreamManager:
    """Creates, finds and ends streams, and keeps their SSRCs apart.

    A stream may be bound to a stream of an engine or of a router: a sender or receiver of a peer, a track, a
    route. Then :meth:`table` has its figures, and the other one follows its life: PAUSED pauses a route and mutes a
    sender, ACTIVE lets them go on, and when it is CLOSED or removed, a route ends, a track ends with the last
    stream that is bound to it, and a sender stays muted, for it lives as long as its peer. What is received comes
    as it is sent: tracks and receivers are not paused.

    Thread-safe: reads and creations hold one lock, never while other code runs; changes of state, bindings and
    removals wait for one another, and for the engine. Nothing calls back; changes are taken with :meth:`events`.
    Bounded: ``max_streams`` streams (closed ones count until they are removed), and ``max_events`` events, of which
    the oldest is dropped and counted.

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
        self._steering = threading.Lock()  # of states and bindings; taken before _lock, held while an engine works
        self._lock = threading.Lock()
        self._rows = StreamRows()
        self._handles: dict[UUID, tuple[StreamHandle, _Key]] = {}
        self._taken: dict[_Key, UUID] = {}  # what streams are bound to
        self._users: Counter[tuple[int, ...]] = Counter()  # streams that share a track, source left out
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
            stream = self._streams[stream_id] = Stream(stream_id, config, ssrc, StreamState.CREATED, at_us, at_us)
            self._rows.add(stream)
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

        What it is bound to follows first; if that fails, the stream stays as it was.

        :returns: the stream after it.
        :raises StreamNotFoundError: no stream has this id.
        :raises InvalidTransitionError: from its state there is no way to ``state``; nothing changes.
        :raises ArgumentError: what it is bound to is gone: unbind() it. :raises ClosedError: its router is closed.
        """
        at_us = _now_us(now_us)
        with self._steering:
            with self._lock:
                stream = self._find(stream_id)
            moved = replace(stream, state=_next_state(stream, state), state_since_us=at_us)
            self._follow(moved)
            with self._lock:
                self._streams[stream_id] = moved
                self._rows.change(moved)
                if not moved.is_live:
                    del self._live[stream.ssrc]
                self._emit(stream_id, stream.state, moved.state, at_us)
        return moved

    def _follow(self, moved: Stream) -> None:
        """Bring what is bound to a stream into its state."""
        if moved.stream_id not in self._handles:
            return
        if not moved.is_live:
            self._end(moved.stream_id)
        else:
            self._handles[moved.stream_id][0]._hold_stream(moved.state is StreamState.PAUSED)

    def _end(self, stream_id: UUID) -> None:
        """End what is bound to a stream, unless others are bound to it as well, and unbind it."""
        handle, key = self._handles[stream_id]
        if self._users[key[:-1]] == 1:
            with contextlib.suppress(ClosedError):  # then it has ended, with all of its router or peer
                handle._end_stream()
        self._unbind(stream_id)

    def remove_stream(self, stream_id: UUID, *, now_us: int | None = None) -> Stream:
        """Forget a stream, whatever its state, and free its SSRC. What it is bound to ends first, as when it is CLOSED.

        :returns: the stream as it was last.
        :raises StreamNotFoundError: no stream has this id.
        """
        at_us = _now_us(now_us)
        with self._steering:
            with self._lock:
                stream = self._find(stream_id)
            if stream_id in self._handles:
                self._end(stream_id)
            with self._lock:
                del self._streams[stream_id]
                self._rows.remove(stream)
                if stream.is_live:
                    del self._live[stream.ssrc]
                self._removed += 1
                self._emit(stream_id, stream.state, None, at_us)
        return stream

    # --- streams of engines and routers ---

    def bind(self, stream_id: UUID, handle: StreamHandle, *, source: int = 0) -> None:
        """Let a stream stand for one of an engine or of a router.

        If the stream is PAUSED, the other one is paused too.

        :param handle: an AudioSender, VideoSender or Receiver of a :class:`Peer`, a Track or a Route.
        :param source: which quality of a track with several (simulcast), 0..7 from the lowest up; each is a stream.
        :raises StreamNotFoundError: no stream has this id.
        :raises ArgumentError: one of them is bound already, the stream is closed, one is audio and the other video,
            there is no such source, or the handle is gone or no such handle.
        :raises ClosedError: its peer or router is closed.
        """
        with self._steering:
            with self._lock:
                stream = self._find(stream_id)
            if stream_id in self._handles or not stream.is_live:
                raise ArgumentError(f"bind: stream {stream_id} is closed, or bound to {self.handle_of(stream_id)!r}")
            if not hasattr(handle, "_stream_place"):
                raise ArgumentError(f"bind: {handle!r} is no sender, receiver, track or route")
            place = handle._stream_place()
            if handle._stream_kind() != stream.media_type.value or not 0 <= source < handle._stream_sources():
                raise ArgumentError(f"bind: {handle!r} is not {stream.media_type.value}, or has no source {source}")
            key = (id(place.tables), place.owner, place.direction, place.stream, source)
            if key in self._taken:
                raise ArgumentError(f"bind: stream {self._taken[key]} is bound to {handle!r} already")
            if stream.state is StreamState.PAUSED:
                handle._hold_stream(True)
            with self._lock:
                self._handles[stream_id], self._taken[key] = (handle, key), stream_id
                self._users[key[:-1]] += 1
                self._rows.bind(stream_id, place, source)

    def unbind(self, stream_id: UUID) -> None:
        """Take a binding back; what was bound goes on by itself. Nothing happens if nothing is bound.

        :raises StreamNotFoundError: no stream has this id.
        """
        with self._steering:
            with self._lock:
                self._find(stream_id)
            if stream_id in self._handles:
                self._unbind(stream_id)

    def _unbind(self, stream_id: UUID) -> None:
        with self._lock:
            _, key = self._handles.pop(stream_id)
            del self._taken[key]
            self._users[key[:-1]] -= 1
            if not self._users[key[:-1]]:
                del self._users[key[:-1]]
            self._rows.unbind(stream_id)

    def handle_of(self, stream_id: UUID) -> StreamHandle | None:
        """What a stream is bound to; None: nothing, or no stream has this id."""
        bound = self._handles.get(stream_id)
        return None if bound is None else bound[0]

    def table(self) -> NDArray[Any]:
        """All streams as a structured array, a row a stream, in the order of creation.

        Columns of the manager: ``stream_id`` and ``user_id`` (16 bytes: ``UUID(bytes=row["stream_id"].tobytes())``),
        ``created_us``, ``state_since_us``, ``bitrate``, ``own_ssrc`` (SSRC here), ``state`` (index into
        :data:`STATES`), ``media_type`` (index into :data:`MEDIA_TYPES`), ``bound``, and ``found``: its engine or
        router has it. Behind them the columns of :meth:`Engine.stream_table`, of which
        :data:`arcrtc.routing.W3C_NAMES` says what they are in webrtc-stats; zeros where ``found`` is not set.

        Each engine is asked once, and no Python runs for a stream: 10,000 take some milliseconds.

        :raises BackpressureError: too many ask an engine at once.
        """
        with self._lock:
            shot = self._rows.snapshot()
        return StreamRows.join(shot)

    def ids(self) -> list[UUID]:
        """Ids of all streams, in the order of :meth:`table`."""
        with self._lock:
            return list(self._streams)

    def events(self) -> list[StreamEvent]:
        """Take the changes since the last call, oldest first."""
        with self._lock:
            taken = list(self._events)
            self._events.clear()
        return taken

    def stats(self) -> StreamManagerStats:
        """The figures as they are now; engines and routers that streams are bound to are asked as by table()."""
        with self._lock:
            shot = self._rows.snapshot()
            totals = (self._created, self._removed, self._collisions, self._dropped)
        rows = StreamRows.join(shot)
        states = np.bincount(rows["state"], minlength=len(STATES))
        media = np.bincount(rows["media_type"], minlength=len(MEDIA_TYPES))
        sent, received = (rows[rows["found"] & (rows["direction"] == direction)] for direction in (1, 0))
        return StreamManagerStats(
            len(rows),
            {state: int(n) for state, n in zip(STATES, states, strict=True)},
            {kind: int(n) for kind, n in zip(MEDIA_TYPES, media, strict=True)},
            int(rows["bitrate"][rows["state"] == STATES.index(StreamState.ACTIVE)].sum()),
            *totals,
            bound=int(rows["bound"].sum()),
            packets_sent=int(sent["packets"].sum()),
            bytes_sent=int(sent["bytes"].sum()),
            packets_received=int(received["packets"].sum()),
            bytes_received=int(received["bytes"].sum()),
            packets_lost=int(rows["packets_lost"].sum()),
            packets_discarded=int(rows["packets_discarded"].sum()))

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


def _next_state(stream: Stream, state: StreamState) -> StreamState:
    allowed = TRANSITIONS[stream.state]
    if state in allowed:
        return StreamState(state)
    ways = ", ".join(s.value for s in StreamState if s in allowed) or "nothing"
    wanted = state.value if isinstance(state, StreamState) else repr(state)
    raise InvalidTransitionError(f"stream {stream.stream_id} is {stream.state.value} and cannot become {wanted}; "
                                 f"{stream.state.value} may be followed by {ways}")


def _now_us(now_us: int | None) -> int:
    return time.monotonic_ns() // 1000 if now_us is None else now_us
