"""What a packet router asks of the core: a status, or a number of rows, each.

There is one such class for a router that its caller drives, and one for a router on a
thread of an engine.
"""
from __future__ import annotations

from typing import Any, Final

from arcrtc._native import lib, new_handle
from arcrtc.errors import ClosedError
from arcrtc.routing.legs import RouterConfig
from arcrtc.routing.native import router_config

_PACKET_BYTES: Final = 2048


class DirectCalls:
    """A router of the core, called on the caller's thread at the time that the caller says."""

    def __init__(self, config: RouterConfig, now_us: int) -> None:
        self.now_us = now_us
        self.handle = new_handle(lib.arc_router_new, lib.arc_router_free, "struct arc_router",
                                 router_config(config, now_us, lib.arc_clock_ntp()), now_us, what="PacketRouter",
                                 size=config.pool_pkts * _PACKET_BYTES)

    def add_leg(self, cfg: Any, _socket: Any, out: Any) -> int:
        """A leg more."""
        return int(lib.arc_router_add_leg(self.handle, cfg, self.now_us, out))

    def remove_leg(self, leg: int) -> int:
        """A leg less."""
        return int(lib.arc_router_remove_leg(self.handle, leg))

    def add_track(self, leg: int, cfg: Any, out: Any) -> int:
        """A track more."""
        return int(lib.arc_router_add_track(self.handle, leg, cfg, self.now_us, out))

    def remove_track(self, track: int) -> int:
        """A track less."""
        return int(lib.arc_router_remove_track(self.handle, track))

    def add_routes(self, requests: Any, n: int) -> int:
        """Routes more, all or none."""
        return int(lib.arc_router_add_routes(self.handle, requests, n, self.now_us))

    def remove_routes(self, routes: Any, n: int) -> int:
        """Routes less."""
        return int(lib.arc_router_remove_routes(self.handle, routes, n))

    def pause(self, route: int, paused: bool) -> int:
        """Hold a route back, or let it go on."""
        return int(lib.arc_router_pause(self.handle, route, paused, self.now_us))

    def set_layers(self, route: int, source: int, spatial: int, temporal: int) -> int:
        """Choose what a route forwards."""
        return int(lib.arc_router_set_layers(self.handle, route, source, spatial, temporal, self.now_us))

    def set_group(self, group: int, heard: int) -> int:
        """How many of a group are heard."""
        return int(lib.arc_router_set_group(self.handle, group, heard))

    def set_pace(self, leg: int, pace_bps: int) -> int:
        """Change the pace of a leg."""
        return int(lib.arc_router_set_pace(self.handle, leg, pace_bps))

    def rekey(self, leg: int, send: Any, receive: Any, overlap_us: int) -> int:
        """Change the keys of a leg."""
        return int(lib.arc_router_rekey(self.handle, leg, send, receive, overlap_us, self.now_us))

    def read_stats(self, out: Any) -> int:
        """Counters of the router."""
        lib.arc_router_get_stats(self.handle, out)
        return int(lib.ARC_OK)

    def read_streams(self, rows: Any, cap: int) -> int:
        """Rows of all streams."""
        return int(lib.arc_router_read_streams(self.handle, 0, rows, cap, self.now_us))

    def read_legs(self, rows: Any, cap: int) -> int:
        """Rows of all legs."""
        return int(lib.arc_router_read_legs(self.handle, rows, cap))

    def read_leg(self, leg: int, out: Any) -> int:
        """The row of one leg."""
        return int(lib.arc_router_read_leg(self.handle, leg, out))


class RelayCalls:
    """A router on a thread of an engine: each call waits for that thread, for as long as the call itself takes.

    :param loop: ``struct arc_loop *`` of the thread.
    :param ident: the router's name on the engine.
    """

    def __init__(self, loop: Any, ident: int, config: RouterConfig) -> None:
        now_us = lib.arc_clock_us()
        self.handle = new_handle(lib.arc_relay_new, lib.arc_relay_free, "struct arc_relay", loop, ident,
                                 router_config(config, now_us, lib.arc_clock_ntp()), what="Engine.router",
                                 size=config.pool_pkts * _PACKET_BYTES)

    def add_leg(self, cfg: Any, socket: Any, out: Any) -> int:
        """A leg more, with its socket."""
        return int(lib.arc_relay_add_leg(self.handle, cfg, socket, out))

    def add_legs(self, requests: Any, n: int) -> int:
        """Legs more, with their sockets, all or none."""
        return int(lib.arc_relay_add_legs(self.handle, requests, n))

    def remove_leg(self, leg: int) -> int:
        """A leg less; its peer gets a BYE."""
        return int(lib.arc_relay_remove_leg(self.handle, leg))

    def add_track(self, leg: int, cfg: Any, out: Any) -> int:
        """A track more."""
        return int(lib.arc_relay_add_track(self.handle, leg, cfg, out))

    def remove_track(self, track: int) -> int:
        """A track less."""
        return int(lib.arc_relay_remove_track(self.handle, track))

    def add_routes(self, requests: Any, n: int) -> int:
        """Routes more, all or none."""
        return int(lib.arc_relay_add_routes(self.handle, requests, n))

    def remove_routes(self, routes: Any, n: int) -> int:
        """Routes less."""
        return int(lib.arc_relay_remove_routes(self.handle, routes, n))

    def pause(self, route: int, paused: bool) -> int:
        """Hold a route back, or let it go on."""
        return int(lib.arc_relay_pause(self.handle, route, paused))

    def set_layers(self, route: int, source: int, spatial: int, temporal: int) -> int:
        """Choose what a route forwards."""
        return int(lib.arc_relay_set_layers(self.handle, route, source, spatial, temporal))

    def set_group(self, group: int, heard: int) -> int:
        """How many of a group are heard."""
        return int(lib.arc_relay_set_group(self.handle, group, heard))

    def set_pace(self, leg: int, pace_bps: int) -> int:
        """Change the pace of a leg."""
        return int(lib.arc_relay_set_pace(self.handle, leg, pace_bps))

    def rekey(self, leg: int, send: Any, receive: Any, overlap_us: int) -> int:
        """Change the keys of a leg."""
        return int(lib.arc_relay_rekey(self.handle, leg, send, receive, overlap_us))

    def read_stats(self, out: Any) -> int:
        """Counters of the router."""
        return int(lib.arc_relay_read_stats(self.handle, out))

    def read_streams(self, rows: Any, cap: int) -> int:
        """Rows of all streams."""
        return int(lib.arc_relay_read_streams(self.handle, rows, cap))

    def read_legs(self, rows: Any, cap: int) -> int:
        """Rows of all legs."""
        return int(lib.arc_relay_read_legs(self.handle, rows, cap))

    def take_delays(self, out: Any) -> int:
        """How long packets were here since the last call."""
        return int(lib.arc_relay_take_delays(self.handle, out))

    def add_drops(self, total: Any) -> int:
        """Why packets were lost or left out here."""
        return int(lib.arc_relay_add_drops(self.handle, total))

    def move(self, loop: Any) -> int:
        """Go to another thread."""
        return int(lib.arc_relay_move(self.handle, loop))

    def read_leg(self, leg: int, out: Any) -> int:
        """The row of one leg, and of its socket."""
        return int(lib.arc_relay_read_leg(self.handle, leg, out))


class NoCalls:
    """What is left of a router that was closed.

    :raises ClosedError: at every call.
    """

    def __getattr__(self, name: str) -> Any:
        raise ClosedError("the router is closed")
