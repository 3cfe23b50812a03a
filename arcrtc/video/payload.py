"""Coded pictures to RTP payloads and back, for all four codecs (C module ``wire/pl_video``).

Source: RFC 6184 (H.264), RFC 7741 (VP8), RFC 9628 (VP9), the AV1 RTP payload format and its
appendix A (dependency descriptor).
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from arcrtc._native import check, error_for, ffi, lib, read_view
from arcrtc.errors import ArgumentError, PacketTooLargeError, UnsupportedError
from arcrtc.video.config import VideoCodec
from arcrtc.video.encoders import CODECS

MIN_PAYLOAD_BYTES: Final = int(lib.ARC_PL_VIDEO_MIN_PAYLOAD_BYTES)
MAX_PAYLOAD_BYTES: Final = int(lib.ARC_PL_VIDEO_MAX_PAYLOAD_BYTES)
# An access unit that is larger is dropped: forty times a 1080p key frame at 8 Mb/s.
_MAX_UNIT_BYTES: Final = 8 * 1024 * 1024


class Layer(Protocol):
    """What an encoder says of one frame in a picture."""

    @property
    def offset(self) -> int:
        """Bytes from the picture's start."""

    @property
    def length(self) -> int:
        """Bytes."""

    @property
    def width(self) -> int:
        """Columns, pixels; 0: not told."""

    @property
    def height(self) -> int:
        """Rows, pixels; 0: not told."""

    @property
    def temporal_id(self) -> int:
        """Temporal layer; 0: the base."""

    @property
    def spatial_id(self) -> int:
        """Spatial layer; 0: the base."""

    @property
    def is_keyframe(self) -> bool:
        """Needs no earlier picture, and none after it needs one from before it."""

    @property
    def is_reference(self) -> bool:
        """A later picture may refer to it."""

    @property
    def is_switching_up(self) -> bool:
        """No later frame of a higher temporal layer needs one from before this one."""

    @property
    def is_layer_sync(self) -> bool:
        """Above the base layer: refers to frames of temporal layer 0 only."""

    @property
    def is_inter_layer(self) -> bool:
        """Refers to the spatial layer below it in the same picture."""

    @property
    def references(self) -> Sequence[int]:
        """Pictures back, of each frame that it refers to in its own spatial layer."""


@dataclass(frozen=True, slots=True)
class VideoPayload:
    """One RTP payload of a picture.

    :ivar data: the payload.
    :ivar is_last: the last of the picture: its RTP packet takes the marker.
    :ivar starts_frame: the first of a layer's frame.
    :ivar ends_frame: the last of it.
    :ivar temporal_id: temporal layer of the frame.
    :ivar spatial_id: spatial layer of the frame.
    :ivar descriptor: value of the dependency descriptor, to be sent as a header extension; b"": not asked for.
    """

    data: bytes
    is_last: bool
    starts_frame: bool
    ends_frame: bool
    temporal_id: int
    spatial_id: int
    descriptor: bytes = b""


