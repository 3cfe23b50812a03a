"""arcrtc.routing.allocation: what each route gets, its promises as properties, and steadiness."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc.routing import (
    Allocation,
    LayerPoint,
    LayerReason,
    Layers,
    LayerWish,
    SourceConfig,
    TrackConfig,
    choose_layers,
    layer_points,
)

K = 1000


def simulcast(temporal: int = 1) -> TrackConfig:
    sizes = (("q", 320, 180, 150 * K), ("h", 640, 360, 500 * K), ("f", 1280, 720, 1500 * K))
    return TrackConfig(kind="video", codec="vp8", payload_type=96, clock_rate=90_000, layers=tuple(
        SourceConfig(ssrc=i, rid=rid, width=width, height=height, bitrate=rate, frame_rate=30, temporal_layers=temporal)
        for i, (rid, width, height, rate) in enumerate(sizes)))


LADDER = layer_points(simulcast())
VOICE = (LayerPoint(Layers(), 32 * K),)


def sources(allocation: Allocation) -> dict[object, int | None]:
    return {route: choice.point.layers.source if choice.point else None
            for route, choice in allocation.choices.items()}


def test_points_of_simulcast_with_temporal_layers() -> None:
    points = layer_points(simulcast(temporal=3))
    assert [(p.layers.source, p.layers.temporal, p.rate_bps, p.height, p.frame_rate) for p in points] == [
        (0, 0, 60_000, 180, 7.5), (0, 1, 90_000, 180, 15), (0, 2, 150_000, 180, 30),
        (1, 0, 200_000, 360, 7.5), (1, 1, 300_000, 360, 15), (1, 2, 500_000, 360, 30),
        (2, 0, 600_000, 720, 7.5), (2, 1, 900_000, 720, 15), (2, 2, 1_500_000, 720, 30)]


def test_points_of_one_stream_with_spatial_layers_and_measured_rates() -> None:
    track = TrackConfig(kind="video", codec="vp9", payload_type=98, clock_rate=90_000, layers=(
        SourceConfig(ssrc=1, width=1280, height=720, bitrate=1_000_000, spatial_layers=3),))
    points = layer_points(track, {Layers(0, 0, 0): 77_000})
    assert [(p.rate_bps, p.width, p.height) for p in points] == [(77_000, 320, 180), (353_553, 640, 360),
                                                                (1_000_000, 1280, 720)]


def test_points_without_gain_are_left_out_and_unknown_rates_refused() -> None:
    measured = {Layers(0, 0, 0): 100, Layers(1, 0, 0): 90, Layers(2, 0, 0): 101}
    assert [p.layers.source for p in layer_points(simulcast(), measured)] == [0, 2]
    audio = TrackConfig(kind="audio", codec="opus", ssrc=1, payload_type=111, clock_rate=48_000)
    with pytest.raises(errors.ArgumentError, match="no bitrate"):
        layer_points(audio)
    assert layer_points(audio, {Layers(0, 0, 0): 5})[0].rate_bps == 5


@pytest.mark.parametrize(("available", "expected", "reason"), [
    (2000 * K, 2, LayerReason.BEST), (1532 * K, 2, LayerReason.BEST), (1531 * K, 1, LayerReason.RATE),
    (200 * K, 0, LayerReason.RATE), (181 * K, None, LayerReason.NO_RATE), (0, None, LayerReason.NO_RATE)])
def test_layers_one_camera_beside_required_audio(available: int, expected: int | None, reason: LayerReason) -> None:
    made = choose_layers(available, [LayerWish(route="cam", points=LADDER),
                                     LayerWish(route="mic", points=VOICE, required=True)])
    assert sources(made)["cam"] == expected
    assert made.choices["cam"].reason is reason
    assert made.choices["mic"].point == VOICE[0]


def test_layers_higher_priority_climbs_first_but_leaves_first_steps() -> None:
    wishes = [LayerWish(route="a", points=LADDER), LayerWish(route="stage", points=LADDER, priority=5),
              LayerWish(route="b", points=LADDER)]
    assert sources(choose_layers(1800 * K, wishes)) == {"a": 0, "stage": 2, "b": 0}
    assert sources(choose_layers(2150 * K, wishes)) == {"a": 1, "stage": 2, "b": 0}
    assert sources(choose_layers(1000 * K, wishes)) == {"a": 0, "stage": 1, "b": 0}
    assert sources(choose_layers(300 * K, wishes)) == {"a": 0, "stage": 0, "b": None}


def test_layers_equal_priorities_share_evenly() -> None:
    wishes = [LayerWish(route=i, points=LADDER) for i in range(4)]
    assert sources(choose_layers(2000 * K, wishes)) == {0: 1, 1: 1, 2: 1, 3: 1}
    assert sources(choose_layers(2999 * K, wishes)) == {0: 1, 1: 1, 2: 1, 3: 1}
    assert sources(choose_layers(3000 * K, wishes)) == {0: 2, 1: 1, 2: 1, 3: 1}


@pytest.mark.parametrize(("viewport", "expected", "reason"), [
    ((1, 1), 0, LayerReason.VIEWPORT), ((320, 180), 0, LayerReason.VIEWPORT), ((321, 180), 1, LayerReason.VIEWPORT),
    ((1280, 720), 2, LayerReason.BEST), ((4000, 3000), 2, LayerReason.BEST), (None, 2, LayerReason.BEST),
    ((0, 0), None, LayerReason.HIDDEN)])
def test_layers_no_larger_than_the_viewport_needs(viewport: tuple[int, int] | None, expected: int | None,
                                                  reason: LayerReason) -> None:
    made = choose_layers(10**7, [LayerWish(route="cam", points=LADDER, viewport=viewport)])
    assert sources(made) == {"cam": expected}
    assert made.choices["cam"].reason is reason


def test_layers_required_exceeds_the_rate_and_says_so() -> None:
    made = choose_layers(100 * K, [LayerWish(route="cam", points=LADDER, required=True)])
    assert made.choices["cam"] == (LADDER[0], LayerReason.MINIMUM)
    assert made.used_bps == 150 * K


def test_layers_wrong_arguments() -> None:
    wish = LayerWish(route=1, points=LADDER)
    with pytest.raises(errors.ArgumentError, match="twice"):
        choose_layers(1, [wish, wish])
    with pytest.raises(errors.ConfigError, match="available_bps"):
        choose_layers(-1, [wish])
    for points in ((), LADDER[::-1], (LADDER[0], LADDER[0]), (LayerPoint(Layers(), 0),)):
        with pytest.raises(errors.ConfigError):
            LayerWish(route=1, points=points)
    with pytest.raises(errors.ConfigError, match="viewport"):
        LayerWish(route=1, points=LADDER, viewport=(-1, 5))


# Properties

@st.composite
def ladders(draw: st.DrawFn) -> tuple[LayerPoint, ...]:
    rates = sorted(draw(st.sets(st.integers(1, 2000), min_size=1, max_size=6)))
    return tuple(LayerPoint(Layers(i), rate, 160 << i, 90 << i) for i, rate in enumerate(rates))


@st.composite
def all_wishes(draw: st.DrawFn) -> list[LayerWish]:
    viewports = st.sampled_from([None, None, (0, 0), (200, 100), (640, 360)])
    return [LayerWish(route=i, points=draw(ladders()), priority=draw(st.integers(0, 3)), viewport=draw(viewports),
                      required=draw(st.booleans())) for i in range(draw(st.integers(0, 7)))]


@given(st.integers(0, 8000), all_wishes())
def test_layers_keep_their_promises(available: int, wishes: list[LayerWish]) -> None:
    made = choose_layers(available, wishes)
    points = {route: choice.point for route, choice in made.choices.items()}
    assert made.used_bps == sum(point.rate_bps for point in points.values() if point)
    floor = sum(wish.allowed()[0].rate_bps for wish in wishes if wish.required and wish.allowed())
    assert made.used_bps <= max(available, floor)  # never over the rate unless by what is required
    left = available - made.used_bps
    for wish in wishes:
        ladder, point = wish.allowed(), points[wish.route]
        if not ladder:
            assert point is None
            continue
        if point is None:
            assert not wish.required
            # No route that matters less has a first step that it could have had instead.
            for other in wishes:
                if other.priority < wish.priority and not other.required and points[other.route] is not None:
                    assert other.allowed()[0].rate_bps < ladder[0].rate_bps
            assert ladder[0].rate_bps > left
            continue
        assert point in ladder
        level = ladder.index(point)
        if level + 1 < len(ladder):
            step = ladder[level + 1].rate_bps - point.rate_bps
            assert step > left  # nothing that fits is left lying
            spent_below = sum(points[o.route].rate_bps - o.allowed()[0].rate_bps for o in wishes  # type: ignore[union-attr]
                              if o.priority < wish.priority and points[o.route] is not None)
            assert step > left + spent_below  # nor given to routes that matter less


@given(st.integers(0, 8000), all_wishes(), st.lists(st.floats(0.0, 1.0), max_size=12))
def test_layers_a_rate_that_wavers_within_the_margin_switches_nothing(available: int, wishes: list[LayerWish],
                                                                      wavers: list[float]) -> None:
    first = made = choose_layers(available, wishes)
    for waver in wavers:
        low, high = min(first.used_bps, available), int(available * 1.1)
        rate = low + int(waver * max(0, high - 1 - low))
        if rate - available >= available * 0.1 or first.used_bps > rate:
            continue
        made = choose_layers(rate, wishes, made)
        assert made.kept
        assert {r: c.point for r, c in made.choices.items()} == {r: c.point for r, c in first.choices.items()}


def test_layers_hysteresis_ends_at_the_margin_and_with_other_wishes() -> None:
    wishes = [LayerWish(route="cam", points=LADDER)]
    low = choose_layers(1400 * K, wishes)
    assert sources(low) == {"cam": 1}
    assert sources(choose_layers(1500 * K, wishes, low)) == {"cam": 1}  # it would fit, but by less than 10 %
    assert sources(choose_layers(1540 * K, wishes, low)) == {"cam": 2}
    assert sources(choose_layers(1500 * K, wishes, low, margin=0.05)) == {"cam": 2}
    down = choose_layers(499 * K, wishes, low)
    assert (sources(down), down.kept) == ({"cam": 0}, False)
    wider = [LayerWish(route="cam", points=LADDER, priority=2)]
    assert sources(choose_layers(1500 * K, wider, low)) == {"cam": 2}  # another wish is answered at once


def test_layers_kept_choices_follow_measured_rates() -> None:
    wishes = [LayerWish(route="cam", points=LADDER)]
    low = choose_layers(1400 * K, wishes)
    wavering = [p._replace(rate_bps=int(p.rate_bps * 0.95)) for p in LADDER]
    kept = choose_layers(1425 * K, [LayerWish(route="cam", points=tuple(wavering))], low)
    assert (kept.kept, kept.used_bps) == (True, 475 * K)
    cheap = tuple(p._replace(rate_bps=int(p.rate_bps * 0.8)) for p in LADDER)
    assert sources(choose_layers(1425 * K, [LayerWish(route="cam", points=cheap)], low)) == {"cam": 2}
