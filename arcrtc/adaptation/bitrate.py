"""Adaptive bit rate, size and frame rate of video: figures of the path and the encoder in, a decision out."""
from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from arcrtc._ranges import check_float
from arcrtc.adaptation.estimate import SteadyMean
from arcrtc.adaptation.ladder import Degradation, make_ladder
from arcrtc.adaptation.overload import EncoderLoad
from arcrtc.errors import ConfigError
from arcrtc.metrics import NetworkMetrics
from arcrtc.video.config import (
    MAX_BITRATE_BPS,
    MIN_BITRATE_BPS,
    VideoCodec,
    VideoResolution,
    check_range,
    size_of,
)

if TYPE_CHECKING:
    from arcrtc.video.pipeline import VideoPipeline

Cause = Literal["bandwidth", "loss", "delay", "overload"]

_DEGRADATIONS: Final = ("balanced", "maintain-framerate", "maintain-resolution")
# A step is left below this share of its good rate, and entered above that one.
_LEAVE: Final = 0.4
_ENTER: Final = 0.62
_MOST: Final = 1.6          # more than so much of the good rate is not seen
_DEAD_BAND: Final = 0.15    # smaller changes of the bit rate are let be
# draft-ietf-rmcat-gcc-02 section 6: down above 10 % loss, up below 2 %.
_LOSS_HIGH: Final = 0.10
_LOSS_LOW: Final = 0.02
_GROWTH_PER_S: Final = 0.08  # section 5.5 of the same: where the bandwidth is not known
_QUEUE_MS: Final = 150.0    # round trip above the shortest one: a queue is filling
_MAX_GAP_US: Final = 2_000_000
_PROVED_US: Final = 20_000_000  # a step up that is kept for so long was right
_MAX_HOLD_US: Final = 60_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveBitrateConfig:
    """Limits of an :class:`AdaptiveBitrateController`.

    :ivar codec: of the stream; VP9 and AV1 take 0.7 and 0.6 times the bit rate of H.264 and VP8.
    :ivar min_bitrate: never below; bits per second, 10_000..max_bitrate.
    :ivar max_bitrate: never above; ..1_000_000_000.
    :ivar min_resolution: never smaller.
    :ivar max_resolution: never larger; None: the one at the start (a camera has no more).
    :ivar frame_rate: frames per second of the source, 1..1000.
    :ivar min_frame_rate: never slower, 1..frame_rate.
    :ivar degradation: what is given up when the rate falls: "maintain-framerate" makes the picture smaller,
        "maintain-resolution" slower, "balanced" both by turns.
    :ivar headroom: share of the path's bandwidth that is used, 0.1..1.
    :ivar up_after_s: how long a larger step must have been affordable before it is taken, seconds, 0.5..60.
        Doubled (up to 60 s) each time that proved wrong within 20 s.
    :raises ConfigError: a value is outside its range.
    """

    codec: VideoCodec = VideoCodec.H264
    min_bitrate: int = 100_000
    max_bitrate: int = 100_000_000
    min_resolution: VideoResolution = VideoResolution.P360
    max_resolution: VideoResolution | None = None
    frame_rate: int = 30
    min_frame_rate: int = 10
    degradation: Degradation = "balanced"
    headroom: float = 0.9
    up_after_s: float = 5.0

    def __post_init__(self) -> None:
        if not isinstance(self.codec, VideoCodec):
            raise ConfigError(f"codec={self.codec!r} must be one of {', '.join(map(str, VideoCodec))}")
        for name, value in (("min_resolution", self.min_resolution), ("max_resolution", self.max_resolution)):
            if not isinstance(value, VideoResolution) and not (value is None and name == "max_resolution"):
                raise ConfigError(f"{name}={value!r} must be one of {', '.join(map(str, VideoResolution))}")
        if self.degradation not in _DEGRADATIONS:
            raise ConfigError(f"degradation={self.degradation!r} must be one of {', '.join(_DEGRADATIONS)}")
        check_range("max_bitrate", self.max_bitrate, MIN_BITRATE_BPS, MAX_BITRATE_BPS)
        check_range("min_bitrate", self.min_bitrate, MIN_BITRATE_BPS, self.max_bitrate)
        check_range("frame_rate", self.frame_rate, 1, 1000)
        check_range("min_frame_rate", self.min_frame_rate, 1, self.frame_rate)
        check_float("headroom", self.headroom, 0.1, 1.0)
        check_float("up_after_s", self.up_after_s, 0.5, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BitrateDecision:
    """What is sent from now on, and why.

    :ivar at_us: monotonic time of the decision, microseconds.
    :ivar bitrate: bits per second.
    :ivar resolution: size.
    :ivar frame_rate: frames per second.
    :ivar cause: what led to it.
    :ivar reason: the same in words, with the figures.
    """

    at_us: int
    bitrate: int
    resolution: VideoResolution
    frame_rate: int
    cause: Cause
    reason: str


class AdaptiveBitrateController:
    """Follows a path and an encoder with bit rate, size and frame rate of one video stream.

    Down at once, up after a while: a smaller step is taken when the rate falls below 0.4 of what the present
    one needs to look good, a larger one when the rate was above 0.62 of its need for ``up_after_s``. Measured
    noise of 20 % changes nothing. Pure: reads no clock where times are given.

    :param config: None: the defaults.
    :param initial_bitrate: bits per second, taken into the limits.
    :param initial_resolution: size at the start.
    :raises ConfigError: a value is outside its range.

    Threads: one at a time.
    """

    def __init__(self, config: AdaptiveBitrateConfig | None = None, initial_bitrate: int = 2_000_000,
                 initial_resolution: VideoResolution = VideoResolution.P720) -> None:
        self.config = config = config or AdaptiveBitrateConfig()
        check_range("initial_bitrate", initial_bitrate, MIN_BITRATE_BPS, MAX_BITRATE_BPS)
        if not isinstance(initial_resolution, VideoResolution):
            raise ConfigError(f"initial_resolution={initial_resolution!r} must be a VideoResolution")
        highest = config.max_resolution or initial_resolution
        if highest.height < config.min_resolution.height:
            raise ConfigError(f"max_resolution={highest} is smaller than min_resolution={config.min_resolution}")
        self.ladder = make_ladder(config.codec, config.degradation, lowest=config.min_resolution, highest=highest,
                                  frame_rate=config.frame_rate, min_frame_rate=config.min_frame_rate)
        self._at = next((i for i, rung in enumerate(self.ladder)
                         if rung.resolution.height <= initial_resolution.height), len(self.ladder) - 1)
        self._bitrate = min(max(initial_bitrate, config.min_bitrate), config.max_bitrate)
        self._bandwidth, self._loss, self._rtt = SteadyMean(), 0.0, 0.0
        self._shortest_rtt: float | None = None
        self._now_us: int | None = None
        self._available = float(self._bitrate)
        self._load = EncoderLoad()
        self._load_top = 0  # the largest step that the encoder can do
        self._affordable_since_us: int | None = None
        self._hold_us = config.up_after_s * 1e6
        self._up_at_us: int | None = None
        self._next_frame_us: int | None = None
        self.decision: BitrateDecision | None = None

    def current_bitrate(self) -> int:
        """Bits per second to be sent."""
        return self._bitrate

    def current_resolution(self) -> VideoResolution:
        """Size to be sent."""
        return self.ladder[self._at].resolution

    def current_frame_rate(self) -> int:
        """Frames per second to be sent; see :meth:`takes_frame`."""
        return self.ladder[self._at].frame_rate

    @property
    def encoder_usage(self) -> float:
        """Share of the time between frames that encoding takes; 0.0 before the first."""
        return self._load.usage

    # --- figures in ---

    def update_metrics(self, metrics: NetworkMetrics) -> BitrateDecision | None:
        """Take in what was measured of the path; several times a second is usual.

        :returns: the decision, if it changed something.
        """
        now_us = time.monotonic_ns() // 1000 if metrics.timestamp_us is None else metrics.timestamp_us
        elapsed_us = 0 if self._now_us is None else min(max(now_us - self._now_us, 0), _MAX_GAP_US)
        first, self._now_us = self._now_us is None, max(now_us, self._now_us or 0)
        weight = 1.0 if first else 0.2
        self._loss += (metrics.packet_loss_rate - self._loss) * weight
        self._rtt += (metrics.rtt_ms - self._rtt) * weight
        if metrics.rtt_ms > 0:
            known = metrics.rtt_ms if self._shortest_rtt is None else self._shortest_rtt
            self._shortest_rtt = min(metrics.rtt_ms, known + known * elapsed_us / 60e6)
        fell = metrics.bandwidth_kbps is not None and self._bandwidth.add(metrics.bandwidth_kbps, self._now_us)
        cause, words = self._follow_path(metrics.bandwidth_kbps is not None, elapsed_us / 1e6, fell)
        return self._decide(cause, words)

    def report_encode(self, encode_ms: float, now_us: int | None = None) -> BitrateDecision | None:
        """Take in how long a frame took to encode.

        :param encode_ms: milliseconds, 0..600000.
        :param now_us: monotonic clock, microseconds; None: now.
        :returns: the decision, if it changed something.
        :raises ConfigError: ``encode_ms`` is no such number.
        """
        now_us = time.monotonic_ns() // 1000 if now_us is None else now_us
        self._now_us = now_us = max(now_us, self._now_us or 0)
        rung = self.ladder[self._at]
        larger = self.ladder[max(self._load_top - 1, 0)]
        self._load.add(encode_ms, rung.frame_rate, now_us, max(larger.px_per_s / rung.px_per_s, 1.0))
        if self._load.is_over(now_us):
            lighter = next((i for i in range(self._at + 1, len(self.ladder))
                            if self.ladder[i].px_per_s < rung.px_per_s), None)
            if lighter is not None:
                words = f"encoding takes {self._load.usage:.0%} of the time between frames at {rung}"
                self._load_top = lighter
                return self._decide("overload", words)
        elif self._load_top > 0 and self._load.has_room(now_us):
            self._load_top -= 1
            self._load.forget()
        return None

    # --- decision ---

    def _queue_ms(self) -> float:
        return 0.0 if self._shortest_rtt is None else self._rtt - self._shortest_rtt

    def _follow_path(self, known: bool, elapsed_s: float, fell: bool) -> tuple[Cause, str]:
        """Set what may be sent; (what decided it, in words)."""
        blocked = self._loss >= _LOSS_LOW or self._queue_ms() > _QUEUE_MS
        if known and self._bandwidth.value is not None:
            carried = self._bandwidth.value * 1000 * self.config.headroom
            words = f"the path carries {self._bandwidth.value / 1000:.2f} Mb/s{' since a step down' if fell else ''}"
        else:
            carried = self._available * (1 if blocked else 1 + _GROWTH_PER_S * elapsed_s)
            words = "no loss and no queue on the path"
        cause: Cause = "bandwidth"
        if self._loss > _LOSS_HIGH:
            carried = min(carried, self._available * (1 - 0.5 * self._loss * min(elapsed_s * 2, 1)))
            cause, words = "loss", f"{self._loss:.1%} of the packets are lost"
        elif not known and self._queue_ms() > _QUEUE_MS:
            carried = min(carried, self._available * (1 - 0.15 * min(elapsed_s, 1)))
            cause, words = "delay", f"a queue: the round trip is {self._queue_ms():.0f} ms above its shortest"
        elif blocked:
            carried = min(carried, max(self._available, float(self.config.min_bitrate)))
        self._available = min(max(carried, self.config.min_bitrate), self.config.max_bitrate)
        return cause, words

    def _step(self) -> int:
        """The step to be on now: down at once, up after a while."""
        assert self._now_us is not None
        bps = self._available
        if self._at < self._load_top:
            return self._load_top
        known = self._bandwidth.value is not None
        if bps < self.ladder[self._at].good_bps * _LEAVE:
            if known and not self._bandwidth.is_sure:
                return self._at
            self._affordable_since_us = None
            # To one that is entered, not just not left: the next dip must not be another step.
            return next((i for i in range(self._at + 1, len(self.ladder))
                         if bps >= self.ladder[i].good_bps * (_LEAVE + _ENTER) / 2), len(self.ladder) - 1)
        best = next(i for i, rung in enumerate(self.ladder)
                    if i >= self._at or (i >= self._load_top and bps >= rung.good_bps * _ENTER))
        if best == self._at:
            self._affordable_since_us = None
            return self._at
        if self._affordable_since_us is None:
            self._affordable_since_us = self._now_us
        # While it still rises, one large step is waited for instead of two small ones taken.
        wait = (known and self._bandwidth.is_rising) or self._now_us - self._affordable_since_us < self._hold_us
        return self._at if wait else best

    def _decide(self, cause: Cause, words: str) -> BitrateDecision | None:
        assert self._now_us is not None
        step = self._step()
        was, now = self.ladder[self._at], self.ladder[step]
        bitrate = round(min(self._available, now.good_bps * _MOST))
        bitrate = max(bitrate, self.config.min_bitrate)
        if step == self._at and abs(bitrate - self._bitrate) <= _DEAD_BAND * self._bitrate:
            return None
        if step != self._at:
            self._moved(step)
            words += f"; {was} looks good from {was.good_bps / 1e6:.2f} Mb/s on, so {now}"
        words += f": {self._bitrate / 1e6:.2f} to {bitrate / 1e6:.2f} Mb/s"
        self._bitrate = bitrate
        self.decision = BitrateDecision(at_us=self._now_us, bitrate=bitrate, resolution=now.resolution,
                                        frame_rate=now.frame_rate, cause=cause, reason=words)
        return self.decision

    def _moved(self, step: int) -> None:
        assert self._now_us is not None
        if step < self._at:
            self._up_at_us = self._now_us
        elif self._up_at_us is not None and self._now_us - self._up_at_us < _PROVED_US:
            self._hold_us = min(2 * self._hold_us, _MAX_HOLD_US)
        else:
            self._hold_us = self.config.up_after_s * 1e6
        self._affordable_since_us = None
        self._at = step
        self._load.forget()

    # --- effect ---

    def takes_frame(self, capture_us: int) -> bool:
        """Whether a frame is to be sent at the current frame rate, or left out.

        :param capture_us: when it was captured, microseconds of any clock; they rise.
        """
        interval_us = 1e6 / self.current_frame_rate()
        if self.current_frame_rate() >= self.config.frame_rate:
            self._next_frame_us = None
            return True
        # Half an interval of the source early is on time: cameras jitter.
        early_us = 0.5e6 / self.config.frame_rate
        if self._next_frame_us is None or capture_us - self._next_frame_us > interval_us:
            self._next_frame_us = capture_us
        if capture_us < self._next_frame_us - early_us:
            return False
        self._next_frame_us = round(self._next_frame_us + interval_us)
        return True

    def adjust(self, pipeline: VideoPipeline) -> bool:
        """Apply bit rate, size and frame rate to a pipeline; a new size costs one key frame.

        A size that is not one of VideoResolution (a portrait, say) keeps its shape and gets as many pixels.

        :returns: whether something was changed. False, too, where its config has ``adaptive_bitrate=False``.
        """
        if not pipeline.config.adaptive_bitrate:
            return False
        changed = False
        size = _shaped(size_of(pipeline.config.resolution), self.current_resolution())
        if size != pipeline.resolution:
            pipeline.set_resolution(size)
            changed = True
        if self._bitrate != pipeline.bitrate:
            pipeline.set_bitrate(self._bitrate)
            changed = True
        if self.current_frame_rate() != pipeline.frame_rate:
            pipeline.set_frame_rate(self.current_frame_rate())
            changed = True
        return changed

    def __repr__(self) -> str:
        return f"AdaptiveBitrateController({self.ladder[self._at]}, {self._bitrate} b/s, {self.config.codec.value})"


def _shaped(size: tuple[int, int], resolution: VideoResolution) -> tuple[int, int]:
    """``resolution``, or a size of its area and of the shape of ``size``; never larger than that."""
    if size in {(r.width, r.height) for r in VideoResolution}:
        return resolution.width, resolution.height
    scale = min((resolution.width * resolution.height / (size[0] * size[1])) ** 0.5, 1.0)
    return max(round(size[0] * scale / 2) * 2, 16), max(round(size[1] * scale / 2) * 2, 16)
