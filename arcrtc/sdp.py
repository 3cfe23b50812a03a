"""Session descriptions, so that FFmpeg, GStreamer and VLC can be the other end.

Only what RTP media over UDP need: one payload format a media section (with its
retransmission format), feedback, header extensions, and keys by ``a=crypto``
(:mod:`arcrtc.sdes`, which has offer and answer for keys; nothing else is negotiated).

For VLC give ``protocol="RTP/AVP"`` and no ``rtcp_fb``: its parser knows no other
plain profile. FFmpeg knows the suites AES_CM_128_HMAC_SHA1_80 and _32 only.

Source: RFC 8866 (SDP), RFC 3551 (static payload types), RFC 4585 and RFC 5104 (rtcp-fb),
RFC 5761 (rtcp-mux), RFC 3605 (rtcp), RFC 5576 (ssrc), RFC 4568 (crypto), RFC 8285 and
RFC 6904 (extmap), RFC 4588 (rtx), RFC 5109, RFC 8627 and RFC 5956 (parity), RFC 6184 (H.264), RFC 7587 (Opus).
"""
from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from arcrtc._ranges import check_int
from arcrtc.audio.opusparameters import OpusParameters
from arcrtc.clocksource import MediaClock, ReferenceClock
from arcrtc.errors import ConfigError, ParseError
from arcrtc.extmap import DIRECTIONS, ExtensionLine, check_extension_lines
from arcrtc.sdes import CRYPTO_SUITES, CryptoAttribute, CryptoKey, parse_lines

__all__ = ["CRYPTO_SUITES", "DIRECTIONS", "FEC_CODECS", "MAX_TEXT_BYTES", "PROTOCOLS", "STATIC_PAYLOAD_TYPES",
           "CryptoAttribute", "CryptoKey", "ExtensionLine", "MediaClock", "MediaDescription", "ReferenceClock",
           "SessionDescription", "h264_fmtp", "h264_parameter_sets", "parse"]

MAX_TEXT_BYTES: Final = 65_536
PROTOCOLS: Final = ("RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF")

