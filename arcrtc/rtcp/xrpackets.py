"""Blocks of extended reports that speak of each packet (C module ``wire/xrrle``)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arcrtc._native import check, ffi, lib
from arcrtc.errors import ArgumentError
from arcrtc.rtcp.base import U16, U32, check_range
from arcrtc.rtcp.xr import BLOCK_READERS, XrBlock


def _range_of(block: PacketRange) -> Any:
    return ffi.new("struct arc_xr_range *", (block.ssrc, block.begin_sequence, block.end_sequence, block.thinning))


@dataclass(frozen=True, slots=True)
class PacketRange(XrBlock):
    """Base of the blocks that speak of single packets: which ones.

    They are ``begin_sequence`` .. ``end_sequence`` - 1 (mod 2**16) that are multiples
    of 2**``thinning``.

    :ivar ssrc: source of the packets.
    :ivar begin_sequence: 0..65535.
    :ivar end_sequence: 0..65535, at most 65533 after the begin (mod 2**16).
    :ivar thinning: 0..15.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3611 section 4.1.
    """

    ssrc: int
    begin_sequence: int
    end_sequence: int
    thinning: int

    def __post_init__(self) -> None:
        check_range("ssrc", self.ssrc, 0, U32)
        check_range("begin_sequence", self.begin_sequence, 0, U16)
        check_range("end_sequence", self.end_sequence, 0, U16)
        check_range("thinning", self.thinning, 0, 15)
        if (self.end_sequence - self.begin_sequence) & U16 > lib.ARC_XR_MAX_RANGE:
            raise ArgumentError(f"{self.begin_sequence}..{self.end_sequence} is a range of more than "
                                f"{lib.ARC_XR_MAX_RANGE} packets")

    @property
    def sequence_numbers(self) -> tuple[int, ...]:
        """The packets that the block speaks of, ascending (mod 2**16)."""
        found = _range_of(self)
        return tuple(lib.arc_xr_range_seq16(found, i) for i in range(lib.arc_xr_range_count(found)))

    def _check_values(self, name: str, values: object, kind: type) -> None:
        n = lib.arc_xr_range_count(_range_of(self))
        if not isinstance(values, tuple) or len(values) != n or not all(isinstance(v, kind) for v in values):
            raise ArgumentError(f"{name} must be a tuple of {n} {kind.__name__}, one for each packet")


def _read_rle(block: Any, what: str) -> tuple[int, int, int, int, tuple[bool, ...]]:
    found, n = ffi.new("struct arc_xr_range *"), ffi.new("size_t *")
    bits = ffi.new("uint8_t[]", lib.ARC_XR_MAX_RANGE)
    check(lib.arc_xr_parse_rle(block, found, bits, lib.ARC_XR_MAX_RANGE, n), what)
    values = tuple(map(bool, bytes(ffi.buffer(bits, n[0]))))
    return found.ssrc, found.begin_seq, found.end_seq, found.thinning, values


@dataclass(frozen=True, slots=True)
class LossRle(PacketRange):
    """Which packets were received and which were lost.

    :ivar ssrc: source of the packets.
    :ivar begin_sequence: 0..65535.
    :ivar end_sequence: 0..65535, at most 65533 after the begin (mod 2**16).
    :ivar thinning: 0..15.
    :ivar received: one for each of ``sequence_numbers``.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3611 section 4.1.
    """

    received: tuple[bool, ...]

    def __post_init__(self) -> None:
        PacketRange.__post_init__(self)
        self._check_values("received", self.received, bool)

    @staticmethod
    def _read(block: Any) -> LossRle:
        return LossRle(*_read_rle(block, "LossRle"))

    def _write(self, writer: Any) -> None:
        lib.arc_xr_write_rle(writer, lib.ARC_XR_LOSS_RLE, _range_of(self), bytes(self.received))


@dataclass(frozen=True, slots=True)
class DuplicateRle(PacketRange):
    """Which packets were received more than once.

    :ivar ssrc: source of the packets.
    :ivar begin_sequence: 0..65535.
    :ivar end_sequence: 0..65535, at most 65533 after the begin (mod 2**16).
    :ivar thinning: 0..15.
    :ivar unique: one for each of ``sequence_numbers``: False if it was received more
        than once; True for a lost one too.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3611 section 4.2.
    """

    unique: tuple[bool, ...]

    def __post_init__(self) -> None:
        PacketRange.__post_init__(self)
        self._check_values("unique", self.unique, bool)

    @staticmethod
    def _read(block: Any) -> DuplicateRle:
        return DuplicateRle(*_read_rle(block, "DuplicateRle"))

    def _write(self, writer: Any) -> None:
        lib.arc_xr_write_rle(writer, lib.ARC_XR_DUPLICATE_RLE, _range_of(self), bytes(self.unique))


@dataclass(frozen=True, slots=True)
class ReceiptTimes(PacketRange):
    """When packets were received; all of the range were.

    :ivar ssrc: source of the packets.
    :ivar begin_sequence: 0..65535.
    :ivar end_sequence: 0..65535, at most 65533 after the begin (mod 2**16).
    :ivar thinning: 0..15.
    :ivar times: one for each of ``sequence_numbers``, in ticks of the stream's RTP
        clock, 0..2**32-1.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3611 section 4.3.
    """

    times: tuple[int, ...]

    def __post_init__(self) -> None:
        PacketRange.__post_init__(self)
        self._check_values("times", self.times, int)
        for time in self.times:
            check_range("times", time, 0, U32)

    @staticmethod
    def _read(block: Any) -> ReceiptTimes:
        cap = block.body_len // 4
        found, n = ffi.new("struct arc_xr_range *"), ffi.new("size_t *")
        times = ffi.new("uint32_t[]", cap)
        check(lib.arc_xr_parse_receipt_times(block, found, times, cap, n), "ReceiptTimes")
        return ReceiptTimes(found.ssrc, found.begin_seq, found.end_seq, found.thinning,
                            tuple(ffi.unpack(times, n[0])))

    def _write(self, writer: Any) -> None:
        lib.arc_xr_write_receipt_times(writer, _range_of(self), ffi.new("uint32_t[]", self.times))


BLOCK_READERS[lib.ARC_XR_LOSS_RLE] = LossRle._read
BLOCK_READERS[lib.ARC_XR_DUPLICATE_RLE] = DuplicateRle._read
BLOCK_READERS[lib.ARC_XR_RECEIPT_TIMES] = ReceiptTimes._read
