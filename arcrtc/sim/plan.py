"""Network plans: both directions, their changes over time, presets, TOML.

The form of a plan in TOML::

    name = "office, then the car park"
    preset = "wifi"            # optional starting point
    delay_ms = 12              # keys of LinkConfig here hold for both directions

    [a_to_b]                   # ... and here for one
    rate_kbps = 4000
    gilbert_elliott = { p = 0.01, r = 0.3, h = 0.1, k = 1.0 }

    [b_to_a]
    rate_trace = "downlink.csv"    # t_ms,kbps lines, beside this file; or [[0, 1000], [100, 800]]

    [[steps]]                  # later changes, in order of time
    t_s = 20
    rate_kbps = 600
    b_to_a = { outages = [[25, 0.5]], rate_kbps = "none" }    # "none": no limit again
"""
from __future__ import annotations

import difflib
import importlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from arcrtc.errors import ConfigError
from arcrtc.sim.config import LINK_KEYS, LinkConfig, check_keys, check_number
from arcrtc.sim.effects import GilbertElliott, RateTrace

# The same parser: in the standard library from 3.11 on, a dependency before.
_parser: Final = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

DIRECTIONS: Final = ("a_to_b", "b_to_a")
_MAY_BE_NONE: Final = ("gilbert_elliott", "rate_kbps", "rate_trace", "queue_bytes")

