"""Layers of streams that libvpx made: FFmpeg decodes what is left to the same pictures, Wireshark reads the numbers."""
from __future__ import annotations

import select
import socket
import subprocess
from pathlib import Path

import pytest

from arcrtc._native import ffi, lib
from arcrtc.rtp import RtpHeader, RtpPacket
from tests.model import vpx_model as vpx
from tests.model.layers_stream import DROP, VP8, VP9, Answer, Packet, Select, Source, Vp8Stream, run
from tests.model.pcap import write_pcap
from tests.model.ports import free_pairs, wait_until_bound
from tests.model.vpx_streams import (
    FFMPEG,
    PATTERN,
    TICKS,
    decode,
    encode,
    frames_of,
    packets_of,
)

CODECS = {"vp8": VP8, "vp9": VP9}
#: The references of PATTERN in pictures back, as libvpx takes them.
GROUP = vpx.Structure(1, [], [vpx.Picture(0, False, [4]), vpx.Picture(2, False, [1]), vpx.Picture(1, False, [2]),
                              vpx.Picture(2, False, [1])])


def forwarded(packets: list[Packet], answers: list[Answer]) -> list[tuple[int, bytes, bool]]:
    return [(p.rtp_ts, a.payload, a.marker) for p, a in zip(packets, answers, strict=True) if a.action != DROP]


