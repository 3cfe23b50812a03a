"""arcrtc.streams: every pair of states, SSRCs, bounds, threads."""
from __future__ import annotations

import threading
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from arcrtc import errors
from arcrtc.streams import TRANSITIONS, MediaType, StreamConfig, StreamManager, StreamState

USER = UUID(int=1)
CREATED, ACTIVE, PAUSED, CLOSED = StreamState
#: The contract written out a second time.
ALLOWED = {(CREATED, ACTIVE), (ACTIVE, PAUSED), (PAUSED, ACTIVE), (PAUSED, CLOSED)}
WAY = {CREATED: [], ACTIVE: [ACTIVE], PAUSED: [ACTIVE, PAUSED], CLOSED: [ACTIVE, PAUSED, CLOSED]}


def audio(ssrc: int | None = None, user_id: UUID = USER, **values: object) -> StreamConfig:
    return StreamConfig(user_id=user_id, media_type=MediaType.AUDIO, ssrc=ssrc, **values)  # type: ignore[arg-type]


def stream_in(manager: StreamManager, state: StreamState, ssrc: int | None = None) -> UUID:
    stream_id = manager.create_stream(audio(ssrc))
    for step in WAY[state]:
        manager.update_stream_state(stream_id, step)
    return stream_id


@pytest.mark.parametrize("after", StreamState)
@pytest.mark.parametrize("before", StreamState)
def test_streams_every_pair_of_states(before: StreamState, after: StreamState) -> None:
    manager = StreamManager()
    stream_id = stream_in(manager, before)
    manager.events()
    if (before, after) in ALLOWED:
        assert manager.update_stream_state(stream_id, after, now_us=77).state is after
        stream = manager.get_stream(stream_id)
        assert (stream.state, stream.state_since_us) == (after, 77)
        assert [(e.previous, e.state, e.at_us) for e in manager.events()] == [(before, after, 77)]
    else:
        message = f"is {before.value} and cannot become {after.value}"
        with pytest.raises(errors.InvalidTransitionError, match=message):
            manager.update_stream_state(stream_id, after)
        assert manager.get_stream(stream_id).state is before
        assert manager.events() == []


def test_streams_table_has_every_state() -> None:
    assert {(a, b) for a, follow in TRANSITIONS.items() for b in follow} == ALLOWED
    assert set(TRANSITIONS) == set(StreamState)


def test_streams_life_as_in_the_contract() -> None:
    manager = StreamManager()
    user = uuid4()
    stream_id = manager.create_stream(
        StreamConfig(user_id=user, media_type=MediaType.AUDIO, ssrc=12345, payload_type=96, codec="opus",
                     bitrate=32000, srtp_config=None), now_us=5)
    stream = manager.get_stream(stream_id)
    assert (stream.stream_id, stream.user_id, stream.ssrc, stream.state) == (stream_id, user, 12345, CREATED)
    assert (stream.created_us, stream.media_type, stream.is_live) == (5, MediaType.AUDIO, True)
    assert stream_id in manager
    assert len(manager) == 1
    manager.remove_stream(stream_id, now_us=9)
    assert len(manager) == 0
    for call in (manager.get_stream, manager.remove_stream, lambda i: manager.update_stream_state(i, ACTIVE)):
        with pytest.raises(errors.StreamNotFoundError, match=str(stream_id)):
            call(stream_id)
        with pytest.raises(KeyError):
            call([])
    assert [(e.previous, e.state, e.at_us) for e in manager.events()] == [
        (None, CREATED, 5), (CREATED, None, 9)]


@pytest.mark.parametrize("state", StreamState)
def test_streams_ssrc_is_held_while_live(state: StreamState) -> None:
    manager = StreamManager()
    stream_id = stream_in(manager, state, ssrc=7)
    if state is CLOSED:
        assert manager.find_ssrc(7) is None
        second = manager.create_stream(audio(7))
        manager.remove_stream(stream_id)  # removing the closed one leaves the new holder alone
        holder = manager.find_ssrc(7)
        assert holder is not None
        assert holder.stream_id == second
    else:
        with pytest.raises(errors.SsrcCollisionError, match=f"0x00000007 is in use by stream {stream_id}"):
            manager.create_stream(audio(7))
        assert manager.stats().collisions_total == 1
        assert len(manager) == 1
        manager.remove_stream(stream_id)
        manager.create_stream(audio(7))


def test_streams_drawn_ssrc_is_free_and_repeatable() -> None:
    one, two = StreamManager(seed=5), StreamManager(seed=5)
    first = [one.get_stream(one.create_stream(audio())).ssrc for _ in range(500)]
    assert len(set(first)) == 500
    assert 0 not in first
    ids = [two.create_stream(audio()) for _ in range(500)]
    assert [two.get_stream(i).ssrc for i in ids] == first
    assert StreamManager().create_stream(audio()) != StreamManager().create_stream(audio())


