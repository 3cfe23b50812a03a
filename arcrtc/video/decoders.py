"""Video decoders: which there are, which work here, and one at work (C module ``video/decoder``)."""
from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Final, NamedTuple

from arcrtc import errors
from arcrtc._native import check, error_for, ffi, lib, read_view
from arcrtc.video.config import VideoCodec, check_range
from arcrtc.video.encoders import CODECS
from arcrtc.video.frame import VideoFrame

_CODEC_NAMES: Final = {value: codec for codec, value in CODECS.items()}
_WHY_BYTES: Final = 512
_MAX_EVENTS: Final = 64
_NOMINAL_BYTES: Final = 4 << 20  # of reference pictures, for the garbage collector to know

# One key frame of 256 x 256 grey pixels each, so that a decoder can be tried on this machine.
_SAMPLES: Final[dict[VideoCodec, bytes]] = {
    VideoCodec.H264: base64.b64decode(
        "AAAAAWdkABWsTCIIBDQgAAADACAAAAZR4sXCMAAAAWjoQwOSyLAAAAFliIIf/xeKMJAwAAADADjYJ0Xd96AAAAMAAAMAAAMA"
        "ALuB"),
    VideoCodec.VP8: base64.b64decode(
        "sA8AnQEqAAEAAQBHCIWFiIWEiAICAAYZwTQLJPte3Nk5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5"
        "w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w9k5w8gAAA=="),
    VideoCodec.VP9: base64.b64decode(
        "gkmDQgAP8A/2ADgkHBheAAAwYAAAQ4GnwMgVLgA="),
    VideoCodec.AV1: base64.b64decode(
        "EgAKCwAAAAO///jV8wCAMhMQAJDAFliihAAAEJgXZxOLACeQ"),
}


class DecodeFault(Enum):
    """What was wrong with a coded picture."""

    CORRUPT = "corrupt"  #: no picture in it, or parts of it damaged
    MISSING_REFERENCE = "missing_reference"  #: it refers to a picture that never came
    NO_KEYFRAME = "no_keyframe"  #: nothing to begin with
    UNSUPPORTED = "unsupported"  #: a format or size that is not decoded
    RESOURCES = "resources"  #: out of memory, or too many pictures are held


_FAULTS: Final[dict[int, DecodeFault]] = {
    lib.ARC_VDEC_FAULT_CORRUPT: DecodeFault.CORRUPT,
    lib.ARC_VDEC_FAULT_MISSING_REF: DecodeFault.MISSING_REFERENCE,
    lib.ARC_VDEC_FAULT_NO_KEY: DecodeFault.NO_KEYFRAME,
    lib.ARC_VDEC_FAULT_UNSUPPORTED: DecodeFault.UNSUPPORTED,
    lib.ARC_VDEC_FAULT_RESOURCES: DecodeFault.RESOURCES,
}
_ERRORS: Final[dict[DecodeFault, type[errors.ArcError]]] = {
    DecodeFault.CORRUPT: errors.CorruptFrameError,
    DecodeFault.MISSING_REFERENCE: errors.MissingReferenceError,
    DecodeFault.NO_KEYFRAME: errors.NoKeyFrameError,
    DecodeFault.UNSUPPORTED: errors.UnsupportedError,
    DecodeFault.RESOURCES: errors.NoMemoryError,
}


@dataclass(frozen=True, slots=True)
class DecodeEvent:
    """A fault that the decoder met.

    :ivar timestamp: of the coded picture, as the caller gave it.
    :ivar fault: its kind.
    :ivar detail: in words.
    :ivar shown: a picture came out nevertheless, with ``damaged`` set.
    """

    timestamp: int
    fault: DecodeFault
    detail: str
    shown: bool


@dataclass(frozen=True, slots=True)
class DecoderStats:
    """Counters of one decoder, from its beginning.

    :ivar pictures: that came out.
    :ivar damaged: of those, decoded with errors, or resting on a picture that was lost.
    :ivar key_frames: of those, of key frames.
    :ivar bytes_in: of coded pictures.
    :ivar faults: how often each fault was met; none: 0.
    :ivar events_dropped: of events that nobody fetched in time.
    """

    pictures: int
    damaged: int
    key_frames: int
    bytes_in: int
    faults: dict[DecodeFault, int]
    events_dropped: int


