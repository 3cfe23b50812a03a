"""The SQLite file of a local store: tables, settings, transactions, and what its errors mean.

A rollback journal, not a write-ahead log: after a commit the journal is gone, so a
deleted key is in no file, whatever other programs read meanwhile. ``synchronous=EXTRA``
puts that on the disk before the commit returns; ``secure_delete`` overwrites what is
deleted with zeros.
"""
from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from arcrtc.errors import KeyStoreError, KeyStoreFault, KeyStorePermissionError
from arcrtc.keys.files import beside, check_private

APPLICATION_ID: Final = 0x4172634B  # "ArcK"
FORMAT: Final = 1
SIDE_FILES: Final = ("-journal", "-wal", "-shm")

_SCHEMA: Final = (
    "CREATE TABLE store (id INTEGER PRIMARY KEY CHECK (id = 1), store_id TEXT NOT NULL, epoch INTEGER NOT NULL, "
    "wrap TEXT NOT NULL, salt BLOB NOT NULL, scrypt_n INTEGER, scrypt_r INTEGER, scrypt_p INTEGER, "
    "wrapped BLOB NOT NULL, seals INTEGER NOT NULL, audit_first INTEGER NOT NULL, audit_base BLOB NOT NULL, "
    "audit_last INTEGER NOT NULL, audit_mac BLOB NOT NULL, audit_head BLOB NOT NULL)",
    "CREATE TABLE session_keys (session_id TEXT NOT NULL, ssrc INTEGER NOT NULL, generation INTEGER NOT NULL, "
    "profile INTEGER NOT NULL, key_id TEXT NOT NULL UNIQUE, salt_id TEXT NOT NULL UNIQUE, created_s REAL NOT NULL, "
    "expires_s REAL, version INTEGER NOT NULL, sealed_key BLOB NOT NULL, sealed_salt BLOB NOT NULL, "
    "PRIMARY KEY (session_id, ssrc, generation))",
    "CREATE INDEX session_keys_expiry ON session_keys (expires_s) WHERE expires_s IS NOT NULL",
    "CREATE TABLE audit (seq INTEGER PRIMARY KEY, at_s REAL NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, "
    "session_id TEXT, ssrc INTEGER, generation INTEGER, key_id TEXT, mac BLOB NOT NULL)",
)

# What SQLite says (its error codes reach Python only from 3.11 on), what it means, what to do.
_MEANING: Final = (
    ("is full", KeyStoreFault.FULL, "the disk is full; nothing was changed: make room and repeat"),
    ("locked", KeyStoreFault.BUSY, "another program is writing: repeat later, or raise busy_timeout_s"),
    ("not a database", KeyStoreFault.FOREIGN, "is not a key store, or its beginning is damaged: name another file, "
                                              "or restore it from a backup"),
    ("malformed", KeyStoreFault.DAMAGED, "is damaged: restore it from a backup"),
    ("disk I/O error", KeyStoreFault.IO, "the disk refuses; nothing was changed: look at its space, quota and health"),
    ("readonly", KeyStoreFault.FILE_MODE, "cannot be written: check the owner and mode of the file and its folder"),
    ("unable to open", KeyStoreFault.FILE_MODE, "cannot be opened: check the owner and mode of it and its folder"),
)


@contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Make a KeyStoreError of what SQLite raises."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explained(path, error) from error


def _explained(path: Path, error: sqlite3.Error) -> KeyStoreError:
    text = str(error)
    for words, reason, advice in _MEANING:
        if words in text:
            kind = KeyStorePermissionError if reason is KeyStoreFault.FILE_MODE else KeyStoreError
            return kind(f"{path}: {advice} (SQLite: {text})", reason)
    if isinstance(error, sqlite3.IntegrityError):
        return KeyStoreError(f"{path}: another writer was first (SQLite: {text})", KeyStoreFault.CONFLICT)
    return KeyStoreError(f"{path}: SQLite: {text}", KeyStoreFault.IO)


@contextmanager
def transaction(database: sqlite3.Connection, *, write: bool) -> Iterator[None]:
    """All of what stands inside, or nothing; a writer has the file to itself from the start."""
    database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite itself rolls back when the disk is full
            database.execute("ROLLBACK")
        raise


def connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """Open an existing file with the settings of a key store.

    :raises sqlite3.Error: it cannot be opened, or is no database.
    """
    database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=rw", uri=True, isolation_level=None,
                               check_same_thread=False, timeout=busy_timeout_s)
    try:
        for setting in ("trusted_schema=OFF", "cell_size_check=ON", "temp_store=MEMORY", "mmap_size=0",
                        "secure_delete=ON", "synchronous=EXTRA"):
            database.execute(f"PRAGMA {setting}")
        database.execute("PRAGMA journal_mode=DELETE").fetchone()
    except BaseException:
        database.close()
        raise
    return database


def create_tables(database: sqlite3.Connection) -> None:
    """Make the tables in an empty file; within a transaction."""
    for statement in _SCHEMA:
        database.execute(statement)
    database.execute(f"PRAGMA application_id={APPLICATION_ID}")
    database.execute(f"PRAGMA user_version={FORMAT}")


def check_files(path: Path) -> bool:
    """True: the store is there and private, and so is all beside it; False: it is not there.

    :raises KeyStoreError: see check_private(); or the file is empty.
    """
    for suffix in SIDE_FILES:
        check_private(beside(path, suffix))
    if not check_private(path):
        return False
    # Its content is read by SQLite only: closing a second descriptor would drop the locks of the first.
    if path.stat().st_size == 0:
        raise KeyStoreError(f"{path} is empty, which no key store ever is: restore it from a backup, or remove it "
                            "to start anew", KeyStoreFault.DAMAGED)
    return True


def check_format(database: sqlite3.Connection, path: Path) -> None:
    """Make sure that it is a whole key store of a format that is known here.

    :raises KeyStoreError: it is not.
    """
    if _number(database, "application_id") != APPLICATION_ID:
        raise KeyStoreError(f"{path} is a SQLite file, but not a key store: name another file", KeyStoreFault.FOREIGN)
    found = _number(database, "user_version")
    if found > FORMAT:
        raise KeyStoreError(f"{path} has format {found}, this arcrtc knows formats up to {FORMAT}: "
                            "use a later arcrtc", KeyStoreFault.NEWER_FORMAT)
    # Whatever else is in the schema (a trigger, a view) was not put there by us.
    rows = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    if sorted(row[0] for row in rows) != sorted(_SCHEMA) or found != FORMAT:
        raise KeyStoreError(f"{path}: the tables are not those of a key store: restore it from a backup",
                            KeyStoreFault.DAMAGED)
    verdict = database.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != ("ok",):
        raise KeyStoreError(f"{path} is damaged: restore it from a backup", KeyStoreFault.DAMAGED)


def _number(database: sqlite3.Connection, pragma: str) -> int:
    return int(database.execute(f"PRAGMA {pragma}").fetchone()[0])
