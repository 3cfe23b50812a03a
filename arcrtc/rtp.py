"""RTP packets (C modules ``wire/rtp`` and ``wire/rtpext``).

For programs that handle single packets: tests, tools, relays at low rates. Live
media does not pass through here; the engine keeps its packets in C.
"""
from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from arcrtc._native import ffi, lib
from arcrtc.errors import ArgumentError, LibraryError, ParseError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["RtpHeader", "RtpPacket"]

#: ``struct arc_rtp`` as Python's struct module sees it: one unpack instead of a read a field.
_LAYOUT: Final = struct.Struct("@BB???HII60sHiiiii")
_MAX_CSRCS: Final = lib.ARC_RTP_MAX_CSRCS
_MAX_PACKET_BYTES: Final = lib.ARC_RTP_MAX_BYTES
_MAX_EXTENSION_IDS: Final = lib.ARC_RTPEXT_MAX_IDS
_SCRATCH_BYTES: Final = 2048

_FIELDS: Final = (
    ("payload_type", 0), ("csrc_count", 1), ("marker", 2), ("has_padding", 3), ("has_extension", 4),
    ("seq16", 6), ("rtp_ts", 8), ("ssrc", 12), ("csrcs", 16), ("ext_profile", 76), ("ext_off", 80),
    ("ext_len", 84), ("payload_off", 88), ("payload_len", 92), ("padding_len", 96))
if _LAYOUT.size != ffi.sizeof("struct arc_rtp") or any(  # pragma: no cover - a platform of another kind
        ffi.offsetof("struct arc_rtp", name) != offset for name, offset in _FIELDS):
    raise LibraryError("struct arc_rtp has another layout than this module assumes")


class _Scratch:
    """C memory of one call. A free list keeps them, so that threads never share one."""

    __slots__ = ("ext", "header", "length", "out", "out_bytes", "profile", "triples", "view")

    def __init__(self) -> None:
        self.header = ffi.new("struct arc_rtp *")
        self.view = ffi.buffer(self.header)
        self.triples = ffi.new("int32_t[]", 3 * _MAX_EXTENSION_IDS)
        self.length = ffi.new("size_t *")
        self.profile = ffi.new("uint16_t *")
        self.ext = ffi.new("uint8_t[]", _SCRATCH_BYTES)
        self.out = ffi.new("uint8_t[]", _SCRATCH_BYTES)
        self.out_bytes = ffi.buffer(self.out)


_free: list[_Scratch] = []  # pop and append are atomic; as long as the most calls at one time


def _take() -> _Scratch:
    try:
        return _free.pop()
    except IndexError:
        return _Scratch()


def _as_bytes(data: Buffer) -> bytes:
    """Return ``data`` itself if it is bytes, else a copy; TypeError if it has no buffer."""
    return data if type(data) is bytes else memoryview(data).tobytes()


def _check_uint(name: str, value: object, high: int) -> None:
    if not isinstance(value, int) or not 0 <= value <= high:
        raise ArgumentError(f"{name}={value!r} is outside 0..{high}")


