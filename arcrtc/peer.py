"""A session that runs on an engine's threads."""
from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

from arcrtc._memory import give_memory_back
from arcrtc._native import check, error_for, ffi, lib
from arcrtc.adaptation.controller import RepairController
from arcrtc.adaptation.repairloop import RepairLoop
from arcrtc.config import SessionConfig
from arcrtc.errors import ArgumentError, ClosedError
from arcrtc.events import Event, ReceivedFrame, SessionStats, received_frame, to_dict
from arcrtc.handles import AudioSender, Receiver, VideoSender
from arcrtc.sessioncore import SessionCore
from arcrtc.srtp import SrtpConfig
from arcrtc.streamtables import StreamTables
from arcrtc.udp import UdpConfig, address_of, explained, open_udp, set_remote, udp_config

if TYPE_CHECKING:
    from arcrtc.engine import Engine

_WHY_BYTES: Final = 256
_SEND_DEPTH: Final = {"audio": 32, "video": 4}  # frames that may wait for an encoder
_RECEIVE_DEPTH: Final = {"audio": 32, "video": 8}  # blocks, pictures that may wait for Python
_repair_loop = RepairLoop(lambda: int(lib.arc_clock_us()))
_room = threading.local()  # for what is fetched: 23 kB, which thousands of peers share


def _received_room() -> Any:
    if not hasattr(_room, "received"):
        _room.received = ffi.new("struct arc_received *")
    return _room.received


