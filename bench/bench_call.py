"""How good calls are: delay, concealment, frozen pictures, processor time.

    python bench/bench_call.py [--json] [--quick] [--real | --virtual]

Two parts. *Real time*: whole calls as ``arcrtc call`` holds them, on loopback sockets through the
emulator, so that every millisecond and every processor second is there. *Virtual time*: two sessions
in one simulated world, where encoders and threads take no time at all; the same seed gives the same
figures on every machine with the same codecs.

The network "lossy" is 5 % independent loss, 50 ms each way and 10 ms of normal jitter; the clip is
the one that ships with the package. Each line is the median over the seeds, and in brackets the
lowest and the highest. Progress goes to standard error.
"""
from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from arcrtc.call import CallSettings, run_call
from arcrtc.call.sink import to_media_video
from arcrtc.call.summary import build_report
from arcrtc.machine import this_machine
from arcrtc.media import MediaAudio, MediaFrame, open_media, sample_path
from arcrtc.session import Concealment, ReceivedFrame, Session, SessionConfig
from arcrtc.sim import NetworkPlan, World
from arcrtc.srtp import SrtpConfig
from arcrtc.video.quality import psnr

#: name: (network, settings that SessionConfig and CallSettings share, in-band FEC)
CASES: dict[str, tuple[str, dict[str, bool], bool]] = {
    "perfect": ("perfect", {}, True),
    "lossy": ("lossy", {}, True),
    "lossy, no NACK": ("lossy", {"nack": False}, True),
    "lossy, NACK for audio too": ("lossy", {"nack_audio": True}, True),
    "lossy, no FEC": ("lossy", {}, False),
    "lossy, no NACK, no FEC": ("lossy", {"nack": False}, False),
}
COLUMNS = {
    "audio_concealed_pct": "concealed %", "audio_p50_ms": "audio p50 ms", "audio_p95_ms": "p95 ms",
    "video_frozen_pct": "frozen %", "video_late_pct": "late %", "psnr_db": "PSNR dB",
    "video_p50_ms": "video p50 ms", "video_p95_ms": "p95 ms",
}
COST = {"cpu_s_per_s": "CPU s/s", "cpu_net": "network threads", "cpu_media": "media threads",
        "cpu_rest": "Python and rest", "peak_memory_mb": "peak MB"}
SIZE = (640, 360)  # of the clip
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
SAMPLE_S = 0.1

Figures = dict[str, Any]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- real time ---

