"""Processor time of the whole receive path of one voice: SRTP unprotect to PCM of 16 kHz, per second of stream.

Usage: PYTHONPATH=. python bench/bench_voice.py [--seconds S] [--rounds N] [--json]

Speech of the tests goes through a session and a seeded network in virtual time; then the receiving
session is run alone over what arrived, and timed. Beside it, over the same packets: libopus
decoding and nothing else; and the parts that aiortc 1.16 has for the same way (libsrtp, its parser,
its jitter buffer and its Opus decoder, which gives 48 kHz), without its event loop and threads.
"""
from __future__ import annotations

import argparse
import ctypes
import importlib.metadata
import json
import statistics
import sys
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import ffi, lib
from arcrtc.audio import AudioFrame
from arcrtc.libraries import libraries
from arcrtc.machine import this_machine
from arcrtc.rtp import RtpPacket
from arcrtc.session import Session, SessionConfig
from arcrtc.sim import NetworkPlan, World
from arcrtc.srtp import SrtpConfig, SrtpPipeline, SrtpProfile

SAMPLE = Path(__file__).parent.parent / "tests" / "data" / "speech_en_m_16k.wav"
RATE = 16_000
BLOCK = RATE // 50
KEY = SrtpConfig(master_key=bytes(range(16)), master_salt=bytes(range(14)), profile=SrtpProfile.AES128_CM_HMAC_SHA1_80)
LIMIT_MS = 2.0  # beyond what Opus itself takes
NETWORKS = {"clean": NetworkPlan(), "jitter 20 ms, 5 % lost": NetworkPlan.symmetric(
    delay_ms=40, jitter_ms=20, loss_rate=0.05)}


@dataclass
class Trace:
    """What arrived, and when."""

    datagrams: list[tuple[int, bytes]] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)  # of the media packets, in the clear, in order of arrival
    plain: list[tuple[int, bytes]] = field(default_factory=list)  # protected media packets alone


