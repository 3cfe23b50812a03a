"""Thousands of streams in one process: what they take of memory, and how long they take to come and go.

    python bench/bench_scale.py                       # 2000 publishers, 20,000 subscriptions
    python bench/bench_scale.py --publishers 200 --fan-out 5 --cycles 2 --json

Everything is on one network thread of an engine, each leg with SRTP (GCM) and a socket of its own.
"Allocated" is what the core asks for (csrc/base/mem), "resident" what the system counts for the
process, Python's objects and sockets' structs included. The exit status is 1 when descriptors are
too few or memory does not come back.
"""
from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from arcrtc import Engine, SrtpConfig
from arcrtc._native import lib
from arcrtc.routing import LegConfig, Route, RouterConfig, Track, TrackConfig
from arcrtc.streams import MediaType, StreamConfig, StreamManager

VOICE: Final = TrackConfig(kind=MediaType.AUDIO, codec="opus", ssrc=1, payload_type=111, clock_rate=48_000)
ACTIVE: Final = 500  # streams with traffic
HISTORY_PKTS: Final = 32  # of each
PACKET_BYTES: Final = 2048 + 64
SPARE_FILES: Final = 64
GROWTH_BYTES: Final = 16 << 20  # of a process from its second cycle to its last, that is no leak


class TooFewFilesError(Exception):
    """The system does not allow as many open files as are needed."""


def allow_files(wanted: int) -> None:
    """Raise the limit of open files.

    :raises TooFewFilesError: says how to get further.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise TooFewFilesError(f"{wanted} open files are needed, a socket for each leg, and {hard} are allowed: "
                               f"run 'ulimit -Hn {wanted}' as root first, or ask for fewer --publishers")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def memory() -> tuple[int, int]:
    """Allocated and resident bytes."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(lib.arc_mem_live_bytes()), int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Steps:
    """Times and memory of one step after another, for each of many things."""

    def __init__(self) -> None:
        self.figures: dict[str, dict[str, float]] = {}

    def run(self, name: str, n: int, work: Callable[[], Any]) -> Any:
        """Do ``work``, which makes ``n`` things, and note what each took."""
        before, start = memory(), time.perf_counter()
        made = work()
        took, after = time.perf_counter() - start, memory()
        self.figures[name] = {"us": 1e6 * took / n, "allocated_bytes": (after[0] - before[0]) / n,
                              "resident_bytes": (after[1] - before[1]) / n}
        return made


def circle(tracks: Sequence[Track], fan_out: int) -> list[tuple[Track, Any, None]]:
    """Each track to the next ``fan_out`` legs."""
    n = len(tracks)
    return [(track, tracks[(i + k) % n].leg, None) for i, track in enumerate(tracks) for k in range(1, fan_out + 1)]


def cycle(engine: Engine, n: int, fan_out: int) -> dict[str, Any]:
    """Make a router with all legs, tracks and routes, read its streams, and take it down; then look what is left."""
    before = memory()
    figures = life(engine, n, fan_out)
    return {"before": before, **figures, "after": memory()}


def life(engine: Engine, n: int, fan_out: int) -> dict[str, Any]:
    """All of a cycle; nothing of it is referred to afterwards."""
    steps = Steps()
    start = time.perf_counter()
    router = engine.router()
    legs = steps.run("idle leg", n, lambda: router.add_legs(
        [LegConfig(srtp=SrtpConfig.generate()) for _ in range(n)], local="127.0.0.1:0",
        remotes=["127.0.0.1:9"] * n))
    tracks = steps.run("track", n, lambda: [router.publish(leg, VOICE) for leg in legs])
    routes = steps.run("route", n * fan_out, lambda: router.subscribe_many(circle(tracks, fan_out)))
    up, peak = time.perf_counter() - start, memory()
    tables = read_tables(engine, tracks, routes)
    start = time.perf_counter()
    router.close()
    down = time.perf_counter() - start
    return {"up_s": up, "down_s": down, "peak": peak, "each": steps.figures, "tables": tables}


def read_tables(engine: Engine, tracks: Sequence[Track], routes: Sequence[Route]) -> dict[str, float]:
    """What it takes to read all streams, by the engine and by a manager: milliseconds, medians of 9."""
    manager = StreamManager()
    handles: list[Track | Route] = [*tracks, *routes]
    for handle in handles[:10_000]:
        manager.bind(manager.create_stream(StreamConfig(user_id=UUID(int=1), media_type=VOICE.kind)), handle)
    cpu_ns = engine.stats()[0]["cpu_ns"]
    engine_ms = sorted(timed(engine.stream_table) for _ in range(9))[4]
    thread_ms = (engine.stats()[0]["cpu_ns"] - cpu_ns) / 9e6
    return {"streams": len(tracks) + len(routes), "engine_ms": engine_ms, "thread_cpu_ms": thread_ms,
            "managed": len(manager), "manager_ms": sorted(timed(manager.table) for _ in range(9))[4],
            "drops_ms": sorted(timed(engine.drops) for _ in range(9))[4]}


