"""NACK and RTX with GStreamer, both ways, and with aiortc's packets: what is lost is asked for, resent and put back."""
from __future__ import annotations

import contextlib
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from aiortc import rtp as aiortc_rtp

from arcrtc.audio.frame import AudioFrame
from arcrtc.rtcp import GenericNack, ReceiverReport, RtcpPacket
from arcrtc.session import Session, SessionConfig
from tests.model.interop import program
from tests.model.ports import free_pairs, wait_until_bound

MS = 1000
OPUS, RTX, RATE = 111, 112, 48_000
SECONDS = 6
MAP = f"payload-type-map=application/x-rtp-pt-map,{OPUS}=(uint){RTX}"


def clock_us() -> int:
    return time.monotonic_ns() // 1000


def is_rtcp(datagram: bytes) -> bool:
    return 192 <= datagram[1] <= 223


def tone(i: int) -> AudioFrame:
    t = (np.arange(960) + 960 * i) / RATE
    wave = 8000 * np.sin(2 * np.pi * 300 * t) * (1 + np.sin(2 * np.pi * 3 * t))
    return AudioFrame(samples=wave.astype(np.int16), sample_rate=RATE)


def config() -> SessionConfig:
    return SessionConfig(seed=5, nack_audio=True, max_latency_ms=400)


