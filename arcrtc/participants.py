"""Who takes part in an RTP session, and whose SSRC collides (C modules ``rx/members``, ``rx/ssrcwatch``)."""
from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from arcrtc._native import ffi, lib, new_handle
from arcrtc._ranges import check_int
from arcrtc.errors import LimitError, SsrcCollisionError

__all__ = ["MemberCounts", "MemberStats", "MemberTable", "SsrcPacket", "SsrcVerdict", "SsrcWatch", "SsrcWatchStats"]

_ENTRY_BYTES: Final = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberCounts:
    """The size of a session, without our own SSRCs.

    :ivar members: sources that count.
    :ivar senders: of these, who sent media in the last two intervals.
    :ivar multiparty: they are more than one endpoint, by their CNAMEs.
    """

    members: int
    senders: int
    multiparty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberStats:
    """Counters since the start.

    :ivar joined: sources that became members.
    :ivar left: members that said BYE.
    :ivar timed_out: members that fell silent.
    :ivar stragglers: packets of sources that had said BYE.
    :ivar evicted: entries that made room for others.
    :ivar refused: packets of newcomers for whom there was no room.
    :ivar entries: in use now.
    """

    joined: int
    left: int
    timed_out: int
    stragglers: int
    evicted: int
    refused: int
    entries: int


class MemberTable:
    """The members of a session: bounded, and strangers can push out strangers only. One thread at a time.

    :param capacity: entries, 1..65536.
    :param probation_packets: packets before a source counts, unless it tells its CNAME; 1..16. 1: at once, right
        for sources that SRTP has authenticated.
    :param bye_delay_us: who said BYE stays known so long, microseconds, 0..60_000_000.
    :param seed: of the table's order, 0..2**64 - 1; not to be guessed by who chooses SSRCs.
    :raises ConfigError: a value is outside its range.
    :raises NoMemoryError: the core could not allocate.

    Source: RFC 3550 sections 6.2.1 and 6.3.3 to 6.3.5; RFC 8108 section 5.4.2.
    """

    def __init__(self, *, capacity: int = 256, probation_packets: int = 2, bye_delay_us: int = 2_000_000,
                 seed: int = 0) -> None:
        check_int("capacity", capacity, 1, 65_536)
        check_int("probation_packets", probation_packets, 1, 16)
        check_int("bye_delay_us", bye_delay_us, 0, 60_000_000, "us")
        check_int("seed", seed, 0, 2**64 - 1)
        cfg = ffi.new("struct arc_members_config *", {
            "capacity": capacity, "probation_pkts": probation_packets, "bye_delay_us": bye_delay_us, "seed": seed})
        self._handle = new_handle(lib.arc_members_new, lib.arc_members_free, "struct arc_members", cfg,
                                  what="MemberTable", size=_ENTRY_BYTES * capacity)
        self._counts = ffi.new("struct arc_members_counts *")

    def on_rtp(self, ssrc: int, *, now_us: int) -> bool:
        """Note a media packet; True if its source is a member."""
        return bool(lib.arc_members_on_rtp(self._handle, ssrc, now_us) == lib.ARC_OK)

    def on_rtcp(self, ssrc: int, *, now_us: int) -> bool:
        """Note a control packet, or a contributing source; True if it is a member."""
        return bool(lib.arc_members_on_rtcp(self._handle, ssrc, now_us) == lib.ARC_OK)

    def on_cname(self, ssrc: int, cname_hash: int, *, now_us: int) -> bool:
        """Note the CNAME of a source, as any 64-bit hash of it; True if it is a member."""
        return bool(lib.arc_members_on_cname(self._handle, ssrc, cname_hash, now_us) == lib.ARC_OK)

    def on_bye(self, ssrc: int, *, now_us: int) -> bool:
        """Note a BYE; True if it was a member."""
        return bool(lib.arc_members_on_bye(self._handle, ssrc, now_us))

    def expire(self, *, member_timeout_us: int, sender_timeout_us: int, now_us: int) -> int:
        """Let go who was silent for longer; returns how many members are gone."""
        return int(lib.arc_members_expire(self._handle, member_timeout_us, sender_timeout_us, now_us))

    def counts(self) -> MemberCounts:
        """The size of the session."""
        c = self._counts
        lib.arc_members_count(self._handle, c)
        return MemberCounts(members=c.members, senders=c.senders, multiparty=c.multiparty)

    def __contains__(self, ssrc: int) -> bool:
        """Whether a source is known: member, on probation, or gone a moment ago."""
        return bool(lib.arc_members_knows(self._handle, ssrc))

    def stats(self) -> MemberStats:
        """Counters since the start."""
        return MemberStats(**_fields("struct arc_members_stats", lib.arc_members_stats, self._handle))


class SsrcPacket(Enum):
    """Where an SSRC stands."""

    RTP = lib.ARC_SSRC_RTP  #: a media packet
    RTCP = lib.ARC_SSRC_RTCP  #: a control packet, but for the next
    CNAME = lib.ARC_SSRC_CNAME  #: a source description with a CNAME


