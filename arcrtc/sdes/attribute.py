"""Keys in a session description: ``a=crypto`` (RFC 4568)."""
from __future__ import annotations

import base64
import binascii
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from arcrtc._ranges import check_int
from arcrtc.errors import ConfigError, ParseError

#: Bytes of master key and master salt of each suite.
CRYPTO_SUITES: Final[dict[str, tuple[int, int]]] = {
    "AES_CM_128_HMAC_SHA1_80": (16, 14),  # RFC 4568 section 6.2
    "AES_CM_128_HMAC_SHA1_32": (16, 14),
    "AES_256_CM_HMAC_SHA1_80": (32, 14),  # RFC 6188 section 4
    "AES_256_CM_HMAC_SHA1_32": (32, 14),
    "AEAD_AES_128_GCM": (16, 12),  # RFC 7714 section 14.1
    "AEAD_AES_256_GCM": (32, 12),
}

_DIGITS: Final = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, eq=False)
class CryptoAttribute:
    """Keys of one media section, ``a=crypto`` (RFC 4568 section 4). Never printed by ``repr``.

    :ivar tag: number of the offer, 1..999999999.
    :ivar suite: one of CRYPTO_SUITES.
    :ivar key_salt: master key and master salt, one after the other, as long as the suite says.
    :ivar lifetime_pkts: packets that the key may protect, 1..2**48; None: the suite's own limit.
    :raises ConfigError: out of range; names the field, not the key.
    """

    tag: int
    suite: str
    key_salt: bytes = field(repr=False)
    lifetime_pkts: int | None = None

    def __post_init__(self) -> None:
        check_int("tag", self.tag, 1, 999_999_999)
        if self.suite not in CRYPTO_SUITES:
            raise ConfigError(f"suite={self.suite!r} is none of {', '.join(CRYPTO_SUITES)}")
        key, salt = CRYPTO_SUITES[self.suite]
        if not isinstance(self.key_salt, bytes) or len(self.key_salt) != key + salt:
            raise ConfigError(f"key_salt must be {key} + {salt} bytes for {self.suite}")
        if self.lifetime_pkts is not None:
            check_int("lifetime_pkts", self.lifetime_pkts, 1, 2**48)

    @property
    def master_key(self) -> bytes:
        """The master key."""
        return self.key_salt[:CRYPTO_SUITES[self.suite][0]]

    @property
    def master_salt(self) -> bytes:
        """The master salt."""
        return self.key_salt[CRYPTO_SUITES[self.suite][0]:]

    def to_text(self) -> str:
        """The value of the attribute, with the key."""
        life = "" if self.lifetime_pkts is None else f"|{self.lifetime_pkts}"
        return f"{self.tag} {self.suite} inline:{base64.b64encode(self.key_salt).decode()}{life}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CryptoAttribute):
            return NotImplemented
        return ((self.tag, self.suite, self.lifetime_pkts) == (other.tag, other.suite, other.lifetime_pkts)
                and hmac.compare_digest(self.key_salt, other.key_salt))

    def __hash__(self) -> int:
        return hash((self.tag, self.suite, self.lifetime_pkts))

    @classmethod
    def parse(cls, text: str) -> CryptoAttribute | None:
        """Read the value of an attribute.

        :returns: None for one that is well-formed but not ours to use: another suite, several keys,
            a master key identifier, or session parameters (RFC 4568 section 5.1.2: such are passed over).
        :raises ParseError: malformed; the message does not show the key.
        """
        words = text.split()
        if len(words) < 3:
            raise ParseError("a=crypto: tag, suite and key are needed")
        tag = _number(words[0], 1, 999_999_999, "a=crypto tag")
        if words[1] not in CRYPTO_SUITES or len(words) > 3 or ";" in words[2]:
            return None
        method, _, value = words[2].partition(":")
        parts = value.split("|")
        if method.lower() != "inline" or len(parts) > 3:
            raise ParseError("a=crypto: the key must be inline:<base64>")
        lifetime_pkts = None
        for part in parts[1:]:
            if ":" in part:
                return None  # a master key identifier
            base, power, exponent = part.partition("^")
            if power and base != "2":
                raise ParseError("a=crypto: a lifetime is a number of packets or 2^n")
            lifetime_pkts = (2 ** _number(exponent, 0, 48, "a=crypto lifetime") if power
                             else _number(part, 1, 2**48, "a=crypto lifetime"))
        try:
            key_salt = base64.b64decode(parts[0] + "=" * (-len(parts[0]) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise ParseError("a=crypto: the key is not base64") from None
        if len(key_salt) != sum(CRYPTO_SUITES[words[1]]):
            raise ParseError(f"a=crypto: the key of {words[1]} is {sum(CRYPTO_SUITES[words[1]])} bytes, "
                             f"not {len(key_salt)}")
        return cls(tag, words[1], key_salt, lifetime_pkts)


def _number(text: str, low: int, high: int, what: str) -> int:
    if not _DIGITS.fullmatch(text) or not low <= int(text) <= high:
        raise ParseError(f"session description: {what} is not a number in {low}..{high}")
    return int(text)
