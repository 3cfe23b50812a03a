"""SrtpKeyManager: life of a key, the audit trail, cancelled calls; against a plain model."""
from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from arcrtc import errors
from arcrtc.keys import AuditAction, KeyChange, KeyStore, LocalKeyStore, SessionKey, SrtpKeyManager
from arcrtc.srtp import SrtpProfile
from tests.model.keys_model import Generation, KeysModel
from tests.model.keystore import Fault, refused, run, use, with_store

_T = TypeVar("_T")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


def at(path: Path, now: list[float], work: Callable[[SrtpKeyManager], Awaitable[_T]], **options: Any) -> _T:
    """Let ``work`` use a manager whose clock is ``now[0]``."""
    return run(with_store(path, lambda store: work(
        SrtpKeyManager(KeyStore(store), clock=lambda: now[0], **options)), clock=lambda: now[0]))


def test_manager_life_of_a_key(path: Path) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        session = uuid4()
        key_id, salt_id = await manager.create_session_keys(session, 7)
        assert isinstance(key_id, UUID)
        assert isinstance(salt_id, UUID)
        with pytest.raises(errors.KeyExistsError):
            await manager.create_session_keys(str(session), 7)
        (key,) = await manager.valid_keys(session, 7)
        assert (key.info.key_id, key.info.salt_id, key.info.generation) == (key_id, salt_id, 1)
        assert (key.info.profile, len(key.master_key), len(key.master_salt)) == (SrtpProfile.AEAD_AES_128_GCM, 16, 12)
        assert await manager.delete_session_keys(session) == 1
        for call in (manager.valid_keys(session, 7), manager.create_srtp_pipeline(session, 7, 0),
                     manager.rotate_session_keys(session, 7), manager.delete_session_keys(session)):
            with pytest.raises(KeyError) as caught:
                await call
            assert type(caught.value) is errors.KeyNotFoundError

    use(path, work)


@pytest.mark.parametrize("profile", list(SrtpProfile))
def test_manager_makes_keys_of_each_profile(path: Path, profile: SrtpProfile) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        await manager.create_session_keys("s", 1, profile=profile)
        await manager.rotate_session_keys("s", 1)
        keys = await manager.valid_keys("s", 1)
        assert [key.info.profile for key in keys] == [profile] * 2
        assert len({key.master_key.reveal() for key in keys}) == 2
        pipeline = await manager.create_srtp_pipeline("s", 1, 3)
        assert (pipeline.config.profile, pipeline.config.roc, pipeline.config.ssrc) == (profile, 3, 1)

    use(path, work)


def test_manager_old_key_is_valid_until_its_overlap_ends(path: Path) -> None:
    now = [1000.0]

    async def generations(manager: SrtpKeyManager, at_s: float) -> list[int]:
        return [key.info.generation for key in await manager.valid_keys("s", 1, at_s)]

    async def work(manager: SrtpKeyManager) -> None:
        await manager.create_session_keys("s", 1)
        await manager.rotate_session_keys("s", 1, overlap_s=5)
        assert await generations(manager, 1004.999) == [1, 2]
        assert await generations(manager, 1005) == [2]
        assert await manager.expire(1004.999) == 0
        now[0] = 1003.0
        await manager.rotate_session_keys("s", 1, overlap_s=5)  # in the overlap: the oldest goes at once
        assert await generations(manager, 1003) == [2, 3]
        now[0] = 1008.0
        assert [info.generation for info in await manager.session_keys("s")] == [2, 3]
        assert await manager.expire() == 1
        assert await manager.expire() == 0
        assert [info.generation for info in await manager.session_keys("s")] == [3]

    at(path, now, work)


def test_manager_key_ends_with_its_lifetime_and_the_next_goes_on_counting(path: Path) -> None:
    now = [0.0]

    async def work(manager: SrtpKeyManager) -> None:
        await manager.create_session_keys("s", 1)
        now[0] = 8.0
        await manager.rotate_session_keys("s", 1)  # overlap 60, but the first key's own end is at 10
        assert [info.expires_s for info in await manager.session_keys("s")] == [10.0, 18.0]
        now[0] = 18.0
        with pytest.raises(errors.KeyNotFoundError):
            await manager.rotate_session_keys("s", 1)
        await manager.create_session_keys("s", 1, lifetime_s=1)
        assert [(i.generation, i.expires_s) for i in await manager.session_keys("s")] == [(3, 19.0)]

    at(path, now, work, lifetime_s=10, overlap_s=60)


