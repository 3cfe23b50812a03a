"""The four policies: which of the targets that can take a session gets it.

Each keeps its own order of the targets, so that a choice takes O(log n) time. ``add`` and ``remove``
say which targets can take a session, ``update`` that a target's load, quality or ramp changed.
"""
from __future__ import annotations

import heapq
from enum import Enum
from random import Random
from typing import Final, NamedTuple, Protocol

from arcrtc.routing.members import Target
from arcrtc.routing.weighttree import WeightTree

_WEIGHT_UNIT: Final = 1024  # whole-number weights: a thousandth of weight 1 is still told apart
_SLACK: Final = 64  # out-of-date entries a heap may hold beyond twice its targets


class Policy(str, Enum):
    """How a :class:`LoadBalancer` chooses."""

    ROUND_ROBIN = "round_robin"
    QUALITY = "quality"
    LEAST_LOADED = "least_loaded"
    TWO_CHOICES = "two_choices"


class Pick(NamedTuple):
    """A choice; ``rival`` was looked at and is the worse one by the policy's own measure."""

    target: Target
    rival: Target | None = None


class Picker(Protocol):
    """An order of the targets that can take a session."""

    def add(self, target: Target) -> None:
        """It can take sessions from now on."""

    def remove(self, target: Target) -> None:
        """It cannot any more."""

    def update(self, target: Target) -> None:
        """Its load, quality or ramp is another one."""

    def pick(self) -> Pick | None:
        """Choose; None: no target can take a session."""


class _Heap:
    """Targets in the order of a key; entries out of date are skipped, and cleared away when they are many."""

    def __init__(self) -> None:
        self.entries: list[tuple[float, float, int, Target]] = []  # key, tie, version of the target, target
        self.targets: set[Target] = set()

    def push(self, key: float, tie: float, target: Target) -> None:
        target.version += 1
        heapq.heappush(self.entries, (key, tie, target.version, target))
        if len(self.entries) > 2 * len(self.targets) + _SLACK:
            self.entries = [entry for entry in self.entries if entry[2] == entry[3].version]
            heapq.heapify(self.entries)

    def add(self, key: float, tie: float, target: Target) -> None:
        self.targets.add(target)
        self.push(key, tie, target)

    def remove(self, target: Target) -> None:
        self.targets.discard(target)
        target.version += 1

    def first(self) -> tuple[float, Target] | None:
        entries = self.entries
        while entries:
            key, _, version, target = entries[0]
            if version == target.version:
                return key, target
            heapq.heappop(entries)
        return None


class RoundRobin:
    """In turn, heavier targets more often: each is next due 1/weight later than it was."""

    def __init__(self, random: Random) -> None:
        self._heap = _Heap()
        self._turn = 0
        self._at = 0.0  # virtual time: turns of a target of weight 1

    def add(self, target: Target) -> None:
        """Due one interval from now, so that who comes and goes gains no turns by it."""
        self._turn += 1
        self._heap.add(self._at + 1 / (target.weight * target.ramp), self._turn, target)

    def remove(self, target: Target) -> None:
        """Out of turn."""
        self._heap.remove(target)

    def update(self, target: Target) -> None:
        """A new ramp counts from the next turn on; loads do not matter here."""

    def pick(self) -> Pick | None:
        """The one whose turn it is."""
        found = self._heap.first()
        if found is None:
            return None
        self._at, target = found
        self._turn += 1
        self._heap.push(self._at + 1 / (target.weight * target.ramp), self._turn, target)
        return Pick(target)


class LeastLoaded:
    """The lowest load; sessions placed since its report count. Ties are drawn.

    A warming target looks as loaded as the mean at first, so that it gets its share and not all of it.
    """

    def __init__(self, random: Random) -> None:
        self._heap = _Heap()
        self._random = random
        self._loads: dict[Target, float] = {}
        self._sum = 0.0
        self._changes = 0

    def add(self, target: Target) -> None:
        """Among the others by its load."""
        self._count(target)
        self._heap.add(self._key(target), self._random.random(), target)

    def remove(self, target: Target) -> None:
        """Out of the order."""
        self._sum -= self._loads.pop(target, 0.0)
        self._heap.remove(target)

    def update(self, target: Target) -> None:
        """To its new place."""
        self._count(target)
        self._heap.push(self._key(target), self._random.random(), target)

    def pick(self) -> Pick | None:
        """The first."""
        found = self._heap.first()
        return None if found is None else Pick(found[1])

    def _count(self, target: Target) -> None:
        self._sum += target.load - self._loads.get(target, 0.0)
        self._loads[target] = target.load
        self._changes += 1
        if self._changes > 16 * len(self._loads) + _SLACK:  # the sum has drifted by as many roundings
            self._sum, self._changes = sum(self._loads.values()), 0

    def _key(self, target: Target) -> float:
        if target.ramp >= 1:
            return target.load
        mean = self._sum / len(self._loads)
        return target.ramp * target.load + (1 - target.ramp) * max(target.load, mean)


class TwoChoices:
    """Of two drawn by weight, the less loaded one (Mitzenmacher, 2001).

    Nearly as even as the least of all, and wrong reports mislead it less: no target is everyone's first.
    """

    def __init__(self, random: Random) -> None:
        self._tree = WeightTree()
        self._targets: dict[int, Target] = {}
        self._random = random

    def add(self, target: Target) -> None:
        """It can be drawn."""
        self._targets[target.slot] = target
        self.update(target)

    def remove(self, target: Target) -> None:
        """It cannot be drawn."""
        self._targets.pop(target.slot, None)
        self._tree.set(target.slot, 0)

    def update(self, target: Target) -> None:
        """A new chance to be drawn; never none."""
        self._tree.set(target.slot, max(1, int(self._chance(target) * _WEIGHT_UNIT)))

    def pick(self) -> Pick | None:
        """The better of two."""
        tree, draw = self._tree, self._random.random
        if not tree.total:
            return None
        first = self._targets[tree.find(int(draw() * tree.total))]
        second = self._targets[tree.find(int(draw() * tree.total))]
        if first is second:  # drawing once more is enough: a pair need not be had
            second = self._targets[tree.find(int(draw() * tree.total))]
        if first is second:
            return Pick(first)
        return Pick(first, second) if self._is_better(first, second) else Pick(second, first)

    def _chance(self, target: Target) -> float:
        return target.weight * target.ramp

    def _is_better(self, first: Target, second: Target) -> bool:
        return first.load <= second.load


class ByQuality(TwoChoices):
    """Of two drawn by weight and by the square of quality, the one that scores higher: quality x free load."""

    def _chance(self, target: Target) -> float:
        return target.weight * target.ramp * target.quality * target.quality

    def _is_better(self, first: Target, second: Target) -> bool:
        return score(first) >= score(second)


def score(target: Target) -> float:
    """What a session may hope for there: quality times the part that is free, 0..1; both never quite 0."""
    return max(0.01, target.quality) * max(0.01, 1 - target.load)


def make_picker(policy: Policy, random: Random) -> Picker:
    """The picker of a policy."""
    makers: dict[Policy, type[RoundRobin | LeastLoaded | TwoChoices]] = {
        Policy.ROUND_ROBIN: RoundRobin, Policy.QUALITY: ByQuality, Policy.LEAST_LOADED: LeastLoaded,
        Policy.TWO_CHOICES: TwoChoices}
    return makers[policy](random)
