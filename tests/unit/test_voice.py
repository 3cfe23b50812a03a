"""arcrtc.audio.VoiceReceiver: arguments, errors, allocations, and small situations."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arcrtc import RtpHeader, RtpPacket, errors
from arcrtc._native import NEVER_US, lib
from arcrtc.audio import VoiceBlock, VoiceConfig, VoiceKind, VoiceProfile, VoiceReceiver
from tests.model.allocation import survives_every_failure
from tests.model.libopus import Decoder
from tests.model.voice_path import (
    FIRST_TS,
    MS,
    Heard,
    Sent,
    arrivals,
    assert_ledger,
    opus_packets,
    pcmu_packets,
    play,
    rtp,
)

PCMU = VoiceConfig(codec="pcmu", sample_rate=8000)


def push(receiver: VoiceReceiver, packet: Sent, now_us: int) -> bool:
    return receiver.push(rtp(packet, receiver.clock_hz), now_us)


def pull_until(receiver: VoiceReceiver, end_us: int) -> list[VoiceBlock]:
    blocks = []
    while receiver.next_us < end_us:
        block = receiver.pull(receiver.next_us)
        if block is None:
            break
        blocks.append(block)
    return blocks


@pytest.mark.parametrize("wrong", [
    {"codec": "mp3"}, {"sample_rate": 4000}, {"channels": 3}, {"max_latency_ms": 10_001}, {"min_latency_ms": 600},
    {"initial_latency_ms": 501}, {"late_share": 0.2}, {"capacity_pkts": 1}, {"comfort_noise_type": 128},
    {"adaptive": 1}, {"profile": 7}, {"late_share": float("nan")},
])
def test_voice_config_refuses_what_is_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigError, match=next(iter(wrong))):
        VoiceConfig(**wrong)


def test_voice_new_survives_every_failed_allocation() -> None:
    allocations, receiver = survives_every_failure(lambda: VoiceReceiver(PCMU))
    assert allocations > 5
    assert receiver.pull(0) is None


def test_voice_refuses_rates_that_the_codec_does_not_have() -> None:
    with pytest.raises(errors.ArgumentError):
        VoiceReceiver(VoiceConfig(sample_rate=11_025))
    with pytest.raises(errors.UnsupportedError):
        VoiceReceiver(VoiceConfig(codec="pcmu", sample_rate=44_100, profile=VoiceProfile.RECOGNITION))


def test_voice_refuses_wrong_arguments() -> None:
    receiver = VoiceReceiver(PCMU)
    packet = pcmu_packets(1)[0]
    with pytest.raises(errors.ArgumentError):
        push(receiver, packet, 2**52)
    with pytest.raises(errors.ArgumentError):
        receiver.pull(-2**52)
    with pytest.raises(errors.ArgumentError):
        push(receiver, Sent(0, 0, bytes(1985)), 0)
    with pytest.raises(errors.ArgumentError):
        receiver.push_copy(b"x", 2**32, 0)
    assert receiver.stats().pkts == 0


def test_voice_first_block_is_due_after_the_initial_latency() -> None:
    receiver = VoiceReceiver(PCMU)
    assert receiver.next_us == NEVER_US
    packet = pcmu_packets(1)[0]
    assert push(receiver, packet, 1000)
    assert receiver.next_us == 41 * MS
    assert receiver.pull(40_999) is None
    block = receiver.pull(41 * MS)
    assert block is not None
    assert (block.kind, block.playout_us, block.arrival_us) == (VoiceKind.DECODED, 41 * MS, 1000)
    assert block.samples.shape == (80,)
    assert block.payload_bytes == 160
    assert not push(receiver, packet, 2000)
    assert receiver.stats().duplicate_pkts == 1
    assert "pcmu" in repr(receiver)


def test_voice_stereo_blocks_have_two_columns() -> None:
    receiver = VoiceReceiver(VoiceConfig(codec="pcmu", sample_rate=8000, channels=2))
    push(receiver, pcmu_packets(1)[0], 0)
    block = receiver.pull(40 * MS)
    assert block is not None
    assert block.samples.shape == (80, 2)
    assert np.array_equal(block.samples[:, 0], block.samples[:, 1])


def test_voice_packet_that_comes_while_its_gap_is_made_up_is_used_for_the_rest() -> None:
    """One packet is 30 ms late to its time; of the 20 ms it holds, nothing was left: it is played later."""
    receiver = VoiceReceiver(VoiceConfig(codec="pcmu", sample_rate=8000, initial_latency_ms=20, adaptive=False))
    packets = pcmu_packets(2)
    blocks = []
    for i, packet in enumerate(packets[:40]):
        blocks += pull_until(receiver, packet.media_us + (15 * MS if i == 20 else 0))
        push(receiver, packet, packet.media_us + (15 * MS if i == 20 else 0))
    s = receiver.stats()
    assert_ledger(s)
    assert s.concealed <= 160
    assert s.lost == s.late_pkts == 0


def test_voice_hundred_pulls_late_catch_up_without_a_hole() -> None:
    receiver = VoiceReceiver(PCMU)
    for packet in pcmu_packets(1):
        push(receiver, packet, packet.media_us)
    assert receiver.pull(40 * MS) is not None
    times = []
    while (block := receiver.pull(1_000_000)) is not None:
        times.append(block.playout_us)
    assert times == list(range(50 * MS, 1_000_001, 10 * MS))


def test_voice_capacity_drops_the_oldest() -> None:
    receiver = VoiceReceiver(VoiceConfig(codec="pcmu", sample_rate=8000, capacity_pkts=4))
    for packet in pcmu_packets(1)[:10]:
        assert push(receiver, packet, 0)
    assert receiver.stats().overflow_pkts == 6
    assert receiver.stats().depth_ms == 60


@pytest.mark.parametrize("frame_ms", [20, 60])
@pytest.mark.parametrize("shorter_ms", [3, 30, 300])
def test_voice_play_out_never_exceeds_max_latency(shorter_ms: int, frame_ms: int) -> None:
    """Jitter beyond the bound, lip-sync that asks for more, and a way that is shorter all at once."""
    rng = np.random.default_rng(shorter_ms)
    receiver = VoiceReceiver(replace(PCMU, min_latency_ms=20, max_latency_ms=100, initial_latency_ms=60))
    sent = pcmu_packets(6, frame_ms)
    delays = rng.gamma(1.0, 30.0, len(sent)) + np.where(np.arange(len(sent)) * frame_ms < 3000, shorter_ms, 0)
    shortest, blocks = np.inf, 0
    for at, packet in arrivals(sent, delays):
        for block in pull_until(receiver, at):
            media_us = (block.media_time - 2**32 - FIRST_TS) * 1000 // 8
            assert block.playout_us - media_us - shortest <= 100 * MS
            assert receiver.stats().playout_ms <= 100
            blocks += 1
        push(receiver, packet, at)
        lib.arc_voice_set_hold_us(receiver._voice, 40 * MS)
        shortest = min(shortest, at - packet.media_us)
    assert blocks > 500
    assert receiver.stats().removed > 0
    assert_ledger(receiver.stats())


@pytest.mark.parametrize("profile", list(VoiceProfile))
@pytest.mark.parametrize("spacing", [1, 2, 7])
def test_voice_packets_of_one_sample_do_not_hold_it_up(profile: VoiceProfile, spacing: int) -> None:
    """A block in hundreds of pieces: each call ends, media time goes on, and the ledger closes."""
    receiver = VoiceReceiver(VoiceConfig(codec="l16", sample_rate=48_000, profile=profile, initial_latency_ms=5,
                                         adaptive=False))
    blocks = []
    for i in range(9600 // spacing):
        packet = RtpPacket(header=RtpHeader(sequence_number=i & 0xFFFF, timestamp=i * spacing, ssrc=1,
                                            payload_type=96, marker=False), payload=b"\x10\x00")
        now = i * spacing * 1_000_000 // 48_000
        receiver.push(packet, now)
        while receiver.next_us <= now and (block := receiver.pull(now)) is not None:
            blocks.append(block)
    assert_ledger(receiver.stats())
    times = [block.media_time for block in blocks]
    assert times == sorted(times)
    assert blocks[-1].media_time - blocks[0].media_time >= 6000


@pytest.mark.parametrize("jump_us", [3 * 3600 * 1_000_000, -5_000_000, 5_000_000])
def test_voice_recognition_is_never_due_before_the_last_pull(jump_us: int) -> None:
    """Also while what waits belongs to another time line."""
    receiver = VoiceReceiver(replace(PCMU, profile=VoiceProfile.RECOGNITION))
    for i, packet in enumerate(pcmu_packets(4)):
        now = packet.media_us + MS
        if i in (100, 101):
            continue
        if i > 100:
            packet = replace(packet, media_us=packet.media_us + jump_us)
        push(receiver, packet, now)
        for _ in range(3):
            receiver.pull(now)
            assert receiver.next_us >= now
    assert_ledger(receiver.stats())


# --- the decoder after a loss ---


def opus_decodes(sent: tuple[Sent, ...], lost: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What libopus alone makes of it; what is lost, it extrapolates."""
    decoder = Decoder(16_000, 1)
    return np.concatenate([decoder.decode(None if gone else packet.payload, 320)[:, 0]
                           for packet, gone in zip(sent, lost, strict=True)]).astype(np.float64)


