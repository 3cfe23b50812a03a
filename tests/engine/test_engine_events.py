"""Events of an engine: awaited, polled, lost and told; silence, refused datagrams, stalls."""
from __future__ import annotations

import asyncio
import socket
import threading
import time

import numpy as np
import pytest

from arcrtc import (
    ArgumentError,
    AudioFrame,
    BackpressureError,
    ClosedError,
    ConfigError,
    Engine,
    EngineEvent,
    EventType,
    Session,
    SessionConfig,
    SrtpConfig,
)
from arcrtc._native import error_for, ffi, lib

KEY = SrtpConfig(master_key=bytes(range(16)), master_salt=bytes(range(14)))
FRAME = AudioFrame(samples=(8000 * np.sin(np.arange(960) * 0.06)).astype(np.int16), sample_rate=48_000)


def poll_for(engine: Engine, wanted: EventType, seconds: float = 5.0) -> EngineEvent:
    """The first event of this type; the test fails when none comes."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for event in engine.poll(left):
            if event.type is wanted:
                return event
    pytest.fail(f"no {wanted} in {seconds} s")


def opus_packet(number: int, payload_type: int, ssrc: int) -> bytes:
    return bytes([0x80, payload_type]) + number.to_bytes(2, "big") + bytes(4) + ssrc.to_bytes(4, "big") + b"\x78"


def test_engine_poll_gives_events_of_all_peers() -> None:
    with Engine(threads=2) as engine, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        peers = [engine.open(local="127.0.0.1:0") for _ in range(4)]
        for i, peer in enumerate(peers):
            peer.receive_audio()
            port = int(peer.local_address.rpartition(":")[2])
            sender.sendto(opus_packet(1, 111, 1000 + i), ("127.0.0.1", port))
        found: dict[int, EngineEvent] = {}
        end = time.monotonic() + 5
        while len(found) < 4 and time.monotonic() < end:
            found.update({e.event.value: e for e in engine.poll(1) if e.type is EventType.STREAM_ADDED})
        for i, peer in enumerate(peers):
            event = found[1000 + i]
            assert event.peer is peer
            assert event.thread == peer.thread == i % 2
            assert event.event.stream == 0
            own = peer.poll_event()  # it reaches the peer as well
            assert own is not None
            assert own == event.event


def test_engine_poll_returns_when_the_time_is_up() -> None:
    with Engine() as engine:
        begin = time.monotonic()
        assert engine.poll(0) == []
        assert engine.poll(0.05) == []
        assert 0.05 <= time.monotonic() - begin < 2


def test_engine_poll_ends_when_the_engine_is_closed() -> None:
    engine = Engine()
    closer = threading.Timer(0.1, engine.close)
    closer.start()
    begin = time.monotonic()
    assert engine.poll(1) == []
    assert time.monotonic() - begin < 5
    closer.join()
    with pytest.raises(ClosedError, match="closed"):
        engine.poll(0)


def test_engine_events_are_awaited_until_it_is_closed() -> None:
    async def main() -> list[EngineEvent]:
        events: list[EngineEvent] = []
        async with Engine(threads=2) as engine:
            config = SessionConfig(srtp=KEY)
            b = await engine.connect(local="127.0.0.1:0", config=config, thread=1)
            a = await engine.connect(local="127.0.0.1:0", remote=b.local_address, config=config, thread=0)
            speech = a.send_audio()
            b.receive_audio()

            async def listen() -> None:
                async for event in engine.events():
                    events.append(event)

            listening = asyncio.create_task(listen())
            for _ in range(10):
                speech.send(FRAME)
                await asyncio.sleep(0.02)
            a.close()
            await asyncio.sleep(0.1)
            engine.close()
            await asyncio.wait_for(listening, 2)
            assert all(e.peer is b and e.thread == 1 for e in events)
        return events

    events = asyncio.run(main())
    assert [e.type for e in events] == [EventType.STREAM_ADDED, EventType.STREAM_ENDED]


def test_engine_events_without_a_reader_are_counted_and_told() -> None:
    with Engine(event_depth=4) as engine, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        peers = [engine.open(local="127.0.0.1:0") for _ in range(12)]
        for i, peer in enumerate(peers):
            peer.receive_audio()
            sender.sendto(opus_packet(1, 111, 1000 + i), ("127.0.0.1", int(peer.local_address.rpartition(":")[2])))
        end = time.monotonic() + 5
        while engine.stats()[0]["events_lost"] < 8 and time.monotonic() < end:
            time.sleep(0.01)
        events = engine.poll(0)
        assert [e.type for e in events] == [EventType.STREAM_ADDED] * 4 + [EventType.EVENTS_LOST]
        assert events[-1].event.value == 8
        assert events[-1].peer is None
        assert all(peer.poll_event() is not None for peer in peers)  # their own rings had room


def test_engine_tells_of_a_silent_peer_and_of_its_return() -> None:
    with Engine() as engine, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        peer = engine.open(local="127.0.0.1:0", config=SessionConfig(silence_ms=150))
        peer.receive_audio()
        port = int(peer.local_address.rpartition(":")[2])
        for i in range(10):  # noise is no life
            sender.sendto(bytes([0xFF, i]), ("127.0.0.1", port))
        silent = poll_for(engine, EventType.PEER_SILENT)
        assert silent.peer is peer
        assert silent.event.value >= 150_000
        assert engine.poll(0.4) == []  # it is told once
        sender.sendto(opus_packet(1, 111, 7), ("127.0.0.1", port))
        heard = poll_for(engine, EventType.PEER_HEARD)
        assert heard.event.value >= 400_000
        poll_for(engine, EventType.PEER_SILENT)  # and it may fall silent again


def test_session_tells_of_silence_in_the_callers_time() -> None:
    session = Session(SessionConfig(silence_ms=2000, seed=1), now_us=1_000_000)
    session.receive_audio()
    assert session.next_timeout_us() == 3_000_000
    session.poll_transmit(now_us=2_999_999)
    assert session.poll_event() is None
    session.poll_transmit(now_us=3_000_000)
    event = session.poll_event()
    assert event is not None
    assert (event.type, event.now_us, event.value) == (EventType.PEER_SILENT, 3_000_000, 2_000_000)
    session.receive(opus_packet(1, 111, 7), now_us=10_000_000)
    types = []
    while (event := session.poll_event()) is not None:
        types.append(event.type)
    assert EventType.PEER_HEARD in types


def test_session_silence_zero_is_never_told() -> None:
    session = Session(SessionConfig(silence_ms=0, seed=1), now_us=0)
    session.poll_transmit(now_us=10**12)
    assert session.poll_event() is None
    with pytest.raises(ConfigError, match="silence_ms"):
        SessionConfig(silence_ms=-1)


@pytest.mark.parametrize("kind", [lib.ARC_HUB_THREAD_STALLED, lib.ARC_HUB_THREAD_RECOVERED])
def test_engine_stall_event_names_the_thread(kind: int) -> None:
    """That a stall is noticed is tested in tests/c/test_loop.c, where a thread can be put to sleep."""
    with Engine(threads=2) as engine:
        told = ffi.new("struct arc_hub_event *",
                       {"type": kind, "stream": 1, "source": 2, "now_us": 5, "value": 300_000})
        event = engine._engine_event(told)
        assert (event.thread, event.peer, event.type) == (1, None, EventType(kind))
        assert event.event.value == 300_000


@pytest.mark.parametrize("options", [{"stall_ms": 0}, {"stall_ms": 3_600_001}, {"pool_pkts": 63}, {"event_depth": 0},
                                     {"pool_pkts": 2**20 + 1}])
def test_engine_limits_outside_of_their_range(options: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(options))):
        Engine(**options)


def test_engine_full_queue_is_backpressure() -> None:
    """The queue itself is filled in tests/c/test_loop.c: it takes as many callers as it has room."""
    error = error_for(lib.ARC_ERR_BUSY, "Peer.stats")
    assert isinstance(error, BackpressureError)
    assert isinstance(error, RuntimeError)
    assert "try again" in str(error)
