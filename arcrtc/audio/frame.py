"""A piece of audio: samples and what they mean."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import ffi, lib
from arcrtc.errors import ArgumentError

Samples = NDArray[np.int16] | NDArray[np.float32]

MAX_CHANNELS: Final = 8
_CTYPES: Final = {np.dtype(np.int16): "int16_t[]", np.dtype(np.float32): "float[]"}


def check_samples(samples: Any) -> None:
    """Refuse what is not a NumPy array of int16 or float32.

    :raises ArgumentError: another type or dtype; both mistaken for the other would be noise.
    """
    if not isinstance(samples, np.ndarray):
        raise ArgumentError(
            f"samples must be a NumPy array of int16 or float32, not {type(samples).__name__}")
    if samples.dtype not in _CTYPES:
        raise ArgumentError(
            f"samples are {samples.dtype}, must be int16 (-32768..32767) or float32 (-1..1)")


def lend_samples(samples: NDArray[Any]) -> Any:
    """Lend an array to C for one call, as ``int16_t[]`` or ``float[]``.

    Keep the returned object alive until the call is over. An array that is not
    C-contiguous is copied first.
    """
    return ffi.from_buffer(_CTYPES[samples.dtype], np.ascontiguousarray(samples))


def audio_level(samples: Samples) -> int:
    """Level of all samples together as the header extension of RFC 6464 sends it.

    :param samples: any shape, int16 or float32 (-1..1; beyond is clipped, NaN counts as 0).
    :returns: -dBov, 0 (a full-scale square wave) to 127 (digital silence, or no samples).
    :raises ArgumentError: another dtype.

    Source: RFC 6464 section 3; rounding as in RFC 6465 appendix A.
    """
    check_samples(samples)
    if samples.size == 0:
        return int(lib.ARC_LEVEL_SILENCE)
    view = lend_samples(samples)
    level = lib.arc_level_i16 if samples.dtype == np.int16 else lib.arc_level_f32
    return int(level(view, samples.size))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AudioFrame:
    """Samples of one stretch of time. Holds the array that it is given, no copy.

    :ivar samples: shape (n,) for mono or (n, channels); int16, or float32 in -1..1.
    :ivar sample_rate: Hz, 1..384_000.
    :ivar channels: 1..8 (the Opus pipeline takes 1 and 2).
    :ivar timestamp: RTP time of the first sample, 0..2^32-1; for Opus ticks of 48 kHz whatever
        ``sample_rate`` is (RFC 7587 section 4.1).
    :ivar concealed: made up in place of audio that did not arrive.
    :raises ArgumentError: dtype, shape, rate or time stamp do not fit.
    """

    samples: Samples
    sample_rate: int
    channels: int = 1
    timestamp: int = 0
    concealed: bool = False

    def __post_init__(self) -> None:
        check_samples(self.samples)
        if not 1 <= self.sample_rate <= 384_000:
            raise ArgumentError(f"sample_rate={self.sample_rate} is outside 1..384000 Hz")
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise ArgumentError(f"channels={self.channels} is outside 1..{MAX_CHANNELS}")
        if not 0 <= self.timestamp < 2**32:
            raise ArgumentError(f"timestamp={self.timestamp} is outside 0..2^32-1")
        shape = self.samples.shape
        if not (len(shape) == 2 and shape[1] == self.channels) and not (
                len(shape) == 1 and self.channels == 1):
            wanted = "(n,) or (n, 1)" if self.channels == 1 else f"(n, {self.channels})"
            raise ArgumentError(f"samples have shape {shape}, must be {wanted}")

    def __repr__(self) -> str:
        return (f"AudioFrame({self.n_samples} samples x {self.channels}, {self.sample_rate} Hz, "
                f"{self.samples.dtype}, timestamp={self.timestamp}{', concealed' * self.concealed})")

    @property
    def is_audio(self) -> bool:
        """True; a video frame says False."""
        return True

    @property
    def n_samples(self) -> int:
        """Samples per channel."""
        return int(self.samples.shape[0])

    @property
    def duration_ms(self) -> float:
        """Length, milliseconds."""
        return self.n_samples * 1000 / self.sample_rate

    @property
    def level(self) -> int:
        """Level over all channels, -dBov, 0..127 (RFC 6464)."""
        return audio_level(self.samples)

    def to_int16(self) -> NDArray[np.int16]:
        """The samples as int16: the same array if they are, else rounded and clipped (NaN: 0)."""
        if self.samples.dtype == np.int16:
            return cast("NDArray[np.int16]", self.samples)
        scaled = np.nan_to_num(self.samples, nan=0.0, posinf=1.0, neginf=-1.0) * np.float32(32768)
        return cast("NDArray[np.int16]", np.clip(np.rint(scaled), -32768, 32767).astype(np.int16))

    def to_float32(self) -> NDArray[np.float32]:
        """The samples as float32 in -1..1: the same array if they are, else divided by 32768."""
        if self.samples.dtype == np.float32:
            return cast("NDArray[np.float32]", self.samples)
        return cast("NDArray[np.float32]", self.samples.astype(np.float32) / np.float32(32768))
