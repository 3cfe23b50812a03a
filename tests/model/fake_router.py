"""A router that forwards nothing: it checks that each call fits what is there, and shows what it would forward."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from arcrtc.errors import ArgumentError, LimitError
from arcrtc.routing import RouteConfig, TrackConfig


@dataclass(eq=False)
class FakeTrack:
    router: FakeRouter
    leg: Any
    config: TrackConfig
    live: bool = True


@dataclass(eq=False)
class FakeRoute:
    track: FakeTrack
    leg: Any
    config: RouteConfig
    paused: bool
    layers: tuple[int | None, int | None, int | None] = (None, None, None)
    live: bool = True

    def pause(self) -> None:
        assert self.live
        assert not self.paused
        self.paused = True

    def resume(self) -> None:
        assert self.live
        assert self.paused
        self.paused = False

    def set_layers(self, *, source: int | None = None, spatial: int | None = None,
                   temporal: int | None = None) -> None:
        assert self.live
        self.layers = (source, spatial, temporal)


@dataclass(eq=False)
class FakeRouter:
    """``refuse`` is asked before each call with its name; a true answer makes it fail."""

    name: Any = None
    refuse: Callable[[str], bool] = lambda what: False
    tracks: list[FakeTrack] = field(default_factory=list)
    routes: list[FakeRoute] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if self.refuse(what):
            raise LimitError(f"{what}: refused")

    def publish(self, leg: Any, config: TrackConfig) -> FakeTrack:
        self._called("publish")
        ssrcs = {source.ssrc for track in self.tracks if track.leg == leg for source in track.config.sources}
        assert not ssrcs & {source.ssrc for source in config.sources if source.ssrc is not None}
        self.tracks.append(FakeTrack(self, leg, config))
        return self.tracks[-1]

    def unpublish(self, track: FakeTrack) -> None:
        self._called("unpublish")
        assert not [route for route in self.routes if route.track is track], "routes first"
        self.tracks.remove(track)
        track.live = False

    def subscribe(self, track: FakeTrack, leg: Any, config: RouteConfig | None = None) -> FakeRoute:
        self._called("subscribe")
        return self._make(track, leg, config)

    def subscribe_many(self, routes: Sequence[tuple[FakeTrack, Any, RouteConfig | None]]) -> list[FakeRoute]:
        self._called("subscribe_many")
        return [self._make(*route) for route in routes]

    def _make(self, track: FakeTrack, leg: Any, config: RouteConfig | None) -> FakeRoute:
        if not track.live or track.router is not self:
            raise ArgumentError("no such track here")
        config = config or RouteConfig()
        self.routes.append(FakeRoute(track, leg, config, config.paused))
        return self.routes[-1]

    def unsubscribe(self, route: FakeRoute) -> None:
        self._called("unsubscribe")
        self.routes.remove(route)
        route.live = False
