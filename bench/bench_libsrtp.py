"""Nanoseconds a packet of libsrtp called from C: the copy in the pylibsrtp wheel, and Debian's.

    python bench/bench_libsrtp.py [--json] [--rounds N]

With ``--json`` in the form of ``arcrtc bench --json``. To compare with: bench/bench_srtp.c,
which measures ours in the same way (the size is that of the payload, behind 12 bytes
of header; replay windows of 128 packets, the default of both). All variants take turns
in every round; the value is the median of the rounds, the spread the distance of the
quartiles, CPU time of the thread. Debian's copy (package libsrtp2-1) is left out where
it is not installed. Needs a C compiler.
"""
from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from arcrtc.machine import this_machine  # noqa: E402
from arcrtc.srtp import SrtpConfig, SrtpProfile  # noqa: E402
from tests.model import libsrtp2  # noqa: E402

PROFILES = {"gcm128": SrtpProfile.AEAD_AES_128_GCM, "cm128_80": SrtpProfile.AES128_CM_HMAC_SHA1_80}
SIZES = (160, 1200)
PACKETS = 2000
SLOT_BYTES = 1536
HEADER_BYTES = 12


def compile_runner(folder: Path) -> ctypes.CDLL:
    """libsrtp_runner.c, compiled and loaded."""
    path = folder / "libsrtp_runner.so"
    subprocess.run(["cc", "-std=c99", "-O2", "-shared", "-fPIC", str(HERE / "libsrtp_runner.c"), "-o", str(path)],
                   check=True)
    runner = ctypes.CDLL(str(path))
    runner.run.restype = ctypes.c_double
    return runner


def copies() -> dict[str, str]:
    """Name of each copy of libsrtp that is here, and what it says of itself."""
    found = {}
    for name in ("wheel", "debian"):
        try:
            library = libsrtp2.library(name)
        except (OSError, ImportError):
            continue
        library.srtp_get_version_string.restype = ctypes.c_char_p
        found[name] = library.srtp_get_version_string().decode()
    return found


class Case:
    """A sender and a receiver, and one measurement of each a round."""

    def __init__(self, runner: ctypes.CDLL, copy: str, profile: str, size: int) -> None:
        self.runner, self.name, self.size = runner, f"{copy}.{{}}.{profile}.{size}B", size
        config = SrtpConfig.generate(PROFILES[profile])
        self.sender, self.receiver = (libsrtp2.Session(config, sending=s, copy=copy) for s in (True, False))
        self.slots = ctypes.create_string_buffer(PACKETS * SLOT_BYTES)
        self.lens = (ctypes.c_int32 * PACKETS)()
        self.seq = 0
        self.times: dict[str, list[float]] = {"protect": [], "unprotect": []}

    def round(self) -> None:
        self.runner.fill(self.slots, SLOT_BYTES, self.lens, HEADER_BYTES + self.size, PACKETS, self.seq)
        self.seq = (self.seq + PACKETS) & 0xFFFF
        for verb, session in (("protect", self.sender), ("unprotect", self.receiver)):
            operation = getattr(session.lib, f"srtp_{verb}")
            ns = self.runner.run(operation, session.handle, self.slots, SLOT_BYTES, self.lens, PACKETS)
            if ns < 0:
                raise SystemExit(f"libsrtp: {self.name.format(verb)} failed: nothing here can be trusted")
            self.times[verb].append(ns)

    def results(self) -> list[dict[str, Any]]:
        out = []
        for verb, times in self.times.items():
            low, value, high = statistics.quantiles(times, n=4)
            out.append({"name": f"libsrtp.{self.name.format(verb)}", "unit": "ns/packet", "value": round(value, 1),
                        "spread": round(high - low, 1), "n": len(times) * PACKETS, "peer": None, "peer_value": None,
                        "ratio": None})
        return out


def results(rounds: int = 41) -> list[dict[str, Any]]:
    """Measure every copy, profile, size and direction; one dict a measurement."""
    with tempfile.TemporaryDirectory() as folder:
        runner = compile_runner(Path(folder))
        cases = [Case(runner, copy, profile, size) for copy in copies() for profile in PROFILES for size in SIZES]
        for _ in range(rounds):
            for case in cases:
                case.round()
    return [result for case in cases for result in case.results()]


def main() -> None:
    """Print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=41, help="at least 2; 41 where it is not given")
    parser.add_argument("--json", action="store_true", help="one document for machines")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds must be at least 2")
    machine = {**this_machine().to_json(), "libsrtp": copies()}
    measured = results(options.rounds)
    if options.json:
        print(json.dumps({"machine": machine, "results": measured}, indent=1))
        return
    print(f"{machine['cpu']}; {', '.join(f'{name}: {version}' for name, version in copies().items())}")
    for r in measured:
        print(f"{r['name']:44} {r['value']:8.1f} ns  spread {r['spread']:6.1f}")


if __name__ == "__main__":
    main()
