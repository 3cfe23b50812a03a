"""Who sends what to whom in the topologies of RFC 7667, for plans and for comparing them.

*Mesh* (section 3.4): each participant sends to each receiver itself, and no node takes part. *Forwarding*
(section 3.7, selective forwarding middlebox): each sends once, to its node, which sends to the receivers and,
by way of relays (section 3.12, combined topologies), to the other nodes.
"""
from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from arcrtc.errors import ArgumentError
from arcrtc.routing.actions import TrackKey
from arcrtc.routing.relays import RelayNetwork
from arcrtc.routing.room import Room


class Topology(str, Enum):
    """How media gets from one participant to the others."""

    MESH = "mesh"
    FORWARDING = "forwarding"


class End(NamedTuple):
    """One end of a flow: a participant, or a node."""

    kind: str  # "participant" or "node"
    id: Hashable


class Flow(NamedTuple):
    """A track that goes over one hop; ``rate_bps``: all its sources together, or one of them for a receiver."""

    sender: End
    receiver: End
    track: TrackKey
    rate_bps: int


@dataclass(frozen=True, slots=True)
class TopologyPlan:
    """The flows of a room in a topology; paused routes are none.

    :ivar topology: which.
    :ivar flows: each hop of each track.
    """

    topology: Topology
    flows: tuple[Flow, ...]

    def sent_bps(self) -> dict[End, int]:
        """bit/s that each end sends, as far as tracks say their rates."""
        return _sums((flow.sender, flow.rate_bps) for flow in self.flows)

    def received_bps(self) -> dict[End, int]:
        """bit/s that each end receives."""
        return _sums((flow.receiver, flow.rate_bps) for flow in self.flows)

    def copies(self) -> dict[End, int]:
        """How many flows each end sends."""
        return _sums((flow.sender, 1) for flow in self.flows)


def _sums(values: Iterable[tuple[End, int]]) -> dict[End, int]:
    total: dict[End, int] = {}
    for end, value in values:
        total[end] = total.get(end, 0) + value
    return total


def plan_topology(room: Room, topology: Topology | str, network: RelayNetwork | None = None) -> TopologyPlan:
    """The flows that a room has in a topology.

    A receiver gets one source of a simulcast, the highest that its layers allow; in a mesh only that one is
    sent to it.

    :param network: over which nodes relay, for a forwarding room on several nodes.
    :raises ArgumentError: there is no such topology, or no way between two nodes.
    """
    try:
        chosen = Topology(topology)
    except ValueError:
        raise ArgumentError(f"topology={topology!r} is neither mesh nor forwarding") from None
    flows = _mesh(room) if chosen is Topology.MESH else _forwarding(room, network)
    return TopologyPlan(chosen, tuple(flows))


def _received(room: Room) -> list[tuple[Hashable, TrackKey, int]]:
    """(subscriber, track, rate) of each route that is not paused."""
    tracks, found = room.tracks(), []
    for subscriber in room:
        for key, state in room.receives(subscriber).items():
            if not state.paused:
                sources = tracks[key].sources
                highest = len(sources) - 1
                if state.layers is not None and state.layers.source is not None:
                    highest = min(highest, state.layers.source)
                found.append((subscriber, key, sources[highest].bitrate))
    return found


def _mesh(room: Room) -> list[Flow]:
    return [Flow(End("participant", key.participant), End("participant", subscriber), key, rate)
            for subscriber, key, rate in _received(room)]


def _forwarding(room: Room, network: RelayNetwork | None) -> list[Flow]:
    nodes, received = room.places(), _received(room)
    needs: dict[TrackKey, dict[Hashable, None]] = {}
    for subscriber, key, _ in received:
        if nodes[subscriber] != nodes[key.participant]:
            needs.setdefault(key, {})[nodes[subscriber]] = None
    flows = []
    for key, config in room.tracks().items():
        home, rate = nodes[key.participant], sum(source.bitrate for source in config.sources)
        flows.append(Flow(End("participant", key.participant), End("node", home), key, rate))
        if key in needs:
            if network is None:
                raise ArgumentError("the room is on several nodes: plan_topology needs its network")
            flows += [Flow(End("node", a), End("node", b), key, rate) for a, b in network.edges(home, needs[key])]
    flows += [Flow(End("node", nodes[subscriber]), End("participant", subscriber), key, rate)
              for subscriber, key, rate in received]
    return flows
