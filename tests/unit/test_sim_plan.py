"""arcrtc.sim.plan and config: presets, steps, TOML both ways, refusals that name the fault."""
from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc.errors import ConfigError
from arcrtc.sim import PRESETS, GilbertElliott, Link, LinkConfig, NetworkPlan, RateTrace
from arcrtc.sim import plan as plan_module

FULL = '''
name = "office, then the car park"
preset = "wifi"
delay_ms = 12

[a_to_b]
rate_kbps = 4000
gilbert_elliott = { p = 0.01, r = 0.3, h = 0.1 }

[b_to_a]
rate_trace = "down.csv"

[[steps]]
t_s = 20
rate_kbps = 600
b_to_a = { outages = [[25, 0.5]], rate_kbps = "none" }

[[steps]]
t_s = 30.5
loss_rate = 0.1
'''


def test_plan_from_toml_means_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "down.csv").write_text("t_ms,kbps\n0,1000\n100,500\n")
    path = tmp_path / "plan.toml"
    path.write_text(FULL)
    plan = NetworkPlan.load(str(path))
    assert plan.name == "office, then the car park"
    assert plan.a_to_b.delay_ms == plan.b_to_a.delay_ms == 12
    assert plan.a_to_b.jitter_shape == "pareto"
    assert plan.a_to_b.burst_model == GilbertElliott(p=0.01, r=0.3, h=0.1)
    assert plan.b_to_a.burst_loss_rate == 0.01
    assert plan.b_to_a.rate_trace == RateTrace(((0, 1000.0), (100, 500.0)))
    assert plan.b_to_a.rate_kbps is None
    forward, backward = plan.timeline("a_to_b"), plan.timeline("b_to_a")
    assert [t for t, _ in forward] == [0, 20_000_000, 30_500_000]
    assert [c.rate_kbps for _, c in forward] == [4000, 600, 600]
    assert [c.rate_kbps for _, c in backward] == [None, None, None]
    assert backward[1][1].rate_trace is None  # replaced by 600, then no limit
    assert [c.outages for _, c in backward] == [(), ((25, 0.5),), ((25, 0.5),)]
    assert [c.loss_rate for _, c in forward] == [0.0, 0.0, 0.1]
    assert NetworkPlan.from_toml_text(plan.to_toml()) == plan


@pytest.mark.parametrize("name", PRESETS)
def test_plan_preset_makes_links_and_survives_toml(name: str) -> None:
    plan = NetworkPlan.preset(name)
    assert plan.name == name
    assert NetworkPlan.load(name) is plan
    assert NetworkPlan.from_toml_text(plan.to_toml()) == plan
    assert NetworkPlan.from_toml_text(f'preset = "{name}"') == plan
    for direction in ("a_to_b", "b_to_a"):
        assert Link(plan.timeline(direction), seed=1).send(bytes(100), 0) in (True, False)


def test_plan_presets_are_what_their_table_says() -> None:
    text = Path(plan_module.__file__).read_text(encoding="utf-8")
    assert all(f"#: {name} " in text for name in PRESETS)
    assert PRESETS["perfect"] == NetworkPlan(name="perfect")
    lossy = PRESETS["lossy"].a_to_b
    assert (lossy.loss_rate, lossy.delay_ms, lossy.jitter_ms) == (0.05, 50, 10)
    for link in (PRESETS["congested"].a_to_b, PRESETS["congested"].b_to_a):
        assert link.rate_kbps is not None
        assert link.rate_kbps < 1500
    for name in ("wifi", "lte"):
        for link in (PRESETS[name].a_to_b, PRESETS[name].b_to_a):
            lowest = min(k for _, k in link.rate_trace.points) if link.rate_trace else link.rate_kbps
            assert lowest > 1700


