"""arcrtc.adaptation: what means of repair leave, by formula and by trying; and which are chosen."""
from __future__ import annotations

import random
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc.adaptation import (
    FecPlan,
    GilbertModel,
    RepairOffer,
    RepairPlan,
    RepairPolicy,
    RepairPolicyConfig,
    RepairStats,
)
from arcrtc.adaptation.repairmeans import nack_rounds
from arcrtc.errors import ConfigError
from tests.model.losspattern import gilbert
from tests.model.repairtrial import left_by_fec, left_by_nack, left_by_next, left_by_red

N = 60_000
CHANNELS = [(0.02, 0.0, 1), (0.1, 0.0, 2), (0.05, 2.5, 3), (0.1, 4.0, 4), (0.2, 4.0, 5), (0.2, 1.3, 6)]


def losses(rate: float, burst: float, seed: int, n: int = N) -> list[bool]:
    return list(islice(GilbertModel.fitted(rate, burst).losses(seed), n))


@pytest.mark.parametrize(("rate", "burst", "seed"), CHANNELS)
def test_gilbert_model_loses_as_it_says(rate: float, burst: float, seed: int) -> None:
    model = GilbertModel.fitted(rate, burst)
    lost = losses(rate, burst, seed)
    got_rate, got_burst, got_conditional = gilbert(lost)
    assert got_rate == pytest.approx(rate, rel=0.12)
    assert got_burst == pytest.approx(model.burst_length, rel=0.06)
    assert got_conditional == pytest.approx(model.still_lost(1), abs=0.02)
    for k in (2, 3, 7):
        pairs = [b for a, b in zip(lost, lost[k:], strict=False) if a]
        assert sum(pairs) / len(pairs) == pytest.approx(model.still_lost(k), abs=0.025)
    assert model.strided(4).still_lost(1) == pytest.approx(model.still_lost(4), abs=0.01)


def policy(**offer: object) -> RepairPolicy:
    return RepairPolicy(RepairPolicyConfig(max_delay_ms=10_000), RepairOffer(**offer))  # type: ignore[arg-type]


def predicted(plan: RepairPlan, rate: float, burst: float, *, rtt_ms: float = 0.0, max_delay_ms: float = 10_000,
              reverse: float = 0.0) -> float:
    chooser = RepairPolicy(RepairPolicyConfig(max_delay_ms=max_delay_ms), RepairOffer(nack=True))
    stats = RepairStats(loss_rate=rate, burst_length=burst, rtt_ms=rtt_ms, reverse_loss=reverse)
    return chooser.forecast(plan, stats).residual


def close(got: float, said: float, rate: float) -> bool:
    """Within an eighth, and what chance does to the count of so rare an event in bursts."""
    return abs(got - said) <= 0.125 * said + 6 * (said * max(rate * 10, 1) / N) ** 0.5


@pytest.mark.parametrize(("rate", "burst", "seed"), CHANNELS)
@pytest.mark.parametrize("distances", [(1,), (2,), (1, 2), (1, 3), (2, 5)])
def test_repair_forecast_of_red_is_what_copies_leave(rate: float, burst: float, seed: int,
                                                     distances: tuple[int, ...]) -> None:
    got = left_by_red(losses(rate, burst, seed), distances)
    assert close(got, predicted(RepairPlan(red=distances), rate, burst), rate)


@pytest.mark.parametrize(("rate", "burst", "seed"), CHANNELS)
def test_repair_forecast_of_in_band_fec_and_dred_is_what_they_leave(rate: float, burst: float, seed: int) -> None:
    lost = losses(rate, burst, seed)
    assert close(left_by_next(lost, 1), predicted(RepairPlan(opus_fec=True), rate, burst), rate)
    assert close(left_by_next(lost, 5), predicted(RepairPlan(dred_frames=5), rate, burst), rate)


@pytest.mark.parametrize(("rate", "burst", "seed"), CHANNELS)
@pytest.mark.parametrize("plan", [FecPlan(row=4), FecPlan(row=10), FecPlan(column=4, stride=5),
                                  FecPlan(column=6, stride=8)], ids=str)
def test_repair_forecast_of_parities_is_what_they_leave(rate: float, burst: float, seed: int,
                                                        plan: FecPlan) -> None:
    got = left_by_fec(losses(rate, burst, seed, 2 * N), plan)
    said = predicted(RepairPlan(fec=plan), rate, burst)
    # Parities of columns leave in the middle of other packets, not a stride behind the last of theirs.
    assert close(got, said, rate) or abs(got - said) < 0.2 * said


