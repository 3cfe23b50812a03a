"""Settings of one direction of a network: frozen, checked once, units in the names."""
from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from arcrtc.errors import ConfigError
from arcrtc.sim.effects import JITTER_SHAPES, GilbertElliott, RateTrace


def check_keys(where: str, keys: Iterable[str], known: Iterable[str]) -> None:
    """Refuse the first key that is not known, and name the nearest one that is."""
    known = tuple(known)
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.5)
            hint = f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(known)}"
            raise ConfigError(f"{where}: unknown key '{key}'{hint}")


def check_number(name: str, value: object, low: float, high: float) -> None:
    """Refuse what is not a number inside ``low``..``high``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ConfigError(f"{name}={value!r} is outside {low:g}..{high:g}")


_RANGES: dict[str, tuple[float, float]] = {
    "loss_rate": (0, 1), "burst_loss_rate": (0, 0.99), "burst_length_pkts": (1, 1e6),
    "delay_ms": (0, 60_000), "jitter_ms": (0, 10_000), "reorder_rate": (0, 1),
    "reorder_delay_ms": (0, 10_000), "duplicate_rate": (0, 1), "duplicate_delay_ms": (0, 10_000),
    "queue_ms": (1, 60_000), "overhead_bytes": (0, 1000), "max_in_flight_pkts": (1, 1_000_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConfig:
    """What one direction of a network does. The defaults do nothing at all.

    A packet passes the stages in this order: outage, loss, burst loss, queue and
    rate, delay with jitter, reordering, duplication.

    :ivar loss_rate: probability of an independent loss, 0..1.
    :ivar burst_loss_rate: long-run share lost in bursts, 0..0.99; 0: none. Gilbert model.
    :ivar burst_length_pkts: mean number of packets lost in a row by it, 1 or more.
    :ivar gilbert_elliott: the same given raw; not together with ``burst_loss_rate``.
    :ivar delay_ms: propagation delay, 0..60000.
    :ivar jitter_ms: scale of the random delay, 0..10000; its meaning is the shape's, see
        :func:`arcrtc.sim.effects.jitter_us`. The sum with ``delay_ms`` is never below 0.
    :ivar jitter_shape: ``none``, ``uniform``, ``normal``, ``exponential`` or ``pareto``.
    :ivar jitter_reorders: True: packets may overtake each other by jitter. False: one that
        would overtake arrives together with the one before it.
    :ivar reorder_rate: probability that a packet is held back so that later ones pass, 0..1.
    :ivar reorder_delay_ms: for how long it is held back, 0..10000.
    :ivar duplicate_rate: probability that a packet arrives twice, 0..1.
    :ivar duplicate_delay_ms: how long after the first the second copy arrives, 0..10000.
    :ivar rate_kbps: capacity, 1..100000000 kb/s of whole IP packets; None: no limit, no queue.
    :ivar rate_trace: capacity over time (counted from the start of the link) instead of
        ``rate_kbps``; also accepted as a sequence of (t_ms, kbps).
    :ivar queue_ms: depth of the drop-tail queue as time at ``rate_kbps`` (at the mean rate of a
        trace), 1..60000; never less than one packet of 1500 bytes.
        300: the bottleneck of RFC 8867 section 5.
    :ivar queue_bytes: the same in bytes of whole IP packets, 1500 or more; None: by ``queue_ms``.
    :ivar outages: (start_s, length_s) since the start of the link; what is sent meanwhile is lost.
    :ivar overhead_bytes: headers that the rate and the queue count with each datagram, 0..1000.
        28: IPv4 and UDP.
    :ivar max_in_flight_pkts: packets that the link holds at most, 1..1000000; more are dropped
        as ``overflow``.
    """

    loss_rate: float = 0.0
    burst_loss_rate: float = 0.0
    burst_length_pkts: float = 1.0
    gilbert_elliott: GilbertElliott | None = None
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    jitter_shape: str = "normal"
    jitter_reorders: bool = False
    reorder_rate: float = 0.0
    reorder_delay_ms: float = 20.0
    duplicate_rate: float = 0.0
    duplicate_delay_ms: float = 0.0
    rate_kbps: float | None = None
    rate_trace: RateTrace | None = None
    queue_ms: float = 300.0
    queue_bytes: int | None = None
    outages: tuple[tuple[float, float], ...] = ()
    overhead_bytes: int = 28
    max_in_flight_pkts: int = 20_000

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            check_number(name, getattr(self, name), low, high)
        if self.jitter_shape not in JITTER_SHAPES:
            raise ConfigError(f"jitter_shape={self.jitter_shape!r} is none of {', '.join(JITTER_SHAPES)}")
        if not isinstance(self.jitter_reorders, bool):
            raise ConfigError(f"jitter_reorders={self.jitter_reorders!r} is neither True nor False")
        for name in ("overhead_bytes", "max_in_flight_pkts"):
            if not isinstance(getattr(self, name), int):
                raise ConfigError(f"{name}={getattr(self, name)!r} is not a whole number")
        self._check_burst()
        self._check_rate()
        self._check_outages()

    def _check_burst(self) -> None:
        if self.gilbert_elliott is not None:
            if self.burst_loss_rate:
                raise ConfigError("gilbert_elliott and burst_loss_rate are both given; one is enough")
            if not isinstance(self.gilbert_elliott, GilbertElliott):
                raise ConfigError(f"gilbert_elliott={self.gilbert_elliott!r} is not a GilbertElliott")
        elif self.burst_loss_rate:
            GilbertElliott.from_mean(self.burst_loss_rate, self.burst_length_pkts)

    def _check_rate(self) -> None:
        if self.rate_kbps is not None:
            check_number("rate_kbps", self.rate_kbps, 1, 1e8)
            if self.rate_trace is not None:
                raise ConfigError("rate_kbps and rate_trace are both given; one is enough")
        if self.rate_trace is not None and not isinstance(self.rate_trace, RateTrace):
            try:
                trace = RateTrace(tuple(self.rate_trace))
            except TypeError:
                raise ConfigError(f"rate_trace={self.rate_trace!r} is not a list of (t_ms, kbps)") from None
            object.__setattr__(self, "rate_trace", trace)
        if self.queue_bytes is not None:
            check_number("queue_bytes", self.queue_bytes, 1500, 2**40)
            if not isinstance(self.queue_bytes, int):
                raise ConfigError(f"queue_bytes={self.queue_bytes!r} is not a whole number")

    def _check_outages(self) -> None:
        try:
            outages = tuple((start_s, length_s) for start_s, length_s in self.outages)
        except (TypeError, ValueError):
            raise ConfigError(f"outages={self.outages!r} is not a list of (start_s, length_s)") from None
        for start_s, length_s in outages:
            check_number("outages start_s", start_s, 0, 1e9)
            check_number("outages length_s", length_s, 0, 1e9)
        object.__setattr__(self, "outages", outages)

    def describe(self) -> str:
        """What it does in a few words; "nothing" when it does nothing."""
        bursts = self.burst_model
        said = [
            (self.loss_rate, f"{100 * self.loss_rate:g} % loss"),
            (bursts, f"bursty loss ({100 * self.burst_loss_rate:g} %, {self.burst_length_pkts:g} packets)"
             if self.burst_loss_rate else "Gilbert-Elliott loss"),
            (self.delay_ms, f"{self.delay_ms:g} ms delay"),
            (self.jitter_ms and self.jitter_shape != "none", f"{self.jitter_ms:g} ms {self.jitter_shape} jitter"),
            (self.reorder_rate, f"{100 * self.reorder_rate:g} % reordered"),
            (self.duplicate_rate, f"{100 * self.duplicate_rate:g} % duplicated"),
            (self.rate_kbps, f"{(self.rate_kbps or 0) / 1000:g} Mb/s with a queue of {self.queue_ms:g} ms"),
            (self.rate_trace, "a capacity that changes with time"),
            (self.outages, f"{len(self.outages)} outage(s)"),
        ]
        return ", ".join(words for is_on, words in said if is_on) or "nothing"

    @property
    def burst_model(self) -> GilbertElliott | None:
        """The burst-loss model in force, however it was given."""
        if self.gilbert_elliott is None and self.burst_loss_rate:
            return GilbertElliott.from_mean(self.burst_loss_rate, self.burst_length_pkts)
        return self.gilbert_elliott

    @property
    def queue_limit_bytes(self) -> int | None:
        """Depth of the queue in bytes; None: no rate limit, hence no queue."""
        kbps = self.rate_trace.mean_kbps if self.rate_trace is not None else self.rate_kbps
        if kbps is None:
            return None
        if self.queue_bytes is not None:
            return self.queue_bytes
        return max(1500, round(kbps * self.queue_ms / 8))

    def changed(self, changes: Mapping[str, Any], where: str = "link") -> LinkConfig:
        """A copy with some fields replaced; a new kind of rate or burst replaces the other kind.

        :raises ConfigError: unknown key (the nearest known one is named), or out of range.
        """
        check_keys(where, changes, LINK_KEYS)
        values = dict(changes)
        for one, other, off in (("rate_kbps", "rate_trace", None), ("rate_trace", "rate_kbps", None),
                                ("gilbert_elliott", "burst_loss_rate", 0.0),
                                ("burst_loss_rate", "gilbert_elliott", None)):
            if values.get(one) is not None and other not in values:
                values[other] = off
        return replace(self, **values)


#: Every key of a link, as programs and TOML files write it.
LINK_KEYS = tuple(field.name for field in fields(LinkConfig))