#: Payload types that need no rtpmap: (kind, codec, clock rate, channels). RFC 3551 section 6.
STATIC_PAYLOAD_TYPES: Final[dict[int, tuple[str, str, int, int]]] = {
    0: ("audio", "pcmu", 8000, 1), 3: ("audio", "gsm", 8000, 1), 4: ("audio", "g723", 8000, 1),
    5: ("audio", "dvi4", 8000, 1), 6: ("audio", "dvi4", 16000, 1), 7: ("audio", "lpc", 8000, 1),
    8: ("audio", "pcma", 8000, 1), 9: ("audio", "g722", 8000, 1), 10: ("audio", "l16", 44100, 2),
    11: ("audio", "l16", 44100, 1), 12: ("audio", "qcelp", 8000, 1), 13: ("audio", "cn", 8000, 1),
    14: ("audio", "mpa", 90000, 1), 15: ("audio", "g728", 8000, 1), 16: ("audio", "dvi4", 11025, 1),
    17: ("audio", "dvi4", 22050, 1), 18: ("audio", "g729", 8000, 1), 25: ("video", "celb", 90000, 1),
    26: ("video", "jpeg", 90000, 1), 28: ("video", "nv", 90000, 1), 31: ("video", "h261", 90000, 1),
    32: ("video", "mpv", 90000, 1), 33: ("video", "mp2t", 90000, 1), 34: ("video", "h263", 90000, 1),
}

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,64}")
_ADDRESS: Final = re.compile(r"[0-9A-Za-z.:\-]{1,255}")
_LINE_TEXT: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*")
_FMTP_KEY: Final = re.compile(r"[^\s;=\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_FMTP_VALUE: Final = re.compile(r"|(?!\s)[^;\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+(?<!\s)")
_FEEDBACK: Final = re.compile(r"[!-~]+( [!-~]+)*")
_CNAME: Final = re.compile(r"[!-~]{1,255}")
_DIGITS: Final = re.compile(r"[0-9]{1,20}")
_LOWER_CASE_NAMES: Final = ("opus", "rtx", "red", "ulpfec", "flexfec", "flexfec-03", "telephone-event")
FEC_CODECS: Final = ("flexfec", "ulpfec")


def _check(name: str, value: object, pattern: re.Pattern[str]) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ConfigError(f"{name}={value!r} cannot stand in a session description")


@dataclass(frozen=True)
class MediaDescription:
    """One media section.

    :ivar kind: ``audio`` or ``video``.
    :ivar port: where RTP is received, 0..65535; 0: the section is refused or not used.
    :ivar payload_type: 0..127.
    :ivar codec: name, kept in small letters: ``opus``, ``h264``.
    :ivar clock_rate: RTP clock in Hz, 1..10**9. Opus: 48000 always (RFC 7587 section 7).
    :ivar channels: 1..255, of audio. Opus: 2 always; mono is the fmtp ``stereo=0``.
    :ivar fmtp: format parameters in order; one without a value has "".
    :ivar rtcp_fb: feedback that is understood: ``nack``, ``nack pli``, ``ccm fir``, ``transport-cc`` ...
    :ivar crypto: keys, best first, each with a tag of its own; not empty: the profile is SAVP.
    :ivar ssrc: of the sender of this description, 0..4294967295; None: not told.
    :ivar cname: its canonical name (RFC 3550 section 6.5.1); needs ``ssrc``.
    :ivar rtcp_mux: RTCP comes to ``port`` as well.
    :ivar rtcp_port: where RTCP is received otherwise; None: ``port`` + 1.
    :ivar direction: ``sendrecv``, ``sendonly``, ``recvonly`` or ``inactive``.
    :ivar address: IP address of this section; None: that of the session.
    :ivar rtx_payload_type: payload type of retransmissions (RFC 4588), 0..127; None: none.
    :ivar red_payload_type: payload type of packets with copies of past ones (RFC 2198), 0..127; None: none.
    :ivar fec_payload_type: payload type of parity packets, 0..127; None: none.
    :ivar fec_codec: their format, ``flexfec`` (RFC 8627) or ``ulpfec`` (RFC 5109).
    :ivar fec_ssrc: their SSRC, in a group FEC-FR with ``ssrc`` (RFC 5956), which it needs; None: not
        told, or they go in the stream itself.
    :ivar repair_window_us: time that a FlexFEC block and its parity span, 1..10**9 microseconds.
    :ivar noise_payload_type: payload type of comfort noise (RFC 3389), 0..127; None: none.
    :ivar dtmf_payload_type: payload type of telephone events (RFC 4733), 0..127; None: none.
    :ivar ptime_ms: length of the media in a packet, 1..1000; None: not told.
    :ivar max_ptime_ms: longest packet, 1..1000; None: not told.
    :ivar reference_clocks: clocks that the time stamps may follow (RFC 7273), best first.
    :ivar media_clock: the clock that samples or pictures are taken by (RFC 7273); None: not told.
    :ivar protocol: one of PROTOCOLS; None: by ``crypto`` and ``rtcp_fb``.
    :ivar extmap: header extensions; encrypted ones need a SAVP profile (RFC 6904 section 4).
    :ivar extmap_allow_mixed: one-byte and two-byte extensions may come mixed (RFC 8285 section 6).
    :raises ConfigError: out of range; names the field.
    """

    kind: str
    port: int
    payload_type: int
    codec: str
    clock_rate: int
    channels: int = 1
    fmtp: Mapping[str, str] = field(default_factory=dict, hash=False)
    rtcp_fb: tuple[str, ...] = ()
    crypto: tuple[CryptoAttribute, ...] = ()
    ssrc: int | None = None
    rtcp_mux: bool = False
    direction: str = "sendrecv"
    cname: str | None = None
    rtcp_port: int | None = None
    address: str | None = None
    rtx_payload_type: int | None = None
    fec_payload_type: int | None = None
    fec_codec: str = "flexfec"
    fec_ssrc: int | None = None
    repair_window_us: int = 200_000
    ptime_ms: int | None = None
    protocol: str | None = None
    extmap: tuple[ExtensionLine, ...] = ()
    extmap_allow_mixed: bool = False
    red_payload_type: int | None = None
    noise_payload_type: int | None = None
    dtmf_payload_type: int | None = None
    max_ptime_ms: int | None = None
    reference_clocks: tuple[ReferenceClock, ...] = ()
    media_clock: MediaClock | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("audio", "video"):
            raise ConfigError(f"kind={self.kind!r} is neither audio nor video")
        for name, low, high in (("port", 0, 65535), ("payload_type", 0, 127), ("clock_rate", 1, 10**9),
                                ("channels", 1, 255)):
            check_int(name, getattr(self, name), low, high)
        for name, low, high in (("ssrc", 0, 2**32 - 1), ("rtcp_port", 1, 65535),
                                ("rtx_payload_type", 0, 127), ("red_payload_type", 0, 127),
                                ("fec_payload_type", 0, 127), ("fec_ssrc", 1, 2**32 - 1),
                                ("noise_payload_type", 0, 127), ("dtmf_payload_type", 0, 127),
                                ("repair_window_us", 1, 10**9), ("ptime_ms", 1, 1000), ("max_ptime_ms", 1, 1000)):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), low, high)
        _check("codec", self.codec, _TOKEN)
        for name, value in (("codec", self.codec.lower()), ("fmtp", dict(self.fmtp)),
                            ("rtcp_fb", tuple(self.rtcp_fb)), ("crypto", tuple(self.crypto)),
                            ("extmap", tuple(self.extmap)), ("reference_clocks", tuple(self.reference_clocks))):
            object.__setattr__(self, name, value)
        self._check_text()
        if self.codec == "opus" and (self.clock_rate, self.channels) != (48_000, 2):
            raise ConfigError(
                f"clock_rate={self.clock_rate}, channels={self.channels}: Opus is always 48000 and 2")
        if self.rtx_payload_type == self.payload_type:
            raise ConfigError(f"rtx_payload_type={self.rtx_payload_type} is the payload_type itself")
        if self.red_payload_type is not None and self.red_payload_type in (self.payload_type, self.rtx_payload_type):
            raise ConfigError(f"red_payload_type={self.red_payload_type} is the payload type of something else")
        self._check_fec()
        taken = [n for n in self._formats() if n is not None]
        if len(set(taken)) < len(taken):
            raise ConfigError("noise_payload_type or dtmf_payload_type is the payload type of something else")
        if not all(isinstance(clock, ReferenceClock) for clock in self.reference_clocks):
            raise ConfigError("reference_clocks must hold ReferenceClock only")

    def _formats(self) -> tuple[int | None, ...]:
        """All payload types of the section, in their order."""
        return (self.payload_type, self.red_payload_type, self.noise_payload_type, self.dtmf_payload_type,
                self.rtx_payload_type, self.fec_payload_type)

    def _check_fec(self) -> None:
        if self.fec_codec not in FEC_CODECS:
            raise ConfigError(f"fec_codec={self.fec_codec!r} is none of {', '.join(FEC_CODECS)}")
        taken = (self.payload_type, self.rtx_payload_type, self.red_payload_type)
        if self.fec_payload_type is not None and self.fec_payload_type in taken:
            raise ConfigError(f"fec_payload_type={self.fec_payload_type} is the payload type of something else")
        if self.fec_ssrc is not None and (self.fec_payload_type is None or self.ssrc in (None, self.fec_ssrc)):
            raise ConfigError(f"fec_ssrc={self.fec_ssrc} needs fec_payload_type and an ssrc that it differs from")

    def _check_text(self) -> None:
        for key, value in self.fmtp.items():
            _check("fmtp", key, _FMTP_KEY)
            _check(f"fmtp {key}", value, _FMTP_VALUE)
        for feedback in self.rtcp_fb:
            _check("rtcp_fb", feedback, _FEEDBACK)
        if not all(isinstance(c, CryptoAttribute) for c in self.crypto):
            raise ConfigError("crypto must hold CryptoAttribute only")
        if len({c.tag for c in self.crypto}) < len(self.crypto):  # RFC 4568 section 4.1
            raise ConfigError("crypto has the same tag twice")
        check_extension_lines(self.extmap)
        if self.cname is not None:
            _check("cname", self.cname, _CNAME)
            if self.ssrc is None:
                raise ConfigError(f"cname={self.cname!r} needs ssrc")
        if self.address is not None:
            _check("address", self.address, _ADDRESS)
        if self.direction not in DIRECTIONS:
            raise ConfigError(f"direction={self.direction!r} is none of {', '.join(DIRECTIONS)}")
        if self.protocol is not None and self.protocol not in PROTOCOLS:
            raise ConfigError(f"protocol={self.protocol!r} is none of {', '.join(PROTOCOLS)}")
        for name in ("rtcp_mux", "extmap_allow_mixed"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}={getattr(self, name)!r} is neither True nor False")
        if any(m.encrypted for m in self.extmap) and "SAVP" not in self.profile:
            raise ConfigError(f"extmap has an encrypted extension, but the profile is {self.profile}")

    @property
    def profile(self) -> str:
        """The RTP profile of the section: ``protocol``, or what ``crypto`` and ``rtcp_fb`` need."""
        return self.protocol or f"RTP/{'S' if self.crypto else ''}AVP{'F' if self.rtcp_fb else ''}"

    @property
    def extension_uris(self) -> dict[int, str]:
        """URI of each header extension in use by its identifier, for ``arcrtc.rtpext.ExtensionMap``."""
        return {m.ident: m.uri for m in self.extmap if m.ident <= 255 and m.direction != "inactive"}

    @property
    def encrypted_extensions(self) -> frozenset[int]:
        """Identifiers of the header extensions that are encrypted, as SrtpConfig takes them."""
        return frozenset(m.ident for m in self.extmap if m.encrypted and m.ident in self.extension_uris)

    @property
    def opus(self) -> OpusParameters | None:
        """What the side that wrote it says of the Opus that it likes, and of what it sends; None: another codec.

        :raises ParseError: a format parameter has no value of its kind.
        """
        if self.codec != "opus":
            return None
        return OpusParameters.from_fmtp(self.fmtp, ptime_ms=self.ptime_ms, max_ptime_ms=self.max_ptime_ms)

    @property
    def control_port(self) -> int:
        """Where RTCP is received; 0: the section is not used."""
        if self.rtcp_mux or self.port == 0:
            return self.port
        return self.rtcp_port or min(self.port + 1, 65535)

    def _lines(self) -> Iterator[str]:
        pt, rtx, red, fec = self.payload_type, self.rtx_payload_type, self.red_payload_type, self.fec_payload_type
        formats = " ".join(str(number) for number in self._formats() if number is not None)
        yield f"m={self.kind} {self.port} {self.profile} {formats}"
        if self.address is not None:
            yield _connection(self.address)
        name = self.codec if self.codec in _LOWER_CASE_NAMES else self.codec.upper()
        yield f"a=rtpmap:{pt} {name}/{self.clock_rate}" + (f"/{self.channels}" if self.channels > 1 else "")
        if self.fmtp:
            yield f"a=fmtp:{pt} " + "; ".join(f"{k}={v}" if v else k for k, v in self.fmtp.items())
        if red is not None:  # RFC 2198 section 5; a copy is of the format itself
            yield f"a=rtpmap:{red} red/{self.clock_rate}" + (f"/{self.channels}" if self.channels > 1 else "")
            yield f"a=fmtp:{red} {pt}/{pt}"
        if self.noise_payload_type is not None:
            yield f"a=rtpmap:{self.noise_payload_type} CN/{self.clock_rate}"
        if self.dtmf_payload_type is not None:  # RFC 4733 section 2.4.1; keys only
            yield f"a=rtpmap:{self.dtmf_payload_type} telephone-event/{self.clock_rate}"
            yield f"a=fmtp:{self.dtmf_payload_type} 0-15"
        if rtx is not None:
            yield f"a=rtpmap:{rtx} rtx/{self.clock_rate}"
            yield f"a=fmtp:{rtx} apt={pt if red is None else red}"
        if fec is not None:
            yield f"a=rtpmap:{fec} {self.fec_codec}/{self.clock_rate}"
        if fec is not None and self.fec_codec == "flexfec":  # a required parameter, RFC 8627 section 5.1
            yield f"a=fmtp:{fec} repair-window={self.repair_window_us}"
        for feedback in self.rtcp_fb:
            yield f"a=rtcp-fb:{pt} {feedback}"
        if self.ptime_ms is not None:
            yield f"a=ptime:{self.ptime_ms}"
        if self.max_ptime_ms is not None:
            yield f"a=maxptime:{self.max_ptime_ms}"
        for clock in self.reference_clocks:
            yield f"a=ts-refclk:{clock.to_text()}"
        if self.media_clock is not None:
            yield f"a=mediaclk:{self.media_clock.to_text()}"
        if self.rtcp_port is not None:
            yield f"a=rtcp:{self.rtcp_port}"
        if self.rtcp_mux:
            yield "a=rtcp-mux"
        if self.ssrc is not None:
            tail = f" cname:{self.cname}" if self.cname else ""
            yield f"a=ssrc:{self.ssrc}{tail}"
            if self.fec_ssrc is not None:
                yield f"a=ssrc:{self.fec_ssrc}{tail}"
                yield f"a=ssrc-group:FEC-FR {self.ssrc} {self.fec_ssrc}"
        if self.extmap_allow_mixed:
            yield "a=extmap-allow-mixed"
        for extension in self.extmap:
            yield f"a=extmap:{extension.to_text()}"
        for crypto in self.crypto:
            yield f"a=crypto:{crypto.to_text()}"
        yield f"a={self.direction}"


