"""Figures of received sound: what the counters of the core mean, and the rating that follows from them."""
from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc.audio import AudioFigures, QualityMeter
from arcrtc.audio.figures import Counters, figures

RATE = 16_000
SECOND = Counters(played=RATE, concealed=0, fec=0, copies=0, silent=0, inserted=0, removed=0, gaps=0, lost_pkts=0,
                  pkts=50, repaired_pkts=0, bytes=4000)


def stats(seconds: float, **changed: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(media, network) after so much undisturbed speech at 32 kb/s, with changes."""
    media = {"samples_out": round(RATE * seconds), "concealed_samples": 0, "fec_samples": 0, "copy_samples": 0,
             "silent_samples": 0,
             "inserted_samples": 0, "skipped_samples": 0, "gaps": 0, "playout_ms": 20.0}
    network = {"lost_pkts": 0, "pkts": round(50 * seconds), "recovered_pkts": 0, "bytes": round(4000 * seconds),
               "copy_bytes": 0,
               "jitter_ms": 3.0}
    for name, value in changed.items():
        (media if name in media else network)[name] = value
    return media, network


def of(gained: Counters, **changed: Any) -> AudioFigures:
    known: dict[str, Any] = {"sample_rate": RATE, "codec": "opus", "playout_ms": 20.0, "rtt_ms": 40.0,
                             "jitter_ms": 3.0}
    return figures(gained, **{**known, **changed})


def test_figures_of_a_clean_second() -> None:
    found = of(SECOND)
    assert found.played_s == 1
    assert found.concealed_pct == found.loss_after_pct == found.loss_before_pct == found.gap_mean_ms == 0
    assert found.delay_ms == 20 + 6.5 + 20 + 20  # packet, codec, half a round trip, play-out
    assert found.burst_ratio == 1
    assert found.band == "wideband"
    assert found.mos > 4.2


def test_figures_by_hand() -> None:
    """Of 50 packets 5 are lost: one comes back by FEC, four are concealed in two gaps."""
    found = of(replace(SECOND, concealed=4 * 320, fec=320, gaps=2, lost_pkts=5, pkts=45, bytes=3600))
    assert found.concealed_pct == 8
    assert found.fec_pct == 2
    assert found.loss_before_pct == 10
    assert found.loss_after_pct == 8
    assert found.gap_mean_ms == 40
    assert found.burst_ratio == pytest.approx(2 * 0.92)
    assert found.mos < of(SECOND).mos - 0.5


def test_figures_silence_is_neither_loss_nor_packets() -> None:
    """A pause of half a second: the rates are those of the half in which somebody speaks."""
    found = of(replace(SECOND, silent=RATE // 2, concealed=320, gaps=1, pkts=25, lost_pkts=1, bytes=2000))
    assert found.silent_pct == 50
    assert found.concealed_pct == 2
    assert found.loss_after_pct == 4
    assert found.delay_ms == of(SECOND).delay_ms


def test_figures_a_narrow_codec_has_its_own_scale() -> None:
    found = of(SECOND, codec="PCMU", playout_ms=0, rtt_ms=None)
    assert found.band == "narrowband"
    assert found.delay_ms == 20
    assert found.r_factor == pytest.approx(93.21)
    assert found.mos == pytest.approx(4.41, abs=0.005)


@given(st.builds(Counters, **dict.fromkeys(Counters.__slots__, st.integers(0, 10**7))))
def test_figures_of_anything_are_finite_and_in_range(gained: Counters) -> None:
    found = of(gained)
    assert 1 <= found.mos <= 4.5
    assert 0 <= found.r_factor <= 129
    assert 0 <= found.loss_after_pct <= 100
    assert 1 <= found.burst_ratio <= 8


@given(st.integers(0, 30), st.integers(0, 30))
def test_figures_more_concealed_never_sounds_better(a: int, b: int) -> None:
    def lossy(n: int) -> AudioFigures:
        return of(replace(SECOND, concealed=320 * n, gaps=min(n, 1), pkts=50 - n, bytes=80 * (50 - n), lost_pkts=n))
    assert lossy(max(a, b)).mos <= lossy(min(a, b)).mos


def test_counters_since_never_falls() -> None:
    later = replace(SECOND, played=3 * RATE, pkts=40)
    assert later.since(SECOND) == replace(SECOND, played=2 * RATE, pkts=0, bytes=0)
    assert SECOND.since(None) == SECOND


def test_meter_waits_for_a_second_of_sound() -> None:
    meter = QualityMeter(RATE, "opus")
    assert meter.update(*stats(0.98), -1) is None
    assert meter.update(*stats(1.0), -1) is not None


def test_meter_renews_once_a_second() -> None:
    meter = QualityMeter(RATE, "opus")
    first = meter.update(*stats(1.0), -1)
    assert meter.update(*stats(1.98, concealed_samples=5000, gaps=1), -1) is first
    second = meter.update(*stats(2.0, concealed_samples=5000, gaps=1), -1)
    assert first is not None
    assert second is not None
    assert second.mos < first.mos


def test_meter_forgets_what_is_five_seconds_past() -> None:
    """A bad first second is seen for five more, and then no longer."""
    meter = QualityMeter(RATE, "opus")
    seen = [meter.update(*stats(s, concealed_samples=3200, gaps=1), 0) for s in range(1, 10)]
    lost = [found.concealed_pct > 0 for found in seen if found is not None]
    assert lost == [True] * 5 + [False] * 4
    assert seen[-1] is not None
    assert seen[-1].played_s == 5


def test_meter_begins_anew_with_another_stream() -> None:
    meter = QualityMeter(RATE, "opus")
    assert meter.update(*stats(8, concealed_samples=9000, gaps=2), -1) is not None
    assert meter.update(*stats(0.5), -1) is None
    found = meter.update(*stats(1.5), -1)
    assert found is not None
    assert found.concealed_pct == 0


def test_figures_are_ready_for_json() -> None:
    import json

    assert json.loads(json.dumps(asdict(of(SECOND))))["mos"] == of(SECOND).mos


def test_figures_of_copies_are_those_of_the_sound_alone() -> None:
    """Copies double the bytes; what the encoder was given to spend, and so the rating, is the same."""
    plain, copied = QualityMeter(RATE, "opus"), QualityMeter(RATE, "opus")
    media, network = stats(2.0)
    doubled = {**network, "bytes": 2 * network["bytes"], "copy_bytes": network["bytes"]}
    a, b = plain.update(media, network, -1), copied.update(media, doubled, -1)
    assert a is not None
    assert b is not None
    assert a.mos == b.mos


def test_figures_for_reports_are_on_the_scale_of_narrowband() -> None:
    for codec in ("opus", "pcmu"):
        near = QualityMeter(RATE, codec).update(*stats(2.0), 0)
        far = QualityMeter(RATE, codec).update(*stats(2.0), 600_000)
        assert near is not None
        assert far is not None
        assert 60 < near.narrowband_r <= 100
        assert far.narrowband_r < near.narrowband_r - 10  # a delay is heard in a talk ..
        assert abs(far.mos_listening - near.mos_listening) < 0.02  # .. but not in listening
        assert far.mos_listening > far.mos + 0.2
