"""Keys pressed in a session, over bad networks, in virtual time; and audio of other codecs on its way."""
from __future__ import annotations

import itertools

import numpy as np
import pytest

from arcrtc import AudioFrame
from arcrtc.errors import ArgumentError, BackpressureError, ConfigError
from arcrtc.rtp import RtpPacket
from arcrtc.session import Event, EventType, Session, SessionConfig

STEP_US = 10_000


def tone(rate: int, start: int, ms: int = 10) -> AudioFrame:
    n = rate * ms // 1000
    samples = 8000 * np.sin(2 * np.pi * 440 * (start + np.arange(n)) / rate)
    return AudioFrame(samples=samples.astype(np.int16), sample_rate=rate, channels=1, timestamp=0)


def drive(a: Session, b: Session, seconds: float, *, loss: float = 0.0, seed: int = 1, speak: bool = True,
          start_us: int = 0) -> tuple[list[bytes], list[Event]]:
    """Run both; what a sent and what b was told."""
    rng = np.random.default_rng(seed)
    sent, told, late = [], [], []
    sender = a.senders[0]
    for step in range(int(seconds * 100)):
        now_us = start_us + step * STEP_US
        if speak:
            sender.send(tone(sender.sample_rate, step * sender.sample_rate // 100), capture_us=now_us, now_us=now_us)
        while (datagram := a.poll_transmit(now_us)) is not None:
            sent.append(datagram)
            if rng.random() >= loss:
                late.append((now_us + int(rng.uniform(0, 25_000)), next(_order), datagram))
        for item in sorted(late):
            if item[0] <= now_us:
                late.remove(item)
                b.receive(item[2], now_us)
        while b.poll_transmit(now_us) is not None:
            pass
        while (event := b.poll_event()) is not None:
            told.append(event)
    return sent, told


_order = itertools.count()


def pair(codec: str = "opus", **fields: int | None) -> tuple[Session, Session]:
    a, b = (Session(SessionConfig(seed=i, nack=False), now_us=0) for i in (1, 2))
    a.send_audio(codec=codec, dtmf_payload_type=101)
    b.receive_audio(dtmf_payload_type=101)
    return a, b


@pytest.mark.parametrize("loss", [0.0, 0.2])
@pytest.mark.parametrize("speak", [True, False])
def test_keys_arrive_once_and_in_order(loss: float, speak: bool) -> None:
    a, b = pair()
    drive(a, b, 0.5)
    a.senders[0].send_dtmf("123#", duration_ms=120, gap_ms=80)
    _, told = drive(a, b, 1.5, loss=loss, speak=speak, start_us=500_000)
    keys = [(e.type, e.key) for e in told if e.type in (EventType.DTMF, EventType.DTMF_END)]
    assert keys == [(kind, key) for key in "123#" for kind in (EventType.DTMF, EventType.DTMF_END)]
    lengths = [e.duration_ms for e in told if e.type is EventType.DTMF_END]
    assert all(n is not None and n <= 120 for n in lengths)
    if loss == 0:
        assert lengths == [120] * 4
    assert all(e.stream == 0 for e in told if e.key)
    assert b.stats().session["drops"]["malformed"] == 0


def test_events_take_the_place_of_sound_and_stand_on_its_clock() -> None:
    a, b = pair()
    first, _ = drive(a, b, 0.5)
    a.senders[0].send_dtmf("5", duration_ms=200)
    sent, _ = drive(a, b, 1.0, start_us=500_000)
    packets = [RtpPacket.parse(d) for d in sent if 192 > d[1] & 0x7F != 72 and not 200 <= d[1] <= 207]
    events = [p for p in packets if p.header.payload_type == 101]
    sound = [p for p in packets if p.header.payload_type == 111]
    assert len(events) == 7
    assert [p.header.marker for p in events] == [True] + [False] * 6
    assert len({p.header.timestamp for p in events}) == 1
    numbers = [p.header.sequence_number for p in packets]
    assert all((y - x) % 2**16 == 1 for x, y in itertools.pairwise(numbers))
    before = RtpPacket.parse([d for d in first if not 200 <= d[1] <= 207][-1])
    start = (events[0].header.timestamp - before.header.timestamp) % 2**32
    assert start <= 48 * 40
    later = [(p.header.timestamp - events[0].header.timestamp) % 2**32 for p in sound]
    assert not [t for t in later if 48 * 20 < t < 48 * 180]  # silent while the key is pressed
    resumed = next(p for p in sound if 48 * 180 <= (p.header.timestamp - events[0].header.timestamp) % 2**32 < 2**31)
    assert resumed.header.marker


def test_a_long_key_is_one_event() -> None:
    a, b = pair()
    drive(a, b, 0.2)
    a.senders[0].send_dtmf("*", duration_ms=4000)
    _, told = drive(a, b, 4.8, loss=0.1, start_us=200_000)
    assert [(e.type, e.key) for e in told if e.key] == [(EventType.DTMF, "*"), (EventType.DTMF_END, "*")]
    assert told[-1].duration_ms == 4000


def test_a_key_that_is_never_let_go_lapses() -> None:
    a, b = pair()
    drive(a, b, 0.2)
    a.senders[0].send_dtmf("7", duration_ms=60_000)
    drive(a, b, 0.3, start_us=200_000)
    assert b.next_timeout_us() <= 700_000
    _, told = drive(a, b, 0.5, loss=1.0, start_us=500_000)
    assert [(e.type, e.key) for e in told if e.key] == [(EventType.DTMF_END, "7")]


def test_send_dtmf_refuses_what_it_cannot_send() -> None:
    a, _ = pair()
    sender = a.senders[0]
    for keys in ("", "12x", "é"):
        with pytest.raises(ArgumentError, match="0123456789"):
            sender.send_dtmf(keys)
    with pytest.raises(ConfigError, match="duration_ms"):
        sender.send_dtmf("1", duration_ms=10)
    sender.send_dtmf("1" * 64)
    with pytest.raises(BackpressureError):
        sender.send_dtmf("1")
    plain = Session(SessionConfig(seed=1), now_us=0).send_audio()
    with pytest.raises(ArgumentError, match="dtmf_payload_type"):
        plain.send_dtmf("1")


def test_other_codecs_go_out_as_rfc_3551_says() -> None:
    for codec, pt, rate, step, size in (("pcmu", 0, 8000, 160, 160), ("pcma", 8, 8000, 160, 160),
                                        ("g722", 9, 16_000, 160, 160), ("l16", 112, 16_000, 320, 640)):
        a, b = Session(SessionConfig(seed=1, nack=False), now_us=0), Session(SessionConfig(seed=2), now_us=0)
        a.send_audio(codec=codec, sample_rate=rate)
        sent, _ = drive(a, b, 0.5)
        packets = [RtpPacket.parse(d) for d in sent if not 200 <= d[1] <= 207]
        assert {p.header.payload_type for p in packets} == {pt}
        assert {len(p.payload) for p in packets} == {size}
        stamps = [p.header.timestamp for p in packets]
        assert {(y - x) % 2**32 for x, y in itertools.pairwise(stamps)} == {step}
        assert a.senders[0].encoder == codec
        assert [p.header.marker for p in packets] == [True] + [False] * (len(packets) - 1)


def test_silence_of_pcmu_goes_out_as_comfort_noise() -> None:
    a = Session(SessionConfig(seed=1, nack=False), now_us=0)
    sender = a.send_audio(codec="pcmu", dtx=True)
    packets = []
    for step in range(300):
        now_us = step * STEP_US
        quiet = 100 <= step < 200
        frame = tone(8000, step * 80)
        if quiet:
            frame = AudioFrame(samples=np.zeros(80, dtype=np.int16), sample_rate=8000, channels=1, timestamp=0)
        sender.send(frame, capture_us=now_us, now_us=now_us)
        while (datagram := a.poll_transmit(now_us)) is not None:
            if not 200 <= datagram[1] <= 207:
                packets.append((step, RtpPacket.parse(datagram)))
    noise = [(step, p) for step, p in packets if p.header.payload_type == 13]
    assert 1 <= len(noise) <= 4
    assert all(115 <= step < 205 for step, _ in noise)
    assert not any(p.header.marker for _, p in noise)
    assert next(p for step, p in packets if step > noise[-1][0]).header.marker
    assert sender.stats()["media"]["frames_silent"] == 40  # of 50; the hangover takes ten


def test_l16_that_fits_no_datagram_is_refused() -> None:
    a = Session(SessionConfig(seed=1), now_us=0)
    with pytest.raises(ConfigError, match="longer than a datagram"):
        a.send_audio(codec="l16", sample_rate=48_000, channels=2, frame_size_ms=20)
    a.send_audio(codec="l16", sample_rate=48_000, channels=2, frame_size_ms=5)


@pytest.mark.parametrize(("codec", "rate"), [("pcmu", 8000), ("pcma", 8000), ("g722", 16_000), ("l16", 16_000),
                                             ("opus", 48_000)])
def test_every_codec_is_heard_through_a_session(codec: str, rate: int) -> None:
    """A tone of 440 Hz; and what PCMU and PCMA do not send is silence, not loss."""
    a, b = (Session(SessionConfig(seed=i, nack=False), now_us=0) for i in (1, 2))
    sender = a.send_audio(codec=codec, sample_rate=rate, dtx=True)
    b.receive_audio(codec=codec, sample_rate=rate)
    heard = []
    for step in range(400):
        now_us = step * STEP_US
        quiet = AudioFrame(samples=np.zeros(rate // 100, dtype=np.int16), sample_rate=rate, channels=1)
        sender.send(quiet if 150 <= step < 300 else tone(rate, step * rate // 100), capture_us=now_us, now_us=now_us)
        while (datagram := a.poll_transmit(now_us)) is not None:
            b.receive(datagram, now_us)
        heard += [f.frame.samples for f in b.frames(now_us)]
    pcm = np.concatenate(heard).astype(float)
    assert len(pcm) > 3.7 * rate
    for at_s in (0.5, 3.6):
        part = pcm[int(at_s * rate):int((at_s + 0.25) * rate)]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        assert abs(np.argmax(spectrum) * rate / len(part) - 440) < 8
        assert 10 * np.log10(np.mean(part ** 2) / (8000 ** 2 / 2)) == pytest.approx(0, abs=1.5)
    media = b.stats().receive[0]["media"]
    assert media["codec_errors"] == 0
    assert media["concealed_samples"] < 0.02 * len(pcm)
