"""arcrtc.sim.link and effects: fates against theory, the queue against a model, repeatability."""
from __future__ import annotations

import math
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc.errors import ArgumentError, ConfigError
from arcrtc.sim import NEVER_US, GilbertElliott, Link, LinkConfig, RateTrace
from arcrtc.sim.effects import JITTER_SHAPES, RateSchedule, jitter_us
from tests.model.queue_model import QueueModel

MS = 1000
SECOND = 1_000_000


def fates(config: LinkConfig, n: int, seed: int | str = 1, gap_us: int = 1000, size: int = 100) -> list:
    """The decisions about ``n`` datagrams at an even pace."""
    link = Link(config, seed=seed, log=n)
    for i in range(n):
        link.send(bytes(size), i * gap_us)
        while link.poll(i * gap_us) is not None:
            pass
    assert link.log is not None
    return list(link.log)


def drain(link: Link) -> list[tuple[int, bytes]]:
    out = []
    while link.next_us != NEVER_US:
        t_us = link.next_us
        data = link.poll(t_us)
        assert data is not None
        out.append((t_us, data))
    return out


def assert_share(got: int, n: int, expected: float, spread: float = 1.0) -> None:
    """``got`` of ``n`` is within 4.5 standard deviations of the expected share (1 in 150000)."""
    deviation = math.sqrt(n * expected * (1 - expected)) * spread
    assert abs(got - n * expected) <= 4.5 * deviation, (got, n * expected, deviation)


def test_link_without_settings_passes_everything_at_once() -> None:
    link = Link()
    assert link.next_us == NEVER_US
    assert link.poll(0) is None
    assert link.send(b"one", 5)
    assert link.send(bytearray(b"two"), 5)
    assert link.next_us == 5
    assert link.poll(4) is None
    assert [link.poll(5), link.poll(5), link.poll(5)] == [b"one", b"two", None]
    stats = link.stats()
    assert (stats.sent_pkts, stats.sent_bytes, stats.delivered_pkts, stats.dropped_pkts) == (2, 6, 2, 0)
    assert link.log is None


def test_link_copies_what_may_change() -> None:
    link = Link(LinkConfig(delay_ms=1))
    data = bytearray(b"before")
    link.send(data, 0)
    data[:] = b"after!"
    assert link.poll(MS) == b"before"


def test_link_delay_is_exact_and_next_us_tells_it() -> None:
    link = Link(LinkConfig(delay_ms=12.5), start_us=7)
    link.send(b"x", 100)
    assert link.next_us == 12_600
    assert link.poll(12_599) is None
    assert link.poll(12_600) == b"x"


@pytest.mark.parametrize("seed", [1, 2, "three"])
@pytest.mark.parametrize("rate", [0.001, 0.05, 0.5])
def test_link_random_loss_has_its_rate_and_no_memory(rate: float, seed: int | str) -> None:
    n = 40_000
    lost = [d.fate == "random loss" for d in fates(LinkConfig(loss_rate=rate), n, seed)]
    assert_share(sum(lost), n, rate)
    after_loss = [b for a, b in pairwise(lost) if a]
    assert_share(sum(after_loss), len(after_loss), rate)


@pytest.mark.parametrize(("rate", "length"), [(0.05, 4.0), (0.2, 10.0), (0.01, 1.0)])
def test_link_burst_loss_has_its_rate_and_mean_length(rate: float, length: float) -> None:
    n = 200_000
    config = LinkConfig(burst_loss_rate=rate, burst_length_pkts=length)
    lost = [d.fate == "burst loss" for d in fates(config, n)]
    # Runs are geometric; the variance of the share grows with their correlation (1 - p - r).
    model = config.burst_model
    assert model is not None
    memory = 1 - model.p - model.r
    assert_share(sum(lost), n, rate, spread=math.sqrt((1 + max(memory, 0)) / (1 - max(memory, 0))))
    runs = [len(list(group)) for is_lost, group in groupby(lost) if is_lost]
    deviation = math.sqrt(length * (length - 1) / len(runs))
    assert abs(sum(runs) / len(runs) - length) <= 4.5 * deviation + 1e-9