class ThreadTimes:
    """Processor seconds of the threads of this process by their name, sampled: a thread that ends
    takes its last tenth of a second with it."""

    def __init__(self) -> None:
        self._before = self._read()
        self._last: dict[int, tuple[str, float]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @staticmethod
    def _read() -> dict[int, tuple[str, float]]:
        found = {}
        for task in Path("/proc/self/task").iterdir():
            try:
                name = (task / "comm").read_text().strip()
                rest = (task / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            found[int(task.name)] = (name, (int(rest[11]) + int(rest[12])) * TICK_S)
        return found

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self._last.update(self._read())

    def close(self) -> dict[str, float]:
        self._stop.set()
        self._thread.join()
        spent = {"net": 0.0, "media": 0.0, "rest": 0.0}
        for task, (name, seconds) in self._last.items():
            before = self._before[task][1] if task in self._before else 0.0
            kind = name.removeprefix("arc-")
            spent[kind if kind in ("net", "media") else "rest"] += seconds - before
        return spent


def real_call(case: str, seed: int, seconds: float) -> Figures:
    """One call in a process of its own, so that its memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(hold_real_call, (case, seed, seconds))


def hold_real_call(case: str, seed: int, seconds: float) -> Figures:
    """One call as ``arcrtc call`` holds it."""
    network, settings, fec = CASES[case]
    call = CallSettings(network=NetworkPlan.preset(network), seed=seed, duration_s=seconds, fec=fec, **settings)
    with tempfile.TemporaryDirectory() as folder:
        times = ThreadTimes()
        try:
            result = run_call(call, Path(folder))
        finally:
            spent = times.close()
        report = build_report(result, "bench_call")
    speech, camera = report.streams
    assert speech.audio is not None
    assert camera.video is not None
    assert speech.latency is not None
    assert camera.latency is not None
    video, process = camera.video, report.processes[0]
    return {
        "audio_concealed_pct": speech.audio.concealed_pct,
        "audio_p50_ms": speech.latency.p50_ms, "audio_p95_ms": speech.latency.p95_ms,
        "video_frozen_pct": 100 * video.frozen / video.sent, "video_late_pct": 100 * video.late / video.sent,
        "psnr_db": video.psnr_mean_db,
        "video_p50_ms": camera.latency.p50_ms, "video_p95_ms": camera.latency.p95_ms,
        "cpu_s_per_s": process.cpu_s_per_s, "peak_memory_mb": (process.peak_memory_bytes or 0) / 1e6,
        **{f"cpu_{kind}": used / report.meta.duration_s for kind, used in spent.items()},
        "stages_ms": {"audio": speech.latency.stages_ms, "video": camera.latency.stages_ms},
    }


# --- virtual time ---

@dataclass
class VirtualCall:
    """Sends the clip from ``a`` to ``b`` and compares what comes out."""

    a: Session
    b: Session
    world: World
    source: Iterator[MediaFrame]
    until_us: int
    captured: dict[tuple[int, int], int] = field(default_factory=dict)  #: (stream, rtp timestamp) -> us
    pictures: dict[int, Any] = field(default_factory=dict)  #: capture_us -> luma sent
    shown: list[tuple[ReceivedFrame, float]] = field(default_factory=list)
    heard: list[ReceivedFrame] = field(default_factory=list)

    def start(self, fec: bool) -> None:
        self.sound = self.a.send_audio(fec=fec)
        self.b.receive_audio()
        width, height = SIZE
        self.camera = self.a.send_video(resolution=(width, height), frame_rate=25, encoder="libx264", threads=1)
        self.b.receive_video()
        self.world.on_turn(self.b, self._take)
        self._next()

    def _next(self) -> None:
        frame = next(self.source)
        # A microphone hands out a block when its last sample is taken.
        at_us = frame.pts_us + (frame.duration_us if isinstance(frame, MediaAudio) else 0)
        if frame.pts_us < self.until_us:
            self.world.at(max(at_us, self.world.now_us), lambda now_us: self._send(frame, now_us))

    def _send(self, frame: MediaFrame, now_us: int) -> None:
        if isinstance(frame, MediaAudio):
            self.sound.send(frame.to_frame(), capture_us=frame.pts_us, now_us=now_us)
        else:
            self.pictures[frame.pts_us] = frame.planes[:frame.height]
            self.camera.send(frame.to_frame(), capture_us=frame.pts_us, now_us=now_us)
        self._next()

    def note_sent(self) -> None:
        while (sent := self.a.poll_sent()) is not None:
            self.captured[sent.stream, sent.rtp_timestamp] = sent.capture_us

    def _take(self, now_us: int) -> None:
        self.note_sent()
        for received in self.b.frames(now_us):
            if received.is_audio:
                self.heard.append(received)
                continue
            capture_us = self.captured[self.camera.index, received.rtp_timestamp]
            picture = to_media_video(received.frame, 0)  # type: ignore[arg-type]
            self.shown.append((received, psnr(self.pictures.pop(capture_us), picture.planes[:picture.height])))

    def latencies_ms(self, index: int, received: list[ReceivedFrame]) -> Any:
        return np.array([(r.playout_us - self.captured[index, r.rtp_timestamp]) / 1000 for r in received
                         if r.concealment is Concealment.DECODED and (index, r.rtp_timestamp) in self.captured])


def virtual_call(case: str, seed: int, seconds: float) -> Figures:
    """The same between two sessions in a simulated world."""
    network, settings, fec = CASES[case]
    key = SrtpConfig(master_key=bytes(16), master_salt=bytes(14))
    a, b = (Session(SessionConfig(srtp=key, seed=2 * seed + side, **settings), now_us=0) for side in (0, 1))
    world = World(seed)
    world.connect(a, b, NetworkPlan.preset(network))
    source = iter(open_media(sample_path(), loop=True))
    call = VirtualCall(a, b, world, source, round(seconds * 1e6))
    call.start(fec)
    world.run(round(seconds * 1e6) + 1_000_000)
    call.note_sent()
    audio, video = b.stats().receive
    sent = sum(1 for stream, _ in call.captured if stream == call.camera.index)
    heard = call.latencies_ms(call.sound.index, call.heard)
    shown = call.latencies_ms(call.camera.index, [r for r, _ in call.shown])
    return {
        "audio_concealed_pct": 100 * audio["media"]["concealed_samples"] / audio["media"]["samples_out"],
        "audio_p50_ms": float(np.percentile(heard, 50)), "audio_p95_ms": float(np.percentile(heard, 95)),
        "video_frozen_pct": 100 * (1 - len(call.shown) / sent),
        "video_late_pct": 100 * video["media"]["frames_late"] / sent,
        "psnr_db": statistics.fmean(min(db, 100.0) for _, db in call.shown),
        "video_p50_ms": float(np.percentile(shown, 50)), "video_p95_ms": float(np.percentile(shown, 95)),
    }


# --- the tables ---

def run_all(part: str, hold: Callable[[str, int, float], Figures], seeds: int, seconds: float) -> dict[str, Any]:
    """Hold the calls of all cases; case -> what was found with each seed."""
    found: dict[str, list[Figures]] = {}
    for case in CASES:
        # Without loss a seed changes nothing that matters, but threads do.
        for seed in range(1, seeds + 1):
            say(f"{part}: {case}, seed {seed} of {seeds}, {seconds:g} s")
            found.setdefault(case, []).append(hold(case, seed, seconds))
    return found


def summary(figures: list[Figures], name: str) -> tuple[float, float, float]:
    values = [f[name] for f in figures if f[name] is not None]
    if not values:
        return math.nan, math.nan, math.nan
    return statistics.median(values), min(values), max(values)


def table(found: dict[str, list[Figures]], columns: dict[str, str]) -> list[str]:
    width = max(len(case) for case in found) + 2
    lines = [" " * width + "".join(f"{title:>22}" for title in columns.values())]
    for case, figures in found.items():
        cells = []
        for name in columns:
            middle, low, high = summary(figures, name)
            digits = 1 if abs(middle) >= 10 else 2
            spread = f" [{low:.{digits}f}..{high:.{digits}f}]" if len(figures) > 1 else ""
            cells.append(f"{middle:.{digits}f}{spread}")
        lines.append(f"{case:<{width}}" + "".join(f"{cell:>22}" for cell in cells))
    return lines


def stages(figures: list[Figures]) -> list[str]:
    lines = []
    for kind in ("audio", "video"):
        names = figures[0]["stages_ms"][kind]
        means = {name: statistics.median(f["stages_ms"][kind][name] for f in figures) for name in names}
        lines.append(f"{kind}: " + ", ".join(f"{name} {ms:.2f} ms" for name, ms in means.items()))
    return lines


def show(document: dict[str, Any]) -> None:
    machine = document["machine"]
    print(f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}")
    for part, title in (("real", "real time, native threads, loopback sockets"), ("virtual", "virtual time")):
        if part not in document:
            continue
        found = document[part]["calls"]
        print(f"\n{title}: {document[part]['seeds']} seeds of {document[part]['seconds']:g} s")
        print("\n".join(table(found, COLUMNS)))
        if part == "real":
            print("\nwhere the time goes without loss, mean of each stage:")
            print("\n".join(stages(found["perfect"])))
            print("\nprocessor seconds per second of call (both peers, emulator, decoding of the clip, recording):")
            print("\n".join(table(found, COST)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON document, every call by itself")
    parser.add_argument("--quick", action="store_true", help="one short call each: to see that all runs")
    parser.add_argument("--real", action="store_true", help="only in real time")
    parser.add_argument("--virtual", action="store_true", help="only in virtual time")
    args = parser.parse_args()
    parts: list[tuple[str, Callable[[str, int, float], Figures], int, float]] = []
    if args.real or not args.virtual:
        parts.append(("real", real_call, *((1, 2.0) if args.quick else (3, 10.0))))
    if args.virtual or not args.real:
        parts.append(("virtual", virtual_call, *((1, 2.0) if args.quick else (5, 20.0))))
    document: dict[str, Any] = {"machine": this_machine().to_json()}
    begun = time.monotonic()
    for name, hold, seeds, seconds in parts:
        document[name] = {"seeds": seeds, "seconds": seconds, "calls": run_all(name, hold, seeds, seconds)}
    say(f"done in {time.monotonic() - begun:.0f} s")
    if args.json:
        print(json.dumps(document, indent=1))
    else:
        show(document)


if __name__ == "__main__":
    main()