@dataclass(frozen=True)
class SessionDescription:
    """A session: where it is, and its media.

    :ivar media: the sections, in order.
    :ivar address: IP address or host name that the media are sent to or received at.
    :ivar name: of the session, one line.
    :ivar session_id: 0..2**64-1, and ``version``, raised with each change.
    :ivar origin: address of the one who made the description; None: ``address``.
    :raises ConfigError: out of range; names the field.
    """

    media: tuple[MediaDescription, ...]
    address: str = "127.0.0.1"
    name: str = "-"
    session_id: int = 0
    version: int = 0
    origin: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "media", tuple(self.media))
        if not all(isinstance(m, MediaDescription) for m in self.media):
            raise ConfigError("media must hold MediaDescription only")
        _check("address", self.address, _ADDRESS)
        if self.origin is not None:
            _check("origin", self.origin, _ADDRESS)
        _check("name", self.name, _LINE_TEXT)
        if not self.name:
            raise ConfigError("name='' must be one character at least")
        check_int("session_id", self.session_id, 0, 2**64 - 1)
        check_int("version", self.version, 0, 2**64 - 1)

    def to_text(self) -> str:
        """The description with CRLF line ends (RFC 8866 section 5). Holds the keys, if there are any."""
        origin = _connection(self.origin or self.address).removeprefix("c=")
        lines = ["v=0", f"o=- {self.session_id} {self.version} {origin}", f"s={self.name}",
                 _connection(self.address), "t=0 0"]
        for media in self.media:
            lines += media._lines()
        return "\r\n".join(lines) + "\r\n"

    @classmethod
    def parse(cls, text: str) -> SessionDescription:
        """Read a description.

        Of each audio or video section over RTP the first format counts, its retransmission
        format, and that of redundancy. Other sections, formats and attributes are passed over. Lines may end in LF.

        :raises ParseError: malformed; keys are not in the message.
        """
        return parse(text)


