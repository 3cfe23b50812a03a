"""LocalKeyStore: opening, what it refuses and why, its passphrase, its bounds."""
from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arcrtc import errors
from arcrtc.keys import (
    AuditAction,
    KeyChange,
    KeyStore,
    LocalKeyStore,
    SrtpKeyManager,
    database,
    header,
    seal,
    storefile,
)
from arcrtc.keys.records import AuditNote
from tests.model.keystore import (
    Fault,
    files_hold,
    filled,
    opens,
    refused,
    run,
    sealed_pieces,
    secret_of,
    sql,
    use,
    with_store,
)

NOTE = AuditNote(at_s=0.0, actor="test", action=AuditAction.KEY_USED)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


@pytest.mark.parametrize("passphrase", [None, "secret words", b"\0\xff"])
def test_store_keeps_keys_over_closing(path: Path, passphrase: str | bytes | None) -> None:
    secret = filled(path, passphrase)
    assert use(path, secret_of, passphrase) == secret
    assert len(secret) == 16 + 12
    assert {p.name for p in path.parent.iterdir()} == {"keys.db", "keys.db.key"} - ({"keys.db.key"} if passphrase
                                                                                    else set())


def test_store_files_are_private_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        filled(path)
    finally:
        os.umask(before)
    assert {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir()} == {"keys.db": 0o600, "keys.db.key": 0o600}


def test_store_settings_of_the_file_are_those_that_crash_safety_needs(path: Path) -> None:
    filled(path)
    connection = database.connect(path, 1)
    try:
        found = {name: connection.execute(f"PRAGMA {name}").fetchone()[0]
                 for name in ("journal_mode", "synchronous", "secure_delete", "trusted_schema", "temp_store")}
    finally:
        connection.close()
    assert found == {"journal_mode": "delete", "synchronous": 3, "secure_delete": 1, "trusted_schema": 0,
                     "temp_store": 2}


def test_store_explicit_key_file_is_used_and_shared(tmp_path: Path) -> None:
    key_file = tmp_path / "node.key"
    first, second = (filled(tmp_path / name, key_file=key_file) for name in ("a", "b"))
    assert first != second
    assert use(tmp_path / "b", secret_of, key_file=key_file) == second
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "node.key"]


def test_store_wrong_passphrase_says_so(path: Path) -> None:
    filled(path, "right")
    before = path.read_bytes()
    for wrong in ("Right", "right ", b"\0"):
        with refused(Fault.WRONG_PASSPHRASE, "the passphrase does not open"):
            opens(path, wrong)
    with refused(Fault.NO_PASSPHRASE, "open it with passphrase="):
        opens(path)
    assert path.read_bytes() == before


def test_store_passphrase_for_a_store_without_says_so(path: Path) -> None:
    filled(path)
    with refused(Fault.WRONG_PASSPHRASE, "its key file opens it"):
        opens(path, "words")


def test_store_missing_key_file_says_so_and_makes_none(path: Path) -> None:
    filled(path)
    key_file = path.with_name("keys.db.key")
    key_file.rename(path.with_name("away"))
    with refused(Fault.NO_KEY_FILE, f"{key_file} is missing"):
        opens(path)
    assert not key_file.exists()
    opens(path, key_file=path.with_name("away"))


