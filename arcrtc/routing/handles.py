"""What a packet router's callers hold of it: legs, tracks, routes, and its events."""
from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from arcrtc._native import check, ffi, lib
from arcrtc._ranges import check_int
from arcrtc.errors import ArgumentError, ConfigError
from arcrtc.routing.config import MAX_LAYER_ID, TrackConfig
from arcrtc.routing.legs import LegConfig
from arcrtc.routing.native import wipe
from arcrtc.srtp import SrtpConfig
from arcrtc.srtp.config import native_key
from arcrtc.streamtables import StreamPlace

if TYPE_CHECKING:
    from arcrtc.routing.router import PacketRouter


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
    EVENTS_LOST = lib.ARC_ROUTER_EVENTS_LOST  #: nobody fetched them in time; as many as the value says
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
