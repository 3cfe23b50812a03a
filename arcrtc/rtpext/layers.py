"""Video layers allocation (C module ``wire/layers``)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from arcrtc._native import ffi, lib
from arcrtc.errors import ArgumentError
from arcrtc.rtpext.base import WEBRTC_URI, ExtensionValue, check_range, read_value, write_value

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

_MAX_STREAMS: Final = 4
_MAX_SPATIAL: Final = 4
_ROOM: Final = int(lib.ARC_LAYERS_MAX_BYTES)


@dataclass(frozen=True, slots=True)
class SpatialLayer:
    """A spatial layer that is sent.

    :ivar spatial_id: 0..3.
    :ivar rates_kbps: target rate of each temporal layer with all below it, 1..4 numbers, each 0..2**32-1.
    :ivar width_px: 1..65536; None: not said, and so are the next two.
    :ivar height_px: 1..65536.
    :ivar max_frame_rate_hz: 0..255.
    :raises ArgumentError: out of range, or only some of the last three are there.
    """

    spatial_id: int
    rates_kbps: tuple[int, ...]
    width_px: int | None = None
    height_px: int | None = None
    max_frame_rate_hz: int | None = None

    def __post_init__(self) -> None:
        check_range(self, "spatial_id", 0, _MAX_SPATIAL - 1)
        if not 1 <= len(self.rates_kbps) <= 4 or not all(
                isinstance(rate, int) and 0 <= rate < 2**32 for rate in self.rates_kbps):
            raise ArgumentError(f"SpatialLayer: rates_kbps={self.rates_kbps!r}: 1..4 numbers in 0..2**32-1")
        said = {value is not None for value in (self.width_px, self.height_px, self.max_frame_rate_hz)}
        if len(said) != 1:
            raise ArgumentError("SpatialLayer: width_px, height_px and max_frame_rate_hz go together")
        if self.has_size:
            check_range(self, "width_px", 1, 65536)
            check_range(self, "height_px", 1, 65536)
            check_range(self, "max_frame_rate_hz", 0, 255)

    @property
    def has_size(self) -> bool:
        """Whether resolution and frame rate are said."""
        return self.width_px is not None


@dataclass(frozen=True, slots=True)
class VideoLayersAllocation(ExtensionValue):
    """What layers a sender sends, and at which rate (webrtc.org, "video-layers-allocation00").

    :ivar streams: the layers of each RTP stream of a simulcast, in ascending order of their
        spatial ids; 1..4 streams; (): nothing is sent. All layers say their size, or none.
    :ivar stream_index: of the stream that carries this, below the number of streams.
    :raises ArgumentError: something else.
    """

    URI: ClassVar[str] = WEBRTC_URI + "video-layers-allocation00"

    streams: tuple[tuple[SpatialLayer, ...], ...] = ()
    stream_index: int = 0

    def __post_init__(self) -> None:
        if len(self.streams) > _MAX_STREAMS:
            raise ArgumentError(f"VideoLayersAllocation: {len(self.streams)} streams, at most {_MAX_STREAMS}")
        check_range(self, "stream_index", 0, max(len(self.streams) - 1, 0))
        for stream in self.streams:
            ids = [layer.spatial_id for layer in stream]
            if ids != sorted(set(ids)):
                raise ArgumentError(f"VideoLayersAllocation: spatial ids {ids} must ascend")
        if self.streams and not any(self.streams):
            raise ArgumentError("VideoLayersAllocation: streams without any layer; () says that nothing is sent")
        if len({layer.has_size for stream in self.streams for layer in stream}) > 1:
            raise ArgumentError("VideoLayersAllocation: all layers say their size, or none")

    @classmethod
    def parse(cls, value: Buffer) -> Self:
        """Read an element; ParseError for what is cut, too long, or names no layer."""
        c = read_value(lib.arc_layers_read, "struct arc_layers", value, "VideoLayersAllocation.parse")
        streams = tuple(
            tuple(_layer(c.layers[s][i], i, c.has_sizes) for i in range(_MAX_SPATIAL) if c.layers[s][i].n_temporal)
            for s in range(c.n_streams))
        return cls(streams, c.stream_index)

    def serialize(self) -> bytes:
        """The bytes; more than 255 fit no element, which RtpPacket.serialize() says."""
        c = ffi.new("struct arc_layers *")
        c.n_streams, c.stream_index = len(self.streams), self.stream_index
        c.has_sizes = any(layer.has_size for stream in self.streams for layer in stream)
        for s, stream in enumerate(self.streams):
            for layer in stream:
                to = c.layers[s][layer.spatial_id]
                to.n_temporal, to.rate_kbps = len(layer.rates_kbps), layer.rates_kbps
                to.width_px, to.height_px = layer.width_px or 0, layer.height_px or 0
                to.max_frame_rate_hz = layer.max_frame_rate_hz or 0
        return write_value(lambda *out: lib.arc_layers_write(c, *out), _ROOM, "VideoLayersAllocation.serialize")


def _layer(c: Any, spatial_id: int, has_size: bool) -> SpatialLayer:
    rates = tuple(c.rate_kbps[i] for i in range(c.n_temporal))
    if not has_size:
        return SpatialLayer(spatial_id, rates)
    return SpatialLayer(spatial_id, rates, c.width_px, c.height_px, c.max_frame_rate_hz)
