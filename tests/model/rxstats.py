"""RFC 3550 A.1, A.3 and A.8 written down from the text: 16 bits, cycles, floating point."""
from __future__ import annotations

MOD = 1 << 16


class RxStatsModel:
    """State of one source, as ``struct source`` of RFC 3550 A.1, without probation."""

    def __init__(self, clock_hz: int, max_misorder: int) -> None:
        self.clock_hz = clock_hz
        self.max_misorder = max_misorder
        self.started = False
        self.transit = 0
        self.jitter = 0.0
        self.has_transit = False

    def init_seq(self, seq: int) -> None:
        self.base_seq = self.max_seq = seq
        self.bad_seq = MOD + 1
        self.cycles = self.received = self.received_prior = self.expected_prior = 0

    def update_seq(self, seq: int) -> bool:
        if not self.started:
            self.init_seq(seq)
            self.started = True
        udelta = (seq - self.max_seq) % MOD
        if udelta < 3000:
            if seq < self.max_seq:
                self.cycles += MOD
            self.max_seq = seq
            self.bad_seq = MOD + 1
        elif udelta <= MOD - self.max_misorder:
            if seq != self.bad_seq:
                self.bad_seq = (seq + 1) % MOD
                return False
            self.init_seq(seq)
            self.has_transit = False
        else:
            self.bad_seq = MOD + 1
        self.received += 1
        return True

    def on_packet(self, seq: int, rtp_ts: int, now_us: int) -> None:
        if not self.update_seq(seq):
            return
        arrival = now_us * self.clock_hz // 1_000_000
        transit = (arrival - rtp_ts) % 2**32
        d = (transit - self.transit + 2**31) % 2**32 - 2**31
        self.transit = transit
        if self.has_transit:
            self.jitter += (abs(d) - self.jitter) / 16
        self.has_transit = True

    def report(self) -> tuple[int, int, int, float]:
        extended_max = self.cycles + self.max_seq
        expected = extended_max - self.base_seq + 1
        lost = max(-0x800000, min(0x7FFFFF, expected - self.received))
        expected_interval = expected - self.expected_prior
        self.expected_prior = expected
        received_interval = self.received - self.received_prior
        self.received_prior = self.received
        lost_interval = expected_interval - received_interval
        fraction = 0
        if expected_interval > 0 and lost_interval > 0:
            fraction = min(255, (lost_interval << 8) // expected_interval)
        return fraction, lost, extended_max % 2**32, self.jitter
