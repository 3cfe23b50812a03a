"""benchmarks.traffic: sources, sinks and the bare loop from Python. The packets themselves: tests/c/test_traffic.c."""
from __future__ import annotations

import gc
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from arcrtc._native import ffi, lib
from arcrtc.benchmarks.traffic import FORGED, BareLoop, SinkConfig, SourceConfig, Traffic
from arcrtc.errors import ArgumentError, LimitError, TransportError
from arcrtc.srtp import SrtpConfig, SrtpProfile
from tests.model.allocation import survives_every_failure

SOURCE = SourceConfig(payload_bytes=200, burst_pkts=4)
SINK = SinkConfig(sample_every=7)


@pytest.fixture
def traffic() -> Iterator[Traffic]:
    gc.collect()  # what tests before this one left to the collector
    before = lib.arc_mem_live_blocks()
    with Traffic(sleep_us=200) as thread:
        yield thread
    gc.collect()
    assert lib.arc_mem_live_blocks() == before


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    assert condition()


@pytest.mark.parametrize("profile", SrtpProfile)
def test_traffic_every_profile_arrives_as_it_was_sent(traffic: Traffic, profile: SrtpProfile) -> None:
    srtp = SrtpConfig.generate(profile)
    sink = traffic.sink(SINK)
    leg = sink.add_leg(srtp)
    for ssrc in (5, 6, 7):
        sink.add_route(leg, ssrc)
    source = traffic.source(SOURCE)
    assert source.add_leg(sink.addresses[0], 5, streams=3, srtp=srtp) == 0
    source.follow(sink.counter, window_pkts=40, keep=sink)
    source.run()
    wait_until(lambda: sink.stats().received_pkts > 500)
    source.run(False)
    wait_until(lambda: sink.stats().received_pkts == source.stats().sent_pkts)
    stats = sink.stats()
    assert stats.samples == -(-stats.received_pkts // 7)
    assert (stats.forged, stats.wrong, stats.missing_pkts, stats.misplaced_pkts, stats.unknown_pkts) == (0,) * 5
    assert sink.leg_stats(leg).received_bytes == source.stats().sent_bytes
    latency = sink.take_latency()
    assert latency.n == stats.samples
    assert 0 < latency.p50_us <= latency.p99_us <= latency.max_us
    assert sink.take_latency().n == 0


def test_traffic_pace_is_kept(traffic: Traffic) -> None:
    sink = traffic.sink(SINK)
    sink.add_route(sink.add_leg(), 5)
    source = traffic.source(replace(SOURCE, rate_pps=4000))
    source.add_leg(sink.addresses[0], 5)
    source.run()
    clock, passed = [], []
    for _ in range(2):
        begin, stats = time.monotonic(), source.stats()
        clock.append((begin, time.monotonic()))
        # What was given up because another program had the core counts as well.
        passed.append(stats.sent_pkts + stats.late_pkts)
        time.sleep(0.3)
    # This thread may be held up while it looks: the time in between is known within bounds.
    at_least, at_most = clock[1][0] - clock[0][1], clock[1][1] - clock[0][0]
    assert 4000 * at_least * 0.75 < passed[1] - passed[0] < 4000 * at_most * 1.25


def test_traffic_full_sockets_are_told(traffic: Traffic) -> None:
    with Traffic(sleep_us=1_000_000) as slow:  # reads once a second
        sink = slow.sink(replace(SINK, buffer_bytes=2048))
        sink.add_route(sink.add_leg(), 5)
        source = traffic.source(replace(SOURCE, gso=False, rate_pps=4000))
        source.add_leg(sink.addresses[0], 5)
        source.run()
        wait_until(lambda: source.stats().sent_pkts > 400)
        source.run(False)
        wait_until(lambda: sink.stats().received_pkts + sink.stats().kernel_drops == source.stats().sent_pkts)
        assert sink.stats().kernel_drops > 100


def test_traffic_silent_sources_send_nothing(traffic: Traffic) -> None:
    sink = traffic.sink(SINK)
    idle = traffic.source(SOURCE)  # neither paced nor following anything
    idle.add_leg(sink.addresses[0], 5)
    idle.run()
    legless = traffic.source(replace(SOURCE, rate_pps=1000, hostile=FORGED, hostile_pps=1000))
    legless.run()
    time.sleep(0.05)
    assert idle.stats().sent_pkts == legless.stats().sent_pkts == legless.stats().hostile_pkts == 0


def test_traffic_wrong_seed_is_noticed(traffic: Traffic) -> None:
    sink = traffic.sink(replace(SINK, seed=2))
    sink.add_route(sink.add_leg(), 5)
    source = traffic.source(replace(SOURCE, rate_pps=4000))
    source.add_leg(sink.addresses[0], 5)
    source.run()
    wait_until(lambda: sink.stats().samples > 0)
    stats = sink.stats()
    assert stats.wrong == stats.samples


def test_traffic_closed_parts_are_refused(traffic: Traffic) -> None:
    source, sink = traffic.source(SOURCE), traffic.sink(SINK)
    source.close()
    source.close()
    sink.close()
    with pytest.raises(ArgumentError, match="source is closed"):
        source.stats()
    with pytest.raises(ArgumentError, match="sink is closed"):
        sink.stats()
    late = traffic.source(SOURCE)
    traffic.close()
    with pytest.raises(ArgumentError, match="closed"):
        late.run()
    with pytest.raises(ArgumentError, match="closed"):
        traffic.sink(SINK)
    late.close()


def test_traffic_limits_and_arguments_are_checked(traffic: Traffic) -> None:
    sink = traffic.sink(replace(SINK, max_legs=1, max_routes=1))
    sink.add_leg()
    with pytest.raises(LimitError):
        sink.add_leg(SrtpConfig.generate())
    sink.add_route(0, 1)
    with pytest.raises(ArgumentError):
        sink.add_route(0, 1)
    with pytest.raises(LimitError):
        sink.add_route(0, 2)
    with pytest.raises(ArgumentError):
        sink.leg_stats(1)
    source = traffic.source(replace(SOURCE, max_streams=2))
    with pytest.raises(LimitError):
        source.add_leg(sink.addresses[0], 1, streams=3)
    with pytest.raises(TransportError):
        source.add_leg("no.such.host.invalid:5", 1)
    with pytest.raises(ArgumentError):
        source.follow(sink.counter, window_pkts=0)
    with pytest.raises(ArgumentError):
        source.rekey(0, SrtpConfig.generate())
    for wrong in ({"payload_bytes": 31}, {"burst_pkts": 49}, {"payload_type": 128}, {"level_ext_id": 15},
                  {"hostile_pps": 5}, {"hostile": 8}, {"rate_pps": -1}, {"max_streams": 0}):
        with pytest.raises(ArgumentError):
            traffic.source(replace(SOURCE, **wrong))
    for wrong in ({"sockets": 0}, {"sockets": 65}, {"sample_every": -1}, {"buffer_bytes": 0}, {"max_routes": 4097}):
        with pytest.raises(ArgumentError):
            traffic.sink(replace(SINK, **wrong))


def test_traffic_survives_every_failed_allocation(traffic: Traffic) -> None:
    allocations, source = survives_every_failure(lambda: traffic.source(SOURCE))
    assert allocations >= 4
    allocations, sink = survives_every_failure(lambda: traffic.sink(SINK))
    assert allocations >= 3
    srtp = SrtpConfig.generate(crypto="openssl")
    sink.add_leg(srtp)  # a backend's first use is a test of it, which allocates too
    assert survives_every_failure(lambda: sink.add_leg(srtp))[0] > 3
    assert survives_every_failure(lambda: source.add_leg(sink.addresses[0], 5, srtp=srtp))[0] > 3


def test_traffic_cores_that_are_not_ours_are_refused() -> None:
    for core in (-2, 1023, 5000):
        with pytest.raises(ArgumentError):
            Traffic(core=core)
        with pytest.raises(ArgumentError):
            BareLoop(core=core, streams=1, subscribers=1, first_ssrc=1, payload_bytes=100)


def test_traffic_feedback_is_read_and_counted(traffic: Traffic) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        source = traffic.source(SOURCE)
        source.add_leg("{}:{}".format(*peer.getsockname()), 5)
        host, _, port = source.address(0).rpartition(":")
        for _ in range(3):
            peer.sendto(b"report", (host, int(port)))
        wait_until(lambda: source.stats().feedback_pkts == 3)


def test_bare_loop_wants_gcm_and_its_keys_first() -> None:
    loop = BareLoop(streams=1, subscribers=1, first_ssrc=1, payload_bytes=100)
    with pytest.raises(ArgumentError):
        loop.set_stream(0, SrtpConfig.generate(SrtpProfile.AES128_CM_HMAC_SHA1_80))
    with pytest.raises(ArgumentError):
        loop.start()
    loop.set_stream(0, SrtpConfig.generate())
    with pytest.raises(ArgumentError):
        loop.set_stream(0, SrtpConfig.generate())
    with pytest.raises(TransportError):
        loop.add_subscriber(0, "localhost:9", 2, SrtpConfig.generate())
    loop.add_subscriber(0, "127.0.0.1:9", 2, SrtpConfig.generate())
    with pytest.raises(LimitError):
        loop.add_subscriber(0, "127.0.0.1:9", 3, SrtpConfig.generate())
    loop.close()
    loop.close()
    with pytest.raises(ArgumentError, match="closed"):
        loop.stats()


def test_bare_loop_constants_of_a_struct_match() -> None:
    """The dataclasses are read by field name: a field that C lacks would be found here."""
    for ctype, expected in (("struct arc_traffic_sink_stats", 14), ("struct arc_traffic_source_stats", 7),
                            ("struct arc_bareloop_stats", 10), ("struct arc_traffic_leg_stats", 4)):
        assert len(ffi.typeof(ctype).fields) == expected
