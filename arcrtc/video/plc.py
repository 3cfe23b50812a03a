"""What is shown while pictures are missing (C modules ``video/vconceal``, ``video/motion``)."""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from arcrtc._native import check, ffi, lib, new_handle, read_view
from arcrtc._ranges import check_float, check_int
from arcrtc.video.config import VideoCodec
from arcrtc.video.encoders import CODECS
from arcrtc.video.frame import VideoFrame

if TYPE_CHECKING:
    from arcrtc.rtp import RtpPacket

_TS_RANGE: Final = 1 << 32
_SEQ_RANGE: Final = 1 << 16
_WINDOW_PKTS: Final = 1024
_DEFAULT_INTERVAL: Final = 3000  # ticks of 90 kHz: 30 pictures a second
_INTERVALS: Final = 8
_HALF: Final = 128  # weight of 256


class ConcealMethod(Enum):
    """How a picture was made that did not come."""

    FREEZE = "freeze"  #: the last one again
    EXTRAPOLATION = "extrapolation"  #: the last one, its blocks moved on
    INTERPOLATION = "interpolation"  #: between the last one and the next, which is there already


@dataclass(frozen=True, slots=True)
class VideoPlcConfig:
    """Configuration of :class:`VideoPlc`.

    :ivar enabled: False: nothing is concealed, and frames pass unchanged.
    :ivar max_conceal_packets: losses in a row, 0..64, that are concealed by more than a frozen
        picture; from then on a key frame is needed.
    :ivar enable_interpolation: make a picture between two when the next is there, and cross-fade
        from a concealed picture to the first true one.
    :ivar enable_motion_compensation: move the blocks of the last picture on as they moved before;
        False: it is frozen.
    :ivar fade: what is left of the motion from one concealed picture to the next, 0..1.
    :ivar codec: of the packets, so that key frames are seen in them; None: the caller says, or the
        decoder's ``damaged`` does.

    :raises ConfigError: a value is out of range.
    """

    enabled: bool = True
    max_conceal_packets: int = 5
    enable_interpolation: bool = True
    enable_motion_compensation: bool = False
    fade: float = 0.85
    codec: VideoCodec | None = None

    def __post_init__(self) -> None:
        check_int("max_conceal_packets", self.max_conceal_packets, 0, 64, "packets")
        check_float("fade", self.fade, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class VideoPlcStats:
    """Counters of one :class:`VideoPlc`, from its beginning.

    :ivar packets: that were noted.
    :ivar packets_missing: numbers that never came, or have not come yet; of the last 1024.
    :ivar frames: true pictures, damaged ones too.
    :ivar damaged: of those, damaged.
    :ivar frozen: pictures shown again.
    :ivar extrapolated: pictures made from the motion of the last two.
    :ivar interpolated: pictures made between two.
    :ivar crossfaded: true pictures that were mixed with the concealed one before.
    :ivar not_concealed: losses that nothing could be shown for, since no picture had come.
    :ivar frozen_ticks: time in which a frozen picture was shown, ticks of the RTP clock.
    :ivar shown_ticks: time in which anything was shown.
    """

    packets: int
    packets_missing: int
    frames: int
    damaged: int
    frozen: int
    extrapolated: int
    interpolated: int
    crossfaded: int
    not_concealed: int
    frozen_ticks: int
    shown_ticks: int

    @property
    def frozen_ratio(self) -> float:
        """Part of the time that was frozen, 0..1."""
        return self.frozen_ticks / self.shown_ticks if self.shown_ticks else 0.0


def _after(a: int, b: int, modulus: int) -> int:
    """How far ``b`` is after ``a``, modulo; negative: before."""
    distance = (b - a) % modulus
    return distance - modulus if distance >= modulus // 2 else distance


def _again(frame: VideoFrame, timestamp: int) -> VideoFrame:
    """The same picture once more, marked as damaged; planes are shared."""
    shown = VideoFrame.from_native(frame.native())
    shown.timestamp = timestamp
    shown.damaged = True
    return shown


class VideoPlc:
    """Packet loss concealment of one video stream.

    Tell it of each packet that comes and of each picture that was decoded; ask it for a picture
    when one must be shown and is not there. Not thread-safe: one thread at a time. Reads no clock:
    time is that of the RTP time stamps.

    :param config: None: the defaults.
    """

    def __init__(self, config: VideoPlcConfig | None = None) -> None:
        self.config = config or VideoPlcConfig()
        self.last_method: ConcealMethod | None = None  #: of the last picture that was concealed
        self._core = new_handle(lib.arc_vconceal_new, lib.arc_vconceal_free, "struct arc_vconceal",
                                what="VideoPlc")
        self._out = ffi.new("struct arc_vframe **")
        self._info = ffi.new("struct arc_pl_video_info *")
        self._seen: deque[int] = deque(maxlen=_WINDOW_PKTS)  # unwrapped numbers, as they came
        self._seen_set: set[int] = set()
        self._newest: int | None = None  # highest unwrapped number
        self._first = 0
        self._key_timestamp: int | None = None  # of the last key frame that began
        self._last: VideoFrame | None = None  # the last true picture
        self._shown: VideoFrame | None = None  # the last picture, true or not
        self._spacing = _DEFAULT_INTERVAL  # ticks between the last two true pictures
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)
        self._run = 0  # losses since the last true picture
        self._motion = 0.0  # intervals that the picture has been moved on
        self._chain_broken = False
        self._counts = dict.fromkeys(
            ("packets", "frames", "damaged", "frozen", "extrapolated", "interpolated", "crossfaded",
             "not_concealed", "frozen_ticks", "shown_ticks"), 0)

    def _unwrap(self, sequence_number: int) -> int:
        if self._newest is None:
            return sequence_number
        return self._newest + _after(self._newest % _SEQ_RANGE, sequence_number, _SEQ_RANGE)

    def process_packet(self, packet: RtpPacket) -> None:
        """Note a packet that came; the order does not matter, late ones fill their gap."""
        header = packet.header
        seq = self._unwrap(header.sequence_number)
        if seq in self._seen_set:
            return
        if self._newest is None:
            self._first = seq
        if len(self._seen) == _WINDOW_PKTS:
            self._seen_set.discard(self._seen[0])
        self._seen.append(seq)
        self._seen_set.add(seq)
        self._newest = seq if self._newest is None else max(seq, self._newest)
        self._counts["packets"] += 1
        if self.config.codec is not None and len(packet.payload):
            view = read_view(packet.payload)
            status = lib.arc_pl_video_peek(CODECS[self.config.codec], view, len(view), self._info)
            if status == lib.ARC_OK and self._info.is_key:
                self._key_timestamp = header.timestamp

    @property
    def interval(self) -> int:
        """Ticks between pictures: the shortest of the last eight distances; 3000 at first."""
        return min(self._intervals, default=_DEFAULT_INTERVAL)

    def _is_key(self, frame: VideoFrame, is_keyframe: bool | None) -> bool | None:
        if is_keyframe is not None or self.config.codec is None:
            return is_keyframe
        return self._key_timestamp is not None and \
            _after(self._key_timestamp, frame.timestamp, _TS_RANGE) == 0

    def _note_chain(self, frame: VideoFrame, is_keyframe: bool | None) -> None:
        key = self._is_key(frame, is_keyframe)
        if key and not frame.damaged:
            self._chain_broken = False
        elif frame.damaged or (key is False and self._run > 0):
            self._chain_broken = True
        elif key is None:
            self._chain_broken = False  # the decoder says that all its references were there

    def process_frame(self, frame: VideoFrame, is_keyframe: bool | None = None) -> VideoFrame:
        """Take a picture that was decoded, damaged or not.

        :param is_keyframe: whether decoding could begin with it; None: as ``codec`` of the
            configuration lets it be seen in the packets, or as ``frame.damaged`` says.
        :returns: what is to be shown: the frame, or, after a concealed picture, a mix with that.
        """
        counts = self._counts
        counts["frames"] += 1
        counts["damaged"] += frame.damaged
        self._note_chain(frame, is_keyframe)
        passed = 0 if self._last is None else _after(self._last.timestamp, frame.timestamp, _TS_RANGE)
        if passed > 0:
            self._spacing = passed
            self._intervals.append(max(1, passed // (1 + self._run)))
            counts["shown_ticks"] += max(0, passed - self._run * self.interval)
        shown = self._crossfade(frame)
        if self.config.enabled:
            native = frame if frame.format == "yuv420p" else frame.convert("yuv420p")
            check(lib.arc_vconceal_put(self._core, native.native()), "VideoPlc")
        self._last, self._shown = frame, shown
        self._run, self._motion = 0, 0.0
        return shown

    def _crossfade(self, frame: VideoFrame) -> VideoFrame:
        config = self.config
        if not (config.enabled and config.enable_interpolation and self._shown is not None
                and 0 < self._run <= config.max_conceal_packets):
            return frame
        status = lib.arc_vconceal_blend(self._shown.native(), frame.native(), _HALF, self._out)
        if status in (lib.ARC_ERR_UNSUPPORTED, lib.ARC_ERR_ARG):  # of another size or format
            return frame
        self._counts["crossfaded"] += 1
        return self._made(status, frame.timestamp)

    def _made(self, status: int, timestamp: int) -> VideoFrame:
        check(status, "VideoPlc")
        frame = VideoFrame.from_native(ffi.gc(self._out[0], lib.arc_vframe_unref))
        frame.timestamp = timestamp
        return frame

    def _extrapolate(self, timestamp: int) -> VideoFrame | None:
        """The next picture along the motion; None: it cannot be made."""
        self._motion += self.config.fade ** (self._run - 1)
        step = min(round(256 * self._motion * self.interval / self._spacing), lib.ARC_VCONCEAL_MAX_STEP_Q8)
        status = lib.arc_vconceal_extrapolate(self._core, step, self._out)
        if status in (lib.ARC_AGAIN, lib.ARC_ERR_UNSUPPORTED):
            return None
        return self._made(status, timestamp)

    def _interpolate(self, next_frame: VideoFrame, timestamp: int) -> VideoFrame | None:
        assert self._last is not None
        whole = _after(self._last.timestamp, next_frame.timestamp, _TS_RANGE)
        passed = _after(self._last.timestamp, timestamp, _TS_RANGE)
        if not 0 < passed < whole:
            return None
        status = lib.arc_vconceal_between(self._core, next_frame.native(), 256 * passed // whole, self._out)
        if status in (lib.ARC_AGAIN, lib.ARC_ERR_UNSUPPORTED):
            return None
        return self._made(status, timestamp)

    def conceal(self, expected_sequence: int, next_frame: VideoFrame | None = None) -> VideoFrame | None:
        """A picture in place of one that must be shown now and is not there.

        Up to ``max_conceal_packets`` times in a row it is interpolated if the next picture is
        given, else extrapolated if motion compensation is enabled; from then on, and where that
        cannot be done, the picture freezes.

        :param expected_sequence: of the first packet that is missing, 0..65535.
        :param next_frame: a later picture that is there already, for interpolation.
        :returns: a frame with ``damaged`` set, one interval after the last one; None: that packet
            did come, concealment is off, or no picture has come so far.
        """
        if self._newest is not None and self._unwrap(expected_sequence % _SEQ_RANGE) in self._seen_set:
            return None
        self._run += 1
        if not self.config.enabled or self._shown is None:
            self._counts["not_concealed"] += 1
            return None
        timestamp = self._shown.timestamp + self.interval
        frame = None
        if self._run <= self.config.max_conceal_packets:
            if next_frame is not None and self.config.enable_interpolation:
                self.last_method = ConcealMethod.INTERPOLATION
                frame = self._interpolate(next_frame, timestamp)
            if frame is None and self.config.enable_motion_compensation:
                self.last_method = ConcealMethod.EXTRAPOLATION
                frame = self._extrapolate(timestamp)
        if frame is None:
            frame = _again(self._shown, timestamp)
            self.last_method = ConcealMethod.FREEZE
        self._count_concealed()
        self._shown = frame
        return frame

    def _count_concealed(self) -> None:
        counts, interval = self._counts, self.interval
        counts["shown_ticks"] += interval
        if self.last_method is ConcealMethod.INTERPOLATION:
            counts["interpolated"] += 1
        elif self.last_method is ConcealMethod.EXTRAPOLATION:
            counts["extrapolated"] += 1
        else:
            counts["frozen"] += 1
            counts["frozen_ticks"] += interval

    def needs_keyframe(self) -> bool:
        """Whether a key frame should be asked for.

        When ``max_conceal_packets`` losses in a row were concealed (until then a repair may come
        in time), and when pictures rest on one that was lost, until a key frame comes.
        """
        return self._chain_broken or (self._run > 0 and self._run >= self.config.max_conceal_packets)

    def stats(self) -> VideoPlcStats:
        """Counters so far."""
        spanned = 0
        if self._newest is not None:
            oldest = max(self._first, self._newest - _WINDOW_PKTS + 1)
            spanned = self._newest - oldest + 1 - sum(seq >= oldest for seq in self._seen)
        return VideoPlcStats(packets_missing=max(0, spanned), **self._counts)

    def __repr__(self) -> str:
        return (f"VideoPlc({self._counts['frames']} frames, {self._counts['frozen']} frozen, "
                f"{self._counts['extrapolated']} extrapolated, {self._counts['interpolated']} interpolated)")