@pytest.mark.parametrize(("rate", "burst", "seed"), [c for c in CHANNELS if c[0] <= 0.1])
def test_repair_forecast_of_two_dimensions_is_of_the_right_size(rate: float, burst: float, seed: int) -> None:
    """A bound for independent losses, an estimate for bursts."""
    plan = FecPlan(row=5, column=5, stride=5)
    got = left_by_fec(losses(rate, burst, seed, 4 * N), plan)
    said = predicted(RepairPlan(fec=plan), rate, burst)
    assert got < predicted(RepairPlan(fec=FecPlan(column=5, stride=5)), rate, burst)
    assert 0.7 * got - 0.0005 <= said <= 4.5 * got + 0.0005


@pytest.mark.parametrize(("rate", "burst", "seed"), CHANNELS)
@pytest.mark.parametrize("rtt_ms", [40, 120, 300])
def test_repair_forecast_of_requests_is_what_they_leave(rate: float, burst: float, seed: int, rtt_ms: float) -> None:
    lost = losses(rate, burst, seed)
    got = left_by_nack(lost, packet_ms=20, rtt_ms=rtt_ms, max_delay_ms=300, reverse=0.05, seed=seed)
    said = predicted(RepairPlan(nack=True), rate, burst, rtt_ms=rtt_ms, max_delay_ms=300, reverse=0.05)
    assert close(got, said, rate) or abs(got - said) < 0.3 * said


def test_repair_rounds_are_those_of_the_generator() -> None:
    assert nack_rounds(100, 109) == 0
    assert nack_rounds(100, 110) == 1
    assert nack_rounds(100, 227) == 1
    assert nack_rounds(100, 228) == 2
    assert nack_rounds(0, 1000) == 0  # not known: nobody can say what is in time


# --- which it chooses ---

ALL = RepairOffer(nack=True, opus_fec=True, red_distances=(1, 2, 3, 4, 5), red_copies=2, red_share=0.25,
                  fec_rows=(4, 8), fec_columns=((4, 4), (5, 5)), fec_both=True)


def settled(stats: RepairStats, offer: RepairOffer = ALL, **config: object):
    chooser = RepairPolicy(RepairPolicyConfig(**config), offer)  # type: ignore[arg-type]
    for second in range(30):
        decision = chooser.decide(stats, second * 1_000_000)
    return decision


def test_repair_policy_nothing_lost_nothing_spent() -> None:
    decision = settled(RepairStats(loss_rate=0.0, rtt_ms=80))
    assert (decision.plan, decision.overhead) == (RepairPlan(), 0)
    video = settled(RepairStats(loss_rate=0.0, rtt_ms=80), media="video", packet_ms=4)
    assert video.plan == RepairPlan(nack=True)


def test_repair_policy_short_way_asks_again_long_way_sends_ahead() -> None:
    near = settled(RepairStats(loss_rate=0.05, burst_length=1.2, rtt_ms=20))
    assert near.plan.nack
    assert near.overhead < 0.15
    far = settled(RepairStats(loss_rate=0.05, burst_length=1.2, rtt_ms=250))
    assert not far.plan.nack
    assert far.plan.red or far.plan.opus_fec
    assert far.residual <= 0.01


def test_repair_policy_bursts_need_copies_further_back() -> None:
    single = settled(RepairStats(loss_rate=0.06, burst_length=1.06, rtt_ms=400))
    bursts = settled(RepairStats(loss_rate=0.06, burst_length=3.2, rtt_ms=400))
    assert bursts.plan.red
    assert max(bursts.plan.red) > max(single.plan.red, default=1)
    assert "loss 6.0 %, bursts of 3.2 packets, RTT 400 ms: RED distance" in bursts.reason


def test_repair_policy_expected_loss_is_what_the_others_leave() -> None:
    offer = RepairOffer(nack=True, opus_fec=True)
    near = settled(RepairStats(loss_rate=0.3, burst_length=1.5, rtt_ms=100), offer, wished_loss=0.005)
    assert near.plan.nack
    assert near.plan.opus_fec
    assert 5 <= near.expected_loss_pct <= 20  # of 30
    far = settled(RepairStats(loss_rate=0.3, burst_length=1.5, rtt_ms=500), offer)
    assert (far.plan.nack, far.expected_loss_pct) == (False, 30)


stats_of = st.builds(RepairStats, loss_rate=st.floats(0, 1), burst_length=st.floats(0, 50), rtt_ms=st.floats(0, 900),
                     reverse_loss=st.floats(0, 1), media_bps=st.sampled_from([0.0, 32_000.0]),
                     available_bps=st.floats(0, 100_000))


