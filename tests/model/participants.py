"""Plain models of rx/members and rx/ssrcwatch: dictionaries, and the rules as sentences."""
from __future__ import annotations

from dataclasses import dataclass

from arcrtc.participants import SsrcPacket, SsrcVerdict


@dataclass
class Known:
    state: str  # "trying", "member", "gone"
    touched: int  # order of the last sign of life
    last: int
    packets: int = 0
    cname: int | None = None
    last_rtp: int | None = None


class MembersModel:
    """Call the methods as those of MemberTable."""

    def __init__(self, capacity: int, probation: int, bye_delay: int) -> None:
        self.capacity, self.probation, self.bye_delay = capacity, probation, bye_delay
        self.known: dict[int, Known] = {}
        self.order = 0
        self.joined = self.left = self.timed_out = self.stragglers = self.evicted = self.refused = 0

    def _note(self, ssrc: int, now: int) -> Known | None:
        self.order += 1
        if ssrc not in self.known:
            if len(self.known) == self.capacity:
                weak = [s for s, k in self.known.items() if k.state == "gone"] or \
                       [s for s, k in self.known.items() if k.state == "trying"]
                if not weak:
                    self.refused += 1
                    return None
                del self.known[min(weak, key=lambda s: self.known[s].touched)]
                self.evicted += 1
            self.known[ssrc] = Known("trying", self.order, now)
        k = self.known[ssrc]
        if k.state == "gone":
            self.stragglers += 1
            return k
        k.touched, k.last = self.order, now
        if k.state == "trying":
            k.packets += 1
            if k.packets >= self.probation:
                self._join(k)
        return k

    def _join(self, k: Known) -> None:
        k.state = "member"
        self.joined += 1

    def on_rtp(self, ssrc: int, now: int) -> bool:
        k = self._note(ssrc, now)
        if k and k.state == "member":
            k.last_rtp = now
        return k is not None and k.state == "member"

    def on_rtcp(self, ssrc: int, now: int) -> bool:
        k = self._note(ssrc, now)
        return k is not None and k.state == "member"

    def on_cname(self, ssrc: int, cname: int, now: int) -> bool:
        k = self._note(ssrc, now)
        if k is None or k.state == "gone":
            return False
        k.cname = cname
        if k.state == "trying":
            self._join(k)
        return True

    def on_bye(self, ssrc: int, now: int) -> bool:
        k = self.known.get(ssrc)
        if k is None or k.state == "gone":
            return False
        member = k.state == "member"
        self.order += 1
        k.state, k.last, k.touched, k.last_rtp = "gone", now, self.order, None
        self.left += member
        return member

    def expire(self, member_timeout: int, sender_timeout: int, now: int) -> int:
        for k in self.known.values():
            if k.last_rtp is not None and now - k.last_rtp > sender_timeout:
                k.last_rtp = None
        late = [s for s, k in self.known.items()
                if now - k.last > (self.bye_delay if k.state == "gone" else member_timeout)]
        lost = sum(self.known[s].state == "member" for s in late)
        for s in late:
            del self.known[s]
        self.timed_out += lost
        return lost

    def counts(self) -> tuple[int, int, bool]:
        members = [k for k in self.known.values() if k.state == "member"]
        cnames = {k.cname for k in members} - {None}
        return len(members), sum(k.last_rtp is not None for k in members), len(cnames) > 1


class WatchModel:
    """RFC 3550 section 8.2, step by step, with an address of 0 for "not known"."""

    def __init__(self) -> None:
        self.own: dict[int, int] = {}
        self.table: dict[int, dict[str, int]] = {}  # "rtp", "rtcp": addresses; "cname"; "last"
        self.conflicts: dict[tuple[str, int], int] = {}

    def check(self, ssrc: int, packet: SsrcPacket, addr: int, cname: int, now: int) -> SsrcVerdict:
        way = "rtp" if packet is SsrcPacket.RTP else "rtcp"
        if ssrc in self.own:
            if self.own[ssrc] and self.own[ssrc] == addr:
                return SsrcVerdict.ACCEPT
            if (way, addr) in self.conflicts:
                self.conflicts[way, addr] = now
                return SsrcVerdict.OWN_LOOP
            if len(self.conflicts) == 16:
                del self.conflicts[min(self.conflicts, key=lambda c: self.conflicts[c])]
            self.conflicts[way, addr] = now
            del self.own[ssrc]
            self.table[ssrc] = {way: addr, "last": now}
            return SsrcVerdict.OWN_COLLISION
        entry = self.table.setdefault(ssrc, {})
        if entry.get(way, 0) and addr and entry[way] != addr:
            if packet is SsrcPacket.CNAME and entry.get("cname", cname) != cname:
                return SsrcVerdict.COLLISION
            return SsrcVerdict.LOOP
        entry[way] = entry.get(way, 0) or addr
        if packet is SsrcPacket.CNAME:
            entry["cname"] = cname
        entry["last"] = now
        return SsrcVerdict.ACCEPT

    def on_bye(self, ssrc: int, addr: int) -> bool:
        entry = self.table.get(ssrc)
        if entry is None or (entry.get("rtcp", 0) and addr and entry["rtcp"] != addr):
            return False
        del self.table[ssrc]
        return True

    def expire(self, source_timeout: int, conflict_timeout: int, now: int) -> None:
        self.table = {s: e for s, e in self.table.items() if now - e["last"] <= source_timeout}
        self.conflicts = {c: t for c, t in self.conflicts.items() if now - t <= conflict_timeout}