class SsrcVerdict(Enum):
    """What to do with a packet."""

    ACCEPT = lib.ARC_SSRC_ACCEPT  #: use it
    COLLISION = lib.ARC_SSRC_COLLISION  #: two others have drawn this SSRC: drop
    LOOP = lib.ARC_SSRC_LOOP  #: somebody's packets come twice: drop
    OWN_LOOP = lib.ARC_SSRC_OWN_LOOP  #: our own come back: drop
    OWN_COLLISION = lib.ARC_SSRC_OWN_COLLISION  #: drop it, say BYE for ours, draw another one


@dataclass(frozen=True, slots=True, kw_only=True)
class SsrcWatchStats:
    """Counters since the start, in packets.

    :ivar collisions: of other sources, dropped.
    :ivar loops: of other sources, dropped.
    :ivar own_loops: our own that came back.
    :ivar own_collisions: after which we had to change an SSRC.
    :ivar moved: sources taken over at another address.
    :ivar evicted: sources forgotten for want of room.
    :ivar sources: known now.
    :ivar conflicts: addresses known for a conflict with us now.
    """

    collisions: int
    loops: int
    own_loops: int
    own_collisions: int
    moved: int
    evicted: int
    sources: int
    conflicts: int


class SsrcWatch:
    """Tells collisions of SSRCs and loops by the addresses that packets come from. One thread at a time.

    :param capacity: sources, 1..65536; the one that was silent longest goes first.
    :param seed: of the table's order, 0..2**64 - 1.
    :raises ConfigError: a value is outside its range.
    :raises NoMemoryError: the core could not allocate.

    Source: RFC 3550 section 8.2.
    """

    def __init__(self, *, capacity: int = 256, seed: int = 0) -> None:
        check_int("capacity", capacity, 1, 65_536)
        check_int("seed", seed, 0, 2**64 - 1)
        self._handle = new_handle(lib.arc_ssrcwatch_new, lib.arc_ssrcwatch_free, "struct arc_ssrcwatch", capacity,
                                  seed, what="SsrcWatch", size=_ENTRY_BYTES * capacity)

    def add_own(self, ssrc: int, *, own_address: int = 0) -> None:
        """Name an SSRC of ours.

        :param own_address: 64 bits; where its packets may come back from rightfully (multicast); 0: nowhere.
        :raises SsrcCollisionError: it is in use: draw another one.
        :raises LimitError: too many of our own.
        """
        status = lib.arc_ssrcwatch_add_own(self._handle, ssrc, own_address)
        if status == lib.ARC_ERR_LIMIT:
            raise LimitError(f"SsrcWatch.add_own: more than {lib.ARC_SSRCWATCH_OWN} SSRCs of our own")
        if status != lib.ARC_OK:
            raise SsrcCollisionError(f"SsrcWatch.add_own: SSRC {ssrc:#010x} is in use")

    def remove_own(self, ssrc: int) -> None:
        """Forget an SSRC of ours."""
        lib.arc_ssrcwatch_remove_own(self._handle, ssrc)

    def check(self, ssrc: int, address: int, *, packet: SsrcPacket = SsrcPacket.RTP, cname_hash: int = 0,
              now_us: int) -> SsrcVerdict:
        """Look at one source of a packet.

        :param address: where it came from, as any 64-bit hash; 0: not known.
        :param cname_hash: with SsrcPacket.CNAME: any 64-bit hash of the text.
        """
        return SsrcVerdict(lib.arc_ssrcwatch_check(self._handle, ssrc, packet.value, address, cname_hash, now_us))

    def on_bye(self, ssrc: int, address: int) -> bool:
        """Forget a source that said BYE from where it is known at; True if it was."""
        return bool(lib.arc_ssrcwatch_on_bye(self._handle, ssrc, address))

    def move(self, ssrc: int, address: int, *, packet: SsrcPacket = SsrcPacket.RTP, settle_us: int = 5_000_000,
             now_us: int) -> bool:
        """Let a source go on at another address, at most once in ``settle_us``; True if it was taken over."""
        return bool(lib.arc_ssrcwatch_move(self._handle, ssrc, packet.value, address, settle_us, now_us))

    def expire(self, *, source_timeout_us: int, conflict_timeout_us: int, now_us: int) -> None:
        """Forget silent sources, and addresses that caused no conflict for about ten report intervals."""
        lib.arc_ssrcwatch_expire(self._handle, source_timeout_us, conflict_timeout_us, now_us)

    def __contains__(self, ssrc: int) -> bool:
        """Whether somebody uses it, we too."""
        return bool(lib.arc_ssrcwatch_knows(self._handle, ssrc))

    def stats(self) -> SsrcWatchStats:
        """Counters since the start."""
        return SsrcWatchStats(**_fields("struct arc_ssrcwatch_stats", lib.arc_ssrcwatch_stats, self._handle))


def _fields(ctype: str, read: Any, handle: Any) -> dict[str, int]:
    out = ffi.new(f"{ctype} *")
    read(handle, out)
    return {name: getattr(out, name) for name, _ in ffi.typeof(ctype).fields}
