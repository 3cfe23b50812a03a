"""Session parameters of ``a=crypto``: what differs from the defaults of SRTP.

Source: RFC 4568 sections 6.3 and 9.2.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from arcrtc._ranges import check_int
from arcrtc.errors import ConfigError, ParseError, UnsupportedError
from arcrtc.sdes.key import CryptoKey, parse_keys, parse_number

FEC_ORDERS: Final = ("FEC_SRTP", "SRTP_FEC")
WSH_MAX_PKTS: Final = 2**31 - 1

_FLAGS: Final = ("UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP")
_WORD: Final = re.compile(r"[!-~]+")
_OPTIONAL: Final = re.compile(r"-[!-,.-~][!-~]*")  # a dash, then no second one


@dataclass(frozen=True, slots=True)
class SessionParameters:
    """Session parameters of one ``a=crypto`` line; without any, the defaults of SRTP hold.

    The three flags are negotiated: they hold for both directions, and an answer
    repeats them. The others describe what the writer of the line sends.

    :ivar kdr: key derivation rate as a power of two, 1..24; None: keys are derived once.
    :ivar unencrypted_srtp: RTP goes in clear. :ivar unencrypted_srtcp: RTCP goes in clear.
    :ivar unauthenticated_srtp: RTP has no tag.
    :ivar fec_order: ``FEC_SRTP`` (repair packets are made first, then all is protected) or
        ``SRTP_FEC``; None: not told, which means FEC_SRTP.
    :ivar fec_keys: keys of a repair stream that goes to another address or port.
    :ivar wsh: hint for the replay window of the receiver, 64..2**31-1 packets; None: none.
    :ivar optional: unknown parameters that may be ignored, each with its dash, as they came.
    :raises ConfigError: out of range; names the field.
    """

    kdr: int | None = None
    unencrypted_srtp: bool = False
    unencrypted_srtcp: bool = False
    unauthenticated_srtp: bool = False
    fec_order: str | None = None
    fec_keys: tuple[CryptoKey, ...] = ()
    wsh: int | None = None
    optional: tuple[str, ...] = field(default=(), repr=False)  # nobody knows what they hold

    def __post_init__(self) -> None:
        object.__setattr__(self, "fec_keys", tuple(self.fec_keys))
        object.__setattr__(self, "optional", tuple(self.optional))
        if self.kdr is not None:
            check_int("kdr", self.kdr, 1, 24)
        if self.wsh is not None:
            check_int("wsh", self.wsh, 64, WSH_MAX_PKTS)
        if self.fec_order not in (None, *FEC_ORDERS):
            raise ConfigError(f"fec_order={self.fec_order!r} is none of {', '.join(FEC_ORDERS)}")
        for name in map(str.lower, _FLAGS):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}={getattr(self, name)!r} is neither True nor False")
        if not all(isinstance(word, str) and _OPTIONAL.fullmatch(word) for word in self.optional):
            raise ConfigError("optional must hold words that begin with one dash")

    @property
    def negotiated(self) -> tuple[str, ...]:
        """The parameters that an answer must repeat (RFC 4568 section 5.1.2)."""
        return tuple(word for word in _FLAGS if getattr(self, word.lower()))

    def to_words(self) -> tuple[str, ...]:
        """The parameters as they are written, in the order of RFC 4568; FEC_KEY holds keys."""
        words = [f"KDR={self.kdr}"] if self.kdr is not None else []
        words += self.negotiated
        if self.fec_order is not None:
            words.append(f"FEC_ORDER={self.fec_order}")
        if self.fec_keys:
            words.append("FEC_KEY=" + ";".join(key.to_text() for key in self.fec_keys))
        if self.wsh is not None:
            words.append(f"WSH={self.wsh}")
        return (*words, *self.optional)

    @classmethod
    def parse(cls, words: Sequence[str], key_salt_bytes: int) -> SessionParameters:
        """Read the parameters; names and values are known in capital and small letters.

        :param key_salt_bytes: length of key and salt together, by the suite.
        :raises ParseError: malformed, or one stands there twice; no word is shown.
        :raises UnsupportedError: unknown, and not marked as one to ignore (RFC 4568 section 6.3.7).
        """
        values: dict[str, Any] = {}
        optional: list[str] = []
        for word in words:
            if not _WORD.fullmatch(word):
                raise ParseError("a=crypto: a session parameter has a character that is not allowed")
            if word.startswith("-"):
                if not _OPTIONAL.fullmatch(word):
                    raise ParseError("a=crypto: a session parameter is nothing but dashes, or begins with two")
                optional.append(word)
                continue
            name, value = _parse_known(word, key_salt_bytes)
            if name in values:
                raise ParseError(f"a=crypto: the session parameter {name.upper()} stands there twice")
            values[name] = value
        return cls(**values, optional=tuple(optional))


def _parse_known(word: str, key_salt_bytes: int) -> tuple[str, Any]:
    """Field of SessionParameters and its value."""
    name, equals, value = word.partition("=")
    name = name.upper()
    if name in _FLAGS and not equals:
        return name.lower(), True
    if name == "KDR":
        return "kdr", parse_number(value, 1, 24, "KDR")
    if name == "WSH":
        return "wsh", parse_number(value, 64, WSH_MAX_PKTS, "WSH")
    if name == "FEC_ORDER":
        if value.upper() not in FEC_ORDERS:
            raise ParseError(f"a=crypto: FEC_ORDER is none of {', '.join(FEC_ORDERS)}")
        return "fec_order", value.upper()
    if name == "FEC_KEY":
        return "fec_keys", parse_keys(value, key_salt_bytes)
    raise UnsupportedError("a=crypto: a session parameter is unknown and must not be ignored")
