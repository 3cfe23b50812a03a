"""video/motion and video/vconceal: known motion is found and carried on; against a plain model."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arcrtc._native import ffi, lib, new_handle
from arcrtc.video import VideoFrame, psnr
from tests.model.allocation import survives_every_failure

WIDTH, HEIGHT = 320, 192
RNG_SEED = 7


def texture(width: int = WIDTH + 200, height: int = HEIGHT + 200, seed: int = RNG_SEED) -> NDArray[np.float64]:
    """Smooth noise: the sum of two scales, so that matches are neither flat nor ambiguous."""
    rng = np.random.default_rng(seed)
    out = np.zeros((height, width))
    for cell, gain in ((24, 40.0), (8, 25.0)):
        points = rng.standard_normal((height // cell + 2, width // cell + 2)) * gain
        y, x = np.arange(height) / cell, np.arange(width) / cell
        y0, x0 = y.astype(int), x.astype(int)
        fy, fx = (y - y0)[:, None], (x - x0)[None, :]
        out += (points[y0][:, x0] * (1 - fx) + points[y0][:, x0 + 1] * fx) * (1 - fy)
        out += (points[y0 + 1][:, x0] * (1 - fx) + points[y0 + 1][:, x0 + 1] * fx) * fy
    return np.clip(out + 128, 0, 255)


TEXTURE = texture()


def picture(dx: int, dy: int, width: int = WIDTH, height: int = HEIGHT, ts: int = 0) -> VideoFrame:
    """A window on the texture whose content has moved by (dx, dy) pixels; chroma moves with it."""
    luma = TEXTURE[90 - dy:90 - dy + height, 90 - dx:90 - dx + width].astype(np.uint8)
    half = luma[::2, ::2]
    return VideoFrame(np.concatenate([luma.reshape(-1), half.reshape(-1), 255 - half.reshape(-1)]), width, height, ts)


def with_object(t: int) -> VideoFrame:
    """A still background and a square that moves 6 pixels to the right a picture."""
    luma = TEXTURE[:HEIGHT, :WIDTH].copy()
    luma[64:128, 48 + 6 * t:112 + 6 * t] = TEXTURE[200:264, 300:364]
    flat = luma.astype(np.uint8)
    grey = np.full(HEIGHT * WIDTH // 2, 128, np.uint8)
    return VideoFrame(np.concatenate([flat.reshape(-1), grey]), WIDTH, HEIGHT, t)


class Concealer:
    """The C module as an object."""

    def __init__(self) -> None:
        self.handle = new_handle(lib.arc_vconceal_new, lib.arc_vconceal_free, "struct arc_vconceal", what="test")

    def put(self, *frames: VideoFrame) -> Concealer:
        for frame in frames:
            assert lib.arc_vconceal_put(self.handle, frame.native()) == lib.ARC_OK
        return self

    def ask(self, call: Any, *args: Any) -> VideoFrame:
        out = ffi.new("struct arc_vframe **")
        assert call(*args, out) == lib.ARC_OK
        frame = VideoFrame.from_native(ffi.gc(out[0], lib.arc_vframe_unref))
        assert frame.damaged
        return frame

    def extrapolate(self, step_q8: int = 256) -> VideoFrame:
        return self.ask(lib.arc_vconceal_extrapolate, self.handle, step_q8)

    def between(self, following: VideoFrame, at_q8: int) -> VideoFrame:
        return self.ask(lib.arc_vconceal_between, self.handle, following.native(), at_q8)


def field(a: VideoFrame, b: VideoFrame) -> list[tuple[float, float]]:
    """Vectors in pixels, row by row."""
    motion = new_handle(lib.arc_motion_new, lib.arc_motion_free, "struct arc_motion", what="test")
    assert lib.arc_motion_estimate(motion, a.native(), b.native()) == lib.ARC_OK
    vectors = lib.arc_motion_field(motion)
    n = lib.arc_motion_columns(motion) * lib.arc_motion_rows(motion)
    assert n == ((a.width + 15) // 16) * ((a.height + 15) // 16)
    return [(vectors[i].dx_q2 / 4, vectors[i].dy_q2 / 4) for i in range(n)]


def inner(frame: VideoFrame, plane: int = 0, edge: int = 32) -> NDArray[np.uint8]:
    """Without the edges, where new content comes in."""
    edge = edge if plane == 0 else edge // 2
    return np.ascontiguousarray(frame.planes()[plane][edge:-edge, edge:-edge])


@pytest.mark.parametrize("move", [(0, 0), (1, 0), (0, -3), (5, 2), (-17, 9), (40, -12)])
def test_motion_of_a_pan_is_found(move: tuple[int, int]) -> None:
    vectors = field(picture(0, 0), picture(*move))
    columns = WIDTH // 16
    far = max(abs(move[0]), abs(move[1])) // 16 + 1  # blocks whose match lies outside
    inside = [v for i, v in enumerate(vectors)
              if far <= i % columns < columns - far and far <= i // columns < HEIGHT // 16 - far]
    right = [abs(x - move[0]) <= 0.5 and abs(y - move[1]) <= 0.5 for x, y in inside]
    assert np.mean(right) > 0.95


def test_motion_between_pixels_is_found_to_a_quarter() -> None:
    def half(shift: int) -> VideoFrame:
        """Every second pixel of the texture: a shift of 1 is half a pixel."""
        luma = TEXTURE[0:2 * 160:2, 20 - shift:20 - shift + 2 * 240:2].astype(np.uint8)
        return VideoFrame(np.concatenate([luma.reshape(-1), np.full(160 * 120, 128, np.uint8)]), 240, 160)
    x = np.array(field(half(0), half(1)))[:, 0]
    assert abs(np.median(x) - 0.5) <= 0.25


def test_extrapolated_pan_is_the_true_next_picture() -> None:
    concealer = Concealer().put(picture(0, 0, ts=1), picture(4, -2, ts=2))
    for k in (1, 2, 3):
        made, true = concealer.extrapolate(256 * k), picture(4 + 4 * k, -2 - 2 * k)
        assert made.timestamp == 2
        for plane in range(3):
            assert psnr(inner(made, plane), inner(true, plane)) > 38
        assert psnr(inner(picture(4, -2)), inner(true)) < 32


def test_no_motion_is_an_exact_copy() -> None:
    frame = picture(0, 0)
    np.testing.assert_array_equal(Concealer().put(frame, frame).extrapolate().to_ndarray(), frame.to_ndarray())
    moved = Concealer().put(picture(0, 0), picture(8, 0))
    np.testing.assert_array_equal(moved.extrapolate(0).to_ndarray(), picture(8, 0).to_ndarray())


def test_an_object_moves_on_before_a_still_background() -> None:
    concealer = Concealer().put(with_object(0), with_object(1))
    made, true, frozen = concealer.extrapolate(), with_object(2), with_object(1)
    assert psnr(made, true) > psnr(frozen, true) + 6
    np.testing.assert_array_equal(made.planes()[0][150:], true.planes()[0][150:])  # far from it nothing moves


def test_after_a_cut_the_picture_stands_still() -> None:
    rng = np.random.default_rng(3)
    before, after = (VideoFrame(rng.integers(0, 256, WIDTH * HEIGHT * 3 // 2, np.uint8), WIDTH, HEIGHT)
                     for _ in range(2))
    made = Concealer().put(before, after).extrapolate()
    np.testing.assert_array_equal(made.to_ndarray(), after.to_ndarray())


def test_a_picture_between_two_lies_between_them() -> None:
    concealer = Concealer().put(picture(0, 0))
    made, true = concealer.between(picture(12, 4), 128), picture(6, 2)
    assert psnr(inner(made), inner(true)) > 38
    mixed = concealer.ask(lib.arc_vconceal_blend, picture(0, 0).native(), picture(12, 4).native(), 128)
    assert psnr(inner(mixed), inner(true)) < 32
    for at, end in ((0, picture(0, 0)), (256, picture(12, 4))):
        assert psnr(inner(concealer.between(picture(12, 4), at)), inner(end)) > 45


@pytest.mark.parametrize("weight", [0, 1, 77, 128, 255, 256])
@pytest.mark.parametrize("format", ["yuv420p", "nv12", "rgb24"])
def test_blend_is_the_weighted_mean(weight: int, format: str) -> None:
    a, b = picture(0, 0, 71, 65).convert(format), picture(9, 3, 71, 65).convert(format)
    mixed = Concealer().ask(lib.arc_vconceal_blend, a.native(), b.native(), weight)
    for x, y, got in zip(a.planes(), b.planes(), mixed.planes(), strict=True):
        expected = (x.astype(int) * (256 - weight) + y.astype(int) * weight + 128) >> 8
        np.testing.assert_array_equal(got, expected.astype(np.uint8))


@pytest.mark.parametrize("size", [(64, 64), (65, 67), (79, 100), (161, 127), (399, 64)])
def test_any_size_can_be_concealed(size: tuple[int, int]) -> None:
    frames = [picture(3 * i, -2 * i, *size) for i in range(3)]
    made = Concealer().put(*frames[:2]).extrapolate()
    assert (made.width, made.height) == size
    for plane, edge in ((0, 16), (1, 8), (2, 8)):
        got, true, frozen = (inner(frame, plane, edge) for frame in (made, frames[2], frames[1]))
        assert psnr(got, true) > psnr(frozen, true) + 5


def test_concealer_says_what_it_cannot_do() -> None:
    concealer, out = Concealer(), ffi.new("struct arc_vframe **")
    extrapolate, between, blend = lib.arc_vconceal_extrapolate, lib.arc_vconceal_between, lib.arc_vconceal_blend
    frame, small = picture(0, 0), picture(0, 0, 63, 64)
    assert extrapolate(concealer.handle, 256, out) == lib.ARC_AGAIN
    assert between(concealer.handle, frame.native(), 128, out) == lib.ARC_AGAIN
    concealer.put(frame)
    assert extrapolate(concealer.handle, 256, out) == lib.ARC_AGAIN
    concealer.put(frame)
    for step in (-1, lib.ARC_VCONCEAL_MAX_STEP_Q8 + 1):
        assert extrapolate(concealer.handle, step, out) == lib.ARC_ERR_ARG
    assert between(concealer.handle, frame.native(), 257, out) == lib.ARC_ERR_ARG
    assert between(concealer.handle, small.native(), 1, out) == lib.ARC_ERR_UNSUPPORTED
    assert blend(frame.native(), small.native(), 1, out) == lib.ARC_ERR_UNSUPPORTED
    assert blend(frame.native(), frame.native(), -1, out) == lib.ARC_ERR_ARG
    concealer.put(small)  # another size: those before are forgotten
    assert extrapolate(concealer.handle, 256, out) == lib.ARC_AGAIN
    concealer.put(small)
    assert extrapolate(concealer.handle, 256, out) == lib.ARC_ERR_UNSUPPORTED
    concealer.put(frame.convert("nv12"), frame.convert("nv12"))
    assert extrapolate(concealer.handle, 256, out) == lib.ARC_ERR_UNSUPPORTED
    assert lib.arc_vconceal_put(concealer.handle, ffi.NULL) == lib.ARC_ERR_ARG


def test_concealer_survives_every_allocation_failure() -> None:
    allowed, concealer = survives_every_failure(Concealer)
    assert allowed == 2
    frames = [picture(i, 0).native() for i in range(2)]
    for frame in frames:
        lib.arc_vconceal_put(concealer.handle, frame)
    out = ffi.new("struct arc_vframe **")
    failures = 0
    try:
        while True:
            lib.arc_mem_fail_after(failures)
            status = lib.arc_vconceal_extrapolate(concealer.handle, 256, out)
            if status == lib.ARC_OK:
                break
            assert status == lib.ARC_ERR_NOMEM
            failures += 1
    finally:
        lib.arc_mem_fail_after(-1)
    lib.arc_vframe_unref(out[0])
    assert failures >= 2
