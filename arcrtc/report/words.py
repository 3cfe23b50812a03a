"""Numbers as people read them: as many digits as mean something, and the unit."""
from __future__ import annotations

from typing import Final

_SPACE: Final = "\N{NO-BREAK SPACE}"
NOTHING: Final = "\N{EN DASH}"


def number(value: float | None, digits: int = 3) -> str:
    """``digits`` significant digits, but never fewer than the whole number; grouped by thousands."""
    if value is None:
        return NOTHING
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - int(f"{abs(value):e}".split("e")[1]))
    text = f"{value:,.{decimals}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return text.rstrip("0").rstrip(".") if decimals and float(value).is_integer() else text


def count(value: int | None) -> str:
    """A whole number, grouped by thousands."""
    return NOTHING if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def ms(value: float | None) -> str:
    """Milliseconds: a tenth below 10, whole above."""
    if value is None:
        return NOTHING
    return f"{value:.1f}{_SPACE}ms" if abs(value) < 9.95 else f"{value:,.0f}{_SPACE}ms"


def percent(value: float | None) -> str:
    """Two significant digits; what is not zero is never printed as zero."""
    if value is None:
        return NOTHING
    if 0 < value < 0.005:
        return f"<{_SPACE}0.01{_SPACE}%"
    if value == 0 or value >= 99.95:
        return f"{value:.0f}{_SPACE}%"
    return f"{value:.{2 if value < 0.095 else 1 if value < 9.95 else 0}f}{_SPACE}%"


def rate(value_bps: float | None) -> str:
    """A bit rate in b/s, kb/s or Mb/s."""
    if value_bps is None:
        return NOTHING
    for unit, size in (("Mb/s", 1e6), ("kb/s", 1e3)):
        if value_bps >= size * 0.9995:
            return f"{number(value_bps / size)}{_SPACE}{unit}"
    return f"{value_bps:.0f}{_SPACE}b/s"


def size(value_bytes: float | None) -> str:
    """Bytes in kB or MB (of 1000)."""
    if value_bytes is None:
        return NOTHING
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value_bytes >= one * 0.9995:
            return f"{number(value_bytes / one)}{_SPACE}{unit}"
    return f"{value_bytes:.0f}{_SPACE}B"


def decibel(value: float | None, unit: str = "dB") -> str:
    """A tenth of a decibel."""
    return NOTHING if value is None else f"{value:.1f}{_SPACE}{unit}".replace("-", "\N{MINUS SIGN}")


def seconds(value: float) -> str:
    """A length of time in s or min."""
    if value < 119.5:
        return f"{number(value)}{_SPACE}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}{_SPACE}min {rest:02d}{_SPACE}s"


def times(n: int, one: str, many: str | None = None) -> str:
    """``1 freeze``, ``3 freezes``."""
    return f"{count(n)}{_SPACE}{one if n == 1 else many or one + 's'}"
