"""The one row of a store that says how it is opened, and where its audit trail stands."""
from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import uuid4

from arcrtc.errors import ConfigError, KeyStoreError, KeyStoreFault
from arcrtc.keys import chain
from arcrtc.keys.files import read_key_file
from arcrtc.keys.seal import (
    SALT_BYTES,
    ScryptCost,
    StoreKeys,
    encode,
    key_from_file_key,
    key_from_passphrase,
)
from arcrtc.keys.secret import SecretBytes

_PASSPHRASE: Final = "passphrase"
_KEY_FILE: Final = "key_file"
_COLUMNS: Final = ("store_id, epoch, wrap, salt, scrypt_n, scrypt_r, scrypt_p, wrapped, seals, "
                   "audit_first, audit_base, audit_last, audit_mac, audit_head")


@dataclass(frozen=True, slots=True)
class Credential:
    """What opens a store.

    :ivar key_file: the file to use where there is no passphrase.
    :ivar passphrase: None: the key file.
    """

    key_file: Path
    passphrase: SecretBytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The row.

    :ivar store_id: a UUID's text; values are bound to it.
    :ivar epoch: 1, and one more with each change of the passphrase.
    :ivar salt: of the wrapping key. :ivar cost: scrypt's, None: a key file is used.
    :ivar wrapped: the store's two keys, sealed. :ivar seals: values sealed with the data key so far.
    :ivar ends: ends of the audit trail. :ivar head: their code.
    """

    store_id: str
    epoch: int
    salt: bytes
    cost: ScryptCost | None
    wrapped: bytes = b""
    seals: int = 0
    ends: chain.ChainEnds = chain.EMPTY
    head: bytes = b""

    @property
    def bound_to(self) -> bytes:
        """What the wrapped keys are bound to: all that says how to unwrap them."""
        cost = self.cost or ScryptCost()
        kind = _KEY_FILE if self.cost is None else _PASSPHRASE
        return encode("arcrtc.keys wrapped", self.store_id, self.epoch, kind, self.salt, cost.n, cost.r, cost.p)

    def wrapping_key(self, credential: Credential) -> SecretBytes:
        """The key that the credential gives with this salt. Slow for a passphrase."""
        if self.cost is not None and credential.passphrase is not None:
            return key_from_passphrase(credential.passphrase, self.salt, self.cost)
        return key_from_file_key(read_key_file(credential.key_file), self.salt)


def new_header(credential: Credential, cost: ScryptCost, keys: StoreKeys, *, store_id: str = "",
               epoch: int = 1) -> Header:
    """A row that ``credential`` opens; ``store_id`` empty: of a new store."""
    header = Header(store_id=store_id or str(uuid4()), epoch=epoch, salt=os.urandom(SALT_BYTES),
                    cost=None if credential.passphrase is None else cost)
    return replace(header, wrapped=keys.wrap(header.wrapping_key(credential), header.bound_to))


def unwrap(header: Header, credential: Credential, path: Path) -> StoreKeys:
    """The keys of a store.

    :raises KeyStoreError: the credential is not the one that opens it, and which is.
    """
    if header.cost is not None and credential.passphrase is None:
        raise KeyStoreError(f"{path} has a passphrase, and none was given: open it with passphrase=",
                            KeyStoreFault.NO_PASSPHRASE)
    if header.cost is None and credential.passphrase is not None:
        raise KeyStoreError(f"{path} has no passphrase, its key file opens it: open it with passphrase=None, "
                            "then change_passphrase()", KeyStoreFault.WRONG_PASSPHRASE)
    keys = StoreKeys.unwrap(header.wrapped, header.wrapping_key(credential), header.bound_to)
    if keys is not None:
        return keys
    if header.cost is not None:
        raise KeyStoreError(f"the passphrase does not open {path}: it is another one, or the file is damaged",
                            KeyStoreFault.WRONG_PASSPHRASE)
    raise KeyStoreError(f"the key file {credential.key_file} does not open {path}: it is of another store, or the "
                        "store is damaged", KeyStoreFault.WRONG_KEY_FILE)


def read_header(database: sqlite3.Connection, path: Path) -> Header:
    """The row as it is stored.

    :raises KeyStoreError: it is not there, or holds what cannot be.
    """
    row = database.execute(f"SELECT {_COLUMNS} FROM store").fetchone()
    damaged = KeyStoreError(f"{path}: the description of the store is damaged: restore it from a backup",
                            KeyStoreFault.DAMAGED)
    if row is None:
        raise damaged
    store_id, epoch, kind, salt, n, r, p, wrapped, seals, first, base, last, mac, head = row
    blobs, numbers = (salt, wrapped, base, mac, head), (epoch, seals, first, last)
    if kind not in (_PASSPHRASE, _KEY_FILE) or not all(isinstance(blob, bytes) for blob in blobs) \
            or not all(isinstance(number, int) for number in numbers) or not isinstance(store_id, str):
        raise damaged
    try:
        cost = ScryptCost(n, r, p) if kind == _PASSPHRASE else None  # never less work than is allowed
    except ConfigError:
        raise damaged from None
    return Header(store_id=store_id, epoch=epoch, salt=salt, cost=cost, wrapped=wrapped, seals=seals,
                  ends=chain.ChainEnds(first, base, last, mac), head=head)


def write_header(database: sqlite3.Connection, header: Header) -> None:
    """Put the row in the place of the one before; within a transaction."""
    cost, ends = header.cost, header.ends
    scrypt = (None, None, None) if cost is None else (cost.n, cost.r, cost.p)
    values = (header.store_id, header.epoch, _KEY_FILE if cost is None else _PASSPHRASE, header.salt, *scrypt,
              header.wrapped, header.seals, ends.first, ends.base, ends.last, ends.mac, header.head)
    database.execute(f"INSERT OR REPLACE INTO store (id, {_COLUMNS}) VALUES (1{', ?' * len(values)})", values)
