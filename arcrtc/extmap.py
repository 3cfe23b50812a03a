"""Header extensions in a session description: ``a=extmap``.

Source: RFC 8285 sections 5 to 8, RFC 6904 section 4 (encrypted elements).
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from arcrtc.errors import ConfigError, ParseError

ENCRYPT_URI: Final = "urn:ietf:params:rtp-hdrext:encrypt"
DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[!-~]+")  # absolute ones only: RFC 8285 section 8
_ATTRIBUTES: Final = re.compile(r"|[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]"
                                r"([^\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*"
                                r"[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff])?")
_ENTRY: Final = re.compile(r"([0-9]{1,5})(?:/([a-z]+))?")


@dataclass(frozen=True, slots=True)
class ExtensionMap:
    """Which header extension an identifier stands for.

    :ivar ident: 1..255 in packets (1..14 in the one-byte form); 4096..4351: offered, to
        be given an identifier by the answer.
    :ivar uri: of the extension, absolute.
    :ivar direction: ``sendrecv``, ``sendonly``, ``recvonly`` or ``inactive``; None: that of the section.
    :ivar attributes: what the extension itself defines, one line.
    :ivar encrypted: the elements are encrypted (RFC 6904); only in sections with SRTP.
    :raises ConfigError: out of range; names the field.
    """

    ident: int
    uri: str
    direction: str | None = None
    attributes: str = ""
    encrypted: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.ident, bool) or not isinstance(self.ident, int) or not (
                1 <= self.ident <= 255 or 4096 <= self.ident <= 4351):
            raise ConfigError(f"ident={self.ident!r} is neither in 1..255 nor in 4096..4351")
        if not isinstance(self.uri, str) or not _URI.fullmatch(self.uri):
            raise ConfigError(f"uri={self.uri!r} is not an absolute URI")
        if self.uri == ENCRYPT_URI:  # RFC 6904 section 4: not applied to itself
            raise ConfigError(f"uri={self.uri!r}: give the URI of the extension, and encrypted=True")
        if self.direction not in (None, *DIRECTIONS):
            raise ConfigError(f"direction={self.direction!r} is none of {', '.join(DIRECTIONS)}")
        if not isinstance(self.attributes, str) or not _ATTRIBUTES.fullmatch(self.attributes):
            raise ConfigError(f"attributes={self.attributes!r} cannot stand in a session description")
        if not isinstance(self.encrypted, bool):
            raise ConfigError(f"encrypted={self.encrypted!r} is neither True nor False")

    def to_text(self) -> str:
        """The value of the attribute."""
        words = [f"{self.ident}/{self.direction}" if self.direction else str(self.ident)]
        words += [ENCRYPT_URI] if self.encrypted else []
        words += [self.uri, self.attributes] if self.attributes else [self.uri]
        return " ".join(words)

    @classmethod
    def parse(cls, text: str) -> ExtensionMap:
        """Read the value of an attribute.

        :raises ParseError: malformed.
        """
        entry, _, rest = text.strip().partition(" ")
        match = _ENTRY.fullmatch(entry)
        if not match:
            raise ParseError("a=extmap does not begin with <number>[/<direction>]")
        uri, _, attributes = rest.strip().partition(" ")
        encrypted = uri == ENCRYPT_URI  # in small letters: RFC 6904 section 4
        if encrypted:
            uri, _, attributes = attributes.strip().partition(" ")
        try:
            return cls(int(match[1]), uri, match[2], attributes.strip(), encrypted)
        except ConfigError as error:
            raise ParseError(f"a=extmap: {error}") from None


def check_extension_maps(maps: Sequence[ExtensionMap]) -> None:
    """Raise ConfigError unless the maps can stand in one media section.

    An identifier of packets stands for one extension; those above are alternatives (RFC 8285 section 7).
    """
    if not all(isinstance(m, ExtensionMap) for m in maps):
        raise ConfigError("extmap must hold ExtensionMap only")
    idents = [m.ident for m in maps if m.ident <= 255]
    if len(set(idents)) < len(idents):
        raise ConfigError("extmap gives one identifier to two extensions")
