"""Nanoseconds a packet of the Python API of SRTP, beside pylibsrtp.

    python bench/bench_srtp.py [--json]

Every variant runs once in each round, so that a busy machine slows all alike;
the value is the median of the rounds, the spread the distance of the quartiles,
CPU time of this thread. ``ratio`` is the peer's time over ours: above 1, ours is faster.
"""
from __future__ import annotations

import json
import platform
import statistics
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import pylibsrtp

from arcrtc._native import ffi, lib
from arcrtc.srtp import PacketBatch, SrtpConfig, SrtpPipeline, SrtpProfile

ROUNDS = 21
PACKETS = 2048
BATCH = 64
CASES = {
    "gcm128": (SrtpProfile.AEAD_AES_128_GCM, pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM),
    "cm_80": (SrtpProfile.AES128_CM_HMAC_SHA1_80, pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80),
}


def _packets(first: int, size: int) -> list[bytes]:
    return [struct.pack("!BBHII", 0x80, 96, i & 0xFFFF, i, 1) + bytes(size)
            for i in range(first, first + PACKETS)]


def _ns(work: Callable[[], object]) -> float:
    start = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - start) / PACKETS


class _Case:
    """Two ends of ours and of the peer, and one measurement of each a round."""

    def __init__(self, name: str, size: int) -> None:
        profile, peer_profile = CASES[name]
        self.config = SrtpConfig.generate(profile)
        self.ends = [SrtpPipeline(self.config) for _ in range(4)]
        key = self.config.master_key + self.config.master_salt
        kinds = (pylibsrtp.Policy.SSRC_ANY_OUTBOUND, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self.peers = [pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=kind, srtp_profile=peer_profile))
                      for kind in kinds]
        self.size, self.first = size, 0

    def round(self) -> dict[str, float]:
        packets, self.first = _packets(self.first, self.size), self.first + PACKETS
        sender, receiver, batch_sender, batch_receiver = self.ends
        wires: list[bytes] = []
        times = {"protect": _ns(lambda: wires.extend(map(sender.encrypt, packets)))}
        times["unprotect"] = _ns(lambda: list(map(receiver.decrypt_bytes, wires)))
        peer_wires: list[bytes] = []
        times["peer_protect"] = _ns(lambda: peer_wires.extend(map(self.peers[0].protect, packets)))
        times["peer_unprotect"] = _ns(lambda: list(map(self.peers[1].unprotect, peer_wires)))

        batches = []
        for at in range(0, PACKETS, BATCH):
            batch = PacketBatch(BATCH, self.size + 32)
            for packet in packets[at:at + BATCH]:
                batch.append(packet)
            batches.append(batch)
        times["protect_batch"] = _ns(lambda: list(map(batch_sender.encrypt_batch, batches)))
        times["unprotect_batch"] = _ns(lambda: list(map(batch_receiver.decrypt_batch, batches)))
        if wires != peer_wires or any(b.status.any() for b in batches):
            raise SystemExit("the two ends differ: nothing here can be trusted")
        return times


def results() -> list[dict[str, Any]]:
    """Run all cases; one dict a measurement, as ``arcrtc bench --json`` prints them."""
    out = []
    for name in CASES:
        for size in (160, 1200):
            case = _Case(name, size)
            rounds = [case.round() for _ in range(ROUNDS)]
            for what in ("protect", "unprotect", "protect_batch", "unprotect_batch"):
                low, value, high = statistics.quantiles((r[what] for r in rounds), n=4)
                peer = statistics.median(r["peer_" + what.removesuffix("_batch")] for r in rounds)
                out.append({"name": f"srtp.python.{what}.{name}.{size}B", "unit": "ns/packet",
                            "value": round(value, 1), "spread": round(high - low, 1), "n": ROUNDS * PACKETS,
                            "peer": f"pylibsrtp {pylibsrtp.__version__}", "peer_value": round(peer, 1),
                            "ratio": round(peer / value, 2)})
    return out


def main() -> None:
    """Print the results, as a table or as JSON."""
    machine = {"python": platform.python_version(), "crypto": ffi.string(lib.arc_cipher_version(lib.ARC_CIPHER_OPENSSL)).decode()}
    measured = results()
    if "--json" in sys.argv[1:]:
        print(json.dumps({"machine": machine, "results": measured}, indent=1))
        return
    print(machine)
    for r in measured:
        print(f"{r['name']:42} {r['value']:8.1f} ns  spread {r['spread']:6.1f}  "
              f"{r['peer']} {r['peer_value']:8.1f} ns  {r['ratio']:5.2f} times as fast")


if __name__ == "__main__":
    main()
