"""The packet router: one publisher's packets to many subscribers (C layer ``router/``).

What passes through it never touches the interpreter: Python adds and removes legs,
tracks and routes. :class:`PacketRouter` by itself does no I/O, like a session: the
simulator or a test drives it by datagrams. On the native threads of an engine
(:meth:`Engine.router`) its legs have sockets of their own.
"""
from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar, cast

from numpy.typing import NDArray

from arcrtc._native import check, ffi, lib, read_view
from arcrtc._ranges import check_int
from arcrtc.errors import ArgumentError, ConfigError
from arcrtc.events import to_dict
from arcrtc.routing.calls import DirectCalls
from arcrtc.routing.config import RouteConfig, TrackConfig
from arcrtc.routing.handles import Leg, Route, RouterEvent, RouterEventType, Track
from arcrtc.routing.legs import LegConfig, RouterConfig
from arcrtc.routing.native import RouteConfigs, leg_configs, track_config, wipe
from arcrtc.streamtables import StreamTables, read_rows

_ROOM_BYTES: Final = 65_536


_Method = TypeVar("_Method", bound=Callable[..., Any])


def _one_at_a_time(method: _Method) -> _Method:
    """Hold the router's lock during the call."""

    @functools.wraps(method)
    def locked(self: PacketRouter, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return method(self, *args, **kwargs)

    return cast(_Method, locked)


class PacketRouter:
    """Forwards packets from publishers to subscribers, each with keys, numbers and extensions of its own.

    By itself it does no I/O: :meth:`receive`, :meth:`poll_transmit`, :meth:`next_timeout_us`, which one thread
    calls, the one that makes its changes. On an engine any thread may make changes.

    :param config: sizes; None: the defaults.
    :param now_us: microseconds of a monotonic clock; None: it is read.
    :raises NoMemoryError: there is no room for the pool.
    """

    def __init__(self, config: RouterConfig | None = None, *, now_us: int | None = None) -> None:
        self.config = config or RouterConfig()
        self._lock = threading.RLock()
        self._legs: dict[int, Leg] = {}
        self._tracks: dict[int, Track] = {}
        self._routes: dict[int, Route] = {}
        self._calls: Any = self._open(lib.arc_clock_us() if now_us is None else now_us)
        self._room = ffi.new("uint8_t[]", _ROOM_BYTES)
        self._datagram = ffi.new("struct arc_datagram *")

    def _open(self, now_us: int) -> Any:
        return DirectCalls(self.config, now_us)

    # --- who is there ---

    def add_leg(self, config: LegConfig | None = None) -> Leg:
        """Make a leg: a peer that publishes, subscribes or both.

        :param config: None: plain RTP, and the defaults.
        :raises ConfigError: an id of a header extension is above 14.
        :raises UnsupportedError: the cipher backend that its key asks for is not usable here.
        """
        return self._add_leg(config or LegConfig(), None)

    @_one_at_a_time
    def _add_leg(self, config: LegConfig, socket: Any) -> Leg:
        cfg, out = leg_configs([config]), ffi.new("int32_t *")
        try:
            check(self._calls.add_leg(cfg, socket, out), "PacketRouter.add_leg")
        finally:
            wipe(cfg)
        leg = Leg(self, out[0], config, socket)
        self._legs[leg.id] = leg
        return leg

    @_one_at_a_time
    def remove_leg(self, leg: Leg) -> None:
        """End a leg with its tracks and routes. A leg that is gone is no error."""
        if self._legs.pop(leg.id, None) is None:
            return
        for track in list(leg._tracks.values()):
            self._forget_track(track)
        for route in list(leg._routes.values()):
            self._forget_route(route)
        self._check("PacketRouter.remove_leg", self._calls.remove_leg(leg.id))

    @_one_at_a_time
    def publish(self, leg: Leg, config: TrackConfig) -> Track:
        """Take a track in from a leg.

        :raises ConfigError: an SSRC is in use on this leg, or the core cannot map an extension id.
        :raises ArgumentError: the leg is gone.
        """
        self._check_here(leg)
        out = ffi.new("int32_t *")
        status = self._calls.add_track(leg.id, track_config(config, self.config), out)
        if status == lib.ARC_ERR_ARG:
            raise ConfigError(f"publish: an SSRC of {config!r} is in use on {leg!r}, or a value is not allowed")
        check(status, "PacketRouter.publish")
        track = Track(leg, out[0], config)
        self._tracks[track.id] = leg._tracks[track.id] = track
        return track

    @_one_at_a_time
    def unpublish(self, track: Track) -> None:
        """End a track and its routes. A track that is gone is no error."""
        if track.id in self._tracks:
            self._forget_track(track)
            self._check("PacketRouter.unpublish", self._calls.remove_track(track.id))

    def _forget_track(self, track: Track) -> None:
        del self._tracks[track.id], track.leg._tracks[track.id]
        for route in list(track._routes.values()):
            self._forget_route(route)

    def _forget_route(self, route: Route) -> None:
        del self._routes[route.id], route.leg._routes[route.id], route.track._routes[route.id]

    def subscribe(self, track: Track, leg: Leg, config: RouteConfig | None = None) -> Route:
        """Forward a track to a leg.

        :raises ConfigError: it would go back to its publisher, or an SSRC is in use on that leg.
        :raises ArgumentError: track or leg are gone.
        :raises LimitError: the leg's key has seen too many SSRCs: rekey() it.
        """
        return self.subscribe_many([(track, leg, config)])[0]

    @_one_at_a_time
    def subscribe_many(self, routes: Sequence[tuple[Track, Leg, RouteConfig | None]]) -> list[Route]:
        """Make all of these routes, or none. Much quicker than one by one on an engine.

        :raises ConfigError: as subscribe().
        """
        requests, configs = ffi.new("struct arc_route_request[]", max(len(routes), 1)), RouteConfigs()
        for request, (track, leg, config) in zip(requests, routes, strict=False):
            self._check_here(leg, track)
            request.track, request.leg = track.id, leg.id
            request.config = configs.get(config or _DEFAULT_ROUTE, track.config, leg.config)
        status = self._calls.add_routes(requests, len(routes))
        if status == lib.ARC_ERR_ARG:
            raise ConfigError("subscribe: a track would go back to the leg that publishes it, or an SSRC is in use on "
                              "that leg or was used with its key before")
        check(status, "PacketRouter.subscribe")
        made = [Route(track, leg, r.route, r.config.ssrc,
                      r.config.rtx_ssrc if r.config.rtx_payload_type >= 0 else None)
                for r, (track, leg, _) in zip(requests, routes, strict=False)]
        for route in made:
            self._routes[route.id] = route.leg._routes[route.id] = route.track._routes[route.id] = route
        return made

    def unsubscribe(self, route: Route) -> None:
        """End a route. One that is gone is no error."""
        self.unsubscribe_many([route])

    @_one_at_a_time
    def unsubscribe_many(self, routes: Iterable[Route]) -> None:
        """End these routes; those that are gone are no error."""
        here = [route for route in routes if self._routes.get(route.id) is route]
        for route in here:
            self._forget_route(route)
        ids = [route.id for route in here]
        self._check("PacketRouter.unsubscribe", self._calls.remove_routes(ffi.new("int32_t[]", ids or [0]), len(ids)))

    @_one_at_a_time
    def _pause(self, route: Route, paused: bool) -> None:
        self._check("Route.pause", self._calls.pause(route.id, paused))

    @_one_at_a_time
    def _set_layers(self, route: Route, source: int, spatial: int, temporal: int) -> None:
        self._check("Route.set_layers", self._calls.set_layers(route.id, source, spatial, temporal))

    @_one_at_a_time
    def set_group(self, group: int, heard: int) -> None:
        """Say how many of a selection group of audio tracks are heard; 3 unless it is said.

        :param group: as in :class:`~arcrtc.routing.TrackConfig`, 0..2**31-1.
        :param heard: 1..32.
        :raises ArgumentError: the group has tracks already.
        """
        check_int("group", group, 0, 2**31 - 1)
        check_int("heard", heard, 1, lib.ARC_LOUDEST_MAX_PLACES)
        status = self._calls.set_group(group, heard)
        if status == lib.ARC_ERR_ARG:
            raise ArgumentError(f"set_group: group {group} has tracks already")
        check(status, "PacketRouter.set_group")

    @_one_at_a_time
    def _set_pace(self, leg: Leg, pace_bps: int) -> None:
        self._check("Leg.set_pace", self._calls.set_pace(leg.id, pace_bps))

    @_one_at_a_time
    def _rekey(self, leg: Leg, send: Any, receive: Any, overlap_us: int) -> int:
        return int(self._calls.rekey(leg.id, send, receive, overlap_us))

    def _stream_owner(self) -> tuple[StreamTables, int]:
        """Whose stream table its streams are in, and as whose."""
        return self, 0

    def _check(self, what: str, status: int) -> None:
        if status == lib.ARC_ERR_ARG:
            raise ArgumentError(f"{what}: it is not at this router, or not any more")
        check(status, what)

    def _check_here(self, leg: Leg, track: Track | None = None) -> None:
        if self._legs.get(leg.id) is not leg:
            raise ArgumentError(f"{leg!r} is not at this router, or not any more")
        if track is not None and self._tracks.get(track.id) is not track:
            raise ArgumentError(f"{track!r} is not at this router, or not any more")

    @property
    def legs(self) -> tuple[Leg, ...]:
        """Legs that are there."""
        return tuple(self._legs.values())

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Tracks that are published."""
        return tuple(self._tracks.values())

    @property
    def routes(self) -> tuple[Route, ...]:
        """Routes that are there."""
        return tuple(self._routes.values())

    # --- figures ---

    @_one_at_a_time
    def stats(self) -> dict[str, Any]:
        """Counters of the router since it was made; csrc/router/router.h has their names (``struct arc_router_stats``).

        ``drops`` has one for each reason why something that arrived was thrown away, ``unsent`` one for each reason why
        what was accepted did not leave for a subscriber. ``offered_pkts`` is the sum of those, of ``forwarded_pkts``
        and of ``queued_pkts``. For single ones see :meth:`stream_table` (``packets_discarded``) and :meth:`leg_table`.
        """
        out = ffi.new("struct arc_router_stats *")
        check(self._calls.read_stats(out), "PacketRouter.stats")
        return to_dict(out[0])

    @_one_at_a_time
    def _leg_stats(self, leg: Leg) -> dict[str, Any]:
        out = ffi.new("struct arc_leg_row *")
        self._check("Leg.stats", self._calls.read_leg(leg.id, out))
        return to_dict(out[0])

    @_one_at_a_time
    def stream_table(self) -> NDArray[Any]:
        """All streams at once: a structured array, a row a source of a track or a route.

        Columns: ``direction`` (0 inbound, 1 outbound), ``leg``, ``stream`` (id of the track or the route), ``ssrc``,
        ``packets`` ...; :data:`arcrtc.routing.W3C_NAMES` says which members of webrtc-stats they are.
        """
        return read_rows("struct arc_stream_row", 2 * len(self._tracks) + len(self._routes),
                         self._calls.read_streams)

    @_one_at_a_time
    def leg_table(self) -> NDArray[Any]:
        """All legs at once: a structured array with the columns of :meth:`Leg.stats`."""
        return read_rows("struct arc_leg_row", len(self._legs), self._calls.read_legs)

    # --- driving it, without an engine ---

    def _advance(self, now_us: int | None) -> int:
        self._calls.now_us = lib.arc_clock_us() if now_us is None else now_us
        return int(self._calls.now_us)

    def receive(self, leg: Leg, data: Any, now_us: int | None = None) -> bool:
        """Take a datagram that came from the peer of a leg. Whatever is wrong with it is counted.

        :param data: bytes-like, 0..65535 bytes.
        :param now_us: microseconds of the router's monotonic clock; None: it is read.
        :returns: whether it was authentic.
        """
        at_us = self._advance(now_us)
        mine = bytearray(data)  # SRTCP is decrypted in place
        view = read_view(mine) if mine else ffi.new("uint8_t[1]")
        self._datagram.data, self._datagram.len, self._datagram.time_us = view, len(mine), at_us
        good = ffi.new("bool *")
        lib.arc_router_receive(self._calls.handle, leg.id, self._datagram, 1, ffi.NULL, good, at_us)
        return bool(good[0])

    def poll_transmit(self, now_us: int | None = None) -> tuple[Leg, list[bytes]] | None:
        """The next datagrams that are due, all for one leg; to be called until there are none.

        :param now_us: as :meth:`receive`. Timers run in here as well.
        :returns: the leg and 1..64 datagrams of one length (the last may be shorter); None: nothing before
            :meth:`next_timeout_us`.
        """
        at_us = self._advance(now_us)
        ident, train = ffi.new("int32_t *"), ffi.new("struct arc_train *")
        if lib.arc_router_transmit(self._calls.handle, at_us, ffi.NULL, self._room, _ROOM_BYTES, ident,
                                   train) != lib.ARC_OK:
            return None
        whole, size = bytes(ffi.buffer(train.data, train.len)), train.segment_bytes
        return self._legs[ident[0]], [whole[i:i + size] for i in range(0, len(whole), size)]

    def next_timeout_us(self) -> int | None:
        """When poll_transmit() is due next, microseconds; None: not by itself."""
        at_us = lib.arc_router_next_us(self._calls.handle)
        return None if at_us == lib.ARC_NEVER_US else int(at_us)

    def poll_event(self) -> RouterEvent | None:
        """Return the next event; None: nothing happened. At most 1024 wait; how many were lost then is an event."""
        out = ffi.new("struct arc_router_event *")
        if lib.arc_router_poll_event(self._calls.handle, out) != lib.ARC_OK:
            return None
        return router_event(self, out.type, out.id, out.now_us, out.value)

    def __repr__(self) -> str:
        return (f"{type(self).__name__}({len(self._legs)} legs, {len(self._tracks)} tracks, "
                f"{len(self._routes)} routes)")


def router_event(router: PacketRouter | None, number: int, ident: int, now_us: int, value: int) -> RouterEvent:
    """An event of the core, with the object of Python's that it is about."""
    kind = RouterEventType(number)
    table: dict[int, Any] = {}
    if router is not None:
        table = router._tracks if kind in _OF_TRACKS else router._routes if kind in _OF_ROUTES else router._legs
    return RouterEvent(type=kind, subject=table.get(ident), now_us=now_us, value=value)


_DEFAULT_ROUTE: Final = RouteConfig()
_OF_TRACKS: Final = frozenset((RouterEventType.SOURCE_ADDED, RouterEventType.SOURCE_ENDED, RouterEventType.SPEAKER))
_OF_ROUTES: Final = frozenset((RouterEventType.LAYER_CHANGED,))
