"""LocalKeyStore: altered and damaged files are found, and what is deleted is in no file."""
from __future__ import annotations

import sqlite3
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from arcrtc import errors
from arcrtc.keys import (
    KeyChange,
    KeyInfo,
    KeyStore,
    LocalKeyStore,
    SecretBytes,
    SessionKey,
    SrtpKeyManager,
    database,
    storefile,
)
from arcrtc.srtp import SrtpProfile
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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


@pytest.mark.parametrize("statement", [
    "UPDATE session_keys SET ssrc = 7 WHERE ssrc = 1",
    "UPDATE session_keys SET session_id = 't' WHERE ssrc = 1",
    "UPDATE session_keys SET generation = 2 WHERE ssrc = 1",
    "UPDATE session_keys SET version = 2 WHERE ssrc = 1",
    "UPDATE session_keys SET expires_s = 9e9 WHERE ssrc = 1",
    "UPDATE session_keys SET created_s = 1.0 WHERE ssrc = 1",
    "UPDATE session_keys SET profile = 8 WHERE ssrc = 1",
    "UPDATE session_keys SET profile = 99 WHERE ssrc = 1",
    "UPDATE session_keys SET key_id = '00000000-0000-0000-0000-000000000001' WHERE ssrc = 1",
    "UPDATE session_keys SET salt_id = '00000000-0000-0000-0000-000000000001' WHERE ssrc = 1",
    "UPDATE session_keys SET key_id = 'x' WHERE ssrc = 1",
    "UPDATE session_keys SET sealed_key = sealed_salt, sealed_salt = sealed_key WHERE ssrc = 1",
    "UPDATE session_keys SET sealed_key = (SELECT sealed_key FROM session_keys WHERE ssrc = 2) WHERE ssrc = 1",
    "UPDATE session_keys SET sealed_salt = (SELECT sealed_salt FROM session_keys WHERE ssrc = 2) WHERE ssrc = 1",
    "UPDATE session_keys SET sealed_key = x'' WHERE ssrc = 1",
    "UPDATE session_keys SET sealed_key = substr(sealed_key, 2) WHERE ssrc = 1",
])
def test_store_altered_row_is_found(path: Path, statement: str) -> None:
    async def make(manager: SrtpKeyManager) -> None:
        await manager.create_session_keys("s", 1)
        await manager.create_session_keys("s", 2)

    async def read(manager: SrtpKeyManager) -> None:
        for session, ssrc in (("s", 1), ("s", 7), ("t", 1)):
            try:
                await manager.valid_keys(session, ssrc)
            except errors.KeyNotFoundError:
                continue

    use(path, make)
    sql(path, statement)
    with refused(Fault.DAMAGED, "damaged or was altered"):
        use(path, read)


