"""Who gets what in a room, worked out from nothing each time, as a person would explain it."""
from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from arcrtc.routing import SubscriptionRule, TrackConfig, TrackKey


@dataclass
class PlainParticipant:
    node: Hashable
    rule: SubscriptionRule
    viewer: bool
    tracks: dict[str, TrackConfig] = field(default_factory=dict)
    pins: list[Hashable] = field(default_factory=list)
    asked: dict[TrackKey, bool] = field(default_factory=dict)
    held: set[TrackKey] = field(default_factory=set)
    hold_all: bool = False


class PlainRoom:
    def __init__(self) -> None:
        self.people: dict[Hashable, PlainParticipant] = {}
        self.spoke: list[Hashable] = []  # the last speaker first; then the others as they came

    def join(self, name: Hashable, person: PlainParticipant) -> None:
        self.people[name] = person
        if not person.viewer:
            self.spoke.append(name)

    def leave(self, name: Hashable) -> None:
        person = self.people.pop(name)
        if not person.viewer:
            self.spoke.remove(name)
        for other in self.people.values():
            other.pins = [pin for pin in other.pins if pin != name]
            for track in person.tracks:
                other.asked.pop(TrackKey(name, track), None)
                other.held.discard(TrackKey(name, track))

    def unpublish(self, name: Hashable, track: str) -> None:
        del self.people[name].tracks[track]
        for other in self.people.values():
            other.asked.pop(TrackKey(name, track), None)
            other.held.discard(TrackKey(name, track))

    def gets(self, name: Hashable) -> dict[TrackKey, bool]:
        """{track: True if it is paused}"""
        me, out = self.people[name], {}
        for publisher, other in self.people.items():
            for track, config in other.tracks.items():
                key = TrackKey(publisher, track)
                if publisher == name or me.asked.get(key) is False:
                    continue
                pinned, paused = publisher in me.pins, False
                if me.asked.get(key) is not True:
                    if config.kind not in me.rule.kinds and not (pinned and not me.rule.kinds):
                        continue
                    if not pinned and me.rule.last_n is not None and config.kind in me.rule.ranked:
                        seen, spare = self.stage(name)
                        if publisher not in seen and publisher not in spare:
                            continue
                        paused = publisher in spare
                out[key] = paused or me.hold_all or key in me.held
        return out

    def stage(self, name: Hashable) -> tuple[list[Hashable], list[Hashable]]:
        """(seen, spare) of ``last_n``."""
        me = self.people[name]
        assert me.rule.last_n is not None
        kinds = me.rule.kinds & me.rule.ranked

        def sends(publisher: Hashable) -> bool:
            return any(config.kind in kinds for config in self.people[publisher].tracks.values())

        pins = [pin for pin in me.pins if sends(pin)]
        others = [one for one in self.spoke if one != name and one not in pins and sends(one)]
        free = max(0, me.rule.last_n - len(pins))
        return pins + others[:free], others[free:free + me.rule.spare]
