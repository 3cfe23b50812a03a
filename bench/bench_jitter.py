"""Delay and concealment of a voice behind jitter, in virtual time, beside NetEQ's.

    PYTHONPATH=. python bench/bench_jitter.py [--seconds 70] [--seeds 1 2 3 4 5] [--json FILE]

One Opus stream of 20 ms packets without loss; figures after ten seconds, mean over the seeds. "delay" is
WebRTC's jitterBufferDelay / emittedCount (arrival of a sample's packet to the play-out of its block of 10 ms),
"concealed" its concealed samples over all samples, "stretched" the samples put in or taken out over all. NetEQ's
figures were measured on the same traces in real time (libwebrtc M152). With `pip install pesq` also PESQ (wideband)
of pieces of eight seconds against the same media time of the source.
"""
from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

from arcrtc.audio import VoiceConfig
from tests.model.speech import SPEECH_RATE, speech
from tests.model.voice_path import FIRST_TS, Heard, arrivals, delays_ms, opus_packets, play

WARM_US = 10_000_000
PIECE_S = 8
TRACES = {  # name: (title, NetEQ delay ms, NetEQ concealed %)
    "none": ("clean network", 25.0, 0.0),
    "gamma20": ("exponential, mean 20 ms", 101.0, 0.1),
    "gamma60": ("exponential, mean 60 ms", 240.0, 0.7),
    "spikes": ("250 ms stalls every 2.2 s", 171.0, 6.4),
}


def quality(heard: Heard, seconds: int) -> float | None:
    """Mean PESQ over the pieces; None: the package is not there."""
    try:
        from pesq import PesqError, pesq
    except ImportError:
        return None
    source = np.resize(speech(), seconds * SPEECH_RATE)
    scores = []
    n = PIECE_S * 100
    for first in range(WARM_US // 10_000, len(heard.blocks) - n, n):
        piece = heard.blocks[first:first + n]
        start, end = ((piece[i].media_time - 2**32 - FIRST_TS) * SPEECH_RATE // 48_000 for i in (0, -1))
        try:
            scores.append(pesq(SPEECH_RATE, source[start:end + 160], np.concatenate([b.samples for b in piece]), "wb"))
        except PesqError:
            continue  # a piece without speech
    return statistics.mean(scores) if scores else None


def measure(kind: str, seconds: int, seed: int) -> dict[str, Any]:
    sent = opus_packets(seconds)
    heard = play(arrivals(sent, delays_ms(kind, len(sent), seed)), VoiceConfig(max_latency_ms=1000),
                 end_us=seconds * 1_000_000, warm_us=WARM_US)
    return {"delay_ms": heard.delay_ms(), "concealed_pct": 100 * heard.share("concealed", "undecided"),
            "stretched_pct": 100 * heard.share("inserted", "removed"), "late_pct": 100 * heard.share("late"),
            "pesq": quality(heard, seconds)}


def row(kind: str, seconds: int, seeds: list[int]) -> dict[str, Any]:
    title, neteq_delay, neteq_concealed = TRACES[kind]
    runs = [measure(kind, seconds, seed) for seed in seeds]
    mean = {key: None if runs[0][key] is None else statistics.mean(run[key] for run in runs) for key in runs[0]}
    return {"trace": kind, "title": title, **mean, "runs": runs, "neteq_delay_ms": neteq_delay,
            "neteq_concealed_pct": neteq_concealed, "delay_ratio": mean["delay_ms"] / neteq_delay}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=70)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = [row(kind, args.seconds, args.seeds) for kind in TRACES]
    print(f"{'network':28} {'delay ms':>9} {'NetEQ':>6} {'ratio':>6} {'concealed %':>12} {'NetEQ':>6} "
          f"{'stretched %':>12} {'PESQ':>6}")
    for r in rows:
        pesq = "-" if r["pesq"] is None else f"{r['pesq']:.2f}"
        print(f"{r['title']:28} {r['delay_ms']:9.1f} {r['neteq_delay_ms']:6.0f} {r['delay_ratio']:6.2f} "
              f"{r['concealed_pct']:12.2f} {r['neteq_concealed_pct']:6.1f} {r['stretched_pct']:12.1f} {pesq:>6}")
    if args.json:
        args.json.write_text(json.dumps({"seconds": args.seconds, "seeds": args.seeds, "rows": rows}, indent=1))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as shells report it
