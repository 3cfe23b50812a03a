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
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar, cast

from numpy.typing import NDArray

from arcrtc._native import check, ffi, lib, read_view
from arcrtc._ranges import check_int
from arcrtc.errors import ArgumentError, ConfigError
from arcrtc.events import to_dict
from arcrtc.routing.calls import DirectCalls
from arcrtc.routing.config import MAX_LAYER_ID, RouteConfig, TrackConfig
from arcrtc.routing.legs import LegConfig, RouterConfig
from arcrtc.routing.native import RouteConfigs, leg_config, track_config, wipe
from arcrtc.srtp import SrtpConfig
from arcrtc.srtp.config import native_key
from arcrtc.streamtables import StreamPlace, StreamTables, read_rows

_ROOM_BYTES: Final = 65_536


class RouterEventType(Enum):
    """What a router tells."""

    SOURCE_ADDED = lib.ARC_ROUTER_SOURCE_ADDED  #: the first packet of a track's source came; value: its SSRC
    SOURCE_ENDED = lib.ARC_ROUTER_SOURCE_ENDED  #: its publisher said BYE; value: its SSRC
    LEG_SILENT = lib.ARC_ROUTER_LEG_SILENT  #: nothing authentic came for five seconds; value: microseconds
    LEG_BACK = lib.ARC_ROUTER_LEG_BACK  #: the leg is heard again
    KEY_NEAR_LIMIT = lib.ARC_ROUTER_KEY_NEAR_LIMIT  #: seven eighths of a key's packets are used; value: those left
    KEY_USED_UP = lib.ARC_ROUTER_KEY_USED_UP  #: nothing more passes with the key
    KEY_RETIRED = lib.ARC_ROUTER_KEY_RETIRED  #: a former key is not accepted any more
    LAYER_CHANGED = lib.ARC_ROUTER_LAYER_CHANGED  #: a route forwards another source; value: its index
    SPEAKER = lib.ARC_ROUTER_SPEAKER  #: a track speaks most of its selection group; value: the group


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterEvent:
    """Something that happened at a router.

    :ivar type: what.
    :ivar subject: the leg, track or route that it is about; None: it has gone since.
    :ivar now_us: when, microseconds of the router's monotonic clock.
    :ivar value: see :class:`RouterEventType`.
    """

    type: RouterEventType
    subject: Leg | Track | Route | None
    now_us: int
    value: int


class Leg:
    """A peer of a router. Made by :meth:`PacketRouter.add_leg`.

    :ivar router: whose leg it is.
    :ivar id: its number there, as tables and events of the core have it.
    :ivar config: as it was added; keys change with :meth:`rekey`.
    """

    __slots__ = ("__weakref__", "_routes", "_tracks", "config", "id", "router", "socket")

    def __init__(self, router: PacketRouter, ident: int, config: LegConfig, socket: Any) -> None:
        self.router, self.id, self.config, self.socket = router, ident, config, socket
        self._tracks: dict[int, Track] = {}
        self._routes: dict[int, Route] = {}

    def stats(self) -> dict[str, Any]:
        """Counters of the leg since it was added, by the names of ``struct arc_leg_row`` in csrc/router/router.h.

        Units are in the names; ``round_trip_ms`` is -1 while it is not known.

        :raises ArgumentError: it was removed.
        """
        return self.router._leg_stats(self)

    def set_pace(self, pace_bps: int) -> None:
        """Hold what leaves to a rate from now on.

        :param pace_bps: averaged over 5 ms, 0..10**12 bit/s; 0: not paced.
        :raises ConfigError: out of range. :raises ArgumentError: the leg was removed.
        """
        check_int("pace_bps", pace_bps, 0, 10**12, "bit/s")
        self.router._set_pace(self, pace_bps)

    def rekey(self, srtp: SrtpConfig | None = None, *, srtp_receive: SrtpConfig | None = None,
              overlap_ms: int = 5000) -> None:
        """Change the keys while packets are on their way; none is lost. As :meth:`Peer.rekey`.

        :param srtp: new key of what it is sent, and of what it sends unless ``srtp_receive`` is given; None: what
            it is sent keeps its key. Profile and length of the MKI stay.
        :param srtp_receive: new key of what it sends, if it is another one.
        :param overlap_ms: what it sends may be under the old keys for so long, 0..86_400_000 ms.
        :raises ConfigError: the leg has no SRTP or is gone, or a key does not fit it.
        :raises LimitError: four keys are accepted already.
        """
        if self.config.srtp is None or (srtp is None and srtp_receive is None):
            raise ConfigError("rekey: the leg has no SRTP, or no key is given")
        check_int("overlap_ms", overlap_ms, 0, 86_400_000)
        send, receive = _lent_key(srtp), _lent_key(srtp_receive or srtp)
        try:
            status = self.router._rekey(self, send, receive, 1000 * overlap_ms)
        finally:
            for key in (send, receive):
                if key != ffi.NULL:
                    wipe(key)
        if status == lib.ARC_ERR_ARG:
            raise ConfigError(f"rekey: {self!r} is gone, or the key is not of its profile and length of the MKI")
        check(status, "Leg.rekey")

    def __repr__(self) -> str:
        return f"Leg({self.id}, {'SRTP' if self.config.srtp else 'plain RTP'})"


