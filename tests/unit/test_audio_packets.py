"""arcrtc.audio with RTP packets: loss, in-band FEC, what a receiver makes of it."""
from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from arcrtc.audio import AudioConfig, AudioFrame, AudioPipeline, align, overlap, segmental_snr
from arcrtc.errors import ArgumentError, CodecError
from arcrtc.rtp import RtpHeader, RtpPacket
from tests.model.speech import SPEECH_RATE, blocks, speech


def sent(config: AudioConfig, sequence_number: int = 65_530, timestamp: int = 2**32 - 100) -> list[RtpPacket]:
    """The speech sample as packets; sequence numbers and time stamps wrap early."""
    pipeline, packets = AudioPipeline(config), []
    for i, block in enumerate(blocks(speech(), 320)):
        encoded = pipeline.encode(AudioFrame(samples=block, sample_rate=SPEECH_RATE))
        packets.append(pipeline.create_rtp_packet(
            encoded, sequence_number=(sequence_number + i) % 2**16, timestamp=(timestamp + 960 * i) % 2**32,
            ssrc=12345, payload_type=96, marker=i == 0))
    return packets


def received(packets: list[RtpPacket], lost: NDArray[np.bool_], fec: bool) -> NDArray[np.float32]:
    """What a receiver plays: FEC where the next packet is there, else concealment."""
    pipeline, out = AudioPipeline(), []
    for i, packet in enumerate(packets):
        if not lost[i]:
            frame = pipeline.extract_audio_frame(packet)
        elif fec and i + 1 < len(packets) and not lost[i + 1]:
            frame = pipeline.extract_audio_frame(packets[i + 1], recover_lost=True)
        else:
            frame = pipeline.conceal()
        assert frame.timestamp == packet.header.timestamp
        out.append(frame.samples)
    return np.concatenate(out).astype(np.float32)


def losses(n: int, rate: float, seed: int) -> NDArray[np.bool_]:
    lost = np.random.default_rng(seed).random(n) < rate
    lost[:5] = False
    return lost


def test_packet_carries_the_encoded_frame() -> None:
    pipeline = AudioPipeline.voip_optimized()
    frame = AudioFrame(samples=speech()[3200:3520], sample_rate=16000, channels=1, timestamp=1000)
    encoded = pipeline.encode(frame)
    packet = pipeline.create_rtp_packet(encoded, sequence_number=1, timestamp=1000, ssrc=12345,
                                        payload_type=96, marker=False)
    assert bytes(packet.payload) == encoded
    header = packet.header
    assert (header.sequence_number, header.timestamp, header.ssrc, header.payload_type, header.marker) == (
        1, 1000, 12345, 96, False)
    out = pipeline.extract_audio_frame(packet)
    assert (out.n_samples, out.sample_rate, out.channels, out.timestamp) == (320, 16000, 1, 1000)


def test_packet_of_nothing_is_refused() -> None:
    with pytest.raises(ArgumentError, match="DTX"):
        AudioPipeline().create_rtp_packet(b"", sequence_number=1, timestamp=0, ssrc=1, payload_type=96)


def test_damaged_payload_raises_with_and_without_recovery() -> None:
    pipeline = AudioPipeline()
    header = RtpHeader(sequence_number=1, timestamp=0, ssrc=1, payload_type=96, marker=False)
    packet = RtpPacket(header=header, payload=b"\xff")
    for recover in (False, True):
        with pytest.raises(CodecError, match="1 bytes"):
            pipeline.extract_audio_frame(packet, recover_lost=recover)
    assert pipeline.stats().damaged_packets == 2


def test_recovery_gives_the_lost_frame_and_then_the_packets_own() -> None:
    packets, pipeline, whole = sent(AudioConfig(dtx=False)), AudioPipeline(), AudioPipeline()
    for packet in packets[:100]:
        pipeline.extract_audio_frame(packet)
        whole.extract_audio_frame(packet)
    lost = pipeline.extract_audio_frame(packets[101], recover_lost=True)
    true = whole.extract_audio_frame(packets[100])
    assert (lost.timestamp, lost.n_samples, lost.concealed) == (packets[100].header.timestamp, 320, False)
    assert np.corrcoef(lost.samples, true.samples)[0, 1] > 0.8
    own = pipeline.extract_audio_frame(packets[101])
    assert own.timestamp == packets[101].header.timestamp
    assert np.corrcoef(own.samples, whole.extract_audio_frame(packets[101]).samples)[0, 1] > 0.8
    assert (pipeline.stats().recovered_frames, pipeline.stats().concealed_frames) == (1, 0)


def test_recovery_without_fec_conceals() -> None:
    packets, pipeline = sent(AudioConfig(dtx=False, fec=False)), AudioPipeline()
    for packet in packets[:100]:
        pipeline.extract_audio_frame(packet)
    frame = pipeline.extract_audio_frame(packets[101], recover_lost=True)
    assert frame.concealed
    assert frame.timestamp == packets[100].header.timestamp
    assert (pipeline.stats().recovered_frames, pipeline.stats().concealed_frames) == (0, 1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ten_percent_loss_with_fec_is_clearly_nearer_than_concealment(seed: int) -> None:
    packets = sent(AudioConfig(dtx=False, expected_loss_pct=10))
    lost = losses(len(packets), 0.10, seed)
    assert lost.sum() > 15
    whole, with_fec, concealed = (received(packets, which, fec) for which, fec in (
        (np.zeros_like(lost), True), (lost, True), (lost, False)))
    score = {}
    for name, out in (("whole", whole), ("fec", with_fec), ("plc", concealed)):
        found = align(speech(), out, SPEECH_RATE)
        assert found.offset_ms == pytest.approx(6.5, abs=0.3)
        score[name] = found.correlation
    # FEC wins back most of what the loss took.
    assert score["whole"] - score["plc"] > 0.02
    assert score["fec"] > score["plc"] + 0.6 * (score["whole"] - score["plc"])
    # Against what was sent, where it was lost.
    mask = np.repeat(lost, 320)
    noise = [float(np.sum((out[mask] - whole[mask]) ** 2)) for out in (with_fec, concealed)]
    assert noise[0] < 0.5 * noise[1]
    assert segmental_snr(*overlap(whole, with_fec, SPEECH_RATE, 0), SPEECH_RATE) > \
        segmental_snr(*overlap(whole, concealed, SPEECH_RATE, 0), SPEECH_RATE)