class DecoderInfo(NamedTuple):
    """One way to decode a codec."""

    name: str  #: "h264", "libvpx-vp9", "libdav1d"
    codec: VideoCodec  #: what it decodes
    library: str  #: who makes it, "FFmpeg"
    hwaccel: str  #: kind of device, "cuda"; "" for software
    usable: bool  #: it decoded a picture on this machine
    reason: str  #: why it is not usable; "" when it is


def _rows() -> Iterator[Any]:
    i = 0
    while (info := lib.arc_vdec_info(i)) != ffi.NULL:
        yield info
        i += 1


def _hwaccels(codec: int) -> list[str]:
    names: list[str] = []
    while (name := lib.arc_vdec_hwaccel(codec, len(names))) != ffi.NULL:
        names.append(ffi.string(name).decode())
    return names


class VideoDecoder:
    """A decoder of one stream.

    Not thread-safe: one thread at a time; decoding leaves the interpreter lock. Reads no clock.

    :param codec: what comes in.
    :param decoder: "auto" (the first that opens, in the order of :func:`list_decoders`), or a name of
        that list such as "libvpx-vp9".
    :param hwaccel: "none", "auto" (any device that opens, else software: :attr:`passed_over` says
        why), or FFmpeg's name of a kind of device: "cuda", "vaapi", "qsv", "videotoolbox" ...
    :param threads: slices or tiles decoded in parallel, 1..16; 0: as many as cores. Never frames.
    :raises UnsupportedError: this build or machine cannot; the message says why.
    :raises ConfigError: a value is out of range.
    """

    def __init__(self, codec: VideoCodec, *, decoder: str = "auto", hwaccel: str = "none",
                 threads: int = 1) -> None:
        check_range("threads", threads, 0, lib.ARC_VDEC_MAX_THREADS)
        config = ffi.new("struct arc_vdec_config *", {
            "name": b"" if decoder == "auto" else _word("decoder", decoder, 31),
            "codec": CODECS[codec],
            "threads": threads,
            "hwaccel": b"" if hwaccel == "none" else _word("hwaccel", hwaccel, 15),
        })
        out = ffi.new("struct arc_vdec **")
        why = ffi.new("char[]", _WHY_BYTES)
        status = lib.arc_vdec_open(config, out, why, _WHY_BYTES)
        reason = ffi.string(why).decode(errors="replace")
        if status == lib.ARC_ERR_UNSUPPORTED:
            raise errors.UnsupportedError(f"{codec.value}: {reason}")
        check(status, "video decoder")
        self.codec = codec
        self.passed_over = reason
        self.handle = ffi.gc(out[0], lib.arc_vdec_free, _NOMINAL_BYTES)
        self._out = ffi.new("struct arc_vframe **")
        self._stats = ffi.new("struct arc_vdec_stats *")
        self._events: deque[DecodeEvent] = deque(maxlen=_MAX_EVENTS)
        self._events_dropped = 0

    def decode(self, data: Any, timestamp: int = 0, *, part: bool = False) -> VideoFrame | None:
        """Decode a whole coded picture, or a part of one.

        An H.264 access unit may lack slices: what is there is decoded, the rest concealed, and the
        frame has ``damaged`` set.

        :param data: bytes-like; H.264: Annex B; VP9: a frame or superframe; AV1: a temporal unit.
        :param timestamp: comes back with the frame.
        :param part: H.264: whole NAL units of a picture; it comes with the last of them.
        :returns: None while there is nothing to show.
        :raises CorruptFrameError: damaged beyond decoding.
        :raises MissingReferenceError: it refers to a picture that never came.
        :raises NoKeyFrameError: nothing to begin with.
        :raises UnsupportedError: not 4:2:0 of 8 or 10 bits, or above 67 million pixels.
        """
        view = read_view(data)
        return self.run(view, len(view), timestamp,
                        lib.arc_vdec_decode_part if part else lib.arc_vdec_decode)

    def run(self, data: Any, length: int, timestamp: int, call: Any) -> VideoFrame | None:
        """The same for a native buffer; ``call`` is arc_vdec_decode or arc_vdec_decode_part."""
        if length == 0:
            return None
        status = call(self.handle, data, length, timestamp, self._out)
        if status == lib.ARC_AGAIN:
            return None
        if status == lib.ARC_ERR_ARG:
            raise error_for(status, "video decoder")
        if status != lib.ARC_OK:
            fault, detail = self._note(timestamp, shown=False)
            raise _ERRORS[fault](f"{self.codec.value}: {detail}")
        frame = VideoFrame.from_native(ffi.gc(self._out[0], lib.arc_vframe_unref))
        if frame.damaged:
            self._note(timestamp, shown=True)
        return frame

    def _note(self, timestamp: int, *, shown: bool) -> tuple[DecodeFault, str]:
        """Keep the last call's fault as an event; a damaged picture may come without one of its own."""
        check(lib.arc_vdec_get_stats(self.handle, self._stats), "video decoder")
        fault = _FAULTS.get(self._stats.last_fault, DecodeFault.CORRUPT)
        detail = ffi.string(self._stats.words).decode(errors="replace")
        if self._stats.last_fault != lib.ARC_VDEC_FAULT_NONE:
            self._events_dropped += len(self._events) == _MAX_EVENTS
            self._events.append(DecodeEvent(timestamp, fault, detail, shown))
        return fault, detail

    def poll_events(self) -> list[DecodeEvent]:
        """Faults since the last call, oldest first; of more than 64 the newest."""
        found = list(self._events)
        self._events.clear()
        return found

    def flush(self) -> None:
        """Forget all references, as after a jump; the next picture must be a key frame."""
        lib.arc_vdec_flush(self.handle)

    def _look(self) -> Any:
        check(lib.arc_vdec_get_stats(self.handle, self._stats), "video decoder")
        return self._stats

    @property
    def name(self) -> str:
        """The decoder in use, as :func:`list_decoders` has it."""
        return str(ffi.string(self._look().name).decode())

    @property
    def hwaccel(self) -> str:
        """Kind of device in use; "" for software."""
        return str(ffi.string(self._look().hwaccel).decode())

    @property
    def needs_keyframe(self) -> bool:
        """Nothing to begin with, or pictures rest on one that was lost, as far as the stream tells."""
        return bool(self._look().needs_key)

    def stats(self) -> DecoderStats:
        """Counters so far."""
        found = self._look()
        return DecoderStats(
            pictures=int(found.pictures), damaged=int(found.damaged), key_frames=int(found.key_frames),
            bytes_in=int(found.bytes), faults={fault: int(found.faults[i]) for i, fault in _FAULTS.items()},
            events_dropped=self._events_dropped)

    def __repr__(self) -> str:
        return f"VideoDecoder({self.codec.value}, {self.name}{self.hwaccel and ' on ' + self.hwaccel})"


