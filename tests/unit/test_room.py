"""arcrtc.routing: rooms against a plain model, through the applier, on routers that check each call."""
from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from arcrtc import errors
from arcrtc.routing import (
    Layers,
    Pause,
    Publish,
    Relay,
    RelayNetwork,
    Resume,
    Room,
    RoomApplier,
    RouteConfig,
    SetLayers,
    SourceConfig,
    Subscribe,
    SubscriptionRule,
    TrackConfig,
    TrackKey,
    Unpublish,
    Unrelay,
    Unsubscribe,
)
from arcrtc.streams import MediaType
from tests.model.fake_router import FakeRoute, FakeRouter, FakeTrack
from tests.model.room_model import PlainParticipant, PlainRoom

AUDIO = TrackConfig(kind=MediaType.AUDIO, codec="opus", ssrc=1, payload_type=111, clock_rate=48_000)
VIDEO = TrackConfig(kind=MediaType.VIDEO, codec="vp8", payload_type=96, rtx_payload_type=97, clock_rate=90_000,
                    layers=(SourceConfig(ssrc=10, rtx_ssrc=20, rid="q"), SourceConfig(ssrc=11, rtx_ssrc=21, rid="f")))


def full_room(n: int, rule: SubscriptionRule | None = None, *, video: bool = True) -> Room:
    room = Room(rule)
    for i in range(n):
        room.join(i)
        room.publish(i, "mic", AUDIO)
        if video:
            room.publish(i, "cam", VIDEO)
    room.changes()
    return room


def kinds(actions: list[Any]) -> dict[str, int]:
    return dict(Counter(type(action).__name__ for action in actions))


# Rules

def test_room_everyone_gets_everything_but_their_own() -> None:
    room = full_room(4)
    for i in range(4):
        assert set(room.receives(i)) == {TrackKey(j, name) for j in range(4) if j != i for name in ("mic", "cam")}
    assert room.stats().routes == 4 * 3 * 2


def test_room_rule_by_kind_viewers_and_explicit() -> None:
    room = full_room(3)
    room.join("listener", viewer=True, rule=SubscriptionRule.only("audio"))
    room.join("picky", viewer=True, rule=SubscriptionRule.explicit())
    assert set(room.receives("listener")) == {TrackKey(i, "mic") for i in range(3)}
    assert room.receives("picky") == {}
    room.subscribe("picky", TrackKey(1, "cam"))
    assert set(room.receives("picky")) == {TrackKey(1, "cam")}
    with pytest.raises(errors.ArgumentError, match="viewer"):
        room.publish("picky", "cam", VIDEO)
    with pytest.raises(errors.ArgumentError, match="viewer"):
        room.spoke("picky")
    assert room.stats().viewers == 2
    assert all("picky" not in room.receives(i) for i in range(3))


def test_room_last_n_follows_the_speakers() -> None:
    room = full_room(6, SubscriptionRule.last_speakers(2, spare=1))

    def cams(i: int) -> dict[Hashable, bool]:
        return {key.participant: state.paused for key, state in room.receives(i).items() if key.name == "cam"}

    assert len(room.receives(5)) == 5 + 3
    for speaker in (5, 4, 3):
        room.spoke(speaker)
    assert cams(0) == {3: False, 4: False, 5: True}
    assert cams(3) == {4: False, 5: False, 0: True}  # never oneself
    room.changes()
    room.spoke(4)
    assert room.changes() == []  # 4 was among the last two already, for everyone
    room.spoke(5)
    assert kinds(room.changes()) == {"Pause": 3, "Resume": 3}  # 0, 1 and 2 saw 4 and 3, with 5 to spare
    assert cams(0) == {4: False, 5: False, 3: True}
    room.spoke(0)  # 1 and 2 had no route from it; 3 had a spare one that it saw already at its end
    assert kinds(room.changes()) == {"Unsubscribe": 2, "Subscribe": 2, "Pause": 5, "Resume": 3}
    assert cams(1) == {0: False, 5: False, 4: True}


