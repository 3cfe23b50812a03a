"""Native traffic for benchmarks and soaks: sources, sinks, and the bare loop between them.

The work is C on threads of its own (``csrc/io/traffic.h``, ``csrc/io/bareloop.h``);
Python sets it up and reads numbers. Every packet says who it is, so a sink can tell
whether what it got is what was sent, in order, and how long that took.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, Final

from arcrtc._native import check, error_for, ffi, lib, new_handle
from arcrtc.crypto import backend_name
from arcrtc.engine import parse_address
from arcrtc.errors import ArgumentError
from arcrtc.srtp import SrtpConfig
from arcrtc.srtp.config import native_config, native_key

#: What a source may send besides its media, to be or-ed: forged and random packets, and replays.
FORGED: Final = int(lib.ARC_TRAFFIC_FORGED)
RANDOM: Final = int(lib.ARC_TRAFFIC_RANDOM)
REPLAYED: Final = int(lib.ARC_TRAFFIC_REPLAYED)

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """What a source sends.

    :ivar payload_bytes: 32..1400.
    :ivar burst_pkts: packets of one stream that leave as one train, 1..48.
    :ivar gso: trains by UDP_SEGMENT; False: each packet by a send of its own.
    :ivar payload_type: 0..127.
    :ivar ticks_per_burst: RTP time between two trains of a stream.
    :ivar level_ext_id: id of an RFC 6464 element, 1..14; 0: packets have none.
    :ivar rate_pps: media packets/s over all streams; 0: not paced.
    :ivar hostile: FORGED, RANDOM, REPLAYED, or-ed.
    :ivar hostile_pps: such packets/s; 0: none.
    :ivar max_streams: 1..4096.
    :ivar seed: of payloads and hostile packets; sinks need the same.
    """

    payload_bytes: int
    burst_pkts: int = 1
    gso: bool = True
    payload_type: int = 96
    ticks_per_burst: int = 960
    level_ext_id: int = 0
    rate_pps: int = 0
    hostile: int = 0
    hostile_pps: int = 0
    max_streams: int = 64
    seed: int = 1


@dataclass(frozen=True, slots=True)
class SourceStats:
    """Counts of a source; ``struct arc_traffic_source_stats`` has the same.

    :ivar sent_pkts: media packets that left.
    :ivar sent_bytes: their bytes.
    :ivar failed_pkts: refused by the socket.
    :ivar hostile_pkts: hostile packets that left.
    :ivar feedback_pkts: datagrams that came back to its legs; they are thrown away.
    :ivar written_off_pkts: closed loop: did not come through in 20 ms.
    :ivar late_pkts: paced: given up, because the thread came too late.
    """

    sent_pkts: int
    sent_bytes: int
    failed_pkts: int
    hostile_pkts: int
    feedback_pkts: int
    written_off_pkts: int
    late_pkts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkConfig:
    """How a sink receives.

    :ivar sockets: 1..64.
    :ivar gro: the kernel hands over trains; False: each packet alone.
    :ivar sample_every: one of so many packets is decrypted and compared; 0: none.
    :ivar buffer_bytes: receive buffer of each socket.
    :ivar max_legs: 1..4096.
    :ivar max_routes: SSRCs, 1..4096.
    :ivar seed: that of the sources.
    """

    sockets: int = 1
    gro: bool = True
    sample_every: int = 733
    buffer_bytes: int = 16 << 20
    max_legs: int = 64
    max_routes: int = 64
    seed: int = 1


@dataclass(frozen=True, slots=True)
class SinkStats:
    """Counts of a sink; ``struct arc_traffic_sink_stats`` has the same.

    :ivar received_pkts: RTP packets of known SSRCs.
    :ivar received_bytes: their bytes.
    :ivar trains: messages that the kernel handed over.
    :ivar rtcp_pkts: RTCP, not looked into.
    :ivar unknown_pkts: of an SSRC that no route has, or no RTP.
    :ivar missing_pkts: sequence numbers that were left out.
    :ivar misplaced_pkts: packets with a number that was passed already.
    :ivar samples: packets that were looked into.
    :ivar forged: of these, the tag did not match.
    :ivar wrong: of these, not what a source sent.
    :ivar number_shifts: of these, the sequence number jumped against the source's.
    :ivar ts_shifts: of these, the time stamp jumped against the source's.
    :ivar source_changes: of these, from another source than the one before.
    :ivar kernel_drops: datagrams that the kernel dropped, because a socket was full.
    """

    received_pkts: int
    received_bytes: int
    trains: int
    rtcp_pkts: int
    unknown_pkts: int
    missing_pkts: int
    misplaced_pkts: int
    samples: int
    forged: int
    wrong: int
    number_shifts: int
    ts_shifts: int
    source_changes: int
    kernel_drops: int


@dataclass(frozen=True, slots=True)
class LegStats:
    """Counts of one leg of a sink.

    :ivar received_pkts: RTP packets of its routes.
    :ivar received_bytes: their bytes.
    :ivar missing_pkts: sequence numbers that were left out.
    :ivar samples: packets that were looked into.
    """

    received_pkts: int
    received_bytes: int
    missing_pkts: int
    samples: int


@dataclass(frozen=True, slots=True)
class Latency:
    """How long packets were on their way, microseconds, 3 % exact.

    :ivar n: samples.
    """

    n: int
    p50_us: float
    p99_us: float
    max_us: float


@dataclass(frozen=True, slots=True)
class BareLoopStats:
    """Counts of the bare loop; ``struct arc_bareloop_stats`` says what each is.

    :ivar received_pkts: packets taken from the socket.
    :ivar forwarded_pkts: packets sent.
    :ivar refused_pkts: received, of a wrong size or unknown stream.
    :ivar forged_pkts: received, the tag did not match.
    :ivar replayed_pkts: received before, or too late.
    :ivar failed_pkts: not forwarded, because the socket or the cipher refused.
    :ivar cpu_ns: CPU time of its thread, nanoseconds.
    :ivar backend: number of the cipher backend.
    :ivar gso: 1 if the kernel has UDP_SEGMENT.
    :ivar gro: 1 if the kernel has UDP_GRO.
    """

    received_pkts: int
    forwarded_pkts: int
    refused_pkts: int
    forged_pkts: int
    replayed_pkts: int
    failed_pkts: int
    cpu_ns: int
    backend: int
    gso: int
    gro: int


def _native_struct(config: Any, ctype: str) -> Any:
    """A C struct with the fields of a dataclass, by name."""
    cfg = ffi.new(f"{ctype} *")
    for field in fields(config):
        setattr(cfg, field.name, getattr(config, field.name))
    return cfg


def _read(cls: Any, cfg: Any) -> Any:
    return cls(*(getattr(cfg, field.name) for field in fields(cls)))


@contextmanager
def _lent_keys(config: SrtpConfig | None) -> Iterator[Any]:
    """A ``struct arc_srtp_config`` for one call, wiped after it; NULL for None."""
    if config is None:
        yield ffi.NULL
        return
    cfg = ffi.new("struct arc_srtp_config *")
    native_config(config, cfg)
    try:
        yield cfg
    finally:
        ffi.buffer(cfg)[:] = bytes(ffi.sizeof(cfg[0]))


@contextmanager
def _lent_key(config: SrtpConfig) -> Iterator[Any]:
    cfg = ffi.new("struct arc_srtp_key_config *")
    native_key(config, cfg)
    try:
        yield cfg
    finally:
        ffi.buffer(cfg)[:] = bytes(ffi.sizeof(cfg[0]))


def _number(result: int, what: str) -> int:
    if result < 0:
        raise error_for(result, what)
    return result


class Traffic:
    """A native thread with sources and sinks.

    :param core: CPU that it is bound to; None: any.
    :param sleep_us: sleep after a turn without work, 0..1000000; 0: poll on, which
        costs a core and is what figures need.
    """

    def __init__(self, *, core: int | None = None, sleep_us: int = 0) -> None:
        cfg = ffi.new("struct arc_traffic_config *", {"core": -1 if core is None else core, "sleep_us": sleep_us})
        self._native: Any = new_handle(lib.arc_traffic_new, lib.arc_traffic_free, "struct arc_traffic", cfg,
                                       what="Traffic")

    @property
    def _handle(self) -> Any:
        if self._native is None:
            raise ArgumentError("the traffic thread is closed")
        return self._native

    def source(self, config: SourceConfig) -> Source:
        """Add a source; it is silent until :meth:`Source.run`."""
        return Source(self, config)

    def sink(self, config: SinkConfig) -> Sink:
        """Add a sink. :raises TransportError: no sockets are left."""
        return Sink(self, config)

    @property
    def cpu_ns(self) -> int:
        """CPU time of the thread, nanoseconds."""
        return int(lib.arc_traffic_cpu_ns(self._handle))

    def close(self) -> None:
        """End the thread; its sources and sinks are gone then."""
        if self._native is not None:
            ffi.release(self._native)
            self._native = None

    def __enter__(self) -> Traffic:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


class _Part:
    """A source or a sink: belongs to its thread, and is gone with it."""

    def __init__(self, traffic: Traffic, native: Any) -> None:
        self._traffic = traffic
        self._native: Any = native

    @property
    def _handle(self) -> Any:
        if self._native is None or self._traffic._native is None:
            raise ArgumentError(f"the {type(self).__name__.lower()} is closed")
        return self._native


class Source(_Part):
    """Streams of packets to where its legs are connected to. Made by :meth:`Traffic.source`."""

    def __init__(self, traffic: Traffic, config: SourceConfig) -> None:
        out = ffi.new("struct arc_traffic_source **")
        cfg = _native_struct(config, "struct arc_traffic_source_config")
        check(lib.arc_traffic_add_source(traffic._handle, cfg, out), "Traffic.source")
        super().__init__(traffic, out[0])
        self._followed: list[object] = []

    def add_leg(self, address: str, first_ssrc: int, *, streams: int = 1, srtp: SrtpConfig | None = None) -> int:
        """Send ``streams`` streams to ``address``, "host:port"; the first one has ``first_ssrc``.

        :returns: the leg's number.
        """
        host, port = parse_address(address)
        text = ffi.new("char[]", host.encode())
        with _lent_keys(srtp) as keys:
            leg = ffi.new("struct arc_traffic_source_leg *", {
                "host": text, "port": port, "first_ssrc": first_ssrc, "streams": streams, "srtp": keys})
            return _number(lib.arc_traffic_source_add_leg(self._handle, leg), "Source.add_leg")

    def address(self, leg: int) -> str:
        """Where the packets of a leg come from."""
        return f"{HOST}:{lib.arc_traffic_source_port(self._handle, leg)}"

    def follow(self, counter: Any, *, per_packet: int = 1, window_pkts: int, keep: object = None) -> None:
        """Have at most ``window_pkts`` packets under way, as ``counter`` tells.

        :param counter: ``const int64_t *`` that somebody publishes, e.g. :attr:`Sink.counter`.
        :param per_packet: by how much it grows for each packet sent.
        :param keep: owner of the counter, which must not be freed before.
        """
        check(lib.arc_traffic_source_follow(self._handle, counter, per_packet, window_pkts), "Source.follow")
        self._followed.append(keep)

    def run(self, on: bool = True) -> None:
        """Begin to send, or stop."""
        lib.arc_traffic_source_run(self._handle, on)

    def rekey(self, leg: int, config: SrtpConfig) -> None:
        """Send a leg's packets under the key of ``config`` from now on."""
        with _lent_key(config) as key:
            check(lib.arc_traffic_source_rekey(self._handle, leg, key), "Source.rekey")

    def stats(self) -> SourceStats:
        """What it sent so far."""
        out = ffi.new("struct arc_traffic_source_stats *")
        lib.arc_traffic_source_get_stats(self._handle, out)
        stats: SourceStats = _read(SourceStats, out)
        return stats

    def close(self) -> None:
        """Take it from its thread."""
        if self._native is not None and self._traffic._native is not None:
            lib.arc_traffic_remove_source(self._traffic._native, self._native)
        self._native = None


