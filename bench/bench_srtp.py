"""SRTP in C and from Python, beside the bare ciphers and other libraries, against what we want to reach.

    python bench/bench_srtp.py [--json] [--instructions]

Runs build/core-bench/bench_srtp (compiled first), bench/bench_libsrtp.py, and the
Python API, one after the other, and prints each figure with its peer of the same run.
The last table says which of the limits are kept. ``--instructions`` counts
instructions a packet with valgrind, which a busy machine does not change.

The Python part: every variant runs once in each round, so that a busy machine slows
all alike; median of the rounds, CPU time of this thread.
"""
from __future__ import annotations

import argparse
import json
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pylibsrtp
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from arcrtc import crypto
from arcrtc.machine import this_machine
from arcrtc.srtp import PacketBatch, SrtpConfig, SrtpPipeline, SrtpProfile

ROOT = Path(__file__).resolve().parent.parent
BINARY = ROOT / "build/core-bench/bench_srtp"
ROUNDS = 21
PACKETS = 2048
BATCH = 64
CASES = {
    "gcm128": (SrtpProfile.AEAD_AES_128_GCM, pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM),
    "cm128_80": (SrtpProfile.AES128_CM_HMAC_SHA1_80, pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80),
}
BACKENDS = [backend.name for backend in crypto.backends() if not backend.unusable]


# -- from Python

def _packets(first: int, size: int) -> list[bytes]:
    return [struct.pack("!BBHII", 0x80, 96, i & 0xFFFF, i, 1) + bytes(size)
            for i in range(first, first + PACKETS)]


def _ns(work: Callable[[], object]) -> float:
    start = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - start) / PACKETS


def _each(call: Callable[[Any], object], items: list[Any]) -> Callable[[], None]:
    def run() -> None:
        for item in items:
            call(item)
    return run


class _Case:
    """Two ends of ours and of the peers, and one measurement of each a round."""

    def __init__(self, name: str, size: int, backend: str) -> None:
        profile, peer_profile = CASES[name]
        self.config = SrtpConfig.generate(profile, crypto=backend)
        self.single, self.into, self.batch, self.whole, self.receiver, self.batch_receiver = (
            SrtpPipeline(self.config) for _ in range(6))
        key = self.config.master_key + self.config.master_salt
        kinds = (pylibsrtp.Policy.SSRC_ANY_OUTBOUND, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self.peers = [pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=kind, srtp_profile=peer_profile))
                      for kind in kinds]
        self.aead = AESGCM(self.config.master_key[:16]) if profile.is_aead else None
        self.out = np.zeros(1500, np.uint8)
        self.size, self.first = size, 0

    def _batches(self, packets: list[bytes], each: int) -> list[PacketBatch]:
        batches = []
        for at in range(0, PACKETS, each):
            batch = PacketBatch(each, 1536)
            for packet in packets[at:at + each]:
                batch.append(packet)
            batches.append(batch)
        return batches

    def round(self) -> dict[str, float]:
        packets, self.first = _packets(self.first, self.size), self.first + PACKETS
        out, into = self.out, self.into.encrypt_into
        wires: list[bytes] = []
        encrypt, keep = self.single.encrypt, wires.append

        def protect() -> None:
            for packet in packets:
                keep(encrypt(packet))

        times = {"protect": _ns(protect),
                 "protect.into": _ns(_each(lambda packet: into(packet, out), packets)),
                 "unprotect": _ns(_each(self.receiver.decrypt_bytes, wires))}
        peer_wires: list[bytes] = []
        peer = self.peers[0].protect
        times["peer.protect"] = _ns(_each(lambda packet: peer_wires.append(peer(packet)), packets))
        times["peer.unprotect"] = _ns(_each(self.peers[1].unprotect, peer_wires))
        if self.aead:
            seal, nonce = self.aead.encrypt, bytes(12)
            times["cryptography"] = _ns(_each(lambda packet: seal(nonce, packet, b""), packets))
        whole = self._batches(packets, PACKETS)
        batches = self._batches(packets, BATCH)
        times["c"] = _ns(_each(self.whole.encrypt_batch, whole))  # one crossing for all: what C alone takes
        times["protect.batch64"] = _ns(_each(self.batch.encrypt_batch, batches))
        times["unprotect.batch64"] = _ns(_each(self.batch_receiver.decrypt_batch, batches))
        if wires != peer_wires or any(b.status.any() for b in batches + whole):
            raise SystemExit("the two ends differ: nothing here can be trusted")
        return times


