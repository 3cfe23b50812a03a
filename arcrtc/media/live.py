"""Names of sources that are no files: ``testsrc:...``, ``v4l2:...``, ``x11grab:...``."""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from arcrtc.errors import ArgumentError

if TYPE_CHECKING:
    from arcrtc.media.source import MediaSource

_NAME: Final = re.compile(r"(testsrc|v4l2|x11grab)(?::(.*))?", re.S)
_DEFAULTS: Final = {"v4l2": "/dev/video0", "x11grab": ""}
_OPTION: Final = re.compile(r"(?:^|,)(size|rate|duration)=([^,]*)")


def _number(text: str, option: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ArgumentError(f"{text}: {option}={value!r} is no number") from None


def _size(text: str, value: str) -> tuple[int, int]:
    if not re.fullmatch(r"\d{1,5}x\d{1,5}", value):
        raise ArgumentError(f"{text}: size={value!r} must look like 1280x720")
    width, height = value.split("x")
    return int(width), int(height)


def find_live(text: str) -> Callable[..., MediaSource] | None:
    """What opens the source of this name, given ``width``, ``height`` and ``latest``; None: it is a file.

    :raises ArgumentError: an option that there is not, or a value that is none.
    """
    found = _NAME.fullmatch(text)
    if found is None:
        return None
    kind, rest = found[1], found[2] or ""
    options = dict(_OPTION.findall(rest))
    target = _OPTION.sub("", rest)
    if kind == "testsrc":
        if target:
            raise ArgumentError(f"{text}: {target.strip(',')!r} is no option; those are size, rate and duration: "
                                "testsrc:size=1280x720,rate=30,duration=10")
        return lambda **given: _pattern(text, options, **given)
    if "duration" in options:
        raise ArgumentError(f"{text}: a {kind} source has no duration")
    return lambda **given: _device(text, kind, target or _DEFAULTS[kind], options, **given)


def _pattern(text: str, options: dict[str, str], *, width: int | None, height: int | None,
             latest: bool | None) -> MediaSource:
    from arcrtc.media.pattern import TestPattern
    from arcrtc.media.source import scaled_size

    size = scaled_size(*_size(text, options.get("size", "1280x720")), width, height)
    duration = options.get("duration")
    return TestPattern(*size, _number(text, "rate", options.get("rate", "30")),
                       duration_s=None if duration is None else _number(text, "duration", duration),
                       latest=latest is not False)


def _device(text: str, kind: str, name: str, options: dict[str, str], *, latest: bool | None,
            **size: Any) -> MediaSource:
    from arcrtc.media.devices import DeviceSource

    if latest is False:
        raise ArgumentError(f"{text}: what is live cannot wait for its reader: latest=False is for files")
    rate = options.get("rate")
    return DeviceSource(kind, name, size=options.get("size"),
                        rate=None if rate is None else _number(text, "rate", rate), **size)
