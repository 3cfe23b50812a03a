"""The store as managers see it, and what a backend has to do to stand behind it."""
from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol, TypeVar
from uuid import UUID

from arcrtc.errors import KeyStoreError, KeyStoreFault
from arcrtc.keys.records import AuditEntry, KeyChange, KeyInfo, SeenKeys, SessionKey, check_ssrc, session_name

_TRIES: Final = 64  # each lost try means that another writer got through
_PAUSE_S: Final = (0.01, 0.2)  # the most to wait after the first lost try; after any
_NOTHING: Final = KeyChange()
_Held = TypeVar("_Held", KeyInfo, SessionKey)


class KeyBackend(Protocol):
    """Where keys are kept. A backend encrypts what it writes, and knows nothing of rotation.

    Each method raises KeyStoreError for what goes wrong with the store.
    """

    async def find(self, session_id: str) -> Sequence[KeyInfo]:
        """What is known of the keys of a session, without their bytes; any order."""

    async def find_expired(self, now_s: float, limit: int) -> Sequence[KeyInfo]:
        """Keys with ``expires_s <= now_s``, the longest expired first; at most ``limit``."""

    async def read(self, session_id: str, ssrc: int) -> Sequence[SessionKey]:
        """The keys of a session and SSRC, expired ones too; any order."""

    async def commit(self, change: KeyChange) -> None:
        """Do all of ``change`` or nothing, so that a crash after the return loses none of it.

        :raises KeyStoreError: with the reason CONFLICT: ``change.seen`` is not what is there, or a
            key to add is, or one to replace or remove is not, or has another version. Nothing is changed.
        :raises LimitError: the store holds as many keys as it may. Nothing is changed.
        """

    async def audit(self, session_id: str | None) -> Sequence[AuditEntry]:
        """The audit trail in order, after a check that it is whole; None: of all sessions."""

    async def close(self) -> None:
        """Let go of everything; a second call does nothing."""


class KeyStore:
    """Keys behind one interface, wherever they are kept.

    Checks arguments and what the backend hands out, and repeats a change when another
    writer was first. Threads: as the backend; with LocalKeyStore, one event loop.

    :param backend: a LocalKeyStore, or another KeyBackend.
    """

    __slots__ = ("_backend",)

    def __init__(self, backend: KeyBackend) -> None:
        self._backend = backend

    async def find(self, session_id: str | UUID) -> list[KeyInfo]:
        """What is known of the keys of a session, by SSRC and generation; empty: none."""
        name = session_name(session_id)
        found = await self._backend.find(name)
        return sorted(found, key=lambda info: (info.ssrc, info.generation))

    async def read(self, session_id: str | UUID, ssrc: int) -> list[SessionKey]:
        """The keys of a session and SSRC, oldest generation first, expired ones too; empty: none.

        :raises KeyStoreError: the store is damaged, or hands out something else.
        """
        name, ssrc = session_name(session_id), check_ssrc(ssrc)
        keys = await self._backend.read(name, ssrc)
        for key in keys:
            _check_key(key, name, ssrc)
        return sorted(keys, key=lambda key: key.info.generation)

    async def change_keys(self, session_id: str | UUID, ssrc: int,
                          decide: Callable[[list[SessionKey]], KeyChange]) -> KeyChange:
        """Read the keys of a session and SSRC, and commit what ``decide`` makes of them.

        :param decide: pure; called again when another writer was first. What it raises comes out here.
        :returns: what was committed.
        :raises KeyStoreError: also with the reason CONFLICT after 64 lost tries.
        """
        name, ssrc = session_name(session_id), check_ssrc(ssrc)

        def decide_and_note(keys: list[SessionKey]) -> KeyChange:
            return _with_seen(decide(keys), name, ssrc, [key.info for key in keys])

        return await self._change(lambda: self.read(name, ssrc), decide_and_note)

    async def change_session(self, session_id: str | UUID,
                             decide: Callable[[list[KeyInfo]], KeyChange]) -> KeyChange:
        """The same for all SSRCs of a session, without the bytes of its keys."""
        name = session_name(session_id)
        return await self._change(lambda: self.find(name),
                                  lambda infos: _with_seen(decide(infos), name, None, infos))

    async def change_expired(self, now_s: float, limit: int,
                             decide: Callable[[list[KeyInfo]], KeyChange]) -> KeyChange:
        """The same for up to ``limit`` keys that have expired."""
        async def expired() -> list[KeyInfo]:
            return list(await self._backend.find_expired(now_s, limit))

        return await self._change(expired, decide)

    async def audit(self, session_id: str | UUID | None = None) -> list[AuditEntry]:
        """The audit trail, oldest line first; None: of all sessions, and of the store itself.

        :raises KeyStoreError: with the reason TAMPERED: a line was altered or removed.
        """
        return list(await self._backend.audit(None if session_id is None else session_name(session_id)))

    async def close(self) -> None:
        """Close the backend."""
        await self._backend.close()

    async def _change(self, read: Callable[[], Awaitable[list[_Held]]],
                      decide: Callable[[list[_Held]], KeyChange]) -> KeyChange:
        for tries_left in reversed(range(_TRIES)):
            change = decide(await read())
            if change == _NOTHING:
                break
            try:
                await self._backend.commit(change)
                break
            except KeyStoreError as error:
                if error.reason is not KeyStoreFault.CONFLICT or not tries_left:
                    raise
            # Writers that were late once are late again if they all come back at once.
            first_s, most_s = _PAUSE_S
            await asyncio.sleep(random.uniform(0, min(most_s, first_s * 2 ** (_TRIES - tries_left))))
        return change

    def __repr__(self) -> str:
        return f"KeyStore({self._backend!r})"


def _with_seen(change: KeyChange, session_id: str, ssrc: int | None, infos: list[KeyInfo]) -> KeyChange:
    if change == _NOTHING:
        return change
    keys = frozenset((info.key_id, info.version) for info in infos)
    return replace(change, seen=SeenKeys(session_id=session_id, ssrc=ssrc, keys=keys))


def _check_key(key: SessionKey, session_id: str, ssrc: int) -> None:
    info = key.info
    if (info.session_id, info.ssrc) != (session_id, ssrc) or len(key.master_key) != info.profile.key_bytes \
            or len(key.master_salt) not in info.profile.salt_bytes:
        raise KeyStoreError(f"the store hands out a key that does not fit session {session_id!r}, "
                            f"ssrc {ssrc:#010x}: restore it from a backup", KeyStoreFault.DAMAGED)
