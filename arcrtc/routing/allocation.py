"""Which layers each route of a subscriber gets out of the rate that its way can take.

What libwebrtc calls simulcast and SVC rate allocation, seen from the receiver: of each track the points that can
be had (source, spatial and temporal layer, with their rates) are a ladder, and routes climb their ladders in turn
while the rate lasts.
"""
from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import Final, NamedTuple

from arcrtc._ranges import check_float, check_int
from arcrtc.errors import ArgumentError, ConfigError
from arcrtc.routing.actions import Layers
from arcrtc.routing.config import SourceConfig, TrackConfig

#: Part of a stream's rate up to each temporal layer, as libwebrtc's SimulcastRateAllocator shares it out.
TEMPORAL_SHARES: Final = {1: (1.0,), 2: (0.6, 1.0), 3: (0.4, 0.6, 1.0), 4: (0.25, 0.4, 0.6, 1.0)}
#: A spatial layer of half the width and height needs about 4 ** -0.75 of the rate, for the same look.
SPATIAL_SHARE: Final = 4 ** -0.75
_RATE_MAX: Final = 10**12  # bit/s


class LayerPoint(NamedTuple):
    """One thing that a route can forward: up to these layers, at this rate; 0: size or pictures a second not known."""

    layers: Layers
    rate_bps: int
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0


def layer_points(track: TrackConfig, rates_bps: Mapping[Layers, int] | None = None) -> tuple[LayerPoint, ...]:
    """The ladder of a track, from the lowest rate up.

    :param rates_bps: measured, up to each (source, spatial, temporal); what is missing follows from the sources'
        ``bitrate`` and the usual shares.
    :returns: points with rising rates. One that costs no more than a lower one is left out: it has fewer pictures.
    :raises ArgumentError: a rate is neither given nor known.
    """
    known = rates_bps or {}
    points: list[LayerPoint] = []
    for number, source in enumerate(track.sources):
        for spatial in range(source.spatial_layers):
            for temporal in range(source.temporal_layers):
                point = _point(number, spatial, temporal, source, known)
                if not points or point.rate_bps > points[-1].rate_bps:
                    points.append(point)
    return tuple(points)


def _point(number: int, spatial: int, temporal: int, source: SourceConfig, known: Mapping[Layers, int]) -> LayerPoint:
    layers = Layers(number, spatial, temporal)
    below = source.spatial_layers - 1 - spatial  # halvings
    rate = known.get(layers)
    if rate is None:
        if not source.bitrate:
            raise ArgumentError(f"layer_points: source {number} has no bitrate, and {layers} is not in rates_bps")
        shares = TEMPORAL_SHARES.get(source.temporal_layers)
        share = shares[temporal] if shares else (temporal + 1) / source.temporal_layers
        rate = max(1, round(source.bitrate * SPATIAL_SHARE ** below * share))
    pictures = source.frame_rate / 2.0 ** (source.temporal_layers - 1 - temporal)
    return LayerPoint(layers, rate, source.width >> below, source.height >> below, pictures)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWish:
    """What a subscriber wants of one track.

    :ivar route: any name for it, once in a call.
    :ivar points: the ladder, rates rising, at least one (:func:`layer_points`).
    :ivar priority: higher ones climb as far as they may before lower ones leave their first step, 0..1000.
    :ivar viewport: (width, height) in which it is shown, pixels: no more than the smallest size that fills it is
        sent; (0, 0): it is not to be seen, nothing is sent; None: any size.
    :ivar required: its first step is sent even when the rate does not allow it, as for audio.
    :raises ConfigError: out of range, or rates that do not rise.
    """

    route: Hashable
    points: tuple[LayerPoint, ...]
    priority: int = 1
    viewport: tuple[int, int] | None = None
    required: bool = False

    def __post_init__(self) -> None:
        check_int("priority", self.priority, 0, 1000)
        for size in self.viewport or ():
            check_int("viewport", size, 0, 100_000)
        if not self.points:
            raise ConfigError(f"points of {self.route!r}: there are none")
        for point in self.points:
            check_int("rate_bps", point.rate_bps, 1, _RATE_MAX)
        rates = [point.rate_bps for point in self.points]
        if any(a >= b for a, b in pairwise(rates)):
            raise ConfigError(f"points of {self.route!r}: rates {rates} do not rise")

    def allowed(self) -> tuple[LayerPoint, ...]:
        """The points that make sense in the viewport."""
        if self.viewport is None:
            return self.points
        width, height = self.viewport
        if not (width and height):
            return ()
        filling = [point.width * point.height for point in self.points
                   if point.width >= width and point.height >= height]
        most = min(filling, default=None)
        return self.points if most is None else tuple(p for p in self.points if p.width * p.height <= most)


class LayerReason(str, Enum):
    """Why a route gets what it gets."""

    BEST = "best"  # there is nothing higher
    VIEWPORT = "viewport"  # more would not be seen
    RATE = "rate"  # the rate does not allow the next step
    MINIMUM = "minimum"  # required; the rate does not allow even that
    NO_RATE = "no_rate"  # nothing is sent: the rate does not allow the first step
    HIDDEN = "hidden"  # nothing is sent: it is not to be seen


class LayerChoice(NamedTuple):
    """What a route gets; ``point`` None: it is to be paused."""

    point: LayerPoint | None
    reason: LayerReason


