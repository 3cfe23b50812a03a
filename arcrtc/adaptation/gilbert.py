"""A channel that loses packets in bursts: the two-state chain of Gilbert."""
from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from arcrtc._ranges import check_float


@dataclass(frozen=True, slots=True, kw_only=True)
class GilbertModel:
    """Packets are lost exactly while a chain of two states is in the bad one.

    :ivar loss_rate: part of the packets that is lost, 0..0.99.
    :ivar burst_length: mean number of packets lost in a row, 1..1000. Where losses do not depend on each
        other it is ``1 / (1 - loss_rate)``; less than that means that losses avoid each other.
    :raises ConfigError: a value is outside its range.

    Source: E. N. Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39 (1960).
    """

    loss_rate: float
    burst_length: float

    def __post_init__(self) -> None:
        check_float("loss_rate", self.loss_rate, 0.0, 0.99)
        check_float("burst_length", self.burst_length, 1.0, 1000.0)

    @classmethod
    def fitted(cls, loss_rate: float, burst_length: float = 0.0) -> GilbertModel:
        """The model of measured figures, which may be anything.

        :param loss_rate: clipped to 0..0.99.
        :param burst_length: packets; less than independent losses would give: taken for independent, since a
            few seconds of losses show nothing else reliably.
        """
        loss_rate = min(max(loss_rate, 0.0), 0.99)
        return cls(loss_rate=loss_rate, burst_length=min(max(burst_length, 1.0 / (1.0 - loss_rate)), 1000.0))

    @property
    def leave(self) -> float:
        """r: probability that a burst ends with the packet after it."""
        return 1.0 / self.burst_length

    @property
    def enter(self) -> float:
        """p: probability that a burst begins behind a packet that came."""
        return min(self.loss_rate * self.leave / (1.0 - self.loss_rate), 1.0)

    def still_lost(self, steps: float) -> float:
        """Probability that a packet is lost whose ``steps``-th predecessor was lost.

        The chain forgets by ``1 - p - r`` a packet: ``loss + (1 - loss) (1 - p - r)^steps``.
        """
        memory = max(1.0 - self.enter - self.leave, 0.0)
        return self.loss_rate + (1.0 - self.loss_rate) * float(memory ** steps)

    def strided(self, stride: int) -> GilbertModel:
        """What every ``stride``-th packet sees: the same loss rate, and bursts that are shorter."""
        return GilbertModel.fitted(self.loss_rate, 1.0 / max(1.0 - self.still_lost(stride), 0.001))

    def losses(self, seed: int) -> Iterator[bool]:
        """Packet after packet, without end: True where it is lost. The same seed gives the same losses."""
        rng = random.Random(seed)
        lost = rng.random() < self.loss_rate
        while True:
            yield lost
            lost = rng.random() < (1.0 - self.leave if lost else self.enter)