class Sink(_Part):
    """Sockets that count and look into what arrives. Made by :meth:`Traffic.sink`."""

    def __init__(self, traffic: Traffic, config: SinkConfig) -> None:
        out = ffi.new("struct arc_traffic_sink **")
        cfg = _native_struct(config, "struct arc_traffic_sink_config")
        check(lib.arc_traffic_add_sink(traffic._handle, cfg, out), "Traffic.sink")
        super().__init__(traffic, out[0])
        self.addresses = tuple(f"{HOST}:{lib.arc_traffic_sink_port(out[0], i)}" for i in range(config.sockets))

    def add_leg(self, srtp: SrtpConfig | None = None) -> int:
        """Expect packets under these keys; their routes are added by :meth:`add_route`."""
        with _lent_keys(srtp) as keys:
            return _number(lib.arc_traffic_sink_add_leg(self._handle, keys), "Sink.add_leg")

    def add_route(self, leg: int, ssrc: int) -> None:
        """Expect an SSRC from a leg. :raises ArgumentError: another route has it."""
        check(lib.arc_traffic_sink_add_route(self._handle, leg, ssrc), "Sink.add_route")

    def rekey(self, leg: int, config: SrtpConfig, *, overlap_ms: int = 5000) -> None:
        """Accept another key on a leg; the one before ends after ``overlap_ms``."""
        with _lent_key(config) as key:
            check(lib.arc_traffic_sink_rekey(self._handle, leg, key, overlap_ms * 1000), "Sink.rekey")

    @property
    def buffer_bytes(self) -> int:
        """Receive buffer of each socket as granted; less than asked for where the system limits it."""
        return int(lib.arc_traffic_sink_buffer_bytes(self._handle))

    @property
    def counter(self) -> Any:
        """``const int64_t *``: packets received so far, for :meth:`Source.follow`."""
        return lib.arc_traffic_sink_counter(self._handle)

    def stats(self) -> SinkStats:
        """What it received so far."""
        out = ffi.new("struct arc_traffic_sink_stats *")
        lib.arc_traffic_sink_get_stats(self._handle, out)
        stats: SinkStats = _read(SinkStats, out)
        return stats

    def leg_stats(self, leg: int) -> LegStats:
        """The same for one leg. :raises ArgumentError: there is no such leg."""
        out = ffi.new("struct arc_traffic_leg_stats *")
        check(lib.arc_traffic_sink_get_leg(self._handle, leg, out), "Sink.leg_stats")
        stats: LegStats = _read(LegStats, out)
        return stats

    def take_latency(self) -> Latency:
        """How long the samples since the last call were on their way."""
        out = ffi.new("struct arc_histogram *")
        lib.arc_traffic_sink_take_latency(self._handle, out)
        p50, p99 = (lib.arc_histogram_quantile(out, q) / 1000 for q in (0.5, 0.99))
        return Latency(out.n, p50, p99, out.max / 1000)

    def close(self) -> None:
        """Take it from its thread."""
        if self._native is not None and self._traffic._native is not None:
            lib.arc_traffic_remove_sink(self._traffic._native, self._native)
        self._native = None