def test_room_pinned_participant_takes_a_place_of_last_n() -> None:
    room = full_room(6, SubscriptionRule.last_speakers(2))
    for speaker in (5, 4, 3):
        room.spoke(speaker)
    room.pin(0, 1)
    assert {key.participant for key in room.receives(0) if key.name == "cam"} == {1, 3}
    room.pin(0, 2)
    room.pin(0, 5)
    assert {key.participant for key in room.receives(0) if key.name == "cam"} == {1, 2, 5}
    room.leave(5)
    assert {key.participant for key in room.receives(0) if key.name == "cam"} == {1, 2}
    room.unpin(0, 1)
    room.unpin(0, 2)
    room.unpin(0, 99)
    assert {key.participant for key in room.receives(0) if key.name == "cam"} == {3, 4}
    with pytest.raises(errors.ArgumentError, match="cannot pin itself"):
        room.pin(0, 0)


def test_room_last_n_fills_the_place_of_who_leaves_or_stops_to_send() -> None:
    room = full_room(6, SubscriptionRule.last_speakers(2))
    for speaker in (5, 4, 3):
        room.spoke(speaker)

    def cams() -> set[Hashable]:
        return {key.participant for key in room.receives(0) if key.name == "cam"}

    assert cams() == {3, 4}
    room.leave(4)
    assert cams() == {3, 5}
    room.unpublish(3, "cam")
    assert cams() == {5, 1}
    room.publish(3, "cam", VIDEO)
    assert cams() == {3, 5}


def test_room_last_n_follows_a_speaker_whom_a_pinned_one_kept_out() -> None:
    room = full_room(5, SubscriptionRule.last_speakers(2))
    for speaker in (3, 4):
        room.spoke(speaker)
    room.pin(0, 1)
    assert {key.participant for key in room.receives(0) if key.name == "cam"} == {1, 4}
    room.spoke(3)  # the second of the speakers, but 0 had no place for it
    assert {key.participant for key in room.receives(0) if key.name == "cam"} == {1, 3}


def test_room_pin_brings_what_the_rule_does_not() -> None:
    room = full_room(3, SubscriptionRule.explicit())
    room.pin(0, 1)
    assert set(room.receives(0)) == {TrackKey(1, "mic"), TrackKey(1, "cam")}
    room.unpin(0, 1)
    assert room.receives(0) == {}
    room.set_rule(0, SubscriptionRule.only("video"))
    room.pin(0, 1)
    assert set(room.receives(0)) == {TrackKey(1, "cam"), TrackKey(2, "cam")}


def test_room_pause_of_one_track_and_of_all() -> None:
    room = full_room(3)
    room.pause(0, TrackKey(1, "cam"))
    assert kinds(room.changes()) == {"Pause": 1}
    room.pause(0)
    assert kinds(room.changes()) == {"Pause": 3}
    room.resume(0)
    assert kinds(room.changes()) == {"Resume": 3}  # the first pause still holds
    room.resume(0, TrackKey(1, "cam"))
    assert room.changes() == [Resume(None, TrackKey(1, "cam"), 0)]
    room.pause(0, TrackKey(1, "cam"))
    room.resume(0, TrackKey(1, "cam"))
    assert room.changes() == []


def test_room_layers_and_route_settings_reach_the_route() -> None:
    room = Room()
    room.join("a")
    room.join("b", routes={MediaType.VIDEO: RouteConfig(payload_type=120)})
    cam = room.publish("a", "cam", VIDEO)
    room.set_layers("b", cam, Layers(0, None, 1))
    assert room.changes() == [
        Publish(None, cam, VIDEO), Subscribe(None, cam, "b", RouteConfig(payload_type=120)),
        SetLayers(None, cam, "b", Layers(0, None, 1))]
    room.set_layers("b", cam, None)
    assert room.changes() == [SetLayers(None, cam, "b", Layers())]
    room.pause("b")
    room.set_rule("b", SubscriptionRule.explicit())
    assert room.changes() == [Unsubscribe(None, cam, "b")]
    room.set_rule("b", None)
    assert room.changes() == [Subscribe(None, cam, "b", RouteConfig(payload_type=120, paused=True))]
    room.subscribe("b", cam, config=RouteConfig(ssrc=7))
    assert room.changes() == [Unsubscribe(None, cam, "b"), Subscribe(None, cam, "b", RouteConfig(ssrc=7, paused=True))]
    room.by_rule("b", cam)
    room.unsubscribe("b", cam)
    assert room.changes() == [Unsubscribe(None, cam, "b")]