def _word(name: str, value: str, most: int) -> bytes:
    """A name for C; raises ConfigError."""
    if not isinstance(value, str) or not value or len(value) > most or not value.isascii():
        raise errors.ConfigError(f"{name}={value!r} is no name; see list_decoders()")
    return value.encode()


@cache
def _try_out(name: str, codec: VideoCodec, hwaccel: str) -> str:
    """Decode a key frame; what is wrong, or ""."""
    try:
        decoder = VideoDecoder(codec, decoder=name, hwaccel=hwaccel or "none")
        frame = decoder.decode(_SAMPLES[codec])
    except (errors.UnsupportedError, errors.CodecError, errors.NoMemoryError) as error:
        return str(error)
    if frame is None or (frame.width, frame.height, frame.damaged) != (256, 256, False):
        return f"{name}: does not show a key frame at once"
    return ""


def list_decoders(*, hardware: bool = True) -> list[DecoderInfo]:
    """Every decoder that this engine can drive, tried on a small picture, in order of preference.

    The answers are kept for the life of the process.

    :param hardware: with a row for each kind of device that this FFmpeg can decode with.
    """
    found = []
    for row in _rows():
        for hwaccel in ["", *(_hwaccels(row.codec) if hardware and row.hwaccel else [])]:
            name, codec = ffi.string(row.name).decode(), _CODEC_NAMES[row.codec]
            reason = _try_out(name, codec, hwaccel)
            found.append(DecoderInfo(name, codec, ffi.string(row.library).decode(), hwaccel,
                                     usable=not reason, reason=reason))
    return found