def test_manager_expires_more_than_one_batch(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arcrtc.keys.manager._EXPIRE_BATCH", 4)

    async def work(manager: SrtpKeyManager) -> None:
        for ssrc in range(10):
            await manager.create_session_keys("s", ssrc)
        assert await manager.expire(1.0) == 10
        assert await manager.session_keys("s") == []

    at(path, [0.0], work, lifetime_s=1)


@pytest.mark.parametrize("options", [
    {"overlap_s": -1}, {"overlap_s": 86_401}, {"overlap_s": float("nan")}, {"overlap_s": True}, {"lifetime_s": 0},
    {"lifetime_s": float("inf")}, {"actor": ""}, {"actor": "a\n"}, {"actor": 5}, {"profile": 99},
])
def test_manager_wrong_option_is_a_config_error(options: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigError):
        SrtpKeyManager(KeyStore(None), **options)  # type: ignore[arg-type]


def test_manager_wrong_argument_changes_nothing(path: Path) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        for call, kind in ((manager.create_session_keys("", 1), errors.ArgumentError),
                           (manager.create_session_keys("s", -1), errors.ArgumentError),
                           (manager.create_session_keys("s", 1, lifetime_s=-1), errors.ConfigError),
                           (manager.create_session_keys("s", 1, profile=99), errors.ConfigError),  # type: ignore[arg-type]
                           (manager.valid_keys("s", 1, float("nan")), errors.ArgumentError)):
            with pytest.raises(kind):
                await call
        assert await manager.session_keys("s") == []
        assert len(await manager.audit()) == 1
        await manager.create_session_keys("s", 1)
        with pytest.raises(errors.ConfigError):
            await manager.create_srtp_pipeline("s", 1, -1)

    use(path, work)


def test_manager_audit_tells_who_did_what_to_which_key(path: Path) -> None:
    now = [100.0]

    async def work(manager: SrtpKeyManager) -> None:
        first, _ = await manager.create_session_keys("s", 1)
        await manager.create_session_keys("t", 1)
        now[0] = 101.0
        second, _ = await manager.rotate_session_keys("s", 1, overlap_s=0)
        await manager.create_srtp_pipeline("s", 1, 0)
        await manager.delete_session_keys("s")
        lines = [entry.note for entry in await manager.audit(session_id="s")]
        assert [(n.at_s, n.action, n.generation, n.key_id) for n in lines] == [
            (100.0, AuditAction.KEY_CREATED, 1, first), (101.0, AuditAction.KEY_EXPIRED, 1, first),
            (101.0, AuditAction.KEY_ROTATED, 2, second), (101.0, AuditAction.KEY_USED, 2, second),
            (101.0, AuditAction.KEY_DELETED, 2, second)]
        assert {(n.actor, n.session_id, n.ssrc) for n in lines} == {("alice", "s", 1)}
        assert [entry.seq for entry in await manager.audit()] == list(range(1, 8))

    at(path, now, work, actor="alice")


def test_manager_tasks_of_one_loop_get_one_key(path: Path) -> None:
    async def work(manager: SrtpKeyManager) -> None:
        results = await asyncio.gather(*(manager.create_session_keys("s", 1) for _ in range(8)),
                                       return_exceptions=True)
        assert sum(isinstance(result, errors.KeyExistsError) for result in results) == 7
        await asyncio.gather(*(manager.rotate_session_keys("s", 1) for _ in range(8)))
        assert [info.generation for info in await manager.session_keys("s")] == [8, 9]

    use(path, work)


class Slow:
    """A backend whose commits wait for ``go``."""

    def __init__(self, inner: LocalKeyStore) -> None:
        self._inner, self.begun, self.go = inner, asyncio.Event(), asyncio.Event()

    async def commit(self, change: KeyChange) -> None:
        self.begun.set()
        await self.go.wait()
        await self._inner.commit(change)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_manager_cancelled_call_is_carried_through(path: Path) -> None:
    async def work(store: LocalKeyStore) -> None:
        slow = Slow(store)
        manager = SrtpKeyManager(KeyStore(slow))
        task = asyncio.ensure_future(manager.create_session_keys("s", 1))
        await slow.begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        slow.go.set()
        assert len(await manager.valid_keys("s", 1)) == 1

    run(with_store(path, work))


def test_manager_event_loop_goes_on_while_the_store_waits(path: Path) -> None:
    """Another program holds the file: timers of the loop still fire."""
    import sqlite3

    async def work(store: LocalKeyStore) -> None:
        manager = SrtpKeyManager(KeyStore(store))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        task = asyncio.ensure_future(manager.create_session_keys("s", 1))
        ticks = 0
        while ticks < 10:
            await asyncio.sleep(0.001)
            ticks += 1
        assert not task.done()
        other.execute("COMMIT")
        other.close()
        await task

    run(with_store(path, work, busy_timeout_s=30))


def test_manager_closed_store_says_so(path: Path) -> None:
    async def work(store: LocalKeyStore) -> None:
        manager = SrtpKeyManager(KeyStore(store))
        await store.close()
        with refused(Fault.CLOSED):
            await manager.create_session_keys("s", 1)

    run(with_store(path, work))


# --- against the model ---

PLACES = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([1, 2]))
LIVES = st.sampled_from([None, 3.0, 20.0])


