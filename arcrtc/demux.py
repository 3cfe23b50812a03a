"""Which protocol a datagram of a shared port belongs to (C module ``wire/demux``)."""
from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from arcrtc._native import lib

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["DatagramKind", "classify"]


class DatagramKind(IntEnum):
    """Protocols that share a port (RFC 7983 section 7, RFC 5761 section 4)."""

    DROP = lib.ARC_DEMUX_DROP  #: no protocol begins so, or it is too short
    STUN = lib.ARC_DEMUX_STUN
    ZRTP = lib.ARC_DEMUX_ZRTP
    DTLS = lib.ARC_DEMUX_DTLS
    TURN = lib.ARC_DEMUX_TURN  #: a TURN channel
    RTP = lib.ARC_DEMUX_RTP
    RTCP = lib.ARC_DEMUX_RTCP


def classify(data: Buffer) -> DatagramKind:
    """Tell by the first two bytes; whether the rest is sound is for its parser to say.

    :param data: a datagram as it came, any contiguous bytes-like.
    :raises TypeError: ``data`` is not bytes-like.
    """
    head = bytes(memoryview(data).cast("B")[:2])
    return DatagramKind(lib.arc_demux_classify(head, len(head)))
