"""All streams of an engine in one table, and the streams of a manager on top of it."""
from __future__ import annotations

import contextlib
import gc
import re
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from arcrtc import ArgumentError, AudioFrame, ClosedError, Engine, LibraryError, SessionConfig, SrtpConfig
from arcrtc._native import ffi, lib
from arcrtc.errors import NoMemoryError
from arcrtc.routing import LegConfig, RouterConfig, Track, TrackConfig
from arcrtc.streams import StreamConfig, StreamManager, StreamState
from arcrtc.streamtables import read_rows, row_dtype

VOICE = TrackConfig(kind="audio", codec="opus", ssrc=1, payload_type=111, clock_rate=48_000)
KEY = SrtpConfig(master_key=bytes(range(16)), master_salt=bytes(range(14)))
USER = UUID(int=7)
SMALL = RouterConfig(pool_pkts=1024)


@contextlib.contextmanager
def files(wanted: int) -> Iterator[None]:
    """So many descriptors may be open meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= wanted, f"{wanted} open files are needed, {hard} are allowed"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def config(kind: str = "audio") -> StreamConfig:
    return StreamConfig(user_id=USER, media_type=kind)  # type: ignore[arg-type]


def circle(engine: Engine, thread: int, n: int, fan_out: int) -> tuple[Any, list[Track], list[Any]]:
    """A router where each of n publishes and gets what ``fan_out`` others publish."""
    router = engine.router(SMALL, thread=thread)
    legs = [router.add_leg(local="127.0.0.1:0") for _ in range(n)]
    tracks = [router.publish(leg, VOICE) for leg in legs]
    routes = router.subscribe_many([(tracks[i], legs[(i + k) % n], None) for i in range(n)
                                    for k in range(1, fan_out + 1)])
    return router, tracks, routes


def test_manager_of_10_000_streams_on_two_threads() -> None:
    manager = StreamManager()
    with files(2400), Engine(threads=2) as engine:
        scenes = [circle(engine, thread, 1000, 4) for thread in (0, 1)]
        handles = [handle for _, tracks, routes in scenes for handle in (*tracks, *routes)]
        owners = [router._id for router, tracks, routes in scenes for _ in (*tracks, *routes)]
        for handle in handles:
            manager.bind(manager.create_stream(config()), handle)
        table = manager.table()
        assert len(table) == len(engine.stream_table()) == 10_000
        assert table["found"].all()
        assert table["stream"].tolist() == [handle.id for handle in handles]
        assert table["owner"].tolist() == owners
        routes = table["direction"] == 1
        assert table["ssrc"][routes].tolist() == [h.ssrc for h in handles if not isinstance(h, Track)]
        assert [UUID(bytes=i.tobytes()) for i in table["stream_id"]] == manager.ids()
        assert manager.stats().bound == 10_000

        scenes[0][0].move(1)
        assert manager.table()["found"].all(), "a router may go to another thread"
        gone = handles[7]
        scenes[0][0].unpublish(gone)
        left = manager.table()["found"]
        assert not left[7]
        assert left.sum() == 10_000 - 5, "the track and its four routes"
        scenes[1][0].close()
        assert manager.table()["found"].sum() == 5000 - 5
        for stream_id in manager.ids():
            manager.remove_stream(stream_id)
        assert len(engine.stream_table()) == 0
    assert len(manager.table()) == 0


def test_table_has_the_figures_of_peers() -> None:
    with Engine() as engine:
        b = engine.open(local="127.0.0.1:0", config=SessionConfig(srtp=KEY))
        a = engine.open(local="127.0.0.1:0", remote=b.local_address, config=SessionConfig(srtp=KEY))
        sender, receiver = a.send_audio(), b.receive_audio()
        manager = StreamManager()
        sent, received = manager.create_stream(config()), manager.create_stream(config())
        manager.bind(sent, sender)
        manager.bind(received, receiver)
        tone = AudioFrame(samples=(8000 * np.sin(np.arange(960) * 0.06)).astype(np.int16), sample_rate=48_000)
        for _ in range(10):
            sender.send(tone)
        end = time.monotonic() + 5
        while manager.table()["packets"].tolist() != [10, 10]:
            assert time.monotonic() < end, manager.table()["packets"]
            time.sleep(0.005)
        table = manager.table()
        for row, stats in zip(table, (a.stats().send[0]["network"], b.stats().receive[0]["network"]), strict=True):
            assert (row["ssrc"], row["packets"], row["bytes"]) == (sender.ssrc, stats["pkts"], stats["bytes"])
            assert row["active"] == 1
            assert row["leg"] == -1
        assert (table["direction"].tolist(), table["kind"].tolist()) == ([1, 0], [0, 0])
        assert [engine.owner_of(owner) for owner in table["owner"]] == [a, b]
        assert manager.stats().bytes_sent == manager.stats().bytes_received > 100

        manager.update_stream_state(sent, StreamState.ACTIVE)
        manager.update_stream_state(sent, StreamState.PAUSED)
        a.close()
        assert manager.table()["found"].tolist() == [False, True]
        manager.remove_stream(sent)
        with pytest.raises(ClosedError):
            manager.bind(manager.create_stream(config()), sender)


def test_table_of_a_closed_engine() -> None:
    engine = Engine()
    _, tracks, _ = circle(engine, 0, 2, 1)
    manager = StreamManager()
    stream_id = manager.create_stream(config())
    manager.bind(stream_id, tracks[0])
    assert manager.table()["found"].all()
    engine.close()
    with pytest.raises(ClosedError):
        engine.stream_table()
    assert not manager.table()["found"].any()
    manager.remove_stream(stream_id)


def test_table_rows_are_whole_while_streams_come_and_go() -> None:
    """Streams that stay are in every table, once, whatever others do and on whatever thread."""
    with files(1000), Engine(threads=2) as engine:
        staying = [circle(engine, thread, 40, 30) for thread in (0, 1)]
        names = {(router._id, 1, route.id) for router, _, routes in staying for route in routes}
        done, faults = threading.Event(), []

        def churn() -> None:
            try:
                while not done.is_set():
                    router, _, _ = circle(engine, 0, 20, 10)
                    for leg in router.legs[::2]:
                        router.remove_leg(leg)
                    router.close()
            except Exception as error:
                faults.append(error)

        worker = threading.Thread(target=churn)
        worker.start()
        try:
            for _ in range(60):
                table = engine.stream_table()
                seen = list(zip(*(table[c].tolist() for c in ("owner", "direction", "stream")), strict=True))
                assert names <= set(seen)
                assert len(set(seen)) == len(seen)
        finally:
            done.set()
            worker.join()
        assert not faults


def test_read_streams_says_how_many_there_are_whatever_room_there_is() -> None:
    with files(400), Engine() as engine:
        circle(engine, 0, 60, 40)  # 2460: several turns
        loop = engine._loops[0]
        rows = np.zeros(2460, row_dtype("struct arc_stream_row"))
        for room in (0, 1, 1023, 1024, 1500, 2460):
            rows.view(np.uint8).fill(0)
            assert lib.arc_loop_read_streams(loop, ffi.from_buffer("struct arc_stream_row[]", rows), room) == 2460
            assert np.count_nonzero(rows["owner"]) == room
        assert lib.arc_loop_read_streams(loop, ffi.NULL, 1) == lib.ARC_ERR_ARG
        table = read_rows("struct arc_stream_row", 1,
                          lambda at, room: int(lib.arc_loop_read_streams(loop, at, room)))
        assert len(table) == 2460


def test_many_routes_are_made_all_or_none() -> None:
    """More than one turn makes them; one that cannot be made takes all others back."""
    with files(200), Engine() as engine:
        router = engine.router(SMALL)
        legs = [router.add_leg(LegConfig(), local="127.0.0.1:0") for _ in range(50)]
        tracks = [router.publish(leg, VOICE) for leg in legs]
        wanted = [(tracks[i], legs[(i + k) % 50], None) for i in range(50) for k in range(1, 10)]
        with pytest.raises(Exception, match="go back to the leg"):
            router.subscribe_many([*wanted, (tracks[0], legs[0], None)])
        assert len(router.routes) == router.stats()["routes"] == 0
        before = engine.stats()[0]["commands"]
        routes = router.subscribe_many(wanted)
        assert router.stats()["routes"] == 450
        assert engine.stats()[0]["commands"] - before >= 4, "128 in a turn, so that packets need not wait"
        router.unsubscribe_many(routes[:300])
        assert router.stats()["routes"] == 150
        assert router.subscribe_many([]) == []


def test_drops_are_summed_over_peers_routers_and_sockets_and_stay() -> None:
    with files(400), Engine(threads=2) as engine:
        assert set(engine.drops().values()) == {0}
        outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

        def send(data: bytes, address: str) -> None:
            host, _, port = address.rpartition(":")
            outside.sendto(data, (host, int(port)))

        def wait_for(**wanted: int) -> None:
            end = time.monotonic() + 5
            while {reason: engine.drops()[reason] for reason in wanted} != wanted:
                assert time.monotonic() < end, (wanted, engine.drops())
                time.sleep(0.005)

        peer = engine.open(local="127.0.0.1:0", srtp=KEY, thread=0)
        router = engine.router(SMALL, thread=1)
        publisher, viewer = (router.add_leg(local="127.0.0.1:0") for _ in range(2))
        track = router.publish(publisher, VOICE)
        route = router.subscribe(track, viewer)
        rtp = struct.pack("!BBHII", 0x80, 111, 1, 960, 1) + bytes(20)
        send(rtp, peer.local_address)
        send(b"noise", peer.local_address)
        send(b"noise", router.local_address(publisher))
        wait_for(not_rtp=2, auth=1)
        send(rtp, router.local_address(publisher))
        wait_for(no_remote=1)
        route.pause()
        send(struct.pack("!BBHII", 0x80, 111, 2, 1920, 1) + bytes(20), router.local_address(publisher))
        wait_for(paused=1, no_remote=1)
        assert router.stats()["unsent"]["paused"] == 1
        before = engine.drops()
        router.remove_leg(viewer)
        after = engine.drops()
        assert {k: n for k, n in after.items() if n != before[k] and k != "no_remote"} == {}
        assert after["no_remote"] >= 1, "its BYE has no address either"
        peer.close()
        router.close()
        assert engine.drops() == after
        outside.close()
    assert engine.drops() == after


def test_drops_of_more_sockets_than_a_turn_takes() -> None:
    with files(800), Engine() as engine:
        routers = [engine.router(SMALL) for _ in range(2)]
        legs = [router.add_leg(local="127.0.0.1:0") for router in routers for _ in range(300)]
        track = routers[0].publish(legs[0], VOICE)
        routers[0].subscribe_many([(track, leg, None) for leg in legs[1:300]])
        host, _, port = routers[0].local_address(legs[0]).rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
            outside.sendto(struct.pack("!BBHII", 0x80, 111, 1, 960, 1) + bytes(20), (host, int(port)))
        end = time.monotonic() + 5
        while (before := engine.drops()["no_remote"]) < 299:
            assert time.monotonic() < end, engine.drops()
            time.sleep(0.005)
        each = [leg.stats()["udp"]["no_remote"] for leg in legs]  # reports have nowhere to go either
        assert before <= sum(each) <= engine.drops()["no_remote"]
        assert before < 299 + 600, "no socket is counted twice"


def test_many_legs_are_made_all_or_none() -> None:
    """More than one turn makes them; whichever allocation fails, nothing of them is left."""
    configs = [LegConfig(srtp=KEY), LegConfig()] * 10
    with files(200), Engine() as engine:
        router = engine.router(SMALL)
        legs = router.add_legs(configs, local="127.0.0.1:0", remotes=["127.0.0.1:9", None] * 10)
        assert [leg.config for leg in legs] == configs
        assert list(router.legs) == legs
        assert [router.remote_address(leg) for leg in legs] == ["127.0.0.1:9", None] * 10
        assert len({router.local_address(leg) for leg in legs}) == 20
        assert all(leg.stats()["routes"] == 0 for leg in legs)
        for leg in legs:
            router.remove_leg(leg)
        assert router.add_legs([]) == []
        with pytest.raises(ArgumentError, match="20 legs, and 1 remotes"):
            router.add_legs(configs, remotes=[None])

        gc.collect()
        before, failed = lib.arc_mem_live_blocks(), 0
        for allowed in range(0, 400, 7):
            lib.arc_mem_fail_after(allowed)
            try:
                legs = router.add_legs(configs, local="127.0.0.1:0")
            except (NoMemoryError, LibraryError):
                failed += 1
            else:
                for leg in legs:
                    router.remove_leg(leg)
            finally:
                lib.arc_mem_fail_after(-1)
            legs = []
            gc.collect()
            assert not router.legs
            assert router.stats()["legs"] == 0
            assert lib.arc_mem_live_blocks() == before
        assert failed > 20


def test_drops_are_those_that_the_docstring_names() -> None:
    text = (Engine.drops.__doc__ or "").partition(":raises")[0]
    with Engine() as engine:
        assert set(re.findall(r"``(\w+)``", text)) == set(engine.drops())
