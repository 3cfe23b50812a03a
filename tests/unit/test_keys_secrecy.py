"""Key bytes are in no file (but the key file), log, repr, exception or pickle."""
from __future__ import annotations

import asyncio
import base64
import copy
import logging
import pickle
import sqlite3
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from arcrtc import errors
from arcrtc.keys import KeyStore, LocalKeyStore, SecretBytes, SessionKey, SrtpKeyManager, files
from tests.model.keystore import FAST, sql

PASSPHRASE = "correct horse 7391"


def spellings(secret: bytes) -> list[bytes]:
    """How bytes come out when somebody prints them; each without its ends, which depend on the neighbours."""
    shown = [secret, secret.hex().encode(), base64.b64encode(secret)[:-4], repr(secret)[2:-1].encode(),
             str(list(secret))[1:-1].encode(), secret.hex(" ").encode()]
    return [*shown, *(text.upper() for text in shown[1:2])]


def leaks(secrets: list[bytes], text: bytes) -> int:
    return sum(piece in text for secret in secrets for piece in spellings(secret))


class Watch:
    """Gathers secrets, and all that could show them."""

    def __init__(self) -> None:
        self.secrets: list[bytes] = []
        self.shown: list[str] = []

    def note(self, *things: object) -> None:
        self.shown += [text for thing in things for text in (repr(thing), str(thing), f"{thing}")]

    async def fails(self, call: Awaitable[object], kind: type[Exception] = errors.ArcError) -> None:
        with pytest.raises(kind) as caught:
            await call
        self.note(caught.value)
        self.shown += traceback.format_exception(caught.value)  # those it came from too

    def keep(self, key: SessionKey) -> None:
        self.secrets += [key.master_key.reveal(), key.master_salt.reveal()]

    def keep_store(self, store: LocalKeyStore) -> None:
        keys = store._file._keys
        self.secrets += [keys.data_key.reveal(), keys.audit_key.reveal()]


async def busy_life(path: Path, watch: Watch, passphrase: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that a store and a manager do, and everything that goes wrong."""
    store = await LocalKeyStore.open(path, passphrase, scrypt=FAST)
    watch.keep_store(store)
    manager = SrtpKeyManager(KeyStore(store))
    pipelines = []
    for ssrc in (1, 2, 3):
        await manager.create_session_keys("s", ssrc)
        pipelines.append(await manager.create_srtp_pipeline("s", ssrc, 0))
        await manager.rotate_session_keys("s", ssrc)
        keys = await manager.valid_keys("s", ssrc)
        for key in keys:
            watch.keep(key)
            watch.note(key, key.master_key, key.info)
            for refuse in (pickle.dumps, copy.deepcopy):
                with pytest.raises(TypeError) as caught:
                    refuse(key)
                watch.note(caught.value)
        change = await KeyStore(store).change_keys("x", ssrc, lambda _, keys=keys: _moved(keys))
        watch.note(change, *change.add)
    watch.note(store, manager, KeyStore(store), store._file, store._file._keys, *pipelines)
    watch.note(*await manager.audit(), *await manager.session_keys("s"), vars(manager), vars(store))
    for refused in (store, manager, pipelines[0]):
        with pytest.raises(TypeError):
            pickle.dumps(refused)

    await watch.fails(manager.create_session_keys("s", 1))
    await watch.fails(manager.valid_keys("none", 1))
    with monkeypatch.context() as patch:
        patch.setattr("arcrtc.keys.trail.append", _raise_database_error)
        await watch.fails(manager.create_session_keys("s", 4))
        await watch.fails(manager.rotate_session_keys("s", 1))
    sql(path, "UPDATE session_keys SET sealed_key = sealed_salt WHERE ssrc = 1 AND session_id = 's'")
    await watch.fails(manager.valid_keys("s", 1))
    await watch.fails(manager.rotate_session_keys("s", 1))
    await watch.fails(store.change_passphrase("another"))
    await manager.delete_session_keys("s")
    await store.close()
    watch.note(store)
    await watch.fails(manager.valid_keys("x", 1))
    await watch.fails(LocalKeyStore.open(path, PASSPHRASE + "!", scrypt=FAST))


def _moved(keys: list[SessionKey]) -> Any:
    """The same bytes once more under another name, so that live rows with known bytes are in the file."""
    from dataclasses import replace
    from uuid import uuid4

    from arcrtc.keys import KeyChange
    return KeyChange(add=tuple(SessionKey(replace(key.info, session_id="x", version=1, key_id=uuid4(), salt_id=uuid4()),
                                          SecretBytes(key.master_key.reveal()), SecretBytes(key.master_salt.reveal()))
                               for key in keys))


def _raise_database_error(*_: object) -> None:
    raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("passphrase", [PASSPHRASE, None])
def test_keys_bytes_are_shown_nowhere(tmp_path: Path, passphrase: str | None, monkeypatch: pytest.MonkeyPatch,
                                      caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    watch, path = Watch(), tmp_path / "keys.db"
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("asyncio").setLevel(logging.DEBUG)
        asyncio.run(busy_life(path, watch, passphrase, monkeypatch), debug=True)
    if passphrase is None:
        watch.secrets.append(files.read_key_file(tmp_path / "keys.db.key").reveal())
    else:
        watch.secrets.append(passphrase.encode())
    assert len(watch.secrets) == 2 + 3 * 4 + 1
    assert len(set(watch.secrets)) == len(watch.secrets)
    text = "\n".join([*watch.shown, caplog.text, *(repr(vars(record)) for record in caplog.records),
                      *capfd.readouterr()]).encode()
    assert leaks(watch.secrets, text) == 0
    assert len(sql(path, "SELECT * FROM session_keys")) == 6
    for file in tmp_path.iterdir():
        own = [] if file.suffix != ".key" else watch.secrets[-1:]
        assert leaks([one for one in watch.secrets if one not in own], file.read_bytes()) == 0, file


@pytest.mark.parametrize("show", [bytes, lambda k: k.hex().encode(), lambda k: f"key={k!r}".encode(),
                                  lambda k: b"x" + base64.b64encode(k), lambda k: str([*k]).encode()])
def test_check_of_leaks_finds_each_spelling(show: Callable[[bytes], bytes]) -> None:
    secret = bytes(range(100, 116))
    assert leaks([secret], b"before" + show(secret) + b"after") > 0
    assert leaks([secret], b"before" + show(secret[::-1]) + b"after") == 0


def test_keys_are_wiped_after_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the manager read or made for itself does not stay in memory as the object that held it."""
    wiped: list[int] = []
    wipe = SessionKey.wipe

    def watched(key: SessionKey) -> None:
        wipe(key)
        wiped.append(key.info.generation)

    monkeypatch.setattr(SessionKey, "wipe", watched)

    async def work() -> None:
        async with await LocalKeyStore.open(tmp_path / "k") as store:
            keys, manager = store._file._keys, SrtpKeyManager(KeyStore(store))
            await manager.create_session_keys("s", 1)
            await manager.create_srtp_pipeline("s", 1, 0)
            await manager.rotate_session_keys("s", 1)
        for key in (keys.data_key, keys.audit_key):
            with pytest.raises(errors.ArgumentError):
                key.reveal()

    asyncio.run(work())
    assert wiped == [1, 1, 2, 1]
