"""Carries a room's plan out on routers."""
from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from random import Random, SystemRandom
from typing import Any, Protocol

from arcrtc.errors import ArcError, ArgumentError
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
from arcrtc.routing.config import RouteConfig, SourceConfig, TrackConfig
from arcrtc.routing.relays import RelayTable


class RouteHandle(Protocol):
    """A route of a router."""

    def pause(self) -> None:
        """Forward nothing."""

    def resume(self) -> None:
        """Forward again."""

    def set_layers(self, *, source: int | None = None, spatial: int | None = None,
                   temporal: int | None = None) -> None:
        """Forward up to these layers; None: the highest."""


class RouterLike(Protocol):
    """What the applier asks of a router. Legs, tracks and routes are the router's own objects."""

    def publish(self, leg: Any, config: TrackConfig) -> Any:
        """Take a track in from a leg."""

    def unpublish(self, track: Any) -> None:
        """End a track."""

    def subscribe(self, track: Any, leg: Any, config: RouteConfig | None = None) -> Any:
        """Make a route."""

    def subscribe_many(self, routes: Sequence[tuple[Any, Any, RouteConfig | None]]) -> Sequence[Any]:
        """Make all of these routes or none."""

    def unsubscribe(self, route: Any) -> None:
        """End a route."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An action that could not be carried out.

    :ivar action: which.
    :ivar error: why.
    """

    action: Action
    error: ArcError


@dataclass(frozen=True, slots=True)
class Applied:
    """How it went.

    :ivar done: actions that were carried out.
    :ivar failures: the others; ``room.undo(applied.failed)`` has them tried again.
    """

    done: int
    failures: tuple[Failure, ...]

    @property
    def failed(self) -> list[Action]:
        """The actions of ``failures``."""
        return [failure.action for failure in self.failures]


