"""A whole call on a bad network, recorded on the wire in plain RTP, as tshark dissects it."""
from __future__ import annotations

import subprocess
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from arcrtc.audio.frame import AudioFrame
from arcrtc.rtcp import RtcpPacket
from arcrtc.rtp import RtpPacket
from arcrtc.session import Session, SessionConfig
from arcrtc.sim import LinkConfig, NetworkPlan, World, read_capture
from arcrtc.video.frame import VideoFrame

SECONDS = 9
AUDIO, VIDEO, RTX = "111", "97", "98"
FIELDS = ("rtp.ssrc", "rtp.seq", "rtp.p_type", "rtp.marker", "rtp.timestamp", "rtp.payload", "rtcp.pt",
          "rtcp.rtpfb.fmt", "rtcp.psfb.fmt", "rtcp.rtpfb.nack_pid", "rtcp.length_check", "rtcp.sdes.text", "rtcp.xr.bt")
COMPLAINTS = ("_ws.malformed", "_ws.expert.message")
SR, RR, SDES, BYE, RTPFB, PSFB, XR = "200", "201", "202", "203", "205", "206", "207"
Row = dict[str, str]


def picture(i: int) -> VideoFrame:
    x, y = np.arange(320)[None, :] + 5 * i, np.arange(180)[:, None] + i
    planes = np.full((270, 320), 128, np.uint8)
    planes[:180] = (128 + 60 * np.sin(x / 9.0) + 50 * np.cos((x + y) / 17.0)).astype(np.uint8)
    return VideoFrame(planes, 320, 180, 0, "yuv420p")


def hold_call(capture: Path) -> tuple[Session, Session]:
    """One-way call over a link that loses 4 %, and all for a while: so that a key frame is asked for."""
    a, b = (Session(SessionConfig(seed=seed, cname=name), now_us=0) for seed, name in ((1, "alice"), (2, "bob")))
    plan = NetworkPlan(LinkConfig(delay_ms=20, loss_rate=0.04, outages=((4.0, 2.0),)), LinkConfig(delay_ms=20))
    speech, camera = a.send_audio(), a.send_video(resolution=(320, 180), frame_rate=25, encoder="libx264", threads=1,
                                                  bitrate=800_000)
    b.receive_audio()
    b.receive_video()
    with World(seed=5) as world:
        world.connect(a, b, plan)
        world.capture(capture, sent=True)
        world.on_turn(b, lambda now_us: list(b.frames(now_us)))
        tone = (8000 * np.sin(np.arange(48_000 * SECONDS) * 0.05)).astype(np.int16)

        def speak(i: int, now_us: int) -> None:
            block = AudioFrame(samples=tone[i * 960:(i + 1) * 960], sample_rate=48_000, channels=1, timestamp=0)
            speech.send(block, now_us=now_us)

        def show(i: int, now_us: int) -> None:
            camera.send(picture(i), now_us=now_us)

        for i in range(SECONDS * 50):
            world.at(i * 20_000, partial(speak, i))
        for i in range(SECONDS * 25):
            world.at(i * 40_000, partial(show, i))
        world.at(SECONDS * 1_000_000 + 500_000, lambda now_us: (a.close(), b.close()))
        world.run(SECONDS * 1_000_000 + 1_000_000)
    return a, b


