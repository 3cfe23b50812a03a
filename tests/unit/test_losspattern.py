"""rx/losspattern against a model that keeps every packet, and against RFC 3611 section 4.7.2."""
from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from tests.model.losspattern import conditional_pairs, gilbert, gmin_bursts, runs

MS = 1000
FOREVER = 600_000 * MS


def make(settle_us: int = 500 * MS, memory_us: int = FOREVER, gmin: int = 16) -> Any:
    p = ffi.new("struct arc_losspattern *")
    cfg = ffi.new("struct arc_losspattern_config *", [settle_us, memory_us, gmin])
    assert lib.arc_losspattern_init(p, cfg) == lib.ARC_OK
    return p


def figures(p: Any, now_us: int) -> Any:
    out = ffi.new("struct arc_losspattern_figures *")
    lib.arc_losspattern_figures(p, now_us, out)
    return out


def report(p: Any, now_us: int) -> tuple[int, int, int, int]:
    r = ffi.new("struct arc_losspattern_report *")
    lib.arc_losspattern_report(p, now_us, r)
    return r.begin_seq, r.end_seq, r.lost_pkts, r.repaired_pkts


def play(p: Any, pattern: str, *, first: int = 0, now_us: int = 0, step_us: int = MS) -> int:
    """1: received; 0: lost; X: too late; R: repaired; L: repaired too late. Returns the time after it."""
    for i, fate in enumerate(pattern):
        if fate != "0":
            lib.arc_losspattern_on_packet(p, first + i, fate in "RL", fate in "1R", now_us)
        now_us += step_us
    return now_us


def test_losspattern_the_example_of_rfc_3611_gives_its_figures() -> None:
    p = make()
    now = play(p, "11110111111111111111111X111X1011110111111111111111111X111111111")
    f = figures(p, now + 500 * MS)
    # The text counts 64 packets where its drawing has 63, so the second gap is one packet shorter.
    assert f.gmin_burst_pkts == 12
    assert f.burst_density == pytest.approx(4 / 12)
    assert f.gap_density == pytest.approx(2 / 51)
    assert f.gmin_gap_pkts == pytest.approx(51 / 2)
    assert (p.judged, p.lost_after, p.discarded) == (63, 3, 3)


fates = st.text(alphabet="1110XRL", min_size=1, max_size=120)


@given(st.sampled_from([0, 65_530, 2**32 - 100]), fates, st.integers(1, 20))
def test_losspattern_matches_the_model_for_any_fates(first: int, pattern: str, gmin: int) -> None:
    pattern = "1" + pattern + "1"
    p = make(gmin=gmin)
    now = play(p, pattern, first=first)
    f = figures(p, now + 500 * MS)
    for got, bad in ((f.before, "0RL"), (f.after, "0"), (f.unplayed, "0XL")):
        lost = [c in bad for c in pattern]
        rate, burst, conditional = gilbert(lost)
        assert got.rate == pytest.approx(rate, rel=0.01)
        assert got.burst_pkts == pytest.approx(burst, rel=0.01)
        assert got.conditional == pytest.approx(conditional, abs=0.01)
        assert got.conditional == pytest.approx(conditional_pairs(lost), abs=0.01)  # the last one is received
    bursts = gmin_bursts([c in "0XL" for c in pattern], gmin)
    assert f.gmin_burst_pkts == pytest.approx(sum(n for n, _ in bursts) / len(bursts) if bursts else 0)
    assert f.burst_density == pytest.approx(sum(k for _, k in bursts) / sum(n for n, _ in bursts) if bursts else 0)
    assert (p.judged, p.lost_before, p.lost_after, p.repaired, p.discarded) == (
        len(pattern), sum(c in "0RL" for c in pattern), pattern.count("0"), sum(c in "RL" for c in pattern),
        sum(c in "XL" for c in pattern))
    assert [lib.arc_losspattern_came(p, first + i) for i in range(len(pattern))] == [c in "1X" for c in pattern]
    assert report(p, now + 500 * MS) == (first, first + len(pattern), pattern.count("0"),
                                         sum(c in "RL" for c in pattern))


@given(st.permutations(range(40)), st.data())
def test_losspattern_order_and_repetition_of_arrivals_do_not_matter(order: list[int], data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.integers(0, 39), max_size=20)) - {order[0]}
    twice = data.draw(st.lists(st.sampled_from(order), max_size=10))
    one, other = make(), make()
    for p, seqs in ((one, sorted(set(order) - gone)), (other, [s for s in [*order, *twice] if s not in gone])):
        lib.arc_losspattern_on_packet(p, 1000, False, True, 0)
        for i, seq in enumerate(seqs):
            lib.arc_losspattern_on_packet(p, 1001 + seq, False, True, i * MS)
        lib.arc_losspattern_on_packet(p, 1041, False, True, 100 * MS)
    assert report(one, 700 * MS) == report(other, 700 * MS)
    assert figures(one, 700 * MS).before.burst_pkts == pytest.approx(figures(other, 700 * MS).before.burst_pkts,
                                                                    rel=0.01)


