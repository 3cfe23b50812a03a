"""PacketRouter: which qualities, layers and talkers a subscriber gets, and under which numbers."""
from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from arcrtc import RtpHeader, RtpPacket, SrtpConfig, SrtpPipeline
from arcrtc.errors import ArgumentError, ConfigError
from arcrtc.routing import (
    LegConfig,
    PacketRouter,
    RouteConfig,
    RouterConfig,
    RouterEventType,
    SourceConfig,
    TrackConfig,
)
from arcrtc.rtcp import GenericNack, PictureLossIndication, RtcpPacket, SenderReport
from arcrtc.rtpext import AudioLevel
from tests.model import vpx_model as vpx
from tests.model.layers_stream import Packet, Vp8Stream

PT, RTX_PT = 96, 97
LOW, HIGH = 10, 20


class Scene:
    """A router, its publisher and a viewer, on a clock of their own."""

    def __init__(self, track: TrackConfig, route: RouteConfig | None = None, *, srtp: bool = False) -> None:
        key = SrtpConfig.generate()
        self.router = PacketRouter(RouterConfig(pool_pkts=1024, seed=3), now_us=0)
        self.publisher, self.viewer = self.router.add_leg(), self.router.add_leg(LegConfig(srtp=key if srtp else None))
        self.pipeline = SrtpPipeline(key) if srtp else None
        self.track = self.router.publish(self.publisher, track)
        self.route = self.router.subscribe(self.track, self.viewer, route)
        self.now_us = 1_000_000
        self.got: list[RtpPacket] = []
        self.asked: list[int] = []  # SSRCs of which a key frame was asked for

    def send(self, packets: Iterable[Packet], ssrc: int) -> None:
        for packet in packets:
            header = RtpHeader(sequence_number=packet.seq & 0xFFFF, timestamp=packet.rtp_ts & 0xFFFFFFFF, ssrc=ssrc,
                               payload_type=PT, marker=packet.marker)
            self.router.receive(self.publisher, RtpPacket(header=header, payload=packet.payload).serialize(),
                                self.now_us)
        self.drain()

    def drain(self, passed_us: int = 0) -> None:
        self.now_us += passed_us
        while (sent := self.router.poll_transmit(self.now_us)) is not None:
            leg, datagrams = sent
            for data in datagrams:
                self._note(leg is self.viewer, data)

    def _note(self, viewer: bool, data: bytes) -> None:
        rtcp = 192 <= data[1] <= 223
        if not viewer:
            self.asked += [p.media_ssrc for p in RtcpPacket.parse_compound(data)
                           if isinstance(p, PictureLossIndication)]
        elif not rtcp:
            self.got.append(self.pipeline.decrypt(data) if self.pipeline else RtpPacket.parse(data))

    def events(self) -> list[tuple[RouterEventType, int]]:
        out = []
        while (event := self.router.poll_event()) is not None:
            out.append((event.type, event.value))
        return out

    def numbers(self) -> list[int]:
        first = self.got[0].header.sequence_number
        return [(p.header.sequence_number - first) % 65536 for p in self.got]


def _simulcast(codec: str = "vp8") -> TrackConfig:
    return TrackConfig(kind="video", codec=codec, payload_type=PT, rtx_payload_type=RTX_PT, clock_rate=90_000,
                       layers=(SourceConfig(ssrc=LOW, rtx_ssrc=LOW + 1), SourceConfig(ssrc=HIGH, rtx_ssrc=HIGH + 1)))


def _ids(packets: list[RtpPacket]) -> list[tuple[int, int]]:
    out = []
    for packet in packets:
        d = vpx.read_vp8(bytes(packet.payload))
        out.append((d.ids.picture_id[1], d.ids.tl0picidx))
    return out


