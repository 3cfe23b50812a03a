"""How engines and peers end: closed, forgotten, with the interpreter; and every Python they run on."""
from __future__ import annotations

import asyncio
import gc
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcrtc import ArgumentError, AudioFrame, Engine, SrtpConfig
from arcrtc._native import lib
from arcrtc.engine import Peer

ROOT = Path(__file__).resolve().parents[2]
KEY = SrtpConfig(master_key=bytes(range(16)), master_salt=bytes(range(14)))
FRAME = AudioFrame(samples=np.zeros(960, np.int16), sample_rate=48_000)


def run(program: str, *options: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, *options, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60,
                          check=False)


def live_call(engine: Engine) -> tuple[Peer, Peer]:
    b = engine.open(local="127.0.0.1:0", srtp=KEY)
    a = engine.open(local="127.0.0.1:0", remote=b.local_address, srtp=KEY)
    speech = a.send_audio()
    b.receive_audio()
    for _ in range(5):
        speech.send(FRAME)
    return a, b


@pytest.mark.parametrize("options", [{"threads": 0}, {"threads": 65}, {"media_threads": 0}, {"threads": 1.5}])
def test_engine_options_outside_of_their_range(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=r"is outside 1\.\.64"):
        Engine(**options)
    gc.collect()


def test_engine_close_twice_and_peers_twice() -> None:
    engine = Engine()
    a, _ = live_call(engine)
    a.close()
    a.close()
    assert len(engine.peers) == 1
    engine.close()
    engine.close()
    assert engine.peers == ()
    assert "closed" in repr(engine)
    assert "closed" in repr(a)


PEER_USES: dict[str, Callable[[Peer, Any], object]] = {
    "send": lambda peer, speech: speech.send(FRAME),
    "flush": lambda peer, speech: speech.flush(),
    "sender stats": lambda peer, speech: speech.stats(),
    "stats": lambda peer, speech: peer.stats(),
    "send_audio": lambda peer, speech: peer.send_audio(payload_type=100),
    "receive_video": lambda peer, speech: peer.receive_video(),
    "set_remote": lambda peer, speech: peer.set_remote("127.0.0.1:5004"),
}


@pytest.mark.parametrize("whole_engine", [False, True], ids=["peer closed", "engine closed"])
@pytest.mark.parametrize("use", PEER_USES)
def test_engine_use_of_a_closed_peer_is_refused(use: str, whole_engine: bool) -> None:
    with Engine() as engine:
        peer = engine.open(local="127.0.0.1:0")
        speech = peer.send_audio()
        (engine if whole_engine else peer).close()
        with pytest.raises(ArgumentError, match="closed"):
            PEER_USES[use](peer, speech)


@pytest.mark.parametrize("whole_engine", [False, True], ids=["peer closed", "engine closed"])
def test_engine_closed_peer_gives_nothing_and_says_where_it_was(whole_engine: bool) -> None:
    with Engine() as engine:
        peer, other = live_call(engine)
        local, remote = peer.local_address, peer.remote_address
        (engine if whole_engine else peer).close()
        assert peer.poll_frame() is None
        assert (peer.local_address, peer.remote_address) == (local, remote)
        peer.senders[0].set_bitrate(20_000)  # harmless
        peer.senders[0].mute()
        assert "opus" in repr(peer.senders[0])
        if whole_engine:
            assert other.poll_frame() is None


def test_engine_use_of_a_closed_engine_is_refused() -> None:
    engine = Engine()
    engine.close()
    with pytest.raises(ArgumentError, match="closed"):
        engine.open(local="127.0.0.1:0")
    with pytest.raises(ArgumentError, match="closed"):
        engine.wait(0)
    with pytest.raises(ArgumentError, match="closed"):
        asyncio.run(engine.connect(local="127.0.0.1:0"))
    assert engine.stats() == []


def test_engine_closed_peer_frees_its_port() -> None:
    with Engine() as engine:
        peer = engine.open(local="127.0.0.1:0")
        again = peer.local_address
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            with pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", int(again.rpartition(":")[2])))
            peer.close()
            second = engine.open(local=again)
            assert second.local_address == again
            second.close()
            other.bind(("127.0.0.1", int(again.rpartition(":")[2])))
            assert other.getsockname()[1] == int(again.rpartition(":")[2])


def test_engine_closed_with_live_peers_leaves_nothing() -> None:
    gc.collect()
    blocks, files = lib.arc_mem_live_blocks(), len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with Engine() as engine:
            live_call(engine)
            time.sleep(0.05)
    del engine
    gc.collect()
    assert lib.arc_mem_live_blocks() == blocks
    assert len(os.listdir("/proc/self/fd")) == files


