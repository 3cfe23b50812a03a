"""How the engine sounds where packets are lost: concealers, and scores of them.

Usage: PYTHONPATH=. python bench/voice_quality/arcrtc_plc.py [SPEECH.wav] [--ahead 0,1,2,3] [--loss iid_10,burst_20_4]

SPEECH.wav: 16 kHz, mono, 16 bits; the tests' sample by default. PESQ and PLCMOS are printed where the
packages ``pesq`` and ``speechmos`` (with ``onnxruntime``) are installed, and always the segmental
signal-to-noise ratio against the stream without a loss.

:data:`CONCEALERS` maps names to factories ``(rate, frame_ms)``; what they make has
``decode(packet or None, next_packet or None)``, called once a frame, which gives the frame's int16 samples.
``next_packet`` is the packet after it, if it was not lost: one frame of look-ahead, as any jitter buffer has.
More than one (``arc_ahead2``) delays what is given by the rest.
"""
from __future__ import annotations

import argparse
import importlib
import importlib.util
import wave
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import check, ffi, lib, new_handle

SAMPLE = Path(__file__).parents[2] / "tests" / "data" / "speech_en_m_16k.wav"
FRAME_MS = 20
LOSSES = {"iid_5": (0.05, 1), "iid_10": (0.1, 1), "iid_20": (0.2, 1), "iid_30": (0.3, 1),
          "burst_10_3": (0.1, 3), "burst_20_4": (0.2, 4), "burst_20_6": (0.2, 6)}
Pcm = NDArray[np.int16]


def _view(pcm: Pcm | None) -> Any:
    return ffi.NULL if pcm is None else ffi.from_buffer("int16_t[]", pcm)


class Concealer:
    """An Opus decoder with concealment, mono; ``ahead`` frames of what follows may be known.

    :ivar ahead: frames of look-ahead; of ``codec_only`` no matter.
    :ivar heals: whether the decoder is told what was made up (audio/opuscodec_heal).
    :ivar codec_only: libopus alone.
    """

    ahead = 1
    heals = True
    codec_only = False

    def __init__(self, rate: int, frame_ms: int = FRAME_MS) -> None:
        self.rate, self.n = rate, rate * frame_ms // 1000
        self._decoder = new_handle(lib.arc_opus_dec_new, lib.arc_opus_dec_free, "struct arc_opus_dec",
                                   rate, 1, what="decoder")
        self._healer = new_handle(lib.arc_opus_heal_new, lib.arc_opus_heal_free, "struct arc_opus_heal",
                                  rate, 1, ffi.NULL, what="healer")
        self._conceal = new_handle(lib.arc_conceal_new, lib.arc_conceal_free, "struct arc_conceal",
                                   ffi.new("struct arc_conceal_config *", [rate, 1]), what="concealer")
        self._waiting: deque[bytes | None] = deque()  # not played yet
        self._made: deque[Pcm] = deque()              # made up already, for the frames to come
        self._decoded: Pcm | None = None              # the packet after those
        self._heard = np.zeros(self.n, dtype=np.int16)
        self._fill = max(self.ahead - 1, 0)           # frames of silence while the look-ahead fills

    def _packet(self, packet: bytes) -> Pcm:
        out, n = np.zeros(self.n, dtype=np.int16), ffi.new("int32_t *")
        check(lib.arc_opus_dec_decode(self._decoder, packet, len(packet), _view(out), self.n, n), "decode")
        return out

    def _extrapolation(self, frames: int) -> Pcm:
        out = np.zeros(frames * self.n, dtype=np.int16)
        check(lib.arc_opus_dec_comfort(self._decoder, _view(out), len(out)), "conceal")
        return out

    def _conceal_frames(self, frames: int, codec: Pcm, following: Pcm | None) -> Pcm:
        out = np.zeros(frames * self.n, dtype=np.int16)
        lib.arc_conceal_fill(self._conceal, _view(codec), _view(following),
                             0 if following is None else len(following), _view(out), len(out))
        return out

    def _bridge(self, frames: int, packet: bytes) -> None:
        """Fill the gap before a packet that is known."""
        check(lib.arc_opus_heal_mark(self._healer, self._decoder), "mark")
        codec = self._extrapolation(frames)
        following = self._packet(packet)
        made = self._conceal_frames(frames, codec, following)
        if self.heals and check(lib.arc_opus_heal_run(
                self._healer, self._decoder, packet[0], _view(self._heard), _view(made), len(made),
                _view(following), _view(made)), "heal"):
            following = self._packet(packet)
        self._made.extend(made.reshape(frames, self.n))
        self._decoded = following

    def _play(self, later: list[bytes | None]) -> Pcm:
        packet = self._waiting.popleft()
        if packet is not None:
            out = self._packet(packet) if self._decoded is None else self._decoded
            self._decoded = None
            if not self.codec_only:
                lib.arc_conceal_on_audio(self._conceal, _view(out), self.n)
            return out
        known = next((i for i, p in enumerate(later) if p is not None), None)
        if not self._made and known is not None and not self.codec_only:
            following = later[known]
            assert following is not None
            self._bridge(known + 1, following)
        if self._made:
            return self._made.popleft()
        codec = self._extrapolation(1)
        return codec if self.codec_only else self._conceal_frames(1, codec, None)

    def decode(self, packet: bytes | None, next_packet: bytes | None = None) -> Pcm:
        """One frame in, one out, ``ahead - 1`` frames later.

        :param packet: what was received in its place; ``None``: lost.
        :param next_packet: the packet after it; ``None``: lost, or not known.
        :returns: int16, shape (n,).
        """
        self._waiting.append(packet)
        if self._fill:
            self._fill -= 1
            return np.zeros(self.n, dtype=np.int16)
        later = [*self._waiting, next_packet][1:] if self.ahead else []
        self._heard = self._play(later)
        return self._heard


