"""A store in one SQLite file on this machine, encrypted at rest."""
from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final, ParamSpec, TypeVar

from arcrtc.errors import ConfigError, KeyStoreError, KeyStoreFault
from arcrtc.keys.files import beside
from arcrtc.keys.header import Credential
from arcrtc.keys.records import AuditEntry, KeyChange, KeyInfo, SessionKey
from arcrtc.keys.seal import ScryptCost, passphrase_bytes
from arcrtc.keys.storefile import StoreFile, StoreSettings, open_store_file

_P = ParamSpec("_P")
_T = TypeVar("_T")
_DEFAULT_COST: Final = ScryptCost()


class LocalKeyStore:
    """Keys in a file: encrypted at rest, crash-safe, mode 0600. A KeyBackend; see docs/keys.md.

    Made by :meth:`open`. Several programs may have it open; each change is one transaction,
    on the disk when the call returns. Files and scrypt are handled in a thread of the store's own.

    Threads: one event loop. After a fork it must be opened anew.
    """

    def __init__(self, path: Path, file: StoreFile, worker: ThreadPoolExecutor) -> None:
        self._path, self._file, self._worker = path, file, worker
        self._pid = os.getpid()
        self._closed = False

    @classmethod
    async def open(cls, storage_path: str | os.PathLike[str], passphrase: str | bytes | None = None, *,
                   key_file: str | os.PathLike[str] | None = None, scrypt: ScryptCost = _DEFAULT_COST,
                   max_keys: int = 100_000, max_audit: int = 100_000, busy_timeout_s: float = 5.0,
                   clock: Callable[[], float] = time.time) -> LocalKeyStore:
        """Open a store, and make it if it is not there.

        :param storage_path: the file; its folder must exist.
        :param passphrase: opens it; None: a key file does, which is made with the store.
        :param key_file: the key file, where there is no passphrase; None: ``storage_path`` with ``.key`` at the end.
        :param scrypt: work that a new passphrase takes; a store that is there keeps its own.
        :param max_keys: keys (generations) it may hold, 1..1000000.
        :param max_audit: lines of the audit trail kept, 1..1000000; the oldest are dropped, and show as
            numbers missing before the first.
        :param busy_timeout_s: wait for another program that writes; seconds, 0..60.
        :param clock: seconds since 1970, for the store's own lines in the audit trail.
        :raises KeyStoreError: it cannot be opened; ``reason`` says why, the message what to do.
        :raises KeyStorePermissionError: a file may be used by others, or not by this user.
        :raises ConfigError: an argument is not allowed.
        """
        path = Path(storage_path)
        credential = Credential(beside(path, ".key") if key_file is None else Path(key_file),
                                None if passphrase is None else passphrase_bytes(passphrase))
        if passphrase is not None and key_file is not None:
            raise ConfigError("passphrase and key_file were both given: one of them opens the store")
        settings = StoreSettings(cost=scrypt, max_keys=_count("max_keys", max_keys),
                                 max_audit=_count("max_audit", max_audit),
                                 busy_timeout_s=_timeout(busy_timeout_s), clock=clock)
        worker = ThreadPoolExecutor(1, "arc-keys")
        try:
            file = await asyncio.get_running_loop().run_in_executor(
                worker, open_store_file, path, credential, settings)
        except BaseException:
            worker.shutdown(wait=False)
            raise
        return cls(path, file, worker)

    async def _run(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if self._closed:
            raise KeyStoreError(f"{self._path} is closed: open it again", KeyStoreFault.CLOSED)
        if self._pid != os.getpid():  # a fork leaves the thread behind, and SQLite's locks with it
            raise KeyStoreError(f"{self._path} was opened before a fork: open it again in this process",
                                KeyStoreFault.CLOSED)
        return await asyncio.get_running_loop().run_in_executor(self._worker, lambda: call(*args, **kwargs))

    async def find(self, session_id: str) -> list[KeyInfo]:
        """See KeyBackend."""
        return await self._run(self._file.find, session_id)

    async def find_expired(self, now_s: float, limit: int) -> list[KeyInfo]:
        """See KeyBackend."""
        return await self._run(self._file.find_expired, now_s, limit)

    async def read(self, session_id: str, ssrc: int) -> list[SessionKey]:
        """See KeyBackend."""
        return await self._run(self._file.read, session_id, ssrc)

    async def commit(self, change: KeyChange) -> None:
        """See KeyBackend."""
        await self._run(self._file.commit, change)

    async def audit(self, session_id: str | None = None) -> list[AuditEntry]:
        """See KeyBackend."""
        return await self._run(self._file.audit, session_id)

    async def change_passphrase(self, passphrase: str | bytes | None, *,
                                key_file: str | os.PathLike[str] | None = None) -> None:
        """Let another passphrase, or a key file, open the store, and nothing else from then on.

        Makes a new data key and seals every value with it in one transaction, so that who kept
        the old passphrase and an old copy of the file cannot read what is written later. Other
        programs that have the store open must open it again.

        :param passphrase: the new one; None: a key file.
        :param key_file: the key file where ``passphrase`` is None, made if it is not there; None: the
            one in use, or ``storage_path`` with ``.key`` at the end. A file of that name is removed
            when nothing needs it any more.
        :raises KeyStoreError: nothing was changed.
        :raises ConfigError: the passphrase is empty, or there are both.
        """
        if passphrase is not None and key_file is not None:
            raise ConfigError("passphrase and key_file were both given: one of them opens the store")
        await self._run(self._file.change_passphrase, None if passphrase is None else passphrase_bytes(passphrase),
                        None if key_file is None else Path(key_file))

    async def close(self) -> None:
        """Close the file and wipe the store's keys; a second call does nothing."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._worker, self._file.close)
        self._worker.shutdown(wait=False)

    async def __aenter__(self) -> LocalKeyStore:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: TracebackType | None) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"LocalKeyStore({str(self._path)!r}{', closed' if self._closed else ''})"

    def __reduce__(self) -> Any:
        raise TypeError("a LocalKeyStore cannot be pickled or copied")


def _count(name: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
        raise ConfigError(f"{name}={value!r} is outside 1..1000000")
    return value


def _timeout(value: float) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 60 or math.isnan(value):
        raise ConfigError(f"busy_timeout_s={value!r} is outside 0..60")
    return float(value)