def parse(text: str) -> SessionDescription:
    """Read a description; see :meth:`SessionDescription.parse`."""
    if len(text) > MAX_TEXT_BYTES:
        raise ParseError(f"a session description of {len(text)} characters; {MAX_TEXT_BYTES} are allowed")
    sections: list[list[tuple[str, str]]] = [[]]
    for number, line in enumerate(re.split(r"\r?\n", text.rstrip("\r\n")), 1):
        if len(line) < 2 or line[1] != "=" or not _LINE_TEXT.fullmatch(line):
            raise ParseError(f"line {number} of the session description is not <letter>=<text>")
        if line[0] == "m":
            sections.append([])
        sections[-1].append((line[0], line[2:]))
    head, *media = sections
    if not head or head[0] != ("v", "0"):
        raise ParseError("a session description starts with v=0")
    try:
        return _session(head, [m for m in (_media(lines, head) for lines in media) if m is not None])
    except ConfigError as error:
        raise ParseError(f"session description: {error}") from None


def _session(head: list[tuple[str, str]], media: list[MediaDescription]) -> SessionDescription:
    values = dict(reversed(head))  # the first of each letter counts
    if "o" not in values or "s" not in values:
        raise ParseError("session description: o= and s= are needed")
    origin = values["o"].split()
    if len(origin) != 6:
        raise ParseError("session description: o= has not six parts")
    address = _address(values["c"]) if "c" in values else None
    if address is None and any(m.address is None for m in media):
        raise ParseError("session description: c= is missing")
    return SessionDescription(
        tuple(media), address or origin[5], values["s"] or "-",
        _number(origin[1], 0, 2**64 - 1, "o= session id"), _number(origin[2], 0, 2**64 - 1, "o= version"),
        origin[5] if origin[5] != (address or origin[5]) else None)


