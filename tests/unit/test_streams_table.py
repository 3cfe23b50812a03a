"""The manager's table: joined as a loop over dictionaries would, and life cycles that engines follow."""
from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from arcrtc import Session, errors
from arcrtc.routing import LegConfig, PacketRouter, RouterConfig, SourceConfig, TrackConfig
from arcrtc.rtp import RtpHeader, RtpPacket
from arcrtc.streams import MEDIA_TYPES, STATES, TABLE_DTYPE, StreamConfig, StreamManager, StreamState
from arcrtc.streamtables import StreamPlace, row_dtype

USER = UUID(int=7)
CREATED, ACTIVE, PAUSED, CLOSED = StreamState
VOICE = TrackConfig(kind="audio", codec="opus", ssrc=1, payload_type=111, clock_rate=48_000)
CAMERA = TrackConfig(kind="video", codec="vp8", payload_type=96, clock_rate=90_000,
                     layers=(SourceConfig(ssrc=11), SourceConfig(ssrc=12)))


def config(media: str = "audio", **values: Any) -> StreamConfig:
    return StreamConfig(user_id=USER, media_type=media, **values)  # type: ignore[arg-type]


class FakeTables:
    """A stream table that says what it is told to."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int, int, int], int] = {}  # owner, direction, stream, source: packets
        self.closed = False

    def stream_table(self) -> np.ndarray[Any, Any]:
        if self.closed:
            raise errors.ClosedError("closed")
        table = np.zeros(len(self.rows), row_dtype("struct arc_stream_row"))
        for row, ((owner, direction, stream, source), packets) in zip(table, self.rows.items(), strict=True):
            row["owner"], row["direction"], row["stream"], row["source"] = owner, direction, stream, source
            row["packets"] = packets
        return table


class FakeHandle:
    """A stream of such a table; remembers what it was told to do."""

    def __init__(self, tables: FakeTables, owner: int = 1, direction: int = 0, stream: int = 0,
                 fault: Exception | None = None) -> None:
        self.place = StreamPlace(tables, owner, direction, stream)
        self.fault = fault
        self.calls: list[object] = []

    def _stream_place(self) -> StreamPlace:
        return self.place

    def _stream_kind(self) -> str:
        return "audio"

    def _stream_sources(self) -> int:
        return 8

    def _hold_stream(self, held: bool) -> None:
        if self.fault:
            raise self.fault
        self.calls.append(held)

    def _end_stream(self) -> None:
        if self.fault:
            raise self.fault
        self.calls.append("end")


# --- the join, beside a plain model ---

KEYS = st.tuples(st.sampled_from([1, 2, 2**31 - 1]), st.integers(0, 1), st.sampled_from([0, 1, 2**31 - 1]),
                 st.integers(0, 7))


class TableMachine(RuleBasedStateMachine):
    """Streams come, go and are bound to rows of two tables, whose rows come and go; a model says what must be seen."""

    streams: Bundle[UUID] = Bundle("streams")

    def __init__(self) -> None:
        super().__init__()
        self.manager = StreamManager(seed=1)
        self.tables = [FakeTables(), FakeTables()]
        self.model: dict[UUID, tuple[int, tuple[int, int, int, int]] | None] = {}

    @rule(target=streams)
    def create(self) -> UUID:
        stream_id = self.manager.create_stream(config())
        self.model[stream_id] = None
        return stream_id

    @rule(stream_id=consumes(streams))
    def remove(self, stream_id: UUID) -> None:
        self.manager.remove_stream(stream_id)
        del self.model[stream_id]

    @rule(stream_id=streams, which=st.integers(0, 1), key=KEYS)
    def bind(self, stream_id: UUID, which: int, key: tuple[int, int, int, int]) -> None:
        handle = FakeHandle(self.tables[which], *key[:3])
        source = 0 if key[1] else key[3]
        place = (which, (*key[:3], source))
        if self.model[stream_id] is None and place not in self.model.values():
            self.manager.bind(stream_id, handle, source=source)
            self.model[stream_id] = place
        else:
            with pytest.raises(errors.ArgumentError):
                self.manager.bind(stream_id, handle, source=source)

    @rule(stream_id=streams)
    def unbind(self, stream_id: UUID) -> None:
        self.manager.unbind(stream_id)
        self.model[stream_id] = None

    @rule(which=st.integers(0, 1), key=KEYS, packets=st.integers(1, 9))
    def row(self, which: int, key: tuple[int, int, int, int], packets: int) -> None:
        rows = self.tables[which].rows
        for same in [k for k in rows if k[:3] == key[:3] and key[1]]:  # a route is one row, whatever it forwards
            del rows[same]
        rows[key] = packets

    @rule(which=st.integers(0, 1))
    def clear(self, which: int) -> None:
        self.tables[which].rows.clear()

    @invariant()
    def table_is_what_the_model_says(self) -> None:
        table = self.manager.table()
        assert [UUID(bytes=row["stream_id"].tobytes()) for row in table] == list(self.model) == self.manager.ids()
        for row, place in zip(table, self.model.values(), strict=True):
            packets = None
            if place is not None:
                which, key = place
                rows = {(k[0], k[1], k[2], 0 if k[1] else k[3]): n for k, n in self.tables[which].rows.items()}
                packets = rows.get(key)
            seen = row["bound"], row["found"], row["packets"]
            assert seen == (place is not None, packets is not None, packets or 0)


TestTable = TableMachine.TestCase
TestTable.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_table_columns_are_those_of_the_stream_and_of_the_stream_table() -> None:
    manager = StreamManager(seed=1)
    ids = [manager.create_stream(config(bitrate=10_000 + i, ssrc=100 + i), now_us=i) for i in range(200)]
    manager.update_stream_state(ids[3], ACTIVE, now_us=500)
    table = manager.table()
    assert table.dtype is TABLE_DTYPE
    assert table["own_ssrc"].tolist() == list(range(100, 300))
    assert table["created_us"].tolist() == list(range(200))
    assert table["bitrate"].tolist() == list(range(10_000, 10_200))
    assert STATES[table["state"][3]] is ACTIVE
    assert table["state_since_us"][3] == 500
    assert {MEDIA_TYPES[n].value for n in table["media_type"]} == {"audio"}
    assert {UUID(bytes=u.tobytes()) for u in table["user_id"]} == {USER}
    assert not table["bound"].any()
    assert not table["packets"].any()


def test_table_slot_of_a_removed_stream_starts_anew() -> None:
    manager, tables = StreamManager(), FakeTables()
    tables.rows[1, 0, 0, 0] = 5
    first, second = manager.create_stream(config(), now_us=1), manager.create_stream(config(), now_us=2)
    manager.bind(first, FakeHandle(tables))
    assert manager.table()["packets"].tolist() == [5, 0]
    manager.remove_stream(first)
    third = manager.create_stream(config(), now_us=3)
    assert manager.ids() == [second, third]
    assert manager.table()["created_us"].tolist() == [2, 3], "in the order of creation, whichever slot is free"
    assert not manager.table()["bound"].any()


def test_stats_sum_what_is_bound() -> None:
    manager, tables = StreamManager(), FakeTables()
    tables.rows = {(1, 0, 0, 0): 5, (1, 1, 0, 0): 7, (1, 1, 9, 0): 100}
    for direction in (0, 1):
        manager.bind(manager.create_stream(config()), FakeHandle(tables, direction=direction))
    stats = manager.stats()
    assert (stats.bound, stats.packets_received, stats.packets_sent) == (2, 5, 7)
    tables.closed = True
    assert (manager.stats().bound, manager.stats().packets_sent) == (2, 0)


# --- life ---

def bound(handle: FakeHandle, state: StreamState = ACTIVE) -> tuple[StreamManager, UUID]:
    manager = StreamManager()
    stream_id = manager.create_stream(config(ssrc=9))
    manager.update_stream_state(stream_id, ACTIVE)
    if state is PAUSED:
        manager.update_stream_state(stream_id, PAUSED)
    manager.bind(stream_id, handle)
    return manager, stream_id


def test_life_what_is_bound_follows() -> None:
    handle = FakeHandle(FakeTables())
    manager, stream_id = bound(handle)
    for state in (PAUSED, ACTIVE, PAUSED, CLOSED):
        manager.update_stream_state(stream_id, state)
    assert handle.calls == [True, False, True, "end"]
    assert manager.handle_of(stream_id) is None, "it is unbound when it is closed"
    assert not manager.table()["bound"].any()


def test_life_a_paused_stream_pauses_what_it_is_bound_to() -> None:
    handle = FakeHandle(FakeTables())
    bound(handle, PAUSED)
    assert handle.calls == [True]


def test_life_removal_ends_and_unbinding_does_not() -> None:
    handle, other = FakeHandle(FakeTables()), FakeHandle(FakeTables())
    manager, stream_id = bound(handle)
    manager.remove_stream(stream_id)
    assert handle.calls == ["end"]
    manager, stream_id = bound(other)
    manager.unbind(stream_id)
    manager.unbind(stream_id)
    manager.remove_stream(stream_id)
    assert other.calls == []


def test_life_a_track_ends_with_the_last_of_its_streams() -> None:
    handle, manager = FakeHandle(FakeTables()), StreamManager()
    ids = [manager.create_stream(config()) for _ in range(3)]
    for source, stream_id in enumerate(ids):
        manager.bind(stream_id, handle, source=source)
    for stream_id in ids:
        assert handle.calls == []
        manager.remove_stream(stream_id)
    assert handle.calls == ["end"]


@pytest.mark.parametrize("state", [PAUSED, ACTIVE, CLOSED])
def test_life_a_fault_leaves_the_stream_as_it_was(state: StreamState) -> None:
    handle = FakeHandle(FakeTables())
    manager, stream_id = bound(handle)
    if state is not PAUSED:
        manager.update_stream_state(stream_id, PAUSED)
    before, events = manager.get_stream(stream_id), manager.events()
    handle.fault = errors.BackpressureError("busy")
    with pytest.raises(errors.BackpressureError):
        manager.update_stream_state(stream_id, state)
    with pytest.raises(errors.BackpressureError):
        manager.remove_stream(stream_id)
    assert manager.get_stream(stream_id) == before
    assert manager.handle_of(stream_id) is handle
    assert manager.find_ssrc(9) == before
    assert not manager.events(), events
    handle.fault = None
    manager.update_stream_state(stream_id, state)


def test_life_a_peer_that_is_closed_already_is_no_fault_at_the_end() -> None:
    manager, stream_id = bound(FakeHandle(FakeTables(), fault=errors.ClosedError("closed")))
    manager.remove_stream(stream_id)
    assert len(manager) == 0


def test_life_forbidden_transitions_do_not_reach_what_is_bound() -> None:
    handle = FakeHandle(FakeTables())
    manager, stream_id = bound(handle)
    with pytest.raises(errors.InvalidTransitionError):
        manager.update_stream_state(stream_id, CLOSED)
    assert handle.calls == []


def test_bind_refuses_what_does_not_fit() -> None:
    handle = FakeHandle(FakeTables())
    manager, stream_id = bound(handle)
    video = manager.create_stream(config("video"))
    closed = manager.create_stream(config())
    for state in (ACTIVE, PAUSED, CLOSED):
        manager.update_stream_state(closed, state)
    other = manager.create_stream(config())
    for wrong, what, source in ((stream_id, FakeHandle(FakeTables()), 0), (video, FakeHandle(FakeTables()), 0),
                                (closed, FakeHandle(FakeTables()), 0), (other, handle, 0), (other, handle, 8),
                                (other, handle, -1), (other, object(), 0)):
        with pytest.raises(errors.ArgumentError):
            manager.bind(wrong, what, source=source)  # type: ignore[arg-type]
    for call in (lambda: manager.bind(UUID(int=1), handle), lambda: manager.unbind(UUID(int=1))):
        with pytest.raises(errors.StreamNotFoundError):
            call()
    assert manager.handle_of(UUID(int=1)) is None


def test_bind_senders_of_a_session_without_an_engine_are_refused() -> None:
    manager = StreamManager()
    with pytest.raises(errors.ArgumentError, match="without an engine"):
        manager.bind(manager.create_stream(config()), Session().send_audio())


# --- a router that its caller drives ---

@pytest.fixture
def router() -> PacketRouter:
    return PacketRouter(RouterConfig(seed=1, pool_pkts=512), now_us=1_000_000)


def test_router_tracks_and_routes(router: PacketRouter) -> None:
    publisher, viewer, camera = router.add_leg(), router.add_leg(LegConfig()), router.add_leg()
    voice, video = router.publish(publisher, VOICE), router.publish(camera, CAMERA)
    route = router.subscribe(voice, viewer)
    manager = StreamManager()
    inbound, outbound = (manager.create_stream(config()) for _ in range(2))
    low, high = (manager.create_stream(config("video")) for _ in range(2))
    manager.bind(inbound, voice)
    manager.bind(outbound, route)
    manager.bind(low, video)
    manager.bind(high, video, source=1)
    manager.update_stream_state(outbound, ACTIVE)

    def send(seq: int) -> None:
        header = RtpHeader(sequence_number=seq, timestamp=960 * seq, ssrc=1, payload_type=111)
        router.receive(publisher, RtpPacket(header=header, payload=bytes(10)).serialize(), 1_000_000 + 1000 * seq)
        while router.poll_transmit(1_000_000 + 1000 * seq):
            pass

    send(0)
    table = manager.table()
    assert table["found"].all()
    assert table["packets"].tolist() == [1, 1, 0, 0]
    assert table["ssrc"].tolist() == [1, route.ssrc, 11, 12]
    manager.update_stream_state(outbound, PAUSED)
    send(1)
    assert manager.table()["packets"].tolist() == [2, 1, 0, 0]
    assert manager.table()["packets_discarded"].tolist() == [0, 1, 0, 0]
    assert manager.stats().packets_discarded == 1
    manager.update_stream_state(outbound, ACTIVE)
    send(2)
    assert manager.table()["packets"].tolist() == [3, 2, 0, 0]
    manager.remove_stream(low)
    assert router.tracks == (voice, video)
    manager.remove_stream(high)
    assert router.tracks == (voice,)
    manager.remove_stream(inbound)
    assert not router.routes, "the track has ended, and its routes with it"
    assert manager.table()["found"].tolist() == [False]
    with pytest.raises(errors.ArgumentError):
        manager.update_stream_state(outbound, PAUSED)
    manager.unbind(outbound)
    manager.update_stream_state(outbound, PAUSED)


def test_router_what_is_gone_cannot_be_bound(router: PacketRouter) -> None:
    publisher, viewer = router.add_leg(), router.add_leg()
    track = router.publish(publisher, VOICE)
    route = router.subscribe(track, viewer)
    router.remove_leg(publisher)
    manager = StreamManager()
    for handle in (track, route):
        with pytest.raises(errors.ArgumentError):
            manager.bind(manager.create_stream(config()), handle)
