"""Was it a good call? One line in words, and the reasons; for the page and for the terminal."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from arcrtc.report import words
from arcrtc.report.schema import CallReport, StreamReport

Grade = Literal["good", "fair", "poor"]
_ORDER: Final[tuple[Grade, ...]] = ("good", "fair", "poor")

# Up to the first value: good; up to the second: fair; above: poor.
LATENCY_P95_MS: Final = (150.0, 400.0)  # ITU-T G.114: hardly noticed below 150 ms; limit of planning
CONCEALED_PCT: Final = (1.0, 5.0)       # ours: above 1 % of speech one hears it, above 5 % words are lost
FROZEN_PCT: Final = (1.0, 5.0)          # ours, of the pictures sent
SOUND_EARLY_MS: Final = (45.0, 90.0)    # ITU-R BT.1359-1: where one notices it, and where one minds
SOUND_LATE_MS: Final = (125.0, 185.0)   # the same, for sound behind the picture


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    grade: Grade
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The whole call: the worst of its findings."""

    grade: Grade
    headline: str
    findings: tuple[Finding, ...]


def judge(report: CallReport) -> Verdict:
    """Grade a call by what its people would notice: gaps, freezes, delay, lip-sync."""
    findings = tuple(_findings(report))
    grade: Grade = max((f.grade for f in findings), key=_ORDER.index, default="poor")
    parts = [text for text in (_concealed(report), _frozen(report), _delay(report)) if text]
    if not parts:
        return Verdict("poor", "No call: nothing was sent.", findings)
    return Verdict(grade, f"{grade.capitalize()} call: {', '.join(parts)}.", findings)


def lip_sync_ms(report: CallReport, direction: str) -> float | None:
    """How much the sound is ahead of the picture, by the medians; None: not both measured."""
    median = {s.kind: s.latency.p50_ms for s in report.streams if s.latency and s.direction == direction}
    return median["video"] - median["audio"] if {"audio", "video"} <= set(median) else None


def directions(report: CallReport) -> list[str]:
    """The directions of the streams, each once, in order."""
    return list(dict.fromkeys(s.direction for s in report.streams))


def _grade(value: float, limits: tuple[float, float]) -> Grade:
    return _ORDER[(value > limits[0]) + (value > limits[1])]


def _findings(report: CallReport) -> Iterator[Finding]:
    for stream in report.streams:
        yield from _of_stream(stream)
    for direction in directions(report):
        ahead = lip_sync_ms(report, direction)
        if ahead is not None:
            grade = _grade(ahead, SOUND_EARLY_MS) if ahead >= 0 else _grade(-ahead, SOUND_LATE_MS)
            side = "before" if ahead >= 0 else "behind"
            yield Finding(grade, f"lip-sync {direction}: sound {words.ms(abs(ahead))} {side} the picture")


def _of_stream(stream: StreamReport) -> Iterator[Finding]:
    who = f"{stream.name} {stream.direction}"
    if stream.packets.sent and not stream.packets.received:
        yield Finding("poor", f"{who}: nothing arrived")
        return
    if stream.audio:
        concealed = stream.audio.concealed_pct
        yield Finding(_grade(concealed, CONCEALED_PCT), f"{who}: {words.percent(concealed)} concealed")
    if stream.video and stream.video.sent:
        frozen = 100.0 * stream.video.frozen / stream.video.sent
        yield Finding(_grade(frozen, FROZEN_PCT), f"{who}: {words.percent(frozen)} of the pictures frozen")
    if stream.latency:
        p95 = stream.latency.p95_ms
        yield Finding(_grade(p95, LATENCY_P95_MS), f"{who}: 95 % within {words.ms(p95)} of capture")


def _concealed(report: CallReport) -> str:
    worst = max((s.audio.concealed_pct for s in report.streams if s.audio), default=None)
    if worst is None:
        return ""
    return "no audio concealed" if worst == 0 else f"{words.percent(worst)} audio concealed"


def _frozen(report: CallReport) -> str:
    videos = [s.video for s in report.streams if s.video]
    if not videos:
        return ""
    freezes, frozen = sum(v.freezes for v in videos), sum(v.frozen for v in videos)
    if not freezes and not frozen:
        return "no frozen video"
    longest = max(v.longest_freeze_ms for v in videos)
    return f"video frozen {words.times(max(1, freezes), 'time')} (longest {words.ms(longest)})"


def _delay(report: CallReport) -> str:
    for kind, name in (("audio", "mouth to ear"), ("video", "camera to screen")):
        medians = [s.latency.p50_ms for s in report.streams if s.latency and s.kind == kind]
        if medians:
            return f"{words.ms(max(medians))} {name}"
    return ""