class VideoPacketizer:
    """Cuts the pictures of one stream into payloads, and counts them on (PictureID, TL0PICIDX, frame number).

    Not thread-safe: one thread at a time.

    :param codec: of the stream.
    :param temporal_layers: that it may have, 1..8; VP8 1..4, VP9 not flexible 1..3.
    :param spatial_layers: that it may have: VP9 1..8, AV1 1..4, others 1.
    :param single_nal: H.264 in packetization mode 0: each NAL unit one payload.
    :param flexible: VP9: each frame names its references; else they follow the pattern of ``temporal_layers``, which
        key frames announce.
    :param picture_id: of the first picture, 0..32767; a session best begins at random.
    :raises ArgumentError: out of range.
    """

    def __init__(self, codec: VideoCodec, *, temporal_layers: int = 1, spatial_layers: int = 1,
                 single_nal: bool = False, flexible: bool = True, picture_id: int = 0) -> None:
        for name, value, top in (("temporal_layers", temporal_layers, 255), ("spatial_layers", spatial_layers, 255),
                                 ("picture_id", picture_id, 65_535)):
            if not 0 <= value <= top:
                raise ArgumentError(f"{name}={value} is out of range")
        self.codec = codec
        self._tx = ffi.new("struct arc_pl_video_tx *")
        config = ffi.new("struct arc_pl_video_config *", {
            "codec": CODECS[codec], "n_temporal": temporal_layers, "n_spatial": spatial_layers,
            "is_single_nal": single_nal, "is_flexible": flexible, "picture_id": picture_id})
        check(lib.arc_pl_video_tx_init(self._tx, config), f"packetizer of {codec.value}")
        self._packer = ffi.new("struct arc_pl_video_packer *")
        self._layers = ffi.new("struct arc_pl_layer[]", int(lib.ARC_PL_MAX_LAYERS))
        self._place = ffi.new("struct arc_pl_video_place *")
        self._len = ffi.new("size_t *")
        self._descriptor = ffi.new("uint8_t[]", int(lib.ARC_DEPDESC_MAX_BYTES))

    def _whole(self, size: int, *, is_keyframe: bool) -> int:
        """One frame that refers to the picture before it, if there was one."""
        row = self._layers[0]
        ffi.memmove(ffi.addressof(row), bytes(ffi.sizeof(row)), ffi.sizeof(row))
        row.len, row.is_key, row.is_reference, row.ends_picture = size, is_keyframe, True, True
        row.n_refs = not is_keyframe and self._tx.pictures > 0
        row.refs[0] = 1
        return 1

    def _describe(self, layers: Sequence[Layer]) -> int:
        if len(layers) > len(self._layers):
            raise ArgumentError(f"{len(layers)} frames in one picture: more than {len(self._layers)}")
        for row, layer in zip(self._layers, layers, strict=False):
            row.off, row.len = layer.offset, layer.length
            row.width_px, row.height_px = min(layer.width, 65_535), min(layer.height, 65_535)
            row.tid, row.sid = layer.temporal_id, layer.spatial_id
            row.is_key, row.is_reference = layer.is_keyframe, layer.is_reference
            row.is_switching_up, row.is_layer_sync = layer.is_switching_up, layer.is_layer_sync
            row.is_inter_layer, row.ends_picture = layer.is_inter_layer, layer is layers[-1]
            row.n_refs = len(layer.references)
            row.refs[0:row.n_refs] = list(layer.references)
        return len(layers)

    def pack(self, data: bytes, limit: int, *, is_keyframe: bool, layers: Sequence[Layer] = (),
             most: int | None = None, descriptors: bool = False) -> list[VideoPayload]:
        """The payloads of one picture.

        :param data: as :class:`arcrtc.video.EncodedFrame` has it.
        :param limit: bytes of the largest payload, 52..65535.
        :param layers: the frames in ``data``; (): one, which refers to the picture before it.
        :param most: payloads; None: any number.
        :param descriptors: with the dependency descriptor of each.
        :raises ParseError: the data are not what the codec makes.
        :raises PacketTooLargeError: more than ``most`` payloads are needed, and nothing is counted; or packetization
            mode 0, and a NAL unit is larger than ``limit``.
        :raises UnsupportedError: VP9: references that the pattern does not have; use flexible mode.
        :raises ArgumentError: out of range, or layers that cannot be.
        """
        if not MIN_PAYLOAD_BYTES <= limit <= MAX_PAYLOAD_BYTES:
            raise ArgumentError(f"limit={limit} is outside {MIN_PAYLOAD_BYTES}..{MAX_PAYLOAD_BYTES} bytes")
        before = bytes(ffi.buffer(self._tx)) if most is not None else b""
        n = self._describe(layers) if layers else self._whole(len(data), is_keyframe=is_keyframe)
        view = read_view(data)
        status = lib.arc_pl_video_packer_init(self._packer, self._tx, view, len(view), self._layers, n, limit)
        if status == lib.ARC_ERR_LIMIT:
            raise PacketTooLargeError(f"a NAL unit is larger than {limit} bytes: packetization mode 0 has no pieces")
        if status == lib.ARC_ERR_UNSUPPORTED:
            raise UnsupportedError(f"{self.codec.value}: the payload format cannot say what this frame refers to")
        check(status, "packetize")
        out, place = ffi.new("uint8_t[]", limit), self._place
        payloads = []
        while check(lib.arc_pl_video_packer_next(self._packer, out, self._len, place), "packetize"):
            data_out = bytes(ffi.buffer(out, self._len[0]))
            payloads.append(VideoPayload(data_out, place.last, place.starts_frame, place.ends_frame, place.tid,
                                         place.sid, self._describe_payload() if descriptors else b""))
        if most is not None and len(payloads) > most:
            ffi.memmove(self._tx, before, len(before))
            raise PacketTooLargeError(
                f"a frame of {len(data)} bytes needs {len(payloads)} packets with payloads of {limit} bytes; "
                "packetize() makes them")
        return payloads

    def _describe_payload(self) -> bytes:
        status = lib.arc_pl_video_packer_depdesc(self._packer, self._place, self._descriptor, len(self._descriptor),
                                                 self._len)
        check(status, "dependency descriptor")
        return bytes(ffi.buffer(self._descriptor, self._len[0]))


