"""What sources say of themselves and when they leave, and packets of applications (C module ``wire/rtcp``)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arcrtc._native import check, ffi, lib
from arcrtc.errors import ArgumentError
from arcrtc.rtcp.base import (
    ANY_COUNT,
    MAX_COMPOUND_BYTES,
    MAX_COUNT,
    MAX_TEXT_BYTES,
    READERS,
    U8,
    U32,
    RtcpPacket,
    check_bytes,
    check_count,
    check_range,
    encode_text,
)


@dataclass(frozen=True, slots=True)
class SdesChunk:
    """What one source says about itself.

    :ivar ssrc: the source.
    :ivar items: (type, value) pairs; type 1..255 (1: CNAME), value of 0..255
        bytes, UTF-8 without a zero at its end.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3550 section 6.5.
    """

    ssrc: int
    items: tuple[tuple[int, bytes], ...]

    def __post_init__(self) -> None:
        check_range("ssrc", self.ssrc, 0, U32)
        check_count("items", self.items, 0, MAX_COMPOUND_BYTES)
        for kind, value in self.items:
            check_range("item type", kind, 1, U8)
            check_bytes("item value", value, MAX_TEXT_BYTES)

    @property
    def cname(self) -> str | None:
        """The canonical name, or None; bytes that are not UTF-8 come as surrogates."""
        for kind, value in self.items:
            if kind == lib.ARC_SDES_CNAME:
                return value.decode("utf-8", "surrogateescape")
        return None


@dataclass(frozen=True, slots=True)
class SourceDescription(RtcpPacket):
    """Descriptions of sources, the canonical name above all.

    :ivar chunks: one a source, at most 31.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3550 section 6.5.
    """

    chunks: tuple[SdesChunk, ...]

    def __post_init__(self) -> None:
        check_count("chunks", self.chunks, 0, MAX_COUNT)

    @classmethod
    def with_cname(cls, ssrc: int, cname: str) -> SourceDescription:
        """One chunk with one canonical name, at most 255 bytes of UTF-8."""
        return cls((SdesChunk(ssrc, ((lib.ARC_SDES_CNAME, encode_text("cname", cname)),)),))

    @staticmethod
    def _read(packet: Any) -> SourceDescription:
        step = ffi.new("struct arc_rtcp_sdes_iter *")
        item = ffi.new("struct arc_rtcp_sdes_item *")
        check(lib.arc_rtcp_sdes_iter_init(step, packet), "SourceDescription")
        chunks: list[SdesChunk] = []
        items: list[tuple[int, bytes]] = []
        while check(lib.arc_rtcp_sdes_next(step, item), "SourceDescription"):
            if item.type == lib.ARC_SDES_END:
                chunks.append(SdesChunk(item.ssrc, tuple(items)))
                items = []
            else:
                items.append((item.type, bytes(ffi.buffer(item.value, item.value_len))))
        return SourceDescription(tuple(chunks))

    def _write(self, writer: Any) -> None:
        flat: list[tuple[int, int, int, Any]] = []
        for chunk in self.chunks:
            flat += [(chunk.ssrc, kind, len(value), ffi.from_buffer("uint8_t[]", value))
                     for kind, value in chunk.items]
            flat.append((chunk.ssrc, lib.ARC_SDES_END, 0, ffi.NULL))
        lib.arc_rtcp_write_sdes(writer, ffi.new("struct arc_rtcp_sdes_item[]", flat), len(flat))


@dataclass(frozen=True, slots=True)
class Goodbye(RtcpPacket):
    """Sources that leave.

    :ivar ssrcs: at most 31.
    :ivar reason: for people, at most 255 bytes of UTF-8; None: none. Bytes that
        are not UTF-8 come as surrogates.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3550 section 6.6.
    """

    ssrcs: tuple[int, ...]
    reason: str | None = None

    def __post_init__(self) -> None:
        check_count("ssrcs", self.ssrcs, 0, MAX_COUNT)
        for ssrc in self.ssrcs:
            check_range("ssrcs", ssrc, 0, U32)
        if self.reason is not None:
            encode_text("reason", self.reason)

    @staticmethod
    def _read(packet: Any) -> Goodbye:
        ssrcs, n = ffi.new("uint32_t[]", MAX_COUNT), ffi.new("size_t *")
        text, text_len = ffi.new("uint8_t **"), ffi.new("size_t *")
        check(lib.arc_rtcp_parse_bye(packet, ssrcs, MAX_COUNT, n, text, text_len), "Goodbye")
        reason = None
        if text[0]:
            reason = bytes(ffi.buffer(text[0], text_len[0])).decode("utf-8", "surrogateescape")
        return Goodbye(tuple(ffi.unpack(ssrcs, n[0])), reason)

    def _write(self, writer: Any) -> None:
        ssrcs = ffi.new("uint32_t[]", self.ssrcs)
        if self.reason is None:
            lib.arc_rtcp_write_bye_text(writer, ssrcs, len(self.ssrcs), ffi.NULL, 0)
        else:
            text = encode_text("reason", self.reason)
            lib.arc_rtcp_write_bye_text(writer, ssrcs, len(self.ssrcs), text, len(text))


@dataclass(frozen=True, slots=True)
class App(RtcpPacket):
    """Application-defined packet.

    :ivar ssrc: who sends it.
    :ivar name: 4 bytes of ASCII.
    :ivar data: a multiple of 4 bytes.
    :ivar subtype: 0..31.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3550 section 6.7.
    """

    ssrc: int
    name: bytes
    data: bytes = b""
    subtype: int = 0

    def __post_init__(self) -> None:
        check_range("ssrc", self.ssrc, 0, U32)
        check_range("subtype", self.subtype, 0, MAX_COUNT)
        check_bytes("data", self.data, MAX_COMPOUND_BYTES)
        if not isinstance(self.name, bytes) or len(self.name) != 4:
            raise ArgumentError("name must be 4 bytes")
        if len(self.data) % 4:
            raise ArgumentError(f"data has {len(self.data)} bytes, must be a multiple of 4")

    @staticmethod
    def _read(packet: Any) -> App:
        app = ffi.new("struct arc_rtcp_app *")
        check(lib.arc_rtcp_parse_app(packet, app), "App")
        return App(app.ssrc, bytes(app.name), bytes(ffi.buffer(app.data, app.data_len)), app.subtype)

    def _write(self, writer: Any) -> None:
        data = ffi.from_buffer("uint8_t[]", self.data)
        app = ffi.new("struct arc_rtcp_app *", {
            "subtype": self.subtype, "ssrc": self.ssrc, "name": list(self.name), "data": data,
            "data_len": len(self.data)})
        lib.arc_rtcp_write_app(writer, app)


READERS[lib.ARC_RTCP_SDES, ANY_COUNT] = SourceDescription._read
READERS[lib.ARC_RTCP_BYE, ANY_COUNT] = Goodbye._read
READERS[lib.ARC_RTCP_APP, ANY_COUNT] = App._read
