"""Native threads that run sessions: nothing per packet happens in Python.

An engine has network threads (sockets, SRTP, RTCP, pacing) and media threads
(encoders, decoders, play-out). Python posts frames and commands, and fetches
what has come due; an eventfd wakes asyncio. A slow interpreter delays what it
asks for itself, never the packets.
"""
from __future__ import annotations

import asyncio
import atexit
import math
import select
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from arcrtc._native import check, error_for, ffi, lib, new_handle
from arcrtc.config import SessionConfig
from arcrtc.errors import ArgumentError
from arcrtc.events import Event, ReceivedFrame, SessionStats, received_frame, to_dict
from arcrtc.handles import AudioSender, Receiver, VideoSender
from arcrtc.sessioncore import SessionCore
from arcrtc.srtp import SrtpConfig

_WHY_BYTES: Final = 256
_ADDRESS_BYTES: Final = 128
_SEND_DEPTH: Final = {"audio": 32, "video": 4}  # frames that may wait for an encoder
_RECEIVE_DEPTH: Final = {"audio": 32, "video": 8}  # blocks, pictures that may wait for Python
_live: weakref.WeakSet[Engine] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Native threads must be gone before the objects they use are."""
    for engine in list(_live):
        engine.close()


def parse_address(address: str) -> tuple[str, int]:
    """Split ``"host:port"``, ``"[v6]:port"`` or ``":port"``.

    :raises ArgumentError: no port, or not 0..65535.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ArgumentError(f"address {address!r} must be host:port with a port of 0..65535")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ArgumentError(f"address {address!r}: write an IPv6 host in brackets, [{host}]:{port}")
    return host, int(port)


def _explained(status: int, why: Any) -> Exception:
    text = ffi.string(why).decode(errors="replace")
    error = error_for(status, "Engine.connect")
    return type(error)(text) if text else error