@given(stats_of, st.floats(0, 1.5), st.floats(0, 500), st.sampled_from(["audio", "video"]))
def test_repair_policy_keeps_inside_what_is_allowed(stats: RepairStats, max_overhead: float, max_delay_ms: float,
                                                    media: str) -> None:
    decision = settled(stats, max_overhead=max_overhead, max_delay_ms=max_delay_ms, media=media)
    assert 0 <= decision.residual <= min(stats.loss_rate, 0.99) + 1e-12
    if decision.plan not in (RepairPlan(), RepairPlan(nack=True)):
        assert decision.overhead <= max_overhead
        assert decision.delay_ms <= max_delay_ms
        if stats.media_bps and stats.available_bps:
            assert decision.overhead <= max(stats.available_bps / stats.media_bps - 1, 0) + 1e-9


@pytest.mark.parametrize(("rate", "burst", "seed"), [(0.01, 1.0, 1), (0.03, 1.5, 2), (0.05, 2.0, 3), (0.1, 3.0, 4),
                                                     (0.013, 1.1, 5), (0.07, 1.1, 6)])
@pytest.mark.parametrize("rtt_ms", [30, 110, 300])
def test_repair_policy_does_not_flap_on_noisy_figures(rate: float, burst: float, seed: int, rtt_ms: float) -> None:
    """Ten minutes; each second counted on some 50 packets of a channel that stays the same."""
    chooser = RepairPolicy(RepairPolicyConfig(), ALL)
    channel = GilbertModel.fitted(rate, burst).losses(seed)
    rng = random.Random(seed)
    window: list[bool] = []
    changes = 0
    for second in range(600):
        window = [*window, *islice(channel, 50)][-250:]
        measured, length, _ = gilbert(window)
        stats = RepairStats(loss_rate=measured, burst_length=length, rtt_ms=rtt_ms * rng.uniform(0.85, 1.2))
        changes += chooser.decide(stats, second * 1_000_000).changed
    assert changes <= 24  # one in 25 seconds, with a plan that must follow bursts that come and go


def test_repair_policy_follows_a_change_soon_and_its_end_later() -> None:
    chooser = RepairPolicy(RepairPolicyConfig(), ALL)
    calm, rough = (RepairStats(loss_rate=r, burst_length=1.5, rtt_ms=300) for r in (0.001, 0.12))
    now, when = 0, {}
    for phase, stats, seconds in (("calm", calm, 20), ("rough", rough, 30), ("calm again", calm, 90)):
        began = now
        for _ in range(seconds):
            if chooser.decide(stats, now).changed:
                when[phase] = (now - began) / 1e6  # the last one
                when.setdefault("first of " + phase, when[phase])
            now += 1_000_000
    assert "calm" not in when
    assert when["first of rough"] <= 2
    assert 8 <= when["first of calm again"] <= 60
    assert chooser.decide(calm, now).plan == RepairPlan()


def test_repair_policy_leaves_at_once_what_the_path_has_no_room_for() -> None:
    chooser = RepairPolicy(RepairPolicyConfig(), ALL)
    stats = {"loss_rate": 0.1, "burst_length": 2.0, "rtt_ms": 300.0, "media_bps": 32_000.0}
    assert chooser.decide(RepairStats(**stats, available_bps=64_000), 0).overhead > 0.2
    for second in range(1, 10):
        tight = chooser.decide(RepairStats(**stats, available_bps=33_000), second * 1_000_000)
    assert tight.overhead <= 0.04


def test_repair_forecast_grows_with_the_loss() -> None:
    chooser = policy(nack=True)
    plans = [RepairPlan(), RepairPlan(opus_fec=True), RepairPlan(red=(1, 3)), RepairPlan(fec=FecPlan(row=5)),
             RepairPlan(fec=FecPlan(row=5, column=5, stride=5)), RepairPlan(nack=True), RepairPlan(dred_frames=4)]
    for plan in plans:
        left = [chooser.forecast(plan, RepairStats(loss_rate=r, burst_length=2.0, rtt_ms=100)).residual
                for r in np.linspace(0.0, 0.5, 26)]
        assert left[0] == 0
        assert all(b >= a for a, b in pairwise(left))


@pytest.mark.parametrize(("make", "match"), [
    (lambda: RepairPolicyConfig(media="text"), "media"),  # type: ignore[arg-type]
    (lambda: RepairPolicyConfig(max_overhead=5), "max_overhead"),
    (lambda: RepairOffer(red_distances=(0,)), "red_distances"),
    (lambda: RepairOffer(fec_columns=((4, 49),)), "fec_columns"),
    (lambda: RepairStats(loss_rate=1.01), "loss_rate"),
    (lambda: RepairStats(loss_rate=float("nan")), "loss_rate"),
    (lambda: GilbertModel(loss_rate=0.1, burst_length=0.5), "burst_length")])
def test_repair_values_out_of_range_are_named(make, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        make()
