"""Moves that even out loads: few, with hysteresis, and only where they help."""
from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from arcrtc.routing.loads import US_PER_S, BalancerConfig
from arcrtc.routing.members import Rate, Session, Target
from arcrtc.routing.pickers import score
from arcrtc.routing.roster import Roster

_LOOK_AT: Final = 32  # sessions of a target, for one that may move


def load_of(target: Target) -> float:
    """The burden of a target, for policies that look at loads."""
    return target.load


def lack_of(target: Target) -> float:
    """The burden of a target by its score: with the best quality it is the load."""
    return 1 - score(target)


def _has_room(target: Target, low: float) -> bool:
    """True below a load, of which a warming target may have its part only."""
    return target.load < low * target.ramp


class Evening:
    """Takes sessions from targets far above the mean load, and gives them to the least burdened.

    A target begins to give at ``rebalance_gap`` above the mean and stops at half of that. A move has to
    leave its source still above its destination, so that nothing goes back and forth.

    :param burden: of a target, as the policy sees it; loads differ by as much at the same quality.
    """

    def __init__(self, config: BalancerConfig, burden: Callable[[Target], float]) -> None:
        self._burden = burden
        self._gap = config.rebalance_gap
        self._cooldown_us = round(config.cooldown_s * US_PER_S)
        self._rate = Rate(config.rebalance_per_s)

    def choose(self, roster: Roster, limit: int) -> Iterator[tuple[Session, Target]]:
        """Each move in turn; the caller has carried it out before it asks for the next."""
        self._rate.refill(roster.now_us)
        open_targets = [target for target in roster if target.refusal is None]
        low, givers = self._find_givers(roster)
        takers = [(self._burden(target), target.slot, target) for target in open_targets if _has_room(target, low)]
        heapq.heapify(takers)
        while givers and takers and limit > 0:
            _, _, giver = givers[0]
            _, _, taker = takers[0]
            session = self._movable(giver, roster.now_us)
            if session is None or not self._helps(giver, taker):
                heapq.heappop(givers)
                continue
            if not self._rate.take():
                return
            yield session, taker
            limit -= 1
            if giver.load > low:
                heapq.heapreplace(givers, (-giver.load, giver.slot, giver))
            else:
                giver.shedding = False
                heapq.heappop(givers)
            if taker.refusal is None and _has_room(taker, low):
                heapq.heapreplace(takers, (self._burden(taker), taker.slot, taker))
            else:
                heapq.heappop(takers)

    def _helps(self, giver: Target, taker: Target) -> bool:
        gain = self._burden(giver) - self._burden(taker)
        return gain >= self._gap / 2 and gain >= giver.cost + taker.cost

    def _find_givers(self, roster: Roster) -> tuple[float, list[tuple[float, int, Target]]]:
        """(load at which giving ends, heap of those who give, the most loaded first)."""
        working = [target for target in roster if target.is_working() and not target.draining]
        mean = sum(target.load for target in working) / max(1, len(working))
        low, high = mean + self._gap / 2, mean + self._gap
        for target in working:
            if target.load > high:
                target.shedding = True
            elif target.load <= low:
                target.shedding = False
        givers = [(-target.load, target.slot, target) for target in working if target.shedding]
        heapq.heapify(givers)
        return low, givers

    def _movable(self, giver: Target, now_us: int) -> Session | None:
        """An old session that did not move lately and does not share the target with others of its room."""
        for session in islice(giver.sessions.values(), _LOOK_AT):
            alone = session.room is None or session.room.counts[giver] == 1
            if alone and now_us - session.moved_us >= self._cooldown_us:
                return session
        return None
