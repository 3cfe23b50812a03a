"""Round-trip time from the times that RTCP brings back (C module ``rx/rtt``)."""
from __future__ import annotations

from arcrtc._native import ffi, lib

__all__ = ["ReferenceTimes", "RttEstimator"]


def _none_below_zero(us: int) -> int | None:
    return None if us < 0 else us


class RttEstimator:
    """Round-trip time, smoothed and least; answers that make no sense are counted. One thread at a time.

    Source: RFC 3550 section 6.4.1 (LSR, DLSR); RFC 3611 sections 4.4 and 4.5 (LRR, DLRR).
    """

    def __init__(self) -> None:
        self._r = ffi.new("struct arc_rtt *")
        lib.arc_rtt_init(self._r)

    def on_report(self, ntp_now: int, sent: int, kept: int, *, now_us: int) -> bool:
        """Note what a report brought back.

        :param ntp_now: our NTP time now, 32.32 bits, 0..2**64 - 1.
        :param sent: LSR or LRR: middle 32 bits of the NTP time that we sent; 0: the peer has none.
        :param kept: DLSR or DLRR: how long the peer kept it, 1/65536 s.
        :param now_us: monotonic clock, microseconds.
        :returns: False if it was none yet, or nonsense (negative, or over a minute).
        """
        return bool(lib.arc_rtt_on_report(self._r, ntp_now, sent, kept, now_us) == lib.ARC_OK)

    def on_sample(self, sample_us: int, *, now_us: int) -> bool:
        """Note a time that was measured otherwise; False if it is negative or over a minute."""
        return bool(lib.arc_rtt_on_sample(self._r, sample_us, now_us) == lib.ARC_OK)

    @property
    def smoothed_us(self) -> int | None:
        """7/8 of the old, 1/8 of the new, microseconds; None: nothing yet."""
        return _none_below_zero(self._r.smoothed_us)

    @property
    def last_us(self) -> int | None:
        """The last one, microseconds; None: nothing yet."""
        return _none_below_zero(self._r.last_us)

    @property
    def min_us(self) -> int | None:
        """The least of the last 10 to 20 seconds, microseconds; None: nothing yet."""
        return _none_below_zero(self._r.min_us)

    @property
    def samples(self) -> int:
        """How many were taken."""
        return int(self._r.samples)

    @property
    def rejected(self) -> int:
        """How many were nonsense."""
        return int(self._r.rejected)


class ReferenceTimes:
    """Reference times of receivers that want an answer; the eight heard last. One thread at a time.

    Source: RFC 3611 sections 4.4 and 4.5.
    """

    def __init__(self) -> None:
        self._r = ffi.new("struct arc_rttref *")
        self._out = ffi.new("uint32_t[3]")
        lib.arc_rttref_init(self._r)

    def on_reference(self, ssrc: int, ntp: int, *, now_us: int) -> None:
        """Note the reference time of a receiver, 32.32 bits; 0 says that it has no clock."""
        lib.arc_rttref_on_reference(self._r, ssrc, ntp, now_us)

    def answers(self, *, now_us: int) -> list[tuple[int, int, int]]:
        """What to answer: (ssrc, LRR, DLRR in 1/65536 s) of each receiver heard in the last two minutes."""
        out = self._out
        return [(out[0], out[1], out[2]) for i in range(self._r.n)
                if lib.arc_rttref_answer(self._r, i, now_us, out, out + 1, out + 2)]

    def forget(self, ssrc: int) -> None:
        """Forget a receiver that has left."""
        lib.arc_rttref_forget(self._r, ssrc)

    @property
    def evicted(self) -> int:
        """Receivers that made room for others."""
        return int(self._r.evicted)
