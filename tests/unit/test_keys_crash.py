"""LocalKeyStore under kill -9, and several processes that write at once."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# A process that has everything loaded and forks children quickly. It has one thread, so it may fork.
NURSERY = '''
import asyncio, json, os, random, signal, sys, time, traceback
from pathlib import Path
from arcrtc.keys import KeyStore, LocalKeyStore, ScryptCost, SrtpKeyManager, trail

def child(work):
    """Fork; the child runs ``work(report)`` and is gone. Returns its number and the pipe's end."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writable)
        return pid, readable
    os.close(readable)
    status = 1
    try:
        work(lambda fact: os.write(writable, (json.dumps(fact) + "\\n").encode()))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)

def facts_of(readable, data=b""):
    while piece := os.read(readable, 65536):
        data += piece
    os.close(readable)
    return [json.loads(line) for line in data.split(b"\\n")[:-1]]

def finished(work):
    """Run ``work`` in a child to its end; what it reported."""
    pid, readable = child(work)
    facts = facts_of(readable)
    assert os.waitpid(pid, 0)[1] == 0, "the child failed"
    return facts

async def secret(manager, session, ssrc):
    key = (await manager.valid_keys(session, ssrc))[-1]
    return [session, ssrc, (key.master_key.reveal() + key.master_salt.reveal()).hex()]

def with_manager(path, work, **settings):
    async def main():
        async with await LocalKeyStore.open(path, busy_timeout_s=30, **settings) as store:
            await work(SrtpKeyManager(KeyStore(store), overlap_s=0))
    asyncio.run(main())

def inventory(path, report):
    """All that is in the store; reading it checks that it is whole."""
    async def work(manager):
        for session in SESSIONS:
            for info in await manager.session_keys(session):
                report(await secret(manager, info.session_id, info.ssrc))
        await manager.audit()
    with_manager(path, work)
'''

KILLS = NURSERY + '''
path, rounds, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
SESSIONS = [f"round {n}" for n in range(rounds)]
known, kills, early = {}, 0, 0

def writer(n, report):
    async def work(manager):
        report("open")
        for ssrc in range(10**6):
            await manager.create_session_keys(f"round {n}", ssrc)
            report(await secret(manager, f"round {n}", ssrc))
            if ssrc % 3 == 2:
                await manager.rotate_session_keys(f"round {n}", ssrc)
                report(await secret(manager, f"round {n}", ssrc))
    with_manager(path, work)

for n in range(rounds):
    if n % 5 == 0:  # a new store, killed while it is made
        for file in path.parent.iterdir():
            file.unlink()
        known = {}
    pid, readable = child(lambda report: writer(n, report))
    heard, wanted = b"", 0 if n % 5 == 0 else rng.randrange(1, 7)
    while heard.count(b"\\n") < wanted:  # it has opened the store: it is killed while it writes
        piece = os.read(readable, 65536)
        assert piece, "the child ended by itself"
        heard += piece
    time.sleep(rng.random() * 0.05)
    os.kill(pid, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1]), "the child ended by itself"
    kills += 1
    told = [fact for fact in facts_of(readable, heard) if fact != "open"]
    early += not told
    rotating = None
    for session, ssrc, value in told:
        known[session, ssrc] = value
    found = {(session, ssrc): value for session, ssrc, value in finished(lambda report: inventory(path, report))}
    for place, value in known.items():
        # The very last one may have been rotated once more without a report.
        last = told and list(place) == told[-1][:2]
        assert place in found and (found[place] == value or last), (n, place)
    unknown = set(found) - set(known)
    assert len(unknown) <= 1, unknown  # committed, killed before the report
    known = found
    names = {p.name for p in path.parent.iterdir()}
    # A journal that was not begun in earnest stays until the next write; reading each key is one.
    allowed = {"keys.db", "keys.db.key", "keys.db.lock", "keys.db.key.lock"} | (set() if found else {"keys.db-journal"})
    assert names <= allowed, names
print(json.dumps({"kills": kills, "keys": len(known), "early": early}))
'''

STEPS = NURSERY + '''
SESSIONS = ["s"]
folder, passphrase = Path(sys.argv[1]), sys.argv[2] or None

