"""The speech sample that tests share, and signals made by code."""
from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SPEECH_RATE = 16_000


def speech() -> NDArray[np.int16]:
    """Six seconds of a man reading, 16 kHz, mono; see tests/data/README.md."""
    path = Path(__file__).parent.parent / "data" / "speech_en_m_16k.wav"
    with wave.open(str(path)) as file:
        assert file.getframerate() == SPEECH_RATE
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)
    assert len(samples) == 6 * SPEECH_RATE
    return samples


def blocks(samples: NDArray[np.int16], n: int) -> list[NDArray[np.int16]]:
    """Cut into pieces of n samples; what is left over at the end goes."""
    return [samples[i:i + n] for i in range(0, len(samples) - n + 1, n)]


def sine(rate: int, hz: float, seconds: float, amplitude: float = 0.5) -> NDArray[np.float32]:
    """A sine, float32."""
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def noise(n: int, dbfs: float, seed: int = 1) -> NDArray[np.float32]:
    """White noise of a given RMS, float32."""
    return (np.random.default_rng(seed).normal(0, 1, n) * 10 ** (dbfs / 20)).astype(np.float32)