def _media(lines: list[tuple[str, str]], head: list[tuple[str, str]]) -> MediaDescription | None:
    """One section; None: not audio or video over RTP."""
    words = lines[0][1].split()
    if len(words) < 4:
        raise ParseError("session description: m= needs a kind, a port, a protocol and a format")
    kind, port, protocol, first = words[:4]
    if kind not in ("audio", "video") or protocol not in PROTOCOLS:
        return None
    pt = _number(first, 0, 127, "m= payload type")
    attributes = [(name, value) for letter, text in lines[1:] if letter == "a"
                  for name, _, value in [text.partition(":")]]
    values: dict[str, Any] = {}
    maps = _by_format(attributes, "rtpmap")
    formats = _by_format(attributes, "fmtp")
    if pt in maps:
        values.update(_rtpmap(maps[pt]))
    elif pt in STATIC_PAYLOAD_TYPES:
        _, values["codec"], values["clock_rate"], values["channels"] = STATIC_PAYLOAD_TYPES[pt]
    else:
        raise ParseError(f"session description: payload type {pt} has no rtpmap")
    others = [_number(other, 0, 127, "m= payload type") for other in words[4:]]
    for number in others:  # RFC 2198 section 5: what the blocks may be
        blocks = formats.get(number, "").split("/")
        if maps.get(number, "").lower().startswith("red/") and (blocks == [""] or str(pt) in blocks):
            values.setdefault("red_payload_type", number)
    values.update(_beside(kind, others, maps, values["clock_rate"]))
    repaired = (str(pt), str(values.get("red_payload_type", pt)))
    for number in others:
        apt = _fmtp(formats.get(number, "")).get("apt")
        if maps.get(number, "").lower().startswith("rtx/") and apt in repaired:
            values.setdefault("rtx_payload_type", number)
        codec = maps.get(number, "").partition("/")[0].lower()
        if codec in FEC_CODECS and "fec_payload_type" not in values:
            values.update(_fec(number, codec, _fmtp(formats.get(number, ""))))
    values.update((("direction", text) for letter, text in head if letter == "a" and text in DIRECTIONS))
    group = _fec_ssrc(attributes) if "fec_payload_type" in values else {}
    values.update({**_attributes(attributes, pt), **group}, **_extensions(head, attributes, secure="SAVP" in protocol))
    values.update(_clocks(head, attributes))
    values["crypto"] = _crypto([value for name, value in attributes if name == "crypto"])
    for letter, text in lines[1:]:
        if letter == "c":
            values.setdefault("address", _address(text))
    media = MediaDescription(kind, _number(port.split("/")[0], 0, 65535, "m= port"), pt,
                             fmtp=_fmtp(formats.get(pt, "")), protocol=protocol, **values)
    plain = replace(media, protocol=None)  # told only where it does not follow from the rest
    return plain if plain.profile == protocol else media


