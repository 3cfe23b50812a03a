"""Opus through AudioPipeline, one frame of 20 ms at a time; peer: the same libopus or FFmpeg by PyAV."""
from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc.audio import AudioConfig, AudioFrame, AudioPipeline
from arcrtc.benchmarks.registry import Peer, Work, benchmark

_FRAMES: Final = 50  # one second, then from the start again


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
        dtx=False, fec=False, plc=True))


def _av_encoder(sample_rate: int, channels: int, bitrate: int) -> Peer:
    """FFmpeg's libopus wrapper by PyAV, at the settings nearest to ours."""
    import av

    codec: Any = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.bit_rate, codec.format = sample_rate, bitrate, "s16"
    codec.layout = "mono" if channels == 1 else "stereo"
    codec.options = {"application": "voip", "frame_duration": "20"}
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
            codec.encode(frame)

    return Peer(f"PyAV {av.__version__} libopus", run)


def _encode(sample_rate: int, channels: int, bitrate: int) -> Work:
    pipeline, frames = _pipeline(sample_rate, channels, bitrate), _frames(sample_rate, channels)

    def run(n: int) -> None:
        for i in range(n):
            pipeline.encode(frames[i % _FRAMES])

    return Work(run, peer=_av_encoder(sample_rate, channels, bitrate))


def _decode(sample_rate: int, channels: int, bitrate: int) -> Work:
    sender, receiver = (_pipeline(sample_rate, channels, bitrate) for _ in range(2))
    packets = [sender.create_rtp_packet(sender.encode(frame), sequence_number=i, timestamp=frame.timestamp,
                                        ssrc=1, payload_type=111, marker=False)
               for i, frame in enumerate(_frames(sample_rate, channels))]

    def run(n: int) -> None:
        for i in range(n):
            receiver.extract_audio_frame(packets[i % _FRAMES])

    return Work(run)


@benchmark("opus.encode.16k_mono_32k", unit="us/frame")
def encode_voice() -> Work:
    """Voice as AudioPipeline.voip_optimized() sends it."""
    return _encode(16_000, 1, 32_000)


@benchmark("opus.encode.48k_stereo_64k", unit="us/frame")
def encode_stereo() -> Work:
    """Music in stereo."""
    return _encode(48_000, 2, 64_000)


@benchmark("opus.decode.16k_mono_32k", unit="us/frame")
def decode_voice() -> Work:
    """RTP packet to AudioFrame."""
    return _decode(16_000, 1, 32_000)


@benchmark("opus.decode.48k_stereo_64k", unit="us/frame")
def decode_stereo() -> Work:
    """RTP packet to AudioFrame, stereo."""
    return _decode(48_000, 2, 64_000)