def dissect(path: Path) -> list[Row]:
    """The fields of every packet; several values of one field joined by commas, truth as 1 or 0."""
    command = ["tshark", "-r", str(path), "-n", "-d", "udp.port==5004,rtp", "-T", "fields", "-E", "separator=/t",
               "-E", "occurrence=a", "-E", "aggregator=,"]
    for field in (*FIELDS, *COMPLAINTS):
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    truth = {"True": "1", "False": "0"}  # so from tshark 4.2 on
    rows = [[",".join(truth.get(value, value) for value in cell.split(",")) for cell in line.split("\t")]
            for line in done.stdout.splitlines()]
    return [dict(zip((*FIELDS, *COMPLAINTS), row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, Session, list[bytes], list[Row]]:
    path = tmp_path_factory.mktemp("call") / "call.pcap"
    a, b = hold_call(path)
    return a, b, [record.data for record in read_capture(path)], dissect(path)


def test_interop_tshark_call_has_no_complaint_about_any_packet(call) -> None:
    _, _, datagrams, rows = call
    assert len(rows) == len(datagrams) > 600
    assert [row for row in rows if any(row[complaint] for complaint in COMPLAINTS)] == []


def test_interop_tshark_call_reads_every_packet_as_we_do(call) -> None:
    _, _, datagrams, rows = call
    for data, row in zip(datagrams, rows, strict=True):
        if row["rtcp.pt"]:
            assert row["rtcp.length_check"] == "1"
            packets = RtcpPacket.parse_compound(data)
            assert len(packets) == len(row["rtcp.pt"].split(","))
            assert row["rtcp.sdes.text"].split(",")[0] in ("alice", "bob")
        else:
            packet = RtpPacket.parse(data)
            h = packet.header
            assert (int(row["rtp.ssrc"], 16), int(row["rtp.seq"]), int(row["rtp.p_type"]), int(row["rtp.marker"]),
                    int(row["rtp.timestamp"])) == (h.ssrc, h.sequence_number, h.payload_type, h.marker, h.timestamp)
            assert row["rtp.payload"].replace(":", "") == bytes(packet.payload).hex()


def test_interop_tshark_call_has_every_kind_of_packet(call) -> None:
    a, b, _, rows = call
    media = Counter(row["rtp.p_type"] for row in rows if not row["rtcp.pt"])
    sent = {s["kind"]: s["network"] for s in a.stats().send}
    assert media == {AUDIO: sent["audio"]["pkts"], VIDEO: sent["video"]["pkts"], RTX: sent["video"]["rtx_pkts"]}
    reports = Counter(kind for row in rows if row["rtcp.pt"] for kind in row["rtcp.pt"].split(","))
    assert set(reports) == {SR, RR, SDES, BYE, RTPFB, PSFB, XR}
    assert sum("1" in row["rtcp.rtpfb.fmt"].split(",") for row in rows) == b.stats().session["nack_sent"] > 0
    assert sum("1" in row["rtcp.psfb.fmt"].split(",") for row in rows) == b.stats().session["pli_sent"] > 0
    # Who only receives tells its time (RFC 3611 4.4), and the other side answers (4.5).
    blocks = Counter(block for row in rows for block in row["rtcp.xr.bt"].split(",") if block)
    # Besides: which packets were lost (4.1), what sound was like (4.7), and losses after repair (RFC 7509).
    assert set(blocks) == {"1", "4", "5", "7", "33"}
    assert all(SR in row["rtcp.pt"].split(",") for row in rows if "5" in row["rtcp.xr.bt"].split(","))
    assert a.stats().session["rtt_us"] == pytest.approx(40_000, rel=0.05)
    assert b.stats().session["rtt_us"] == pytest.approx(40_000, rel=0.05)
    # One good-bye from each side, at the end of its compound packet, and nothing of it afterwards.
    byes = [row["rtcp.pt"] for row in rows if BYE in row["rtcp.pt"].split(",")]
    assert len(byes) == 2
    assert all(pt.endswith(BYE) for pt in byes)


def test_interop_tshark_call_retransmits_what_was_asked_for(call) -> None:
    _, _, _, rows = call
    video = {int(row["rtp.seq"]): row for row in rows if row["rtp.p_type"] == VIDEO}
    repairs = [row for row in rows if row["rtp.p_type"] == RTX]
    asked = {int(pid) % 65536 for row in rows for pid in row["rtcp.rtpfb.nack_pid"].split(",") if pid}
    assert len({row["rtp.ssrc"] for row in repairs}) == 1
    assert repairs[0]["rtp.ssrc"] != next(iter(video.values()))["rtp.ssrc"]
    numbers = [int(row["rtp.seq"]) for row in repairs]
    assert numbers == [(numbers[0] + i) % 65536 for i in range(len(numbers))]
    for row in repairs:  # RFC 4588 section 4: the original number, then the original payload
        payload = bytes.fromhex(row["rtp.payload"].replace(":", ""))
        original = video[int.from_bytes(payload[:2], "big")]
        assert int.from_bytes(payload[:2], "big") in asked
        assert payload[2:].hex() == original["rtp.payload"].replace(":", "")
        assert (row["rtp.timestamp"], row["rtp.marker"]) == (original["rtp.timestamp"], original["rtp.marker"])
