"""What two listeners hear of a session in virtual time: a machine, and a person at another rate."""
from __future__ import annotations

import numpy as np
import pytest

from arcrtc import AudioFrame, Session, SessionConfig
from arcrtc.errors import ConfigError
from arcrtc.events import Concealment, ReceivedFrame
from arcrtc.session import Receiver

MS, RATE, FRAME = 1000, 8000, 160
LOST = {60, 61, 62, 100, 151}


def telephone(sample_rate: int, profile: str) -> tuple[list[ReceivedFrame], Receiver, Session]:
    """Four seconds of a tone as PCMU, without the packets LOST; what is heard of it."""
    a, b = (Session(SessionConfig(seed=seed, nack=False), now_us=0) for seed in (1, 2))
    sender = a.send_audio(codec="pcmu", sample_rate=RATE)
    receiver = b.receive_audio(codec="pcmu", sample_rate=sample_rate, profile=profile)
    tone = (8000 * np.sin(2 * np.pi * 440 / RATE * np.arange(200 * FRAME))).astype(np.int16)
    heard: list[ReceivedFrame] = []
    sent = 0
    for i in range(220):
        now = 20 * MS * i
        if i < 200:
            sender.send(AudioFrame(samples=tone[i * FRAME:(i + 1) * FRAME], sample_rate=RATE), now_us=now)
        while (datagram := a.poll_transmit(now)) is not None:
            is_media = not 192 <= datagram[1] <= 223
            if not is_media or sent not in LOST:
                b.receive(datagram, now)
            sent += is_media
        heard.extend(b.frames(now))
    return heard, receiver, b


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
def test_sim_listening_recognition_marks_every_gap_at_its_true_length(rate: int) -> None:
    heard, _, session = telephone(rate, "recognition")
    at = heard[0].rtp_timestamp
    for got in heard:  # every sample of media time once, in order
        assert got.rtp_timestamp == at % 2**32
        at += len(got.frame.samples) * RATE // rate
        assert got.frame.sample_rate == rate
    gaps = [got for got in heard if got.concealment is Concealment.GAP]
    assert sum(len(got.frame.samples) for got in gaps) == len(LOST) * FRAME * rate // RATE
    assert {got.concealment for got in heard} == {Concealment.DECODED, Concealment.GAP}
    media = session.stats().receive[0]["media"]
    assert media["gaps"] == 3
    assert media["longest_gap_ms"] == 60
    assert media["inserted_samples"] == media["skipped_samples"] == 0


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
def test_sim_listening_telephony_is_heard_at_the_rate_asked_for(rate: int) -> None:
    heard, _, _ = telephone(rate, "conversation")
    assert {len(got.frame.samples) for got in heard} == {rate // 100}
    pcm = np.concatenate([got.frame.samples for got in heard[20:100]]).astype(float)  # before the first loss
    power = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)))) ** 2
    hz = np.fft.rfftfreq(len(pcm), 1 / rate)
    assert power[np.abs(hz - 440) < 10].sum() > 0.99 * power.sum()
    assert np.sqrt(np.mean(pcm ** 2)) == pytest.approx(8000 / np.sqrt(2), rel=0.02)


def test_sim_listening_refuses_an_unknown_profile() -> None:
    with pytest.raises(ConfigError, match="profile"):
        Session(now_us=0).receive_audio(profile="dictation")