class VideoDepacketizer:
    """Puts the payloads of one picture after the other together.

    Not thread-safe: one thread at a time.

    :param codec: of the stream.
    :ivar parameter_sets: H.264: SPS and PPS that were told out of band, in Annex-B form; they go in front of IDR
        pictures that have none (:func:`arcrtc.sdp.h264_parameter_sets`). b"": none.
    """

    def __init__(self, codec: VideoCodec) -> None:
        self.codec = codec
        self.parameter_sets = b""
        self._unit = ffi.new("uint8_t[]", _MAX_UNIT_BYTES)
        self._unpacker = ffi.new("struct arc_pl_video_unpacker *")
        self._info = ffi.new("struct arc_pl_video_info *")
        self._len = ffi.new("size_t *")
        self._sets: Any = None
        self.begin()

    def begin(self) -> None:
        """Begin a picture; what there is of another is forgotten."""
        check(lib.arc_pl_video_unpacker_init(self._unpacker, CODECS[self.codec], self._unit, _MAX_UNIT_BYTES),
              "depacketizer")
        if self.parameter_sets and self.codec is VideoCodec.H264:
            self._sets = read_view(self.parameter_sets)
            check(lib.arc_pl_h264_unpacker_set_sets(ffi.addressof(self._unpacker, "h264"), self._sets,
                                                    len(self._sets)), "depacketizer")

    def push(self, payload: Any) -> bool:
        """Add a payload that follows the one before; False: it was of no use, pieces before it are missing.

        :raises ParseError: malformed.
        :raises UnsupportedError: H.264 of interleaved mode.
        """
        view = read_view(payload)
        status = lib.arc_pl_video_unpacker_push(self._unpacker, view, len(view))
        if status in (lib.ARC_ERR_SPACE, lib.ARC_ERR_LIMIT):
            return False
        if status == lib.ARC_ERR_FORMAT:  # in itself, or in its place?
            check(lib.arc_pl_video_peek(CODECS[self.codec], view, len(view), self._info), "RTP payload")
            return False
        return check(status, "RTP payload")

    def starts_picture(self, payload: Any) -> bool:
        """Whether a payload says that a picture begins with it."""
        view = read_view(payload)
        status = lib.arc_pl_video_peek(CODECS[self.codec], view, len(view), self._info)
        return bool(status == lib.ARC_OK and self._info.starts_picture)

    @property
    def is_whole(self) -> bool:
        """Whether the payload pushed last ended a NAL unit (H.264), a layer's frame (VP9) or an OBU (AV1).

        VP8 does not say where a frame ends: False always.
        """
        return bool(lib.arc_pl_video_unpacker_is_whole(self._unpacker))

    def finish(self) -> tuple[Any, int] | None:
        """End the picture: (bytes of C, lent until :meth:`begin`, how many); None: its end is missing."""
        status = lib.arc_pl_video_unpacker_finish(self._unpacker, self._len)
        if status in (lib.ARC_ERR_FORMAT, lib.ARC_ERR_SPACE):
            return None
        if status != lib.ARC_OK:
            raise error_for(status, "depacketizer")
        return self._unit, int(self._len[0])