def _with(**fields: Any) -> type[Concealer]:
    return type("Concealer", (Concealer,), fields)


CONCEALERS: dict[str, type[Concealer]] = {
    "arc_codec": _with(codec_only=True),
    "arc_ahead0": _with(ahead=0),
    "arc_ahead1": _with(ahead=1),
    "arc_ahead1_unhealed": _with(ahead=1, heals=False),
    "arc_ahead2": _with(ahead=2),
    "arc_ahead3": _with(ahead=3),
}


def encode(pcm: Pcm, rate: int, bitrate: int, max_bandwidth: int = lib.ARC_OPUS_BANDWIDTH_AUTO) -> list[bytes]:
    """Packets of 20 ms, mono, for speech, without in-band FEC."""
    config = ffi.new("struct arc_opus_enc_config *", {
        "sample_rate_hz": rate, "channels": 1, "bitrate_bps": bitrate, "complexity": 10,
        "application": lib.ARC_OPUS_APPLICATION_VOIP, "vbr": True})
    encoder = new_handle(lib.arc_opus_enc_new, lib.arc_opus_enc_free, "struct arc_opus_enc", config, what="encoder")
    check(lib.arc_opus_enc_set_max_bandwidth(encoder, max_bandwidth), "max_bandwidth")
    n, out, length, packets = rate * FRAME_MS // 1000, ffi.new("uint8_t[]", 1500), ffi.new("int32_t *"), []
    for i in range(0, len(pcm) - n + 1, n):
        check(lib.arc_opus_enc_encode(encoder, _view(pcm[i:i + n]), n, out, 1500, length), "encode")
        packets.append(bytes(ffi.buffer(out, length[0])))
    return packets


