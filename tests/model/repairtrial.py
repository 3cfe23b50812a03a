"""Means of repair tried on a sequence of losses, packet by packet: what the formulae are held against."""
from __future__ import annotations

import random
from collections.abc import Sequence

from arcrtc.adaptation.repairmeans import FecPlan


def left_by_red(lost: Sequence[bool], distances: Sequence[int]) -> float:
    """Packet i is copied into packets i + d."""
    n = len(lost) - max(distances)
    return sum(lost[i] and all(lost[i + d] for d in distances) for i in range(n)) / n


def left_by_next(lost: Sequence[bool], frames: int) -> float:
    """Any of the next ``frames`` packets brings it back."""
    n = len(lost) - frames
    return sum(all(lost[i:i + frames + 1]) for i in range(n)) / n


def _settle(block: list[bool], groups: list[tuple[list[int], bool]]) -> None:
    """Bring back whatever a parity that came can, until nothing changes."""
    changed = True
    while changed:
        changed = False
        for members, parity_lost in groups:
            missing = [i for i in members if block[i]]
            if len(missing) == 1 and not parity_lost:
                block[missing[0]] = False
                changed = True


def left_by_fec(lost: Sequence[bool], plan: FecPlan) -> float:
    """Blocks of packets, each followed by its parities, which cross the same channel as what stands around them."""
    if not plan.column:
        size, rows, columns = plan.row, 1, 0
    else:
        size, rows, columns = plan.stride * plan.column, plan.column if plan.row else 0, plan.stride
    at = left = sent = 0
    while at + size + rows + columns <= len(lost):
        block: list[bool] = []
        groups: list[tuple[list[int], bool]] = []
        for row in range(max(rows, 1)):
            n = size // max(rows, 1)
            block += lost[at:at + n]
            at += n
            if rows:
                groups.append((list(range(row * n, row * n + n)), lost[at]))
                at += 1
        for column in range(columns):
            groups.append((list(range(column, size, columns)), lost[at]))
            at += 1
        _settle(block, groups)
        left += sum(block)
        sent += size
    return left / sent


def left_by_nack(lost: Sequence[bool], *, packet_ms: float, rtt_ms: float, max_delay_ms: float, reverse: float,
                 seed: int) -> float:
    """Requests as rx/nackgen makes them, answers on the channel at the time that they leave."""
    rng = random.Random(seed)
    left = 0
    n = len(lost) - int(max_delay_ms / packet_ms) - 2
    for i in range(n):
        if not lost[i]:
            continue
        asked_ms = packet_ms + 10.0  # behind the next packet
        while asked_ms + rtt_ms <= max_delay_ms:
            leaves = i + round((asked_ms + rtt_ms / 2) / packet_ms)
            if rng.random() >= reverse and not lost[leaves]:
                break
            asked_ms += rtt_ms * 1.125 + 5.0
        else:
            left += 1
    return left / n
