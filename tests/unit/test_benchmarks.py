"""benchmarks/: the registry, the arithmetic of the runner, and the JSON that programs read."""
from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator

import pytest

from arcrtc.benchmarks import Benchmark, Effort, Meter, Peer, Work, measure, registry, runner, select
from arcrtc.cli import main
from arcrtc.errors import ArgumentError, UnsupportedError

RESULT_KEYS = {"name", "unit", "value", "spread", "n", "peer", "peer_value", "ratio"}
EFFORT = Effort(samples=4, sample_ns=10_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A CPU clock that only moves when the work says so; returns the function that moves it."""
    now = [0]
    monkeypatch.setattr(runner.time, "process_time_ns", lambda: now[0])

    def spend(ns: int) -> None:
        now[0] += ns

    return spend


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Benchmark]]:
    """An empty registry for one test, without the group files."""
    entries: dict[str, Benchmark] = {}
    monkeypatch.setattr(registry, "_REGISTERED", entries)
    monkeypatch.setattr(registry, "GROUPS", ())
    return entries


@pytest.mark.parametrize(("unit", "value", "peer_value", "ratio", "better"), [
    ("ns/packet", 50.0, 100.0, 0.5, 2.0),
    ("us/frame", 0.05, 0.1, 0.5, 2.0),
    ("packets/s/core", 2e7, 1e7, 2.0, 2.0),
])
def test_measure_turns_cpu_time_into_the_unit(unit: str, value: float, peer_value: float, ratio: float,
                                              better: float, clock: Callable[[int], None]) -> None:
    work = Work(lambda n: clock(200 * n), items=4, peer=Peer("other", lambda n: clock(100 * n)))
    result = measure(Benchmark("a.b", unit, lambda: work), EFFORT)
    assert result.value == pytest.approx(value)
    assert result.peer_value == pytest.approx(peer_value)
    assert result.ratio == pytest.approx(ratio)
    assert result.times_better == pytest.approx(better)
    assert result.spread == pytest.approx(0)
    assert (result.n, result.peer) == (4, "other")


def test_measure_takes_median_and_quartiles(clock: Callable[[int], None],
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_calibrate", lambda *_: 1)
    costs = iter([10, 1000, 20, 30, 40])
    result = measure(Benchmark("a.b", "ns/call", lambda: Work(lambda n: clock(next(costs)))),
                     Effort(samples=5, sample_ns=1))
    assert result.value == 30
    assert result.spread == 505  # quartiles 15 and 520 of 10 20 30 40 1000
    assert (result.peer, result.peer_value, result.ratio, result.times_better) == (None, None, None, None)


def test_measure_takes_the_peers_samples_by_turns(clock: Callable[[int], None],
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_calibrate", lambda *_: 1)
    order: list[str] = []

    def note(name: str) -> Callable[[int], None]:
        def run(n: int) -> None:
            order.append(name)
            clock(1)
        return run

    measure(Benchmark("a.b", "ns/call", lambda: Work(note("we"), peer=Peer("x", note("they")))), EFFORT)
    assert order == ["we", "they"] * 4


def test_measure_asks_a_meter_for_its_samples_by_turns() -> None:
    ours, theirs = iter([10.0, 30.0, 20.0]), iter([5.0, 5.0, 5.0])
    asked: list[tuple[str, float]] = []

    def sample(seconds: float) -> float:
        asked.append(("we", seconds))
        return next(ours)

    def peer_sample(seconds: float) -> float:
        asked.append(("they", seconds))
        return next(theirs)

    meter = Meter(sample, lambda: f"other after {len(asked)}", peer_sample)
    result = measure(Benchmark("a.b", "packets/s/core", lambda: meter), Effort(samples=9, sample_ns=20_000_000))
    assert asked == [("we", 0.2), ("they", 0.2)] * 3
    assert (result.value, result.n, result.peer) == (20.0, 3, "other after 6")
    assert (result.peer_value, result.ratio, result.times_better) == (5.0, 4.0, 4.0)


def test_measure_meter_without_a_peer() -> None:
    samples = iter([1.0, 3.0])
    result = measure(Benchmark("a.b", "us/packet", lambda: Meter(lambda seconds: next(samples))),
                     Effort(samples=1, sample_ns=1))
    assert (result.value, result.n, result.peer, result.peer_value, result.ratio) == (2.0, 2, None, None, None)


def test_measure_survives_a_clock_that_stands_still(clock: Callable[[int], None]) -> None:
    result = measure(Benchmark("a.b", "calls/s/core", lambda: Work(lambda n: None)), EFFORT)
    assert result.value > 0


def test_calibrate_fills_a_sample(clock: Callable[[int], None]) -> None:
    loops = runner._calibrate(lambda n: clock(7 * n), 10_000)
    assert 10_000 <= 7 * loops < 100_000


def test_registry_refuses_unknown_units_and_double_names(registered: dict[str, Benchmark]) -> None:
    with pytest.raises(ArgumentError, match="furlongs"):
        registry.benchmark("a.b", "furlongs")
    registry.benchmark("a.b", "ns/call")(lambda: Work(print))
    with pytest.raises(ArgumentError, match=r"two benchmarks named a\.b"):
        registry.benchmark("a.b", "ns/call")(lambda: Work(print))


def test_select_takes_whole_words(registered: dict[str, Benchmark]) -> None:
    for name in ("a.b", "a.bc", "a.b.c", "ab"):
        registry.benchmark(name, "ns/call")(lambda: Work(print))
    assert [entry.name for entry in select("a.b")[0]] == ["a.b", "a.b.c"]
    assert [entry.name for entry in select("a")[0]] == ["a.b", "a.bc", "a.b.c"]
    assert len(select()[0]) == 4
    with pytest.raises(ArgumentError, match="--list"):
        select("a.x")


def test_select_reports_a_group_that_cannot_be_imported(registered: dict[str, Benchmark],
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "GROUPS", ("absent",))
    monkeypatch.setitem(sys.modules, "arcrtc.benchmarks.absent", None)
    found, unavailable = select("absent.thing")
    assert found == []
    assert [entry.name for entry in unavailable] == ["absent"]
    assert "arcrtc.benchmarks.absent" in unavailable[0].reason


def test_bench_json_is_what_the_contract_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "core", "--quick", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"machine", "results"}
    assert document["machine"]["cores"] >= 1
    assert len(document["results"]) >= 4
    for result in document["results"]:
        assert set(result) == RESULT_KEYS
        assert result["value"] > 0
        assert result["n"] == Effort.quick().samples
        assert (result["peer"] is None) == (result["ratio"] is None)
        if result["ratio"] is not None:
            assert result["ratio"] == pytest.approx(result["value"] / result["peer_value"])


def test_bench_goes_on_past_one_that_cannot_run(registered: dict[str, Benchmark],
                                                capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> Work:
        raise UnsupportedError("no encoder\nhere")

    def one() -> Work:
        return Work(lambda n: sum(itertools.repeat(1, n)))

    registry.benchmark("a.refuses", "ns/call")(refuse)
    registry.benchmark("a.runs", "ns/call")(one)
    assert main(["bench", "a", "--quick"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "arcrtc: a.refuses cannot run here: no encoder here\n"
    assert "a.runs" in captured.out
    assert main(["bench", "a.refuses", "--quick"]) == 1


def test_bench_list_runs_nothing(registered: dict[str, Benchmark],
                                 capsys: pytest.CaptureFixture[str]) -> None:
    def explode() -> Work:
        raise AssertionError("was run")

    registry.benchmark("a.b", "ns/call")(explode)
    assert main(["bench", "--list"]) == 0
    assert capsys.readouterr().out == "a.b  ns/call\n"
    assert main(["bench", "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"benchmarks": [{"name": "a.b", "unit": "ns/call"}],
                                                   "unavailable": []}
