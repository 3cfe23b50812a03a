"""The audit trail's chain: each line's code covers the code of the line before it.

The codes are HMAC-SHA256 under the store's audit key, so that who can write the file
but not open the store cannot make new ones. The head covers where the trail begins and
ends: without it, lines could be cut off at either end.
"""
from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

from arcrtc.keys.records import AuditEntry
from arcrtc.keys.seal import encode
from arcrtc.keys.secret import SecretBytes

MAC_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class ChainEnds:
    """Where the kept part of the trail begins and ends.

    :ivar first: number of the first line kept; lines before it were dropped for room.
    :ivar base: code of the line before the first; zeros for the very first.
    :ivar last: number of the last line; ``first - 1``: there is none.
    :ivar mac: code of the last line; ``base`` if there is none.
    """

    first: int
    base: bytes
    last: int
    mac: bytes


EMPTY: Final = ChainEnds(1, bytes(MAC_BYTES), 0, bytes(MAC_BYTES))


def line_code(audit_key: SecretBytes, before: bytes, entry: AuditEntry) -> bytes:
    """The code of a line that follows one with the code ``before``."""
    note = entry.note
    text = encode("arcrtc.keys audit line", before, entry.seq, note.at_s, note.actor, note.action.value,
                  note.session_id, note.ssrc, note.generation, None if note.key_id is None else str(note.key_id))
    return hmac.digest(audit_key.reveal(), text, "sha256")


def head_code(audit_key: SecretBytes, store_id: str, ends: ChainEnds) -> bytes:
    """The code of the whole trail of a store."""
    text = encode("arcrtc.keys audit head", store_id, ends.first, ends.base, ends.last, ends.mac)
    return hmac.digest(audit_key.reveal(), text, "sha256")


def first_fault(audit_key: SecretBytes, ends: ChainEnds, lines: list[tuple[AuditEntry, bytes]]) -> int | None:
    """The number of the first line that is not what was written, or not there; None: all are whole.

    :param lines: what is stored, in order: each line and its code.
    """
    before = ends.base
    for expected, (entry, code) in enumerate(lines, ends.first):
        if entry.seq != expected or not hmac.compare_digest(code, line_code(audit_key, before, entry)):
            return expected
        before = code
    found_last = ends.first + len(lines) - 1
    if found_last != ends.last or not hmac.compare_digest(before, ends.mac):
        return min(found_last, ends.last) + 1
    return None
