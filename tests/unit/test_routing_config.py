"""arcrtc.routing.config: what tracks and routes may be."""
from __future__ import annotations

from typing import Any

import pytest

from arcrtc import errors
from arcrtc.routing import RouteConfig, SourceConfig, TrackConfig
from arcrtc.streams import MediaType

MIC: dict[str, Any] = {"kind": "audio", "codec": "opus", "ssrc": 1, "payload_type": 111, "clock_rate": 48_000}
CAM: dict[str, Any] = {"kind": "video", "codec": "vp8", "payload_type": 96, "clock_rate": 90_000}


def test_track_config_says_its_sources() -> None:
    mic = TrackConfig(**MIC, rtx_ssrc=2, rtx_payload_type=112)
    assert mic.kind is MediaType.AUDIO
    assert mic.sources == (SourceConfig(ssrc=1, rtx_ssrc=2),)
    layers = [SourceConfig(rid="q"), SourceConfig(rid="h")]
    cam = TrackConfig(**CAM, layers=layers)  # type: ignore[arg-type]
    assert cam.sources == tuple(layers)
    assert hash(cam) == hash(TrackConfig(**CAM, layers=tuple(layers)))


def test_track_config_does_not_follow_the_callers_dict() -> None:
    extensions = {1: "urn:a"}
    mic, route = TrackConfig(**MIC, extensions=extensions), RouteConfig(extensions=extensions)
    extensions[2] = "urn:b"
    assert mic.extensions == route.extensions == {1: "urn:a"}
    assert hash(mic) == hash(TrackConfig(**MIC))


@pytest.mark.parametrize(("values", "match"), [
    ({**MIC, "kind": "text"}, "neither audio nor video"),
    ({**MIC, "codec": " "}, "codec"),
    ({**MIC, "ssrc": 2**32}, "ssrc"),
    ({**MIC, "ssrc": True}, "ssrc"),
    ({**MIC, "payload_type": 128}, "payload_type"),
    ({**MIC, "rtx_payload_type": 111}, "rtx_payload_type"),
    ({**MIC, "clock_rate": 0}, "clock_rate"),
    ({**MIC, "extensions": {0: "urn:a"}}, "id"),
    ({**MIC, "extensions": {1: ""}}, "URI"),
    ({**MIC, "extensions": {1: "urn:a", 2: "urn:a"}}, "twice"),
    ({**MIC, "mid": ""}, "mid"),
    ({**MIC, "rtx_ssrc": 1}, "twice"),
    ({**MIC, "layers": (SourceConfig(ssrc=5),)}, "either ssrc or layers"),
    (CAM, "either ssrc or layers"),
    ({**CAM, "layers": (SourceConfig(ssrc=5), SourceConfig(ssrc=5))}, "twice"),
    ({**CAM, "layers": (SourceConfig(rid="q"), SourceConfig(rid="q"))}, "twice"),
    ({**CAM, "layers": (SourceConfig(ssrc=5),), "rtx_ssrc": 6}, "each layer"),
    ({**CAM, "layers": tuple(SourceConfig(ssrc=i) for i in range(9))}, "more than 8"),
    ({**CAM, "ssrc": 1, "selection_group": 1}, "selection_group"),
    ({**MIC, "selection_group": -1}, "selection_group")])
def test_track_config_refuses(values: dict[str, Any], match: str) -> None:
    with pytest.raises(errors.ConfigError, match=match):
        TrackConfig(**values)


@pytest.mark.parametrize("values", [
    {}, {"ssrc": -1}, {"ssrc": 1, "width": 20_000}, {"ssrc": 1, "height": -1}, {"ssrc": 1, "frame_rate": -1.0},
    {"ssrc": 1, "bitrate": 10**11}, {"ssrc": 1, "spatial_layers": 0}, {"ssrc": 1, "temporal_layers": 9},
    {"rid": "seventeen letters"}])
def test_source_config_refuses(values: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigError):
        SourceConfig(**values)


@pytest.mark.parametrize("values", [
    {"ssrc": 2**32}, {"ssrc": 5, "rtx_ssrc": 5}, {"payload_type": -1}, {"payload_type": 5, "rtx_payload_type": 5},
    {"extensions": {256: "urn:a"}}, {"mid": "x" * 17}, {"max_source": 8}, {"max_temporal": -1}])
def test_route_config_refuses(values: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigError):
        RouteConfig(**values)
