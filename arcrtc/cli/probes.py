"""What ``arcrtc doctor`` finds out by trying: sockets, clock, devices.

Every probe answers with values, never with an exception: a machine that cannot do
something is what the doctor is there to describe.
"""
from __future__ import annotations

import glob
import itertools
import os
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from arcrtc.udp import UdpFeature

#: Asked for by the engine for each socket: half a second of 50 Mb/s.
WANTED_BUFFER_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What the UDP sockets of this machine can do.

    :ivar features: what was tried, each with the reason if it does not work.
    :ivar receive_buffer_bytes: what the kernel gives of WANTED_BUFFER_BYTES.
    :ivar send_buffer_bytes: the same for sending.
    """

    features: tuple[UdpFeature, ...]
    receive_buffer_bytes: int
    send_buffer_bytes: int

    def absent(self, *names: str) -> list[UdpFeature]:
        """Those of the features called ``names`` that do not work."""
        return [feature for feature in self.features if feature.name in names and not feature.works]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The monotonic clock, microseconds.

    :ivar step_us: smallest step seen between two readings.
    :ivar sleep_over_us: median time by which a sleep of 1 ms took longer.
    """

    step_us: float
    sleep_over_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """Video devices that the system shows, and those this user may not open."""

    render: tuple[str, ...] = ()
    nvidia: tuple[str, ...] = ()
    v4l2: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Opus:
    """What the loaded libopus can do beyond version 1.3.

    :ivar deep_plc: neural concealment of lost audio.
    :ivar dred: deep redundancy: more than a second of audio in each packet.
    """

    deep_plc: bool = False
    dred: bool = False


def to_json(facts: Network | Clock | Devices | Opus) -> dict[str, Any]:
    """The same as a dict that JSON can hold."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(facts).items()}


def probe_opus() -> Opus:
    """Try libopus; takes a few milliseconds."""
    from arcrtc._native import ffi, lib

    out = ffi.new("struct arc_opus_features *")
    if lib.arc_opus_probe(out) != lib.ARC_OK:
        return Opus()
    return Opus(deep_plc=out.deep_plc, dred=out.dred)


def probe_network() -> Network:
    """Try the sockets of the engine on the loopback; takes well under a second."""
    from arcrtc.errors import TransportError
    from arcrtc.udp import UdpConfig, open_udp, udp_features, udp_stats

    try:
        stats = udp_stats(open_udp(UdpConfig(rcvbuf_bytes=WANTED_BUFFER_BYTES, sndbuf_bytes=WANTED_BUFFER_BYTES)))
    except TransportError:
        stats = {}
    return Network(features=udp_features(), receive_buffer_bytes=stats.get("rcvbuf_bytes", 0),
                   send_buffer_bytes=stats.get("sndbuf_bytes", 0))


def probe_clock() -> Clock:
    """Read the clock and sleep a little; takes about 20 ms."""
    readings = [time.monotonic_ns() for _ in range(2000)]
    steps = [b - a for a, b in itertools.pairwise(readings) if b > a]
    over = []
    for _ in range(15):
        start = time.monotonic_ns()
        time.sleep(0.001)
        over.append(time.monotonic_ns() - start - 1_000_000)
    late_us = sorted(over)[len(over) // 2] / 1000
    return Clock(step_us=min(steps, default=0) / 1000, sleep_over_us=round(late_us, 1))


def probe_devices() -> Devices:
    """Look for GPUs and cameras below ``/dev``; opens nothing."""
    render = tuple(sorted(glob.glob("/dev/dri/renderD*")))
    nvidia = tuple(sorted(glob.glob("/dev/nvidia[0-9]*")))
    v4l2 = tuple(sorted(glob.glob("/dev/video[0-9]*")))
    forbidden = tuple(path for path in (*render, *nvidia, *v4l2) if not os.access(path, os.R_OK | os.W_OK))
    return Devices(render=render, nvidia=nvidia, v4l2=v4l2, forbidden=forbidden)
