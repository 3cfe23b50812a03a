"""Where clocks of media come from, as session descriptions tell it: hints for lip-sync (RFC 7273)."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from arcrtc._ranges import check_int
from arcrtc.errors import ConfigError, ParseError

_VALUE: Final = re.compile(r"[!-~]{1,255}")
_KIND: Final = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,64}")
_RATE: Final = re.compile(r"rate=(\d{1,9})/(\d{1,9})")
_ID: Final = re.compile(r"id=(src:)?([A-Za-z0-9+/=]{1,255})")


@dataclass(frozen=True, slots=True)
class ReferenceClock:
    """The clock that time stamps follow (``a=ts-refclk``, section 4).

    :ivar kind: ``ntp``, ``ptp``, ``gps``, ``gal``, ``glonass``, ``local``, ``private`` or another.
    :ivar value: which one: an NTP server or ``/traceable/``, a PTP version and grandmaster; "": not told.
    :raises ConfigError: cannot stand in a description.
    """

    kind: str
    value: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or not _KIND.fullmatch(self.kind):
            raise ConfigError(f"kind={self.kind!r} is no name of a clock source")
        if not isinstance(self.value, str) or (self.value and not _VALUE.fullmatch(self.value)):
            raise ConfigError(f"value={self.value!r} cannot stand in a session description")

    @property
    def is_traceable(self) -> bool:
        """It keeps to UTC or TAI: streams of different senders with such clocks can be set side by side."""
        return self.kind in ("gps", "gal", "glonass") or "traceable" in re.split("[/:]", self.value)

    @classmethod
    def parse(cls, text: str) -> ReferenceClock:
        """Read the value of the attribute. :raises ParseError: it is none."""
        separator = ":" if text.startswith("private:") else "="
        kind, _, value = text.partition(separator)
        try:
            return cls(kind, value)
        except ConfigError as error:
            raise ParseError(f"a=ts-refclk: {error}") from None

    def to_text(self) -> str:
        """The value of the attribute."""
        return self.kind + ((":" if self.kind == "private" else "=") + self.value if self.value else "")


@dataclass(frozen=True, slots=True)
class MediaClock:
    """The clock that samples and pictures are taken by (``a=mediaclk``, section 5).

    :ivar kind: ``sender`` (its own), ``direct`` (by the reference clock), ``IEEE1722`` or another.
    :ivar offset: of ``direct``: time stamp at the reference clock's origin, 0..2**32-1; None: not told.
    :ivar rate: of ``direct``: by which its rate differs, (numerator, denominator); None: not at all.
    :ivar value: of other kinds: which one; "": not told.
    :ivar ident: streams with the same one share a clock; "": not told.
    :ivar ident_is_of_source: ``ident`` is the sender's own, for its streams only.
    :raises ConfigError: out of range; names the field.
    """

    kind: str
    offset: int | None = None
    rate: tuple[int, int] | None = None
    value: str = ""
    ident: str = ""
    ident_is_of_source: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or not _KIND.fullmatch(self.kind):
            raise ConfigError(f"kind={self.kind!r} is no name of a media clock")
        if self.kind != "direct" and (self.offset is not None or self.rate is not None):
            raise ConfigError(f"offset and rate are of direct, not of {self.kind}")
        if self.offset is not None:
            check_int("offset", self.offset, 0, 2**32 - 1)
        for part in self.rate or ():
            check_int("rate", part, 1, 10**9 - 1)
        if (self.value and not _VALUE.fullmatch(self.value)) or (self.value and self.kind in ("sender", "direct")):
            raise ConfigError(f"value={self.value!r} cannot stand there")
        if self.ident and not _ID.fullmatch("id=" + self.ident):
            raise ConfigError(f"ident={self.ident!r} is not base64")

    @classmethod
    def parse(cls, text: str) -> MediaClock:
        """Read the value of the attribute. :raises ParseError: it is none."""
        words = text.split()
        ident, of_source = "", False
        if words and (found := _ID.fullmatch(words[0])):
            of_source, ident, words = found[1] is not None, found[2], words[1:]
        if not words:
            raise ParseError("a=mediaclk: no clock is named")
        kind, _, value = words[0].partition("=")
        offset, rate = None, None
        if kind == "direct":
            if value and not (value.isascii() and value.isdigit() and len(value) < 11):
                raise ParseError(f"a=mediaclk: direct={value!r} is no number")
            offset, value = int(value) if value else None, ""
            if len(words) > 1:
                if (parts := _RATE.fullmatch(words[1])) is None:
                    raise ParseError("a=mediaclk: rate is not <number>/<number>")
                rate = int(parts[1]), int(parts[2])
        try:
            return cls(kind, offset, rate, value, ident, of_source)
        except ConfigError as error:
            raise ParseError(f"a=mediaclk: {error}") from None

    def to_text(self) -> str:
        """The value of the attribute."""
        value = str(self.offset) if self.offset is not None else self.value
        words = [f"id={'src:' if self.ident_is_of_source else ''}{self.ident}"] if self.ident else []
        words.append(self.kind + (f"={value}" if value else ""))
        if self.rate is not None:
            words.append(f"rate={self.rate[0]}/{self.rate[1]}")
        return " ".join(words)