def timed(work: Callable[[], Any]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def active_stream(engine: Engine) -> dict[str, float]:
    """What a stream of sound with one subscriber takes while it flows, beside its idle legs and its history."""
    router = engine.router(RouterConfig(audio_history_pkts=HISTORY_PKTS))
    legs = [router.add_leg(local="127.0.0.1:0") for _ in range(ACTIVE)]
    before = memory()
    tracks = [router.publish(leg, VOICE) for leg in legs]
    router.subscribe_many(circle(tracks, 1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        for seq in range(2 * HISTORY_PKTS):
            data = struct.pack("!BBHII", 0x80, 111, seq, 960 * seq, 1) + bytes(160)
            for i, leg in enumerate(legs):
                host, _, port = router.local_address(leg).rpartition(":")
                outside.sendto(data, (host, int(port)))
                if i % 50 == 0:
                    time.sleep(0.001)  # what does not fit would be lost
    table = router.stream_table()
    received = float(table["packets"][table["direction"] == 0].mean())
    after = memory()
    router.close()
    history = HISTORY_PKTS * PACKET_BYTES
    return {"packets_received": received, "allocated_bytes": (after[0] - before[0]) / ACTIVE,
            "resident_bytes_beyond_history": (after[1] - before[1]) / ACTIVE - history}


def idle_session(engine: Engine, n: int = 500) -> dict[str, float]:
    """A peer of the engine that waits."""
    steps, key = Steps(), SrtpConfig.generate()
    peers = steps.run("idle session", n, lambda: [engine.open(local="127.0.0.1:0", srtp=key) for _ in range(n)])
    for peer in peers:
        peer.close()
    return steps.figures["idle session"]


def report(result: dict[str, Any]) -> str:
    """Lines for people."""
    kib = 1 / 1024
    first, last = result["cycles"][0], result["cycles"][-1]
    lines = ["| Each | us | allocated, KiB | resident, KiB |", "|---|---|---|---|"]
    for name, f in {**first["each"], "idle session": result["idle_session"]}.items():
        lines.append(f"| {name} | {f['us']:.1f} | {f['allocated_bytes'] * kib:.1f} | {f['resident_bytes'] * kib:.1f} |")
    a = result["active_stream"]
    lines += [f"| flowing sound, one subscriber, beyond legs and history | | {a['allocated_bytes'] * kib:.1f} | "
              f"{a['resident_bytes_beyond_history'] * kib:.1f} |", "",
              "| Cycle | made, s | taken down, s | resident before, at most, after, MiB |", "|---|---|---|---|"]
    for i, c in enumerate(result["cycles"], 1):
        lines.append(f"| {i} | {c['up_s']:.2f} | {c['down_s']:.2f} | "
                     + ", ".join(f"{c[when][1] / 2**20:.0f}" for when in ("before", "peak", "after")) + " |")
    t = last["tables"]
    lines += ["", f"Table of {t['streams']} streams: {t['engine_ms']:.1f} ms, of which the thread works "
              f"{t['thread_cpu_ms']:.1f} ms; of a manager with {t['managed']} of them {t['manager_ms']:.1f} ms; "
              f"drops {t['drops_ms']:.1f} ms."]
    return "\n".join(lines)


def faults(result: dict[str, Any]) -> list[str]:
    """What did not come back."""
    cycles = result["cycles"]
    found = [f"{c['after'][0] - c['before'][0]} bytes stay allocated after cycle {i}"
             for i, c in enumerate(cycles, 1) if c["after"][0] != c["before"][0]]
    grown = cycles[-1]["after"][1] - cycles[min(1, len(cycles) - 1)]["after"][1]
    if grown > GROWTH_BYTES:
        found.append(f"the process grew by {grown / 2**20:.0f} MiB from the second cycle to the last")
    return found


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Thousands of streams come and go.")
    parser.add_argument("--publishers", type=int, default=2000)
    parser.add_argument("--fan-out", type=int, default=10, help="subscriptions of each publisher's track")
    parser.add_argument("--cycles", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = arguments(argv)
    try:
        allow_files(max(args.publishers, ACTIVE) + SPARE_FILES)
    except TooFewFilesError as error:
        print(f"bench_scale: {error}", file=sys.stderr)
        return 1
    with Engine() as engine:
        result: dict[str, Any] = {
            "cycles": [cycle(engine, args.publishers, args.fan_out) for _ in range(args.cycles)],
            "idle_session": idle_session(engine), "active_stream": active_stream(engine)}
    result["faults"] = faults(result)
    print(json.dumps(result, indent=2) if args.json else report(result))
    for fault in result["faults"]:
        print(f"bench_scale: {fault}", file=sys.stderr)
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
