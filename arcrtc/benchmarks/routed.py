"""The engine's router as what is soaked."""
from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from arcrtc.benchmarks.soak import KEY_OVERLAP_S, Forwarder
from arcrtc.benchmarks.soakchecks import Accounts
from arcrtc.engine import Engine
from arcrtc.routing import Leg, LegConfig, RouterConfig, TrackConfig
from arcrtc.routing.handles import Route, Track
from arcrtc.srtp import SrtpConfig
from arcrtc.streams import MediaType

_LOCAL: Final = "127.0.0.1:0"
_CLOCK_RATES: Final = {MediaType.AUDIO: 48_000, MediaType.VIDEO: 90_000}
_CODECS: Final = {MediaType.AUDIO: "opus", MediaType.VIDEO: "other"}
_MAX_STREAMS: Final = 1024  # SSRCs that a soaked leg may be sent in its life
_UNSENT: Final = ("would_block", "too_big", "no_route", "no_remote", "other_errors", "refused", "unreachable")


def _track(kind: MediaType, ssrc: int, payload_type: int) -> TrackConfig:
    return TrackConfig(kind=kind, codec=_CODECS[kind], ssrc=ssrc, payload_type=payload_type,
                       clock_rate=_CLOCK_RATES[kind])


class RouterForwarder(Forwarder):
    """A packet router on an engine, soaked.

    :param threads: network threads; the router is on the first.
    """

    def __init__(self, threads: int = 1) -> None:
        self._engine = Engine(threads, media_threads=1)
        self._router = self._engine.router(RouterConfig(pool_pkts=16_384))
        self._unsent: dict[str, int] = dict.fromkeys(_UNSENT, 0)

    def add_leg(self, srtp: SrtpConfig, remote: str | None) -> Leg:
        """A leg with a socket of its own."""
        return self._router.add_leg(LegConfig(srtp=replace(srtp, max_streams=_MAX_STREAMS)), local=_LOCAL,
                                    remote=remote)

    def local_address(self, leg: Leg) -> str:
        """Where the leg listens."""
        return self._router.local_address(leg)

    def received_of(self, leg: Leg) -> int:
        """Counted by the router."""
        return int(leg.stats()["received_pkts"])

    def lost_of(self, leg: Leg) -> int:
        """Counted by the leg's socket."""
        return int(leg.stats()["udp"]["overflowed"])

    def unsent_of(self, leg: Leg) -> int:
        """Whatever the socket could not send, and what found no room in the leg's queue."""
        stats = leg.stats()
        return sum(int(stats["udp"][reason]) for reason in _UNSENT) + int(stats["queue_full"])

    def remove_leg(self, leg: Leg) -> None:
        """The reasons for what it was not sent are kept."""
        udp = leg.stats()["udp"]
        for reason in _UNSENT:
            self._unsent[reason] += int(udp[reason])
        self._router.remove_leg(leg)

    def publish(self, leg: Leg, ssrc: int, kind: str) -> Track:
        """Opus, or video of a codec that the router does not know."""
        media = MediaType(kind)
        return self._router.publish(leg, _track(media, ssrc, 111 if media is MediaType.AUDIO else 96))

    def subscribe(self, track: Track, leg: Leg) -> tuple[Route, int]:
        """The router draws the SSRC."""
        route = self._router.subscribe(track, leg)
        return route, route.ssrc

    def unsubscribe(self, route: Route) -> None:
        """End a route."""
        self._router.unsubscribe(route)

    def pause(self, route: Route, on: bool) -> None:
        """Hold a route, or let it go on."""
        (route.pause if on else route.resume)()

    def rekey(self, leg: Leg, srtp: SrtpConfig) -> None:
        """Both ways."""
        leg.rekey(srtp, overlap_ms=int(KEY_OVERLAP_S * 1000))

    def accounts(self) -> Accounts:
        """Of the router; RTCP and resent packets are given to legs as well."""
        stats: dict[str, Any] = self._router.stats()
        offered = stats["offered_pkts"] + stats["resent_pkts"] + stats["sent_rtcp"]
        return Accounts(received=stats["received_pkts"], dropped_in=stats["drops"],
                        other_in=stats["received_rtcp"] + stats["probes"], accepted=stats["received_rtp"],
                        offered=offered, dropped_out={**stats["unsent"], "queued": stats["queued_pkts"]},
                        sent=stats["sent_pkts"] - sum(self._unsent.values()), unsent=dict(self._unsent))

    def close(self) -> None:
        """End the engine."""
        self._engine.close()