def test_room_what_comes_and_goes_between_two_looks_leaves_nothing_to_do() -> None:
    room = full_room(3)
    room.join("x")
    room.publish("x", "mic", AUDIO)
    room.leave("x")
    room.publish(0, "screen", VIDEO)
    room.unpublish(0, "screen")
    assert room.changes() == []


def test_room_track_published_anew_is_made_anew() -> None:
    room = full_room(2, video=False)
    room.unpublish(0, "mic")
    mic = room.publish(0, "mic", AUDIO)
    assert room.changes() == [Unsubscribe(None, mic, 1), Unpublish(None, mic), Publish(None, mic, AUDIO),
                              Subscribe(None, mic, 1, None)]


def test_room_order_is_end_to_beginning_and_pause_before_resume() -> None:
    room = full_room(4, SubscriptionRule.last_speakers(1, spare=2))
    room.leave(3)
    room.join("new")
    room.publish("new", "cam", VIDEO)
    room.spoke("new")
    order = [Unsubscribe, Unrelay, Unpublish, Publish, Relay, Subscribe, SetLayers, Pause, Resume]
    places = [order.index(type(action)) for action in room.changes()]
    assert places == sorted(places)
    assert {order[place] for place in places} >= {Unsubscribe, Unpublish, Publish, Subscribe, Pause}


def test_room_of_300_a_change_costs_only_its_own_routes() -> None:
    n = 300
    room = full_room(n, video=False)
    room.join("new")
    room.publish("new", "mic", AUDIO)
    assert kinds(room.changes()) == {"Publish": 1, "Subscribe": 2 * n}
    room.leave(7)
    assert kinds(room.changes()) == {"Unsubscribe": 2 * n, "Unpublish": 1}
    room.pause(3, TrackKey(4, "mic"))
    assert len(room.changes()) == 1


def test_room_of_400_with_last_n_does_not_grow_with_the_square() -> None:
    n, seen = 400, 9
    room = Room(SubscriptionRule(kinds=frozenset({MediaType.VIDEO}), last_n=seen, spare=3))
    for i in range(n):
        room.join(i)
        room.publish(i, "cam", VIDEO)
    assert len(room.changes()) == n + n * (seen + 3)
    room.spoke(n - 1)
    assert len(room.changes()) <= 4 * n
    assert room.stats().routes == n * (seen + 3)
    room.join("new", viewer=True)
    assert len(room.changes()) == seen + 3


# Wrong calls

def test_room_wrong_calls_change_nothing() -> None:
    room = Room(max_participants=2, max_tracks=1)
    room.join("a")
    room.join("b")
    mic = room.publish("a", "mic", AUDIO)
    room.changes()
    for error, match, call in [
            (errors.LimitError, "2 participants", lambda: room.join("c")),
            (errors.LimitError, "has 1 tracks", lambda: room.publish("a", "cam", VIDEO)),
            (errors.ArgumentError, "in the room already", lambda: room.join("a")),
            (errors.ArgumentError, "not in the room", lambda: room.leave("c")),
            (errors.ArgumentError, "has a track 'mic'", lambda: room.publish("a", "mic", AUDIO)),
            (errors.ArgumentError, "no track", lambda: room.subscribe("b", TrackKey("a", "cam"))),
            (errors.ArgumentError, "no track", lambda: room.pause("b", TrackKey("a", "cam"))),
            (errors.ArgumentError, "no track", lambda: room.unpublish("b", "mic")),
            (errors.ArgumentError, "its own track", lambda: room.subscribe("a", mic)),
            (errors.ArgumentError, "needs a network", lambda: room.move("a", "elsewhere"))]:
        with pytest.raises(error, match=match):
            call()
    assert room.changes() == []
    assert (len(room), list(room), "a" in room, "c" in room) == (2, ["a", "b"], True, False)


@pytest.mark.parametrize("values", [{"last_n": -1}, {"spare": 1001}, {"kinds": ["text"]}, {"ranked": ["text"]}])
def test_rule_out_of_range_names_the_field(values: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigError, match=next(iter(values))):
        SubscriptionRule(**values)


# Several nodes

def two_nodes() -> Room:
    return Room(network=RelayNetwork(["x", "y", "z"], full_mesh=True))


