"""Pictures of all four codecs through two sessions in virtual time: layers, losses, changes of size."""
from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from arcrtc import Session, SessionConfig, VideoFrame
from arcrtc._native import ffi, lib
from arcrtc.errors import ArgumentError, ConfigError
from arcrtc.video.config import VideoCodec
from arcrtc.video.encoders import CODECS
from arcrtc.video.quality import psnr

SIZE = (192, 112)
FRAME_US = 40_000
ONE_WAY_US = 20_000

Lose = Callable[[bytes], bool]


def picture(i: int, size: tuple[int, int] = SIZE) -> VideoFrame:
    """Waves that move, three pixels a picture."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    luma = (128 + 50 * np.sin((x + 3 * i) / 20) * np.cos((y + 2 * i) / 15)).astype(np.uint8)
    grey = np.full(width * height // 2, 128, np.uint8)
    return VideoFrame(np.concatenate([luma.reshape(-1), grey]), width, height, timestamp=i, format="yuv420p")


def is_rtcp(datagram: bytes) -> bool:
    return 192 <= datagram[1] <= 223


def layer_of(codec: str, datagram: bytes) -> int:
    """Temporal layer of a packet of media."""
    info = ffi.new("struct arc_pl_video_info *")
    payload = datagram[12:]
    assert lib.arc_pl_video_peek(CODECS[VideoCodec(codec)], payload, len(payload), info) == lib.ARC_OK
    return int(info.tid)


class Line:
    """A sender and a receiver, 20 ms apart each way."""

    def __init__(self, codec: str, *, nack: bool = True, lose: Lose = lambda datagram: False,
                 **settings: object) -> None:
        self.a, self.b = (Session(SessionConfig(seed=s, nack=nack), now_us=0) for s in (1, 2))
        rtx = 98 if nack else None
        self.sender = self.a.send_video(codec=codec, resolution=SIZE, bitrate=200_000, frame_rate=25,
                                        rtx_payload_type=rtx, **settings)  # type: ignore[arg-type]
        self.receiver = self.b.receive_video(codec=codec, rtx_payload_type=rtx)
        self.lose = lose
        self.now_us = 0
        self.sent = 0
        self.frames: list[object] = []
        self._flying: list[tuple[int, Session, bytes]] = []

    def run(self, pictures: int, tail_us: int = 0) -> list[VideoFrame]:
        """Send so many; the pictures that came out meanwhile."""
        end_us = self.now_us + pictures * FRAME_US + tail_us
        last = self.sent + pictures
        out = []
        while self.now_us < end_us:
            if self.sent < last and self.now_us >= self.sent * FRAME_US:
                self.sender.send(picture(self.sent), capture_us=self.now_us, now_us=self.now_us)
                self.sent += 1
            out += [received.frame for received in self._turn()]
            self.now_us += 2000
        return out

    def _turn(self) -> Iterator[object]:
        for session, other in ((self.a, self.b), (self.b, self.a)):
            while (datagram := session.poll_transmit(self.now_us)) is not None:
                if not (session is self.a and not is_rtcp(datagram) and self.lose(datagram)):
                    self._flying.append((self.now_us + ONE_WAY_US, other, datagram))
        while self._flying and self._flying[0][0] <= self.now_us:
            _, to, datagram = self._flying.pop(0)
            to.receive(datagram, self.now_us)
        list(self.a.frames(self.now_us))
        yield from self.b.frames(self.now_us)

    @property
    def got(self) -> dict[str, int]:
        return dict(self.receiver.stats()["media"])

    @property
    def put(self) -> dict[str, int]:
        return dict(self.sender.stats()["media"])


@pytest.mark.parametrize("codec", ["h264", "vp8", "vp9", "av1"])
def test_session_pictures_of_every_codec_come_whole_and_in_order(codec: str) -> None:
    line = Line(codec)
    out = line.run(20, tail_us=400_000)
    assert len(out) == 20
    assert (line.put["key_frames"], line.got["key_requests"], line.got["codec_errors"]) == (1, 0, 0)
    for i, frame in enumerate(out):
        assert psnr(picture(i), frame) > 27, i
    assert psnr(picture(19), out[19]) > psnr(picture(15), out[19]) + 3


@pytest.mark.parametrize("codec", ["h264", "vp8", "vp9", "av1"])
def test_session_a_lost_picture_asks_for_one_key_frame(codec: str) -> None:
    lost: list[bytes] = []

    def lose(datagram: bytes) -> bool:
        if line.sent == 10:
            lost.append(datagram)
            return True
        return False

    line = Line(codec, nack=False, lose=lose)
    out = line.run(30, tail_us=400_000)
    assert lost
    assert line.got["key_requests"] == 1
    assert line.put["key_frames"] == 2
    assert 24 <= len(out) < 30
    assert psnr(picture(29), out[-1]) > 27


@pytest.mark.parametrize("codec", ["vp8", "vp9"])
def test_session_goes_on_without_the_upper_temporal_layers(codec: str) -> None:
    line = Line(codec, nack=False, lose=lambda datagram: layer_of(codec, datagram) > 0, temporal_layers=3)
    out = line.run(40, tail_us=400_000)
    assert len(out) == 10  # each fourth is of the base layer
    assert (line.got["key_requests"], line.put["key_frames"], line.got["codec_errors"]) == (0, 1, 0)
    assert psnr(picture(36), out[-1]) > 27


@pytest.mark.parametrize("codec", ["vp9", "av1"])
def test_session_spatial_layers_come_as_one_picture(codec: str) -> None:
    line = Line(codec, encoder={"vp9": "libvpx-vp9", "av1": "libaom-av1"}[codec], spatial_layers=2)
    out = line.run(10, tail_us=400_000)
    assert [(f.width, f.height) for f in out] == [SIZE] * 10
    assert line.got["codec_errors"] == 0


@pytest.mark.parametrize("codec", ["h264", "vp8", "vp9", "av1"])
def test_session_size_changes_without_breaking_the_stream(codec: str) -> None:
    line = Line(codec)
    before = line.run(10)
    line.sender.set_resolution((96, 64))
    after = line.run(10, tail_us=400_000)
    sizes = [(f.width, f.height) for f in before + after]
    assert sizes == [SIZE] * 10 + [(96, 64)] * 10
    assert line.put["key_frames"] <= 2
    assert (line.got["key_requests"], line.put["width_px"], line.put["height_px"]) == (0, 96, 64)


def test_session_h264_mode_0_sends_single_nal_units_only() -> None:
    kinds = set()

    def look(datagram: bytes) -> bool:
        kinds.add(datagram[12] & 0x1F)
        return False

    line = Line("h264", lose=look, packetization_mode=0)
    assert len(line.run(10, tail_us=400_000)) == 10
    assert kinds == {1, 5, 7, 8}  # RFC 6184 section 5.4: no aggregation, no fragments


def test_session_video_settings_out_of_range_are_refused() -> None:
    session = Session(SessionConfig(seed=1), now_us=0)
    with pytest.raises(ConfigError, match="content"):
        session.send_video(content="cartoon")
    with pytest.raises(ConfigError, match="temporal_layers"):
        session.send_video(codec="vp8", temporal_layers=4)
    with pytest.raises(ConfigError, match="codec"):
        session.receive_video(codec="theora")
    sender = session.send_video(resolution=SIZE)
    with pytest.raises((ArgumentError, ConfigError)):
        sender.set_resolution((8, 8))
    with pytest.raises(ConfigError, match="frame_rate"):
        sender.set_frame_rate(0)
