"""Microseconds that Opus takes per frame of 20 ms, through the Python API.

Usage: PYTHONPATH=. python bench/bench_opus.py [SPEECH.wav]   (16 bits, any rate of Opus; the tests' sample)

Prints median and interquartile range over the rounds, per frame.
"""
from __future__ import annotations

import statistics
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arcrtc.audio import AudioConfig, AudioFrame, AudioPipeline

ROUNDS = 7
SAMPLE = Path(__file__).parent.parent / "tests" / "data" / "speech_en_m_16k.wav"


def load(path: Path) -> tuple[NDArray[np.float32], int]:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        left = samples.reshape(-1, file.getnchannels())[:, 0]
        return left.astype(np.float32) / 32768, file.getframerate()


def frames_of(mono: NDArray[np.float32], rate: int, config: AudioConfig) -> list[AudioFrame]:
    n = int(len(mono) * config.sample_rate / rate)
    resampled = np.interp(np.arange(n) * rate / config.sample_rate, np.arange(len(mono)), mono)
    wide = np.stack([resampled] * config.channels, axis=1).astype(np.float32)
    step = config.frame_samples
    return [AudioFrame(wide[i:i + step], config.sample_rate, config.channels)
            for i in range(0, n - step + 1, step)]


def report(name: str, rounds: list[float]) -> None:
    low, _, high = statistics.quantiles(rounds, n=4)
    print(f"{name:44} {statistics.median(rounds):8.1f} us/frame  (IQR {high - low:.1f})")


def measure(n_frames: int, work: Callable[[], object]) -> list[float]:
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        rounds.append((time.perf_counter() - start) / n_frames * 1e6)
    return rounds


def main() -> None:
    mono, rate = load(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE)
    settings = [(f"16 kHz mono 32 kb/s complexity {c}",
                 AudioConfig(complexity=c, dtx=False)) for c in (5, 9, 10)]
    settings += [(f"48 kHz stereo 64 kb/s complexity {c}", AudioConfig(
        bitrate=64_000, sample_rate=48_000, channels=2, complexity=c, application="audio",
        dtx=False, fec=False)) for c in (5, 10)]
    for name, config in settings:
        pipeline, frames = AudioPipeline(config), frames_of(mono, rate, config)
        packets = [pipeline.encode(frame) for frame in frames]
        work = {"encode": lambda p=pipeline, f=frames: [p.encode(x) for x in f],
                "decode": lambda p=pipeline, k=packets: [p.decode(x) for x in k],
                "conceal": lambda p=pipeline, k=packets: [p.conceal() for _ in k]}
        for verb, call in work.items():
            report(f"{verb} {name}", measure(len(frames), call))


if __name__ == "__main__":
    main()
