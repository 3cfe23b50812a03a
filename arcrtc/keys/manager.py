"""Master keys of SRTP sessions: made, rotated, expired, deleted, and turned into pipelines."""
from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

from arcrtc.errors import ArgumentError, ConfigError, KeyExistsError, KeyNotFoundError
from arcrtc.keys.pipelines import MAX_OVERLAP_MS, LivePipelines, make_pipeline
from arcrtc.keys.records import (
    AuditAction,
    AuditEntry,
    AuditNote,
    KeyChange,
    KeyInfo,
    SessionKey,
    check_ssrc,
    session_name,
)
from arcrtc.keys.secret import SecretBytes
from arcrtc.keys.store import KeyStore
from arcrtc.srtp import SrtpPipeline, SrtpProfile

_MAX_OVERLAP_S: Final = MAX_OVERLAP_MS / 1000
_MAX_LIFETIME_S: Final = 10 * 366 * 86_400.0
_EXPIRE_BATCH: Final = 500  # keys removed in one transaction
_T = TypeVar("_T")


class SrtpKeyManager:
    """Makes and rotates the keys of SRTP sessions, one line of generations for each session and SSRC.

    At most two generations are valid at a time: the newest, which is sent with, and the one before,
    which is accepted until its overlap ends. A rotation during an overlap ends it: the oldest goes at
    once. Whatever hands out or changes key bytes leaves a line in the audit trail.

    Each operation is one transaction; it is carried through even if the task that waits is cancelled.

    Threads: one event loop. :meth:`rotate_session_keys` re-keys the pipelines that this manager made,
    in the loop's thread, so those belong to that thread too.

    :param store: where the keys are kept.
    :param profile: of new keys.
    :param overlap_s: how long the old key stays valid at a rotation; seconds, 0..86400.
    :param lifetime_s: how long a new key is valid; seconds, more than 0, at most ten years; None: no end.
    :param actor: who acts, for the audit trail; 1..200 printable characters; None: user and process number.
    :param clock: seconds since 1970.
    :raises ConfigError: an argument is not allowed.
    """

    def __init__(self, store: KeyStore, *, profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM,
                 overlap_s: float = 10.0, lifetime_s: float | None = None, actor: str | None = None,
                 clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._profile = _profile(profile)
        self._overlap_s = _check_overlap(overlap_s)
        self._lifetime_s = _check_lifetime(lifetime_s)
        self._actor = _check_actor(f"uid {os.getuid()} pid {os.getpid()}" if actor is None else actor)
        self._clock = clock
        self._turn = asyncio.Lock()  # a pipeline is never made from keys that a rotation has just replaced
        self._running: set[asyncio.Future[Any]] = set()
        self._live = LivePipelines()

    async def create_session_keys(self, session_id: str | UUID, ssrc: int, *, profile: SrtpProfile | None = None,
                                  lifetime_s: float | None = None) -> tuple[UUID, UUID]:
        """Make the first key of a session and SSRC, from the system's random numbers.

        :param session_id: 1..200 printable characters, or a UUID.
        :param ssrc: 0..2**32-1.
        :param profile: cipher and tag; None: the manager's.
        :param lifetime_s: see the manager; None: the manager's.
        :returns: the ids of master key and master salt.
        :raises KeyExistsError: a key is valid already.
        :raises KeyStoreError: the store could not be written; there is no new key.
        :raises LimitError: the store is full.
        """
        name, ssrc = session_name(session_id), check_ssrc(ssrc)
        chosen = self._profile if profile is None else _profile(profile)
        life_s = self._lifetime_s if lifetime_s is None else _check_lifetime(lifetime_s)

        def decide(keys: list[SessionKey]) -> KeyChange:
            now_s = self._now_s()
            if any(key.info.is_valid(now_s) for key in keys):
                raise KeyExistsError(f"session {name!r}, ssrc {ssrc:#010x} has a key: rotate or delete it")
            generation = 1 + max((key.info.generation for key in keys), default=0)
            fresh = _new_key(name, ssrc, generation, chosen, now_s, life_s)
            return self._change(now_s, add=[fresh], expired=[key.info for key in keys],
                                noted=[(fresh.info, AuditAction.KEY_CREATED)])

        return await self._in_turn(lambda: self._make_key(name, ssrc, decide))

    async def rotate_session_keys(self, session_id: str | UUID, ssrc: int, *, overlap_s: float | None = None,
                                  lifetime_s: float | None = None) -> tuple[UUID, UUID]:
        """Make the next key of a session and SSRC, and re-key the live pipelines that this manager made.

        :param overlap_s: how long the key before stays valid, but not beyond its own end; seconds,
            0..86400; None: the manager's.
        :param lifetime_s: of the new key; None: the manager's.
        :returns: the ids of the new master key and master salt.
        :raises KeyNotFoundError: no key is valid.
        :raises KeyStoreError: the store could not be written; the old key stays as it was.
        """
        name, ssrc = session_name(session_id), check_ssrc(ssrc)
        overlap_s = self._overlap_s if overlap_s is None else _check_overlap(overlap_s)
        life_s = self._lifetime_s if lifetime_s is None else _check_lifetime(lifetime_s)

        def decide(keys: list[SessionKey]) -> KeyChange:
            now_s = self._now_s()
            current = _valid(keys, now_s, name, ssrc)[-1]
            fresh = _new_key(name, ssrc, current.info.generation + 1, current.info.profile, now_s, life_s)
            gone = [key.info for key in keys if key is not current]
            if overlap_s:
                return self._change(now_s, add=[fresh], replaced=[_ending(current, now_s + overlap_s)], expired=gone,
                                    noted=[(fresh.info, AuditAction.KEY_ROTATED)])
            return self._change(now_s, add=[fresh], expired=[*gone, current.info],
                                noted=[(fresh.info, AuditAction.KEY_ROTATED)])

        return await self._in_turn(lambda: self._make_key(name, ssrc, decide, live=True))

    async def create_srtp_pipeline(self, session_id: str | UUID, ssrc: int, roc: int = 0) -> SrtpPipeline:
        """A pipeline with the keys that are valid now: sends with the newest, accepts the one before until it expires.

        A key is safe only while no packet number is sent twice under it (RFC 3711 section 9.1). Let one
        pipeline of a session and SSRC send, others receive; and rotate before a program that was started
        anew sends, or go on with ``roc`` and the sequence number where it stopped. A pipeline goes on with
        its newest key after the key's lifetime: rotate before that.

        :param roc: roll-over counter of the first packet, 0..2**32-1; 0 for a new stream.
        :raises KeyNotFoundError: no key is valid.
        :raises ConfigError: ``roc`` is out of range.
        """
        name, ssrc = session_name(session_id), check_ssrc(ssrc)

        async def make() -> SrtpPipeline:
            keys, now_s = await self._use(name, ssrc)
            try:
                pipeline = make_pipeline(keys, roc, now_s)
            finally:
                for key in keys:
                    key.wipe()
            self._live.add(pipeline, name, ssrc)
            return pipeline

        return await self._in_turn(make)

    async def valid_keys(self, session_id: str | UUID, ssrc: int, now: float | None = None) -> list[SessionKey]:
        """The one or two keys that are valid, oldest first; the last is the one to send with.

        :param now: seconds since 1970; None: the clock is read.
        :raises KeyNotFoundError: there is none.
        """
        name, ssrc = session_name(session_id), check_ssrc(ssrc)
        return (await self._in_turn(lambda: self._use(name, ssrc, now)))[0]

    async def session_keys(self, session_id: str | UUID) -> list[KeyInfo]:
        """What is known of a session's keys, without their bytes, expired ones too; by SSRC and generation."""
        return await self._store.find(session_id)

    async def delete_session_keys(self, session_id: str | UUID) -> int:
        """Remove all keys of a session from the store, and every copy of their sealed bytes.

        Pipelines made from them go on until they are closed; no rotation reaches them any more.

        :returns: how many keys (generations) there were.
        :raises KeyNotFoundError: there is none.
        """
        name = session_name(session_id)

        def decide(infos: list[KeyInfo]) -> KeyChange:
            if not infos:
                raise KeyNotFoundError(f"session {name!r} has no keys")
            return self._change(self._now_s(), removed=infos, noted=[(i, AuditAction.KEY_DELETED) for i in infos])

        async def delete() -> int:
            change = await self._store.change_session(name, decide)
            self._live.forget(name)
            return len(change.remove)

        return await self._in_turn(delete)

    async def expire(self, now: float | None = None) -> int:
        """Remove the keys whose time is over, of all sessions.

        :param now: seconds since 1970; None: the clock is read.
        :returns: how many were removed.
        """
        now_s = self._now_s() if now is None else _check_time(now)

        async def expire() -> int:
            total = 0
            while True:
                change = await self._store.change_expired(
                    now_s, _EXPIRE_BATCH, lambda infos: self._change(now_s, expired=infos))
                total += len(change.remove)
                if len(change.remove) < _EXPIRE_BATCH:
                    return total

        return await self._in_turn(expire)

    async def audit(self, session_id: str | UUID | None = None) -> list[AuditEntry]:
        """The audit trail, oldest line first, after a check that it is whole.

        :param session_id: only lines about this session; None: all, those about the store too.
        :raises KeyStoreError: with the reason TAMPERED: a line was altered or removed.
        """
        return await self._store.audit(session_id)

    # --- inside ---

    async def _in_turn(self, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """One operation after the other, each carried through to its end."""
        async def in_turn() -> _T:
            async with self._turn:
                return await work()

        task = asyncio.ensure_future(in_turn())
        self._running.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _make_key(self, name: str, ssrc: int, decide: Callable[[list[SessionKey]], KeyChange],
                        live: bool = False) -> tuple[UUID, UUID]:
        change = await self._store.change_keys(name, ssrc, decide)
        (fresh,) = change.add
        try:
            if live:
                self._live.rekey(name, ssrc, fresh, _time_left(change, fresh.info.created_s))
        finally:
            for key in (*change.add, *change.replace):
                key.wipe()
        return fresh.info.key_id, fresh.info.salt_id

    async def _use(self, name: str, ssrc: int, now: float | None = None) -> tuple[list[SessionKey], float]:
        """The valid keys and the time for which they are; a line in the audit trail says so."""
        now_s = self._now_s() if now is None else _check_time(now)
        valid: list[SessionKey] = []

        def decide(keys: list[SessionKey]) -> KeyChange:
            valid[:] = _valid(keys, now_s, name, ssrc)
            return self._change(now_s, noted=[(valid[-1].info, AuditAction.KEY_USED)])

        await self._store.change_keys(name, ssrc, decide)
        return valid, now_s

    def _change(self, now_s: float, *, add: list[SessionKey] | None = None, replaced: list[SessionKey] | None = None,
                removed: list[KeyInfo] | None = None, expired: list[KeyInfo] | None = None,
                noted: list[tuple[KeyInfo, AuditAction]] | None = None) -> KeyChange:
        ended = [(info, AuditAction.KEY_EXPIRED) for info in expired or ()]
        notes = tuple(AuditNote.of_key(info, action, at_s=now_s, actor=self._actor)
                      for info, action in (*ended, *(noted or ())))
        return KeyChange(add=tuple(add or ()), replace=tuple(replaced or ()),
                         remove=(*(removed or ()), *(expired or ())), notes=notes)

    def _now_s(self) -> float:
        return _check_time(self._clock())

    def __repr__(self) -> str:
        return f"SrtpKeyManager({self._store!r}, profile={self._profile.name}, {len(self._live)} live pipelines)"


def _new_key(name: str, ssrc: int, generation: int, profile: SrtpProfile, now_s: float,
             life_s: float | None) -> SessionKey:
    info = KeyInfo(session_id=name, ssrc=ssrc, generation=generation, profile=profile, key_id=uuid4(),
                   salt_id=uuid4(), created_s=now_s, expires_s=None if life_s is None else now_s + life_s)
    return SessionKey(info, SecretBytes(os.urandom(profile.key_bytes)), SecretBytes(os.urandom(profile.salt_bytes[0])))


def _ending(key: SessionKey, at_s: float) -> SessionKey:
    """The next version of a key, which is valid until ``at_s`` at most."""
    end_s = at_s if key.info.expires_s is None else min(at_s, key.info.expires_s)
    return SessionKey(replace(key.info, expires_s=end_s, version=key.info.version + 1),
                      key.master_key, key.master_salt)


def _time_left(change: KeyChange, now_s: float) -> float:
    """How long the key before is still valid, in seconds; 0: it is gone."""
    ends = [key.info.expires_s for key in change.replace if key.info.expires_s is not None]
    return max((end_s - now_s for end_s in ends), default=0.0)


def _valid(keys: list[SessionKey], now_s: float, name: str, ssrc: int) -> list[SessionKey]:
    valid = [key for key in keys if key.info.is_valid(now_s)]
    if not valid:
        raise KeyNotFoundError(f"session {name!r}, ssrc {ssrc:#010x} has no valid key")
    return valid


def _profile(value: SrtpProfile) -> SrtpProfile:
    try:
        return SrtpProfile(value)
    except ValueError:
        raise ConfigError(f"profile={value!r} is not one of {', '.join(p.name for p in SrtpProfile)}") from None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_time(value: float) -> float:
    if not _is_number(value):
        raise ArgumentError(f"time {value!r} must be a finite number of seconds")
    return float(value)


def _check_overlap(value: float) -> float:
    if not _is_number(value) or not 0 <= value <= _MAX_OVERLAP_S:
        raise ConfigError(f"overlap_s={value!r} is outside 0..{_MAX_OVERLAP_S:g}")
    return float(value)


def _check_lifetime(value: float | None) -> float | None:
    if value is None:
        return None
    if not _is_number(value) or not 0 < value <= _MAX_LIFETIME_S:
        raise ConfigError(f"lifetime_s={value!r} must be above 0 and at most {_MAX_LIFETIME_S:g}")
    return float(value)


def _check_actor(value: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 200 or not value.isprintable():
        raise ConfigError("actor must have 1..200 printable characters")
    return value
