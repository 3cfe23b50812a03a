"""The pieces of arcrtc.keys without a store: secrets, sealing, key files, the chain."""
from __future__ import annotations

import copy
import dataclasses
import os
import pickle
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc.keys import (
    AuditAction,
    AuditEntry,
    AuditNote,
    KeyInfo,
    KeyStoreFault,
    ScryptCost,
    SecretBytes,
    SessionKey,
    chain,
    files,
    seal,
)
from arcrtc.keys.records import check_ssrc, session_name
from arcrtc.srtp import SrtpProfile

FIELD = st.none() | st.text() | st.binary() | st.integers() | st.floats(allow_nan=False)
INFO = KeyInfo(session_id="s", ssrc=1, generation=1, profile=SrtpProfile.AEAD_AES_128_GCM, key_id=UUID(int=1),
               salt_id=UUID(int=2), created_s=0.0, expires_s=10.0)


def test_secret_shows_only_its_length() -> None:
    secret = SecretBytes(b"0123456789abcdef")
    for text in (repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", repr([secret])):
        assert "SecretBytes(<16 bytes>)" in text
        assert "0123" not in text
    assert len(secret) == 16
    with pytest.raises(TypeError):
        bytes(secret)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        hash(secret)


def test_secret_compares_content() -> None:
    assert SecretBytes(b"a") == SecretBytes(bytearray(b"a"))
    assert SecretBytes(b"a") != SecretBytes(b"b")
    assert SecretBytes(b"a") != SecretBytes(b"ab")
    assert SecretBytes(b"a") != b"a"


def test_secret_wiped_is_gone() -> None:
    source = bytearray(b"key")
    secret = SecretBytes(source)
    source[:] = b"xxx"
    assert secret.reveal() == b"key"
    secret.wipe()
    with pytest.raises(errors.ArgumentError, match="wiped"):
        secret.reveal()
    assert secret != SecretBytes(bytes(3))
    assert secret._data == bytes(3)


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_secret_refuses_copies(copied: object) -> None:
    for thing in (SecretBytes(b"k"), SessionKey(INFO, SecretBytes(bytes(16)), SecretBytes(bytes(12)))):
        if copied is copy.copy and isinstance(thing, SessionKey):
            continue  # shares the secrets, copies no byte
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            copied(thing)  # type: ignore[operator]
    with pytest.raises(TypeError):
        dataclasses.asdict(SessionKey(INFO, SecretBytes(b"k"), SecretBytes(b"s")))


@given(st.lists(FIELD, max_size=4), st.lists(FIELD, max_size=4))
def test_seal_encode_tells_all_fields_apart(one: list[seal.Field], other: list[seal.Field]) -> None:
    same = [(type(a), repr(a)) for a in one] == [(type(b), repr(b)) for b in other]
    assert (seal.encode(*one) == seal.encode(*other)) is same


def test_seal_encode_knows_where_a_field_ends() -> None:
    assert seal.encode("ab", "c") != seal.encode("a", "bc")
    assert seal.encode("1") != seal.encode(1) != seal.encode(1.0) != seal.encode(b"1")
    assert seal.encode(None) != seal.encode("")


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=20), st.integers(0, 10**6), st.integers(0, 7))
def test_seal_opens_only_what_was_sealed(data: bytes, bound: bytes, at: int, bit: int) -> None:
    sealer = seal.Sealer(SecretBytes(bytes(32)))
    sealed = sealer.seal(SecretBytes(data), bound)
    assert len(sealed) == len(data) + 28
    assert sealer.open(sealed, bound) == SecretBytes(data)
    assert sealer.open(sealed, bound + b"x") is None
    assert sealer.open(sealed[:-1], bound) is None
    assert seal.Sealer(SecretBytes(b"\1" * 32)).open(sealed, bound) is None
    flipped = bytearray(sealed)
    flipped[at % len(sealed)] ^= 1 << bit
    assert sealer.open(bytes(flipped), bound) is None


