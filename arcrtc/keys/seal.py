"""How values are sealed, and how the key that seals them is kept.

Values are sealed with AES-256-GCM (NIST SP 800-38D) under the store's data key, which
is random. Each nonce is 96 random bits, not a counter: a counter is only as good as
the file it is kept in, and goes back with a rolled-back transaction or a restored
backup. Random nonces bound how much one key may seal (section 8.3: 2**32 times for
a chance of 2**-32 that any two are equal); the store counts, and stops at MAX_SEALS.

The data key itself is wrapped: sealed under a key that is derived from a passphrase
(scrypt, RFC 7914) or from a key file (HKDF, RFC 5869), with a fresh salt each time.
"""
from __future__ import annotations

import hashlib
import os
import struct
import unicodedata
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from arcrtc.errors import ConfigError
from arcrtc.keys.secret import SecretBytes

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
SALT_BYTES: Final = 16
MAX_SEALS: Final = 2**31  # half of what is allowed: seals of rolled-back transactions are not counted

Field = str | int | float | bytes | None


def encode(*fields: Field) -> bytes:
    """Fields as bytes, such that other fields give other bytes: type, length, content of each."""
    out = bytearray()
    for field in fields:
        if field is None:
            kind, content = b"n", b""
        elif isinstance(field, str):
            kind, content = b"s", field.encode()
        elif isinstance(field, bytes):
            kind, content = b"b", field
        elif isinstance(field, int):
            kind, content = b"i", str(int(field)).encode()
        else:
            kind, content = b"f", struct.pack(">d", field)
        out += kind + len(content).to_bytes(4, "big") + content
    return bytes(out)


class Sealer:
    """Seals values under one key. Threads: any, it does not change.

    :param key: 32 bytes.
    """

    __slots__ = ("_aead",)

    def __init__(self, key: SecretBytes) -> None:
        self._aead = AESGCM(key.reveal())

    def seal(self, secret: SecretBytes, bound_to: bytes) -> bytes:
        """Encrypt; only with the same ``bound_to`` does it open again. 28 bytes longer than the secret."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret.reveal(), bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> SecretBytes | None:
        """Decrypt; None: it is not what was sealed, or was bound to something else."""
        try:
            return SecretBytes(self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to))
        except (InvalidTag, ValueError):  # ValueError: too short for a nonce or a tag
            return None


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """How much work one guess of a passphrase takes (RFC 7914): ``128 * n * r`` bytes of memory.

    The least allowed takes 16 MiB and some 0.05 s, the default 128 MiB and some 0.5 s.

    :ivar n: a power of two, 2**14..2**22.
    :ivar r: block size, 8..32.
    :ivar p: repetitions, 1..16.
    :raises ConfigError: out of range, or above 1 GiB of memory.
    """

    n: int = 2**17
    r: int = 8
    p: int = 1

    def __post_init__(self) -> None:
        for name, value, low, high in (("n", self.n, 2**14, 2**22), ("r", self.r, 8, 32), ("p", self.p, 1, 16)):
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise ConfigError(f"scrypt {name}={value!r} is outside {low}..{high}")
        if self.n & (self.n - 1):
            raise ConfigError(f"scrypt n={self.n} is not a power of two")
        if 128 * self.n * self.r > 2**30:
            raise ConfigError(f"scrypt n={self.n}, r={self.r} takes more than 1 GiB of memory")


def passphrase_bytes(passphrase: str | bytes) -> SecretBytes:
    """A passphrase as bytes: text in Unicode's form C (as RFC 8265 section 4.2), so that keyboards agree.

    :raises ConfigError: empty, or of another type.
    """
    if isinstance(passphrase, str):
        passphrase = unicodedata.normalize("NFC", passphrase).encode()
    if not isinstance(passphrase, bytes) or not passphrase:
        raise ConfigError("passphrase must be str or bytes, and not empty; None: use a key file")
    return SecretBytes(passphrase)


def key_from_passphrase(passphrase: SecretBytes, salt: bytes, cost: ScryptCost) -> SecretBytes:
    """The wrapping key of a passphrase. Slow on purpose; the interpreter lock is free meanwhile."""
    return SecretBytes(hashlib.scrypt(passphrase.reveal(), salt=salt, n=cost.n, r=cost.r, p=cost.p,
                                      maxmem=2**31 - 1, dklen=KEY_BYTES))


def key_from_file_key(file_key: SecretBytes, salt: bytes) -> SecretBytes:
    """The wrapping key of a key file's 32 random bytes."""
    return SecretBytes(HKDF(SHA256(), KEY_BYTES, salt, b"arcrtc.keys wrapping key").derive(file_key.reveal()))


@dataclass(frozen=True, slots=True)
class StoreKeys:
    """The two keys of a store.

    :ivar data_key: seals the values; a change of passphrase makes a new one.
    :ivar audit_key: chains the audit trail (HMAC-SHA256); made once.
    """

    data_key: SecretBytes
    audit_key: SecretBytes

    @classmethod
    def generate(cls, audit_key: SecretBytes | None = None) -> StoreKeys:
        """New random keys; with ``audit_key``: only a new data key."""
        return cls(SecretBytes(os.urandom(KEY_BYTES)), audit_key or SecretBytes(os.urandom(KEY_BYTES)))

    def wrap(self, wrapping_key: SecretBytes, bound_to: bytes) -> bytes:
        """Both keys, sealed."""
        return Sealer(wrapping_key).seal(
            SecretBytes(self.data_key.reveal() + self.audit_key.reveal()), bound_to)

    @classmethod
    def unwrap(cls, wrapped: bytes, wrapping_key: SecretBytes, bound_to: bytes) -> StoreKeys | None:
        """The keys; None: another wrapping key, or damage."""
        both = Sealer(wrapping_key).open(wrapped, bound_to)
        if both is None or len(both) != 2 * KEY_BYTES:
            return None
        return cls(SecretBytes(both.reveal()[:KEY_BYTES]), SecretBytes(both.reveal()[KEY_BYTES:]))