class RoomApplier:
    """Knows which router, leg, track and route is meant by the names in a room's actions.

    A fault of one action does not keep the others from being carried out. A relay that would bring a track back
    to a node that has it is refused (:class:`arcrtc.RouteLoopError`), whoever asks for it.

    :param routers: {node: its router}; a room on one node without a name: {None: router}.
    :param seed: of the SSRCs on relays; None: unpredictable.
    """

    def __init__(self, routers: Mapping[Hashable, RouterLike], *, seed: int | None = None) -> None:
        self._routers = dict(routers)
        self._random = SystemRandom() if seed is None else Random(seed)
        self._legs: dict[Hashable, Any] = {}
        self._links: dict[tuple[Hashable, Hashable], tuple[Any, Any]] = {}
        self._tracks: dict[tuple[Hashable, TrackKey], Any] = {}
        self._routes: dict[tuple[Hashable, TrackKey, Hashable], RouteHandle] = {}
        self._relays: dict[tuple[Hashable, Hashable, TrackKey], list[Any]] = {}
        self._relay_ssrcs: dict[tuple[Hashable, Hashable, TrackKey], list[int]] = {}
        self._used_ssrcs: set[int] = set()
        self._table = RelayTable()

    def add_node(self, node: Hashable, router: RouterLike) -> None:
        """Another router."""
        self._routers[node] = router

    def attach(self, participant: Hashable, leg: Any) -> None:
        """The leg of a participant, before the actions that follow from its joining; a new one after a move."""
        self._legs[participant] = leg

    def detach(self, participant: Hashable) -> None:
        """Forget a leg, after the actions that follow from its leaving."""
        self._legs.pop(participant, None)

    def connect(self, source: Hashable, target: Hashable, leg: Any, far_leg: Any) -> None:
        """The legs of a link: ``leg`` on the source's router leads to ``far_leg`` on the target's."""
        self._links[source, target] = (leg, far_leg)

    def route(self, node: Hashable, track: TrackKey, subscriber: Hashable) -> RouteHandle | None:
        """The router's route, for its statistics; None: there is none."""
        return self._routes.get((node, track, subscriber))

    def apply(self, actions: Iterable[Action]) -> Applied:
        """Carry actions out in their order; routes to be made on one node are made with one call."""
        count = 0
        failures: list[Failure] = []
        for (kind, node), group in groupby(actions, key=lambda action: (type(action), action.node)):
            batch = list(group)
            count += len(batch)
            if kind is Subscribe:
                failures += self._subscribe_all(node, [a for a in batch if isinstance(a, Subscribe)])
            else:
                failures += [failure for action in batch if (failure := self._try(action)) is not None]
        return Applied(count - len(failures), tuple(failures))

    def _try(self, action: Action) -> Failure | None:
        try:
            self._carry_out(action)
        except ArcError as error:
            return Failure(action, error)
        return None

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, Publish):
            self._publish(action)
        elif isinstance(action, Unpublish):
            self._unpublish(action.node, action.track)
            self._table.unpublish(action.track)
        elif isinstance(action, Relay):
            self._relay(action)
        elif isinstance(action, Unrelay):
            self._unrelay(action)
        elif isinstance(action, Subscribe):
            self._routes[_route_key(action)] = self._router(action.node).subscribe(*self._route_of(action))
        elif isinstance(action, Unsubscribe):
            route = self._routes.pop(_route_key(action), None)
            if route is not None:  # none: it was never made
                self._router(action.node).unsubscribe(route)
        elif isinstance(action, SetLayers):
            self._set_layers(self._known_route(action), action.layers)
        elif isinstance(action, Pause):
            self._known_route(action).pause()
        else:
            self._known_route(action).resume()

    def _subscribe_all(self, node: Hashable, batch: list[Subscribe]) -> list[Failure]:
        """All with one call; if a router refuses that, one by one, to find out which."""
        failures, good, calls = [], [], []
        for action in batch:
            try:
                calls.append(self._route_of(action))
                good.append(action)
            except ArcError as error:
                failures.append(Failure(action, error))
        try:
            routes = self._router(node).subscribe_many(calls) if calls else []
        except ArcError:
            return failures + [failure for action in good if (failure := self._try(action)) is not None]
        for action, route in zip(good, routes, strict=True):
            self._routes[_route_key(action)] = route
        return failures

    def _publish(self, action: Publish) -> None:
        leg = self._leg(action.track.participant)
        self._table.publish(action.track, action.node)
        try:
            self._tracks[action.node, action.track] = self._router(action.node).publish(leg, action.config)
        except ArcError:
            self._table.unpublish(action.track)
            raise

    def _unpublish(self, node: Hashable, key: TrackKey) -> None:
        track = self._tracks.pop((node, key), None)
        if track is not None:  # none: it was never published
            self._router(node).unpublish(track)

    def _relay(self, action: Relay) -> None:
        """A route for each source of the track to the link's leg, and a track of what arrives at its other end."""
        self._table.check(action.track, action.node, action.to)
        link = self._links.get((action.node, action.to))
        if link is None:
            raise ArgumentError(f"node {action.node!r} is not connected to {action.to!r}: connect() gives the legs")
        leg, far_leg = link
        key = (action.node, action.to, action.track)
        config = self._relayed_config(key, action.config)
        router, far_router = self._router(action.node), self._router(action.to)
        routes = self._relays[key] = []
        try:
            track = self._track(action.node, action.track)
            for number, source in enumerate(config.sources):
                routes.append(router.subscribe(track, leg, RouteConfig(ssrc=source.ssrc, rtx_ssrc=source.rtx_ssrc)))
                if config.layers:
                    self._set_layers(routes[-1], Layers(number))
            self._tracks[action.to, action.track] = far_router.publish(far_leg, config)
        except ArcError:
            self._end_relay(key)
            raise
        self._table.add(action.track, action.node, action.to)

    def _unrelay(self, action: Unrelay) -> None:
        key = (action.node, action.to, action.track)
        if key in self._relays:  # else it was never made
            self._table.remove(action.track, action.node, action.to)
            self._unpublish(action.to, action.track)
            self._end_relay(key)

    def _end_relay(self, key: tuple[Hashable, Hashable, TrackKey]) -> None:
        self._used_ssrcs.difference_update(self._relay_ssrcs.pop(key, ()))
        for route in self._relays.pop(key):
            self._router(key[0]).unsubscribe(route)

    def _relayed_config(self, key: tuple[Hashable, Hashable, TrackKey], config: TrackConfig) -> TrackConfig:
        """The track as it is on a link: SSRCs of its own, since two rooms may use the same ones."""
        drawn = self._relay_ssrcs[key] = []

        def draw(wanted: bool) -> int | None:
            if not wanted:
                return None
            while (ssrc := self._random.getrandbits(32)) == 0 or ssrc in self._used_ssrcs:
                pass
            self._used_ssrcs.add(ssrc)
            drawn.append(ssrc)
            return ssrc

        repaired = config.rtx_payload_type is not None
        sources = [replace(source, ssrc=draw(True), rtx_ssrc=draw(repaired), rid=None) for source in config.sources]
        if config.layers:
            return replace(config, layers=tuple(sources), mid=None)
        only: SourceConfig = sources[0]
        return replace(config, ssrc=only.ssrc, rtx_ssrc=only.rtx_ssrc, mid=None)

    @staticmethod
    def _set_layers(route: RouteHandle, layers: Layers) -> None:
        route.set_layers(source=layers.source, spatial=layers.spatial, temporal=layers.temporal)

    def _router(self, node: Hashable) -> RouterLike:
        found = self._routers.get(node)
        if found is None:
            raise ArgumentError(f"there is no router for node {node!r}")
        return found

    def _leg(self, participant: Hashable) -> Any:
        if participant not in self._legs:
            raise ArgumentError(f"participant {participant!r} has no leg: attach() gives it one")
        return self._legs[participant]

    def _track(self, node: Hashable, key: TrackKey) -> Any:
        if (node, key) not in self._tracks:
            raise ArgumentError(f"track {key.name!r} of {key.participant!r} is not on node {node!r}")
        return self._tracks[node, key]

    def _route_of(self, action: Subscribe) -> tuple[Any, Any, RouteConfig | None]:
        return self._track(action.node, action.track), self._leg(action.subscriber), action.config

    def _known_route(self, action: SetLayers | Pause | Resume) -> RouteHandle:
        route = self._routes.get(_route_key(action))
        if route is None:
            raise ArgumentError(f"there is no route of {action.track!r} to {action.subscriber!r}")
        return route


def _route_key(action: Subscribe | Unsubscribe | SetLayers | Pause | Resume) -> tuple[Hashable, TrackKey, Hashable]:
    return action.node, action.track, action.subscriber