def test_room_on_two_nodes_relays_each_track_once_and_only_where_it_is_needed() -> None:
    room = two_nodes()
    room.join("a", node="x")
    mic = room.publish("a", "mic", AUDIO)
    for i in range(5):
        room.join(i, node="y", viewer=True)
    actions = room.changes()
    assert kinds(actions) == {"Publish": 1, "Relay": 1, "Subscribe": 5}
    assert actions[1] == Relay("x", "y", mic, AUDIO)
    for i in range(4):
        room.leave(i)
    assert kinds(room.changes()) == {"Unsubscribe": 4}
    room.move(4, "z")
    assert room.changes() == [Unsubscribe("y", mic, 4), Unrelay("x", "y", mic), Relay("x", "z", mic, AUDIO),
                              Subscribe("z", mic, 4, None)]


def test_room_along_a_tree_hands_tracks_on_outwards_and_ends_inwards() -> None:
    room = Room(network=RelayNetwork.tree([("x", "y"), ("y", "z")]))
    room.join("a", node="x")
    mic = room.publish("a", "mic", AUDIO)
    room.join("b", node="z", viewer=True)
    assert [action for action in room.changes() if isinstance(action, Relay)] == [
        Relay("x", "y", mic, AUDIO), Relay("y", "z", mic, AUDIO)]
    room.leave("a")
    assert room.changes() == [Unsubscribe("z", mic, "b"), Unrelay("y", "z", mic), Unrelay("x", "y", mic),
                              Unpublish("x", mic)]


def test_room_other_way_through_the_network_makes_the_far_routes_anew() -> None:
    network = RelayNetwork.tree([("x", "y"), ("y", "z"), ("z", "w")])
    room = Room(network=network)
    room.join("a", node="x")
    mic = room.publish("a", "mic", AUDIO)
    for name in ("y", "z", "w"):
        room.join(name, node=name, viewer=True)
    room.changes()
    network.unlink("y", "z")
    network.link("x", "z")
    room.network_changed()
    assert room.changes() == [
        Unsubscribe("z", mic, "z"), Unsubscribe("w", mic, "w"), Unrelay("z", "w", mic), Unrelay("y", "z", mic),
        Relay("x", "z", mic, AUDIO), Relay("z", "w", mic, AUDIO), Subscribe("z", mic, "z", None),
        Subscribe("w", mic, "w", None)]


def test_room_without_a_way_says_so_and_takes_nothing() -> None:
    network = RelayNetwork.tree([("x", "y")])
    network.add_node("z")
    room = Room(network=network)
    room.join("a", node="x")
    mic = room.publish("a", "mic", AUDIO)
    with pytest.raises(errors.ArgumentError, match="no way from node 'x' to node 'z'"):
        room.join("b", node="z")
    with pytest.raises(errors.ArgumentError, match="node 'w' is not in"):
        room.join("b", node="w")
    room.join("b", node="y")
    network.unlink("x", "y")
    with pytest.raises(errors.ArgumentError, match="no way"):
        room.changes()
    network.link("x", "z")
    network.link("z", "y")
    assert [a for a in room.changes() if isinstance(a, Relay)] == [Relay("x", "z", mic, AUDIO),
                                                                  Relay("z", "y", mic, AUDIO)]


# Any order of calls, carried out on routers

NODES = ("n0", "n1", "n2", "n3")
RULES = [SubscriptionRule.everything(), SubscriptionRule.only("audio"), SubscriptionRule.explicit(),
         SubscriptionRule.last_speakers(2, spare=1), SubscriptionRule.last_speakers(0, spare=2),
         SubscriptionRule(last_n=1, ranked=frozenset(MediaType))]


def source_of(track: FakeTrack, routers: dict[str, FakeRouter], legs: dict[Any, Any]) -> tuple[Any, list[Any]]:
    """(leg of the publisher, nodes on the way): follows a track back over relays, by the SSRCs on them."""
    way = [track.router.name]
    while isinstance(track.leg, tuple) and track.leg[0] == "from":
        _, source, target = track.leg
        assert target == track.router.name
        back = []
        for number, wanted in enumerate(track.config.sources):
            feeding = [route for route in routers[source].routes if route.leg == ("to", source, target)
                       and route.config.ssrc == wanted.ssrc]
            assert len(feeding) == 1
            assert feeding[0].config.rtx_ssrc == wanted.rtx_ssrc
            assert feeding[0].layers[0] == (number if track.config.layers else None)
            assert not feeding[0].paused
            back.append(feeding[0].track)
        assert len(set(map(id, back))) == 1
        track = back[0]
        assert track.router.name not in way, "a loop"
        way.append(track.router.name)
    return track.leg, way


