"""Plain model of rx/losspattern: every packet is kept, with its fate, and each figure is one sentence."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def runs(lost: Sequence[bool]) -> list[int]:
    """Lengths of the runs of True."""
    out, n = [], 0
    for x in [*lost, False]:
        if x:
            n += 1
        elif n:
            out.append(n)
            n = 0
    return out


def gilbert(lost: Sequence[bool]) -> tuple[float, float, float]:
    """(rate, mean run, conditional rate) of a sequence, without forgetting."""
    if not any(lost):
        return 0.0, 0.0, 0.0
    n_runs = len(runs(lost))
    return sum(lost) / len(lost), sum(lost) / n_runs, 1 - n_runs / sum(lost)


def gmin_bursts(lost: Sequence[bool], gmin: int) -> list[tuple[int, int]]:
    """(packets, lost) of each burst of RFC 3611 section 4.7.2: from the definition, not as a machine of states."""
    places = [i for i, x in enumerate(lost) if x]
    groups: list[list[int]] = []
    for place in places:
        if groups and place - groups[-1][-1] - 1 < gmin:
            groups[-1].append(place)
        else:
            groups.append([place])
    return [(g[-1] - g[0] + 1, len(g)) for g in groups if len(g) > 1]


def conditional_pairs(lost: Sequence[bool]) -> float:
    """The conditional rate counted pair by pair: P(lost | the one before was lost)."""
    after = [b for a, b in pairwise(lost) if a]
    return sum(after) / len(after) if after else 0.0
