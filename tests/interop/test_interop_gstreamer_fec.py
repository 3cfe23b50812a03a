"""ULPFEC with GStreamer's rtpulpfecenc and rtpulpfecdec, each way.

GStreamer puts parity into the stream itself: it has the SSRC of the media and takes sequence numbers.
"""
from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from arcrtc.fec import FecConfig, FecDecoder, FecEncoder, FecFormat
from arcrtc.rtp import RtpHeader, RtpPacket
from tests.model.ports import free_pairs, wait_until_bound
from tests.model.routed import interrupt, running

MEDIA, PARITY, SSRC, FRAMES = 96, 122, 0x1234, 60
CAPS = (f"application/x-rtp,media=(string)video,clock-rate=(int)90000,encoding-name=(string)RAW,"
        f"payload=(int){MEDIA},ssrc=(uint){SSRC}")


@contextmanager
def gstreamer(chain: str, log: Path) -> Iterator[tuple[socket.socket, int]]:
    """A pipeline between two UDP ports: a socket that gets what comes out, and the port that goes in."""
    (port,) = free_pairs(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind(("127.0.0.1", 0))
        out.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        out.settimeout(2)
        words = (f"udpsrc address=127.0.0.1 port={port} caps={CAPS} ! {chain} ! "
                 f"udpsink host=127.0.0.1 port={out.getsockname()[1]} sync=false async=false")
        with running(["gst-launch-1.0", "-e", *words.split()], log) as process:
            wait_until_bound(port)
            yield out, port
            interrupt(process)


def media(first: int, seed: int) -> list[tuple[RtpPacket, bool]]:
    """Frames of one to six packets of any length; (packet, whether it ends its frame)."""
    rng = random.Random(seed)
    packets, seq = [], first
    for frame in range(FRAMES):
        n = rng.randint(1, 6)
        for i in range(n):
            header = RtpHeader(sequence_number=seq % 65536, timestamp=3000 * frame + 1, ssrc=SSRC, payload_type=MEDIA,
                               marker=i == n - 1, csrcs=[5] * rng.choice([0, 0, 2]))
            packets.append((RtpPacket(header, rng.randbytes(rng.randint(20, 1100))), i == n - 1))
            seq += 1
    return packets


def in_stream(packets: list[tuple[RtpPacket, bool]], config: FecConfig) -> list[bytes]:
    """Media and parity in one stream, numbered in the order in which they leave."""
    encoder, out = FecEncoder(config), []
    seq = packets[0][0].header.sequence_number
    for packet, ends in packets:
        h = packet.header
        numbered = RtpPacket(RtpHeader(seq % 65536, h.timestamp, h.ssrc, h.payload_type, h.marker, h.csrcs),
                             packet.payload).serialize()
        out.append(numbered)
        seq += 1
        for repair in encoder.protect(numbered, ends_frame=ends):
            parsed = RtpPacket.parse(repair)
            out.append(RtpPacket(RtpHeader(seq % 65536, h.timestamp, SSRC, PARITY), parsed.payload).serialize())
            seq += 1
    return out


def exchange(chain: str, log: Path, packets: list[bytes], wanted: int) -> list[bytes]:
    """What comes out of the pipeline of these packets: ``wanted``, or all until nothing comes for two seconds."""
    got: list[bytes] = []
    with gstreamer(chain, log) as (out, port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        for packet in packets:
            source.sendto(packet, ("127.0.0.1", port))
            time.sleep(0.002)  # its jitter buffer takes a burst for a restart
        while len(got) < wanted:
            try:
                got.append(out.recv(2048))
            except TimeoutError:
                break
    return got


@pytest.mark.parametrize("burst", [1, 3])
def test_interop_gstreamer_recovers_what_we_protect(burst: int, tmp_path: Path) -> None:
    config = FecConfig(format=FecFormat.ULPFEC, payload_type=PARITY, overhead=0.5, burst_packets=burst,
                       max_block_packets=40)
    sent = in_stream(media(65_450, 1), config)
    ours, rng = FecDecoder(config), random.Random(5)
    arrives = [p for i, p in enumerate(sent) if i < 3 or i > len(sent) - 12 or rng.random() >= 0.1]
    by_us = [r for p in arrives for r in ours.push(p)]
    assert len(by_us) > 10
    # GStreamer numbers anew what it hands on, since it takes the parity out.
    expected = {p[:2] + p[4:] for p in [*arrives, *by_us] if p[1] & 0x7F == MEDIA}
    chain = (f"rtpstorage size-time=4000000000 ! rtpssrcdemux ! {CAPS} ! rtpjitterbuffer do-lost=true latency=300 ! "
             f"rtpulpfecdec pt={PARITY} ! identity")
    got = exchange(chain, tmp_path / "gst", arrives, len(expected))
    assert {p[:2] + p[4:] for p in got} == expected


def test_interop_gstreamer_protects_what_we_recover(tmp_path: Path) -> None:
    packets = [p.serialize() for p, _ in media(65_450, 2)]
    sent = exchange(f"rtpulpfecenc pt={PARITY} percentage=50", tmp_path / "gst", packets, 10_000)
    theirs = [p for p in sent if p[1] & 0x7F == PARITY]
    assert len(sent) - len(theirs) == len(packets)
    assert len(theirs) > len(packets) // 4
    config = FecConfig(format=FecFormat.ULPFEC, payload_type=PARITY)
    recovered = 0
    for lost in range(len(sent)):  # each one alone
        if sent[lost][1] & 0x7F == PARITY:
            continue
        decoder = FecDecoder(config)
        got = [r for i, p in enumerate(sent) if i != lost for r in decoder.push(p)]
        assert got in ([], [sent[lost]])
        assert decoder.stats().malformed == 0
        recovered += len(got)
    assert recovered >= 0.9 * len(packets)