def dies_at(step):
    """Let the process die in the ``step``-th call into the system that the store makes by itself."""
    left = [step]
    def mortal(call):
        def wrapper(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                if call is os.write:
                    call(args[0], bytes(args[1])[:10])  # a part of it
                os._exit(9)
            return call(*args, **kwargs)
        return wrapper
    for name in ("open", "write", "fsync", "fchmod", "rename", "unlink", "close", "stat"):
        setattr(os, name, mortal(getattr(os, name)))

def create(path, step):
    async def nothing(manager):
        pass
    dies_at(step)
    with_manager(path, nothing, passphrase=passphrase, scrypt=ScryptCost(n=2**14))

def recovered(path, report):
    async def work(manager):
        await manager.create_session_keys("s", 1)
        report(await secret(manager, "s", 1))
        report(len(await manager.audit()))
    with_manager(path, work, passphrase=passphrase, scrypt=ScryptCost(n=2**14))

deaths = 0
for step in range(1, 1000):
    path = folder / str(step) / "keys.db"
    path.parent.mkdir()
    pid, readable = child(lambda report: create(path, step))
    os.close(readable)
    status = os.waitpid(pid, 0)[1]
    if status == 0:
        break
    assert os.WEXITSTATUS(status) == 9, status
    deaths += 1
    one = finished(lambda report: recovered(path, report))
    assert one[1] == 3, one  # created, key made, key used: nothing of a store before
    names = {p.name for p in path.parent.iterdir()}
    assert names <= {"keys.db", "keys.db.key", "keys.db.lock", "keys.db.key.lock"}, (step, names)
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
print(json.dumps({"deaths": deaths}))
'''

WRITERS = NURSERY + '''
SESSIONS = [f"w{n}" for n in range(4)] + ["shared"]
path = Path(sys.argv[1])

def writer(n, report):
    async def work(manager):  # four at once make the store, their own keys, and rotate one in common
        try:
            await manager.create_session_keys("shared", 1)
            report(["shared", 1, "created"])
        except ValueError:
            pass
        for ssrc in range(8):
            await manager.create_session_keys(f"w{n}", ssrc)
            report(await secret(manager, f"w{n}", ssrc))
            await manager.rotate_session_keys("shared", 1)
    with_manager(path, work)

children = [child(lambda report, n=n: writer(n, report)) for n in range(4)]
told = []
for pid, readable in children:
    told += facts_of(readable)
    assert os.waitpid(pid, 0)[1] == 0
found = finished(lambda report: inventory(path, report))

def generation(report):
    async def work(manager):
        report([info.generation for info in await manager.session_keys("shared")])
        report([entry.seq for entry in await manager.audit()])
    with_manager(path, work)

generations, lines = finished(generation)
print(json.dumps({"told": told, "found": found, "generations": generations, "lines": len(lines)}))
'''

HOT = NURSERY + '''
SESSIONS = ["s"]
path = Path(sys.argv[1])

def half(report):
    async def work(manager):
        await manager.create_session_keys("s", 1)
        report(await secret(manager, "s", 1))
        append = trail.append
        def die(*args):
            append(*args)
            os.kill(os.getpid(), signal.SIGKILL)
        trail.append = die
        await manager.create_session_keys("s", 2)
    with_manager(path, work)

pid, readable = child(half)
os.waitpid(pid, 0)
told = facts_of(readable)
modes = {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir()}
print(json.dumps({"told": told, "modes": modes, "found": finished(lambda report: inventory(path, report))}))
'''


def outcome(script: str, *args: object) -> Any:
    """What a script prints, as JSON."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script, *map(str, args)], capture_output=True,
                          text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("seed", [1, 2])
def test_keys_killed_writer_loses_no_key_and_leaves_no_half_one(tmp_path: Path, seed: int) -> None:
    """25 times kill -9 at a random moment; a fifth of them while the store is being made."""
    result = outcome(KILLS, tmp_path / "keys.db", 25, seed)
    assert result["kills"] == 25
    assert result["keys"] > 5
    assert result["early"] < 20


@pytest.mark.parametrize("passphrase", ["", "words"])
def test_keys_creation_that_dies_at_any_step_is_completed(tmp_path: Path, passphrase: str) -> None:
    result = outcome(STEPS, tmp_path, passphrase)
    assert result["deaths"] > (15 if passphrase else 30)  # a key file takes some steps more


def test_keys_several_processes_write_at_once_and_lose_nothing(tmp_path: Path) -> None:
    result = outcome(WRITERS, tmp_path / "keys.db")
    own = [fact for fact in result["told"] if fact[0] != "shared"]
    assert len(own) == 32
    assert all(fact in result["found"] for fact in own)
    assert result["told"].count(["shared", 1, "created"]) == 1
    assert result["generations"] == [33]  # 1 and 32 rotations, each from the one before
    # Store; first key; own keys, each with a use; rotations, each with an end; the 33 uses of the inventory.
    assert result["lines"] == 1 + 1 + 32 * 2 + 32 * 2 + 33


def test_keys_journal_of_a_killed_writer_is_private_and_rolled_back(tmp_path: Path) -> None:
    result = outcome(HOT, tmp_path / "keys.db")
    assert set(result["modes"]) == {"keys.db", "keys.db.key", "keys.db-journal"}
    assert set(result["modes"].values()) == {0o600}
    assert result["found"] == result["told"]
    assert len(result["told"]) == 1
