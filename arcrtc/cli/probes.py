"""What ``arcrtc doctor`` finds out by trying: sockets, clock, devices.

Every probe answers with values, never with an exception: a machine that cannot do
something is what the doctor is there to describe.
"""
from __future__ import annotations

import contextlib
import glob
import itertools
import os
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Final

# linux/udp.h; Python's socket module does not name them.
_SOL_UDP: Final = 17
_UDP_SEGMENT: Final = 103
_UDP_GRO: Final = 104

#: Asked for by the engine for each socket: half a second of 50 Mb/s.
WANTED_BUFFER_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What the UDP sockets of this machine can do.

    :ivar segment: UDP_SEGMENT works: one system call sends many packets.
    :ivar gro: UDP_GRO works: one system call receives many.
    :ivar reuse_port: SO_REUSEPORT works: several threads share a port.
    :ivar batch_calls: recvmmsg and sendmmsg are there.
    :ivar receive_buffer_bytes: what the kernel gives of WANTED_BUFFER_BYTES.
    :ivar send_buffer_bytes: the same for sending.
    :ivar ipv6: UDP over the IPv6 loopback works.
    """

    segment: bool
    gro: bool
    reuse_port: bool
    batch_calls: bool
    receive_buffer_bytes: int
    send_buffer_bytes: int
    ipv4: bool
    ipv6: bool


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


def to_json(facts: Network | Clock | Devices) -> dict[str, Any]:
    """The same as a dict that JSON can hold."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(facts).items()}


def _option_works(level: int, option: int, value: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(level, option, value)
            return sock.getsockopt(level, option) == value
        except OSError:
            return False


def _segment_works() -> bool:
    """Send 3000 bytes as segments of 1200 and count what arrives: setting it is not enough."""
    if sys.platform != "linux":
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b:
        try:
            b.bind(("127.0.0.1", 0))
            b.settimeout(0.2)
            a.setsockopt(_SOL_UDP, _UDP_SEGMENT, 1200)
            a.sendto(bytes(3000), b.getsockname())
            return [len(b.recv(4096)) for _ in range(3)] == [1200, 1200, 600]
        except OSError:
            return False


def _reuse_port_works() -> bool:
    if not hasattr(socket, "SO_REUSEPORT"):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b:
        try:
            for sock in (a, b):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            a.bind(("127.0.0.1", 0))
            b.bind(a.getsockname())
        except OSError:
            return False
    return True


def _loopback_works(family: socket.AddressFamily, host: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            sock.bind((host, 0))
            sock.sendto(b"arcrtc", sock.getsockname())
            return sock.recv(16) == b"arcrtc"
    except OSError:
        return False


def _buffer_bytes(option: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with contextlib.suppress(OSError):  # macOS refuses what Linux would cut
            sock.setsockopt(socket.SOL_SOCKET, option, WANTED_BUFFER_BYTES)
        granted = sock.getsockopt(socket.SOL_SOCKET, option)
    # Linux doubles the number for its own bookkeeping, and reports the double (socket(7)).
    return granted // 2 if sys.platform == "linux" else granted


def probe_network() -> Network:
    """Open sockets on the loopback and see what they can do; takes under a second."""
    return Network(
        segment=_segment_works(),
        gro=sys.platform == "linux" and _option_works(_SOL_UDP, _UDP_GRO, 1),
        reuse_port=_reuse_port_works(),
        batch_calls=sys.platform == "linux",  # since Linux 3.0; glibc and musl have both
        receive_buffer_bytes=_buffer_bytes(socket.SO_RCVBUF),
        send_buffer_bytes=_buffer_bytes(socket.SO_SNDBUF),
        ipv4=_loopback_works(socket.AF_INET, "127.0.0.1"),
        ipv6=socket.has_ipv6 and _loopback_works(socket.AF_INET6, "::1"),
    )


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