Step = tuple[float, Mapping[str, Any]]
Timeline = tuple[tuple[int, LinkConfig], ...]


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """A network between two peers ``a`` and ``b``: one LinkConfig a direction, and later changes.

    :ivar a_to_b: what happens to packets from a to b.
    :ivar b_to_a: the other way.
    :ivar steps: (t_s, changes) in order of time, t_s > 0 since the start. ``changes`` maps keys of
        LinkConfig to new values for both directions; under the keys ``a_to_b`` and ``b_to_a`` it may
        hold such a mapping for one. What is not named stays. Packets that are already queued keep
        their place, and from then on leave at the new rate.
    :ivar name: for reports.
    :raises ConfigError: out of range; a key that does not exist (the nearest one is named).
    """

    a_to_b: LinkConfig = field(default_factory=LinkConfig)
    b_to_a: LinkConfig = field(default_factory=LinkConfig)
    steps: Sequence[Step] = field(default=(), hash=False)
    name: str = ""

    def __post_init__(self) -> None:
        for direction in DIRECTIONS:
            if not isinstance(getattr(self, direction), LinkConfig):
                raise ConfigError(f"{direction}={getattr(self, direction)!r} is not a LinkConfig")
        if not isinstance(self.name, str):
            raise ConfigError(f"name={self.name!r} is not text")
        try:
            steps = tuple((t_s, dict(changes)) for t_s, changes in self.steps)
        except (TypeError, ValueError):  # not pairs, or not mappings
            raise ConfigError(f"steps={self.steps!r} is not a list of (t_s, changes)") from None
        object.__setattr__(self, "steps", tuple((t_s, _canonical(changes)) for t_s, changes in steps))
        last = 0.0
        for t_s, _ in steps:
            check_number("steps t_s", t_s, 1e-6, 1e9)
            if t_s <= last:
                raise ConfigError(f"steps: t_s={t_s!r} is not after {last!r}")
            last = t_s
        for direction in DIRECTIONS:
            self.timeline(direction)

    def timeline(self, direction: str) -> Timeline:
        """Settings of one direction over time.

        :param direction: ``a_to_b`` or ``b_to_a``.
        :returns: (t_us since the start, LinkConfig), the first at 0, rising.
        """
        check_keys("timeline", (direction,), DIRECTIONS)
        config: LinkConfig = getattr(self, direction)
        timeline = [(0, config)]
        for t_s, changes in self.steps:
            where = f"step at {t_s} s"
            check_keys(where, changes, (*LINK_KEYS, *DIRECTIONS))
            config = config.changed({k: v for k, v in changes.items() if k not in DIRECTIONS}, where)
            if direction in changes:
                config = config.changed(_mapping(changes[direction], f"{where}, {direction}"),
                                        f"{where}, {direction}")
            timeline.append((round(t_s * 1_000_000), config))
        return tuple(timeline)

    def describe(self) -> str:
        """The plan in a line of words, for reports."""
        ways = [self.a_to_b.describe()]
        if self.b_to_a != self.a_to_b:
            ways = [f"A to B: {ways[0]}", f"B to A: {self.b_to_a.describe()}"]
        if self.steps:
            ways.append("changes at " + ", ".join(f"{t_s:g} s" for t_s, _ in self.steps))
        return "; ".join(ways)

    @classmethod
    def symmetric(cls, name: str = "", steps: Sequence[Step] = (), **values: Any) -> NetworkPlan:
        """A plan with the same settings both ways; ``values`` are the fields of LinkConfig.

        :raises ConfigError: unknown field (the nearest one is named), or out of range.
        """
        config = LinkConfig().changed(values, "plan")
        return cls(config, config, steps, name)

    @classmethod
    def preset(cls, name: str) -> NetworkPlan:
        """One of the ready plans, see :data:`PRESETS`.

        :raises ConfigError: no such preset; the nearest one is named.
        """
        if name not in PRESETS:
            near = difflib.get_close_matches(name, PRESETS, 1, 0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(PRESETS)}"
            raise ConfigError(f"no network preset '{name}'; {hint}")
        return PRESETS[name]

    @classmethod
    def load(cls, name_or_path: str) -> NetworkPlan:
        """A preset by its name, or a plan from a file whose name ends in ``.toml``.

        :raises ConfigError: neither, or the file is not a plan.
        """
        if name_or_path.endswith(".toml"):
            return cls.from_toml(name_or_path)
        return cls.preset(name_or_path)

    @classmethod
    def from_toml(cls, path: str | Path) -> NetworkPlan:
        """Read a plan from a file; the form stands at the top of this module.

        :raises ConfigError: unreadable, not TOML, an unknown key, or a value out of range.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"network plan {path} cannot be read: {error}") from error
        return cls.from_toml_text(text, folder=path.parent, where=str(path))

    @classmethod
    def from_toml_text(cls, text: str, folder: Path = Path(), where: str = "network plan") -> NetworkPlan:
        """Read a plan from TOML text.

        :param folder: where relative names of rate traces start.
        :param where: what messages call the text.
        :raises ConfigError: as :meth:`from_toml`.
        """
        try:
            table: dict[str, Any] = _parser.loads(text)
        except ValueError as error:  # both call it TOMLDecodeError
            raise ConfigError(f"{where}: not TOML: {error}") from error
        check_keys(where, table, ("name", "preset", "steps", *DIRECTIONS, *LINK_KEYS))
        base = cls.preset(str(table["preset"])) if "preset" in table else cls()
        both = _plain(table, folder, where)
        links = [getattr(base, direction).changed(both, where).changed(
            _plain(_mapping(table.get(direction, {}), f"{where}, [{direction}]"), folder,
                   f"{where}, [{direction}]", only_link=True), f"{where}, [{direction}]")
            for direction in DIRECTIONS]
        rows = table.get("steps", [])
        if not isinstance(rows, list):
            raise ConfigError(f"{where}: steps must be written as [[steps]]")
        steps = [_step(_mapping(row, f"{where}, [[steps]]"), folder, where) for row in rows]
        return cls(links[0], links[1], steps if "steps" in table else base.steps,
                   table.get("name", base.name))

    def to_toml(self) -> str:
        """The plan as TOML text; reading it back gives an equal plan."""
        links = [_non_default(getattr(self, direction)) for direction in DIRECTIONS]
        # A rate or burst that only one direction has must not hold for both.
        both = {k: v for k, v in links[0].items() if k in links[1] and links[1][k] == v}
        lines = [f"name = {_toml(self.name)}"] if self.name else []
        lines += _lines(both)
        for direction, values in zip(DIRECTIONS, links, strict=True):
            own = {k: v for k, v in values.items() if k not in both}
            if own:
                lines += ["", f"[{direction}]", *_lines(own)]
        for t_s, changes in self.steps:
            lines += ["", "[[steps]]", f"t_s = {_toml(t_s)}", *_lines(changes)]
        return "\n".join(lines).lstrip("\n") + "\n"


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: {value!r} is not a table of settings")
    return value


def _canonical(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes of a step with lists made into what LinkConfig keeps, so that equal plans are equal."""
    out = dict(changes)
    for key, value in out.items():
        if key in DIRECTIONS and isinstance(value, Mapping):
            out[key] = _canonical(value)
        elif key in ("outages", "rate_trace"):
            out[key] = getattr(LinkConfig().changed({key: value}), key)
    return out


