"""AudioMixer: many talkers, and each hears all but himself."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from arcrtc._native import check, ffi, lib, new_handle
from arcrtc.audio._buffers import check_layout, lend, room
from arcrtc.audio.frame import Samples
from arcrtc.audio.resampler import SAMPLE_RATES
from arcrtc.errors import ArgumentError

ALL: Final = -1  #: a listener who does not talk himself


class AudioMixer:
    """Mixes talkers in blocks of 10 ms.

    For each block: :meth:`add` those who talk, :meth:`read` for those who listen, then
    :meth:`advance`. A talker does not hear himself. Each listener has a limiter of his own that looks
    5 ms ahead, so what he reads never clips. Arrays are lent to C, not copied. One thread at a time.

    :ivar sample_rate: Hz. :ivar channels: 1 or 2. :ivar max_talkers: numbers 0..max_talkers-1.
    :ivar block_samples: per channel, 10 ms.

    Source: csrc/audio/mixer.h.
    """

    latency_ms: Final = 5.0  #: of what is read, behind what is added

    def __init__(self, sample_rate: int, channels: int = 1, max_talkers: int = 16) -> None:
        """Make one.

        :param sample_rate: one of :data:`arcrtc.audio.resampler.SAMPLE_RATES`.
        :param channels: 1 or 2. :param max_talkers: 1..256.
        :raises ArgumentError: out of range.
        """
        most = int(lib.ARC_MIXER_MAX_TALKERS)
        if sample_rate not in SAMPLE_RATES or channels not in (1, 2) or not 1 <= max_talkers <= most:
            raise ArgumentError(f"sample_rate={sample_rate}, channels={channels}, max_talkers={max_talkers}: must be "
                                f"one of {SAMPLE_RATES}, 1 or 2, 1..{most}")
        self.sample_rate, self.channels, self.max_talkers = sample_rate, channels, max_talkers
        config = ffi.new("struct arc_mixer_config *", {
            "sample_rate_hz": sample_rate, "channels": channels, "max_talkers": max_talkers})
        self._handle = new_handle(lib.arc_mixer_new, lib.arc_mixer_free, "struct arc_mixer", config, what="AudioMixer")
        self.block_samples = int(lib.arc_mixer_block_samples(self._handle))

    def add(self, talker: int, samples: Samples, gain: float = 1.0) -> None:
        """Add what a talker says in this block.

        :param talker: 0..max_talkers-1, once a block.
        :param samples: 10 ms, shape (n,) or (n, channels), int16 or float32 (-1..1), C-contiguous.
        :param gain: 0..16; a change is spread over the block.
        :raises ArgumentError: out of range, of another length, or added before.
        """
        if check_layout(samples, self.channels, "samples") != self.block_samples:
            raise ArgumentError(f"samples has {len(samples)} samples, a block has {self.block_samples}")
        if not 0 <= talker < self.max_talkers or not 0 <= gain <= lib.ARC_MIXER_MAX_GAIN:
            raise ArgumentError(f"talker={talker}, gain={gain}: must be 0..{self.max_talkers - 1}, "
                                f"0..{lib.ARC_MIXER_MAX_GAIN:g}")
        call = lib.arc_mixer_add_i16 if samples.dtype == np.int16 else lib.arc_mixer_add_f32
        if call(self._handle, talker, lend(samples), gain) != lib.ARC_OK:
            raise ArgumentError(f"talker {talker} has been added to this block")

    def read(self, listener: int = ALL, out: Samples | None = None) -> Samples:
        """What a listener hears of this block: all who were added, but for himself.

        :param listener: a talker's number, or :data:`ALL`; once a block, and each block.
        :param out: where to put it, int16 or float32; None: a new int16 array.
        :returns: ``out``, 10 ms, 5 ms behind what was added.
        :raises ArgumentError: no such listener, he has read this block, or ``out`` does not fit.
        """
        out = room(out, self.block_samples, self.channels, np.int16 if out is None else out.dtype)
        if not ALL <= listener < self.max_talkers:
            raise ArgumentError(f"listener={listener} is outside -1..{self.max_talkers - 1}")
        call = lib.arc_mixer_read_i16 if out.dtype == np.int16 else lib.arc_mixer_read_f32
        if call(self._handle, listener, lend(out, writable=True)) != lib.ARC_OK:
            raise ArgumentError(f"listener {listener} has read this block")
        return out

    def advance(self) -> None:
        """Begin the next block."""
        lib.arc_mixer_next(self._handle)

    def mix(self, talkers: Mapping[int, Samples]) -> dict[int, Samples]:
        """One whole block: add all, read for each of them and for :data:`ALL`, advance.

        :param talkers: {number: 10 ms of samples}; who is silent must be in it too to hear the others.
        :returns: {number: int16 samples}.
        :raises ArgumentError: as :meth:`add`; then the block is given up.
        """
        try:
            for talker, samples in talkers.items():
                self.add(talker, samples)
            return {listener: self.read(listener) for listener in (ALL, *talkers)}
        finally:
            self.advance()

    def limit(self, listener: int = ALL) -> float:
        """Gain of a listener's limiter now, 0..1; 1: it does nothing.

        :raises ArgumentError: no such listener.
        """
        gain = float(lib.arc_mixer_limit(self._handle, listener))
        check(lib.ARC_OK if gain >= 0 else lib.ARC_ERR_ARG, "AudioMixer.limit")
        return gain

    def __repr__(self) -> str:
        return f"AudioMixer({self.sample_rate} Hz, {self.channels} channel(s), up to {self.max_talkers} talkers)"
