"""The engine's threads: commands, events, datagrams, idle peers; peer: asyncio in the same process.

What waits is measured by the wall clock, what works by the CPU time of all threads: that
of who sends the datagrams is in both sides' figures.
"""
from __future__ import annotations

import asyncio
import resource
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from arcrtc._native import lib
from arcrtc.benchmarks.registry import Peer, Work, benchmark
from arcrtc.config import SessionConfig
from arcrtc.engine import Engine
from arcrtc.errors import TransportError
from arcrtc.routing import Route, RouterConfig, Track, TrackConfig
from arcrtc.srtp import SrtpConfig
from arcrtc.streams import MediaType, StreamConfig, StreamManager

_BURST: Final = 32
_IDLE: Final = 1000
_SSRC: Final = 0x1234
_AUDIO_BYTES: Final = 172
_VOICE: Final = TrackConfig(kind=MediaType.AUDIO, codec="opus", ssrc=1, payload_type=111, clock_rate=48_000)


def _rtp(seq: int, size: int = _AUDIO_BYTES, ssrc: int = _SSRC) -> bytes:
    return struct.pack("!BBHII", 0x80, 111, seq & 0xFFFF, seq * 960 & 0xFFFFFFFF, ssrc) + bytes(size - 12)


def _port(peer: Any) -> int:
    return int(peer.local_address.rpartition(":")[2])


# --- commands ---

def _asyncio_round_trip() -> Peer:
    """A coroutine that does nothing, run by a loop of another thread, with its result awaited."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def nothing() -> None:
        pass

    def run(n: int) -> None:
        for _ in range(n):
            asyncio.run_coroutine_threadsafe(nothing(), loop).result()

    return Peer("asyncio.run_coroutine_threadsafe", run)


@benchmark("engine.command.roundtrip", unit="us/command")
def _command() -> Work:
    engine = Engine()

    def run(n: int) -> None:
        thread = engine._loops[0]
        for _ in range(n):
            lib.arc_loop_bye(thread, 1)  # of a peer that is not there: the way there and back is all

    return Work(run, peer=_asyncio_round_trip(), wall=True)


@benchmark("engine.open_close.gcm128", unit="us/peer")
def _open_close() -> Work:
    engine, key = Engine(), SrtpConfig.generate()

    def run(n: int) -> None:
        for _ in range(n):
            engine.open(local="127.0.0.1:0", srtp=key).close()

    return Work(run)


# --- events ---

def _event_source(port: int) -> Callable[[int], None]:
    """A datagram of a new source, or the BYE of the one before: each is an event."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(("127.0.0.1", port))

    def cause(i: int) -> None:
        ssrc = _SSRC + i // 2
        if i % 2 == 0:
            sender.send(_rtp(i, ssrc=ssrc))
        else:
            sender.send(struct.pack("!BBHII", 0x80, 201, 1, ssrc, 0)[:8] + struct.pack("!BBHI", 0x81, 203, 1, ssrc))

    return cause


class _Told(asyncio.DatagramProtocol):
    """Sets a future when a datagram came."""

    def __init__(self) -> None:
        self.waiter: asyncio.Future[None] | None = None
        self.wanted = 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.wanted -= 1
        if self.wanted == 0 and self.waiter is not None:
            self.waiter.set_result(None)


def _asyncio_datagrams(burst: int) -> Peer:
    """Bursts of datagrams to a DatagramProtocol of the same thread."""
    loop = asyncio.new_event_loop()
    transport, told = loop.run_until_complete(
        loop.create_datagram_endpoint(_Told, local_addr=("127.0.0.1", 0)))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(transport.get_extra_info("sockname"))
    data = _rtp(1)

    async def receive(n: int) -> None:
        for _ in range(n):
            told.waiter, told.wanted = loop.create_future(), burst
            for _ in range(burst):
                sender.send(data)
            await told.waiter

    return Peer("asyncio.DatagramProtocol", lambda n: loop.run_until_complete(receive(n)), items=burst)