def test_engine_forgotten_while_it_runs_ends_quietly() -> None:
    """Nobody calls close(): the collector takes engine, peers and sessions in an order of its own."""
    program = """
import gc, time, numpy as np
from arcrtc import AudioFrame, Engine, SrtpConfig
from arcrtc._native import lib

frame = AudioFrame(samples=np.zeros(960, np.int16), sample_rate=48_000)

def forget():
    engine = Engine()
    key = SrtpConfig.generate()
    b = engine.open(local="127.0.0.1:0", srtp=key)
    a = engine.open(local="127.0.0.1:0", remote=b.local_address, srtp=key)
    speech = a.send_audio()
    b.receive_audio()
    for _ in range(10):
        speech.send(frame)
        time.sleep(0.002)

gc.collect()
before = lib.arc_mem_live_blocks()
for _ in range(10):
    forget()
    gc.collect()
print(lib.arc_mem_live_blocks() - before)
"""
    done = run(program, "-X", "faulthandler", "-W", "error", "-W", "ignore::ResourceWarning")
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "0\n"
    assert done.stderr == ""


def test_engine_forgotten_warns_where_it_was_left() -> None:
    done = run("from arcrtc import Engine\nimport gc\nEngine()\ngc.collect()\n", "-W", "always::ResourceWarning")
    assert "unclosed" in done.stderr
    assert "Engine(1 network threads" in done.stderr


@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "raise SystemExit(3)", "1 / 0"])
def test_engine_alive_at_exit_ends_cleanly(ending: str) -> None:
    program = f"""
import sys, time, numpy as np
from arcrtc import AudioFrame, Engine, SrtpConfig
engine = Engine()
key = SrtpConfig.generate()
b = engine.open(local="127.0.0.1:0", srtp=key)
a = engine.open(local="127.0.0.1:0", remote=b.local_address, srtp=key)
speech = a.send_audio()
b.receive_audio()
for _ in range(10):
    speech.send(AudioFrame(samples=np.zeros(960, np.int16), sample_rate=48_000))
    time.sleep(0.01)
{ending}
"""
    done = run(program, "-X", "faulthandler", "-W", "error")
    assert done.returncode == {"": 0, "1 / 0": 1}.get(ending, 3), done.stderr[-2000:]
    assert "Fatal" not in done.stderr
    assert (done.stderr == "") == (ending != "1 / 0")


def test_engine_alive_in_asyncio_at_exit_ends_cleanly() -> None:
    """The loop is closed with somebody waiting for frames."""
    program = """
import asyncio
from arcrtc import Engine
engine = Engine()

async def main():
    peer = await engine.connect(local="127.0.0.1:0")
    peer.receive_audio()

    async def hear():
        async for _ in peer.frames():
            pass

    task = asyncio.create_task(hear())
    await asyncio.sleep(0.05)

asyncio.run(main())
asyncio.run(main())
"""
    done = run(program, "-X", "faulthandler", "-W", "error")
    assert (done.returncode, done.stderr) == (0, "")


def test_engine_close_ends_those_who_wait() -> None:
    async def main() -> None:
        async with Engine() as engine:
            peer = await engine.connect(local="127.0.0.1:0")

            async def hear() -> None:
                async for _ in peer.frames():
                    pass

            tasks = [asyncio.create_task(hear()) for _ in range(3)]
            await asyncio.sleep(0.02)
            assert not any(task.done() for task in tasks)
            engine.close()
            assert await asyncio.wait_for(asyncio.gather(*tasks), 2) == [None] * 3

    asyncio.run(main())


def test_engine_closed_while_a_peer_is_being_made() -> None:
    """connect() looks names up on a thread; what it makes must not outlive the engine."""
    async def main() -> None:
        for _ in range(20):
            engine = Engine()
            connecting = asyncio.create_task(engine.connect(local="127.0.0.1:0"))
            await asyncio.sleep(0)
            engine.close()
            try:
                peer = await connecting
            except ArgumentError:
                continue
            with pytest.raises(ArgumentError, match="closed"):
                peer.stats()

    asyncio.run(main())


def test_engine_waits_with_many_open_files() -> None:
    """select() knows 1024 descriptors; an engine must not care how many others are open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.fail(f"this machine allows {hard} open files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with Engine() as engine:
            assert engine.wait(0.01) is False
    finally:
        for fd in files:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def pythons() -> list[str]:
    """This interpreter, and the others here that have what arcrtc needs."""
    others = [shutil.which(f"python3.{minor}") for minor in range(10, 14) if minor != sys.version_info.minor]
    return [sys.executable, *(p for p in others if p and run("import cffi, numpy", python=p).returncode == 0)]


def test_engine_is_free_of_warnings_on_every_python_here() -> None:
    program = "from arcrtc import Engine\nwith Engine() as e:\n    e.open(local='127.0.0.1:0').send_audio()\n"
    for python in pythons():
        done = run(program, "-W", "error", python=python)
        assert (done.returncode, done.stderr) == (0, ""), python
