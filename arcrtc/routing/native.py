"""Settings of the routing API as the structs of the core."""
from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from arcrtc._native import ffi, lib
from arcrtc.errors import ConfigError
from arcrtc.routing.config import RouteConfig, TrackConfig
from arcrtc.routing.legs import LegConfig, RouterConfig
from arcrtc.rtpext import (
    DEPENDENCY_DESCRIPTOR_URI,
    AbsSendTime,
    AudioLevel,
    Mid,
    RepairedRtpStreamId,
    RtpStreamId,
    TransportSequenceNumber,
)
from arcrtc.srtp.config import native_config
from arcrtc.streams import MediaType

_MAX_ID: Final = 14  # of the one-byte form (RFC 8285 section 4.2)
#: what the router writes itself, or takes out: it means something on one leg only
_OWN: Final = frozenset(kind.URI for kind in (TransportSequenceNumber, AbsSendTime, Mid, RtpStreamId,
                                              RepairedRtpStreamId))
_CODECS: Final = {"h264": lib.ARC_TRACK_H264, "vp8": lib.ARC_TRACK_VP8, "vp9": lib.ARC_TRACK_VP9,
                  "av1": lib.ARC_TRACK_AV1}


def _ids(extensions: Mapping[int, str] | None) -> dict[str, int]:
    """{URI: id}; ids above 14 cannot be mapped."""
    ids = {}
    for ident, uri in (extensions or {}).items():
        if ident > _MAX_ID:
            raise ConfigError(f"extensions: id {ident} of {uri} is above {_MAX_ID}; a router maps ids 1..{_MAX_ID}")
        ids[uri] = ident
    return ids


def router_config(config: RouterConfig, now_us: int, ntp_now: int) -> Any:
    """A ``struct arc_router_config``."""
    cfg = ffi.new("struct arc_router_config *")
    cfg.cname = (config.cname or secrets.token_hex(12)).encode()
    cfg.seed = secrets.randbits(64) if config.seed is None else config.seed
    cfg.ntp_at_zero = (ntp_now - (now_us // 10**6 << 32) - (now_us % 10**6 << 32) // 10**6) % 2**64
    cfg.pool_pkts = config.pool_pkts
    return cfg


def leg_configs(configs: Sequence[LegConfig]) -> Any:
    """An array of ``struct arc_leg_config``. It holds keys: the caller wipes it after use."""
    array = ffi.new("struct arc_leg_config[]", max(len(configs), 1))
    try:
        for cfg, config in zip(array, configs, strict=False):
            _fill_leg(cfg, config)
    except BaseException:
        wipe(array)
        raise
    return array


def _fill_leg(cfg: Any, config: LegConfig) -> None:
    if config.srtp is not None:
        cfg.srtp = True
        native_config(config.srtp, ffi.addressof(cfg, "srtp_send"))
        if config.srtp_receive is None:
            cfg.srtp_receive = cfg.srtp_send
        else:
            native_config(config.srtp_receive, ffi.addressof(cfg, "srtp_receive"))
    for name in ("mtu_bytes", "queue_pkts", "train_pkts", "hold_us", "pace_bps", "rtcp_bps", "ecn"):
        setattr(cfg, name, getattr(config, name))
    ids = _ids(config.extensions)
    cfg.twcc_id = ids.get(TransportSequenceNumber.URI, 0)
    cfg.send_time_id = ids.get(AbsSendTime.URI, 0)


def wipe(struct: Any) -> None:
    """Overwrite a struct, or an array of them, that held keys."""
    size = len(ffi.buffer(struct))
    ffi.memmove(struct, bytes(size), size)


def track_config(config: TrackConfig, router: RouterConfig) -> Any:
    """A ``struct arc_track_config``."""
    sources = config.sources
    if len(sources) > lib.ARC_ROUTER_MAX_SOURCES:
        raise ConfigError(f"layers: {len(sources)} are more than {lib.ARC_ROUTER_MAX_SOURCES}")
    video = config.kind is MediaType.VIDEO
    ids = _ids(config.extensions)
    cfg = ffi.new("struct arc_track_config *")
    cfg.kind = lib.ARC_TRACK_VIDEO if video else lib.ARC_TRACK_AUDIO
    cfg.codec = _CODECS.get(config.codec.strip().lower(), lib.ARC_TRACK_OTHER) if video else lib.ARC_TRACK_OTHER
    cfg.clock_hz = config.clock_rate
    cfg.payload_type = config.payload_type
    cfg.rtx_payload_type = -1 if config.rtx_payload_type is None else config.rtx_payload_type
    cfg.n_sources = len(sources)
    for i, source in enumerate(sources):
        cfg.ssrc[i], cfg.rtx_ssrc[i] = source.ssrc or 0, source.rtx_ssrc or 0
        cfg.rid[i] = (source.rid or "").encode()
    cfg.rid_id = ids.get(RtpStreamId.URI, 0)
    cfg.repaired_rid_id = ids.get(RepairedRtpStreamId.URI, 0)
    cfg.level_id = ids.get(AudioLevel.URI, 0)
    cfg.depdesc_id = ids.get(DEPENDENCY_DESCRIPTOR_URI, 0)
    cfg.history_pkts = router.history_pkts if video else router.audio_history_pkts
    cfg.history_us = router.history_ms * 1000
    cfg.nack = video or config.rtx_payload_type is not None
    cfg.group = -1 if config.selection_group is None else config.selection_group
    return cfg


class RouteConfigs:
    """Makes a ``struct arc_route_config`` for each of many routes, most of which are alike."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], Any] = {}

    def get(self, config: RouteConfig, track: TrackConfig, leg: LegConfig) -> Any:
        """One to copy from."""
        # All that _fill_route() reads.
        key = (config, len(track.layers), track.rtx_payload_type, tuple(track.extensions.items()),
               None if leg.extensions is None else tuple(leg.extensions.items()))
        cfg = self._made.get(key)
        if cfg is None:
            cfg = self._made[key] = ffi.new("struct arc_route_config *")
            _fill_route(cfg, config, track, leg)
        return cfg[0]


def _fill_route(cfg: Any, config: RouteConfig, track: TrackConfig, leg: LegConfig) -> None:
    cfg.ssrc = config.ssrc or 0
    cfg.rtx_ssrc = config.rtx_ssrc or 0
    cfg.payload_type = -1 if config.payload_type is None else config.payload_type
    rtx = config.rtx_payload_type if config.rtx_payload_type is not None else track.rtx_payload_type
    cfg.rtx_payload_type = -1 if rtx is None else rtx
    theirs = _ids(config.extensions if config.extensions is not None else leg.extensions)
    keeps = config.extensions is None and leg.extensions is None
    for uri, ident in _ids(track.extensions).items():
        if uri not in _OWN:
            cfg.ext_out[ident] = ident if keeps else theirs.get(uri, 0)
    if config.mid is not None:
        cfg.mid_id = theirs.get(Mid.URI, 0)
        if not cfg.mid_id:
            raise ConfigError(f"mid={config.mid!r} needs an id for {Mid.URI} among the subscriber's extensions")
        cfg.mid = config.mid.encode()
    top = max(len(track.layers), 1) - 1
    cfg.source = top if config.max_source is None else min(config.max_source, top)
    cfg.spatial = -1 if config.max_spatial is None else config.max_spatial
    cfg.temporal = -1 if config.max_temporal is None else config.max_temporal
    cfg.paused = config.paused
