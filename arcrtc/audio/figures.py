"""What the counters of a received audio stream say in words that people use: shares, delay, MOS.

The one place that knows which counter of the core means what. Shares are of the sound that was
played; the rating is that of the E-model (:mod:`arcrtc.audio.emodel`) for the loss that is left
after all repair.
"""
from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from arcrtc.audio.emodel import R_WIDEBAND, delay_impairment, mos_of_r
from arcrtc.audio.equipment import Band, equipment

WINDOW_S: Final = 5.0  #: sound that a live rating looks back over
_STEP_S: Final = 1.0  # it is renewed so often
_MOST_BURST_RATIO: Final = 8.0  # G.107 table 2: the largest that the model was tested with
_PACKET_MS: Final = (2.5, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 120.0)  # those of all codecs
_USUAL_PACKET_MS: Final = 20.0  # taken where nothing tells


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFigures:
    """A received audio stream in numbers.

    :ivar played_s: sound played, seconds.
    :ivar concealed_pct: made up because nothing was there, percent of the sound played.
    :ivar fec_pct: rebuilt from in-band FEC, percent.
    :ivar copy_pct: from redundant blocks of later packets (RED), percent.
    :ivar silent_pct: the sender was silent on purpose, percent.
    :ivar inserted_pct: put in by slowing down or waiting, percent.
    :ivar removed_pct: left out by hurrying, percent.
    :ivar gaps: times that concealment began.
    :ivar gap_mean_ms: mean length of those; 0: there were none.
    :ivar loss_before_pct: packets that the network lost, percent of those expected.
    :ivar loss_after_pct: of the sound that was sent (silence left out), percent that had to be made up.
    :ivar burst_ratio: mean length of gaps over that of random losses of the same rate; 1: random.
    :ivar delay_ms: mouth to ear as far as it is known: packet, codec, half of the shortest round trip,
        play-out delay.
    :ivar jitter_ms: interarrival jitter (RFC 3550 A.8), milliseconds.
    :ivar r_factor: rating of the E-model: up to 93.2 for narrowband, 129 for wideband codecs.
    :ivar mos: mean opinion score that belongs to it, 1..4.5.
    :ivar band: scale of the two: "narrowband" (G.107) or "wideband" (G.107.1).
    """

    played_s: float
    concealed_pct: float
    fec_pct: float
    copy_pct: float
    silent_pct: float
    inserted_pct: float
    removed_pct: float
    gaps: int
    gap_mean_ms: float
    loss_before_pct: float
    loss_after_pct: float
    burst_ratio: float
    delay_ms: float
    jitter_ms: float
    r_factor: float
    mos: float
    band: Band

    @property
    def narrowband_r(self) -> float:
        """R on the scale of narrowband, 0..100, as reports have it (G.107.1 Annex A)."""
        return min(100.0, self.r_factor * 100 / R_WIDEBAND if self.band == "wideband" else self.r_factor)

    @property
    def mos_listening(self) -> float:
        """Mean opinion score of the sound alone, the delay left out, 1..4.5."""
        r = self.r_factor + delay_impairment(self.delay_ms)
        return mos_of_r(r * 100 / R_WIDEBAND if self.band == "wideband" else r)


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters of the core that only rise, by what they mean: samples, packets, bytes (those of copies left out)."""

    played: int
    concealed: int
    fec: int
    copies: int
    silent: int
    inserted: int
    removed: int
    gaps: int
    lost_pkts: int
    pkts: int
    repaired_pkts: int
    bytes: int

    @classmethod
    def of(cls, media: Mapping[str, Any], network: Mapping[str, Any]) -> Counters:
        """From the dictionaries ``media`` and ``network`` of a received stream's statistics."""
        return cls(
            played=media["samples_out"], concealed=media["concealed_samples"], fec=media["fec_samples"],
            copies=media["copy_samples"], silent=media["silent_samples"], inserted=media["inserted_samples"],
            removed=media["skipped_samples"], gaps=media["gaps"], lost_pkts=network["lost_pkts"], pkts=network["pkts"],
            repaired_pkts=network["recovered_pkts"], bytes=network["bytes"] - network["copy_bytes"])

    def since(self, before: Counters | None) -> Counters:
        """What came to it; a counter that fell (the sender began anew) has gained nothing."""
        if before is None:
            return self
        return Counters(*(max(0, getattr(self, name) - getattr(before, name)) for name in self.__slots__))


