"""video/colour behind VideoFrame.convert: exact to one step against real arithmetic."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arcrtc.video import VideoFrame
from tests.model import colour

CASES = {"matrix": st.sampled_from(["bt601", "bt709"]), "full_range": st.booleans(), "seed": st.integers(0, 2**32 - 1),
         "width": st.integers(1, 90), "height": st.integers(1, 9), "rgb": st.sampled_from(["rgb24", "bgr24"]),
         "yuv": st.sampled_from(["yuv420p", "nv12"])}


def planes_of(frame: VideoFrame) -> list[NDArray[np.uint8]]:
    """Three planes, also of nv12."""
    first, *rest = frame.planes()
    return [first, rest[0][:, 0::2], rest[0][:, 1::2]] if len(rest) == 1 else [first, *rest]


@given(**CASES)
@settings(max_examples=80, deadline=None)
def test_rgb_to_yuv_is_exact_to_one_step(matrix: str, full_range: bool, seed: int, width: int, height: int,
                                         rgb: str, yuv: str) -> None:
    array = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    frame = VideoFrame.from_ndarray(array, rgb).convert(yuv, full_range=full_range, matrix=matrix)
    in_order = array[..., ::-1] if rgb == "bgr24" else array
    model = colour.to_yuv420(in_order.astype(float), matrix, full_range)
    for ours, exact in zip(planes_of(frame), model, strict=True):
        assert np.abs(ours - np.clip(exact, 0, 255)).max() <= 0.52  # rounding alone is 0.5


@given(**CASES)
@settings(max_examples=80, deadline=None)
def test_yuv_to_rgb_is_exact_to_one_step(matrix: str, full_range: bool, seed: int, width: int, height: int,
                                         rgb: str, yuv: str) -> None:
    half = (height + 1) // 2, (width + 1) // 2
    rng = np.random.default_rng(seed)
    y, u, v = (rng.integers(0, 256, shape, np.uint8) for shape in ((height, width), half, half))
    rest = [np.stack([u, v], axis=-1)] if yuv == "nv12" else [u, v]
    packed = np.concatenate([y.reshape(-1), *(plane.reshape(-1) for plane in rest)])
    frame = VideoFrame(packed, width, height, format=yuv, full_range=full_range, matrix=matrix)
    ours = frame.convert(rgb).to_ndarray()
    exact = colour.to_rgb(y.astype(float), u.astype(float), v.astype(float), matrix, full_range)
    assert np.abs((ours[..., ::-1] if rgb == "bgr24" else ours) - exact).max() <= 0.6


@pytest.mark.parametrize("format", ["yuv420p", "nv12"])
def test_half_the_size_is_the_mean_of_four(format: str) -> None:
    width, height = 140, 36
    data = np.random.default_rng(4).integers(0, 256, width * height * 3 // 2, np.uint8)
    frame = VideoFrame(data, width, height, format=format, full_range=True, matrix="bt709")
    half = frame.convert(width=width // 2, height=height // 2)
    assert (half.full_range, half.matrix) == (True, "bt709")
    for ours, whole in zip(planes_of(half), planes_of(frame), strict=True):
        big = whole.astype(int)
        np.testing.assert_array_equal(
            ours, (big[0::2, 0::2] + big[0::2, 1::2] + big[1::2, 0::2] + big[1::2, 1::2] + 2) // 4)


@pytest.mark.parametrize("size", [(64, 48), (33, 21), (200, 150)])
def test_rgb_of_another_size_keeps_its_colour(size: tuple[int, int]) -> None:
    """By way of a picture in between, whichever comes first: conversion or scaling."""
    red = VideoFrame.from_ndarray(np.full((72, 96, 3), (200, 40, 30), np.uint8))
    for format in ("yuv420p", "nv12", "yuv420p10le", "bgr24"):
        there = red.convert(format, *size, full_range=True, matrix="bt709")
        assert (there.width, there.height) == size
        back = there.convert("rgb24", 96, 72).to_ndarray().astype(int)
        assert np.abs(back - (200, 40, 30)).max() <= 3, format