@given(st.binary(max_size=40))
def test_seal_opens_no_noise(noise: bytes) -> None:
    assert seal.Sealer(SecretBytes(bytes(32))).open(noise, b"") is None


def test_seal_takes_a_new_nonce_each_time() -> None:
    sealer = seal.Sealer(SecretBytes(bytes(32)))
    sealed = {sealer.seal(SecretBytes(b"same"), b"") for _ in range(1000)}
    assert len({one[:seal.NONCE_BYTES] for one in sealed}) == 1000


def test_seal_scrypt_is_that_of_another_implementation() -> None:
    cost = ScryptCost(n=2**14, r=8, p=2)
    ours = seal.key_from_passphrase(SecretBytes(b"pass"), b"salt" * 4, cost)
    assert ours.reveal() == Scrypt(salt=b"salt" * 4, length=32, n=2**14, r=8, p=2).derive(b"pass")


def test_seal_wrapping_keys_depend_on_salt() -> None:
    key = SecretBytes(bytes(32))
    assert seal.key_from_file_key(key, b"1" * 16) != seal.key_from_file_key(key, b"2" * 16)
    assert seal.key_from_file_key(key, b"1" * 16) == seal.key_from_file_key(key, b"1" * 16)


@pytest.mark.parametrize("values", [
    {"n": 2**13}, {"n": 2**14 + 1}, {"n": 2**23}, {"r": 7}, {"r": 33}, {"p": 0}, {"p": 17}, {"n": 2**22, "r": 8},
    {"n": None}, {"p": True}, {"n": float(2**14)},
])
def test_seal_scrypt_cost_has_bounds(values: dict[str, int]) -> None:
    with pytest.raises(errors.ConfigError, match="scrypt"):
        ScryptCost(**values)


def test_seal_passphrase_is_the_same_from_any_keyboard() -> None:
    assert seal.passphrase_bytes("caf\u00e9") == seal.passphrase_bytes("cafe\u0301")
    assert seal.passphrase_bytes(b"abc") == seal.passphrase_bytes("abc")
    for wrong in ("", b"", 5):
        with pytest.raises(errors.ConfigError, match="passphrase"):
            seal.passphrase_bytes(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["", "x" * 201, "a\nb", "a\0", "\ud800", 5, None, b"s"])
def test_keys_session_id_wrong_is_an_argument_error(wrong: object) -> None:
    with pytest.raises(errors.ArgumentError, match="session_id"):
        session_name(wrong)  # type: ignore[arg-type]


def test_keys_session_id_as_uuid_is_its_text() -> None:
    assert session_name(UUID(int=7)) == session_name(str(UUID(int=7)))
    assert session_name("x" * 200) == "x" * 200


@pytest.mark.parametrize("wrong", [-1, 2**32, True, 1.0, "1", None])
def test_keys_ssrc_wrong_is_an_argument_error(wrong: object) -> None:
    with pytest.raises(errors.ArgumentError, match="ssrc"):
        check_ssrc(wrong)  # type: ignore[arg-type]


def test_keys_is_valid_until_it_expires() -> None:
    assert INFO.is_valid(9.999)
    assert not INFO.is_valid(10.0)
    assert dataclasses.replace(INFO, expires_s=None).is_valid(1e12)


# --- key files ---

def test_keyfile_written_is_read_and_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    before = os.umask(0)
    try:
        files.make_key_file(path, 1)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    key = files.read_key_file(path)
    assert len(key) == 32
    files.make_key_file(path, 1)
    assert files.read_key_file(path) == key
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_keyfile_every_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    files.make_key_file(path, 1)
    whole = path.read_bytes()
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        with pytest.raises(errors.KeyStoreError) as caught:
            files.read_key_file(path)
        assert caught.value.reason in (KeyStoreFault.DAMAGED, KeyStoreFault.FOREIGN)


