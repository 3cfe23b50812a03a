"""Streams of VP8 and VP9 made by libvpx: IVF files, their RTP packets, and what FFmpeg decodes of them."""
from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.model import vpx_model as vpx
from tests.model.layers_stream import Packet

FFMPEG = ("ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y")
#: Temporal layers 0 2 1 2, as libvpx makes them in FFmpeg's layering mode 3.
PATTERN = (0, 2, 1, 2)
TICKS = 3000  # of 90 kHz, at 30 pictures a second


@dataclass(frozen=True)
class Frame:
    """A frame of an IVF file."""

    pts: int
    data: bytes


def encode(path: Path, codec: str, *, temporal: bool, size: str = "320x180", frames: int = 48,
           more: tuple[str, ...] = ()) -> list[Frame]:
    """Encode a test picture with libvpx; its frames."""
    layers = ("-ts-parameters", "ts_number_layers=3:ts_target_bitrate=150,220,300:ts_rate_decimator=4,2,1:"
              "ts_periodicity=4:ts_layer_id=0,2,1,2:ts_layering_mode=3") if temporal else ()
    subprocess.run([*FFMPEG, "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=30", "-frames:v", str(frames),
                    "-c:v", {"vp8": "libvpx", "vp9": "libvpx-vp9"}[codec], "-b:v", "300k", "-deadline", "realtime",
                    "-cpu-used", "8", "-error-resilient", "1", "-g", "1000", "-lag-in-frames", "0", *more, *layers,
                    str(path)], check=True, timeout=120)
    return read_ivf(path)


def read_ivf(path: Path) -> list[Frame]:
    data, at, out = path.read_bytes(), 32, []
    while at < len(data):
        size, pts = struct.unpack_from("<IQ", data, at)
        out.append(Frame(pts, data[at + 12:at + 12 + size]))
        at += 12 + size
    return out


def write_ivf(path: Path, codec: str, frames: list[Frame], size: tuple[int, int] = (320, 180)) -> None:
    fourcc = {"vp8": b"VP80", "vp9": b"VP90"}[codec]
    out = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, fourcc, *size, 30, 1, len(frames), 0)
    out += b"".join(struct.pack("<IQ", len(f.data), f.pts) + f.data for f in frames)
    path.write_bytes(out)


def decode(path: Path, codec: str, frames: list[Frame]) -> dict[int, str]:
    """MD5 of each picture by its time; a word of complaint from FFmpeg is an error."""
    write_ivf(path, codec, frames)
    done = subprocess.run([*FFMPEG, "-xerror", "-err_detect", "explode", "-i", str(path), "-fps_mode", "passthrough",
                           "-f", "framemd5", "-"], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split(",") for line in done.stdout.splitlines() if not line.startswith("#")]
    return {int(row[2]): row[5].strip() for row in rows}


def packets_of(codec: str, frames: list[Frame], *, first_id: int = 100, tl0: int = 9, seq: int = 65000,
               rtp_ts: int = 0, mtu: int = 600, group: vpx.Structure | None = None, up: bool = True) -> list[Packet]:
    """RTP packets of frames in PATTERN. VP8: Y where only the base layer is needed. VP9: not flexible.

    :param group: VP9: announced with the key frame.
    :param up: VP9: U on the base layer.
    """
    out = []
    for n, frame in enumerate(frames):
        tid, number = PATTERN[n % 4], (first_id + n) & 0x7FFF
        tl0 = (tl0 + (tid == 0)) & 255
        key = n == 0
        for at in range(0, len(frame.data), mtu):
            last = at + mtu >= len(frame.data)
            ids = vpx.Ids((15, number), tl0)
            if codec == "vp8":
                head = vpx.write_vp8(vpx.Vp8(start=at == 0, ids=ids, layer=(tid, tid > 0 and n % 4 < 3)))
            else:
                layer, structure = (tid, up and tid == 0, 0, False), group if key and at == 0 else None
                head = vpx.write_vp9(vpx.Vp9(not key, False, at == 0, last, False, ids, layer, structure=structure))
            out.append(Packet(seq, rtp_ts + TICKS * n, head + frame.data[at:at + mtu], last))
            seq += 1
    return out


def frames_of(codec: str, packets: list[tuple[int, bytes, bool]]) -> list[Frame]:
    """Put payloads together again: (RTP timestamp, payload, marker) in order."""
    out: list[Frame] = []
    data = b""
    for rtp_ts, payload, marker in packets:
        d = vpx.read_vp8(payload) if codec == "vp8" else vpx.read_vp9(payload)
        assert d.start == (data == b"")
        data += payload[d.length:]
        if marker:
            out.append(Frame(rtp_ts // TICKS, data))
            data = b""
    return out
