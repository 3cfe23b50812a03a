"""From what a call measured to its report. Numbers in, :class:`arcrtc.report.CallReport` out."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from arcrtc import __version__, report
from arcrtc.call import voice
from arcrtc.call.description import packet_ms
from arcrtc.call.runner import CallResult
from arcrtc.call.sampler import Sample
from arcrtc.call.sink import Arrival
from arcrtc.libraries import libraries
from arcrtc.machine import this_machine
from arcrtc.media import MediaVideo
from arcrtc.session import Concealment, EventType, SentFrame
from arcrtc.sim.link import LinkStats
from arcrtc.video.config import parse_codec

_RTP_HEADER_BYTES: Final = 12
_REPAIR_SAMPLES: Final = 3
_FREEZE_WINDOW: Final = 30  # intervals that are averaged
_FREEZE_FEWEST: Final = 5
_FREEZE_US: Final = 150_000
_EVENT_WORDS: Final = {
    EventType.STREAM_ADDED: "a stream began, SSRC {value:#010x}",
    EventType.STREAM_ENDED: "a stream said good-bye, SSRC {value:#010x}",
    EventType.KEYFRAME_WANTED: "the receiver asked for a key frame",
    EventType.SSRC_COLLISION: "somebody else uses our SSRC {value:#010x}",
    EventType.SSRC_CHANGED: "our SSRC is {value:#010x} now",
}

Pair = tuple[SentFrame, Arrival]


def build_report(result: CallResult, command: str, *, scored: bool = True) -> report.CallReport:
    """Make the report of a call.

    :param command: the command line it was started by, without keys.
    :param scored: judge the sound by PESQ, PLCMOS and STOI, if they are installed.
    """
    streams = tuple(_stream(result, i, scored) for i in range(len(result.senders)))
    machine = this_machine()
    settings = result.settings
    return report.CallReport(
        meta=report.Meta(
            arcrtc_version=__version__, created_utc=result.created_utc, command=command,
            duration_s=round(result.duration_s, 3), media=result.media,
            network=settings.network.name or "plan", network_description=settings.network.describe(),
            seed=settings.seed,
            machine=report.Machine(cpu=machine.cpu, cores=machine.cores, os=f"{machine.system}, {machine.kernel}",
                                   python=machine.python, memory_bytes=machine.memory_mib * 2**20),
            libraries={library.name: library.loaded for library in libraries() if library.loaded},
            settings=settings.to_dict()),
        streams=streams,
        network=(_direction("A to B", result.relay.a_to_b), _direction("B to A", result.relay.b_to_a)),
        path=_path(result), events=_events(result),
        processes=(report.ProcessFigures(
            name="call (both peers, emulator, recording, comparison)", cpu_s=round(result.cpu_s, 3),
            cpu_s_per_s=round(result.cpu_s / max(result.duration_s, 1e-3), 3),
            peak_memory_bytes=result.peak_memory_bytes),))


def first_and_last(result: CallResult) -> tuple[report.FramePair | None, report.FramePair | None]:
    """The first and the last picture that could be compared, for the page; None without video."""
    return _pair(result.sink.comparison.first), _pair(result.sink.comparison.last)


def _pair(pair: tuple[MediaVideo, MediaVideo] | None) -> report.FramePair | None:
    if pair is None:
        return None
    source, received = pair
    return report.FramePair(source=source.to_rgb(), received=received.to_rgb(),
                            note=f"{source.pts_us / 1e6:.2f} s into the clip")


# --- a stream ---

def _stream(result: CallResult, i: int, scored: bool) -> report.StreamReport:
    sender, kind = result.senders[i], result.senders[i].kind
    sent = sorted((f for (s, _), f in result.sampler.sent.items() if s == sender.index),
                  key=lambda f: f.capture_us)
    arrivals = result.sink.audio if kind == "audio" else result.sink.video
    pairs = _match(sent, arrivals) if kind == "video" else voice.match(
        sent, arrivals, clock_hz=voice.clock_of(result))
    last = result.sampler.samples[-1]
    tx, rx = last.sender["send"][i], last.receiver["receive"][i]
    parity = tx["network"]["fec"]
    wire_bytes = (tx["network"]["bytes"] + tx["network"]["rtx_bytes"] + parity["repair_bytes"]
                  + _RTP_HEADER_BYTES * (tx["network"]["pkts"] + tx["network"]["rtx_pkts"]))
    packet_samples = result.settings.codec.default_rate * packet_ms(result.settings.codec.name, 1) // 1000
    rebuilt = _rebuilt_packets(kind, rx["media"], packet_samples)
    return report.StreamReport(
        name="speech" if kind == "audio" else "camera", direction="A to B",
        kind="audio" if kind == "audio" else "video",
        codec=(result.settings.codec.name if kind == "audio"
               else parse_codec(result.settings.video_codec).value), ssrc=sender.ssrc,
        encoder=result.encoders[kind],
        bitrate_bps=round(8 * wire_bytes / max(result.duration_s, 1e-3)),
        packets=report.PacketCounts(
            sent=tx["network"]["pkts"], received=rx["network"]["pkts"] + rx["network"]["recovered_pkts"],
            lost_by_network=max(0, rx["network"]["lost_pkts"]),
            retransmitted=tx["network"]["rtx_pkts"] + parity["repair_pkts"],
            recovered=rx["network"]["recovered_pkts"] + rebuilt,
            late=rx["media"]["late_pkts"],
            duplicate=rx["network"]["duplicate_pkts"], bytes_sent=wire_bytes),
        latency=_latency(pairs, kind),
        audio=voice.quality(result, rx, sent, pairs, scored=scored) if kind == "audio" else None,
        video=_video(result, tx, rx, sent, arrivals, pairs) if kind == "video" else None,
        series=_series(result.sampler.samples, i, pairs, result.sampler.start_us, packet_samples),
        latency_series=_latency_series(pairs, result.sampler.start_us),
        playout=voice.playout(sent, arrivals, result.sampler.start_us,
                              clock_hz=voice.clock_of(result)) if kind == "audio" else report.PlayoutSeries(),
        frames=_frames(sent, pairs, result.sampler.start_us) if kind == "video" else report.FrameSeries())


def _rebuilt_packets(kind: str, media: dict[str, Any], packet_samples: int) -> int:
    """Packets whose sound came back by in-band FEC or a redundant block of a later one."""
    return round((media["fec_samples"] + media["copy_samples"]) / packet_samples) if kind == "audio" else 0


def _match(sent: Sequence[SentFrame], arrivals: Sequence[Arrival]) -> list[Pair]:
    """Pictures that were sent and shown, in the order of play-out."""
    by_timestamp = {f.rtp_timestamp: f for f in sent}
    return [(by_timestamp[a.rtp_timestamp], a) for a in arrivals
            if a.rtp_timestamp in by_timestamp and a.concealment is Concealment.DECODED]


def _ms(us: float) -> float:
    return round(us / 1000, 3)


def _latency(pairs: Sequence[Pair], kind: str) -> report.Latency | None:
    if not pairs:
        return None
    total = np.array([a.playout_us - f.capture_us for f, a in pairs], dtype=np.float64) / 1000
    whole = [(f, a) for f, a in pairs if a.complete_us >= 0]
    stages: list[tuple[str, Callable[[SentFrame, Arrival], int]]] = [
        ("gather and encode" if kind == "audio" else "encode", lambda f, a: f.encoded_us - f.capture_us),
        ("pacing", lambda f, a: f.last_us - f.encoded_us),
        ("network and repair", lambda f, a: a.complete_us - f.last_us),
        ("wait for order, decode" if kind == "video" else "", lambda f, a: a.decoded_us - a.complete_us),
        ("play-out buffer", lambda f, a: a.playout_us - (a.decoded_us if kind == "video" else a.complete_us)),
    ]
    return report.Latency(
        p50_ms=round(float(np.percentile(total, 50)), 2), p95_ms=round(float(np.percentile(total, 95)), 2),
        max_ms=round(float(total.max()), 2),
        stages_ms={name: _ms(float(np.mean([of(f, a) for f, a in whole]))) for name, of in stages if name and whole})


def _freezes(arrivals: Sequence[Arrival]) -> tuple[int, float]:
    """How often the picture stood still, and the longest time, ms.

    webrtc-stats, freezeCount: an interval of at least max(3 * average, average + 150 ms), where the
    average is that of the last 30 intervals before it; the first few have none, as in libwebrtc.
    """
    gaps_us = np.diff(np.array([a.playout_us for a in arrivals], np.int64))
    first = np.arange(_FREEZE_FEWEST, len(gaps_us))
    if not len(first):
        return 0, 0.0
    total = np.concatenate([[0], np.cumsum(gaps_us)])
    n = np.minimum(first, _FREEZE_WINDOW)
    last = total[first] - total[first - n]
    gaps = gaps_us[first]
    frozen = gaps[gaps * n >= np.maximum(3 * last, last + _FREEZE_US * n)]  # whole numbers: exact
    return len(frozen), round(float(frozen.max()) / 1000, 1) if len(frozen) else 0.0


def _video(result: CallResult, tx: dict[str, Any], rx: dict[str, Any], sent: Sequence[SentFrame],
           arrivals: Sequence[Arrival], pairs: Sequence[Pair]) -> report.VideoQuality:
    late = sum(a.late for _, a in pairs)
    freezes, longest_ms = _freezes(arrivals)
    found = result.sink.comparison
    sender: Any = next(s for s in result.senders if s.kind == "video")
    return report.VideoQuality(
        width=sender.width, height=sender.height, frame_rate=round(sender.frame_rate, 3), sent=len(sent),
        shown=len(pairs) - late, late=late, frozen=len(sent) - len(pairs), key_frames=tx["media"]["key_frames"],
        freezes=freezes, longest_freeze_ms=longest_ms,
        psnr_mean_db=round(float(np.mean(found.psnr_db)), 2) if found.psnr_db else None,
        psnr_p5_db=round(float(np.percentile(found.psnr_db, 5)), 2) if found.psnr_db else None,
        ssim_mean=round(float(np.mean(found.ssim)), 4) if found.ssim else None,
        ssim_p5=round(float(np.percentile(found.ssim, 5)), 4) if found.ssim else None)


# --- over time ---

def _rate(before: int, after: int, seconds: float) -> float | None:
    return round(8 * (after - before) / seconds) if seconds > 0 else None


def _interval_delay(pairs: Sequence[Pair], edges_us: Sequence[int]) -> list[float | None]:
    """Mean network delay of the first packets that arrived in each interval, ms."""
    arrival = np.array([a.arrival_us for _, a in pairs])
    delay = np.array([a.arrival_us - f.first_us for f, a in pairs], dtype=np.float64) / 1000
    out: list[float | None] = []
    for begin, end in pairwise(edges_us):
        inside = delay[(arrival >= begin) & (arrival < end)] if len(arrival) else np.zeros(0)
        out.append(round(float(inside.mean()), 3) if len(inside) else None)
    return out


def _repaired(sample: Sample, i: int, packet_samples: int) -> int:
    """Packets brought back so far: by a resend, parity, a copy, or in-band FEC."""
    rx = sample.receiver["receive"][i]
    return int(rx["network"]["recovered_pkts"]) + _rebuilt_packets(rx["kind"], rx["media"], packet_samples)


def _series(samples: Sequence[Sample], i: int, pairs: Sequence[Pair], start_us: int,
            packet_samples: int = 960) -> report.StreamSeries:
    steps = list(pairwise([None, *samples]))
    repaired = [_repaired(s, i, packet_samples) for s in samples]
    # A repair comes up to a round trip and a wait after the loss: look that far ahead for it.
    repaired_by_then = [repaired[min(k + _REPAIR_SAMPLES, len(repaired) - 1)] for k in range(len(repaired))]
    gone = [max(0, s.receiver["receive"][i]["network"]["lost_pkts"] - r)
            for s, r in zip(samples, repaired_by_then, strict=True)]
    rows: list[tuple[Any, ...]] = []
    for k, (before, now) in enumerate(steps):
        assert now is not None
        tx, rx = now.sender["send"][i], now.receiver["receive"][i]
        tx0 = before.sender["send"][i]["network"] if before else dict.fromkeys(tx["network"], 0)
        rx0 = before.receiver["receive"][i]["network"] if before else dict.fromkeys(rx["network"], 0)
        seconds = (now.t_us - (before.t_us if before else 0)) / 1e6
        lost = rx["network"]["lost_pkts"] - rx0["lost_pkts"]
        expected = rx["network"]["pkts"] - rx0["pkts"] + lost
        rows.append((
            round(now.t_us / 1000, 1),
            _rate(tx0["bytes"] + tx0["rtx_bytes"], tx["network"]["bytes"] + tx["network"]["rtx_bytes"], seconds),
            _rate(rx0["bytes"], rx["network"]["bytes"], seconds),
            tx["media"]["target_bps"] or None,
            round(100 * max(0, lost) / expected, 2) if expected > 0 else None,
            round(100 * max(0, gone[k] - (gone[k - 1] if k else 0)) / expected, 2) if expected > 0 else None,
            rx["media"]["target_ms"] + rx["media"]["sync_ms"], rx["media"]["depth_ms"],
            *voice.interval(before.receiver["receive"][i] if before else None, rx)))
    if not rows:
        return report.StreamSeries()
    columns = list(zip(*rows, strict=True))
    edges = [start_us, *(start_us + s.t_us for s in samples)]
    return report.StreamSeries(
        t_ms=columns[0], send_rate_bps=columns[1], receive_rate_bps=columns[2], target_rate_bps=columns[3],
        lost_pct=columns[4], unrepaired_pct=columns[5], network_delay_ms=tuple(_interval_delay(pairs, edges)),
        jitter_target_ms=columns[6], jitter_depth_ms=columns[7], concealed_pct=columns[8], mos=columns[9])


def _latency_series(pairs: Sequence[Pair], start_us: int) -> report.LatencySeries:
    return report.LatencySeries(
        t_ms=tuple(_ms(a.playout_us - start_us) for _, a in pairs),
        latency_ms=tuple(_ms(a.playout_us - f.capture_us) for f, a in pairs))


def _frames(sent: Sequence[SentFrame], pairs: Sequence[Pair], start_us: int) -> report.FrameSeries:
    shown = {f.rtp_timestamp: a for f, a in pairs}
    status: list[Any] = []
    for f in sent:
        a = shown.get(f.rtp_timestamp)
        status.append("frozen" if a is None else "late" if a.late else "shown")
    return report.FrameSeries(
        capture_us=tuple(f.capture_us - start_us for f in sent),
        shown_us=tuple(shown[f.rtp_timestamp].playout_us - start_us if f.rtp_timestamp in shown else None
                       for f in sent),
        sent_bytes=tuple(f.bytes for f in sent), key=tuple(f.is_keyframe for f in sent), status=tuple(status))


def _path(result: CallResult) -> report.PathSeries:
    samples = result.sampler.samples
    capacity = _capacity(result)
    return report.PathSeries(
        t_ms=tuple(round(s.t_us / 1000, 1) for s in samples),
        rtt_ms=tuple(_ms(s.sender["session"]["rtt_us"]) if s.sender["session"]["rtt_us"] >= 0 else None
                     for s in samples),
        capacity_bps=tuple(capacity(s.t_us) for s in samples))


def _capacity(result: CallResult) -> Callable[[int], float | None]:
    timeline = result.settings.network.timeline("a_to_b")

    def at(t_us: int) -> float | None:
        config = [c for start, c in timeline if start <= max(t_us, 0)][-1]
        return config.rate_kbps * 1000 if config.rate_kbps is not None else None

    return at


def _direction(name: str, stats: LinkStats) -> report.NetworkDirection:
    reasons = {"random loss": stats.random_loss_pkts, "burst loss": stats.burst_loss_pkts,
               "queue full": stats.queue_full_pkts, "outage": stats.outage_pkts, "overflow": stats.overflow_pkts}
    return report.NetworkDirection(
        name=name, packets_in=stats.sent_pkts, packets_out=stats.delivered_pkts, bytes_in=stats.sent_bytes,
        bytes_out=stats.delivered_bytes, dropped={k: v for k, v in reasons.items() if v},
        duplicated=stats.duplicated_pkts, reordered=stats.reordered_pkts)


def _events(result: CallResult) -> tuple[report.Event, ...]:
    found = [report.Event(t_ms=_ms(e.now_us - result.sampler.start_us), kind=e.type.name.lower(),
                          text=f"{peer}: " + _EVENT_WORDS[e.type].format(value=e.value))
             for peer, e in result.sampler.events if e.type in _EVENT_WORDS]
    for sender in result.senders:
        for name, why in getattr(sender, "passed_over", []):
            found.append(report.Event(t_ms=0, kind="encoder_passed_over", text=f"{name}: {why}", stream="camera"))
    if result.sink.overflow_frames:
        found.append(report.Event(t_ms=_ms(result.duration_s * 1e6), kind="recording_incomplete",
                                  text=f"{result.sink.overflow_frames} frames are not in received.mkv: "
                                       "this machine could not encode them in time"))
    if result.interrupted:
        found.append(report.Event(t_ms=_ms(result.duration_s * 1e6), kind="interrupted", text="ended by the user"))
    return tuple(sorted(found, key=lambda e: e.t_ms))
