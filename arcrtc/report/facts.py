"""The numbers of a call as named lines of text: the same for the page and for the terminal."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arcrtc.report import words
from arcrtc.report.schema import AudioQuality, CallReport, PacketCounts, StreamReport, VideoQuality
from arcrtc.report.verdict import directions, lip_sync_ms


@dataclass(frozen=True, slots=True)
class Tile:
    """One of the few numbers that are looked at first."""

    label: str
    value: str
    detail: str


def tiles(report: CallReport) -> list[Tile]:
    """The worst of each kind over all streams."""
    out = []
    for kind, label in (("audio", "Mouth to ear"), ("video", "Camera to screen")):
        measured = [s.latency for s in report.streams if s.latency and s.kind == kind]
        if measured:
            worst = max(measured, key=lambda latency: latency.p50_ms)
            out.append(Tile(label, words.ms(worst.p50_ms), f"95 % within {words.ms(worst.p95_ms)}"))
    out += _gap_tiles(report)
    counts = [s.packets for s in report.streams]
    sent, lost = sum(p.sent for p in counts), sum(p.lost_by_network for p in counts)
    if sent:
        repaired = 100 * sum(p.recovered for p in counts) / lost if lost else None
        detail = f"{words.percent(repaired)} of them repaired in time" if lost else "nothing to repair"
        out.append(Tile("Lost by the network", words.percent(100 * lost / sent), detail))
    rated = [s.audio for s in report.streams if s.audio and s.audio.mos is not None]
    if rated:
        worst_rated = min(rated, key=lambda a: a.mos or 0.0)
        pesq = worst_rated.scores.pesq if worst_rated.scores else None
        out.append(Tile("Speech", f"MOS {worst_rated.mos:.1f}",
                        "E-model" if pesq is None else f"E-model; PESQ {pesq:.2f}"))
    graded = [s.video for s in report.streams if s.video and s.video.psnr_mean_db is not None]
    if graded:
        worst_video = min(graded, key=lambda v: v.psnr_mean_db or 0.0)
        ssim = "" if worst_video.ssim_mean is None else f"PSNR; SSIM {worst_video.ssim_mean:.3f}"
        out.append(Tile("Picture", words.decibel(worst_video.psnr_mean_db), ssim or "PSNR"))
    ahead = [a for d in directions(report) if (a := lip_sync_ms(report, d)) is not None]
    if ahead:
        worst_ahead = max(ahead, key=abs)
        side = "sound before the picture" if worst_ahead >= 0 else "sound behind the picture"
        out.append(Tile("Lip-sync", words.ms(abs(worst_ahead)), side))
    return out


def rows(columns: list[dict[str, str]]) -> list[tuple[str, list[str]]]:
    """Put columns of named values beside each other; each keeps the order of its names."""
    names: list[str] = []
    for column in columns:
        place = 0
        for name in column:
            if name not in names:
                while place < len(names) and names[place] not in column:
                    place += 1
                names.insert(place, name)
            place = names.index(name) + 1
    return [(name, [column.get(name, "") for column in columns]) for name in names]


def rows_of_stream(stream: StreamReport) -> Iterator[tuple[str, str]]:
    """(name, value) of all that was measured, in the order of reading."""
    encoder = f" ({stream.encoder})" if stream.encoder else ""
    yield "Codec", f"{stream.codec}{encoder}"
    if stream.video:
        v = stream.video
        yield "Picture", f"{v.width}\N{MULTIPLICATION SIGN}{v.height} at {words.number(v.frame_rate)}/s"
    yield "SSRC", f"0x{stream.ssrc:08x}"
    yield "Rate sent", words.rate(stream.bitrate_bps)
    yield from _packet_rows(stream.packets)
    if stream.latency:
        x = stream.latency
        yield "Latency p50 / p95 / max", " / ".join(words.ms(v) for v in (x.p50_ms, x.p95_ms, x.max_ms))
    if stream.audio:
        yield from _audio_rows(stream.audio)
    if stream.video:
        yield from _video_rows(stream.video)


def _gap_tiles(report: CallReport) -> Iterator[Tile]:
    sounds = [s.audio for s in report.streams if s.audio]
    if sounds:
        worst = max(sounds, key=lambda a: a.concealed_pct)
        events = worst.concealed_events
        gaps = "of the sound" if events is None else words.times(events, "gap")
        yield Tile("Audio concealed", words.percent(worst.concealed_pct), gaps)
    videos = [s.video for s in report.streams if s.video and s.video.sent]
    if videos:
        still = max(videos, key=lambda v: v.frozen / v.sent)
        detail = (f"{words.times(still.freezes, 'freeze')}, longest {words.ms(still.longest_freeze_ms)}"
                  if still.freezes else "no freeze")
        yield Tile("Pictures frozen", words.percent(100 * still.frozen / still.sent), detail)


def _packet_rows(p: PacketCounts) -> Iterator[tuple[str, str]]:
    def share(n: int) -> str:
        return f"{words.count(n)} ({words.percent(100 * n / p.sent)})" if p.sent else words.count(n)

    yield "Packets sent", words.count(p.sent)
    yield "Lost by the network", share(p.lost_by_network)
    yield "Repairs sent", words.count(p.retransmitted)
    yield "Recovered in time", words.count(p.recovered)
    yield "Missing at play-out", share(p.missing)
    yield "Late, duplicate", f"{words.count(p.late)}, {words.count(p.duplicate)}"


def _audio_rows(a: AudioQuality) -> Iterator[tuple[str, str]]:
    if a.mos is not None and a.r_factor is not None:
        yield "MOS by the E-model", f"{a.mos:.2f} (R {a.r_factor:.0f}, {a.band})"
    yield from _score_rows(a)
    gaps = f" ({words.times(a.concealed_events, 'gap')})" if a.concealed_events is not None else ""
    yield "Concealed", f"{words.percent(a.concealed_pct)}{gaps}"
    if a.loss_before_pct is not None:
        bursts = f" (burst ratio {a.burst_ratio:.1f})" if a.burst_ratio is not None else ""
        yield "Loss before / after repair", (f"{words.percent(a.loss_before_pct)} / "
                                             f"{words.percent(a.loss_after_pct)}{bursts}")
    if a.fec_pct is not None:
        yield "Rebuilt / sender silent", f"{words.percent(a.fec_pct)} / {words.percent(a.silent_pct)}"
    if a.inserted_pct is not None:
        yield "Put in / left out", f"{words.percent(a.inserted_pct)} / {words.percent(a.removed_pct)}"
    if a.wait_p50_ms is not None:
        yield "Wait in the buffer p50 / p95", f"{words.ms(a.wait_p50_ms)} / {words.ms(a.wait_p95_ms)}"
    if a.jitter_ms is not None:
        yield "Jitter of the network", words.ms(a.jitter_ms)
    if a.level_in_dbfs is not None or a.level_out_dbfs is not None:
        levels = f"{words.decibel(a.level_in_dbfs, 'dBFS')} / {words.decibel(a.level_out_dbfs, 'dBFS')}"
        yield "Level in / out", levels
    if a.alignment_offset_ms is not None:
        match = f" (correlation {a.correlation:.3f})" if a.correlation is not None else ""
        yield "Out of step with source", f"{words.ms(a.alignment_offset_ms)}{match}"


def _score_rows(a: AudioQuality) -> Iterator[tuple[str, str]]:
    if a.scores is not None:
        yield "PESQ / PLCMOS / STOI", " / ".join(
            words.NOTHING if v is None else f"{v:.2f}" for v in (a.scores.pesq, a.scores.plcmos, a.scores.stoi))
    elif a.score_note is not None:
        yield "PESQ / PLCMOS / STOI", f"{words.NOTHING} ({a.score_note})"


def _video_rows(v: VideoQuality) -> Iterator[tuple[str, str]]:
    yield "Pictures sent", f"{words.count(v.sent)} ({words.times(v.key_frames, 'key frame')})"
    yield "Shown / late / frozen", " / ".join(words.count(n) for n in (v.shown, v.late, v.frozen))
    if v.freezes:
        yield "Freezes", f"{words.count(v.freezes)} (longest {words.ms(v.longest_freeze_ms)})"
    if v.psnr_mean_db is not None:
        yield "PSNR mean / p5", f"{words.decibel(v.psnr_mean_db)} / {words.decibel(v.psnr_p5_db)}"
    if v.ssim_mean is not None:
        p5 = f"{v.ssim_p5:.3f}" if v.ssim_p5 is not None else words.NOTHING
        yield "SSIM mean / p5", f"{v.ssim_mean:.3f} / {p5}"
