"""Opus against FFmpeg: its own decoder reads our packets, we read what it encodes."""
from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from arcrtc.audio import AudioConfig, AudioFrame, AudioPipeline, align
from tests.model.speech import speech

RATE = 48_000


def at_48k(channels: int) -> NDArray[np.float32]:
    source = speech()[:48_000].astype(np.float64) / 32768
    mono = np.interp(np.arange(3 * RATE) / 3, np.arange(len(source)), source)
    return np.stack([mono / (1 + c) for c in range(channels)], axis=1).astype(np.float32)


def ffmpeg_decode(packets: list[bytes], channels: int) -> NDArray[np.float32]:
    """By FFmpeg's native decoder (``opus``), which shares no code with libopus."""
    context = av.CodecContext.create("opus", "r")
    # RFC 7845 section 5.1
    context.extradata = b"OpusHead" + struct.pack("<BBHIHB", 1, channels, 0, RATE, 0, 0)
    out = []
    for data in packets:
        out += [frame.to_ndarray() for frame in context.decode(av.Packet(data))]
    return np.concatenate(out, axis=1).T.astype(np.float32)


@pytest.mark.parametrize(("application", "channels", "bitrate"), [
    ("voip", 1, 16000), ("voip", 1, 32000), ("audio", 2, 64000), ("lowdelay", 1, 64000),
    ("lowdelay", 2, 96000)])
def test_interop_ffmpeg_decodes_what_we_encode(application: str, channels: int, bitrate: int) -> None:
    pipeline = AudioPipeline(AudioConfig(
        application=application, channels=channels, bitrate=bitrate, sample_rate=RATE, dtx=False))
    packets = [pipeline.encode(AudioFrame(samples=block, sample_rate=RATE, channels=channels))
               for block in np.split(at_48k(channels), 150)]
    ours = np.concatenate([pipeline.decode(p).samples for p in packets]).reshape(-1, channels)
    theirs = ffmpeg_decode(packets, channels)
    for c in range(channels):
        found = align(ours[:, c], theirs[:, c], RATE)
        assert found.correlation > 0.99, found
        assert abs(found.gain_db) < 0.2
        assert abs(found.offset_ms) < 1.5  # the resamplers behind SILK differ


@pytest.mark.parametrize("channels", [1, 2])
def test_interop_ffmpeg_encodes_what_we_decode(channels: int) -> None:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.format = RATE, "flt"
    encoder.layout = "mono" if channels == 1 else "stereo"
    encoder.bit_rate, encoder.time_base = 64_000, Fraction(1, RATE)
    pipeline = AudioPipeline(AudioConfig(sample_rate=RATE, channels=channels))
    source, out = at_48k(channels), []
    for i, block in enumerate(np.split(source, 150)):
        frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), "flt", "mono" if channels == 1 else "stereo")
        frame.sample_rate, frame.pts = RATE, i * 960
        out += [pipeline.decode(bytes(packet)).samples for packet in encoder.encode(frame)]
    decoded = np.concatenate(out).reshape(-1, channels)
    for c in range(channels):
        found = align(source[:, c], decoded[:, c], RATE)
        assert found.correlation > 0.95, found
        assert abs(found.gain_db) < 0.6
