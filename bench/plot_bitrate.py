"""Draw docs/img/bitrate.png: what an adaptive bit rate makes of a path with noise, seeded.

    python bench/plot_bitrate.py [OUT.png]
"""
from __future__ import annotations

import random
import sys
from pathlib import Path

import matplotlib

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
matplotlib.use("Agg")

from matplotlib import pyplot as plt

from arcrtc import AdaptiveBitrateConfig, AdaptiveBitrateController, NetworkMetrics, VideoResolution

OUT = Path(__file__).resolve().parent.parent / "docs/img/bitrate.png"
PHASES = ((0, 6000), (40, 1500), (90, 3000), (130, 700), (170, 6000))  # seconds, kb/s
SECONDS = 230
PERIOD_US = 200_000


def main(out: Path) -> None:
    rng = random.Random(20)
    controller = AdaptiveBitrateController(AdaptiveBitrateConfig(), 3_000_000, VideoResolution.P1080)
    times, paths, measured, rates, heights, marks = [], [], [], [], [], []
    for step in range(1, SECONDS * 1_000_000 // PERIOD_US):
        now_us = step * PERIOD_US
        path = [kbps for at, kbps in PHASES if at * 1e6 <= now_us][-1]
        value = path * rng.uniform(0.8, 1.2)
        was = controller.current_resolution(), controller.current_frame_rate()
        controller.update_metrics(NetworkMetrics(rtt_ms=50, bandwidth_kbps=value, timestamp_us=now_us))
        size, rate = controller.current_resolution(), controller.current_frame_rate()
        if (size, rate) != was:
            marks.append((now_us / 1e6, f"{size.height}p{rate}"))
        times.append(now_us / 1e6)
        paths.append(path / 1000)
        measured.append(value / 1000)
        rates.append(controller.current_bitrate() / 1e6)
        heights.append(size.height)
    figure, (upper, lower) = plt.subplots(2, 1, sharex=True, figsize=(8, 4.5), height_ratios=(3, 1))
    upper.plot(times, measured, color="0.8", linewidth=0.7, label="measured (noise of 20 %)")
    upper.plot(times, paths, color="0.4", linewidth=1, label="path")
    upper.plot(times, rates, color="tab:blue", label="bit rate sent")
    upper.set_ylabel("Mb/s")
    upper.legend(loc="upper center")
    lower.step(times, heights, color="tab:orange", where="post")
    for at, words in marks:
        lower.annotate(words, (at, 420), fontsize=8, rotation=90, ha="right")
    lower.set_ylabel("rows")
    lower.set_ylim(300, 1200)
    lower.set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
