"""The sound of a measured call in its report: shares, delays, the E-model, and how it sounds."""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc import report
from arcrtc.audio.align import align, rms_dbfs
from arcrtc.audio.compare import Comparison, compare
from arcrtc.audio.figures import Counters, figures
from arcrtc.audio.score import EVAL_HINT, missing_packages
from arcrtc.call.runner import CallResult
from arcrtc.call.sink import Arrival
from arcrtc.session import OPUS_CLOCK_HZ, Concealment, SentFrame

_ALIGN_HZ: Final = 16_000  # speech is compared at this rate: a third of the work, and all of the speech
_MADE_UP: Final = (Concealment.CONCEALED, Concealment.GAP)
_STATUS: Final = {Concealment.CONCEALED: "concealed", Concealment.GAP: "concealed", Concealment.FEC: "repaired",
                  Concealment.COPY: "repaired"}
_LONGEST_PACKET_MS: Final = 120  # RFC 7587 section 4.2

Pair = tuple[SentFrame, Arrival]


def quality(result: CallResult, rx: dict[str, Any], sent: Sequence[SentFrame], pairs: Sequence[Pair], *,
            scored: bool) -> report.AudioQuality:
    """All that is said of a stream of sound.

    :param rx: statistics of the received stream at the end.
    :param pairs: packets that were sent and played.
    :param scored: judge it by PESQ, PLCMOS and STOI, if they are installed.
    """
    media, sink = rx["media"], result.sink
    source = _mono(result.feed.sound, result.feed.sound_rate)
    heard = _mono(sink.sound, sink.sound_rate)
    made_up = [a.concealment in _MADE_UP for a in _until_last_packet(sink.audio)]
    delays_ms = [(a.playout_us - f.capture_us) / 1000 for f, a in pairs]
    found = figures(
        Counters.of(media, rx["network"]), sample_rate=sink.sound_rate or OPUS_CLOCK_HZ,
        codec=result.settings.codec.name,
        playout_ms=media["playout_ms"], rtt_ms=None, jitter_ms=rx["network"]["jitter_ms"],
        delay_ms=float(np.median(delays_ms)) if delays_ms else None)
    offset, correlation = _alignment(result, source, heard, sent)
    return report.AudioQuality(
        concealed_pct=found.concealed_pct, concealed_events=sum(b and not a for a, b in pairwise([False, *made_up])),
        longest_gap_ms=round(media["longest_gap_ms"], 1), fec_pct=found.fec_pct, copy_pct=found.copy_pct,
        silent_pct=found.silent_pct,
        inserted_pct=found.inserted_pct, removed_pct=found.removed_pct, loss_before_pct=found.loss_before_pct,
        loss_after_pct=found.loss_after_pct, burst_ratio=found.burst_ratio, jitter_ms=found.jitter_ms,
        wait_p50_ms=round(media["wait_p50_ms"], 2), wait_p95_ms=round(media["wait_p95_ms"], 2),
        r_factor=found.r_factor, mos=found.mos, band=found.band,
        level_in_dbfs=round(rms_dbfs(source), 2) if len(source) else None,
        level_out_dbfs=round(rms_dbfs(heard), 2) if len(heard) else None,
        alignment_offset_ms=offset, correlation=correlation, **_scores(result, sent, scored=scored))


def clock_of(result: CallResult) -> int:
    """Rate of the RTP time stamps of its sound, Hz."""
    codec = result.settings.codec
    return codec.clock_rate(codec.default_rate)


def interval(before: dict[str, Any] | None, now: dict[str, Any]) -> tuple[float | None, float | None]:
    """(concealed percent, MOS) of an interval of a received stream; pictures have neither."""
    if now["kind"] != "audio":
        return None, None
    rated = now["quality"]
    mos = rated["mos"] if rated is not None else None
    gained = Counters.of(now["media"], now["network"]).since(
        Counters.of(before["media"], before["network"]) if before is not None else None)
    return round(100 * gained.concealed / gained.played, 2) if gained.played else None, mos


def playout(sent: Sequence[SentFrame], arrivals: Sequence[Arrival], start_us: int, *,
            clock_hz: int = OPUS_CLOCK_HZ) -> report.PlayoutSeries:
    """Every packet from leaving to arrival and to play-out.

    Packets are sent at a steady pace after their capture; one that leaves late counts as late in the
    network, for that is what the other end sees. A packet is as bad as the worst block that begins in it.
    """
    wire = [f.rtp_timestamp for f in sent]
    heard = _by_packet(wire, arrivals, clock_hz)
    gathering_us = min((f.first_us - f.capture_us for f in sent), default=0)
    rows = []
    for f in sent:
        left_us = f.capture_us + gathering_us
        here = heard.get(f.rtp_timestamp, [])
        arrived = next((a.arrival_us for a in here if a.arrival_us >= 0), None)
        kinds = {_STATUS.get(a.concealment, "played") for a in here}
        status = next((s for s in ("concealed", "repaired", "played") if s in kinds), "concealed")
        rows.append((
            round((left_us - start_us) / 1000, 2),
            round((arrived - left_us) / 1000, 2) if arrived is not None and status != "repaired" else None,
            round((here[0].playout_us - left_us) / 1000, 2) if here else None, status))
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) if rows else [()] * 4
    return report.PlayoutSeries(t_ms=columns[0], network_ms=columns[1], playout_ms=columns[2], status=columns[3])


