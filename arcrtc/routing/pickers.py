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

#: A way that makes calls a tenth worse counts a third less.
QUALITY_POWER: Final = 4
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
        self._random = random
        self._turn = 0
        self._at = 0.0  # virtual time: turns of a target of weight 1

    def add(self, target: Target) -> None:
        """Due when it was before; a new one within its first interval, so that light ones do not all come last."""
        weight = target.weight * target.ramp
        if target.due <= self._at:
            target.due = self._at + self._random.random() / weight
        self._heap.targets.add(target)
        self._schedule(target, target.due, weight)

    def remove(self, target: Target) -> None:
        """Out of turn."""
        self._heap.remove(target)

    def update(self, target: Target) -> None:
        """With a new ramp what is left of its interval is longer or shorter; loads do not matter here."""
        weight = target.weight * target.ramp
        if weight != target.due_weight:
            left = max(0.0, target.due - self._at) * target.due_weight / weight
            self._schedule(target, self._at + left, weight)

    def pick(self) -> Pick | None:
        """The one whose turn it is."""
        found = self._heap.first()
        if found is None:
            return None
        due, target = found
        self._at = max(self._at, due)
        weight = target.weight * target.ramp
        self._schedule(target, self._at + 1 / weight, weight)
        return Pick(target)

    def _schedule(self, target: Target, due: float, weight: float) -> None:
        self._turn += 1
        target.due, target.due_weight = due, weight
        self._heap.push(due, self._turn, target)


class LeastLoaded:
    """The lowest load; sessions placed since its report count. Ties are drawn.

    A warming target counts as loaded ten times over while its ramp is at a tenth, so that it fills by degrees.
    """

    def __init__(self, random: Random) -> None:
        self._heap = _Heap()
        self._random = random

    def add(self, target: Target) -> None:
        """Among the others by its load."""
        self._heap.targets.add(target)
        self.update(target)

    def remove(self, target: Target) -> None:
        """Out of the order."""
        self._heap.remove(target)

    def update(self, target: Target) -> None:
        """To its new place."""
        self._heap.push(target.load / target.ramp, self._random.random(), target)

    def pick(self) -> Pick | None:
        """The first."""
        found = self._heap.first()
        return None if found is None else Pick(found[1])


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
    """Of two drawn by weight x quality^4, the one with the higher score: quality^4 x free load."""

    def _chance(self, target: Target) -> float:
        return target.weight * target.ramp * float(target.quality ** QUALITY_POWER)

    def _is_better(self, first: Target, second: Target) -> bool:
        return score(first) >= score(second)


def score(target: Target) -> float:
    """What a session may hope for there: quality^4 times the part that is free, 0..1; both never quite 0."""
    return max(0.01, float(target.quality ** QUALITY_POWER)) * max(0.01, 1 - target.load)


def make_picker(policy: Policy, random: Random) -> Picker:
    """The picker of a policy."""
    makers: dict[Policy, type[RoundRobin | LeastLoaded | TwoChoices]] = {
        Policy.ROUND_ROBIN: RoundRobin, Policy.QUALITY: ByQuality, Policy.LEAST_LOADED: LeastLoaded,
        Policy.TWO_CHOICES: TwoChoices}
    return makers[policy](random)
