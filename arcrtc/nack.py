"""Loss detection of one received RTP stream (C module ``rx/nackgen``)."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import NEVER_US, check, ffi, lib, new_handle, write_view
from arcrtc._ranges import check_int

__all__ = ["NEVER_US", "NackConfig", "NackGenerator", "NackStats"]

_ENTRY_BYTES = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class NackConfig:
    """When a missing packet is asked for, and for how long.

    :ivar max_missing_pkts: entries tracked; the oldest is dropped first. 1..4096.
    :ivar max_tries: requests for one packet. 1..20.
    :ivar reorder_wait_us: first wait before a request, so that plain reordering
        costs no request; it then follows the reordering that is seen, within an
        eighth of this and four times it. Microseconds, 0..1_000_000.
    :ivar give_up_us: age at which a packet can no longer be played out.
        Microseconds, 1..2**40; set it to the jitter buffer's maximum delay.
    :raises ConfigError: a value is outside its range.
    """

    max_missing_pkts: int = 512
    max_tries: int = 8
    reorder_wait_us: int = 10_000
    give_up_us: int = 1_000_000

    def __post_init__(self) -> None:
        check_int("max_missing_pkts", self.max_missing_pkts, 1, 4096)
        check_int("max_tries", self.max_tries, 1, 20)
        check_int("reorder_wait_us", self.reorder_wait_us, 0, 1_000_000)
        check_int("give_up_us", self.give_up_us, 1, 2**40)


@dataclass(frozen=True, slots=True, kw_only=True)
class NackStats:
    """Counters since the start, in packets.

    :ivar missing: gaps found.
    :ivar requested: requests handed out, repeats counted.
    :ivar recovered: came after a request.
    :ivar reordered: came by themselves.
    :ivar restored: repaired before they were asked for.
    :ivar not_in_time: not asked for, or not again, because the answer would have come too late.
    :ivar given_up: let go because they were too old.
    :ivar overflow: let go for want of room, or at a jump of the numbers.
    :ivar reorder_wait_us: wait before a first request now in use, microseconds.
    :ivar missing_pkts: tracked now.
    """

    missing: int
    requested: int
    recovered: int
    reordered: int
    restored: int
    not_in_time: int
    given_up: int
    overflow: int
    reorder_wait_us: int
    missing_pkts: int


class NackGenerator:
    """Decides which lost packets to ask for, and when.

    Not thread-safe: one thread at a time. Reads no clock: the caller passes
    ``now_us``, so a test can run an hour of media in a second.

    :param config: limits and waiting times; None: the defaults of NackConfig.
    :raises NoMemoryError: the core could not allocate.

    Source: RFC 4585 section 6.2.1 (Generic NACK).
    """

    def __init__(self, config: NackConfig | None = None) -> None:
        config = config or NackConfig()
        cfg = ffi.new("struct arc_nackgen_config *", {
            "max_missing_pkts": config.max_missing_pkts,
            "max_tries": config.max_tries,
            "reorder_wait_us": config.reorder_wait_us,
            "give_up_us": config.give_up_us,
        })
        self._handle = new_handle(
            lib.arc_nackgen_new, lib.arc_nackgen_free, "struct arc_nackgen", cfg,
            what="NackGenerator", size=_ENTRY_BYTES * config.max_missing_pkts)
        self._n_out = ffi.new("size_t *")

    def on_packet(self, seq: int, *, now_us: int, media_us: int | None = None, repaired: bool = False) -> None:
        """Note an arrival, of the packet itself or of its repair.

        :param seq: extended (unwrapped) sequence number, 0 or more.
        :param now_us: monotonic clock, microseconds.
        :param media_us: its RTP timestamp, unwrapped, in microseconds; None: not known.
        :param repaired: RTX, FEC or RED brought it.
        """
        if repaired:
            lib.arc_nackgen_on_repaired(self._handle, seq, now_us)
        elif media_us is None:
            lib.arc_nackgen_on_packet(self._handle, seq, now_us)
        else:
            lib.arc_nackgen_on_media(self._handle, seq, media_us, now_us)

    def on_asked(self, seq: int, *, now_us: int) -> None:
        """Note that another receiver has asked for it (RFC 4585 section 3.5.2)."""
        lib.arc_nackgen_on_asked(self._handle, seq, now_us)

    def set_playout(self, zero_us: int | None) -> None:
        """Tell when media time 0 is played, microseconds of the clock; None: not known."""
        lib.arc_nackgen_set_playout(self._handle, NEVER_US if zero_us is None else zero_us)

    def set_hold(self, hold_us: int) -> None:
        """Let first requests wait for what FEC may bring, microseconds, 0..1_000_000.

        :raises ConfigError: outside of that.
        """
        check_int("hold_us", hold_us, 0, 1_000_000)
        lib.arc_nackgen_set_hold(self._handle, hold_us)

    def poll(self, out: NDArray[np.uint64], *, rtt_us: int, now_us: int) -> int:
        """Write the sequence numbers to ask for now into ``out``.

        :param out: shape (n,), uint64, C-contiguous, n >= 1; filled in place.
        :param rtt_us: smoothed round-trip time, microseconds; 0: not known.
        :param now_us: monotonic clock, microseconds.
        :returns: how many entries were written, ascending; 0: none due.
        :raises ArgumentError: ``out`` is empty or ``rtt_us`` is negative.
        """
        seqs = write_view(out, "uint64_t", np.uint64)
        status = lib.arc_nackgen_poll(
            self._handle, rtt_us, now_us, seqs, len(seqs), self._n_out)
        return int(self._n_out[0]) if check(status, "NackGenerator.poll") else 0

    @property
    def next_us(self) -> int:
        """When poll() is due next, microseconds; NEVER_US if nothing is missing."""
        return int(lib.arc_nackgen_next_us(self._handle))

    def stats(self) -> NackStats:
        """Counters since the start."""
        s = ffi.new("struct arc_nackgen_stats *")
        lib.arc_nackgen_stats(self._handle, s)
        return NackStats(missing=s.missing, requested=s.requested, recovered=s.recovered,
                         reordered=s.reordered, restored=s.restored,
                         not_in_time=s.not_in_time, given_up=s.given_up, overflow=s.overflow,
                         reorder_wait_us=s.reorder_wait_us, missing_pkts=s.missing_pkts)
