"""What a router is tested with: a clip that is encoded once, and programs that publish it and subscribe to it.

What a program decodes is compared picture by picture, by the MD5 of its pixels, with what FFmpeg decodes of the clip.
"""
from __future__ import annotations

import base64
import hashlib
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from arcrtc import AudioFrame, VideoFrame
from arcrtc._native import ffi, lib
from arcrtc.routing import TrackConfig
from arcrtc.sdes import CryptoAttribute, CryptoKey
from arcrtc.sdp import MediaDescription, SessionDescription, h264_fmtp
from arcrtc.srtp import SrtpConfig, SrtpProfile
from arcrtc.streams import MediaType
from tests.model import libsrtp2
from tests.model.interop import program

QUIET = ("ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel")
#: FFmpeg as a subscriber: whatever it finds wrong is written to its log or ends it with an error.
STRICT = (*QUIET, "warning", "-xerror", "-err_detect", "explode", "-protocol_whitelist", "file,udp,rtp,srtp,crypto")
RATE = 25  # pictures a second
VIDEO_TYPE, AUDIO_TYPE = 97, 111
VIDEO_SSRC, AUDIO_SSRC = 0x11110001, 0x22220001
VIDEO = TrackConfig(kind="video", codec="h264", ssrc=VIDEO_SSRC, payload_type=VIDEO_TYPE, clock_rate=90_000)
AUDIO = TrackConfig(kind="audio", codec="opus", ssrc=AUDIO_SSRC, payload_type=AUDIO_TYPE, clock_rate=48_000)
_UNPACK_BYTES = 8 << 20


def cm_key() -> SrtpConfig:
    """A key of the one profile that FFmpeg has with tags of 80 bits."""
    return SrtpConfig.generate(SrtpProfile.AES128_CM_HMAC_SHA1_80)


def inline(key: SrtpConfig) -> str:
    """A key as FFmpeg's option takes it (RFC 4568 section 6.1)."""
    return base64.b64encode(key.master_key + key.master_salt).decode()


# --- clips ---


