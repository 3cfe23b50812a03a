"""RFC 6464 level, plainly: after the text of RFC 6465 appendix A."""
from __future__ import annotations

import math
from collections.abc import Iterable


def level(samples: Iterable[float], overload: float) -> int:
    """-dBov, 0..127."""
    values = [min(abs(s) / overload, 1.0) for s in samples]
    rms = math.sqrt(sum(v * v for v in values) / len(values)) if values else 0.0
    decibels = 20 * math.log10(rms) if rms > 0 else -127.0
    return -math.floor(min(0.0, max(-127.0, decibels)) + 0.5)