@pytest.mark.parametrize("srtp", [False, True])
def test_a_switch_of_quality_goes_on_with_numbers_times_and_picture_ids(srtp):
    scene = Scene(_simulcast(), RouteConfig(max_source=0), srtp=srtp)
    low, high = Vp8Stream(picture_id=30_000, tl0=9), Vp8Stream(seq=9, rtp_ts=77, picture_id=5, tl0=77)
    scene.drain()
    scene.drain(20_000)
    assert scene.asked == [LOW], "the viewer needs a key frame to begin with"
    for frame in range(40):
        scene.drain(33_333)
        scene.send(high.picture(key=frame in (0, 30), n_packets=3), HIGH)
        scene.send(low.picture(key=frame == 2, n_packets=2), LOW)
        if frame == 20:
            scene.route.set_layers(source=1)
    assert scene.asked[1:] == [HIGH] * len(scene.asked[1:]), "asked until its key frame came"
    assert scene.numbers() == list(range(len(scene.got))), "no hole"
    assert len(scene.got) == 28 * 2 + 10 * 3
    ids = _ids(scene.got)
    pictures = sorted(set(ids), key=ids.index)
    assert [(p - pictures[0][0]) % 32768 for p, _ in pictures] == list(range(38))
    assert [(t - pictures[0][1]) % 256 for _, t in pictures] == list(range(38))
    times = sorted({p.header.timestamp - scene.got[0].header.timestamp for p in scene.got})
    steps = [b - a for a, b in itertools.pairwise(times)]
    assert max(abs(step - 3000) for step in steps) <= 30, "the clock of arrival, here"
    assert (RouterEventType.LAYER_CHANGED, 1) in scene.events()


def test_time_goes_on_exactly_where_the_publisher_reports():
    scene = Scene(_simulcast("h263"), RouteConfig(max_source=0))
    ntp = 3_900_000_000 << 32
    for ssrc, rtp in ((LOW, 1000), (HIGH, 5_000_000)):
        report = SenderReport(ssrc=ssrc, ntp_time=ntp, rtp_timestamp=rtp, packet_count=0, octet_count=0)
        scene.router.receive(scene.publisher, RtcpPacket.serialize_compound([report]), scene.now_us)
    for i in range(4):
        scene.send([Packet(i, 1000 + 3000 * i, b"low")], LOW)
    scene.route.set_layers(source=1)
    scene.drain(5_000)  # the picture of the other quality comes early
    scene.send([Packet(70, 5_000_000 + 3000 * 4, b"high")], HIGH)
    assert [p.header.timestamp - scene.got[0].header.timestamp for p in scene.got] == [0, 3000, 6000, 9000, 12_000]
    assert scene.numbers() == list(range(5))


def test_temporal_layers_leave_without_a_hole():
    scene = Scene(TrackConfig(kind="video", codec="vp8", ssrc=LOW, rtx_ssrc=11, payload_type=PT,
                              rtx_payload_type=RTX_PT, clock_rate=90_000))
    stream = Vp8Stream(picture_id=32_760, tl0=250)
    scene.send(stream.picture(key=True), LOW)
    scene.route.set_layers(temporal=0)
    for _ in range(10):
        scene.send(stream.picture(2) + stream.picture(1) + stream.picture(2) + stream.picture(0, n_packets=2), LOW)
    assert scene.numbers() == list(range(21))
    ids = sorted({p for p, _ in _ids(scene.got)}, key=lambda p: (p - 32_760) % 32768)
    assert [(p - 32_760) % 32768 for p in ids] == list(range(11))
    table = scene.router.stream_table()
    assert table["packets_discarded"][table["direction"] == 1].tolist() == [30]


def test_what_was_edited_is_resent_the_same_way():
    scene = Scene(TrackConfig(kind="video", codec="vp8", ssrc=LOW, rtx_ssrc=11, payload_type=PT,
                              rtx_payload_type=RTX_PT, clock_rate=90_000))
    stream = Vp8Stream()
    scene.send(stream.picture(key=True), LOW)
    scene.route.set_layers(temporal=0)
    for _ in range(5):
        scene.send(stream.picture(1) + stream.picture(0), LOW)
    lost = scene.got[3]
    nack = GenericNack(sender_ssrc=5, media_ssrc=scene.route.ssrc,
                       sequence_numbers=(lost.header.sequence_number,))
    assert scene.router.receive(scene.viewer, RtcpPacket.serialize_compound([nack]), scene.now_us)
    scene.drain()
    resent = scene.got[-1]
    assert (resent.header.ssrc, resent.header.payload_type) == (scene.route.rtx_ssrc, RTX_PT)
    assert bytes(resent.payload) == lost.header.sequence_number.to_bytes(2, "big") + bytes(lost.payload)
    assert resent.header.timestamp == lost.header.timestamp


