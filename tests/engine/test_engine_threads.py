"""Network threads of an engine: who runs where, moves under traffic, callers from many threads, fork and signals."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcrtc import ArgumentError, AudioFrame, ClosedError, Engine, SessionConfig, SrtpConfig
from arcrtc.peer import Peer

ROOT = Path(__file__).resolve().parents[2]
KEY = SrtpConfig(master_key=bytes(range(16)), master_salt=bytes(range(14)))
FRAME = AudioFrame(samples=(8000 * np.sin(np.arange(960) * 0.06)).astype(np.int16), sample_rate=48_000)


def run(program: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *options, "-c", program], cwd=ROOT, capture_output=True, text=True,
                          timeout=60, check=False)


def test_engine_places_peers_in_turn_or_where_it_is_told() -> None:
    with Engine(threads=3) as engine:
        assert [engine.open(local="127.0.0.1:0").thread for _ in range(4)] == [0, 1, 2, 0]
        assert [engine.open(local="127.0.0.1:0", thread=t).thread for t in (2, 2, 1)] == [2, 2, 1]
        assert [s["sessions"] for s in engine.stats()] == [2, 2, 3]
        for thread in (3, -1, True, 1.0):
            with pytest.raises(ArgumentError, match="thread"):
                engine.open(local="127.0.0.1:0", thread=thread)  # type: ignore[arg-type]


def counters(a: Peer, b: Peer) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    there, here = a.stats(), b.stats()
    return there.send[0]["network"], here.receive[0]["network"], here.session["drops"]


def test_engine_moves_a_peer_under_traffic_without_loss() -> None:
    with Engine(threads=2) as engine:
        config = SessionConfig(srtp=KEY)
        b = engine.open(local="127.0.0.1:0", config=config, thread=0)
        a = engine.open(local="127.0.0.1:0", remote=b.local_address, config=config, thread=0)
        speech = a.send_audio(frame_size_ms=5)
        b.receive_audio()
        for i in range(60):
            speech.send(FRAME)
            b.move(i % 2)
            a.move((i + 1) % 2)
            assert (a.thread, b.thread) == ((i + 1) % 2, i % 2)
            time.sleep(0.01)
            while b.poll_frame() is not None:
                pass
        end = time.monotonic() + 5
        while counters(a, b)[1]["pkts"] < counters(a, b)[0]["pkts"] and time.monotonic() < end:
            time.sleep(0.01)
        sent, got, drops = counters(a, b)
        assert sent["pkts"] > 200
        assert got["pkts"] == sent["pkts"]
        assert (got["lost_pkts"], got["duplicate_pkts"], got["reordered_pkts"]) == (0, 0, 0)
        assert drops == dict.fromkeys(drops, 0)
        assert sum(s["sessions"] for s in engine.stats()) == 2


def test_engine_move_to_a_thread_that_is_not_there() -> None:
    with Engine(threads=2) as engine:
        peer = engine.open(local="127.0.0.1:0")
        with pytest.raises(ArgumentError, match="thread"):
            peer.move(2)
        peer.move(1)
        peer.close()
        with pytest.raises(ClosedError, match="closed"):
            peer.move(0)


def test_engine_stats_say_what_each_thread_does() -> None:
    with Engine(threads=2) as engine:
        b = engine.open(local="127.0.0.1:0", srtp=KEY, thread=0)
        a = engine.open(local="127.0.0.1:0", remote=b.local_address, srtp=KEY, thread=0)
        speech = a.send_audio()
        b.receive_audio()
        for _ in range(60):
            speech.send(FRAME)
            time.sleep(0.02)
        busy, idle = engine.stats()
        assert 0 < busy["load"] < 1
        assert idle["load"] < 0.01
        assert busy["turns"] > 50 > idle["turns"]
        assert busy["commands"] >= 4
        assert (busy["stalls"], busy["events_lost"], busy["kicks_full"]) == (0, 0, 0)


def test_engine_is_used_by_many_threads_at_once() -> None:
    """Peers made, asked, moved and closed by threads that share the engine, while it is asked and closed."""
    faults: list[BaseException] = []
    engine = Engine(threads=2)

    def use() -> None:
        try:
            for i in range(15):
                peer = engine.open(local="127.0.0.1:0", srtp=KEY)
                peer.stats()
                peer.move(i % 2)
                engine.poll(0)
                engine.stats()
                assert peer.local_address.startswith("127.0.0.1:")
                peer.close()
        except ClosedError:
            pass
        except BaseException as fault:
            faults.append(fault)

    users = [threading.Thread(target=use) for _ in range(6)]
    for user in users:
        user.start()
    time.sleep(0.3)
    engine.close()
    for user in users:
        user.join()
    assert faults == []
    assert engine.peers == ()


FORK = """
import os, sys
from arcrtc import ClosedError, Engine, SrtpConfig
engine = Engine(threads=2)
peer = engine.open(local="127.0.0.1:0", srtp=SrtpConfig.generate())
port = peer.local_address
child = os.fork()
if child == 0:
    said = []
    for use in (lambda: engine.open(local="127.0.0.1:0"), lambda: engine.poll(0), lambda: engine.wait(0),
                lambda: peer.stats(), lambda: peer.send_audio()):
        try:
            use()
        except ClosedError as error:
            said.append(str(error))
    engine.close()
    peer.close()
    with Engine() as own:
        own.open(local="127.0.0.1:0", srtp=SrtpConfig.generate()).stats()
    assert len(said) == 5, said
    assert "forked" in said[0], said
    sys.exit(7)  # through atexit and the collector
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert status == 7, status
peer.stats()
assert peer.local_address == port
peer.close()
with engine.open(local=port, srtp=SrtpConfig.generate())._engine:  # the child has not kept the port
    pass