class RoomAgainstModel(RuleBasedStateMachine):
    """After each look the routers hold exactly the routes that the plain model names."""

    @initialize(mesh=st.booleans(), seed=st.integers(0, 99), flaky=st.sampled_from([0.0, 0.0, 0.2]))
    def begin(self, mesh: bool, seed: int, flaky: float) -> None:
        self.random, self.flaky = Random(seed), flaky
        network = RelayNetwork(NODES, full_mesh=True) if mesh else RelayNetwork.tree(
            [("n0", "n1"), ("n0", "n2"), ("n2", "n3")])
        self.room, self.model = Room(SubscriptionRule.everything(), network=network), PlainRoom()
        self.failing = False
        refusable = ("publish", "subscribe", "subscribe_many")
        self.routers = {name: FakeRouter(name, lambda what: self.failing and what in refusable
                                         and self.random.random() < self.flaky) for name in NODES}
        self.applier = RoomApplier(self.routers, seed=seed)
        for a in NODES:
            for b in NODES:
                self.applier.connect(a, b, ("to", a, b), ("from", a, b))
        self.names = 0

    def anyone(self) -> Any:
        return self.random.choice(list(self.model.people))

    def any_track(self) -> TrackKey | None:
        keys = [TrackKey(name, track) for name, p in self.model.people.items() for track in p.tracks]
        return self.random.choice(keys) if keys else None

    def leg(self, name: Any) -> None:
        self.names += 1
        self.applier.attach(name, (name, self.names))

    @rule(node=st.sampled_from(NODES), of=st.sampled_from(RULES), viewer=st.booleans())
    def join(self, node: str, of: SubscriptionRule, viewer: bool) -> None:
        if len(self.model.people) >= 8:
            return
        self.names += 1
        name = f"p{self.names}"
        self.leg(name)
        self.room.join(name, node=node, rule=of, viewer=viewer)
        self.model.join(name, PlainParticipant(node, of, viewer))
        if not viewer and self.random.random() < 0.7:
            self.toggle(name, "cam")

    @precondition(lambda self: self.model.people)
    @rule()
    def leave(self) -> None:
        name = self.anyone()
        self.room.leave(name)
        self.model.leave(name)

    @precondition(lambda self: self.model.people)
    @rule(node=st.sampled_from(NODES))
    def move(self, node: str) -> None:
        name = self.anyone()
        self.leg(name)
        self.room.move(name, node)
        self.model.people[name].node = node

    @precondition(lambda self: self.model.people)
    @rule(track=st.sampled_from(["mic", "cam", "screen"]))
    def publish_or_not(self, track: str) -> None:
        self.toggle(self.anyone(), track)

    def toggle(self, name: Any, track: str) -> None:
        person = self.model.people[name]
        if person.viewer:
            return
        if track in person.tracks:
            self.room.unpublish(name, track)
            self.model.unpublish(name, track)
            return
        self.names += 100
        config = TrackConfig(kind="audio", codec="opus", ssrc=self.names, payload_type=111, clock_rate=48_000) \
            if track == "mic" else TrackConfig(
                kind="video", codec="vp8", payload_type=96, rtx_payload_type=97, clock_rate=90_000,
                layers=tuple(SourceConfig(ssrc=self.names + i, rtx_ssrc=self.names + 50 + i) for i in range(2)))
        self.room.publish(name, track, config)
        person.tracks[track] = config

    @precondition(lambda self: self.model.spoke)
    @rule()
    def spoke(self) -> None:
        name = self.random.choice(self.model.spoke)
        self.room.spoke(name)
        self.model.spoke.remove(name)
        self.model.spoke.insert(0, name)

    @precondition(lambda self: self.model.people)
    @rule(what=st.sampled_from([True, False, None]))
    def ask(self, what: bool | None) -> None:
        name, key = self.anyone(), self.any_track()
        if key is None or key.participant == name:
            return
        if what is None:
            self.room.by_rule(name, key)
            self.model.people[name].asked.pop(key, None)
        else:
            (self.room.subscribe if what else self.room.unsubscribe)(name, key)
            self.model.people[name].asked[key] = what

    @precondition(lambda self: len(self.model.people) > 1)
    @rule(on=st.booleans())
    def pin(self, on: bool) -> None:
        name, other = self.random.sample(list(self.model.people), 2)
        (self.room.pin if on else self.room.unpin)(name, other)
        pins = self.model.people[name].pins
        if on and other not in pins:
            pins.append(other)
        elif not on and other in pins:
            pins.remove(other)

    @precondition(lambda self: self.model.people)
    @rule(on=st.booleans(), everything=st.booleans())
    def hold(self, on: bool, everything: bool) -> None:
        name, key = self.anyone(), self.any_track()
        call = self.room.pause if on else self.room.resume
        if everything:
            call(name)
            self.model.people[name].hold_all = on
        elif key is not None:
            call(name, key)
            (self.model.people[name].held.add if on else self.model.people[name].held.discard)(key)

    @precondition(lambda self: self.model.people)
    @rule(to=st.sampled_from(RULES))
    def change_rule(self, to: SubscriptionRule) -> None:
        name = self.anyone()
        self.room.set_rule(name, to)
        self.model.people[name].rule = to

    @rule()
    def carry_out(self) -> None:
        """Some calls fail at first; what failed is asked for again until it is done."""
        self.failing = True
        for _ in range(3):
            self.room.undo(self.applier.apply(self.room.changes()).failed)
        self.failing = False
        applied = self.applier.apply(self.room.changes())
        assert applied.failures == ()
        assert self.room.changes() == []
        self.compare_routers()

    def compare_routers(self) -> None:
        legs = self.applier._legs
        found: dict[tuple[Any, str], FakeRoute] = {}
        for name, router in self.routers.items():
            for route in router.routes:
                if route.leg[0] == "to":
                    continue
                assert route.leg == legs[route.leg[0]], "an old leg"
                assert self.model.people[route.leg[0]].node == name
                leg, _ = source_of(route.track, self.routers, legs)
                assert leg == legs[leg[0]]
                ssrc = route.track.config.sources[0].ssrc if leg == route.track.leg else None
                for track, config in self.model.people[leg[0]].tracks.items():
                    if ssrc == config.sources[0].ssrc or (ssrc is None and self.origin(route.track) == config):
                        key = (route.leg[0], TrackKey(leg[0], track))
                        assert key not in found, "twice"
                        found[key] = route
        wanted = {(name, key): paused for name in self.model.people for key, paused in self.model.gets(name).items()}
        assert {key: route.paused for key, route in found.items()} == wanted
        relayed = {(key.participant, key.name, self.model.people[name].node) for name, key in wanted
                   if self.model.people[name].node != self.model.people[key.participant].node}
        published = sum(len(p.tracks) for p in self.model.people.values())
        hops = sum(len(router.tracks) for router in self.routers.values()) - published
        assert len(relayed) <= hops <= 3 * len(relayed)  # a tree has nodes that only hand on
        used = [r.config.ssrc for router in self.routers.values() for r in router.routes if r.leg[0] == "to"]
        assert len(used) == len(set(used))

    def origin(self, track: FakeTrack) -> TrackConfig:
        while track.leg[0] == "from":
            ssrc = track.config.sources[0].ssrc
            track = next(r.track for r in self.routers[track.leg[1]].routes if r.config.ssrc == ssrc)
        return track.config

    @invariant()
    def room_agrees(self) -> None:
        if not hasattr(self, "room"):
            return
        for name in self.model.people:
            assert {key: state.paused for key, state in self.room.receives(name).items()} == self.model.gets(name)
        assert self.room.places() == {name: p.node for name, p in self.model.people.items()}

    def teardown(self) -> None:
        """With the last participant all is gone."""
        if not hasattr(self, "room"):
            return
        for name in list(self.model.people):
            self.room.leave(name)
            self.model.leave(name)
        self.carry_out()
        assert [router.tracks or router.routes for router in self.routers.values()] == [[]] * 4
        applier = self.applier
        assert [applier._tracks, applier._routes, applier._relays, applier._used_ssrcs] == [{}, {}, {}, set()]


RoomAgainstModel.TestCase.settings = settings(max_examples=100, stateful_step_count=50)
TestRoomAgainstModel = RoomAgainstModel.TestCase
