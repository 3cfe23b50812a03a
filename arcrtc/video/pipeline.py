"""One video stream: frames to packets and back (C modules ``video/encoder``, ``video/decoder``)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arcrtc._native import check, ffi, lib, read_view
from arcrtc.errors import ArgumentError, CodecError, NoMemoryError, UnsupportedError
from arcrtc.video.config import (
    MAX_BITRATE_BPS,
    MIN_BITRATE_BPS,
    VideoCodec,
    VideoConfig,
    VideoResolution,
    check_range,
    size_of,
)
from arcrtc.video.decoders import VideoDecoder
from arcrtc.video.encoders import choose, open_encoder, resizes_in_place
from arcrtc.video.frame import VideoFrame
from arcrtc.video.payload import VideoDepacketizer, VideoPacketizer

if TYPE_CHECKING:
    from arcrtc.rtp import RtpPacket

_RTP_HEADER_BYTES: Final = 12
_MIN_MTU: Final = 64
_MAX_MTU: Final = 65_507  # of one UDP datagram over IPv4


@dataclass(frozen=True, slots=True)
class EncodedLayer:
    """One frame in a picture: the picture itself, or one of its spatial layers (C: ``wire/pl_video``).

    :ivar offset: bytes from the picture's start.
    :ivar length: bytes.
    :ivar width: columns, pixels.
    :ivar height: rows, pixels.
    :ivar temporal_id: temporal layer, 0..2; 0: the base.
    :ivar spatial_id: spatial layer, 0..2; 0: the base.
    :ivar is_keyframe: needs no earlier picture, and none after it needs one from before it.
    :ivar is_reference: a later picture may refer to it.
    :ivar is_switching_up: no later frame of a higher temporal layer needs one from before this one.
    :ivar is_layer_sync: above the base layer: refers to frames of temporal layer 0 only.
    :ivar is_inter_layer: refers to the spatial layer below it in the same picture.
    :ivar references: pictures back, of each frame that it refers to in its own spatial layer.
    """

    offset: int
    length: int
    width: int
    height: int
    temporal_id: int
    spatial_id: int
    is_keyframe: bool
    is_reference: bool
    is_switching_up: bool
    is_layer_sync: bool
    is_inter_layer: bool
    references: tuple[int, ...]


def _layers(out: Any) -> tuple[EncodedLayer, ...]:
    """The frames of a ``struct arc_encoded``."""
    return tuple(EncodedLayer(
        row.off, row.len, row.width_px, row.height_px, row.tid, row.sid, row.is_key, row.is_reference,
        row.is_switching_up, row.is_layer_sync, row.is_inter_layer, tuple(row.refs[0:row.n_refs]))
        for row in out.layers[0:out.n_layers])


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """What the encoder made of one frame.

    :ivar data: H.264: an access unit, Annex B, with SPS and PPS before each key frame; VP8, VP9: the
        frame, or those of all spatial layers from the lowest up; AV1: a temporal unit in the
        low-overhead format, a sequence header before each key frame. b"" when the encoder dropped
        the frame.
    :ivar is_keyframe: decoding can begin here.
    :ivar timestamp: of the frame, as the caller set it.
    :ivar encoder: the library's name of the encoder.
    :ivar temporal_id: temporal layer; 0: the base.
    :ivar spatial_id: highest spatial layer in ``data``; 0: the base.
    :ivar layers: the frames in ``data``; () when the encoder dropped the frame.
    """

    data: bytes
    is_keyframe: bool
    timestamp: int
    encoder: str
    temporal_id: int = 0
    spatial_id: int = 0
    layers: tuple[EncodedLayer, ...] = ()

    def __repr__(self) -> str:
        return (f"EncodedFrame({len(self.data)} bytes{', key' if self.is_keyframe else ''}, "
                f"timestamp={self.timestamp}, {self.encoder})")


def encoded_frame(out: Any, name: str) -> EncodedFrame:
    """What a ``struct arc_encoded`` holds, copied; ``name`` is the encoder's."""
    layers = _layers(out)
    return EncodedFrame(bytes(ffi.buffer(out.data, out.len)), bool(out.is_key), int(out.ts), name,
                        layers[-1].temporal_id, layers[-1].spatial_id, layers)


@dataclass(slots=True)
class VideoPipelineStats:
    """Counters of one pipeline, from its beginning.

    :ivar frames_encoded: packets that came out of the encoder.
    :ivar frames_dropped: frames the encoder dropped.
    :ivar keyframes_encoded: key frames among frames_encoded.
    :ivar bytes_encoded: bytes of those.
    :ivar frames_decoded: pictures that came out of the decoder.
    :ivar frames_damaged: pictures among those that were decoded with errors.
    :ivar frames_failed: access units that the decoder refused.
    :ivar frames_incomplete: access units given up because packets are missing.
    :ivar payloads_dropped: payloads of no use because packets before them are missing.
    """

    frames_encoded: int = 0
    frames_dropped: int = 0
    keyframes_encoded: int = 0
    bytes_encoded: int = 0
    frames_decoded: int = 0
    frames_damaged: int = 0
    frames_failed: int = 0
    frames_incomplete: int = 0
    payloads_dropped: int = 0