def test_link_gilbert_elliott_raw_has_the_rate_of_its_formula() -> None:
    model = GilbertElliott(p=0.02, r=0.3, h=0.4, k=0.99)
    assert model.loss_rate == pytest.approx(0.0625 * 0.6 + 0.9375 * 0.01)
    n = 100_000
    lost = [d.fate == "burst loss" for d in fates(LinkConfig(gilbert_elliott=model), n)]
    assert_share(sum(lost), n, model.loss_rate, spread=2.0)
    # Two in a row: the chain written out, state by state.
    share, loss = (1 - model.bad_share, model.bad_share), (1 - model.k, 1 - model.h)
    move = ((1 - model.p, model.p), (model.r, 1 - model.r))
    both = sum(share[a] * loss[a] * move[a][b] * loss[b] for a in (0, 1) for b in (0, 1))
    assert_share(sum(a and b for a, b in pairwise(lost)), n - 1, both, spread=2.0)


def test_gilbert_elliott_takes_the_smallest_rate_there_is() -> None:
    assert GilbertElliott.from_mean(5e-324, 2).p > 0


def test_gilbert_elliott_rejects_what_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"burst_length_pkts=1 is too short.*at least 4.00"):
        GilbertElliott.from_mean(0.8, 1)
    for bad in ({"p": 0, "r": 1}, {"p": 0.5, "r": 2}, {"p": True, "r": 0.1}, {"p": 0.1, "r": 0.1, "h": -1}):
        with pytest.raises(ConfigError, match="gilbert_elliott"):
            GilbertElliott(**bad)


@pytest.mark.parametrize(("shape", "mean", "deviation", "low"), [
    ("uniform", 0.0, 1 / math.sqrt(3), -1.0),
    ("normal", 0.0, 1.0, -10.0),
    ("exponential", 1.0, 1.0, 0.0),
    ("pareto", 1.0, math.sqrt(3.0), 0.0),
])
def test_link_jitter_follows_its_distribution(shape: str, mean: float, deviation: float, low: float) -> None:
    n, scale_us = 60_000, 3 * MS
    config = LinkConfig(delay_ms=100, jitter_ms=3, jitter_shape=shape, jitter_reorders=True)
    extra = [(d.deliver_us - d.sent_us - 100 * MS) / scale_us for d in fates(config, n)]
    got_mean = sum(extra) / n
    assert abs(got_mean - mean) < 4.5 * deviation / math.sqrt(n) + 0.01  # Pareto is cut at 20
    got_deviation = math.sqrt(sum((x - got_mean) ** 2 for x in extra) / n)
    assert got_deviation == pytest.approx(deviation, rel=0.15 if shape == "pareto" else 0.02)
    assert low - 1e-3 <= min(extra)
    assert max(extra) <= 20.001
    # Kolmogorov-Smirnov: the closed form of each distribution, 1 in 10000.
    cdf = {"uniform": lambda x: (x + 1) / 2,
           "normal": lambda x: 0.5 * math.erfc(-x / math.sqrt(2)),
           "exponential": lambda x: 1 - math.exp(-x),
           "pareto": lambda x: 1 - (1 + x / 2) ** -3}[shape]
    distance = max(abs(cdf(x) - (i + 0.5) / n) for i, x in enumerate(sorted(extra)))
    assert distance < 2.3 / math.sqrt(n)


@given(st.sampled_from(JITTER_SHAPES), st.floats(0, 1e6), st.floats(0, 1, exclude_max=True),
       st.floats(0, 1, exclude_max=True))
@settings(deadline=None)
def test_jitter_rises_with_the_draw_and_is_cut(shape: str, scale: float, u: float, v: float) -> None:
    low, high = sorted((u, v))
    assert jitter_us(shape, scale, low) <= jitter_us(shape, scale, high)
    assert abs(jitter_us(shape, scale, u)) <= 20 * scale


