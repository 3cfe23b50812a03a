"""The difference between what is and what should be: only what changed is looked at."""
from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from arcrtc.routing.actions import (
    Action,
    Layers,
    Pause,
    Publish,
    Relay,
    Resume,
    SetLayers,
    Subscribe,
    TrackKey,
    Unpublish,
    Unrelay,
    Unsubscribe,
)
from arcrtc.routing.config import RouteConfig, TrackConfig
from arcrtc.routing.relays import RelayNetwork


class RouteState(NamedTuple):
    """What a route should be. Routes without wishes of their own share one."""

    config: RouteConfig | None = None
    paused: bool = False
    layers: Layers | None = None


@dataclass(eq=False, slots=True)
class PlannedTrack:
    """A published track, on one node, and its routes: {subscriber: what it should be}."""

    key: TrackKey
    config: TrackConfig
    node: Hashable
    epoch: int  # another one when the track is published anew
    routes: dict[Hashable, RouteState] = field(default_factory=dict)
    needs: dict[Hashable, int] = field(default_factory=dict)  # routes on each other node


class Place(NamedTuple):
    """Where a subscriber is; ``epoch`` is another one when it comes anew, since its leg is."""

    node: Hashable
    epoch: int


class _Route(NamedTuple):
    """A route as it was handed out."""

    state: RouteState
    node: Hashable
    epochs: tuple[int, int]


class _Published(NamedTuple):
    node: Hashable
    epoch: int
    config: TrackConfig


class _Relayed(NamedTuple):
    epoch: int
    edges: tuple[tuple[Hashable, Hashable], ...]


_NEVER: Final = (-1, -1)  # the epochs of no route
_PAUSED: Final = RouteConfig(paused=True)