class VideoPipeline:
    """Encoder, packetizer, depacketizer and decoder of one stream.

    The encoder is opened with the first frame to encode and the decoder with the first to decode,
    so that a receiver needs no encoder. Not thread-safe: one thread at a time; encoding and
    decoding leave the interpreter lock. Reads no clock.

    :param config: None: the defaults of VideoConfig.
    :raises UnsupportedError: nothing here can encode this codec, or the encoder that was asked for
        is not usable; the message says why.
    """

    def __init__(self, config: VideoConfig | None = None) -> None:
        self.config = config or VideoConfig()
        self.stats = VideoPipelineStats()
        self._bitrate = self.config.bitrate
        self._resolution = self.config.resolution
        self._frame_rate = self.config.frame_rate
        self._refused: dict[str, str] = {}
        self._name, self.passed_over = choose(self.config.codec, self.config.encoder)
        self._encoder: Any = None
        self._encoded = ffi.new("struct arc_encoded *")
        self._staging: Any = None
        self._want_key = False
        self._decoder: VideoDecoder | None = None
        self._packetizer = VideoPacketizer(self.config.codec, temporal_layers=self.config.temporal_layers,
                                           spatial_layers=self.config.spatial_layers)
        self._depacketizer: VideoDepacketizer | None = None
        self._parameter_sets = b""
        self._timestamp: int | None = None  # of the picture in the making
        self._next_seq: int | None = None
        self._skipping = False  # the rest of the picture is of no use

    @property
    def encoder(self) -> str:
        """The library's name of the encoder in use, such as "libx264"."""
        return self._name

    @property
    def bitrate(self) -> int:
        """Target, bits per second."""
        return self._bitrate

    @property
    def frame_rate(self) -> int:
        """Frames per second that the rate control plans with."""
        return self._frame_rate

    @property
    def resolution(self) -> tuple[int, int]:
        """Coded size, (width, height) in pixels."""
        return size_of(self._resolution)

    def _open(self) -> Any:
        """Open the chosen encoder; with "auto" go on to the next one when it refuses this size."""
        width, height = self.resolution
        config = self.config
        while True:
            try:
                return open_encoder(
                    self._name, config.codec, width=width, height=height, frame_rate=self._frame_rate,
                    bitrate=self._bitrate, keyframe_interval=config.keyframe_interval, threads=config.threads,
                    speed=config.speed, content=config.content, temporal_layers=config.temporal_layers,
                    spatial_layers=config.spatial_layers, intra_refresh=config.intra_refresh)
            except UnsupportedError as error:
                self._refused[self._name] = str(error)
                self._name, self.passed_over = choose(
                    self.config.codec, self.config.encoder, refused=self._refused)

    def encode(self, frame: VideoFrame) -> EncodedFrame:
        """Encode one frame; its packet comes at once. Another size is scaled to the stream's.

        :raises CodecError: the encoder refused; it may be called again.
        :raises UnsupportedError: no encoder can be opened for this size.
        """
        if self._encoder is None:
            self._encoder = self._open()
        lent = frame.lent()
        native = frame.native(self._staging) if lent is None else lent[0]
        if not frame.is_native:
            self._staging = native if lent is None else self._staging
        elif native.ts != frame.timestamp:
            native.ts = frame.timestamp
        status = lib.arc_venc_encode(self._encoder, native, self._want_key, self._encoded)
        if not check(status, f"{self._name}: encode"):
            self.stats.frames_dropped += 1
            return EncodedFrame(b"", False, frame.timestamp, self._name)
        self._want_key = False
        encoded = encoded_frame(self._encoded, self._name)
        self.stats.frames_encoded += 1
        self.stats.keyframes_encoded += encoded.is_keyframe
        self.stats.bytes_encoded += len(encoded.data)
        return encoded

    def set_bitrate(self, bitrate: int) -> None:
        """Aim at another rate from the next frame on, without a key frame where the encoder can.

        :param bitrate: bits per second, 10_000..1_000_000_000.
        :raises ConfigError: out of range.
        """
        check_range("bitrate", bitrate, MIN_BITRATE_BPS, MAX_BITRATE_BPS)
        self._bitrate = bitrate
        if self._encoder is not None:
            check(lib.arc_venc_set_bitrate(self._encoder, bitrate), "set_bitrate")

    def set_frame_rate(self, frame_rate: int) -> None:
        """Tell the rate control how many frames a second come from now on, 1..1000."""
        check_range("frame_rate", frame_rate, 1, 1000)
        self._frame_rate = frame_rate
        if self._encoder is not None:
            check(lib.arc_venc_set_frame_rate(self._encoder, frame_rate, 1), "set_frame_rate")

    def set_resolution(self, resolution: VideoResolution | tuple[int, int]) -> None:
        """Code another size from the next frame on.

        Its packet is a key frame, unless the encoder goes on without one: libvpx with VP9, and
        libaom, up to the size that they were opened with, without layers.

        :raises ConfigError: as VideoConfig.
        """
        width, height = size_of(resolution)
        if (width, height) == self.resolution:
            return
        self._resolution = resolution
        if self._encoder is not None and resizes_in_place(self._name):
            check(lib.arc_venc_set_size(self._encoder, width, height), "set_resolution")
        else:
            self._encoder = None

    def request_keyframe(self) -> None:
        """Make the next frame a key frame."""
        self._want_key = True

    def packetize(self, encoded: EncodedFrame, sequence_number: int, ssrc: int, payload_type: int,
                  mtu: int = 1200, timestamp: int | None = None) -> list[RtpPacket]:
        """Split a frame into RTP packets of its codec's payload format, marker on the last; [] for a dropped frame.

        Pictures are counted (PictureID and the like): hand each frame over once, in order.

        :param sequence_number: of the first packet, 0..65535; the others follow, modulo 2^16.
        :param mtu: bytes of the largest RTP packet with its header of 12 bytes, before SRTP adds
            its tag; 64..65507.
        :param timestamp: None: that of the frame, modulo 2^32.
        :raises ArgumentError: a value is out of range.
        """
        from arcrtc.rtp import RtpHeader, RtpPacket

        _check_mtu(mtu)
        if not encoded.data:
            return []
        payloads = self._packetizer.pack(encoded.data, mtu - _RTP_HEADER_BYTES, is_keyframe=encoded.is_keyframe,
                                         layers=encoded.layers)
        ts = (encoded.timestamp if timestamp is None else timestamp) & 0xFFFFFFFF
        return [
            RtpPacket(header=RtpHeader(
                sequence_number=(sequence_number + i) & 0xFFFF, timestamp=ts, ssrc=ssrc,
                payload_type=payload_type, marker=payload.is_last), payload=payload.data)
            for i, payload in enumerate(payloads)]

    def create_rtp_packet(self, encoded: EncodedFrame, sequence_number: int, timestamp: int, ssrc: int,
                          payload_type: int, marker: bool = True, mtu: int = 1200) -> RtpPacket:
        """Put a whole frame into one packet.

        :raises PacketTooLargeError: it needs several: use :meth:`packetize`.
        :raises ArgumentError: a value is out of range, or the frame is empty.
        """
        from arcrtc.rtp import RtpHeader, RtpPacket

        _check_mtu(mtu)
        if not encoded.data:
            raise ArgumentError("the frame was dropped by the encoder: there is nothing to send")
        payload, = self._packetizer.pack(encoded.data, mtu - _RTP_HEADER_BYTES, is_keyframe=encoded.is_keyframe,
                                         layers=encoded.layers, most=1)
        return RtpPacket(header=RtpHeader(
            sequence_number=sequence_number, timestamp=timestamp & 0xFFFFFFFF, ssrc=ssrc,
            payload_type=payload_type, marker=marker), payload=payload.data)

    def _open_decoder(self) -> VideoDecoder:
        config = self.config
        return VideoDecoder(config.codec, decoder=config.decoder, hwaccel=config.hwaccel,
                            threads=config.decode_threads)

    @property
    def decoder(self) -> VideoDecoder:
        """The decoder, with its counters and events; opened with the first use.

        :raises UnsupportedError: it cannot be had; the message says why.
        """
        if self._decoder is None:
            self._decoder = self._open_decoder()
        return self._decoder

    def decode_frame(self, data: bytes, timestamp: int = 0) -> VideoFrame | None:
        """Decode a whole access unit, as :class:`EncodedFrame` has it.

        :returns: the picture; None when the stream's order holds it back.
        :raises CodecError: damaged (CorruptFrameError), or a key frame is to be asked for
            (NoKeyFrameError, MissingReferenceError); ``decoder.poll_events()`` tells of all faults.
        """
        return self._decode(read_view(data), len(data), timestamp, lib.arc_vdec_decode)

    def _decode(self, data: Any, length: int, timestamp: int, call: Any) -> VideoFrame | None:
        try:
            frame = self.decoder.run(data, length, timestamp, call)
        except (CodecError, UnsupportedError, NoMemoryError):
            self.stats.frames_failed += 1
            raise
        if frame is not None:
            self.stats.frames_decoded += 1
            self.stats.frames_damaged += frame.damaged
        return frame

    @property
    def parameter_sets(self) -> bytes:
        """H.264: SPS and PPS that were told out of band, in Annex-B form; b"": none.

        They go in front of key frames that come without
        (:func:`arcrtc.sdp.h264_parameter_sets` reads them out of a session description).
        """
        return self._parameter_sets

    @parameter_sets.setter
    def parameter_sets(self, sets: bytes) -> None:
        self._parameter_sets = bytes(sets)
        if self._depacketizer is not None:
            self._depacketizer.parameter_sets = self._parameter_sets

    def _begin(self, timestamp: int | None) -> VideoDepacketizer:
        """Begin a picture."""
        if self._depacketizer is None:
            self._depacketizer = VideoDepacketizer(self.config.codec)
            self._depacketizer.parameter_sets = self._parameter_sets
        self._depacketizer.begin()
        self._timestamp = timestamp
        self._skipping = False
        return self._depacketizer

    def _append(self, depacketizer: VideoDepacketizer, payload: Any) -> bool:
        """Add a payload to the picture in the making; False: it was of no use."""
        useful = depacketizer.push(payload)
        self.stats.payloads_dropped += not useful
        return useful

    def decode(self, payload: Any, timestamp: int) -> VideoFrame | None:
        """Decode RTP payloads of which nothing but the time stamp is known.

        Give payloads in order; whoever has whole packets takes :meth:`decode_packet`, which sees gaps.
        The picture comes with the payload that holds its end. VP8 does not say where that is: its
        picture comes with the first payload of the next one. Of a picture in several spatial layers
        (VP9) each comes.

        :param payload: bytes-like, of the codec's payload format.
        :param timestamp: comes back with the frame.
        :returns: None while the frame is not complete.
        :raises ParseError: the payload is malformed.
        :raises CodecError: damaged, or no key frame was seen yet.
        """
        depacketizer, before = self._depacketizer, self._timestamp
        picture = None
        if depacketizer is None or before != timestamp or self._skipping:
            if depacketizer is not None and before is not None and self.config.codec is VideoCodec.VP8:
                picture = self._end_part(depacketizer, before)
            depacketizer = self._begin(timestamp)
        if not self._append(depacketizer, payload) or not depacketizer.is_whole:
            return picture
        picture = self._end_part(depacketizer, timestamp)
        self._begin(timestamp)
        return picture

    def _end_part(self, depacketizer: VideoDepacketizer, timestamp: int) -> VideoFrame | None:
        unit = depacketizer.finish()
        return self._decode(*unit, timestamp, lib.arc_vdec_decode_part) if unit else None

    def decode_packet(self, packet: RtpPacket) -> VideoFrame | None:
        """Decode RTP packets in order of their sequence numbers.

        The picture comes with the packet that has the marker. A gap drops the access unit that it
        cuts (``stats.frames_incomplete``), unless ``partial_frames`` of the configuration lets its
        other slices be shown; the next key frame mends what follows.

        :returns: None while the frame is not complete.
        :raises ParseError: the payload is malformed.
        :raises CodecError: damaged, or no key frame was seen yet.
        """
        header = packet.header
        gap = self._next_seq is not None and header.sequence_number != self._next_seq
        self._next_seq = (header.sequence_number + 1) & 0xFFFF
        depacketizer = self._depacketizer
        if depacketizer is None or self._timestamp != header.timestamp:
            self.stats.frames_incomplete += self._timestamp is not None
            depacketizer = self._begin(header.timestamp)
        elif gap:
            self._skipping = True
        partial = self.config.partial_frames and self.config.codec is VideoCodec.H264
        if self._skipping and not partial:
            self.stats.payloads_dropped += 1
        elif not self._append(depacketizer, packet.payload):
            self._skipping = True
        if not header.marker:
            return None

        unit = None if self._skipping and not partial else depacketizer.finish()
        self._timestamp = None
        empty = unit is None or unit[1] == 0
        self.stats.frames_incomplete += self._skipping or empty
        if unit is None or empty:
            return None
        return self._decode(*unit, header.timestamp, lib.arc_vdec_decode)

    def __repr__(self) -> str:
        width, height = self.resolution
        return (f"VideoPipeline({self.config.codec.value} {width}x{height}, {self._bitrate} b/s, "
                f"encoder={self._name!r})")


def _check_mtu(mtu: int) -> None:
    if not _MIN_MTU <= mtu <= _MAX_MTU:
        raise ArgumentError(f"mtu={mtu} is outside {_MIN_MTU}..{_MAX_MTU} bytes")
