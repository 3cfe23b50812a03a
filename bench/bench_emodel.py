"""Derives the equipment factors of Opus in arcrtc/audio/equipment.py, which no Recommendation states.

Usage: PYTHONPATH=. python bench/bench_emodel.py [SPEECH.wav ...] [--json]   (needs the eval extra; the tests' sample)

Ie,WB, in the way of ITU-T P.834.1: PESQ judges codecs whose factor is known and Opus alike; what
it says of the known ones gives the line by which the others are read off. Bpl: the losses that a
plain libopus decoder conceals, as PESQ and PLCMOS judge them on the average, fitted to equation
7-29 of G.107; BurstR likewise by losses in bursts. All speech is 16 kHz, mono, in pieces of eight
seconds.
"""
from __future__ import annotations

import argparse
import json
import wave
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from arcrtc.audio import AudioConfig, AudioFrame, AudioPipeline
from arcrtc.audio.emodel import R_WIDEBAND, equipment_impairment, mos_of_r, r_of_mos
from arcrtc.audio.score import SCORE_HZ, Scores, score
from arcrtc.media.resample import resample

SAMPLE = Path(__file__).parent.parent / "tests" / "data" / "speech_en_m_16k.wav"
PIECE = 8 * SCORE_HZ
KNOWN = {"direct": 0.0, "G.722 64": 13.0, "G.722 56": 20.0, "G.722 48": 31.0, "G.711": 36.0}  # G.113 appendix IV
BITRATES = (8_000, 12_000, 16_000, 20_000, 24_000, 32_000, 48_000, 64_000)
LOSSES = ((3, 1), (10, 1), (20, 1), (10, 3), (20, 4))  # percent, mean burst in packets
BEST_PESQ = 4.644  # of a file against itself
Signal = NDArray[np.int16]


