"""One direction of a network: datagrams in, later (or never) out. Sans-I/O, owns no clock."""
from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import ceil
from typing import Any, Final, NamedTuple

from arcrtc.errors import ArgumentError, ConfigError
from arcrtc.sim.config import LinkConfig
from arcrtc.sim.effects import BurstLoss, RateSchedule, generator, jitter_us

NEVER_US: Final = 2**63 - 1
#: The largest UDP payload over IPv4.
MAX_DATAGRAM_BYTES: Final = 65_507

DELIVERED: Final = "delivered"
RANDOM_LOSS: Final = "random loss"
BURST_LOSS: Final = "burst loss"
QUEUE_FULL: Final = "queue full"
OUTAGE: Final = "outage"
OVERFLOW: Final = "overflow"


class Decision(NamedTuple):
    """What a link decided about one datagram.

    ``deliver_us`` is None for one that is dropped, and ``copy_us`` for one that is not duplicated.
    ``queue_us`` is the time it waits for its turn and is sent, 0 without a rate limit.
    """

    ordinal: int
    sent_us: int
    size_bytes: int
    fate: str
    queue_us: int
    deliver_us: int | None
    copy_us: int | None


@dataclass(frozen=True, slots=True)
class LinkStats:
    """Counters of a link since its start; every datagram that did not arrive has its reason.

    ``sent_pkts + duplicated_pkts == delivered_pkts + in_flight_pkts + dropped_pkts`` at any time.
    Bytes are those of datagrams, without the headers below them.
    """

    sent_pkts: int = 0
    sent_bytes: int = 0
    delivered_pkts: int = 0
    delivered_bytes: int = 0
    duplicated_pkts: int = 0
    reordered_pkts: int = 0  #: planned to arrive after one that was sent later
    random_loss_pkts: int = 0
    burst_loss_pkts: int = 0
    queue_full_pkts: int = 0
    outage_pkts: int = 0
    overflow_pkts: int = 0
    in_flight_pkts: int = 0
    queue_peak_us: int = 0

    @property
    def dropped_pkts(self) -> int:
        """Datagrams that never arrive, for whatever reason."""
        return (self.random_loss_pkts + self.burst_loss_pkts + self.queue_full_pkts
                + self.outage_pkts + self.overflow_pkts)

    @property
    def loss_rate(self) -> float:
        """Share of the sent datagrams that were dropped, 0..1; 0 before the first one."""
        return self.dropped_pkts / self.sent_pkts if self.sent_pkts else 0.0

    def to_dict(self) -> dict[str, int]:
        """All counters by name, and ``dropped_pkts``."""
        return {**asdict(self), "dropped_pkts": self.dropped_pkts}


