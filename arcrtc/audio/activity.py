"""VoiceActivityDetector: whether somebody speaks."""
from __future__ import annotations

import numpy as np

from arcrtc._native import check, ffi, lib
from arcrtc.audio._buffers import check_layout, lend
from arcrtc.audio.frame import Samples


class VoiceActivityDetector:
    """Tells voice from silence and steady noise, as the V bit of RFC 6464 asks for.

    Voice begins once it has stood out of the noise for 20 ms and ends 60 to 200 ms after it does
    no more. A sound without a pause becomes noise after 1.6 s. One thread at a time.

    :ivar sample_rate: Hz. :ivar channels: 1 or 2.

    Source: csrc/audio/vad.h.
    """

    def __init__(self, sample_rate: int, channels: int = 1) -> None:
        """Make one.

        :param sample_rate: 8000..48000 Hz. :param channels: 1 or 2; their mean is judged.
        :raises ArgumentError: out of range.
        """
        self.sample_rate, self.channels = sample_rate, channels
        self._state = ffi.new("struct arc_vad *")
        self.reset()

    def reset(self) -> None:
        """Forget the noise and all that was heard."""
        check(lib.arc_vad_init(self._state, self.sample_rate, self.channels),
              f"VoiceActivityDetector(sample_rate={self.sample_rate}, channels={self.channels})")

    def process(self, samples: Samples) -> bool:
        """Take a piece of sound.

        :param samples: shape (n,) or (n, channels), int16 or float32 (-1..1), C-contiguous; any length, it
            is judged in frames of 10 ms.
        :returns: whether there was voice in it.
        :raises ArgumentError: the array does not fit.
        """
        n = check_layout(samples, self.channels, "samples")
        call = lib.arc_vad_on_i16 if samples.dtype == np.int16 else lib.arc_vad_on_f32
        return bool(n and call(self._state, lend(samples), n))

    @property
    def voice(self) -> bool:
        """Whether the last whole frame was voice."""
        return bool(self._state.voice)

    @property
    def snr_db(self) -> float:
        """How far the last whole frame stood out of the noise, dB, 0..20, mean of four bands."""
        return float(self._state.snr_db)

    def __repr__(self) -> str:
        return f"VoiceActivityDetector({self.sample_rate} Hz, {self.channels} channel(s), voice={self.voice})"
