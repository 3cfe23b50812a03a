"""Seeded networks through rx/voice in virtual time: what delay, concealment and recovery it promises."""
from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from arcrtc._native import NEVER_US, lib
from arcrtc.audio import (
    AudioConfig,
    AudioFrame,
    AudioPipeline,
    VoiceBlock,
    VoiceConfig,
    VoiceKind,
    VoiceProfile,
    VoiceReceiver,
)
from tests.model.speech import speech
from tests.model.voice_path import (
    MS,
    Arrival,
    Heard,
    Sent,
    arrivals,
    assert_ledger,
    delays_ms,
    opus_packets,
    pcmu_packets,
    play,
    rtp,
)

SECONDS = 40
WARM_US = 10_000_000
WIDE = VoiceConfig(max_latency_ms=1000)
PCMU = VoiceConfig(codec="pcmu", sample_rate=8000, max_latency_ms=500)


def opus_run(kind: str, seed: int, seconds: int = SECONDS, config: VoiceConfig = WIDE,
             lost: NDArray[np.bool_] | None = None) -> Heard:
    sent = opus_packets(seconds)
    return play(arrivals(sent, delays_ms(kind, len(sent), seed), lost), config,
                end_us=seconds * 1_000_000, warm_us=WARM_US)


# --- the figures: delay and concealment -------------------------------------------------------


@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize(("kind", "delay_ms", "concealed", "stretched"), [
    ("none", 20, 0.0, 0.0005),
    ("gamma20", 84, 0.004, 0.10),
    ("gamma60", 208, 0.007, 0.16),
    ("spikes", 150, 0.05, 0.10),
])
def test_sim_voice_keeps_delay_and_concealment(kind: str, delay_ms: float, concealed: float,
                                               stretched: float, seed: int) -> None:
    """Bounds for one run of 30 s; bench/bench_jitter.py gives the means over many."""
    heard = opus_run(kind, seed)
    assert heard.delay_ms() <= delay_ms
    assert heard.share("concealed", "undecided") <= concealed
    assert heard.share("inserted", "removed") <= stretched


def test_sim_voice_stalls_that_stop_are_forgotten() -> None:
    sent = opus_packets(SECONDS)
    delay = delays_ms("spikes", len(sent), 5)
    delay[750:] = np.minimum(delay[750:], 5)
    targets: dict[int, int] = {}

    def note(receiver: VoiceReceiver, block: VoiceBlock) -> None:
        targets[block.playout_us // 1_000_000] = receiver.stats().target_ms

    play(arrivals(sent, delay), WIDE, end_us=SECONDS * 1_000_000, on_block=note, keep=False)
    assert targets[12] > 100
    assert targets[38] < 20


# --- loss --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["none", "gamma20"])
@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2])
def test_sim_voice_loss_conceals_what_is_lost_and_does_not_grow_the_delay(loss: float, kind: str) -> None:
    n = SECONDS * 50
    lost = np.random.default_rng(3).random(n) < loss
    heard = opus_run(kind, 3, lost=lost)
    truly = lost[500:].mean()
    assert heard.share("concealed") <= truly + 0.003 + 0.15 * truly * (kind != "none") + 0.012 * (kind != "none")
    assert heard.share("concealed") >= 0.7 * truly
    assert heard.delay_ms() <= (20 if kind == "none" else 92)


def test_sim_voice_in_band_fec_rebuilds_single_losses() -> None:
    sent = opus_packets(20, fec=True)
    lost = np.zeros(len(sent), dtype=bool)
    lost[50::10] = True
    heard = play(arrivals(sent, np.zeros(len(sent)), lost), WIDE, end_us=20_000_000)
    assert heard.stats.fec_used > 0.5 * lost.sum()
    assert heard.stats.fec + heard.stats.concealed == pytest.approx(lost.sum() * 320, rel=0.05)


def test_sim_voice_copies_come_before_fec_and_concealment() -> None:
    """RED with one block behind: every loss but double ones is made whole, and sounds as sent."""
    sent = opus_packets(20)
    lost = np.random.default_rng(5).random(len(sent)) < 0.1
    lost[:50] = False
    receiver, whole = VoiceReceiver(WIDE), VoiceReceiver(WIDE)
    heard, right = [], []
    for i, packet in enumerate(sent):
        now = packet.media_us + 1000
        for r, gone, into in ((receiver, lost[i], heard), (whole, False, right)):
            if not gone:
                _push(r, packet, now)
                if i:
                    r.push_copy(sent[i - 1].payload, _ts(sent[i - 1]), now)
            while r.next_us < now + 20 * MS:
                block = r.pull(r.next_us)
                assert block is not None
                into.append(block)
    doubled = int((lost[:-1] & lost[1:]).sum())
    s = receiver.stats()
    assert_ledger(s)
    assert s.copies_used >= 0.95 * (lost[:-1].sum() - doubled)
    assert s.copy >= 0.85 * 320 * (lost[:-1].sum() - doubled)  # the first come before the delay has grown by a packet
    assert 20 <= s.target_ms <= 40