@pytest.mark.parametrize(("codec", "group"), [("vp8", None), ("vp9", None), ("vp9", GROUP)])
def test_interop_temporal_layers_left_out_and_let_in_again(tmp_path: Path, codec: str,
                                                           group: vpx.Structure | None) -> None:
    """Every picture that is forwarded decodes to the bits it has when all are."""
    frames = encode(tmp_path / "all.ivf", codec, temporal=True)
    whole = decode(tmp_path / "whole.ivf", codec, frames)
    assert len(whole) == len(frames) == 48
    packets = packets_of(codec, frames, group=group, up=group is None)
    source, chosen, answers = Source(CODECS[codec]), Select(), []
    for wanted, first, last in ((7, 0, 10), (0, 10, 21), (1, 21, 30), (7, 30, 48)):
        chosen.want(0, 7, wanted)
        answers += run(chosen, source, [p for p in packets if first <= p.rtp_ts // TICKS < last])
    assert chosen.wants_key == -1

    left = frames_of(codec, forwarded(packets, answers))
    kept = [frame.pts for frame in left]
    assert [PATTERN[n % 4] for n in kept if 10 <= n < 21] == [0, 0, 0]
    assert {PATTERN[n % 4] for n in kept if 21 <= n < 30} == {0, 1}
    assert {PATTERN[n % 4] for n in kept if n >= 30} == {0, 1, 2}
    assert kept[-4:] == [44, 45, 46, 47]
    some = decode(tmp_path / "left.ivf", codec, left)
    assert some == {n: whole[n] for n in kept}

    ids = [(vpx.read_vp8 if codec == "vp8" else vpx.read_vp9)(payload).ids
           for _, payload, _ in forwarded(packets, answers)]
    numbers = sorted({i.picture_id for i in ids if i.picture_id})
    assert numbers == [(15, 100 + n) for n in (kept if codec == "vp9" else range(len(left)))]


def test_interop_a_layer_let_in_too_early_is_seen(tmp_path: Path) -> None:
    """The comparison above can fail: without the packets of layer 1, layer 2 decodes to something else."""
    frames = encode(tmp_path / "all.ivf", "vp8", temporal=True)
    whole = decode(tmp_path / "whole.ivf", "vp8", frames)
    left = [f for n, f in enumerate(frames) if PATTERN[n % 4] != 1]
    assert decode(tmp_path / "left.ivf", "vp8", left) != {f.pts: whole[f.pts] for f in left}


def rtp_from_ffmpeg(stream: Path, sock: socket.socket) -> list[RtpPacket]:
    """What FFmpeg's RTP sender makes of a file."""
    port = sock.getsockname()[1]
    subprocess.run([*FFMPEG, "-i", str(stream), "-c", "copy", "-strict", "experimental", "-f", "rtp",
                    f"rtp://127.0.0.1:{port}?pkt_size=800"], check=True, timeout=60, capture_output=True)
    sock.setblocking(False)
    out = []
    while True:
        try:
            out.append(RtpPacket.parse(sock.recv(65535)))
        except BlockingIOError:
            return out


@pytest.fixture
def sock() -> socket.socket:
    port = free_pairs(1)[0]
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    made.bind(("127.0.0.1", port))
    return made


@pytest.mark.parametrize("codec", ["vp8", "vp9"])
def test_interop_ffmpeg_sender_is_read(tmp_path: Path, codec: str, sock: socket.socket) -> None:
    """Descriptors by FFmpeg's muxer: the frames behind them are those of the file, key frames are found."""
    frames = encode(tmp_path / "a.ivf", codec, temporal=False, frames=20, more=("-g", "8"))
    with sock:
        packets = rtp_from_ffmpeg(tmp_path / "a.ivf", sock)
    source, data, found, keys = Source(CODECS[codec]), b"", [], []
    out = ffi.new(f"struct arc_pl_{codec} *")
    for p in packets:
        info = source.read(Packet(p.header.sequence_number, p.header.timestamp, p.payload, p.header.marker))
        assert getattr(lib, f"arc_pl_{codec}_parse")(p.payload, len(p.payload), out) == lib.ARC_OK
        assert info.starts_frame == (data == b"")
        assert info.ends_frame == p.header.marker
        if info.starts_frame:
            keys.append(info.is_key)
        data += p.payload[out.descriptor_len:]
        if p.header.marker:
            found.append(data)
            data = b""
    assert found == [f.data for f in frames]
    assert [n for n, is_key in enumerate(keys) if is_key] == [0, 8, 16]


def sdp(port: int) -> str:
    return ("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=video {port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n")


@pytest.mark.slow
def test_interop_ffmpeg_receives_a_change_of_source(tmp_path: Path) -> None:
    """A small picture, then a large one, with layers left out of both: FFmpeg shows all of it, without a complaint."""
    small = packets_of("vp8", encode(tmp_path / "s.ivf", "vp8", temporal=True), first_id=32760)
    large = packets_of("vp8", encode(tmp_path / "l.ivf", "vp8", temporal=True, size="640x360"), first_id=77, tl0=200)
    sources, chosen = [Source(VP8) for _ in range(2)], Select()
    chosen.want(0, 7, 1)
    sent = forwarded(small, run(chosen, sources[0], small))
    chosen.want(1, 7, 1)
    answers = run(chosen, sources[1], large, 1)
    shift = 48 * TICKS
    sent += [(rtp_ts + shift, payload, marker) for rtp_ts, payload, marker in forwarded(large, answers)]
    wire = [RtpPacket(header=RtpHeader(sequence_number=(65500 + n) & 0xFFFF, timestamp=rtp_ts, ssrc=7,
                                       payload_type=96, marker=marker), payload=payload).serialize()
            for n, (rtp_ts, payload, marker) in enumerate(sent)]
    n_frames = sum(marker for _, _, marker in sent)
    assert n_frames == 48

    port = free_pairs(1)[0]
    (tmp_path / "in.sdp").write_text(sdp(port))
    receiver = subprocess.Popen(
        [*FFMPEG, "-protocol_whitelist", "file,udp,rtp", "-analyzeduration", "0", "-i",
         str(tmp_path / "in.sdp"),
         "-fps_mode", "passthrough", "-frames:v", str(n_frames - 2), "-f", "framemd5", str(tmp_path / "out.md5")],
        stderr=subprocess.PIPE, text=True)
    try:
        wait_until_bound(port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for n, data in enumerate(wire):
                out.sendto(data, ("127.0.0.1", port))
                if sent[n][2]:
                    pause(0.01)
        _, complaints = receiver.communicate(timeout=30)
    finally:
        receiver.kill()
        receiver.wait()
    assert (receiver.returncode, complaints) == (0, "")
    rows = [line for line in (tmp_path / "out.md5").read_text().splitlines() if not line.startswith("#")]
    assert len(rows) == n_frames - 2


def pause(seconds: float) -> None:
    """Let the receiver read: its socket holds little."""
    select.select([], [], [], seconds)


def test_interop_tshark_reads_the_numbers_we_write(tmp_path: Path) -> None:
    """Two sources with layers left out of both: PictureID, TL0PICIDX and KEYIDX go on."""
    low, high = Vp8Stream(picture_id=32766, tl0=254, keyidx=31), Vp8Stream(picture_id=5, tl0=77, keyidx=3)
    sources, chosen, answers = [Source(VP8), Source(VP8)], Select(), []
    for index, stream in enumerate((low, high)):
        chosen.want(index, 7, 1)
        packets = stream.picture(key=True, n_packets=2)
        for tid in (2, 1, 2, 0, 2, 1, 2):
            packets += stream.picture(tid)
        answers += [a for a in run(chosen, sources[index], packets, index) if a.action != DROP]
    path = tmp_path / "vp8.pcap"
    write_pcap(path, [RtpPacket(header=RtpHeader(n, 0, 1, 96, a.marker), payload=a.payload).serialize()
                      for n, a in enumerate(answers)], 5004)
    fields = [f"vp8.pld.{name}" for name in ("pictureid", "tl0picidx", "keyidx", "tid", "y", "s")]
    done = subprocess.run(
        ["tshark", "-r", str(path), "-n", "-d", "udp.port==5004,rtp", "-d", "rtp.pt==96,vp8", "-T", "fields",
         *(word for field in fields for word in ("-e", field))], capture_output=True, text=True, check=True, timeout=60)
    rows = [tuple(int(v) for v in line.split("\t")) for line in done.stdout.splitlines()]
    assert [row[:4] for row in rows] == [
        (32766, 255, 0, 0), (32766, 255, 0, 0), (32767, 255, 0, 1), (0, 0, 0, 0), (1, 0, 0, 1),
        (2, 1, 1, 0), (2, 1, 1, 0), (3, 1, 1, 1), (4, 2, 1, 0), (5, 2, 1, 1)]
    assert [row[5] for row in rows] == [1, 0, 1, 1, 1] * 2
