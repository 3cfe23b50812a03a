"""Adaptive bit rate: down at once, up after a while, still under noise, and each decision says why."""
from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from arcrtc import (
    AdaptiveBitrateConfig,
    AdaptiveBitrateController,
    NetworkMetrics,
    VideoCodec,
    VideoConfig,
    VideoPipeline,
    VideoResolution,
    errors,
)
from arcrtc.adaptation import BitrateDecision
from arcrtc.adaptation.ladder import good_bitrate, make_ladder
from tests.model.clip import clip

P = VideoResolution
Noise = Callable[[random.Random], float]


def uniform(rng: random.Random) -> float:
    return rng.uniform(-0.2, 0.2)


class Path:
    """A path with figures at regular times, and what the controller decided."""

    def __init__(self, controller: AdaptiveBitrateController, seed: int = 0, period_s: float = 0.2) -> None:
        self.controller, self.period_us = controller, round(period_s * 1e6)
        self.rng = random.Random(seed)
        self.now_us = 0
        self.decisions: list[BitrateDecision] = []

    def run(self, seconds: float, kbps: float | None, *, noise: float = 0.0, loss: float = 0.0,
            rtt_ms: float = 50.0) -> list[BitrateDecision]:
        """The decisions of these seconds."""
        before = len(self.decisions)
        for _ in range(round(seconds * 1e6 / self.period_us)):
            self.now_us += self.period_us
            measured = None if kbps is None else kbps * (1 + self.rng.uniform(-noise, noise))
            decision = self.controller.update_metrics(NetworkMetrics(
                rtt_ms=rtt_ms, packet_loss_rate=loss, bandwidth_kbps=measured, timestamp_us=self.now_us))
            if decision is not None:
                self.decisions.append(decision)
        return self.decisions[before:]


def shapes(decisions: list[BitrateDecision], start: tuple[P, int]) -> list[tuple[P, int]]:
    """Changes of size or frame rate only."""
    found = [start]
    for d in decisions:
        if (d.resolution, d.frame_rate) != found[-1]:
            found.append((d.resolution, d.frame_rate))
    return found[1:]


def controller_at(resolution: P = P.P1080, **config: object) -> AdaptiveBitrateController:
    return AdaptiveBitrateController(AdaptiveBitrateConfig(**config), 3_000_000, resolution)  # type: ignore[arg-type]


def test_rates_of_the_ladder_rise_with_size_and_fall_with_the_codec() -> None:
    rates = [good_bitrate(VideoCodec.H264, size, 30) for size in P]
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(825_000, rel=0.02)
    assert rates[3] == pytest.approx(4_780_000, rel=0.02)
    assert rates[-1] == pytest.approx(44_000_000, rel=0.02)
    assert [good_bitrate(c, P.P720, 30) for c in VideoCodec] == [2_500_000, 2_500_000, 1_750_000, 1_500_000]


@pytest.mark.parametrize("degradation", ["balanced", "maintain-framerate", "maintain-resolution"])
def test_each_step_of_a_ladder_takes_less_than_the_one_before(degradation: str) -> None:
    rungs = make_ladder(VideoCodec.AV1, degradation, lowest=P.P360, highest=P.P4320,  # type: ignore[arg-type]
                        frame_rate=60, min_frame_rate=10)
    assert [r.good_bps for r in rungs] == sorted({r.good_bps for r in rungs}, reverse=True)
    assert (rungs[0].resolution, rungs[0].frame_rate) == (P.P4320, 60)
    if degradation == "maintain-framerate":
        assert [r.resolution for r in rungs] == list(reversed(P))
        assert {r.frame_rate for r in rungs} == {60}
    elif degradation == "maintain-resolution":
        assert [r.frame_rate for r in rungs] == [60, 40, 30, 20]
        assert {r.resolution for r in rungs} == {P.P4320}
    else:
        assert {r.resolution for r in rungs} == set(P)
        assert rungs[-1].frame_rate == 20


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("period_s", [0.1, 1.0])
@pytest.mark.parametrize(("before", "after"), [(6000, 1500), (4000, 2500), (1500, 6000), (3000, 3000)])
def test_noise_around_a_step_gives_one_change_at_most(before: float, after: float, period_s: float,
                                                      seed: int) -> None:
    controller = controller_at()
    path = Path(controller, seed, period_s)
    path.run(60, before, noise=0.2)
    start = (controller.current_resolution(), controller.current_frame_rate())
    rate = controller.current_bitrate()
    decisions = path.run(60, after, noise=0.2)
    assert len(shapes(decisions, start)) <= 1
    rates = [rate, *(d.bitrate for d in decisions)]
    if after > before:
        assert all(b > a for a, b in pairwise(rates))
    assert len(decisions) <= (12 if after > before else 4)
    assert controller.current_bitrate() == pytest.approx(after * 900, rel=0.2)