def python_results() -> list[dict[str, Any]]:
    """Figures of the Python API, as ``arcrtc bench --json`` has them."""
    results = []
    for backend in BACKENDS:
        for name in CASES:
            for size in (160, 1200):
                case = _Case(name, size, backend)
                rounds = [case.round() for _ in range(ROUNDS)]
                for what in ("protect", "protect.into", "unprotect", "protect.batch64", "unprotect.batch64"):
                    low, value, high = statistics.quantiles((r[what] for r in rounds), n=4)
                    peer = statistics.median(r["peer." + what.partition(".")[0]] for r in rounds)
                    results.append(_result(f"srtp.python.{what}.{name}.{size}B.{backend}", value, high - low,
                                           f"pylibsrtp {pylibsrtp.__version__}", peer))
                pairs = [r["protect.batch64"] / r["c"] for r in rounds]
                results.append({**_result(f"srtp.python.protect.batch64.{name}.{size}B.{backend}.beside_c",
                                          statistics.median(r["protect.batch64"] for r in rounds), 0,
                                          f"one call for {PACKETS}", statistics.median(r["c"] for r in rounds)),
                                "ratio": round(statistics.median(pairs), 3)})
                if "cryptography" in rounds[0]:
                    peer = statistics.median(r["cryptography"] for r in rounds)
                    value = statistics.median(r["protect.into"] for r in rounds)
                    results.append(_result(f"srtp.python.protect.into.{name}.{size}B.{backend}.beside_cryptography",
                                           value, 0, "cryptography AESGCM", peer))
    return results


def _result(name: str, value: float, spread: float, peer: str, peer_value: float) -> dict[str, Any]:
    return {"name": name, "unit": "ns/packet", "value": round(value, 1), "spread": round(spread, 1),
            "n": ROUNDS * PACKETS, "peer": peer, "peer_value": round(peer_value, 1),
            "ratio": round(value / peer_value, 3)}


# -- in C

def build() -> None:
    """Compile the C benchmark."""
    subprocess.run(["make", "-s", "-f", "ci/core.mk", "SAN=bench", str(BINARY.relative_to(ROOT))], cwd=ROOT,
                   check=True, stdout=sys.stderr)


def c_results() -> list[dict[str, Any]]:
    """Figures of the core without Python."""
    done = subprocess.run([BINARY, "--json"], check=True, capture_output=True, text=True)
    return list(json.loads(done.stdout)["results"])


def libsrtp_results() -> list[dict[str, Any]]:
    """Figures of the copies of libsrtp that are here."""
    done = subprocess.run([sys.executable, ROOT / "bench/bench_libsrtp.py", "--json"], check=True,
                          capture_output=True, text=True)
    return list(json.loads(done.stdout)["results"])


def instructions() -> list[dict[str, Any]]:
    """Instructions a packet by valgrind: the function that works through the packets, without the start."""
    functions = {"protect": "protect", "unprotect": "unprotect", "protect.batch64": "protect_batch",
                 "unprotect.batch64": "unprotect_batch"}
    results = []
    for backend in BACKENDS:
        for profile in ("gcm", "cm"):
            for size in (160, 1200):
                for what, function in {"bare": f"{backend}_{profile}", **functions}.items():
                    done = subprocess.run(
                        [sys.executable, ROOT / "bench/instructions.py", "--json", function, BINARY, "--once", backend,
                         profile, str(size), what], check=True, capture_output=True, text=True)
                    count = json.loads(done.stdout)["instructions_per_call"] / PACKETS
                    results.append({"name": f"srtp.c.{what}.{profile}.{size}B.{backend}", "unit": "instructions/packet",
                                    "value": round(count, 1)})
    return results


