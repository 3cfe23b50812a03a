"""Telephony with FFmpeg and GStreamer: their packets through a session, ours through their programs."""
from __future__ import annotations

import shutil
import socket
import subprocess
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arcrtc import AudioFrame
from arcrtc.session import Session, SessionConfig

RATES = {"pcmu": ("pcm_mulaw", 8000, 0), "pcma": ("pcm_alaw", 8000, 8), "g722": ("g722", 16_000, 9)}


def pitch_hz(pcm: NDArray[Any], rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum) * rate / len(pcm))


def received_from(command: list[str], port: socket.socket) -> list[tuple[int, bytes]]:
    """(microseconds, datagram) of all that a program sends."""
    port.settimeout(2)
    got: list[tuple[int, bytes]] = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        try:
            while True:
                datagram = port.recv(2048)
                got.append((20_000 * len(got), datagram))
        except TimeoutError:
            pass
        assert program.wait(20) == 0
    return got


@pytest.mark.parametrize("codec", RATES)
def test_what_ffmpeg_sends_is_heard(codec: str) -> None:
    encoder, rate, payload_type = RATES[codec]
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port.bind(("127.0.0.1", 0))
    to = f"rtp://127.0.0.1:{port.getsockname()[1]}?pkt_size=172"
    datagrams = received_from(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"sine=440:duration=2:sample_rate={rate}", "-c:a", encoder,
         "-payload_type", str(payload_type), "-f", "rtp", to], port)
    port.close()
    session = Session(SessionConfig(seed=1, nack=False), now_us=0)
    session.receive_audio(codec=codec)
    heard = []
    for now_us, datagram in datagrams:
        session.receive(datagram, now_us)
        heard += [f.frame.samples for f in session.frames(now_us)]
    pcm = np.concatenate(heard).astype(float)
    assert len(pcm) > 1.5 * rate
    assert abs(pitch_hz(pcm[rate // 2:3 * rate // 2], rate) - 440) < 6  # play-out may be a little slower or quicker
    assert session.stats().receive[0]["media"]["codec_errors"] == 0


@pytest.mark.parametrize("codec", RATES)
def test_what_is_sent_ffmpeg_decodes(codec: str) -> None:
    encoder, rate, payload_type = RATES[codec]
    session = Session(SessionConfig(seed=1, nack=False), now_us=0)
    sender = session.send_audio(codec=codec)
    payloads = b""
    for i in range(100):
        t = (np.arange(rate // 50) + i * rate // 50) / rate
        samples = (8000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
        sender.send(AudioFrame(samples=samples, sample_rate=rate, channels=1), capture_us=20_000 * i,
                    now_us=20_000 * i)
        while (datagram := session.poll_transmit(20_000 * i)) is not None:
            if datagram[1] & 0x7F == payload_type:
                payloads += datagram[12:]
    raw = {"pcm_mulaw": "mulaw", "pcm_alaw": "alaw", "g722": "g722"}[encoder]
    source = ["-f", raw] + ([] if raw == "g722" else ["-ar", str(rate), "-ac", "1"])
    done = subprocess.run(["ffmpeg", "-v", "error", *source, "-i", "-", "-f", "s16le", "-"], input=payloads,
                          stdout=subprocess.PIPE, check=True, timeout=30)
    pcm = np.frombuffer(done.stdout, dtype="<i2").astype(float)
    assert len(pcm) == 2 * rate
    assert abs(pitch_hz(pcm, rate) - 440) < 2


def test_keys_that_gstreamer_takes_apart() -> None:
    """rtpdtmfdepay makes the tones of the keys that we send: 697 and 1336 Hz are a 2."""
    gst = shutil.which("gst-launch-1.0")
    assert gst is not None, "GStreamer is needed: sudo apt-get install gstreamer1.0-tools gstreamer1.0-plugins-bad"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.bind(("127.0.0.1", 0))
        number = port.getsockname()[1]
    caps = "application/x-rtp,media=audio,clock-rate=8000,encoding-name=TELEPHONE-EVENT,payload=101"
    command = [gst, "-q", "udpsrc", f"port={number}", "num-buffers=9", f"caps={caps}", "!", "rtpdtmfdepay", "!",
               "filesink", "location=/dev/stdout", "buffer-mode=unbuffered"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program, socket.socket(
            socket.AF_INET, socket.SOCK_DGRAM) as out:
        assert program.stdout is not None
        session = Session(SessionConfig(seed=1, nack=False), now_us=0)
        sender = session.send_audio(codec="pcmu", dtmf_payload_type=101)
        sender.send_dtmf("2", duration_ms=300)
        packets = []
        for now_us in range(0, 600_000, 10_000):
            while (datagram := session.poll_transmit(now_us)) is not None:
                if datagram[1] & 0x7F == 101:
                    packets.append(datagram)
        assert len(packets) == 9
        time.sleep(1.5)  # until it listens
        for datagram in packets:
            out.sendto(datagram, ("127.0.0.1", number))
            time.sleep(0.05)
        pcm = np.frombuffer(program.stdout.read(), dtype="<i2").astype(float)
        program.wait(10)
    assert len(pcm) >= 8000 * 0.25
    spectrum = np.abs(np.fft.rfft(pcm[:2000] * np.hanning(2000)))
    top = sorted(np.argsort(spectrum)[::-1][:2] * 4)
    assert abs(top[0] - 697) <= 8
    assert abs(top[1] - 1336) <= 8