def true_blocks_after_loss(heard: Heard, lost: NDArray[np.bool_], frames: int) -> list[tuple[int, NDArray[np.float64]]]:
    """(Place in the source, samples) of the decoded blocks in so many frames behind a loss, without silence."""
    found = []
    for block in heard.blocks:
        at = (block.media_time - 2**32 - FIRST_TS) // 3
        frame = at // 320
        if (set(block.counts) == {VoiceKind.DECODED} and not lost[frame] and lost[max(0, frame - frames):frame].any()
                and np.max(np.abs(block.samples)) > 200):
            found.append((at, block.samples.astype(np.float64)))
    return found


def snr_db(true: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Signal to difference of one block, within -10 to 35 dB as segmental SNR has it."""
    return float(np.clip(10 * np.log10((true @ true + 1) / ((true - other) @ (true - other) + 1)), -10, 35))


@pytest.mark.parametrize("seed", [1, 2])
def test_voice_decoder_after_a_loss_is_healed_to_what_it_would_be_without(seed: int) -> None:
    """The two frames behind each loss are nearer to the lossless stream than libopus's own by 3 dB and more;
    without healing they would be the same as libopus's."""
    sent = opus_packets(20)
    lost = np.random.default_rng(seed).random(len(sent)) < 0.06
    lost[:30] = False
    config = VoiceConfig(min_latency_ms=40, initial_latency_ms=40, adaptive=False)
    heard = play(arrivals(sent, np.zeros(len(sent)), lost), config, end_us=20_000_000)
    losses = int((lost[1:975] & ~lost[:974]).sum())
    assert heard.stats.healed >= losses - 1
    assert heard.share("inserted", "removed") < 0.02  # the first lost ones might have been late
    true, plain = opus_decodes(sent, np.zeros_like(lost)), opus_decodes(sent, lost)
    after = true_blocks_after_loss(heard, lost, frames=2)
    assert len(after) > 100
    ours = np.mean([snr_db(true[at:at + 160], pcm) for at, pcm in after])
    theirs = np.mean([snr_db(true[at:at + 160], plain[at:at + 160]) for at, _ in after])
    assert ours > theirs + 3.0
