"""FFmpeg at the other end of a description: it receives by ours, and we read the one it writes."""
from __future__ import annotations

import base64
import json
import random
import socket
import subprocess
from pathlib import Path

import pytest

from arcrtc.sdes import CryptoAttribute, CryptoKey
from arcrtc.sdp import MediaDescription, SessionDescription, h264_fmtp, parse

KEY = bytes(range(30))
CRYPTO = CryptoAttribute(1, "AES_CM_128_HMAC_SHA1_80", (CryptoKey(KEY),))
OPUS_SENDER = ["-f", "lavfi", "-i", "sine=sample_rate=48000", "-ac", "2", "-c:a", "libopus",
               "-payload_type", "111"]
H264_SENDER = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30", "-c:v", "libx264", "-preset",
               "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "15", "-bsf:v", "dump_extra",
               "-payload_type", "97"]


def free_port() -> int:
    """An even port with the next one free too: FFmpeg takes both."""
    for _ in range(100):
        port = random.randrange(20_000, 60_000, 2)
        try:
            for number in (port, port + 1):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.bind(("127.0.0.1", number))
        except OSError:
            continue
        return port
    raise AssertionError("no pair of free ports")


def run(*words: str, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, **options)


def parameter_sets() -> bytes:
    """SPS and PPS of the stream that H264_SENDER makes."""
    out = subprocess.run(["ffmpeg", "-v", "error", *H264_SENDER[:-2], "-frames:v", "1", "-f", "h264", "-"],
                         capture_output=True, timeout=60, check=True).stdout
    assert out
    return out


CASES = {
    "opus": (OPUS_SENDER, MediaDescription("audio", 0, 111, "opus", 48_000, 2, {"sprop-stereo": "1"})),
    "opus-savp": (OPUS_SENDER, MediaDescription(
        "audio", 0, 111, "opus", 48_000, 2, crypto=(CRYPTO,))),
    "h264": (H264_SENDER, MediaDescription("video", 0, 97, "h264", 90_000, direction="sendonly")),
    "h264-savpf": (H264_SENDER, MediaDescription(
        "video", 0, 97, "h264", 90_000, rtcp_fb=("nack", "nack pli", "ccm fir"), ssrc=4660, cname="here",
        crypto=(CRYPTO,))),
}


@pytest.mark.parametrize("name", CASES)
def test_interop_ffmpeg_receives_by_our_description(name: str, tmp_path: Path) -> None:
    sender, media = CASES[name]
    port = free_port()
    fmtp = h264_fmtp(parameter_sets()) if media.codec == "h264" else media.fmtp
    values = {**{f: getattr(media, f) for f in media.__dataclass_fields__}, "port": port, "fmtp": fmtp}
    path = tmp_path / "ours.sdp"
    path.write_text(SessionDescription((MediaDescription(**values),), name="ours").to_text(), newline="")

    url = f"rtp://127.0.0.1:{port}?pkt_size=1200"
    if media.crypto:
        key = base64.b64encode(KEY).decode()
        sender = [*sender, "-srtp_out_suite", "AES_CM_128_HMAC_SHA1_80", "-srtp_out_params", key]
        url = "s" + url
    sending = subprocess.Popen(["ffmpeg", "-v", "error", "-re", *sender, "-ssrc", "4660", "-f", "rtp", url],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        probe = run("ffprobe", "-v", "error", "-protocol_whitelist", "file,udp,rtp,srtp,crypto", "-f", "sdp",
                    "-analyzeduration", "1M", "-show_streams", "-show_packets", "-read_intervals", "%+#10",
                    "-of", "json", str(path))
    finally:
        sending.kill()
        sending.wait()
    assert probe.returncode == 0, probe.stderr
    found = json.loads(probe.stdout)
    stream = found["streams"][0]
    assert len(found["packets"]) >= 10
    assert stream["codec_name"] == media.codec
    if media.codec == "opus":
        assert (stream["sample_rate"], stream["channels"]) == ("48000", 2)
    else:
        assert (stream["width"], stream["height"], stream["pix_fmt"]) == (320, 180, "yuv420p")


@pytest.mark.parametrize("crypto", [False, True])
def test_interop_we_read_the_description_that_ffmpeg_writes(crypto: bool, tmp_path: Path) -> None:
    path = tmp_path / "theirs.sdp"
    ports = [free_port(), free_port()]
    extra, scheme = [], "rtp"
    if crypto:
        key = base64.b64encode(KEY).decode()
        extra, scheme = ["-srtp_out_suite", "AES_CM_128_HMAC_SHA1_80", "-srtp_out_params", key], "srtp"
    outputs = []
    for i, port in enumerate(ports):
        select = ["-map", "0:a", "-payload_type", "111"] if i == 0 else ["-map", "1:v", "-payload_type", "97"]
        codec = ["-c:a", "libopus"] if i == 0 else ["-c:v", "libx264", "-pix_fmt", "yuv420p",
                                                    "-flags", "global_header"]
        outputs += [*select, *codec, *extra, "-t", "0.2", "-f", "rtp", f"{scheme}://127.0.0.1:{port}"]
    done = run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=sample_rate=48000", "-f", "lavfi", "-i",
               "testsrc2=size=320x180:rate=30", "-ac", "2", "-sdp_file", str(path), *outputs)
    assert done.returncode == 0, done.stderr
    audio, video = parse(path.read_text()).media
    assert (audio.kind, audio.port, audio.payload_type, audio.codec, audio.channels) == (
        "audio", ports[0], 111, "opus", 2)
    assert (video.kind, video.port, video.payload_type, video.codec) == ("video", ports[1], 97, "h264")
    assert video.fmtp["packetization-mode"] == "1"
    assert video.fmtp["sprop-parameter-sets"]
    expected = (CRYPTO,) if crypto else ()
    assert audio.crypto == video.crypto == expected