def _plain(table: Mapping[str, Any], folder: Path, where: str, only_link: bool = False) -> dict[str, Any]:
    """The link settings of a TOML table, with its plain values made into ours."""
    if only_link:
        check_keys(where, table, LINK_KEYS)
    values = {key: value for key, value in table.items() if key in LINK_KEYS}
    values.update({key: None for key in _MAY_BE_NONE if values.get(key) == "none"})
    trace = values.get("rate_trace")
    if isinstance(trace, str):
        values["rate_trace"] = RateTrace.from_csv(folder / trace)
    elif trace is not None:
        try:
            values["rate_trace"] = RateTrace(tuple((t_ms, kbps) for t_ms, kbps in trace))
        except (TypeError, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"{where}: rate_trace is neither a file nor [[t_ms, kbps], ...]") from None
    if values.get("gilbert_elliott") is not None:
        model = _mapping(values["gilbert_elliott"], f"{where}, gilbert_elliott")
        check_keys(f"{where}, gilbert_elliott", model, ("p", "r", "h", "k"))
        if not {"p", "r"} <= set(model):
            raise ConfigError(f"{where}, gilbert_elliott: p and r are needed")
        values["gilbert_elliott"] = GilbertElliott(**model)
    return values


def _step(row: Mapping[str, Any], folder: Path, where: str) -> Step:
    if "t_s" not in row:
        raise ConfigError(f"{where}, [[steps]]: t_s is missing")
    where = f"{where}, step at {row['t_s']} s"
    check_keys(where, row, ("t_s", *DIRECTIONS, *LINK_KEYS))
    changes: dict[str, Any] = _plain(row, folder, where)
    for direction in DIRECTIONS:
        if direction in row:
            changes[direction] = _plain(_mapping(row[direction], f"{where}, {direction}"), folder,
                                        f"{where}, {direction}", only_link=True)
    return row["t_s"], changes


def _non_default(config: LinkConfig) -> dict[str, Any]:
    plain = LinkConfig()
    return {key: getattr(config, key) for key in LINK_KEYS if getattr(config, key) != getattr(plain, key)}


def _lines(values: Mapping[str, Any]) -> Iterable[str]:
    return [f"{key} = {_toml(value)}" for key, value in values.items()]


def _toml(value: object) -> str:
    if value is None:  # TOML has no null
        return '"none"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, GilbertElliott):
        return _toml({"p": value.p, "r": value.r, "h": value.h, "k": value.k})
    if isinstance(value, RateTrace):
        return _toml(value.points)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_lines(value)) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)


def _presets() -> dict[str, NetworkPlan]:
    symmetric = NetworkPlan.symmetric
    lte_up = RateTrace(((0, 6000), (1000, 4500), (2000, 3000), (3000, 2400), (4000, 3600), (5000, 5000)))
    lte_down = RateTrace(((0, 18000), (1000, 12000), (2000, 7000), (3000, 5000), (4000, 9000), (5000, 15000)))
    lte = LinkConfig(delay_ms=30, jitter_ms=6, jitter_shape="exponential", burst_loss_rate=0.002,
                     burst_length_pkts=4, queue_ms=400)
    return {
        "perfect": symmetric("perfect"),
        "wifi": symmetric("wifi", delay_ms=8, jitter_ms=4, jitter_shape="pareto", burst_loss_rate=0.01,
                          burst_length_pkts=2.5, rate_kbps=20_000, queue_ms=150),
        "lte": NetworkPlan(lte.changed({"rate_trace": lte_up}), lte.changed({"rate_trace": lte_down}),
                           name="lte"),
        "lossy": symmetric("lossy", loss_rate=0.05, delay_ms=50, jitter_ms=10, jitter_shape="normal"),
        "congested": symmetric("congested", delay_ms=30, jitter_ms=2, jitter_shape="uniform",
                               rate_kbps=1200, queue_ms=300),
    }


#: The ready plans. Each way, unless two figures are given as a to b / b to a:
#:
#: ========= ============ ========================= =================== ======================== ========
#: name      delay        jitter (in order)         loss                capacity                 queue
#: ========= ============ ========================= =================== ======================== ========
#: perfect   0            0                         0                   unlimited                none
#: wifi      8 ms         Pareto, mean 4 ms         1 % in runs of 2.5  20 Mb/s                  150 ms
#: lte       30 ms        exponential, mean 6 ms    0.2 % in runs of 4  2.4-6 / 5-18 Mb/s, 6 s   400 ms
#: lossy     50 ms        normal, deviation 10 ms   5 % independent     unlimited                none
#: congested 30 ms        uniform, +-2 ms           queue only          1.2 Mb/s                 300 ms
#: ========= ============ ========================= =================== ======================== ========
#:
#: wifi: a shared 2.4 GHz home cell: losses that the retries of 802.11 do not hide come in short
#: runs, and contention gives the delay a heavy tail. lte: a moving phone: no reordering (RLC), a
#: capacity that swings within seconds and differs up and down, and a deep buffer. congested: less
#: than the default 1.5 Mb/s of video with its audio, behind the 300 ms drop-tail queue of RFC 8867
#: section 5: a sender that does not adapt loses a quarter of its packets and waits the whole queue.
PRESETS: Final[dict[str, NetworkPlan]] = _presets()