class Peer(SessionCore):
    """A session that runs on an engine's threads. Made by Engine.connect() and Engine.open().

    Methods may be called from the thread that made it; frames are sent and fetched
    through bounded queues, in which the oldest entry makes room and is counted.
    """

    def __init__(self, engine: Engine, config: SessionConfig, local: str, remote: str | None,
                 rtcp_ports: tuple[int, int] | None) -> None:
        self._engine = engine
        self._closed = False
        self._last_addresses = ("", "")
        super().__init__(config, lib.arc_clock_us(), lib.arc_clock_ntp())
        self._udp = self._open_socket(local, remote)
        if rtcp_ports is not None:
            self._split_rtcp(*rtcp_ports)
        self._received = ffi.new("struct arc_received *")

    def _start(self, loop: Any, audio_worker: Any, video_worker: Any) -> None:
        """Hand it to these threads, for good."""
        self._loop, self._audio_worker, self._video_worker = loop, audio_worker, video_worker
        self._attach()

    def _open_socket(self, local: str, remote: str | None) -> Any:
        why = ffi.new("char[]", _WHY_BYTES)
        out = ffi.new("struct arc_udp **")
        host, port = parse_address(local)
        status = lib.arc_udp_open(host.encode(), port, out, why, _WHY_BYTES)
        if status != lib.ARC_OK:
            raise _explained(status, why)
        udp = ffi.gc(out[0], lib.arc_udp_close)
        if remote is not None:
            self._set_remote(udp, remote)
        return udp

    def _split_rtcp(self, local_port: int, remote_port: int) -> None:
        why = ffi.new("char[]", _WHY_BYTES)
        status = lib.arc_udp_split_rtcp(self._udp, local_port, remote_port, why, _WHY_BYTES)
        if status == lib.ARC_ERR_ARG:
            raise ArgumentError(f"rtcp_ports=({local_port}, {remote_port}) must be within 0..65535, and the second "
                                "one 0 unless remote is given")
        if status != lib.ARC_OK:
            raise _explained(status, why)

    @staticmethod
    def _set_remote(udp: Any, remote: str) -> None:
        why = ffi.new("char[]", _WHY_BYTES)
        host, port = parse_address(remote)
        status = lib.arc_udp_set_remote(udp, host.encode(), port, why, _WHY_BYTES)
        if status != lib.ARC_OK:
            raise _explained(status, why)

    def _attach(self) -> None:
        check(lib.arc_loop_attach(self._loop, self._handle, self._udp, self._audio_worker, self._video_worker),
              "Engine.connect")

    # --- streams: the loop must let go of the session while it is changed ---

    def _while_detached(self, change: Callable[[], Any]) -> Any:
        self._check_open()
        check(lib.arc_loop_detach(self._loop, self._handle), "Peer")
        try:
            return change()
        finally:
            self._attach()

    def _worker(self, kind: str) -> Any:
        return self._audio_worker if kind == "audio" else self._video_worker

    def _add_send(self, cfg: Any, what: str) -> Any:
        kind = "audio" if cfg.kind == lib.ARC_MEDIA_AUDIO else "video"
        handle = self._while_detached(lambda: super(Peer, self)._add_send(cfg, what))
        check(lib.arc_worker_add_send(self._worker(kind), handle, self._loop, _SEND_DEPTH[kind]), what)
        return handle

    def _add_recv(self, cfg: Any, what: str) -> Any:
        kind = "audio" if cfg.kind == lib.ARC_MEDIA_AUDIO else "video"
        handle = self._while_detached(lambda: super(Peer, self)._add_recv(cfg, what))
        check(lib.arc_worker_add_recv(self._worker(kind), handle, _RECEIVE_DEPTH[kind]), what)
        return handle

    # --- addresses ---

    def _address(self, remote: bool) -> str:
        if self._closed:
            return self._last_addresses[remote]
        out = ffi.new("char[]", _ADDRESS_BYTES)
        check(lib.arc_udp_address(self._udp, remote, out, _ADDRESS_BYTES), "Peer.address")
        return str(ffi.string(out).decode())

    @property
    def local_address(self) -> str:
        """Where it listens, or listened before it was closed, "host:port"."""
        return self._address(False)

    def set_remote(self, remote: str) -> None:
        """Send to ``remote``, "host:port", from now on.

        :raises ArgumentError: not an address. :raises TransportError: the host is unknown.
        """
        self._while_detached(lambda: self._set_remote(self._udp, remote))

    @property
    def remote_address(self) -> str | None:
        """Where it sends to; None: not known before the first authentic packet."""
        return self._address(True) or None

    # --- media and events ---

    def poll_frame(self, kind: str | None = None) -> ReceivedFrame | None:
        """Return the next media that has come due; None: nothing now.

        :param kind: "audio", "video" or None for both.
        """
        for receiver in self.receivers:
            if self._closed or (kind is not None and receiver.kind != kind):
                continue
            if lib.arc_worker_fetch(self._worker(receiver.kind), receiver._handle, self._received) == lib.ARC_OK:
                return received_frame(self._received, receiver.index)
        return None

    async def frames(self, kind: str | None = None, *, latest: bool = False) -> AsyncIterator[ReceivedFrame]:
        """Media as it comes due, until the peer is closed.

        :param kind: "audio", "video" or None for both.
        :param latest: when several wait, give the newest only (for those who look at pictures).
        """
        while not self._closed:
            received = self.poll_frame(kind)
            if received is None:
                await self._engine._changed()
                continue
            while latest and (newer := self.poll_frame(kind)) is not None:
                received = newer
            yield received

    async def events(self) -> AsyncIterator[Event]:
        """What happens to the session, until the peer is closed."""
        while not self._closed:
            event = self.poll_event()
            if event is None:
                await self._engine._changed()
            else:
                yield event

    def rekey(self, srtp: SrtpConfig | None = None, *, srtp_receive: SrtpConfig | None = None,
              overlap_ms: int = 5000) -> None:
        """Change the keys while packets are on their way; none is lost.

        What is sent is under the new key from the next packet on; what arrives may be
        under the old keys for ``overlap_ms`` more. Where the peer could meet the new key
        before it knows it, let it call ``rekey(srtp_receive=...)`` first.

        :param srtp: new key of what is sent, and of what is received unless
            ``srtp_receive`` is given; None: what is sent keeps its key. Profile and length
            of the MKI stay; :meth:`SrtpConfig.with_new_key` makes one.
        :param srtp_receive: new key of what is received, if it is another one.
        :param overlap_ms: 0..86_400_000.
        :raises ConfigError: the session has no SRTP, or a key does not fit it.
        :raises LimitError: four keys are accepted already.
        """
        self._check_open()
        self._rekey(srtp, srtp_receive, overlap_ms,
                    lambda *keys: int(lib.arc_loop_rekey(self._loop, self._handle, *keys)))

    def stats(self) -> SessionStats:
        """Counters of the session, its socket and all streams, read between two turns of its threads.

        :raises ArgumentError: the peer is closed.
        """
        self._check_open()
        out = ffi.new("struct arc_loop_snapshot *")
        check(lib.arc_loop_snapshot(self._loop, self._handle, out), "Peer.stats")
        session = to_dict(out.session)
        session["udp"] = to_dict(out.udp)
        send = []
        for s in self.senders:
            send.append({**self._media_stats(s), "network": to_dict(out.send[s.index])})
        receive = []
        for r in self.receivers:
            receive.append({**self._media_stats(r), "network": to_dict(out.recv[r.index])})
        return SessionStats(session=session, send=send, receive=receive)

    def _media_stats(self, handle: AudioSender | VideoSender | Receiver) -> dict[str, Any]:
        queue = ffi.new("struct arc_worker_queue_stats *")
        if isinstance(handle, Receiver):
            received = ffi.new("struct arc_recv_media_stats *")
            check(lib.arc_worker_recv_stats(self._worker(handle.kind), handle._handle, received, queue), "stats")
            return {"kind": handle.kind, "media": to_dict(received[0]), "queue": to_dict(queue[0])}
        sent = ffi.new("struct arc_send_media_stats *")
        check(lib.arc_worker_send_stats(self._worker(handle.kind), handle._handle, sent, queue), "stats")
        return {"kind": handle.kind, "encoder": handle.encoder, "media": to_dict(sent[0]),
                "queue": to_dict(queue[0])}

    def close(self) -> None:
        """Say BYE, stop, and close the socket. A second call does nothing."""
        if self._closed:
            return
        self._last_addresses = self._address(False), self._address(True)
        self._closed = True
        for s in self.senders:
            lib.arc_worker_remove_send(self._worker(s.kind), s._handle)
        for r in self.receivers:
            lib.arc_worker_remove_recv(self._worker(r.kind), r._handle)
        lib.arc_loop_bye(self._loop, self._handle)
        lib.arc_loop_detach(self._loop, self._handle)
        ffi.release(self._udp)
        self._engine._forget(self)

    # --- what the handles call ---

    def _check_open(self) -> None:
        if self._closed:
            raise ArgumentError("the peer is closed")

    def _send_audio(self, sender: AudioSender, pcm: Any, n_samples: int, capture_us: int | None,
                    now_us: int | None) -> None:
        self._check_open()
        view = ffi.from_buffer("int16_t[]", pcm)
        at_us = lib.arc_clock_us() if capture_us is None else capture_us
        check(lib.arc_worker_post_audio(self._audio_worker, sender._handle, view, n_samples, at_us),
              "AudioSender.send")

    def _send_video(self, sender: VideoSender, frame: Any, capture_us: int | None, now_us: int | None) -> None:
        self._check_open()
        at_us = lib.arc_clock_us() if capture_us is None else capture_us
        check(lib.arc_worker_post_video(self._video_worker, sender._handle, frame, at_us), "VideoSender.send")

    def _flush(self, sender: AudioSender | VideoSender) -> int:
        self._check_open()
        return int(lib.arc_worker_flush(self._worker(sender.kind), sender._handle))

    def _sender_stats(self, sender: AudioSender | VideoSender) -> dict[str, Any]:
        return self.stats().send[self.senders.index(sender)]

    def _receiver_stats(self, receiver: Receiver) -> dict[str, Any]:
        return self.stats().receive[self.receivers.index(receiver)]

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{self.local_address} -> {self.remote_address}"
        return f"Peer({state}, {len(self.senders)} sent, {len(self.receivers)} received)"