class Plan:
    """Tracks and routes as they should be, and what was different when :meth:`changes` was last asked.

    A change costs its own size: a room's size does not enter into it.
    """

    def __init__(self, network: RelayNetwork | None = None) -> None:
        self.network = network
        self.tracks: dict[TrackKey, PlannedTrack] = {}
        self.places: dict[Hashable, Place] = {}
        self._epoch = 0
        # What was handed out before the changes since then; None: nothing was.
        self._tracks_before: dict[TrackKey, _Published | None] = {}
        self._routes_before: dict[tuple[TrackKey, Hashable], _Route | None] = {}
        self._relays_to_check: dict[TrackKey, None] = {}
        self._relayed: dict[TrackKey, _Relayed] = {}

    # What should be

    def place(self, participant: Hashable, node: Hashable) -> None:
        """A participant is on a node, with a new leg. It has no routes and no tracks at this time."""
        self._epoch += 1
        self.places[participant] = Place(node, self._epoch)

    def unplace(self, participant: Hashable) -> None:
        """It is gone."""
        del self.places[participant]

    def add_track(self, key: TrackKey, config: TrackConfig) -> PlannedTrack:
        """A track is to be published where its participant is."""
        self._epoch += 1
        self._tracks_before.setdefault(key, None)
        track = self.tracks[key] = PlannedTrack(key, config, self.places[key.participant].node, self._epoch)
        return track

    def remove_track(self, key: TrackKey) -> None:
        """A track and all its routes are to end."""
        track = self.tracks[key]
        for subscriber in list(track.routes):
            self.set_route(track, subscriber, None)
        del self.tracks[key]
        self._tracks_before.setdefault(key, _Published(track.node, track.epoch, track.config))
        self._relays_to_check[key] = None

    def set_route(self, track: PlannedTrack, subscriber: Hashable, state: RouteState | None) -> None:
        """What the route of a track to a subscriber should be; None: there should be none."""
        old = track.routes.get(subscriber)
        if old == state:
            return
        place = self.places[subscriber]
        key = (track.key, subscriber)
        if key not in self._routes_before:
            before = None if old is None else _Route(old, place.node, (track.epoch, place.epoch))
            self._routes_before[key] = before
        if state is None:
            del track.routes[subscriber]
        else:
            track.routes[subscriber] = state
        if place.node != track.node and (old is None) != (state is None):
            self._need(track, place.node, 1 if old is None else -1)

    def check_relays(self) -> None:
        """The network has changed: look at the ways of all tracks."""
        self._relays_to_check.update(dict.fromkeys(self.tracks))

    def _need(self, track: PlannedTrack, node: Hashable, change: int) -> None:
        count = track.needs.get(node, 0) + change
        if count:
            track.needs[node] = count
        else:
            del track.needs[node]
        if count == 0 or count == change == 1:
            self._relays_to_check[track.key] = None

    # What to do

    def changes(self) -> list[Action]:
        """The actions that lead from what was handed out before to what should be now, in their order."""
        unrelays, relays = self._relay_changes()
        ends, begins = self._route_changes()
        unpublishes, publishes = self._track_changes()
        return [*ends, *unrelays, *unpublishes, *publishes, *relays, *begins]

    def undo(self, actions: Iterable[Action]) -> None:
        """These could not be carried out: they come again with the next changes, if they are wanted then."""
        for action in actions:
            if isinstance(action, Publish):
                self._tracks_before.setdefault(action.track, None)
            elif isinstance(action, Relay):
                self._forget_relay(action)
            elif isinstance(action, Subscribe):
                self._routes_before.setdefault((action.track, action.subscriber), None)
            elif isinstance(action, (SetLayers, Pause, Resume)):
                self._renew(action.track, action.subscriber)

    def _forget_relay(self, action: Relay) -> None:
        known = self._relayed.get(action.track)
        if known is not None:
            edges = tuple(edge for edge in known.edges if edge != (action.node, action.to))
            self._relayed[action.track] = known._replace(edges=edges)
        self._relays_to_check[action.track] = None

    def _renew(self, key: TrackKey, subscriber: Hashable) -> None:
        """The route of this track to a subscriber is to be made anew, if there is to be one."""
        track, place = self.tracks.get(key), self.places.get(subscriber)
        state = track.routes.get(subscriber) if track is not None else None
        if place is None or state is None:
            return
        before = self._routes_before.get((key, subscriber), _Route(state, place.node, _NEVER))
        self._routes_before[key, subscriber] = None if before is None else before._replace(epochs=_NEVER)

    def _route_changes(self) -> tuple[list[Action], list[Action]]:
        ends: list[Action] = []
        subscribes: list[Action] = []
        layers: list[Action] = []
        pauses: list[Action] = []
        resumes: list[Action] = []
        for (key, subscriber), before in self._routes_before.items():
            track, place = self.tracks.get(key), self.places.get(subscriber)
            state = track.routes.get(subscriber) if track is not None else None
            same = False
            if before is not None:
                same = (track is not None and place is not None and state is not None
                        and before.epochs == (track.epoch, place.epoch) and before.state.config == state.config)
                if not same:
                    ends.append(Unsubscribe(before.node, key, subscriber))
            if state is None or place is None:
                continue
            if not same or before is None:
                subscribes.append(Subscribe(place.node, key, subscriber, _at_start(state)))
                if state.layers is not None:
                    layers.append(SetLayers(place.node, key, subscriber, state.layers))
                continue
            if state.layers != before.state.layers:
                layers.append(SetLayers(place.node, key, subscriber, state.layers or Layers()))
            if state.paused != before.state.paused:
                if state.paused:
                    pauses.append(Pause(place.node, key, subscriber))
                else:
                    resumes.append(Resume(place.node, key, subscriber))
        self._routes_before.clear()
        return ends, [*subscribes, *layers, *pauses, *resumes]

    def _track_changes(self) -> tuple[list[Action], list[Action]]:
        unpublishes: list[Action] = []
        publishes: list[Action] = []
        for key, before in self._tracks_before.items():
            track = self.tracks.get(key)
            if before is not None:
                unpublishes.append(Unpublish(before.node, key))
            if track is not None:
                publishes.append(Publish(track.node, key, track.config))
        self._tracks_before.clear()
        return unpublishes, publishes

    def _relay_changes(self) -> tuple[list[Action], list[Action]]:
        unrelays: list[Action] = []
        relays: list[Action] = []
        wanted = {key: self._edges(key) for key in self._relays_to_check}  # may raise: before anything changes
        for key, edges in wanted.items():
            track, before = self.tracks.get(key), self._relayed.pop(key, None)
            had: tuple[tuple[Hashable, Hashable], ...] = before.edges if before is not None else ()
            anew = before is None or track is None or before.epoch != track.epoch
            gone: Sequence[tuple[Hashable, Hashable]] = had if anew else [edge for edge in had if edge not in edges]
            if not anew:
                gone = self._with_what_follows(key, gone, had)
            unrelays += [Unrelay(a, b, key) for a, b in reversed(gone)]
            if track is not None:
                kept = [] if anew else [edge for edge in had if edge not in gone]
                relays += [Relay(a, b, key, track.config) for a, b in edges if (a, b) not in kept]
                if edges:
                    self._relayed[key] = _Relayed(track.epoch, tuple(edges))
        self._relays_to_check.clear()
        return unrelays, relays

    def _edges(self, key: TrackKey) -> list[tuple[Hashable, Hashable]]:
        track = self.tracks.get(key)
        if track is None or not track.needs or self.network is None:
            return []
        return self.network.edges(track.node, track.needs)

    def _with_what_follows(self, key: TrackKey, gone: Sequence[tuple[Hashable, Hashable]],
                           had: Sequence[tuple[Hashable, Hashable]]) -> list[tuple[Hashable, Hashable]]:
        """Relays that end, and those that hung on them; the routes there are to be made anew."""
        cut = {b for _, b in gone}
        ending = []
        for a, b in had:  # outwards, so a cut node comes before what hangs on it
            if (a, b) in gone or a in cut:
                cut.add(b)
                ending.append((a, b))
        if cut and key in self.tracks:
            for subscriber in self.tracks[key].routes:
                if self.places[subscriber].node in cut:
                    self._renew(key, subscriber)
        return ending


def _at_start(state: RouteState) -> RouteConfig | None:
    if not state.paused:
        return state.config
    return replace(state.config, paused=True) if state.config is not None else _PAUSED
