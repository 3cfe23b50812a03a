"""How near a received picture is to the one that was sent: PSNR and SSIM of 8-bit planes."""
from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from arcrtc.errors import ArgumentError
from arcrtc.video.frame import VideoFrame

Array = NDArray[np.uint8]
Picture = Array | VideoFrame

# Wang et al. 2004, equation 13: K1 = 0.01, K2 = 0.03, L = 255.
_C1: Final = (0.01 * 255) ** 2
_C2: Final = (0.03 * 255) ** 2
_WINDOW_PX: Final = 64  # 8 x 8


def luma(picture: Picture) -> Array:
    """The luma plane of a frame (RGB and 10 bits are converted); an array is taken as one plane already.

    :returns: uint8 of shape (height, width).
    :raises ArgumentError: an array that is not uint8 of two dimensions.
    """
    if isinstance(picture, VideoFrame):
        if picture.format not in ("yuv420p", "nv12"):
            picture = picture.convert("yuv420p")
        return picture.planes()[0]
    if picture.dtype != np.uint8 or picture.ndim != 2:
        raise ArgumentError(f"a plane must be uint8 of shape (height, width), "
                            f"not {picture.dtype} {picture.shape}")
    return picture


def _pair(a: Picture, b: Picture) -> tuple[Array, Array]:
    x, y = luma(a), luma(b)
    if x.shape != y.shape:
        raise ArgumentError(f"planes of different shape: {x.shape} and {y.shape}")
    return x, y


def psnr(a: Picture, b: Picture) -> float:
    """Peak signal-to-noise ratio of two luma planes, dB; inf when they are equal.

    10 log10(255^2 / mean squared error).

    :param a: plane, uint8 (height, width), or a frame.
    :param b: the other, of the same size; the order does not matter.
    :raises ArgumentError: sizes differ, or not planes.
    """
    x, y = _pair(a, b)
    difference = x.astype(np.int32)
    difference -= y
    squares = int(np.einsum("ij,ij->i", difference, difference).sum(dtype=np.int64))
    return float("inf") if squares == 0 else 10 * float(np.log10(255 * 255 * difference.size / squares))


def _block_sums(plane: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sums over blocks of 4 x 4; sides are multiples of 4."""
    height, width = plane.shape
    rows = plane.reshape(height // 4, 4, width).sum(axis=1, dtype=np.int32)
    sums: NDArray[np.int32] = rows[:, 0::4] + rows[:, 1::4] + rows[:, 2::4] + rows[:, 3::4]
    return sums


def _window_sums(plane: NDArray[np.int32]) -> NDArray[np.float64]:
    """Sums over windows of 8 x 8, one every 4 pixels."""
    blocks = _block_sums(plane)
    rows = blocks[:-1] + blocks[1:]
    return (rows[:, :-1] + rows[:, 1:]).astype(np.float64)


def ssim(a: Picture, b: Picture) -> float:
    """Structural similarity of two luma planes, at most 1.0 (equal).

    Mean over uniform windows of 8 x 8 pixels, one every 4 pixels, with the unbiased variance: what
    FFmpeg's and x264's SSIM are, so that figures compare. Up to 3 columns and rows at the right and
    the bottom are left out when a side is not a multiple of 4.

    :param a: plane, uint8 (height, width) of at least 8 x 8 pixels, or a frame.
    :param b: the other, of the same size; the order does not matter.
    :raises ArgumentError: sizes differ or are too small, or not planes.

    Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
    structural similarity", 2004, equation 13, K1 = 0.01, K2 = 0.03.
    """
    x, y = _pair(a, b)
    height, width = x.shape[0] // 4 * 4, x.shape[1] // 4 * 4
    if height < 8 or width < 8:
        raise ArgumentError(f"planes of {x.shape} are smaller than a window of 8 x 8")
    u = x[:height, :width].astype(np.int32)
    v = y[:height, :width].astype(np.int32)
    sum_u, sum_v = _window_sums(u), _window_sums(v)
    sum_uv = _window_sums(u * v)
    squares = _window_sums(u * u + v * v)
    product = sum_u * sum_v
    means = sum_u * sum_u + sum_v * sum_v
    # Everything times 64^2, variances as 64 * 63 of the unbiased ones.
    variances = _WINDOW_PX * squares - means
    covariance = _WINDOW_PX * sum_uv - product
    c1 = _C1 * _WINDOW_PX * _WINDOW_PX
    c2 = _C2 * _WINDOW_PX * (_WINDOW_PX - 1)
    values = (2 * product + c1) * (2 * covariance + c2) / ((means + c1) * (variances + c2))
    return float(values.mean())