def match(sent: Sequence[SentFrame], arrivals: Sequence[Arrival], *, clock_hz: int = OPUS_CLOCK_HZ) -> list[Pair]:
    """Packets that were sent and played: each with its first block out of it, which need not be its beginning.

    The block's play-out time is set back to that of the packet's first sample.
    """
    found = _by_packet([f.rtp_timestamp for f in sent],
                       [a for a in arrivals if a.concealment is Concealment.DECODED], clock_hz)
    pairs = []
    for f in sent:
        if (here := found.get(f.rtp_timestamp)) is not None:
            into_us = (here[0].rtp_timestamp - f.rtp_timestamp) % 2**32 * 1_000_000 // clock_hz
            pairs.append((f, replace(here[0], playout_us=here[0].playout_us - into_us)))
    return pairs


def _by_packet(wire: Sequence[int], blocks: Sequence[Arrival], clock_hz: int) -> dict[int, list[Arrival]]:
    """RTP timestamp of a packet -> the blocks whose sound is its own; time stamps may wrap."""
    if not wire:
        return {}
    ticks = [(ts - wire[0] + 2**31) % 2**32 - 2**31 for ts in wire]
    found: dict[int, list[Arrival]] = {}
    for block in blocks:
        at = (block.rtp_timestamp - wire[0] + 2**31) % 2**32 - 2**31
        place = bisect_right(ticks, at) - 1
        if place >= 0 and at - ticks[place] < clock_hz * _LONGEST_PACKET_MS // 1000:
            found.setdefault(wire[place], []).append(block)
    return found


def _mono(blocks: Sequence[NDArray[np.int16]], rate: int) -> NDArray[np.float64]:
    """All blocks as one signal at about 16 kHz; a plain mean of neighbours is filter enough here."""
    if not blocks:
        return np.zeros(0)
    signal = np.concatenate(blocks).astype(np.float64) / 32768
    step = max(1, rate // _ALIGN_HZ)
    return np.asarray(signal[:len(signal) // step * step].reshape(-1, step).mean(axis=1))


def _on_media_time(result: CallResult, first_timestamp: int) -> list[NDArray[np.int16]]:
    """The blocks that were heard, each at its place on the sender's clock, silence where none was.

    So the comparison sees the codec and the network's losses, not the play-out delay
    that moved meanwhile: latency is told elsewhere, block by block.
    """
    sink = result.sink
    length = sum(map(len, sink.sound))
    out = np.zeros(length + sink.sound_rate, np.int16)
    for arrival, block in zip(sink.audio, sink.sound, strict=False):  # a long call's sound is kept in part
        ticks = (arrival.rtp_timestamp - first_timestamp + 2**31) % 2**32 - 2**31
        at = ticks * sink.sound_rate // clock_of(result)
        if at >= 0 and at + len(block) <= len(out) and arrival.concealment is not Concealment.INSERTED:
            out[at:at + len(block)] = block
    return [out[:length]]


def _until_last_packet(arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    """Without what play-out made up after the sender had stopped."""
    end = len(arrivals)
    while end and arrivals[end - 1].concealment in _MADE_UP:
        end -= 1
    return arrivals[:end]


def _alignment(result: CallResult, source: NDArray[np.float64], heard: NDArray[np.float64],
               sent: Sequence[SentFrame]) -> tuple[float | None, float | None]:
    """(offset in ms, correlation) of the sound on the sender's clock against the source."""
    if len(source) <= _ALIGN_HZ // 2 or len(heard) <= _ALIGN_HZ // 2 or not sent:
        return None, None
    step = max(1, result.feed.sound_rate // _ALIGN_HZ)
    found = align(source, _mono(_on_media_time(result, sent[0].rtp_timestamp), result.sink.sound_rate),
                  result.feed.sound_rate // step, near_ms=0)
    return round(found.offset_ms, 2), round(found.correlation, 4)


def _scores(result: CallResult, sent: Sequence[SentFrame], *, scored: bool) -> dict[str, Any]:
    """Fields of AudioQuality: the sound as it was heard, on the clock of the ear, against the source."""
    feed, sink = result.feed, result.sink
    if not scored:
        return {"score_note": "not asked for"}
    if missing := missing_packages():
        return {"score_note": f"not installed: {', '.join(missing)}; {EVAL_HINT}"}
    if not feed.sound or not sink.sound or not sent or feed.sound_rate != sink.sound_rate:
        return {"score_note": "no sound to compare"}
    near_ms = (feed.sound_start_us or 0) - sink.audio[0].playout_us
    return score_fields(compare(np.concatenate(feed.sound), np.concatenate(sink.sound), feed.sound_rate,
                                near_ms=near_ms / 1000 + _usual_delay_ms(sink.audio, sent)))


def _usual_delay_ms(arrivals: Sequence[Arrival], sent: Sequence[SentFrame]) -> float:
    """Median from capture to play-out of the packets that were played; 0: none was."""
    captured = {f.rtp_timestamp: f.capture_us for f in sent}
    delays = [a.playout_us - captured[a.rtp_timestamp] for a in arrivals if a.rtp_timestamp in captured]
    return float(np.median(delays)) / 1000 if delays else 0.0


def score_fields(found: Comparison) -> dict[str, Any]:
    """What a comparison says, as the fields of :class:`arcrtc.report.AudioQuality`."""
    if found.scores is None:
        return {"score_note": "nothing in it that could be judged"}
    return {"scores": report.SpeechScores(**asdict(found.scores)),
            "score_windows": tuple(report.ScoredWindow(
                t_ms=round(w.t_s * 1000, 1), length_ms=round(w.length_s * 1000, 1),
                scores=report.SpeechScores(**{k: None if v is None else round(v, 3)
                                              for k, v in asdict(w.scores).items()})) for w in found.windows)}
