"""G.711 from its definition: segments and steps (ITU-T G.711, tables 1 and 2), 14 and 13 bits scaled to 16."""
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ulaw(code: int) -> int:
    """Value of a mu-law code: all bits are sent inverted; sign, three bits of segment, four of step."""
    code ^= 0xFF
    magnitude = (((code & 0x0F) << 1 | 0x21) << (code >> 4 & 7)) - 0x21  # 14 bits
    return 4 * (-magnitude if code & 0x80 else magnitude)


def alaw(code: int) -> int:
    """Value of an A-law code: even bits are sent inverted; the sign bit is set for positive values."""
    positive, code = bool(code & 0x80), (code ^ 0x55) & 0x7F
    segment, step = code >> 4, code & 0x0F
    magnitude = (2 * step + 1) if segment == 0 else (2 * step + 33) << (segment - 1)  # 13 bits, twice
    return 8 * magnitude if positive else -8 * magnitude


ULAW: NDArray[np.int16] = np.array([ulaw(code) for code in range(256)], dtype=np.int16)
ALAW: NDArray[np.int16] = np.array([alaw(code) for code in range(256)], dtype=np.int16)
