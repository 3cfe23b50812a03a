"""A local store as plain calls, one at a time; LocalKeyStore runs them in a thread of its own."""
from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from arcrtc.errors import KeyStoreError, KeyStoreFault, LimitError
from arcrtc.keys import trail
from arcrtc.keys.database import (
    check_files,
    check_format,
    connect,
    create_tables,
    database_errors,
    transaction,
)
from arcrtc.keys.files import beside, create_once, create_private, make_key_file, os_errors
from arcrtc.keys.header import Credential, Header, new_header, read_header, unwrap, write_header
from arcrtc.keys.records import AuditAction, AuditEntry, AuditNote, KeyChange, KeyInfo, SeenKeys, SessionKey
from arcrtc.keys.seal import MAX_SEALS, ScryptCost, Sealer, StoreKeys, encode
from arcrtc.keys.secret import SecretBytes
from arcrtc.srtp import SrtpProfile

_INFO: Final = "session_id, ssrc, generation, profile, key_id, salt_id, created_s, expires_s, version"
_ONE_KEY: Final = "session_id = ? AND ssrc = ? AND generation = ? AND key_id = ? AND version = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """How a store is opened.

    :ivar cost: work for a new passphrase; a stored one keeps its own.
    :ivar max_keys: keys (generations) it may hold. :ivar max_audit: lines of the audit trail kept.
    :ivar busy_timeout_s: how long to wait for another program that writes.
    :ivar clock: seconds since 1970, for the store's own lines in the audit trail.
    """

    cost: ScryptCost
    max_keys: int
    max_audit: int
    busy_timeout_s: float
    clock: Callable[[], float]


class StoreFile:
    """An open store. Threads: one at a time.

    Made by :func:`open_store_file`; errors of every method are KeyStoreErrors, and a
    call that raises has changed nothing.
    """

    def __init__(self, path: Path, database: sqlite3.Connection, keys: StoreKeys, header: Header,
                 credential: Credential, settings: StoreSettings) -> None:
        self._path, self._database, self._settings = path, database, settings
        self._credential = replace(credential, passphrase=None)
        self._use(keys, header)

    def _use(self, keys: StoreKeys, header: Header) -> None:
        self._keys, self._sealer = keys, Sealer(keys.data_key)
        self._store_id, self._epoch = header.store_id, header.epoch

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Header]:
        with database_errors(self._path), transaction(self._database, write=write):
            header = read_header(self._database, self._path)
            if (header.store_id, header.epoch) != (self._store_id, self._epoch):
                raise KeyStoreError(f"another program changed the passphrase of {self._path}: open it again",
                                    KeyStoreFault.CHANGED)
            yield header

    # --- reading ---

    def find(self, session_id: str) -> list[KeyInfo]:
        """See KeyBackend.find()."""
        return self._infos("WHERE session_id = ?", session_id)

    def find_expired(self, now_s: float, limit: int) -> list[KeyInfo]:
        """See KeyBackend.find_expired()."""
        return self._infos("WHERE expires_s <= ? ORDER BY expires_s LIMIT ?", now_s, limit)

    def _infos(self, where: str, *values: Any) -> list[KeyInfo]:
        with self._transaction(write=False):
            rows = self._database.execute(f"SELECT {_INFO} FROM session_keys {where}", values).fetchall()
        return [self._info(row) for row in rows]

    def _info(self, row: tuple[Any, ...]) -> KeyInfo:
        session_id, ssrc, generation, profile, key_id, salt_id, created_s, expires_s, version = row
        try:
            return KeyInfo(session_id=session_id, ssrc=ssrc, generation=generation, profile=SrtpProfile(profile),
                           key_id=UUID(key_id), salt_id=UUID(salt_id), created_s=created_s, expires_s=expires_s,
                           version=version)
        except (ValueError, AttributeError, TypeError):
            raise self._damaged(f"a key of session {session_id!r}") from None

    def _damaged(self, what: str) -> KeyStoreError:
        return KeyStoreError(f"{self._path}: {what} is damaged or was altered: restore the store from a backup, or "
                             "delete the keys of that session", KeyStoreFault.DAMAGED)

    def read(self, session_id: str, ssrc: int) -> list[SessionKey]:
        """See KeyBackend.read()."""
        with self._transaction(write=False):
            rows = self._database.execute(f"SELECT {_INFO}, sealed_key, sealed_salt FROM session_keys "
                                          "WHERE session_id = ? AND ssrc = ?", (session_id, ssrc)).fetchall()
        return [self._opened(self._info(row[:-2]), *row[-2:]) for row in rows]

    def _opened(self, info: KeyInfo, sealed_key: bytes, sealed_salt: bytes) -> SessionKey:
        key = self._sealer.open(sealed_key, self._bound_to(info, info.key_id, "key"))
        salt = self._sealer.open(sealed_salt, self._bound_to(info, info.salt_id, "salt"))
        if key is None or salt is None:
            raise self._damaged(f"generation {info.generation} of session {info.session_id!r}, ssrc {info.ssrc:#010x},")
        return SessionKey(info, key, salt)

    def _bound_to(self, info: KeyInfo, value_id: UUID, kind: str) -> bytes:
        """All that is known of a value: a sealed one opens in no other place, and with nothing altered."""
        return encode("arcrtc.keys value", self._store_id, "session_keys", kind, str(value_id), info.session_id,
                      info.ssrc, info.generation, int(info.profile), info.created_s, info.expires_s, info.version)

    def audit(self, session_id: str | None) -> list[AuditEntry]:
        """See KeyBackend.audit()."""
        with self._transaction(write=False) as header:
            entries = trail.read(self._database, header, self._keys.audit_key)
        return [entry for entry in entries if session_id is None or entry.note.session_id == session_id]

    # --- writing ---

    def commit(self, change: KeyChange) -> None:
        """See KeyBackend.commit()."""
        with self._transaction(write=True) as header:
            self._check_seen(change.seen)
            for info in change.remove:
                self._remove(info)
            for key in change.replace:
                self._remove(replace(key.info, version=key.info.version - 1))
            for key in (*change.replace, *change.add):
                self._insert(key)
            self._check_room(bool(change.add))
            header = self._count_seals(header, 2 * len(change.replace + change.add))
            self._finish(header, self._keys, change.notes)

    def _check_seen(self, seen: SeenKeys | None) -> None:
        """A key that came and went since is found too: generations alone would not tell."""
        if seen is None:
            return
        rows = self._database.execute("SELECT key_id, version FROM session_keys WHERE session_id = ?1 "
                                      "AND (?2 IS NULL OR ssrc = ?2)", (seen.session_id, seen.ssrc)).fetchall()
        if {(str(key_id), version) for key_id, version in seen.keys} != set(rows):
            raise self._conflict(seen.session_id)

    def _conflict(self, session_id: str) -> KeyStoreError:
        return KeyStoreError(f"{self._path}: another writer changed session {session_id!r} first",
                             KeyStoreFault.CONFLICT)

    def _remove(self, info: KeyInfo) -> None:
        done = self._database.execute(f"DELETE FROM session_keys WHERE {_ONE_KEY}",
                                      (info.session_id, info.ssrc, info.generation, str(info.key_id), info.version))
        if done.rowcount != 1:
            raise self._conflict(info.session_id)

    def _insert(self, key: SessionKey) -> None:
        info = key.info
        self._database.execute(
            f"INSERT INTO session_keys ({_INFO}, sealed_key, sealed_salt) VALUES (?{', ?' * 10})",
            (info.session_id, info.ssrc, info.generation, int(info.profile), str(info.key_id), str(info.salt_id),
             info.created_s, info.expires_s, info.version,
             self._sealer.seal(key.master_key, self._bound_to(info, info.key_id, "key")),
             self._sealer.seal(key.master_salt, self._bound_to(info, info.salt_id, "salt"))))

    def _check_room(self, added: bool) -> None:
        limit = self._settings.max_keys
        if added and self._database.execute("SELECT count(*) FROM session_keys").fetchone()[0] > limit:
            raise LimitError(f"{self._path} holds {limit} keys, the limit (max_keys): expire or delete some")

    def _count_seals(self, header: Header, n: int) -> Header:
        if header.seals + n > MAX_SEALS:
            raise KeyStoreError(f"the data key of {self._path} has sealed {header.seals} values, and may seal no "
                                "more: change_passphrase() makes a new one", KeyStoreFault.USED_UP)
        return replace(header, seals=header.seals + n)

    def _finish(self, header: Header, keys: StoreKeys, notes: tuple[AuditNote, ...]) -> None:
        trail.check_head(header, keys.audit_key)
        write_header(self._database,
                     trail.append(self._database, header, keys.audit_key, notes, self._settings.max_audit))

    # --- passphrase ---

    def change_passphrase(self, passphrase: SecretBytes | None, key_file: Path | None) -> None:
        """See LocalKeyStore.change_passphrase()."""
        old_file = self._credential.key_file
        credential = Credential(key_file or old_file, passphrase)
        if passphrase is None:
            make_key_file(credential.key_file, self._settings.busy_timeout_s)
        keys = StoreKeys.generate(self._keys.audit_key)
        fresh = new_header(credential, self._settings.cost, keys, store_id=self._store_id, epoch=self._epoch + 1)
        with self._transaction(write=True) as header:
            renewed = replace(fresh, seals=2 * self._reseal(Sealer(keys.data_key)), ends=header.ends, head=header.head)
            self._finish(renewed, keys, (_own_note(AuditAction.PASSPHRASE_CHANGED, self._settings),))
        self._use(keys, renewed)
        self._credential = replace(credential, passphrase=None)
        own_file = beside(self._path, ".key")
        still_used = passphrase is None and credential.key_file == own_file
        if header.cost is None and old_file == own_file and not still_used:
            with suppress(OSError):  # it opens nothing any more; one that stays is no fault
                own_file.unlink()

    def _reseal(self, sealer: Sealer) -> int:
        """Seal every value anew with another key; how many keys there are."""
        rows = self._database.execute(f"SELECT rowid, {_INFO}, sealed_key, sealed_salt FROM session_keys").fetchall()
        for row_id, *values in rows:
            info = self._info(tuple(values[:-2]))
            key = self._opened(info, *values[-2:])
            self._database.execute("UPDATE session_keys SET sealed_key = ?, sealed_salt = ? WHERE rowid = ?",
                                   (sealer.seal(key.master_key, self._bound_to(info, info.key_id, "key")),
                                    sealer.seal(key.master_salt, self._bound_to(info, info.salt_id, "salt")), row_id))
        return len(rows)

    def close(self) -> None:
        """Close the file and wipe the keys."""
        self._database.close()
        self._keys.data_key.wipe()
        self._keys.audit_key.wipe()
        del self._sealer


def open_store_file(path: Path, credential: Credential, settings: StoreSettings) -> StoreFile:
    """Open a store, and make it if it is not there.

    :raises KeyStoreError: it cannot be opened; the reason says why.
    """
    with os_errors(path):
        if not check_files(path):
            _create(path, credential, settings)
    with database_errors(path):
        database = connect(path, settings.busy_timeout_s)
        try:
            with transaction(database, write=False):
                check_format(database, path)
                header = read_header(database, path)
            keys = unwrap(header, credential, path)
            trail.check_head(header, keys.audit_key)
            return StoreFile(path, database, keys, header, credential, settings)
        except BaseException:
            database.close()
            raise


def _create(path: Path, credential: Credential, settings: StoreSettings) -> None:
    # The key file first: a store without it could never be read, it without a store is used by the next try.
    if credential.passphrase is None:
        make_key_file(credential.key_file, settings.busy_timeout_s)
    keys = StoreKeys.generate()
    header = new_header(credential, settings.cost, keys)

    def build(new: Path) -> None:
        create_private(new)
        with database_errors(path):
            database = connect(new, settings.busy_timeout_s)
            try:
                with transaction(database, write=True):
                    create_tables(database)
                    note = _own_note(AuditAction.STORE_CREATED, settings)
                    write_header(database, trail.append(database, header, keys.audit_key, (note,), settings.max_audit))
            finally:
                database.close()

    create_once(path, build, settings.busy_timeout_s)


def _own_note(action: AuditAction, settings: StoreSettings) -> AuditNote:
    return AuditNote(at_s=float(settings.clock()), actor=own_name(), action=action)


def own_name() -> str:
    """Who acts, where nobody says it: the user and the process."""
    return f"uid {os.getuid()} pid {os.getpid()}"
