# ruff: noqa: RUF009 - _doc() makes a dataclass field
"""What a call report holds: the values of ``report.json``, units in the names.

``None`` always means: not measured. An empty series likewise. All times of series and
events are milliseconds since the start of the call, unless the name says otherwise.
docs/report.md explains each value; docs/report.schema.json is the JSON Schema.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from arcrtc.errors import ArgumentError

SCHEMA_VERSION: Final = 2

FrameStatus = Literal["shown", "late", "frozen"]
PacketStatus = Literal["played", "repaired", "concealed"]
Setting = str | int | float | bool | None


def _doc(text: str, **options: Any) -> Any:
    return field(metadata={"doc": text}, **options)


def _check_lengths(what: str, t: Sequence[object], columns: dict[str, Sequence[object]],
                   *, may_be_empty: bool) -> None:
    for name, values in columns.items():
        if len(values) != len(t) and not (may_be_empty and not values):
            raise ArgumentError(f"{what}.{name}: {len(values)} values for {len(t)} times")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that the call ran on."""

    cpu: str = _doc("name of the processor")
    cores: int = _doc("processors that the call could use")
    os: str = _doc("operating system and its version")
    python: str = _doc("version of Python")
    memory_bytes: int | None = _doc("main memory", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What was run: enough to run it again."""

    arcrtc_version: str = _doc("version of arcrtc")
    created_utc: str = _doc("when the call began: ISO 8601, UTC")
    command: str = _doc("the command line; never a key")
    duration_s: float = _doc("length of the call, seconds")
    media: str = _doc("what was sent: name of the file")
    network: str = _doc("name of the network plan")
    network_description: str = _doc("the plan in words")
    seed: int | None = _doc("seed of the network and of everything else that is random", default=None)
    machine: Machine = _doc("where it ran")
    libraries: dict[str, str] = _doc("library -> version in use", default_factory=dict)
    settings: dict[str, Setting] = _doc("setting -> value of this call", default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketCounts:
    """Packets of one stream, end to end."""

    sent: int = _doc("RTP packets sent the first time")
    received: int = _doc("RTP packets that arrived, repairs included, duplicates not")
    lost_by_network: int = _doc("first sendings that never arrived")
    retransmitted: int = _doc("repairs sent: retransmissions (RFC 4588) and FEC")
    recovered: int = _doc("lost packets that a repair brought back in time to be played")
    late: int = _doc("arrived after their play-out time: of no use")
    duplicate: int = _doc("arrived more than once: left out")
    bytes_sent: int = _doc("payload and headers of RTP, repairs included, without UDP and IP")

    @property
    def missing(self) -> int:
        """Packets that play-out had to do without."""
        return max(0, self.lost_by_network - self.recovered) + self.late


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """From capture to play-out, per block of sound or picture."""

    p50_ms: float = _doc("median")
    p95_ms: float = _doc("95th percentile")
    max_ms: float = _doc("largest")
    stages_ms: dict[str, float] = _doc(
        "stage -> mean time spent in it, in the order of the path; together the mean latency",
        default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechScores:
    """How the speech sounds, by programs trained on people's judgement; null: that one could not judge it."""

    pesq: float | None = _doc("PESQ wideband (ITU-T P.862.2) against the source, about 1..4.64", default=None)
    plcmos: float | None = _doc("PLCMOS version 2, without the source, 1..5", default=None)
    stoi: float | None = _doc("STOI, intelligibility against the source, 0..1", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredWindow:
    """A part of the source that was scored by itself."""

    t_ms: float = _doc("where it begins, since the first sound sent")
    length_ms: float = _doc("its length")
    scores: SpeechScores = _doc("of this part")


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioQuality:
    """Sound that came out, against the sound that went in. Shares are of the sound played."""

    concealed_pct: float = _doc("of the sound played, made up in place of lost packets, percent")
    concealed_events: int | None = _doc("times that concealment began", default=None)
    longest_gap_ms: float | None = _doc("longest stretch that was concealed", default=None)
    fec_pct: float | None = _doc("rebuilt from redundancy, percent", default=None)
    silent_pct: float | None = _doc("the sender was silent on purpose, percent", default=None)
    inserted_pct: float | None = _doc("put in by slowing down or waiting, percent", default=None)
    removed_pct: float | None = _doc("left out by hurrying, percent", default=None)
    loss_before_pct: float | None = _doc("packets that the network lost, percent of those expected", default=None)
    loss_after_pct: float | None = _doc("of the sound sent, still missing after all repair, percent", default=None)
    burst_ratio: float | None = _doc(
        "mean length of concealed stretches over that of random losses of the same rate; 1: random", default=None)
    jitter_ms: float | None = _doc("interarrival jitter of the network (RFC 3550)", default=None)
    wait_p50_ms: float | None = _doc("median wait of a packet from its arrival to its play-out", default=None)
    wait_p95_ms: float | None = _doc("95th percentile of it", default=None)
    r_factor: float | None = _doc(
        "rating of the E-model for the whole call: up to 93.2 narrowband, 129 wideband", default=None)
    mos: float | None = _doc("mean opinion score that belongs to it, 1..4.5: an estimate from losses and delay, "
                             "not from the sound", default=None)
    band: Literal["narrowband", "wideband"] | None = _doc(
        "scale of both: ITU-T G.107 or G.107.1", default=None)
    scores: SpeechScores | None = _doc("the sound as heard, judged after the call; mean of the windows",
                                       default=None)
    score_windows: tuple[ScoredWindow, ...] = _doc("parts that were judged, ten seconds each at most", default=())
    score_note: str | None = _doc("why there are no scores, and how to get them", default=None)
    level_in_dbfs: float | None = _doc("RMS level of the source, dB of full scale", default=None)
    level_out_dbfs: float | None = _doc("RMS level of what was played, dB of full scale", default=None)
    alignment_offset_ms: float | None = _doc(
        "shift of the recording against the source after the latency is taken off; "
        "0: in step; by cross-correlation", default=None)
    correlation: float | None = _doc("of source and recording at that shift, -1..1", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoQuality:
    """Pictures that came out, against those that went in. sent = shown + late + frozen."""

    width: int = _doc("of the pictures sent, pixels")
    height: int = _doc("of the pictures sent, pixels")
    frame_rate: float = _doc("of the pictures sent, 1/s")
    sent: int = _doc("pictures encoded and sent")
    shown: int = _doc("pictures shown when they were due")
    late: int = _doc("pictures shown, but after they were due")
    frozen: int = _doc("pictures never shown: the one before stood still")
    key_frames: int = _doc("key frames sent", default=0)
    freezes: int = _doc("times that the picture stood still", default=0)
    longest_freeze_ms: float = _doc("longest of them", default=0.0)
    psnr_mean_db: float | None = _doc("luma PSNR of the pictures shown, mean; at most 100", default=None)
    psnr_p5_db: float | None = _doc("5th percentile of it", default=None)
    ssim_mean: float | None = _doc("luma SSIM of the pictures shown, mean, -1..1", default=None)
    ssim_p5: float | None = _doc("5th percentile of it", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSeries:
    """A stream over time: a row of values per column, each empty or as long as t_ms."""

    t_ms: tuple[float, ...] = _doc("end of the interval that the values are of", default=())
    send_rate_bps: tuple[float | None, ...] = _doc("sent, repairs included", default=())
    receive_rate_bps: tuple[float | None, ...] = _doc("arrived", default=())
    target_rate_bps: tuple[float | None, ...] = _doc("what the encoder was told to make", default=())
    lost_pct: tuple[float | None, ...] = _doc("packets lost by the network", default=())
    unrepaired_pct: tuple[float | None, ...] = _doc("packets lost and not brought back in time", default=())
    network_delay_ms: tuple[float | None, ...] = _doc("one way, mean of the interval", default=())
    jitter_target_ms: tuple[float | None, ...] = _doc("delay that the jitter buffer aims at", default=())
    jitter_depth_ms: tuple[float | None, ...] = _doc("media waiting in the jitter buffer", default=())
    concealed_pct: tuple[float | None, ...] = _doc("of the sound played, made up", default=())
    mos: tuple[float | None, ...] = _doc("E-model's mean opinion score of the last five seconds", default=())

    def __post_init__(self) -> None:
        columns = {name: getattr(self, name) for name in self.__slots__ if name != "t_ms"}
        _check_lengths("series", self.t_ms, columns, may_be_empty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySeries:
    """Latency of each block of sound or picture that was played."""

    t_ms: tuple[float, ...] = _doc("when it was played", default=())
    latency_ms: tuple[float, ...] = _doc("since its capture", default=())

    def __post_init__(self) -> None:
        _check_lengths("latency_series", self.t_ms, {"latency_ms": self.latency_ms}, may_be_empty=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSeries:
    """Every picture that was sent: one row each."""

    capture_us: tuple[int, ...] = _doc("when it was captured, microseconds since the start", default=())
    shown_us: tuple[int | None, ...] = _doc("when it was shown; null: never", default=())
    sent_bytes: tuple[int, ...] = _doc("its size as encoded", default=())
    key: tuple[bool, ...] = _doc("is a key frame", default=())
    status: tuple[FrameStatus, ...] = _doc("shown when due, late or never (frozen)", default=())

    def __post_init__(self) -> None:
        columns = {name: getattr(self, name) for name in self.__slots__ if name != "capture_us"}
        _check_lengths("frames", self.capture_us, columns, may_be_empty=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutSeries:
    """Every packet of sound that was sent: one row each. Both delays begin when it left the sender."""

    t_ms: tuple[float, ...] = _doc("when it left", default=())
    network_ms: tuple[float | None, ...] = _doc("until it arrived by itself; null: it did not", default=())
    playout_ms: tuple[float | None, ...] = _doc(
        "until its sound, or what took its place, was heard; null: neither was", default=())
    status: tuple[PacketStatus, ...] = _doc(
        "played, rebuilt by a repair, or lost for good: concealed or left out", default=())

    def __post_init__(self) -> None:
        columns = {name: getattr(self, name) for name in self.__slots__ if name != "t_ms"}
        _check_lengths("playout", self.t_ms, columns, may_be_empty=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """One stream from its sender to its receiver."""

    name: str = _doc("for people, e.g. speech")
    direction: str = _doc("e.g. A to B")
    kind: Literal["audio", "video"] = _doc("what it carries")
    codec: str = _doc("codec")
    ssrc: int = _doc("SSRC, 0..2^32-1")
    encoder: str | None = _doc("library or device that encoded", default=None)
    bitrate_bps: float = _doc("mean rate sent, repairs included")
    packets: PacketCounts = _doc("packets")
    latency: Latency | None = _doc("capture to play-out", default=None)
    audio: AudioQuality | None = _doc("of a stream of sound", default=None)
    video: VideoQuality | None = _doc("of a stream of pictures", default=None)
    series: StreamSeries = _doc("over time", default_factory=StreamSeries)
    latency_series: LatencySeries = _doc("latency over time", default_factory=LatencySeries)
    playout: PlayoutSeries = _doc("every packet of sound", default_factory=PlayoutSeries)
    frames: FrameSeries = _doc("every picture", default_factory=FrameSeries)

    def __post_init__(self) -> None:
        if not 0 <= self.ssrc <= 0xFFFFFFFF:
            raise ArgumentError(f"ssrc: {self.ssrc} is outside 0..2^32-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDirection:
    """What the network did in one direction, counted in the network itself."""

    name: str = _doc("e.g. A to B")
    packets_in: int = _doc("datagrams given to it")
    packets_out: int = _doc("datagrams delivered, duplicates included")
    bytes_in: int = _doc("UDP payload given to it")
    bytes_out: int = _doc("UDP payload delivered")
    dropped: dict[str, int] = _doc("reason -> datagrams dropped", default_factory=dict)
    duplicated: int = _doc("datagrams delivered twice", default=0)
    reordered: int = _doc("datagrams that overtook another", default=0)
    delay_p50_ms: float | None = _doc("median time in the network", default=None)
    delay_p95_ms: float | None = _doc("95th percentile", default=None)
    delay_max_ms: float | None = _doc("longest", default=None)
    queue_max_bytes: int | None = _doc("fullest queue", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSeries:
    """The path between the peers over time; columns empty or as long as t_ms."""

    t_ms: tuple[float, ...] = _doc("time", default=())
    rtt_ms: tuple[float | None, ...] = _doc("round-trip time as the sender measured it", default=())
    estimate_bps: tuple[float | None, ...] = _doc("the sender's estimate of the capacity", default=())
    capacity_bps: tuple[float | None, ...] = _doc("what it really carries; null: no limit", default=())

    def __post_init__(self) -> None:
        columns = {name: getattr(self, name) for name in self.__slots__ if name != "t_ms"}
        _check_lengths("path", self.t_ms, columns, may_be_empty=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened once."""

    t_ms: float = _doc("when")
    kind: str = _doc("e.g. key_frame_wanted, rate_changed, encoder_replaced, peer_silent")
    text: str = _doc("what and why, in words")
    stream: str | None = _doc("name of the stream; null: the whole call", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFigures:
    """What a process of the call used."""

    name: str = _doc("which")
    cpu_s: float = _doc("processor time, user and system, seconds")
    cpu_s_per_s: float = _doc("the same per second of call; 1: one core busy")
    peak_memory_bytes: int | None = _doc("largest resident size", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """All that is known of one call."""

    version: int = _doc(f"version of this format: {SCHEMA_VERSION}", default=SCHEMA_VERSION)
    meta: Meta = _doc("what was run")
    streams: tuple[StreamReport, ...] = _doc("every stream")
    network: tuple[NetworkDirection, ...] = _doc("the network, each direction", default=())
    path: PathSeries = _doc("the path over time", default_factory=PathSeries)
    events: tuple[Event, ...] = _doc("in order of time", default=())
    processes: tuple[ProcessFigures, ...] = _doc("processor time and memory", default=())

    def __post_init__(self) -> None:
        if self.version != SCHEMA_VERSION:
            raise ArgumentError(f"version: {self.version}, this arcrtc knows {SCHEMA_VERSION}")