def test_streams_draw_avoids_a_taken_ssrc(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([0, 7, 7, 8])
    monkeypatch.setattr("arcrtc.streams.manager.SystemRandom", lambda: Draws(draws))
    manager = StreamManager()
    manager.create_stream(audio(7))
    assert manager.get_stream(manager.create_stream(audio())).ssrc == 8
    assert next(draws, None) is None


class Draws:
    """A generator that gives chosen SSRCs and numbered ids."""

    def __init__(self, draws) -> None:
        self.draws = draws
        self.ids = iter(range(1, 100))

    def getrandbits(self, bits: int) -> int:
        return next(self.draws if bits == 32 else self.ids)


def test_streams_are_filtered_in_order_of_creation() -> None:
    manager = StreamManager()
    other = uuid4()
    ids = [manager.create_stream(audio(user_id=USER if i % 2 else other)) for i in range(6)]
    manager.update_stream_state(ids[1], ACTIVE)
    manager.update_stream_state(ids[2], ACTIVE)
    assert [s.stream_id for s in manager.streams()] == ids
    assert [s.stream_id for s in manager.streams(user_id=USER)] == ids[1::2]
    assert [s.stream_id for s in manager.streams(state=ACTIVE)] == ids[1:3]
    assert [s.stream_id for s in manager.streams(user_id=USER, state=ACTIVE)] == [ids[1]]
    assert manager.streams(user_id=uuid4()) == []
    stats = manager.stats()
    assert (stats.streams, stats.active_bitrate_bps, stats.created_total) == (6, 64_000, 6)
    assert stats.by_state == {CREATED: 4, ACTIVE: 2, PAUSED: 0, CLOSED: 0}
    assert stats.by_media_type == {MediaType.AUDIO: 6, MediaType.VIDEO: 0}


def test_streams_and_events_are_bounded() -> None:
    manager = StreamManager(max_streams=3, max_events=5)
    ids = [stream_in(manager, PAUSED) for _ in range(3)]
    with pytest.raises(errors.LimitError, match="there are 3 streams"):
        manager.create_stream(audio())
    manager.update_stream_state(ids[0], CLOSED)
    with pytest.raises(errors.LimitError):
        manager.create_stream(audio())
    manager.remove_stream(ids[0])
    manager.create_stream(audio())
    events = manager.events()
    assert len(events) == 5
    assert manager.stats().events_dropped_total == 12 - 5
    assert manager.events() == []
    for name in ("max_streams", "max_events"):
        for bad in (0, 1_000_001, True, "3"):
            with pytest.raises(errors.ConfigError, match=name):
                StreamManager(**{name: bad})


@pytest.mark.parametrize(("field", "value"), [
    ("user_id", "me"), ("media_type", "text"), ("ssrc", -1), ("ssrc", 2**32), ("ssrc", 1.0), ("ssrc", True),
    ("payload_type", 128), ("payload_type", None), ("codec", ""), ("codec", 3), ("bitrate", 0),
    ("bitrate", "32k"),
])
def test_stream_config_names_the_field(field: str, value: object) -> None:
    good = {"user_id": USER, "media_type": "audio", "ssrc": 2**32 - 1}
    assert StreamConfig(**good).media_type is MediaType.AUDIO
    with pytest.raises(errors.ConfigError, match=f"^{field}="):
        StreamConfig(**{**good, field: value})


def test_stream_never_shows_its_keys() -> None:
    class Keys:
        def __repr__(self) -> str:
            return "SECRET"

    manager = StreamManager()
    config = audio(srtp_config=Keys())
    stream = manager.get_stream(manager.create_stream(config))
    assert "SECRET" not in repr(config) + repr(stream) + repr(manager) + repr(manager.events())
    assert isinstance(stream.config.srtp_config, Keys)


def test_streams_many_threads_never_share_an_ssrc() -> None:
    manager = StreamManager(max_events=100)
    won: list[int] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for ssrc in range(200):
            try:
                stream_id = manager.create_stream(audio(ssrc))
                won.append(ssrc)
                manager.update_stream_state(stream_id, ACTIVE)
            except errors.SsrcCollisionError:
                manager.streams(state=ACTIVE)
                manager.stats()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(200))
    stats = manager.stats()
    assert (stats.by_state[ACTIVE], stats.collisions_total) == (200, 8 * 200 - 200)


class ManagerAgainstModel(RuleBasedStateMachine):
    """Random lives of streams, beside a dict of states."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.manager = StreamManager(max_streams=8)
        self.model: dict[UUID, tuple[int, StreamState]] = {}

    @rule(target=ids, ssrc=st.integers(0, 5))
    def create(self, ssrc: int):
        if len(self.model) >= 8:
            expected = errors.LimitError
        elif ssrc in {s for s, state in self.model.values() if state is not CLOSED}:
            expected = errors.SsrcCollisionError
        else:
            stream_id = self.manager.create_stream(audio(ssrc))
            self.model[stream_id] = (ssrc, CREATED)
            return stream_id
        with pytest.raises(expected):
            self.manager.create_stream(audio(ssrc))
        return multiple()

    @rule(stream_id=ids, state=st.sampled_from(StreamState))
    def update(self, stream_id: UUID, state: StreamState) -> None:
        ssrc, before = self.model[stream_id]
        if (before, state) in ALLOWED:
            self.manager.update_stream_state(stream_id, state)
            self.model[stream_id] = (ssrc, state)
        else:
            with pytest.raises(errors.InvalidTransitionError):
                self.manager.update_stream_state(stream_id, state)

    @rule(stream_id=consumes(ids))
    def remove(self, stream_id: UUID) -> None:
        self.manager.remove_stream(stream_id)
        del self.model[stream_id]

    @invariant()
    def same(self) -> None:
        assert {s.stream_id: (s.ssrc, s.state) for s in self.manager.streams()} == self.model
        for ssrc in range(6):
            holder = self.manager.find_ssrc(ssrc)
            live = [i for i, (s, state) in self.model.items() if s == ssrc and state is not CLOSED]
            assert ([holder.stream_id] if holder else []) == live


ManagerAgainstModel.TestCase.settings = settings(max_examples=60, deadline=None, stateful_step_count=40)
TestManagerAgainstModel = ManagerAgainstModel.TestCase