@given(st.data())
def test_keyfile_altered_byte_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("key") / "key"
    files.make_key_file(path, 1)
    whole, key = bytearray(path.read_bytes()), files.read_key_file(path)
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    try:
        found: object = files.read_key_file(path)
    except errors.KeyStoreError as error:
        found = error
    if isinstance(found, errors.KeyStoreError):
        assert found.reason in (KeyStoreFault.DAMAGED, KeyStoreFault.FOREIGN)
        assert key.reveal().hex() not in str(found)
    else:
        assert found == key  # the same byte again, or a digit in capitals


# --- the chain ---

KEY = SecretBytes(b"a" * 32)


def note(seq: int, **values: object) -> AuditEntry:
    fields: dict[str, object] = {"at_s": float(seq), "actor": "me", "action": AuditAction.KEY_USED, "session_id": "s",
                                 "ssrc": seq, "generation": 1, "key_id": UUID(int=seq)}
    return AuditEntry(seq=seq, note=AuditNote(**{**fields, **values}))  # type: ignore[arg-type]


def make_chain(n: int) -> tuple[chain.ChainEnds, list[tuple[AuditEntry, bytes]]]:
    ends, lines = chain.EMPTY, []
    for seq in range(1, n + 1):
        code = chain.line_code(KEY, ends.mac, note(seq))
        lines.append((note(seq), code))
        ends = dataclasses.replace(ends, last=seq, mac=code)
    return ends, lines


@pytest.mark.parametrize("n", [0, 1, 5])
def test_chain_whole_has_no_fault(n: int) -> None:
    assert chain.first_fault(KEY, *make_chain(n)) is None


@given(st.integers(1, 6), st.data())
def test_chain_finds_what_was_removed(n: int, data: st.DataObject) -> None:
    ends, lines = make_chain(n)
    gone = data.draw(st.integers(1, n))
    assert chain.first_fault(KEY, ends, lines[:gone - 1] + lines[gone:]) == gone


@pytest.mark.parametrize("altered", [
    {"at_s": 9.5}, {"actor": "you"}, {"action": AuditAction.KEY_DELETED}, {"session_id": "t"}, {"session_id": None},
    {"ssrc": 77}, {"generation": 2}, {"key_id": UUID(int=99)},
])
def test_chain_finds_each_altered_field(altered: dict[str, object]) -> None:
    ends, lines = make_chain(4)
    lines[1] = (note(2, **altered), lines[1][1])
    assert chain.first_fault(KEY, ends, lines) == 2


def test_chain_finds_swapped_added_and_forged_lines() -> None:
    ends, lines = make_chain(4)
    assert chain.first_fault(KEY, ends, [lines[0], lines[2], lines[1], lines[3]]) == 2
    extra = note(5)
    assert chain.first_fault(KEY, ends, [*lines, (extra, chain.line_code(KEY, ends.mac, extra))]) == 5
    other = SecretBytes(b"b" * 32)
    forged = (lines[0][0], chain.line_code(other, ends.base, lines[0][0]))
    assert chain.first_fault(KEY, ends, [forged, *lines[1:]]) == 1


def test_chain_head_covers_its_store_and_both_ends() -> None:
    ends, _ = make_chain(2)
    codes = {chain.head_code(KEY, "s", ends), chain.head_code(KEY, "t", ends)}
    for field, value in (("first", 2), ("base", b"x" * 32), ("last", 3), ("mac", b"y" * 32)):
        codes.add(chain.head_code(KEY, "s", dataclasses.replace(ends, **{field: value})))  # type: ignore[arg-type]
    assert len(codes) == 6


# --- errors ---

def test_keys_errors_keep_their_reason_when_pickled() -> None:
    for kind in (errors.KeyStoreError, errors.KeyStorePermissionError):
        error = pickle.loads(pickle.dumps(kind("what", KeyStoreFault.FULL)))
        assert (type(error), str(error), error.reason) == (kind, "what", KeyStoreFault.FULL)
    assert issubclass(errors.KeyStorePermissionError, PermissionError)
    assert issubclass(errors.KeyNotFoundError, KeyError)
    assert str(errors.KeyNotFoundError("no quotes")) == "no quotes"
