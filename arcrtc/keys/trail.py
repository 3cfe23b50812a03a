"""The audit trail in the database: lines are added at one end, dropped for room at the other."""
from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from arcrtc.errors import KeyStoreError, KeyStoreFault
from arcrtc.keys import chain
from arcrtc.keys.header import Header
from arcrtc.keys.records import AuditAction, AuditEntry, AuditNote
from arcrtc.keys.secret import SecretBytes


def append(database: sqlite3.Connection, header: Header, audit_key: SecretBytes, notes: Iterable[AuditNote],
           max_lines: int) -> Header:
    """Add lines within a transaction; the oldest make room beyond ``max_lines``.

    :returns: the header with the new ends, to be written.
    """
    ends = header.ends
    for note in notes:
        entry = AuditEntry(seq=ends.last + 1, note=note)
        code = chain.line_code(audit_key, ends.mac, entry)
        database.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                         (entry.seq, note.at_s, note.actor, note.action.value, note.session_id, note.ssrc,
                          note.generation, None if note.key_id is None else str(note.key_id), code))
        ends = replace(ends, last=entry.seq, mac=code)
    first = ends.last - max_lines + 1
    if first > ends.first:
        row = database.execute("SELECT mac FROM audit WHERE seq = ?", (first - 1,)).fetchone()
        if row is None:
            raise tampered(first - 1)
        database.execute("DELETE FROM audit WHERE seq < ?", (first,))
        ends = replace(ends, first=first, base=row[0])
    return replace(header, ends=ends, head=chain.head_code(audit_key, header.store_id, ends))


def check_head(header: Header, audit_key: SecretBytes) -> None:
    """Make sure that the ends of the trail are those that were written.

    :raises KeyStoreError: they are not.
    """
    if not hmac.compare_digest(header.head, chain.head_code(audit_key, header.store_id, header.ends)):
        raise tampered(header.ends.last)


def read(database: sqlite3.Connection, header: Header, audit_key: SecretBytes) -> list[AuditEntry]:
    """All lines, oldest first; within a transaction.

    :raises KeyStoreError: the trail is not whole; the message names the first line in doubt.
    """
    rows = database.execute("SELECT seq, at_s, actor, action, session_id, ssrc, generation, key_id, mac FROM audit "
                            "ORDER BY seq").fetchall()
    check_head(header, audit_key)
    lines = [(_entry(row), bytes(row[-1])) for row in rows]
    fault = chain.first_fault(audit_key, header.ends, lines)
    if fault is not None:
        raise tampered(fault)
    return [entry for entry, _ in lines]


def tampered(seq: int) -> KeyStoreError:
    """The error for a trail that is not what was written."""
    return KeyStoreError(f"line {seq} of the audit trail was altered or removed: compare with a backup, and find out "
                         "who can write the store's file", KeyStoreFault.TAMPERED)


def _entry(row: tuple[Any, ...]) -> AuditEntry:
    seq, at_s, actor, action, session_id, ssrc, generation, key_id, _ = row
    try:
        note = AuditNote(at_s=at_s, actor=actor, action=AuditAction(action), session_id=session_id, ssrc=ssrc,
                         generation=generation, key_id=None if key_id is None else UUID(key_id))
    except (ValueError, AttributeError, TypeError):
        raise tampered(seq) from None
    return AuditEntry(seq=seq, note=note)
