"""Counters of a running call, read at a steady pace: the time series of the report."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from arcrtc.engine import Peer
from arcrtc.session import Event, EventType, SentFrame

PERIOD_S: Final = 0.2


@dataclass(slots=True)
class Sample:
    """Both peers at one moment."""

    t_us: int
    sender: dict[str, Any]
    receiver: dict[str, Any]


@dataclass(slots=True)
class Sampler:
    """Collects samples, frames that left, and events of both peers."""

    a: Peer
    b: Peer
    start_us: int
    samples: list[Sample] = field(default_factory=list)
    sent: dict[tuple[int, int], SentFrame] = field(default_factory=dict)  #: (stream, rtp timestamp) -> frame
    events: list[tuple[str, Event]] = field(default_factory=list)

    def take_sent(self) -> None:
        """Fetch what has left; often, for the native list of it is bounded."""
        while (frame := self.a.poll_sent()) is not None:
            self.sent[frame.stream, frame.rtp_timestamp] = frame
        for name, peer in (("A", self.a), ("B", self.b)):
            while (event := peer.poll_event()) is not None:
                if event.type is not EventType.RTT:
                    self.events.append((name, event))

    def take(self, now_us: int) -> Sample:
        """Read all counters."""
        self.take_sent()
        sample = Sample(now_us - self.start_us, self.a.stats().to_dict(), self.b.stats().to_dict())
        self.samples.append(sample)
        return sample
