"""RTP packets (C modules ``wire/rtp`` and ``wire/rtpext``).

For programs that handle single packets: tests, tools, relays at low rates. Live
media does not pass through here; the engine keeps its packets in C.
"""
from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from arcrtc._native import ffi, lib
from arcrtc.errors import ArgumentError, ParseError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["RtpHeader", "RtpPacket"]

_MAX_CSRCS: Final = lib.ARC_RTP_MAX_CSRCS
_MAX_PACKET_BYTES: Final = lib.ARC_RTP_MAX_BYTES
_FIXED_BYTES: Final = lib.ARC_RTP_HEADER_BYTES
_ONE_BYTE_FORM: Final = lib.ARC_RTPEXT_ONE_BYTE

_OFFSET: Final = lib.ARC_RTPEXT_LAYOUT_OFFSET
_PADDING_SHIFT: Final = lib.ARC_RTPEXT_LAYOUT_PADDING_SHIFT
_CSRCS_SHIFT: Final = lib.ARC_RTPEXT_LAYOUT_CSRCS_SHIFT
_PADDING: Final = 1 << _PADDING_SHIFT

# A look-up in ``lib`` costs a good part of the call behind it.
_layout: Final = lib.arc_rtpext_layout
_list: Final = lib.arc_rtpext_list
_read_fixed: Final = struct.Struct("!xBHII").unpack_from
_write_fixed: Final = struct.Struct("!BBHII").pack
_EXT_HEAD: Final = struct.Struct("!HH")  # profile, words behind it
_each_triple: Final = struct.Struct("=3i").iter_unpack
_new: Final = object.__new__

