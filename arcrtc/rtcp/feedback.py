"""Requests for packets and pictures, and the rate that a receiver allows.

C modules ``wire/rtcpfb`` and ``wire/rtcppsfb``.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arcrtc._native import check, ffi, lib
from arcrtc.errors import ArgumentError
from arcrtc.rtcp.base import (
    MAX_COMPOUND_BYTES,
    READERS,
    U8,
    U16,
    U32,
    U64,
    RtcpPacket,
    UnknownRtcp,
    check_bytes,
    check_count,
    check_range,
)


@dataclass(frozen=True, slots=True)
class GenericNack(RtcpPacket):
    """Request for lost packets.

    :ivar sender_ssrc: who asks.
    :ivar media_ssrc: whose packets are lost.
    :ivar sequence_numbers: at least one, 0..65535; ascending (mod 2**16) they
        pack best and come back in the same order.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 4585 section 6.2.1.
    """

    sender_ssrc: int
    media_ssrc: int
    sequence_numbers: tuple[int, ...]

    def __post_init__(self) -> None:
        check_range("sender_ssrc", self.sender_ssrc, 0, U32)
        check_range("media_ssrc", self.media_ssrc, 0, U32)
        check_count("sequence_numbers", self.sequence_numbers, 1, 1 << 20)
        for seq in self.sequence_numbers:
            check_range("sequence_numbers", seq, 0, U16)

    @staticmethod
    def _read(packet: Any) -> GenericNack:
        cap = 17 * (packet.body_len // 4)
        sender, media, n = ffi.new("uint32_t *"), ffi.new("uint32_t *"), ffi.new("size_t *")
        seqs = ffi.new("uint16_t[]", cap)
        check(lib.arc_rtcp_parse_nack(packet, sender, media, seqs, cap, n), "GenericNack")
        return GenericNack(sender[0], media[0], tuple(ffi.unpack(seqs, n[0])))

    def _write(self, writer: Any) -> None:
        seqs = ffi.new("uint16_t[]", self.sequence_numbers)
        lib.arc_rtcp_write_nack(writer, self.sender_ssrc, self.media_ssrc, seqs, len(self.sequence_numbers))


@dataclass(frozen=True, slots=True)
class PictureLossIndication(RtcpPacket):
    """Says that a picture is lost.

    :ivar sender_ssrc: who says so.
    :ivar media_ssrc: whose picture.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 4585 section 6.3.1.
    """

    sender_ssrc: int
    media_ssrc: int

    def __post_init__(self) -> None:
        check_range("sender_ssrc", self.sender_ssrc, 0, U32)
        check_range("media_ssrc", self.media_ssrc, 0, U32)

    @staticmethod
    def _read(packet: Any) -> PictureLossIndication:
        sender, media = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        check(lib.arc_rtcp_parse_pli(packet, sender, media), "PictureLossIndication")
        return PictureLossIndication(sender[0], media[0])

    def _write(self, writer: Any) -> None:
        lib.arc_rtcp_write_pli(writer, self.sender_ssrc, self.media_ssrc)


@dataclass(frozen=True, slots=True)
class FullIntraRequest(RtcpPacket):
    """Asks sources for a key frame.

    :ivar sender_ssrc: who asks.
    :ivar entries: at least one (media SSRC, command number 0..255); a repeated
        request keeps its number.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 5104 section 4.3.1.
    """

    sender_ssrc: int
    entries: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        check_range("sender_ssrc", self.sender_ssrc, 0, U32)
        check_count("entries", self.entries, 1, MAX_COMPOUND_BYTES // 8)
        for ssrc, seq_nr in self.entries:
            check_range("media SSRC", ssrc, 0, U32)
            check_range("command number", seq_nr, 0, U8)

    @staticmethod
    def _read(packet: Any) -> FullIntraRequest:
        cap = packet.body_len // 8
        sender, n = ffi.new("uint32_t *"), ffi.new("size_t *")
        ssrcs, seq_nrs = ffi.new("uint32_t[]", cap), ffi.new("uint8_t[]", cap)
        check(lib.arc_rtcp_parse_fir(packet, sender, ssrcs, seq_nrs, cap, n), "FullIntraRequest")
        return FullIntraRequest(sender[0], tuple((ssrcs[i], seq_nrs[i]) for i in range(n[0])))

    def _write(self, writer: Any) -> None:
        ssrcs = ffi.new("uint32_t[]", [ssrc for ssrc, _ in self.entries])
        seq_nrs = ffi.new("uint8_t[]", [seq_nr for _, seq_nr in self.entries])
        lib.arc_rtcp_write_fir_list(writer, self.sender_ssrc, ssrcs, seq_nrs, len(self.entries))


@dataclass(frozen=True, slots=True)
class Remb(RtcpPacket):
    """The highest rate that some sources may send together.

    :ivar sender_ssrc: who says so.
    :ivar bitrate_bps: bits per second, 0..2**64-1; the wire has 18 bits of
        mantissa and the rate is rounded down to them.
    :ivar ssrcs: the sources, at most 255.
    :raises ArgumentError: a field is out of its range.

    Source: draft-alvestrand-rmcat-remb-03 section 2.2.
    """

    sender_ssrc: int
    bitrate_bps: int
    ssrcs: tuple[int, ...]

    def __post_init__(self) -> None:
        check_range("sender_ssrc", self.sender_ssrc, 0, U32)
        check_range("bitrate_bps", self.bitrate_bps, 0, U64)
        check_count("ssrcs", self.ssrcs, 0, lib.ARC_RTCP_MAX_REMB_SSRCS)
        for ssrc in self.ssrcs:
            check_range("ssrcs", ssrc, 0, U32)

    @staticmethod
    def _read(packet: Any) -> RtcpPacket:
        cap = lib.ARC_RTCP_MAX_REMB_SSRCS
        sender, rate, n = ffi.new("uint32_t *"), ffi.new("uint64_t *"), ffi.new("size_t *")
        ssrcs = ffi.new("uint32_t[]", cap)
        status = lib.arc_rtcp_parse_remb(packet, sender, rate, ssrcs, cap, n)
        if status == lib.ARC_ERR_UNSUPPORTED:
            return UnknownRtcp._read(packet)
        check(status, "Remb")
        return Remb(sender[0], rate[0], tuple(ffi.unpack(ssrcs, n[0])))

    def _write(self, writer: Any) -> None:
        ssrcs = ffi.new("uint32_t[]", self.ssrcs)
        lib.arc_rtcp_write_remb(writer, self.sender_ssrc, self.bitrate_bps, ssrcs, len(self.ssrcs))


@dataclass(frozen=True, slots=True)
class LostSlice:
    """Macroblocks that are lost in one picture, in scan order.

    :ivar first: 0..8191; the upper left one is 1.
    :ivar number: how many, 0..8191.
    :ivar picture_id: lowest six bits of the codec's own number of the picture, 0..63.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 4585 section 6.3.2.
    """

    first: int
    number: int
    picture_id: int

    def __post_init__(self) -> None:
        check_range("first", self.first, 0, 8191)
        check_range("number", self.number, 0, 8191)
        check_range("picture_id", self.picture_id, 0, 63)


@dataclass(frozen=True, slots=True)
class SliceLossIndication(RtcpPacket):
    """Says that parts of pictures are lost.

    :ivar sender_ssrc: who says so.
    :ivar media_ssrc: whose pictures.
    :ivar slices: at least one.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 4585 section 6.3.2.
    """

    sender_ssrc: int
    media_ssrc: int
    slices: tuple[LostSlice, ...]

    def __post_init__(self) -> None:
        check_range("sender_ssrc", self.sender_ssrc, 0, U32)
        check_range("media_ssrc", self.media_ssrc, 0, U32)
        check_count("slices", self.slices, 1, MAX_COMPOUND_BYTES // 4)

    @staticmethod
    def _read(packet: Any) -> SliceLossIndication:
        cap = packet.body_len // 4
        sender, media, n = ffi.new("uint32_t *"), ffi.new("uint32_t *"), ffi.new("size_t *")
        slices = ffi.new("struct arc_rtcp_sli[]", cap)
        check(lib.arc_rtcp_parse_sli(packet, sender, media, slices, cap, n), "SliceLossIndication")
        return SliceLossIndication(sender[0], media[0], tuple(
            LostSlice(s.first, s.number, s.picture_id) for s in slices[0:n[0]]))

    def _write(self, writer: Any) -> None:
        slices = ffi.new("struct arc_rtcp_sli[]", [(s.first, s.number, s.picture_id) for s in self.slices])
        lib.arc_rtcp_write_sli(writer, self.sender_ssrc, self.media_ssrc, slices, len(self.slices))


@dataclass(frozen=True, slots=True)
class ReferencePictureSelection(RtcpPacket):
    """Names a picture to predict from, in the codec's own words.

    :ivar sender_ssrc: who says so.
    :ivar media_ssrc: whose pictures.
    :ivar payload_type: 0..127: tells the codec.
    :ivar native: the codec's bit string, from the highest bit of the first byte on.
    :ivar n_bits: its length; the bits behind it in the last byte are zero.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 4585 section 6.3.3.
    """

    sender_ssrc: int
    media_ssrc: int
    payload_type: int
    native: bytes
    n_bits: int

    def __post_init__(self) -> None:
        check_range("sender_ssrc", self.sender_ssrc, 0, U32)
        check_range("media_ssrc", self.media_ssrc, 0, U32)
        check_range("payload_type", self.payload_type, 0, 127)
        check_bytes("native", self.native, MAX_COMPOUND_BYTES)
        check_range("n_bits", self.n_bits, max(0, 8 * len(self.native) - 7), 8 * len(self.native))
        if self.n_bits % 8 and self.native[-1] & (0xFF >> self.n_bits % 8):
            raise ArgumentError(f"native has a one behind its {self.n_bits} bits")

    @staticmethod
    def _read(packet: Any) -> ReferencePictureSelection:
        sender, media, kind = ffi.new("uint32_t *"), ffi.new("uint32_t *"), ffi.new("uint8_t *")
        bits, n_bits = ffi.new("uint8_t **"), ffi.new("size_t *")
        check(lib.arc_rtcp_parse_rpsi(packet, sender, media, kind, bits, n_bits), "ReferencePictureSelection")
        native = bytearray(ffi.buffer(bits[0], (n_bits[0] + 7) // 8))
        if n_bits[0] % 8:
            native[-1] &= 0xFF00 >> n_bits[0] % 8 & 0xFF
        return ReferencePictureSelection(sender[0], media[0], kind[0], bytes(native), n_bits[0])

    def _write(self, writer: Any) -> None:
        lib.arc_rtcp_write_rpsi(writer, self.sender_ssrc, self.media_ssrc, self.payload_type, self.native,
                                self.n_bits)


READERS[lib.ARC_RTCP_RTPFB, lib.ARC_RTPFB_NACK] = GenericNack._read
READERS[lib.ARC_RTCP_PSFB, lib.ARC_PSFB_PLI] = PictureLossIndication._read
READERS[lib.ARC_RTCP_PSFB, lib.ARC_PSFB_FIR] = FullIntraRequest._read
READERS[lib.ARC_RTCP_PSFB, lib.ARC_PSFB_AFB] = Remb._read
READERS[lib.ARC_RTCP_PSFB, lib.ARC_PSFB_SLI] = SliceLossIndication._read
READERS[lib.ARC_RTCP_PSFB, lib.ARC_PSFB_RPSI] = ReferencePictureSelection._read