def test_store_key_file_of_another_store_says_so(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    filled(tmp_path / "b")
    with refused(Fault.WRONG_KEY_FILE, "of another store"):
        opens(tmp_path / "a", key_file=tmp_path / "b.key")


@pytest.mark.parametrize("name", ["keys.db", "keys.db.key", "keys.db-wal", "keys.db-journal", "keys.db-shm"])
@pytest.mark.parametrize("bits", [0o040, 0o020, 0o010, 0o004, 0o002, 0o001])
def test_store_file_that_others_may_use_is_refused(path: Path, name: str, bits: int) -> None:
    filled(path)
    file = path.with_name(name)
    file.touch()
    file.chmod(0o600 | bits)
    with refused(Fault.FILE_MODE, f"{file} has mode 06{bits:02o}", errors.KeyStorePermissionError):
        opens(path)
    with pytest.raises(PermissionError):
        opens(path)
    file.chmod(0o600)
    opens(path)


def test_store_owner_check(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path)
    owner = path.stat().st_uid
    monkeypatch.setattr("arcrtc.keys.files._TRUSTED_OWNER", -1)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with refused(Fault.FILE_MODE, f"belongs to user {owner}", errors.KeyStorePermissionError):
        opens(path)


def test_store_in_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with refused(Fault.IO, "the folder of a key store must exist"):
        opens(tmp_path / "no" / "keys.db")


def test_store_folder_instead_of_a_file_says_so(tmp_path: Path) -> None:
    with refused(Fault.FOREIGN, "not a regular file"):
        opens(tmp_path)


@pytest.mark.parametrize("content", [b"hello", b"x" * 5000, b"SQLite format 3\0" + b"\0" * 5000])
def test_store_foreign_file_is_refused_and_kept(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(errors.KeyStoreError) as caught:
        opens(path)
    assert caught.value.reason in (Fault.FOREIGN, Fault.DAMAGED)
    assert path.read_bytes() == content


def test_store_foreign_database_is_refused_and_kept(path: Path) -> None:
    sql(path, "CREATE TABLE mine (a)")
    path.chmod(0o600)
    content = path.read_bytes()
    with refused(Fault.FOREIGN, "not a key store"):
        opens(path)
    assert path.read_bytes() == content


def test_store_empty_file_is_refused(path: Path) -> None:
    path.touch(0o600)
    with refused(Fault.DAMAGED, "is empty"):
        opens(path)


def test_store_newer_format_is_refused(path: Path) -> None:
    filled(path)
    sql(path, f"PRAGMA user_version={database.FORMAT + 1}")
    with refused(Fault.NEWER_FORMAT, f"format {database.FORMAT + 1}"):
        opens(path)


@pytest.mark.parametrize("statement", [
    "CREATE TRIGGER t AFTER DELETE ON session_keys BEGIN SELECT 1; END", "CREATE VIEW v AS SELECT 1",
    "CREATE TABLE more (a)", "DROP TABLE audit", "PRAGMA user_version=0", "DELETE FROM store",
    "DROP INDEX session_keys_expiry",
])
def test_store_other_tables_are_refused(path: Path, statement: str) -> None:
    filled(path)
    sql(path, statement)
    with refused(Fault.DAMAGED, "restore it from a backup"):
        opens(path)


@pytest.mark.parametrize("values", [
    {"passphrase": ""}, {"passphrase": 5}, {"max_keys": 0}, {"max_keys": True}, {"max_audit": 10**7},
    {"busy_timeout_s": -1}, {"busy_timeout_s": float("nan")}, {"passphrase": "a", "key_file": "b"},
])
def test_store_wrong_argument_is_a_config_error_and_makes_nothing(path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigError):
        opens(path, **values)
    assert list(path.parent.iterdir()) == []


def test_store_closed_says_so(path: Path) -> None:
    async def work() -> None:
        store = await LocalKeyStore.open(path)
        await store.close()
        await store.close()
        assert "closed" in repr(store)
        with refused(Fault.CLOSED, "is closed"):
            await store.find("s")

    run(work())


def test_store_after_a_fork_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(store: LocalKeyStore) -> None:
        own = os.getpid()
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: own + 1)
            with refused(Fault.CLOSED, "before a fork"):
                await store.find("s")

    run(with_store(path, work))


def test_store_slow_work_is_done_in_a_thread_of_its_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[str, set[int]] = {}

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any) -> Any:
            threads.setdefault(name, set()).add(threading.get_ident())
            return call(*args)
        return wrapper

    monkeypatch.setattr(header, "key_from_passphrase", watched("scrypt", header.key_from_passphrase))
    monkeypatch.setattr(storefile, "connect", watched("connect", storefile.connect))
    monkeypatch.setattr(storefile.StoreFile, "commit", watched("commit", storefile.StoreFile.commit))
    filled(path, "words")
    assert set(threads) == {"scrypt", "connect", "commit"}
    assert len(set().union(*threads.values())) == 1
    assert threading.get_ident() not in set().union(*threads.values())


# --- passphrase ---

@pytest.mark.parametrize("before", ["old", None])
@pytest.mark.parametrize("after", ["new", None])
def test_store_changed_passphrase_is_the_only_one(path: Path, before: str | None, after: str | None) -> None:
    secret = filled(path, before)
    old_sealed = [*sealed_pieces(path), sql(path, "SELECT wrapped FROM store")[0][0][4:40]]
    run(with_store(path, lambda store: store.change_passphrase(after), before))
    assert use(path, secret_of, after) == secret
    assert files_hold(path.parent, old_sealed) == 0
    assert path.with_name("keys.db.key").exists() is (after is None)
    if before != after:
        with pytest.raises(errors.KeyStoreError):
            opens(path, before)
    assert [entry.note.action for entry in use(path, lambda manager: manager.audit(), after)][:2] == [
        AuditAction.STORE_CREATED, AuditAction.KEY_CREATED]
    assert AuditAction.PASSPHRASE_CHANGED in {e.note.action for e in use(path, lambda m: m.audit(), after)}


