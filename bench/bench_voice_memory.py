"""Memory of a received voice, Opus, one channel: what it keeps, by part, and what it works in.

Usage: PYTHONPATH=. python bench/bench_voice_memory.py [--rates 48000,16000] [--json]

Bytes that the core allocates, counted by the core itself; each part is made alone, as a voice of an engine has it:
what is needed during one call only is lent by the thread ("working memory": once for all voices of a thread, or
once for each voice that has no engine).
"""
from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Callable
from typing import Any

from arcrtc import Engine, SrtpConfig
from arcrtc._native import ffi, lib, new_handle

KIB = 1024
N = 10
KEY = SrtpConfig(master_key=bytes(range(16)), master_salt=bytes(range(14)))
LATENCY = {"max_latency_ms": 500, "initial_latency_ms": 40, "adaptive": True}


def kib_each(make: Callable[[int], object]) -> float:
    gc.collect()
    before = lib.arc_mem_live_bytes()
    kept = [make(i) for i in range(N)]
    return float(lib.arc_mem_live_bytes() - before) / len(kept) / KIB


def made(name: str, *args: Any) -> Any:
    """A handle of the core by the name of its struct."""
    return new_handle(getattr(lib, f"arc_{name}_new"), getattr(lib, f"arc_{name}_free"), f"struct arc_{name}", *args,
                      what=name)


def parts(rate: int) -> dict[str, float]:
    """KiB of each part; "all" is what a stream of an engine takes."""
    scratch = new_handle(lib.arc_voice_new_scratch, lib.arc_scratch_free, "struct arc_scratch", what="scratch")
    sound = {"sample_rate_hz": rate, "channels": 1, "scratch": scratch}
    jitter = {"clock_hz": 48_000, "capacity_pkts": 128, **LATENCY}
    voice = {"codec": lib.ARC_AUDIO_OPUS, "cn_payload_type": -1, "capacity_pkts": 128, **sound, **LATENCY}
    copies = 64  # ARC_VOICE_COPIES
    found = {
        "decoder": kib_each(lambda _: made("opus_dec", rate, 1)),
        "decoder at the mark": kib_each(lambda _: made("opus_heal", rate, 1, scratch)),
        "concealment": kib_each(lambda _: made("conceal", ffi.new("struct arc_conceal_config *", sound))),
        "stretching": kib_each(lambda _: made("stretch", ffi.new("struct arc_stretch_config *", sound))),
        "play-out buffer": kib_each(lambda _: made("jitter", ffi.new("struct arc_jitter_config *", jitter))),
        "redundant blocks": kib_each(lambda _: made("copies", copies)),
    }
    alone = kib_each(lambda _: made("voice", ffi.new("struct arc_voice_config *", voice)))
    found["decoded sound that waits"] = alone - sum(found.values())
    with Engine() as engine:
        engine.open(local="127.0.0.1:0", srtp=KEY).receive_audio()  # makes what streams share
        peers = [engine.open(local="127.0.0.1:0", srtp=KEY) for _ in range(N)]
        every = kib_each(lambda i: peers[i].receive_audio(sample_rate=rate))
    found["network side, queue to Python"] = every - alone
    found["all"] = every
    found["working memory of a thread"] = lib.arc_scratch_bytes(scratch) / KIB
    del voice["scratch"]
    found["working memory without an engine"] = kib_each(
        lambda _: made("voice", ffi.new("struct arc_voice_config *", voice))) - alone
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="48000,16000", help="hertz, of Opus, separated by commas")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    results = {rate: parts(int(rate)) for rate in args.rates.split(",")}
    if args.json:
        print(json.dumps(results))
        return 0
    print("| KiB | " + " | ".join(f"{rate} Hz" for rate in results) + " |")
    print("|---|" + "---|" * len(results))
    for part in next(iter(results.values())):
        print(f"| {part} | " + " | ".join(f"{found[part]:.1f}" for found in results.values()) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