_unit = st.floats(0, 1, allow_subnormal=False)
_fields = {
    "loss_rate": _unit, "burst_loss_rate": st.floats(0, 0.5), "burst_length_pkts": st.floats(1, 100),
    "gilbert_elliott": st.builds(GilbertElliott, st.floats(0.001, 1), st.floats(0.001, 1), _unit, _unit),
    "delay_ms": st.one_of(st.integers(0, 60_000), st.floats(0, 60_000)), "jitter_ms": st.floats(0, 10_000),
    "jitter_shape": st.sampled_from(["none", "uniform", "normal", "exponential", "pareto"]),
    "jitter_reorders": st.booleans(), "reorder_rate": _unit, "reorder_delay_ms": st.floats(0, 10_000),
    "duplicate_rate": _unit, "duplicate_delay_ms": st.floats(0, 10_000), "rate_kbps": st.floats(1, 1e8),
    "rate_trace": st.builds(lambda rates: RateTrace(tuple((i * 100, r) for i, r in enumerate(rates))),
                            st.lists(st.floats(0.5, 1e8), min_size=1, max_size=5)),
    "queue_ms": st.floats(1, 60_000), "queue_bytes": st.integers(1500, 2**40),
    "outages": st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)), max_size=3),
    "overhead_bytes": st.integers(0, 1000), "max_in_flight_pkts": st.integers(1, 1_000_000),
}


@st.composite
def changes(draw: st.DrawFn) -> dict:
    names = draw(st.sets(st.sampled_from(sorted(_fields)), max_size=6))
    if "rate_trace" in names:
        names.discard("rate_kbps")
    if "gilbert_elliott" in names:
        names.discard("burst_loss_rate")
    optional = {"rate_kbps", "rate_trace", "queue_bytes", "gilbert_elliott"}
    return {name: draw(st.none() | _fields[name] if name in optional else _fields[name])
            for name in sorted(names)}


@st.composite
def plans(draw: st.DrawFn) -> NetworkPlan:
    times = sorted(draw(st.sets(st.floats(0.001, 1e6), max_size=3)))
    steps = []
    for t_s in times:
        step = draw(changes())
        for direction in sorted(draw(st.sets(st.sampled_from(["a_to_b", "b_to_a"])))):
            step[direction] = draw(changes())
        steps.append((t_s, step))
    return NetworkPlan(LinkConfig().changed(draw(changes())), LinkConfig().changed(draw(changes())), steps,
                       draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)))


@given(plans())
@settings(max_examples=200, deadline=None)
def test_plan_survives_toml_whatever_it_holds(plan: NetworkPlan) -> None:
    text = plan.to_toml()
    again = NetworkPlan.from_toml_text(text)
    assert again == plan
    assert again.timeline("a_to_b") == plan.timeline("a_to_b")
    assert again.to_toml() == text


