"""What a packet costs in arcrtc.rtp, rtpext and rtcp: ``python bench/bench_wire.py [--json]``.

One line a case: minimum and median of 15 repeats of 20000 calls, ns a call.
"""
from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import timeit
from collections.abc import Callable

from arcrtc.rtcp import GenericNack, ReceiverReport, ReportBlock, RtcpPacket
from arcrtc.rtp import RtpHeader, RtpPacket
from arcrtc.rtpext import (
    AudioLevel,
    DependencyDescriptor,
    DependencyReader,
    DependencyStructure,
    Dti,
    FrameDependencies,
)

CALLS, REPEATS = 20000, 15
PAYLOAD = bytes(1200)


def cases() -> dict[str, Callable[[], object]]:
    plain = RtpPacket(RtpHeader(1, 2, 3, 96), PAYLOAD)
    extended = RtpPacket(RtpHeader(1, 2, 3, 96, extensions={1: b"\x80", 3: b"abc", 5: b"no"}), PAYLOAD)
    compound = [ReceiverReport(1, (ReportBlock(2), ReportBlock(3))), GenericNack(1, 2, (5, 6, 9, 40))]
    plain_bytes, extended_bytes = plain.serialize(), extended.serialize()
    compound_bytes = RtcpPacket.serialize_compound(compound)
    array = bytearray(plain_bytes)
    one_bytes = RtpPacket(RtpHeader(1, 2, 3, 96, extensions={1: b"\x80"}), PAYLOAD).serialize()
    frame = FrameDependencies(0, 0, (Dti.SWITCH,))
    structure, reader = DependencyStructure((frame,)), DependencyReader()
    reader.read(DependencyDescriptor(1, frame, structure=structure).serialize())
    return {
        "rtp.parse.plain.1200B": lambda: RtpPacket.parse(plain_bytes),
        "rtp.parse.bytearray.1200B": lambda: RtpPacket.parse(array),
        "rtp.parse.1_extension.1200B": lambda: RtpPacket.parse(one_bytes),
        "rtp.parse.3_extensions.1200B": lambda: RtpPacket.parse(extended_bytes),
        "rtp.serialize.plain.1200B": plain.serialize,
        "rtp.serialize.3_extensions.1200B": extended.serialize,
        "rtp.new.plain": lambda: RtpPacket(RtpHeader(1, 2, 3, 96), PAYLOAD),
        "rtpext.parse.audio_level": lambda: AudioLevel.parse(b"\x80"),
        "rtpext.parse.dependency_descriptor": lambda: reader.read(b"\xc0\0\2"),
        "rtcp.parse.rr_nack": lambda: RtcpPacket.parse_compound(compound_bytes),
        "rtcp.serialize.rr_nack": lambda: RtcpPacket.serialize_compound(compound),
    }


def main() -> None:
    results = []
    for name, call in cases().items():
        ns = [1e9 * t / CALLS for t in timeit.repeat(call, number=CALLS, repeat=REPEATS)]
        results.append({"name": name, "unit": "ns/call", "value": round(min(ns), 1),
                        "median": round(statistics.median(ns), 1), "n": REPEATS})
    if "--json" in sys.argv[1:]:
        machine = {"python": platform.python_version(), "machine": platform.machine(), "cpus": os.cpu_count()}
        print(json.dumps({"machine": machine, "results": results}, indent=2))
        return
    for r in results:
        print(f"{r['name']:36} min {r['value']:8.0f}   median {r['median']:8.0f}   {r['unit']}")


if __name__ == "__main__":
    main()
