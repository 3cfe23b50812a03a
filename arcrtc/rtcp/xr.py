"""Extended reports and their blocks of times and unknown kinds (C module ``wire/rtcpxr``)."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from arcrtc._native import check, ffi, lib
from arcrtc.errors import ArgumentError, ParseError
from arcrtc.rtcp.base import (
    ANY_COUNT,
    MAX_COMPOUND_BYTES,
    READERS,
    U8,
    U32,
    U64,
    RtcpPacket,
    check_bytes,
    check_count,
    check_range,
)


class XrBlock(ABC):
    """Base of the blocks of an :class:`ExtendedReport`.

    Source: RFC 3611 section 3.
    """

    __slots__ = ()

    @abstractmethod
    def _write(self, writer: Any) -> None:
        """Append to a ``struct arc_writer *``."""


#: block type -> reader of a ``struct arc_xr_block *``; each module enters its own
BLOCK_READERS: Final[dict[int, Callable[[Any], XrBlock]]] = {}


@dataclass(frozen=True, slots=True)
class UnknownXrBlock(XrBlock):
    """A block without a class of its own, or one that breaks the rules of its type, as it came.

    The rules of RFC 3611 want such a block to be passed over, not its packet.

    :ivar block_type: 0..255.
    :ivar type_specific: second byte of the block, 0..255.
    :ivar body: behind the 4-byte header of the block; a multiple of 4 bytes.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3611 sections 3 and 4.
    """

    block_type: int
    type_specific: int
    body: bytes

    def __post_init__(self) -> None:
        check_range("block_type", self.block_type, 0, U8)
        check_range("type_specific", self.type_specific, 0, U8)
        check_bytes("body", self.body, MAX_COMPOUND_BYTES)
        if len(self.body) % 4:
            raise ArgumentError(f"body has {len(self.body)} bytes, must be a multiple of 4")

    @staticmethod
    def _read(block: Any) -> UnknownXrBlock:
        return UnknownXrBlock(block.type, block.specific, bytes(ffi.buffer(block.body, block.body_len)))

    def _write(self, writer: Any) -> None:
        body = ffi.from_buffer("uint8_t[]", self.body)
        lib.arc_xr_write_block(writer, ffi.new("struct arc_xr_block *", (
            self.block_type, self.type_specific, body, len(self.body))))


def _read_block(block: Any) -> XrBlock:
    read = BLOCK_READERS.get(block.type, UnknownXrBlock._read)
    try:
        return read(block)
    except ParseError:
        return UnknownXrBlock._read(block)


@dataclass(frozen=True, slots=True)
class ExtendedReport(RtcpPacket):
    """What a report has no room for, in blocks.

    :ivar ssrc: who reports.
    :ivar blocks: in their order; may be none.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3611 section 2.
    """

    ssrc: int
    blocks: tuple[XrBlock, ...]

    def __post_init__(self) -> None:
        check_range("ssrc", self.ssrc, 0, U32)
        check_count("blocks", self.blocks, 0, MAX_COMPOUND_BYTES // 4)

    @staticmethod
    def _read(packet: Any) -> ExtendedReport:
        step, block = ffi.new("struct arc_xr_iter *"), ffi.new("struct arc_xr_block *")
        check(lib.arc_xr_iter_init(step, packet), "ExtendedReport")
        blocks: list[XrBlock] = []
        while check(lib.arc_xr_next(step, block), "ExtendedReport"):
            blocks.append(_read_block(block))
        return ExtendedReport(step.ssrc, tuple(blocks))

    def _write(self, writer: Any) -> None:
        out = ffi.new("uint8_t[]", MAX_COMPOUND_BYTES)
        blocks = ffi.new("struct arc_writer *", {"data": out, "cap": MAX_COMPOUND_BYTES})
        for block in self.blocks:
            block._write(blocks)
        if blocks.fail:
            writer.fail = True
        else:
            lib.arc_rtcp_write_xr(writer, self.ssrc, out, blocks.pos)


@dataclass(frozen=True, slots=True)
class ReceiverReferenceTime(XrBlock):
    """Wall time of a participant that need not send, so that it can learn its round trip.

    :ivar ntp_time: 32.32 seconds since 1900, or since the participant joined; 64 bits.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3611 section 4.4.
    """

    ntp_time: int

    def __post_init__(self) -> None:
        check_range("ntp_time", self.ntp_time, 0, U64)

    @staticmethod
    def _read(block: Any) -> ReceiverReferenceTime:
        ntp64 = ffi.new("uint64_t *")
        check(lib.arc_xr_parse_rrtr(block, ntp64), "ReceiverReferenceTime")
        return ReceiverReferenceTime(ntp64[0])

    def _write(self, writer: Any) -> None:
        lib.arc_xr_write_rrtr(writer, self.ntp_time)


@dataclass(frozen=True, slots=True)
class DelaySinceLastReceiverReport(XrBlock):
    """The answer to :class:`ReceiverReferenceTime`, for one or more receivers.

    :ivar entries: at least one (SSRC of the receiver, middle 32 bits of its last
        reference time, delay since then in 1/65536 s); both 0: none came yet.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3611 section 4.5.
    """

    entries: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        check_count("entries", self.entries, 1, MAX_COMPOUND_BYTES // 12)
        for ssrc, last_rr, delay in self.entries:
            check_range("receiver SSRC", ssrc, 0, U32)
            check_range("last reference time", last_rr, 0, U32)
            check_range("delay", delay, 0, U32)

    @staticmethod
    def _read(block: Any) -> DelaySinceLastReceiverReport:
        cap = block.body_len // 12
        items, n = ffi.new("struct arc_xr_dlrr[]", cap), ffi.new("size_t *")
        check(lib.arc_xr_parse_dlrr(block, items, cap, n), "DelaySinceLastReceiverReport")
        return DelaySinceLastReceiverReport(tuple((i.ssrc, i.lrr, i.dlrr) for i in items[0:n[0]]))

    def _write(self, writer: Any) -> None:
        lib.arc_xr_write_dlrr(writer, ffi.new("struct arc_xr_dlrr[]", self.entries), len(self.entries))


READERS[lib.ARC_RTCP_XR, ANY_COUNT] = ExtendedReport._read
BLOCK_READERS[lib.ARC_XR_RRTR] = ReceiverReferenceTime._read
BLOCK_READERS[lib.ARC_XR_DLRR] = DelaySinceLastReceiverReport._read