@pytest.mark.parametrize(("text", "message"), [
    ("los_rate = 0.1", r"here: unknown key 'los_rate'; did you mean 'loss_rate'\?"),
    ("[a_to_b]\ndelay = 3", r"here, \[a_to_b\]: unknown key 'delay'; did you mean 'delay_ms'\?"),
    ("[a_to_b]\nname = 'x'", r"\[a_to_b\]: unknown key 'name'"),
    ("[[steps]]\nt_s = 1\nratekbps = 3", r"step at 1 s: unknown key 'ratekbps'; did you mean 'rate_kbps'\?"),
    ("[[steps]]\nt_s = 1\nb_to_a = { zzz = 3 }", r"step at 1 s, b_to_a: unknown key 'zzz'; known are loss"),
    ("[[steps]]\nloss_rate = 1", "t_s is missing"),
    ("[[steps]]\nt_s = 0", r"steps t_s=0 is outside"),
    ("[[steps]]\nt_s = 2\n[[steps]]\nt_s = 1", "t_s=1 is not after 2"),
    ("[[steps]]\nt_s = 2\nloss_rate = 3", r"loss_rate=3 is outside 0\.\.1"),
    ("steps = 3", r"written as \[\[steps\]\]"),
    ("steps = [3]", r"3 is not a table"),
    ("a_to_b = 3", r"3 is not a table"),
    ("preset = 'wify'", r"no network preset 'wify'; did you mean 'wifi'\?"),
    ("preset = 'zzz'", r"there are perfect, wifi, lte, lossy, congested"),
    ("name = 3", "name=3 is not text"),
    ("loss_rate = 1.5", r"loss_rate=1.5 is outside 0\.\.1"),
    ("loss_rate = nan", r"loss_rate=nan is outside"),
    ("loss_rate = true", r"loss_rate=True is outside"),
    ("delay_ms = '3'", r"delay_ms='3' is outside"),
    ("jitter_shape = 'gauss'", "jitter_shape='gauss' is none of"),
    ("jitter_reorders = 1", "neither True nor False"),
    ("overhead_bytes = 1.5", "overhead_bytes=1.5 is not a whole number"),
    ("queue_bytes = 100", r"queue_bytes=100 is outside 1500"),
    ("rate_kbps = 0", r"rate_kbps=0 is outside 1"),
    ("rate_kbps = 5\nrate_trace = [[0, 5]]", "both given"),
    ("burst_loss_rate = 0.1\ngilbert_elliott = {p=0.1,r=0.1}", "both given"),
    ("burst_loss_rate = 0.9", "too short"),
    ("gilbert_elliott = 3", "not a table"),
    ("gilbert_elliott = {p=0.1}", "p and r are needed"),
    ("gilbert_elliott = {p=0.1,q=0.1}", "unknown key 'q'"),
    ("rate_trace = 7", r"neither a file nor"),
    ("rate_trace = [[1, 5]]", "start at 0|from 0"),
    ("rate_trace = [[0, 5], [0, 6]]", "rising"),
    ("rate_trace = [[0, 0]]", "at least one kbps"),
    ("rate_trace = []", "0 points"),
    ("rate_trace = 'missing.csv'", "missing.csv cannot be read"),
    ("outages = [3]", "not a list of"),
    ("outages = [[-1, 3]]", "outages start_s=-1 is outside"),
    ("loss_rate = ", "here: not TOML: "),
])
def test_plan_refuses_and_says_why(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NetworkPlan.from_toml_text(text, where="here")


def test_plan_from_python_refuses_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"plan: unknown key 'los'; did you mean 'loss_rate'\?|known are"):
        NetworkPlan.symmetric(los=1)
    with pytest.raises(ConfigError, match=r"step at 3 s: unknown key 'los'"):
        NetworkPlan(steps=[(3, {"los": 1})])
    with pytest.raises(ConfigError, match="not a list of"):
        NetworkPlan(steps=[3])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="a_to_b=3 is not a LinkConfig"):
        NetworkPlan(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot be read"):
        NetworkPlan.load(str(tmp_path / "no.toml"))
    with pytest.raises(ConfigError, match="unknown key 'up'"):
        NetworkPlan().timeline("up")
    with pytest.raises(TypeError):
        LinkConfig(0.1)  # type: ignore[misc]


def test_rate_trace_from_csv_names_the_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("0,100\n50,x\n")
    with pytest.raises(ConfigError, match=re.escape("line 2: '50,x' is not t_ms,kbps")):
        RateTrace.from_csv(path)
    path.write_text("0,100\n50,3,4\n")
    with pytest.raises(ConfigError, match="line 2"):
        RateTrace.from_csv(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        RateTrace.from_csv(path)
    path.write_text("0,100\n\n50,300\n")
    assert RateTrace.from_csv(path).mean_kbps == 200


def test_link_config_accepts_a_plain_list_as_trace() -> None:
    config = LinkConfig(rate_trace=[[0, 800], [1000, 400]])  # type: ignore[arg-type]
    assert config.rate_trace == RateTrace(((0, 800), (1000, 400)))
    assert config.queue_limit_bytes == 600 * 300 // 8
    with pytest.raises(ConfigError, match="not a list of"):
        LinkConfig(rate_trace=5)  # type: ignore[arg-type]