def _lent_key(config: SrtpConfig | None) -> Any:
    if config is None:
        return ffi.NULL
    key = ffi.new("struct arc_srtp_key_config *")
    native_key(config, key)
    return key


class Track:
    """What a leg publishes. Made by :meth:`PacketRouter.publish`.

    :ivar leg: who publishes it.
    :ivar id: its number at the router.
    :ivar config: as it was published.
    """

    __slots__ = ("__weakref__", "_routes", "config", "id", "leg")

    def __init__(self, leg: Leg, ident: int, config: TrackConfig) -> None:
        self.leg, self.id, self.config = leg, ident, config
        self._routes: dict[int, Route] = {}

    def _stream_place(self) -> StreamPlace:
        router = self.leg.router
        router._check_here(self.leg, self)
        return StreamPlace(*router._stream_owner(), lib.ARC_STREAM_INBOUND, self.id)

    def _stream_kind(self) -> str:
        return self.config.kind.value

    def _stream_sources(self) -> int:
        return max(len(self.config.layers), 1)

    def _hold_stream(self, held: bool) -> None:
        """A publisher cannot be held; each route can."""

    def _end_stream(self) -> None:
        self.leg.router.unpublish(self)

    def __repr__(self) -> str:
        return f"Track({self.id}, {self.config.kind.value}/{self.config.codec} of {self.leg!r})"


class Route:
    """A track on its way to a leg. Made by :meth:`PacketRouter.subscribe`.

    :ivar track: which track.
    :ivar leg: to whom.
    :ivar id: its number at the router.
    :ivar ssrc: as which it is sent, 1..2**32-1.
    :ivar rtx_ssrc: as which it is resent; None: nothing is.
    """

    __slots__ = ("__weakref__", "id", "leg", "rtx_ssrc", "ssrc", "track")

    def __init__(self, track: Track, leg: Leg, ident: int, ssrc: int, rtx_ssrc: int | None) -> None:
        self.track, self.leg, self.id, self.ssrc, self.rtx_ssrc = track, leg, ident, ssrc, rtx_ssrc

    def pause(self) -> None:
        """Forward nothing for now. The subscriber sees no hole in the numbers.

        :raises ArgumentError: the route is gone.
        """
        self.leg.router._pause(self, True)

    def resume(self) -> None:
        """Forward again; video from the next key frame on, which the publisher is asked for.

        :raises ArgumentError: the route is gone.
        """
        self.leg.router._pause(self, False)

    def set_layers(self, *, source: int | None = None, spatial: int | None = None,
                   temporal: int | None = None) -> None:
        """Forward up to these layers, from the next key frame or picture on that allows it.

        :param source: simulcast source, 0..7, lowest first; None: the highest.
        :param spatial: highest spatial layer, 0..7; None: all.
        :param temporal: highest temporal layer, 0..7; None: all.
        :raises ConfigError: there is no such source.
        :raises ArgumentError: the route is gone.
        """
        top = len(self.track.config.sources) - 1
        wanted = top if source is None else source
        check_int("source", wanted, 0, top)
        for name, value in (("spatial", spatial), ("temporal", temporal)):
            if value is not None:
                check_int(name, value, 0, MAX_LAYER_ID)
        self.leg.router._set_layers(self, wanted, -1 if spatial is None else spatial,
                                    -1 if temporal is None else temporal)

    def _stream_place(self) -> StreamPlace:
        router = self.leg.router
        if router._routes.get(self.id) is not self:
            raise ArgumentError(f"{self!r} is not at this router, or not any more")
        return StreamPlace(*router._stream_owner(), lib.ARC_STREAM_OUTBOUND, self.id)

    def _stream_kind(self) -> str:
        return self.track.config.kind.value

    def _stream_sources(self) -> int:
        return 1

    def _hold_stream(self, held: bool) -> None:
        self.leg.router._pause(self, held)

    def _end_stream(self) -> None:
        self.leg.router.unsubscribe(self)

    def __repr__(self) -> str:
        return f"Route({self.id}, ssrc {self.ssrc:#010x}, {self.track!r} to {self.leg!r})"


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
        cfg, out = leg_config(config), ffi.new("int32_t *")
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
        """Return the next event; None: nothing happened. Unread events are bounded; the newest are lost and counted."""
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