def _fec(payload_type: int, codec: str, parameters: dict[str, str]) -> dict[str, Any]:
    """Fields of a parity format."""
    out: dict[str, Any] = {"fec_payload_type": payload_type, "fec_codec": codec}
    if "repair-window" in parameters:
        out["repair_window_us"] = _number(parameters["repair-window"], 1, 10**9, "repair-window")
    return out


def _fec_ssrc(attributes: list[tuple[str, str]]) -> dict[str, Any]:
    """SSRCs of the first group of media and its parity (RFC 5956 section 4.3)."""
    for name, value in attributes:
        words = value.split()
        if name == "ssrc-group" and len(words) == 3 and words[0] == "FEC-FR":
            media, parity = (_number(w, 0, 2**32 - 1, "a=ssrc-group") for w in words[1:])
            return {"ssrc": media, "fec_ssrc": parity}
    return {}


def _beside(kind: str, others: list[int], maps: dict[int, str], clock_rate: int) -> dict[str, int]:
    """Comfort noise and telephone events beside a format of sound, on its clock (RFC 3389 section 5, RFC 4733)."""
    out: dict[str, int] = {}
    for number in others if kind == "audio" else ():
        name = maps.get(number, "CN/8000" if number == 13 else "").lower().removesuffix("/1")
        for field_name, wanted in (("noise_payload_type", "cn"), ("dtmf_payload_type", "telephone-event")):
            if name == f"{wanted}/{clock_rate}":
                out.setdefault(field_name, number)
    return out