def test_store_row_of_another_store_is_found(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    filled(tmp_path / "b")
    key, salt = sql(tmp_path / "a", "SELECT sealed_key, sealed_salt FROM session_keys")[0]
    sql(tmp_path / "b", "UPDATE session_keys SET sealed_key = ?, sealed_salt = ?", key, salt)
    with refused(Fault.DAMAGED):
        use(tmp_path / "b", secret_of)


def test_store_altered_row_can_be_deleted(path: Path) -> None:
    filled(path)
    sql(path, "UPDATE session_keys SET sealed_key = x''")
    assert use(path, lambda manager: manager.delete_session_keys("s")) == 1


@pytest.mark.parametrize(("statement", "reason"), [
    ("UPDATE store SET scrypt_n = 1024", Fault.DAMAGED),  # less work than is allowed is never done
    ("UPDATE store SET scrypt_n = 1073741824", Fault.DAMAGED),
    ("UPDATE store SET scrypt_n = NULL", Fault.DAMAGED),
    ("UPDATE store SET scrypt_n = 32768", Fault.WRONG_PASSPHRASE),
    ("UPDATE store SET epoch = 2", Fault.WRONG_PASSPHRASE),
    ("UPDATE store SET store_id = 'x'", Fault.WRONG_PASSPHRASE),
    ("UPDATE store SET wrapped = x''", Fault.WRONG_PASSPHRASE),
    ("UPDATE store SET salt = zeroblob(16)", Fault.WRONG_PASSPHRASE),
    ("UPDATE store SET salt = 'text'", Fault.DAMAGED),
    ("UPDATE store SET wrap = 'rot13'", Fault.DAMAGED),
    ("UPDATE store SET wrap = 'key_file'", Fault.WRONG_PASSPHRASE),
    ("UPDATE store SET audit_last = audit_last - 1", Fault.TAMPERED),
    ("UPDATE store SET audit_head = zeroblob(32)", Fault.TAMPERED),
])
def test_store_altered_description_is_found(path: Path, statement: str, reason: Fault) -> None:
    filled(path, "words")
    sql(path, statement)
    with refused(reason):
        opens(path, "words")


def test_store_damaged_bytes_never_give_another_key(path: Path) -> None:
    """Whatever is flipped or cut off: the true key, or an error of ours."""
    secret = filled(path)
    whole, random, refusals = path.read_bytes(), Random(5), 0
    damages = [bytes([*whole[:at], whole[at] ^ 1 << random.randrange(8), *whole[at + 1:]])
               for at in random.sample(range(len(whole)), 120)]
    damages += [whole[:n] for n in range(0, len(whole), 2048)]
    for damaged in damages:
        path.write_bytes(damaged)
        try:
            assert use(path, secret_of) == secret
        except errors.KeyStoreError:
            refusals += 1
    assert refusals > len(whole) / 2048


# --- the audit trail in the file ---

@pytest.mark.parametrize(("statement", "line"), [
    ("DELETE FROM audit WHERE seq = 1", 1), ("DELETE FROM audit WHERE seq = 3", 3), ("DELETE FROM audit", 1),
    ("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)", 5), ("UPDATE audit SET at_s = 1 WHERE seq = 2", 2),
    ("UPDATE audit SET actor = 'nobody' WHERE seq = 4", 4), ("UPDATE audit SET action = 'x' WHERE seq = 4", 4),
    ("UPDATE audit SET session_id = 'x' WHERE seq = 2", 2), ("UPDATE audit SET mac = zeroblob(32) WHERE seq = 2", 2),
    ("INSERT INTO audit SELECT 6, at_s, actor, action, session_id, ssrc, generation, key_id, mac FROM audit "
     "WHERE seq = 5", 6),
])
def test_store_altered_audit_trail_is_found(path: Path, statement: str, line: int) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        await manager.create_session_keys("s", 1)
        for _ in range(3):
            await manager.valid_keys("s", 1)

    use(path, work)
    assert len(use(path, lambda manager: manager.audit())) == 5
    sql(path, statement)
    with refused(Fault.TAMPERED, f"line {line} of the audit trail"):
        use(path, lambda manager: manager.audit("s"))


def test_store_audit_trail_is_bounded_and_still_whole(path: Path) -> None:
    async def work(manager: SrtpKeyManager) -> list[int]:
        await manager.create_session_keys("s", 1)
        for _ in range(10):
            await manager.valid_keys("s", 1)
        return [entry.seq for entry in await manager.audit()]

    assert use(path, work, max_audit=4) == [9, 10, 11, 12]
    assert sql(path, "SELECT count(*) FROM audit") == [(4,)]
    sql(path, "DELETE FROM audit WHERE seq = 9")
    with refused(Fault.TAMPERED, "line 9"):
        use(path, lambda manager: manager.audit(), max_audit=4)


# --- deletion ---

async def churn(path: Path, dead: list[bytes]) -> None:
    """Fill many pages, so that deleting moves rows between them; ``dead``: what must be gone at the end."""
    random = Random(3)
    async with await LocalKeyStore.open(path, max_audit=50) as store:
        def key(session: int, ssrc: int) -> SessionKey:
            info = KeyInfo(session_id=f"{session}" * random.randrange(1, 12), ssrc=ssrc, generation=1,
                           profile=SrtpProfile.AEAD_AES_128_GCM, key_id=_uuid(random), salt_id=_uuid(random),
                           created_s=0.0, expires_s=None)
            return SessionKey(info, SecretBytes(random.randbytes(16)), SecretBytes(random.randbytes(12)))

        keys = [key(n % 97, n) for n in range(1500)]
        await store.commit(KeyChange(add=tuple(keys)))
        dead += sealed_pieces(path)
        random.shuffle(keys)
        for start in range(0, 1400, 50):
            await store.commit(KeyChange(remove=tuple(key.info for key in keys[start:start + 50])))
        kept = set(sealed_pieces(path))
        assert len(kept) == 200
        dead[:] = [piece for piece in dead if piece not in kept]


def _uuid(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)


def test_store_deleted_values_are_in_no_file(path: Path) -> None:
    dead: list[bytes] = []
    run(churn(path, dead))
    assert len(dead) == 2800
    assert files_hold(path.parent, dead) == 0


def test_check_of_deletion_finds_what_is_not_overwritten(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(*args: Any) -> sqlite3.Connection:
        connection = database.connect(*args)
        connection.execute("PRAGMA secure_delete=OFF")
        return connection

    monkeypatch.setattr(storefile, "connect", careless)
    dead: list[bytes] = []
    run(churn(path, dead))
    assert files_hold(path.parent, dead) > 100


def test_store_rotated_expired_and_deleted_session_keys_are_in_no_file(path: Path) -> None:
    now, dead = [1000.0], []

    async def work(store: LocalKeyStore) -> None:
        manager = SrtpKeyManager(KeyStore(store), overlap_s=5, clock=lambda: now[0])
        await manager.create_session_keys("s", 1)
        await manager.create_session_keys("t", 1)
        for _ in range(3):
            dead.extend(sealed_pieces(path, "session_id = 's'"))
            await manager.rotate_session_keys("s", 1)
        dead.extend(sealed_pieces(path, "session_id = 's'"))
        now[0] += 6
        assert await manager.expire() == 1
        await manager.delete_session_keys("s")
        assert files_hold(path.parent, dead) == 0
        assert files_hold(path.parent, sealed_pieces(path)) == 2  # t is still there, and would be found

    run(with_store(path, work))
    assert len(dead) == 2 * (1 + 2 + 2 + 2)