#: Every byte as bytes: the heads of elements.
_BYTES: Final = tuple(bytes((i,)) for i in range(256))
_ZEROS: Final = (b"", bytes(3), bytes(2), bytes(1))  # up to a whole word


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

    __slots__ = ("_extensions", "_other", "_unread", "csrcs", "marker", "payload_type", "sequence_number", "ssrc",
                 "timestamp")

    sequence_number: int
    timestamp: int
    ssrc: int
    payload_type: int
    marker: bool
    csrcs: tuple[int, ...]
    # A parsed extension is checked at once and read when it is first asked for: until then
    # _extensions is None, _other is not set, and _unread is the packet (None: only the fixed header).
    _extensions: dict[int, bytes] | None
    _other: tuple[int, bytes] | None
    _unread: bytes | None

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
        self._extensions = dict(extensions) if extensions else {}
        self._other = other_extension
        self._unread = None
        self.validate()

    @property
    def extensions(self) -> dict[int, bytes]:
        """Elements of RFC 8285, {id: value}, in the order of the packet; may be changed in place."""
        found = self._extensions
        return self._read_unread() if found is None else found

    @extensions.setter
    def extensions(self, value: dict[int, bytes]) -> None:
        if self._extensions is None:
            self._read_unread()
        self._extensions = value

    @property
    def other_extension(self) -> tuple[int, bytes] | None:
        """(profile, body) of a header extension that is not of RFC 8285; None: there is none."""
        if self._extensions is None:
            self._read_unread()
        return self._other

    @other_extension.setter
    def other_extension(self, value: tuple[int, bytes] | None) -> None:
        if self._extensions is None:
            self._read_unread()
        self._other = value

    def _read_unread(self) -> dict[int, bytes]:
        """Read what parse() left unread; the elements."""
        raw = self._unread
        elements, other = _read_extension(raw) if raw is not None else ({}, None)
        if raw is None and self._extensions is not None:
            return self._extensions  # another thread has just read it
        self._other, self._extensions = other, elements
        self._unread = None  # last: who finds it so finds the elements
        return elements

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

    def __getstate__(self) -> tuple[None, dict[str, object]]:
        return None, {"_unread": None, "_extensions": self.extensions, "_other": self.other_extension,
                      **{name: getattr(self, name) for name in self.__slots__ if name[0] != "_"}}

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

        :param data: any contiguous bytes-like; never written to. A bytes object with a
            header extension is kept until the extension is first looked at.
        :raises ParseError: malformed; the message says in what way.
        :raises TypeError: ``data`` is not bytes-like.
        """
        raw = data if type(data) is bytes else _as_bytes(data)
        layout = _layout(raw, len(raw))
        if not layout:
            raise ParseError(f"RtpPacket.parse: {_fault(raw)}")
        header = _new(RtpHeader)
        packet = _new(cls)
        second, header.sequence_number, header.timestamp, header.ssrc = _read_fixed(raw)
        header.marker = second > 127
        header.payload_type = second & 127
        header.csrcs = ()
        header._extensions = None
        header._unread = None if layout == _FIXED_BYTES else raw
        packet.header = header
        packet.padding = 0
        if layout < _PADDING:  # the layout is no more than the payload's offset
            packet.payload = raw[layout:]
            return packet
        header.csrcs = struct.unpack_from(f"!{layout >> _CSRCS_SHIFT}I", raw, _FIXED_BYTES)
        packet.padding = layout >> _PADDING_SHIFT & 0xFF
        packet.payload = raw[layout & _OFFSET:len(raw) - packet.padding]
        return packet

    def serialize(self) -> bytes:
        """Return the packet as bytes.

        ``parse(serialize(p)) == p``. The other way round holds for canonical
        bytes: no duplicate or unneeded extension, the form and padding that
        :class:`RtpHeader` states, zeros as RTP padding.

        :raises ArgumentError: a field was set out of its range, or the packet is
            longer than 65535 bytes.
        """
        h = self.header
        second, payload = h.payload_type, self.payload
        try:
            if second > 127:
                raise ValueError("payload_type would change the marker")
            if h.marker:
                second |= 0x80
            # The last term is other_extension, which is set only once the extension was read.
            if h._unread or h._extensions or h.csrcs or self.padding or (h._extensions is not None and h._other):
                data = self._write_rest(second) + payload
            else:
                data = _write_fixed(0x80, second, h.sequence_number, h.timestamp, h.ssrc) + payload
        except (struct.error, TypeError, ValueError, AttributeError):
            h.validate()
            raise
        if len(data) > _MAX_PACKET_BYTES or self.padding:
            return self._pad(data)
        return data

    def _write_rest(self, second: int) -> bytes:
        """The header of a packet that has more than the fixed fields."""
        h = self.header
        csrcs = h.csrcs
        first = 0x80 | len(csrcs) | (0x20 if self.padding else 0)
        extension = b""
        if elements := h.extensions:
            extension = _write_elements(elements)
        if h._other is not None:
            h.validate()
            profile, body = h._other
            extension = _EXT_HEAD.pack(profile, len(body) // 4) + body
        if extension:
            first |= 0x10
        head = _write_fixed(first, second, h.sequence_number, h.timestamp, h.ssrc)
        if csrcs:
            if len(csrcs) > _MAX_CSRCS:
                raise ValueError("too many CSRCs")
            head += struct.pack(f"!{len(csrcs)}I", *csrcs)
        return head + extension

    def _pad(self, data: bytes) -> bytes:
        if self.padding:
            _check_uint("padding", self.padding, 255)
            data += bytes(self.padding - 1) + bytes((self.padding,))
        if len(data) > _MAX_PACKET_BYTES:
            raise ArgumentError(f"packet of {len(data)} bytes is longer than {_MAX_PACKET_BYTES}")
        return data

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RtpPacket):
            return NotImplemented
        return (self.payload == other.payload and self.padding == other.padding
                and self.header == other.header)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        padding = f", padding={self.padding}" if self.padding else ""
        return f"RtpPacket(header={self.header!r}, payload=<{len(self.payload)} bytes>{padding})"


def _fault(raw: bytes) -> str:
    """Why parse() refuses these bytes."""
    why = lib.arc_rtp_fault(raw, len(raw))
    if why == ffi.NULL:
        return "an extension element runs past the end of the extension"
    return str(ffi.string(why).decode())


#: Arrays for _list(), each with its view; pop and append are atomic, so that threads never share one.
_free: list[tuple[Any, memoryview]] = []


def _new_triples() -> tuple[Any, memoryview]:
    triples = ffi.new("int32_t[]", 3 * lib.ARC_RTPEXT_MAX_IDS)
    return triples, memoryview(ffi.buffer(triples)).cast("B").cast("i")


def _read_extension(raw: bytes) -> tuple[dict[int, bytes], tuple[int, bytes] | None]:
    """``extensions`` and ``other_extension`` of a packet that parse() has checked."""
    if not raw[0] & 0x10:
        return {}, None
    try:
        place = _free.pop()
    except IndexError:
        place = _new_triples()
    triples, view = place
    n = _list(raw, len(raw), triples)
    elements = {}
    if n > 0:
        for ident, start, end in _each_triple(view[:3 * n]):
            elements[ident] = raw[start:end]
    _free.append(place)
    if n >= 0:
        return elements, None
    at = _FIXED_BYTES + 4 * (raw[0] & 15)
    profile, words = _EXT_HEAD.unpack_from(raw, at)
    return {}, (profile, raw[at + 4:at + 4 + 4 * words])


def _write_elements(elements: dict[int, bytes]) -> bytes:
    """The extension header and body: the one-byte form here, as arc_rtpext_write() makes it."""
    body = b""
    for ident, value in elements.items():
        n = len(value)
        if not (0 < n <= 16 and 0 < ident <= 14):
            return _write_two_byte(elements)
        body += _BYTES[ident << 4 | n - 1] + value
    body += _ZEROS[len(body) & 3]
    return _EXT_HEAD.pack(_ONE_BYTE_FORM, len(body) >> 2) + body


def _write_two_byte(elements: dict[int, bytes]) -> bytes:
    values = b"".join(elements.values())
    room = len(values) + 2 * len(elements) + 3
    body, length, profile = ffi.new("uint8_t[]", room), ffi.new("size_t *"), ffi.new("uint16_t *")
    if lib.arc_rtpext_write(bytes(elements), bytes(map(len, elements.values())), values, len(elements),
                            body, room, length, profile) != lib.ARC_OK:
        raise ValueError("an extension is out of its range")
    return _EXT_HEAD.pack(profile[0], length[0] >> 2) + bytes(ffi.buffer(body, length[0]))
