"""Arrays of samples as C takes them: lent, never copied."""
from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import ffi
from arcrtc.audio.frame import Samples, check_samples
from arcrtc.errors import ArgumentError


def shape_of(n_samples: int, channels: int) -> tuple[int, ...]:
    """Shape of an array of so many samples per channel: (n,) for mono, else (n, channels)."""
    return (n_samples,) if channels == 1 else (n_samples, channels)


def check_layout(samples: Any, channels: int, what: str) -> int:
    """Return the samples per channel of an array of int16 or float32, C-contiguous.

    :raises ArgumentError: another type, shape or layout; ``what`` names the array.
    """
    check_samples(samples)
    fits = samples.ndim == 1 if channels == 1 else samples.ndim == 2 and samples.shape[1] == channels
    if not fits and not (channels == 1 and samples.ndim == 2 and samples.shape[1] == 1):
        raise ArgumentError(f"{what} has shape {samples.shape}, must be {'(n,)' if channels == 1 else f'(n, {channels})'}")
    if not samples.flags.c_contiguous:
        raise ArgumentError(f"{what} must be C-contiguous: it is lent, not copied")
    return int(samples.shape[0])


def lend(samples: Samples, *, writable: bool = False) -> Any:
    """Lend an array for one call, as ``int16_t[]`` or ``float[]``. Keep what is returned until it is over."""
    ctype = "int16_t[]" if samples.dtype == np.int16 else "float[]"
    return ffi.from_buffer(ctype, samples, require_writable=writable)


def room(out: Samples | None, n_samples: int, channels: int, dtype: Any) -> Samples:
    """Return ``out`` once it is known to fit, or a new array.

    :raises ArgumentError: ``out`` has another length, layout or dtype, or is read-only.
    """
    if out is None:
        return cast("Samples", np.empty(shape_of(n_samples, channels), dtype=dtype))
    if check_layout(out, channels, "out") != n_samples:
        raise ArgumentError(f"out has {len(out)} samples, must have {n_samples}")
    if out.dtype != dtype:
        raise ArgumentError(f"out is {out.dtype}, must be {np.dtype(dtype)}")
    if not cast("NDArray[Any]", out).flags.writeable:
        raise ArgumentError("out is read-only")
    return out