def test_store_old_passphrase_with_an_old_copy_reads_nothing_new(path: Path, tmp_path: Path) -> None:
    """The data key is a new one: the old wrapped one, put back, opens the store but no value in it."""
    filled(path, "old")
    row = sql(path, "SELECT epoch, wrap, salt, scrypt_n, scrypt_r, scrypt_p, wrapped FROM store")[0]
    run(with_store(path, lambda store: store.change_passphrase("new"), "old"))
    sql(path, "UPDATE store SET epoch = ?, wrap = ?, salt = ?, scrypt_n = ?, scrypt_r = ?, scrypt_p = ?, wrapped = ?",
        *row)
    with refused(Fault.DAMAGED):
        use(path, secret_of, "old")


def test_store_goes_on_after_a_change_and_moves_to_another_key_file(path: Path) -> None:
    other = path.with_name("other.key")

    async def work(store: LocalKeyStore) -> None:
        manager = SrtpKeyManager(KeyStore(store))
        for change in (store.change_passphrase("a"), store.change_passphrase(None, key_file=other),
                       store.change_passphrase("b"), store.change_passphrase(None, key_file=other)):
            await change
            await manager.create_session_keys("s", 2 + len(await manager.session_keys("s")))
            await secret_of(manager)

    filled(path)
    run(with_store(path, work))
    assert len(use(path, lambda manager: manager.session_keys("s"), key_file=other)) == 5
    assert sorted(p.name for p in path.parent.iterdir()) == ["keys.db", "other.key"]


def test_store_failed_change_of_passphrase_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = filled(path)

    async def work(store: LocalKeyStore) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(storefile, "write_header", lambda *_: sql(path.with_name("x"), "SELECT nothing"))
            with pytest.raises(errors.KeyStoreError):
                await store.change_passphrase("new")
        assert await secret_of(SrtpKeyManager(KeyStore(store))) == secret
        with pytest.raises(errors.ConfigError):
            await store.change_passphrase("")
        with pytest.raises(errors.ConfigError):
            await store.change_passphrase("a", key_file="b")

    run(with_store(path, work))
    assert use(path, secret_of) == secret


def test_store_open_elsewhere_must_be_opened_again_after_a_change(path: Path) -> None:
    async def work(store: LocalKeyStore) -> None:
        async with await LocalKeyStore.open(path) as other:
            await store.change_passphrase("new")
            for call in (other.find("s"), other.commit(KeyChange(notes=(NOTE,))), other.change_passphrase("third"),
                         other.audit()):
                with refused(Fault.CHANGED, "open it again"):
                    await call

    filled(path)
    run(with_store(path, work))
    assert len(use(path, lambda manager: manager.session_keys("s"), "new")) == 1


# --- bounds ---

def test_store_full_of_keys_is_a_limit_error_and_changes_nothing(path: Path) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        for ssrc in range(3):
            await manager.create_session_keys("s", ssrc)
        lines = len(await manager.audit())
        with pytest.raises(errors.LimitError, match="3 keys, the limit"):
            await manager.create_session_keys("s", 3)
        assert len(await manager.audit()) == lines
        assert len(await manager.session_keys("s")) == 3
        await manager.delete_session_keys("s")
        await manager.create_session_keys("s", 3)

    use(path, work, max_keys=3)


def test_store_data_key_is_used_only_so_often(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SP 800-38D section 8.3 bounds random nonces; a new data key starts from the values it sealed anew."""
    assert seal.MAX_SEALS <= 2**32
    monkeypatch.setattr(storefile, "MAX_SEALS", 5)

    async def work(store: LocalKeyStore) -> None:
        manager = SrtpKeyManager(KeyStore(store))
        await manager.create_session_keys("s", 1)
        await manager.create_session_keys("s", 2)
        assert sql(path, "SELECT seals FROM store") == [(4,)]
        with refused(Fault.USED_UP, "change_passphrase() makes a new one"):
            await manager.create_session_keys("s", 3)
        await manager.delete_session_keys("s")
        with refused(Fault.USED_UP):
            await manager.create_session_keys("s", 3)
        await store.change_passphrase(None)
        assert sql(path, "SELECT seals FROM store") == [(0,)]
        await manager.create_session_keys("s", 3)

    run(with_store(path, work))
