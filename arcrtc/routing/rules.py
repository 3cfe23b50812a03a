"""Who gets what in a room, as a rule."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from arcrtc._ranges import check_int
from arcrtc.errors import ConfigError
from arcrtc.streams import MediaType

_BOTH = frozenset(MediaType)


def _kinds(name: str, values: Iterable[MediaType | str]) -> frozenset[MediaType]:
    try:
        return frozenset(MediaType(value) for value in values)
    except ValueError:
        raise ConfigError(f"{name}={values!r}: only audio and video are kinds of media") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRule:
    """What a participant gets without asking. What it asks for, pins or refuses comes on top.

    :ivar kinds: of media, from everybody; none: only what is asked for.
    :ivar last_n: of the kinds in ``ranked``, only from the so many who spoke last, 0..1000; None: from all.
        Pinned participants take the first of these places, and as many as there are.
    :ivar spare: so many speakers after them stay subscribed but paused, 0..1000: who comes back within them is
        seen again without a new route.
    :ivar ranked: the kinds that ``last_n`` is about.
    :raises ConfigError: out of range.
    """

    kinds: frozenset[MediaType] = _BOTH
    last_n: int | None = None
    spare: int = 0
    ranked: frozenset[MediaType] = frozenset({MediaType.VIDEO})

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", _kinds("kinds", self.kinds))
        object.__setattr__(self, "ranked", _kinds("ranked", self.ranked))
        if self.last_n is not None:
            check_int("last_n", self.last_n, 0, 1000)
        check_int("spare", self.spare, 0, 1000)

    @classmethod
    def everything(cls) -> SubscriptionRule:
        """Everyone to everyone."""
        return cls()

    @classmethod
    def only(cls, *kinds: MediaType | str) -> SubscriptionRule:
        """From everyone, but only such media."""
        return cls(kinds=_kinds("kinds", kinds))

    @classmethod
    def last_speakers(cls, n: int, *, spare: int = 0) -> SubscriptionRule:
        """Audio of all, video of the ``n`` who spoke last."""
        return cls(last_n=n, spare=spare)

    @classmethod
    def explicit(cls) -> SubscriptionRule:
        """Nothing but what is asked for."""
        return cls(kinds=frozenset())

    def is_ranked(self, kind: MediaType) -> bool:
        """True if ``last_n`` limits this kind."""
        return self.last_n is not None and kind in self.ranked and kind in self.kinds
