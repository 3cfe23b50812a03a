"""benchmarks.forward and .router: rounds through the bare loop, and what they must not hide."""
from __future__ import annotations

from dataclasses import replace

import pytest

from arcrtc.benchmarks import router
from arcrtc.benchmarks.forward import (
    BareLoopTarget,
    Case,
    Counters,
    ForwardingError,
    Plan,
    Round,
    RouterTarget,
    run_round,
)
from arcrtc.benchmarks.registry import Meter
from arcrtc.benchmarks.traffic import Latency, SinkStats
from arcrtc.srtp import SrtpConfig

SHORT_S = 0.05
CASE = Case(payload_bytes=300, fan_out=3, burst_pkts=4, publishers=2, sample_every=7)


@pytest.mark.parametrize("case", [CASE, replace(CASE, gro=False), replace(CASE, burst_pkts=1),
                                  replace(CASE, crypto="openssl"), replace(CASE, rate_pps=4000)])
def test_forward_round_delivers_what_was_sent(case: Case) -> None:
    for seconds in (SHORT_S, 0.5, 2.0):  # where other programs hold the cores, a short round may pass nothing
        result = run_round(case, BareLoopTarget(), seconds)
        if result.out_pps > 0 and result.delivered == 1:
            break
    assert result.faults == 0
    assert result.delivered == 1
    assert result.sink.missing_pkts == result.sink.misplaced_pkts == 0
    assert result.sink.samples > 0
    assert result.out_per_cpu_s > 0
    assert result.out_pps > 0
    assert 0 < result.cpu_share < 2  # the clocks are not read at the same moment
    assert result.latency.n > 0
    assert result.target.startswith("bare loop, openssl" if case.crypto == "openssl" else "bare loop, ")


class WrongKeys(BareLoopTarget):
    """Seals what the first subscriber gets under a key that it does not have."""

    def open(self, plan: Plan) -> None:
        first, *others = plan.subscribers
        wrong = replace(first, srtp=SrtpConfig.generate())
        super().open(replace(plan, subscribers=(wrong, *others)))


class Mute(BareLoopTarget):
    """Claims to have sent twice as much as it did."""

    def counters(self) -> Counters:
        true = super().counters()
        return replace(true, forwarded_pkts=2 * true.forwarded_pkts)


def test_forward_wrong_packets_are_not_a_figure() -> None:
    result = run_round(CASE, WrongKeys(), SHORT_S)
    assert result.sink.forged > 0
    with pytest.raises(ForwardingError, match="not what was sent"):
        router.checked(result)


def test_forward_lost_packets_are_not_a_figure() -> None:
    result = run_round(CASE, Mute(), SHORT_S)
    with pytest.raises(ForwardingError, match="only 50% of the forwarded packets arrived"):
        router.checked(result)


SINK = SinkStats(*(0,) * 14)


@pytest.mark.parametrize("fault", ["forged", "wrong", "number_shifts", "ts_shifts"])
def test_forward_every_kind_of_fault_is_counted(fault: str) -> None:
    good = Round("x", 1.0, 1.0, 1.0, 1.0, 1.0, Latency(0, 0.0, 0.0, 0.0), SINK, None)
    assert router.checked(good) is good
    with pytest.raises(ForwardingError, match="1 of 0 samples"):
        router.checked(replace(good, sink=replace(SINK, **{fault: 1})))


def test_router_benchmarks_have_the_second_target_as_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(BareLoopTarget):
        def open(self, plan: Plan) -> None:
            super().open(plan)
            self.name = "other"

    monkeypatch.setattr(router, "TARGETS", (Other, BareLoopTarget))
    meter = router._forward(CASE)
    assert isinstance(meter, Meter)
    assert meter.peer is not None
    assert meter.peer_sample is not None
    assert meter.sample(SHORT_S) > 0
    assert meter.peer_sample(SHORT_S) > 0
    assert meter.peer().startswith("bare loop, ")


@pytest.mark.parametrize("case", [CASE, replace(CASE, gro=False, burst_pkts=1, train_pkts=1, crypto="openssl")])
def test_forward_round_of_the_engines_router(case: Case) -> None:
    result = run_round(case, RouterTarget(), SHORT_S)
    assert (result.target, result.faults, result.delivered) == ("engine router", 0, 1)
    assert result.sink.missing_pkts == result.sink.misplaced_pkts == 0
    assert result.sink.samples > 0
    assert result.out_per_cpu_s > 0


def test_router_latency_is_measured_at_half_load() -> None:
    meter = router._latency(CASE, "p50_us")
    assert 0 < meter.sample(SHORT_S) < 1e6