class Peer(SessionCore):
    """A session that runs on an engine's threads. Made by Engine.connect() and Engine.open().

    :ivar repair: what chooses the means of repair; None unless ``SessionConfig.repair`` is "auto".

    Frames are sent and fetched through bounded queues, in which the oldest entry makes
    room and is counted.

    Threads: stats(), close(), move(), rekey() and the addresses may be asked for from any
    thread, with or without an interpreter lock. Frames of one sender are sent, frames of
    one receiver and events are fetched, by one thread at a time.
    """

    _lent_pool = True  # packets are those of the thread it runs on

    def __init__(self, engine: Engine, config: SessionConfig, local: str, remote: str | None,
                 rtcp_ports: tuple[int, int] | None, socket: UdpConfig | None = None) -> None:
        self._engine = engine
        self._closed = False
        self._lock = threading.RLock()  # of the socket, which close() takes away
        self._last_addresses = ("", "")
        super().__init__(config, lib.arc_clock_us(), lib.arc_clock_ntp())
        self._udp = self._open_socket(local, remote, socket)
        if rtcp_ports is not None:
            self._split_rtcp(*rtcp_ports)
        self.repair = RepairController(self) if config.repair == "auto" else None

    def _start(self, peer_id: int, thread: int, audio_worker: Any, video_worker: Any) -> None:
        """Hand it to these threads."""
        self._id, self._thread = peer_id, thread
        self._loop = self._engine._loops[thread]
        self._audio_worker, self._video_worker = audio_worker, video_worker
        self._attach()
        if self.repair is not None:
            _repair_loop.add(self.repair)

    @staticmethod
    def _open_socket(local: str, remote: str | None, socket: UdpConfig | None) -> Any:
        udp = open_udp(udp_config(local, socket))
        if remote is not None:
            set_remote(udp, remote)
        return udp

    def _split_rtcp(self, local_port: int, remote_port: int) -> None:
        why = ffi.new("char[]", _WHY_BYTES)
        status = lib.arc_udp_split_rtcp(self._udp, local_port, remote_port, why, _WHY_BYTES)
        if status == lib.ARC_ERR_ARG:
            raise ArgumentError(f"rtcp_ports=({local_port}, {remote_port}) must be within 0..65535, and the second "
                                "one 0 unless remote is given")
        if status != lib.ARC_OK:
            raise explained(status, why)

    def _attach(self) -> None:
        check(lib.arc_loop_attach(self._loop, self._id, self._handle, self._udp, self._audio_worker,
                                  self._video_worker), "Engine.connect")

    # --- streams: the loop must let go of the session while it is changed ---

    def _while_detached(self, change: Callable[[], Any]) -> Any:
        with self._lock:
            self._check_open()
            check(lib.arc_loop_detach(self._loop, self._id), "Peer")
            try:
                return change()
            finally:
                self._attach()

    def _worker(self, kind: str) -> Any:
        return self._audio_worker if kind == "audio" else self._video_worker

    def _add_send(self, cfg: Any, what: str) -> Any:
        kind = "audio" if cfg.kind == lib.ARC_MEDIA_AUDIO else "video"
        handle = self._while_detached(lambda: super(Peer, self)._add_send(cfg, what))
        check(lib.arc_worker_add_send(self._worker(kind), handle, self._loop, self._id, _SEND_DEPTH[kind]), what)
        return handle

    def _add_recv(self, cfg: Any, what: str) -> Any:
        kind = "audio" if cfg.kind == lib.ARC_MEDIA_AUDIO else "video"
        if kind == "audio":
            scratch = ffi.new("struct arc_scratch **")
            check(lib.arc_worker_scratch(self._audio_worker, scratch), what)
            cfg.scratch = scratch[0]
        handle = self._while_detached(lambda: super(Peer, self)._add_recv(cfg, what))
        check(lib.arc_worker_add_recv(self._worker(kind), handle, _RECEIVE_DEPTH[kind]), what)
        return handle

    # --- addresses ---

    def _address(self, remote: bool) -> str:
        with self._lock:
            if self._closed:
                return self._last_addresses[remote]
            return address_of(self._udp, remote=remote)

    @property
    def local_address(self) -> str:
        """Where it listens, or listened before it was closed, "host:port"."""
        return self._address(False)

    def set_remote(self, remote: str) -> None:
        """Send to ``remote``, "host:port", from now on.

        :raises ArgumentError: not an address. :raises TransportError: the host is unknown.
        """
        self._while_detached(lambda: set_remote(self._udp, remote))

    @property
    def remote_address(self) -> str | None:
        """Where it sends to; None: not known before the first authentic packet."""
        return self._address(True) or None

    # --- threads ---

    @property
    def thread(self) -> int:
        """Index of the network thread that it runs on."""
        return self._thread

    def move(self, thread: int) -> None:
        """Let another network thread run it, while packets are on their way; none is lost.

        What arrives meanwhile waits in the socket. Media threads stay the same.

        :param thread: index of a network thread of this engine.
        :raises ArgumentError: there is no such thread. :raises LimitError: it has as many sessions
            as it can; the peer stays where it was.
        """
        self._engine._check_thread(thread)
        with self._lock:
            self._check_open()
            if thread == self._thread:
                return
            to = self._engine._loops[thread]
            self._kick(to)
            status = lib.arc_loop_move(self._loop, to, self._id)
            if status != lib.ARC_OK:
                self._kick(self._loop)
                raise error_for(status, "Peer.move")
            self._loop, self._thread = to, thread

    def _kick(self, loop: Any) -> None:
        """Media threads tell this loop of packets that are ready; attaching looks at those of before."""
        for s in self.senders:
            lib.arc_worker_set_loop(self._worker(s.kind), s._handle, loop)

    # --- media and events ---

    def poll_frame(self, kind: str | None = None) -> ReceivedFrame | None:
        """Return the next media that has come due; None: nothing now.

        :param kind: "audio", "video" or None for both.
        """
        for receiver in self.receivers:
            if self._closed or (kind is not None and receiver.kind != kind):
                continue
            out = _received_room()
            if lib.arc_worker_fetch(self._worker(receiver.kind), receiver._handle, out) == lib.ARC_OK:
                return received_frame(out, receiver.index)
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
                    lambda *keys: int(lib.arc_loop_rekey(self._loop, self._id, *keys)))

    def stats(self) -> SessionStats:
        """Counters of the session, its socket and all streams, read between two turns of its threads.

        :raises ArgumentError: the peer is closed.
        """
        self._check_open()
        out = ffi.new("struct arc_loop_snapshot *")
        check(lib.arc_loop_snapshot(self._loop, self._id, out), "Peer.stats")
        session = to_dict(out.session)
        session["udp"] = to_dict(out.udp)
        send = []
        for s in self.senders:
            send.append({**self._media_stats(s), "network": to_dict(out.send[s.index])})
        receive = []
        for r in self.receivers:
            stats = {**self._media_stats(r), "network": to_dict(out.recv[r.index])}
            receive.append(r._rated(stats, out.session.rtt_min_us))
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
        with self._lock:
            if self._closed:
                return
            self._last_addresses = self._address(False), self._address(True)
            self._closed = True
            for s in self.senders:
                lib.arc_worker_remove_send(self._worker(s.kind), s._handle)
            for r in self.receivers:
                lib.arc_worker_remove_recv(self._worker(r.kind), r._handle)
            while lib.arc_loop_bye(self._loop, self._id) == lib.ARC_ERR_BUSY:
                time.sleep(0.001)
            with self._engine._counting:
                while lib.arc_loop_detach(self._loop, self._id) == lib.ARC_ERR_BUSY:
                    time.sleep(0.001)
                lib.arc_loop_add_session_drops(self._handle, self._udp, self._engine._gone)
            ffi.release(self._udp)
        self._engine._forget(self)
        give_memory_back()

    def _disown(self) -> None:
        """In a child of fork(): what the parent's threads work on is let go of, the socket is closed."""
        self._lock = threading.RLock()
        self._closed = True
        self._handle = ffi.gc(self._handle, None)
        ffi.release(self._udp)

    # --- what the handles call ---

    def _stream_owner(self) -> tuple[StreamTables, int]:
        self._check_open()
        return self._engine, self._id

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the peer is closed")

    def _send_audio(self, sender: AudioSender, pcm: Any, n_samples: int, capture_us: int | None,
                    now_us: int | None) -> None:
        self._check_open()
        view = ffi.from_buffer("int16_t[]", pcm)
        at_us = lib.arc_clock_us() if capture_us is None else capture_us
        check(lib.arc_worker_post_audio(self._audio_worker, sender._handle, view, n_samples, at_us),
              "AudioSender.send")

    def _send_dtmf(self, sender: AudioSender, tones: Any, n: int) -> None:
        with self._lock:  # one thread at a time
            self._check_open()
            check(lib.arc_send_dtmf(sender._handle, tones, n), "AudioSender.send_dtmf")
            lib.arc_loop_kick(self._loop, self._id)

    def _send_video(self, sender: VideoSender, frame: Any, capture_us: int | None, now_us: int | None) -> None:
        self._check_open()
        at_us = lib.arc_clock_us() if capture_us is None else capture_us
        check(lib.arc_worker_post_video(self._video_worker, sender._handle, frame, at_us), "VideoSender.send")

    def _play(self, sender: AudioSender, pcm: Any, n_samples: int, now_us: int | None) -> None:
        self._check_open()
        view = ffi.from_buffer("int16_t[]", pcm)
        check(lib.arc_worker_play(self._audio_worker, sender._handle, view, n_samples), "AudioSender.play")

    def _played(self, sender: AudioSender, flush: bool) -> Any:
        self._check_open()
        out = ffi.new("struct arc_played *")
        check(lib.arc_worker_played(self._audio_worker, sender._handle, flush, out), "AudioSender.flush")
        return out

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


__all__ = ["Peer"]
