"""How Opus is coded: by what the peer's description says, and changed while the call goes on."""
from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from arcrtc import AudioFrame, Session, SessionConfig
from arcrtc.audio import OpusParameters
from arcrtc.cli.probes import probe_opus
from arcrtc.errors import ArgumentError, ConfigError, UnsupportedError
from arcrtc.rtp import RtpPacket
from arcrtc.sdp import MediaDescription, SessionDescription
from arcrtc.session import AudioSender

RATE = 48_000


def _voiced(start: int, n: int, channels: int) -> AudioFrame:
    """A vowel: a pulse train of 120 Hz, louder and softer three times a second."""
    t = (start + np.arange(n)) / RATE
    mono = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20)) * (0.1 + 0.05 * np.sin(20 * t))
    samples = np.repeat(mono.astype(np.float32)[:, None], channels, axis=1)
    return AudioFrame(samples, RATE, channels)


class _Line:
    """A sender whose packets are looked at, and a receiver that plays them; in virtual time, nothing is lost."""

    def __init__(self, **settings: object) -> None:
        config = SessionConfig(seed=1, min_latency_ms=150, initial_latency_ms=150)  # longer than the longest packet
        self.a, self.b = (Session(config, now_us=0) for _ in range(2))
        self.sender: AudioSender = self.a.send_audio(**settings)  # type: ignore[arg-type]
        self.receiver = self.b.receive_audio()
        self.now_us = 0
        self.packets: list[RtpPacket] = []

    def talk(self, ms: int) -> list[RtpPacket]:
        """Send so much; the packets of it."""
        before = len(self.packets)
        for _ in range(ms // 10):
            start = self.now_us * RATE // 1_000_000
            self.sender.send(_voiced(start, RATE // 100, self.sender.channels), capture_us=self.now_us,
                             now_us=self.now_us)
            self.now_us += 10_000
            while (datagram := self.a.poll_transmit(self.now_us)) is not None:
                if not 64 <= datagram[1] & 0x7F < 96:
                    self.packets.append(RtpPacket.parse(datagram))
                self.b.receive(datagram, self.now_us)
            list(self.b.frames(self.now_us))
        return self.packets[before:]


def _ticks(packets: list[RtpPacket]) -> set[int]:
    stamps = [p.header.timestamp for p in packets]
    return {(after - before) % 2**32 for before, after in pairwise(stamps)}


def _toc(packet: RtpPacket) -> tuple[int, bool]:
    """Configuration number and the stereo bit (RFC 6716 section 3.1)."""
    return packet.payload[0] >> 3, bool(packet.payload[0] & 4)


@pytest.mark.parametrize("ms", [2.5, 5, 10, 20, 40, 60, 80, 100, 120])
def test_opus_frame_length_changed_in_mid_call_is_heard_without_a_hole(ms: float) -> None:
    line = _Line(bitrate=32_000)
    line.talk(480)
    assert line.sender.set_opus(frame_size_ms=ms).frame_size_ms == ms
    line.talk(120)
    assert _ticks(line.talk(720)) == {int(48 * ms)}
    line.sender.set_opus(frame_size_ms=20)
    line.talk(120)
    assert _ticks(line.talk(240)) == {960}
    media = line.receiver.stats()["media"]
    assert media["codec_errors"] == 0
    assert media["concealed_samples"] == 0


def test_opus_settings_changed_show_in_the_packets() -> None:
    line = _Line(bitrate=64_000, channels=2, application="lowdelay", coded_channels=2)
    assert all(config >= 24 and stereo for config, stereo in map(_toc, line.talk(200)))  # CELT, 12 kHz or 20 (table 2)
    line.sender.set_opus(max_bandwidth="wb", coded_channels=1)
    line.talk(60)
    assert {stereo for _, stereo in map(_toc, line.talk(200))} == {False}
    # SILK wideband 8..11, CELT wideband 20..23 (RFC 6716 table 2)
    assert {config for config, _ in map(_toc, line.talk(200))} <= {8, 9, 10, 11, 20, 21, 22, 23}
    line.sender.set_opus(vbr=False)
    line.talk(40)
    assert len({len(p.payload) for p in line.talk(400)}) == 1
    line.sender.set_opus(vbr=True, vbr_free=True, bitrate=20_000)
    line.talk(40)
    assert len({len(p.payload) for p in line.talk(400)}) > 3


def test_opus_bitrate_below_what_short_packets_need_is_raised() -> None:
    line = _Line(bitrate=6000, frame_size_ms=20)
    assert line.sender.set_opus(frame_size_ms=2.5).bitrate == 9600
    line.sender.set_bitrate(6000)
    line.talk(200)
    media = line.sender.stats()["media"]
    assert (media["target_bps"], media["codec_errors"]) == (9600, 0)


def test_opus_expected_loss_takes_its_share_from_the_frames() -> None:
    line = _Line(bitrate=40_000, sample_rate=48_000, fec=True, expected_loss_pct=0, max_bandwidth="wb")
    line.talk(400)
    before = sum(map(len, (p.payload for p in line.talk(400))))
    line.sender.set_opus(expected_loss_pct=30, max_bandwidth="wb")
    line.talk(100)
    assert sum(map(len, (p.payload for p in line.talk(400)))) != before


def test_opus_description_of_the_peer_decides_how_it_is_coded() -> None:
    text = SessionDescription((MediaDescription(
        "audio", 5004, 111, "opus", 48_000, 2, max_ptime_ms=40, ptime_ms=40,
        fmtp=OpusParameters(max_playback_rate=16_000, cbr=True, fec=True, max_average_bitrate=20_000).to_fmtp()),)
        ).to_text()
    likes = SessionDescription.parse(text).media[0].opus
    line = _Line(bitrate=64_000, channels=2, dtx=True, parameters=likes)
    used = line.sender.opus
    assert used is not None
    assert (used.frame_size_ms, used.bitrate, used.max_bandwidth) == (40, 20_000, "wb")
    assert (used.coded_channels, used.vbr, used.fec, used.dtx) == (1, False, True, False)
    line.talk(160)
    packets = line.talk(800)
    assert _ticks(packets) == {1920}
    assert {len(p.payload) for p in packets} == {100}  # 20 kb/s, 25 packets a second
    assert not any(stereo for _, stereo in map(_toc, packets))

    again = line.sender.set_opus(parameters=OpusParameters(stereo=True, dtx=True))  # a new offer: it likes more
    assert (again.bitrate, again.max_bandwidth, again.coded_channels) == (64_000, "fb", 0)
    assert (again.vbr, again.fec, again.dtx, again.frame_size_ms) == (True, False, True, 20)
    line.sender.set_opus(parameters=OpusParameters(max_average_bitrate=16_000))
    line.sender.set_bitrate(48_000)
    line.talk(100)
    assert line.sender.stats()["media"]["target_bps"] == 16_000


def test_opus_description_of_another_codec_has_no_parameters() -> None:
    assert MediaDescription("audio", 5004, 0, "pcmu", 8000).opus is None
    said = OpusParameters.for_receiver(sample_rate=16_000, channels=2, cbr=True)
    assert said.to_fmtp() == {"maxplaybackrate": "16000", "stereo": "1", "cbr": "1", "useinbandfec": "1",
                              "usedtx": "1"}


def test_opus_settings_out_of_range_change_nothing() -> None:
    line = _Line()
    before = line.sender.opus
    for wrong in ({"complexity": 11}, {"max_bandwidth": "hifi"}, {"coded_channels": 2}, {"frame_size_ms": 30},
                  {"dred_ms": 15}, {"dred_ms": 1050}, {"application": "music"}, {"bitrate": 5999},
                  {"expected_loss_pct": 101}, {"vbr": 1}):
        with pytest.raises(ConfigError):
            line.sender.set_opus(**wrong)  # type: ignore[arg-type]
    assert line.sender.opus == before
    with pytest.raises(ArgumentError, match="not Opus"):
        line.a.send_audio(codec="pcmu").set_opus(complexity=5)
    assert line.a.senders[-1].opus is None  # type: ignore[union-attr]


def test_opus_dred_is_sent_or_refused_with_the_reason() -> None:
    session = Session(SessionConfig(seed=1), now_us=0)
    if probe_opus().dred:
        sender = session.send_audio(dred_ms=500)
        assert sender.dred_ms == 500
        sender.set_opus(dred_ms=0)
    else:
        with pytest.raises(UnsupportedError, match="codes no DRED"):
            session.send_audio(dred_ms=500)
        sender = session.send_audio()  # the refusal has taken nothing
        with pytest.raises(UnsupportedError, match=r"libopus [\d.]+.* no DRED"):
            sender.set_opus(dred_ms=100)
    assert sender.dred_ms == 0
