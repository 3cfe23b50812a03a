"""Opus through AudioPipeline, one frame of 20 ms at a time.

Peer of the plain rows: the same libopus called directly by ctypes, so that the ratio is what our
layers cost. Peer of the rows ``.pyav``: FFmpeg's wrapper in PyAV at the same settings; PyAV's
wheels bring a libopus of their own, so that ratio compares two versions of the codec.
"""
from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc.audio import AudioConfig, AudioFrame, AudioPipeline
from arcrtc.benchmarks.registry import Peer, Work, benchmark
from arcrtc.libraries import libraries

_FRAMES: Final = 50  # one second, then from the start again
_COMPLEXITY: Final = 9
_MOST_BYTES: Final = 1275  # of one frame, RFC 6716 section 3.4
# opus_defines.h: what opus_encoder_ctl() is asked for.
_APPLICATION_VOIP: Final = 2048
_SET_BITRATE, _SET_VBR, _SET_COMPLEXITY, _SET_INBAND_FEC, _SET_DTX = 4002, 4006, 4010, 4012, 4016


def speech_like(sample_rate: int, channels: int, n_frames: int = _FRAMES) -> NDArray[np.int16]:
    """Voiced, modulated noise: keeps an encoder about as busy as speech does.

    :returns: int16, shape (n_frames * 20 ms, channels).
    """
    n = n_frames * sample_rate // 50
    t = np.arange(n) / sample_rate
    pitch = 120 + 30 * np.sin(2 * np.pi * 2.1 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 3.3 * t), 0, 1)
    noise = np.random.default_rng(1).normal(0, 0.05, n)
    mono = (0.15 * voice * syllables + 0.2 * noise) * 32767
    return np.repeat(np.clip(mono, -32768, 32767).astype(np.int16)[:, None], channels, axis=1)


def _frames(sample_rate: int, channels: int) -> list[AudioFrame]:
    block = sample_rate // 50
    samples = speech_like(sample_rate, channels)
    return [AudioFrame(samples=samples[i:i + block], sample_rate=sample_rate, channels=channels, timestamp=i)
            for i in range(0, len(samples), block)]


def _pipeline(sample_rate: int, channels: int, bitrate: int) -> AudioPipeline:
    return AudioPipeline(AudioConfig(
        codec="opus", bitrate=bitrate, sample_rate=sample_rate, channels=channels, frame_size_ms=20,
        dtx=False, fec=False, plc=True, complexity=_COMPLEXITY, application="voip", expected_loss_pct=0,
        vbr=True))


def _libopus() -> tuple[str, Any] | None:
    """Name and handle of the libopus that the core has loaded; None: it is linked statically."""
    for library in libraries():
        if library.name == "opus" and library.path:
            handle = ctypes.CDLL(library.path)
            handle.opus_encoder_create.restype = ctypes.c_void_p
            handle.opus_decoder_create.restype = ctypes.c_void_p
            return f"libopus {library.loaded} by ctypes", handle
    return None


def _direct_encoder(sample_rate: int, channels: int, bitrate: int) -> Peer | None:
    """The same library at the same settings, without any of our code."""
    if (found := _libopus()) is None:
        return None
    name, opus = found
    state = ctypes.c_void_p(opus.opus_encoder_create(sample_rate, channels, _APPLICATION_VOIP, None))
    for request, value in ((_SET_BITRATE, bitrate), (_SET_VBR, 1), (_SET_COMPLEXITY, _COMPLEXITY),
                           (_SET_INBAND_FEC, 0), (_SET_DTX, 0)):
        opus.opus_encoder_ctl(state, request, ctypes.c_int(value))
    block, out = sample_rate // 50, ctypes.create_string_buffer(_MOST_BYTES)
    samples = speech_like(sample_rate, channels)
    frames = [np.ascontiguousarray(samples[i:i + block]) for i in range(0, len(samples), block)]
    pointers = [ctypes.c_void_p(frame.ctypes.data) for frame in frames]

    def run(n: int) -> None:
        for i in range(n):
            length = opus.opus_encode(state, pointers[i % len(frames)], block, out, _MOST_BYTES)
            out.raw[:length]

    return Peer(name, run)


