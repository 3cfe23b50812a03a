"""Native threads that run sessions and routers: nothing per packet happens in Python.

An engine has network threads (sockets, SRTP, RTCP, pacing) and media threads
(encoders, decoders, play-out). Python posts frames and commands, and fetches
what has come due; an eventfd wakes asyncio. A slow interpreter delays what it
asks for itself, never the packets.
"""
from __future__ import annotations

import asyncio
import atexit
import contextlib
import math
import os
import select
import threading
import time
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Final

from numpy.typing import NDArray

from arcrtc._native import check, check_count, ffi, lib, new_handle
from arcrtc._ranges import check_int
from arcrtc.config import SessionConfig
from arcrtc.errors import ArgumentError, ClosedError
from arcrtc.events import EngineEvent, EventType, to_dict, to_event
from arcrtc.peer import Peer
from arcrtc.routing.enginerouter import EngineRouter
from arcrtc.routing.legs import RouterConfig
from arcrtc.routing.router import router_event
from arcrtc.srtp import SrtpConfig
from arcrtc.streamtables import read_rows
from arcrtc.udp import UdpConfig, parse_address

_EVENTS_AT_ONCE: Final = 256
_live: weakref.WeakSet[Engine] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Native threads must be gone before the objects they use are."""
    for engine in list(_live):
        engine.close()


def _disown_all() -> None:
    """A child of fork() has the memory of the parent's engines, but not their threads."""
    for engine in list(_live):
        engine._disown()


os.register_at_fork(after_in_child=_disown_all)