class BareLoop:
    """The least C that forwards SRTP, as a yardstick (``csrc/io/bareloop.h``). Not for use.

    :param core: CPU of its thread; None: any.
    :param streams: streams it receives, with the SSRCs from ``first_ssrc`` on.
    :param subscribers: of all streams.
    :param payload_bytes: of every packet.
    """

    def __init__(self, *, core: int | None = None, streams: int, subscribers: int, first_ssrc: int,
                 payload_bytes: int) -> None:
        cfg = ffi.new("struct arc_bareloop_config *", {
            "core": -1 if core is None else core, "streams": streams, "subscribers": subscribers,
            "first_ssrc": first_ssrc, "payload_bytes": payload_bytes})
        self._native: Any = new_handle(lib.arc_bareloop_new, lib.arc_bareloop_free, "struct arc_bareloop", cfg,
                                       what="BareLoop")

    @property
    def _handle(self) -> Any:
        if self._native is None:
            raise ArgumentError("the bare loop is closed")
        return self._native

    @property
    def address(self) -> str:
        """Where to send the streams to."""
        return f"{HOST}:{lib.arc_bareloop_port(self._handle)}"

    @property
    def taken(self) -> Any:
        """``const int64_t *``: packets taken from the socket, for :meth:`Source.follow`."""
        return lib.arc_bareloop_taken(self._handle)

    def set_stream(self, stream: int, srtp: SrtpConfig) -> None:
        """Give a stream its key, before :meth:`start`."""
        with _lent_keys(srtp) as keys:
            check(lib.arc_bareloop_set_stream(self._handle, stream, keys), "BareLoop.set_stream")

    def add_subscriber(self, stream: int, address: str, ssrc: int, srtp: SrtpConfig, *, number_offset: int = 0,
                       ts_offset: int = 0) -> None:
        """Send a stream to ``address`` as well, under these keys, before :meth:`start`."""
        host, port = parse_address(address)
        text = ffi.new("char[]", host.encode())
        with _lent_keys(srtp) as keys:
            to = ffi.new("struct arc_bareloop_subscriber *", {
                "stream": stream, "host": text, "port": port, "ssrc": ssrc, "number_offset": number_offset,
                "ts_offset": ts_offset})
            check(lib.arc_bareloop_add_subscriber(self._handle, to, keys), "BareLoop.add_subscriber")

    def start(self) -> None:
        """Begin to forward."""
        check(lib.arc_bareloop_start(self._handle), "BareLoop.start")

    def stats(self) -> BareLoopStats:
        """What it did so far."""
        out = ffi.new("struct arc_bareloop_stats *")
        lib.arc_bareloop_get_stats(self._handle, out)
        stats: BareLoopStats = _read(BareLoopStats, out)
        return stats

    @property
    def crypto(self) -> str:
        """Cipher backend it seals with, once it was started."""
        return backend_name(self.stats().backend)

    def close(self) -> None:
        """End its thread."""
        if self._native is not None:
            ffi.release(self._native)
            self._native = None