def _direct_decoder(sample_rate: int, channels: int, payloads: list[bytes]) -> Peer | None:
    if (found := _libopus()) is None:
        return None
    name, opus = found
    state = ctypes.c_void_p(opus.opus_decoder_create(sample_rate, channels, None))
    block = sample_rate // 50

    def run(n: int) -> None:
        for i in range(n):
            samples = np.empty((block, channels), np.int16)
            data = payloads[i % len(payloads)]
            opus.opus_decode(state, data, len(data), ctypes.c_void_p(samples.ctypes.data), block, 0)

    return Peer(name, run)


def _bundled_version(av: Any) -> str:
    """Version of the libopus inside PyAV's wheel; empty: it uses the system's, or cannot be told."""
    folder = Path(av.__file__).parent.parent / "av.libs"
    for path in folder.glob("libopus*"):
        if (found := re.search(rb"libopus ([0-9][0-9.]*)", path.read_bytes())) is not None:
            return found.group(1).decode()
    return ""


def _av_encoder(sample_rate: int, channels: int, bitrate: int) -> Peer:
    """FFmpeg's libopus wrapper by PyAV, at our settings."""
    import av

    codec: Any = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.bit_rate, codec.format = sample_rate, bitrate, "s16"
    codec.layout = "mono" if channels == 1 else "stereo"
    codec.options = {"application": "voip", "frame_duration": "20", "vbr": "constrained",
                     "compression_level": str(_COMPLEXITY), "packet_loss": "0", "fec": "0"}
    codec.open()
    block = sample_rate // 50
    samples = speech_like(sample_rate, channels)
    frames = []
    for i in range(0, len(samples), block):
        packed = samples[i:i + block].reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=codec.layout.name)
        frame.sample_rate = sample_rate
        frames.append(frame)

    def run(n: int) -> None:
        for i in range(n):
            frame = frames[i % _FRAMES]
            frame.pts = None
            for packet in codec.encode(frame):
                bytes(packet)

    return Peer(f"PyAV {av.__version__}, libopus {_bundled_version(av)}".rstrip(), run)


def _encode(sample_rate: int, channels: int, bitrate: int, peer: Peer | None) -> Work:
    pipeline, frames = _pipeline(sample_rate, channels, bitrate), _frames(sample_rate, channels)

    def run(n: int) -> None:
        for i in range(n):
            pipeline.encode(frames[i % _FRAMES])

    return Work(run, peer=peer)


def _decode(sample_rate: int, channels: int, bitrate: int) -> Work:
    sender, receiver = (_pipeline(sample_rate, channels, bitrate) for _ in range(2))
    packets = [sender.create_rtp_packet(sender.encode(frame), sequence_number=i, timestamp=frame.timestamp,
                                        ssrc=1, payload_type=111, marker=False)
               for i, frame in enumerate(_frames(sample_rate, channels))]

    def run(n: int) -> None:
        for i in range(n):
            receiver.extract_audio_frame(packets[i % _FRAMES])

    return Work(run, peer=_direct_decoder(sample_rate, channels, [bytes(p.payload) for p in packets]))


def _register(name: str, sample_rate: int, channels: int, bitrate: int) -> None:
    kind = (sample_rate, channels, bitrate)
    benchmark(f"opus.encode.{name}", "us/frame")(lambda: _encode(*kind, _direct_encoder(*kind)))
    benchmark(f"opus.encode.{name}.pyav", "us/frame")(lambda: _encode(*kind, _av_encoder(*kind)))
    benchmark(f"opus.decode.{name}", "us/frame")(lambda: _decode(*kind))


_register("16k_mono_32k", 16_000, 1, 32_000)  # voice, as AudioPipeline.voip_optimized() sends it
_register("48k_stereo_64k", 48_000, 2, 64_000)
