"""The E-model against what its Recommendation publishes, against numbers by hand, and against reason."""
from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc.audio import VoicePath, equipment, mos_of_r, r_of_mos, rate, rate_wideband
from arcrtc.audio.emodel import R_WIDEBAND, delay_impairment, equipment_impairment
from arcrtc.errors import ConfigError, UnsupportedError

LOSSES = st.floats(0, 100)
DELAYS = st.floats(0, 2000)
BURSTS = st.floats(1, 8)


def test_emodel_defaults_are_those_of_the_recommendation() -> None:
    """G.107 clause 7.7: with all parameters at their default R is 93.2; Annex B: that is MOS 4.41."""
    found = rate(VoicePath())
    assert round(found.r, 1) == 93.2
    assert round(found.mos, 2) == 4.41
    assert found.ro == pytest.approx(94.77, abs=0.005)  # what widely used implementations print for the parts
    assert found.simultaneous == pytest.approx(1.41, abs=0.005)
    assert found.equipment == 0


@pytest.mark.parametrize(("r", "mos"), [  # G.107 table B.1: the borders of the categories
    (90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58)])
def test_emodel_mos_of_the_category_borders(r: float, mos: float) -> None:
    assert mos_of_r(r) == pytest.approx(mos, abs=0.0065)


@pytest.mark.parametrize(("delay_ms", "expected"), [
    (0, 0.0), (100, 0.0),
    (200, 25 * (2 ** (1 / 6) - 3 * (1 + 3**-6) ** (1 / 6) + 2)),  # X is 1
    (400, 25 * (65 ** (1 / 6) - 3 * (1 + (2 / 3) ** 6) ** (1 / 6) + 2)),  # X is 2
    (800, 25 * (730 ** (1 / 6) - 3 * 2 ** (1 / 6) + 2))])  # X is 3
def test_emodel_delay_by_hand(delay_ms: float, expected: float) -> None:
    assert delay_impairment(delay_ms) == pytest.approx(expected, abs=1e-12)


def test_emodel_g711_of_a_usual_call() -> None:
    """150 ms are hardly noticed (G.114); 5 % of loss with concealment cost 95 * 5 / (5 + 25.1)."""
    g711 = equipment("PCMU")
    assert g711.rate(delay_ms=150).r == pytest.approx(93.04, abs=0.01)
    assert g711.rate(loss_pct=5).r == pytest.approx(93.206 - 15.781, abs=0.002)
    assert g711.rate(loss_pct=5, delay_ms=150).mos == pytest.approx(3.91, abs=0.01)


def test_emodel_bursts_by_hand() -> None:
    assert equipment_impairment(0, 4.3, 2) == pytest.approx(95 * 2 / 6.3)
    assert equipment_impairment(11, 19, 2) == pytest.approx(11 + 84 * 2 / 21)  # G.729A of G.113
    assert equipment_impairment(11, 19, 4, 2) == pytest.approx(11 + 84 * 4 / 21)


def test_emodel_echo_that_is_heard_costs() -> None:
    """Talker echo: 65 dB weak it costs a few points at 100 ms, 35 dB weak it spoils the call."""
    far = {"echo_delay_ms": 100.0, "round_trip_ms": 200.0, "delay_ms": 100.0}
    quiet, loud = rate(VoicePath(**far)), rate(VoicePath(**far, telr=35))
    assert 88 < quiet.r < 92
    assert loud.r < 50
    assert rate(VoicePath(telr=35)).r == pytest.approx(rate(VoicePath()).r, abs=0.3)  # no delay: it is sidetone


def test_emodel_every_impairment_impairs() -> None:
    best = rate(VoicePath()).r
    for worse in ({"slr": 20}, {"stmr": 5}, {"quantizing_units": 10}, {"circuit_noise_dbm0p": -45},
                  {"room_send_dba": 70}, {"room_receive_dba": 70}, {"ie": 11}, {"loss_pct": 1}, {"delay_ms": 300},
                  {"wepl": 20, "round_trip_ms": 200}, {"stmr": 25, "echo_delay_ms": 20}):
        assert rate(VoicePath(**worse)).r < best - 0.5, worse
    assert rate(VoicePath(advantage=5)).r == pytest.approx(best + 5)


@given(LOSSES, LOSSES, DELAYS, DELAYS, BURSTS, BURSTS, st.sampled_from(["pcmu", "opus", "g722", "l16"]))
def test_emodel_more_loss_delay_or_bursts_never_sound_better(
        loss: float, more_loss: float, delay: float, more_delay: float, burst: float, more_burst: float,
        codec: str) -> None:
    better = equipment(codec).rate(loss_pct=min(loss, more_loss), delay_ms=min(delay, more_delay),
                                   burst_ratio=min(burst, more_burst))
    worse = equipment(codec).rate(loss_pct=max(loss, more_loss), delay_ms=max(delay, more_delay),
                                  burst_ratio=max(burst, more_burst))
    assert worse.r <= better.r + 1e-9
    assert worse.mos <= better.mos + 1e-9
    assert 0 <= worse.r <= R_WIDEBAND
    assert 1 <= worse.mos <= 4.5


@given(st.floats(-50, 200), st.floats(-50, 200))
def test_emodel_mos_rises_with_r(a: float, b: float) -> None:
    assert mos_of_r(min(a, b)) <= mos_of_r(max(a, b))


@given(st.floats(6.6, 99.9))
def test_emodel_r_of_mos_is_the_way_back(r: float) -> None:
    assert mos_of_r(r_of_mos(mos_of_r(r))) == pytest.approx(mos_of_r(r), abs=1e-9)
    assert r_of_mos(mos_of_r(r)) == pytest.approx(r, abs=1e-3) or mos_of_r(r) == 1


def test_emodel_wideband_scale() -> None:
    assert rate_wideband(ie=0, bpl=10).mos == 4.5
    assert rate_wideband(ie=13, bpl=10).r == 116
    assert rate_wideband(ie=13, bpl=10).mos == pytest.approx(mos_of_r(116 / 1.29))
    assert rate_wideband(ie=0, bpl=10, loss_pct=100).r == pytest.approx(129 - 95 * 100 / 110)


@given(st.integers(6_000, 510_000), st.integers(6_000, 510_000))
def test_emodel_opus_gains_by_rate(a: int, b: int) -> None:
    assert equipment("opus", min(a, b)).ie >= equipment("opus", max(a, b)).ie
    assert 0 <= equipment("opus", a).ie <= 50


@pytest.mark.parametrize("wrong", [{"loss_pct": -1}, {"loss_pct": 101}, {"delay_ms": math.nan}, {"delay_ms": -1},
                                   {"burst_ratio": 0}, {"slr": math.inf}, {"bpl": 0}, {"advantage": 21}])
def test_emodel_refuses_what_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        VoicePath(**wrong)


def test_emodel_wideband_refuses_too_and_names_codecs() -> None:
    with pytest.raises(ConfigError, match="loss_pct"):
        rate_wideband(ie=0, bpl=5, loss_pct=200)
    with pytest.raises(UnsupportedError, match="opus, pcmu"):
        equipment("vorbis")
