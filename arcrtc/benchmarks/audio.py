"""Sound between the codecs: stretching, mixing, resampling, voice activity.

A block is 10 ms.
"""
from __future__ import annotations

from typing import Any, Final

import numpy as np

from arcrtc._native import ffi, lib, new_handle
from arcrtc.audio import AudioMixer, Resampler, VoiceActivityDetector
from arcrtc.benchmarks.opus import speech_like
from arcrtc.benchmarks.registry import Work, benchmark

_RATE: Final = 16_000
_BLOCK: Final = _RATE // 100


def _stretch(sign: int, rate: int) -> Work:
    config = ffi.new("struct arc_stretch_config *", {"sample_rate_hz": rate, "channels": 1})
    handle = new_handle(lib.arc_stretch_new, lib.arc_stretch_free, "struct arc_stretch", config, what="stretch")
    pcm = np.ascontiguousarray(speech_like(rate, 1)[:, 0])
    before, block = rate * 30 // 1000, rate * 30 // 1000
    room, most = np.zeros(2 * block, dtype=np.int16), rate * 15 // 1000
    source, work, n = ffi.from_buffer("int16_t[]", pcm), ffi.from_buffer("int16_t[]", room), ffi.new("int32_t *")
    places = range(before, len(pcm) - block, block // 2)

    def run(times: int) -> None:
        for i in range(times):
            at = places[i % len(places)]
            ffi.memmove(work, source + at, 2 * block)
            n[0] = block
            if sign > 0:
                lib.arc_stretch_shorten(handle, source + at - before, before, work, n, most, 1.0)
            else:
                lib.arc_stretch_lengthen(handle, source + at - before, before, work, n, 2 * block, most, 1.0)

    return Work(run)


@benchmark("audio.stretch.shorten.16k", unit="us/call")
def stretch_shorten() -> Work:
    """Take one piece out of 30 ms of speech-like sound, with 30 ms before it."""
    return _stretch(1, _RATE)


@benchmark("audio.stretch.lengthen.16k", unit="us/call")
def stretch_lengthen() -> Work:
    """Put one piece in."""
    return _stretch(-1, _RATE)


@benchmark("audio.stretch.shorten.48k", unit="us/call")
def stretch_shorten_48k() -> Work:
    """The same at 48 kHz."""
    return _stretch(1, 48_000)


@benchmark("audio.mixer.16k.8talkers", unit="us/block")
def mixer() -> Work:
    """A block of eight talkers, each of whom hears the others, and a recording of all."""
    pcm = [np.ascontiguousarray(np.roll(speech_like(_RATE, 1)[:, 0], 777 * i)) for i in range(8)]
    mix, out = AudioMixer(_RATE, max_talkers=8), np.zeros(_BLOCK, dtype=np.int16)

    def run(times: int) -> None:
        for i in range(times):
            at = i * _BLOCK % (_RATE - _BLOCK)
            for talker, samples in enumerate(pcm):
                mix.add(talker, samples[at:at + _BLOCK])
            for listener in range(-1, 8):
                mix.read(listener, out=out)
            mix.advance()

    return Work(run)


def _resampler(in_rate: int, out_rate: int) -> Work:
    resampler, n = Resampler(in_rate, out_rate), in_rate // 100
    pcm: Any = np.ascontiguousarray(speech_like(in_rate, 1)[:, 0])
    out = np.zeros(out_rate // 100, dtype=np.int16)

    def run(times: int) -> None:
        for i in range(times):
            at = i * n % (len(pcm) - n)
            resampler.process(pcm[at:at + n], out=out)

    return Work(run)


@benchmark("audio.resample.48k.16k", unit="us/block")
def resample_down() -> Work:
    """10 ms of 48 kHz to 16 kHz, mono."""
    return _resampler(48_000, 16_000)


@benchmark("audio.resample.44k1.48k", unit="us/block")
def resample_odd() -> Work:
    """10 ms of 44.1 kHz to 48 kHz, mono."""
    return _resampler(44_100, 48_000)


@benchmark("audio.vad.16k", unit="us/block")
def vad() -> Work:
    """Voice activity of 10 ms."""
    detector, pcm = VoiceActivityDetector(_RATE), np.ascontiguousarray(speech_like(_RATE, 1)[:, 0])

    def run(times: int) -> None:
        for i in range(times):
            at = i * _BLOCK % (_RATE - _BLOCK)
            detector.process(pcm[at:at + _BLOCK])

    return Work(run)
