"""A clip that behaves like a camera's, made from a seed: texture that pans, shading, a moving object."""
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arcrtc.video import VideoFrame

Array = NDArray[np.uint8]


def _noise(rng: np.random.Generator, height: int, width: int, cell: int) -> NDArray[np.float64]:
    """Smooth noise with features of about ``cell`` pixels, bilinear between random points."""
    points = rng.standard_normal((height // cell + 2, width // cell + 2))
    y, x = np.arange(height) / cell, np.arange(width) / cell
    y0, x0 = y.astype(int), x.astype(int)
    fy, fx = (y - y0)[:, None], (x - x0)[None, :]
    top = points[y0][:, x0] * (1 - fx) + points[y0][:, x0 + 1] * fx
    bottom = points[y0 + 1][:, x0] * (1 - fx) + points[y0 + 1][:, x0 + 1] * fx
    return top * (1 - fy) + bottom * fy


def planes(width: int, height: int, frames: int, seed: int = 1) -> list[tuple[Array, Array, Array]]:
    """Y, U, V of each frame, limited range; chroma sides rounded up."""
    rng = np.random.default_rng(seed)
    tall, wide = height + 2 * frames, width + 4 * frames
    texture = sum(_noise(rng, tall, wide, cell) * gain for cell, gain in ((64, 18.0), (16, 9.0), (4, 4.0)))
    tint = _noise(rng, tall, wide, 48)
    grain = rng.standard_normal((height, width))
    y, x = np.mgrid[0:height, 0:width]
    out = []
    for t in range(frames):
        dy, dx = t, 2 * t
        luma = 110 + 40 * (x / width - y / height) + texture[dy:dy + height, dx:dx + width]
        cy, cx = height / 2 + height / 4 * np.sin(t / 9), width / 2 + width / 4 * np.cos(t / 7)
        luma = np.where((y - cy) ** 2 + (x - cx) ** 2 < (height / 7) ** 2, 200 - 30 * (x / width), luma)
        luma += np.roll(grain, (7 * t, 13 * t), (0, 1))
        colour = tint[dy:dy + height:2, dx:dx + width:2]
        u = 128 + 20 * colour
        v = 128 - 15 * colour + 10 * (x[::2, ::2] / width)
        out.append((np.clip(luma, 16, 235).astype(np.uint8), np.clip(u, 16, 240).astype(np.uint8),
                    np.clip(v, 16, 240).astype(np.uint8)))
    return out


def clip(width: int = 320, height: int = 240, frames: int = 30, seed: int = 1,
         ticks: int = 3600) -> list[VideoFrame]:
    """The same as yuv420p frames, ``ticks`` apart."""
    return [
        VideoFrame(np.concatenate([plane.reshape(-1) for plane in yuv]), width, height, i * ticks)
        for i, yuv in enumerate(planes(width, height, frames, seed))]


def there_and_back(frames: list[VideoFrame], count: int, ticks: int = 3600) -> list[VideoFrame]:
    """``count`` frames out of fewer, played to and fro without a jump."""
    period = max(1, 2 * len(frames) - 2)
    out = []
    for i in range(count):
        at = i % period
        source = frames[at if at < len(frames) else period - at]
        out.append(VideoFrame(source.data, source.width, source.height, i * ticks, source.format))
    return out