class Link:
    """One direction of an emulated network.

    Not thread-safe: one thread at a time. Reads no clock: ``now_us`` must not go back. Holds at most
    ``max_in_flight_pkts`` datagrams.

    The fate of a datagram depends on the seed, on its ordinal and, for outages, rate and queue, on
    its time of sending; never on its bytes or on when poll() is called.

    :param config: settings, or a timeline of them as ``NetworkPlan.timeline`` gives:
        (t_us since the start, LinkConfig), the first at 0.
    :param seed: any integer or text; the same seed makes the same decisions on every machine.
    :param start_us: the time that the timeline, traces and outages count from.
    :param log: keep the last ``log`` decisions in :attr:`log`; 0: none.
    :raises ConfigError: the timeline does not start at 0 or does not rise.
    """

    def __init__(self, config: LinkConfig | Sequence[tuple[int, LinkConfig]] | None = None, *,
                 seed: int | str = 0, start_us: int = 0, log: int = 0) -> None:
        if config is None or isinstance(config, LinkConfig):
            config = [(0, config or LinkConfig())]
        times = [t_us for t_us, _ in config]
        if not times or times[0] != 0 or any(b <= a for a, b in pairwise(times)):
            raise ConfigError(f"link: the times of its settings {times} must start at 0 and rise")
        if not isinstance(log, int) or log < 0:
            raise ConfigError(f"log={log!r} is not a number of decisions, 0 or more")
        self._steps = deque(config)
        self._start_us = start_us
        self._now_us = start_us
        self._schedule = RateSchedule([
            (t_us, c.rate_trace if c.rate_trace is not None else c.rate_kbps) for t_us, c in config])
        self._draw_loss = generator(seed, "loss").random
        self._burst = BurstLoss(seed)
        self._draw_jitter = generator(seed, "jitter").random
        self._draw_reorder = generator(seed, "reorder").random
        self._draw_duplicate = generator(seed, "duplicate").random
        self._use(self._steps.popleft()[1])

        self._free_us = 0.0  # when the bottleneck has served all that it took, since the start
        self._queue: deque[tuple[float, int]] = deque()  # (leaves at, whole bytes), in order
        self._queue_bytes = 0
        self._last_us = 0  # latest delivery among those that keep their order
        self._latest_us = 0  # latest delivery at all
        self._heap: list[tuple[int, int, bytes, Any]] = []
        self._pushed = 0
        self._count = dict.fromkeys(LinkStats.__dataclass_fields__, 0)
        #: The newest decisions, oldest first; None without ``log``.
        self.log: deque[Decision] | None = deque(maxlen=log) if log else None

    def _use(self, config: LinkConfig) -> None:
        """Take over settings; what each packet needs is worked out once, here."""
        self._config = config
        self._burst_model = config.burst_model
        self._limit_bytes = config.queue_limit_bytes
        self._delay_us = round(config.delay_ms * 1000)
        self._jitter_us = config.jitter_ms * 1000.0
        self._outages = [(round(start_s * 1e6), round(start_s * 1e6) + round(length_s * 1e6))
                         for start_s, length_s in config.outages]

    def send(self, datagram: bytes, now_us: int, token: Any = None) -> bool:
        """Give a datagram to the link.

        :param datagram: any bytes-like of at most 65507 bytes; copied unless it is ``bytes``.
        :param now_us: microseconds; must not go back.
        :param token: handed back by :meth:`poll_token` with the datagram; the link does not look at it.
        :returns: False: it is dropped, and counted with the reason.
        :raises ArgumentError: too large, or time went back; nothing is counted then.
        """
        data = bytes(datagram)
        if len(data) > MAX_DATAGRAM_BYTES:
            raise ArgumentError(f"datagram of {len(data)} bytes; UDP carries {MAX_DATAGRAM_BYTES} at most")
        if now_us < self._now_us:
            raise ArgumentError(f"now_us={now_us} is before {self._now_us}")
        self._now_us = now_us
        t_us = now_us - self._start_us
        while self._steps and self._steps[0][0] <= t_us:
            self._use(self._steps.popleft()[1])

        # One draw from every generator for every datagram: see arcrtc.sim.effects.
        config = self._config
        lost = self._draw_loss() < config.loss_rate
        burst = self._burst.lost(self._burst_model)
        jitter = self._draw_jitter()
        held = self._draw_reorder() < config.reorder_rate
        twice = self._draw_duplicate() < config.duplicate_rate

        queue_us = 0
        deliver_us: int | None = None
        copy_us: int | None = None
        if self._outages and any(a <= t_us < b for a, b in self._outages):
            fate = OUTAGE
        elif lost:
            fate = RANDOM_LOSS
        elif burst:
            fate = BURST_LOSS
        elif len(self._heap) + twice >= config.max_in_flight_pkts:
            fate = OVERFLOW
        else:
            leave_us = self._enqueue(t_us, len(data) + config.overhead_bytes)
            if leave_us is None:
                fate = QUEUE_FULL
            else:
                fate = DELIVERED
                queue_us = round(leave_us - t_us)
                deliver_us = self._arrival_us(leave_us, jitter, held)
                self._push(deliver_us, data, token)
                if twice:
                    copy_us = deliver_us + round(config.duplicate_delay_ms * 1000)
                    self._push(copy_us, data, token)
        self._note(fate, len(data), queue_us, deliver_us, copy_us)
        return fate is DELIVERED

    def _enqueue(self, t_us: int, whole_bytes: int) -> float | None:
        """Time at which the bottleneck has sent the packet; None: its queue has no room."""
        queue = self._queue
        while queue and queue[0][0] <= t_us:
            self._queue_bytes -= queue.popleft()[1]
        if self._limit_bytes is None and not queue:
            return float(t_us)
        # An idle bottleneck takes any packet: one that is larger than the queue is sent at once.
        if queue and self._limit_bytes is not None and self._queue_bytes + whole_bytes > self._limit_bytes:
            return None
        self._free_us = self._schedule.finish_us(max(self._free_us, float(t_us)), whole_bytes * 8)
        queue.append((self._free_us, whole_bytes))
        self._queue_bytes += whole_bytes
        return self._free_us

    def _arrival_us(self, leave_us: float, jitter: float, held: bool) -> int:
        """Time of arrival, whole microseconds since the start."""
        config = self._config
        way_us = self._delay_us + jitter_us(config.jitter_shape, self._jitter_us, jitter)
        arrive_us = ceil(leave_us + max(0.0, way_us))
        if not config.jitter_reorders:
            arrive_us = max(arrive_us, self._last_us)
        if held:  # does not hold up those behind it: they are to overtake
            arrive_us += round(config.reorder_delay_ms * 1000)
        else:
            self._last_us = max(self._last_us, arrive_us)
        if arrive_us < self._latest_us:
            self._count["reordered_pkts"] += 1
        self._latest_us = max(self._latest_us, arrive_us)
        return arrive_us

    def _push(self, t_us: int, data: bytes, token: Any) -> None:
        heapq.heappush(self._heap, (self._start_us + t_us, self._pushed, data, token))
        self._pushed += 1

    def _note(self, fate: str, size_bytes: int, queue_us: int, deliver_us: int | None,
              copy_us: int | None) -> None:
        count = self._count
        if self.log is not None:
            self.log.append(Decision(
                count["sent_pkts"], self._now_us, size_bytes, fate, queue_us,
                None if deliver_us is None else deliver_us + self._start_us,
                None if copy_us is None else copy_us + self._start_us))
        count["sent_pkts"] += 1
        count["sent_bytes"] += size_bytes
        count["duplicated_pkts"] += copy_us is not None
        if queue_us > count["queue_peak_us"]:
            count["queue_peak_us"] = queue_us
        if fate is not DELIVERED:
            count[fate.replace(" ", "_") + "_pkts"] += 1

    def poll(self, now_us: int) -> bytes | None:
        """Take the next datagram whose time of arrival has come; call until None."""
        item = self.poll_token(now_us)
        return None if item is None else item[0]

    def poll_token(self, now_us: int) -> tuple[bytes, Any] | None:
        """As :meth:`poll`, with the token that send() was given."""
        if not self._heap or self._heap[0][0] > now_us:
            return None
        _, _, data, token = heapq.heappop(self._heap)
        self._count["delivered_pkts"] += 1
        self._count["delivered_bytes"] += len(data)
        return data, token

    @property
    def next_us(self) -> int:
        """When poll() has the next datagram, microseconds; NEVER_US: the link is empty."""
        return self._heap[0][0] if self._heap else NEVER_US

    def stats(self) -> LinkStats:
        """The counters as they are now."""
        return LinkStats(**{**self._count, "in_flight_pkts": len(self._heap)})
