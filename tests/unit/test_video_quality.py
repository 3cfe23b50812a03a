"""PSNR and SSIM against plain definitions."""
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc.video import VideoFrame, psnr, ssim
from tests.model.clip import clip


def plain_psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = ((a.astype(float) - b.astype(float)) ** 2).mean()
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def plain_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Window by window, as the paper's equation 13 reads."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for y in range(0, a.shape[0] // 4 * 4 - 7, 4):
        for x in range(0, a.shape[1] // 4 * 4 - 7, 4):
            u = a[y:y + 8, x:x + 8].astype(float).ravel()
            v = b[y:y + 8, x:x + 8].astype(float).ravel()
            cov = np.cov(u, v)  # unbiased
            values.append((2 * u.mean() * v.mean() + c1) * (2 * cov[0, 1] + c2)
                          / ((u.mean() ** 2 + v.mean() ** 2 + c1) * (cov[0, 0] + cov[1, 1] + c2)))
    return float(np.mean(values))


@given(height=st.integers(8, 40), width=st.integers(8, 40), seed=st.integers(0, 2**32 - 1),
       spread=st.sampled_from([0, 1, 20, 255]))
@settings(max_examples=40, deadline=None)
def test_quality_matches_plain_definitions(height: int, width: int, seed: int, spread: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 256, (height, width), dtype=np.uint8)
    b = np.clip(a + rng.integers(-spread, spread + 1, a.shape), 0, 255).astype(np.uint8)
    assert psnr(a, b) == pytest.approx(plain_psnr(a, b), abs=1e-9)
    assert psnr(a, b) == psnr(b, a)
    assert ssim(a, b) == pytest.approx(plain_ssim(a, b), abs=1e-9)
    assert ssim(a, a) == pytest.approx(1.0)


def test_psnr_of_known_errors() -> None:
    a = np.full((16, 16), 100, np.uint8)
    assert psnr(a, a) == math.inf
    assert psnr(a, a + np.uint8(1)) == pytest.approx(48.1308, abs=1e-4)
    assert psnr(np.zeros((16, 16), np.uint8), np.full((16, 16), 255, np.uint8)) == pytest.approx(0)


def test_quality_takes_planes_with_rows_apart_and_frames() -> None:
    frame = clip(64, 48, 2)
    a, b = frame[0].planes()[0], frame[1].planes()[0]
    wide = np.zeros((48, 100), np.uint8)
    wide[:, 10:74] = a
    assert psnr(wide[:, 10:74], b) == psnr(a, b) == psnr(frame[0], frame[1])
    assert ssim(wide[:, 10:74], b) == ssim(a, b) == ssim(frame[0], frame[1])
    assert psnr(frame[0].convert("rgb24"), frame[0]) > 38


def test_quality_refuses_what_cannot_be_compared() -> None:
    a = np.zeros((16, 16), np.uint8)
    with pytest.raises(errors.ArgumentError, match="different shape"):
        psnr(a, a[:8])
    with pytest.raises(errors.ArgumentError, match="uint8"):
        ssim(a.astype(np.float32), a)  # type: ignore[arg-type]
    with pytest.raises(errors.ArgumentError, match="smaller than a window"):
        ssim(a[:7], a[:7])
    with pytest.raises(errors.ArgumentError, match="uint8"):
        psnr(np.zeros((4, 4, 3), np.uint8), VideoFrame(bytes(48), 4, 4, format="rgb24"))
