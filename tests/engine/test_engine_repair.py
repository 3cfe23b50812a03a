"""repair="auto" of peers: the policy runs beside the engine's threads and ends with its peers."""
from __future__ import annotations

import threading
import time

import numpy as np

from arcrtc import Engine
from arcrtc.audio.frame import AudioFrame
from arcrtc.config import SessionConfig
from arcrtc.fec import FecConfig


def repairing() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "arcrtc-repair"]


def test_engine_auto_repair_decides_for_each_peer_and_ends_with_them() -> None:
    sound = AudioFrame(samples=np.zeros(960, np.int16), sample_rate=48_000)
    with Engine(threads=1) as engine:
        peers = [engine.open(local="127.0.0.1:0", config=SessionConfig(repair="auto")) for _ in range(2)]
        senders = [p.send_audio(packet_fec=FecConfig(overhead=0.1)) for p in peers]
        for one, other in (peers, peers[::-1]):
            one.set_remote(other.local_address)
        end = time.monotonic() + 8
        while time.monotonic() < end and not all(p.repair is not None and p.repair.decisions for p in peers):
            for sender in senders:
                sender.send(sound)
            time.sleep(0.02)
        assert all(p.repair is not None and 0 in p.repair.decisions for p in peers)
        assert len(repairing()) == 1
    end = time.monotonic() + 5
    while repairing() and time.monotonic() < end:
        time.sleep(0.05)
    assert not repairing()