def pieces(paths: list[Path]) -> Iterator[Signal]:
    for path in paths:
        with wave.open(str(path)) as file:
            raw = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())[:, 0]
            mono = (resample(raw, file.getframerate(), SCORE_HZ) * 32767).clip(-32768, 32767).astype(np.int16)
        for at in range(0, max(1, len(mono) - PIECE // 2), PIECE):
            yield mono[at:at + PIECE]


def through_av(name: str, signal: Signal, bits: int | None = None) -> Signal:
    """A codec of FFmpeg there and back; G.722 at 8, 7 or 6 bits a code word."""
    rate = 8000 if name.startswith("pcm") else SCORE_HZ
    narrow = (resample(signal, SCORE_HZ, rate) * 32767).clip(-32768, 32767).astype(np.int16)
    encoder: Any = av.CodecContext.create(name, "w")
    encoder.sample_rate, encoder.format, encoder.layout, encoder.time_base = rate, "s16", "mono", Fraction(1, rate)
    decoder: Any = av.CodecContext.create(name, "r")
    decoder.sample_rate, decoder.layout = rate, "mono"
    if bits is not None:
        decoder.options = {"bits_per_codeword": str(bits)}
    out = []
    for at in range(0, len(narrow) - 319, 320):
        frame = av.AudioFrame.from_ndarray(narrow[None, at:at + 320], format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, at
        for packet in encoder.encode(frame):
            if bits is not None and bits < 8:  # what a network drops: the bits of least worth
                data = np.frombuffer(bytes(packet), np.uint8) >> (8 - bits) << (8 - bits)
                packet = av.Packet(data.tobytes())
            out += [f.to_ndarray().reshape(-1) for f in decoder.decode(packet)]
    heard = np.concatenate(out).astype(np.int16)
    return (resample(heard, rate, SCORE_HZ) * 32767).clip(-32768, 32767).astype(np.int16)


def losses(n: int, pct: float, burst: float, seed: int) -> NDArray[np.bool_]:
    """A two-state chain: mean loss and mean length of a burst."""
    rng = np.random.default_rng(seed)
    if burst <= 1:
        return rng.random(n) < pct / 100
    leave = 1 / burst
    enter = leave * pct / (100 - pct)
    out, bad = np.zeros(n, np.bool_), False
    for i, draw in enumerate(rng.random(n)):
        bad = draw >= leave if bad else draw < enter
        out[i] = bad
    return out


def through_opus(signal: Signal, bitrate: int, lost: NDArray[np.bool_]) -> Signal:
    pipeline = AudioPipeline(AudioConfig(bitrate=bitrate, sample_rate=SCORE_HZ, dtx=False, fec=False,
                                         complexity=9, expected_loss_pct=0))
    out = []
    for i, at in enumerate(range(0, len(signal) - 319, 320)):
        data = pipeline.encode(AudioFrame(samples=signal[at:at + 320], sample_rate=SCORE_HZ))
        out.append((pipeline.conceal() if lost[i] else pipeline.decode(data)).samples)
    heard = np.concatenate(out)[pipeline.lookahead_samples:]
    return (heard * 32767).clip(-32768, 32767).astype(np.int16)


def judge(signals: list[Signal], change: Callable[[int, Signal], Signal]) -> Scores:
    found = []
    for i, signal in enumerate(signals):
        heard = change(i, signal)
        n = min(len(signal), len(heard))
        found.append(score(signal[:n], heard[:n], SCORE_HZ))
    return Scores(**{name: float(np.mean([v for s in found if (v := getattr(s, name)) is not None]))
                     for name in ("pesq", "plcmos", "stoi")})


def raw_ie(pesq: float) -> float:
    """What a score alone would say, its best one taken as no impairment at all."""
    return R_WIDEBAND - R_WIDEBAND / 100 * r_of_mos(1 + (pesq - 1) * 3.5 / (BEST_PESQ - 1))


def ie_of_scores(found: Scores, clean: Scores, ie: float, slope: float) -> float:
    """Ie,eff by PESQ and by PLCMOS on the average; PLCMOS is set so that without loss it says ``ie``."""
    assert found.pesq is not None
    assert found.plcmos is not None
    assert clean.plcmos is not None
    by_pesq = slope * raw_ie(found.pesq)
    clean_mos = mos_of_r((R_WIDEBAND - ie) / 1.29)
    mos = 1 + (found.plcmos - 1) * (clean_mos - 1) / (clean.plcmos - 1)
    return (by_pesq + R_WIDEBAND - 1.29 * r_of_mos(mos)) / 2


def fit_bpl(rows: list[tuple[float, float, float]], ie: float) -> float:
    """Bpl with the least squared error of Ie,eff over (loss, burst ratio, Ie,eff)."""
    candidates = np.geomspace(1, 100, 400)
    errors = [sum((equipment_impairment(ie, b, loss, burst) - found) ** 2 for loss, burst, found in rows)
              for b in candidates]
    return float(candidates[int(np.argmin(errors))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", nargs="*", type=Path, default=[SAMPLE])
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    signals = list(pieces(args.speech))
    known = {"direct": lambda i, s: s, "G.722 64": lambda i, s: through_av("g722", s, 8)[22:],
             "G.722 56": lambda i, s: through_av("g722", s, 7)[22:],
             "G.722 48": lambda i, s: through_av("g722", s, 6)[22:],
             "G.711": lambda i, s: through_av("pcm_mulaw", s)}
    scores = {name: judge(signals, change) for name, change in known.items()}
    raw = [raw_ie(scores[name].pesq or 1) for name in KNOWN]
    # Through the origin: what is not changed is not impaired.
    slope = float(np.dot(raw, list(KNOWN.values())) / np.dot(raw, raw))
    none = np.zeros(10_000, np.bool_)
    table: dict[str, Any] = {"pieces": len(signals), "slope": slope, "known": {
        name: [scores[name].pesq, r, KNOWN[name]] for name, r in zip(KNOWN, raw, strict=True)}, "opus": {}}
    for bitrate in BITRATES:
        clean = judge(signals, lambda i, s, b=bitrate: through_opus(s, b, none))
        ie = slope * raw_ie(clean.pesq or 1)
        table["opus"][bitrate] = {"pesq": clean.pesq, "plcmos": clean.plcmos, "ie": ie}
        if bitrate in (16_000, 32_000):
            rows = []
            for pct, burst in LOSSES:
                found = judge(signals, lambda i, s, b=bitrate, p=pct, m=burst: through_opus(
                    s, b, losses(len(s) // 320 + 1, p, m, 100 * p + i)))
                ratio = max(1.0, burst * (1 - pct / 100))
                rows.append((pct, ratio, ie_of_scores(found, clean, ie, slope)))
                table["opus"][bitrate][f"loss {pct} % x {burst}"] = [found.pesq, found.plcmos, rows[-1][2]]
            table["opus"][bitrate]["bpl"] = fit_bpl(rows, ie)
            table["opus"][bitrate]["bpl of random losses"] = fit_bpl([r for r in rows if r[1] == 1], ie)
    print(json.dumps(table) if args.json else json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