class RtpHeader:
    """The header of an RTP packet.

    A plain mutable value; the fields are checked when it is made and when it is
    serialized. Compares by value.

    :param sequence_number: 0..65535.
    :param timestamp: ticks of the payload's clock, 0..2**32-1.
    :param ssrc: source, 0..2**32-1.
    :param payload_type: 0..127.
    :param marker: meaning is the payload format's.
    :param csrcs: contributing sources, at most 15, each 0..2**32-1.
    :param extensions: elements of RFC 8285, {id: value}, ids 1..255, values of
        0..255 bytes, sent in this order. When all ids are 1..14 and all values
        1..16 bytes the one-byte form is written, else the two-byte form.
    :param other_extension: (profile, body) of a header extension that is not of
        RFC 8285; the body is a multiple of 4 bytes. Excludes ``extensions``.
    :raises ArgumentError: a field is out of its range.

    Source: RFC 3550 section 5.1, RFC 8285.
    """

    __slots__ = ("csrcs", "extensions", "marker", "other_extension", "payload_type", "sequence_number",
                 "ssrc", "timestamp")

    sequence_number: int
    timestamp: int
    ssrc: int
    payload_type: int
    marker: bool
    csrcs: tuple[int, ...]
    extensions: dict[int, bytes]
    other_extension: tuple[int, bytes] | None

    def __init__(self, sequence_number: int, timestamp: int, ssrc: int, payload_type: int,
                 marker: bool = False, csrcs: Iterable[int] = (),
                 extensions: Mapping[int, bytes] | None = None,
                 other_extension: tuple[int, bytes] | None = None) -> None:
        self.sequence_number = sequence_number
        self.timestamp = timestamp
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.marker = bool(marker)
        self.csrcs = tuple(csrcs)
        self.extensions = dict(extensions) if extensions else {}
        self.other_extension = other_extension
        self.validate()

    def validate(self) -> None:
        """Check every field.

        :raises ArgumentError: one is out of its range; the message names it.
        """
        _check_uint("sequence_number", self.sequence_number, 0xFFFF)
        _check_uint("timestamp", self.timestamp, 0xFFFFFFFF)
        _check_uint("ssrc", self.ssrc, 0xFFFFFFFF)
        _check_uint("payload_type", self.payload_type, 127)
        if len(self.csrcs) > _MAX_CSRCS:
            raise ArgumentError(f"csrcs has {len(self.csrcs)} entries, at most {_MAX_CSRCS}")
        for csrc in self.csrcs:
            _check_uint("csrcs", csrc, 0xFFFFFFFF)
        for ident, value in self.extensions.items():
            if not isinstance(ident, int) or not 1 <= ident <= 255:
                raise ArgumentError(f"extensions: id {ident!r} is outside 1..255")
            if not isinstance(value, bytes) or len(value) > 255:
                raise ArgumentError(f"extensions: the value of id {ident} must be bytes, at most 255")
        if self.other_extension is not None:
            self._validate_other(*self.other_extension)

    def _validate_other(self, profile: int, body: bytes) -> None:
        _check_uint("other_extension profile", profile, 0xFFFF)
        if self.extensions:
            raise ArgumentError("other_extension and extensions exclude each other")
        if lib.arc_rtpext_is_known(profile):
            raise ArgumentError(f"other_extension: profile {profile:#06x} is of RFC 8285; use extensions")
        if not isinstance(body, bytes) or len(body) % 4 or len(body) > _MAX_PACKET_BYTES:
            raise ArgumentError("other_extension: the body must be bytes, a multiple of 4 within a datagram")

    def _key(self) -> tuple[object, ...]:
        return (self.sequence_number, self.timestamp, self.ssrc, self.payload_type, self.marker, self.csrcs,
                self.extensions, self.other_extension)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, RtpHeader) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        text = (f"RtpHeader(sequence_number={self.sequence_number}, timestamp={self.timestamp}, "
                f"ssrc={self.ssrc}, payload_type={self.payload_type}, marker={self.marker}")
        for name in ("csrcs", "extensions", "other_extension"):
            if getattr(self, name):
                text += f", {name}={getattr(self, name)!r}"
        return text + ")"


