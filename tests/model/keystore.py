"""For tests of key stores: open and use one, look into its files, expect a refusal."""
from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from arcrtc import errors
from arcrtc.keys import (
    KeyStore,
    LocalKeyStore,
    ScryptCost,
    SrtpKeyManager,
)

FAST = ScryptCost(n=2**14)
Fault = errors.KeyStoreFault
_T = TypeVar("_T")


def run(work: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(work)


@contextmanager
def refused(reason: Fault, words: str = "", kind: type[errors.KeyStoreError] = errors.KeyStoreError) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert caught.value.reason is reason, caught.value
    assert words in str(caught.value)


async def with_store(path: Path, work: Callable[[LocalKeyStore], Awaitable[_T]], *args: Any, **kwargs: Any) -> _T:
    kwargs.setdefault("scrypt", FAST)
    async with await LocalKeyStore.open(path, *args, **kwargs) as store:
        return await work(store)


def use(path: Path, work: Callable[[SrtpKeyManager], Awaitable[_T]], *args: Any, **kwargs: Any) -> _T:
    """Open the store, let ``work`` use a manager, close it."""
    return run(with_store(path, lambda store: work(SrtpKeyManager(KeyStore(store))), *args, **kwargs))


def opens(path: Path, *args: Any, **kwargs: Any) -> None:
    async def nothing(_: object) -> None:
        pass

    run(with_store(path, nothing, *args, **kwargs))


async def secret_of(manager: SrtpKeyManager, session: str = "s", ssrc: int = 1) -> bytes:
    (key,) = await manager.valid_keys(session, ssrc)
    return key.master_key.reveal() + key.master_salt.reveal()


def filled(path: Path, *args: Any, **kwargs: Any) -> bytes:
    """Make a store with one key; its bytes."""
    async def work(manager: SrtpKeyManager) -> bytes:
        await manager.create_session_keys("s", 1)
        return await secret_of(manager)

    return use(path, work, *args, **kwargs)


def sql(path: Path, statement: str, *values: object) -> list[Any]:
    """Do something to the file behind the store's back."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def files_hold(folder: Path, pieces: list[bytes]) -> int:
    """How many of ``pieces`` are in any file of the folder."""
    content = [file.read_bytes() for file in folder.iterdir()]
    return sum(any(piece in data for data in content) for piece in pieces)


def sealed_pieces(path: Path, where: str = "1") -> list[bytes]:
    """The middle of each sealed value: a copy cut at an end is found too."""
    rows = sql(path, f"SELECT sealed_key, sealed_salt FROM session_keys WHERE {where}")
    return [blob[4:28] for row in rows for blob in row]
