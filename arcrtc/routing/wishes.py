"""What a participant of a room wants: its rule, what it asked for beyond it, and the routes that follow."""
from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from arcrtc.routing.actions import Layers, TrackKey
from arcrtc.routing.config import RouteConfig
from arcrtc.routing.plan import PlannedTrack, RouteState
from arcrtc.routing.rules import SubscriptionRule
from arcrtc.streams import MediaType


@dataclass(eq=False, slots=True)
class Participant:
    """Someone in the room, and the wishes that go beyond the rule."""

    id: Hashable
    node: Hashable
    rule: SubscriptionRule
    viewer: bool
    plain: dict[MediaType, RouteState]  # what a route is without a wish of its own
    plain_paused: dict[MediaType, RouteState]
    tracks: dict[str, PlannedTrack] = field(default_factory=dict)
    pinned: dict[Hashable, None] = field(default_factory=dict)
    asked: dict[TrackKey, bool] = field(default_factory=dict)  # True: wanted, False: refused, whatever the rule says
    configs: dict[TrackKey, RouteConfig] = field(default_factory=dict)
    layers: dict[TrackKey, Layers] = field(default_factory=dict)
    paused: dict[TrackKey, None] = field(default_factory=dict)
    all_paused: bool = False
    seen: dict[Hashable, bool] = field(default_factory=dict)  # by last_n: publisher: True, or False for a spare one

    def forget(self, key: TrackKey) -> None:
        """Wishes for a track that is gone."""
        for wishes in (self.asked, self.configs, self.layers, self.paused):
            wishes.pop(key, None)

    def sends(self, kinds: frozenset[MediaType]) -> bool:
        """True if one of its tracks is of such a kind."""
        for track in self.tracks.values():  # noqa: SIM110 (any() takes twice as long, and large rooms ask often)
            if track.config.kind in kinds:
                return True
        return False

    def state_of(self, track: PlannedTrack) -> RouteState | None:
        """What the route of a track to it should be; None: there should be none."""
        key, kind, rule = track.key, track.config.kind, self.rule
        if key.participant == self.id:
            return None
        paused = self.all_paused
        asked = self.asked.get(key) if self.asked else None
        if asked is False:
            return None
        if asked is None:
            pinned = key.participant in self.pinned
            if kind not in rule.kinds and (rule.kinds or not pinned):
                return None
            if not pinned and rule.is_ranked(kind):
                shown = self.seen.get(key.participant)
                if shown is None:
                    return None
                paused = paused or not shown
        paused = paused or key in self.paused
        plain = self.plain_paused[kind] if paused else self.plain[kind]
        if key not in self.configs and key not in self.layers:
            return plain
        return RouteState(self.configs.get(key, plain.config), paused, self.layers.get(key))

    def rank(self, pinned: Iterable[Hashable], speakers: Iterable[Participant]) -> dict[Hashable, bool]:
        """{publisher: True if it is seen, False if it is a spare one}, by ``last_n``.

        :param pinned: of its pinned ones, who send what the rule ranks.
        :param speakers: who send that, the last speaker first.
        """
        places = self.rule.last_n or 0
        seen = dict.fromkeys(pinned, True)
        end = max(places, len(seen)) + self.rule.spare
        for speaker in speakers:
            if len(seen) >= end:
                break
            if speaker is not self and speaker.id not in seen:
                seen[speaker.id] = len(seen) < places
        return seen