class ManagerMachine(RuleBasedStateMachine):
    """Any sequence of operations, with the store closed and opened between some of them."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.store: LocalKeyStore | None = None
        self.secrets: dict[UUID, bytes] = {}
        self.lines = 1

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.loop.run_until_complete(work)

    @initialize(overlap_s=st.sampled_from([0.0, 5.0]))
    def start(self, overlap_s: float) -> None:
        self.model = KeysModel(overlap_s)
        self.open()

    def open(self) -> None:
        self.store = self.do(LocalKeyStore.open(Path(self.folder.name) / "keys.db"))
        self.manager = SrtpKeyManager(KeyStore(self.store), overlap_s=self.model.overlap_s,
                                      clock=lambda: self.model.now_s)

    @precondition(lambda self: self.store is not None)
    @rule()
    def reopen(self) -> None:
        assert self.store is not None
        self.do(self.store.close())
        self.open()

    @rule(seconds=st.sampled_from([1.0, 4.0, 5.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.model.now_s += seconds

    @rule(place=PLACES, life_s=LIVES)
    def create(self, place: tuple[str, int], life_s: float | None) -> None:
        call = self.manager.create_session_keys(*place, lifetime_s=life_s)
        if self.model.valid(*place):
            with pytest.raises(errors.KeyExistsError):
                self.do(call)
        else:
            self.model.created(*place, self.do(call)[0], life_s)

    @rule(place=PLACES, life_s=LIVES)
    def rotate(self, place: tuple[str, int], life_s: float | None) -> None:
        call = self.manager.rotate_session_keys(*place, lifetime_s=life_s)
        if not self.model.valid(*place):
            with pytest.raises(errors.KeyNotFoundError):
                self.do(call)
        else:
            self.model.rotated(*place, self.do(call)[0], life_s)

    @rule(session=st.sampled_from(["a", "b"]))
    def delete(self, session: str) -> None:
        expected = self.model.deleted(session)
        call = self.manager.delete_session_keys(session)
        if expected:
            assert self.do(call) == expected
        else:
            with pytest.raises(errors.KeyNotFoundError):
                self.do(call)

    @rule()
    def expire(self) -> None:
        assert self.do(self.manager.expire()) == self.model.expired()

    @rule(place=PLACES)
    def read(self, place: tuple[str, int]) -> None:
        expected = self.model.valid(*place)
        call = self.manager.valid_keys(*place)
        if not expected:
            with pytest.raises(errors.KeyNotFoundError):
                self.do(call)
            return
        keys = self.do(call)
        assert [key.info.key_id for key in keys] == [one.key_id for one in expected]
        for key in keys:  # the bytes of a key never change, and no two keys have the same
            assert self.secrets.setdefault(key.info.key_id, _secret(key)) == _secret(key)
        assert len(set(self.secrets.values())) == len(self.secrets)

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        if self.store is None:
            return
        found = {name: self.do(self.manager.session_keys(name)) for name in ("a", "b")}
        expected: dict[str, list[tuple[int, Generation]]] = {"a": [], "b": []}
        for (name, ssrc), line in sorted(self.model.lines.items(), key=lambda item: item[0]):
            expected[name] += [(ssrc, one) for one in line]
        for name in ("a", "b"):
            assert [(i.ssrc, i.generation, i.key_id, i.expires_s) for i in found[name]] == [
                (ssrc, one.number, one.key_id, one.expires_s) for ssrc, one in expected[name]]
        lines = len(self.do(self.manager.audit()))  # checks the whole trail
        assert lines >= self.lines
        self.lines = lines

    def teardown(self) -> None:
        if self.store is not None:
            self.do(self.store.close())
        self.loop.close()
        self.folder.cleanup()


def _secret(key: SessionKey) -> bytes:
    return key.master_key.reveal() + key.master_salt.reveal()


TestManagerMachine = ManagerMachine.TestCase
TestManagerMachine.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