def test_a_step_down_is_followed_within_a_second() -> None:
    controller = controller_at()
    path = Path(controller)
    path.run(20, 6000, noise=0.1)
    assert controller.current_resolution() is P.P1080
    down = path.run(1.2, 1000, noise=0.1)
    assert controller.current_bitrate() < 1_150_000
    assert controller.current_resolution().height < 1080
    assert down[-1].cause == "bandwidth"
    assert "1080p30 looks good from 4.78 Mb/s on" in down[-1].reason


def test_up_waits_and_waits_longer_after_it_was_wrong() -> None:
    controller = controller_at(degradation="maintain-framerate")
    path = Path(controller)
    path.run(5, 1500)
    assert controller.current_resolution() is P.P720
    for wait_s in (5, 10, 20):
        path.run(12, 1500)
        began_us = path.now_us
        while controller.current_resolution() is not P.P1080:
            path.run(0.2, 6000)
            assert path.now_us < began_us + 70_000_000
        assert wait_s * 1e6 <= path.now_us - began_us <= (wait_s + 4) * 1e6
        path.run(2, 1500)
        assert controller.current_resolution() is P.P720


def test_loss_takes_the_rate_down_and_says_so() -> None:
    controller = controller_at()
    path = Path(controller)
    path.run(10, 5000)
    decisions = path.run(6, 5000, loss=0.2)
    assert controller.current_bitrate() < 3_000_000
    assert {d.cause for d in decisions} == {"loss"}
    assert "20.0% of the packets are lost" in decisions[-1].reason
    path.run(20, 5000)
    assert controller.current_bitrate() == pytest.approx(4_500_000, rel=0.16)


def test_little_loss_holds_the_rate() -> None:
    controller = controller_at()
    path = Path(controller)
    path.run(10, 3000)
    assert path.run(20, 9000, loss=0.05) == []


def test_without_a_known_bandwidth_it_grows_slowly_and_backs_off_a_queue() -> None:
    controller = AdaptiveBitrateController(None, 1_000_000, P.P720)
    path = Path(controller)
    path.run(10, None)
    assert controller.current_bitrate() == pytest.approx(1_000_000 * 1.08**10, rel=0.2)
    decisions = path.run(5, None, rtt_ms=400)
    assert {d.cause for d in decisions} == {"delay"}
    assert controller.current_bitrate() < 1_500_000
    assert "above its shortest" in decisions[-1].reason


@pytest.mark.parametrize(("degradation", "expected"), [
    ("maintain-framerate", (P.P360, 30)), ("maintain-resolution", (P.P1080, 10)), ("balanced", (P.P360, 30))])
def test_degradation_gives_up_what_it_may(degradation: str, expected: tuple[P, int]) -> None:
    controller = controller_at(degradation=degradation)
    Path(controller).run(10, 500)
    assert (controller.current_resolution(), controller.current_frame_rate()) == expected


def test_bounds_hold_whatever_comes() -> None:
    controller = AdaptiveBitrateController(
        AdaptiveBitrateConfig(min_bitrate=200_000, max_bitrate=2_000_000, min_resolution=P.P480,
                              max_resolution=P.P1080), 5_000_000, P.P720)
    rng = random.Random(3)
    path = Path(controller)
    for _ in range(200):
        path.run(1, rng.choice([None, 0, 1, 100, 3000, 8e7]), noise=0.2, loss=rng.choice([0, 0.05, 0.5, 1.0]),
                 rtt_ms=rng.choice([0, 20, 5000]))
        assert 200_000 <= controller.current_bitrate() <= 2_000_000
        assert 480 <= controller.current_resolution().height <= 1080
        assert 10 <= controller.current_frame_rate() <= 30


def encode_for(controller: AdaptiveBitrateController, start_us: int, seconds: float,
               encode_ms: Callable[[], float]) -> tuple[int, list[BitrateDecision]]:
    decisions, now_us = [], start_us
    while now_us < start_us + seconds * 1e6:
        now_us += 1_000_000 // controller.current_frame_rate()
        if (d := controller.report_encode(encode_ms(), now_us)) is not None:
            decisions.append(d)
    return now_us, decisions


def test_an_overloaded_encoder_gets_less_to_do_and_more_again() -> None:
    controller = controller_at(degradation="maintain-framerate")
    path = Path(controller)
    path.run(5, 6000)
    ns_per_px = 0.0165  # 34 ms at 1080p, of 33.3

    def encode_ms() -> float:
        size = controller.current_resolution()
        return size.width * size.height * ns_per_px / 1000

    now_us, decisions = encode_for(controller, path.now_us, 10, encode_ms)
    assert [d.resolution for d in decisions] == [P.P720]
    assert decisions[0].cause == "overload"
    assert "of the time between frames at 1080p30" in decisions[0].reason
    assert 0.4 < controller.encoder_usage < 0.5
    path.now_us = now_us
    path.run(30, 6000)
    assert controller.current_resolution() is P.P720  # the path would carry more

    ns_per_px = 0.005
    path.now_us, _ = encode_for(controller, path.now_us, 25, encode_ms)
    path.run(8, 6000)
    assert controller.current_resolution() is P.P1080