@given(st.lists(st.integers(0, 30 * MS), min_size=1, max_size=200), st.booleans(), st.integers())
@settings(deadline=None)
def test_link_keeps_order_unless_told(gaps: list[int], reorders: bool, seed: int) -> None:
    config = LinkConfig(delay_ms=20, jitter_ms=15, jitter_shape="exponential", jitter_reorders=reorders)
    link = Link(config, seed=seed)
    now_us = 0
    for i, gap_us in enumerate(gaps):
        now_us += gap_us
        link.send(i.to_bytes(2, "big"), now_us)
    order = [int.from_bytes(data, "big") for _, data in drain(link)]
    assert sorted(order) == list(range(len(gaps)))
    overtaken = sum(any(later < i for later in order[at + 1:]) for at, i in enumerate(order))
    if not reorders:
        assert order == list(range(len(gaps)))
        assert link.stats().reordered_pkts == 0
    else:
        assert (link.stats().reordered_pkts > 0) == (overtaken > 0)


def test_link_explicit_reordering_holds_back_its_share() -> None:
    n = 20_000
    config = LinkConfig(delay_ms=10, reorder_rate=0.03, reorder_delay_ms=5)
    decisions = fates(config, n)
    held = [d for d in decisions if d.deliver_us - d.sent_us == 15 * MS]
    assert_share(len(held), n, 0.03)
    assert all(d.deliver_us - d.sent_us in (10 * MS, 15 * MS) for d in decisions)


def test_link_duplicates_are_counted_and_late_by_their_delay() -> None:
    n = 10_000
    link = Link(LinkConfig(duplicate_rate=0.1, duplicate_delay_ms=2, delay_ms=1), seed=4, log=n)
    arrived = 0
    for i in range(n):
        link.send(b"x", i * MS)
        while link.poll(i * MS) is not None:
            arrived += 1
    arrived += len(drain(link))
    stats = link.stats()
    assert_share(stats.duplicated_pkts, n, 0.1)
    assert arrived == n + stats.duplicated_pkts == stats.delivered_pkts
    assert all(d.copy_us is None or d.copy_us == d.deliver_us + 2 * MS for d in link.log)


EFFECTS = [
    {"loss_rate": 0.1}, {"burst_loss_rate": 0.1, "burst_length_pkts": 3}, {"delay_ms": 30},
    {"jitter_ms": 5, "jitter_shape": "uniform"}, {"reorder_rate": 0.1}, {"duplicate_rate": 0.1},
    {"rate_kbps": 1000}, {"outages": ((0.5, 0.2),)},
]


@pytest.mark.parametrize("other", EFFECTS, ids=lambda e: next(iter(e)))
@pytest.mark.parametrize("one", EFFECTS[:2] + EFFECTS[5:6], ids=lambda e: next(iter(e)))
def test_link_one_effect_does_not_move_the_decisions_of_another(one: dict, other: dict) -> None:
    """Of the packets that get as far as the effect in both runs, the same ones are hit."""
    if one is other:
        other = {}

    def hit(decision) -> bool | None:
        if decision.fate in ("outage", "queue full"):
            return None
        if "duplicate_rate" in one:
            return None if decision.fate != "delivered" else decision.copy_us is not None
        if decision.fate in ("random loss", "burst loss") and decision.fate.split()[0] not in next(iter(one)):
            return None if "burst_loss_rate" in one else decision.fate == "random loss"
        return decision.fate in ("random loss", "burst loss")

    alone = [hit(d) for d in fates(LinkConfig(**one), 2000, seed=9)]
    both = [hit(d) for d in fates(LinkConfig(**{**one, **other}), 2000, seed=9)]
    compared = 0
    masked = "loss_rate" in one and "burst_loss_rate" in other  # what passes the first may fall to the second
    for a, b in zip(alone, both, strict=True):
        if a is not None and b is not None and (a or not masked):
            assert a == b
            compared += 1
    assert compared > (100 if "burst_loss_rate" in other else 1000)


@pytest.mark.parametrize("effect", [
    {"loss_rate": 0.1}, {"reorder_rate": 0.1, "reorder_delay_ms": 3}, {"duplicate_rate": 0.1},
    {"jitter_ms": 4, "jitter_shape": "exponential", "jitter_reorders": True},
], ids=lambda e: next(iter(e)))
def test_link_step_that_switches_an_effect_off_and_on_moves_no_later_decision(effect: dict) -> None:
    always = fates(LinkConfig(**effect), 1000, seed=3)
    on, off = LinkConfig(**effect), LinkConfig(jitter_reorders=True)  # off: nothing that could be seen
    link = Link([(0, on), (600 * MS, off), (800 * MS, on)], seed=3, log=1000)
    for i in range(1000):
        link.send(bytes(100), i * MS)
    plain = fates(LinkConfig(), 1000)
    assert list(link.log) == always[:600] + plain[600:800] + always[800:]
    assert always != plain


