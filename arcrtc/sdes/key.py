"""Key parameters of ``a=crypto``: ``inline:<key and salt>|<lifetime>|<MKI>:<length>``.

Source: RFC 4568 sections 6.1 and 9.
"""
from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from arcrtc._ranges import check_int
from arcrtc.errors import ConfigError, ParseError

LIFETIME_MAX_PKTS: Final = 2**48  # RFC 3711 section 9.2
MKI_MAX_BYTES: Final = 128  # RFC 4568 section 6.1

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,319}", re.ASCII)  # an MKI of 128 bytes has up to 309 digits


def parse_number(text: str, low: int, high: int, what: str) -> int:
    """A decimal number without leading zeros.

    :raises ParseError: it is none, or outside ``low..high``.
    """
    if not _NUMBER.fullmatch(text) or not low <= int(text) <= high:
        limit = f"{low}..{high}" if high < 2**64 else f"{low} and above, of the length that is stated"
        raise ParseError(f"a=crypto: {what} is not a number in {limit} without leading zeros")
    return int(text)


@dataclass(frozen=True, slots=True, eq=False)
class CryptoKey:
    """One master key with its salt and the rules for its use. Never printed by ``repr``.

    :ivar key_salt: master key and master salt, one after the other, as long as the suite says.
    :ivar lifetime_pkts: SRTP packets, and SRTCP packets, that the key may protect, 1..2**48;
        None: the suite's own limits.
    :ivar mki: master key identifier as packets carry it, 1..128 bytes, not all of them zero; b"": none.
    :raises ConfigError: out of range; names the field, not the key.
    """

    key_salt: bytes = field(repr=False)
    lifetime_pkts: int | None = None
    mki: bytes = b""

    def __post_init__(self) -> None:
        if not isinstance(self.key_salt, bytes):
            raise ConfigError(f"key_salt is {type(self.key_salt).__name__}, must be bytes")
        if self.lifetime_pkts is not None:
            check_int("lifetime_pkts", self.lifetime_pkts, 1, LIFETIME_MAX_PKTS)
        if not isinstance(self.mki, bytes) or len(self.mki) > MKI_MAX_BYTES:
            raise ConfigError(f"mki must be at most {MKI_MAX_BYTES} bytes")
        if self.mki and not any(self.mki):
            raise ConfigError("mki must not be zero: in a session description it is a positive number")

    def to_text(self) -> str:
        """The parameter, with the key."""
        text = f"inline:{base64.b64encode(self.key_salt).decode()}"
        life = self.lifetime_pkts
        if life is not None:
            text += f"|2^{life.bit_length() - 1}" if life > 1 and life & (life - 1) == 0 else f"|{life}"
        if self.mki:
            text += f"|{int.from_bytes(self.mki, 'big')}:{len(self.mki)}"
        return text

    @classmethod
    def parse(cls, text: str, key_salt_bytes: int) -> CryptoKey:
        """Read one parameter.

        :param key_salt_bytes: length of key and salt together, by the suite.
        :raises ParseError: malformed; the message does not show the key.
        """
        method, _, info = text.partition(":")
        if method.lower() != "inline":  # the only method that SRTP has (RFC 4568 section 6.1)
            raise ParseError("a=crypto: the key must be inline:<base64>")
        encoded, *rest = info.split("|")
        mki = _parse_mki(rest.pop()) if rest and ":" in rest[-1] else b""
        if len(rest) > 1:
            raise ParseError("a=crypto: a key is followed by a lifetime and an MKI at most")
        lifetime_pkts = _parse_lifetime(rest[0]) if rest else None
        return cls(_parse_key_salt(encoded, key_salt_bytes), lifetime_pkts, mki)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CryptoKey):
            return NotImplemented
        return ((self.lifetime_pkts, self.mki) == (other.lifetime_pkts, other.mki)
                and hmac.compare_digest(self.key_salt, other.key_salt))

    def __hash__(self) -> int:
        return hash((self.lifetime_pkts, self.mki, self.key_salt))


def _parse_key_salt(text: str, n: int) -> bytes:
    digits = text.rstrip("=")
    padding = "=" * (-len(digits) % 4)
    if not _BASE64.fullmatch(digits) or len(padding) > 2 or text not in (digits, digits + padding):
        raise ParseError("a=crypto: the key is not base64")
    key_salt = base64.b64decode(digits + padding)
    if len(key_salt) != n:
        raise ParseError(f"a=crypto: the key of this suite is {n} bytes, not {len(key_salt)}")
    return key_salt


def _parse_lifetime(text: str) -> int:
    if text.startswith("2^"):
        return int(2 ** parse_number(text[2:], 0, 48, "lifetime 2^"))
    return parse_number(text, 1, LIFETIME_MAX_PKTS, "lifetime")


def _parse_mki(text: str) -> bytes:
    value, _, length = text.partition(":")
    n = parse_number(length, 1, MKI_MAX_BYTES, "MKI length")
    return parse_number(value, 1, 256**n - 1, "MKI").to_bytes(n, "big")


def parse_keys(text: str, key_salt_bytes: int) -> tuple[CryptoKey, ...]:
    """Read ``key-params``: one or more parameters with ``;`` between.

    :raises ParseError: malformed, or several keys that cannot be told apart.
    """
    keys = tuple(CryptoKey.parse(part, key_salt_bytes) for part in text.split(";"))
    try:
        check_keys("a=crypto", keys, key_salt_bytes)
    except ConfigError as error:
        raise ParseError(str(error)) from None
    return keys


def check_keys(name: str, keys: tuple[CryptoKey, ...], key_salt_bytes: int) -> None:
    """Raise ConfigError unless the keys can stand in one attribute (RFC 4568 section 6.1)."""
    for key in keys:
        if not isinstance(key, CryptoKey) or len(key.key_salt) != key_salt_bytes:
            raise ConfigError(f"{name} must hold keys of {key_salt_bytes} bytes with their salt")
    if len(keys) > 1:
        lengths = {len(key.mki) for key in keys}
        if len(lengths) > 1 or 0 in lengths:
            raise ConfigError(f"{name}: several keys need an MKI each, all of the same length")
        if len({key.mki for key in keys}) < len(keys):
            raise ConfigError(f"{name}: two keys have the same MKI")
        if len({key.key_salt for key in keys}) < len(keys):
            raise ConfigError(f"{name}: the same key stands there twice")
