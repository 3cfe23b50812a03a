"""LocalKeyStore: full disks, and several writers."""
from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from arcrtc import errors
from arcrtc.keys import (
    AuditAction,
    KeyStore,
    LocalKeyStore,
    SessionKey,
    SrtpKeyManager,
    database,
    storefile,
)
from tests.model.keystore import (
    Fault,
    filled,
    refused,
    run,
    secret_of,
    use,
    with_store,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


# --- full disk ---

def test_store_full_disk_is_an_error_and_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = [10_000]

    def small(*args: Any) -> sqlite3.Connection:
        connection = database.connect(*args)
        connection.execute(f"PRAGMA max_page_count={limit[0]}")
        return connection

    monkeypatch.setattr(storefile, "connect", small)

    async def fill(manager: SrtpKeyManager) -> int:
        made = 0
        with refused(Fault.FULL, "nothing was changed"):
            for made in range(1000):
                await manager.create_session_keys("s", made)
        return made

    async def check(manager: SrtpKeyManager) -> None:
        assert [info.ssrc for info in await manager.session_keys("s")] == list(range(made))
        assert len(await manager.audit("s")) == made
        for ssrc in range(made):
            await secret_of(manager, "s", ssrc)
        await manager.create_session_keys("s", made)

    filled(path.with_name("other"))
    limit[0] = 16
    made = use(path, fill)
    assert made > 5
    limit[0] = 10_000
    use(path, check)


FULL_DISK = """
import asyncio, resource, sys
from arcrtc.keys import KeyStore, LocalKeyStore, SrtpKeyManager
from arcrtc.errors import KeyStoreError

def limit(n):
    resource.setrlimit(resource.RLIMIT_FSIZE, (n, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

async def main():
    path, hard = sys.argv[1], resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for n in range(0, 40_000, 4096):  # creation: at each size it fails wholly, or is done
        limit(n)
        try:
            store = await LocalKeyStore.open(path)
            break
        except KeyStoreError as error:
            print("open", error.reason.name)
    manager = SrtpKeyManager(KeyStore(store))
    limit(80_000)
    made = 0
    try:
        while made < 2000:
            await manager.create_session_keys("s", made)
            made += 1
    except KeyStoreError as error:
        print("create", error.reason.name, made)
    limit(hard)
    assert len(await manager.session_keys("s")) == made
    for ssrc in range(made):
        await manager.valid_keys("s", ssrc)
    await manager.create_session_keys("s", made)
    await store.close()
    print("done")

asyncio.run(main())
"""


def test_store_limit_of_file_size_is_an_error_and_changes_nothing(path: Path) -> None:
    """A disk that refuses in the middle of a write (RLIMIT_FSIZE), at creation and after it."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, check=False,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert [line.split()[0] for line in lines if line].count("open") >= 3
    assert {line.split()[1] for line in lines if line.startswith("open")} <= {"FULL", "IO"}
    assert lines[-2] == "done"
    create = next(line.split() for line in lines if line.startswith("create"))
    assert create[1] in ("FULL", "IO")
    assert int(create[2]) > 5
    assert sorted(p.name for p in path.parent.iterdir()) == ["keys.db", "keys.db.key"]


# --- two writers ---

def test_store_that_another_program_writes_is_busy(path: Path) -> None:
    filled(path)
    other = sqlite3.connect(path, isolation_level=None)

    async def work(store: LocalKeyStore) -> None:
        manager = SrtpKeyManager(KeyStore(store))
        other.execute("BEGIN IMMEDIATE")
        with refused(Fault.BUSY, "another program is writing"):
            await manager.create_session_keys("s", 2)
        assert len(await manager.session_keys("s")) == 1
        other.execute("COMMIT")
        await manager.create_session_keys("s", 2)

    try:
        run(with_store(path, work, busy_timeout_s=0.05))
    finally:
        other.close()


def test_store_two_in_one_process_see_each_other(path: Path) -> None:
    async def work(store: LocalKeyStore) -> None:
        async with await LocalKeyStore.open(path) as second:
            one, two = SrtpKeyManager(KeyStore(store)), SrtpKeyManager(KeyStore(second))
            await one.create_session_keys("s", 1)
            assert await secret_of(one) == await secret_of(two)
            with pytest.raises(errors.KeyExistsError):
                await two.create_session_keys("s", 1)
            await two.delete_session_keys("s")
            with pytest.raises(errors.KeyNotFoundError):
                await one.valid_keys("s", 1)

    run(with_store(path, work))


class Racing:
    """A backend during whose reads another writer gets in first, ``times`` times."""

    def __init__(self, inner: LocalKeyStore, other: Callable[[], Awaitable[object]], times: int) -> None:
        self._inner, self._other, self.left = inner, other, times

    async def read(self, session_id: str, ssrc: int) -> list[SessionKey]:
        found = await self._inner.read(session_id, ssrc)
        if self.left:
            self.left -= 1
            await self._other()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_store_change_is_repeated_when_another_writer_was_first(path: Path) -> None:
    async def work(store: LocalKeyStore) -> None:
        other = SrtpKeyManager(KeyStore(store), actor="other")
        await other.create_session_keys("s", 1)
        racing = Racing(store, lambda: other.rotate_session_keys("s", 1), 3)
        manager = SrtpKeyManager(KeyStore(racing), actor="slow")
        key_id, _ = await manager.rotate_session_keys("s", 1)
        keys = await manager.session_keys("s")
        assert [info.generation for info in keys] == [4, 5]
        assert keys[-1].key_id == key_id
        rotations = [e.note.actor for e in await manager.audit("s") if e.note.action is AuditAction.KEY_ROTATED]
        assert rotations == ["other"] * 3 + ["slow"]

    run(with_store(path, work))


def test_store_change_that_never_gets_through_is_a_conflict(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arcrtc.keys.store._PAUSE_S", (0, 0))

    async def work(store: LocalKeyStore) -> None:
        other = SrtpKeyManager(KeyStore(store))
        await other.create_session_keys("s", 1)
        racing = Racing(store, lambda: other.rotate_session_keys("s", 1), 1000)
        with refused(Fault.CONFLICT):
            await SrtpKeyManager(KeyStore(racing)).rotate_session_keys("s", 1)
        assert racing.left == 1000 - 64

    run(with_store(path, work))


def test_store_two_creators_of_one_key_get_one_key(path: Path) -> None:
    async def work(store: LocalKeyStore) -> None:
        other = SrtpKeyManager(KeyStore(store))
        racing = Racing(store, lambda: other.create_session_keys("s", 1), 1)
        with pytest.raises(errors.KeyExistsError):
            await SrtpKeyManager(KeyStore(racing)).create_session_keys("s", 1)
        assert len(await other.session_keys("s")) == 1

    run(with_store(path, work))


def test_store_keys_deleted_and_made_anew_meanwhile_are_not_used_as_the_old(path: Path) -> None:
    async def work(store: LocalKeyStore) -> None:
        other = SrtpKeyManager(KeyStore(store))
        await other.create_session_keys("s", 1)

        async def anew() -> None:
            await other.delete_session_keys("s")
            await other.create_session_keys("s", 1)

        (key,) = await SrtpKeyManager(KeyStore(Racing(store, anew, 1))).valid_keys("s", 1)
        assert [key.info] == await other.session_keys("s")

    run(with_store(path, work))


def test_store_facade_refuses_a_backend_that_hands_out_another_key(path: Path) -> None:
    async def work(store: LocalKeyStore) -> None:
        await SrtpKeyManager(KeyStore(store)).create_session_keys("s", 1)

        class Wrong:
            async def read(self, session_id: str, ssrc: int) -> list[SessionKey]:
                return await store.read("s", 1)

        with refused(Fault.DAMAGED, "does not fit session 't'"):
            await KeyStore(Wrong()).read("t", 1)  # type: ignore[arg-type]

    run(with_store(path, work))


def test_store_creator_finds_a_key_that_was_made_and_rotated_meanwhile(path: Path) -> None:
    """The first generation is free again by then: its number alone would not tell."""
    async def work(store: LocalKeyStore) -> None:
        other = SrtpKeyManager(KeyStore(store), overlap_s=0)

        async def make_and_rotate() -> None:
            await other.create_session_keys("s", 1)
            await other.rotate_session_keys("s", 1)

        with pytest.raises(errors.KeyExistsError):
            await SrtpKeyManager(KeyStore(Racing(store, make_and_rotate, 1))).create_session_keys("s", 1)
        assert [info.generation for info in await other.session_keys("s")] == [2]

    run(with_store(path, work))