@given(st.lists(st.tuples(st.integers(0, 9 * MS), st.integers(1, 1400)), min_size=1, max_size=120),
       st.lists(st.tuples(st.integers(1, 60), st.sampled_from([1, 2, 4, 8])), max_size=4),
       st.sampled_from([1, 2, 8]), st.integers(1500, 9000))
@settings(max_examples=150, deadline=None)
def test_link_queue_matches_model_for_any_arrivals_and_rate_steps(
        arrivals: list[tuple[int, int]], changes: list[tuple[int, int]], first: int, limit: int) -> None:
    rates, t_ms = [(0, first)], 0
    for gap_ms, rate in changes:
        t_ms += gap_ms
        rates.append((t_ms * MS, rate))
    link = Link([(t_us, LinkConfig(rate_kbps=rate * 1000, queue_bytes=limit)) for t_us, rate in rates],
                log=len(arrivals))
    model = QueueModel(rates, limit)
    now_us, kept = 0, []
    for i, (gap_us, size) in enumerate(arrivals):
        now_us += gap_us
        kept.append(model.arrive(i, now_us, size + 28))
        assert link.send(bytes(size), now_us) == kept[-1]
    model.advance(None)
    for decision in link.log:
        assert (decision.fate == "delivered") == kept[decision.ordinal]
        if kept[decision.ordinal]:
            assert decision.deliver_us == math.ceil(model.left[decision.ordinal])
    assert link.stats().queue_full_pkts == kept.count(False)


@given(st.lists(st.tuples(st.integers(0, 20 * MS), st.integers(1, 1400)), min_size=1, max_size=80),
       st.lists(st.sampled_from([0, 1, 2, 8]), min_size=2, max_size=6).filter(any))
@settings(max_examples=100, deadline=None)
def test_link_rate_trace_matches_model_over_rounds(arrivals: list[tuple[int, int]], kbps: list[int]) -> None:
    trace = RateTrace(tuple((10 * i, 1000 * r) for i, r in enumerate(kbps)))
    assert trace.period_ms == 10 * len(kbps)
    assert trace.mean_kbps == pytest.approx(1000 * sum(kbps) / len(kbps))
    link = Link(LinkConfig(rate_trace=trace, queue_bytes=6000), log=len(arrivals))
    model = QueueModel([(10 * MS * i, kbps[i % len(kbps)]) for i in range(3000)], 6000)  # 30 s
    now_us = 0
    for i, (gap_us, size) in enumerate(arrivals):
        now_us += gap_us
        assert link.send(bytes(size), now_us) == model.arrive(i, now_us, size + 28)
    model.advance(None)
    assert [d.deliver_us for d in link.log if d.deliver_us is not None] == [
        math.ceil(t) for _, t in sorted(model.left.items())]


