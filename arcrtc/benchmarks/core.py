"""What crossing into C costs, and the leaves of base/."""
from __future__ import annotations

import random

from arcrtc._native import ffi, lib
from arcrtc.benchmarks.registry import Peer, Work, benchmark


def _call_python(n: int) -> None:
    def version() -> int:
        return 1

    for _ in range(n):
        version()


@benchmark("core.cffi.empty_call", unit="ns/call")
def empty_call() -> Work:
    """A call of a C function without arguments; peer: a call of a Python function."""
    version = lib.arc_abi_version

    def run(n: int) -> None:
        for _ in range(n):
            version()

    return Work(run, peer=Peer("python call", _call_python))


@benchmark("core.cffi.from_buffer.1200B", unit="ns/call")
def from_buffer() -> Work:
    """Lend 1200 bytes to C without a copy."""
    data = bytes(1200)
    lend = ffi.from_buffer

    def run(n: int) -> None:
        for _ in range(n):
            lend("uint8_t[]", data)

    return Work(run)


@benchmark("core.rng.u64", unit="ns/call")
def rng_u64() -> Work:
    """One seeded random number, called from Python; peer: random.getrandbits(64)."""
    rng = ffi.new("struct arc_rng *")
    lib.arc_rng_init(rng, 1)
    draw, peer_draw = lib.arc_rng_u64, random.Random(1).getrandbits

    def run(n: int) -> None:
        for _ in range(n):
            draw(rng)

    def run_peer(n: int) -> None:
        for _ in range(n):
            peer_draw(64)

    return Work(run, peer=Peer("random", run_peer))


class _PlainUnwrap:
    """The same in plain Python: nearest value to the last one."""

    def __init__(self) -> None:
        self.last = 0x10000

    def push(self, seq16: int) -> int:
        self.last += ((seq16 - self.last + 0x8000) & 0xFFFF) - 0x8000
        return self.last


@benchmark("core.seq.unwrap", unit="ns/call")
def seq_unwrap() -> Work:
    """Unwrap one 16-bit sequence number, called from Python; peer: plain Python."""
    state = ffi.new("struct arc_unwrap *")
    lib.arc_unwrap_init(state)
    unwrap, plain = lib.arc_unwrap_seq16, _PlainUnwrap()

    def run(n: int) -> None:
        for i in range(n):
            unwrap(state, i & 0xFFFF)

    def run_peer(n: int) -> None:
        for i in range(n):
            plain.push(i & 0xFFFF)

    return Work(run, peer=Peer("python", run_peer))