def test_losspattern_judges_only_after_settling() -> None:
    p = make(settle_us=200 * MS)
    play(p, "101")
    assert figures(p, 190 * MS).before.weight_pkts == 0
    assert figures(p, 190 * MS).waiting_pkts == 3
    lib.arc_losspattern_on_packet(p, 1, True, True, 195 * MS)  # the repair is there in time for its judgement
    f = figures(p, 300 * MS)
    assert (f.waiting_pkts, p.lost_before, p.lost_after, p.repaired) == (0, 1, 0, 1)
    lib.arc_losspattern_on_packet(p, 1, True, True, 310 * MS)
    assert p.too_late == 1


@pytest.mark.parametrize(("p_enter", "r_leave", "seed"), [(0.02, 0.25, 1), (0.1, 0.5, 2), (0.03, 0.9, 3)])
def test_losspattern_fits_the_chain_that_lost_the_packets(p_enter: float, r_leave: float, seed: int) -> None:
    rng, bad = random.Random(seed), False
    p = make(memory_us=600_000 * MS)
    lost = []
    for seq in range(20_000):
        bad = rng.random() < (1 - r_leave if bad else p_enter)
        lost.append(bad)
        if not bad:
            lib.arc_losspattern_on_packet(p, seq, False, True, seq * 20 * MS)
    f = figures(p, 20_001 * 20 * MS + 500 * MS)
    assert f.before.rate == pytest.approx(p_enter / (p_enter + r_leave), rel=0.12)
    assert f.before.burst_pkts == pytest.approx(1 / r_leave, rel=0.1)
    assert f.before.enter == pytest.approx(p_enter, rel=0.12)
    assert f.before.gap_pkts == pytest.approx(1 / p_enter, rel=0.12)
    assert len(runs(lost)) > 50


def test_losspattern_forgets() -> None:
    p = make(settle_us=100 * MS, memory_us=5_000 * MS)
    now = play(p, "10" * 100 + "1", step_us=20 * MS)
    assert figures(p, now + 100 * MS).before.rate == pytest.approx(0.5, abs=0.03)
    now = play(p, "1" * 251, first=201, now_us=now, step_us=20 * MS)  # as long as the memory
    assert 0.05 < figures(p, now + 100 * MS).before.rate < 0.25
    now = play(p, "1" * 1500, first=452, now_us=now, step_us=20 * MS)
    assert figures(p, now + 100 * MS).before.rate < 0.002
    assert p.lost_before == 100  # the totals do not


def test_losspattern_a_jump_begins_anew_and_a_stray_number_does_not() -> None:
    p = make()
    play(p, "1011", first=100_000)
    lib.arc_losspattern_on_packet(p, 5, False, True, 5 * MS)  # far behind, and alone
    assert (p.jumps, p.too_late) == (0, 1)
    report(p, 10 * MS)
    lib.arc_losspattern_on_packet(p, 70_000, False, True, 20 * MS)
    lib.arc_losspattern_on_packet(p, 70_001, False, True, 30 * MS)
    assert (p.jumps, p.lost_before) == (1, 1)  # what waited was judged
    lib.arc_losspattern_on_packet(p, 170_000, False, True, 40 * MS)
    assert (p.jumps, p.lost_before) == (2, 1)
    assert report(p, 50 * MS) == (170_000, 170_000, 0, 0)
    lib.arc_losspattern_on_packet(p, 170_002, False, True, 60 * MS)
    assert report(p, 5_000 * MS) == (170_000, 170_003, 1, 0)


def test_losspattern_a_loss_longer_than_its_window_is_counted_whole() -> None:
    p = make()
    lib.arc_losspattern_on_packet(p, 10, False, True, 0)
    lib.arc_losspattern_on_packet(p, 10 + lib.ARC_LOSSPATTERN_PKTS, False, True, MS)
    assert figures(p, 5_000 * MS).before.burst_pkts == pytest.approx(lib.ARC_LOSSPATTERN_PKTS - 1, rel=1e-6)
    assert p.lost_before == lib.ARC_LOSSPATTERN_PKTS - 1


def test_losspattern_no_figures_before_any_packet() -> None:
    p = make()
    f = figures(p, 10**9)
    assert (f.before.rate, f.after.burst_pkts, f.gap_density, f.waiting_pkts) == (0, 0, 0, 0)
    assert report(p, 10**9) == (0, 0, 0, 0)


@pytest.mark.parametrize("cfg", [(9 * MS, FOREVER, 16), (500 * MS, 99 * MS, 16), (500 * MS, FOREVER, 0),
                                 (500 * MS, FOREVER, 256), (61_000 * MS, FOREVER, 16)])
def test_losspattern_init_refuses_what_makes_no_sense(cfg: tuple[int, int, int]) -> None:
    p = ffi.new("struct arc_losspattern *")
    assert lib.arc_losspattern_init(p, ffi.new("struct arc_losspattern_config *", cfg)) == lib.ARC_ERR_ARG