def open_socket(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    sock.settimeout(0.002)
    return sock


def test_interop_gstreamer_resends_what_a_session_asks_for(tmp_path: Path) -> None:
    ours, theirs = free_pairs(2)
    chain = (f"rtpsession name=s rtp-profile=avpf audiotestsrc is-live=true wave=red-noise "
             f"num-buffers={SECONDS * 44} ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=1 ! "
             f"opusenc bitrate=32000 ! rtpopuspay pt={OPUS} ssrc=4242 ! rtprtxsend {MAP} ! s.send_rtp_sink "
             f"s.send_rtp_src ! udpsink host=127.0.0.1 port={ours} sync=false async=false "
             f"s.send_rtcp_src ! udpsink host=127.0.0.1 port={ours} sync=false async=false "
             f"udpsrc address=127.0.0.1 port={theirs} caps=application/x-rtcp ! s.recv_rtcp_sink")
    session = Session(config())
    session.receive_audio(payload_type=OPUS, rtx_payload_type=RTX)
    dropped = 0
    with ExitStack() as stack:
        sock = stack.enter_context(open_socket(ours))
        stack.enter_context(program("gst-launch-1.0", *chain.split(), log=tmp_path / "gst"))
        end = clock_us() + (SECONDS + 2) * 1_000_000
        while clock_us() < end:
            try:
                datagram = sock.recv(2048)
            except TimeoutError:
                datagram = b""
            if datagram and not is_rtcp(datagram) and datagram[1] & 127 == OPUS and datagram[3] % 10 == 3:
                dropped += 1
            elif datagram:
                session.receive(datagram, clock_us())
            while (out := session.poll_transmit(clock_us())) is not None:
                sock.sendto(out, ("127.0.0.1", theirs))
            for _ in session.frames(clock_us()):
                pass
    network = session.stats().receive[0]["network"]
    complaint = (tmp_path / "gst.err").read_text()
    assert dropped > 15, complaint
    assert network["recovered_pkts"] >= 0.8 * dropped, (dropped, network, complaint)
    assert network["nack_requested"] <= 2 * dropped + 5


def test_interop_session_resends_what_gstreamer_asks_for(tmp_path: Path) -> None:
    ours, theirs = free_pairs(2)
    rtcp = theirs + 1
    session = Session(config())
    sender = session.send_audio(payload_type=OPUS, rtx_payload_type=RTX, bitrate=32_000)
    caps = (f"application/x-rtp,media=(string)audio,clock-rate=(int){RATE},encoding-name=(string)OPUS,"
            f"payload=(int){OPUS},ssrc=(uint){sender.ssrc}")
    out = tmp_path / "payloads"
    chain = (f"rtpsession name=s rtp-profile=avpf udpsrc address=127.0.0.1 port={theirs} caps={caps} ! "
             f"s.recv_rtp_sink s.recv_rtp_src ! rtprtxreceive {MAP} ! rtpssrcdemux name=d d. ! "
             f"rtpjitterbuffer latency=1000 do-retransmission=true ! rtpopusdepay ! filesink location={out} "
             f"buffer-mode=unbuffered s.send_rtcp_src ! udpsink host=127.0.0.1 port={ours} sync=false async=false "
             f"udpsrc address=127.0.0.1 port={rtcp} caps=application/x-rtcp ! s.recv_rtcp_sink")
    sent: dict[int, bytes] = {}
    dropped = []
    with ExitStack() as stack:
        sock = stack.enter_context(open_socket(ours))
        stack.enter_context(program("gst-launch-1.0", "-e", *chain.split(), log=tmp_path / "gst"))
        wait_until_bound(theirs, rtcp)
        begin = clock_us()
        frames = 0
        while (now := clock_us()) < begin + SECONDS * 1_000_000:
            if now >= begin + frames * 20 * MS and frames < (SECONDS - 1) * 50:
                sender.send(tone(frames), now_us=now)
                frames += 1
            while (datagram := session.poll_transmit(clock_us())) is not None:
                if is_rtcp(datagram):
                    sock.sendto(datagram, ("127.0.0.1", rtcp))
                    continue
                number = int.from_bytes(datagram[2:4], "big")
                if datagram[1] & 127 == OPUS:
                    sent[number] = datagram[12:]
                    if len(sent) % 10 == 3:
                        dropped.append(number)
                        continue
                sock.sendto(datagram, ("127.0.0.1", theirs))
            with contextlib.suppress(TimeoutError):
                session.receive(sock.recv(2048), clock_us())
    network = session.stats().send[0]["network"]
    complaint = (tmp_path / "gst.err").read_text()
    assert network["rtx_pkts"] >= 0.8 * len(dropped) > 10, (len(dropped), network, complaint)
    heard = out.read_bytes()
    back = sum(sent[number] in heard for number in dropped)
    assert back >= 0.8 * len(dropped), (back, len(dropped))


def test_interop_aiortc_takes_our_resends_and_we_take_its() -> None:
    a, b = (Session(SessionConfig(seed=s, nack_audio=True), now_us=0) for s in (1, 2))
    sender = a.send_audio(payload_type=OPUS, rtx_payload_type=RTX)
    b.receive_audio(payload_type=OPUS, rtx_payload_type=RTX)
    originals = []
    for i in range(6):
        sender.send(tone(i), capture_us=i * 20 * MS, now_us=i * 20 * MS)
        while (datagram := a.poll_transmit(i * 20 * MS)) is not None:
            if not is_rtcp(datagram):
                originals.append(datagram)
    lost = aiortc_rtp.RtpPacket.parse(originals[3])
    request = GenericNack(sender_ssrc=7, media_ssrc=sender.ssrc, sequence_numbers=(lost.sequence_number,))
    theirs = aiortc_rtp.RtcpRtpfbPacket(fmt=aiortc_rtp.RTCP_RTPFB_NACK, ssrc=7, media_ssrc=sender.ssrc,
                                        lost=[lost.sequence_number])
    report = RtcpPacket.serialize_compound([ReceiverReport(ssrc=7)])
    assert RtcpPacket.parse_compound(report + bytes(theirs))[1] == request
    a.receive(report + bytes(theirs), 130 * MS)
    resent = [d for d in iter(lambda: a.poll_transmit(130 * MS), None) if not is_rtcp(d)]
    assert len(resent) == 1
    unwrapped = aiortc_rtp.unwrap_rtx(aiortc_rtp.RtpPacket.parse(resent[0]), OPUS, sender.ssrc)
    assert unwrapped.serialize() == originals[3]
    for i, datagram in enumerate(originals):
        if i != 3:
            b.receive(datagram, i * 20 * MS)
    b.receive(aiortc_rtp.wrap_rtx(lost, payload_type=RTX, sequence_number=9, ssrc=99).serialize(), 130 * MS)
    assert b.stats().receive[0]["network"]["recovered_pkts"] == 1
