"""What a publisher sends and what a subscriber gets: the settings of tracks and routes.

A *track* is one microphone, camera or screen as a publisher's leg sends it; with simulcast it has
several *sources* (RFC 7656 calls them dependent or alternative RTP streams), each with its own SSRC.
A *route* hands a track to one leg, with numbers of its own there.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from arcrtc._ranges import check_float, check_int
from arcrtc.errors import ConfigError
from arcrtc.streams import MediaType

MAX_SOURCES: Final = 8  #: simulcast sources of one track
MAX_LAYER_ID: Final = 7  #: spatial and temporal layers count from 0 (three bits in RFC 9628, AV1 and VP9)
_SSRC_MAX: Final = 2**32 - 1
_RATE_MAX: Final = 10**10  # bit/s


def _check_ssrc(name: str, value: int | None) -> None:
    if value is not None:
        check_int(name, value, 0, _SSRC_MAX)


def _check_payload_type(name: str, value: int | None) -> None:
    if value is not None:
        check_int(name, value, 0, 127)


def _check_text(name: str, value: str | None, longest: int) -> None:
    if value is not None and (not isinstance(value, str) or not 1 <= len(value.encode()) <= longest):
        raise ConfigError(f"{name}={value!r} is not a text of 1..{longest} bytes")


def checked_extensions(extensions: Mapping[int, str]) -> dict[int, str]:
    """A copy, once ids and URIs are seen to be good (RFC 8285 section 4)."""
    for ident, uri in extensions.items():
        check_int("extensions: id", ident, 1, 255)
        if not isinstance(uri, str) or not uri:
            raise ConfigError(f"extensions: id {ident} needs a URI, not {uri!r}")
    if len(set(extensions.values())) < len(extensions):
        raise ConfigError(f"extensions: a URI comes twice in {dict(extensions)!r}")
    return dict(extensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """One RTP stream of a track: the only one, or one of a simulcast.

    :ivar ssrc: 0..4294967295; None: learnt from the first packet with this ``rid`` (RFC 8852).
    :ivar rtx_ssrc: of its retransmissions (RFC 4588); None: it has none, or they are learnt as well.
    :ivar rid: restriction identifier (RFC 8851), 1..16 bytes; None: not used.
    :ivar width: pixels, 0..16384; 0: not known.
    :ivar height: pixels, 0..16384; 0: not known.
    :ivar frame_rate: pictures a second, 0..1000; 0: not known.
    :ivar bitrate: of all its layers together, 0..10**10 bit/s; 0: not known.
    :ivar spatial_layers: within this one stream (SVC), 1..8.
    :ivar temporal_layers: 1..8.
    :raises ConfigError: out of range, or neither ``ssrc`` nor ``rid``.
    """

    ssrc: int | None = None
    rtx_ssrc: int | None = None
    rid: str | None = None
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    bitrate: int = 0
    spatial_layers: int = 1
    temporal_layers: int = 1

    def __post_init__(self) -> None:
        _check_ssrc("ssrc", self.ssrc)
        _check_ssrc("rtx_ssrc", self.rtx_ssrc)
        _check_text("rid", self.rid, 16)
        if self.ssrc is None and self.rid is None:
            raise ConfigError("a source needs an ssrc or a rid, to be known by")
        check_int("width", self.width, 0, 16_384)
        check_int("height", self.height, 0, 16_384)
        check_float("frame_rate", self.frame_rate, 0, 1000)
        check_int("bitrate", self.bitrate, 0, _RATE_MAX)
        check_int("spatial_layers", self.spatial_layers, 1, MAX_LAYER_ID + 1)
        check_int("temporal_layers", self.temporal_layers, 1, MAX_LAYER_ID + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackConfig:
    """What a publisher sends. Either ``ssrc`` (one stream) or ``layers`` (simulcast) is given.

    :ivar kind: audio or video; the text will do.
    :ivar codec: name as in SDP without regard to case: ``opus``, ``vp8``.
    :ivar ssrc: of the only stream, 0..4294967295; None with ``layers``.
    :ivar rtx_ssrc: of its retransmissions; None with ``layers``, or without retransmission.
    :ivar layers: the simulcast sources from the lowest to the highest, 1..8; () with ``ssrc``.
    :ivar payload_type: 0..127.
    :ivar rtx_payload_type: of retransmissions, 0..127; None: there are none.
    :ivar clock_rate: of RTP time stamps, 1..1000000 Hz.
    :ivar extensions: {id: URI} of the header extensions as the publisher numbers them. Not to be changed.
    :ivar mid: identification of the media section (RFC 8843), 1..16 bytes; None: not used.
    :ivar selection_group: audio tracks with the same number compete for the places of the loudest
        (RFC 6464), 0..2147483647; None: always forwarded.
    :raises ConfigError: out of range, or fields that do not fit each other.
    """

    kind: MediaType
    codec: str
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    layers: tuple[SourceConfig, ...] = ()
    payload_type: int
    rtx_payload_type: int | None = None
    clock_rate: int
    extensions: Mapping[int, str] = field(default_factory=dict, hash=False)
    mid: str | None = None
    selection_group: int | None = None

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "kind", MediaType(self.kind))
        except ValueError:
            raise ConfigError(f"kind={self.kind!r} is neither audio nor video") from None
        if not isinstance(self.codec, str) or not self.codec.strip():
            raise ConfigError(f"codec={self.codec!r} is not the name of a codec")
        self._check_sources()
        check_int("payload_type", self.payload_type, 0, 127)
        _check_payload_type("rtx_payload_type", self.rtx_payload_type)
        if self.rtx_payload_type == self.payload_type:
            raise ConfigError(f"rtx_payload_type={self.rtx_payload_type} is the payload_type as well")
        check_int("clock_rate", self.clock_rate, 1, 1_000_000, "Hz")
        object.__setattr__(self, "extensions", checked_extensions(self.extensions))
        _check_text("mid", self.mid, 16)
        if self.selection_group is not None:
            check_int("selection_group", self.selection_group, 0, 2**31 - 1)
            if self.kind is not MediaType.AUDIO:
                raise ConfigError("selection_group is for audio: the loudest are selected")

    def _check_sources(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        _check_ssrc("ssrc", self.ssrc)
        _check_ssrc("rtx_ssrc", self.rtx_ssrc)
        if (self.ssrc is None) == (not self.layers):
            raise ConfigError("a track needs either ssrc or layers")
        if self.layers and self.rtx_ssrc is not None:
            raise ConfigError("rtx_ssrc of a track with layers is a field of each layer")
        if len(self.layers) > MAX_SOURCES:
            raise ConfigError(f"layers: {len(self.layers)} are more than {MAX_SOURCES}")
        numbers = [n for source in self.sources for n in (source.ssrc, source.rtx_ssrc) if n is not None]
        rids = [source.rid for source in self.sources if source.rid is not None]
        if len(set(numbers)) < len(numbers) or len(set(rids)) < len(rids):
            raise ConfigError("layers: an ssrc or a rid comes twice")

    @property
    def sources(self) -> tuple[SourceConfig, ...]:
        """``layers``, or the one source that ``ssrc`` stands for."""
        return self.layers or (SourceConfig(ssrc=self.ssrc, rtx_ssrc=self.rtx_ssrc),)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteConfig:
    """How a track reaches one subscriber. None: the router's choice, or as the publisher has it.

    :ivar ssrc: 0..4294967295; None: a free random one is drawn (RFC 3550 section 8.1).
    :ivar rtx_ssrc: of retransmissions; None: drawn, if the track has any.
    :ivar payload_type: 0..127; None: the publisher's.
    :ivar rtx_payload_type: 0..127; None: the publisher's.
    :ivar extensions: {id: URI} as the subscriber numbers them; None: as the publisher does. What is
        not in it is left out. Not to be changed.
    :ivar mid: RFC 8843, 1..16 bytes; None: not sent.
    :ivar max_source: highest simulcast source that may be chosen, 0..7, as ``layers`` counts; None: any.
    :ivar max_spatial: highest spatial layer, 0..7; None: any.
    :ivar max_temporal: highest temporal layer, 0..7; None: any.
    :ivar paused: nothing is forwarded until the route is resumed.
    :raises ConfigError: out of range.
    """

    ssrc: int | None = None
    rtx_ssrc: int | None = None
    payload_type: int | None = None
    rtx_payload_type: int | None = None
    extensions: Mapping[int, str] | None = field(default=None, hash=False)
    mid: str | None = None
    max_source: int | None = None
    max_spatial: int | None = None
    max_temporal: int | None = None
    paused: bool = False

    def __post_init__(self) -> None:
        _check_ssrc("ssrc", self.ssrc)
        _check_ssrc("rtx_ssrc", self.rtx_ssrc)
        if self.ssrc is not None and self.ssrc == self.rtx_ssrc:
            raise ConfigError(f"rtx_ssrc={self.rtx_ssrc} is the ssrc as well")
        _check_payload_type("payload_type", self.payload_type)
        _check_payload_type("rtx_payload_type", self.rtx_payload_type)
        if self.payload_type is not None and self.payload_type == self.rtx_payload_type:
            raise ConfigError(f"rtx_payload_type={self.rtx_payload_type} is the payload_type as well")
        if self.extensions is not None:
            object.__setattr__(self, "extensions", checked_extensions(self.extensions))
        _check_text("mid", self.mid, 16)
        for name in ("max_source", "max_spatial", "max_temporal"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), 0, MAX_LAYER_ID)