class Noting:
    """A session that only notes what comes in."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def receive(self, datagram: bytes, now_us: int) -> None:
        self.trace.datagrams.append((now_us, bytes(datagram)))

    def poll_transmit(self, now_us: int) -> None:
        return None

    def next_timeout_us(self) -> int:
        return 2**62


def speech(seconds: int) -> NDArray[np.int16]:
    with wave.open(str(SAMPLE)) as file:
        once = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return np.resize(once, seconds * RATE).astype(np.int16)


def record(plan: NetworkPlan, seconds: int) -> Trace:
    """Send speech through a network, and note what arrives."""
    trace, world = Trace(), World(seed=1)
    sender = Session(SessionConfig(srtp=KEY, seed=1), now_us=0)
    world.connect(sender, Noting(trace), plan)
    stream = sender.send_audio(sample_rate=RATE, bitrate=32_000)
    samples = iter(speech(seconds).reshape(-1, BLOCK))

    def say(now_us: int) -> None:
        if (block := next(samples, None)) is not None:
            stream.send(AudioFrame(samples=block, sample_rate=RATE), capture_us=now_us, now_us=now_us)

    world.every(20_000, say)
    world.run(seconds * 1_000_000)
    opener = SrtpPipeline(KEY)
    for now_us, data in trace.datagrams:
        if not 192 <= data[1] <= 223:  # RFC 5761 section 4: that is RTCP
            trace.plain.append((now_us, data))
            packet = opener.decrypt(data)
            assert isinstance(packet, RtpPacket)
            trace.payloads.append(bytes(packet.payload))
    return trace


def receive_path(trace: Trace) -> Callable[[], int]:
    """Run a new session over what arrived; gives the samples that came out."""
    def run() -> int:
        session = Session(SessionConfig(srtp=KEY, seed=2), now_us=0)
        receiver = session.receive_audio(sample_rate=RATE)
        out, size = ffi.new("uint8_t[]", 2048), ffi.new("size_t *")
        handle, stream, received, samples = session._handle, receiver._handle, session._received, 0
        begin = time.thread_time_ns()
        for now_us, data in trace.datagrams:
            while (due_us := lib.arc_recv_next_us(stream)) <= now_us:
                while lib.arc_recv_pull(stream, due_us, received) == lib.ARC_OK:
                    samples += received.n_samples
                if lib.arc_recv_next_us(stream) <= due_us:
                    break
            lib.arc_session_receive(handle, data, len(data), now_us)
            while lib.arc_session_transmit(handle, now_us, out, 2048, size) == lib.ARC_OK:
                pass
        run.took_ns = time.thread_time_ns() - begin  # type: ignore[attr-defined]
        return samples
    return run


def bare_opus(trace: Trace) -> Callable[[], int]:
    """The same libopus, one call a packet."""
    path = next(library.path for library in libraries() if library.name == "opus" and library.path)
    opus = ctypes.CDLL(path)
    opus.opus_decoder_create.restype = ctypes.c_void_p
    room = (ctypes.c_int16 * 5760)()

    def run() -> int:
        state = ctypes.c_void_p(opus.opus_decoder_create(RATE, 1, None))
        begin = time.thread_time_ns()
        samples = sum(opus.opus_decode(state, data, len(data), room, 5760, 0) for data in trace.payloads)
        run.took_ns = time.thread_time_ns() - begin  # type: ignore[attr-defined]
        opus.opus_decoder_destroy(state)
        return int(samples)
    return run


def aiortc_path(trace: Trace) -> Callable[[], int] | None:
    """libsrtp, parser, jitter buffer and decoder of aiortc; None: it is not installed."""
    try:
        from aiortc.codecs.opus import OpusDecoder
        from aiortc.jitterbuffer import JitterBuffer, JitterFrame
        from aiortc.rtp import RtpPacket as TheirPacket
        from pylibsrtp import Policy
        from pylibsrtp import Session as Srtp
    except ImportError:
        return None

    def run() -> int:
        srtp = Srtp(Policy(key=KEY.master_key + KEY.master_salt, ssrc_type=Policy.SSRC_ANY_INBOUND,
                           srtp_profile=Policy.SRTP_PROFILE_AES128_CM_SHA1_80))
        buffer, decoder, samples = JitterBuffer(capacity=16, prefetch=4), OpusDecoder(), 0
        begin = time.thread_time_ns()
        for _, data in trace.plain:
            packet: Any = TheirPacket.parse(srtp.unprotect(data))
            packet._data = packet.payload
            _, frame = buffer.add(packet)
            if frame is not None:
                whole = JitterFrame(data=frame.data, timestamp=frame.timestamp)
                samples += sum(f.to_ndarray().shape[1] // 2 for f in decoder.decode(whole)) // 3
        run.took_ns = time.thread_time_ns() - begin  # type: ignore[attr-defined]
        return samples
    return run


def measure(run: Callable[[], int], seconds: int, rounds: int) -> dict[str, float]:
    """Milliseconds of processor per second of stream: median and spread over the rounds."""
    found, samples = [], 0
    for _ in range(rounds):
        samples = run()
        found.append(run.took_ns / 1e6 / seconds)  # type: ignore[attr-defined]
    low, middle, high = statistics.quantiles(found, n=4) if len(found) > 1 else [found[0]] * 3
    return {"ms_per_s": round(middle, 4), "spread": round(high - low, 4), "seconds_out": samples / RATE}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    results: dict[str, Any] = {}
    for name, plan in NETWORKS.items():
        trace = record(plan, args.seconds)
        ways = {"arcrtc": receive_path(trace), "libopus": bare_opus(trace), "aiortc": aiortc_path(trace)}
        found = {way: measure(run, args.seconds, args.rounds) for way, run in ways.items() if run is not None}
        beyond = found["arcrtc"]["ms_per_s"] - found["libopus"]["ms_per_s"]
        results[name] = {**found, "beyond_opus_ms_per_s": round(beyond, 4), "kept": beyond < LIMIT_MS}
    if args.json:
        machine = this_machine()
        print(json.dumps({"machine": {"cpu": machine.cpu, "cores": machine.cores}, "limit_ms_per_s": LIMIT_MS,
                          "results": results}))
    else:
        _print(results)
    return 0 if all(r["kept"] for r in results.values()) else 1


def _print(results: dict[str, Any]) -> None:
    versions = {name: importlib.metadata.version("aiortc") if name == "aiortc" else "" for name in ("aiortc",)}
    print("| Network | arcrtc | libopus alone | beyond it | aiortc " + versions["aiortc"] + " |")
    print("|---|---|---|---|---|")
    for name, r in results.items():
        theirs = f"{r['aiortc']['ms_per_s']:.2f} ms" if "aiortc" in r else "not installed"
        print(f"| {name} | {r['arcrtc']['ms_per_s']:.2f} ms | {r['libopus']['ms_per_s']:.2f} ms | "
              f"{r['beyond_opus_ms_per_s']:.2f} ms{'' if r['kept'] else ' **(limit ' + str(LIMIT_MS) + ')**'} | "
              f"{theirs} |")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as shells report it
