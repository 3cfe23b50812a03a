"""Range checks of configuration values, with messages that name field, value and range."""
from __future__ import annotations

import math

from arcrtc.errors import ConfigError


def check_int(name: str, value: int, low: int, high: int, unit: str = "") -> None:
    """Raise ConfigError unless ``value`` is an int (not a bool) in ``low..high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name}={value!r} is not an integer in {low}..{high}{unit and ' ' + unit}")


def check_float(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    """Raise ConfigError unless ``value`` is a finite number in ``low..high``."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        raise ConfigError(f"{name}={value!r} is not a number in {low:g}..{high:g}{unit and ' ' + unit}")
