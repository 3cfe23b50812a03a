"""The list of benchmarks, filled by the group files as they are imported."""
from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from arcrtc.errors import ArcError, ArgumentError

#: Files of this package that hold benchmarks; also the first word of their names.
GROUPS: Final = ("core", "rtp", "fec", "srtp", "opus", "audio", "conceal", "video", "payload", "engine",
                 "router")

#: Units: how long one item takes, or how many fit into a second of one CPU core.
TIME_UNITS: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000}
RATE_SUFFIX: Final = "/s/core"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another implementation of the same work, measured in the same run.

    :ivar name: what it is, with the version if that is known.
    :ivar run: does the work ``n`` times; ``items`` as in :class:`Work`.
    """

    name: str
    run: Callable[[int], None]
    items: int = 1


@dataclass(frozen=True, slots=True)
class Work:
    """What a benchmark does, prepared.

    :ivar run: does the work ``n`` times in a row.
    :ivar items: packets, frames or calls in one time.
    :ivar peer: whom to compare with; None: nobody, or not installed here.
    :ivar wall: measure by the wall clock, what CPU time cannot tell: latencies.
    """

    run: Callable[[int], None]
    items: int = 1
    peer: Peer | None = None
    wall: bool = False


@dataclass(frozen=True, slots=True)
class Meter:
    """A benchmark that measures itself: its work is on threads of its own, or is no CPU time.

    :ivar sample: works for about so many seconds and returns one sample, in the unit.
    :ivar peer: name of the peer, asked after the last sample; None: there is none.
    :ivar peer_sample: the same for the peer, by turns with ``sample``.
    """

    sample: Callable[[float], float]
    peer: Callable[[], str] | None = None
    peer_sample: Callable[[float], float] | None = None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One named benchmark; ``prepare`` makes its work and may raise ArcError or ImportError."""

    name: str
    unit: str
    prepare: Callable[[], Work | Meter]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A benchmark or group that cannot run here, and why."""

    name: str
    reason: str


_REGISTERED: Final[dict[str, Benchmark]] = {}


_Prepare = TypeVar("_Prepare", bound=Callable[[], Work | Meter])


def benchmark(name: str, unit: str) -> Callable[[_Prepare], _Prepare]:
    """Register the decorated function as the benchmark ``name``.

    :param name: dotted, from the general to the particular: ``srtp.protect.gcm128.1200B``.
    :param unit: ``ns/…``, ``us/…``, ``ms/…`` (time of one item) or ``…/s/core`` (items in a
        second of CPU time).
    :raises ArgumentError: the unit is of no known form, or the name is taken.
    """
    if not unit.endswith(RATE_SUFFIX) and unit.partition("/")[0] not in TIME_UNITS:
        raise ArgumentError(f"unit {unit!r} is neither a time per item nor a rate '…{RATE_SUFFIX}'")

    def register(prepare: _Prepare) -> _Prepare:
        if name in _REGISTERED:
            raise ArgumentError(f"there are two benchmarks named {name}")
        _REGISTERED[name] = Benchmark(name, unit, prepare)
        return prepare

    return register


def _matches(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def select(prefix: str = "") -> tuple[list[Benchmark], list[Unavailable]]:
    """Return the benchmarks whose dotted name begins with ``prefix``, and what is not there.

    :param prefix: whole words of a name, e.g. ``"srtp"`` or ``"srtp.protect"``; "": all.
    :raises ArgumentError: no benchmark has such a name.
    """
    unavailable = []
    for group in GROUPS:
        if prefix and not _matches(prefix, group):
            continue
        try:
            importlib.import_module(f"arcrtc.benchmarks.{group}")
        except (ImportError, AttributeError, ArcError) as error:
            unavailable.append(Unavailable(group, " ".join(str(error).split())))
    found = [entry for entry in _REGISTERED.values() if not prefix or _matches(entry.name, prefix)]
    if not found and not unavailable:
        raise ArgumentError(f"no benchmark is named {prefix!r}; 'arcrtc bench --list' shows all")
    return found, unavailable