class Engine:
    """Native threads, and the peers and routers that run on them.

    Use it as a context manager, with ``async with`` or ``with``. Peers, frames and
    events may be awaited from one event loop; programs without asyncio call
    ``peer.poll_frame()``, ``engine.poll()`` and ``engine.wait()``.

    Threads: open(), router(), stats(), stream_table(), poll() and close() may be called from any thread, with or
    without an interpreter lock. In a child of ``os.fork()`` an engine is closed.

    :param threads: network threads, 1..64. Each owns whole sessions and routers.
    :param media_threads: encoder and decoder threads for video, 1..64; audio has
        threads of its own, so that sound never waits for a picture.
    :param stall_ms: a network thread that works longer than this without a pause is told of
        by an event, 1..3_600_000.
    :param pool_pkts: packets that a network thread has for all its sessions (a router has its own), 2 kB each once they
        are used, 64..1_048_576.
    :param event_depth: events of each network thread that may wait to be fetched; more are
        counted, and told of by EVENTS_LOST. 1..1_048_576.
    :param cores: CPU that each network thread is bound to, 0 or more, as many as there are
        threads; None: any.
    :raises ArgumentError: outside of that.
    :raises TransportError: the system refuses threads or descriptors.
    """

    def __init__(self, threads: int = 1, media_threads: int = 2, *, stall_ms: int = 250, pool_pkts: int = 16_384,
                 event_depth: int = 16_384, cores: Sequence[int] | None = None) -> None:
        self._closed = True  # until it is whole
        self._forked = False
        for name, value in (("threads", threads), ("media_threads", media_threads)):
            if not isinstance(value, int) or not 1 <= value <= 64:
                raise ArgumentError(f"{name}={value!r} is outside 1..64")
        check_int("stall_ms", stall_ms, 1, 3_600_000, "ms")
        check_int("pool_pkts", pool_pkts, 64, 1 << 20, "packets")
        check_int("event_depth", event_depth, 1, 1 << 20, "events")
        if cores is not None and len(cores) != threads:
            raise ArgumentError(f"cores={cores!r} must name {threads} CPUs, one a thread")
        for core in cores or ():
            check_int("cores", core, 0, 1 << 16)
        self._lock = threading.Lock()  # of what open() and close() change
        self._fetching = threading.Lock()  # of the hub, which has one reader
        self._peers: dict[int, Peer] = {}
        self._routers: dict[int, EngineRouter] = {}
        self._last_id = 0
        self._expected_rows = 64
        self._counting = threading.Lock()  # of _gone, and of who leaves while drops are summed up
        self._gone = ffi.new("struct arc_loop_drops *")  # drops of peers and routers that are closed
        self._waiters: set[asyncio.Future[None]] = set()
        self._watching: asyncio.AbstractEventLoop | None = None
        self._loops: list[Any] = []
        self._audio_workers: list[Any] = []
        self._video_workers: list[Any] = []
        self._watch: Any = None
        # One ring a network thread, and one for the thread that watches them.
        self._hub = new_handle(lib.arc_hub_new, lib.arc_hub_free, "struct arc_hub", threads + 1, event_depth,
                               what="Engine")
        self._event_room = ffi.new("struct arc_hub_event[]", _EVENTS_AT_ONCE)
        try:
            self._start(threads, media_threads, stall_ms, pool_pkts, cores)
        except BaseException:
            self._end_threads()
            raise
        self._closed = False
        _live.add(self)

    def _start(self, threads: int, media_threads: int, stall_ms: int, pool_pkts: int,
               cores: Sequence[int] | None) -> None:
        cfg = ffi.new("struct arc_loop_config *", {"hub": self._hub, "pool_pkts": pool_pkts})
        for i in range(threads):
            cfg.source = i
            cfg.core = -1 if cores is None else cores[i]
            self._loops.append(new_handle(lib.arc_loop_new, lib.arc_loop_free, "struct arc_loop", cfg, what="Engine"))
            self._audio_workers.append(self._new_worker())
        for _ in range(media_threads):
            self._video_workers.append(self._new_worker())
        self._watch = new_handle(lib.arc_watch_new, lib.arc_watch_free, "struct arc_watch", self._loops, threads,
                                 self._hub, threads, 1000 * stall_ms, what="Engine")

    @staticmethod
    def _new_worker() -> Any:
        return new_handle(lib.arc_worker_new, lib.arc_worker_free, "struct arc_worker", what="Engine")

    def _check_open(self) -> None:
        if self._forked:
            raise ClosedError("the engine belongs to the process that this one was forked from: make another one here")
        if self._closed:
            raise ClosedError("the engine is closed")

    def _check_thread(self, thread: int) -> None:
        check_int("thread", thread, 0, len(self._loops) - 1)

    # --- peers ---

    def _adopt(self, peer: Peer, thread: int | None) -> None:
        """Give it to threads, each peer to the next ones in turn unless it says which."""
        with self._lock:
            self._check_open()
            self._last_id = i = self._last_id % (2**31 - 1) + 1
            network = (i - 1) % len(self._loops) if thread is None else thread
            peer._start(i, network, self._audio_workers[network],
                        self._video_workers[(i - 1) % len(self._video_workers)])
            self._peers[i] = peer

    def open(self, *, local: str = "0.0.0.0:0", remote: str | None = None, srtp: SrtpConfig | None = None,
             config: SessionConfig | None = None, rtcp_ports: tuple[int, int] | None = None,
             thread: int | None = None, socket: UdpConfig | None = None) -> Peer:
        """Make a peer; its socket is open when this returns.

        :param local: "host:port" to listen on; port 0: any free one.
        :param remote: "host:port" to send to; None: where the first authentic packet came from.
        :param srtp: key of both ways; with ``config`` given, say it there.
        :param config: everything else.
        :param rtcp_ports: local and remote port of RTCP, for peers that do not have it on the port of
            RTP (RFC 3550 section 11: one above). Local 0: any free one; remote 0: where the first
            authentic RTCP came from. None: RTP and RTCP share a port (RFC 5761).
        :param thread: index of the network thread to run it, 0..threads-1; None: each in turn.
            :meth:`Peer.move` changes it later.
        :param socket: sizes and features of the socket, and the range of ports that port 0 is taken from; None:
            the defaults.
        :raises TransportError: the address cannot be resolved or bound; the message names it.
        :raises LimitError: the thread has as many peers as it can, 16384.
        """
        if config is None:
            config = SessionConfig(srtp=srtp)
        elif srtp is not None:
            raise ArgumentError("srtp is given twice: beside config, and config has a field of this name")
        self._check_open()
        if thread is not None:
            self._check_thread(thread)
        peer = Peer(self, config, local, remote, rtcp_ports, socket)
        self._adopt(peer, thread)
        return peer

    async def connect(self, *, local: str = "0.0.0.0:0", remote: str | None = None,
                      srtp: SrtpConfig | None = None, config: SessionConfig | None = None,
                      rtcp_ports: tuple[int, int] | None = None, thread: int | None = None,
                      socket: UdpConfig | None = None) -> Peer:
        """Make a peer as open() does; the host name is looked up without stopping the event loop."""
        return await asyncio.to_thread(self.open, local=local, remote=remote, srtp=srtp, config=config,
                                       rtcp_ports=rtcp_ports, thread=thread, socket=socket)

    # --- routers ---

    def router(self, config: RouterConfig | None = None, *, thread: int | None = None) -> EngineRouter:
        """Make a packet router on a network thread.

        :param config: sizes; None: the defaults.
        :param thread: index of the network thread, 0..threads-1; None: each in turn.
            :meth:`EngineRouter.move` changes it later.
        :raises NoMemoryError: there is no room for its packets.
        :raises LimitError: the thread has as many sessions and routers as it can, 16384.
        :raises ClosedError: the engine is closed.
        """
        with self._lock:
            self._check_open()
            self._last_id = i = self._last_id % (2**31 - 1) + 1
            if thread is None:
                thread = (i - 1) % len(self._loops)
            self._check_thread(thread)
            router = EngineRouter(self, i, thread, config)
            self._routers[i] = router
        return router

    @property
    def routers(self) -> tuple[EngineRouter, ...]:
        """Routers that are open."""
        with self._lock:
            return tuple(self._routers.values())

    def _forget_router(self, router: EngineRouter) -> None:
        with self._lock:
            self._routers.pop(router._id, None)

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Peers that are open."""
        with self._lock:
            return tuple(self._peers.values())

    def stats(self) -> list[dict[str, Any]]:
        """One dictionary a network thread, read without waiting for it, even while it stalls.

        ``turns``, ``busy_us``, ``longest_us`` (turns), ``turn_us`` (what the present turn has lasted, 0: it
        waits), ``load`` (busy share of the last second, 0..1), ``sessions``, ``visits`` (sessions looked at),
        ``commands``, ``stalls``, ``kicks_full``, ``pool_used_pkts`` and ``events_lost``.
        """
        out = ffi.new("struct arc_loop_stats *")
        all_stats = []
        for i, handle in enumerate(self._loops):
            lib.arc_loop_get_stats(handle, out)
            all_stats.append({**to_dict(out[0]), "events_lost": lib.arc_hub_lost(self._hub, i)})
        return all_stats

    def stream_table(self) -> NDArray[Any]:
        """All streams of all threads at once: sent and received ones of peers, sources and routes of routers.

        A thread is asked for a thousand streams at a time, so that packets do not wait meanwhile. What comes,
        goes or moves to another thread during the call may be missing.

        :returns: structured array, a row a stream. Columns: ``owner`` (of a peer or router, see
            :meth:`owner_of`), ``leg`` (-1: of a peer), ``stream`` (id of the track or route, index at a peer),
            ``source`` (quality of a track, or that a route forwards), ``direction`` (0 inbound, 1 outbound),
            ``kind`` (0 audio, 1 video), ``ssrc``, ``active`` (a packet passed in the last two seconds), ``packets``,
            ``bytes`` ...; :data:`arcrtc.routing.W3C_NAMES` says which members of webrtc-stats they are.
        :raises ClosedError: the engine is closed. :raises BackpressureError: too many callers at once.
        """
        self._check_open()
        loops = list(self._loops)
        row_bytes = ffi.sizeof("struct arc_stream_row")

        def read(rows: Any, room: int) -> int:
            n = 0
            for loop in loops:
                free = max(room - n, 0)
                at = ffi.cast("struct arc_stream_row *", ffi.cast("char *", rows) + min(n, room) * row_bytes)
                n += check_count(lib.arc_loop_read_streams(loop, at, free), "Engine.stream_table")
            return n

        table = read_rows("struct arc_stream_row", self._expected_rows, read)
        self._expected_rows = len(table) + len(table) // 8
        return table

    def drops(self) -> dict[str, int]:
        """Packets that were lost or left out since the engine began, by reason; closed peers and routers included.

        Received: ``not_rtp``, ``malformed``, ``auth``, ``replay``, ``srtp_other``, ``own_ssrc``, ``other_way``,
        ``unknown_stream`` (no receiver), ``unknown_source`` (no track), ``payload_type``, ``repair`` (twice),
        ``no_packet`` (the pool was empty), ``no_leg``, ``media_full``, ``truncated``, ``overflowed`` (messages that the
        socket had no room for). To be sent: ``paused``, ``unheard`` (not among the loudest), ``layer``, ``unplaced``
        (too late), ``queue_full``, ``pacer_full``, ``bye_full``, ``too_long``, ``seal_failed``, ``gone`` (the route
        ended), ``would_block``, ``too_big``, ``no_route``, ``no_remote``, ``other_errors`` (of sockets). Those that a
        session and a router both have are added up. What moves to another thread during the call may be missing in it.

        :raises BackpressureError: too many callers at once.
        """
        if self._forked:
            self._check_open()
        sums: dict[str, int] = {}
        with self._counting:
            out = ffi.new("struct arc_loop_drops *", self._gone[0])
            for loop in self._loops:
                check(lib.arc_loop_add_drops(loop, out), "Engine.drops")
        for counters in to_dict(out[0]).values():
            for reason, n in counters.items():
                sums[reason] = sums.get(reason, 0) + n
        return sums

    def owner_of(self, owner: int) -> Peer | EngineRouter | None:
        """Whose streams have this number in the column ``owner``; None: it is closed."""
        return self._peers.get(owner) or self._routers.get(owner)

    def _forget(self, peer: Peer) -> None:
        with self._lock:
            self._peers.pop(peer._id, None)
        self._wake_from_anywhere()

    # --- events ---

    def _fetch(self) -> list[EngineEvent]:
        """What has happened since the last call, without waiting."""
        events: list[EngineEvent] = []
        with self._fetching:
            n = _EVENTS_AT_ONCE
            while n == _EVENTS_AT_ONCE and not self._closed:
                n = lib.arc_hub_poll(self._hub, self._event_room, n)
                events += [self._engine_event(self._event_room[i]) for i in range(n)]
        return events

    def _engine_event(self, out: Any) -> EngineEvent:
        if out.type > lib.ARC_HUB_ROUTER:
            router = self._routers.get(out.id)
            return EngineEvent(peer=None, router=router, thread=out.source,
                               event=router_event(router, out.type - lib.ARC_HUB_ROUTER, out.stream, out.now_us,
                                                  out.value))
        event, peer, thread = to_event(out), self._peers.get(out.id), out.source
        if event.type in (EventType.THREAD_STALLED, EventType.THREAD_RECOVERED):
            thread = out.stream
        return EngineEvent(peer=peer, event=event, thread=thread)

    async def events(self) -> AsyncIterator[EngineEvent]:
        """What happens to the peers and to the threads, until the engine is closed.

        Each event comes once, to whoever fetches it first; those of a peer come to ``peer.events()`` as well,
        and RTT, which is measured all the time, only there. When nobody fetches, as many as ``event_depth``
        are kept for each thread; how many were lost then is an event of its own, EVENTS_LOST.
        """
        while not self._closed:
            events = self._fetch()
            if not events:
                await self._changed()
            for event in events:
                yield event

    def poll(self, timeout_s: float | None = None) -> list[EngineEvent]:
        """Wait for events and return them; for programs without asyncio. One thread at a time should wait.

        :param timeout_s: seconds; 0: do not wait; None: as long as it takes.
        :returns: one or more, in the order of each thread, as :meth:`events` describes; none: the time is up,
            or the engine was closed meanwhile.
        :raises ClosedError: the engine is closed.
        """
        self._check_open()
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not (events := self._fetch()) and not self._closed:
            left = None if end is None else end - time.monotonic()
            if (left is not None and left <= 0) or not self._sleep([lib.arc_hub_fd(self._hub)], left):
                break
            lib.arc_hub_clear(self._hub)
        return events or self._fetch()

    @staticmethod
    def _sleep(descriptors: Iterable[int], timeout_s: float | None) -> list[int]:
        """Those that became readable."""
        poll = select.poll()  # select() knows no descriptor above 1023
        for fd in descriptors:
            poll.register(fd, select.POLLIN)
        return [fd for fd, _ in poll.poll(None if timeout_s is None else math.ceil(max(timeout_s, 0) * 1000))]

    # --- waking ---

    def _sources(self) -> list[tuple[int, Callable[[Any], None], Any]]:
        """Descriptors that tell of something to fetch, and what forgets that they did."""
        return [(lib.arc_hub_fd(self._hub), lib.arc_hub_clear, self._hub),
                *((lib.arc_worker_fd(w), lib.arc_worker_clear, w)
                  for w in self._audio_workers + self._video_workers)]

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until there may be something to fetch; for programs without asyncio.

        :param timeout_s: seconds; None: as long as it takes.
        :returns: False when the time was up first.
        :raises ClosedError: the engine is closed.
        """
        self._check_open()
        sources = {fd: (clear, handle) for fd, clear, handle in self._sources()}
        ready = self._sleep(sources, timeout_s)
        for fd in ready:
            clear, handle = sources[fd]
            clear(handle)
        return bool(ready)

    def _wake(self) -> None:
        """On the thread of the event loop."""
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _wake_from_anywhere(self) -> None:
        watching = self._watching
        if watching is not None:
            with contextlib.suppress(RuntimeError):  # that event loop is closed, with those who waited in it
                watching.call_soon_threadsafe(self._wake)

    def _on_readable(self, clear: Callable[[Any], None], handle: Any) -> None:
        clear(handle)
        self._wake()

    async def _changed(self) -> None:
        """Return when there may be something to fetch."""
        if self._closed:
            return
        running = asyncio.get_running_loop()
        if self._watching is not running:
            self._unwatch()
            for fd, clear, handle in self._sources():
                running.add_reader(fd, self._on_readable, clear, handle)
            self._watching = running
        waiter: asyncio.Future[None] = running.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def _unwatch(self) -> None:
        watching, self._watching = self._watching, None
        if watching is None or watching.is_closed():
            return
        for fd, _, _ in self._sources():
            watching.remove_reader(fd)

    # --- its life ---

    def close(self) -> None:
        """Close all peers and end the threads. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for peer in list(self._peers.values()):
            peer.close()
        for router in list(self._routers.values()):
            router.close()
        self._wake_from_anywhere()
        self._unwatch()
        self._end_threads()

    def _end_threads(self) -> None:
        """The memory stays for those who are in a call of it now; it goes with the last of them."""
        if self._watch is not None:
            ffi.release(self._watch)
        for handle in self._loops:
            lib.arc_loop_stop(handle)
        for handle in self._audio_workers + self._video_workers:
            lib.arc_worker_stop(handle)
        self._loops, self._audio_workers, self._video_workers = [], [], []

    def _disown(self) -> None:
        """In a child of fork(): nothing here may be used, or freed, while it may be half changed."""
        self._lock, self._fetching, self._counting = threading.Lock(), threading.Lock(), threading.Lock()
        self._closed = self._forked = True
        self._waiters, self._watching = set(), None
        for peer in self._peers.values():
            peer._disown()
        for router in self._routers.values():
            router._disown()
        self._routers = {}
        handles = [self._hub, self._watch, *self._loops, *self._audio_workers, *self._video_workers]
        self._disowned = [ffi.gc(handle, None) for handle in handles if handle is not None]
        self._peers = {}
        self._loops, self._audio_workers, self._video_workers = [], [], []

    def __del__(self) -> None:
        # The threads must be gone before the collector takes sessions and sockets, in an order of its own.
        if not self._closed:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            self.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Engine:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return (f"Engine({len(self._loops)} network threads, {len(self._video_workers)} media threads, "
                f"{len(self._peers)} peers{', closed' if self._closed else ''})")


__all__ = ["Engine", "Peer", "parse_address"]