def figures(gained: Counters, *, sample_rate: int, codec: str, playout_ms: float, rtt_ms: float | None,
            jitter_ms: float, delay_ms: float | None = None) -> AudioFigures:
    """Make figures of counters.

    :param gained: over the whole stream, or over a part of it.
    :param sample_rate: of the sound played, Hz.
    :param codec: as :func:`arcrtc.audio.equipment.equipment` knows it.
    :param playout_ms: delay of play-out on top of the fastest packet.
    :param rtt_ms: shortest round-trip time; None: not known, taken as 0.
    :param jitter_ms: of the network.
    :param delay_ms: mouth to ear, where it was measured; None: the sum of the parts that are known.
    """
    played = max(gained.played, 1)
    heard = max(played - gained.silent - gained.inserted, 1)
    loss_after_pct = min(100.0, 100 * gained.concealed / heard)
    packet_ms = _packet_ms(gained, sample_rate)
    gap_ms = 1000 * gained.concealed / sample_rate / gained.gaps if gained.gaps else 0.0
    burst_ratio = _burst_ratio(gap_ms, packet_ms, loss_after_pct)
    found = equipment(codec, 8000 * gained.bytes / gained.pkts / packet_ms if gained.pkts else None)
    if delay_ms is None:
        delay_ms = packet_ms + found.lookahead_ms + (rtt_ms or 0.0) / 2 + playout_ms
    rating = found.rate(loss_pct=loss_after_pct, burst_ratio=burst_ratio, delay_ms=delay_ms)
    expected = gained.pkts + gained.lost_pkts

    def share(samples: int) -> float:
        return round(100 * samples / played, 3)

    return AudioFigures(
        played_s=round(gained.played / sample_rate, 3), concealed_pct=share(gained.concealed),
        fec_pct=share(gained.fec), copy_pct=share(gained.copies), silent_pct=share(gained.silent),
        inserted_pct=share(gained.inserted),
        removed_pct=share(gained.removed), gaps=gained.gaps, gap_mean_ms=round(gap_ms, 2),
        loss_before_pct=round(100 * gained.lost_pkts / expected, 3) if expected else 0.0,
        loss_after_pct=round(loss_after_pct, 3), burst_ratio=round(burst_ratio, 3), delay_ms=round(delay_ms, 2),
        jitter_ms=round(jitter_ms, 3), r_factor=round(rating.r, 2), mos=round(rating.mos, 3), band=found.band)


def _packet_ms(gained: Counters, sample_rate: int) -> float:
    """Length of a packet: the sound that came in packets over their number, to the nearest length there is."""
    carried = gained.played - gained.silent - gained.inserted - gained.concealed - gained.fec - gained.copies
    packets = gained.pkts + gained.repaired_pkts
    if carried <= 0 or not packets:
        return _USUAL_PACKET_MS
    mean_ms = 1000 * carried / sample_rate / packets
    return min(_PACKET_MS, key=lambda ms: abs(math.log(ms / mean_ms)))


def _burst_ratio(gap_ms: float, packet_ms: float, loss_pct: float) -> float:
    """BurstR of G.107: random losses of probability p come in bursts of 1 / (1 - p) packets."""
    if gap_ms <= 0 or loss_pct >= 100:
        return 1.0
    return min(_MOST_BURST_RATIO, max(1.0, gap_ms / packet_ms * (1 - loss_pct / 100)))


class QualityMeter:
    """Live figures of one received audio stream, over about the last five seconds of its sound.

    Renewed once a second of sound, whenever somebody asks; it reads no clock, the sound is its clock.
    Asked less often than every five seconds, it looks back to the last time that it was asked.

    :param sample_rate: of the sound played, Hz. :param codec: as in figures().
    """

    def __init__(self, sample_rate: int, codec: str) -> None:
        self._sample_rate = sample_rate
        self._codec = codec
        self._marks: deque[Counters] = deque(maxlen=round(WINDOW_S / _STEP_S))
        self._found: AudioFigures | None = None
        self._forget()

    def update(self, media: Mapping[str, Any], network: Mapping[str, Any], rtt_min_us: int) -> AudioFigures | None:
        """Look at the counters of now.

        :param media: of the received stream, as stats() has it. :param network: likewise.
        :param rtt_min_us: shortest round-trip time, microseconds; negative: not known.
        :returns: the newest figures; None: less than a second was played so far.
        """
        now = Counters.of(media, network)
        if now.played < self._marks[-1].played:
            self._forget()  # another stream behind the same handle
        if now.played - self._marks[-1].played >= _STEP_S * self._sample_rate:
            self._found = figures(
                now.since(self._marks[0]), sample_rate=self._sample_rate, codec=self._codec,
                playout_ms=media["playout_ms"],
                rtt_ms=rtt_min_us / 1000 if rtt_min_us >= 0 else None, jitter_ms=network["jitter_ms"])
            self._marks.append(now)
        return self._found

    def _forget(self) -> None:
        self._marks.clear()
        self._marks.append(Counters(*(0 for _ in Counters.__slots__)))
        self._found = None