class Engine:
    """Native threads and the peers that run on them.

    Use it as a context manager, with ``async with`` or ``with``. Peers and their
    frames may be awaited from one event loop; programs without asyncio call
    ``peer.poll_frame()`` and ``engine.wait()``.

    :param threads: network threads, 1..64. Each owns whole sessions.
    :param media_threads: encoder and decoder threads for video, 1..64; audio has
        threads of its own, so that sound never waits for a picture.
    :raises ArgumentError: outside of that.
    :raises TransportError: the system refuses threads or descriptors.
    """

    def __init__(self, threads: int = 1, media_threads: int = 2) -> None:
        self._closed = True  # until it is whole
        for name, value in (("threads", threads), ("media_threads", media_threads)):
            if not isinstance(value, int) or not 1 <= value <= 64:
                raise ArgumentError(f"{name}={value!r} is outside 1..64")
        self._lock = threading.Lock()  # of what open() and close() change: connect() opens on another thread
        self._peers: list[Peer] = []
        self._placed = 0
        self._waiters: set[asyncio.Future[None]] = set()
        self._watching: asyncio.AbstractEventLoop | None = None
        self._loops = [new_handle(lib.arc_loop_new, lib.arc_loop_free, "struct arc_loop", what="Engine")
                       for _ in range(threads)]
        self._audio_workers = [self._new_worker() for _ in range(threads)]
        self._video_workers = [self._new_worker() for _ in range(media_threads)]
        self._closed = False
        _live.add(self)

    @staticmethod
    def _new_worker() -> Any:
        return new_handle(lib.arc_worker_new, lib.arc_worker_free, "struct arc_worker", what="Engine")

    def _check_open(self) -> None:
        if self._closed:
            raise ArgumentError("the engine is closed")

    def _adopt(self, peer: Peer) -> None:
        """Give it to threads, each peer to the next ones in turn."""
        with self._lock:
            self._check_open()
            i, self._placed = self._placed, self._placed + 1
            peer._start(self._loops[i % len(self._loops)], self._audio_workers[i % len(self._audio_workers)],
                        self._video_workers[i % len(self._video_workers)])
            self._peers.append(peer)

    def open(self, *, local: str = "0.0.0.0:0", remote: str | None = None, srtp: SrtpConfig | None = None,
             config: SessionConfig | None = None, rtcp_ports: tuple[int, int] | None = None) -> Peer:
        """Make a peer; its socket is open when this returns.

        :param local: "host:port" to listen on; port 0: any free one.
        :param remote: "host:port" to send to; None: where the first authentic packet came from.
        :param srtp: key of both ways; with ``config`` given, say it there.
        :param config: everything else.
        :param rtcp_ports: local and remote port of RTCP, for peers that do not have it on the port of
            RTP (RFC 3550 section 11: one above). Local 0: any free one; remote 0: where the first
            authentic RTCP came from. None: RTP and RTCP share a port (RFC 5761).
        :raises TransportError: the address cannot be resolved or bound; the message names it.
        """
        if config is None:
            config = SessionConfig(srtp=srtp)
        elif srtp is not None:
            raise ArgumentError("srtp is given twice: beside config, and config has a field of this name")
        self._check_open()
        peer = Peer(self, config, local, remote, rtcp_ports)
        self._adopt(peer)
        return peer

    async def connect(self, *, local: str = "0.0.0.0:0", remote: str | None = None,
                      srtp: SrtpConfig | None = None, config: SessionConfig | None = None,
                      rtcp_ports: tuple[int, int] | None = None) -> Peer:
        """Make a peer as open() does; the host name is looked up without stopping the event loop."""
        return await asyncio.to_thread(self.open, local=local, remote=remote, srtp=srtp, config=config,
                                       rtcp_ports=rtcp_ports)

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Peers that are open."""
        return tuple(self._peers)

    def stats(self) -> list[dict[str, Any]]:
        """One dictionary a network thread: turns, busy time, longest turn, sessions."""
        out = ffi.new("struct arc_loop_stats *")
        all_stats = []
        for handle in self._loops:
            lib.arc_loop_get_stats(handle, out)
            all_stats.append(to_dict(out[0]))
        return all_stats

    def _forget(self, peer: Peer) -> None:
        if peer in self._peers:
            self._peers.remove(peer)
        self._wake()

    # --- waking ---

    def _descriptors(self) -> list[int]:
        return [*(lib.arc_worker_fd(w) for w in self._audio_workers + self._video_workers),
                *(lib.arc_loop_fd(h) for h in self._loops)]

    def _clear(self) -> None:
        for worker in self._audio_workers + self._video_workers:
            lib.arc_worker_clear(worker)
        for handle in self._loops:
            lib.arc_loop_clear(handle)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until there may be something to fetch; for programs without asyncio.

        :param timeout_s: seconds; None: as long as it takes.
        :returns: False when the time was up first.
        :raises ArgumentError: the engine is closed.
        """
        self._check_open()
        poll = select.poll()  # select() knows no descriptor above 1023
        for fd in self._descriptors():
            poll.register(fd, select.POLLIN)
        ready = poll.poll(None if timeout_s is None else math.ceil(max(timeout_s, 0) * 1000))
        self._clear()
        return bool(ready)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done() and not waiter.get_loop().is_closed():
                waiter.set_result(None)
        self._waiters.clear()

    def _on_readable(self) -> None:
        self._clear()
        self._wake()

    async def _changed(self) -> None:
        """Return when there may be something to fetch."""
        if self._closed:
            return
        running = asyncio.get_running_loop()
        if self._watching is not running:
            self._unwatch()
            for fd in self._descriptors():
                running.add_reader(fd, self._on_readable)
            self._watching = running
        waiter: asyncio.Future[None] = running.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def _unwatch(self) -> None:
        if self._watching is not None and not self._watching.is_closed():
            for fd in self._descriptors():
                self._watching.remove_reader(fd)
        self._watching = None

    # --- its life ---

    def close(self) -> None:
        """Close all peers and end the threads. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for peer in list(self._peers):
            peer.close()
        self._unwatch()
        self._wake()
        for handle in self._loops + self._audio_workers + self._video_workers:
            ffi.release(handle)
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