print("parent goes on")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()")
def test_engine_of_the_parent_is_closed_in_a_child_of_fork() -> None:
    done = run(FORK, "-X", "faulthandler")
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "parent goes on\n"


INTERRUPTED = """
import asyncio, sys, time
from arcrtc import Engine, SrtpConfig

def ready():
    print("ready", flush=True)

async def listen():
    async with Engine(threads=2) as engine:
        await engine.connect(local="127.0.0.1:0", srtp=SrtpConfig.generate())
        ready()
        async for _ in engine.events():
            pass

def block(how):
    with Engine(threads=2) as engine:
        engine.open(local="127.0.0.1:0", srtp=SrtpConfig.generate())
        ready()
        getattr(engine, how)()

try:
    asyncio.run(listen()) if sys.argv[1] == "events" else block(sys.argv[1])
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(130)
"""


@pytest.mark.parametrize("waits", ["events", "poll", "wait"])
def test_engine_ends_cleanly_on_ctrl_c(waits: str) -> None:
    with subprocess.Popen([sys.executable, "-X", "faulthandler", "-W", "error", "-c", INTERRUPTED, waits], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        time.sleep(0.1)
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=20)
    assert (program.returncode, out, err) == (130, "interrupted\n", "")


def test_engine_exception_inside_async_with_ends_it() -> None:
    program = """
import asyncio, pathlib
from arcrtc import Engine, SrtpConfig

async def main():
    async with Engine(threads=2) as engine:
        peer = await engine.connect(local="127.0.0.1:0", srtp=SrtpConfig.generate())
        listening = asyncio.create_task(anext(engine.events(), None))
        await asyncio.sleep(0.05)
        1 / 0

try:
    asyncio.run(main())
except ZeroDivisionError:
    names = [path.read_text() for path in pathlib.Path("/proc/self/task").glob("*/comm")]
    print(not any(name.startswith("arc-") for name in names))
"""
    done = run(program, "-X", "faulthandler", "-W", "error")
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_engine_without_descriptors_says_so_and_leaves_nothing() -> None:
    program = """
import gc, os, resource
from arcrtc import Engine, TransportError
from arcrtc._native import lib
import arcrtc.srtp, arcrtc.config
gc.collect()
blocks, files = lib.arc_mem_live_blocks(), len(os.listdir("/proc/self/fd"))
for left in range(1, 40):
    resource.setrlimit(resource.RLIMIT_NOFILE, (files + left - 1, 4096))
    try:
        Engine(threads=2).close()
        break
    except TransportError:
        pass
    gc.collect()
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096))
gc.collect()
print(left > 10, lib.arc_mem_live_blocks() == blocks, len(os.listdir("/proc/self/fd")) == files)
with Engine() as engine:
    peer = engine.open(local="127.0.0.1:0")
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, 4096))
    try:
        engine.open(local="127.0.0.1:0")
    except TransportError as error:
        print("Too many open files" in str(error))
    peer.stats()
"""
    done = run(program, "-W", "error")
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True True\nTrue\n", "")
