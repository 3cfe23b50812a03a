"""PacketRouter without an engine: datagrams in, datagrams out."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from arcrtc import RtpHeader, RtpPacket, SrtpConfig, SrtpPipeline
from arcrtc.errors import ArgumentError, ConfigError
from arcrtc.routing import (
    W3C_NAMES,
    LegConfig,
    PacketRouter,
    RouteConfig,
    RouterConfig,
    RouterEventType,
    SourceConfig,
    TrackConfig,
)
from arcrtc.rtcp import GenericNack, RtcpPacket, SenderReport
from arcrtc.rtpext import AbsSendTime, AudioLevel, Mid, RtpStreamId, TransportSequenceNumber

AUDIO = TrackConfig(kind="audio", codec="opus", ssrc=1, payload_type=111, clock_rate=48_000)
VIDEO = TrackConfig(kind="video", codec="h264", ssrc=2, rtx_ssrc=3, payload_type=96, rtx_payload_type=97,
                    clock_rate=90_000)


def _packet(seq: int, ssrc: int = 1, payload: bytes = b"sound", pt: int = 111, **header) -> bytes:
    return RtpPacket(header=RtpHeader(sequence_number=seq, timestamp=960 * seq, ssrc=ssrc, payload_type=pt, **header),
                     payload=payload).serialize()


def _drain(router: PacketRouter, now_us: int) -> dict[int, list[bytes]]:
    out: dict[int, list[bytes]] = {}
    while (sent := router.poll_transmit(now_us)) is not None:
        leg, datagrams = sent
        out.setdefault(leg.id, []).extend(datagrams)
    return out


def _media(datagrams: list[bytes], pipeline: SrtpPipeline | None = None) -> list[RtpPacket]:
    packets = []
    for data in datagrams:
        if 192 <= data[1] <= 223:
            continue
        packets.append(pipeline.decrypt(data) if pipeline else RtpPacket.parse(data))
    return packets


@pytest.fixture
def router() -> PacketRouter:
    return PacketRouter(RouterConfig(pool_pkts=1024, seed=5), now_us=1_000_000)


def test_packets_reach_subscribers_under_their_own_keys(router):
    keys = [SrtpConfig.generate() for _ in range(3)]
    publisher, *subscribers = [router.add_leg(LegConfig(srtp=key)) for key in keys]
    track = router.publish(publisher, AUDIO)
    routes = router.subscribe_many([(track, leg, None) for leg in subscribers])
    sender = SrtpPipeline(keys[0])
    for seq in range(5):
        assert router.receive(publisher, sender.encrypt(_packet(seq)), 1_000_000)
    out = _drain(router, 1_000_000)
    for leg, key, route in zip(subscribers, keys[1:], routes, strict=True):
        packets = _media(out[leg.id], SrtpPipeline(key))
        assert [p.header.ssrc for p in packets] == [route.ssrc] * 5
        assert np.unique(np.diff([p.header.sequence_number for p in packets])).tolist() == [1]
        assert np.unique(np.diff([p.header.timestamp for p in packets]) % 2**32).tolist() == [960]
        assert {bytes(p.payload) for p in packets} == {b"sound"}
    event = router.poll_event()
    assert (event.type, event.subject, event.value) == (RouterEventType.SOURCE_ADDED, track, 1)


def test_header_extensions_get_the_subscribers_numbers(router):
    publisher = router.add_leg()
    viewer = router.add_leg(LegConfig(extensions={5: AudioLevel.URI, 6: Mid.URI, 7: TransportSequenceNumber.URI,
                                                  8: AbsSendTime.URI}))
    plain = router.add_leg(LegConfig(extensions={}))
    track = router.publish(publisher, TrackConfig(
        kind="audio", codec="opus", ssrc=1, payload_type=111, clock_rate=48_000,
        extensions={1: AudioLevel.URI, 2: TransportSequenceNumber.URI, 3: RtpStreamId.URI}))
    router.subscribe(track, viewer, RouteConfig(mid="m7", payload_type=96))
    router.subscribe(track, plain)
    for seq in range(3):
        router.receive(publisher, _packet(seq, extensions={1: b"\x85", 2: b"\xff\xff", 3: b"hi"}), 2_000_000)
    out = _drain(router, 2_000_000)
    packets = _media(out[viewer.id])
    assert [p.header.payload_type for p in packets] == [96] * 3
    for i, packet in enumerate(packets):
        extensions = {ident: bytes(value) for ident, value in packet.header.extensions.items()}
        assert extensions[5] == b"\x85"
        assert extensions[6] == b"m7"
        assert extensions[7] == i.to_bytes(2, "big")
        assert len(extensions[8]) == 3
        assert len(extensions) == 4
    assert [dict(p.header.extensions) for p in _media(out[plain.id])] == [{}] * 3


def test_simulcast_sources_are_learned_by_their_rid(router):
    publisher, viewer = router.add_leg(), router.add_leg()
    track = router.publish(publisher, TrackConfig(
        kind="video", codec="h263", payload_type=96, clock_rate=90_000, extensions={4: RtpStreamId.URI},
        layers=(SourceConfig(rid="lo"), SourceConfig(rid="hi"))))
    router.subscribe(track, viewer)
    for ssrc, rid in ((77, b"hi"), (88, b"lo"), (99, b"no")):
        router.receive(publisher, _packet(1, ssrc=ssrc, pt=96, extensions={4: rid}), 1_000_000)
    table = router.stream_table()
    sources = table[table["direction"] == 0]
    assert dict(zip(sources["source"].tolist(), sources["ssrc"].tolist(), strict=True)) == {0: 88, 1: 77}
    assert router.stats()["drops"]["unknown_source"] == 1


def test_tables_hold_every_stream(router):
    publisher = router.add_leg()
    viewers = [router.add_leg() for _ in range(20)]
    tracks = [router.publish(publisher, AUDIO), router.publish(publisher, VIDEO)]
    routes = router.subscribe_many([(track, leg, None) for track in tracks for leg in viewers])
    router.receive(publisher, _packet(9), 1_000_000)
    _drain(router, 1_000_000)
    table = router.stream_table()
    assert len(table) == 2 + 40
    outbound = table[table["direction"] == 1]
    assert set(outbound["stream"]) == {route.id for route in routes}
    assert outbound["packets"].sum() == 20
    assert set(table["round_trip_ms"]) == {-1.0}
    assert set(W3C_NAMES) <= set(table.dtype.names)
    legs = router.leg_table()
    assert legs["routes"].tolist() == [0] + [2] * 20
    assert viewers[0].stats()["sent_pkts"] >= 1


def test_whoever_ends_takes_along_what_hangs_on_it(router):
    publisher, viewer = router.add_leg(), router.add_leg()
    track = router.publish(publisher, AUDIO)
    route = router.subscribe(track, viewer)
    router.remove_leg(publisher)
    router.remove_leg(publisher)
    assert (router.tracks, router.routes, router.legs) == ((), (), (viewer,))
    with pytest.raises(ArgumentError, match="not at this router"):
        route.pause()
    with pytest.raises(ArgumentError, match="not at this router"):
        router.subscribe(track, viewer)
    router.unsubscribe(route)
    router.unpublish(track)


def test_what_cannot_be_is_refused(router):
    publisher, viewer = router.add_leg(), router.add_leg()
    track = router.publish(publisher, AUDIO)
    with pytest.raises(ConfigError, match="in use"):
        router.publish(publisher, AUDIO)
    with pytest.raises(ConfigError, match="go back to the leg"):
        router.subscribe(track, publisher)
    route = router.subscribe(track, viewer, RouteConfig(ssrc=50))
    with pytest.raises(ConfigError, match="SSRC is in use"):
        router.subscribe_many([(track, viewer, RouteConfig(ssrc=60)), (track, viewer, RouteConfig(ssrc=50))])
    assert router.routes == (route,), "all or none"
    with pytest.raises(ConfigError, match="needs an id"):
        router.subscribe(track, viewer, RouteConfig(mid="x"))
    with pytest.raises(ConfigError, match="above 14"):
        router.add_leg(LegConfig(extensions={15: Mid.URI}))
    with pytest.raises(ConfigError, match="no SRTP"):
        viewer.rekey(SrtpConfig.generate())


@pytest.mark.parametrize("setting", [{"pool_pkts": 255}, {"history_pkts": 3}, {"history_ms": 999}, {"cname": "x" * 64}])
def test_router_settings_are_checked(setting):
    with pytest.raises(ConfigError):
        RouterConfig(**setting)


@pytest.mark.parametrize("setting", [{"mtu_bytes": 299}, {"queue_pkts": 15}, {"train_pkts": 65}, {"hold_us": 5001},
                                     {"pace_bps": -1}, {"srtp_receive": SrtpConfig.generate()}])
def test_leg_settings_are_checked(setting):
    with pytest.raises(ConfigError):
        LegConfig(**setting)


def test_packets_wait_for_each_other_as_long_as_they_may(router):
    publisher, viewer = router.add_leg(), router.add_leg(LegConfig(hold_us=4000, train_pkts=3))
    router.subscribe(router.publish(publisher, AUDIO), viewer)
    router.receive(publisher, _packet(0), 1_000_000)
    _drain(router, 1_000_000)
    router.receive(publisher, _packet(1), 1_002_000)
    assert not _media(_drain(router, 1_002_000).get(viewer.id, []))
    assert len(_media(_drain(router, 1_004_000)[viewer.id])) == 2
    for seq in range(2, 5):
        router.receive(publisher, _packet(seq), 1_010_000)
    assert len(_media(_drain(router, 1_010_000)[viewer.id])) == 3, "a whole train need not wait"


def test_a_paced_leg_gets_its_rate(router):
    publisher, viewer = router.add_leg(), router.add_leg(LegConfig(pace_bps=1_000_000))
    router.subscribe(router.publish(publisher, AUDIO), viewer)
    for seq in range(400):
        router.receive(publisher, _packet(seq, payload=bytes(988)), 1_000_000)
    sent = 0
    for ms in range(200):
        sent += sum(len(p.serialize()) for p in _media(_drain(router, 1_000_000 + 1000 * ms).get(viewer.id, [])))
    assert 0.9 * 25_000 < sent < 1.1 * 25_000 + 1000
    viewer.set_pace(0)
    rest = _media(_drain(router, 1_200_000)[viewer.id])
    assert sent + sum(len(p.serialize()) for p in rest) == 400_000


def test_a_full_queue_loses_and_counts(router):
    publisher, viewer = router.add_leg(), router.add_leg(LegConfig(queue_pkts=16))
    router.subscribe(router.publish(publisher, AUDIO), viewer)
    for seq in range(20):
        router.receive(publisher, _packet(seq), 1_000_000)
    assert len(_media(_drain(router, 1_000_000)[viewer.id])) == 16
    assert viewer.stats()["queue_full"] == 4
    assert router.stream_table()["packets_discarded"].sum() == 4


@pytest.mark.parametrize("ntp_s", [100, 3_900_000_000, 4_294_967_000])
def test_a_report_to_subscribers_fits_the_media_whatever_the_publishers_clock_says(router, ntp_s):
    publisher, viewer = router.add_leg(), router.add_leg()
    router.subscribe(router.publish(publisher, AUDIO), viewer)
    report = SenderReport(ssrc=1, ntp_time=ntp_s << 32, rtp_timestamp=960 * 5, packet_count=0, octet_count=0)
    now_us, media, reports = 1_000_001, [], []
    for seq in range(5, 200):
        if seq % 50 == 5:
            router.receive(publisher, RtcpPacket.serialize_compound(
                [replace(report, ntp_time=(ntp_s << 32) + ((seq - 5 << 32) // 50), rtp_timestamp=960 * seq)]), now_us)
        router.receive(publisher, _packet(seq), now_us)
        out = _drain(router, now_us).get(viewer.id, [])
        media += _media(out)
        reports += [(now_us, media[-1].header.timestamp, p) for data in out if 192 <= data[1] <= 223
                    for p in RtcpPacket.parse_compound(data) if isinstance(p, SenderReport)]
        now_us += 20_000
    assert len(reports) >= 2
    for _, timestamp, told in reports:
        apart = (told.rtp_timestamp - timestamp + 2**31) % 2**32 - 2**31
        assert abs(apart) <= 2 * 960


def test_a_packet_that_comes_twice_is_forwarded_once(router):
    """Whether it is resent twice, or comes by itself after its repair: at a subscriber it would be the same number."""
    publisher, viewer = router.add_leg(), router.add_leg()
    track = router.publish(publisher, TrackConfig(kind="video", codec="other", ssrc=2, rtx_ssrc=3, payload_type=96,
                                                  rtx_payload_type=97, clock_rate=90_000))
    router.subscribe(track, viewer)
    resent = [_packet(seq, 3, (11).to_bytes(2, "big") + b"eleven", 97) for seq in (500, 501)]
    for data in (_packet(10, 2, b"ten", 96), _packet(12, 2, b"twelve", 96), *resent, _packet(11, 2, b"eleven", 96),
                 _packet(12, 2, b"twelve", 96)):
        assert router.receive(publisher, data, 1_000_000)
    packets = _media(_drain(router, 1_000_000)[viewer.id])
    assert [bytes(p.payload) for p in packets] == [b"ten", b"twelve", b"eleven"]
    first = packets[0].header.sequence_number
    assert [(p.header.sequence_number - first) % 65536 for p in packets] == [0, 2, 1]
    stats = router.stats()
    assert (stats["drops"]["repair"], stats["received_rtp"], stats["received_pkts"]) == (3, 3, 6)


@pytest.mark.parametrize("first", [50_000, 38_500, 20_000], ids=["ahead", "a little back", "far back"])
def test_a_publisher_that_starts_again_goes_on_for_its_subscribers(router, first):
    """With other numbers and time stamps. The first of them alone may be a stray (RFC 3550 A.1)."""
    key = SrtpConfig.generate()
    publisher, listener = router.add_leg(), router.add_leg(LegConfig(srtp=key))
    router.subscribe(router.publish(publisher, AUDIO), listener)
    out = []
    for i, seq in enumerate([*range(40_000, 40_005), *range(first, first + 5)]):
        at_us = 1_000_000 + 20_000 * i
        header = RtpHeader(sequence_number=seq, timestamp=(960 * i + (i > 4) * 3_000_000_000) % 2**32, ssrc=1,
                           payload_type=111)
        assert router.receive(publisher, RtpPacket(header=header, payload=bytes([i])).serialize(), at_us)
        out += _drain(router, at_us).get(listener.id, [])
    packets = _media(out, SrtpPipeline(key))
    assert [p.payload[0] for p in packets] == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert np.unique(np.diff([p.header.sequence_number for p in packets]) % 65536).tolist() == [1]
    steps = np.diff([p.header.timestamp for p in packets]) % 2**32
    assert steps.tolist() == [960] * 4 + [1920] + [960] * 3


def test_events_that_nobody_fetched_are_counted_by_one_more():
    router = PacketRouter(RouterConfig(pool_pkts=1024, seed=5), now_us=0)
    for _ in range(1100):
        router.add_leg()
    _drain(router, 1_000_000)
    _drain(router, 6_000_000)  # none of them was ever heard
    events = list(iter(router.poll_event, None))
    assert [e.type for e in events] == [RouterEventType.LEG_SILENT] * 1024 + [RouterEventType.EVENTS_LOST]
    assert (events[-1].value, events[-1].subject) == (76, None)
    assert router.stats()["events_lost"] == 76
    assert router.poll_event() is None, "told once"


def test_a_flood_of_nacks_is_no_amplifier(router):
    """Numbers whose last resends push each other out of memory: then what was sent bounds what is resent."""
    publisher, viewer = router.add_leg(), router.add_leg()
    route = router.subscribe(router.publish(publisher, replace(VIDEO, codec="h263")), viewer)
    for seq in range(400):
        router.receive(publisher, _packet(seq, ssrc=2, pt=96, payload=b"picture"), 1_000_000)
        _drain(router, 1_000_000)
    table = router.stream_table()
    assert table["packets"][table["direction"] == 1].tolist() == [400]
    first = RtpPacket.parse(_last_media(router, publisher, viewer)).header.sequence_number - 400
    resent = 0
    for round_ in range(200):
        lost = tuple((first + k) % 65536 for k in range(100, 356))
        nack = GenericNack(sender_ssrc=9, media_ssrc=route.ssrc, sequence_numbers=lost)
        router.receive(viewer, RtcpPacket.serialize_compound([nack]), 1_100_000 + 1000 * round_)
        resent += len(_media(_drain(router, 1_100_000 + 1000 * round_).get(viewer.id, [])))
    assert 200 < resent <= 256 + 401, "each packet that was sent allows one, and 256 may be saved up"


def _last_media(router: PacketRouter, publisher, viewer) -> bytes:
    router.receive(publisher, _packet(400, ssrc=2, pt=96, payload=b"last"), 1_050_000)
    return [data for data in _drain(router, 1_050_000)[viewer.id] if not 192 <= data[1] <= 223][-1]