def _thread_to_asyncio(loop: asyncio.AbstractEventLoop) -> Peer:
    """A thread that reads datagrams and tells the event loop of each."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(receiver.getsockname())
    told: asyncio.Queue[int] = asyncio.Queue()
    data = _rtp(1)

    def read() -> None:
        while True:
            loop.call_soon_threadsafe(told.put_nowait, len(receiver.recv(2048)))

    threading.Thread(target=read, daemon=True).start()

    async def follow(n: int) -> None:
        for _ in range(n):
            sender.send(data)
            await told.get()

    return Peer("thread, call_soon_threadsafe", lambda n: loop.run_until_complete(follow(n)))


@benchmark("engine.event.asyncio", unit="us/event")
def _event_latency() -> Work:
    """From the datagram that causes an event to the coroutine that awaits it."""
    loop = asyncio.new_event_loop()
    engine = Engine()
    peer = engine.open(local="127.0.0.1:0", config=SessionConfig(max_sources=4096, silence_ms=0))
    peer.receive_audio()
    cause, sent = _event_source(_port(peer)), 0
    events = engine.events()

    async def follow(n: int) -> None:
        nonlocal sent
        for _ in range(n):
            cause(sent)
            sent += 1
            await anext(events)

    return Work(lambda n: loop.run_until_complete(follow(n)), peer=_thread_to_asyncio(loop), wall=True)


# --- figures of all streams ---

def _ten_thousand(engine: Engine) -> list[Track | Route]:
    """A hundred legs, each of which gets what all others publish."""
    router = engine.router(RouterConfig(pool_pkts=1024))
    legs = [router.add_leg(local="127.0.0.1:0") for _ in range(100)]
    tracks = [router.publish(leg, _VOICE) for leg in legs]
    routes = [(track, leg, None) for track in tracks for leg in legs if leg is not track.leg]
    return [*tracks, *router.subscribe_many(routes)]


@benchmark("engine.stream_table.10000", unit="ms/table")
def _stream_table() -> Work:
    engine = Engine()
    _ten_thousand(engine)

    def run(n: int) -> None:
        for _ in range(n):
            engine.stream_table()

    return Work(run, wall=True)


@benchmark("engine.stream_table.10000.managed", unit="ms/table")
def _managed_table() -> Work:
    """The same, joined with the streams of a manager that are bound to them."""
    engine, manager = Engine(), StreamManager()
    for handle in _ten_thousand(engine):
        manager.bind(manager.create_stream(StreamConfig(user_id=UUID(int=1), media_type=_VOICE.kind)), handle)

    def run(n: int) -> None:
        for _ in range(n):
            manager.table()

    return Work(run, wall=True)


# --- datagrams ---

def _received(engine: Engine) -> Work:
    """Datagrams through socket, demultiplexer, RTP header and sources of a session."""
    peer = engine.open(local="127.0.0.1:0", config=SessionConfig(silence_ms=0))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(("127.0.0.1", _port(peer)))
    total = 0

    def run(n: int) -> None:
        nonlocal total
        for _ in range(n):
            for seq in range(total, total + _BURST):
                sender.send(_rtp(seq))
            total += _BURST
            while peer.stats().session["received_pkts"] < total:
                pass

    return Work(run, items=_BURST, peer=_asyncio_datagrams(_BURST))


@benchmark(f"engine.receive.plain.{_AUDIO_BYTES}B", unit="packets/s/core")
def _receive() -> Work:
    return _received(Engine())


@benchmark(f"engine.receive.plain.{_AUDIO_BYTES}B.idle{_IDLE}", unit="packets/s/core")
def _receive_beside_idle() -> Work:
    """The same beside a thousand peers of the same thread that wait."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _IDLE + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise TransportError(f"this machine allows {hard} open files only, {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    engine, key = Engine(), SrtpConfig.generate()
    for _ in range(_IDLE):
        engine.open(local="127.0.0.1:0", srtp=key)
    return _received(engine)