def _clocks(head: list[tuple[str, str]], attributes: list[tuple[str, str]]) -> dict[str, Any]:
    """The clocks of a section, or those of the session if it has none of its own (RFC 7273 sections 4.8, 5.4)."""
    shared = [(name, value) for letter, text in head if letter == "a" for name, _, value in [text.partition(":")]]

    def lines(wanted: str) -> list[str]:
        return [v for n, v in attributes if n == wanted] or [v for n, v in shared if n == wanted]

    media = lines("mediaclk")
    return {"reference_clocks": tuple(ReferenceClock.parse(text) for text in lines("ts-refclk")),
            "media_clock": MediaClock.parse(media[0]) if media else None}


def _attributes(attributes: list[tuple[str, str]], pt: int) -> dict[str, Any]:
    """The fields that attributes give; of those that come twice the first counts."""
    out: dict[str, Any] = {}
    feedback: list[str] = []
    for name, value in attributes:
        if name in DIRECTIONS and not value:
            out["direction"] = name
        elif name == "rtcp-mux" and not value:
            out["rtcp_mux"] = True
        elif name == "rtcp":
            out.setdefault("rtcp_port", _number(value.split(" ")[0], 1, 65535, "a=rtcp port"))
        elif name == "ptime":
            out.setdefault("ptime_ms", max(1, _number(value.split(".")[0], 0, 1000, "a=ptime")))
        elif name == "maxptime":
            out.setdefault("max_ptime_ms", max(1, _number(value.split(".")[0], 0, 1000, "a=maxptime")))
        elif name == "rtcp-fb":
            wanted, _, what = value.partition(" ")
            what = " ".join(what.split())
            if wanted in ("*", str(pt)) and what and what not in feedback:
                feedback.append(what)
        elif name == "ssrc":
            number, _, rest = value.partition(" ")
            ssrc = _number(number, 0, 2**32 - 1, "a=ssrc")
            if out.setdefault("ssrc", ssrc) == ssrc and rest.startswith("cname:") and rest != "cname:":
                out.setdefault("cname", rest.removeprefix("cname:"))
    return {**out, "rtcp_fb": tuple(feedback)}


def _crypto(values: list[str]) -> tuple[CryptoAttribute, ...]:
    """The lines that can be used; others are passed over (RFC 4568 section 5.1.2) while one is left."""
    usable, faults = parse_lines(values)
    malformed = [fault for fault in faults if isinstance(fault, ParseError)]
    if malformed and not usable:
        raise malformed[0]
    return usable