@dataclass(frozen=True, slots=True)
class Allocation:
    """What :func:`choose_layers` decided.

    :ivar choices: {route: what it gets}, in the order of the wishes.
    :ivar used_bps: all together. More than was available only by required routes' first steps.
    :ivar kept: True: the previous choices still hold.
    :ivar decided_bps: available when the choices were made.
    :ivar decided_used_bps: what they took then.
    """

    choices: dict[Hashable, LayerChoice]
    used_bps: int
    kept: bool
    decided_bps: int
    decided_used_bps: int
    _wishes: tuple[object, ...] = field(default=(), repr=False)


def choose_layers(available_bps: int, wanted: Sequence[LayerWish], previous: Allocation | None = None, *,
                  margin: float = 0.1) -> Allocation:
    """Share a rate out among the routes of one subscriber.

    First each route gets its first step: required ones always, then the others by priority, while the rate
    lasts. Then routes climb: those of the highest priority as far as they may, always the one with the lowest rate
    next, then those of the next priority. A step that does not fit ends the climb of its route only.

    With ``previous``, choices are kept while the wishes are the same (rates may waver), they fit, and the rate
    is less than ``margin`` above that at which they were made: so a rate that wavers by less than that does not
    switch layers to and fro.

    :param available_bps: 0..10**12.
    :param margin: 0..10.
    :raises ArgumentError: a route comes twice. :raises ConfigError: out of range.
    """
    check_int("available_bps", available_bps, 0, _RATE_MAX)
    check_float("margin", margin, 0, 10)
    if len({wish.route for wish in wanted}) < len(wanted):
        raise ArgumentError("choose_layers: a route comes twice")
    ladders = [wish.allowed() for wish in wanted]
    wishes = tuple((wish.route, wish.priority, wish.required, tuple(point.layers for point in ladder))
                   for wish, ladder in zip(wanted, ladders, strict=True))
    levels = None if previous is None else _kept_levels(available_bps, ladders, wishes, wanted, previous, margin)
    kept = levels is not None
    if levels is None:
        levels = _climb(available_bps, wanted, ladders)
    used_bps = _used(ladders, levels)
    choices = {wish.route: _choice(wish, ladder, level, used_bps > available_bps)
               for wish, ladder, level in zip(wanted, ladders, levels, strict=True)}
    if kept and previous is not None:
        return Allocation(choices, used_bps, True, previous.decided_bps, previous.decided_used_bps, wishes)
    return Allocation(choices, used_bps, False, available_bps, used_bps, wishes)


def _used(ladders: Sequence[Sequence[LayerPoint]], levels: Sequence[int]) -> int:
    return sum(ladder[level].rate_bps for ladder, level in zip(ladders, levels, strict=True) if level >= 0)


def _climb(available_bps: int, wanted: Sequence[LayerWish], ladders: Sequence[Sequence[LayerPoint]]) -> list[int]:
    """The level of each route on its ladder; -1: none."""
    levels, left = [-1] * len(wanted), available_bps
    by_need = sorted((i for i in range(len(wanted)) if ladders[i]),
                     key=lambda i: (not wanted[i].required, -wanted[i].priority))
    for i in by_need:
        rate = ladders[i][0].rate_bps
        if wanted[i].required or rate <= left:
            levels[i] = 0
            left -= rate
    for priority in sorted({wish.priority for wish in wanted}, reverse=True):
        climbing = [(ladders[i][0].rate_bps, i) for i in by_need if levels[i] == 0 and wanted[i].priority == priority]
        heapq.heapify(climbing)
        while climbing:
            rate, i = heapq.heappop(climbing)
            if levels[i] + 1 == len(ladders[i]):
                continue
            above = ladders[i][levels[i] + 1].rate_bps
            if above - rate <= left:
                levels[i] += 1
                left -= above - rate
                heapq.heappush(climbing, (above, i))
    return levels


def _kept_levels(available_bps: int, ladders: Sequence[Sequence[LayerPoint]], wishes: tuple[object, ...],
                 wanted: Sequence[LayerWish], previous: Allocation, margin: float) -> list[int] | None:
    """The levels as they were, if they may stay."""
    if wishes != previous._wishes or available_bps - previous.decided_bps >= previous.decided_bps * margin:
        return None
    levels = []
    for wish, ladder in zip(wanted, ladders, strict=True):
        point = previous.choices[wish.route].point
        levels.append(-1 if point is None else [p.layers for p in ladder].index(point.layers))
    used_bps = _used(ladders, levels)
    fits = used_bps <= available_bps and used_bps * (1 + margin) >= previous.decided_used_bps
    return levels if fits else None


def _choice(wish: LayerWish, ladder: Sequence[LayerPoint], level: int, over: bool) -> LayerChoice:
    if not ladder:
        return LayerChoice(None, LayerReason.HIDDEN)
    if level < 0:
        return LayerChoice(None, LayerReason.NO_RATE)
    if level + 1 == len(wish.points):
        reason = LayerReason.BEST
    elif level + 1 == len(ladder):
        reason = LayerReason.VIEWPORT
    else:
        reason = LayerReason.RATE
    if over and wish.required and level == 0 and reason is LayerReason.RATE:
        reason = LayerReason.MINIMUM
    return LayerChoice(ladder[level], reason)
