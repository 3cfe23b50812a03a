"""Copies of past frames (RFC 2198), with GStreamer at the other end."""
from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from arcrtc import AudioFrame, RtpPacket, Session, SessionConfig
from arcrtc.redundancy import RedConfig
from tests.model import red as model

RED, OPUS, MS = 63, 111, 1000


def gstreamer(*chain: str) -> None:
    assert shutil.which("gst-launch-1.0"), "this test needs GStreamer (ci/packages.txt)"
    subprocess.run(["gst-launch-1.0", "-q", *" ! ".join(chain).split()], check=True, timeout=60, capture_output=True)


def framed(datagrams: list[bytes]) -> bytes:
    """RFC 4571: a length in front of each."""
    return b"".join(len(d).to_bytes(2, "big") + d for d in datagrams)


def unframed(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at:at + 2], "big")
        yield data[at + 2:end]
        at = end


def test_gstreamer_rtpredenc_is_understood_and_its_copies_stand_in(tmp_path: Path) -> None:
    file = tmp_path / "stream"
    gstreamer("audiotestsrc num-buffers=60 samplesperbuffer=960 freq=300", "audio/x-raw,rate=48000,channels=1",
              "opusenc frame-size=20", f"rtpopuspay pt={OPUS}",
              f"rtpredenc pt={RED} distance=2 allow-no-red-blocks=true", "rtpstreampay", f"filesink location={file}")
    session = Session(SessionConfig(seed=1, nack=False, adaptive=False, min_latency_ms=80, initial_latency_ms=80),
                      now_us=0)
    session.receive_audio(red_payload_type=RED)
    heard = []
    # The second packet's time is less than a frame after the first's: opusenc leaves out what it must skip.
    for i, datagram in enumerate(list(unframed(file.read_bytes()))[2:]):
        if not (i % 10 in (5, 6) and i < 50):  # pairs of losses, which distance 2 brings back
            session.receive(datagram, 20 * MS * i)
        heard += session.frames(20 * MS * i)
    received = session.stats().receive[0]
    assert received["media"]["copy_samples"] == 10 * 960
    assert received["media"]["concealed_samples"] == 0
    assert received["network"]["copies_other_type"] == received["network"]["copies_malformed"] == 0
    assert len(heard) > 50


def test_gstreamer_rtpreddec_finds_our_frames_and_copies(tmp_path: Path) -> None:
    session, sent = Session(SessionConfig(seed=1, nack=False), now_us=0), []
    sender = session.send_audio(fec=False, payload_type=OPUS, red=RedConfig(distances=(1, 3), max_overhead_pct=300))
    sound = (8000 * np.sin(2 * np.pi * 300 * np.arange(50 * 960) / 48_000)).astype(np.int16)
    for i in range(50):
        sender.send(AudioFrame(samples=sound[960 * i:960 * (i + 1)], sample_rate=48_000), now_us=20 * MS * i)
        while (datagram := session.poll_transmit(20 * MS * i)) is not None:
            if RtpPacket.parse(datagram).header.payload_type in (RED, OPUS):
                sent.append(datagram)
    (tmp_path / "in").write_bytes(framed([d for i, d in enumerate(sent) if i not in (20, 30, 31)]))
    gstreamer(f"filesrc location={tmp_path / 'in'}",
              f"application/x-rtp-stream,media=audio,clock-rate=48000,encoding-name=OPUS,payload={OPUS}",
              "rtpstreamdepay", f"rtpreddec pt={RED}", "rtpstreampay", f"filesink location={tmp_path / 'out'}")
    found = {}
    for packet in map(RtpPacket.parse, unframed((tmp_path / "out").read_bytes())):
        assert packet.header.payload_type == OPUS
        found[packet.header.timestamp] = bytes(packet.payload)
    expected = {}
    for packet in map(RtpPacket.parse, sent):
        blocks = model.parse(bytes(packet.payload)) if packet.header.payload_type == RED else []
        assert not isinstance(blocks, str)
        expected[packet.header.timestamp] = blocks[-1].data if blocks else bytes(packet.payload)
    assert found == expected  # the three that did not come as well