def test_link_rate_is_kept_and_queue_ms_is_the_longest_wait() -> None:
    """1.2 Mb/s offered 1.5: what leaves in each second is the rate, and nobody waits over 300 ms."""
    decisions = fates(LinkConfig(rate_kbps=1200, queue_ms=300), 20_000, gap_us=6500, size=1172)
    through = [d for d in decisions if d.fate == "delivered"]
    bits = [0] * 131
    for d in through:
        bits[d.deliver_us // SECOND] += 1200 * 8
    assert all(abs(b - 1_200_000) <= 1200 * 8 for b in bits[1:129])
    assert max(d.queue_us for d in through) <= 300 * MS
    assert max(d.queue_us for d in through) > 290 * MS
    assert len(decisions) - len(through) == sum(d.fate == "queue full" for d in decisions)


def test_link_queue_passes_a_packet_larger_than_itself_when_idle() -> None:
    link = Link(LinkConfig(rate_kbps=100, queue_bytes=1500))
    assert link.send(bytes(9000), 0)
    assert not link.send(bytes(10), 1)
    assert link.next_us == (9028 * 8 * 1000 + 99) // 100


def test_rate_schedule_needs_no_time_for_nothing() -> None:
    trace = RateTrace(((0, 0), (10, 100)))
    assert RateSchedule([(0, trace)]).finish_us(5.0, 0) == 5.0
    assert RateSchedule([(0, trace)]).finish_us(5.0, 100) == 11_000.0
    assert RateSchedule([(0, None)]).finish_us(5.0, 10**9) == 5.0


def test_link_outage_drops_what_is_sent_meanwhile() -> None:
    decisions = fates(LinkConfig(outages=((0.1, 0.05), (0.3, 0.01)), delay_ms=80), 400)
    out = [d.ordinal for d in decisions if d.fate == "outage"]
    assert out == [*range(100, 150), *range(300, 310)]


def test_link_queue_has_room_again_at_the_very_time_a_packet_has_left() -> None:
    for gap_us, kept in ((7999, False), (8000, True)):
        link = Link(LinkConfig(rate_kbps=1200, queue_bytes=1500))
        assert link.send(bytes(1172), 0)
        assert link.next_us == 8000
        assert link.send(bytes(1172), gap_us) == kept


@pytest.mark.parametrize("seed", range(10))
def test_link_memory_is_bounded_when_nobody_reads(seed: int) -> None:
    link = Link(LinkConfig(delay_ms=1000, duplicate_rate=0.5, max_in_flight_pkts=50), seed=seed, log=10)
    for i in range(1000):
        link.send(b"x", i)
    stats = link.stats()
    assert 49 <= stats.in_flight_pkts <= 50
    assert stats.overflow_pkts > 900
    assert link.log is not None
    assert len(link.log) == 10
    assert link.log[-1].ordinal == 999


@given(st.integers(), st.lists(st.tuples(st.integers(0, 5 * MS), st.integers(0, 1500)), max_size=150))
@settings(deadline=None)
def test_link_counters_always_add_up(seed: int, sends: list[tuple[int, int]]) -> None:
    config = LinkConfig(loss_rate=0.1, burst_loss_rate=0.1, burst_length_pkts=2, duplicate_rate=0.2,
                        delay_ms=5, jitter_ms=5, reorder_rate=0.1, rate_kbps=2000, queue_ms=10,
                        max_in_flight_pkts=30, outages=((0.05, 0.02),))
    link = Link(config, seed=seed)
    now_us = arrived = 0
    for gap_us, size in sends:
        now_us += gap_us
        link.send(bytes(size), now_us)
        if gap_us % 2:
            arrived += link.poll(now_us) is not None
        s = link.stats()
        assert s.sent_pkts + s.duplicated_pkts == s.delivered_pkts + s.in_flight_pkts + s.dropped_pkts
    s = link.stats()
    assert s.delivered_pkts == arrived
    assert s.sent_bytes == sum(size for _, size in sends)
    assert s.to_dict()["dropped_pkts"] == s.dropped_pkts


def test_link_fate_does_not_depend_on_bytes_or_on_polling() -> None:
    config = LinkConfig(loss_rate=0.2, jitter_ms=5, duplicate_rate=0.1, delay_ms=10)
    one, two = (Link(config, seed=6, log=500) for _ in range(2))
    for i in range(500):
        one.send(b"a" * 10, i * MS)
        two.send(b"b" * 10, i * MS)
        while two.poll(i * MS) is not None:
            pass
    assert one.log == two.log


def test_link_refuses_and_counts_nothing_when_the_caller_is_wrong() -> None:
    link = Link(LinkConfig(loss_rate=0.5), seed=1)
    link.send(b"x", 10)
    with pytest.raises(ArgumentError, match="before 10"):
        link.send(b"x", 9)
    with pytest.raises(ArgumentError, match="65507"):
        link.send(bytes(65_508), 11)
    assert link.stats().sent_pkts == 1
    for bad in ([], [(5, LinkConfig())], [(0, LinkConfig()), (0, LinkConfig())]):
        with pytest.raises(ConfigError, match="times"):
            Link(bad)
    with pytest.raises(ConfigError, match="log"):
        Link(log=-1)


def test_link_token_comes_back_with_its_datagram() -> None:
    link = Link()
    who = object()
    link.send(b"x", 0, who)
    assert link.poll_token(0) == (b"x", who)
