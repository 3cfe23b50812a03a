"""A voice through a seeded network in virtual time: packets, delays, and what is heard."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from arcrtc import RtpHeader, RtpPacket
from arcrtc.audio import (
    AudioConfig,
    AudioFrame,
    AudioPipeline,
    VoiceBlock,
    VoiceConfig,
    VoiceReceiver,
    VoiceStats,
)
from tests.model.speech import SPEECH_RATE, speech

MS = 1000
CLOCK_HZ = 48_000
FIRST_SEQ = 65_000  #: wraps after 11 s
FIRST_TS = 2**32 - CLOCK_HZ  #: wraps after one second


@dataclass(frozen=True)
class Sent:
    """One packet: which media it holds, and when it leaves (0 is the first sample)."""

    number: int
    media_us: int
    payload: bytes


@dataclass
class Heard:
    """What a run gave."""

    blocks: list[VoiceBlock]
    stats: VoiceStats
    warm: VoiceStats  #: at the end of the warm-up
    playout_ms: list[float] = field(default_factory=list)

    def samples(self) -> NDArray[np.int16]:
        return np.concatenate([block.samples for block in self.blocks])

    def share(self, *names: str) -> float:
        """Samples of these columns over samples out, after the warm-up."""
        def of(stats: VoiceStats) -> int:
            return sum(getattr(stats, name) for name in names)
        return (of(self.stats) - of(self.warm)) / max(1, self.stats.out - self.warm.out)

    def delay_ms(self) -> float:
        """jitterBufferDelay / emittedCount of WebRTC, after the warm-up."""
        return ((self.stats.delay_us_sum - self.warm.delay_us_sum)
                / max(1, self.stats.delay_samples - self.warm.delay_samples) / MS)


@cache
def opus_packets(seconds: int, frame_ms: int = 20, *, dtx: bool = False, fec: bool = False) -> tuple[Sent, ...]:
    """The speech sample over and over, as Opus at 24 kbit/s; without what DTX leaves out."""
    pcm = np.resize(speech(), seconds * SPEECH_RATE)
    pipeline = AudioPipeline(AudioConfig(bitrate=24_000, frame_size_ms=frame_ms, dtx=dtx, fec=fec,
                                         expected_loss_pct=20 if fec else 0))
    n = SPEECH_RATE * frame_ms // 1000
    sent = []
    for i in range(len(pcm) // n):
        payload = pipeline.encode(AudioFrame(pcm[i * n:(i + 1) * n], SPEECH_RATE, 1))
        if payload:
            sent.append(Sent(len(sent), i * frame_ms * MS, bytes(payload)))
    return tuple(sent)


def pcmu_packets(seconds: int, frame_ms: int = 20) -> tuple[Sent, ...]:
    """A quiet hum as G.711: cheap, for long runs where only numbers count."""
    n = 8 * frame_ms
    payload = bytes(0xFF - (i // 8) % 4 for i in range(n))
    return tuple(Sent(i, i * frame_ms * MS, payload) for i in range(seconds * 1000 // frame_ms))


def delays_ms(kind: str, n: int, seed: int) -> NDArray[np.float64]:
    """One-way delays of n packets: "none", "gammaX" (exponential, mean X ms), "spikes" (stalls of
    250 ms every 110 packets, drained back to back, over 0 to 5 ms)."""
    rng = np.random.default_rng(seed)
    if kind == "none":
        return np.zeros(n)
    if kind.startswith("gamma"):
        return rng.gamma(1.0, float(kind.removeprefix("gamma")), n)
    assert kind == "spikes"
    d = rng.uniform(0, 5, n)
    for k in range(60, n - 12, 110):
        for j in range(12):
            d[k + j] = max(d[k + j], 250 - 20 * j)
    return d


Arrival = tuple[int, Sent]  #: (microseconds, packet)


def arrivals(sent: tuple[Sent, ...], delay_ms: NDArray[np.float64], lost: NDArray[np.bool_] | None = None,
             drift: float = 0.0, duplicated: NDArray[np.bool_] | None = None) -> list[Arrival]:
    """When each packet comes, in that order. ``drift``: the sender's clock is slower by this part."""
    found = []
    for i, packet in enumerate(sent):
        if lost is not None and lost[i]:
            continue
        at = int(packet.media_us * (1 + drift) + delay_ms[i] * MS) + 1000
        found.append((at, packet))
        if duplicated is not None and duplicated[i]:
            found.append((at + 3 * MS, packet))
    return sorted(found, key=lambda arrival: (arrival[0], arrival[1].number))


def rtp(packet: Sent, clock_hz: int = CLOCK_HZ) -> RtpPacket:
    """The packet on the wire; number and time wrap soon."""
    ts = (FIRST_TS + packet.media_us * clock_hz // 1_000_000) & 0xFFFFFFFF
    return RtpPacket(header=RtpHeader(sequence_number=(FIRST_SEQ + packet.number) & 0xFFFF, timestamp=ts,
                                      ssrc=1, payload_type=96, marker=False), payload=packet.payload)


def play(coming: list[Arrival], config: VoiceConfig, *, end_us: int, warm_us: int = 0,
         on_block: Callable[[VoiceReceiver, VoiceBlock], None] | None = None, keep: bool = True) -> Heard:
    """Push each packet when it comes and pull each block when it is due."""
    receiver = VoiceReceiver(config)
    blocks: list[VoiceBlock] = []
    playout: list[float] = []
    warm, now, k = receiver.stats(), 0, 0
    warmed = warm_us == 0
    while True:
        at = coming[k][0] if k < len(coming) else end_us
        now = max(now, min(receiver.next_us, at))
        if now >= end_us:
            break
        if not warmed and now >= warm_us:
            warm, warmed = receiver.stats(), True
        if k < len(coming) and coming[k][0] <= now:
            receiver.push(rtp(coming[k][1], receiver.clock_hz), now)
            k += 1
            continue
        if (block := receiver.pull(now)) is not None:
            if keep:
                blocks.append(block)
            if on_block:
                on_block(receiver, block)
    stats = receiver.stats()
    assert_ledger(stats)
    return Heard(blocks, stats, warm, playout)


def assert_ledger(s: VoiceStats) -> None:
    """Every sample out is of one kind, and every one that was taken went one way."""
    assert s.out == s.decoded + s.fec + s.copy + s.concealed + s.silent + s.inserted + s.undecided
    assert s.taken == s.decoded + s.fec + s.copy + s.removed + s.late + s.waiting