# -- limits

def limits(values: dict[str, float]) -> list[dict[str, Any]]:
    """What we want to reach, and whether this run does."""
    rows: list[tuple[str, float, float]] = []
    fast = BACKENDS[-1]
    if fast == "ipsecmb":
        for size, most in ((1200, 1.25), (160, 1.6)):
            end = f"gcm128.{size}B.ipsecmb.window128"
            rows.append((f"protect GCM {size} B in C: times the bare ipsec-mb",
                         values[f"srtp.c.protect.{end}.ratio"], most))
        end = "cm128_80.1200B.ipsecmb.window128"
        rows.append(("protect CM 1200 B, batch of 64: times ipsec-mb",
                     values[f"srtp.c.protect.batch64.{end}.ratio"], 1.2))
    for size, most in ((1200, 1.15), (160, 1.25)):
        end = f"gcm128.{size}B.openssl.window128"
        rows.append((f"protect GCM {size} B in C: times the bare OpenSSL",
                     values[f"srtp.c.protect.{end}.ratio"], most))
    for backend in BACKENDS:
        for window in (128, 32768):
            for size in (160, 1200):
                end = f"gcm128.{size}B.{backend}.window{window}"
                rows.append((f"unprotect GCM {size} B by {backend}, window {window}: times protect",
                             values[f"srtp.c.unprotect.{end}.before"], 1.1))
    end = f"gcm128.1200B.{fast}"
    peer = f"srtp.python.protect.{end}"
    rows.append((f"from Python, encrypt_into, GCM 1200 B: times pylibsrtp (700 of 1920 ns), "
                 f"{values[f'srtp.python.protect.into.{end}']:.0f} ns",
                 values[f"srtp.python.protect.into.{end}"] / values[peer + ".peer"], 700 / 1920))
    rows.append((f"from Python, bytes to bytes: times pylibsrtp (1000 of 1920 ns), {values[peer]:.0f} ns",
                 values[peer] / values[peer + ".peer"], 1000 / 1920))
    rows.append(("from Python, batch of 64, GCM 1200 B: times C",
                 values[f"srtp.python.protect.batch64.{end}.beside_c.ratio"], 1.15))
    return [{"what": what, "measured": round(measured, 3), "most": round(most, 3), "kept": measured <= most}
            for what, measured, most in rows]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one document for machines")
    parser.add_argument("--instructions", action="store_true", help="count instructions, too (needs valgrind)")
    options = parser.parse_args()
    build()
    results = [*c_results(), *libsrtp_results(), *python_results()]
    values = {r["name"]: float(r["value"]) for r in results}
    values |= {r["name"] + ".peer": float(r["peer_value"]) for r in results if r["peer"]}
    values |= {r["name"] + ".before": float(r["ratio_to_variant_before"]) for r in results
               if "ratio_to_variant_before" in r}
    values |= {r["name"] + ".ratio": float(r["ratio"]) for r in results if r["peer"]}
    kept = limits(values)
    counted = instructions() if options.instructions else []
    machine = this_machine().to_json()
    if options.json:
        print(json.dumps({"machine": machine, "results": results, "instructions": counted, "limits": kept}, indent=1))
        return
    print(f"{machine['cpu']}, {' '.join(machine['features'])}")
    for r in results:
        beside = f"{r['ratio']:6.3f} x {r['peer']} {r['peer_value']:8.1f}" if r["peer"] else ""
        print(f"{r['name']:62} {r['value']:8.1f} ns  spread {r['spread']:6.1f}  {beside}")
    for r in counted:
        print(f"{r['name']:62} {r['value']:8.0f} instructions")
    for row in kept:
        print(f"{'kept  ' if row['kept'] else 'MISSED'} {row['measured']:6.3f} of {row['most']:5.3f}  {row['what']}")


if __name__ == "__main__":
    main()
