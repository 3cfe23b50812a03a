"""arcrtc.routing: relays without loops, the applier's faults, and the flows of topologies."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import RouteLoopError, errors
from arcrtc.routing import (
    End,
    Publish,
    Relay,
    RelayNetwork,
    RelayTable,
    Resume,
    Room,
    RoomApplier,
    SetLayers,
    SourceConfig,
    Subscribe,
    SubscriptionRule,
    Topology,
    TrackConfig,
    TrackKey,
    Unpublish,
    Unrelay,
    Unsubscribe,
    plan_topology,
)
from arcrtc.routing.actions import Layers, Pause
from tests.model.fake_router import FakeRouter

MIC = TrackConfig(kind="audio", codec="opus", payload_type=111, clock_rate=48_000,
                  layers=(SourceConfig(ssrc=1, bitrate=32_000),))
CAM = TrackConfig(kind="video", codec="vp8", payload_type=96, clock_rate=90_000, layers=(
    SourceConfig(ssrc=2, bitrate=200_000), SourceConfig(ssrc=3, bitrate=1_000_000)))
KEY = TrackKey("a", "mic")


# Networks

def test_network_link_that_closes_a_loop_is_refused_with_the_way() -> None:
    network = RelayNetwork.tree([("a", "b"), ("b", "c")])
    with pytest.raises(RouteLoopError, match="'a' - 'b' - 'c'"):
        network.link("a", "c")
    with pytest.raises(ValueError, match="itself"):
        network.link("a", "a")
    with pytest.raises(RouteLoopError):
        RelayNetwork.tree([("a", "b"), ("b", "a")])
    network.unlink("a", "b")
    network.link("a", "c")
    assert network.path("a", "b") == ["a", "c", "b"]


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=30))
def test_network_tree_accepts_exactly_what_joins_two_parts(links: list[tuple[int, int]]) -> None:
    network, parts = RelayNetwork(range(8)), [{i} for i in range(8)]
    for a, b in links:
        part_a, part_b = (next(part for part in parts if one in part) for one in (a, b))
        if part_a is part_b:
            with pytest.raises(RouteLoopError):
                network.link(a, b)
        else:
            network.link(a, b)
            parts = [part for part in parts if part not in (part_a, part_b)] + [part_a | part_b]
    for part in parts:
        home = min(part)
        edges = network.edges(home, part)
        assert len(edges) == len(part) - 1  # each node once
        reached = {home}
        for a, b in edges:  # outwards
            assert a in reached
            assert b not in reached
            reached.add(b)
        assert reached == part


def test_network_full_mesh_is_one_hop() -> None:
    network = RelayNetwork(range(4), full_mesh=True)
    assert network.edges(2, [0, 2, 3]) == [(2, 0), (2, 3)]
    with pytest.raises(errors.ArgumentError, match="all its links"):
        network.link(0, 1)
    network.remove_node(3)
    with pytest.raises(errors.ArgumentError, match="no way"):
        network.path(2, 3)
    assert list(network) == [0, 1, 2]
    for call in (lambda: network.remove_node(9), lambda: network.unlink(0, 1)):
        with pytest.raises(errors.ArgumentError):
            call()


def test_network_without_a_node_has_no_way_over_it() -> None:
    network = RelayNetwork.tree([("a", "b"), ("b", "c")])
    network.remove_node("b")
    assert not network.is_connected("a", "c")


# The table of relays

def test_relay_table_refuses_every_second_way_to_a_node() -> None:
    table = RelayTable()
    table.publish(KEY, "x")
    table.add(KEY, "x", "y")
    table.add(KEY, "y", "z")
    for source, target, match in (("z", "x", "as its home"), ("z", "y", "from 'x'"), ("x", "z", "from 'y'"),
                                  ("y", "y", "from 'x'")):
        with pytest.raises(RouteLoopError, match=match):
            table.add(KEY, source, target)
    with pytest.raises(errors.ArgumentError, match="does not have it"):
        table.add(KEY, "w", "v")
    with pytest.raises(RouteLoopError, match="already"):
        table.publish(KEY, "w")
    table.remove(KEY, "w", "z")  # unknown: ignored
    table.remove(KEY, "y", "z")
    table.add(KEY, "x", "z")
    table.unpublish(KEY)
    table.publish(KEY, "z")


# The applier

def applier() -> tuple[RoomApplier, dict[str, FakeRouter]]:
    routers = {name: FakeRouter(name) for name in ("x", "y")}
    made = RoomApplier(routers, seed=1)
    for participant in ("a", "b"):
        made.attach(participant, participant)
    made.connect("x", "y", "x>y", "y<x")
    made.connect("y", "x", "y>x", "x<y")
    return made, routers


def test_applier_refuses_a_relay_that_loops_and_carries_out_the_rest() -> None:
    made, routers = applier()
    applied = made.apply([Publish("x", KEY, MIC), Relay("x", "y", KEY, MIC), Relay("y", "x", KEY, MIC),
                          Subscribe("y", KEY, "b", None)])
    assert applied.done == 3
    assert [type(failure.error) for failure in applied.failures] == [RouteLoopError]
    assert applied.failed == [Relay("y", "x", KEY, MIC)]
    assert [route.leg for route in routers["y"].routes] == ["b"]


def test_applier_many_routes_are_one_call_a_node() -> None:
    made, routers = applier()
    made.apply([Publish("x", KEY, MIC)])
    for i in range(50):
        made.attach(i, i)
    assert made.apply([Subscribe("x", KEY, i, None) for i in range(50)]).done == 50
    assert routers["x"].calls == ["publish", "subscribe_many"]
    assert made.route("x", KEY, 7) is routers["x"].routes[7]
    assert made.route("y", KEY, 7) is None


def test_applier_missing_leg_track_router_or_link_is_that_actions_failure() -> None:
    made, routers = applier()
    made.detach("b")
    applied = made.apply([
        Publish("x", TrackKey("c", "mic"), MIC), Publish("w", KEY, MIC), Publish("x", KEY, MIC),
        Relay("x", "w", KEY, MIC), Subscribe("x", KEY, "b", None), Subscribe("x", TrackKey("a", "cam"), "a", None),
        Subscribe("w", KEY, "a", None), SetLayers("x", KEY, "b", Layers()), Pause("x", KEY, "b"), Resume("x", KEY, "b"),
        Unsubscribe("x", KEY, "b"), Unrelay("x", "w", KEY), Unpublish("x", TrackKey("c", "mic"))])
    assert len(applied.failures) == 9
    assert all(type(failure.error) is errors.ArgumentError for failure in applied.failures)
    assert applied.done == 4  # one was published; what never was is ended by doing nothing
    assert len(routers["x"].tracks) == 1
    assert not made.apply([Unpublish("x", KEY)]).failures
    assert routers["x"].tracks == []


def test_applier_relay_that_fails_half_way_leaves_nothing() -> None:
    made, routers = applier()
    cam = TrackKey("a", "cam")
    made.apply([Publish("x", cam, CAM)])
    routers["y"].refuse = lambda what: what == "publish"
    assert len(made.apply([Relay("x", "y", cam, CAM)]).failures) == 1
    assert routers["x"].routes == []
    routers["y"].refuse = lambda what: False
    assert made.apply([Relay("x", "y", cam, CAM)]).failures == ()
    assert [(route.layers[0], route.config.ssrc) for route in routers["x"].routes] == [
        (i, source.ssrc) for i, source in enumerate(routers["y"].tracks[0].config.layers)]


def test_applier_new_node_can_be_added() -> None:
    made, _ = applier()
    made.add_node("z", FakeRouter("z"))
    assert made.apply([Publish("z", KEY, MIC)]).done == 1


def test_room_asks_again_for_what_failed() -> None:
    made, routers = applier()
    room = Room(network=RelayNetwork(["x", "y"], full_mesh=True))
    room.join("a", node="x")
    room.join("b", node="y", viewer=True)
    room.publish("a", "mic", MIC)
    for refused in ("publish", "subscribe_many"):
        for router in routers.values():
            router.refuse = lambda what, refused=refused: what in (refused, "subscribe")  # type: ignore[misc]
        applied = made.apply(room.changes())
        assert applied.failures
        room.undo(applied.failed)
    for router in routers.values():
        router.refuse = lambda what: False
    assert made.apply(room.changes()).failures == ()
    assert room.changes() == []
    assert [route.leg for route in routers["y"].routes] == ["b"]
    room.undo([Pause("y", KEY, "b")])  # as if a change of the route had failed: it is made anew
    assert room.changes() == [Unsubscribe("y", KEY, "b"), Subscribe("y", KEY, "b", None)]


# Topologies

def meeting(n: int) -> Room:
    room = Room()
    for i in range(n):
        room.join(i)
        room.publish(i, "mic", MIC)
        room.publish(i, "cam", CAM)
    return room


def test_topology_mesh_everyone_sends_to_everyone() -> None:
    plan = plan_topology(meeting(4), "mesh")
    assert len(plan.flows) == 4 * 3 * 2
    assert plan.copies() == {End("participant", i): 6 for i in range(4)}
    assert plan.sent_bps()[End("participant", 0)] == 3 * 1_032_000  # one layer to each
    assert plan.received_bps()[End("participant", 0)] == 3 * 1_032_000


def test_topology_forwarding_everyone_sends_once() -> None:
    plan = plan_topology(meeting(4), Topology.FORWARDING)
    assert plan.sent_bps()[End("participant", 0)] == 1_232_000  # both layers, once
    assert plan.received_bps()[End("participant", 0)] == 3 * 1_032_000
    assert plan.copies()[End("node", None)] == 24


def test_topology_counts_layers_pauses_and_relays() -> None:
    network = RelayNetwork.tree([("x", "y"), ("y", "z")])
    room = Room(SubscriptionRule.only("video"), network=network)
    room.join("a", node="x")
    cam = room.publish("a", "cam", CAM)
    for name, node in (("b", "z"), ("c", "z"), ("d", "x")):
        room.join(name, node=node, viewer=True)
    room.set_layers("b", cam, Layers(source=0))
    room.pause("d")
    plan = plan_topology(room, "forwarding", network)
    assert plan.copies() == {End("participant", "a"): 1, End("node", "x"): 1, End("node", "y"): 1, End("node", "z"): 2}
    assert plan.received_bps() == {End("node", "x"): 1_200_000, End("node", "y"): 1_200_000,
                                   End("node", "z"): 1_200_000, End("participant", "b"): 200_000,
                                   End("participant", "c"): 1_000_000}
    with pytest.raises(errors.ArgumentError, match="needs its network"):
        plan_topology(room, "forwarding")
    with pytest.raises(errors.ArgumentError, match="neither mesh nor forwarding"):
        plan_topology(room, "star")
