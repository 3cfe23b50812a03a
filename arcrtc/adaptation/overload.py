"""Whether encoding keeps up: encode time against the interval of frames."""
from __future__ import annotations

from typing import Final

from arcrtc._ranges import check_float

_HIGH: Final = 0.85  # busy: the next longer frame makes the stream late
_LOW: Final = 0.6    # what a larger step may be expected to take, before it is tried again
_MEMORY_FRAMES: Final = 30
_BUSY_US: Final = 2_000_000
_CALM_US: Final = 20_000_000


class EncoderLoad:
    """Share of the time between frames that encoding takes, and for how long it was too much.

    Not one slow frame but two seconds above 85 % are an overload; relief takes twenty seconds in which the next
    larger step would have stayed below 60 %.
    """

    def __init__(self) -> None:
        self.usage = 0.0
        self._frames = 0
        self._high_since_us: int | None = None
        self._calm_since_us: int | None = None

    def add(self, encode_ms: float, frame_rate: float, now_us: int, growth: float) -> None:
        """Take in one encoded frame.

        :param encode_ms: time it took, milliseconds, 0..600000.
        :param frame_rate: frames per second that come now, > 0.
        :param now_us: monotonic clock, microseconds.
        :param growth: pixels a second of the next larger step, by those of the present one.
        :raises ConfigError: ``encode_ms`` is no such number.
        """
        check_float("encode_ms", encode_ms, 0.0, 600_000.0)
        self._frames += 1
        share = encode_ms * frame_rate / 1000
        self.usage += (share - self.usage) / min(self._frames, _MEMORY_FRAMES)
        high = self.usage > _HIGH and self._frames >= _MEMORY_FRAMES
        calm = self.usage * growth < _LOW
        self._high_since_us = _since(self._high_since_us, high, now_us)
        self._calm_since_us = _since(self._calm_since_us, calm, now_us)

    def is_over(self, now_us: int) -> bool:
        """Two seconds of more than 85 %."""
        return self._high_since_us is not None and now_us - self._high_since_us >= _BUSY_US

    def has_room(self, now_us: int) -> bool:
        """Twenty seconds in which the next larger step would have taken less than 60 %."""
        return self._calm_since_us is not None and now_us - self._calm_since_us >= _CALM_US

    def forget(self) -> None:
        """Begin again: what is encoded has changed."""
        self.usage, self._frames = 0.0, 0
        self._high_since_us = self._calm_since_us = None


def _since(was_us: int | None, holds: bool, now_us: int) -> int | None:
    """When it began to hold; None: it does not."""
    if not holds:
        return None
    return now_us if was_us is None else was_us
