"""A plain model of the SRTP key manager: a dictionary of lists, no store, no cipher."""
from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID


@dataclass
class Generation:
    """One key as the model knows it."""

    number: int
    key_id: UUID
    expires_s: float | None


@dataclass
class KeysModel:
    """What a manager must answer; ``now_s`` is its clock."""

    overlap_s: float
    now_s: float = 0.0
    lines: dict[tuple[str, int], list[Generation]] = field(default_factory=dict)

    def valid(self, session: str, ssrc: int) -> list[Generation]:
        """The valid generations, oldest first."""
        line = self.lines.get((session, ssrc), [])
        return [one for one in line if one.expires_s is None or self.now_s < one.expires_s]

    def created(self, session: str, ssrc: int, key_id: UUID, life_s: float | None) -> None:
        """A first key, or the first after all others have expired."""
        last = max((one.number for one in self.lines.get((session, ssrc), [])), default=0)
        end_s = None if life_s is None else self.now_s + life_s
        self.lines[session, ssrc] = [Generation(last + 1, key_id, end_s)]

    def rotated(self, session: str, ssrc: int, key_id: UUID, life_s: float | None) -> None:
        """The newest is kept for the overlap, all older ones go."""
        current = self.valid(session, ssrc)[-1]
        end_s = self.now_s + self.overlap_s
        current.expires_s = end_s if current.expires_s is None else min(end_s, current.expires_s)
        fresh = Generation(current.number + 1, key_id, None if life_s is None else self.now_s + life_s)
        self.lines[session, ssrc] = [current, fresh] if self.overlap_s else [fresh]

    def deleted(self, session: str) -> int:
        """All keys of a session; how many there were."""
        gone = [place for place in self.lines if place[0] == session]
        return sum(len(self.lines.pop(place)) for place in gone)

    def expired(self) -> int:
        """Those whose time is over; how many."""
        before = self.count()
        for place in list(self.lines):
            self.lines[place] = self.valid(*place)
            if not self.lines[place]:
                del self.lines[place]
        return before - self.count()

    def count(self) -> int:
        """Keys held."""
        return sum(map(len, self.lines.values()))