class RtpPacket:
    """An RTP packet: header, payload and the length of its padding.

    Compares by value. Safe to parse and serialize in several threads; one packet
    has one owner at a time.

    :param header: see :class:`RtpHeader`.
    :param payload: bytes-like, kept as bytes.
    :param padding: bytes of padding behind the payload, the count byte among
        them, 0..255; 0: none.
    :raises ArgumentError: ``padding`` is out of its range.

    Source: RFC 3550 section 5.1.
    """

    __slots__ = ("header", "padding", "payload")

    header: RtpHeader
    payload: bytes
    padding: int

    def __init__(self, header: RtpHeader, payload: Buffer = b"", padding: int = 0) -> None:
        _check_uint("padding", padding, 255)
        self.header = header
        self.payload = _as_bytes(payload)
        self.padding = padding

    @classmethod
    def parse(cls, data: Buffer) -> RtpPacket:
        """Read one plain packet.

        Elements of the extension that come a second time with the same id are
        left out, as a receiver looks at the first only.

        :param data: any contiguous bytes-like; copied, never kept.
        :raises ParseError: malformed; the message says in what way.
        :raises TypeError: ``data`` is not bytes-like.
        """
        raw = data if type(data) is bytes else _as_bytes(data)
        scratch = _take()
        if lib.arc_rtp_parse(raw, len(raw), scratch.header) != lib.ARC_OK:
            _free.append(scratch)
            raise ParseError("RtpPacket.parse: " + ffi.string(lib.arc_rtp_fault(raw, len(raw))).decode())
        header = RtpHeader.__new__(RtpHeader)
        packet = cls.__new__(cls)
        (header.payload_type, n_csrcs, header.marker, _, has_extension, header.sequence_number,
         header.timestamp, header.ssrc, csrcs, profile, ext_off, ext_len, payload_off, payload_len,
         packet.padding) = _LAYOUT.unpack_from(scratch.view)
        header.csrcs = struct.unpack_from(f"={n_csrcs}I", csrcs) if n_csrcs else ()
        header.other_extension = None
        header.extensions = {}
        if has_extension:
            elements = _read_extensions(raw, scratch)
            if elements is None:
                header.other_extension = (profile, raw[ext_off:ext_off + ext_len])
            else:
                header.extensions = elements
        _free.append(scratch)
        packet.header = header
        packet.payload = raw[payload_off:payload_off + payload_len]
        return packet

    def serialize(self) -> bytes:
        """Return the packet as bytes.

        ``parse(serialize(p)) == p``. The other way round holds for canonical
        bytes: no duplicate or unneeded extension, the form and padding that
        :class:`RtpHeader` states, zeros as RTP padding.

        :raises ArgumentError: a field was set out of its range, or the packet is
            longer than 65535 bytes.
        """
        scratch = _take()
        try:
            data = self._write_header(scratch) + self.payload
        except (struct.error, TypeError, ValueError):
            self.header.validate()
            raise
        finally:
            _free.append(scratch)
        if self.padding:
            _check_uint("padding", self.padding, 255)
            data += bytes(self.padding - 1) + bytes((self.padding,))
        if len(data) > _MAX_PACKET_BYTES:
            raise ArgumentError(f"packet of {len(data)} bytes is longer than {_MAX_PACKET_BYTES}")
        return data

    def _write_header(self, scratch: _Scratch) -> bytes:
        h = self.header
        ext: Any = ffi.NULL
        ext_len, profile = 0, 0
        if h.other_extension is not None:
            h.validate()
            profile, ext = h.other_extension
            ext_len = len(ext)
        elif h.extensions:
            ext, ext_len, profile = _write_extensions(h.extensions, scratch)
        has_extension = bool(h.extensions) or h.other_extension is not None
        csrcs = struct.pack(f"={len(h.csrcs)}I", *h.csrcs) if h.csrcs else b""
        _LAYOUT.pack_into(scratch.view, 0, h.payload_type, len(h.csrcs), h.marker, self.padding > 0,
                          has_extension, h.sequence_number, h.timestamp, h.ssrc, csrcs, profile, 0, ext_len,
                          0, 0, 0)
        need = 16 + len(csrcs) + ext_len
        if need <= _SCRATCH_BYTES:
            out, out_bytes = scratch.out, scratch.out_bytes
        else:
            out = ffi.new("uint8_t[]", need)
            out_bytes = ffi.buffer(out)
        if lib.arc_rtp_write_header(scratch.header, ext, out, need, scratch.length) != lib.ARC_OK:
            raise ValueError("a field is out of its range")
        written: bytes = out_bytes[:scratch.length[0]]
        return written

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RtpPacket):
            return NotImplemented
        return (self.payload == other.payload and self.padding == other.padding
                and self.header == other.header)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        padding = f", padding={self.padding}" if self.padding else ""
        return f"RtpPacket(header={self.header!r}, payload=<{len(self.payload)} bytes>{padding})"


def _read_extensions(raw: bytes, scratch: _Scratch) -> dict[int, bytes] | None:
    """Elements of the parsed packet; None: its extension is not of RFC 8285."""
    status = lib.arc_rtpext_list(raw, scratch.header, scratch.triples, scratch.length)
    if status == lib.ARC_AGAIN:
        return None
    if status != lib.ARC_OK:
        raise ParseError("RtpPacket.parse: an extension element runs past the end of the extension")
    flat = iter(ffi.unpack(scratch.triples, 3 * scratch.length[0]))
    return {ident: raw[start:end] for ident, start, end in zip(flat, flat, flat, strict=True)}


def _write_extensions(extensions: dict[int, bytes], scratch: _Scratch) -> tuple[Any, int, int]:
    values = b"".join(extensions.values())
    need = len(values) + 2 * len(extensions) + 3
    ext = scratch.ext if need <= _SCRATCH_BYTES else ffi.new("uint8_t[]", need)
    if lib.arc_rtpext_write(bytes(extensions), bytes(map(len, extensions.values())), values, len(extensions),
                            ext, need, scratch.length, scratch.profile) != lib.ARC_OK:
        raise ValueError("an extension is out of its range")
    return ext, scratch.length[0], scratch.profile[0]