def _ts(packet: Sent) -> int:
    return rtp(packet).header.timestamp


def _push(receiver: VoiceReceiver, packet: Sent, now: int) -> None:
    receiver.push(rtp(packet, receiver.clock_hz), now)


# --- clean: as the codec decodes it -------------------------------------------------------------


def test_sim_voice_clean_network_sounds_bit_for_bit_as_libopus_decodes() -> None:
    sent = opus_packets(20)
    heard = play(arrivals(sent, np.zeros(len(sent))), VoiceConfig(min_latency_ms=40), end_us=20_000_000)
    decoder = AudioPipeline(AudioConfig(bitrate=24_000))
    frames = [np.asarray(decoder.extract_audio_frame(rtp(p)).to_int16()).reshape(-1) for p in sent]
    n = len(heard.samples())
    assert heard.stats.decoded == heard.stats.out == n
    assert np.array_equal(heard.samples(), np.concatenate(frames)[:n])


# --- paths as RFC 8868 lists them ----------------------------------------------------------------


@pytest.mark.parametrize("frame_ms", [10, 20, 60])
@pytest.mark.parametrize("base_ms", [0, 300])
@pytest.mark.parametrize("seed", [1, 2])
def test_sim_voice_reordering_duplication_bursts_keep_bounds(seed: int, base_ms: int, frame_ms: int) -> None:
    """5 % reordered by 30 ms, 3 % doubled, bursts of loss, jitter of 10 ms; latency within 40..200 ms."""
    rng = np.random.default_rng(seed)
    sent = opus_packets(24, frame_ms)
    n = len(sent)
    delay = base_ms + rng.gamma(1.0, 10.0, n) + 30 * (rng.random(n) < 0.05)
    lost = np.zeros(n, dtype=bool)
    for start in rng.integers(100, n - 10, 8):
        lost[start:start + rng.integers(1, 5)] = True
    config = VoiceConfig(min_latency_ms=40, max_latency_ms=200, initial_latency_ms=60)
    latencies: list[float] = []

    def note(receiver: VoiceReceiver, block: VoiceBlock) -> None:
        s = receiver.stats()
        assert 40 <= s.target_ms <= 200
        assert s.depth_ms <= 400
        latencies.append(s.playout_ms)

    heard = play(arrivals(sent, delay, lost, duplicated=rng.random(n) < 0.03), config,
                 end_us=base_ms * MS + 24_000_000, on_block=note)
    assert max(latencies) <= 200
    assert heard.stats.duplicate_pkts > 0
    times = [b.playout_us for b in heard.blocks]
    assert all(b - a == 10 * MS for a, b in pairwise(times))  # the device's clock has no hole
    assert heard.share("concealed", "undecided") <= lost.mean() + 0.06


@pytest.mark.slow
@pytest.mark.parametrize("drift", [300e-6, -300e-6])
def test_sim_voice_an_hour_of_clock_drift_is_not_heard(drift: float) -> None:
    """Numbers wrap (180 000 packets), time stamps wrap, and 1.08 s of drift goes by."""
    seconds = 3600
    sent = pcmu_packets(seconds)
    latencies: list[float] = []

    def note(receiver: VoiceReceiver, block: VoiceBlock) -> None:
        if block.playout_us % 10_000_000 < 10_000:
            latencies.append(receiver.stats().playout_ms)

    heard = play(arrivals(sent, np.random.default_rng(1).uniform(0, 3, len(sent)), drift=drift), PCMU,
                 end_us=int(seconds * 1_000_000 * (1 + drift)) - 20 * MS, warm_us=WARM_US, on_block=note, keep=False)
    assert heard.share("concealed", "undecided") <= 1e-5
    assert heard.share("inserted", "removed") == pytest.approx(abs(drift), rel=0.3)
    assert max(latencies[2:]) <= 45


def test_sim_voice_drift_of_300_ppm_in_four_minutes_is_not_heard() -> None:
    sent = pcmu_packets(240)
    for drift in (300e-6, -300e-6):
        heard = play(arrivals(sent, np.random.default_rng(1).uniform(0, 3, len(sent)), drift=drift), PCMU,
                     end_us=int(240_000_000 * (1 + drift)) - 20 * MS, warm_us=WARM_US, keep=False)
        assert heard.share("concealed", "undecided") == 0.0
        assert heard.delay_ms() <= 35


