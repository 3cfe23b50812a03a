"""What a room's plan wants done: actions, in an order in which they can be carried out."""
from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple, TypeAlias

from arcrtc.routing.config import RouteConfig, TrackConfig


class TrackKey(NamedTuple):
    """A track in a room: whose, and its name there."""

    participant: Hashable
    name: str


class Layers(NamedTuple):
    """What a route forwards at most: simulcast source, spatial layer, temporal layer; None: the highest."""

    source: int | None = None
    spatial: int | None = None
    temporal: int | None = None


class Publish(NamedTuple):
    """Take a track in from its participant's leg on ``node``."""

    node: Hashable
    track: TrackKey
    config: TrackConfig


class Unpublish(NamedTuple):
    """Take it in no longer. Its routes and relays are gone by then."""

    node: Hashable
    track: TrackKey


class Relay(NamedTuple):
    """Hand a track on from ``node``, which has it, to the node ``to``, which publishes it from then on."""

    node: Hashable
    to: Hashable
    track: TrackKey
    config: TrackConfig


class Unrelay(NamedTuple):
    """Hand it on no longer."""

    node: Hashable
    to: Hashable
    track: TrackKey


class Subscribe(NamedTuple):
    """Forward a track to a participant's leg on ``node``. ``config.paused``: not before it is resumed."""

    node: Hashable
    track: TrackKey
    subscriber: Hashable
    config: RouteConfig | None


class Unsubscribe(NamedTuple):
    """Forward it no longer."""

    node: Hashable
    track: TrackKey
    subscriber: Hashable


class SetLayers(NamedTuple):
    """Forward up to these layers."""

    node: Hashable
    track: TrackKey
    subscriber: Hashable
    layers: Layers


class Pause(NamedTuple):
    """Keep the route and forward nothing."""

    node: Hashable
    track: TrackKey
    subscriber: Hashable


class Resume(NamedTuple):
    """Forward again."""

    node: Hashable
    track: TrackKey
    subscriber: Hashable


Action: TypeAlias = Publish | Unpublish | Relay | Unrelay | Subscribe | Unsubscribe | SetLayers | Pause | Resume