def _extensions(head: list[tuple[str, str]], attributes: list[tuple[str, str]], *, secure: bool) -> dict[str, Any]:
    """The header extensions of a section, or those of the session if it has none of its own."""
    own = [value for name, value in attributes if name == "extmap"]
    shared = [text.removeprefix("extmap:") for letter, text in head if letter == "a" and text.startswith("extmap:")]
    maps = [ExtensionLine.parse(text) for text in own or shared]
    if not secure:  # RFC 6904 section 4: to be ignored
        maps = [m for m in maps if not m.encrypted]
    mixed = ("extmap-allow-mixed", "") in attributes or ("a", "extmap-allow-mixed") in head
    return {"extmap": tuple(maps), "extmap_allow_mixed": mixed}


def _by_format(attributes: list[tuple[str, str]], wanted: str) -> dict[int, str]:
    out: dict[int, str] = {}
    for name, value in attributes:
        if name == wanted:
            number, _, rest = value.partition(" ")
            # "98;" stands in the example of RFC 8627 section 7.1.1
            out.setdefault(_number(number.rstrip(";"), 0, 127, f"a={wanted} payload type"), rest.strip())
    return out


def _rtpmap(text: str) -> dict[str, Any]:
    parts = text.split("/")
    if len(parts) not in (2, 3):
        raise ParseError("session description: a=rtpmap is not <codec>/<clock rate>[/<channels>]")
    return {"codec": parts[0], "clock_rate": _number(parts[1].strip(), 1, 10**9, "a=rtpmap clock rate"),
            "channels": _number(parts[2].strip(), 1, 255, "a=rtpmap channels") if len(parts) == 3 else 1}


def _fmtp(text: str) -> dict[str, str]:
    out: dict[str, str] = {}
    for part in text.split(";"):
        key, _, value = part.strip().partition("=")
        if key.strip():
            out.setdefault(key.strip(), value.strip())
    return out


def _number(text: str, low: int, high: int, what: str) -> int:
    if not _DIGITS.fullmatch(text) or not low <= int(text) <= high:
        raise ParseError(f"session description: {what} is not a number in {low}..{high}")
    return int(text)


def _connection(address: str) -> str:
    return f"c=IN IP{6 if ':' in address else 4} {address}"


def _address(text: str) -> str:
    words = text.split()
    if len(words) != 3 or words[0] != "IN" or words[1] not in ("IP4", "IP6"):
        raise ParseError("session description: c= is not IN IP4 or IN IP6 and an address")
    return words[2].split("/")[0]  # without the TTL of a multicast address


def h264_fmtp(parameter_sets: bytes, *, packetization_mode: int = 1) -> dict[str, str]:
    """Format parameters of an H.264 stream (RFC 6184 section 8.1).

    :param parameter_sets: Annex-B bytes with at least one SPS and one PPS; other NAL units are passed over.
    :param packetization_mode: 0 (single NAL units) or 1 (with STAP-A and FU-A).
    :raises ParseError: no SPS or no PPS. :raises ConfigError: another mode.
    """
    if packetization_mode not in (0, 1):
        raise ConfigError(f"packetization_mode={packetization_mode!r} is neither 0 nor 1")
    units = [u.rstrip(b"\0") for u in re.split(b"\0\0\1", bytes(parameter_sets))[1:]]
    sps = [u for u in units if len(u) >= 4 and u[0] & 0x1F == 7]
    pps = [u for u in units if len(u) >= 2 and u[0] & 0x1F == 8]
    if not sps or not pps:
        raise ParseError("h264: the bytes hold no SPS and PPS in Annex-B form")
    return {"packetization-mode": str(packetization_mode), "profile-level-id": sps[0][1:4].hex(),
            "sprop-parameter-sets": ",".join(base64.b64encode(u).decode() for u in sps + pps)}


def h264_parameter_sets(fmtp: Mapping[str, str]) -> bytes:
    """The parameter sets that format parameters carry, in Annex-B form; b"": none.

    :raises ParseError: ``sprop-parameter-sets`` is not base64.
    """
    out = b""
    for part in filter(None, fmtp.get("sprop-parameter-sets", "").split(",")):
        try:
            out += b"\0\0\0\1" + base64.b64decode(part + "=" * (-len(part) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise ParseError("h264: sprop-parameter-sets is not base64") from None
    return out
