"""Relay between nodes: which way a track goes from its own node to the others, without a loop.

RFC 7667 section 3.12 lets topologies be combined; RFC 3550 section 8.2 says what a loop does and that it has to
be broken. Here none can arise: each node gets a track from one other node, and never from one that has it by
way of itself.
"""
from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from itertools import pairwise

from arcrtc.errors import ArgumentError, RouteLoopError
from arcrtc.routing.actions import TrackKey


class RelayNetwork:
    """Nodes, and the links that tracks may be relayed over.

    Either a *tree*, where a track goes along the only way there is, over several nodes if need be; or a
    *full mesh*, where the node of the publisher sends to each node that needs the track, and none hands it on.

    :param nodes: to begin with.
    :param full_mesh: True: every pair of nodes is linked. False: links are added with :meth:`link`.
    """

    def __init__(self, nodes: Iterable[Hashable] = (), *, full_mesh: bool = False) -> None:
        self.full_mesh = full_mesh
        self._links: dict[Hashable, dict[Hashable, None]] = {}
        self._parents: dict[Hashable, dict[Hashable, Hashable]] = {}  # by home: the node before each node
        for node in nodes:
            self.add_node(node)

    @classmethod
    def tree(cls, links: Iterable[tuple[Hashable, Hashable]]) -> RelayNetwork:
        """A tree (or several) of these links.

        :raises RouteLoopError: the links make a circle.
        """
        network = cls()
        for a, b in links:
            network.add_node(a)
            network.add_node(b)
            network.link(a, b)
        return network

    def add_node(self, node: Hashable) -> None:
        """Add a node; one that is there stays as it is."""
        self._links.setdefault(node, {})

    def link(self, a: Hashable, b: Hashable) -> None:
        """Let tracks go between two nodes, both ways.

        :raises RouteLoopError: there is a way between them already, so a track would come round.
        :raises ArgumentError: a node is not there, or the network is a full mesh.
        """
        self._check(a)
        self._check(b)
        if self.full_mesh:
            raise ArgumentError("link: a full mesh has all its links")
        if a == b:
            raise RouteLoopError(f"a link from node {a!r} to itself is a loop")
        if self.is_connected(a, b):
            way = " - ".join(repr(node) for node in self.path(a, b))
            raise RouteLoopError(f"a link between {a!r} and {b!r} closes a loop: there is {way}")
        self._links[a][b] = self._links[b][a] = None
        self._parents.clear()

    def remove_node(self, node: Hashable) -> None:
        """Take a node and its links out.

        :raises ArgumentError: it is not there.
        """
        self._check(node)
        for other in self._links.pop(node):
            del self._links[other][node]
        self._parents.clear()

    def unlink(self, a: Hashable, b: Hashable) -> None:
        """Take a link out.

        :raises ArgumentError: it is not there.
        """
        if b not in self._links.get(a, {}):
            raise ArgumentError(f"there is no link between {a!r} and {b!r}")
        del self._links[a][b], self._links[b][a]
        self._parents.clear()

    def is_connected(self, a: Hashable, b: Hashable) -> bool:
        """True if a track can get from one node to the other."""
        if self.full_mesh or a == b:
            return a in self._links and b in self._links
        return b in self._tree_from(a)

    def path(self, home: Hashable, node: Hashable) -> list[Hashable]:
        """The nodes from one to the other, both included.

        :raises ArgumentError: there is no way.
        """
        if not self.is_connected(home, node):
            raise ArgumentError(f"there is no way from node {home!r} to node {node!r}")
        if self.full_mesh:
            return [home] if home == node else [home, node]
        parents, way = self._tree_from(home), [node]
        while way[-1] != home:
            way.append(parents[way[-1]])
        return way[::-1]

    def edges(self, home: Hashable, nodes: Iterable[Hashable]) -> list[tuple[Hashable, Hashable]]:
        """The relays that bring a track from its home to ``nodes``, each once, outwards from home.

        :raises ArgumentError: there is no way to one of them.
        """
        found: dict[tuple[Hashable, Hashable], None] = {}
        for node in nodes:
            way = self.path(home, node)
            found.update(dict.fromkeys(pairwise(way)))
        return list(found)

    def __contains__(self, node: object) -> bool:
        return node in self._links

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._links)

    def _check(self, node: Hashable) -> None:
        if node not in self._links:
            raise ArgumentError(f"there is no node {node!r}")

    def _tree_from(self, home: Hashable) -> dict[Hashable, Hashable]:
        """{node: the one before it} of all nodes that can be reached; home comes before itself."""
        known = self._parents.get(home)
        if known is not None:
            return known
        if home not in self._links:
            return {}
        parents, front = {home: home}, deque([home])
        while front:
            node = front.popleft()
            for other in self._links[node]:
                if other not in parents:
                    parents[other] = node
                    front.append(other)
        self._parents[home] = parents
        return parents


class RelayTable:
    """Which node has a track from which: for each track a tree that begins at its home.

    The last check before a relay is made, whoever planned it.
    """

    def __init__(self) -> None:
        self._sources: dict[TrackKey, dict[Hashable, Hashable | None]] = {}  # track: {node: from; None: home}

    def publish(self, track: TrackKey, home: Hashable) -> None:
        """A track is published on its home.

        :raises RouteLoopError: a node has it already.
        """
        if self._sources.get(track):
            raise RouteLoopError(f"track {track.name!r} of {track.participant!r} on node {home!r} is on node "
                                 f"{next(iter(self._sources[track]))!r} already")
        self._sources[track] = {home: None}

    def unpublish(self, track: TrackKey) -> None:
        """It is on no node any more."""
        self._sources.pop(track, None)

    def check(self, track: TrackKey, source: Hashable, target: Hashable) -> None:
        """Would this relay be good?

        :raises RouteLoopError: the target has the track already, be it from elsewhere or as its home.
        :raises ArgumentError: the source does not have it.
        """
        known = self._sources.get(track, {})
        what = f"relay of track {track.name!r} of {track.participant!r} from node {source!r} to {target!r}"
        if source not in known:
            raise ArgumentError(f"{what}: the source does not have it")
        if target in known:
            way = "as its home" if known[target] is None else f"from {known[target]!r}"
            raise RouteLoopError(f"{what}: the target has it already, {way}")

    def add(self, track: TrackKey, source: Hashable, target: Hashable) -> None:
        """A node hands a track on. Errors as :meth:`check`."""
        self.check(track, source, target)
        self._sources[track][target] = source

    def remove(self, track: TrackKey, source: Hashable, target: Hashable) -> None:
        """It hands it on no longer; unknown relays are ignored."""
        known = self._sources.get(track, {})
        if target in known and known[target] == source:
            del known[target]
