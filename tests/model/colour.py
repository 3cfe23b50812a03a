"""RGB and YUV by the formulas of ITU-R BT.601 and BT.709, in real numbers: the model of ``video/colour``."""
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
SHARES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}  # red, blue


def scales(full_range: bool) -> tuple[float, float, float]:
    """(steps of luma, steps of chroma, black)."""
    return (255, 255, 0) if full_range else (219, 224, 16)


def luma_and_chroma(rgb: Reals, matrix: str, full_range: bool) -> tuple[Reals, Reals, Reals]:
    """Y, U, V of each pixel of an array (..., 3) of 0..255, not rounded."""
    red, blue = SHARES[matrix]
    luma_steps, chroma_steps, black = scales(full_range)
    r, g, b = (rgb[..., i] / 255 for i in range(3))
    y = red * r + (1 - red - blue) * g + blue * b
    return (black + luma_steps * y, 128 + chroma_steps * (b - y) / 2 / (1 - blue),
            128 + chroma_steps * (r - y) / 2 / (1 - red))


def to_yuv420(rgb: Reals, matrix: str, full_range: bool) -> tuple[Reals, Reals, Reals]:
    """The three planes; the last row and column of odd sides count twice in the mean of chroma."""
    y, _, _ = luma_and_chroma(rgb, matrix, full_range)
    height, width = y.shape
    even = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    mean = (even[0::2, 0::2] + even[0::2, 1::2] + even[1::2, 0::2] + even[1::2, 1::2]) / 4
    _, u, v = luma_and_chroma(mean, matrix, full_range)
    return y, u, v


def to_rgb(y: Reals, u: Reals, v: Reals, matrix: str, full_range: bool) -> Reals:
    """An array (height, width, 3) of 0..255, not rounded; each chroma sample stands for 2 x 2 pixels."""
    red, blue = SHARES[matrix]
    luma_steps, chroma_steps, black = scales(full_range)
    height, width = y.shape
    cb, cr = ((np.repeat(np.repeat(c, 2, 0), 2, 1)[:height, :width] - 128) / chroma_steps for c in (u, v))
    luma = (y - black) / luma_steps
    r = luma + 2 * (1 - red) * cr
    b = luma + 2 * (1 - blue) * cb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip(255 * np.stack([r, g, b], axis=-1), 0, 255)