def lost(n: int, rate: float, mean_burst: float, seed: int) -> NDArray[np.bool_]:
    """Which packets are lost: Gilbert's model, whose bad state loses all; independent with a burst of 1."""
    rng = np.random.default_rng(seed)
    if mean_burst <= 1:
        return rng.random(n) < rate
    back, bad, out = 1 / mean_burst, False, np.zeros(n, dtype=bool)
    for k in range(n):
        bad = rng.random() >= back if bad else rng.random() < back * rate / (1 - rate)
        out[k] = bad
    return out


def receive(factory: type[Concealer], rate: int, packets: list[bytes], holes: NDArray[np.bool_]) -> Pcm:
    """What is heard, without the delay that the look-ahead adds."""
    concealer = factory(rate)
    late = max(concealer.ahead - 1, 0)
    got = [None if hole else packet for packet, hole in zip(packets, holes, strict=True)] + [None] * (late + 1)
    out = np.concatenate([concealer.decode(a, b) for a, b in pairwise(got)])
    return out[late * concealer.n:]


def segmental_snr(reference: Pcm, heard: Pcm, n: int) -> float:
    """Mean over blocks of n samples that are not silent, each between 0 and 35 dB."""
    m = min(len(reference), len(heard)) // n
    x = reference[:m * n].reshape(m, n).astype(float)
    noise = x - heard[:m * n].reshape(m, n)
    power = (x ** 2).mean(1)
    decibels = 10 * np.log10((power + 1) / ((noise ** 2).mean(1) + 1))
    return float(np.clip(decibels[power > 1e4], 0, 35).mean())


def scores(original: Pcm, clean: Pcm, heard: Pcm, rate: int) -> dict[str, float]:
    """Each measure whose package is here."""
    out = {"snr_db": segmental_snr(clean, heard, rate // 50)}
    delay = 65 * rate // 10_000  # of Opus at its usual look-ahead
    aligned = np.concatenate([heard[delay:], np.zeros(delay, dtype=np.int16)])[:len(original)]
    if importlib.util.find_spec("pesq"):
        out["pesq"] = float(importlib.import_module("pesq").pesq(rate, original[:len(aligned)], aligned, "wb"))
    if importlib.util.find_spec("speechmos"):
        plcmos = importlib.import_module("speechmos.plcmos")
        out["plcmos"] = float(plcmos.run(aligned.astype(np.float32) / 32768, rate)["plcmos"])
    return out


def read_speech(parser: argparse.ArgumentParser, path: Path) -> tuple[Pcm, int]:
    """Samples and rate of a recording; ends the program with a message if it cannot be used."""
    try:
        with wave.open(str(path)) as file:
            rate = file.getframerate()
            if (rate, file.getnchannels(), file.getsampwidth()) != (16_000, 1, 2):
                parser.error(f"{path}: a WAV file with 16 kHz, mono, 16 bits is needed")
            return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16), rate
    except (OSError, EOFError, wave.Error) as fault:
        parser.error(f"{path}: cannot be read: {fault}")


def main() -> None:
    """Print a table: a line for each loss pattern and concealer."""
    parser = argparse.ArgumentParser(description="scores of the engine's concealment")
    parser.add_argument("speech", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--ahead", default="0,1,2,3", help="frames of look-ahead")
    parser.add_argument("--loss", default=",".join(LOSSES), help="patterns: " + ", ".join(LOSSES))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    original, rate = read_speech(parser, args.speech)
    packets = encode(original, rate, 24_000)
    clean = receive(CONCEALERS["arc_codec"], rate, packets, np.zeros(len(packets), dtype=bool))
    names = ["arc_codec", *(f"arc_ahead{ahead}" for ahead in args.ahead.split(","))]
    for pattern in args.loss.split(","):
        holes = lost(len(packets), *LOSSES[pattern], args.seed)
        for name in names:
            heard = receive(CONCEALERS[name], rate, packets, holes)
            row = "  ".join(f"{key} {value:6.2f}" for key, value in scores(original, clean, heard, rate).items())
            print(f"{pattern:12s} {name:20s} {row}")


if __name__ == "__main__":
    main()