def test_single_slow_frames_are_no_overload() -> None:
    controller = controller_at()
    controller.update_metrics(NetworkMetrics(bandwidth_kbps=6000, timestamp_us=0))
    rng = random.Random(1)
    _, decisions = encode_for(controller, 0, 30, lambda: 150.0 if rng.random() < 0.05 else 15.0)
    assert decisions == []


def test_lower_frame_rate_leaves_frames_out_evenly() -> None:
    controller = controller_at(degradation="maintain-resolution")
    assert all(controller.takes_frame(round(i * 1e6 / 30)) for i in range(30))
    Path(controller).run(10, 2000)
    assert controller.current_frame_rate() == 20
    rng = random.Random(2)
    taken = [i for i in range(300) if controller.takes_frame(round(i * 1e6 / 30 + rng.uniform(-4000, 4000)))]
    assert len(taken) == pytest.approx(200, abs=3)
    assert {b - a for a, b in pairwise(taken)} <= {1, 2}
    assert controller.takes_frame(60_000_000)  # after a pause it begins anew


def test_adjust_applies_rate_size_and_frame_rate_to_a_pipeline() -> None:
    controller = AdaptiveBitrateController(AdaptiveBitrateConfig(), 2_000_000, P.P720)
    pipeline = VideoPipeline(VideoConfig(resolution=P.P720, bitrate=2_000_000, encoder="libx264"))
    frame = clip(1280, 720, 1)[0]
    assert pipeline.encode(frame).is_keyframe
    assert not controller.adjust(pipeline)
    Path(controller).run(5, 500)
    assert controller.adjust(pipeline)
    assert pipeline.bitrate == controller.current_bitrate() == 450_000
    assert pipeline.resolution == (640, 360)
    assert pipeline.frame_rate == controller.current_frame_rate()
    assert not controller.adjust(pipeline)
    small = pipeline.encode(frame)
    assert small.is_keyframe
    assert not pipeline.encode(frame).is_keyframe
    picture = VideoPipeline(pipeline.config).decode_frame(small.data)
    assert picture is not None
    assert (picture.width, picture.height) == (640, 360)


def test_adjust_keeps_the_shape_of_a_portrait_and_leaves_fixed_streams_alone() -> None:
    controller = AdaptiveBitrateController(None, 2_000_000, P.P720)
    Path(controller).run(5, 500)
    portrait = VideoPipeline(VideoConfig(resolution=(720, 1280), encoder="libx264"))
    assert controller.adjust(portrait)
    assert portrait.resolution == (360, 640)
    fixed = VideoPipeline(VideoConfig(resolution=P.P720, adaptive_bitrate=False, encoder="libx264"))
    assert not controller.adjust(fixed)
    assert fixed.resolution == (1280, 720)


@pytest.mark.parametrize("bad", [
    {"min_bitrate": 0}, {"min_bitrate": 60_000, "max_bitrate": 50_000}, {"headroom": float("nan")},
    {"up_after_s": 0.0}, {"degradation": "none"}, {"codec": "h264"}, {"frame_rate": 0}, {"min_frame_rate": 31},
    {"min_resolution": None}, {"max_resolution": (640, 360)}])
def test_config_refuses(bad: dict[str, object]) -> None:
    with pytest.raises(errors.ConfigError, match=next(iter(bad))):
        AdaptiveBitrateConfig(**bad)  # type: ignore[arg-type]


def test_controller_refuses() -> None:
    with pytest.raises(errors.ConfigError, match="initial_bitrate"):
        AdaptiveBitrateController(None, 0)
    with pytest.raises(errors.ConfigError, match="initial_resolution"):
        AdaptiveBitrateController(None, 1_000_000, (640, 360))  # type: ignore[arg-type]
    with pytest.raises(errors.ConfigError, match="smaller than"):
        AdaptiveBitrateController(AdaptiveBitrateConfig(min_resolution=P.P720), 1_000_000, P.P360)
    with pytest.raises(errors.ConfigError, match="encode_ms"):
        AdaptiveBitrateController().report_encode(float("nan"), 0)


def test_a_clock_that_goes_back_changes_nothing() -> None:
    controller = controller_at()
    path = Path(controller)
    path.run(10, 3000)
    was = controller.current_bitrate()
    path.now_us = 0
    path.run(1, 3000)
    assert controller.current_bitrate() == was