def run(*words: str) -> str:
    """What a program writes; nothing may go wrong."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def hashes(text: str) -> list[str]:
    """MD5 of each frame of a ``framemd5`` file."""
    return [line.split(",")[5].strip() for line in text.splitlines() if line and not line.startswith("#")]


def steps(text: str) -> list[int]:
    """Times between the frames of a ``framemd5`` file, in its time base.

    The first is left out: FFmpeg 5.1 gives the first two pictures of RTP the same time, whoever sends them.
    """
    times = [int(line.split(",")[2]) for line in text.splitlines() if line and not line.startswith("#")]
    return [b - a for a, b in pairwise(times)][1:]


def decode(path: Path) -> list[str]:
    """MD5 of each picture of a file."""
    return hashes(run(*QUIET, "error", "-xerror", "-err_detect", "explode", "-i", str(path), "-map", "0:v",
                      "-autoscale", "0", "-fps_mode", "passthrough", "-f", "framemd5", "-"))


@dataclass(frozen=True)
class Clip:
    """H.264 or Opus in Matroska. ``pictures``: MD5 of what it decodes to; none of Opus."""

    path: Path
    pictures: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)


def h264_clip(path: Path, *, size: tuple[int, int] = (320, 180), seconds: float = 4, gop: int = 12,
              bitrate: str = "600k") -> Clip:
    """A test picture that x264 encoded, with a key frame every ``gop`` pictures."""
    run(*QUIET, "error", "-f", "lavfi", "-i", f"testsrc2=size={size[0]}x{size[1]}:rate={RATE}:duration={seconds}",
        "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1", "-pix_fmt", "yuv420p",
        "-g", str(gop), "-b:v", bitrate, str(path))
    return Clip(path, tuple(decode(path)), size)


def opus_clip(path: Path, *, seconds: float = 4) -> Clip:
    """A tone that libopus encoded, 20 ms a packet."""
    run(*QUIET, "error", "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={seconds}", "-ac", "2",
        "-c:a", "libopus", str(path))
    return Clip(path)


def parameter_sets(clip: Clip) -> bytes:
    """SPS and PPS of a clip, Annex B."""
    done = subprocess.run([*QUIET, "error", "-i", str(clip.path), "-c", "copy", "-bsf:v", "h264_mp4toannexb",
                           "-frames:v", "1", "-f", "h264", "-"], capture_output=True, check=True, timeout=60)
    return done.stdout


# --- publishers ---


def sender_words(*streams: tuple[Clip, str, SrtpConfig | None, TrackConfig], rtcp_port: int | None = None,
                 first_seqs: tuple[int, ...] = ()) -> list[str]:
    """FFmpeg sending clips in real time, each (clip, address, key, what it is).

    :param rtcp_port: of its RTCP; None: one above that of RTP, where nobody listens.
    :param first_seqs: of each stream; (): at random.
    """
    rtcp = "" if rtcp_port is None else f"&rtcpport={rtcp_port}"
    words = [*QUIET, "error"]
    for clip, *_ in streams:
        words += ["-re", "-i", str(clip.path)]
    for i, (_, address, key, track) in enumerate(streams):
        words += ["-map", str(i), "-c", "copy", "-ssrc", str(track.sources[0].ssrc), "-payload_type",
                  str(track.payload_type)]
        if first_seqs:
            words += ["-seq", str(first_seqs[i])]
        if track.codec == "h264":
            words += ["-bsf:v", "h264_mp4toannexb"]
        if key is not None:
            words += ["-srtp_out_suite", "AES_CM_128_HMAC_SHA1_80", "-srtp_out_params", inline(key)]
        words += ["-f", "rtp", f"{'rtp' if key is None else 'srtp'}://{address}?pkt_size=1200{rtcp}"]
    return words


# --- subscribers ---


def describe(path: Path, track: TrackConfig, port: int, key: SrtpConfig | None, clip: Clip | None = None) -> None:
    """Write the SDP of what a subscriber gets; ``clip`` has the parameter sets of H.264."""
    crypto = () if key is None else (CryptoAttribute(1, "AES_CM_128_HMAC_SHA1_80", (
        CryptoKey(key.master_key + key.master_salt),)),)
    media = MediaDescription(track.kind.value, port, track.payload_type, track.codec, track.clock_rate,
                             2 if track.kind is MediaType.AUDIO else 1, crypto=crypto,
                             fmtp={} if clip is None else h264_fmtp(parameter_sets(clip)))
    path.write_text(SessionDescription((media,), name="routed").to_text(), newline="")


def ffmpeg_receiver(sdp: Path, out: Path) -> list[str]:
    """FFmpeg that decodes what it gets to a ``framemd5`` file; a BYE ends it.

    One process for each stream: FFmpeg shifts one of two when the first report tells how they lie, and then
    complains of times that go back.
    """
    return [*STRICT, "-i", str(sdp), "-autoscale", "0", "-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-f",
            "framemd5", str(out)]


_GST_CIPHERS = {SrtpProfile.AES128_CM_HMAC_SHA1_80: ("aes-128-icm", "hmac-sha1-80"),
                SrtpProfile.AEAD_AES_128_GCM: ("aes-128-gcm", "null"),
                SrtpProfile.AEAD_AES_256_GCM: ("aes-256-gcm", "null")}


def gstreamer_receiver(port: int, key: SrtpConfig, ssrc: int, out: Path) -> list[str]:
    """GStreamer that decodes H.264 to planes of pixels, one picture behind the other; SIGINT ends it."""
    cipher, tag = _GST_CIPHERS[key.profile]
    secret = (key.master_key + key.master_salt).hex()
    caps = (f"application/x-srtp,media=(string)video,clock-rate=(int)90000,encoding-name=(string)H264,"
            f"payload=(int){VIDEO_TYPE},ssrc=(uint){ssrc},srtp-key=(buffer){secret},srtp-cipher=(string){cipher},"
            f"srtp-auth=(string){tag},srtcp-cipher=(string){cipher},srtcp-auth=(string){tag}")
    # RTCP on the same port is not let through: its SSRC has no key in ``caps``.
    chain = (f"udpsrc address=127.0.0.1 port={port} caps={caps} ! srtpdec name=open open.rtp_src ! "
             f"rtpjitterbuffer latency=200 ! rtph264depay ! h264parse ! avdec_h264 ! video/x-raw,format=I420 ! "
             f"filesink location={out}")
    return ["gst-launch-1.0", "-e", *chain.split()]


def interrupt(process: subprocess.Popen[str]) -> int:
    """Ctrl-C; its exit status."""
    process.send_signal(signal.SIGINT)
    return process.wait(timeout=20)


def planes(path: Path, size: tuple[int, int]) -> list[str]:
    """MD5 of each I420 picture of a file."""
    data, one = path.read_bytes(), size[0] * size[1] * 3 // 2
    assert len(data) % one == 0
    return [hashlib.md5(data[i:i + one]).hexdigest() for i in range(0, len(data), one)]


class Tap:
    """A socket that keeps all it gets, with the time: a subscriber that looks at bytes."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.1)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.datagrams: list[bytes] = []
        self._closing = False
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._closing:
            try:
                self._on_datagram(self.socket.recv(65_535))
            except (TimeoutError, ConnectionRefusedError):
                continue

    def _on_datagram(self, data: bytes) -> None:
        self.datagrams.append(data)

    def send(self, data: bytes, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket.sendto(data, (host, int(port)))

    def opened(self, key: SrtpConfig) -> tuple[list[bytes], list[bytes]]:
        """RTP and RTCP of it in clear, as libsrtp opens them."""
        with libsrtp2.Session(replace(key, window_pkts=1024), sending=False, copy="wheel") as session:
            rtp = [session.unprotect(d) for d in self.datagrams if not is_rtcp(d)]
            rtcp = [session.unprotect_rtcp(d) for d in self.datagrams if is_rtcp(d)]
        return rtp, rtcp

    def close(self) -> None:
        """Stop, and close the socket. A second call does nothing."""
        self._closing = True
        self._thread.join()
        self.socket.close()

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Funnel(Tap):
    """Sends on what it gets, from one address: a publisher whose parts have sockets of their own."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        super().__init__()

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def _on_datagram(self, data: bytes) -> None:
        self.socket.sendto(data, self._target)


def is_rtcp(data: bytes) -> bool:
    """RFC 5761 section 4."""
    return 192 <= data[1] <= 223


def h264_of(packets: list[bytes], path: Path) -> list[str]:
    """MD5 of the pictures in RTP packets: payloads put together as a file that FFmpeg decodes."""
    out, n = ffi.new("uint8_t[]", _UNPACK_BYTES), ffi.new("size_t *")
    unpacker = ffi.new("struct arc_pl_h264_unpacker *")
    lib.arc_pl_h264_unpacker_init(unpacker, out, _UNPACK_BYTES)
    for packet in packets:
        assert packet[0] == 0x80, "a fixed header and nothing else"
        assert lib.arc_pl_h264_unpacker_push(unpacker, packet[12:], len(packet) - 12) == lib.ARC_OK
    assert lib.arc_pl_h264_unpacker_finish(unpacker, n) == lib.ARC_OK
    path.write_bytes(bytes(ffi.buffer(out, n[0])))
    return decode(path)


# --- waiting ---


def wait_until(happened: Any, what: str, timeout_s: float = 20) -> None:
    """Poll ``happened()`` until it is true."""
    end = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@contextmanager
def running(words: list[str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """As program(), of a list of words."""
    with program(*words, log=log) as process:
        yield process


def complaints(log: Path) -> str:
    """What a program wrote to its standard error."""
    return log.with_suffix(".err").read_text()


# --- what peers send, and tshark ---

FIELDS = ("rtcp.pt", "rtcp.length_check", "rtcp.rtpfb.fmt", "rtcp.psfb.fmt")
COMPLAINTS = ("_ws.malformed", "_ws.expert.message")


def dissect(path: Path, ports: set[int]) -> list[dict[str, str]]:
    """What tshark reads of each datagram, RTP and RTCP on these ports; several values of a field joined by commas."""
    words = ["tshark", "-r", str(path), "-n", "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E",
             "aggregator=,"]
    for port in sorted(ports):
        words += ["-d", f"udp.port=={port},rtp"]
    for name in (*FIELDS, *COMPLAINTS):
        words += ["-e", name]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    truth = {"True": "1", "False": "0"}  # so from tshark 4.2 on
    rows = [[",".join(truth.get(value, value) for value in cell.split(",")) for cell in line.split("\t")]
            for line in done.stdout.splitlines()]
    return [dict(zip((*FIELDS, *COMPLAINTS), row, strict=True)) for row in rows]


def sound_of(block: int, *, loud: bool = True) -> AudioFrame:
    """20 ms of a tone, or of silence."""
    tone = 12_000 * np.sin(np.arange(block * 960, (block + 1) * 960) * 0.13)
    return AudioFrame(samples=(tone * loud).astype(np.int16), sample_rate=48_000)


def picture_of(block: int, *, light: bool = True) -> VideoFrame:
    """A picture of 320x180, light or dark above, with something that moves below."""
    x, y = np.arange(320)[None, :] + 5 * block, np.arange(80)[:, None] + block
    planes = np.full((270, 320), 128, np.uint8)
    planes[:100] = 220 if light else 60
    planes[100:180] = (128 + 60 * np.sin(x / 9.0) + 50 * np.cos((x + y) / 17.0)).astype(np.uint8)
    return VideoFrame(planes, 320, 180, 0, "yuv420p")