def test_sim_voice_pauses_of_the_sender_are_silence_not_loss() -> None:
    """DTX: media time goes on while numbers do not."""
    sent = [p for p in pcmu_packets(30) if p.media_us // 1_000_000 % 3 != 2]
    sent = [Sent(i, p.media_us, p.payload) for i, p in enumerate(sent)]
    heard = play(arrivals(tuple(sent), np.zeros(len(sent))), PCMU, end_us=29_000_000, warm_us=4_000_000)
    assert heard.share("concealed") <= 0.06  # the first moments of a pause, when it could be a loss
    assert heard.share("silent") >= 0.2
    assert heard.stats.lost == 0


def test_sim_voice_dtx_of_opus_is_silence_after_the_first_pause() -> None:
    pcm = speech().copy()
    pcm[2 * 16_000:5 * 16_000] = 0
    pipeline, sent = AudioPipeline(AudioConfig(bitrate=24_000, dtx=True)), []
    for i in range(len(pcm) // 320 * 4):
        j = i % (len(pcm) // 320)
        if payload := pipeline.encode(AudioFrame(pcm[j * 320:(j + 1) * 320], 16_000, 1)):
            sent.append(Sent(len(sent), i * 20 * MS, bytes(payload)))
    heard = play(arrivals(tuple(sent), np.zeros(len(sent))), WIDE, end_us=23_900_000, warm_us=6_000_000)
    assert heard.share("silent") >= 0.2
    assert heard.share("concealed", "undecided") <= 0.005


def test_sim_voice_frames_may_change_their_length() -> None:
    parts = [opus_packets(4, ms) for ms in (20, 60, 10, 40)]
    sent, at = [], 0
    for part, ms in zip(parts, (20, 60, 10, 40), strict=True):
        for p in part:
            sent.append(Sent(len(sent), at, p.payload))
            at += ms * MS
    heard = play(arrivals(tuple(sent), np.full(len(sent), 5.0)), WIDE, end_us=at)
    assert heard.share("concealed", "undecided") <= 0.01


# --- recognition ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["none", "gamma20"])
def test_sim_voice_recognition_gives_media_time_once_with_marked_gaps(kind: str) -> None:
    sent = opus_packets(30)
    lost = np.random.default_rng(9).random(len(sent)) < 0.03
    lost[:5] = False
    config = replace(WIDE, profile=VoiceProfile.RECOGNITION)
    heard = play(arrivals(sent, delays_ms(kind, len(sent), 2), lost), config, end_us=30_000_000)
    at = heard.blocks[0].media_time
    for block in heard.blocks:  # no sample twice, none left out
        assert block.media_time == at
        at += len(block.samples) * 3
        assert set(block.counts) <= {VoiceKind.DECODED, VoiceKind.CONCEALED, VoiceKind.FEC}
        assert block.gap == (VoiceKind.CONCEALED in block.counts)
        if block.gap:
            assert not block.samples.any()
    gaps = sum(len(b.samples) for b in heard.blocks if b.gap)
    assert abs(gaps - 320 * lost.sum()) <= 320 * (2 if kind == "none" else 8)
    assert heard.stats.inserted == heard.stats.removed == 0


# --- bad input ---------------------------------------------------------------------------------------


def shifted(sent: tuple[Sent, ...], first: int, media_us: int) -> list[Arrival]:
    """From packet ``first`` on the sender's time stamps are so much off; arrivals stay as they are."""
    return [(p.media_us + 1000, p if i < first else Sent(p.number, p.media_us + media_us, p.payload))
            for i, p in enumerate(sent)]


@pytest.mark.parametrize("jump_us", [3 * 3600 * 1_000_000, -3 * 3600 * 1_000_000, 2_000_000, -2_000_000, 300_000])
def test_sim_voice_time_stamps_that_jump_are_followed_within_a_second(jump_us: int) -> None:
    sent = pcmu_packets(20)
    heard = play(shifted(sent, 500, jump_us), PCMU, end_us=19_900_000)
    true = [b for b in heard.blocks if b.kind == VoiceKind.DECODED]
    assert {b.playout_us // 1_000_000 for b in true} >= set(range(1, 19)) - {10, 11}
    late = [b for b in heard.blocks if b.playout_us > 11_000_000]
    assert sum(b.kind == VoiceKind.DECODED for b in late) >= 0.98 * len(late)
    assert heard.stats.playout_ms <= 520


@pytest.mark.parametrize("back", [1000, 20_000])
def test_sim_voice_numbers_that_jump_back_are_followed_within_a_second(back: int) -> None:
    """A restarted sender: other numbers and another time line."""
    sent = pcmu_packets(20)
    coming = [(p.media_us + 1000, p if i < 500 else Sent(p.number - back, p.media_us - 3600 * 1_000_000, p.payload))
              for i, p in enumerate(sent)]
    heard = play(coming, PCMU, end_us=19_900_000)
    late = [b for b in heard.blocks if b.playout_us > 11_000_000]
    assert sum(b.kind == VoiceKind.DECODED for b in late) >= 0.98 * len(late)


def test_sim_voice_empty_and_damaged_payloads_are_counted() -> None:
    sent = [Sent(p.number, p.media_us, b"" if i % 50 == 7 else b"\xff\xff" if i % 50 == 9 else p.payload)
            for i, p in enumerate(opus_packets(20))]
    heard = play(arrivals(tuple(sent), np.zeros(len(sent))), WIDE, end_us=19_000_000)
    assert heard.stats.empty_pkts >= 15
    assert heard.stats.codec_errors >= 15
    assert heard.share("decoded") >= 0.94


def test_sim_voice_a_sender_at_twice_real_time_stays_bounded() -> None:
    sent = pcmu_packets(40)
    coming = [(p.media_us // 2 + 1000, p) for p in sent]
    depths: list[int] = []

    def note(receiver: VoiceReceiver, block: VoiceBlock) -> None:
        depths.append(receiver.stats().depth_ms)

    live = lib.arc_mem_live_bytes()
    play(coming, replace(PCMU, capacity_pkts=64), end_us=20_000_000, on_block=note, keep=False)
    assert max(depths) <= 64 * 20 + 600
    assert lib.arc_mem_live_bytes() <= live


def test_sim_voice_silence_of_the_network_stops_play_out_until_a_packet_comes() -> None:
    sent = pcmu_packets(10)
    coming = [(p.media_us + 1000 + (5_000_000 if i >= 250 else 0), p) for i, p in enumerate(sent)]
    heard = play(coming, PCMU, end_us=14_900_000)
    times = [b.playout_us for b in heard.blocks]
    holes = [b - a for a, b in pairwise(times) if b - a > 10 * MS]
    assert len(holes) == 1
    assert 3_500_000 <= holes[0] <= 4_500_000
    receiver = VoiceReceiver(PCMU)
    assert receiver.next_us == NEVER_US
    assert receiver.pull(0) is None


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_sim_voice_telephony_comes_out_at_the_rate_asked_for(rate: int) -> None:
    sent = pcmu_packets(5)
    heard = play(arrivals(sent, np.zeros(len(sent))), replace(PCMU, sample_rate=rate), end_us=4_900_000)
    assert {len(b.samples) for b in heard.blocks} == {rate // 100}
    assert all(sum(b.counts.values()) == len(b.samples) for b in heard.blocks)
    assert heard.stats.rate_hz == 8000
    assert heard.stats.decoded == heard.stats.out


# --- the decoder after a loss ------------------------------------------------------------------------


def test_sim_voice_decoder_is_healed_after_every_short_loss() -> None:
    """Whole frames between two that are there: each loss is led through the codec, and the ledger closes."""
    sent = opus_packets(20)
    lost = np.zeros(len(sent), dtype=bool)
    lost[50::10] = lost[55::20] = lost[56::20] = True
    heard = play(arrivals(sent, np.zeros(len(sent)), lost), WIDE, end_us=19_500_000)
    losses = int((lost[1:970] & ~lost[:969]).sum())
    assert losses - 3 <= heard.stats.healed <= losses + 3
    assert heard.stats.rewound == 0


def test_sim_voice_packet_that_comes_late_is_decoded_as_if_it_had_not() -> None:
    """Its time was made up; 60 ms later nothing tells of it any more."""
    sent = opus_packets(6)
    fixed = replace(WIDE, initial_latency_ms=20, adaptive=False)
    late = np.zeros(len(sent))
    late[100], late[101] = 35, 16  # in order
    clean, heard = (play(arrivals(sent, d), fixed, end_us=5_900_000) for d in (late * 0, late))
    assert heard.stats.concealed > 0
    assert heard.stats.rewound == 1
    pcm = clean.samples()
    after = heard.blocks[-150:]
    for block in after:
        at = (block.media_time - clean.blocks[0].media_time) // 3
        assert np.array_equal(block.samples, pcm[at:at + 160])
