"""Concealment of lost audio, 20 ms at 48 kHz, mono: what a lost frame takes, and what a good one."""
from __future__ import annotations

from typing import Any, Final

import numpy as np

from arcrtc._native import check, ffi, lib, new_handle
from arcrtc.benchmarks.opus import speech_like
from arcrtc.benchmarks.registry import Work, benchmark

_RATE: Final = 48_000
_N: Final = _RATE // 50
_BITRATE: Final = 32_000


def _concealer() -> Any:
    return new_handle(lib.arc_conceal_new, lib.arc_conceal_free, "struct arc_conceal",
                      ffi.new("struct arc_conceal_config *", [_RATE, 1]), what="concealer")


def _speech() -> tuple[Any, Any]:
    """An array, and its address in C."""
    samples = np.ascontiguousarray(speech_like(_RATE, 1)[:, 0])
    return samples, ffi.from_buffer("int16_t[]", samples)


@benchmark("conceal.good.48k", unit="us/frame")
def good_frame() -> Work:
    """A frame that was not lost: it is remembered, and the background is tracked."""
    concealer, (samples, address) = _concealer(), _speech()

    def run(n: int) -> None:
        for i in range(n):
            lib.arc_conceal_on_audio(concealer, address + i * _N % (len(samples) - _N), _N)

    return Work(run)


@benchmark("conceal.bridge.48k", unit="us/frame")
def bridged_frame() -> Work:
    """A lost frame between two that are known."""
    concealer, (samples, address), out = _concealer(), _speech(), ffi.new("int16_t[]", _N)
    for i in range(10):
        lib.arc_conceal_on_audio(concealer, address + i * _N, _N)

    def run(n: int) -> None:
        for i in range(n):
            lib.arc_conceal_fill(concealer, ffi.NULL, address + i * _N % (len(samples) - _N), _N, out, _N)

    return Work(run)


@benchmark("conceal.heal.48k", unit="us/frame")
def healed_frame() -> Work:
    """An Opus decoder taken through a frame that was made up."""
    config = ffi.new("struct arc_opus_enc_config *", {
        "sample_rate_hz": _RATE, "channels": 1, "bitrate_bps": _BITRATE, "complexity": 9,
        "application": lib.ARC_OPUS_APPLICATION_VOIP, "vbr": True})
    encoder = new_handle(lib.arc_opus_enc_new, lib.arc_opus_enc_free, "struct arc_opus_enc", config, what="encoder")
    decoder = new_handle(lib.arc_opus_dec_new, lib.arc_opus_dec_free, "struct arc_opus_dec", _RATE, 1,
                         what="decoder")
    healer = new_handle(lib.arc_opus_heal_new, lib.arc_opus_heal_free, "struct arc_opus_heal", _RATE, 1,
                        ffi.NULL, what="healer")
    (samples, address), out = _speech(), ffi.new("int16_t[]", _N)
    packet, length = ffi.new("uint8_t[]", 1500), ffi.new("int32_t *")
    check(lib.arc_opus_enc_encode(encoder, address, _N, packet, 1500, length), "encode")
    check(lib.arc_opus_heal_mark(healer, decoder), "mark")

    def run(n: int) -> None:
        for i in range(n):
            at = address + i * _N % (len(samples) - 3 * _N)
            check(lib.arc_opus_heal_run(healer, decoder, packet[0], at, at + _N, _N, at + 2 * _N, out), "heal")

    return Work(run)
