"""One ``a=crypto`` line, and what it means for SRTP.

Source: RFC 4568 sections 4, 6 and 9.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from arcrtc._native import lib
from arcrtc._ranges import check_int
from arcrtc.errors import ConfigError, ParseError, UnsupportedError
from arcrtc.sdes.key import CryptoKey, check_keys, parse_keys, parse_number
from arcrtc.sdes.parameters import SessionParameters
from arcrtc.sdes.suites import CRYPTO_SUITES, SUITE_PROFILES, suite_of
from arcrtc.srtp import SrtpConfig, SrtpProfile

TAG_MAX: Final = 999_999_999  # nine digits: RFC 4568 section 9.1

_SUITE: Final = re.compile(r"[A-Za-z0-9_]+")
_DEFAULT_WINDOW_PKTS: Final = int(lib.ARC_REPLAY_WINDOW_DEFAULT_PKTS)
_MAX_WINDOW_PKTS: Final = int(lib.ARC_REPLAY_WINDOW_MAX_PKTS)


@dataclass(frozen=True, slots=True)
class CryptoAttribute:
    """The keys with which the writer of a media section sends. Never printed by ``repr``.

    :ivar tag: number of the line in its media section, 1..999999999.
    :ivar suite: one of CRYPTO_SUITES; kept in capital letters.
    :ivar keys: one or more; several have an MKI each, all of the same length.
    :ivar parameters: what differs from the defaults of SRTP.
    :raises ConfigError: out of range; names the field, not the key.
    """

    tag: int
    suite: str
    keys: tuple[CryptoKey, ...]
    parameters: SessionParameters = field(default_factory=SessionParameters)

    def __post_init__(self) -> None:
        check_int("tag", self.tag, 1, TAG_MAX)
        object.__setattr__(self, "suite", str(self.suite).upper())
        object.__setattr__(self, "keys", tuple(self.keys))
        if self.suite not in CRYPTO_SUITES:
            raise ConfigError(f"suite={self.suite!r} is none of {', '.join(CRYPTO_SUITES)}")
        if not self.keys:
            raise ConfigError("keys must hold one at least")
        if not isinstance(self.parameters, SessionParameters):
            raise ConfigError("parameters must be SessionParameters")
        n = sum(CRYPTO_SUITES[self.suite])
        check_keys("keys", self.keys, n)
        check_keys("fec_keys", self.parameters.fec_keys, n)
        every = [key.key_salt for key in (*self.keys, *self.parameters.fec_keys)]
        if len(set(every)) < len(every):  # RFC 4568 section 6.3.5
            raise ConfigError("keys and fec_keys have a key in common")

    @property
    def profile(self) -> SrtpProfile:
        """The profile of SRTP that the suite stands for."""
        return SUITE_PROFILES[self.suite]

    def to_text(self) -> str:
        """The value of the attribute, with the keys."""
        keys = ";".join(key.to_text() for key in self.keys)
        return " ".join((str(self.tag), self.suite, keys, *self.parameters.to_words()))

    @classmethod
    def parse(cls, text: str) -> CryptoAttribute:
        """Read the value of an attribute. Capital and small letters are the same, but in keys.

        :raises ParseError: not valid; the message does not show the key.
        :raises UnsupportedError: valid, but of a suite or with a mandatory parameter that is unknown
            here. Either way the line must not be used (RFC 4568 sections 5.1.2 and 6.3.7).
        """
        words = re.split(r"[ \t]+", text.strip(" \t"))
        if len(words) < 3:
            raise ParseError("a=crypto: tag, suite and key are needed")
        tag = parse_number(words[0], 1, TAG_MAX, "tag")
        if not _SUITE.fullmatch(words[1]):
            raise ParseError("a=crypto: the name of the suite has a character that is not allowed")
        suite = words[1].upper()
        if suite not in CRYPTO_SUITES:
            raise UnsupportedError(f"a=crypto: the suite of tag {tag} is none of {', '.join(CRYPTO_SUITES)}")
        n = sum(CRYPTO_SUITES[suite])
        at = 3
        while words[at - 1].endswith(";") and at < len(words):  # as RFC 4568 section 7.1.5 prints them
            at += 1
        keys = parse_keys("".join(words[2:at]), n)
        try:
            return cls(tag, suite, keys, SessionParameters.parse(words[at:], n))
        except ConfigError as error:
            raise ParseError(f"a=crypto: {error}") from None

    @classmethod
    def from_config(cls, config: SrtpConfig, tag: int = 1, *,
                    others: Sequence[SrtpConfig] = ()) -> CryptoAttribute:
        """The line for a side that sends with ``config``.

        ``encrypted_extensions`` do not stand in it, but in ``a=extmap`` (RFC 6904 section 4).
        A replay window that is not the usual one becomes a hint to the other side.

        :param others: more keys that it may change to; the same profile and options.
        :raises ConfigError: it cannot be said in a session description: another length of salt,
            a roll-over counter that has begun (RFC 4568 section 6.4), a derivation rate of 1.
        """
        rate, window = config.key_derivation_rate, config.window_pkts
        if config.roc:
            raise ConfigError(f"roc={config.roc}: a session description is for streams that begin with 0")
        if rate == 1:
            raise ConfigError("key_derivation_rate=1 cannot stand in a session description, 2 and above can")
        for other in others:
            if (other.profile, other.key_derivation_rate) != (config.profile, rate):
                raise ConfigError("others must have the profile and key_derivation_rate of config")
        parameters = SessionParameters(kdr=rate.bit_length() - 1 if rate else None,
                                       wsh=window if window != _DEFAULT_WINDOW_PKTS else None)
        return cls(tag, suite_of(config.profile), tuple(map(_key_of, (config, *others))), parameters)

    def to_configs(self, **options: Any) -> tuple[SrtpConfig, ...]:
        """A configuration for each key, in order: the first for a pipeline, others for its ``add_key``.

        :param options: other fields of SrtpConfig, ``ssrc`` and ``encrypted_extensions`` say.
        :raises UnsupportedError: the line asks for packets without encryption or without a tag.
        :raises ConfigError: an option is out of range.
        """
        if self.parameters.negotiated:
            raise UnsupportedError(f"a=crypto with {' '.join(self.parameters.negotiated)}: packets always go "
                                   "encrypted and authenticated here")
        key_bytes = CRYPTO_SUITES[self.suite][0]
        if self.parameters.wsh is not None:
            options.setdefault("window_pkts", min(self.parameters.wsh, _MAX_WINDOW_PKTS))
        if self.parameters.kdr is not None:
            options["key_derivation_rate"] = 2 ** self.parameters.kdr
        return tuple(
            SrtpConfig(key.key_salt[:key_bytes], key.key_salt[key_bytes:], profile=self.profile, mki=key.mki,
                       limit_pkts=key.lifetime_pkts, **options) for key in self.keys)

    def to_config(self, **options: Any) -> SrtpConfig:
        """The configuration for the only key, or the first one; see :meth:`to_configs`."""
        return self.to_configs(**options)[0]


def _key_of(config: SrtpConfig) -> CryptoKey:
    salt_bytes = config.profile.salt_bytes[0]
    if any(config.master_salt[salt_bytes:]):
        raise ConfigError(f"the key has a salt of {len(config.master_salt)} bytes; in a session description "
                          f"{suite_of(config.profile)} has {salt_bytes}")
    return CryptoKey(config.master_key + config.master_salt[:salt_bytes], config.limit_pkts, config.mki)


def parse_lines(values: Sequence[str]) -> tuple[tuple[CryptoAttribute, ...], tuple[ParseError | UnsupportedError, ...]]:
    """Read the ``a=crypto`` attributes of one media section.

    :returns: those that are valid and known here, in order, and why the others must not be used.
    """
    good: list[CryptoAttribute] = []
    faults: list[ParseError | UnsupportedError] = []
    for value in values:
        try:
            good.append(CryptoAttribute.parse(value))
        except (ParseError, UnsupportedError) as error:
            faults.append(error)
    tags = [attribute.tag for attribute in good]
    twice = {tag for tag in tags if tags.count(tag) > 1}
    faults += [ParseError(f"a=crypto: the tag {tag} stands there twice") for tag in sorted(twice)]
    return tuple(a for a in good if a.tag not in twice), tuple(faults)