def test_a_paused_viewer_comes_back_with_a_key_frame():
    scene = Scene(TrackConfig(kind="video", codec="vp8", ssrc=LOW, payload_type=PT, clock_rate=90_000))
    stream = Vp8Stream()
    scene.send(stream.picture(key=True) + stream.picture(), LOW)
    scene.route.pause()
    scene.send(stream.picture() + stream.picture(), LOW)
    scene.asked.clear()
    scene.route.resume()
    scene.drain(700_000)
    scene.drain(20_000)
    assert scene.asked == [LOW]
    scene.send(stream.picture(), LOW)
    assert len(scene.got) == 2, "it waits"
    scene.send(stream.picture(key=True) + stream.picture(), LOW)
    assert scene.numbers() == [0, 1, 2, 3]


def test_wishes_that_cannot_be_are_refused():
    scene = Scene(_simulcast())
    for wrong in ({"source": 2}, {"spatial": 8}, {"temporal": -1}):
        with pytest.raises(ConfigError):
            scene.route.set_layers(**wrong)
    scene.router.unsubscribe(scene.route)
    with pytest.raises(ArgumentError, match="not at this router"):
        scene.route.set_layers(source=1)


def _talk(router, leg, seq, level, now_us):
    header = RtpHeader(sequence_number=seq, timestamp=960 * seq, ssrc=leg.id + 1, payload_type=111,
                       extensions={1: bytes([level | (0x80 if level < 60 else 0)])})
    router.receive(leg, RtpPacket(header=header, payload=b"x").serialize(), now_us)


def test_the_loudest_are_heard_and_others_leave_no_hole():
    router = PacketRouter(RouterConfig(pool_pkts=1024, seed=3), now_us=0)
    router.set_group(7, 2)
    talkers = [router.add_leg() for _ in range(6)]
    tracks = [router.publish(leg, TrackConfig(kind="audio", codec="opus", ssrc=leg.id + 1, payload_type=111,
                                              clock_rate=48_000, extensions={1: AudioLevel.URI}, selection_group=7))
              for leg in talkers]
    listener = router.add_leg()
    routes = {r.ssrc: i for i, r in enumerate(router.subscribe_many([(t, listener, None) for t in tracks]))}
    heard: dict[int, list[RtpPacket]] = {i: [] for i in range(6)}
    for seq in range(400):  # eight seconds: first 0 and 1 speak, then 4 and 5
        now_us = 1_000_000 + 20_000 * seq
        loud = (0, 1) if seq < 200 else (4, 5)
        for i, leg in enumerate(talkers):
            _talk(router, leg, seq, 20 + i if i in loud else 90, now_us)
        while (sent := router.poll_transmit(now_us)) is not None:
            for data in sent[1]:
                if sent[0] is listener and not 192 <= data[1] <= 223:
                    packet = RtpPacket.parse(data)
                    heard[routes[packet.header.ssrc]].append(packet)
    assert {i for i, packets in heard.items() if len(packets) > 20} == {0, 1, 4, 5}
    for i in (0, 1, 4, 5):
        numbers = [p.header.sequence_number for p in heard[i]]
        assert [(n - numbers[0]) % 65536 for n in numbers] == list(range(len(numbers)))
    assert heard[4][-20].header.marker is False
    assert any(p.header.marker for p in heard[4]), "a talk spurt begins"
    speakers = []
    while (event := router.poll_event()) is not None:
        if event.type is RouterEventType.SPEAKER:
            speakers.append(tracks.index(event.subject))
    assert speakers[-1] in (4, 5)
    with pytest.raises(ArgumentError, match="has tracks"):
        router.set_group(7, 3)
